//! The standard run: a program that uses every part of the runtime once, and says of each future what became of it.
//!
//! It is run with faults. Whatever fails, every future must resolve in time, with the cause or with the right result, and
//! what is read back without an error must be right.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dxg_runtime::{
    Bound, Command, Completion, Device, DeviceBuilder, Error, Event, Graph, Limits, Policy, Result, SoftwareAdapter,
    TryError, args,
};

use crate::{Kernels, affine, stir};

/// A future that takes longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
const ELEMENTS: usize = 96;

/// What became of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Futures that resolved well, and that resolved with an error.
    pub done: usize,
    /// See `done`.
    pub failed: usize,
    /// The first error, of a call or of a future.
    pub first_error: Option<Error>,
    /// Values read back and compared.
    pub compared: usize,
}

/// What must not happen.
#[derive(Debug)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Limits that keep the number of calls small: faults are tried at each of them.
pub fn limits() -> Limits {
    Limits {
        hardware_queues: 2,
        staging_bytes: 256 << 10,
        memory_chunk_bytes: 1 << 20,
        stream_operations: Bound::new(64, 32),
        silence_time: Duration::from_millis(400),
        ..Limits::default()
    }
}

/// A builder over `adapter` with those limits.
pub fn builder(adapter: &Arc<SoftwareAdapter>, policy: Policy) -> DeviceBuilder {
    Device::builder().adapter(adapter.clone()).policy(policy).limits(limits())
}

/// The futures of a run.
#[derive(Default)]
struct Pending {
    completions: Vec<(&'static str, Completion)>,
    report: Report,
}

impl Pending {
    /// Keeps what was accepted; an error ends the run there.
    fn keep(&mut self, what: &'static str, made: Result<Completion, TryError>) -> Result<(), Stop> {
        match made {
            Ok(completion) => {
                self.completions.push((what, completion));
                Ok(())
            }
            Err(TryError::Failed(error)) => Err(self.stop(what, error)),
            Err(full @ TryError::Full { .. }) => Err(Stop::Broken(format!("{what}: {full}, and the program is small"))),
        }
    }

    fn stop(&mut self, what: &'static str, error: Error) -> Stop {
        match check_error(what, &error) {
            Ok(()) => {
                self.report.first_error.get_or_insert(error);
                Stop::Failed
            }
            Err(Broken(why)) => Stop::Broken(why),
        }
    }

    fn done<T>(&mut self, what: &'static str, made: Result<T>) -> Result<T, Stop> {
        made.map_err(|error| self.stop(what, error))
    }
}

/// Why the program went no further.
enum Stop {
    /// A call failed, as calls may.
    Failed,
    Broken(String),
}

/// An error must name its cause, and must not be a defect.
fn check_error(what: &str, error: &Error) -> Result<(), Broken> {
    let text = error.to_string();
    let known = matches!(
        error.root_cause(),
        Error::DeviceLost { .. }
            | Error::Driver { .. }
            | Error::OutOfMemory { .. }
            | Error::NoDevice { .. }
            | Error::ShutDown
            | Error::Unsupported { .. }
    );
    if !known || text.len() < 20 || text.contains("defect") {
        return Err(Broken(format!("{what}: `{text}` is no error that a fault of the driver explains ({error:?})")));
    }
    Ok(())
}

/// Opens a device and runs the program on it. `between` is called when everything is enqueued and nothing awaited.
///
/// # Errors
/// What must not happen, whatever fails.
pub fn run(builder: DeviceBuilder, between: impl FnOnce()) -> Result<Report, Broken> {
    let mut pending = Pending::default();
    let device = match builder.open() {
        Ok(device) => device,
        Err(error) => {
            check_error("opening", &error)?;
            return Ok(Report { first_error: Some(error), ..Report::default() });
        }
    };
    let stopped = enqueue(&device, &mut pending);
    between();
    let outcome = finish(pending, stopped);
    let closed = device.shutdown_blocking(PATIENCE);
    drop(device);
    let report = outcome?;
    if !closed {
        return Err(Broken(format!("the device did not close in {PATIENCE:?}")));
    }
    Ok(report)
}

/// What is read at the end.
type Reads = Vec<(&'static str, dxg_runtime::ReadBack<u32>, Vec<u32>)>;

fn finish(mut pending: Pending, stopped: Result<Reads, Stop>) -> Result<Report, Broken> {
    let reads = match stopped {
        Ok(reads) => reads,
        Err(Stop::Failed) => Vec::new(),
        Err(Stop::Broken(why)) => return Err(Broken(why)),
    };
    for (what, completion) in std::mem::take(&mut pending.completions) {
        match completion.wait_timeout(PATIENCE) {
            None => return Err(Broken(format!("{what}: {completion:?} has no outcome after {PATIENCE:?}"))),
            Some(Ok(())) => pending.report.done += 1,
            Some(Err(error)) => {
                check_error(what, &error)?;
                pending.report.failed += 1;
                pending.report.first_error.get_or_insert(error);
            }
        }
    }
    for (what, read, expected) in reads {
        if read.completion().wait_timeout(PATIENCE).is_none() {
            return Err(Broken(format!("{what}: no outcome after {PATIENCE:?}")));
        }
        match read.wait() {
            Ok(found) if found == expected => {
                pending.report.done += 1;
                pending.report.compared += found.len();
            }
            Ok(found) => return Err(Broken(format!("{what}: read {found:?}, and {expected:?} is right"))),
            Err(error) => {
                check_error(what, &error)?;
                pending.report.failed += 1;
                pending.report.first_error.get_or_insert(error);
            }
        }
    }
    Ok(pending.report)
}

/// Two streams, three buffers, an event between them, a list of commands and a graph.
fn enqueue(device: &Device, pending: &mut Pending) -> Result<Reads, Stop> {
    let Kernels { affine: affine_kernel, stir: stir_kernel, .. } = pending.done("kernels", Kernels::load(device))?;
    let first = pending.done("a stream", device.stream())?;
    let second = pending.done("a stream", device.stream())?;
    let x = pending.done("device memory", device.alloc::<u32>(ELEMENTS))?;
    let y = pending.done("device memory", device.alloc::<u32>(ELEMENTS))?;
    let z = pending.done("device memory", device.alloc::<u32>(ELEMENTS))?;
    let host = pending.done("host memory", device.host_buffer::<u32>(ELEMENTS))?;
    let event = pending.done("an event", Event::new(device))?;
    let data: Vec<u32> = (0..ELEMENTS as u32).map(|i| i * i + 3).collect();
    pending.done("writing host memory", host.write())?.copy_from_slice(&data);
    let (mut mx, mut my) = (data.clone(), vec![7u32; ELEMENTS]);
    let copied = first.try_copy_in(&x, &host);
    let copied = copied.map_err(|refused| match refused {
        TryError::Full { bound, .. } => TryError::Full { bound, returned: () },
        TryError::Failed(error) => TryError::Failed(error),
    });
    pending.keep("a copy in", copied)?;
    pending.keep("a fill", first.try_fill(&y, 7u32))?;
    for a in 1..4u32 {
        let launch = first.try_launch(&affine_kernel, 3, args![x.read(), y.read_write(), a]);
        pending.keep("a launch", launch)?;
        my.iter_mut().zip(&mx).for_each(|(y, x)| *y = affine(*x, *y, a));
    }
    pending.keep("a record", first.try_record(&event))?;
    pending.keep("a wait", second.try_wait(&event))?;
    pending.keep("a copy on the device", second.try_copy(&y, &z))?;
    let mut mz = my.clone();
    let commands = [
        Command::launch(&stir_kernel, 2, args![z.read_write(), 5u32]),
        Command::launch(&stir_kernel, 1, args![z.read_write(), 6u32]),
    ];
    pending.keep("a list of commands", second.try_submit(&commands))?;
    for k in [5, 6] {
        mz.iter_mut().enumerate().for_each(|(i, z)| *z = stir(*z, k, i));
    }
    let mut graph = Graph::builder(device);
    let launch = Command::launch(&stir_kernel, 4, args![x.read_write(), 9u32]);
    pending.done("a node", graph.in_order(launch))?;
    let graph = pending.done("a graph", graph.build())?;
    for _ in 0..2 {
        pending.keep("a graph", graph.try_launch(&first, &[]))?;
        mx.iter_mut().enumerate().for_each(|(i, x)| *x = stir(*x, 9, i));
    }
    let mut reads = Reads::new();
    for (what, stream, buffer, expected) in [("x", &first, &x, mx), ("y", &first, &y, my), ("z", &second, &z, mz)] {
        match stream.try_copy_out(buffer) {
            Ok(read) => reads.push((what, read, expected)),
            Err(TryError::Failed(error)) => return Err(pending.stop(what, error)),
            Err(TryError::Full { .. }) => return Err(Stop::Broken(format!("{what}: no room to read back"))),
        }
    }
    Ok(reads)
}

//! Single stages of the path of an operation, for benchmarks. No part of the API, and behind a feature.
//!
//! [`Path`] is one step of the driver, written out with a clock between its stages, over a queue, a scheduler and
//! timelines of its own; the backend, the checks and the admission are those of a device that does nothing else:
//!
//! ```text
//! pack ─▶ enqueue ─▶ take in ─▶ batch ─▶ encode ─▶ submit ─▶ execute ─▶ complete
//! ```

pub use crate::backend::cuda::peer as cuda;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use dxg_scheduler::{Batch, Bound, Config, Nanos, Operation, Priority, Scheduler};

use crate::backend::SubmitError;
use crate::backend::dxg::encode;
use crate::core::completion::{Registration, Timeline};
use crate::core::queue::{EnqueueQueue, QueueConsumer};
use crate::driver::Cause;
use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::op::Op;
use crate::request::Request;
use crate::{Buffer, Device, Kernel, ModuleSource, Parameters, RustKernel, Stream, args};

/// Operations of one pass.
pub const OPERATIONS: usize = 1024;
/// Streams that they go to in turn.
pub const STREAMS: usize = 64;
/// Values of a buffer.
const VALUES: usize = 256;
/// Longer than any batch of [`OPERATIONS`] launches.
const COMMAND_BYTES: usize = 1 << 20;

/// Time that the operations of one pass spent in each stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageTimes {
    /// Packing arguments, checking the launch.
    pub pack: Duration,
    /// Admission, and the place in the queue.
    pub enqueue: Duration,
    /// Out of the queue, into the scheduler.
    pub take_in: Duration,
    /// Out of the scheduler, as batches.
    pub batch: Duration,
    /// Batches as command packets, into memory of the process.
    pub encode: Duration,
    /// The same again into the command ring, and the submission, as far as the caller waits for it. The software adapter
    /// without delays executes meanwhile.
    pub submit: Duration,
    /// What is left until the fence shows the end.
    pub execute: Duration,
    /// Fence read, completions told, waiters woken, room made, memory freed.
    pub complete: Duration,
}

/// The path, with everything that it needs.
pub struct Path {
    device: Device,
    kernel: Kernel,
    x: Buffer<f32>,
    lanes: Vec<Lane>,
    /// Places in `lanes` by stream id.
    places: Vec<usize>,
    requests: Vec<Option<Request>>,
    queue: EnqueueQueue<Operation<Op>>,
    operations: QueueConsumer<Operation<Op>>,
    scheduler: Scheduler<Op>,
    batch: Batch<Op>,
    retired: Vec<Op>,
    commands: Vec<u8>,
    /// Kernels that ran.
    runs: Arc<AtomicU64>,
    clock: Nanos,
}

struct Lane {
    stream: Stream,
    y: Buffer<f32>,
    timeline: Timeline<Cause>,
    last: u64,
}

impl Path {
    /// On a software adapter without modelled latencies.
    pub fn new() -> Result<Self> {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
        let runs = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&runs);
        let body = RustKernel::new("axpy").scalar::<f32>().read::<f32>().write::<f32>().body(move |block| {
            let (a, x, start) = (block.scalar::<f32>(0)?, block.read::<f32>(1)?, block.chunk_start(2)?);
            for (y, x) in block.write::<f32>(2)?.iter_mut().zip(&x[start..]) {
                *y += a * x;
            }
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let kernel = device.load(&ModuleSource::new().rust([body]))?.kernel("axpy")?;
        let lane = |_| {
            let (stream, y) = (device.stream()?, device.alloc(VALUES)?);
            Ok(Lane { stream, y, timeline: Timeline::new(), last: 0 })
        };
        let lanes = (0..STREAMS).map(lane).collect::<Result<Vec<_>>>()?;
        let unbounded = Bound::new(u32::MAX, u32::MAX - 1);
        let queues = device.shared().engine.backend.queues();
        let mut scheduler =
            Scheduler::new(Config { queues, stream_bound: unbounded, device_bound: unbounded, ..Config::default() });
        let mut places = Vec::new();
        for (place, lane) in lanes.iter().enumerate() {
            let id = lane.stream.inner.core.id();
            scheduler.handle_stream(id, Priority::Normal);
            places.resize(places.len().max(id.0 as usize + 1), 0);
            places[id.0 as usize] = place;
        }
        let (queue, operations) = EnqueueQueue::new(OPERATIONS);
        Ok(Path {
            x: device.alloc(VALUES)?,
            device,
            kernel,
            lanes,
            places,
            requests: Vec::with_capacity(OPERATIONS),
            queue,
            operations,
            scheduler,
            batch: Batch::new(),
            retired: Vec::with_capacity(OPERATIONS),
            commands: vec![0; COMMAND_BYTES],
            runs,
            clock: 0,
        })
    }

    /// Packs and checks [`OPERATIONS`] launches.
    pub fn pack(&mut self) -> Result<()> {
        for index in 0..OPERATIONS {
            let lane = &self.lanes[index % STREAMS];
            let arguments = args![1.0f32, self.x.read(), lane.y.read_write()];
            let device = &lane.stream.inner.device;
            self.requests.push(Some(Request::launch(
                device.info(),
                device.tag,
                &self.kernel,
                Grid::from(1),
                arguments,
            )?));
        }
        Ok(())
    }

    /// Accepts what was packed.
    pub fn enqueue(&mut self) -> Result<()> {
        for (index, request) in self.requests.iter_mut().enumerate() {
            let lane = &mut self.lanes[index % STREAMS];
            let shared = &lane.stream.inner.core.shared;
            let refused = || Error::invalid("the benchmark's own queue has no room");
            let permit = shared.gate.try_enter(1).map_err(|_full| refused())?;
            let make = |ticket| request.take().unwrap_or_else(Request::marker).into_operation(shared.id, ticket);
            lane.last = self.queue.try_push(make).ok_or_else(refused)?;
            permit.spend();
        }
        self.requests.clear();
        Ok(())
    }

    /// Drops what was enqueued.
    pub fn discard(&mut self) {
        while let Some((_, operation)) = self.operations.pop() {
            drop(operation);
        }
        self.lanes.iter().for_each(|lane| lane.stream.inner.core.shared.gate.leave((OPERATIONS / STREAMS) as u32));
    }

    /// Hands what was enqueued to the scheduler.
    fn take_in(&mut self) -> Result<()> {
        self.clock += 1_000_000;
        while let Some((_, operation)) = self.operations.pop() {
            let rejected = self.scheduler.handle_operation(self.clock, operation).err();
            if let Some(rejected) = rejected {
                return Err(Error::invalid(rejected.reason.to_string()));
            }
        }
        self.scheduler.handle_drain(self.clock);
        Ok(())
    }

    /// The whole path once, for [`OPERATIONS`] launches, each of which is checked to have run.
    pub fn pass(&mut self) -> Result<StageTimes> {
        let before = self.runs.load(Ordering::Relaxed);
        let mut times = StageTimes::default();
        let mut registrations: Vec<Registration<Cause>> = Vec::with_capacity(STREAMS);
        let mut clock = Instant::now();
        let mut lap = |stage: &mut Duration| {
            let now = Instant::now();
            *stage += now - clock;
            clock = now;
        };
        self.pack()?;
        lap(&mut times.pack);
        self.enqueue()?;
        lap(&mut times.enqueue);
        self.take_in()?;
        lap(&mut times.take_in);
        for lane in &self.lanes {
            let mut registration = Registration::default();
            let mut context = Context::from_waker(Waker::noop());
            let _pending = lane.timeline.poll(lane.last, &mut registration, &mut context, |_| {});
            registrations.push(registration);
        }
        lap(&mut times.complete);
        while self.scheduler.poll_batch(self.clock, &mut self.batch) {
            lap(&mut times.batch);
            self.encode()?;
            lap(&mut times.encode);
            let backend = &self.device.shared().engine.backend;
            let submitted = backend.submit(&self.batch).map_err(|refused| match refused {
                SubmitError::Failed(error) => error,
                SubmitError::Busy => Error::invalid("the command ring is full, with nothing in flight"),
                SubmitError::Throttled => Error::invalid("the message ring stays full"),
                SubmitError::Lost(cause) => Error::invalid(format!("the device is lost: {cause:?}")),
            })?;
            lap(&mut times.submit);
            let (queue, fence) = (self.batch.queue, self.batch.fence);
            while backend.progress(queue) < fence {
                std::hint::spin_loop();
            }
            lap(&mut times.execute);
            self.scheduler.handle_submitted(self.clock, &mut self.batch, 0, submitted.ring_bytes);
            lap(&mut times.batch);
            self.retire(queue, fence)?;
            lap(&mut times.complete);
        }
        for (lane, registration) in self.lanes.iter().zip(&mut registrations) {
            let mut context = Context::from_waker(Waker::noop());
            let outcome = lane.timeline.poll(lane.last, registration, &mut context, |_| {});
            if !matches!(outcome, Poll::Ready(Ok(()))) {
                return Err(Error::invalid("a launch of the benchmark was not completed"));
            }
        }
        lap(&mut times.complete);
        let ran = self.runs.load(Ordering::Relaxed) - before;
        if ran != OPERATIONS as u64 {
            return Err(Error::invalid(format!("{ran} kernels ran, not {OPERATIONS}")));
        }
        Ok(times)
    }

    fn encode(&mut self) -> Result<()> {
        let len = encode(black_box(&self.batch), &mut self.commands);
        let len = len.ok_or_else(|| Error::invalid("a batch of the benchmark is longer than its command memory"))?;
        black_box(&self.commands[..len]);
        Ok(())
    }

    /// Completes everything up to a fence value.
    fn retire(&mut self, queue: dxg_scheduler::QueueId, fence: u64) -> Result<()> {
        let impossible = self.scheduler.handle_progress(self.clock, queue, fence).err();
        if let Some(impossible) = impossible {
            return Err(Error::invalid(impossible.to_string()));
        }
        while let Some(completed) = self.scheduler.poll_completion() {
            self.lanes[self.places[completed.stream.0 as usize]].timeline.complete(completed.ticket.0);
        }
        self.scheduler.poll_retired(&mut self.retired);
        for run in self.retired.chunk_by(|a, b| a.stream == b.stream) {
            let lane = &self.lanes[self.places[run[0].stream.0 as usize]];
            lane.stream.inner.core.shared.gate.leave(run.len() as u32);
        }
        self.retired.clear();
        Ok(())
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Path({} operations over {} streams)", OPERATIONS, self.lanes.len())
    }
}

/// A timeline, and futures that wait for it.
#[derive(Default)]
pub struct Wakes {
    timeline: Option<Timeline<Cause>>,
    waiting: Vec<Registration<Cause>>,
    last: u64,
}

impl Wakes {
    /// Registers `n` waiters with this waker, each for a ticket of its own.
    pub fn register(&mut self, n: usize, waker: &Waker) {
        let timeline = self.timeline.get_or_insert_with(Timeline::new);
        self.waiting.clear();
        for _ in 0..n {
            self.last += 1;
            let mut registration = Registration::default();
            let mut context = Context::from_waker(waker);
            let _pending = timeline.poll(self.last, &mut registration, &mut context, |_| {});
            self.waiting.push(registration);
        }
    }

    /// Completes all of them.
    pub fn complete(&self) {
        if let Some(timeline) = &self.timeline {
            timeline.complete(self.last);
        }
    }
}

impl std::fmt::Debug for Wakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wakes({} waiting)", self.waiting.len())
    }
}

/// Takes staging memory of `device`, copies `data` into it, and gives it back.
pub fn stage(device: &Device, data: &[u8]) -> Result<()> {
    let piece = device.shared().host.allocate(data.len())?;
    let mut piece = piece.ok_or_else(|| Error::invalid("there is no staging memory, with nothing in flight"))?;
    piece.write(data);
    black_box(piece.ptr());
    Ok(())
}

//! What must hold of a CUDA device: one list of checks, for a real GPU (`gpu-check`) and for the stand-in of the tests.

use std::path::PathBuf;
use std::time::Duration;

use dxg_runtime::{Device, DeviceBuilder, Kernel, Limits, ModuleSource, Policy, Selector, Stream, args};

use crate::ptx::Random;

mod copies;
mod driver;
mod foreign;
mod kit;
mod launches;
mod order;
mod several;

/// The kernels of the checks, as PTX.
pub const KERNELS: &str = include_str!("../../cuda/kernels.ptx");

/// How a check fails: with a sentence.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where the device is.
#[derive(Clone, Debug)]
pub struct Target {
    /// `cuda:0` and the like.
    pub selector: String,
    /// The driver library, where it is not the system's.
    pub library: Option<PathBuf>,
    /// Less of everything, where kernels run on the CPU.
    pub small: bool,
    /// Each stream belongs to another shard than the one before it.
    pub sharded: bool,
}

/// How a check ends that does not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; lines for whoever reads along.
    Holds(Vec<String>),
    /// It cannot be looked at here, and why.
    Skipped(String),
}

/// One check.
pub struct Check {
    /// What holds.
    pub name: &'static str,
    run: Run,
}

enum Run {
    Plain(fn(&Target) -> Outcome),
    Telling(fn(&Target) -> Outcome<Verdict>),
}

impl Check {
    /// Fails if it does not hold.
    pub fn run(&self, target: &Target) -> Outcome<Verdict> {
        match self.run {
            Run::Plain(run) => run(target).map(|()| Verdict::Holds(Vec::new())),
            Run::Telling(run) => run(target),
        }
    }
}

type Plain = (&'static str, fn(&Target) -> Outcome);
type Telling = (&'static str, fn(&Target) -> Outcome<Verdict>);

/// All checks.
pub fn checks() -> Vec<Check> {
    let plain: &[Plain] = &[
        ("copies of all sizes and alignments arrive", copies::all_sizes),
        ("fills of all patterns arrive", copies::fills),
        ("host buffers are read and written in place", copies::host_buffers),
        ("copies between buffers of many streams at once", copies::many_at_once),
        ("merged and single launches give equal bits, whatever the grids", launches::merged_equals_single),
        ("every block of a merged launch sees its own grid", launches::grids),
        ("what does not fit a kernel is refused by name", launches::refusals),
        ("merging is refused where it is asked for", launches::unmerged),
        ("streams are in order, and events between them hold", order::events),
        ("requests from 64 tasks", order::requests),
        ("every policy gives the same results", order::policies),
        ("every way of writing fences gives the same results", order::fences),
        ("times of events grow", order::times),
        ("a graph launched again with patches", order::graphs),
        ("waiting asleep ends", order::sleeping),
        ("buffers, streams and devices dropped with work in flight", order::dropped),
        ("a CUcontext of the program's own carries a device, and is given back", foreign::given_context),
        ("memory, kernels and events pass to and fro between the program and dxgrt", foreign::both_ways),
    ];
    let telling: &[Telling] = &[
        ("foreign streams and events order what they should", foreign::order),
        ("several GPUs at once", several::all),
        ("every kernel of the kit gives equal bits merged and singly", kit::all),
    ];
    let plain = plain.iter().map(|&(name, run)| Check { name, run: Run::Plain(run) });
    plain.chain(telling.iter().map(|&(name, run)| Check { name, run: Run::Telling(run) })).collect()
}

impl Target {
    /// How to open it.
    pub fn builder(&self) -> DeviceBuilder {
        let builder = Device::builder().selector(self.selector.as_str()).policy(Policy::Adaptive);
        let builder = match &self.library {
            Some(path) => builder.cuda_library(path),
            None => builder,
        };
        if self.sharded { builder.limits(self.limits(Limits::default())).streams_of_a_shard(1) } else { builder }
    }

    fn limits(&self, limits: Limits) -> Limits {
        if self.sharded { Limits { shards: 4, ..limits } } else { limits }
    }

    /// An open device.
    pub fn open(&self) -> Outcome<Device> {
        Ok(self.builder().open()?)
    }

    /// As [`Target::open`], on a context that the program made.
    ///
    /// # Safety
    ///
    /// That of [`DeviceBuilder::cuda_context`].
    pub unsafe fn open_on(
        &self,
        context: *mut std::ffi::c_void,
        owner: impl std::any::Any + Send + Sync,
    ) -> Outcome<Device> {
        // SAFETY: needed because the context is foreign; the caller keeps it.
        Ok(unsafe { self.builder().cuda_context(context, owner) }.open()?)
    }

    /// The number of its GPU.
    pub fn gpu(&self) -> Outcome<u32> {
        Ok(self.selector.parse::<Selector>()?.index())
    }

    /// An open device with other limits.
    pub fn open_with(&self, limits: Limits) -> Outcome<Device> {
        Ok(self.builder().limits(self.limits(limits)).open()?)
    }
}

/// The kernels of the checks, loaded.
pub fn load(device: &Device, name: &str) -> Outcome<Kernel> {
    // SAFETY: needed because PTX is foreign code; these kernels touch the elements that their arguments tell, and no other.
    let source = unsafe { ModuleSource::new().ptx_unchecked(KERNELS) };
    Ok(device.load(&source)?.kernel(name)?)
}

/// Waits, but not for ever.
pub fn settle(stream: &Stream) -> Outcome {
    match stream.last().wait_timeout(Duration::from_secs(60)) {
        Some(outcome) => Ok(outcome?),
        None => Err("a stream was not through after a minute".into()),
    }
}

/// An error with this sentence unless both are equal.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &[T], expected: &[T]) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} values in place of {}", found.len(), expected.len()).into());
    }
    match found.iter().zip(expected).position(|(found, expected)| found != expected) {
        None => Ok(()),
        Some(at) => Err(format!("{what}: value {at} is {:?}, not {:?}", found[at], expected[at]).into()),
    }
}

/// One launch of `axpy` over buffers of its own.
struct Axpy {
    factor: f32,
    x: Vec<f32>,
    y: Vec<f32>,
    threads: u32,
}

impl Axpy {
    fn draw(random: &mut Random, most: u64) -> Axpy {
        let len = 1 + random.below(most) as usize;
        let mut values = || (0..len).map(|_| random.below(1 << 20) as f32 / 1024.0).collect::<Vec<f32>>();
        let (x, y) = (values(), values());
        Axpy { factor: random.below(64) as f32, x, y, threads: 32 << random.below(4) }
    }

    fn expected(&self) -> Vec<f32> {
        self.y.iter().zip(&self.x).map(|(y, x)| y + self.factor * x).collect()
    }

    /// Runs it on a stream: copies in, launch; what comes out is awaited by the caller.
    async fn run(&self, device: &Device, stream: &Stream, kernel: &Kernel) -> Outcome<dxg_runtime::ReadBack<f32>> {
        let (x, y) = (device.alloc::<f32>(self.x.len())?, device.alloc::<f32>(self.x.len())?);
        stream.copy_in(&x, self.x.as_slice()).await?;
        stream.copy_in(&y, self.y.as_slice()).await?;
        let blocks = (self.x.len() as u32).div_ceil(self.threads);
        let arguments = args![self.factor, x.read(), y.read_write(), self.x.len() as u32];
        stream.launch(kernel, (blocks, self.threads), arguments).await?;
        Ok(stream.copy_out(&y).await?)
    }
}

//! The software adapter: driver, bus, host and GPU of a paravirtualized adapter inside this process.
//!
//! An ioctl on a [`SoftwareFile`] takes the way that it takes on a real machine: the guest driver (`guest`) checks it
//! and sends messages, the VMBus (`bus`, over the cost model in [`model`]) carries them at their modelled times, the host
//! (`host`) keeps the objects, and the GPU (`gpu`) executes what its queues hold. [`packet`] is the wire format of
//! command buffers, [`kernel`] what the GPU can run, [`params`] what things cost.

mod bus;
pub mod clock;
pub mod descriptor;
pub(crate) mod gpu;
mod guest;
mod home;
mod host;
pub mod kernel;
pub mod model;
pub mod packet;
pub mod params;

use std::ffi::c_void;
use std::io;
use std::sync::Arc;

use self::bus::Link;
use self::bus::dispatcher::Dispatcher;
pub use self::bus::message::{HostAnswer, LoggedMessage};
use self::clock::Clock;
use self::gpu::{Gpu, GpuParameters};
use self::guest::Driver;
use self::guest::objects::Process;
pub use self::home::Home;
use self::kernel::KernelRegistry;
pub use self::params::{ParameterError, Parameters};
use crate::boundary::{Boundary, RawOutcome, Traffic};
use crate::memory::{DirectMemory, UserMemory};
use crate::status::Errno;

/// Why there is no adapter, or no descriptor of it.
#[derive(Debug, thiserror::Error)]
pub enum SoftwareError {
    /// The parameters are out of range.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The system does not give what the adapter needs.
    #[error("the software adapter cannot get its memory or threads: {0}")]
    System(#[from] io::Error),
    /// The host refuses the process, as `open` on the device node would say.
    #[error("the software adapter's host refuses this process: {0}")]
    Open(Errno),
}

/// The private data by which an allocation of this adapter says its size: what a vendor's user-mode driver would write
/// into `d3dddi_allocationinfo2::priv_drv_data`. Without private data an allocation has 64 KiB.
pub const fn allocation_private_data(bytes: u64) -> [u8; 8] {
    bytes.to_le_bytes()
}

/// What an adapter holds for its clients: all of it is 0 when every descriptor is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processes that have the device node open.
    pub processes: usize,
    /// Handles of the guest driver, adapters included.
    pub handles: usize,
    /// Objects of the host.
    pub host_objects: usize,
    /// Guest events that were not raised or withdrawn.
    pub events: usize,
    /// Bytes of video memory.
    pub video_bytes: u64,
    /// Bytes of IO space: fence pages.
    pub io_bytes: u64,
}

/// One virtual machine's paravirtualized adapter.
pub struct SoftwareAdapter {
    parameters: Parameters,
    kernels: KernelRegistry,
    link: Arc<Link>,
    driver: Driver,
    home: Home,
}

impl SoftwareAdapter {
    /// A new machine with one adapter.
    pub fn new(parameters: Parameters) -> Result<Arc<SoftwareAdapter>, SoftwareError> {
        parameters.validate()?;
        let clock = Clock::start();
        let kernels = KernelRegistry::new();
        let dispatcher = Arc::new(Dispatcher::new(clock, params::nanos(parameters.wake_up_us)));
        let now = move || clock.now();
        let gpu = Gpu::new(gpu_parameters(&parameters), kernels.clone(), now, dispatcher.clone())?;
        let link = Link::new(&parameters, clock, Arc::new(gpu), dispatcher);
        let driver = Driver::new(link.clone(), parameters.map_guest_pages);
        Ok(Arc::new(SoftwareAdapter { parameters, kernels, link, driver, home: Home::new()? }))
    }

    /// Opens the device node, for callers whose pointers are right: the typed layer of this crate.
    pub fn open(self: &Arc<Self>) -> Result<SoftwareFile, SoftwareError> {
        self.open_with(Arc::new(DirectMemory))
    }

    /// Opens the device node; caller memory is reached through `memory`.
    pub fn open_with(self: &Arc<Self>, memory: Arc<dyn UserMemory>) -> Result<SoftwareFile, SoftwareError> {
        self.open_counted(memory).map(|(file, _)| file)
    }

    /// As [`open_with`](Self::open_with), with the messages that it took.
    pub fn open_counted(
        self: &Arc<Self>,
        memory: Arc<dyn UserMemory>,
    ) -> Result<(SoftwareFile, Traffic), SoftwareError> {
        let home = Home::new()?;
        let tgid = std::process::id();
        let mut traffic = Traffic::NONE;
        let process = self.driver.open(tgid, &mut traffic).map_err(SoftwareError::Open)?;
        if memory.is_checked() {
            self.link.gpu().verify_client_memory();
        }
        Ok((SoftwareFile { adapter: self.clone(), process, tgid, home, memory, open: true }, traffic))
    }

    /// The kernels that command buffers may name.
    pub fn kernels(&self) -> &KernelRegistry {
        &self.kernels
    }

    /// What the adapter was made with.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// All messages so far, of all descriptors.
    pub fn traffic(&self) -> Traffic {
        self.link.totals()
    }

    /// What the adapter holds now.
    pub fn usage(&self) -> Usage {
        let (processes, handles) = self.driver.usage();
        let memory = self.link.gpu().memory_usage();
        Usage {
            processes,
            handles,
            host_objects: self.link.host_objects(),
            events: self.link.dispatcher().events.count(),
            video_bytes: memory.video_used,
            io_bytes: memory.io_used,
        }
    }

    /// Makes the host stop reading its rings, or go on.
    pub fn stall_host(&self, stalled: bool) {
        self.link.stall(stalled);
    }

    /// Takes the adapter away: calls that need it say ENODEV from now on. Fences keep their values, and nobody who waits
    /// is woken, as on the real driver.
    pub fn remove_adapter(&self) {
        self.driver.remove_adapter();
    }

    /// Keeps a log of messages, in the order in which the host handles them.
    pub fn log_messages(&self, on: bool) {
        self.link.set_logging(on);
    }

    /// The log so far, which begins anew.
    pub fn take_message_log(&self) -> Vec<LoggedMessage> {
        self.link.take_log()
    }

    /// Answers the next message of this command (such as `"MAKERESIDENT"`) in the host's place.
    pub fn answer_next(&self, command: &'static str, answer: HostAnswer) {
        self.link.answer_next(command, answer);
    }
}

impl Drop for SoftwareAdapter {
    fn drop(&mut self) {
        // A forked child has no threads to end.
        if self.home.is_here() {
            self.link.shut_down();
            self.link.gpu().shutdown();
        }
    }
}

fn gpu_parameters(parameters: &Parameters) -> GpuParameters {
    GpuParameters {
        launch_ns: params::nanos(parameters.launch_us),
        block_slots: parameters.block_slots,
        // 10^9 bytes a second are 10^3 bytes a microsecond.
        copy_bytes_per_us: (parameters.copy_gbps * 1000.0).round() as u64,
        tdr_ns: params::nanos(parameters.tdr_ms * 1000.0),
        video_memory_bytes: u64::from(parameters.video_memory_mib) << 20,
        io_space_bytes: u64::from(parameters.io_space_mib) << 20,
        workers: parameters.worker_threads as usize,
        complete_foreign_commands: parameters.complete_foreign_commands,
        ..GpuParameters::default()
    }
}

/// An open descriptor of the adapter's device node. Dropping it closes it: the last one of a process takes all objects
/// of the process with it.
pub struct SoftwareFile {
    adapter: Arc<SoftwareAdapter>,
    process: Arc<Process>,
    tgid: u32,
    home: Home,
    memory: Arc<dyn UserMemory>,
    open: bool,
}

impl SoftwareFile {
    /// Closes it, and says what messages that took.
    pub fn close(mut self) -> Traffic {
        self.end()
    }

    fn end(&mut self) -> Traffic {
        // A forked child has copies of our memory, but neither the threads nor the right to end the parent's objects.
        if std::mem::take(&mut self.open) && self.home.is_here() {
            return self.adapter.driver.close(self.tgid);
        }
        Traffic::NONE
    }

    /// Whether this is the process that opened it.
    #[inline]
    pub fn is_here(&self) -> bool {
        self.home.is_here()
    }

    /// The adapter behind it.
    pub fn adapter(&self) -> &Arc<SoftwareAdapter> {
        &self.adapter
    }
}

impl Boundary for SoftwareFile {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        // A descriptor that came by fork belongs to the parent.
        if !self.home.is_here() {
            return RawOutcome::failed(libc::ENOTTY);
        }
        guest::dispatch::ioctl(&self.adapter.driver, &self.process, &*self.memory, request, arg as u64)
    }

    fn name(&self) -> &str {
        "software"
    }
}

impl Drop for SoftwareFile {
    fn drop(&mut self) {
        self.end();
    }
}

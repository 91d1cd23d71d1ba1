//! Opening a device: which one, with which settings.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use dxg_io::boundary::Boundary;
use dxg_io::dev::DevDxg;
use dxg_io::software::kernel::KernelRegistry;
use dxg_io::software::{Parameters, SoftwareAdapter};

use crate::backend::Backend;
use crate::backend::cuda::{self, CudaBackend, CudaOptions, FenceChoice};
use crate::backend::dxg::{DxgBackend, OpenOptions};
use crate::device::Device;
use crate::driver::Place;
use crate::error::{Error, Result};
use crate::info::DeviceInfo;
use crate::limits::{Limits, Policy, Settings};
use crate::selector::{DeviceKind, Selector};

/// Software devices have the numbers below this. Each opening makes an adapter of its own; the number only names it.
const SOFTWARE_DEVICES: u32 = 64;

/// Operations and bytes of a CUDA device's batches, unless the limits say otherwise: the more goes together there, the more is
/// merged, and no command ring bounds it. Each of its queues has pinned memory for the tables of a batch.
const CUDA_BATCH: (u32, u32) = (8192, 2 << 20);
/// The same where less than [`ROOMY`] may be pinned.
const CUDA_BATCH_SMALL: (u32, u32) = (2048, 512 << 10);
const ROOMY: u64 = 512 << 20;

/// Settings of a device to be opened; made by [`Device::builder`].
///
/// ```
/// use dxg_runtime::{Device, Parameters, Policy};
/// let device = Device::builder()
///     .selector("software")
///     .parameters(Parameters::zero()) // no modelled time: as fast as this machine goes
///     .policy(Policy::OneByOne)
///     .open()?;
/// assert!(device.info().can_launch);
/// # Ok::<(), dxg_runtime::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct DeviceBuilder {
    selector: Option<String>,
    parameters: Option<Parameters>,
    adapter: Option<Arc<SoftwareAdapter>>,
    policy: Option<Policy>,
    limits: Limits,
    attendant: Place,
    streams_of_a_shard: Option<usize>,
    middleware: Option<Middleware>,
    cuda: CudaChoice,
}

/// What is chosen of a CUDA device.
#[derive(Clone, Default)]
struct CudaChoice {
    library: Option<PathBuf>,
    context: Option<(usize, Owner)>,
    fence: FenceChoice,
}

/// What keeps something of the program's alive.
type Owner = Arc<dyn Any + Send + Sync>;

/// What stands between a device and what it is opened through.
type Middleware = Arc<dyn Fn(Arc<dyn Boundary>) -> Arc<dyn Boundary> + Send + Sync>;

impl DeviceBuilder {
    /// Which device: `software[:n]`, `dxg[:n]` or `cuda[:n]`. Without it, the variable `DXGRT_DEVICE` decides, and without that
    /// `cuda` if it is usable, else `software`.
    pub fn selector(mut self, selector: impl Into<String>) -> Self {
        self.selector = Some(selector.into());
        self
    }

    /// Costs and sizes of the software adapter; its defaults where not given. Other devices have none to set.
    pub fn parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = Some(parameters);
        self
    }

    /// Opens the device on a software adapter that exists already: one adapter may carry several devices, and tests watch it.
    pub fn adapter(mut self, adapter: Arc<SoftwareAdapter>) -> Self {
        self.adapter = Some(adapter);
        self
    }

    /// Opens the device through `middleware`, which is given what the device would be opened through: the tracer, the
    /// recorder or the fault injector of [`dxg_io::middleware`], or a boundary of one's own. Called again, the later one
    /// goes outside of the earlier.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dxg_io::middleware::FaultInjector;
    /// use dxg_runtime::{Device, Parameters};
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let device = Device::builder()
    ///     .selector("software")
    ///     .parameters(Parameters::zero())
    ///     .through(move |inner| {
    ///         let injector = FaultInjector::new(inner);
    ///         let _ = send.send(injector.faults());
    ///         Arc::new(injector)
    ///     })
    ///     .open()?;
    /// receive.recv().unwrap().lose_device_from(1);
    /// assert!(device.alloc::<u32>(4).is_err());
    /// # Ok::<(), dxg_runtime::Error>(())
    /// ```
    pub fn through(
        mut self,
        middleware: impl Fn(Arc<dyn Boundary>) -> Arc<dyn Boundary> + Send + Sync + 'static,
    ) -> Self {
        self.middleware = Some(match self.middleware.take() {
            Some(inner) => Arc::new(move |boundary| middleware(inner(boundary))),
            None => Arc::new(middleware),
        });
        self
    }

    /// When work is handed over. Without it, the variable `DXGRT_POLICY` decides, and without that the default.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The device's bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets a task of this tokio runtime attend to the device, through the reactor, in place of a thread of its own.
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, handle: tokio::runtime::Handle) -> Self {
        self.attendant = Place::Tokio(handle);
        self
    }

    /// The CUDA driver's library, where it is not the one that the system has; the variable `DXGRT_CUDA_LIBRARY` does the same.
    /// It counts for a selector `cuda` only.
    pub fn cuda_library(mut self, path: impl Into<PathBuf>) -> Self {
        self.cuda.library = Some(path.into());
        self
    }

    /// Opens the device on a context that the program has made, in place of the primary context of the GPU in the selector. A
    /// program that uses the CUDA runtime, cudarc or PyTorch has the primary context, and needs nothing of this.
    ///
    /// The context says which GPU it is: without a selector that one is opened, whatever `DXGRT_DEVICE` says, and a selector of
    /// another device is refused. `owner` is dropped when nothing uses the context any more, which is a moment after the last
    /// handle, buffer and stream of the device are gone: it keeps the context alive, or destroys it.
    ///
    /// # Safety
    ///
    /// `context` is a `CUcontext` of this process, and is not destroyed before `owner` is dropped.
    pub unsafe fn cuda_context(mut self, context: *mut std::ffi::c_void, owner: impl Any + Send + Sync) -> Self {
        self.cuda.context = Some((context.addr(), Arc::new(owner)));
        self
    }

    /// How fence values are written, for comparisons: the stream itself, a kernel, or events asked.
    #[doc(hidden)]
    pub fn cuda_fence(mut self, name: &str) -> Self {
        self.cuda.fence = match name {
            "write" => FenceChoice::WriteValue,
            "kernel" => FenceChoice::Kernel,
            "event" => FenceChoice::Event,
            _ => FenceChoice::Best,
        };
        self
    }

    /// How many streams each shard has before another is opened, for tests.
    #[doc(hidden)]
    pub fn streams_of_a_shard(mut self, streams: usize) -> Self {
        self.streams_of_a_shard = Some(streams);
        self
    }

    /// Opens the device.
    pub fn open(self) -> Result<Device> {
        self.limits.check()?;
        let policy = match self.policy {
            Some(policy) => policy,
            None => Policy::from_environment()?.unwrap_or_default(),
        };
        policy.check()?;
        let selector = match &self.selector {
            Some(text) => text.parse()?,
            None if self.cuda.context.is_some() => Selector::new(DeviceKind::Cuda, 0),
            None if self.adapter.is_some() => Selector::new(DeviceKind::Software, 0),
            None if self.parameters.is_some() => {
                Selector::from_environment()?.unwrap_or(Selector::new(DeviceKind::Software, 0))
            }
            None => match Selector::from_environment()? {
                Some(selector) => selector,
                None => return self.open_preferred(policy),
            },
        };
        let _span = open_span(selector, policy).entered();
        let builder = if selector.kind() == DeviceKind::Cuda { self.wide() } else { self };
        let settings = Settings { policy, limits: builder.limits };
        let (attendant, full) = (builder.attendant.clone(), builder.streams_of_a_shard);
        Device::over(builder.backend(selector)?, settings, attendant, full)
    }

    /// With the batches of a CUDA device, where the limits are as they were.
    fn wide(mut self) -> Self {
        let plain = Limits::default();
        if (self.limits.batch_operations, self.limits.batch_bytes) == (plain.batch_operations, plain.batch_bytes) {
            let batch = if self.limits.pinned_bytes >= ROOMY { CUDA_BATCH } else { CUDA_BATCH_SMALL };
            (self.limits.batch_operations, self.limits.batch_bytes) = batch;
        }
        self
    }

    /// `cuda` if it is usable, else `software`; never `dxg`, which cannot launch.
    fn open_preferred(self, policy: Policy) -> Result<Device> {
        let settings = Settings { policy, limits: self.limits };
        let (attendant, full) = (self.attendant.clone(), self.streams_of_a_shard);
        if cuda::count(self.cuda.library.clone()).is_ok() {
            let selector = Selector::new(DeviceKind::Cuda, 0);
            let _span = open_span(selector, policy).entered();
            let wide = self.clone().wide();
            let settings = Settings { policy, limits: wide.limits };
            match wide.backend(selector) {
                Ok(backend) => return Device::over(backend, settings, attendant, full),
                Err(error) => tracing::warn!(%error, "the GPU is not usable; opening the software device"),
            }
        }
        let selector = Selector::new(DeviceKind::Software, 0);
        let _span = open_span(selector, policy).entered();
        Device::over(self.backend(selector)?, settings, attendant, full)
    }

    fn backend(self, selector: Selector) -> Result<Arc<dyn Backend>> {
        if selector.kind() != DeviceKind::Software && (self.parameters.is_some() || self.adapter.is_some()) {
            return Err(Error::invalid(format!(
                "`{selector}` is no software device, and only those take parameters or an adapter"
            )));
        }
        if selector.kind() != DeviceKind::Cuda && self.cuda.context.is_some() {
            return Err(Error::invalid(format!("`{selector}` has no CUcontext; open `cuda` on it, or name no device")));
        }
        match selector.kind() {
            DeviceKind::Software => {
                if selector.index() >= SOFTWARE_DEVICES {
                    return Err(no_device(
                        selector,
                        format!("software devices are numbered from 0 to {}", SOFTWARE_DEVICES - 1),
                    ));
                }
                if self.parameters.is_some() && self.adapter.is_some() {
                    return Err(Error::invalid(
                        "an adapter that exists has its parameters already; give one of the two",
                    ));
                }
                let adapter = match self.adapter {
                    Some(adapter) => adapter,
                    None => SoftwareAdapter::new(self.parameters.unwrap_or_default())
                        .map_err(|error| Error::driver("the software adapter", error))?,
                };
                open_software(&adapter, selector, &self.limits, self.middleware.as_ref())
            }
            DeviceKind::Dxg => open_node(selector, &self.limits, self.middleware.as_ref()),
            DeviceKind::Cuda => Ok(Arc::new(CudaBackend::open(&self.cuda_options(selector))?)),
        }
    }
}

impl DeviceBuilder {
    fn cuda_options(&self, selector: Selector) -> CudaOptions {
        let limits = &self.limits;
        CudaOptions {
            selector,
            place: match &self.cuda.context {
                Some((handle, owner)) => {
                    cuda::Place::Foreign { handle: *handle, named: self.selector.is_some(), owner: Arc::clone(owner) }
                }
                None => cuda::Place::Primary(selector.index()),
            },
            library: self.cuda.library.clone(),
            queues: limits.hardware_queues.min(cuda::QUEUES_MAX),
            batch_operations: limits.batch_operations as usize,
            batch_bytes: limits.batch_bytes as usize,
            pinned_bytes: limits.pinned_bytes,
            fence: self.cuda.fence,
        }
    }
}

impl std::fmt::Debug for DeviceBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceBuilder")
            .field("selector", &self.selector)
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Covers the opening of a device.
fn open_span(selector: Selector, policy: Policy) -> tracing::Span {
    tracing::debug_span!(target: "dxgrt::device", "open", %selector, %policy)
}

fn no_device(selector: Selector, reason: String) -> Error {
    Error::NoDevice { selector: selector.to_string().into(), reason: reason.into() }
}

/// A device of the software adapter.
fn open_software(
    adapter: &Arc<SoftwareAdapter>,
    selector: Selector,
    limits: &Limits,
    middleware: Option<&Middleware>,
) -> Result<Arc<dyn Backend>> {
    let file = adapter.open().map_err(|error| Error::driver("opening the software adapter", error))?;
    let kernels = Some(adapter.kernels().clone());
    let options = options(selector, limits, kernels, adapter.parameters().block_slots);
    Ok(Arc::new(DxgBackend::open(behind(middleware, Arc::new(file)), &options)?))
}

fn behind(middleware: Option<&Middleware>, boundary: Arc<dyn Boundary>) -> Arc<dyn Boundary> {
    match middleware {
        Some(wrap) => wrap(boundary),
        None => boundary,
    }
}

/// A device behind the real node.
fn open_node(selector: Selector, limits: &Limits, middleware: Option<&Middleware>) -> Result<Arc<dyn Backend>> {
    let node = node().map_err(|error| no_device(selector, error.to_string()))?;
    Ok(Arc::new(DxgBackend::open(behind(middleware, node), &options(selector, limits, None, 0))?))
}

fn options(selector: Selector, limits: &Limits, kernels: Option<KernelRegistry>, block_slots: u32) -> OpenOptions {
    let batch_bytes = limits.batch_bytes as usize;
    // Each software device is a machine of its own, with one adapter; the node has as many as the host shows.
    let adapter = if selector.kind() == DeviceKind::Software { 0 } else { selector.index() };
    OpenOptions {
        selector,
        adapter,
        queues: limits.hardware_queues,
        batch_bytes,
        kernels,
        block_slots,
        silence_time: limits.silence_time,
    }
}

/// The device node, opened once for all devices: two racing first openings can leave two process objects at the host.
fn node() -> dxg_io::error::Result<Arc<DevDxg>> {
    static NODE: Mutex<Weak<DevDxg>> = Mutex::new(Weak::new());
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(open) = node.upgrade() {
        return Ok(open);
    }
    let open = Arc::new(DevDxg::open()?);
    *node = Arc::downgrade(&open);
    Ok(open)
}

/// The devices there are.
pub(crate) fn enumerate() -> Vec<DeviceInfo> {
    let software = || {
        let adapter = SoftwareAdapter::new(Parameters::zero()).ok()?;
        let backend = open_software(&adapter, Selector::new(DeviceKind::Software, 0), &Limits::default(), None).ok()?;
        let info = backend.info().clone();
        backend.close();
        Some(info)
    };
    let nodes = (0..SOFTWARE_DEVICES).map_while(|index| {
        let backend = open_node(Selector::new(DeviceKind::Dxg, index), &Limits::default(), None).ok()?;
        let info = backend.info().clone();
        backend.close();
        Some(info)
    });
    let cuda = (0..cuda::count(None).unwrap_or(0)).filter_map(|index| {
        let selector = Selector::new(DeviceKind::Cuda, index);
        let limits = Limits { batch_operations: 1, batch_bytes: 4096, hardware_queues: 1, ..Limits::default() };
        let builder = DeviceBuilder { limits, ..DeviceBuilder::default() };
        Some(CudaBackend::open(&builder.cuda_options(selector)).ok()?.info().clone())
    });
    software().into_iter().chain(nodes).chain(cuda).collect()
}

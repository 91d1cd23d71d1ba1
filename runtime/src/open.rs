//! Opening a device: which one, with which settings.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use dxg_io::boundary::Boundary;
use dxg_io::dev::DevDxg;
use dxg_io::software::kernel::KernelRegistry;
use dxg_io::software::{Parameters, SoftwareAdapter};

use crate::backend::Backend;
use crate::backend::dxg::{DxgBackend, OpenOptions};
use crate::device::Device;
use crate::driver::Place;
use crate::error::{Error, Result};
use crate::info::DeviceInfo;
use crate::limits::{Limits, Policy, Settings};
use crate::selector::{DeviceKind, Selector};

/// Software devices have the numbers below this. Each opening makes an adapter of its own; the number only names it.
const SOFTWARE_DEVICES: u32 = 64;

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
    middleware: Option<Middleware>,
}

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
            None if self.adapter.is_some() => Selector::new(DeviceKind::Software, 0),
            None => Selector::from_environment()?.unwrap_or_else(default_selector),
        };
        let settings = Settings { policy, limits: self.limits };
        let attendant = self.attendant.clone();
        Device::over(self.backend(selector)?, settings, attendant)
    }

    fn backend(self, selector: Selector) -> Result<Arc<dyn Backend>> {
        if selector.kind() != DeviceKind::Software && (self.parameters.is_some() || self.adapter.is_some()) {
            return Err(Error::invalid(format!(
                "`{selector}` is no software device, and only those take parameters or an adapter"
            )));
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
            DeviceKind::Cuda => Err(no_device(
                selector,
                "this build has no cuda backend; use `software`, which runs the same programs on the CPU".into(),
            )),
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

/// The device of a program that names none: never `dxg`, which cannot launch. This build has no cuda backend to prefer.
fn default_selector() -> Selector {
    Selector::new(DeviceKind::Software, 0)
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
    software().into_iter().chain(nodes).collect()
}

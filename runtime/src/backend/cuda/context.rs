//! A context of the driver: the device's primary one, or one that the program made and lends us.
//!
//! Threads have a current context, and it is the program's: whoever calls the driver enters ours with [`Context::enter`] and
//! leaves the thread as it was. The primary context is shared with every other library of the process (the CUDA runtime,
//! PyTorch): it is retained and released, never reset.

use std::any::Any;
use std::ffi::{c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, OnceLock};

use super::library::{Driver, Refusal, driver};
use super::sys::{self, attribute, status};
use crate::error::{Error, LostCause, Result};
use crate::selector::{DeviceKind, Selector};

/// A context in use.
pub(super) struct Context {
    pub driver: Arc<Driver>,
    pub device: sys::DeviceNumber,
    raw: sys::Context,
    lent: Lent,
    /// Set at the first sign that the context is gone: it does not come back.
    lost: OnceLock<LostCause>,
}

// SAFETY: needed because of the handle. A context may be used from any thread that enters it.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Whose a context is.
enum Lent {
    /// Retained, as each of its users does.
    Primary,
    /// The program's.
    Foreign {
        #[expect(dead_code, reason = "held for its drop, when nobody needs the context any more")]
        owner: Arc<dyn Any + Send + Sync>,
    },
}

/// Which context to open.
#[derive(Clone)]
pub(crate) enum Place {
    /// The primary context of the GPU with this number.
    Primary(u32),
    /// A context that the program made.
    Foreign {
        /// Its handle.
        handle: usize,
        /// Whether the program named a GPU too, which then must be the context's.
        named: bool,
        /// Until this is dropped it exists.
        owner: Arc<dyn Any + Send + Sync>,
    },
}

/// A thread inside a context; leaves it when dropped.
pub(super) struct Entered<'a> {
    context: &'a Context,
    pushed: bool,
}

impl Context {
    /// Opens the context, and names what is missing.
    pub fn open(selector: Selector, place: &Place, library: Option<PathBuf>) -> Result<Context> {
        let none = |reason: Arc<str>| Error::NoDevice { selector: selector.to_string().into(), reason };
        let driver = driver(library).map_err(none)?;
        let api = &driver.api;
        let refuse = |call: &str, found| none(format!("{call}: {}", driver.refusal(found)).into());
        match place {
            &Place::Primary(index) => {
                let count = count(&driver);
                if count == 0 {
                    return Err(none("the CUDA driver is there, but no NVIDIA GPU (see nvidia-smi)".into()));
                }
                let mut device = 0;
                let number = c_int::try_from(index).unwrap_or(c_int::MAX);
                // SAFETY: needed to call the driver; it writes one number.
                let found = unsafe { (api.device_get)(&mut device, number) };
                if found == status::INVALID_DEVICE || number >= count {
                    let reason = match count {
                        1 => "this machine has one NVIDIA GPU, `cuda:0`".to_owned(),
                        count => format!("this machine has {count} NVIDIA GPUs, `cuda:0` to `cuda:{}`", count - 1),
                    };
                    return Err(none(reason.into()));
                }
                if found != status::SUCCESS {
                    return Err(refuse("cuDeviceGet", found));
                }
                let mut raw = ptr::null_mut();
                // SAFETY: needed to call the driver; the device exists, and it writes one handle.
                let found = unsafe { (api.primary_retain)(&mut raw, device) };
                if found != status::SUCCESS {
                    return Err(match driver.refusal(found).lost() {
                        Some(cause) => none(broken(&cause)),
                        None => refuse("cuDevicePrimaryCtxRetain", found),
                    });
                }
                Ok(Context { driver: driver.clone(), device, raw, lent: Lent::Primary, lost: OnceLock::new() })
            }
            Place::Foreign { handle, named, owner } => {
                if *handle == 0 {
                    return Err(Error::invalid("the CUcontext is NULL; pass a context of this process"));
                }
                let raw = *handle as sys::Context;
                let lent = Lent::Foreign { owner: Arc::clone(owner) };
                let mut context = Context { driver: driver.clone(), device: 0, raw, lent, lost: OnceLock::new() };
                let mut device = 0;
                let entered = context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
                // SAFETY: needed to call the driver; it writes one number.
                let found = unsafe { (api.context_device)(&mut device) };
                drop(entered);
                driver.check(found).map_err(|refusal| refusal.of("cuCtxGetDevice"))?;
                context.device = device;
                if *named && u32::try_from(device) != Ok(selector.index()) {
                    return Err(Error::invalid(format!(
                        "the CUcontext is one of GPU {device}, and `{selector}` was to be opened; open `cuda:{device}` on it"
                    )));
                }
                Ok(context)
            }
        }
    }

    /// Makes this the thread's context, until the guard is dropped.
    pub fn enter(&self) -> Result<Entered<'_>, Refusal> {
        let api = &self.driver.api;
        let mut current = ptr::null_mut();
        // SAFETY: needed to call the driver; it writes one handle.
        let found = unsafe { (api.context_current)(&mut current) };
        if found == status::SUCCESS && current == self.raw {
            return Ok(Entered { context: self, pushed: false });
        }
        // SAFETY: needed to call the driver; the context is retained, or its owner keeps it as long as the device.
        self.driver.check(unsafe { (api.context_push)(self.raw) })?;
        Ok(Entered { context: self, pushed: true })
    }

    /// The handle, for other users of the context.
    pub fn handle(&self) -> usize {
        self.raw as usize
    }

    /// The selector of its GPU, whose number is that of the driver.
    pub fn selector(&self) -> Selector {
        Selector::new(DeviceKind::Cuda, u32::try_from(self.device).unwrap_or(0))
    }

    /// A number that describes the device; 0 where the driver does not know it.
    pub fn attribute(&self, attribute: c_int) -> u32 {
        let mut value = 0;
        // SAFETY: needed to call the driver; it writes one number.
        let found = unsafe { (self.driver.api.device_attribute)(&mut value, attribute, self.device) };
        if found == status::SUCCESS { u32::try_from(value).unwrap_or(0) } else { 0 }
    }

    /// The name of the device.
    pub fn name(&self) -> String {
        let mut text = [0 as c_char; 256];
        // SAFETY: needed to call the driver; it writes at most the length given, with a NUL at the end.
        let found = unsafe { (self.driver.api.device_name)(text.as_mut_ptr(), 255, self.device) };
        if found != status::SUCCESS {
            return "NVIDIA GPU".into();
        }
        let bytes: Vec<u8> = text.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let mut bytes = 0;
        // SAFETY: needed to call the driver; it writes one number.
        let found = unsafe { (self.driver.api.device_memory)(&mut bytes, self.device) };
        if found == status::SUCCESS { bytes as u64 } else { 0 }
    }

    /// Compute capability.
    pub fn capability(&self) -> (u32, u32) {
        (self.attribute(attribute::COMPUTE_MAJOR), self.attribute(attribute::COMPUTE_MINOR))
    }

    /// Success, or why not; an error that ends the context is remembered.
    pub fn check(&self, found: sys::Status) -> Result<(), Refusal> {
        if found == status::SUCCESS {
            return Ok(());
        }
        let refusal = self.driver.refusal(found);
        if let Some(cause) = refusal.lost() {
            self.lose(cause);
        }
        Err(refusal)
    }

    /// The first cause stays.
    pub fn lose(&self, cause: LostCause) {
        // An earlier cause is the better one.
        let _first_stays = self.lost.set(cause);
    }

    /// Why the context is lost, if it is.
    pub fn lost(&self) -> Option<&LostCause> {
        self.lost.get()
    }
}

/// What opening says of a context that an earlier fault has broken.
fn broken(cause: &LostCause) -> Arc<str> {
    format!(
        "an earlier fault broke this process's CUDA context ({}), and CUDA gives a process no other: start a new process",
        cause.message
    )
    .into()
}

/// As [`broken`], for whatever fails while a device is opened.
pub(super) fn opening(selector: Selector, error: Error) -> Error {
    match error {
        Error::DeviceLost { cause } => {
            Error::NoDevice { selector: selector.to_string().into(), reason: broken(&cause) }
        }
        other => other,
    }
}

/// GPUs that the driver shows to this process.
pub(super) fn count(driver: &Driver) -> c_int {
    let mut count = 0;
    // SAFETY: needed to call the driver; it writes one number.
    let found = unsafe { (driver.api.device_count)(&mut count) };
    if found == status::SUCCESS { count } else { 0 }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.pushed {
            let mut left: *mut c_void = ptr::null_mut();
            // SAFETY: needed to call the driver; it takes off what this guard's maker has put on this thread.
            let _left = unsafe { (self.context.driver.api.context_pop)(&mut left) };
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if matches!(self.lent, Lent::Primary) {
            // SAFETY: needed to call the driver; this gives back what `open` has retained, once.
            let _released = unsafe { (self.driver.api.primary_release)(self.device) };
        }
    }
}

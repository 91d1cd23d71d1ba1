//! Modules on CUDA: PTX, with twins for merged launches, and cubins as they are.
//!
//! Every kernel handed out holds its [`Image`], every launch in flight holds its kernel: so an image is unloaded when the
//! module is gone and the last launch is complete.

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::context::Context;
use super::library::{Refusal, version_text};
use super::sys::{self, function_attribute, status};
use crate::backend::{BackendModule, KernelLimits, LoadedKernel, ModuleImage};
use crate::error::{Error, Result};
use crate::kernel::MergeSupport;
use crate::ptx;

/// What the driver's compiler says of an image, at most.
const LOG_BYTES: usize = 8192;
/// So many launches of one kernel are cheaper merged, table and upload counted.
const MERGE_LEAST: usize = 3;

/// A loaded image; unloaded when dropped.
pub(super) struct Image {
    context: Arc<Context>,
    handle: sys::ModuleHandle,
}

// SAFETY: needed because of the handle, which any thread may use inside its context.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

/// An image that the driver refused.
pub(super) struct LoadError {
    refusal: Refusal,
    log: String,
    driver: i32,
}

/// A kernel as the lowering needs it.
pub(super) struct CudaKernel {
    pub function: sys::Function,
    pub twin: Option<TwinFunction>,
    /// From so many launches on they are merged.
    pub merge_least: usize,
    /// Bytes of its parameters, where the image tells.
    pub args_size: Option<u32>,
    _image: Arc<Image>,
}

/// The twin of a kernel.
#[derive(Clone, Copy)]
pub(super) struct TwinFunction {
    pub function: sys::Function,
    /// Bytes of arguments of an item.
    pub args_size: u32,
    /// Threads of a block, at most.
    pub max_threads: u32,
    /// Dynamic shared memory of a block, at most.
    pub max_shared_bytes: u32,
}

// SAFETY: needed because of the handles. Functions may be launched from any thread inside their context.
unsafe impl Send for CudaKernel {}
// SAFETY: as above.
unsafe impl Sync for CudaKernel {}

impl LoadError {
    pub fn of(self, format: &'static str) -> Error {
        if self.refusal.lost().is_some() {
            return self.refusal.of("cuModuleLoadDataEx");
        }
        let mut reason = self.refusal.to_string();
        if self.refusal.status == status::UNSUPPORTED_PTX_VERSION {
            let driver = version_text(self.driver);
            reason += &format!("; this driver is for CUDA {driver}: update it, or write PTX of an earlier `.version`");
        }
        let log = self.log.trim();
        if !log.is_empty() {
            reason += ": ";
            reason += log;
        }
        Error::BadImage { format, reason: reason.into() }
    }
}

/// Loads PTX text or a cubin.
pub(super) fn load_image(context: &Arc<Context>, bytes: &[u8]) -> Result<Image, LoadError> {
    let driver = context.driver.version;
    let fail = |refusal| LoadError { refusal, log: String::new(), driver };
    let _entered = context.enter().map_err(fail)?;
    let mut image = Vec::with_capacity(bytes.len() + 1);
    image.extend_from_slice(bytes);
    // PTX ends with a NUL; a cubin knows its own length.
    image.push(0);
    let mut log = vec![0u8; LOG_BYTES];
    let mut options = [sys::JIT_ERROR_LOG, sys::JIT_ERROR_LOG_BYTES];
    let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), ptr::without_provenance_mut(LOG_BYTES)];
    let mut handle = ptr::null_mut();
    // SAFETY: needed to call the driver; it reads the image, which ends with a NUL, and writes at most as many bytes of log as
    // it is told. The code is foreign: whoever made the image promised what its kernels do.
    let found = unsafe {
        let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
        (context.driver.api.module_load)(&mut handle, image.as_ptr().cast(), 2, options, values)
    };
    match context.check(found) {
        Ok(()) => Ok(Image { context: context.clone(), handle }),
        Err(refusal) => {
            let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
            Err(LoadError { refusal, log: String::from_utf8_lossy(text).into_owned(), driver })
        }
    }
}

impl Image {
    /// A kernel by its name.
    pub fn function(&self, name: &str) -> Result<sys::Function, Refusal> {
        let _entered = self.context.enter()?;
        let Ok(name) = CString::new(name) else {
            return Err(self.context.driver.refusal(status::NOT_FOUND));
        };
        let mut function = ptr::null_mut();
        // SAFETY: needed to call the driver; the module is loaded, and the name ends with a NUL.
        let found = unsafe { (self.context.driver.api.module_function)(&mut function, self.handle, name.as_ptr()) };
        self.context.check(found)?;
        Ok(function)
    }

    fn attribute(&self, function: sys::Function, attribute: i32) -> u32 {
        let Ok(_entered) = self.context.enter() else { return 0 };
        let mut value = 0;
        // SAFETY: needed to call the driver; it writes one number.
        let found = unsafe { (self.context.driver.api.function_attribute)(&mut value, attribute, function) };
        if found == status::SUCCESS { u32::try_from(value).unwrap_or(0) } else { 0 }
    }

    /// Lets launches have as much dynamic shared memory as there is beside the static; how much that is.
    fn allow_shared(&self, function: sys::Function, of_device: u32) -> u32 {
        let dynamic = of_device.saturating_sub(self.attribute(function, function_attribute::STATIC_SHARED));
        let now = self.attribute(function, function_attribute::MAX_DYNAMIC_SHARED);
        let Ok(_entered) = self.context.enter() else { return now };
        let (what, bytes) = (function_attribute::MAX_DYNAMIC_SHARED, i32::try_from(dynamic).unwrap_or(0));
        // SAFETY: needed to call the driver; it takes numbers only.
        let found = unsafe { (self.context.driver.api.function_set_attribute)(function, what, bytes) };
        if found == status::SUCCESS { dynamic } else { now }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: needed to call the driver; no launch of this image is in flight: each holds its kernel, and that this.
            let _unloaded = unsafe { (self.context.driver.api.module_unload)(self.handle) };
        }
    }
}

/// Loads the first image that runs here: PTX or a cubin.
pub(super) fn load(context: &Arc<Context>, shared_bytes: u32, images: &[ModuleImage]) -> Result<BackendModule> {
    for source in images {
        match source {
            ModuleImage::Ptx { text, merge } => return load_ptx(context, shared_bytes, text, *merge),
            ModuleImage::Cubin(bytes) => return load_cubin(context, shared_bytes, bytes),
            ModuleImage::Rust(_) | ModuleImage::Native(_) => {}
        }
    }
    Err(Error::unsupported(
        "the module has no image for cuda: add PTX or a cubin (Rust kernels and native objects run on software)",
    ))
}

fn load_ptx(context: &Arc<Context>, shared_bytes: u32, text: &str, merge: bool) -> Result<BackendModule> {
    let rewritten = if merge { ptx::rewrite(text).map_err(|error| error.to_string()) } else { Err(REFUSED.into()) };
    let (mut twins_lost, mut loaded) = (None, None);
    if let Ok(rewritten) = &rewritten {
        match load_image(context, rewritten.text.as_bytes()) {
            Ok(image) => loaded = Some(image),
            // With the twins the text may be refused for a reason that it has not by itself.
            Err(error) => twins_lost = Some(error),
        }
    }
    let image = match loaded {
        Some(image) => image,
        None => load_image(context, text.as_bytes()).map_err(|error| error.of("PTX"))?,
    };
    let image = Arc::new(image);
    let refused: Option<Arc<str>> = match (&rewritten, twins_lost) {
        (Err(reason), _) => Some(reason.as_str().into()),
        (Ok(_), Some(error)) => Some(format!("the driver refuses the twins: {}", error.of("rewritten PTX")).into()),
        (Ok(_), None) => None,
    };
    let Ok(rewritten) = rewritten else {
        // The names are not known: they are looked up as they are asked for.
        let find = move |name: &str| kernel(&image, shared_bytes, name, None, refused_as(refused.as_ref()), None);
        return Ok(BackendModule { kernels: Vec::new(), find: Some(Box::new(find)) });
    };
    let kernels = rewritten.entries.iter().map(|entry| {
        let (twin, support) = match (&entry.twin, &refused) {
            (_, Some(reason)) => (None, MergeSupport::Single { reason: reason.clone() }),
            (Ok(twin), None) => (Some((twin.name.as_str(), twin.args_size)), MergeSupport::Merged),
            (Err(reason), None) => (None, MergeSupport::Single { reason: reason.to_string().into() }),
        };
        kernel(&image, shared_bytes, &entry.name, twin, support, Some(entry.args_size))
    });
    Ok(BackendModule { kernels: kernels.collect::<Result<_>>()?, find: None })
}

fn load_cubin(context: &Arc<Context>, shared_bytes: u32, bytes: &[u8]) -> Result<BackendModule> {
    let image = Arc::new(load_image(context, bytes).map_err(|error| error.of("cubin"))?);
    let reason: Arc<str> =
        "a cubin is machine code, which cannot be rewritten: load PTX to have launches merged".into();
    let find = move |name: &str| kernel(&image, shared_bytes, name, None, refused_as(Some(&reason)), None);
    Ok(BackendModule { kernels: Vec::new(), find: Some(Box::new(find)) })
}

/// Why nothing of a module is merged that its owner does not want merged.
const REFUSED: &str = "merging was refused for the module";

fn refused_as(reason: Option<&Arc<str>>) -> MergeSupport {
    MergeSupport::Single { reason: reason.cloned().unwrap_or_else(|| REFUSED.into()) }
}

fn kernel(
    image: &Arc<Image>,
    shared_bytes: u32,
    name: &str,
    twin: Option<(&str, u32)>,
    merge: MergeSupport,
    args_size: Option<u32>,
) -> Result<Arc<LoadedKernel>> {
    // Unique in the process, so that a kernel of one device is never taken for one of another.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let function = image.function(name).map_err(|refusal| match refusal.status {
        status::NOT_FOUND => Error::KernelNotFound { name: name.into(), available: "no entry of this name".into() },
        _ => refusal.of("cuModuleGetFunction"),
    })?;
    let max_threads = image.attribute(function, function_attribute::MAX_THREADS);
    let max_shared_bytes = image.allow_shared(function, shared_bytes);
    let mut twin_function = None;
    if let Some((name, args_size)) = twin {
        let function = image.function(name).map_err(|refusal| refusal.of("cuModuleGetFunction"))?;
        // A twin takes a few registers more: large blocks may be too large for it, and are launched singly then.
        let max_threads = image.attribute(function, function_attribute::MAX_THREADS);
        let max_shared_bytes = image.allow_shared(function, shared_bytes);
        twin_function = Some(TwinFunction { function, args_size, max_threads, max_shared_bytes });
    }
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let owner =
        CudaKernel { function, twin: twin_function, merge_least: MERGE_LEAST, args_size, _image: image.clone() };
    Ok(Arc::new(LoadedKernel {
        id,
        name: name.into(),
        signature: None,
        wanted: Arc::default(),
        limits: KernelLimits { max_threads, max_shared_bytes, args_size },
        merge,
        owner: Arc::new(owner),
    }))
}

//! Modules and their kernels.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use dxg_runtime::{DeviceKind, Kernel, Module, ModuleSource};

use crate::context::{Context, context, output};
use crate::guard::{Failure, Outcome, guard};
use crate::handle::{self, opaque};
use crate::status::dxgrt_status::{self, *};
use crate::types::*;

opaque!(dxgrt_module, ModuleEntry, 0xC4, "module");
opaque!(dxgrt_kernel, Kernel, 0xC5, "kernel");

/// A loaded module.
pub(crate) struct ModuleEntry {
    context: Arc<Context>,
    module: Module,
    /// Those that were asked for.
    kernels: Mutex<HashMap<String, KernelHandle>>,
}

struct KernelHandle(*mut dxgrt_kernel);

// SAFETY: needed because of the pointer type; it is a number that nobody follows.
unsafe impl Send for KernelHandle {}

impl Drop for ModuleEntry {
    fn drop(&mut self) {
        for (_, KernelHandle(kernel)) in self.kernels.get_mut().unwrap_or_else(PoisonError::into_inner).drain() {
            // Launches in flight keep the kernel itself.
            let _kernel = handle::remove(kernel);
        }
    }
}

/// Loads an image of kernels: an ELF shared object for the software adapter, PTX text for CUDA. The image is copied.
///
/// The code is trusted: a kernel that writes where it should not can end the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_module_load(
    ctx: *mut dxgrt_ctx,
    image: *const c_void,
    size: usize,
    format: u32,
    out: *mut *mut dxgrt_module,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        if image.is_null() || size == 0 {
            return Err(Failure::invalid("the image is NULL or empty; pass the bytes of an object"));
        }
        if isize::try_from(size).is_err() {
            return Err(Failure::invalid(format!("no image has {size} bytes")));
        }
        // SAFETY: needed to read the caller's memory, of which there are `size` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(image.cast::<u8>(), size) };
        out.set(load(&context, bytes, format)?);
        Ok(())
    })
}

/// As `dxgrt_module_load`, from a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_module_load_file(
    ctx: *mut dxgrt_ctx,
    path: *const c_char,
    format: u32,
    out: *mut *mut dxgrt_module,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        if path.is_null() {
            return Err(Failure::invalid("the path is NULL; pass the name of a file"));
        }
        // SAFETY: needed to read the caller's memory; by the rules page it ends with a NUL.
        let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
        let bytes = std::fs::read(path)
            .map_err(|error| Failure::new(DXGRT_NOT_FOUND, format!("{} cannot be read: {error}", path.display())))?;
        out.set(load(&context, &bytes, format)?);
        Ok(())
    })
}

fn load(context: &Arc<Context>, bytes: &[u8], format: u32) -> Outcome<*mut dxgrt_module> {
    let elf = bytes.starts_with(b"\x7fELF");
    let format = match format {
        DXGRT_IMAGE_AUTO if elf => DXGRT_IMAGE_ELF,
        DXGRT_IMAGE_AUTO => DXGRT_IMAGE_PTX,
        other => other,
    };
    let cuda = context.device.info().kind() == DeviceKind::Cuda;
    let source = match format {
        DXGRT_IMAGE_ELF if cuda => {
            return Err(Failure::new(DXGRT_BAD_IMAGE, "an ELF object runs on `software`; pass PTX to this device"));
        }
        // SAFETY: needed because the object is foreign code; by the rules page the caller vouches for it and for all
        // launches of its kernels.
        DXGRT_IMAGE_ELF => unsafe { ModuleSource::new().native_unchecked(bytes.to_vec()) },
        DXGRT_IMAGE_PTX => {
            let text = std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).map_err(|_| {
                Failure::new(DXGRT_BAD_IMAGE, "the image is neither an ELF object nor PTX text; pass one of them")
            })?;
            if !cuda {
                return Err(Failure::new(
                    DXGRT_BAD_IMAGE,
                    "the image is no ELF object, and this device loads nothing else (PTX runs on `cuda`)",
                ));
            }
            // SAFETY: as above.
            unsafe { ModuleSource::new().ptx_unchecked(text) }
        }
        DXGRT_IMAGE_CUBIN if !cuda => {
            return Err(Failure::new(
                DXGRT_BAD_IMAGE,
                "a cubin runs on `cuda`; pass an ELF shared object to this device",
            ));
        }
        // SAFETY: as above.
        DXGRT_IMAGE_CUBIN => unsafe { ModuleSource::new().cubin_unchecked(bytes.to_vec()) },
        other => return Err(Failure::invalid(format!("image format {other} is none; use DXGRT_IMAGE_*"))),
    };
    let module = context.device.load(&source)?;
    let context = Arc::clone(context);
    handle::insert(Arc::new(ModuleEntry { context, module, kernels: Mutex::default() }))
}

/// Frees a module and its kernels; launches in flight still complete. Never blocks. Any thread, also after the context was closed
/// (DXGRT_SHUTDOWN: freed all the same).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_module_unload(module: *mut dxgrt_module) -> dxgrt_status {
    guard(|| {
        let entry = handle::remove(module)?;
        let context = Arc::clone(&entry.context);
        drop(entry);
        context.check_open()
    })
}

/// A kernel by its name. It belongs to the module and ends with it; asking again gives the same one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_kernel_get(
    module: *mut dxgrt_module,
    name: *const c_char,
    out: *mut *mut dxgrt_kernel,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let entry = handle::find(module)?;
        entry.context.check_open()?;
        if name.is_null() {
            return Err(Failure::invalid("the kernel's name is NULL"));
        }
        // SAFETY: needed to read the caller's memory; by the rules page it ends with a NUL.
        let name = unsafe { CStr::from_ptr(name) };
        let name = name.to_str().map_err(|_| Failure::invalid("the kernel's name is not UTF-8"))?;
        let mut kernels = entry.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(KernelHandle(kernel)) = kernels.get(name) {
            out.set(*kernel);
            return Ok(());
        }
        let kernel = handle::insert(Arc::new(entry.module.kernel(name)?))?;
        kernels.insert(name.to_owned(), KernelHandle(kernel));
        out.set(kernel);
        Ok(())
    })
}

//! Modules: sets of kernels, in one or several images of which the device takes the one it can run.

use std::sync::Arc;

use bytes::Bytes;
use dxg_io::software::kernel::RustKernel;

use crate::backend::{BackendModule, ModuleImage};
use crate::device::DeviceTag;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// The images of a module, for [`Device::load`](crate::Device::load).
///
/// A module may hold the same kernels several times, for different kinds of devices; the device picks.
///
/// # Safety of foreign code
///
/// Native objects and PTX are code that the runtime cannot check. Adding such an image is `unsafe`, and its contract covers
/// every launch of its kernels: launching them, with whatever arguments the program passes, touches no memory but that of
/// the buffers it was meant for, and a native object does nothing that a trusted part of this process might not do. A wild
/// pointer in a native object can end the process. Kernels written in Rust ([`ModuleSource::rust`]) are checked and safe.
#[derive(Clone, Default)]
pub struct ModuleSource {
    images: Vec<ModuleImage>,
}

impl ModuleSource {
    /// A module without images.
    pub fn new() -> Self {
        ModuleSource::default()
    }

    /// Adds kernels written in Rust, for the software adapter. Their arguments are checked: by type when they are launched,
    /// and by range when they run.
    pub fn rust(mut self, kernels: impl IntoIterator<Item = RustKernel>) -> Self {
        self.images.push(ModuleImage::Rust(kernels.into_iter().collect()));
        self
    }

    /// Adds a native object for the software adapter: an ELF shared object whose kernels are C functions
    /// `void name(const void *args, const struct dxgrt_wg *wg)`, called once for each block.
    ///
    /// # Safety
    ///
    /// See [the type](ModuleSource#safety-of-foreign-code).
    pub unsafe fn native_unchecked(mut self, object: impl Into<Bytes>) -> Self {
        self.images.push(ModuleImage::Native(object.into()));
        self
    }

    /// Adds PTX for CUDA devices.
    ///
    /// # Safety
    ///
    /// See [the type](ModuleSource#safety-of-foreign-code).
    pub unsafe fn ptx_unchecked(mut self, text: impl Into<Arc<str>>) -> Self {
        self.images.push(ModuleImage::Ptx { text: text.into(), merge: true });
        self
    }

    /// Adds a cubin, machine code of one kind of CUDA device. Its launches are not merged.
    ///
    /// # Safety
    ///
    /// See [the type](ModuleSource#safety-of-foreign-code).
    pub unsafe fn cubin_unchecked(mut self, object: impl Into<Bytes>) -> Self {
        self.images.push(ModuleImage::Cubin(object.into()));
        self
    }

    /// Refuses merging for the kernels of all images added so far: see [`Kernel::unmerged`].
    pub fn unmerged(mut self) -> Self {
        for image in &mut self.images {
            if let ModuleImage::Ptx { merge, .. } = image {
                *merge = false;
            }
        }
        self
    }

    /// The images, for the backend.
    pub(crate) fn images(&self) -> Result<&[ModuleImage]> {
        if self.images.is_empty() {
            return Err(Error::BadImage {
                format: "module",
                reason:
                    "it holds no image; add one with `rust`, `native_unchecked`, `ptx_unchecked` or `cubin_unchecked`"
                        .into(),
            });
        }
        Ok(&self.images)
    }
}

impl std::fmt::Debug for ModuleSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModuleSource({} images)", self.images.len())
    }
}

/// A loaded module. Its kernels keep it loaded, also while they run.
#[derive(Clone)]
pub struct Module {
    loaded: Arc<BackendModule>,
    tag: DeviceTag,
}

impl Module {
    pub(crate) fn new(loaded: BackendModule, tag: DeviceTag) -> Self {
        Module { loaded: Arc::new(loaded), tag }
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Result<Kernel> {
        if let Some(found) = self.loaded.kernels.iter().find(|kernel| &*kernel.name == name) {
            return Ok(Kernel { loaded: Arc::clone(found), tag: self.tag, merges: true });
        }
        if let Some(find) = &self.loaded.find {
            return find(name).map(|loaded| Kernel { loaded, tag: self.tag, merges: true });
        }
        let names: Vec<&str> = self.kernel_names().collect();
        let available = match names.as_slice() {
            [] => "none".to_owned(),
            names => format!("`{}`", names.join("`, `")),
        };
        Err(Error::KernelNotFound { name: name.into(), available: available.into() })
    }

    /// The names of its kernels, where the image lists them (native objects do not).
    pub fn kernel_names(&self) -> impl Iterator<Item = &str> {
        self.loaded.kernels.iter().map(|kernel| &*kernel.name)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.kernel_names()).finish()
    }
}

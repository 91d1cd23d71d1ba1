//! Modules on the software adapter: Rust kernels and native objects, registered by number.
//!
//! Every kernel handed out holds its [`Image`], every launch in flight holds its kernel: so the kernels are unregistered,
//! and a native object unloaded, when the module is gone and the last launch is complete.

use std::sync::Arc;

use dxg_io::software::kernel::{KernelError, KernelId, KernelRegistry, NativeModule};

use crate::backend::{BackendModule, LoadedKernel, ModuleImage};
use crate::error::{Error, Result};

/// What one load registered.
struct Image {
    registry: KernelRegistry,
    rust: Vec<KernelId>,
    native: Vec<NativeModule>,
}

impl Drop for Image {
    fn drop(&mut self) {
        for id in &self.rust {
            self.registry.unregister(*id);
        }
        for module in &self.native {
            module.unregister_all();
        }
    }
}

/// Registers every image that the adapter can run. A name found in several is taken from the first Rust image, else from
/// the first native one.
pub(super) fn load(registry: &KernelRegistry, images: &[ModuleImage]) -> Result<BackendModule> {
    let mut image = Image { registry: registry.clone(), rust: Vec::new(), native: Vec::new() };
    let mut listed = Vec::new();
    for source in images {
        match source {
            ModuleImage::Rust(kernels) => {
                for kernel in kernels {
                    let id = registry.register(kernel.clone());
                    image.rust.push(id);
                    listed.push((id, Arc::from(kernel.name()), kernel.signature().clone()));
                }
            }
            ModuleImage::Native(bytes) => {
                // SAFETY: needed because a native object is foreign code. Whoever made the image promised, in the unsafe
                // call that takes one, what this call asks for: `ModuleImage::Native` is made nowhere else.
                let module = unsafe { registry.load_native(bytes) }.map_err(bad_native)?;
                image.native.push(module);
            }
            ModuleImage::Ptx { .. } | ModuleImage::Cubin(_) => {}
        }
    }
    if image.rust.is_empty() && image.native.is_empty() {
        return Err(Error::unsupported(
            "the module has no image for the software adapter: add Rust kernels or a native object (PTX runs on cuda)",
        ));
    }
    let image = Arc::new(image);
    let kernels = listed
        .into_iter()
        .map(|(id, name, signature)| LoadedKernel::new(id.0, name, Some(signature), image.clone()))
        .collect();
    Ok(BackendModule { kernels, find: Some(Box::new(move |name| find_native(&image, name))) })
}

fn find_native(image: &Arc<Image>, name: &str) -> Result<Arc<LoadedKernel>> {
    for module in &image.native {
        match module.kernel(name) {
            Ok(id) => {
                let owner = image.clone();
                return Ok(LoadedKernel::new(id.0, name.into(), None, owner));
            }
            Err(KernelError::NotFound { .. }) => {}
            Err(other) => return Err(bad_native(other)),
        }
    }
    let names: Vec<_> = image.rust.iter().filter_map(|id| image.registry.name(*id)).collect();
    let available = match (names.is_empty(), image.native.is_empty()) {
        (true, _) => "native entries only, and none of this name".to_owned(),
        (false, true) => names.join(", "),
        (false, false) => format!("{} and native entries", names.join(", ")),
    };
    Err(Error::KernelNotFound { name: name.into(), available: available.into() })
}

fn bad_native(error: KernelError) -> Error {
    Error::BadImage { format: "native", reason: error.to_string().into() }
}

#[cfg(test)]
mod tests {
    use dxg_io::software::kernel::RustKernel;

    use super::*;

    fn nothing(name: &str) -> RustKernel {
        RustKernel::new(name).scalar::<u32>().body(|_| Ok(()))
    }

    #[test]
    fn kernels_stay_registered_as_long_as_one_of_them_lives() {
        let registry = KernelRegistry::new();
        let images =
            [ModuleImage::Rust(vec![nothing("a"), nothing("b")]), ModuleImage::Ptx { text: "".into(), merge: true }];
        let module = load(&registry, &images).expect("loads");
        let names: Vec<_> = module.kernels.iter().map(|kernel| &*kernel.name).collect();
        assert_eq!(names, ["a", "b"]);
        let a = module.kernels[0].clone();
        let b = KernelId(module.kernels[1].id);
        drop(module);
        assert!(registry.name(b).is_some(), "a launch of `a` may be in flight: its image stays");
        drop(a);
        assert_eq!(registry.name(b), None);
    }

    #[test]
    fn a_missing_kernel_names_those_there_are() {
        let registry = KernelRegistry::new();
        let module = load(&registry, &[ModuleImage::Rust(vec![nothing("saxpy")])]).expect("loads");
        let find = module.find.expect("always there");
        let error = find("daxpy").err().expect("no such kernel").to_string();
        assert!(error.contains("daxpy") && error.contains("saxpy"), "{error}");
    }

    #[test]
    fn images_for_other_devices_only_are_refused_with_the_way_out() {
        let registry = KernelRegistry::new();
        for images in [&[][..], &[ModuleImage::Ptx { text: ".version 8.0".into(), merge: true }][..]] {
            let error = load(&registry, images).err().expect("nothing to run").to_string();
            assert!(error.contains("cuda") && error.contains("Rust"), "{error}");
        }
    }

    #[test]
    fn a_bad_object_is_refused_and_leaves_nothing_registered() {
        let registry = KernelRegistry::new();
        let images = [ModuleImage::Rust(vec![nothing("a")]), ModuleImage::Native(bytes::Bytes::from_static(b"MZ"))];
        let error = load(&registry, &images).err().expect("not an ELF object");
        assert!(matches!(error, Error::BadImage { format: "native", .. }));
        let next = registry.register(nothing("next"));
        assert!((0..next.0).all(|id| registry.name(KernelId(id)).is_none()));
    }
}

//! A kernel of a loaded module, ready to be launched.

use std::sync::Arc;

use crate::backend::LoadedKernel;
use crate::device::DeviceTag;

/// A kernel; made by [`Module::kernel`](crate::Module::kernel). Clones are the same kernel, and keep its module loaded.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) loaded: Arc<LoadedKernel>,
    pub(crate) tag: DeviceTag,
}

impl Kernel {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.loaded.name
    }

    /// How many arguments it takes, where the image tells (typed Rust kernels do).
    pub fn argument_count(&self) -> Option<usize> {
        self.loaded.signature.as_ref().map(|signature| signature.parameters().len())
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernel({} on {})", self.name(), self.tag)
    }
}

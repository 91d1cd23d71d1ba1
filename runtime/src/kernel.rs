//! A kernel of a loaded module, ready to be launched.

use std::sync::Arc;

use crate::backend::LoadedKernel;
use crate::device::DeviceTag;

/// A kernel; made by [`Module::kernel`](crate::Module::kernel). Clones are the same kernel, and keep its module loaded. Each
/// counts its launches by itself: tasks on several threads that launch it do best with a clone each.
pub struct Kernel {
    /// Of this handle alone, so that tasks do not contend for the count of its users.
    pub(crate) loaded: Arc<LoadedKernel>,
    pub(crate) tag: DeviceTag,
    /// Its launches may be merged with others.
    pub(crate) merges: bool,
}

impl Clone for Kernel {
    fn clone(&self) -> Self {
        Kernel { loaded: Arc::new((*self.loaded).clone()), ..*self }
    }
}

/// Whether launches of a kernel are merged with others of its kind into one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeSupport {
    /// They are.
    Merged,
    /// Each is launched by itself.
    Single {
        /// Why.
        reason: Arc<str>,
    },
}

impl std::fmt::Display for MergeSupport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MergeSupport::Merged => f.write_str("launches are merged"),
            MergeSupport::Single { reason } => write!(f, "launched singly: {reason}"),
        }
    }
}

impl Kernel {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.loaded.name
    }

    /// Whether launches of it are merged with others into one, and why not.
    pub fn merge_support(&self) -> MergeSupport {
        match (&self.loaded.merge, self.merges) {
            (MergeSupport::Merged, false) => {
                MergeSupport::Single { reason: "merging was refused for the kernel".into() }
            }
            (support, _) => support.clone(),
        }
    }

    /// The same kernel, whose launches through this handle go by themselves.
    ///
    /// Merged launches run in one grid, and their blocks in any order. A kernel whose blocks wait for one another (a barrier
    /// made by hand, with a counter in memory) counts on all of *its* blocks running at the same time, which among the blocks
    /// of others is not certain: launch it through this handle. A single launch is refused merging in the same way:
    /// `stream.launch(&kernel.unmerged(), …)`. A module refuses it with [`ModuleSource::unmerged`](crate::ModuleSource), a
    /// stream with [`StreamBuilder::merging`](crate::StreamBuilder::merging).
    pub fn unmerged(&self) -> Kernel {
        Kernel { merges: false, ..self.with_same_count() }
    }

    /// For an operation of the one who has the handle: costs no allocation, as a clone does.
    pub(crate) fn with_same_count(&self) -> Kernel {
        Kernel { loaded: Arc::clone(&self.loaded), ..*self }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, ModuleSource, RustKernel};

    #[test]
    fn clones_count_by_themselves_and_an_unmerged_handle_does_not() {
        let device = Device::open("software").unwrap();
        let kernel = RustKernel::new("idle").body(|_| Ok(()));
        let kernel = device.load(&ModuleSource::new().rust([kernel])).unwrap().kernel("idle").unwrap();
        assert!(!Arc::ptr_eq(&kernel.loaded, &kernel.clone().loaded));
        assert!(Arc::ptr_eq(&kernel.loaded, &kernel.unmerged().loaded), "each launch may ask for one");
    }
}

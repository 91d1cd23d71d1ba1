//! What the software GPU can run: Rust functions with typed, checked arguments, and native objects.
//!
//! A [`RustKernel`] declares its parameters, which gives its [`Signature`]: how arguments are packed (8-byte addresses,
//! naturally aligned scalars: the same bytes as for CUDA). The engine binds the arguments of a launch to memory by the
//! signature and the ranges declared in the packet, and calls the body once per block with a [`KernelContext`].
//! A native object is an ELF shared object whose entries are `void name(const void *args, const struct dxgrt_wg *wg)`.
//!
//! [`KernelRegistry`] gives each kernel a number for DISPATCH packets; numbers are never reused.

pub(crate) mod binding;
mod context;
mod native;
pub(crate) mod registry;
mod rust;
mod signature;

pub use context::KernelContext;
pub use native::NativeModule;
#[cfg(test)]
pub(crate) use native::tests::compile as compile_for_test;
pub use registry::{KernelId, KernelRegistry};
pub use rust::{RustKernel, RustKernelBuilder};
pub use signature::{Element, ElementType, Parameter, ParameterKind, Signature};

/// Which block a call of a kernel computes: `struct dxgrt_wg` of the native kernel ABI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Workgroup {
    /// This block.
    pub group: [u32; 3],
    /// Blocks of the launch.
    pub groups: [u32; 3],
    /// Threads of a block, as the launch said; one call does the work of them all.
    pub local: [u32; 3],
}

impl Workgroup {
    /// The block with this linear number, x fastest.
    #[inline]
    pub(crate) fn nth(block: u64, groups: [u32; 3], local: [u32; 3]) -> Self {
        let (x, y) = (u64::from(groups[0]).max(1), u64::from(groups[1]).max(1));
        let group = if y == 1 && groups[2] <= 1 {
            [block as u32, 0, 0]
        } else {
            [(block % x) as u32, (block / x % y) as u32, (block / x / y) as u32]
        };
        Self { group, groups, local }
    }
}

/// Why a kernel failed, could not be loaded, or was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// The kernel itself says so.
    #[error("{0}")]
    Failed(String),
    /// A parameter was not used, or not given, as it was declared.
    #[error("parameter {index}: {what}")]
    Parameter {
        /// Its place in the signature, from 0.
        index: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// The arguments as a whole do not fit.
    #[error("{0}")]
    Arguments(String),
    /// The image cannot be loaded.
    #[error("this is no native kernel image: {0}")]
    BadImage(String),
    /// The image has no such kernel.
    #[error("the image has no kernel named {0:?}")]
    NotFound(String),
}

impl From<String> for KernelError {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<&str> for KernelError {
    fn from(message: &str) -> Self {
        Self::Failed(message.to_owned())
    }
}

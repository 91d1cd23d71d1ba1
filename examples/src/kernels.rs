//! The same kernels for both kinds of devices: Rust functions on the software adapter, PTX on CUDA.
//!
//! A Rust kernel knows from its slices how many elements there are, and its block computes a chunk of them; a CUDA kernel is
//! told, and its threads compute one element each. [`Shape`] says which, so that a program says each launch once.

use dxg_runtime::{Args, Device, DeviceKind, Grid, ModuleSource, RustKernel};

/// Threads of a block on CUDA.
const THREADS: u32 = 128;

/// How launches look on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    cuda: bool,
}

impl Shape {
    /// That of an open device.
    pub fn of(device: &Device) -> Shape {
        Shape { cuda: device.info().kind() == DeviceKind::Cuda }
    }

    /// The grid of a launch over `elements`: so many blocks for Rust, a thread for each element for CUDA.
    pub fn grid(self, blocks: u32, elements: usize) -> Grid {
        if self.cuda { Grid::covering(elements, THREADS) } else { blocks.into() }
    }

    /// The arguments, with the sizes that a CUDA kernel is told behind them.
    pub fn arguments(self, mut arguments: Args, sizes: &[usize]) -> Args {
        if self.cuda {
            sizes.iter().for_each(|size| arguments.push(*size as u32));
        }
        arguments
    }
}

/// A module of the same kernels twice. The device picks.
pub fn both(rust: Vec<RustKernel>, ptx: &'static str) -> ModuleSource {
    // SAFETY: needed because PTX is foreign code: it is this package's own, made of the kernels.cu beside it, and stays inside
    // of buffers as long as it is told their sizes, which `Shape::arguments` does.
    unsafe { ModuleSource::new().rust(rust).ptx_unchecked(ptx) }
}

//! The kernels that dxgrt brings along.

use std::ffi::c_void;
use std::ptr;

use super::context::Context;
use super::module::{Image, load_image};
use super::sys;
use crate::error::Result;

/// Kept as text: the driver translates it.
const TEXT: &str = include_str!("kernels/dxgrt.ptx");
/// Threads of a block of copies and fills: eight warps, each with an entry of its own.
const TABLE_THREADS: u32 = 256;
const ENTRIES_PER_BLOCK: u32 = TABLE_THREADS / 32;
/// Threads of a block of timestamps.
const TIME_THREADS: u32 = 32;

/// The kernels, ready to be launched. Every method is called inside the context.
pub(super) struct Kernels {
    copy: sys::Function,
    fill: sys::Function,
    fence: sys::Function,
    time: sys::Function,
    _image: Image,
}

// SAFETY: needed because of the handles. Functions may be launched from any thread inside their context.
unsafe impl Send for Kernels {}
// SAFETY: as above.
unsafe impl Sync for Kernels {}

impl Kernels {
    pub fn load(context: &std::sync::Arc<Context>) -> Result<Self> {
        let image = load_image(context, TEXT.as_bytes()).map_err(|error| error.of("PTX"))?;
        let function = |name| image.function(name).map_err(|refusal| refusal.of("cuModuleGetFunction"));
        Ok(Kernels {
            copy: function("dxgrt_copy")?,
            fill: function("dxgrt_fill")?,
            fence: function("dxgrt_fence")?,
            time: function("dxgrt_time")?,
            _image: image,
        })
    }

    /// Copies by a table of `count` entries.
    pub fn copy(&self, context: &Context, stream: sys::Stream, table: u64, count: u32) -> sys::Status {
        launch(context, self.copy, count.div_ceil(ENTRIES_PER_BLOCK), TABLE_THREADS, stream, table, count.into())
    }

    /// Fills by a table of `count` entries.
    pub fn fill(&self, context: &Context, stream: sys::Stream, table: u64, count: u32) -> sys::Status {
        launch(context, self.fill, count.div_ceil(ENTRIES_PER_BLOCK), TABLE_THREADS, stream, table, count.into())
    }

    /// Writes the device's clock to `count` addresses.
    pub fn time(&self, context: &Context, stream: sys::Stream, table: u64, count: u32) -> sys::Status {
        launch(context, self.time, count.div_ceil(TIME_THREADS), TIME_THREADS, stream, table, count.into())
    }

    /// Writes a fence value, seen after everything before it in the stream.
    pub fn fence(&self, context: &Context, stream: sys::Stream, address: u64, value: u64) -> sys::Status {
        launch(context, self.fence, 1, 1, stream, address, value)
    }
}

/// All of them take an address and a number: 4 bytes of it, or 8.
fn launch(
    context: &Context,
    function: sys::Function,
    blocks: u32,
    threads: u32,
    stream: sys::Stream,
    mut address: u64,
    mut number: u64,
) -> sys::Status {
    // The driver reads as many bytes of each as its parameter has; the low ones come first.
    let mut parameters: [*mut c_void; 2] = [(&raw mut address).cast(), (&raw mut number).cast()];
    // SAFETY: needed to call the driver; the function is loaded as long as `self`, and it reads the parameters during the call.
    unsafe {
        let (parameters, extra) = (parameters.as_mut_ptr(), ptr::null_mut());
        (context.driver.api.launch)(function, blocks, 1, 1, threads, 1, 1, 0, stream, parameters, extra)
    }
}

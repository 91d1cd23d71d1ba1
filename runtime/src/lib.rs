//! Async runtime that coalesces small GPU launches and copies into few batched D3DKMT submissions.
//!
//! In WSL 2 every launch and every copy passes through `/dev/dxg`, a message ring, and the host's driver; for small work that
//! way costs more than the work. A [`Device`] gathers what its [`Stream`]s accept, builds few batches of much work, submits
//! each with one posted message, and learns of completion by reading memory. None of it shows, except in time: a stream
//! behaves as if its operations ran one after another, and every operation has a future of its own.
//!
//! ```
//! use dxg_runtime::{Device, Grid, ModuleSource, RustKernel, args};
//!
//! // A kernel is a Rust function over typed arguments, called once for each block of the grid. What it writes is split into
//! // one piece for each block.
//! let saxpy = RustKernel::new("saxpy").scalar::<f32>().read::<f32>().write::<f32>().body(|block| {
//!     let (a, x, y) = (block.scalar::<f32>(0)?, block.read::<f32>(1)?, block.write::<f32>(2)?);
//!     let start = block.chunk_start(2)?;
//!     for (y, x) in y.iter_mut().zip(&x[start..]) {
//!         *y += a * x;
//!     }
//!     Ok(())
//! });
//!
//! let device = Device::open("software")?; // a GPU-PV host in this process
//! let module = device.load(&ModuleSource::new().rust([saxpy]))?;
//! let saxpy = module.kernel("saxpy")?;
//! let (x, y) = (device.alloc::<f32>(1000)?, device.alloc::<f32>(1000)?);
//! let stream = device.stream()?;
//!
//! // Any executor will do.
//! let result = futures::executor::block_on(async {
//!     stream.fill(&x, 2.0f32).await?;
//!     stream.fill(&y, 1.0f32).await?;
//!     stream.launch(&saxpy, Grid::covering(1000, 256), args![3.0f32, x.read(), y.write()]).await?;
//!     stream.copy_out(&y).await?.await
//! })?;
//! assert_eq!(result, [7.0; 1000]);
//! # Ok::<(), dxg_runtime::Error>(())
//! ```
//!
//! # What waits for what
//!
//! Awaiting a call such as [`Stream::launch`] waits for *room*, and gives a [`Completion`]; awaiting that waits for the
//! *operation*. The `try_` form of a call never waits, and says [`TryError::Full`] where the other would. Dropping a future
//! cancels nothing that was accepted; dropping a buffer, a stream or a device with work in flight is safe, and the work
//! completes.
//!
//! # Nothing at all
//!
//! Lengths of zero are well defined: a buffer of no elements has an address; a copy or fill of none, a launch of no blocks or
//! threads, an empty list of commands and an empty graph do nothing, and complete in their place in the order of the stream.
//!
//! # Foreign code
//!
//! Kernels in Rust are checked and safe. Native objects and PTX are not: adding them to a module is `unsafe`, and that contract
//! covers their launches ([`ModuleSource`]).
#![deny(missing_docs)]

mod advice;
mod arg_bytes;
mod args;
mod backend;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench_support;
mod buffer;
mod callbacks;
mod command;
mod completion;
mod copy;
mod core;
mod cuda;
mod device;
mod driver;
mod error;
mod event;
mod graph;
mod grid;
mod host_buffer;
mod host_memory;
mod info;
mod kernel;
mod launching;
mod leave;
mod limits;
mod memory;
mod module;
mod op;
mod open;
pub mod perfetto;
mod pod;
mod prepared;
#[doc(hidden)]
pub mod ptx;
#[doc(hidden)]
pub mod raw;
mod ready;
mod request;
mod selector;
mod shards;
#[cfg(feature = "sim")]
pub mod sim;
mod stats;
mod stream;
mod sync;
mod timeline;

pub use advice::{Advice, Report};
pub use args::{Args, Argument, BufferArg};
pub use buffer::{Buffer, BufferSlice};
pub use command::Command;
pub use completion::{Completed, Completion, CompletionStream};
pub use copy::{HostSource, HostView, ReadBack};
pub use device::Device;
pub use dxg_io::software::kernel::{KernelContext, KernelError, RustKernel};
pub use dxg_io::software::{Parameters, SoftwareAdapter};
pub use error::{Error, Full, LostCause, LostReason, Result, TryError};
pub use event::Event;
pub use graph::{Graph, GraphBuilder, NodeId, Patch};
pub use grid::{Extent, Grid};
pub use host_buffer::{HostBuffer, HostRead, HostWrite};
pub use info::{DeviceInfo, MAX_ARGUMENT_BYTES};
pub use kernel::{Kernel, MergeSupport};
pub use launching::Launching;
pub use leave::{REPORT_VARIABLE, TIMELINE_VARIABLE};
pub use limits::{Bound, Limits, POLICY_VARIABLE, Policy};
pub use module::{Module, ModuleSource};
pub use open::DeviceBuilder;
pub use pod::Pod;
pub use prepared::PreparedLaunch;
pub use selector::{DEVICE_VARIABLE, DeviceKind, Selector};
pub use stats::{FlushCounts, MemoryInfo, Stats};
pub use stream::{Priority, Stream, StreamBuilder};
pub use timeline::{TIMELINE_PROCESSES, TimelineRecording, TimelineSummary};

/// Bytes that an operation takes from its acceptance to its batch, links included: what `dxgrt bench` tells.
#[doc(hidden)]
pub const fn pending_operation_bytes() -> usize {
    op::PENDING_OPERATION_BYTES
}

/// What most programs need: `use dxg_runtime::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Args, Buffer, Command, Completion, Device, Error, Event, Graph, Grid, HostBuffer, Kernel, Module, ModuleSource,
        Patch, PreparedLaunch, Priority, ReadBack, RustKernel, Stream, TryError, args,
    };
}

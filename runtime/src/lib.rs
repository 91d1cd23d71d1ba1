//! Async runtime that coalesces small GPU launches and copies into few batched D3DKMT submissions.
#![deny(missing_docs)]
#![allow(dead_code, reason = "removed when the parts of the runtime are joined")]

mod backend;
pub(crate) mod core;
mod driver;
mod error;
mod grid;
mod info;
mod limits;
mod memory;
mod op;
mod selector;
mod stats;
mod sync;

pub use error::{Error, Full, LostCause, LostReason, Result, TryError};
pub use grid::{Extent, Grid};
pub use info::{DeviceInfo, MAX_ARGUMENT_BYTES};
pub use limits::{Bound, Limits, POLICY_VARIABLE, Policy};
pub use selector::{DEVICE_VARIABLE, DeviceKind, Selector};
pub use stats::{FlushCounts, MemoryInfo, Stats};

//! Owning objects: each closes what it opened, keeps its parent alive, and cannot be used after that is gone.
//!
//! ```text
//! Dxg ← Adapter ← Device ← Context ← HwQueue
//!                        ← PagingQueue
//!                        ← Allocation ← GpuVaRange
//!                        ← MonitoredFence, CpuNotification
//! ```
//!
//! Everything is a counted reference: cloning is cheap, any thread may use and drop it. What the driver does behind
//! handles shapes this layer:
//!
//! * a destroyed fence loses its page, so a [`FenceView`] keeps its object alive;
//! * closing the last adapter handle destroys devices, so devices hold their adapter;
//! * every destruction is a round trip, so a device that goes with all it has should be told
//!   ([`Device::begin_teardown`]): allocations then go in one call, and the device's destruction takes the rest;
//! * a process must stay clear of 1,024 live handles, so creation stops at
//!   [`MAX_LIVE_OBJECTS`](crate::call::MAX_LIVE_OBJECTS);
//! * what fails in a destructor is counted ([`Dxg::failed_teardowns`](crate::call::Dxg::failed_teardowns)) and logged.

mod adapter;
mod address;
mod allocation;
mod context;
mod device;
mod event;
mod fence;
mod memory;
mod paging;
mod queue;

pub use adapter::{Adapter, AdapterInfo};
pub use address::{GpuVaRange, MapRequest, Reservation};
pub use allocation::{Allocation, Mapping};
pub use context::{Context, ContextOptions};
pub use device::{Device, ExecutionState};
pub use event::{EventFd, SyncFile};
pub use fence::{CpuNotification, FenceOptions, FenceView, MonitoredFence};
pub use memory::SystemMemory;
pub use paging::{PagingQueue, Pending};
pub use queue::HwQueue;

use smallvec::SmallVec;

use crate::sys::d3dkmthandle;

/// A fence and a value of it: what waits and signals are about.
pub type FencePoint = (d3dkmthandle, u64);

/// As many as one posted call can carry, so that splitting pairs into the driver's two lists allocates nothing.
const INLINE: usize = 32;

type Handles = SmallVec<[d3dkmthandle; INLINE]>;
type Values = SmallVec<[u64; INLINE]>;

fn split(points: &[FencePoint]) -> (Handles, Values) {
    points.iter().copied().unzip()
}

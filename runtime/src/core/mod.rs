//! The concurrency core: what a launch passes through between the caller's task and the driver, and back.
//!
//! An operation first gets room ([`admission`]), takes its ticket and its place in one step ([`queue`]), is picked up by
//! whoever holds the driver role ([`role`]), may carry its host data in a [`staging`] piece, and is reported done through the
//! [`completion`] timeline of its stream, from where [`notice`] brings it to callbacks. [`lane`] hands submissions to threads,
//! [`room`] tells those who wait for memory, [`shelf`] has what others may let go of. Nothing here knows devices, batches or
//! ioctls; everything here is modelled by loom (`loom_*`), on these very types.

pub(crate) mod admission;
pub(crate) mod completion;
pub(crate) mod doze;
pub(crate) mod lane;
pub(crate) mod notice;
pub(crate) mod queue;
pub(crate) mod role;
pub(crate) mod room;
pub(crate) mod shelf;
pub(crate) mod staging;
mod waiters;

#[cfg(all(test, dxg_loom))]
mod loom_admission;
#[cfg(all(test, dxg_loom))]
mod loom_completion;
#[cfg(all(test, dxg_loom))]
mod loom_doze;
#[cfg(all(test, dxg_loom))]
pub(crate) mod loom_harness;
#[cfg(all(test, dxg_loom))]
mod loom_lane;
#[cfg(all(test, dxg_loom))]
mod loom_notice;
#[cfg(all(test, dxg_loom))]
mod loom_queue;
#[cfg(all(test, dxg_loom))]
mod loom_role;
#[cfg(all(test, dxg_loom))]
mod loom_room;
#[cfg(all(test, dxg_loom))]
mod loom_shelf;
#[cfg(all(test, dxg_loom))]
mod loom_staging;

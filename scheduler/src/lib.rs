//! Pure batching logic: operations in, batches out.
//!
//! A [`Scheduler`] takes the operations of many streams in the order of their acceptance and cuts them into few
//! [`Batch`]es, each meant to be one submission to a hardware queue. It does no I/O, starts no thread, reads no clock
//! and contains no unsafe code: what it knows of the world comes in through `handle_*` calls, with the time as an
//! argument, and what it wants done goes out through `poll_*` calls.
//!
//! ```text
//! handle_operation ─▶ stream (FIFO, bounds) ─▶ hardware queue (place) ─▶ flush law ─▶ waves, groups, extents ─▶ Batch
//! handle_waiter ────▶ urgency, progress values        events: CUDA's meaning          hazards: declared only
//! handle_progress ──▶ in-flight batches ─▶ poll_completion, poll_retired
//! ```
//!
//! The promise: a stream behaves as if its operations ran one after another in their order, and operations of
//! different streams are ordered by events only. Batching shows in time and in nothing else.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod batch;
mod bounds;
mod config;
mod cost;
mod event;
mod flush;
mod free;
mod hazard;
mod merge;
mod operation;
mod queue;
mod ring;
mod room;
mod scheduler;
mod slab;
mod stats;
mod stream;
mod wave;
mod window;

pub use batch::{Batch, BatchId, Extent, FlushReason, Group, GroupKind, QueueId, Wave};
pub use bounds::{Bound, Watermark};
pub use config::{Config, Limits, Policy};
pub use operation::{
    Access, AccessList, Completed, CopyKind, CostKey, EventId, Hazard, Nanos, Operation, Point, Priority, RejectReason,
    Rejected, StreamId, Ticket, Work,
};
pub use scheduler::{ImpossibleProgress, Scheduler};
pub use slab::Fetch;
pub use stats::Stats;

/// Bytes that a scheduler holds for each operation from its acceptance to its batch: the operation with its payload `T`, its
/// links, and what it was estimated at.
#[must_use]
pub const fn pending_bytes<T>() -> usize {
    // The node, its link, and its place in the list of free ones.
    size_of::<slab::Node<T>>() + 2 * size_of::<u32>()
}

//! Counts of what was done.

use crate::batch::FlushReason;

/// Counts since the scheduler was made, and levels of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Operations accepted.
    pub operations: u64,
    /// Launches among the operations batched.
    pub launches: u64,
    /// Copies among the operations batched.
    pub copies: u64,
    /// Fills among the operations batched.
    pub fills: u64,
    /// Batches made.
    pub batches: u64,
    /// Waves in them.
    pub waves: u64,
    /// Launch groups in them: dispatches.
    pub dispatches: u64,
    /// Copy extents in them.
    pub extents: u64,
    /// Waits for other queues' progress in them.
    pub queue_waits: u64,
    /// Times that a batch was ready and the ring governor held it back.
    pub ring_holds: u64,
    /// Batches by reason; see [`FlushReason::index`].
    pub reasons: [u64; FlushReason::COUNT],
    /// Operations accepted and not yet in a batch.
    pub pending: u32,
    /// Operations in batches that are not complete.
    pub in_flight: u32,
    /// Batches that are not complete.
    pub batches_in_flight: u32,
    /// Measured cost of a submission, in nanoseconds.
    pub submission_cost: u64,
}

//! The scheduler's contract.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::batch::{Batch, QueueId};
use crate::config::Config;
use crate::operation::{
    Completed, CostKey, EventId, Nanos, Operation, Priority, RejectReason, Rejected, StreamId, Ticket,
};
use crate::stats::Stats;

/// A queue's progress fence holds a value that was never submitted: the device is lost, not ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImpossibleProgress {
    /// The queue.
    pub queue: QueueId,
    /// What the fence holds.
    pub value: u64,
    /// The last value submitted.
    pub submitted: u64,
}

impl fmt::Display for ImpossibleProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, value, submitted } = self;
        write!(f, "the progress fence of queue {} is at {value}, above {submitted}, the last submitted value", queue.0)
    }
}

impl core::error::Error for ImpossibleProgress {}

/// Turns operations into batches. (First landing: the signatures.)
#[derive(Debug)]
pub struct Scheduler<T> {
    config: Config,
    payload: PhantomData<T>,
}

#[allow(clippy::needless_pass_by_ref_mut, clippy::ptr_arg, unused_variables, missing_docs)]
impl<T> Scheduler<T> {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config: config.sane(), payload: PhantomData }
    }
    /// Queues stay as they were.
    pub fn set_config(&mut self, config: Config) {
        self.config = config.sane();
    }
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// False: the id is out of range. An id may be announced again at any time after its drop.
    pub fn handle_stream(&mut self, stream: StreamId, priority: Priority) -> bool {
        true
    }
    pub fn handle_stream_drop(&mut self, stream: StreamId) {}
    /// The event's id may be used for another event from now on, which counts as never recorded.
    pub fn handle_event_drop(&mut self, event: EventId) {}
    /// # Errors
    /// Gives the operation back.
    #[allow(clippy::result_large_err)]
    pub fn handle_operation(&mut self, now: Nanos, operation: Operation<T>) -> Result<(), Rejected<T>> {
        Err(Rejected { operation, reason: RejectReason::UnknownStream })
    }
    pub fn handle_waiter(&mut self, now: Nanos, stream: StreamId, ticket: Ticket) {}
    pub fn handle_flush(&mut self, now: Nanos, stream: StreamId) {}
    /// Everything accepted so far goes out as fast as there is room.
    pub fn handle_drain(&mut self, now: Nanos) {}
    /// The batch was submitted: its operations move into the scheduler, and the batch is empty and ready to be filled.
    pub fn handle_submitted(&mut self, now: Nanos, batch: &mut Batch<T>, spent: Nanos, ring_bytes: u32) {}
    /// # Errors
    /// The value was never submitted: the device is lost.
    pub fn handle_progress(&mut self, now: Nanos, queue: QueueId, value: u64) -> Result<(), ImpossibleProgress> {
        Ok(())
    }
    pub fn handle_kernel_time(&mut self, cost: CostKey, time: Nanos) {}
    /// What the stream has not yet in a batch turns into markers: it completes in order and does nothing.
    pub fn handle_stream_reset(&mut self, stream: StreamId) {}
    /// Every payload the scheduler holds that is not complete; nothing is accepted or batched any more.
    pub fn handle_device_lost(&mut self) -> Vec<T> {
        Vec::new()
    }
    pub fn poll_batch(&mut self, now: Nanos, out: &mut Batch<T>) -> bool {
        false
    }
    pub fn poll_completion(&mut self) -> Option<Completed> {
        None
    }
    pub fn poll_retired(&mut self, out: &mut Vec<T>) {}
    /// Absolute time of the next `poll_batch`, if time alone can bring one.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Nanos> {
        None
    }
    /// Operations in a batch that is not complete, or waiting for one: nothing to do when 0.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        0
    }
    /// The lowest progress value not yet seen on a queue with work in flight, to look at or sleep for.
    #[must_use]
    pub fn next_progress(&self, queue: QueueId) -> Option<u64> {
        None
    }
    /// The payload of an operation that is not complete, for telling what failed.
    #[must_use]
    pub fn find_in_flight(&self, ticket: Ticket) -> Option<&T> {
        None
    }
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}

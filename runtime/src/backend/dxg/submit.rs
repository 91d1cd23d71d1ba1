//! Handing a batch over: waits for other queues, command memory, one submission. Nothing here allocates.

use std::sync::atomic::Ordering;

use dxg_io::error::Error as DxgError;
use dxg_io::software::packet::Full;
use dxg_scheduler::Batch;
use smallvec::SmallVec;

use super::command_ring::Stretch;
use super::execution::{Execution, Queue, QueueState};
use super::health;
use super::lower::{bytes_at_most, lower};
use crate::backend::{HostChunk, SubmitError, Submitted};
use crate::error::Error;
use crate::op::Op;

/// Command memory for one batch that is larger than the ring, kept for the next such batch.
pub(super) struct Oversize {
    chunk: HostChunk,
    /// The device is through with it when the queue reaches this value.
    fence: u64,
}

/// Where a command buffer was written.
enum Place {
    Ring(Stretch),
    Oversize,
}

struct Written {
    place: Place,
    address: u64,
    len: usize,
}

impl Execution {
    /// Hands a batch over. Role holder only; a lock per queue makes a mistake there harmless.
    pub fn submit(&self, batch: &Batch<Op>) -> Result<Submitted, SubmitError> {
        let index = usize::from(batch.queue.0);
        let queue = self.make_queue(index).map_err(|error| match self.health() {
            Err(cause) => SubmitError::Lost(cause),
            Ok(()) => SubmitError::Failed(error),
        })?;
        let mut state = queue.state();
        let written = self.write(batch, index, queue, &mut state)?;
        // Before the submission: a value up to this one counts as progress from the moment it can appear.
        let previous = queue.submitted.swap(batch.fence, Ordering::Release);
        match self.hand_over(batch, queue, &written) {
            Ok(ring_bytes) => {
                match written.place {
                    Place::Ring(stretch) => state.ring.commit(stretch, written.len, batch.fence),
                    Place::Oversize => {
                        if let Some(oversize) = &mut state.oversize {
                            oversize.fence = batch.fence;
                        }
                    }
                }
                Ok(Submitted { ring_bytes })
            }
            Err(error) => {
                queue.submitted.store(previous, Ordering::Release);
                Err(self.refused(error))
            }
        }
    }

    /// Writes the command buffer where there is room; `Busy` leaves everything as it was.
    fn write(
        &self,
        batch: &Batch<Op>,
        index: usize,
        queue: &Queue,
        state: &mut QueueState,
    ) -> Result<Written, SubmitError> {
        let completed = queue.completed();
        state.ring.reclaim(completed);
        let header = self.control.header(index);
        for stretch in state.ring.free() {
            // SAFETY: needed because the ring is memory shared with the device. The stretch is free, so the device does
            // not read it, and the queue's lock, which we hold, makes this the only reference.
            let bytes = unsafe { queue.ring_memory.stretch(stretch) };
            if let Ok(len) = lower(batch, bytes, header, queue.link.base()) {
                let address = queue.ring_memory.address(stretch.start);
                return Ok(Written { place: Place::Ring(stretch), address, len });
            }
        }
        if !state.ring.is_empty() || state.oversize.as_ref().is_some_and(|oversize| oversize.fence > completed) {
            return Err(SubmitError::Busy);
        }
        // The whole ring is free and too small.
        let needed = bytes_at_most(batch);
        if state.oversize.as_ref().is_none_or(|oversize| oversize.chunk.len < needed) {
            let chunk = self.memory.allocate_host(needed).map_err(SubmitError::Failed)?;
            state.oversize = Some(Oversize { chunk, fence: 0 });
        }
        let Some(oversize) = &mut state.oversize else { return Err(SubmitError::Busy) };
        // SAFETY: needed because the chunk is memory shared with the device, which is through with it (its fence was
        // passed, or it is new). It has `len` writable bytes and the queue's lock makes this the only reference.
        let bytes = unsafe { std::slice::from_raw_parts_mut(oversize.chunk.ptr.as_ptr(), oversize.chunk.len) };
        let len = lower(batch, bytes, header, queue.link.base()).map_err(|full: Full| {
            SubmitError::Failed(Error::invalid(format!("the batch cannot be written as commands: {full}")))
        })?;
        Ok(Written { place: Place::Oversize, address: oversize.chunk.device_address, len })
    }

    /// The messages of a submission, all posted: the bytes of ring that they took.
    fn hand_over(&self, batch: &Batch<Op>, queue: &Queue, written: &Written) -> Result<u32, DxgError> {
        let mut ring_bytes = 0;
        if !batch.waits.is_empty() {
            let fences: SmallVec<[_; 8]> = batch
                .waits
                .iter()
                .filter_map(|(other, value)| {
                    // A queue that was never used has nothing to wait for.
                    let other = self.queue(usize::from(other.0))?;
                    // What is reached needs no message.
                    (other.completed() < *value).then(|| other.link.point(*value))
                })
                .collect();
            // 32 is the limit of one message.
            for fences in fences.chunks(32) {
                ring_bytes += queue.link.wait(fences)?;
            }
        }
        // The length fits: a ring or chunk of 4 GiB is refused when it is made.
        ring_bytes += queue.link.submit(written.address, written.len as u32, batch.fence)?;
        Ok(ring_bytes)
    }

    /// What a refused submission means.
    fn refused(&self, error: DxgError) -> SubmitError {
        if error.is_throttled() {
            // The bus ring stayed full for as long as the driver waits.
            return SubmitError::Busy;
        }
        if let Some(cause) = health::of_error(&error) {
            return SubmitError::Lost(cause);
        }
        match self.health() {
            Err(cause) => SubmitError::Lost(cause),
            Ok(()) => SubmitError::Failed(Error::driver("submitting a batch", error)),
        }
    }
}

//! Handing a batch over: waits for other queues, command memory, one submission. Nothing here allocates.
//!
//! Where messages are posted one call does it all. Where each is a round trip, the commands are written first
//! ([`Execution::prepare`]), and another thread makes the calls ([`Execution::deliver`]). The order across queues is free:
//! a queue may wait for a value that is submitted to another one later.

use std::sync::atomic::Ordering;

use dxg_io::error::Error as DxgError;
use dxg_io::software::packet::{Full, Header};
use dxg_scheduler::{Batch, QueueId};
use smallvec::SmallVec;

use super::execution::{Execution, Queue, QueueState};
use super::health;
use super::lower::{bytes_at_most, lower};
use crate::backend::ring::Stretch;
use crate::backend::{Delivery, HostChunk, SubmitError, Submitted};
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
        let queue = self.queue_for_batch(index)?;
        let mut state = queue.state();
        let written = self.write(batch, index, queue, &mut state)?;
        // Before the submission: a value up to this one counts as progress from the moment it can appear.
        let previous = queue.submitted.swap(batch.fence, Ordering::Release);
        let sent = self.send_waits(queue, &batch.waits).and_then(|waits| {
            // The length fits: a ring or chunk of 4 GiB is refused when it is made.
            Ok(waits + queue.link.submit(written.address, written.len as u32, batch.fence)?)
        });
        match sent {
            Ok(ring_bytes) => {
                state.commit(&written, batch.fence);
                Ok(Submitted { ring_bytes })
            }
            Err(error) => {
                queue.submitted.store(previous, Ordering::Release);
                Err(self.refused(error))
            }
        }
    }

    /// Writes a batch's commands, for [`Execution::deliver`]. Role holder only.
    pub fn prepare(&self, batch: &Batch<Op>) -> Result<Delivery, SubmitError> {
        let index = usize::from(batch.queue.0);
        let queue = self.queue_for_batch(index)?;
        let mut state = queue.state();
        let written = self.write(batch, index, queue, &mut state)?;
        queue.submitted.store(batch.fence, Ordering::Release);
        state.commit(&written, batch.fence);
        Ok(Delivery {
            queue: batch.queue,
            fence: batch.fence,
            address: written.address,
            length: written.len as u32,
            waits: batch.waits.iter().copied().collect(),
        })
    }

    /// Makes the calls of a prepared submission.
    pub fn deliver(&self, delivery: &mut Delivery) -> Result<Submitted, SubmitError> {
        let queue = self.queue_for_batch(usize::from(delivery.queue.0))?;
        let mut ring_bytes = self.send_waits(queue, &delivery.waits).map_err(|error| self.refused(error))?;
        // If the submission finds no room, the waits are not sent again.
        delivery.waits.clear();
        let sent = queue.link.submit(delivery.address, delivery.length, delivery.fence);
        ring_bytes += sent.map_err(|error| self.refused(error))?;
        Ok(Submitted { ring_bytes })
    }

    fn queue_for_batch(&self, index: usize) -> Result<&Queue, SubmitError> {
        self.queue(index).ok_or_else(|| SubmitError::Failed(self.no_queue(index)))
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
        // The device stops where a submission before this one got lost, rather than pass its value over. What the probe
        // submitted is not counted: it may have given up.
        let before = queue.submitted.load(Ordering::Acquire);
        let after = (before != 0).then(|| queue.link.base() + before);
        let header = Header { after, ..self.control.header(index) };
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

    /// Lets a queue wait for values of others: the bytes of ring that the messages took.
    fn send_waits(&self, queue: &Queue, waits: &[(QueueId, u64)]) -> Result<u32, DxgError> {
        let mut ring_bytes = 0;
        if waits.is_empty() {
            return Ok(ring_bytes);
        }
        let fences: SmallVec<[_; 8]> = waits
            .iter()
            .filter_map(|(other, value)| {
                let other = self.queue(usize::from(other.0))?;
                // What is reached needs no message.
                (other.completed() < *value).then(|| other.link.point(*value))
            })
            .collect();
        // 32 is the limit of one message.
        for fences in fences.chunks(32) {
            ring_bytes += queue.link.wait(fences)?;
        }
        Ok(ring_bytes)
    }

    /// What a refused submission means.
    fn refused(&self, error: DxgError) -> SubmitError {
        if error.is_throttled() {
            return SubmitError::Throttled;
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

impl QueueState {
    /// What was written is in flight until the queue reaches `fence`.
    fn commit(&mut self, written: &Written, fence: u64) {
        match (&written.place, &mut self.oversize) {
            (Place::Ring(stretch), _) => self.ring.commit(*stretch, written.len, fence),
            (Place::Oversize, Some(oversize)) => oversize.fence = fence,
            (Place::Oversize, None) => debug_assert!(false, "written to memory that is not there"),
        }
    }
}

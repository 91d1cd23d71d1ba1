//! The memory that the runtime and the engine share besides data and commands: status blocks, the poison table.
//!
//! One imported allocation holds both, since every import costs a message of full size:
//!
//! ```text
//! | status block 0 | status 1 | … | poison table: one u64 per stream |
//! ```
//!
//! | part | written by | read by |
//! |---|---|---|
//! | status block | engine; `failures` also by the role holder, from n to 0 | role holder, `first` only while `failures` is not 0 |
//! | poison slot | engine; the role holder clears it while nothing of the stream is in flight | both |

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dxg_io::software::packet::{FailureRecord, Header, STATUS_BLOCK_BYTES, StatusBlock};
use dxg_scheduler::{StreamId, Ticket};

use crate::backend::{HostChunk, KernelFailure, STREAMS_MAX};

/// The shared memory and where what stands in it.
pub(super) struct ControlMemory {
    chunk: HostChunk,
    queues: usize,
}

impl ControlMemory {
    /// Bytes needed for that many queues.
    pub fn bytes(queues: u16) -> usize {
        usize::from(queues) * STATUS_BLOCK_BYTES + STREAMS_MAX as usize * size_of::<u64>()
    }

    /// Lays a zeroed chunk of at least [`ControlMemory::bytes`] out; `None` if it is smaller or not aligned.
    pub fn new(chunk: HostChunk, queues: u16) -> Option<Self> {
        let fits = chunk.ptr.as_ptr().addr().is_multiple_of(4096) && chunk.len >= Self::bytes(queues);
        fits.then(|| Self { chunk, queues: usize::from(queues) })
    }

    /// The header of every command buffer of a queue.
    pub fn header(&self, queue: usize) -> Header {
        Header {
            status_va: self.chunk.device_address + self.status_offset(queue) as u64,
            poison_va: self.chunk.device_address + self.poison_offset() as u64,
            after: None,
        }
    }

    /// The operation that started last on a queue; 0 if none did.
    pub fn breadcrumb(&self, queue: usize) -> u64 {
        let block = self.status(queue);
        // SAFETY: needed because the engine writes the word at any moment. It lies in the chunk, which lives as long as
        // `self`, is aligned (checked in `new`), and both sides access it atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*block).breadcrumb) }.load(Ordering::Acquire)
    }

    /// Takes the failure that a status block holds, so that the engine can record another.
    ///
    /// The engine writes `first` only while `failures` is 0, and raises `failures` afterwards.
    pub fn take_failure(&self, queue: usize) -> Option<KernelFailure> {
        let block = self.status(queue);
        // SAFETY: as in `breadcrumb`.
        let failures = unsafe { AtomicU32::from_ptr(&raw mut (*block).failures) };
        if failures.load(Ordering::Acquire) == 0 {
            return None;
        }
        // SAFETY: needed because the record is not a Rust object. `failures` is not 0 and the load was Acquire, so the
        // record was written before and is not written again until `failures` is 0, which only this function makes it.
        // Any bytes are a valid record.
        let first: FailureRecord = unsafe { (&raw const (*block).first).read() };
        failures.swap(0, Ordering::Release);
        Some(KernelFailure { ticket: Ticket(first.op_tag), stream: StreamId(first.stream), message: first.text() })
    }

    /// The operation that poisoned a stream.
    pub fn poisoned(&self, stream: StreamId) -> Option<Ticket> {
        match self.poison(stream)?.load(Ordering::Acquire) {
            0 => None,
            tag => Some(Ticket(tag)),
        }
    }

    /// Makes a stream usable again.
    pub fn clear_poison(&self, stream: StreamId) {
        if let Some(slot) = self.poison(stream) {
            slot.store(0, Ordering::Release);
        }
    }

    fn poison(&self, stream: StreamId) -> Option<&AtomicU64> {
        if stream.0 >= STREAMS_MAX {
            return None;
        }
        let offset = self.poison_offset() + stream.0 as usize * size_of::<u64>();
        // SAFETY: needed because the slot is memory that the engine writes too. In bounds (the id was checked, the size
        // in `new`), 8-byte aligned (a multiple of 8 from an aligned start), alive as long as `self`, and all accesses
        // on both sides are atomic.
        Some(unsafe { AtomicU64::from_ptr(self.chunk.ptr.as_ptr().add(offset).cast()) })
    }

    fn status(&self, queue: usize) -> *mut StatusBlock {
        assert!(queue < self.queues);
        // SAFETY: needed for the pointer arithmetic; in bounds by the assertion and the size checked in `new`.
        unsafe { self.chunk.ptr.as_ptr().add(self.status_offset(queue)).cast() }
    }

    fn status_offset(&self, queue: usize) -> usize {
        queue * STATUS_BLOCK_BYTES
    }

    fn poison_offset(&self) -> usize {
        self.status_offset(self.queues)
    }
}

#[cfg(test)]
mod tests {
    use dxg_io::object::SystemMemory;

    use super::*;

    fn memory(queues: u16) -> ControlMemory {
        let pages = SystemMemory::new(ControlMemory::bytes(queues)).expect("memory");
        let chunk = HostChunk {
            ptr: pages.as_ptr(),
            len: pages.len(),
            device_address: pages.as_ptr().as_ptr().addr() as u64,
            owner: Box::new(pages),
        };
        ControlMemory::new(chunk, queues).expect("large enough")
    }

    /// What the engine does when an operation fails.
    fn fail(memory: &ControlMemory, queue: usize, tag: u64, stream: u32, text: &[u8]) {
        let block = memory.status(queue);
        let mut message = [0; FailureRecord::MESSAGE_BYTES];
        message[..text.len()].copy_from_slice(text);
        // SAFETY: the only thread that touches the block, which lies in the memory.
        unsafe {
            if (*block).failures == 0 {
                (*block).first = FailureRecord { op_tag: tag, stream, code: 1, message };
            }
            (*block).failures += 1;
        }
        let slot = memory.poison(StreamId(stream)).expect("a slot");
        slot.store(tag, Ordering::Release);
    }

    #[test]
    fn the_first_failure_is_taken_once_and_makes_room_for_the_next() {
        let memory = memory(2);
        assert_eq!(memory.take_failure(1), None);
        fail(&memory, 1, 77, 3, b"division by zero");
        fail(&memory, 1, 78, 4, b"lost behind the first");
        assert_eq!(memory.take_failure(0), None, "each queue has its own block");
        let failure = memory.take_failure(1).expect("it failed");
        assert_eq!((failure.ticket, failure.stream), (Ticket(77), StreamId(3)));
        assert_eq!(failure.message, "division by zero");
        assert_eq!(memory.take_failure(1), None);
        fail(&memory, 1, 90, 5, b"again");
        assert_eq!(memory.take_failure(1).map(|f| f.message), Some("again".to_owned()));
        // What the block could not keep, the table still tells.
        assert_eq!(memory.poisoned(StreamId(4)), Some(Ticket(78)));
    }

    #[test]
    fn poison_is_cleared_stream_by_stream() {
        let memory = memory(1);
        fail(&memory, 0, 5, 0, b"x");
        fail(&memory, 0, 6, STREAMS_MAX - 1, b"x");
        memory.clear_poison(StreamId(0));
        assert_eq!(memory.poisoned(StreamId(0)), None);
        assert_eq!(memory.poisoned(StreamId(STREAMS_MAX - 1)), Some(Ticket(6)));
        assert_eq!(memory.poisoned(StreamId(STREAMS_MAX)), None, "no slot, no answer");
    }

    #[test]
    fn the_parts_do_not_overlap() {
        let memory = memory(3);
        assert_eq!(memory.header(2).status_va + 256, memory.header(2).poison_va);
    }
}

//! The memory behind a command ring.
//!
//! | part | written by | read by |
//! |---|---|---|
//! | free part | holder of the driver role, under the queue's lock | nobody |
//! | in-flight part | nobody | engine |

use super::memory::MemorySource;
use crate::backend::HostChunk;
use crate::backend::ring::Stretch;
use crate::error::Result;

/// Memory for command buffers, which the device reads.
pub(super) struct RingMemory {
    chunk: HostChunk,
}

impl RingMemory {
    /// New memory of at least `bytes`, zeroed.
    pub fn new(memory: &MemorySource, bytes: usize) -> Result<Self> {
        Ok(Self { chunk: memory.allocate_host(bytes)? })
    }

    /// The device's address of a place in it.
    pub fn address(&self, offset: usize) -> u64 {
        debug_assert!(offset < self.chunk.len);
        self.chunk.device_address + offset as u64
    }

    /// The bytes of a free stretch.
    ///
    /// # Safety
    /// The stretch is free (the device does not read it) and nobody else holds its bytes.
    #[allow(clippy::mut_from_ref, reason = "the contract above takes the place of the borrow checker")]
    pub unsafe fn stretch(&self, stretch: Stretch) -> &mut [u8] {
        assert!(stretch.start <= self.chunk.len && stretch.len <= self.chunk.len - stretch.start);
        // SAFETY: needed because the ring is memory that the device sees, not a Rust object. In bounds by the assertion;
        // initialised (zeroed at first); exclusive by this function's contract.
        unsafe { std::slice::from_raw_parts_mut(self.chunk.ptr.as_ptr().add(stretch.start), stretch.len) }
    }
}

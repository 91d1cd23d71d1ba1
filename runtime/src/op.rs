//! One operation as the runtime carries it: the payload of the scheduler.
//!
//! A stream packs a call into an [`Op`], the queue gives it its ticket, the scheduler orders it by what
//! stands in its `Operation` around the payload, the backend lowers [`OpKind`] to packets, and whatever the
//! operation needs stays alive in [`KeepAlive`] until the fence says that the device is through with it.
//! Nothing here allocates for operations of ordinary size.

use std::any::Any;
use std::sync::Arc;

use dxg_scheduler::StreamId;
use smallvec::SmallVec;

use crate::backend::LoadedKernel;

/// Argument bytes of a launch: inline up to 64.
pub(crate) type ArgBytes = SmallVec<[u8; 64]>;
/// Declared buffer arguments of a launch: inline up to 3.
pub(crate) type ArgAccesses = SmallVec<[ArgAccess; 3]>;
/// Everything that must outlive an operation; see [`Keep`].
pub(crate) type KeepAlive = SmallVec<[Keep; 4]>;

/// The payload of one operation.
pub(crate) struct Op {
    /// Its stream, which gets its room back when the operation is retired.
    pub stream: StreamId,
    /// What to do.
    pub kind: OpKind,
    /// What it needs until it is done.
    #[expect(dead_code, reason = "held for its drop")]
    pub keep: KeepAlive,
}

/// What an operation does. Addresses are the device's.
pub(crate) enum OpKind {
    /// Runs a kernel.
    Launch {
        /// The kernel; its module stays loaded as long as this lives.
        kernel: Arc<LoadedKernel>,
        /// Blocks in each dimension.
        grid: [u32; 3],
        /// Threads of a block in each dimension.
        block: [u32; 3],
        /// Dynamic shared memory in bytes.
        shared: u32,
        /// The packed arguments (8-byte addresses, naturally aligned scalars).
        args: ArgBytes,
        /// Which arguments are buffers, and how they are used.
        accesses: ArgAccesses,
    },
    /// Copies between two device-visible ranges, which stand in the scheduler's part of the operation: it merges by them.
    Copy,
    /// Repeats a pattern over `len` bytes.
    Fill {
        /// Destination address.
        dst: u64,
        /// Bytes, a multiple of `pattern_len`.
        len: u64,
        /// The pattern, little endian in the low bytes.
        pattern: u64,
        /// 1, 2, 4 or 8.
        pattern_len: u32,
    },
    /// An event's record: writes the engine's time, in ns, to `timestamp` unless that is 0.
    Record {
        /// Address of 8 bytes, or 0.
        timestamp: u64,
    },
    /// An event's wait; which record it waits for stands in the scheduler's part of the operation.
    Wait,
    /// Nothing but a place in the stream.
    Marker,
}

/// One buffer argument of a launch, in the form of the command packets: where in the argument bytes its address stands,
/// whether it is read or written, and the range.
pub(crate) use dxg_io::software::packet::Access as ArgAccess;

/// One thing an operation keeps alive. Three words, so that four of them cost no allocation.
#[derive(Clone)]
pub(crate) enum Keep {
    /// Device memory: freed to its pool when the last user is done, which makes the free stream-ordered.
    Memory(#[expect(dead_code, reason = "held for its drop")] Arc<crate::memory::PoolBlock>),
    /// A piece of staging memory, given back by being dropped.
    Staged(#[expect(dead_code, reason = "held for its drop")] crate::host_memory::StagedBytes),
    /// Anything else that is returned by being dropped, shared by its owner.
    Shared(#[expect(dead_code, reason = "held for its drop")] Arc<dyn Any + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_stays_small_enough_to_move() {
        assert_eq!(size_of::<Keep>(), 24);
        assert!(size_of::<Op>() <= 320, "Op has grown to {} bytes", size_of::<Op>());
    }
}

//! One operation as the runtime carries it: the payload of the scheduler.
//!
//! A stream packs a call into an [`Op`], the queue gives it its ticket, the scheduler orders it by what
//! stands in its `Operation` around the payload, the backend lowers [`OpKind`] to packets, and whatever the
//! operation needs stays alive in it until the fence says that the device is through with it.
//!
//! Nothing here allocates for operations of ordinary size, and a pending operation takes 256 bytes in all: what stands in the
//! scheduler's part (the buffers of a launch with their ranges, the ends of a copy) is not said again in the payload.

use std::any::Any;
use std::sync::Arc;

use dxg_scheduler::{Access, StreamId};
use smallvec::SmallVec;

pub(crate) use crate::arg_bytes::ArgBytes;
use crate::backend::LoadedKernel;
use crate::memory::PoolBlock;
use crate::prepared::Prepared;

/// Everything that must outlive an operation other than a launch; see [`Keep`].
pub(crate) type KeepAlive = SmallVec<[Keep; 3]>;
/// The memory that the arguments of a launch refer to: inline up to 3.
pub(crate) type Blocks = SmallVec<[Arc<PoolBlock>; 3]>;

/// The payload of one operation.
pub(crate) struct Op {
    /// Its stream, which gets its room back when the operation is retired.
    pub stream: StreamId,
    /// What to do.
    pub kind: OpKind,
}

/// What an operation does, and what it needs until it is done. Addresses are the device's.
#[allow(dead_code, reason = "what is kept alive is held for its drop")]
pub(crate) enum OpKind {
    /// Runs a kernel.
    Launch(Launch),
    /// The same, with what many operations share.
    Prepared(Arc<Prepared>),
    /// Copies between two device-visible ranges, which stand in the scheduler's part of the operation: it merges by them.
    Copy(KeepAlive),
    /// Repeats a pattern over the range in the scheduler's part of the operation.
    Fill {
        /// The pattern, little endian in the low bytes.
        pattern: u64,
        /// 1, 2, 4 or 8.
        pattern_len: u32,
        /// The destination.
        held: KeepAlive,
    },
    /// An event's record: writes the engine's time, in ns, to `timestamp` unless that is 0.
    Record {
        /// Address of 8 bytes, or 0.
        timestamp: u64,
        /// The event.
        held: KeepAlive,
    },
    /// An event's wait; which record it waits for stands in the scheduler's part of the operation.
    Wait(KeepAlive),
    /// Nothing but a place in the stream.
    Marker(KeepAlive),
    /// Order exchanged with streams and events of a CUDA program.
    Foreign(Arc<crate::backend::cuda::ForeignStep>),
}

impl OpKind {
    /// The launch that it is, if it is one.
    #[inline]
    pub fn launch(&self) -> Option<&Launch> {
        match self {
            OpKind::Launch(launch) => Some(launch),
            OpKind::Prepared(prepared) => Some(&prepared.launch),
            _ => None,
        }
    }
}

/// A launch. Which of its arguments are buffers, and how they are used, stands in the scheduler's part of the operation: see
/// [`ArgTag`].
///
/// In the order of C with the arguments first: the tag of [`OpKind`] is kept in their first byte, and everything else an
/// operation may be lies behind it.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Launch {
    /// The packed arguments (8-byte addresses, naturally aligned scalars).
    pub args: ArgBytes,
    /// The kernel; its module stays loaded as long as this lives.
    pub kernel: Arc<LoadedKernel>,
    /// Blocks, threads and shared memory.
    pub shape: Shape,
    /// The buffers.
    #[allow(dead_code, reason = "held for its drop")]
    pub blocks: Blocks,
}

/// The grid of a launch, in the width that devices have for it (CUDA's limits): 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    x: u32,
    y: u16,
    z: u16,
    /// Threads: x in bits 0..11, y in bits 11..22, z above.
    threads: u32,
    shared: u32,
}

impl Shape {
    const THREAD_BITS: u32 = 11;
    const THREAD_MASK: u32 = (1 << Self::THREAD_BITS) - 1;

    /// `None` where a number is above what any device takes: 65,535 blocks in y or z, 2,047 threads in x or y, 1,023 in z.
    pub fn new(blocks: [u32; 3], threads: [u32; 3], shared: u32) -> Option<Self> {
        let [x, y, z] = threads;
        if x > Self::THREAD_MASK || y > Self::THREAD_MASK || z > u32::MAX >> (2 * Self::THREAD_BITS) {
            return None;
        }
        Some(Shape {
            x: blocks[0],
            y: blocks[1].try_into().ok()?,
            z: blocks[2].try_into().ok()?,
            threads: x | y << Self::THREAD_BITS | z << (2 * Self::THREAD_BITS),
            shared,
        })
    }

    /// As [`Shape::new`], in one dimension.
    #[inline]
    pub fn line(blocks: u32, threads: u32, shared: u32) -> Option<Self> {
        let threads = (threads <= Self::THREAD_MASK).then_some(threads)?;
        let ones = 1 << Self::THREAD_BITS | 1 << (2 * Self::THREAD_BITS);
        Some(Shape { x: blocks, y: 1, z: 1, threads: threads | ones, shared })
    }

    /// Blocks in each dimension.
    pub fn blocks(&self) -> [u32; 3] {
        [self.x, self.y.into(), self.z.into()]
    }

    /// Threads of a block in each dimension.
    pub fn threads(&self) -> [u32; 3] {
        let (bits, mask) = (Self::THREAD_BITS, Self::THREAD_MASK);
        [self.threads & mask, self.threads >> bits & mask, self.threads >> (2 * bits)]
    }

    /// What launches must have in common to run as one: threads and shared memory, in a form to compare.
    #[inline]
    pub fn of_a_block(&self) -> (u32, u32) {
        (self.threads, self.shared)
    }

    /// Dynamic shared memory in bytes.
    pub fn shared(&self) -> u32 {
        self.shared
    }
}

/// One buffer argument of a launch, in the form of the command packets: where in the argument bytes its address stands,
/// whether it is read or written, and the range.
pub(crate) use dxg_io::software::packet::Access as ArgAccess;

/// Where a buffer argument's address stands and how it is used, as the tag of its scheduler's access.
///
/// The tag of an access that is no argument (the order of a graph's nodes) is 0: an argument has a flag at least.
pub(crate) struct ArgTag;

impl ArgTag {
    const FLAG_BITS: u16 = 2;
    /// Above every offset of a launch that is accepted, see `MAX_ARGUMENT_BYTES`.
    const OFFSET_MAX: u32 = (u16::MAX >> Self::FLAG_BITS) as u32;

    /// The access of a buffer argument.
    #[inline]
    pub fn pack(access: ArgAccess) -> Access {
        let ArgAccess { arg_offset, flags, va, len } = access;
        let tag = (arg_offset.min(Self::OFFSET_MAX) as u16) << Self::FLAG_BITS | (flags & 3) as u16;
        Access::new(va, len, flags & ArgAccess::WRITE != 0).with_tag(tag)
    }

    /// The buffer argument that an access stands for, if it does.
    #[inline]
    pub fn unpack(access: Access) -> Option<ArgAccess> {
        let tag = access.tag();
        (tag != 0).then(|| ArgAccess {
            arg_offset: (tag >> Self::FLAG_BITS).into(),
            flags: (tag & 3).into(),
            va: access.start(),
            len: access.byte_len(),
        })
    }
}

/// One thing an operation keeps alive. Three words, so that a few of them cost no allocation.
#[derive(Clone)]
pub(crate) enum Keep {
    /// Device memory: freed to its pool when the last user is done, which makes the free stream-ordered.
    Memory(#[expect(dead_code, reason = "held for its drop")] Arc<PoolBlock>),
    /// A piece of staging memory, given back by being dropped.
    Staged(crate::host_memory::StagedBytes),
    /// Anything else that is returned by being dropped, shared by its owner.
    Shared(#[expect(dead_code, reason = "held for its drop")] Arc<dyn Any + Send + Sync>),
}

/// Bytes that an operation takes from its acceptance to its batch, everything inline counted: the operation in its slot of the
/// scheduler. On its way there it takes as much of the enqueue queue, less the links.
pub(crate) const PENDING_OPERATION_BYTES: usize = dxg_scheduler::pending_bytes::<Op>();

const _: () = assert!(PENDING_OPERATION_BYTES <= 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_stays_small_enough_to_move() {
        assert_eq!(size_of::<Keep>(), 24);
        assert!(size_of::<Op>() <= 120, "Op has grown to {} bytes", size_of::<Op>());
    }

    #[test]
    fn a_shape_keeps_what_devices_take_and_refuses_the_rest() {
        let shape = Shape::new([u32::MAX, 65_535, 65_535], [1024, 1023, 64], 48 << 10).expect("within every limit");
        assert_eq!(shape.blocks(), [u32::MAX, 65_535, 65_535]);
        assert_eq!((shape.threads(), shape.shared()), ([1024, 1023, 64], 48 << 10));
        assert_eq!(Shape::line(7, 1024, 3), Shape::new([7, 1, 1], [1024, 1, 1], 3));
        assert_eq!(Shape::line(7, 2048, 3), None);
        assert_eq!(Shape::new([1, 65_536, 1], [1; 3], 0), None);
        assert_eq!(Shape::new([1; 3], [1, 2048, 1], 0), None);
        assert_eq!(Shape::new([1; 3], [1, 1, 1024], 0), None);
    }

    #[test]
    fn a_tag_keeps_offset_and_flags() {
        let access = ArgAccess { arg_offset: 4088, flags: ArgAccess::READ, va: 0x7000, len: 12 };
        assert_eq!(ArgTag::unpack(ArgTag::pack(access)), Some(access));
        assert!(!ArgTag::pack(access).writes());
        assert_eq!(ArgTag::unpack(Access::write(1, 2)), None);
    }
}

//! What goes out: a batch, cut into waves and groups.

use alloc::vec::Vec;
use core::ops::Range;

use smallvec::SmallVec;

use crate::operation::{CopyKind, Nanos, Operation};

/// A hardware queue of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u16);

/// Names a batch; strictly increasing in the order in which batches were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// Why a batch was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlushReason {
    /// Somebody waits for an operation in it, and the queue is idle or has room.
    Waiter,
    /// Nobody waits and the queue is idle: gathering any longer would only delay it.
    #[default]
    IdleDeadline,
    /// The queue is busy but has room for one more batch, and this one has gathered long enough.
    PipelineRoom,
    /// As many operations as a batch may hold.
    CapOperations,
    /// As many encoded bytes as a batch may hold.
    CapBytes,
    /// As much estimated GPU time as a batch may hold, or one operation that is longer by itself.
    CapGpuTime,
    /// `handle_flush` asked for it.
    Explicit,
    /// `handle_drain` asked for everything.
    Drain,
    /// The policy is one operation at a time.
    OneByOne,
}

impl FlushReason {
    /// How many reasons there are.
    pub const COUNT: usize = 9;

    /// Every reason, in the order of [`index`](Self::index).
    pub const ALL: [Self; Self::COUNT] = [
        Self::Waiter,
        Self::IdleDeadline,
        Self::PipelineRoom,
        Self::CapOperations,
        Self::CapBytes,
        Self::CapGpuTime,
        Self::Explicit,
        Self::Drain,
        Self::OneByOne,
    ];

    /// Its place in a table of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in figures and statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiter => "waiter",
            Self::IdleDeadline => "idle-deadline",
            Self::PipelineRoom => "pipeline-room",
            Self::CapOperations => "cap-operations",
            Self::CapBytes => "cap-bytes",
            Self::CapGpuTime => "cap-gpu-time",
            Self::Explicit => "explicit",
            Self::Drain => "drain",
            Self::OneByOne => "one-by-one",
        }
    }
}

/// What the operations of a group become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// Waits for records of other streams. Always the first group of its wave, and lowered before the others: what it
    /// says about a failed stream must hold when the wave's other groups start. The order itself needs nothing more,
    /// waves and `Batch::waits` give it.
    Depend,
    /// Launches that may become one dispatch.
    Launch,
    /// Copies of one kind; see `Group::extents`.
    Copy(CopyKind),
    /// Fills.
    Fill,
    /// Timed records.
    Timestamp,
    /// Nothing to lower: untimed records, markers, waits without an object, operations that a reset took back.
    None,
}

/// Operations of one wave that are lowered together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which operations: a range of `Batch::operations`.
    pub range: Range<u32>,
    /// What they become.
    pub kind: GroupKind,
    /// For copies, what is to be copied: a range of `Batch::extents`. Empty otherwise.
    pub extents: Range<u32>,
}

/// Operations that may run together, in any order, after everything in the waves before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Which groups: a range of `Batch::groups`.
    pub groups: Range<u32>,
    /// Set where somebody waits for an operation of this wave: when the wave is complete, the queue's progress fence
    /// takes this value. The last wave always has one, `Batch::fence`.
    pub progress: Option<u64>,
}

/// One copy, or several adjacent ones of one stream in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First byte read.
    pub src: u64,
    /// First byte written.
    pub dst: u64,
    /// Bytes.
    pub len: u64,
    /// The operations it carries out: a range of `Batch::operations`, all of one stream.
    pub operations: Range<u32>,
}

/// One submission: waves of operations for one hardware queue.
///
/// Callers keep one and have it filled again and again; its vectors keep their room.
#[derive(Clone, Debug)]
pub struct Batch<T> {
    /// Its name.
    pub id: BatchId,
    /// The hardware queue it goes to.
    pub queue: QueueId,
    /// Other queues' progress values to wait for before the first wave, at most one per queue.
    pub waits: SmallVec<[(QueueId, u64); 4]>,
    /// Its operations, by wave, then group, then (except in copy groups) in the order they were picked.
    pub operations: Vec<Operation<T>>,
    /// Its groups, by wave.
    pub groups: Vec<Group>,
    /// What its copy groups copy.
    pub extents: Vec<Extent>,
    /// Its waves, in the order they run.
    pub waves: Vec<Wave>,
    /// The value of the queue's progress fence when all of it is complete.
    pub fence: u64,
    /// Why it was closed.
    pub reason: FlushReason,
    /// Sum of its operations' encoded sizes.
    pub bytes: u32,
    /// Sum of its operations' estimated times.
    pub gpu_time: Nanos,
}

impl<T> Batch<T> {
    /// An empty batch, to be filled by `poll_batch`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            id: BatchId(0),
            queue: QueueId(0),
            waits: SmallVec::new(),
            operations: Vec::new(),
            groups: Vec::new(),
            extents: Vec::new(),
            waves: Vec::new(),
            fence: 0,
            reason: FlushReason::IdleDeadline,
            bytes: 0,
            gpu_time: 0,
        }
    }

    /// The operations of a group.
    #[must_use]
    pub fn group_operations(&self, group: &Group) -> &[Operation<T>] {
        &self.operations[group.range.start as usize..group.range.end as usize]
    }

    /// The extents of a copy group.
    #[must_use]
    pub fn group_extents(&self, group: &Group) -> &[Extent] {
        &self.extents[group.extents.start as usize..group.extents.end as usize]
    }

    /// The groups of a wave.
    #[must_use]
    pub fn wave_groups(&self, wave: &Wave) -> &[Group] {
        &self.groups[wave.groups.start as usize..wave.groups.end as usize]
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self::new()
    }
}

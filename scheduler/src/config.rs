//! Limits and policy. Every number has its unit in its name or its type, and its reason beside it.

use crate::bounds::Bound;
use crate::operation::Nanos;

/// How operations are gathered into batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// One operation per batch and one batch in flight on the whole device: for finding the operation that failed.
    OneByOne,
    /// A batch goes when this many operations have gathered, or somebody waits, or the gather deadline is over.
    Fixed(u32),
    /// The law at the head of the module `flush`.
    #[default]
    Adaptive,
}

/// What one batch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations.
    pub operations: u32,
    /// Encoded bytes.
    pub bytes: u32,
    /// Estimated GPU time. One operation that is longer by itself goes alone.
    pub gpu_time: Nanos,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Merging gains little beyond a thousand: the submission is a hundredth of a percent of each by then.
            operations: 1024,
            bytes: 256 * 1024,
            // A fifth of the 2 s after which a host gives the device up (TDR), so that a fourfold error is survived.
            gpu_time: 400_000_000,
        }
    }
}

/// Everything that can be set. The default needs no change for use; [`Scheduler::new`](crate::Scheduler::new) puts
/// values without sense (no queues, an empty batch) to the nearest one with sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How operations are gathered.
    pub policy: Policy,
    /// What one batch may hold.
    pub limits: Limits,
    /// Hardware queues, 1 to 32. Fixed when the scheduler is made.
    pub queues: u16,
    /// Batches in flight per queue, at most. The window in use follows from measurements.
    pub in_flight_max: u32,
    /// Operations that one stream may have accepted and not complete.
    pub stream_bound: Bound,
    /// Operations that the device may have accepted and not complete.
    pub device_bound: Bound,
    /// Bytes of the message ring that submissions in flight may take together.
    pub ring_budget_bytes: u32,
    /// Gathering on an idle queue lasts this many 1/256 of a submission's measured cost.
    pub gather_fraction_256: u32,
    /// … but at least this long,
    pub gather_min: Nanos,
    /// … and at most this long.
    pub gather_max: Nanos,
    /// An operation at least this long gets a hardware queue away from shorter ones.
    pub long_operation: Nanos,
    /// What a kernel that was never measured counts as.
    pub unknown_kernel: Nanos,
    /// How long the host is busy with one submission, as measured: submissions that come faster only queue up there.
    /// 0: not measured; then what a submission costs the caller stands for it.
    pub host_interval: Nanos,
    /// How long a submission keeps its queue from the next one: the whole round trip where messages are not posted.
    pub queue_interval: Nanos,
    /// Blocks that the device runs at one time.
    pub device_blocks: u32,
    /// From the call that submits until the device can start, as measured, the host's own time included.
    pub host_reach: Nanos,
    /// Copy rate for estimates, in bytes per microsecond.
    pub copy_bytes_per_us: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: Policy::Adaptive,
            limits: Limits::default(),
            // Launches of one queue run one after another, so unlike kernels of different streams need queues of their own.
            queues: 32,
            in_flight_max: 8,
            stream_bound: Bound::new(4096, 2048),
            device_bound: Bound::new(65_536, 32_768),
            // Half of the 258,048 usable bytes of the ring: other processes of the machine use the same one.
            ring_budget_bytes: 129_024,
            // Half a submission: who stops gathering then has paid at most 1.5 times what an immediate one costs, and
            // whoever follows within that time would have cost a submission more.
            gather_fraction_256: 128,
            // A few enqueues, and a whole round trip with its wake-up.
            gather_min: 500,
            gather_max: 50_000,
            // About the time of a full round trip with wake-up: what a small operation's owner notices.
            long_operation: 100_000,
            unknown_kernel: 10_000_000,
            host_interval: 0,
            queue_interval: 0,
            device_blocks: u32::MAX,
            host_reach: 0,
            // 10 GB/s, an assumption; only estimates depend on it.
            copy_bytes_per_us: 10_000,
        }
    }
}

impl Config {
    /// The most hardware queues: so many other queues' values fit into the waits of one batch.
    pub const QUEUES_MAX: u16 = 32;

    /// The same with sense in it.
    #[must_use]
    pub(crate) fn sane(mut self) -> Self {
        self.queues = self.queues.clamp(1, Self::QUEUES_MAX);
        self.in_flight_max = self.in_flight_max.max(1);
        self.limits.operations = self.limits.operations.clamp(1, 1 << 20);
        self.limits.bytes = self.limits.bytes.max(1);
        self.stream_bound = self.stream_bound.sane();
        self.device_bound = self.device_bound.sane();
        self.gather_max = self.gather_max.max(self.gather_min);
        self.copy_bytes_per_us = self.copy_bytes_per_us.max(1);
        if let Policy::Fixed(count) = self.policy {
            self.policy = Policy::Fixed(count.max(1));
        }
        self
    }
}

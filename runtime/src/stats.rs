//! What a device has done so far, and what memory it holds.

/// Counts since the device was opened. All are totals; subtract two snapshots with [`Stats::since`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Operations accepted.
    pub operations: u64,
    /// Launches accepted.
    pub launches: u64,
    /// Copies accepted.
    pub copies: u64,
    /// Fills accepted.
    pub fills: u64,
    /// Batches handed to the device: one submission each.
    pub submissions: u64,
    /// Waves in those batches.
    pub waves: u64,
    /// Dispatches in those batches: launches that were merged count once.
    pub dispatches: u64,
    /// Messages posted to the host, which nobody waited for.
    pub posted_messages: u64,
    /// Messages that waited for the host's answer.
    pub round_trips: u64,
    /// Payload bytes of all messages.
    pub payload_bytes: u64,
    /// Bytes of all messages in the VM's ring, with their headers.
    pub ring_bytes: u64,
    /// Messages that had to ring the host's doorbell.
    pub doorbells: u64,
    /// Sleeps because the ring was full.
    pub full_ring_sleeps: u64,
    /// Times the driver thread was woken.
    pub driver_thread_wakes: u64,
    /// Times a caller did the driver's work itself.
    pub inline_drives: u64,
    /// Waits armed on the device because everybody slept.
    pub armed_waits: u64,
    /// Sleeps that the device's notification ended.
    pub device_wakes: u64,
    /// Operations that failed, skipped ones not counted.
    pub failures: u64,
    /// Why batches were handed over.
    pub flushes: FlushCounts,
}

/// Why batches were handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushCounts {
    /// Somebody waited and the device was idle.
    pub waiter: u64,
    /// The device was idle and nobody waited.
    pub idle: u64,
    /// The pipeline had room and a batch had gathered.
    pub gathered: u64,
    /// The cap on operations.
    pub operations: u64,
    /// The cap on bytes.
    pub bytes: u64,
    /// The cap on estimated device time.
    pub device_time: u64,
    /// Held back for as long as allowed.
    pub deadline: u64,
    /// Asked for with [`Stream::flush`](crate::Stream::flush).
    pub requested: u64,
    /// Another reason (one by one, an order across queues, …).
    pub other: u64,
}

macro_rules! combined {
    ($one:expr, $other:expr, $combine:expr, $type:ident { $($field:ident),* $(,)? } $($extra:tt)*) => {
        $type { $($field: $combine($one.$field, $other.$field),)* $($extra)* }
    };
}

impl Stats {
    /// What happened between an earlier snapshot and this one.
    pub fn since(&self, earlier: &Stats) -> Stats {
        self.combined(earlier, u64::wrapping_sub)
    }

    /// This and what another shard has counted.
    pub(crate) fn and(&self, other: &Stats) -> Stats {
        self.combined(other, u64::wrapping_add)
    }

    fn combined(&self, other: &Stats, combine: fn(u64, u64) -> u64) -> Stats {
        combined!(self, other, combine, Stats {
            operations, launches, copies, fills, submissions, waves, dispatches, posted_messages, round_trips,
            payload_bytes, ring_bytes, doorbells, full_ring_sleeps, driver_thread_wakes, inline_drives, armed_waits,
            device_wakes, failures,
        } flushes: self.flushes.combined(&other.flushes, combine))
    }
}

impl FlushCounts {
    /// What happened between an earlier snapshot and this one.
    pub fn since(&self, earlier: &FlushCounts) -> FlushCounts {
        self.combined(earlier, u64::wrapping_sub)
    }

    fn combined(&self, other: &FlushCounts, combine: fn(u64, u64) -> u64) -> FlushCounts {
        combined!(
            self,
            other,
            combine,
            FlushCounts { waiter, idle, gathered, operations, bytes, device_time, deadline, requested, other }
        )
    }

    /// All batches, whatever the reason.
    pub fn total(&self) -> u64 {
        self.waiter
            + self.idle
            + self.gathered
            + self.operations
            + self.bytes
            + self.device_time
            + self.deadline
            + self.requested
            + self.other
    }
}

/// Memory of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryInfo {
    /// Device memory there is.
    pub total: u64,
    /// Device memory taken from the driver.
    pub reserved: u64,
    /// Device memory of live buffers and of freed ones that work in flight may still use.
    pub used: u64,
    /// The part of `used` that is freed as soon as work in flight is done.
    pub retiring: u64,
    /// Largest value of `used` so far.
    pub peak_used: u64,
    /// Live buffers.
    pub buffers: u64,
    /// Staging memory there is.
    pub staging_total: u64,
    /// Staging memory held by copies in flight.
    pub staging_used: u64,
    /// Host memory of copies in flight that are too large for staging.
    pub large_copies: u64,
    /// Host memory of live host buffers.
    pub host_buffers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_covers_every_part() {
        let stats = |operations, idle| Stats {
            operations,
            flushes: FlushCounts { idle, ..FlushCounts::default() },
            ..Stats::default()
        };
        let (earlier, later) = (stats(3, 1), stats(10, 4));
        let passed = later.since(&earlier);
        assert_eq!((passed.operations, passed.flushes.idle), (7, 3));
        assert_eq!(later.since(&later), Stats::default());
        assert_eq!(passed.flushes.total(), 3);
        assert_eq!(passed.and(&earlier), later);
    }
}

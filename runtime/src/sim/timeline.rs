//! What a simulation tells about its course, for drawing.

/// One thing that happened; times in nanoseconds of virtual time. Events come in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimEvent {
    /// A client (or, `client` being `None`, the driver thread) spent time.
    Host {
        /// Who.
        client: Option<u32>,
        /// From when.
        begin: u64,
        /// Until when.
        end: u64,
        /// Doing what.
        call: HostCall,
    },
    /// So many bytes are in the ring from now on.
    Ring {
        /// When.
        at: u64,
        /// Bytes not yet read by the host.
        bytes: u32,
    },
    /// The host works on a message.
    HostWork {
        /// From when.
        begin: u64,
        /// Until when.
        end: u64,
        /// The submission it carries.
        submission: Option<u64>,
    },
    /// A packet runs on a hardware queue.
    Packet {
        /// The hardware queue.
        queue: u32,
        /// From when, launch cost included.
        begin: u64,
        /// Until when.
        end: u64,
        /// How many operations it carries out.
        operations: u32,
        /// `merge` of its operations.
        merge: Option<u64>,
        /// The submission it belongs to.
        submission: u64,
    },
    /// A fence takes a value.
    Fence {
        /// The hardware queue it belongs to.
        queue: u32,
        /// When.
        at: u64,
        /// The value.
        value: u64,
    },
}

/// What host time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCall {
    /// Enqueueing an operation.
    Enqueue,
    /// Submitting: posting, or a whole round trip.
    Submit {
        /// The number of the submission, from 0.
        submission: u64,
        /// How many operations it carries.
        operations: u32,
        /// Why it went, as [`dxg_scheduler::FlushReason::name`] says; the policy's name for others.
        reason: &'static str,
    },
    /// Waiting at a sync.
    Sync,
    /// Sleeping because the ring was full.
    FullRing,
}

/// Takes what happens. A simulation without a timeline does no work for it.
pub trait Timeline {
    /// Something happened.
    fn event(&mut self, event: SimEvent);
}

impl Timeline for Vec<SimEvent> {
    fn event(&mut self, event: SimEvent) {
        self.push(event);
    }
}

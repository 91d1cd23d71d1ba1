//! What comes in: operations, the work they stand for, and what they say about the memory they touch.

use alloc::vec::Vec;
use core::fmt;

/// Nanoseconds on the caller's monotonic clock. The zero point is the caller's choice; only differences matter.
pub type Nanos = u64;

/// A stream: a sequence of operations that run in order. Ids are small and dense; they index tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// An event, recorded in one stream and waited for in others. Ids are small and dense; they index tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u32);

/// An operation's place in the order of acceptance: strictly increasing over all streams of the scheduler, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names the measured time of a kind of launch: one per kernel, or one per kernel and size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CostKey(pub u32);

/// How much a stream is in a hurry compared with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Enters batches before all others and looks for the emptiest hardware queue.
    High,
    /// The usual one.
    #[default]
    Normal,
    /// Enters batches last (but every eighth batch begins with it, so it never starves).
    Low,
}

/// Which way a copy goes: each way is one copy engine of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CopyKind {
    /// From host memory into device memory.
    HostToDevice,
    /// From device memory into host memory.
    DeviceToHost,
    /// Inside device memory.
    DeviceToDevice,
}

/// One operation of one stream: what a wait refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The stream of the operation.
    pub stream: StreamId,
    /// The operation.
    pub ticket: Ticket,
}

/// What an operation does, as far as batching needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A kernel launch.
    Launch {
        /// Launches of one wave with the same value may become one dispatch; `None` never merges.
        merge: Option<u64>,
        /// How many blocks it has.
        blocks: u64,
        /// Under which name its time is measured.
        cost: CostKey,
    },
    /// A copy of `len` bytes.
    Copy {
        /// Which way it goes.
        kind: CopyKind,
        /// First byte read.
        src: u64,
        /// First byte written.
        dst: u64,
        /// Bytes.
        len: u64,
    },
    /// A fill of `len` bytes with a repeated pattern.
    Fill {
        /// First byte written.
        dst: u64,
        /// Bytes.
        len: u64,
        /// Bytes of the pattern (1, 2, 4 or 8).
        pattern_len: u8,
    },
    /// Records an event: it is complete when everything before it in its stream is.
    Record {
        /// The event.
        event: EventId,
        /// Whether the device writes its clock. A timed record gets a wave of its own in its stream, so that the time
        /// lies after everything before it and before everything behind it; an untimed one costs nothing.
        timed: bool,
    },
    /// Everything behind it in its stream comes after the latest record of the event accepted before this operation.
    /// Never recorded: no wait (`cuStreamWaitEvent` has the same meaning).
    Wait {
        /// The event.
        event: EventId,
        /// Filled in by the scheduler: the record it refers to, where that is in another stream. Callers give `None`.
        source: Option<Point>,
    },
    /// Holds everything behind it in its stream back until [`handle_release`](crate::Scheduler::handle_release) names it: for what
    /// this scheduler does not see, such as a record in a stream of another one.
    Hold,
    /// Does nothing; complete when everything before it in its stream is. With a [partial](AccessList::partial) list of
    /// accesses it is a barrier: nothing behind it in its stream runs beside anything before it.
    Marker,
}

/// A range of memory that an operation reads or writes, and 16 bits of the caller's: 16 bytes in all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Access {
    start: u64,
    /// "Writes" in bit 0, the length in bits 1..48, the caller's tag above.
    rest: u64,
}

impl Access {
    /// The longest length an access can state, 128 TiB; a longer one is cut, and as no range of memory is as long,
    /// nothing is lost by it.
    const LENGTH_MAX: u64 = (1 << 47) - 1;
    const TAG_SHIFT: u32 = 48;

    /// `len` bytes from `start` on, written (and perhaps also read) if `write`.
    #[must_use]
    pub const fn new(start: u64, len: u64, write: bool) -> Self {
        let len = if len > Self::LENGTH_MAX { Self::LENGTH_MAX } else { len };
        Self { start, rest: len << 1 | write as u64 }
    }

    /// `len` bytes from `start` on, only read.
    #[must_use]
    pub const fn read(start: u64, len: u64) -> Self {
        Self::new(start, len, false)
    }

    /// `len` bytes from `start` on, written.
    #[must_use]
    pub const fn write(start: u64, len: u64) -> Self {
        Self::new(start, len, true)
    }

    /// The same access with a tag, which the scheduler carries and does not look at. Without one it is 0.
    #[must_use]
    pub const fn with_tag(self, tag: u16) -> Self {
        let untagged = self.rest & ((1 << Self::TAG_SHIFT) - 1);
        Self { start: self.start, rest: untagged | (tag as u64) << Self::TAG_SHIFT }
    }

    /// The caller's tag.
    #[must_use]
    pub const fn tag(self) -> u16 {
        (self.rest >> Self::TAG_SHIFT) as u16
    }

    /// The first byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Bytes.
    #[must_use]
    pub const fn byte_len(self) -> u64 {
        self.rest >> 1 & Self::LENGTH_MAX
    }

    /// One past the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.byte_len())
    }

    /// Whether it writes.
    #[must_use]
    pub const fn writes(self) -> bool {
        self.rest & 1 != 0
    }

    /// Whether the order of the two shows: they overlap and one of them writes.
    #[must_use]
    pub const fn conflicts_with(self, other: Self) -> bool {
        (self.rest | other.rest) & 1 != 0
            && self.start < other.end()
            && other.start < self.end()
            && self.start < self.end()
            && other.start < other.end()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.writes() { "write" } else { "read" };
        write!(f, "{kind} {:#x}..{:#x}", self.start(), self.end())
    }
}

/// How many accesses a list holds without the heap.
const INLINE_ACCESSES: usize = 3;

/// The accesses of one operation; three fit without the heap.
///
/// Not a `SmallVec`: its length takes a byte here and not a word, and leaves room for the tag of [`Hazard`].
#[derive(Clone)]
pub struct AccessList {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Inline { len: u8, partial: bool, accesses: [Access; INLINE_ACCESSES] },
    Heap { partial: bool, accesses: Vec<Access> },
}

impl AccessList {
    /// No accesses.
    #[must_use]
    pub const fn new() -> Self {
        Self { repr: Repr::Inline { len: 0, partial: false, accesses: [Access::new(0, 0, false); INLINE_ACCESSES] } }
    }

    /// These accesses.
    #[must_use]
    pub fn from_slice(accesses: &[Access]) -> Self {
        accesses.iter().copied().collect()
    }

    /// The same list, which does not tell everything that is touched: an operation with it is ordered as
    /// [`Hazard::Ordered`], and the ranges are carried for the caller.
    #[must_use]
    pub fn partial(mut self) -> Self {
        let (Repr::Inline { partial, .. } | Repr::Heap { partial, .. }) = &mut self.repr;
        *partial = true;
        self
    }

    /// The same list, which tells everything again.
    #[must_use]
    pub fn complete(mut self) -> Self {
        let (Repr::Inline { partial, .. } | Repr::Heap { partial, .. }) = &mut self.repr;
        *partial = false;
        self
    }

    /// These accesses, and none are left.
    #[must_use]
    #[inline]
    pub fn take(&mut self) -> Self {
        match &mut self.repr {
            // Only the length is written back.
            Repr::Inline { len, partial, accesses } => {
                Self { repr: Repr::Inline { len: core::mem::take(len), partial: *partial, accesses: *accesses } }
            }
            Repr::Heap { .. } => core::mem::take(self),
        }
    }

    /// Whether it does not tell everything.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        let (Repr::Inline { partial, .. } | Repr::Heap { partial, .. }) = &self.repr;
        *partial
    }

    /// Adds one.
    #[inline]
    pub fn push(&mut self, access: Access) {
        if let Repr::Inline { len, accesses, .. } = &mut self.repr
            && let Some(place) = accesses.get_mut(usize::from(*len))
        {
            *place = access;
            *len += 1;
            return;
        }
        self.push_on_heap(access);
    }

    #[cold]
    fn push_on_heap(&mut self, access: Access) {
        match &mut self.repr {
            Repr::Inline { partial, accesses, .. } => {
                let mut all = Vec::with_capacity(2 * INLINE_ACCESSES + 2);
                all.extend_from_slice(accesses);
                all.push(access);
                self.repr = Repr::Heap { partial: *partial, accesses: all };
            }
            Repr::Heap { accesses, .. } => accesses.push(access),
        }
    }
}

impl Default for AccessList {
    fn default() -> Self {
        Self::new()
    }
}

impl core::ops::Deref for AccessList {
    type Target = [Access];

    #[inline]
    fn deref(&self) -> &[Access] {
        match &self.repr {
            Repr::Inline { len, accesses, .. } => accesses.get(..usize::from(*len)).unwrap_or(accesses),
            Repr::Heap { accesses, .. } => accesses,
        }
    }
}

impl core::ops::DerefMut for AccessList {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Access] {
        match &mut self.repr {
            Repr::Inline { len, accesses, .. } => {
                let len = usize::from(*len).min(INLINE_ACCESSES);
                &mut accesses[..len]
            }
            Repr::Heap { accesses, .. } => accesses,
        }
    }
}

impl Extend<Access> for AccessList {
    fn extend<I: IntoIterator<Item = Access>>(&mut self, accesses: I) {
        accesses.into_iter().for_each(|access| self.push(access));
    }
}

impl FromIterator<Access> for AccessList {
    fn from_iter<I: IntoIterator<Item = Access>>(accesses: I) -> Self {
        let mut list = Self::new();
        list.extend(accesses);
        list
    }
}

impl PartialEq for AccessList {
    fn eq(&self, other: &Self) -> bool {
        **self == **other && self.is_partial() == other.is_partial()
    }
}

impl Eq for AccessList {}

impl fmt::Debug for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What an operation promises about the memory it touches.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Hazard {
    /// Nothing: it runs after everything before it in its stream, and everything behind it runs after it.
    #[default]
    Ordered,
    /// It touches these ranges and nothing else, so it may run beside neighbours of its stream that it cannot disturb.
    /// With a [partial](AccessList::partial) list it may touch others, and is ordered as `Ordered`.
    Declared(AccessList),
}

impl Hazard {
    /// What a copy touches.
    #[must_use]
    pub fn copy(src: u64, dst: u64, len: u64) -> Self {
        Self::Declared(AccessList::from_slice(&[Access::read(src, len), Access::write(dst, len)]))
    }

    /// What a fill touches.
    #[must_use]
    pub fn fill(dst: u64, len: u64) -> Self {
        Self::Declared(AccessList::from_slice(&[Access::write(dst, len)]))
    }

    /// Whether it is a list that does not tell everything.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        match self {
            Self::Ordered => false,
            Self::Declared(list) => list.is_partial(),
        }
    }

    /// All that is touched, where that is known.
    #[inline]
    pub(crate) fn complete(&self) -> Option<&[Access]> {
        match self {
            Self::Declared(list) if !list.is_partial() => Some(list),
            _ => None,
        }
    }

    /// The ranges that are known.
    #[must_use]
    #[inline]
    pub fn accesses(&self) -> &[Access] {
        match self {
            Self::Ordered => &[],
            Self::Declared(list) => list,
        }
    }
}

/// One operation with the caller's own data `T`.
#[derive(Clone, Debug)]
pub struct Operation<T> {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the order of acceptance.
    pub ticket: Ticket,
    /// What it does.
    pub work: Work,
    /// What it promises about memory.
    pub hazard: Hazard,
    /// Upper bound of its encoded size, with a packet header and a barrier of its own.
    pub bytes: u32,
    /// The caller's data: comes back in the [`Batch`](crate::Batch), then through
    /// [`poll_retired`](crate::Scheduler::poll_retired).
    pub payload: T,
}

/// Everything of `stream` up to and including `ticket` is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The stream.
    pub stream: StreamId,
    /// The last complete operation.
    pub ticket: Ticket,
}

/// Why an operation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// The stream was never announced with `handle_stream`, or was dropped.
    UnknownStream,
    /// The stream or event id is too large to index a table.
    IdOutOfRange,
    /// The ticket is not above the last accepted one.
    TicketOutOfOrder,
    /// Its encoded size is above the cap of a whole batch.
    TooLarge,
    /// The stream holds as many operations as it may.
    StreamFull,
    /// The device holds as many operations as it may.
    DeviceFull,
    /// The device was lost.
    DeviceLost,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownStream => "the stream is not known: announce it with handle_stream first",
            Self::IdOutOfRange => "the id is out of range: ids must be below 1,048,576",
            Self::TicketOutOfOrder => "the ticket is not above the last accepted one: tickets must increase strictly",
            Self::TooLarge => {
                "the operation's encoded size is above the byte cap of a batch: raise the cap or split it"
            }
            Self::StreamFull => "the stream is full: wait until it has drained to its low threshold",
            Self::DeviceFull => "the device is full: wait until it has drained to its low threshold",
            Self::DeviceLost => "the device was lost: open it again",
        })
    }
}

impl core::error::Error for RejectReason {}

/// An operation that was not taken, given back with the reason. It did nothing.
#[derive(Clone, Debug)]
pub struct Rejected<T> {
    /// The operation, as it was given.
    pub operation: Operation<T>,
    /// Why.
    pub reason: RejectReason,
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { stream, ticket, .. } = &self.operation;
        write!(f, "operation {} of stream {} was not taken: {}", ticket.0, stream.0, self.reason)
    }
}

impl<T: fmt::Debug> core::error::Error for Rejected<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_conflict_only_where_they_overlap_and_one_writes() {
        let read = Access::read(100, 10);
        assert!(read.conflicts_with(Access::write(109, 1)));
        assert!(Access::write(90, 11).conflicts_with(read));
        assert!(!read.conflicts_with(Access::read(100, 10)));
        assert!(!read.conflicts_with(Access::write(110, 1)));
        assert!(!read.conflicts_with(Access::write(90, 10)));
        assert!(!Access::write(105, 0).conflicts_with(read), "an empty range touches nothing");
        assert!(Access::write(u64::MAX - 1, u64::MAX).conflicts_with(Access::read(u64::MAX - 1, 1)));
    }

    #[test]
    fn an_access_keeps_what_it_was_given() {
        let access = Access::write(0x1000, 0x20);
        assert_eq!((access.start(), access.end(), access.writes()), (0x1000, 0x1020, true));
        assert!(!Access::read(7, 3).writes());
        let tagged = access.with_tag(7).with_tag(0xffff);
        assert_eq!((tagged.tag(), tagged.byte_len(), tagged.writes(), access.tag()), (0xffff, 0x20, true, 0));
        assert_eq!(size_of::<Access>(), 16);
    }

    #[test]
    fn the_frame_around_a_payload_stays_small() {
        // 256 bytes per pending operation is the whole budget, payload included.
        assert!(size_of::<Operation<()>>() <= 104, "{}", size_of::<Operation<()>>());
        assert!(crate::pending_bytes::<()>() <= 136, "{}", crate::pending_bytes::<()>());
    }

    #[test]
    fn a_list_of_accesses_keeps_its_order_on_both_sides_of_the_heap() {
        for count in 0..9 {
            let mut list: AccessList = (0..count).map(|at| Access::write(at, 1)).collect();
            assert!(list.iter().map(|access| access.start()).eq(0..count));
            if let Some(first) = list.first_mut() {
                *first = Access::read(77, 1);
            }
            assert_eq!(list.first().map_or(77, |first| first.start()), 77);
            assert_eq!(list, AccessList::from_slice(&list.clone()));
        }
    }
}

//! The scheduler itself: the contract, and what comes in.
//!
//! An operation's way: `handle_operation` puts it at the end of its stream; a stream that has something pending stands
//! in the ready list of the hardware queue it sticks to (`gather`); when the law of `flush` says so, `poll_batch` takes
//! from the ready streams in turn and makes a batch (`make`); `handle_progress` completes its waves (`complete`).

mod choose;
mod complete;
mod gather;
mod make;
mod pick;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::batch::{Batch, QueueId};
use crate::bounds::Watermark;
use crate::config::Config;
use crate::cost::{CostTable, IDS_MAX};
use crate::event::{Events, Record};
use crate::free::FreeStreams;
use crate::operation::{
    CostKey, EventId, Nanos, Operation, Point, Priority, RejectReason, Rejected, StreamId, Ticket, Work,
};
use crate::queue::{Mark, Member, Queue};
use crate::ring::RingGovernor;
use crate::room::Room;
use crate::slab::{Fetch, NIL, Slab};
use crate::stats::Stats;
use crate::stream::{Standing, Stream, Totals};
use crate::wave::Draft;
use crate::window::{Mean, SUBMISSION_UNSEEN};

pub use complete::ImpossibleProgress;

/// Turns the operations of many streams into batches.
///
/// Three kinds of methods, none of which blocks, sleeps or reads a clock:
///
/// - `handle_*` takes input: operations, who waits, what was measured, what the device has reached;
/// - `poll_*` gives output, each until it has no more;
/// - the rest looks.
///
/// # Order of calls
///
/// After any `handle_*` calls, or when the time of [`poll_timeout`](Self::poll_timeout) has come:
///
/// 1. [`poll_batch`](Self::poll_batch); submit the batch; [`handle_submitted`](Self::handle_submitted) gives its
///    operations back; until it returns false. Batches are submitted in the order in which they were polled: a batch
///    may wait for progress of earlier ones, never of later ones. Should a submission fail for good, the device is
///    lost, and the operations in that batch are the caller's.
/// 2. [`handle_progress`](Self::handle_progress) for queues whose fence has moved; then
///    [`poll_completion`](Self::poll_completion), [`poll_room`](Self::poll_room) and
///    [`poll_retired`](Self::poll_retired) until they have no more. As progress makes room, go on with 1.
/// 3. Nothing more to do: sleep until `poll_timeout`, the next progress or the next input.
///
/// Every `handle_*` call makes earlier answers of `poll_*` old.
///
/// # Time
///
/// `now` never goes backwards; an earlier time counts as the latest one seen. Nothing breaks if it jumps: only
/// estimates and deadlines depend on it.
///
/// # Promises
///
/// - What was accepted comes out in exactly one batch, is completed exactly once, and its payload is retired exactly
///   once, or is given back by [`handle_device_lost`](Self::handle_device_lost).
/// - Executing the batches of each hardware queue in order, wave by wave, after the batch's waits, gives what executing
///   every stream's operations one by one gives.
/// - No batch is above the caps, except one of a single operation that is longer than the cap on GPU time.
/// - No step looks at all streams; the work of a call is proportional to the operations it handles.
#[derive(Debug)]
pub struct Scheduler<T> {
    config: Config,
    /// The latest time seen.
    now: Nanos,
    slab: Slab<T>,
    streams: Vec<Stream>,
    events: Events,
    /// The hardware queues, and behind them the list of streams that are free to go to any of them.
    queues: Vec<Queue<T>>,
    /// The order of the free streams.
    free: FreeStreams,
    /// Room for a batch's making: free streams that were left, and those with operations in it.
    left: Vec<u32>,
    members: Vec<u32>,
    /// One bit per queue with ready streams.
    active: u64,
    /// When the host is through with what it was sent, as far as is known.
    host_free: Nanos,
    /// When the last batch was made.
    last_batch: Nanos,
    /// Blocks that batches in flight keep busy.
    width: u64,
    draft: Draft,
    /// Counts batches in the making, so that `InBatch` of a stream is known to be of this one.
    epoch: u64,
    costs: CostTable,
    submission: Mean,
    ring: RingGovernor,
    device_mark: Watermark,
    last_ticket: u64,
    draining: bool,
    /// Holds that were released before it was their turn: stream and ticket.
    released: BTreeSet<(u32, u64)>,
    lost: bool,
    pending: u32,
    in_flight: u32,
    batches_in_flight: u32,
    next_batch: u64,
    /// Streams whose completion has moved and was not yet polled.
    completed: VecDeque<u32>,
    /// Operations of complete batches, payloads not yet polled.
    retired: VecDeque<Vec<Operation<T>>>,
    spare_operations: Vec<Vec<Operation<T>>>,
    spare_lists: Vec<(Vec<Mark>, Vec<Member>)>,
    /// What has left with complete batches.
    room: Room,
    stats: Stats,
}

impl<T> Scheduler<T> {
    /// A scheduler without streams.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.sane();
        Self {
            now: 0,
            slab: Slab::new(),
            streams: Vec::new(),
            events: Events::default(),
            queues: (0..=config.queues).map(|_| Queue::new()).collect(),
            free: FreeStreams::default(),
            left: Vec::new(),
            members: Vec::new(),
            active: 0,
            host_free: 0,
            last_batch: 0,
            width: 0,
            draft: Draft::new(),
            epoch: 0,
            costs: CostTable::default(),
            submission: Mean::default(),
            ring: RingGovernor::new(),
            device_mark: Watermark::new(),
            last_ticket: 0,
            draining: false,
            released: BTreeSet::new(),
            lost: false,
            pending: 0,
            in_flight: 0,
            batches_in_flight: 0,
            next_batch: 1,
            completed: VecDeque::new(),
            retired: VecDeque::new(),
            spare_operations: Vec::new(),
            spare_lists: Vec::new(),
            room: Room::default(),
            stats: Stats::default(),
            config,
        }
    }

    /// Memory that will be looked at soon is asked for by this: the scheduler holds more operations than a cache, and knows which
    /// come next. Without it, nothing is asked for.
    pub fn fetch_with(&mut self, fetch: Fetch) {
        self.slab.fetch_with(fetch);
    }

    /// Other limits and policy from now on; work accepted under the old ones is kept. The number of queues stays.
    pub fn set_config(&mut self, config: Config) {
        self.config = Config { queues: self.config.queues, ..config }.sane();
    }

    /// The configuration in use.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Announces a stream, or changes its priority.
    ///
    /// An id may be announced again at any time after its drop: what is left of the dropped stream runs before the new
    /// one's operations. False: the id is out of range (1,048,576 streams).
    pub fn handle_stream(&mut self, stream: StreamId, priority: Priority) -> bool {
        if stream.0 >= IDS_MAX {
            return false;
        }
        let index = stream.0 as usize;
        if index >= self.streams.len() {
            self.streams.resize_with(index + 1, Stream::new);
        }
        let state = &mut self.streams[index];
        state.announced = true;
        let changes = state.priority != priority;
        state.priority = priority;
        if changes && state.standing == Standing::Ready && state.queue == self.config.queues {
            // Its place in the order of the free streams is that of its old priority.
            self.free.rank(stream.0, state);
        }
        true
    }

    /// The stream takes no more operations; what it has runs to its end.
    pub fn handle_stream_drop(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(stream.0 as usize) {
            state.announced = false;
        }
    }

    /// The id may stand for another event from now on, which counts as never recorded. Waits accepted before keep what
    /// they refer to.
    pub fn handle_event_drop(&mut self, event: EventId) {
        self.events.forget(event);
    }

    /// Takes an operation.
    ///
    /// # Errors
    ///
    /// Gives it back, untouched, with the reason.
    #[allow(clippy::result_large_err, reason = "the operation goes back by value: boxing would allocate")]
    pub fn handle_operation(&mut self, now: Nanos, operation: Operation<T>) -> Result<(), Rejected<T>> {
        let mut place = Some(operation);
        let taken = self.take_operation(now, &mut place);
        match (taken, place) {
            (Err(reason), Some(operation)) => Err(Rejected { operation, reason }),
            _ => Ok(()),
        }
    }

    /// As [`handle_operation`](Self::handle_operation), taking the operation out of where it lies: it is large, and moves once
    /// this way. An empty place is no operation.
    ///
    /// # Errors
    ///
    /// The operation stays where it is, for the reason given.
    pub fn take_operation(&mut self, now: Nanos, place: &mut Option<Operation<T>>) -> Result<(), RejectReason> {
        self.advance(now);
        let Some(operation) = place else { return Ok(()) };
        self.check(operation)?;
        let Operation { stream, ticket, bytes, .. } = *operation;
        let mut target = NIL;
        if let Work::Wait { event, source } = &mut operation.work {
            let record = self.events.latest(*event).filter(|record| record.point.stream != stream);
            *source = record.map(|record| record.point);
            target = record.map_or(NIL, |record| record.slot);
        }
        let (gpu_time, known) = self.costs.time(&operation.work, &self.config);
        let size = Totals {
            operations: 1,
            bytes: u64::from(bytes),
            gpu_time,
            // A long operation will go to another queue: it is no reason for others to leave this one.
            load: match work_load(&operation.work, known) {
                None => self.costs.mean(self.interval()),
                Some(known) if known < self.config.long_operation => known,
                Some(_) => 0,
            },
        };
        let recorded = if let Work::Record { event, .. } = operation.work { Some(event) } else { None };
        let slot = self.slab.insert(place, size, target);
        if let Some(event) = recorded {
            self.events.record(event, Record { point: Point { stream, ticket }, slot });
        }
        self.last_ticket = ticket.0;
        self.pending += 1;
        self.stats.operations += 1;
        self.append(stream.0, ticket.0, slot, size);
        Ok(())
    }

    #[inline]
    fn check(&mut self, operation: &Operation<T>) -> Result<(), RejectReason> {
        if self.lost {
            return Err(RejectReason::DeviceLost);
        }
        let stream = match self.streams.get_mut(operation.stream.0 as usize) {
            Some(stream) if stream.announced => stream,
            _ if operation.stream.0 >= IDS_MAX => return Err(RejectReason::IdOutOfRange),
            _ => return Err(RejectReason::UnknownStream),
        };
        if let Work::Record { event, .. } | Work::Wait { event, .. } = operation.work
            && event.0 >= IDS_MAX
        {
            return Err(RejectReason::IdOutOfRange);
        }
        if operation.ticket.0 <= self.last_ticket {
            return Err(RejectReason::TicketOutOfOrder);
        }
        if operation.bytes > self.config.limits.bytes {
            return Err(RejectReason::TooLarge);
        }
        if !self.device_mark.admits(1, self.config.device_bound) {
            self.device_mark.enter(1, self.config.device_bound);
            return Err(RejectReason::DeviceFull);
        }
        if !stream.mark.enter(1, self.config.stream_bound) {
            return Err(RejectReason::StreamFull);
        }
        self.device_mark.enter(1, self.config.device_bound);
        Ok(())
    }

    /// Somebody waits for this operation: it is flushed without delay, and if it is not yet batched, its wave gets a
    /// progress value of its own. If it is, it is complete with the next progress value of its batch.
    pub fn handle_waiter(&mut self, now: Nanos, stream: StreamId, ticket: Ticket) {
        self.advance(now);
        if self.lost {
            return;
        }
        if let Some(state) = self.streams.get_mut(stream.0 as usize)
            && ticket.0 > state.batched
        {
            state.wait_for(ticket.0);
            self.urge(Point { stream, ticket }, true, false);
        }
    }

    /// What a [`Work::Hold`] has waited for has come to pass: the stream goes on, at once or when it comes to the operation. May be
    /// told in any order, once the operation is accepted.
    pub fn handle_release(&mut self, now: Nanos, stream: StreamId, ticket: Ticket) {
        self.advance(now);
        let Some(state) = self.streams.get(stream.0 as usize) else { return };
        if self.lost || ticket.0 <= state.batched || ticket.0 > state.accepted {
            return;
        }
        self.released.insert((stream.0, ticket.0));
        if state.standing == Standing::Held && self.slab.operation(state.head).ticket == ticket {
            self.enlist(stream.0, false);
        }
    }

    /// Everything accepted in the stream goes out as soon as there is room.
    pub fn handle_flush(&mut self, now: Nanos, stream: StreamId) {
        self.advance(now);
        if let Some(state) = self.streams.get(stream.0 as usize)
            && state.accepted > state.batched
        {
            self.urge(Point { stream, ticket: Ticket(state.accepted) }, false, true);
        }
    }

    /// Everything goes out as soon as there is room, until nothing is pending.
    pub fn handle_drain(&mut self, now: Nanos) {
        self.advance(now);
        self.draining = self.pending != 0;
    }

    /// A batch was polled whose submission blocks another thread for a while (a round trip): nothing more goes to this
    /// queue until [`handle_queue_free`](Self::handle_queue_free).
    pub fn handle_queue_busy(&mut self, queue: QueueId) {
        if let Some(queue) = self.queues.get_mut(usize::from(queue.0)) {
            queue.busy = true;
        }
    }

    /// The submission is through.
    pub fn handle_queue_free(&mut self, now: Nanos, queue: QueueId) {
        self.advance(now);
        if let Some(queue) = self.queues.get_mut(usize::from(queue.0)) {
            queue.busy = false;
        }
    }

    /// A kernel's measured time. The first counts whole, later ones by a quarter.
    pub fn handle_kernel_time(&mut self, cost: CostKey, time: Nanos) {
        self.costs.measured(cost, time);
    }

    /// What the stream has accepted from `from` on and not yet in a batch becomes a marker each: it does nothing, completes in order,
    /// and its payload is retired as usual. Records and waits stay, so that streams waiting for this one go on, and what
    /// the stream takes from now on still comes after what it has waited for.
    pub fn handle_stream_reset(&mut self, stream: StreamId, from: Ticket) {
        let Some(state) = self.streams.get_mut(stream.0 as usize) else { return };
        let mut saved = Totals::default();
        let mut slot = state.head;
        while slot != NIL {
            let next = self.slab.next(slot);
            let node = self.slab.node_mut(slot);
            if node.operation.as_ref().is_some_and(|operation| operation.ticket < from) {
                slot = next;
                continue;
            }
            saved.gpu_time = saved.gpu_time.saturating_add(core::mem::take(&mut node.time.gpu_time));
            saved.load = saved.load.saturating_add(core::mem::take(&mut node.time.load));
            slot = next;
            if let Some(operation) = &mut node.operation {
                operation.work = match operation.work {
                    Work::Record { event, .. } => Work::Record { event, timed: false },
                    wait @ (Work::Wait { .. } | Work::Hold) => wait,
                    _ => Work::Marker,
                };
            }
        }
        state.pending.subtract(saved);
        if let Some(queue) = self.queues.get_mut(usize::from(state.queue)) {
            queue.pending_load = queue.pending_load.saturating_sub(saved.load);
            if state.standing == Standing::Ready {
                queue.ready.subtract(saved);
            }
        }
    }

    /// The device is gone: gives back every payload that is not complete, in flight or pending. Nothing is accepted or
    /// batched any more; completions and payloads from before can still be polled. Batches that were polled and not
    /// given to `handle_submitted` are with the caller.
    pub fn handle_device_lost(&mut self) -> Vec<T> {
        let mut payloads = Vec::new();
        for queue in &mut self.queues {
            for mut batch in queue.batches.drain(..) {
                let open = batch.operations.split_off((batch.reported as usize).min(batch.operations.len()));
                payloads.extend(open.into_iter().map(|operation| operation.payload));
                batch.operations.iter().for_each(|operation| self.room.add(operation.stream.0));
                self.retired.push_back(batch.operations);
            }
            *queue = Queue::new();
        }
        payloads.extend(self.slab.drain().map(|operation| operation.payload));
        for stream in &mut self.streams {
            *stream = Stream { completed: stream.completed, reported: stream.reported, ..Stream::new() };
        }
        self.released.clear();
        self.active = 0;
        self.pending = 0;
        self.in_flight = 0;
        self.batches_in_flight = 0;
        self.device_mark = Watermark::new();
        self.lost = true;
        payloads
    }

    /// Operations accepted and not complete.
    #[must_use]
    pub const fn outstanding(&self) -> u32 {
        self.pending + self.in_flight
    }

    /// The lowest progress value of a queue that was submitted and not reached: what to look for or to sleep for.
    #[must_use]
    pub fn next_progress(&self, queue: QueueId) -> Option<u64> {
        let queue = self.queues.get(usize::from(queue.0))?;
        let batch = queue.batches.front()?;
        batch.marks.get(batch.next_mark).map(|mark| mark.value).filter(|&value| value <= queue.submitted)
    }

    /// The last progress value that was submitted to a queue; 0 if none was.
    #[must_use]
    pub fn last_submitted(&self, queue: QueueId) -> u64 {
        self.queues.get(usize::from(queue.0)).map_or(0, |queue| queue.submitted)
    }

    /// Where an operation that is in flight is known to be complete: the queue, and the progress value that covers the
    /// stream's part of that batch.
    #[must_use]
    pub fn completion_point(&self, stream: StreamId, ticket: Ticket) -> Option<(QueueId, u64)> {
        let state = self.streams.get(stream.0 as usize)?;
        let in_flight = ticket.0 <= state.batched && ticket.0 > state.completed;
        let segment = state.segment_of(ticket.0).filter(|_| in_flight)?;
        Some((QueueId(segment.queue), segment.value))
    }

    /// Counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            pending: self.pending,
            in_flight: self.in_flight,
            batches_in_flight: self.batches_in_flight,
            submission_cost: self.submission_cost(),
            ..self.stats
        }
    }

    fn submission_cost(&self) -> Nanos {
        self.submission.or(SUBMISSION_UNSEEN)
    }

    fn advance(&mut self, now: Nanos) {
        self.now = self.now.max(now);
    }

    /// Counts a batch that `handle_submitted` or the caller's loss has ended.
    fn recycle(&mut self, batch: &mut Batch<T>) {
        batch.waits.clear();
        batch.groups.clear();
        batch.extents.clear();
        batch.waves.clear();
    }
}

/// What is known of an operation's time; `None` of a kernel never measured.
fn work_load(work: &Work, known: Nanos) -> Option<Nanos> {
    (known != 0 || !matches!(work, Work::Launch { .. })).then_some(known)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

use alloc::vec;

use super::*;
use crate::batch::{FlushReason, Group, GroupKind, Wave};
use crate::config::Policy;
use crate::operation::{Access, AccessList, Completed, CopyKind, Hazard};

const KERNEL: CostKey = CostKey(1);

/// A scheduler with its caller: gives out tickets, keeps the time, submits at no cost.
struct Bench {
    scheduler: Scheduler<u64>,
    now: Nanos,
    ticket: u64,
}

impl Bench {
    fn new(config: Config) -> Self {
        let mut scheduler = Scheduler::new(config);
        for stream in 0..16 {
            assert!(scheduler.handle_stream(StreamId(stream), Priority::Normal));
        }
        scheduler.handle_kernel_time(KERNEL, 5_000);
        Self { scheduler, now: 1_000, ticket: 0 }
    }

    fn offer(&mut self, stream: u32, work: Work, hazard: Hazard) -> Result<Ticket, RejectReason> {
        let ticket = Ticket(self.ticket + 1);
        let operation = Operation { stream: StreamId(stream), ticket, work, hazard, bytes: 100, payload: ticket.0 };
        self.scheduler.handle_operation(self.now, operation).map_err(|rejected| rejected.reason)?;
        self.ticket = ticket.0;
        Ok(ticket)
    }

    fn add(&mut self, stream: u32, work: Work) -> Ticket {
        self.offer(stream, work, Hazard::Ordered).expect("there is room")
    }

    fn launch(&mut self, stream: u32) -> Ticket {
        self.add(stream, Work::Launch { merge: Some(1), blocks: 1, cost: KERNEL })
    }

    fn record(&mut self, stream: u32, event: u32) -> Ticket {
        self.add(stream, Work::Record { event: EventId(event), timed: false })
    }

    fn wait(&mut self, stream: u32, event: u32) -> Ticket {
        self.add(stream, Work::Wait { event: EventId(event), source: None })
    }

    fn poll(&mut self) -> Option<Batch<u64>> {
        let mut batch = Batch::new();
        self.scheduler.poll_batch(self.now, &mut batch).then_some(batch)
    }

    /// Polls and submits; the returned batch has given its operations back.
    fn submit(&mut self) -> Option<Batch<u64>> {
        let mut batch = self.poll()?;
        let shown = batch.clone();
        self.scheduler.handle_submitted(self.now, &mut batch, 4_000, 112);
        Some(shown)
    }

    fn reach(&mut self, queue: QueueId, value: u64) {
        self.scheduler.handle_progress(self.now, queue, value).expect("a value that was submitted");
    }

    fn completions(&mut self) -> Vec<(u32, u64)> {
        core::iter::from_fn(|| self.scheduler.poll_completion())
            .map(|Completed { stream, ticket }| (stream.0, ticket.0))
            .collect()
    }

    fn tickets(batch: &Batch<u64>) -> Vec<u64> {
        batch.operations.iter().map(|operation| operation.ticket.0).collect()
    }
}

#[test]
fn a_waiter_on_an_idle_device_is_served_at_once() {
    let mut bench = Bench::new(Config::default());
    let ticket = bench.launch(0);
    assert!(bench.poll().is_none(), "nobody waits: it gathers");
    bench.scheduler.handle_waiter(bench.now, StreamId(0), ticket);
    let batch = bench.submit().expect("somebody waits");
    assert_eq!(batch.reason, FlushReason::Waiter);
    bench.reach(batch.queue, batch.fence);
    assert_eq!(bench.completions(), [(0, ticket.0)]);
    let mut retired = Vec::new();
    bench.scheduler.poll_retired(&mut retired);
    assert_eq!(retired, [ticket.0]);
    assert_eq!(bench.scheduler.outstanding(), 0);
}

#[test]
fn without_a_waiter_the_timeout_says_when() {
    let mut bench = Bench::new(Config::default());
    bench.launch(0);
    bench.launch(1);
    let at = bench.scheduler.poll_timeout().expect("a deadline");
    assert_eq!(at, 1_000 + SUBMISSION_UNSEEN / 2);
    bench.now = at - 1;
    assert!(bench.poll().is_none());
    bench.now = at;
    let batch = bench.submit().expect("the deadline is over");
    assert_eq!((batch.reason, batch.groups.len()), (FlushReason::IdleDeadline, 1));
    assert_eq!(bench.scheduler.poll_timeout(), None);
}

#[test]
fn a_waiter_gets_a_progress_value_after_its_wave_and_a_late_one_the_next() {
    let mut bench = Bench::new(Config::default());
    let tickets: Vec<_> = (0..4).map(|_| bench.launch(0)).collect();
    bench.scheduler.handle_waiter(bench.now, StreamId(0), tickets[1]);
    let batch = bench.submit().expect("somebody waits");
    let values: Vec<_> = batch.waves.iter().map(|wave| wave.progress).collect();
    assert_eq!(values, [None, Some(1), None, Some(2)]);
    bench.scheduler.handle_waiter(bench.now, StreamId(0), tickets[0]);
    assert_eq!(bench.scheduler.next_progress(batch.queue), Some(1));
    bench.reach(batch.queue, 1);
    assert_eq!(bench.completions(), [(0, tickets[1].0)]);
    assert_eq!(bench.scheduler.next_progress(batch.queue), Some(2));
    bench.reach(batch.queue, 2);
    assert_eq!(bench.completions(), [(0, tickets[3].0)]);
    assert_eq!(bench.scheduler.next_progress(batch.queue), None);
}

#[test]
fn work_gathers_while_the_window_is_full() {
    let mut bench = Bench::new(Config { in_flight_max: 2, queues: 1, ..Config::default() });
    let mut fences = Vec::new();
    for _ in 0..2 {
        let ticket = bench.launch(0);
        bench.scheduler.handle_waiter(bench.now, StreamId(0), ticket);
        bench.now += 10_000;
        fences.push(bench.submit().expect("room").fence);
    }
    for stream in 0..8 {
        let ticket = bench.launch(stream);
        bench.scheduler.handle_waiter(bench.now, StreamId(stream), ticket);
    }
    bench.now += 1_000_000;
    assert!(bench.poll().is_none());
    assert_eq!(bench.scheduler.poll_timeout(), None, "time alone brings nothing");
    bench.reach(QueueId(0), fences[0]);
    let batch = bench.submit().expect("room again");
    assert_eq!((batch.operations.len(), batch.groups.len()), (8, 1), "all of it at once, in one dispatch");
}

#[test]
fn a_busy_queue_is_not_given_crumbs() {
    let mut bench = Bench::new(Config::default());
    for _ in 0..2 {
        let ticket = bench.launch(0);
        bench.scheduler.handle_waiter(bench.now, StreamId(0), ticket);
        if bench.scheduler.stats().batches == 0 {
            bench.submit().expect("idle");
        }
    }
    assert!(bench.poll().is_none(), "a submission was made just now");
    assert_eq!(bench.scheduler.poll_timeout(), Some(bench.now + 4_000));
    bench.now += 4_000;
    assert_eq!(bench.submit().expect("time has come").reason, FlushReason::Waiter);
}

/// Fills a device of 100 blocks with batches of so many, and says when the next one goes.
fn next_on_a_full_device(blocks: u64) -> Option<Nanos> {
    let mut bench =
        Bench::new(Config { device_blocks: 100, host_interval: 2_000, host_reach: 4_000, ..Config::default() });
    for (stream, key) in (0..).zip(0..100 / blocks) {
        let ticket = bench.add(stream, Work::Launch { merge: Some(key), blocks, cost: KERNEL });
        bench.scheduler.handle_waiter(bench.now, StreamId(stream), ticket);
        bench.now += 2_000;
        bench.submit().expect("the device is not full");
    }
    let ticket = bench.add(15, Work::Launch { merge: Some(1000), blocks, cost: KERNEL });
    bench.scheduler.handle_waiter(bench.now, StreamId(15), ticket);
    assert!(bench.poll().is_none(), "full");
    bench.scheduler.poll_timeout()
}

#[test]
fn a_device_full_of_wide_work_gets_more_in_time_and_one_full_of_narrow_work_when_some_is_done() {
    // Posted at 3,000, with the host until 7,000, on the device for 5,000; posting and host take 4,000.
    assert_eq!(next_on_a_full_device(100), Some(8_000));
    assert_eq!(next_on_a_full_device(10), None);
}

#[test]
fn caps_split() {
    let limits = crate::config::Limits { operations: 10, bytes: 450, gpu_time: 1_000_000 };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    for _ in 0..9 {
        bench.launch(0);
    }
    bench.scheduler.handle_drain(bench.now);
    let mut sizes = Vec::new();
    while let Some(batch) = bench.submit() {
        sizes.push((batch.operations.len(), batch.reason));
        bench.reach(batch.queue, batch.fence);
    }
    assert_eq!(sizes, [(4, FlushReason::CapBytes), (4, FlushReason::CapBytes), (1, FlushReason::Drain)]);
}

#[test]
fn an_operation_above_the_cap_on_time_goes_alone() {
    let mut bench = Bench::new(Config { queues: 1, ..Config::default() });
    let huge = CostKey(2);
    bench.scheduler.handle_kernel_time(huge, 900_000_000);
    bench.launch(0);
    bench.add(1, Work::Launch { merge: None, blocks: 1, cost: huge });
    bench.launch(2);
    bench.scheduler.handle_drain(bench.now);
    let mut batches = Vec::new();
    while let Some(batch) = bench.submit() {
        batches.push(Bench::tickets(&batch));
        bench.reach(batch.queue, batch.fence);
    }
    assert_eq!(batches, [vec![1, 3], vec![2]]);
}

#[test]
fn kernels_never_seen_count_as_ten_milliseconds() {
    let mut bench = Bench::new(Config { queues: 1, ..Config::default() });
    for _ in 0..100 {
        bench.add(0, Work::Launch { merge: None, blocks: 1, cost: CostKey(9) });
    }
    bench.scheduler.handle_drain(bench.now);
    let batch = bench.submit().expect("drain");
    assert_eq!((batch.operations.len(), batch.gpu_time), (40, 400_000_000));
    bench.now += 50_000;
    bench.reach(batch.queue, batch.fence);
    let batch = bench.submit().expect("the rest");
    assert_eq!((batch.operations.len(), batch.gpu_time), (60, 60 * 50_000), "the first batch has bounded it");
}

#[test]
fn a_long_kernel_does_not_hold_up_other_streams() {
    let mut bench = Bench::new(Config::default());
    let long = CostKey(2);
    bench.scheduler.handle_kernel_time(long, 3_000_000);
    bench.launch(0);
    bench.add(0, Work::Launch { merge: None, blocks: 1, cost: long });
    bench.record(0, 5);
    let small = bench.launch(1);
    bench.wait(2, 5);
    bench.scheduler.handle_drain(bench.now);
    let first = bench.submit().expect("the short ones");
    let second = bench.submit().expect("the long one");
    assert!(bench.poll().is_none());
    assert_ne!(first.queue, second.queue);
    assert!(Bench::tickets(&first).contains(&small.0));
    assert!(first.waits.is_empty());
    assert_eq!(second.waits.as_slice(), [(first.queue, first.fence)], "after what its stream has elsewhere");
    assert_eq!(Bench::tickets(&second).len(), 3, "who waits for it goes with it");
}

#[test]
fn a_long_kernel_of_the_only_stream_stays_in_its_batch() {
    let mut bench = Bench::new(Config::default());
    let long = CostKey(2);
    bench.scheduler.handle_kernel_time(long, 3_000_000);
    for _ in 0..2 {
        bench.launch(0);
        bench.add(0, Work::Launch { merge: None, blocks: 1, cost: long });
        bench.launch(0);
        bench.scheduler.handle_drain(bench.now);
        let batch = bench.submit().expect("all of it");
        assert_eq!((batch.queue, batch.operations.len()), (QueueId(0), 3));
        assert!(bench.poll().is_none());
        // Who comes meanwhile keeps away from it.
        bench.launch(1);
        bench.scheduler.handle_drain(bench.now);
        let other = bench.submit().expect("the short one");
        assert_ne!(other.queue, batch.queue);
        bench.reach(other.queue, other.fence);
        bench.reach(batch.queue, batch.fence);
    }
    // When all is done, the queue is one like any other again.
    bench.launch(1);
    bench.scheduler.handle_drain(bench.now);
    assert_eq!(bench.submit().expect("drain").queue, QueueId(0));
}

#[test]
fn a_stream_sticks_to_its_queue_and_is_free_when_idle() {
    let config = Config::default();
    let mut bench = Bench::new(config);
    bench.scheduler.handle_kernel_time(KERNEL, 1);
    bench.scheduler.handle_kernel_time(CostKey(3), config.long_operation - 1);
    for _ in 0..4 {
        bench.add(0, Work::Launch { merge: None, blocks: 1, cost: CostKey(3) });
    }
    bench.launch(1);
    bench.scheduler.handle_drain(bench.now);
    let first = bench.submit().expect("drain");
    let second = bench.submit().expect("the first queue has enough to do");
    assert_eq!((first.queue, second.queue), (QueueId(0), QueueId(1)));
    bench.launch(1);
    bench.scheduler.handle_drain(bench.now);
    assert_eq!(bench.submit().expect("drain").queue, QueueId(1), "it has work in flight there");
    bench.reach(QueueId(0), first.fence);
    bench.reach(QueueId(1), second.fence + 1);
    bench.launch(1);
    bench.scheduler.handle_drain(bench.now);
    assert_eq!(bench.submit().expect("drain").queue, QueueId(0));
}

#[test]
fn an_event_pulls_the_record_into_the_same_batch() {
    let mut bench = Bench::new(Config::default());
    bench.launch(1);
    bench.record(1, 0);
    bench.wait(0, 0);
    let last = bench.launch(0);
    bench.scheduler.handle_waiter(bench.now, StreamId(0), last);
    let batch = bench.submit().expect("somebody waits");
    assert_eq!(batch.operations.len(), 4);
    assert_eq!(batch.waves.len(), 2);
    let kinds: Vec<_> = batch.wave_groups(&batch.waves[1]).iter().map(|group| group.kind).collect();
    assert_eq!(kinds, [GroupKind::Depend, GroupKind::Launch]);
    let depend = &batch.group_operations(&batch.wave_groups(&batch.waves[1])[0])[0];
    let source = Some(Point { stream: StreamId(1), ticket: Ticket(2) });
    assert_eq!(depend.work, Work::Wait { event: EventId(0), source });
}

#[test]
fn a_wait_means_the_latest_record_before_it() {
    let mut bench = Bench::new(Config::default());
    bench.wait(0, 0);
    bench.record(1, 0);
    bench.record(2, 0);
    bench.wait(0, 0);
    bench.record(3, 0);
    bench.wait(3, 0);
    bench.scheduler.handle_event_drop(EventId(0));
    bench.wait(4, 0);
    bench.scheduler.handle_drain(bench.now);
    let mut batch = bench.submit().expect("drain");
    batch.operations.sort_by_key(|operation| operation.ticket);
    let sources: Vec<_> = batch
        .operations
        .iter()
        .filter_map(|operation| if let Work::Wait { source, .. } = operation.work { Some(source) } else { None })
        .collect();
    let second = Point { stream: StreamId(2), ticket: Ticket(3) };
    assert_eq!(sources, [None, Some(second), None, None], "never recorded, the latest, its own stream, forgotten");
}

#[test]
fn room_is_told_by_stream_and_batches_retire_in_their_order_also_where_the_device_is_lost() {
    let room = |bench: &mut Bench| {
        let mut room: Vec<_> = core::iter::from_fn(|| bench.scheduler.poll_room()).collect();
        room.sort_unstable();
        room
    };
    let mut bench = Bench::new(Config::default());
    let batch = |bench: &mut Bench, streams: &[u32]| {
        for &stream in streams {
            bench.launch(stream);
        }
        bench.scheduler.handle_drain(bench.now);
        bench.submit().expect("drain")
    };
    let (first, second) = (batch(&mut bench, &[0, 1, 0]), batch(&mut bench, &[0]));
    assert_eq!(room(&mut bench), [], "nothing is complete");
    assert_eq!(first.queue, second.queue, "the stream has work in flight there");
    bench.reach(first.queue, second.fence);
    assert_eq!(room(&mut bench), [(StreamId(0), 3), (StreamId(1), 1)]);
    assert_eq!(room(&mut bench), []);
    let mut retired = Vec::new();
    bench.scheduler.poll_retired(&mut retired);
    assert_eq!(retired.last(), Some(&4), "{retired:?}");
    assert_eq!(retired.len(), 4);
    batch(&mut bench, &[2]);
    assert_eq!(bench.scheduler.handle_device_lost(), [5]);
    assert_eq!(room(&mut bench), [], "what is given back is the caller's");
}

#[test]
fn declared_accesses_share_waves_and_adjacent_copies_merge() {
    let mut bench = Bench::new(Config::default());
    for part in 0..4 {
        let (src, dst) = (0x1000 + part * 64, 0x9000 + part * 64);
        let work = Work::Copy { kind: CopyKind::HostToDevice, src, dst, len: 64 };
        bench.offer(0, work, Hazard::copy(src, dst, 64)).expect("room");
    }
    let work = Work::Fill { dst: 0x9000, len: 4, pattern_len: 4 };
    bench.offer(0, work, Hazard::Declared([Access::write(0x9000, 4)].into_iter().collect())).expect("room");
    bench.scheduler.handle_flush(bench.now, StreamId(0));
    let batch = bench.submit().expect("flush");
    assert_eq!(batch.reason, FlushReason::Explicit);
    assert_eq!(batch.waves.len(), 2, "the fill overwrites what was copied");
    assert_eq!(batch.extents.len(), 1);
    assert_eq!((batch.extents[0].len, batch.extents[0].operations.clone()), (256, 0..4));
}

#[test]
fn a_barrier_keeps_what_declares_nothing_in_common_apart() {
    let mut bench = Bench::new(Config::default());
    let mut put = |work, hazard| bench.offer(0, work, hazard).expect("there is room");
    let launch = || Work::Launch { merge: None, blocks: 1, cost: KERNEL };
    let nothing = || Hazard::Declared(AccessList::new());
    let barrier = || Hazard::Declared(AccessList::new().partial());
    // A barrier with nothing before it costs no wave, and a marker is none.
    put(Work::Marker, barrier());
    put(Work::Fill { dst: 0, len: 8, pattern_len: 4 }, Hazard::fill(0, 8));
    put(Work::Marker, Hazard::Ordered);
    put(launch(), nothing());
    put(Work::Marker, barrier());
    put(Work::Marker, barrier());
    put(launch(), nothing());
    let last = put(Work::Fill { dst: 64, len: 8, pattern_len: 4 }, Hazard::fill(64, 8)).0;
    bench.scheduler.handle_waiter(bench.now, StreamId(0), Ticket(last));
    let batch = bench.submit().expect("somebody waits");
    let groups = |wave: &Wave| wave.groups.start as usize..wave.groups.end as usize;
    let count = |group: &Group| if group.kind == GroupKind::None { 0 } else { group.range.len() };
    let waves = batch.waves.iter().map(|wave| batch.groups[groups(wave)].iter().map(count).sum::<usize>());
    assert_eq!(waves.collect::<Vec<_>>(), [2, 2], "{:?}", batch.groups);
}

#[test]
fn one_by_one_is_one_operation_in_flight() {
    let mut bench = Bench::new(Config { policy: Policy::OneByOne, ..Config::default() });
    for stream in 0..3 {
        bench.launch(stream);
    }
    for _ in 0..3 {
        let batch = bench.submit().expect("nothing in flight");
        assert_eq!((batch.operations.len(), batch.reason), (1, FlushReason::OneByOne));
        assert!(bench.poll().is_none());
        bench.reach(batch.queue, batch.fence);
    }
    assert_eq!(bench.scheduler.outstanding(), 0);
}

#[test]
fn the_ring_governor_holds_batches_back() {
    let mut bench = Bench::new(Config { ring_budget_bytes: 700, ..Config::default() });
    bench.launch(0);
    bench.scheduler.handle_drain(bench.now);
    let first = bench.submit().expect("the first always goes");
    bench.launch(0);
    bench.scheduler.handle_drain(bench.now);
    let second = bench.poll().expect("112 bytes in the ring");
    bench.launch(0);
    bench.scheduler.handle_drain(bench.now);
    assert!(bench.poll().is_none(), "another 512 expected");
    assert_eq!(bench.scheduler.stats().ring_holds, 1);
    assert_eq!(bench.scheduler.poll_timeout(), None);
    bench.scheduler.handle_submitted(bench.now, &mut second.clone(), 1, 112);
    bench.reach(first.queue, first.fence);
    assert!(bench.poll().is_some());
}

#[test]
fn bounds_reject_and_open_again_at_the_low_threshold() {
    let bound = crate::bounds::Bound::new(3, 1);
    let mut bench = Bench::new(Config { stream_bound: bound, ..Config::default() });
    let launch = Work::Launch { merge: None, blocks: 1, cost: KERNEL };
    for _ in 0..3 {
        bench.launch(0);
    }
    bench.scheduler.handle_waiter(bench.now, StreamId(0), Ticket(1));
    assert_eq!(bench.offer(0, launch, Hazard::Ordered), Err(RejectReason::StreamFull));
    bench.launch(1);
    let batch = bench.submit().expect("somebody waits");
    bench.reach(batch.queue, batch.waves[0].progress.expect("somebody waits for the first"));
    assert_eq!(bench.offer(0, launch, Hazard::Ordered), Err(RejectReason::StreamFull), "two left");
    bench.reach(batch.queue, batch.fence);
    bench.launch(0);
}

#[test]
fn what_cannot_be_taken_says_why() {
    let mut bench = Bench::new(Config::default());
    let launch = Work::Launch { merge: None, blocks: 1, cost: KERNEL };
    assert_eq!(bench.offer(99, launch, Hazard::Ordered), Err(RejectReason::UnknownStream));
    assert_eq!(bench.offer(u32::MAX, launch, Hazard::Ordered), Err(RejectReason::IdOutOfRange));
    assert!(!bench.scheduler.handle_stream(StreamId(u32::MAX), Priority::Normal));
    let record = Work::Record { event: EventId(u32::MAX), timed: false };
    assert_eq!(bench.offer(0, record, Hazard::Ordered), Err(RejectReason::IdOutOfRange));
    bench.launch(0);
    bench.ticket = 0;
    assert_eq!(bench.offer(0, launch, Hazard::Ordered), Err(RejectReason::TicketOutOfOrder));
    bench.ticket = 1;
    bench.scheduler.handle_stream_drop(StreamId(0));
    assert_eq!(bench.offer(0, launch, Hazard::Ordered), Err(RejectReason::UnknownStream));
    bench
        .scheduler
        .set_config(Config { limits: crate::config::Limits { bytes: 99, ..Default::default() }, ..Config::default() });
    assert_eq!(bench.offer(1, launch, Hazard::Ordered), Err(RejectReason::TooLarge));
    assert_eq!(bench.scheduler.outstanding(), 1, "a dropped stream's work drains");
}

#[test]
fn a_progress_value_never_submitted_completes_nothing() {
    let mut bench = Bench::new(Config::default());
    bench.launch(0);
    bench.scheduler.handle_drain(bench.now);
    let batch = bench.poll().expect("drain");
    let error = bench.scheduler.handle_progress(bench.now, batch.queue, batch.fence);
    assert_eq!(error, Err(ImpossibleProgress { queue: batch.queue, value: batch.fence, submitted: 0 }));
    bench.scheduler.handle_submitted(bench.now, &mut batch.clone(), 1, 1);
    assert!(bench.scheduler.handle_progress(bench.now, batch.queue, u64::MAX).is_err());
    assert!(bench.scheduler.handle_progress(bench.now, QueueId(99), 1).is_err());
    assert!(bench.completions().is_empty());
    bench.reach(batch.queue, batch.fence);
    assert_eq!(bench.completions(), [(0, 1)]);
}

#[test]
fn losing_the_device_gives_every_open_payload_back() {
    let mut bench = Bench::new(Config::default());
    for _ in 0..3 {
        bench.launch(0);
    }
    bench.scheduler.handle_waiter(bench.now, StreamId(0), Ticket(1));
    let batch = bench.submit().expect("somebody waits");
    bench.launch(1);
    bench.reach(batch.queue, batch.waves[0].progress.expect("somebody waits"));
    let mut lost = bench.scheduler.handle_device_lost();
    lost.sort_unstable();
    assert_eq!(lost, [2, 3, 4]);
    assert_eq!(bench.completions(), [(0, 1)]);
    let mut retired = Vec::new();
    bench.scheduler.poll_retired(&mut retired);
    assert_eq!(retired, [1]);
    let launch = Work::Launch { merge: None, blocks: 1, cost: KERNEL };
    assert_eq!(bench.offer(0, launch, Hazard::Ordered), Err(RejectReason::DeviceLost));
    assert!(bench.poll().is_none());
    assert_eq!((bench.scheduler.outstanding(), bench.scheduler.poll_timeout()), (0, None));
}

#[test]
fn a_reset_stream_completes_in_order_and_does_nothing() {
    let mut bench = Bench::new(Config::default());
    bench.launch(0);
    bench.record(0, 0);
    bench.wait(1, 0);
    bench.launch(1);
    bench.scheduler.handle_stream_reset(StreamId(0), Ticket(0));
    bench.scheduler.handle_drain(bench.now);
    let batch = bench.submit().expect("drain");
    assert_eq!(batch.operations.len(), 4);
    let launches = batch.operations.iter().filter(|operation| matches!(operation.work, Work::Launch { .. })).count();
    assert_eq!((launches, batch.gpu_time), (1, 5_000));
    bench.reach(batch.queue, batch.fence);
    assert_eq!(bench.completions().len(), 2);
}

#[test]
fn urgency_passes_through_events_to_other_queues() {
    let config = Config { gather_min: 10_000_000, gather_max: 10_000_000, ..Config::default() };
    let mut bench = Bench::new(config);
    // Streams 0 and 1 both get work in flight, on different queues, so that neither can follow the other.
    let queues = [0, 1].map(|stream| {
        bench.launch(stream);
        bench.scheduler.handle_drain(bench.now);
        bench.submit().expect("drain").queue
    });
    assert_ne!(queues[0], queues[1]);
    bench.now += 100_000;
    bench.launch(0);
    bench.record(0, 0);
    bench.wait(1, 0);
    let last = bench.launch(1);
    for queue in queues {
        bench.reach(queue, 1);
    }
    bench.scheduler.handle_waiter(bench.now, StreamId(1), last);
    let first = bench.submit().expect("held back by a record, which goes at once");
    assert_eq!(first.reason, FlushReason::Waiter);
    let mut count = first.operations.len();
    while let Some(batch) = bench.submit() {
        count += batch.operations.len();
    }
    assert_eq!(count, 4);
}

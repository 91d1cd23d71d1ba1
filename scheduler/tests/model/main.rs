//! The promise, checked against random programs: whatever the batches, the outcome is that of one operation after
//! another.
//!
//! A program is a list of operations on a few streams, events and memory cells. Where an operation would race with
//! another stream's, the generator first orders the two with an event, so that sequential execution has one meaning.
//! The world then plays caller and device at random: it offers operations, polls and submits batches (late, if it
//! likes), runs waves of any queue whose waits are met, in any order inside the wave, reports progress when it pleases,
//! waits, flushes, resets, and lets time pass. Every rule of the contract is asserted on the way, and the memory at the
//! end is compared with that of sequential execution. Every loop has a bound: a program that hangs fails.

mod program;

use std::collections::VecDeque;

use dxg_scheduler::{
    Batch, Bound, Config, CostKey, GroupKind, Limits, Operation, Policy, Priority, QueueId, RejectReason, Scheduler,
    StreamId, Ticket, Work,
};
use program::{CELLS, Op, STREAMS, Step, Writer, execute, step};
use proptest::prelude::*;

/// Bytes in the ring per submission: below what the governor expects, so that its budget holds exactly.
const RING_BYTES: u32 = 200;

fn config() -> impl Strategy<Value = Config> {
    let policy = prop_oneof![
        6 => Just(Policy::Adaptive),
        2 => (1..6_u32).prop_map(Policy::Fixed),
        1 => Just(Policy::OneByOne),
    ];
    let limits = (1..12_u32, 100..900_u32, 1..40_000_000_u64).prop_map(|(operations, bytes, gpu_time)| Limits {
        operations,
        bytes,
        gpu_time,
    });
    let roomy = Just(Limits::default());
    let bound = || (1..20_u32, 0..20_u32).prop_map(|(high, low)| Bound::new(high, low));
    // Costs of the host, measured or not, and a device that is full early or never.
    let costs = (
        prop_oneof![Just(0), 1..20_000_u64],
        0..30_000_u64,
        prop_oneof![Just(0), 1..60_000_u64],
        prop_oneof![Just(u32::MAX), 1..64_u32],
    );
    (policy, prop_oneof![limits, roomy], 1..6_u16, 1..4_u32, bound(), bound(), 300..4_000_u32, costs).prop_map(
        |(policy, limits, queues, in_flight_max, stream_bound, device_bound, ring_budget_bytes, costs)| Config {
            policy,
            limits,
            queues,
            in_flight_max,
            stream_bound,
            device_bound,
            ring_budget_bytes,
            host_interval: costs.0,
            host_reach: costs.0 + costs.1,
            queue_interval: costs.2,
            device_blocks: costs.3,
            ..Config::default()
        },
    )
}

/// Where the random choices of the interleaving come from (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % sides
    }
}

/// A batch on the simulated device.
struct Running {
    batch: Batch<usize>,
    wave: usize,
}

/// Caller and device in one.
struct World<'a> {
    ops: &'a [Op],
    scheduler: Scheduler<usize>,
    dice: Dice,
    now: u64,
    memory: Vec<u64>,
    executed: Vec<bool>,
    /// Taken back by a reset: came out as a marker.
    cancelled: Vec<bool>,
    batched: Vec<bool>,
    retired: Vec<bool>,
    /// Accepted holds that were not released.
    held: Vec<usize>,
    /// Polled and not yet submitted.
    unsubmitted: VecDeque<Batch<usize>>,
    queues: Vec<VecDeque<Running>>,
    progress: Vec<u64>,
    reported: Vec<u64>,
    fences: Vec<u64>,
    /// Fences of batches per queue that are not reported complete.
    open: Vec<VecDeque<u64>>,
    completed: [u64; STREAMS],
    last_in_stream: [u64; STREAMS],
}

impl<'a> World<'a> {
    fn new(config: Config, ops: &'a [Op], seed: u64) -> Self {
        let mut scheduler = Scheduler::new(config);
        for stream in 0..STREAMS {
            let priority = [Priority::Normal, Priority::High, Priority::Low][stream % 3];
            assert!(scheduler.handle_stream(StreamId(stream as u32), priority));
        }
        // Key 0 is never measured, key 1 is short, 2 and 3 get longer, 4 is longer than most caps.
        for (key, time) in [(1, 2_000), (2, 90_000), (3, 3_000_000), (4, 60_000_000)] {
            scheduler.handle_kernel_time(CostKey(key), time);
        }
        let queues = usize::from(config.queues);
        Self {
            ops,
            scheduler,
            dice: Dice(seed | 1),
            now: 0,
            memory: (0..CELLS as u64).collect(),
            executed: vec![false; ops.len()],
            cancelled: vec![false; ops.len()],
            batched: vec![false; ops.len()],
            retired: vec![false; ops.len()],
            held: Vec::new(),
            unsubmitted: VecDeque::new(),
            queues: (0..queues).map(|_| VecDeque::new()).collect(),
            progress: vec![0; queues],
            reported: vec![0; queues],
            fences: vec![0; queues],
            open: (0..queues).map(|_| VecDeque::new()).collect(),
            completed: [0; STREAMS],
            last_in_stream: [0; STREAMS],
        }
    }

    /// Offers one operation until it is taken.
    fn offer(&mut self, index: usize) {
        let op = &self.ops[index];
        for _ in 0..100_000 {
            let operation = Operation {
                stream: StreamId(op.stream as u32),
                ticket: Ticket(index as u64 + 1),
                work: op.work,
                hazard: op.hazard.clone(),
                bytes: 60 + (index as u32 * 7) % 40,
                payload: index,
            };
            let Err(rejected) = self.scheduler.handle_operation(self.now, operation) else {
                let outstanding = self.scheduler.outstanding();
                assert!(outstanding <= self.scheduler.config().device_bound.high, "{outstanding} outstanding");
                if op.work == Work::Hold {
                    self.held.push(index);
                }
                return;
            };
            assert!(matches!(rejected.reason, RejectReason::StreamFull | RejectReason::DeviceFull), "{rejected}");
            assert_eq!(rejected.operation.payload, index);
            self.go_on();
        }
        panic!("operation {index} never finds room");
    }

    /// Something random happens.
    fn shake(&mut self) {
        match self.dice.roll(17) {
            16 => _ = self.release(),
            0..=2 => _ = self.poll(),
            3 | 4 => _ = self.submit(),
            5..=7 => _ = self.run_wave(),
            8 | 9 => _ = self.report(),
            10 | 11 => {
                let index = self.dice.roll(self.ops.len());
                let stream = StreamId(self.ops[index].stream as u32);
                self.scheduler.handle_waiter(self.now, stream, Ticket(index as u64 + 1));
            }
            12 => self.scheduler.handle_flush(self.now, StreamId(self.dice.roll(STREAMS + 1) as u32)),
            13 if self.dice.roll(4) == 0 => self.scheduler.handle_drain(self.now),
            14 if self.dice.roll(4) == 0 => {
                let policy = [Policy::Adaptive, Policy::Fixed(3), Policy::OneByOne][self.dice.roll(3)];
                let config = Config { policy, ..*self.scheduler.config() };
                self.scheduler.set_config(config);
            }
            _ => self.now += [0, 100, 5_000, 1_000_000][self.dice.roll(4)],
        }
    }

    /// One step nearer to the end, if there is any to take.
    fn go_on(&mut self) {
        let kinds: [fn(&mut Self) -> bool; 5] = [Self::poll, Self::submit, Self::run_wave, Self::report, Self::release];
        let first = self.dice.roll(5);
        if (first..first + 5).any(|at| kinds[at % 5](self)) {
            return;
        }
        let at = self.scheduler.poll_timeout().expect("work is left, nothing is in flight, and no time would help");
        assert!(at > self.now, "the timeout has passed and nothing came of it");
        self.now = at;
    }

    fn poll(&mut self) -> bool {
        let mut batch = Batch::new();
        if !self.scheduler.poll_batch(self.now, &mut batch) {
            return false;
        }
        self.check(&batch);
        let queue = usize::from(batch.queue.0);
        self.fences[queue] = batch.fence;
        self.open[queue].push_back(batch.fence);
        let config = self.scheduler.config();
        let in_flight: usize = self.open.iter().map(VecDeque::len).sum();
        assert!(self.open[queue].len() <= config.in_flight_max.max(1) as usize, "the window holds");
        let ring = in_flight as u32 * RING_BYTES;
        assert!(in_flight == 1 || ring <= config.ring_budget_bytes, "{ring} bytes in the ring");
        if config.policy == Policy::OneByOne {
            assert_eq!((in_flight, batch.operations.len()), (1, 1));
        }
        self.unsubmitted.push_back(batch);
        true
    }

    /// The rules for a batch by itself.
    fn check(&mut self, batch: &Batch<usize>) {
        let config = *self.scheduler.config();
        let count = batch.operations.len();
        assert!(count > 0 && count <= config.limits.operations as usize);
        if let Policy::Fixed(most) = config.policy {
            assert!(count <= most as usize);
        }
        let bytes: u32 = batch.operations.iter().map(|operation| operation.bytes).sum();
        assert_eq!(bytes, batch.bytes);
        assert!(bytes <= config.limits.bytes);
        assert!(batch.gpu_time <= config.limits.gpu_time || count == 1);
        assert!(batch.waits.len() < usize::from(config.queues));
        for (at, wait) in batch.waits.iter().enumerate() {
            assert!(wait.0 != batch.queue && batch.waits[..at].iter().all(|other| other.0 != wait.0));
            assert!(wait.1 <= self.fences[usize::from(wait.0.0)], "a wait for something that was not batched before");
        }
        let (mut group_end, mut end, mut extent_end) = (0, 0, 0);
        let mut value = self.fences[usize::from(batch.queue.0)];
        let mut last = self.last_in_stream;
        for wave in &batch.waves {
            assert_eq!(wave.groups.start, group_end);
            group_end = wave.groups.end;
            let mut merges = Vec::new();
            let mut of_wave = Vec::new();
            for (at, group) in batch.wave_groups(wave).iter().enumerate() {
                assert_eq!(group.range.start, end);
                assert!(!group.range.is_empty());
                end = group.range.end;
                assert!(group.kind != GroupKind::Depend || at == 0, "waits come first");
                let operations = batch.group_operations(group);
                of_wave.extend(operations.iter().map(|operation| (operation.ticket.0, operation.stream.0 as usize)));
                if let (GroupKind::Launch, Work::Launch { merge, .. }) = (group.kind, operations[0].work) {
                    let same =
                        |other: &Operation<usize>| matches!(other.work, Work::Launch { merge: m, .. } if m == merge);
                    assert!(operations.iter().all(same) && (merge.is_some() || operations.len() == 1));
                    assert!(merge.is_none() || !merges.contains(&merge), "one dispatch per kernel and wave");
                    merges.push(merge);
                }
                if matches!(group.kind, GroupKind::Copy(_)) {
                    assert_eq!(group.extents.start, extent_end);
                    extent_end = group.extents.end;
                    let covered: usize = batch.group_extents(group).iter().map(|extent| extent.operations.len()).sum();
                    assert_eq!(covered, operations.len());
                }
            }
            of_wave.sort_unstable();
            for (ticket, stream) in of_wave {
                assert!(ticket > last[stream], "a stream's operations keep their order from wave to wave");
                last[stream] = ticket;
            }
            if let Some(progress) = wave.progress {
                assert!(progress > value, "progress values increase");
                value = progress;
            }
        }
        self.last_in_stream = last;
        assert_eq!(
            (group_end as usize, end as usize, extent_end as usize),
            (batch.groups.len(), count, batch.extents.len())
        );
        assert_eq!(value, batch.fence);
        assert_eq!(batch.waves.last().and_then(|wave| wave.progress), Some(batch.fence));
        for operation in &batch.operations {
            let index = operation.payload;
            assert!(!std::mem::replace(&mut self.batched[index], true), "operation {index} twice");
            let op = &self.ops[index];
            assert!(!self.held.contains(&index), "hold {index} goes before it was released");
            let cancelled = match (operation.work, op.work) {
                (Work::Wait { source, .. }, Work::Wait { .. }) => {
                    assert_eq!(source.map(|point| point.ticket.0 as usize - 1), op.source, "CUDA's meaning of a wait");
                    false
                }
                (Work::Record { event, timed }, Work::Record { event: was, timed: was_timed }) => {
                    assert!(event == was && (!timed || was_timed));
                    timed != was_timed
                }
                (work, was) => work != was,
            };
            self.cancelled[index] = cancelled;
        }
    }

    /// Releases any of the holds.
    fn release(&mut self) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let index = self.held.swap_remove(self.dice.roll(self.held.len()));
        let stream = StreamId(self.ops[index].stream as u32);
        self.scheduler.handle_release(self.now, stream, Ticket(index as u64 + 1));
        true
    }

    fn submit(&mut self) -> bool {
        let Some(mut batch) = self.unsubmitted.pop_front() else { return false };
        self.queues[usize::from(batch.queue.0)].push_back(Running { batch: batch.clone(), wave: 0 });
        self.scheduler.handle_submitted(self.now, &mut batch, 3_000, RING_BYTES);
        assert!(batch.operations.is_empty());
        true
    }

    /// Runs one wave of a queue that can go on.
    fn run_wave(&mut self) -> bool {
        let first = self.dice.roll(self.queues.len());
        for at in 0..self.queues.len() {
            let queue = (first + at) % self.queues.len();
            let Some(running) = self.queues[queue].front() else { continue };
            let met = |&(other, value): &(QueueId, u64)| self.progress[usize::from(other.0)] >= value;
            if running.wave > 0 || running.batch.waits.iter().all(met) {
                self.run_wave_of(queue);
                return true;
            }
        }
        false
    }

    fn run_wave_of(&mut self, queue: usize) {
        let mut running = self.queues[queue].pop_front().expect("it was just there");
        let wave = running.batch.waves[running.wave].clone();
        let batch = &running.batch;
        // The wave's units: an extent, or an operation. Shuffled.
        let mut units = Vec::new();
        let mut members = Vec::new();
        for group in batch.wave_groups(&wave) {
            members.extend(batch.group_operations(group).iter().map(|operation| operation.payload));
            match group.kind {
                GroupKind::Copy(_) => units.extend(batch.group_extents(group).iter().map(|extent| {
                    let range = extent.operations.start as usize..extent.operations.end as usize;
                    (range, Some(extent.clone()))
                })),
                kind => {
                    for at in group.range.start as usize..group.range.end as usize {
                        self.check_before_wave(batch.operations[at].payload, kind);
                        units.push((at..at + 1, None));
                    }
                }
            }
        }
        for at in (1..units.len()).rev() {
            units.swap(at, self.dice.roll(at + 1));
        }
        for (range, extent) in units {
            for operation in &batch.operations[range] {
                let index = operation.payload;
                assert!(!std::mem::replace(&mut self.executed[index], true), "operation {index} runs twice");
                if extent.is_none() && !self.cancelled[index] {
                    execute(&mut self.memory, index, &self.ops[index]);
                }
            }
            if let Some(extent) = extent {
                let (src, dst, len) = (extent.src as usize / 8, extent.dst as usize / 8, extent.len as usize / 8);
                self.memory.copy_within(src..src + len, dst);
            }
        }
        for index in members {
            self.check_stream_before(index, &[]);
        }
        if let Some(value) = wave.progress {
            self.progress[queue] = value;
        }
        running.wave += 1;
        if running.wave < running.batch.waves.len() {
            self.queues[queue].push_front(running);
        }
    }

    /// Everything before an operation in its stream has run.
    fn check_stream_before(&self, index: usize, except: &[usize]) {
        let stream = self.ops[index].stream;
        for (at, op) in self.ops[..index].iter().enumerate() {
            assert!(op.stream != stream || self.executed[at] || except.contains(&at), "{index} before {at}");
        }
    }

    /// What waits and timestamps need to find when their wave begins.
    fn check_before_wave(&self, index: usize, kind: GroupKind) {
        match kind {
            GroupKind::Depend => {
                let source = self.ops[index].source.expect("a wait in a Depend group has a source");
                assert!(self.executed[source], "wait {index} before its record {source}");
                // Waits of one stream may share a wave: a failure that any of them reports concerns what follows all.
                let waits: Vec<_> = (0..index).filter(|&at| matches!(self.ops[at].work, Work::Wait { .. })).collect();
                self.check_stream_before(index, &waits);
            }
            GroupKind::Timestamp => {
                let waits: Vec<_> = (0..index).filter(|&at| matches!(self.ops[at].work, Work::Wait { .. })).collect();
                self.check_stream_before(index, &waits);
                let stream = self.ops[index].stream;
                let later = (index..self.ops.len()).any(|at| self.ops[at].stream == stream && self.executed[at]);
                assert!(!later, "the time of {index} is taken too late");
            }
            _ => {}
        }
    }

    /// Tells the scheduler how far a queue has come, and takes what it makes of it.
    fn report(&mut self) -> bool {
        let first = self.dice.roll(self.queues.len());
        let stale = |queue: &usize| self.progress[*queue] > self.reported[*queue];
        let count = self.queues.len();
        let Some(queue) = (0..count).map(|at| (first + at) % count).find(stale) else { return false };
        let value = self.progress[queue];
        self.reported[queue] = value;
        while self.open[queue].front().is_some_and(|&fence| fence <= value) {
            self.open[queue].pop_front();
        }
        self.scheduler.handle_progress(self.now, QueueId(queue as u16), value).expect("a value that was submitted");
        while let Some(completed) = self.scheduler.poll_completion() {
            let stream = completed.stream.0 as usize;
            assert!(completed.ticket.0 > self.completed[stream], "completions go forward");
            self.completed[stream] = completed.ticket.0;
            let index = completed.ticket.0 as usize - 1;
            assert!(self.ops[index].stream == stream && self.executed[index]);
            self.check_stream_before(index, &[]);
        }
        let mut retired = Vec::new();
        self.scheduler.poll_retired(&mut retired);
        for index in retired {
            assert!(self.executed[index] && !std::mem::replace(&mut self.retired[index], true));
            assert!((index as u64) < self.completed[self.ops[index].stream]);
        }
        true
    }
}

fn run(steps: &[Step], config: Config, seed: u64) -> Result<(), TestCaseError> {
    let mut writer = Writer::default();
    steps.iter().for_each(|step| writer.step(step));
    let (ops, mut resets) = (writer.ops, VecDeque::from(writer.resets));
    let mut world = World::new(config, &ops, seed);
    let drop_streams = seed.is_multiple_of(3);
    for (index, op) in ops.iter().enumerate() {
        while resets.front().is_some_and(|&(before, _)| before <= index) {
            if let Some((_, stream)) = resets.pop_front() {
                let from = Ticket(world.dice.roll(index + 2) as u64);
                world.scheduler.handle_stream_reset(StreamId(stream as u32), from);
            }
        }
        world.offer(index);
        for _ in 0..world.dice.roll(4) {
            world.shake();
        }
        if drop_streams && world.dice.roll(4) == 0 {
            // Gone and back: what is left of it still comes first.
            let stream = StreamId(op.stream as u32);
            world.scheduler.handle_stream_drop(stream);
            world.scheduler.handle_stream(stream, Priority::Normal);
        }
    }
    if drop_streams {
        (0..STREAMS).for_each(|stream| world.scheduler.handle_stream_drop(StreamId(stream as u32)));
    }
    let mut steps_left = 1_000 + ops.len() * 40;
    while world.scheduler.outstanding() > 0 {
        world.go_on();
        steps_left -= 1;
        prop_assert!(steps_left > 0, "it does not come to an end");
    }
    prop_assert!(world.executed.iter().all(|&done| done), "an operation was lost");
    prop_assert!(world.retired.iter().all(|&done| done), "a payload was lost");
    for (stream, &completed) in world.completed.iter().enumerate() {
        let last = ops.iter().rposition(|op| op.stream == stream).map_or(0, |index| index as u64 + 1);
        prop_assert_eq!(completed, last, "stream {} is complete", stream);
    }
    let mut memory: Vec<u64> = (0..CELLS as u64).collect();
    for (index, op) in ops.iter().enumerate().filter(|(index, _)| !world.cancelled[*index]) {
        execute(&mut memory, index, op);
    }
    prop_assert_eq!(&world.memory, &memory, "batches and sequential execution differ");
    let stats = world.scheduler.stats();
    prop_assert_eq!((stats.operations, stats.pending, stats.in_flight), (ops.len() as u64, 0, 0));
    prop_assert_eq!(stats.reasons.iter().sum::<u64>(), stats.batches);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_do_what_one_after_another_does(
        steps in prop::collection::vec(step(), 1..90),
        config in config(),
        seed in any::<u64>(),
    ) {
        run(&steps, config, seed)?;
    }
}

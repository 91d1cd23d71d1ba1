//! Our policy in the simulation: the real scheduler, and a driver thread that is awake.
//!
//! One driver thread submits for all clients. With posted messages a submission takes it what posting takes; without,
//! each hardware queue has a thread that sits in the round trip, as the runtime has. That the driver thread is awake is an
//! assumption: what waking it costs is measured live.

use dxg_io::software::params::{Parameters, nanos};
use dxg_scheduler::{
    Batch, Config, CopyKind, CostKey, GroupKind, Hazard, Operation, Priority, QueueId, Scheduler, StreamId, Ticket,
    Work,
};

use super::engine::SimError;
use super::gpu::Packet;
use super::timeline::{HostCall, SimEvent};
use super::workload::{SimCopy, SimWork};
use super::world::{Event, Submission, World};

pub(super) struct Ours {
    scheduler: Scheduler<u32>,
    batch: Batch<u32>,
    /// Polled, and not yet sent because the ring was full.
    unsent: bool,
    attempt: u32,
    driver_free: u64,
    /// The earliest look that is scheduled.
    alarm: u64,
    /// Operations in flight by queue: the fence value that completes them.
    in_flight: Vec<std::collections::VecDeque<(u64, Vec<u32>)>>,
    /// Per client: its operations' last ticket per stream, for those that may not be complete.
    last: Vec<Vec<(u32, u64)>>,
    submissions: u64,
    posted: bool,
}

impl Ours {
    pub(super) fn new(parameters: &Parameters, streams: u32, queues: u16) -> Ours {
        let unbounded = dxg_scheduler::Bound::new(u32::MAX, u32::MAX - 1);
        // What the runtime measures when it opens a device.
        let host_interval = nanos(parameters.host_message_us) + nanos(parameters.host_submission_us);
        let posting = match parameters.async_messages {
            true => nanos(parameters.posted_us) + nanos(parameters.doorbell_us),
            false => nanos(parameters.round_trip_us / 2.0),
        };
        let config = Config {
            stream_bound: unbounded,
            device_bound: unbounded,
            host_interval,
            device_blocks: parameters.block_slots,
            queue_interval: if parameters.async_messages { 0 } else { host_interval + nanos(parameters.round_trip_us) },
            host_reach: posting + host_interval,
            ..Config::default()
        };
        let mut scheduler = Scheduler::new(config);
        for stream in 0..streams {
            scheduler.handle_stream(StreamId(stream), Priority::Normal);
        }
        Ours {
            scheduler,
            batch: Batch::new(),
            unsent: false,
            attempt: 0,
            driver_free: 0,
            alarm: u64::MAX,
            in_flight: (0..queues).map(|_| std::collections::VecDeque::new()).collect(),
            last: Vec::new(),
            submissions: 0,
            posted: parameters.async_messages,
        }
    }

    pub(super) fn enqueue(&mut self, world: &mut World, index: u32) {
        let stream = world.stream(index);
        let state = &world.operations[index as usize];
        let (client, operation) = (state.client as usize, state.operation);
        let ticket = u64::from(index) + 1;
        let work = match operation.work {
            SimWork::Launch { blocks } => {
                Work::Launch { merge: operation.merge, blocks, cost: CostKey(operation.kernel) }
            }
            SimWork::Copy { kind, bytes } => {
                let kind = match kind {
                    SimCopy::HostToDevice => CopyKind::HostToDevice,
                    SimCopy::DeviceToHost => CopyKind::DeviceToHost,
                    SimCopy::DeviceToDevice => CopyKind::DeviceToDevice,
                };
                // Addresses of which no two are adjacent, so that copies stay apart.
                let address = ticket << 40;
                Work::Copy { kind, src: address, dst: address, len: bytes }
            }
            SimWork::Fill { bytes } => Work::Fill { dst: ticket << 40, len: bytes, pattern_len: 4 },
        };
        if client >= self.last.len() {
            self.last.resize_with(client + 1, Vec::new);
        }
        let last = &mut self.last[client];
        match last.iter_mut().find(|(of, _)| *of == stream) {
            Some(entry) => entry.1 = ticket,
            None => last.push((stream, ticket)),
        }
        let operation = Operation {
            stream: StreamId(stream),
            ticket: Ticket(ticket),
            work,
            hazard: Hazard::Ordered,
            bytes: 128,
            payload: index,
        };
        // Streams are announced, tickets rise and bounds are off: nothing is refused.
        let accepted = self.scheduler.handle_operation(world.now, operation);
        debug_assert!(accepted.is_ok(), "{:?}", accepted.err().map(|rejected| rejected.reason));
        self.drive(world);
    }

    pub(super) fn sync(&mut self, world: &mut World, client: u32) {
        if let Some(last) = self.last.get_mut(client as usize) {
            for (stream, ticket) in last.drain(..) {
                self.scheduler.handle_waiter(world.now, StreamId(stream), Ticket(ticket));
            }
        }
        if !world.wait(client) {
            let now = world.now;
            world.schedule(now, Event::Client(client));
        }
        self.drive(world);
    }

    pub(super) fn progress(&mut self, world: &mut World, queue: u32, value: u64) -> Result<(), SimError> {
        self.scheduler.handle_progress(world.now, QueueId(queue as u16), value)?;
        while self.scheduler.poll_completion().is_some() {}
        let mut retired = Vec::new();
        self.scheduler.poll_retired(&mut retired);
        while let Some((_, operations)) = self.in_flight[queue as usize].pop_front_if(|(fence, _)| *fence <= value) {
            for operation in operations {
                world.complete(operation);
            }
        }
        self.drive(world);
        Ok(())
    }

    pub(super) fn submitter_is_back(&mut self, world: &mut World, queue: u32) {
        self.scheduler.handle_queue_free(world.now, QueueId(queue as u16));
        self.drive(world);
    }

    /// The driver thread looks: at most one submission, then it is busy with posting it.
    pub(super) fn drive(&mut self, world: &mut World) {
        if self.alarm <= world.now {
            self.alarm = u64::MAX;
        }
        loop {
            if self.driver_free > world.now {
                return self.look_again(world, self.driver_free);
            }
            if !self.unsent && !self.scheduler.poll_batch(world.now, &mut self.batch) {
                if let Some(at) = self.scheduler.poll_timeout() {
                    self.look_again(world, at);
                }
                return;
            }
            let now = world.now;
            if let Some(sleep) = world.full_ring(self.batch.waits.len(), self.attempt) {
                self.attempt += 1;
                self.unsent = true;
                self.driver_free = now + sleep;
                world.tell(|| SimEvent::Host { client: None, begin: now, end: now + sleep, call: HostCall::FullRing });
                continue;
            }
            self.attempt = 0;
            self.unsent = false;
            self.submit(world);
        }
    }

    fn look_again(&mut self, world: &mut World, at: u64) {
        let at = at.max(world.now);
        if at < self.alarm {
            self.alarm = at;
            world.schedule(at, Event::Driver);
        }
    }

    fn submit(&mut self, world: &mut World) {
        let number = self.submissions;
        self.submissions += 1;
        let queue = u32::from(self.batch.queue.0);
        let packets = self.lower(world, number);
        let (count, reason) = (self.batch.operations.len() as u32, self.batch.reason.name());
        let begin = world.now;
        if !self.batch.waits.is_empty() {
            let waits = self.batch.waits.iter().map(|&(other, value)| (usize::from(other.0), value)).collect();
            world.wait_for_fences(queue, waits);
        }
        let resumes = world.submit(Submission { number, queue, packets }, Event::Submitter(queue));
        let end = resumes.unwrap_or(begin);
        self.driver_free = end;
        let call = HostCall::Submit { submission: number, operations: count, reason };
        world.tell(|| SimEvent::Host { client: None, begin, end, call });
        let ring_bytes = dxg_io::software::model::bus::ring_cost(96);
        if self.posted {
            self.scheduler.handle_submitted(begin, &mut self.batch, end - begin, ring_bytes);
        } else {
            self.scheduler.handle_queue_busy(self.batch.queue);
            self.scheduler.handle_submitted(begin, &mut self.batch, 0, ring_bytes);
        }
    }

    /// The batch as packets: launches of a wave with the same key as one, copies and fills of the same line too.
    fn lower(&mut self, world: &World, number: u64) -> Vec<Packet> {
        let batch = &self.batch;
        let mut packets: Vec<Packet> = Vec::new();
        let in_flight = &mut self.in_flight[usize::from(batch.queue.0)];
        let mut covered = Vec::new();
        for wave in &batch.waves {
            let first = packets.len();
            for group in batch.wave_groups(wave) {
                let begin = packets.len();
                for operation in batch.group_operations(group) {
                    let index = operation.payload;
                    covered.push(index);
                    if group.kind == GroupKind::None {
                        continue;
                    }
                    let operation = &world.operations[index as usize].operation;
                    let same = |packet: &&mut Packet| packet.merge.is_some() && packet.merge == operation.merge;
                    match packets[begin..].iter_mut().find(same) {
                        Some(packet) => packet.add(operation, &world.gpu.capacity),
                        None => packets.push(Packet::new(operation, number, &world.gpu.capacity)),
                    }
                }
            }
            debug_assert!(packets.len() > first, "every wave of a replay does something");
            if let Some(value) = wave.progress {
                if let Some(last) = packets.last_mut() {
                    last.fence = Some(value);
                }
                in_flight.push_back((value, std::mem::take(&mut covered)));
            }
        }
        packets
    }
}

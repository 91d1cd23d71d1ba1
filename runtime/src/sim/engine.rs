//! The simulation's events and its clock.
//!
//! ```text
//! client ─enqueue─▶ policy (ours | peers) ─send─▶ bus ─handled─▶ hardware queue ─fence─▶ policy ─▶ client goes on
//! ```
//!
//! Events are handled in the order of their times, those of one time in the order in which they were caused, so a
//! simulation is the same in every run. The number of events is bounded by the number of operations.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use dxg_io::software::model::bus::{Bus, Message, RingName};
use dxg_io::software::params::{ParameterError, Parameters, nanos};
use dxg_scheduler::ImpossibleProgress;

use super::ENQUEUE_NS;
use super::gpu::{Gpu, Packet};
use super::ours::Ours;
use super::peers::Peers;
use super::report::{Latencies, Report, SimPolicy};
use super::timeline::{HostCall, SimEvent, Timeline};
use super::workload::{Action, SimOperation, Wait, Workload};

/// Why a workload cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The parameters are out of range.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// An operation names a stream that its client does not have.
    #[error(
        "client {client} has {streams} streams, and an operation of it is for stream {stream}: streams count from 0"
    )]
    UnknownStream {
        /// The client.
        client: usize,
        /// Its streams.
        streams: u32,
        /// What the operation says.
        stream: u32,
    },
    /// More than can be simulated.
    #[error(
        "the workload has {operations} operations on {streams} streams; at most 16,777,216 on 1,048,576 can be simulated"
    )]
    TooLarge {
        /// Operations of all clients.
        operations: u64,
        /// Streams of all clients.
        streams: u64,
    },
    /// The scheduler broke a promise of its own: a fault of this crate.
    #[error("the simulated scheduler is at fault: {0}")]
    Scheduler(String),
}

impl From<ImpossibleProgress> for SimError {
    fn from(impossible: ImpossibleProgress) -> Self {
        SimError::Scheduler(impossible.to_string())
    }
}

const OPERATIONS_MAX: u64 = 1 << 24;
const STREAMS_MAX: u64 = 1 << 20;
/// Events per operation, at most: an enqueue, a few messages, a packet, a few alarms. Ten times what was ever seen.
const EVENTS_PER_OPERATION: u64 = 200;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A client goes on.
    Client(u32),
    /// The bus has handled a message.
    Bus,
    /// A hardware queue has completed its packet.
    Queue(u32),
    /// The driver thread looks.
    Driver,
    /// A thread that submits by round trips to this queue is back.
    Submitter(u32),
}

/// What travels on the bus.
pub(super) struct Parcel {
    pub(super) work: Posted,
    /// Who is blocked in the call until its answer is back.
    pub(super) blocked: Option<Event>,
}

/// What the host is to do.
pub(super) enum Posted {
    Submission(Submission),
    /// The queue waits for the fences of others.
    Waits(u32, Vec<(usize, u64)>),
}

/// One command buffer.
pub(super) struct Submission {
    pub(super) number: u64,
    pub(super) queue: u32,
    pub(super) packets: Vec<Packet>,
}

/// Everything but the policy.
pub(super) struct World<'a> {
    pub(super) now: u64,
    pub(super) parameters: &'a Parameters,
    pub(super) bus: Bus<Parcel>,
    pub(super) gpu: Gpu,
    pub(super) report: Report,
    pub(super) operations: Vec<OperationState>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    bus_alarm: u64,
    clients: Vec<ClientState>,
    pub(super) unfinished: usize,
    wake_up: u64,
    timeline: Option<&'a mut dyn Timeline>,
}

/// One operation that was enqueued.
pub(super) struct OperationState {
    pub(super) client: u32,
    enqueued: u64,
    pub(super) operation: SimOperation,
    latency: u64,
}

struct ClientState {
    next: usize,
    /// Added to its own stream numbers.
    first_stream: u32,
    outstanding: u64,
    /// When it learns of the last completion: a wake-up later, if it sleeps.
    informed: u64,
    waiting: bool,
    done: bool,
    since: u64,
}

impl World<'_> {
    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at.max(self.now), self.sequence, event)));
    }

    pub(super) fn tell(&mut self, event: impl FnOnce() -> SimEvent) {
        if let Some(timeline) = &mut self.timeline {
            timeline.event(event());
        }
    }

    /// The stream's number among all clients' streams.
    pub(super) fn stream(&self, operation: u32) -> u32 {
        let state = &self.operations[operation as usize];
        self.clients[state.client as usize].first_stream + state.operation.stream
    }

    /// Ring bytes of a submission without private data, and of a message that waits for fences: as the backend sends them.
    fn payload(&self, bytes: u32) -> u32 {
        bytes + if self.parameters.vmbus_version >= 40 { 16 } else { 0 }
    }

    /// How long the sender must sleep before it tries again to submit, and before to wait for so many fences; `None`: there
    /// is room.
    pub(super) fn full_ring(&mut self, waits: usize, attempt: u32) -> Option<u64> {
        // One message of both sizes together takes no less than the two.
        let waits = if waits == 0 { 0 } else { 64 + WAIT_BYTES + FENCE_BYTES * waits as u32 };
        let payload = self.payload(SUBMISSION_BYTES + waits);
        let ring = self.ring();
        if self.bus.fits(self.now, ring, payload) {
            return None;
        }
        self.report.full_ring_sleeps += 1;
        Some(self.bus.full_ring().sleep(attempt))
    }

    fn ring(&self) -> RingName {
        if self.parameters.async_messages { RingName::Global } else { RingName::VirtualGpu }
    }

    /// Sends a submission for which there is room. With posted messages, answers when the sender goes on; without, the
    /// sender goes on by `blocked`.
    pub(super) fn submit(&mut self, submission: Submission, blocked: Event) -> Option<u64> {
        self.report.submissions += 1;
        self.send(SUBMISSION_BYTES, Posted::Submission(submission), Some(blocked))
    }

    /// Lets a queue wait for the fences of others, before its next submission.
    pub(super) fn wait_for_fences(&mut self, queue: u32, waits: Vec<(usize, u64)>) -> Option<u64> {
        let bytes = WAIT_BYTES + FENCE_BYTES * waits.len() as u32;
        self.send(bytes, Posted::Waits(queue, waits), None)
    }

    fn send(&mut self, bytes: u32, work: Posted, blocked: Option<Event>) -> Option<u64> {
        let posted = self.parameters.async_messages;
        let message = Message {
            ring: self.ring(),
            payload: self.payload(bytes),
            round_trip: !posted,
            submission: matches!(work, Posted::Submission(_)),
        };
        let blocked = if posted { None } else { blocked };
        let sent = self.bus.send(self.now, message, Parcel { work, blocked });
        let used = self.bus.used(message.ring);
        self.report.ring_high_water = self.report.ring_high_water.max(used);
        let at = self.now;
        self.tell(|| SimEvent::Ring { at, bytes: used });
        self.watch_bus();
        if posted {
            self.report.posted_messages += 1;
            return Some(sent.sender_resumes);
        }
        self.report.round_trips += 1;
        None
    }

    fn watch_bus(&mut self) {
        if let Some(due) = self.bus.next_due()
            && (self.bus_alarm <= self.now || due < self.bus_alarm)
        {
            self.bus_alarm = due;
            self.schedule(due, Event::Bus);
        }
    }

    fn hear_bus(&mut self) {
        while let Some(handled) = self.bus.take(self.now) {
            let Parcel { work, blocked } = handled.payload;
            let (mut time, mut number) = (nanos(self.parameters.host_message_us), None);
            if let Posted::Submission(submission) = &work {
                time += nanos(self.parameters.host_submission_us);
                number = Some(submission.number);
            }
            let end = handled.at;
            self.tell(|| SimEvent::HostWork { begin: end.saturating_sub(time), end, submission: number });
            let (ring, at) = (self.ring(), self.now);
            let bytes = self.bus.used(ring);
            self.tell(|| SimEvent::Ring { at, bytes });
            if let Some(event) = blocked {
                self.schedule(handled.at + self.bus.half_round_trip(), event);
            }
            let queue = match work {
                Posted::Submission(submission) => {
                    self.gpu.deliver(submission.queue as usize, submission.packets);
                    submission.queue
                }
                Posted::Waits(queue, waits) => {
                    self.gpu.deliver_waits(queue as usize, waits);
                    queue
                }
            };
            self.start_packet(queue);
        }
        self.watch_bus();
    }

    /// A queue's fence takes a value; queues that wait for it go on.
    fn signal(&mut self, queue: u32, value: u64) {
        self.gpu.signal(queue as usize, value);
        let waiting: Vec<usize> = self.gpu.waiting().collect();
        for queue in waiting {
            self.start_packet(queue as u32);
        }
    }

    fn start_packet(&mut self, queue: u32) {
        if let Some(launched) = self.gpu.start(queue as usize, self.now) {
            if self.timeline.is_some()
                && let Some(packet) = self.gpu.running(queue as usize)
            {
                let event = SimEvent::Packet {
                    queue,
                    begin: launched.begin,
                    end: launched.end,
                    operations: packet.operations,
                    merge: packet.merge,
                    submission: packet.submission,
                };
                self.tell(|| event);
            }
            self.schedule(launched.end, Event::Queue(queue));
        }
    }

    /// An operation is known to be complete.
    pub(super) fn complete(&mut self, operation: u32) {
        let state = &mut self.operations[operation as usize];
        state.latency = self.now - state.enqueued;
        let number = state.client;
        let client = &mut self.clients[number as usize];
        client.outstanding -= 1;
        client.informed = self.now + self.wake_up;
        if client.waiting && client.outstanding == 0 {
            client.waiting = false;
            let (begin, end) = (client.since, client.informed);
            self.tell(|| SimEvent::Host { client: Some(number), begin, end, call: HostCall::Sync });
            self.schedule(end, Event::Client(number));
        }
    }

    /// The client goes on when all it has enqueued is complete. False: it is already.
    pub(super) fn wait(&mut self, client: u32) -> bool {
        let now = self.now;
        let state = &mut self.clients[client as usize];
        if state.outstanding == 0 {
            let informed = state.informed;
            if informed <= now {
                return false;
            }
            self.tell(|| SimEvent::Host { client: Some(client), begin: now, end: informed, call: HostCall::Sync });
            self.schedule(informed, Event::Client(client));
            return true;
        }
        state.waiting = true;
        state.since = now;
        true
    }
}

/// Payload of `DXGK_VMBCOMMAND_SUBMITCOMMANDTOHWQUEUE` without private data.
const SUBMISSION_BYTES: u32 = 80;

/// Payload of `DXGK_VMBCOMMAND_WAITFORSYNCOBJECTFROMGPU`, and of each fence in it.
const WAIT_BYTES: u32 = 40;
const FENCE_BYTES: u32 = 12;

/// Who decides.
pub(super) enum Decider {
    Ours(Box<Ours>),
    Peers(Peers),
}

/// Runs a workload under a policy, in virtual time.
///
/// # Errors
///
/// A workload or parameters that cannot be simulated.
pub fn simulate<'a>(
    workload: &Workload,
    parameters: &'a Parameters,
    policy: SimPolicy,
    timeline: Option<&'a mut dyn Timeline>,
) -> Result<Report, SimError> {
    parameters.validate()?;
    let total = check(workload)?;
    let queues = dxg_scheduler::Config::default().queues;
    let mut world = World {
        now: 0,
        parameters,
        bus: Bus::new(parameters),
        gpu: Gpu::new(parameters, usize::from(queues)),
        report: Report::default(),
        operations: Vec::with_capacity(total as usize),
        events: BinaryHeap::new(),
        sequence: 0,
        bus_alarm: 0,
        clients: Vec::with_capacity(workload.clients.len()),
        unfinished: workload.clients.len(),
        wake_up: match workload.wait {
            Wait::Poll => 0,
            Wait::Sleep => nanos(parameters.wake_up_us),
        },
        timeline,
    };
    let mut streams = 0;
    for (number, client) in workload.clients.iter().enumerate() {
        world.clients.push(ClientState {
            next: 0,
            first_stream: streams,
            outstanding: 0,
            informed: 0,
            waiting: false,
            done: false,
            since: 0,
        });
        streams += client.streams;
        world.schedule(client.start, Event::Client(number as u32));
    }
    let mut decider = match policy {
        SimPolicy::Dxgrt => Decider::Ours(Box::new(Ours::new(parameters, streams, queues))),
        peer => Decider::Peers(Peers::new(peer, workload.clients.len(), u32::from(queues))),
    };
    let bound = (total + workload.clients.len() as u64 + 1).saturating_mul(EVENTS_PER_OPERATION);
    for _ in 0..bound {
        let Some(Reverse((at, _, event))) = world.events.pop() else {
            return match world.unfinished {
                0 => Ok(finish(world, workload)),
                left => Err(SimError::Scheduler(format!("{left} clients wait for operations that never complete"))),
            };
        };
        world.now = at;
        handle(&mut world, &mut decider, workload, event)?;
    }
    Err(SimError::Scheduler(format!("no end after {bound} events")))
}

fn check(workload: &Workload) -> Result<u64, SimError> {
    let (operations, mut streams) = (workload.operations(), 0_u64);
    for (number, client) in workload.clients.iter().enumerate() {
        streams += u64::from(client.streams);
        for action in &client.actions {
            if let Action::Enqueue(operation) = action
                && operation.stream >= client.streams
            {
                let (streams, stream) = (client.streams, operation.stream);
                return Err(SimError::UnknownStream { client: number, streams, stream });
            }
        }
    }
    if operations > OPERATIONS_MAX || streams > STREAMS_MAX {
        return Err(SimError::TooLarge { operations, streams });
    }
    Ok(operations)
}

fn handle(world: &mut World, decider: &mut Decider, workload: &Workload, event: Event) -> Result<(), SimError> {
    match event {
        Event::Client(number) => {
            let held_up = match decider {
                Decider::Peers(peers) => peers.resume(world, number),
                Decider::Ours(_) => false,
            };
            if !held_up {
                advance(world, decider, workload, number);
            }
        }
        Event::Bus => world.hear_bus(),
        Event::Queue(queue) => {
            let fence = world.gpu.finish(queue as usize).and_then(|packet| packet.fence);
            world.start_packet(queue);
            if let Some(value) = fence {
                world.signal(queue, value);
                let at = world.now;
                world.tell(|| SimEvent::Fence { queue, at, value });
                match decider {
                    Decider::Ours(ours) => ours.progress(world, queue, value)?,
                    Decider::Peers(peers) => peers.progress(world, queue, value),
                }
            }
        }
        Event::Driver => {
            if let Decider::Ours(ours) = decider {
                ours.drive(world);
            }
        }
        Event::Submitter(queue) => {
            if let Decider::Ours(ours) = decider {
                ours.submitter_is_back(world, queue);
            }
        }
    }
    Ok(())
}

/// The client does its next action.
fn advance(world: &mut World, decider: &mut Decider, workload: &Workload, number: u32) {
    let client = &mut world.clients[number as usize];
    // A client that goes on after an enqueue hands the operation over now.
    match workload.clients[number as usize].actions.get(client.next).copied() {
        Some(Action::Think(time)) => {
            client.next += 1;
            let at = world.now.saturating_add(time);
            world.schedule(at, Event::Client(number));
        }
        Some(Action::Enqueue(operation)) => {
            if client.since != ENQUEUEING {
                client.since = ENQUEUEING;
                let begin = world.now;
                world.tell(|| SimEvent::Host {
                    client: Some(number),
                    begin,
                    end: begin + ENQUEUE_NS,
                    call: HostCall::Enqueue,
                });
                world.schedule(begin + ENQUEUE_NS, Event::Client(number));
                return;
            }
            client.since = 0;
            client.next += 1;
            client.outstanding += 1;
            let index = world.operations.len() as u32;
            let enqueued = world.now - ENQUEUE_NS;
            world.operations.push(OperationState { client: number, enqueued, operation, latency: 0 });
            let goes_on = match decider {
                Decider::Ours(ours) => {
                    ours.enqueue(world, index);
                    true
                }
                Decider::Peers(peers) => peers.enqueue(world, index),
            };
            if goes_on {
                let now = world.now;
                world.schedule(now, Event::Client(number));
            }
        }
        sync_or_end => {
            let end = sync_or_end.is_none();
            if client.done {
                return;
            }
            if end && client.outstanding == 0 && client.informed <= world.now {
                client.done = true;
                world.unfinished -= 1;
                world.report.makespan = world.report.makespan.max(world.now);
                return;
            }
            if !end {
                client.next += 1;
            }
            match decider {
                Decider::Ours(ours) => ours.sync(world, number),
                Decider::Peers(peers) => peers.sync(world, number),
            }
        }
    }
}

/// `ClientState::since` while the client is inside an enqueue.
const ENQUEUEING: u64 = u64::MAX;

fn finish(mut world: World, workload: &Workload) -> Report {
    let mut report = std::mem::take(&mut world.report);
    report.operations = world.operations.len() as u64;
    report.gpu_busy = world.gpu.busy(report.makespan);
    let mut by_client = vec![Vec::new(); workload.clients.len()];
    for operation in &world.operations {
        by_client[operation.client as usize].push(operation.latency);
    }
    let mut all: Vec<u64> = world.operations.iter().map(|operation| operation.latency).collect();
    report.latencies = Latencies::of(&mut all);
    report.client_latencies = by_client.iter_mut().map(|latencies| Latencies::of(latencies)).collect();
    report
}

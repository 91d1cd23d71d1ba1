//! What is simulated but for the policy: the bus, the GPU, the operations on their way, and the events to come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use dxg_io::software::model::bus::{Bus, Message, RingName};
use dxg_io::software::params::{Parameters, nanos};

use super::gpu::{Gpu, Packet};
use super::report::Report;
use super::timeline::{HostCall, SimEvent, Timeline};
use super::workload::SimOperation;

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
    pub(super) events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    pub(super) sequence: u64,
    pub(super) bus_alarm: u64,
    pub(super) clients: Vec<ClientState>,
    pub(super) unfinished: usize,
    pub(super) wake_up: u64,
    pub(super) timeline: Option<&'a mut dyn Timeline>,
}

/// One operation that was enqueued.
pub(super) struct OperationState {
    pub(super) client: u32,
    pub(super) enqueued: u64,
    pub(super) operation: SimOperation,
    pub(super) latency: u64,
}

pub(super) struct ClientState {
    pub(super) next: usize,
    /// Added to its own stream numbers.
    pub(super) first_stream: u32,
    pub(super) outstanding: u64,
    /// When it learns of the last completion: a wake-up later, if it sleeps.
    pub(super) informed: u64,
    pub(super) waiting: bool,
    pub(super) done: bool,
    pub(super) since: u64,
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

    pub(super) fn hear_bus(&mut self) {
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
    pub(super) fn signal(&mut self, queue: u32, value: u64) {
        self.gpu.signal(queue as usize, value);
        let waiting: Vec<usize> = self.gpu.waiting().collect();
        for queue in waiting {
            self.start_packet(queue as u32);
        }
    }

    pub(super) fn start_packet(&mut self, queue: u32) {
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

//! The policies that are compared with: each client submits for itself, in its own calls.
//!
//! Streams are dealt over the hardware queues; what a client has gathered goes as one submission for each queue that has
//! something. Nothing of different clients is gathered together, so nothing merges. A fence value follows the last packet of
//! each submission.

use std::collections::VecDeque;

use super::gpu::Packet;
use super::report::SimPolicy;
use super::timeline::{HostCall, SimEvent};
use super::world::{Event, Submission, World};

/// What one client has gathered and not yet submitted.
#[derive(Default)]
struct Gather {
    operations: Vec<u32>,
    outbox: VecDeque<(u32, Vec<u32>)>,
    attempt: u32,
    /// When the outbox is empty: wait for everything.
    then_wait: bool,
}

/// In flight on one queue: the fence value and what is complete with it.
type InFlight = VecDeque<(u64, Vec<u32>)>;

pub(super) struct Peers {
    policy: SimPolicy,
    gathers: Vec<Gather>,
    queues: Vec<InFlight>,
    fences: Vec<u64>,
    submissions: u64,
}

impl Peers {
    pub(super) fn new(policy: SimPolicy, clients: usize, queues: u32) -> Peers {
        Peers {
            policy,
            gathers: std::iter::repeat_with(Gather::default).take(clients).collect(),
            queues: vec![InFlight::new(); queues as usize],
            fences: vec![0; queues as usize],
            submissions: 0,
        }
    }

    /// A client has enqueued; true: it goes on at once.
    pub(super) fn enqueue(&mut self, world: &mut World, operation: u32) -> bool {
        let client = world.operations[operation as usize].client;
        let gather = &mut self.gathers[client as usize];
        gather.operations.push(operation);
        let full = match self.policy {
            SimPolicy::OneByOne | SimPolicy::SubmitEach => true,
            SimPolicy::Fixed(count) => gather.operations.len() >= count as usize,
            SimPolicy::AtSync | SimPolicy::Dxgrt => false,
        };
        if !full {
            return true;
        }
        self.flush(world, client, self.policy == SimPolicy::OneByOne);
        !self.resume(world, client)
    }

    /// A client waits for everything it has enqueued.
    pub(super) fn sync(&mut self, world: &mut World, client: u32) {
        self.flush(world, client, true);
        if !self.resume(world, client) {
            let now = world.now;
            world.schedule(now, Event::Client(client));
        }
    }

    fn flush(&mut self, world: &World, client: u32, then_wait: bool) {
        let queues = self.queues.len() as u32;
        let gather = &mut self.gathers[client as usize];
        gather.then_wait = then_wait;
        for operation in gather.operations.drain(..) {
            let queue = world.stream(operation) % queues;
            match gather.outbox.iter_mut().find(|(at, _)| *at == queue) {
                Some((_, operations)) => operations.push(operation),
                None => gather.outbox.push_back((queue, vec![operation])),
            }
        }
    }

    /// Goes on with what the client has to submit; true: it is held up by that and goes on by an event of its own.
    pub(super) fn resume(&mut self, world: &mut World, client: u32) -> bool {
        let gather = &mut self.gathers[client as usize];
        let Some((queue, operations)) = gather.outbox.pop_front() else {
            return std::mem::take(&mut gather.then_wait) && world.wait(client);
        };
        let begin = world.now;
        if let Some(sleep) = world.full_ring(0, gather.attempt) {
            gather.attempt += 1;
            gather.outbox.push_front((queue, operations));
            let end = begin + sleep;
            world.tell(|| SimEvent::Host { client: Some(client), begin, end, call: HostCall::FullRing });
            world.schedule(end, Event::Client(client));
            return true;
        }
        gather.attempt = 0;
        let number = self.submissions;
        self.submissions += 1;
        let mut packets: Vec<Packet> = operations
            .iter()
            .map(|&operation| Packet::new(&world.operations[operation as usize].operation, number, &world.gpu.capacity))
            .collect();
        let fence = &mut self.fences[queue as usize];
        *fence += 1;
        if let Some(last) = packets.last_mut() {
            last.fence = Some(*fence);
        }
        let count = operations.len() as u32;
        self.queues[queue as usize].push_back((*fence, operations));
        let event = Event::Client(client);
        let resumes = world.submit(Submission { number, queue, packets }, event);
        if let Some(end) = resumes {
            world.schedule(end, event);
        }
        let end = resumes.unwrap_or(begin);
        let call = HostCall::Submit { submission: number, operations: count, reason: self.reason() };
        world.tell(|| SimEvent::Host { client: Some(client), begin, end, call });
        true
    }

    fn reason(&self) -> &'static str {
        match self.policy {
            SimPolicy::OneByOne => "one-by-one",
            SimPolicy::SubmitEach => "submit-each",
            SimPolicy::Fixed(_) => "fixed",
            SimPolicy::AtSync | SimPolicy::Dxgrt => "at-sync",
        }
    }

    pub(super) fn progress(&mut self, world: &mut World, queue: u32, value: u64) {
        let in_flight = &mut self.queues[queue as usize];
        while let Some((_, operations)) = in_flight.pop_front_if(|(fence, _)| *fence <= value) {
            for operation in operations {
                world.complete(operation);
            }
        }
    }
}

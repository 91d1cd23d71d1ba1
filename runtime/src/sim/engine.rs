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

use dxg_io::software::model::bus::Bus;
use dxg_io::software::params::{ParameterError, Parameters, nanos};
use dxg_scheduler::ImpossibleProgress;

use super::ENQUEUE_NS;
use super::gpu::Gpu;
use super::ours::Ours;
use super::peers::Peers;
use super::report::{Latencies, Report, SimPolicy};
use super::timeline::{HostCall, SimEvent, Timeline};
use super::workload::{Action, Wait, Workload};
use super::world::{ClientState, Event, OperationState, World};

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

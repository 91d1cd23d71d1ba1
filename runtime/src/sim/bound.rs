//! What no policy can beat: a lower bound of the makespan. Shares no code with the policies or the engine.
//!
//! A client's time passes by its start, its thinking and [`ENQUEUE_NS`] for each operation. Between two syncs (the end of
//! the client is one too) an operation i cannot be complete, and nor can what follows in its stream until the sync, before
//!
//! ```text
//! enqueued(i) + out + Σ (GPU time + launch cost) of i and what follows it in its stream        + the way back
//! ```
//!
//! and the sync ends at the latest of these, and not before the client comes to it. Out: with posted messages, post,
//! doorbell, and the host's work on message and submission; with round trips, half of one and that work. The way back:
//! nothing for a client that polls, a wake-up for one that sleeps. Several clients: the latest of them; never less than the
//! GPU's work over its block slots.
//!
//! The doorbell. Who posts while the host is still busy rings none, but then waits for the host. A client alone rings in
//! each stretch, because at its sync everything was complete; whatever it posts later in the stretch either rings too, or
//! comes after work on a message before, which began after the first operation had rung. With several clients, one may
//! find the host busy with another's message, so that no ring is certain: there it does not count.

use super::ENQUEUE_NS;
use super::workload::{Action, Client, SimCopy, SimWork, Wait, Workload};
use crate::Parameters;

/// Nanoseconds that no policy can be faster than.
#[must_use]
pub fn lower_bound(workload: &Workload, parameters: &Parameters) -> u64 {
    let times = Times::new(parameters, workload.wait, workload.clients.len() == 1);
    let clients = workload.clients.iter().map(|client| last_sync(client, &times)).max().unwrap_or(0);
    clients.max(capacity(workload, parameters.block_slots))
}

/// Parameters in nanoseconds.
struct Times {
    /// From an operation's enqueueing to the host's end of work, doorbell not included.
    out: u64,
    /// The doorbell of a client that is alone.
    doorbell: u64,
    /// The host's work on one submission.
    host: u64,
    launch: u64,
    back: u64,
}

impl Times {
    fn new(parameters: &Parameters, wait: Wait, alone: bool) -> Times {
        let nanos = |micros: f64| (micros * 1e3).round() as u64;
        let message = nanos(parameters.host_message_us);
        let submission = nanos(parameters.host_submission_us);
        let (out, doorbell) = if parameters.async_messages {
            let doorbell = if alone { nanos(parameters.doorbell_us) } else { 0 };
            (nanos(parameters.posted_us) + message + submission, doorbell)
        } else {
            (nanos(parameters.round_trip_us / 2.0) + message + submission, 0)
        };
        let back = match wait {
            Wait::Poll => 0,
            Wait::Sleep => nanos(parameters.wake_up_us),
        };
        Times { out, doorbell, host: message + submission, launch: nanos(parameters.launch_us), back }
    }
}

/// An operation of the stretch between two syncs.
struct Enqueued {
    at: u64,
    stream: usize,
    /// GPU time and launch cost.
    cost: u64,
}

/// The earliest time at which a client can be done.
fn last_sync(client: &Client, times: &Times) -> u64 {
    let mut now = client.start;
    let mut stretch: Vec<Enqueued> = Vec::new();
    let mut chains: Vec<u64> = Vec::new();
    for action in client.actions.iter().chain([&Action::Sync]) {
        match action {
            Action::Think(nanos) => now += nanos,
            Action::Enqueue(operation) => {
                now += ENQUEUE_NS;
                let stream = operation.stream as usize;
                chains.resize(chains.len().max(stream + 1), 0);
                stretch.push(Enqueued { at: now, stream, cost: operation.gpu + times.launch });
            }
            Action::Sync => {
                let first = stretch.first().map_or(0, |operation| operation.at);
                for operation in stretch.iter().rev() {
                    let chain = &mut chains[operation.stream];
                    *chain += operation.cost;
                    // Without a ring of its own: after the host's work on the message that did ring.
                    let behind = (first + times.doorbell + times.out + times.host).max(operation.at + times.out);
                    let handled = behind.min(operation.at + times.doorbell + times.out);
                    now = now.max(handled + *chain + times.back);
                }
                stretch.clear();
                chains.fill(0);
            }
        }
    }
    now
}

/// The GPU's work over its capacity: each launch needs so many of the block slots for so long.
fn capacity(workload: &Workload, block_slots: u32) -> u64 {
    let actions = workload.clients.iter().flat_map(|client| &client.actions);
    let work: u128 = actions
        .map(|action| match action {
            Action::Enqueue(operation) => match operation.work {
                SimWork::Launch { blocks } => u128::from(blocks.min(block_slots.into())) * u128::from(operation.gpu),
                SimWork::Copy { .. } | SimWork::Fill { .. } => 0,
            },
            Action::Think(_) | Action::Sync => 0,
        })
        .sum();
    u64::try_from(work / u128::from(block_slots.max(1))).unwrap_or(u64::MAX)
}

/// Nanoseconds that the copy engines alone need, one for each direction (fills are done by that of copies on the device).
///
/// Stands beside [`lower_bound`], which counts launches against the block slots: many copies of a workload may need more
/// time than all of its launches, and then no policy comes near that bound. An operation is carried by a packet of its own,
/// which takes its GPU time, or with others, which adds what its bytes take at the engine's speed: no less than the smaller.
#[must_use]
pub fn copy_engines(workload: &Workload, parameters: &Parameters) -> u64 {
    let bytes_per_us = (parameters.copy_gbps * 1000.0) as u64;
    let mut engines = [0u64; 3];
    for action in workload.clients.iter().flat_map(|client| &client.actions) {
        let Action::Enqueue(operation) = action else { continue };
        let (engine, bytes) = match operation.work {
            SimWork::Launch { .. } => continue,
            SimWork::Copy { kind: SimCopy::HostToDevice, bytes } => (0, bytes),
            SimWork::Copy { kind: SimCopy::DeviceToHost, bytes } => (1, bytes),
            SimWork::Copy { kind: SimCopy::DeviceToDevice, bytes } | SimWork::Fill { bytes } => (2, bytes),
        };
        let merged = bytes.saturating_mul(1000).checked_div(bytes_per_us).unwrap_or(0);
        engines[engine] = u64::saturating_add(engines[engine], operation.gpu.min(merged));
    }
    engines.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
#[path = "bound_tests.rs"]
mod tests;

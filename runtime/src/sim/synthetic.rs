//! Workloads made by rule: what the goals and the sweep are measured with, beside traces.

use super::workload::{Action, Client, SimCopy, SimOperation, SimWork, Wait, Workload};

const MICROSECOND: u64 = 1_000;

fn launch(gpu: u64, blocks: u64, merge: u64, kernel: u32) -> Action {
    Action::Enqueue(SimOperation { stream: 0, work: SimWork::Launch { blocks }, gpu, merge: Some(merge), kernel })
}

fn copy(kind: SimCopy, merge: u64) -> Action {
    let work = SimWork::Copy { kind, bytes: 1024 };
    Action::Enqueue(SimOperation { stream: 0, work, gpu: MICROSECOND, merge: Some(merge), kernel: 0 })
}

fn polling(clients: Vec<Client>) -> Workload {
    Workload { clients, wait: Wait::Poll }
}

/// One launch of 5 µs on an idle device, awaited at once.
#[must_use]
pub fn single() -> Workload {
    polling(vec![Client { start: 0, streams: 1, actions: vec![launch(5 * MICROSECOND, 4, 0, 0), Action::Sync] }])
}

/// So many launches of one kernel that takes 0.1 µs, from one client on one stream, awaited at the end: more messages than
/// a ring holds, if each is submitted by itself.
#[must_use]
pub fn flood(operations: u64) -> Workload {
    let operation = |index| launch(MICROSECOND / 10, 1, index, 0);
    let actions = (0..operations).map(operation).chain([Action::Sync]).collect();
    polling(vec![Client { start: 0, streams: 1, actions }])
}

/// So many streams, each of a client of its own that does `rounds` requests: a copy in, three small launches, a copy out,
/// awaited. The same step of different clients may merge. Clients begin 1.7 µs apart.
#[must_use]
pub fn requests(streams: u32, rounds: u32) -> Workload {
    let client = |client: u32| {
        let mut actions = Vec::with_capacity(rounds as usize * 6);
        for round in 0..u64::from(rounds) {
            let step = |step| round * 5 + step;
            actions.extend([
                copy(SimCopy::HostToDevice, step(0)),
                launch(2 * MICROSECOND, 4, step(1), 0),
                launch(2 * MICROSECOND, 4, step(2), 1),
                launch(2 * MICROSECOND, 4, step(3), 2),
                copy(SimCopy::DeviceToHost, step(4)),
                Action::Sync,
            ]);
        }
        Client { start: u64::from(client) * 1_700, streams: 1, actions }
    };
    polling((0..streams).map(client).collect())
}

/// Small awaited launches beside long ones, and without them.
#[derive(Clone, Debug)]
pub struct LongAndSmall {
    /// Everything.
    pub together: Workload,
    /// The small ones alone.
    pub alone: Workload,
    /// So many of the first clients of either do the small ones.
    pub small: usize,
}

/// Twelve clients that each launch and await 100 kernels of 5 µs, a think time between them, while three others keep
/// kernels of 3 ms running, a quarter of the default GPU's block slots each: more streams than hardware queues.
#[must_use]
pub fn long_and_small() -> LongAndSmall {
    let small = |client: u64| {
        let step = |index| {
            [
                launch(5 * MICROSECOND, 4, client << 32 | index, 0),
                Action::Sync,
                Action::Think((40 + client) * MICROSECOND),
            ]
        };
        Client { start: client * 11 * MICROSECOND, streams: 1, actions: (0..100).flat_map(step).collect() }
    };
    let long = |client: u64| {
        let step = |index| [launch(3_000 * MICROSECOND, 256, client << 32 | index, 1), Action::Sync];
        Client { start: 0, streams: 1, actions: (0..4).flat_map(step).collect() }
    };
    let alone: Vec<Client> = (1..=12).map(small).collect();
    let together = alone.iter().cloned().chain((13..=15).map(long)).collect();
    LongAndSmall { together: polling(together), small: alone.len(), alone: polling(alone) }
}

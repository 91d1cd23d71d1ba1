//! The lower bound against numbers worked out by hand.

use super::*;
use crate::sim::SimOperation;

fn launch(stream: u32, gpu: u64, blocks: u64) -> Action {
    Action::Enqueue(SimOperation { stream, work: SimWork::Launch { blocks }, gpu, merge: None, kernel: 0 })
}

fn bound(clients: &[(u64, &[Action])], wait: Wait, parameters: &Parameters) -> u64 {
    let clients = clients.iter().map(|&(start, actions)| Client { start, streams: 4, actions: actions.to_vec() });
    lower_bound(&Workload { clients: clients.collect(), wait }, parameters)
}

/// Post 1,000, doorbell 2,000, host 2,000 + 4,300, launch 580, half a round trip 20,000, wake-up 40,000.
fn posted() -> Parameters {
    Parameters::default()
}

fn round_trips() -> Parameters {
    Parameters { async_messages: false, ..Parameters::default() }
}

#[test]
fn one_operation_goes_out_runs_and_comes_back() {
    let one = [launch(0, 5_000, 1), Action::Sync];
    assert_eq!(bound(&[(0, &one)], Wait::Poll, &posted()), 200 + 9_300 + 5_580);
    assert_eq!(bound(&[(7, &one)], Wait::Sleep, &posted()), 7 + 200 + 9_300 + 5_580 + 40_000);
    assert_eq!(bound(&[(0, &one)], Wait::Poll, &round_trips()), 200 + 26_300 + 5_580);
    assert_eq!(bound(&[(0, &one[..1])], Wait::Poll, &posted()), 15_080, "the end waits too");
    assert_eq!(bound(&[], Wait::Poll, &posted()), 0);
    assert_eq!(bound(&[(50, &[Action::Sync, Action::Sync])], Wait::Sleep, &posted()), 50, "nothing to wait for");
}

#[test]
fn the_longest_chain_of_a_stretch_counts() {
    // Stream 0 has 2 × 10,580 from 200 on; stream 1 has 30,580 from 400 on.
    let actions = [launch(0, 10_000, 1), launch(1, 30_000, 1), launch(0, 10_000, 1), Action::Sync];
    assert_eq!(bound(&[(0, &actions)], Wait::Poll, &posted()), 400 + 9_300 + 30_580);
    // A late operation on an idle stream: what came first is long since done.
    let late = [launch(0, 1_000, 1), Action::Think(50_000), launch(0, 1_000, 1), Action::Sync];
    assert_eq!(
        bound(&[(0, &late)], Wait::Poll, &posted()),
        50_400 + 7_300 + 1_580,
        "the host may be busy: no doorbell"
    );
    // 3,400 after the first it waits for the host's work on the first, which takes longer than a doorbell.
    let soon = [launch(0, 0, 1), Action::Think(3_200), launch(1, 0, 1), Action::Sync];
    assert_eq!(bound(&[(0, &soon)], Wait::Poll, &posted()), 3_600 + 9_300 + 580);
    // 5,800 after the first: the host is done with the first at 9,500, and with this at 15,800.
    let between = [launch(0, 0, 1), Action::Think(6_700), launch(1, 0, 1), Action::Sync];
    assert_eq!(bound(&[(0, &between)], Wait::Poll, &posted()), 15_800 + 580);
}

#[test]
fn stretches_follow_one_another_and_thinking_may_hide_them() {
    let actions = [launch(0, 1_000, 1), Action::Sync, Action::Think(5_000), launch(0, 2_000, 1), Action::Sync];
    let first = 200 + 9_300 + 1_580;
    assert_eq!(bound(&[(0, &actions)], Wait::Poll, &posted()), first + 5_000 + 200 + 9_300 + 2_580);
    let hidden = [launch(0, 1_000, 1), Action::Think(90_000), Action::Sync, launch(0, 1_000, 1)];
    assert_eq!(bound(&[(0, &hidden)], Wait::Poll, &posted()), 90_200 + first);
}

#[test]
fn several_clients_share_the_gpu_and_no_doorbell_is_certain() {
    let short = [launch(0, 1_000, 1), Action::Sync];
    assert_eq!(bound(&[(0, &short), (37_000, &short)], Wait::Poll, &posted()), 37_000 + 200 + 7_300 + 1_580);
    let wide = [launch(0, 100_000, 5_000), Action::Sync];
    let half = [launch(0, 100_000, 528), Action::Sync];
    let copy = [Action::Enqueue(SimOperation {
        stream: 0,
        work: SimWork::Copy { kind: crate::sim::SimCopy::DeviceToHost, bytes: 1 << 40 },
        gpu: 1,
        merge: None,
        kernel: 0,
    })];
    let clients: [(u64, &[Action]); 4] = [(0, &wide), (0, &wide), (0, &half), (0, &copy)];
    assert_eq!(bound(&clients, Wait::Poll, &posted()), 250_000);
}

#[test]
fn copies_of_a_direction_share_an_engine_and_merging_saves_what_is_not_bytes() {
    let copy = |kind, bytes, gpu| {
        Action::Enqueue(SimOperation { stream: 0, work: SimWork::Copy { kind, bytes }, gpu, merge: None, kernel: 0 })
    };
    let (to, from) = (crate::sim::SimCopy::HostToDevice, crate::sim::SimCopy::DeviceToHost);
    // 25,000 bytes take 1 µs at 25 GB/s; one that was faster alone counts as that.
    let actions =
        vec![copy(to, 25_000, 1_500), copy(to, 25_000, 1_500), copy(to, 250_000, 900), copy(from, 50_000, 9_000)];
    let client = Client { start: 0, streams: 1, actions };
    let workload = Workload { clients: vec![client.clone(), client], wait: Wait::Poll };
    assert_eq!(copy_engines(&workload, &posted()), 2 * 2_900);
    let free = Parameters { copy_gbps: 0.0, ..posted() };
    assert_eq!(copy_engines(&workload, &free), 0, "nothing is known of how fast it is");
}

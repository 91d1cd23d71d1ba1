//! Hostile bytes, without a fuzzer: the stored corpus, and then inputs that come of it by chance, for a few seconds each.

use std::process::Command;
use std::time::{Duration, Instant};

#[path = "../../ffi/preload/tests/support/mod.rs"]
mod support;

use dxg_tests::hostile::{Bytes, TARGETS, corpus};

/// How long each target is fed.
const TIME: Duration = Duration::from_secs(4);

fn feed(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target of this name");
    let mut inputs = corpus(name);
    let mut calls: u64 = inputs.iter().map(|input| target(input)).sum();
    let seed =
        std::env::var("DXGRT_TEST_SEED").ok().map(|seed| seed.parse::<u64>().expect("DXGRT_TEST_SEED is a number"));
    let seed = seed.unwrap_or_else(|| Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id()) << 20);
    // Shown when a target panics, together with the number of the input.
    eprintln!("{name}: seed {seed} (DXGRT_TEST_SEED={seed} repeats it)");
    let mut random = Bytes::new(seed);
    let begun = Instant::now();
    let mut fed = 0u64;
    while begun.elapsed() < TIME {
        let place = random.below(inputs.len() as u64) as usize;
        let mut input = inputs[place].clone();
        random.mutate(&mut input);
        calls += target(&input);
        fed += 1;
        if inputs.len() < 200 { inputs.push(input) } else { inputs[place] = input }
    }
    println!("{name}: {fed} inputs, {calls} calls");
    assert!(fed > 2 && calls > 100, "only {fed} inputs and {calls} calls in {TIME:?}");
}

#[test]
fn the_ioctl_boundary_stands_any_calls() {
    feed("boundary");
}

/// The stored calls and what comes of them, in a process of its own over the node that the preloaded library provides, in both
/// modes of the protocol.
#[test]
fn the_preloaded_node_stands_any_calls() {
    let hosts = ["", "async_messages = false\nvmbus_version = 27\nmap_guest_pages = false\n"];
    for (seed, host) in (1..=4).zip(hosts.into_iter().cycle()) {
        let limits = "video_memory_mib = 16\nio_space_mib = 2\nfull_ring_tries = 3\ncomplete_foreign_commands = true\n";
        let mut zero = String::from(host) + limits;
        for key in
            ["posted", "doorbell", "round_trip", "host_message", "host_submission", "wake_up", "launch", "paging"]
        {
            zero += &format!("{key}_us = 0.0\n");
        }
        zero += "copy_gbps = 0.0\n";
        let seed = format!("{seed}");
        let output = support::run(
            Command::new(env!("CARGO_BIN_EXE_hostile"))
                .args(["--node", "yes", "--calls", "20000", "--seed", &seed])
                .env("LD_PRELOAD", support::library())
                .env("DXGRT_PRELOAD_PARAMETERS", zero),
        );
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
        assert!(said["boundary_calls"].as_u64().is_some_and(|calls| calls >= 20_000), "{said}");
    }
    // Without the library there is no node: it was the library's.
    let alone = Command::new(env!("CARGO_BIN_EXE_hostile")).args(["--node", "yes"]).output().expect("it starts");
    assert!(!alone.status.success() && String::from_utf8_lossy(&alone.stderr).contains("/dev/dxg: "), "{alone:?}");
}

#[test]
fn the_packet_decoder_stands_any_bytes() {
    feed("packets");
}

#[test]
fn the_checks_of_native_objects_stand_any_bytes() {
    feed("native");
}

#[test]
fn the_trace_reader_stands_any_bytes() {
    feed("trace");
}

#[test]
fn the_c_interface_stands_any_sequence_of_calls() {
    feed("capi");
}

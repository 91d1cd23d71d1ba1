//! Hostile bytes, without a fuzzer: the stored corpus, and then inputs that come of it by chance, for a few seconds each.

use std::time::{Duration, Instant};

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

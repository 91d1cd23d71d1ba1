//! How the models of this crate run, and how their mutations are made to fail.
//!
//! A model is a plain test of a `--cfg dxg_loom` build that calls [`explore`]: loom runs it once for every interleaving (and every
//! value a weakly ordered load may see) with a bounded number of preemptions, that is of switches away from a thread that could
//! go on; switches at a blocking or ending thread are free. The bound is `LOOM_MAX_PREEMPTIONS`, or [`PREEMPTIONS`] when it is not
//! set; a model with many steps names a lower one ([`explore_within`]). A mutation test calls [`must_fail`]: the model runs again,
//! within its own bound, in a child process with one deliberate mistake switched on (see `sync::mutation`), because a failing loom
//! execution may end its process.
//!
//! Lines that begin with a word of [`MODEL`], [`NOTICED`] and [`KNOWN`] are read by the test that starts this build
//! (`tests/tests/loom.rs`): it makes the table of them, and asks for every mutation to be noticed.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::sync::Mutation;

/// Begins the line of a model: its test, its name, interleavings, preemptions, seconds, property; tabs between them.
const MODEL: &str = "loom-model";
/// Begins the line of a mutation that made a model fail: the model's test, the mutation, what the model said.
const NOTICED: &str = "loom-mutation";
/// Begins the line of a mutation that there is.
const KNOWN: &str = "loom-mutation-known";

/// Preemptions per execution unless LOOM_MAX_PREEMPTIONS says otherwise.
const PREEMPTIONS: usize = 3;

/// Models also check the core's own assertions, and overflows.
const _: () = assert!(cfg!(debug_assertions), "loom models need debug assertions");

/// Explores every interleaving of `model`, which panics (or deadlocks, or races) when `property` does not hold.
pub(crate) fn explore(name: &str, property: &str, model: impl Fn() + Send + Sync + 'static) {
    explore_within(PREEMPTIONS, name, property, model);
}

/// As [`explore`], with a bound of its own where LOOM_MAX_PREEMPTIONS is not set.
pub(crate) fn explore_within(preemptions: usize, name: &str, property: &str, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let preemptions = *builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 20_000;
    let executions = Arc::new(AtomicU64::new(0));
    let counter = executions.clone();
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let begin = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    let seconds = begin.elapsed().as_secs_f64();
    println!("{MODEL}\t{test}\t{name}\t{executions}\t{preemptions}\t{seconds:.1}\t{property}");
}

/// The model test `model` (its full path), run with `mutation`, fails and says one of `symptoms`.
pub(crate) fn must_fail(model: &str, mutation: Mutation, symptoms: &[&str]) {
    let test = std::env::current_exe().expect("a running test has a path");
    let output = Command::new(test)
        .args(["--exact", model, "--nocapture", "--test-threads=1"])
        .env("RUST_BACKTRACE", "0")
        .env_remove("LOOM_MAX_PREEMPTIONS")
        .env(crate::sync::mutation::VARIABLE, format!("{mutation:?}"))
        .output()
        .expect("the test starts itself");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("running 1 test"), "{model} is no test of this build:\n{text}");
    assert!(!output.status.success(), "{model} does not notice {mutation:?}:\n{text}");
    let symptom = symptoms.iter().find(|symptom| text.contains(**symptom));
    let symptom = symptom.unwrap_or_else(|| panic!("{model} fails under {mutation:?} for another reason:\n{text}"));
    println!("{NOTICED}\t{model}\t{mutation:?}\t{symptom}");
}

/// What loom says when a cell is reached by two threads without an order between them.
pub(crate) const RACE: &str = "Causality violation";
/// What loom says when every thread waits for another.
pub(crate) const DEADLOCK: &str = "deadlock";

#[test]
fn loom_mutations_are_known() {
    Mutation::ALL.iter().for_each(|mutation| println!("{KNOWN}\t{mutation:?}"));
}

//! Runs the loom models of dxg-runtime, which need a build of their own: `--cfg dxg_loom` swaps atomics, locks, cells and
//! threads of the concurrency core, of the driver and of the pool for loom's (see `runtime/src/sync`). The switch has a name of its own because a global
//! `--cfg loom` would change tokio and crossbeam too.
//!
//! By hand: `RUSTFLAGS="--cfg dxg_loom" cargo test -p dxg-runtime --lib --target-dir target/loom -- loom_ --nocapture`, with
//! `LOOM_MAX_PREEMPTIONS=1` for a quick look or `=4` for a long one (each model's own bound unless set, 3 for small ones;
//! `core/loom_harness.rs` says what it bounds). With `--nocapture` the test prints a table: model, property, interleavings, and
//! the mutations that make it fail. A mutation is one deliberate mistake in the code that ships, compiled into these builds only
//! (`sync/mutation.rs`) and switched on at run time; one that no model notices fails this test, and so does a model without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Models in the crate. A run in which fewer were explored, for whatever reason, is a failure.
const MODELS: usize = 33;
/// Pairs of a model and a mutation that it was seen to notice.
const NOTICED: usize = 46;

/// What the run of the models has printed (see `core/loom_harness.rs`).
#[derive(Default)]
struct Report<'a> {
    /// By test: name, interleavings, preemptions, seconds, property.
    models: BTreeMap<&'a str, [&'a str; 5]>,
    /// By the model's test: the mutations that make it fail, and what it says then.
    noticed: BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
    known: BTreeSet<&'a str>,
}

impl<'a> Report<'a> {
    fn read(text: &'a str) -> Self {
        let mut report = Report::default();
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["loom-model", test, name, interleavings, preemptions, seconds, property] => {
                    report.models.insert(test, [name, interleavings, preemptions, seconds, property]);
                }
                ["loom-mutation", test, mutation, symptom] => {
                    report.noticed.entry(test).or_default().push((mutation, symptom));
                }
                ["loom-mutation-known", mutation] => {
                    report.known.insert(mutation);
                }
                _ => {}
            }
        }
        report
    }

    fn print(&self) {
        println!("| model | property | interleavings | preemptions | seconds | mutations noticed |");
        println!("|---|---|---|---|---|---|");
        for (test, [name, interleavings, preemptions, seconds, property]) in &self.models {
            let noticed = self.noticed.get(test).into_iter().flatten();
            let noticed: Vec<_> = noticed.map(|(mutation, symptom)| format!("{mutation} ({symptom})")).collect();
            let noticed = noticed.join(", ");
            println!("| {name} | {property} | {interleavings} | {preemptions} | {seconds} | {noticed} |");
        }
        let (models, pairs) = (self.models.len(), self.pairs());
        println!("{models} models, {} mutations, noticed {pairs} times", self.known.len());
    }

    fn pairs(&self) -> usize {
        self.noticed.values().map(Vec::len).sum()
    }
}

#[test]
fn the_models_hold_and_their_mutations_are_noticed() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // Beside the `tmp` folder of the target directory in use.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../loom");
    let flags = format!("{} --cfg dxg_loom", std::env::var("RUSTFLAGS").unwrap_or_default());
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace)
        .args(["test", "--locked", "--package", "dxg-runtime", "--lib", "--target-dir"])
        .arg(target)
        // Exploring is pure computing, in these packages; the others are not worth the optimiser's time.
        .args(
            ["loom", "generator", "dxg-runtime"]
                .map(|name| format!("--config=profile.test.package.{name}.opt-level=2")),
        )
        .args(["--", "loom_", "--nocapture"])
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags)
        .envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "0"), ("CARGO_PROFILE_TEST_OPT_LEVEL", "0")])
        .envs([("CARGO_PROFILE_DEV_DEBUG", "none"), ("CARGO_PROFILE_TEST_DEBUG", "none")])
        .output()
        .expect("cargo, which started this test, starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the loom build or a model failed: {}\n{text}\n{errors}", output.status);
    let report = Report::read(&text);
    report.print();
    assert_eq!(report.models.len(), MODELS, "models explored");
    assert_eq!(report.pairs(), NOTICED, "mutations noticed");
    let noticed: BTreeSet<_> = report.noticed.values().flatten().map(|(mutation, _)| *mutation).collect();
    let unnoticed: Vec<_> = report.known.difference(&noticed).collect();
    assert!(unnoticed.is_empty() && !report.known.is_empty(), "no model notices {unnoticed:?}");
    let without: Vec<_> = report.models.keys().filter(|test| !report.noticed.contains_key(**test)).collect();
    assert!(without.is_empty(), "no mutation makes {without:?} fail");
}

/// Files of the driver and the pool that take a primitive from elsewhere, and why no model has to see it.
const UNSEEN: &[(&str, &str)] = &[
    ("counters.rs", "figures for people, they order nothing"),
    ("meter.rs", "figures for people: batches in flight, written by who drives"),
    ("observe.rs", "a recording that is switched on: written by who drives, and nothing reads it to decide"),
    ("patience.rs", "hints: a lost update costs one look"),
    ("submitters.rs", "handles of threads, joined at the end; the hand-over is core/lane.rs"),
    ("host.rs", "a plain list under one lock, no foreign code and no waiting"),
];

/// What the models explore is what ships only if the core takes every primitive from `crate::sync`, and so does what the models
/// of the whole engine run.
#[test]
fn what_is_modelled_takes_its_primitives_from_one_module() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
    let mut files = 0;
    let mut excused = BTreeSet::new();
    for folder in ["core", "driver", "memory"] {
        for entry in std::fs::read_dir(source.join(folder)).expect("a folder of the runtime") {
            let path = entry.expect("an entry of the folder").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("loom_") || name.ends_with("_tests.rs") {
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).expect("a source file");
            let product = text.split("mod tests {").next().unwrap_or_default();
            let banned: &[&str] = match folder {
                "core" => &["std::sync", "core::sync", "std::thread", "std::cell", "core::cell", "std::hint"],
                // Reference counts are the standard library's; threads are started for real.
                _ => &["std::hint", "std::thread::yield_now", "std::cell::", "sync::atomic::", "Mutex", "Condvar"],
            };
            let foreign = |line: &&str| {
                let from_std = folder == "core" || line.contains("std::");
                from_std && !line.trim_start().starts_with("//") && banned.iter().any(|banned| line.contains(banned))
            };
            let Some(line) = product.lines().find(foreign) else { continue };
            let excuse = UNSEEN.iter().find(|(file, _)| *file == name && folder != "core");
            assert!(excuse.is_some(), "{folder}/{name}: `{line}`; crate::sync has what the models can see");
            excused.insert(name);
        }
    }
    assert!(files >= 30, "only {files} files: are these still the folders?");
    let expected: BTreeSet<_> = UNSEEN.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(excused, expected, "an exception that nobody needs any more");
}

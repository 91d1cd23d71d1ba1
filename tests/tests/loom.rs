//! Runs the loom models of dxg-runtime, which need a build of their own: `--cfg dxg_loom` swaps atomics, locks, cells and
//! threads of the concurrency core for loom's (see `runtime/src/sync`). The switch has a name of its own because a global
//! `--cfg loom` would change tokio and crossbeam too.
//!
//! By hand: `RUSTFLAGS="--cfg dxg_loom" cargo test -p dxg-runtime --lib --target-dir target/loom -- loom_ --nocapture`, with
//! `LOOM_MAX_PREEMPTIONS=2` for a quick look or `=4` for a long one (3 unless set; `core/loom_harness.rs` says what it bounds).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Models in the crate. A run in which fewer were explored, for whatever reason, is a failure.
const MODELS: usize = 18;
/// Pairs of a model and a mutation that it was seen to notice.
const NOTICED: usize = 23;

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

/// What the models explore is what ships only if the core takes every primitive from `crate::sync`.
#[test]
fn the_core_takes_its_primitives_from_one_module() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/core");
    let mut files = 0;
    for entry in std::fs::read_dir(&core).expect("the core's folder") {
        let path = entry.expect("an entry of the core's folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("loom_") || name.ends_with("_tests.rs") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).expect("a source file");
        let product = text.split("#[cfg(all(test").next().unwrap_or_default();
        for banned in ["std::sync", "core::sync", "std::thread", "std::cell", "core::cell", "std::hint"] {
            assert!(!product.contains(banned), "{name} uses {banned}; crate::sync has what the models can see");
        }
    }
    assert!(files >= 6, "only {files} files: is this still the core's folder?");
}

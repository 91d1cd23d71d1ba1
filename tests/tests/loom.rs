//! Runs the loom models of dxg-runtime, which need a build of their own: `--cfg dxg_loom` swaps atomics, locks, cells and
//! threads of the concurrency core for loom's (see `runtime/src/sync`). The switch has a name of its own because a global
//! `--cfg loom` would change tokio and crossbeam too.
//!
//! By hand: `RUSTFLAGS="--cfg dxg_loom" cargo test -p dxg-runtime --lib --target-dir target/loom -- loom_ --nocapture`, with
//! `LOOM_MAX_PREEMPTIONS=2` for a quick look or `=4` for a long one (3 unless set; `core/loom_harness.rs` says what it bounds).

use std::path::Path;
use std::process::Command;

/// Models in the crate. A run in which fewer were explored, for whatever reason, is a failure.
const MODELS: usize = 15;
/// Mutations that a model was seen to notice.
const MUTATIONS: usize = 18;

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
    println!("{text}");
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the loom build or a model failed: {}", output.status);
    let count = |word: &str| text.matches(word).count();
    assert_eq!(count("loom model "), MODELS, "models explored");
    assert_eq!(count("loom mutation "), MUTATIONS, "mutations noticed");
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

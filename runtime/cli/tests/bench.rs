//! `dxgrt bench` as a program: its document, and those of its figures that noise cannot touch. Times are not looked at:
//! tests run beside each other, without optimisation.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Bytes that a pending operation may take.
const MOST_BYTES: u64 = 256;
/// Heap allocations that a window of 1,024 operations may make in steady state: none, but for a table that still grows.
const MOST_ALLOCATIONS: u64 = 16;

fn dxgrt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dxgrt")).args(arguments).output().expect("the program starts")
}

/// The one document on stdout.
fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document and nothing else")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is a list in {value}"))
}

#[test]
fn everything_is_measured_and_told() {
    let report = document(&dxgrt(&["bench", "--json", "--quick", "--rounds", "1"]));
    assert_eq!(report["quick"], true);
    assert_eq!(report["rounds"], 1);
    let runs = list(&report, "runs");
    assert!(runs.len() + list(&report, "left_out").len() == 2, "one core and two, or why not");
    for run in runs {
        let rows = list(run, "rows");
        for workload in ["w1a", "w1b", "w1c", "w1c-prepared", "w2a", "w2b", "w2c", "w3"] {
            for peer in ["dxgrt", "floor"] {
                let row = rows.iter().find(|row| row["workload"] == workload && row["peer"] == peer);
                let row = row.unwrap_or_else(|| panic!("{workload} of {peer} is missing"));
                assert!(row["cpu_us"].as_f64() > Some(0.0) && row["wall_us"].as_f64() > Some(0.0), "{row}");
                assert_eq!(row["cpu_ratio"].is_number(), peer == "dxgrt", "{row}");
                let awaits_each = workload.ends_with('a') || workload == "w3";
                assert_eq!(row["latency"]["p99_us"].is_number(), awaits_each, "{row}");
            }
        }
        assert!(rows.iter().any(|row| row["peer"] == "plain call"));
        let tasks: Vec<u64> = list(run, "growth").iter().filter_map(|growth| growth["tasks"].as_u64()).collect();
        assert_eq!(tasks, [1, 100, 1_000, 10_000]);
    }
    for goal in list(&report, "goals") {
        let (value, limit) = (goal["value"].as_f64().expect("a value"), goal["limit"].as_f64().expect("a limit"));
        let holds = if goal["bound"] == "at-least" { value >= limit } else { value <= limit };
        assert_eq!(goal["holds"], holds, "{goal}");
    }
    noise_cannot_touch(&runs[0]);
}

/// What does not depend on time.
fn noise_cannot_touch(run: &Value) {
    let bytes = run["bytes_per_pending_operation"].as_u64().expect("a number of bytes");
    assert!(bytes <= MOST_BYTES, "a pending operation takes {bytes} bytes");
    let heap = list(run, "heap");
    for name in ["w1a", "w1c", "w3-launches"] {
        let counted = heap.iter().find(|heap| heap["name"] == name).unwrap_or_else(|| panic!("{name} is counted"));
        assert!(counted["median_of_a_window"].as_u64() <= Some(MOST_ALLOCATIONS), "{counted}");
    }
}

#[test]
fn a_part_can_be_measured_by_itself() {
    let report = document(&dxgrt(&["bench", "--json", "--quick", "--only", "bytes"]));
    let goals = list(&report, "goals");
    assert_eq!(goals.len(), 1, "{goals:?}");
    assert!(list(&report, "runs").iter().all(|run| list(run, "rows").is_empty()));
}

#[test]
fn the_stages_are_told() {
    let breakdown = document(&dxgrt(&["bench", "--breakdown", "--json", "--quick"]));
    let names: Vec<&str> = list(&breakdown, "stages").iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert_eq!(names, ["pack", "enqueue", "take in", "batch", "encode", "submit, execute", "complete, wake"]);
}

#[test]
fn what_the_c_library_adds_is_told() {
    // The tests of dxg-ffi build it in the same place.
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("../ffi-clients");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--package", "dxg-ffi", "--lib", "--target-dir"])
        .arg(&target)
        .envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "1"), ("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")])
        .output()
        .expect("cargo, which started this test, starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let library = target.join("debug/libdxgrt.so").display().to_string();
    let measured = document(&dxgrt(&["bench", "--ffi", "--json", "--quick", "--rounds", "1", "--library", &library]));
    let calls = list(&measured, "calls");
    let names: Vec<&str> = calls.iter().filter_map(|call| call["name"].as_str()).collect();
    assert_eq!(names, ["dxgrt_launch", "dxgrt_submit"]);
    for call in calls {
        let (extra, limit) = (call["extra_ns"].as_f64().expect("a time"), call["limit_ns"].as_f64().expect("a limit"));
        assert_eq!(call["holds"], extra <= limit, "{call}");
        assert!(call["c_ns"].as_f64() > Some(0.0) && call["rust_ns"].as_f64() > Some(0.0), "{call}");
    }
    let missing = dxgrt(&["bench", "--ffi", "--library", "/nowhere/libdxgrt.so"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cargo build --release -p dxg-ffi"));
}

#[test]
fn a_wrong_command_line_is_told_from_a_failure() {
    for arguments in [&["bench", "--only", "w9"][..], &["bench", "--rounds", "0"], &["benhc"], &[]] {
        let output = dxgrt(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dxgrt"))
        .args(["bench", "--quick", "--only", "bytes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

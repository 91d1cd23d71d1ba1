//! `dxgrt replay` and `dxgrt sweep` from outside: what they print, and how they refuse.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn dxgrt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dxgrt")).args(arguments).output().expect("dxgrt starts")
}

fn trace(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/traces");
    folder.join(format!("{name}.jsonl.gz")).display().to_string()
}

fn json(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

const KEYS: [&str; 10] = [
    "policy",
    "makespan_us",
    "lower_bound_us",
    "submissions",
    "posted_messages",
    "round_trips",
    "full_ring_sleeps",
    "gpu_busy",
    "p50_us",
    "p99_us",
];

#[test]
fn every_policy_is_replayed_and_no_key_is_more_or_less() {
    for mode in ["on", "off"] {
        let rows = json(&dxgrt(&["replay", &trace("nbody_1024_20_steps"), "--json", "--async", mode]));
        let policies: Vec<&str> = rows.iter().filter_map(|row| row["policy"].as_str()).collect();
        assert_eq!(policies, ["one-by-one", "submit-each", "fixed-32", "at-sync", "dxgrt"]);
        for row in &rows {
            let keys: Vec<&String> = row.as_object().expect("an object").keys().collect();
            assert_eq!(keys, KEYS);
            assert!(row["makespan_us"].as_f64() >= row["lower_bound_us"].as_f64(), "{row}");
            let (posted, round_trips) = (row["posted_messages"].as_u64(), row["round_trips"].as_u64());
            assert_eq!((posted == Some(0), round_trips == Some(0)), (mode == "off", mode == "on"), "{row}");
        }
        assert_eq!(rows[0]["submissions"], 221, "one for each operation");
    }
}

#[test]
fn replays_are_the_same_in_every_run_and_options_count() {
    let file = trace("resnet18_infer_b1");
    let run = |more: &[&str]| {
        let arguments = [&["replay", &file, "--json", "--policy", "dxgrt"], more].concat();
        json(&dxgrt(&arguments)).remove(0)
    };
    let plain = run(&[]);
    assert_eq!(plain, run(&["--think-time", "1", "--copies", "1", "--wait", "poll", "--async", "on"]));
    let bound = |row: &Value| row["lower_bound_us"].as_f64().unwrap_or(f64::NAN);
    assert!(bound(&run(&["--think-time", "0"])) < bound(&plain));
    assert!(bound(&run(&["--wait", "sleep"])) > bound(&plain));
    assert!(bound(&run(&["--copies", "4"])) > bound(&plain), "the last copy begins later");
}

#[test]
fn people_get_a_table_and_a_trace_may_come_by_a_pipe() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dxgrt"))
        .args(["replay", "-", "--policy", "at-sync,dxgrt"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("dxgrt starts");
    let lines = "{\"op\":\"kernel\",\"t\":0,\"call\":1,\"gpu\":5,\"stream\":0,\"grid\":[1,1,1]}\n{\"op\":\"sync\",\"t\":1,\"call\":1}\n";
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("Modelled: 1 operations of 1 copy, posted messages, think time × 1."), "{text}");
    assert!(text.contains("No policy can take less than 15.1 µs"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("1.000")).count(), 2, "{text}");
}

#[test]
fn a_timeline_shows_every_submission() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawing = folder.path().join("timeline.json");
    let path = drawing.display().to_string();
    let file = trace("gpt_small_decode_12_tokens");
    let rows = json(&dxgrt(&["replay", &file, "--policy", "fixed-32", "--json", "--perfetto", &path]));
    let document: Value = serde_json::from_slice(&std::fs::read(&drawing).expect("written")).expect("JSON");
    let events = document["traceEvents"].as_array().expect("an array");
    let submits = events.iter().filter(|event| event["name"] == "submit").count() as u64;
    assert_eq!(Some(submits), rows[0]["submissions"].as_u64());
}

/// Exit code, and the sentence.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = dxgrt(arguments);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty() && !output.status.success() && sentence.starts_with("error: "), "{sentence}");
    (output.status.code().unwrap_or(-1), sentence)
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let file = trace("nbody_1024_20_steps");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let wrong = write("wrong.toml", "round_trip_us = -1.0\n");
    let unknown = write("unknown.toml", "round_trip = 1.0\n");
    for (arguments, expected) in [
        (vec!["--think-time", "-1"], "from 0 to 1000"),
        (vec!["--think-time", "NaN"], "from 0 to 1000"),
        (vec!["--think-time", "inf"], "from 0 to 1000"),
        (vec!["--think-time", "x"], "a number from 0 to 1000"),
        (vec!["--copies", "0"], "1..=4096"),
        (vec!["--copies", "4097"], "1..=4096"),
        (vec!["--policy", "best"], "there are one-by-one, submit-each, fixed-N"),
        (vec!["--policy", "fixed-0"], "there are one-by-one"),
        (vec!["--async", "maybe"], "possible values: on, off"),
        (vec!["--params", "/no/such/file"], "/no/such/file: "),
        (vec!["--params", &wrong], "round_trip_us is -1; it must be from 0 to 1e9"),
        (vec!["--params", &unknown], "unknown field `round_trip`"),
        (vec!["--perfetto", "/tmp/x"], "--perfetto draws one policy: name it"),
        (vec!["--perfetto", "/tmp/x", "--policy", "dxgrt,at-sync"], "--perfetto draws one policy: name it"),
    ] {
        let (code, sentence) = refused(&[&["replay", &file], arguments.as_slice()].concat());
        assert!(code == 2 && sentence.contains(expected), "{arguments:?}: {code}, {sentence}");
    }
    let broken = write("broken.jsonl", "{\"op\": \"sync\", \"t\": 1, \"call\": -1}\n");
    let (code, sentence) = refused(&["replay", &broken]);
    assert!(code == 1 && sentence.contains("broken.jsonl, line 1: \"call\" is -1"), "{sentence}");
    let (code, sentence) = refused(&["replay", &file, "--policy", "dxgrt", "--perfetto", "/no/such/folder/x"]);
    assert!(code == 1 && sentence.contains("/no/such/folder/x cannot be written"), "{sentence}");
}

#[test]
fn the_sweep_has_no_cliff_and_is_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let svg = folder.path().join("sweep.svg");
    let cells = json(&dxgrt(&["sweep", "--json", "--check", "--svg", &svg.display().to_string()]));
    assert_eq!(cells.len(), 2 * 7 * 11 * 5);
    for cell in &cells {
        assert!(cell["ratio"].as_f64() >= Some(1.0), "{cell}");
    }
    assert!(std::fs::read_to_string(svg).expect("written").contains("</svg>"));
}

//! Programs that know nothing of this library, run on the software adapter: a compute driver's way through the node, what a
//! descriptor is, the recorded calls that need a process of their own, hostile calls; and what all others pay for it.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{compile, library, root, run};

/// Hosts: with posted messages and without, without latencies and with the modelled ones.
const HOSTS: [&str; 4] = ["zero", "zero, no posted messages", "modelled", "modelled, no posted messages"];

/// The parameters of a host, as the library takes them.
fn parameters(host: &str) -> String {
    let mut keys = String::from("complete_foreign_commands = true\nvideo_memory_mib = 256\n");
    if host.starts_with("zero") {
        for key in ["posted_us", "doorbell_us", "round_trip_us", "host_message_us", "host_submission_us", "wake_up_us"]
        {
            keys += &format!("{key} = 0.0\n");
        }
        keys += "launch_us = 0.0\ncopy_gbps = 0.0\npaging_us = 0.0\n";
    }
    if host.contains("no posted") {
        keys += "async_messages = false\nvmbus_version = 27\nmap_guest_pages = false\n";
    }
    keys
}

fn client(program: &Path, host: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", library()).env("DXGRT_PRELOAD_PARAMETERS", parameters(host));
    command
}

fn said(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).expect("programs print text")
}

#[test]
fn a_compute_driver_goes_all_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "client");
    for host in HOSTS {
        assert_eq!(said(&mut client(&program, host)), "client: 65 submissions, all as they should be\n", "{host}");
    }
    // Without the library there is nothing.
    let alone = Command::new(&program).output().unwrap();
    assert!(!alone.status.success(), "this machine has a /dev/dxg, which this test must not use");
}

#[test]
fn descriptors_are_what_the_driver_makes_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "semantics");
    for host in HOSTS {
        assert_eq!(said(&mut client(&program, host)).lines().count(), 16, "{host}");
    }
}

#[test]
fn resources_and_sync_files_go_to_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "sharing");
    for host in HOSTS {
        assert_eq!(said(&mut client(&program, host)), "sharing: all as it should be\n", "{host}");
    }
}

/// Rows that the tests of dxg-io leave to this one.
const ROWS: [(&str, &str); 4] = [
    ("ioctl-layer", "inherited_fd_in_forked_child"),
    ("ioctl-layer", "read_on_fd"),
    ("ioctl-layer", "poll_on_fd"),
    ("sharing", "other_process_signal"),
];

#[test]
fn recorded_rows_that_need_a_process_come_out_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "golden");
    for (file, host) in
        [("async-v40", HOSTS[0]), ("sync-v27-gpadl", HOSTS[1]), ("async-v40", HOSTS[2]), ("sync-v27-gpadl", HOSTS[3])]
    {
        let played = said(&mut client(&program, host));
        let played: BTreeMap<(&str, &str), &str> = played
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                ((fields[0], fields[1]), fields[2])
            })
            .collect();
        let path = root().join(format!("dxg-io/tests/data/golden/{file}.jsonl"));
        let recorded = std::fs::read_to_string(&path).unwrap();
        let mut compared = 0;
        for line in recorded.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let key = (row["group"].as_str().unwrap_or(""), row["case"].as_str().unwrap_or(""));
            if !ROWS.contains(&key) {
                continue;
            }
            compared += 1;
            let expected = match row["note"].as_str() {
                Some(note) => note.to_owned(),
                None => format!("ret={} errno={}", row["ret"], row["errno"].as_str().unwrap_or("0")),
            };
            assert_eq!(played.get(&key).copied(), Some(expected.as_str()), "{file}, {host}: {key:?}");
        }
        assert_eq!((compared, played.len()), (ROWS.len(), ROWS.len()), "{file}");
    }
}

#[test]
fn hostile_calls_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "hostile");
    for (seed, host) in (1..=12).zip(HOSTS.into_iter().cycle()) {
        // Latencies are slept: fewer calls there.
        let calls = if host.starts_with("zero") { "4000" } else { "800" };
        let mut command = client(&program, host);
        command.args([seed.to_string(), calls.to_owned()]);
        assert_eq!(said(&mut command), format!("hostile: {calls} calls survived\n"), "seed {seed}, {host}");
    }
}

/// Threads that share the node, fork amid each other's calls, and name descriptors that are shares or are not.
#[test]
fn hostile_threads_and_children_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "hostile");
    for (seed, host) in (100..108).zip(HOSTS.into_iter().cycle()) {
        let calls = if host.starts_with("zero") { "2000" } else { "300" };
        let mut command = client(&program, host);
        command.args([&seed.to_string(), calls, "4"]);
        assert_eq!(
            said(&mut command),
            format!("hostile: {calls} calls of 4 threads survived\n"),
            "seed {seed}, {host}"
        );
    }
}

/// More than this no call about something else may take, in percent of what it takes at the C library directly. What is
/// measured is 101 to 105; a machine shared with others needs room.
const MOST: f64 = 112.0;

#[test]
fn calls_about_other_things_pass_without_cost() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "cost");
    let mut last = String::new();
    // A promise that holds is seen to hold in one of five runs; one that is broken in none.
    for _ in 0..5 {
        last = said(&mut client(&program, HOSTS[0]));
        let lines: Vec<Vec<&str>> = last.lines().map(|line| line.split(' ').collect()).collect();
        assert!(lines.contains(&vec!["preloaded", "1"]) && lines.contains(&vec!["node", "1"]), "{last}");
        let ratios = lines.iter().filter(|line| line.len() == 4).map(|line| line[1].parse::<f64>().unwrap());
        let ratios: Vec<f64> = ratios.collect();
        assert_eq!(ratios.len(), 7, "{last}");
        if ratios.iter().all(|&ratio| ratio <= MOST) {
            println!("call, percent of the C library's own time, its ns, ours:\n{last}");
            return;
        }
    }
    panic!("more than {MOST} %:\n{last}");
}

#[test]
fn parameters_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "client");
    let mut command = client(&program, HOSTS[0]);
    let output = command.env("DXGRT_PRELOAD_PARAMETERS", "round_trip = 1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("libdxg_preload: DXGRT_PRELOAD_PARAMETERS: "), "{said}");
    assert!(said.contains("unknown field `round_trip`") && said.contains("errno 22"), "{said}");
}

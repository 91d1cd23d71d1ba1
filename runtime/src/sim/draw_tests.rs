//! Drawings: JSON, rows whose slices nest or follow one another, and everything that the report counts.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;

use super::*;
use crate::Parameters;
use crate::sim::{SimPolicy, Wait, simulate, synthetic};

/// Draws requests of 12 clients; answers the events of the document and the submissions of the report.
fn drawn(policy: SimPolicy, posted: bool) -> (Vec<Json>, u64) {
    let mut workload = synthetic::requests(12, 4);
    workload.wait = Wait::Sleep;
    let parameters = Parameters { async_messages: posted, ring_bytes: 8192, ..Parameters::default() };
    let labels = |merge| (merge == 0).then_some("the \"first\" copy");
    let mut drawing = Drawing::new(Vec::new(), &labels).expect("memory");
    let report = simulate(&workload, &parameters, policy, Some(&mut drawing)).expect("a simulation");
    let silent = simulate(&workload, &parameters, policy, None).expect("a simulation");
    assert_eq!(report, silent, "drawing changes nothing");
    let document: Json = serde_json::from_slice(&drawing.finish().expect("memory")).expect("JSON");
    let events = document["traceEvents"].as_array().expect("an array").clone();
    (events, report.submissions)
}

/// From when and until when; of those that begin at one time, the longest first.
type Slice = (u64, std::cmp::Reverse<u64>);

fn nanos(value: &Json) -> u64 {
    (value.as_f64().expect("a number") * 1000.0).round() as u64
}

fn row(event: &Json) -> (u64, u64) {
    (event["pid"].as_u64().expect("a process"), event["tid"].as_u64().expect("a row"))
}

#[test]
fn slices_of_a_row_nest_or_follow_one_another() {
    for policy in SimPolicy::ALL {
        for posted in [true, false] {
            let (events, _) = drawn(policy, posted);
            let mut rows: BTreeMap<(u64, u64), Vec<Slice>> = BTreeMap::new();
            for event in events.iter().filter(|event| event["ph"] == "X") {
                let begin = nanos(&event["ts"]);
                rows.entry(row(event)).or_default().push((begin, std::cmp::Reverse(begin + nanos(&event["dur"]))));
            }
            let named = |kind: &str| -> HashSet<(u64, u64)> {
                events.iter().filter(|event| event["name"] == kind).map(row).collect()
            };
            let names = named("thread_name");
            assert!(rows.keys().all(|row| names.contains(row)), "every row has a name");
            assert_eq!(named("process_name").len(), 3);
            for (row, mut slices) in rows {
                slices.sort_unstable();
                let mut open: Vec<u64> = Vec::new();
                for (begin, std::cmp::Reverse(end)) in slices {
                    while open.last().is_some_and(|&until| until <= begin) {
                        open.pop();
                    }
                    let inside = open.last().is_none_or(|&until| end <= until);
                    assert!(inside, "{policy}, posted {posted}, row {row:?}: {begin} to {end} crosses {open:?}");
                    open.push(end);
                }
            }
        }
    }
}

#[test]
fn every_submission_and_its_way_are_drawn() {
    for policy in SimPolicy::ALL {
        for posted in [true, false] {
            let (events, submissions) = drawn(policy, posted);
            let count = |phase: &str, name: &str| {
                events.iter().filter(|event| event["ph"] == phase && event["name"] == name).count()
            };
            let numbers = |of: &dyn Fn(&&Json) -> bool| -> HashSet<u64> {
                events.iter().filter(of).filter_map(|event| event["args"]["submission"].as_u64()).collect()
            };
            let all: HashSet<u64> = (0..submissions).collect();
            assert_eq!(numbers(&|event| event["name"] == "submit"), all, "{policy}, posted {posted}: host calls");
            assert_eq!(numbers(&|event| event["pid"] == HOST), all, "{policy}, posted {posted}: the host's work");
            let packets = numbers(&|event| event["pid"] == GPU && event["ph"] == "X");
            assert_eq!(packets, all, "{policy}, posted {posted}: packets");
            assert!(count("s", "submission") >= submissions as usize);
            assert_eq!(count("s", "submission"), count("f", "submission"));
            assert!(count("C", "bytes in the ring") > 0 && count("i", "fence 1") > 0);
            assert!(count("X", "sync") >= 12 && count("X", "enqueue") == 12 * 4 * 5);
            let first = |event: &&Json| event["name"].as_str().is_some_and(|name| name.contains("the \"first\" copy"));
            assert!(events.iter().any(|event| first(&event)), "labels name packets");
        }
    }
}

#[test]
fn a_full_disk_is_said_at_the_end() {
    let mut little = [0u8; 4096];
    let labels = |_| None;
    let mut drawing = Drawing::new(little.as_mut_slice(), &labels).expect("room for the beginning");
    simulate(&synthetic::requests(4, 4), &Parameters::default(), SimPolicy::Dxgrt, Some(&mut drawing))
        .expect("it goes on");
    assert_eq!(drawing.finish().expect_err("no room").kind(), io::ErrorKind::WriteZero);
}

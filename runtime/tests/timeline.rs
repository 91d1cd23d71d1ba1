//! A recorded timeline from outside: every track that is promised, times that fit together, and a recording that ends.

use std::collections::{BTreeMap, BTreeSet};

use dxg_runtime::perfetto::Perfetto;
use dxg_runtime::{Device, ModuleSource, Parameters, RustKernel, TIMELINE_PROCESSES, TimelineSummary, args};
use serde_json::Value;

const STREAMS: usize = 3;
const LAUNCHES: usize = 40;

fn device(parameters: Parameters) -> Device {
    Device::builder().selector("software").parameters(parameters).open().expect("the software adapter opens")
}

/// Launches on a few streams, copies in and out, fills: each stream waits in the middle and at the end.
fn work(device: &Device) {
    let body = RustKernel::new("add \"one\"").write::<f32>().body(|block| {
        block.write::<f32>(0)?.iter_mut().for_each(|value| *value += 1.0);
        Ok(())
    });
    let kernel =
        device.load(&ModuleSource::new().rust([body])).and_then(|m| m.kernel("add \"one\"")).expect("a kernel");
    let lanes: Vec<_> =
        (0..STREAMS).map(|_| (device.stream().expect("a stream"), device.alloc::<f32>(64).expect("memory"))).collect();
    for (stream, x) in &lanes {
        stream.try_copy_in(x, vec![1.0f32; 64]).expect("room").wait().expect("copied");
        stream.try_fill(x, 2.0f32).expect("room");
    }
    for _ in 0..LAUNCHES {
        for (stream, x) in &lanes {
            stream.try_launch(&kernel, 2, args![x.read_write()]).expect("room");
        }
    }
    for (stream, x) in &lanes {
        let values = stream.try_copy_out(x).expect("room").wait().expect("copied");
        assert_eq!(values, vec![2.0 + LAUNCHES as f32; 64]);
    }
}

fn recorded(parameters: Parameters) -> (TimelineSummary, Vec<Value>) {
    let device = device(parameters);
    let recording = device.record_timeline().expect("nobody records");
    work(&device);
    let mut document = Vec::new();
    let summary = recording.finish(&mut document).expect("a vector takes everything");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    (summary, document["traceEvents"].as_array().expect("a list").clone())
}

/// Names of processes by number, and of rows by process and number.
fn named<'a>(events: &'a [Value], what: &str) -> BTreeMap<(u64, u64), &'a str> {
    let of =
        |event: &'a Value| Some(((event["pid"].as_u64()?, event["tid"].as_u64()?), event["args"]["name"].as_str()?));
    events.iter().filter(|event| event["name"] == what).filter_map(of).collect()
}

fn nanos(value: &Value) -> u64 {
    (value.as_f64().expect("a number") * 1000.0).round() as u64
}

#[test]
fn every_track_is_there_and_counts_what_was_done() {
    for parameters in [Parameters::default(), Parameters::zero()] {
        let (summary, events) = recorded(parameters);
        let operations = (STREAMS * (LAUNCHES + 3)) as u64;
        assert_eq!((summary.operations, summary.dropped), (operations, 0));
        let processes: BTreeSet<&str> = named(&events, "process_name").into_values().collect();
        for name in
            ["tasks that wait", "streams", "scheduler", "submissions", "hardware queues and their fences", "engines"]
        {
            assert!(processes.contains(name), "{name} is not in {processes:?}");
        }
        let rows: BTreeSet<&str> = named(&events, "thread_name").into_values().collect();
        for start in [
            "on stream ",
            "stream ",
            "decisions",
            "submitting",
            "queue ",
            "compute, ",
            "copy in, ",
            "copy out, ",
            "fill, ",
        ] {
            assert!(rows.iter().any(|row| row.starts_with(start)), "no row for {start} in {rows:?}");
        }
        let count = |test: &dyn Fn(&Value) -> bool| events.iter().filter(|event| test(event)).count() as u64;
        let starts = |event: &Value, start: &str| event["name"].as_str().is_some_and(|name| name.starts_with(start));
        assert_eq!(count(&|event| event["ph"] == "i" && starts(event, "flush: ")), summary.batches);
        assert!(count(&|event| event["args"]["reason"] == "waiter") > 0, "somebody waited");
        assert!(count(&|event| event["ph"] == "i" && starts(event, "fence ")) > 0);
        assert!(count(&|event| event["ph"] == "C" && starts(event, "bytes of the ring")) >= summary.batches);
        assert!(count(&|event| event["ph"] == "X" && event["name"] == "waits") >= STREAMS as u64);
        let launches: u64 = events
            .iter()
            .filter(|event| event["ph"] == "X")
            .filter_map(|event| event["args"]["add \"one\""].as_u64())
            .sum();
        assert_eq!(launches, (STREAMS * LAUNCHES) as u64, "engines name their kernels");
    }
}

#[test]
fn slices_of_a_row_nest_or_follow_one_another() {
    let (_, events) = recorded(Parameters::default());
    let mut rows: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let key = (event["pid"].as_u64().expect("a number"), event["tid"].as_u64().expect("a number"));
        let begin = nanos(&event["ts"]);
        rows.entry(key).or_default().push((begin, begin + nanos(&event["dur"])));
    }
    assert!(rows.len() > 2 * STREAMS);
    for ((process, row), mut slices) in rows {
        slices.sort_by_key(|(begin, end)| (*begin, std::cmp::Reverse(*end)));
        let mut open: Vec<u64> = Vec::new();
        for (begin, end) in slices {
            open.retain(|outer| *outer > begin);
            assert!(open.iter().all(|outer| end <= *outer), "process {process}, row {row}: {begin}..{end} in {open:?}");
            open.push(end);
        }
    }
}

#[test]
fn prepared_launches_have_their_kernels_name() {
    let device = device(Parameters::zero());
    let body = RustKernel::new("nothing").write::<f32>().body(|_| Ok(()));
    let kernel = device.load(&ModuleSource::new().rust([body])).and_then(|m| m.kernel("nothing")).expect("a kernel");
    let (stream, x) = (device.stream().expect("a stream"), device.alloc::<f32>(64).expect("memory"));
    let prepared = device.prepare(&kernel, 1, args![x.write()]).expect("it fits");
    let recording = device.record_timeline().expect("nobody records");
    futures::executor::block_on(stream.enqueue(&prepared)).expect("room").wait().expect("done");
    let mut document = Vec::new();
    recording.finish(&mut document).expect("a vector takes everything");
    assert!(String::from_utf8_lossy(&document).contains("\"nothing \u{d7} 1\""), "the engine's slice names it");
}

#[test]
fn one_recording_at_a_time_and_an_abandoned_one_ends() {
    let device = device(Parameters::zero());
    let recording = device.record_timeline().expect("nobody records");
    let refused = device.record_timeline().expect_err("one is enough").to_string();
    assert!(refused.contains("recorded already"), "{refused}");
    drop(recording);
    let recording = device.record_timeline().expect("the first has ended");
    let summary = recording.finish(std::io::sink()).expect("written");
    assert_eq!((summary.batches, summary.operations), (0, 0));
    let shut = device.clone();
    futures::executor::block_on(shut.shutdown());
    assert!(device.record_timeline().is_err(), "a closed device does nothing that could be recorded");
}

#[test]
fn several_recordings_share_a_document() {
    let mut perfetto = Perfetto::new(Vec::new()).expect("a vector");
    for (number, label) in [(0, "before"), (1, "after")] {
        let device = device(Parameters::zero());
        let recording = device.record_timeline().expect("nobody records");
        work(&device);
        recording.draw(&mut perfetto, 1 + number * TIMELINE_PROCESSES, label).expect("drawn");
    }
    let document = perfetto.finish().expect("finished");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    let events = document["traceEvents"].as_array().expect("a list");
    let processes = named(events, "process_name");
    // Of the one shard that each device has: six.
    assert_eq!(processes.len(), 12);
    assert!(processes.values().any(|name| *name == "after: engines"));
    let mut arrows: BTreeMap<u64, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "s" || event["ph"] == "f") {
        *arrows.entry(event["id"].as_u64().expect("a number")).or_default() += 1;
    }
    assert!(!arrows.is_empty() && arrows.values().all(|ends| *ends == 2), "an arrow has two ends");
}

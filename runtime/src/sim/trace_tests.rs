//! Tests of reading traces.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::sim::SimCopy;

const KERNEL: &str = r#"{"op": "kernel", "t": 10, "call": 5, "gpu": 1.5, "stream": 9, "name": "k", "grid": [2, 3, 4], "block": [1, 1, 1], "x": []}"#;
const COPY: &str = r#"{"op": "copy", "t": 17.25, "call": 1, "gpu": 2, "stream": 7, "kind": "DtoH", "bytes": 64}"#;
const FILL: &str = r#"{"op": "fill", "t": 17.5, "call": 1, "gpu": 2, "stream": 9, "bytes": 32}"#;
const SYNC: &str = r#"{"op": "sync", "t": 20.5, "call": 100}"#;

fn read(text: &str) -> Result<Trace, TraceError> {
    Trace::read("it", text.as_bytes())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn lines_become_a_workload() {
    let text = [KERNEL, COPY, FILL, SYNC].join("\n");
    let trace = read(&text).unwrap();
    assert_eq!(trace, Trace::read("it", gzip(&(text + "\n\n")).as_slice()).unwrap(), "plain and compressed are equal");
    assert_eq!((trace.streams(), trace.name(0), trace.name(1)), (2, Some("k"), None));

    let workload = trace.workload(2, 0.5, Wait::Sleep).unwrap();
    assert_eq!((workload.wait, workload.clients.len(), workload.operations()), (Wait::Sleep, 2, 6));
    assert_eq!(workload.clients.iter().map(|client| client.start).collect::<Vec<_>>(), [0, 37_000]);
    let operation =
        |stream, work, gpu, line| Action::Enqueue(SimOperation { stream, work, gpu, merge: Some(line), kernel: 0 });
    let expected = [
        operation(0, SimWork::Launch { blocks: 24 }, 1_500, 0),
        Action::Think(1_125), // half of 17.25 − 10 − 5
        operation(1, SimWork::Copy { kind: SimCopy::DeviceToHost, bytes: 64 }, 2_000, 1),
        operation(0, SimWork::Fill { bytes: 32 }, 2_000, 2), // called before the call before had ended: no gap
        Action::Think(1_000),
        Action::Sync,
    ];
    for client in &workload.clients {
        assert_eq!((client.streams, client.actions.as_slice()), (2, expected.as_slice()));
    }
}

/// The sentence about a line that stands third.
fn complaint(line: &str) -> String {
    let error = read(&format!("{KERNEL}\n{COPY}\n{line}\n")).unwrap_err().to_string();
    assert!(error.starts_with("it, line 3: "), "{error}");
    error
}

#[test]
fn what_is_wrong_is_named_with_line_and_field() {
    let with = |field: &str, value: &str| {
        let old = KERNEL.replace("\"t\": 10", "\"t\": 30");
        let begin = old.find(&format!("\"{field}\": ")).unwrap() + field.len() + 4;
        let length = old[begin..].find(if old[begin..].starts_with('[') { "]" } else { "," }).unwrap();
        let length = length + usize::from(old[begin..].starts_with('['));
        format!("{}{value}{}", &old[..begin], &old[begin + length..])
    };
    for (field, value, expected) in [
        ("op", "\"graph\"", "\"op\" is \"graph\"; it must be \"kernel\", \"copy\""),
        ("op", "1", "\"op\" is 1"),
        ("t", "-1", "\"t\" is -1"),
        ("t", "17", "\"t\" is 17.000 µs, before the 17.250 µs"),
        ("t", "1e13", "from 0 to 1e12"),
        ("t", "\"1\"", "\"t\" is \"1\""),
        ("call", "-0.5", "\"call\" is -0.5"),
        ("gpu", "-1.5", "\"gpu\" is -1.5; it must be a number of microseconds from 0 to 1e8"),
        ("gpu", "null", "\"gpu\" is null"),
        ("gpu", "1e300", "\"gpu\" is 1e+300"),
        ("gpu", "1e999", "number out of range at column"),
        ("gpu", "NaN", "in the field \"gpu\""),
        ("gpu", "Infinity", "in the field \"gpu\""),
        ("stream", "-1", "\"stream\" is -1"),
        ("stream", "18446744073709551616", "\"stream\" is 1.8446744073709552e+19"),
        ("grid", "[1, 0, 1]", "\"grid\" is [1,0,1]; it must be three whole numbers of at least 1"),
        ("grid", "[1, 1]", "\"grid\" is [1,1]"),
        ("grid", "[4294967296, 4294967296, 4294967296]", "at most 2^48"),
    ] {
        let error = complaint(&with(field, value));
        assert!(error.contains(expected), "{field} = {value}: {error}");
    }
    for field in ["op", "t", "call", "gpu", "stream", "grid"] {
        let error = complaint(&with(field, "1").replace(&format!("\"{field}\""), "\"other\""));
        assert!(error.contains(&format!("the field \"{field}\" is missing; it must be")), "{error}");
    }
    let copy = COPY.replace("17.25", "30");
    assert!(
        complaint(&copy.replace("DtoH", "HtoH")).contains("\"kind\" is \"HtoH\"; it must be \"HtoD\", \"DtoH\" or")
    );
    assert!(complaint(&copy.replace("\"kind\"", "\"k\"")).contains("\"kind\" is missing"));
    assert!(complaint(&copy.replace("64}", "-64}")).contains("\"bytes\" is -64"));
    assert!(complaint("[1]").contains("not a JSON object: it is [1]"));
    assert!(complaint("{\"op\": \"sync\"").contains("not a JSON object: EOF"));
    assert!(complaint(&"[".repeat(500)).contains("recursion"));
}

#[test]
fn files_that_are_no_traces_are_refused() {
    assert!(read("").unwrap_err().to_string().starts_with("it is empty; a trace has"));
    assert!(read("\n \n").unwrap_err().to_string().starts_with("it is empty"));
    let error = Trace::open("/no/such/trace").unwrap_err().to_string();
    assert!(error.starts_with("/no/such/trace cannot be read: "), "{error}");

    let whole = gzip(&format!("{SYNC}\n").repeat(5_000));
    let error = Trace::read("it", &whole[..whole.len() - 12]).unwrap_err();
    assert!(matches!(error, TraceError::Gzip { .. }) && error.to_string().contains("cut short"), "{error}");
    let mut damaged = whole.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;
    let error = Trace::read("it", damaged.as_slice()).unwrap_err();
    assert!(matches!(error, TraceError::Gzip { .. }) && error.to_string().contains("damaged"), "{error}");
    let error = Trace::read("it", [0x80, 0x81, b'\n'].as_slice()).unwrap_err().to_string();
    assert!(error.contains("line 1: not UTF-8"), "{error}");

    let long = format!("{{\"x\": \"{}\"}}", "y".repeat(MAX_LINE_BYTES as usize));
    let error = read(&format!("{SYNC}\n{long}\n")).unwrap_err().to_string();
    assert!(error.starts_with("it, line 2: the line is too long; a trace may have 1048576 lines of 65536"), "{error}");
    let error = Trace::read("it", gzip(&"\n".repeat(MAX_LINES as usize + 1)).as_slice()).unwrap_err().to_string();
    assert!(error.contains("line 1048577: there are too many lines"), "{error}");
}

#[test]
fn replays_out_of_range_are_refused() {
    let trace = read(SYNC).unwrap();
    let refused = |copies, think| trace.workload(copies, think, Wait::Poll).unwrap_err().to_string();
    assert_eq!(refused(0, 1.0), "0 copies cannot be replayed; 1 to 4096 can");
    assert_eq!(refused(4097, 1.0), "4097 copies cannot be replayed; 1 to 4096 can");
    for think in [-0.1, f64::NAN, f64::INFINITY, 1000.5] {
        assert!(refused(1, think).contains(&format!("the think time is {think}; it is a factor")));
    }
    let many = read(&format!("{SYNC}\n").repeat(5_000)).unwrap();
    let error = many.workload(4096, 1.0, Wait::Poll).unwrap_err().to_string();
    assert!(error.contains("4096 copies of 5000 lines"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), compressed in any::<bool>()) {
        let mut input = if compressed { vec![0x1f, 0x8b, 8, 0] } else { Vec::new() };
        input.extend(bytes);
        let _ = Trace::read("it", input.as_slice());
    }

    #[test]
    fn no_change_of_a_line_harms(at in 0..KERNEL.len(), to in any::<u8>()) {
        let mut line = KERNEL.as_bytes().to_vec();
        line[at] = to;
        if let Ok(trace) = Trace::read("it", line.as_slice()) {
            prop_assert!(trace.workload(3, 2.0, Wait::Poll).is_ok());
        }
    }
}

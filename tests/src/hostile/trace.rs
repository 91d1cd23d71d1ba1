//! The reader of recorded traces, plain and compressed.

use dxg_runtime::sim::{Trace, Wait};

/// Reads the bytes as a trace; what reads is turned into a workload.
pub fn trace(data: &[u8]) -> u64 {
    read(data);
    // As lines behind a beginning that is right, so that more of them get somewhere.
    let mut lines = FIRST.as_bytes().to_vec();
    lines.extend(data);
    read(&lines);
    2
}

const FIRST: &str = concat!(
    r#"{"t": 0.0, "call": 1.5, "gpu": 2.5, "stream": 7, "op": "kernel", "name": "k", "grid": [8, 1, 1], "block": [32, 1, 1]}"#,
    "\n"
);

fn read(data: &[u8]) {
    match Trace::read("fuzz", data) {
        Ok(trace) => {
            let lines = trace.lines().len();
            assert!(lines <= data.len().max(1) * 1100, "{lines} lines from {} bytes", data.len());
            for copies in [1, 2] {
                if let Err(error) = trace.workload(copies, 0.5, Wait::Poll) {
                    assert!(error.to_string().len() > 10, "{error}");
                }
            }
        }
        Err(error) => assert!(error.to_string().contains("fuzz"), "an error names the file: {error}"),
    }
}

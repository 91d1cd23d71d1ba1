//! `dxgrt timeline`: draws what `dxgrt run --trace` has written, for ui.perfetto.dev.
//!
//! A process of the program is a group of rows, a thread a row, a call a slice. Lines come in the order in which calls
//! returned, from several processes; each is looked at by itself. A process that is killed, or a full disk, may leave a line
//! that was cut off, perhaps with another's right behind it: such lines are left out, and counted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::PathBuf;

use dxg_runtime::perfetto::{Perfetto, Track, Value};
use serde::Deserialize;

use crate::commands::{Outcome, Verdict};

/// Arguments of `dxgrt timeline`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The trace: JSON lines of `dxgrt run --trace`
    trace: PathBuf,
    /// The drawing; without it, the trace's name with the ending .perfetto.json
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// One call, as far as it is drawn.
#[derive(Debug, Deserialize)]
struct Line {
    pid: u32,
    tid: u32,
    at_ns: u64,
    took_ns: u64,
    name: String,
    ret: i64,
    errno: i64,
    #[serde(default)]
    request: String,
    #[serde(default)]
    posted: u64,
    #[serde(default)]
    round_trips: u64,
    #[serde(default)]
    ring_bytes: u64,
    #[serde(default)]
    full_ring_sleeps: u64,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let output = self.output.clone().unwrap_or_else(|| self.trace.with_extension("perfetto.json"));
        let Lines { lines, cut_off } = self.lines()?;
        let unwritable = |error: io::Error| format!("{} cannot be written: {error}", output.display());
        let file = BufWriter::new(File::create(&output).map_err(unwritable)?);
        draw(&lines, file).map_err(unwritable)?;
        if cut_off > 0 {
            crate::output::complain(&format!(
                "{cut_off} lines of {} were cut off and are not drawn",
                self.trace.display()
            ));
        }
        crate::output::print_line(&format!("{} calls drawn into {}", lines.len(), output.display()))?;
        Ok(Verdict::Holds)
    }

    fn lines(&self) -> Outcome<Lines> {
        let shown = self.trace.display();
        let file = File::open(&self.trace).map_err(|error| format!("{shown}: {error}"))?;
        let mut read = Lines::default();
        for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(|error| format!("{shown}, line {}: {error}", number + 1))?;
            match serde_json::from_slice(&line) {
                Ok(line) => read.lines.push(line),
                // It begins as one of ours, and is no JSON: it was cut off.
                Err(error) if !error.is_data() && line.starts_with(LINE) => {
                    read.cut_off += 1;
                    // Of two lines in one the second is whole.
                    let second = line.windows(LINE.len()).rposition(|part| part == LINE).filter(|&at| at > 0);
                    read.lines.extend(second.and_then(|at| serde_json::from_slice(&line[at..]).ok()));
                }
                Err(error) => {
                    let sentence = format!("{shown}, line {} is not of `dxgrt run --trace`: {error}", number + 1);
                    return Err(sentence.into());
                }
            }
        }
        Ok(read)
    }
}

/// How a line begins.
const LINE: &[u8] = b"{\"pid\":";

/// What a trace holds.
#[derive(Debug, Default)]
struct Lines {
    lines: Vec<Line>,
    cut_off: usize,
}

fn draw(lines: &[Line], out: impl io::Write) -> io::Result<()> {
    let begin = lines.iter().map(|line| line.at_ns).min().unwrap_or(0);
    let mut perfetto = Perfetto::new(out)?;
    let mut tracks: HashMap<(u32, u32), Track> = HashMap::new();
    let mut totals: HashMap<u32, (u64, u64)> = HashMap::new();
    for line in lines {
        let track = match tracks.get(&(line.pid, line.tid)) {
            Some(track) => *track,
            None => {
                if !tracks.keys().any(|(process, _)| *process == line.pid) {
                    perfetto.process(line.pid, &format!("process {}", line.pid))?;
                }
                let track = perfetto.track(line.pid, line.tid, &format!("thread {}", line.tid))?;
                tracks.insert((line.pid, line.tid), track);
                track
            }
        };
        let at = line.at_ns - begin;
        let end = at.saturating_add(line.took_ns);
        let name = match line.name.strip_prefix("LX_DX") {
            Some(name) => name,
            None if line.name.is_empty() => &line.request,
            None => &line.name,
        };
        let ret = line.ret.to_string();
        let mut values = vec![
            ("ret", Value::Text(&ret)),
            ("posted", Value::Number(line.posted)),
            ("round_trips", Value::Number(line.round_trips)),
            ("ring_bytes", Value::Number(line.ring_bytes)),
        ];
        if line.errno > 0 {
            values.push(("errno", Value::Number(line.errno as u64)));
        }
        if line.full_ring_sleeps > 0 {
            values.push(("full_ring_sleeps", Value::Number(line.full_ring_sleeps)));
        }
        perfetto.slice(track, name, at, end, &values)?;
        let (posted, round_trips) = totals.entry(line.pid).or_default();
        *posted += line.posted;
        *round_trips += line.round_trips;
        perfetto.counter(line.pid, "messages posted", end, *posted)?;
        perfetto.counter(line.pid, "round trips", end, *round_trips)?;
    }
    perfetto.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_cut_off_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace.jsonl");
        let whole = r#"{"pid":7,"tid":7,"at_ns":1000,"took_ns":50,"name":"open","ret":0,"errno":0}"#;
        let text = format!("{whole}\n{}{whole}\n{whole}\n{}", &whole[..20], &whole[..41]);
        let arguments = Arguments { trace: trace.clone(), output: None };
        std::fs::write(&trace, &text).unwrap();
        let read = arguments.lines().unwrap();
        assert_eq!((read.lines.len(), read.cut_off), (3, 2));
        for (other, named) in [("{\"pid\":1}\n", 1), ("{}\n", 1), ("hello\n", 1), ("\u{0}\n", 1)] {
            std::fs::write(&trace, other).unwrap();
            let error = arguments.lines().unwrap_err().to_string();
            assert!(error.contains(&format!("line {named} is not of")), "{other}: {error}");
        }
    }

    #[test]
    fn calls_become_slices_and_rows_are_threads() {
        let text = [
            r#"{"pid":7,"tid":7,"at_ns":1000,"took_ns":50,"name":"open","ret":0,"errno":0,"round_trips":1}"#,
            r#"{"pid":7,"tid":8,"at_ns":1100,"took_ns":10,"name":"LX_DXLOCK2","ret":-1,"errno":22,"request":"0xc0"}"#,
            r#"{"pid":9,"tid":9,"at_ns":900,"took_ns":10,"name":"","ret":-1,"errno":25,"request":"0x1234"}"#,
        ];
        let lines: Vec<Line> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut out = Vec::new();
        draw(&lines, &mut out).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        let slices: Vec<&str> =
            events.iter().filter(|event| event["ph"] == "X").filter_map(|event| event["name"].as_str()).collect();
        assert_eq!(slices, ["open", "LOCK2", "0x1234"]);
        let open = events.iter().find(|event| event["name"] == "open").unwrap();
        assert_eq!((open["ts"].as_f64(), open["dur"].as_f64()), (Some(0.1), Some(0.05)));
    }
}

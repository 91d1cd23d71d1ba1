//! `dxgrt timeline`: draws what `dxgrt run --trace` has written, for ui.perfetto.dev.
//!
//! A process of the program is a group of rows, a thread a row, a call a slice; a second group has a row for each queue, with its
//! submissions and the values of its fence. Lines come in the order in which calls returned, from several processes; each is
//! looked at by itself. A process that is killed, or a full disk, may leave a line that was cut off, perhaps with another's
//! right behind it: such lines are left out, and counted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use dxg_io::sys::{d3dkmt_submitcommand, d3dkmt_submitcommandtohwqueue};
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

/// Groups of rows for queues have the number of their process and this: more than any process's.
const QUEUES: u32 = 8 << 20;

/// One call, as far as it is drawn.
#[derive(Debug, Deserialize)]
pub struct Line {
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
    /// The argument before the call, in hexadecimal digits.
    #[serde(default)]
    before: String,
}

/// A submission, as its argument tells.
struct Submission {
    queue: u64,
    /// The value that the queue's fence gets; none of a context, which has no fence of its own.
    fence: Option<u64>,
    command_bytes: u64,
}

impl Line {
    /// A little-endian number of the argument; none where it is not written down so far.
    fn number(&self, at: usize, bytes: usize) -> Option<u64> {
        let digits = self.before.get(2 * at..2 * (at + bytes))?;
        Some(u64::from_str_radix(digits, 16).ok()?.swap_bytes() >> (64 - 8 * bytes))
    }

    fn submission(&self) -> Option<Submission> {
        if self.ret < 0 {
            return None;
        }
        match self.name.as_str() {
            "LX_DXSUBMITCOMMANDTOHWQUEUE" => Some(Submission {
                queue: self.number(offset_of!(d3dkmt_submitcommandtohwqueue, hwqueue), 4)?,
                fence: Some(self.number(offset_of!(d3dkmt_submitcommandtohwqueue, hwqueue_progress_fence_id), 8)?),
                command_bytes: self.number(offset_of!(d3dkmt_submitcommandtohwqueue, command_length), 4)?,
            }),
            "LX_DXSUBMITCOMMAND" => Some(Submission {
                queue: self.number(offset_of!(d3dkmt_submitcommand, broadcast_context), 4)?,
                fence: None,
                command_bytes: self.number(offset_of!(d3dkmt_submitcommand, command_length), 4)?,
            }),
            _ => None,
        }
    }
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let output = self.output.clone().unwrap_or_else(|| self.trace.with_extension("perfetto.json"));
        let lines = read(&self.trace)?;
        let unwritable = |error: io::Error| format!("{} cannot be written: {error}", output.display());
        let file = BufWriter::new(File::create(&output).map_err(unwritable)?);
        let begin = lines.iter().map(|line| line.at_ns).min().unwrap_or(0);
        draw(&lines, begin, file).map_err(unwritable)?;
        crate::output::print_line(&format!("{} calls drawn into {}", lines.len(), output.display()))?;
        Ok(Verdict::Holds)
    }
}

/// How a line begins.
const LINE: &[u8] = b"{\"pid\":";

/// What a trace holds.
struct Lines {
    lines: Vec<Line>,
    cut_off: usize,
}

/// The calls of a trace. Lines that were cut off are left out, which is said.
pub fn read(trace: &Path) -> Outcome<Vec<Line>> {
    let Lines { lines, cut_off } = parse(trace)?;
    if cut_off > 0 {
        crate::output::complain(&format!("{cut_off} lines of {} were cut off and are not drawn", trace.display()));
    }
    Ok(lines)
}

fn parse(trace: &Path) -> Outcome<Lines> {
    let shown = trace.display();
    let file = File::open(trace).map_err(|error| format!("{shown}: {error}"))?;
    let (mut lines, mut cut_off) = (Vec::new(), 0);
    for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.map_err(|error| format!("{shown}, line {}: {error}", number + 1))?;
        match serde_json::from_slice(&line) {
            Ok(line) => lines.push(line),
            // It begins as one of ours, and is no JSON: it was cut off.
            Err(error) if !error.is_data() && line.starts_with(LINE) => {
                cut_off += 1;
                // Of two lines in one the second is whole.
                let second = line.windows(LINE.len()).rposition(|part| part == LINE).filter(|&at| at > 0);
                lines.extend(second.and_then(|at| serde_json::from_slice(&line[at..]).ok()));
            }
            Err(error) => {
                let sentence = format!("{shown}, line {} is not of `dxgrt run --trace`: {error}", number + 1);
                return Err(sentence.into());
            }
        }
    }
    Ok(Lines { lines, cut_off })
}

/// Draws calls, at their times after `begin`.
pub fn draw(lines: &[Line], begin: u64, out: impl io::Write) -> io::Result<()> {
    let mut perfetto = Perfetto::new(out)?;
    let mut tracks: HashMap<(u32, u32), Track> = HashMap::new();
    let mut queues: HashMap<(u32, u64), Track> = HashMap::new();
    let mut totals: HashMap<u32, [u64; 3]> = HashMap::new();
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
        let at = line.at_ns.saturating_sub(begin);
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
        if let Some(submission) = line.submission() {
            let queue = submission.queue;
            let row = match queues.get(&(line.pid, queue)) {
                Some(row) => *row,
                None => {
                    let group = QUEUES + line.pid;
                    if !queues.keys().any(|(process, _)| *process == line.pid) {
                        perfetto.process(group, &format!("process {}: queues", line.pid))?;
                    }
                    let row = perfetto.track(group, queues.len() as u32 + 1, &format!("queue {queue:#x}"))?;
                    queues.insert((line.pid, queue), row);
                    row
                }
            };
            let name = match submission.fence {
                Some(value) => format!("submission, fence {value}"),
                None => "submission".into(),
            };
            perfetto.instant(row, &name, end, &[("command bytes", Value::Number(submission.command_bytes))])?;
        }
        let totals = totals.entry(line.pid).or_default();
        let counted =
            [("messages posted", line.posted), ("round trips", line.round_trips), ("ring bytes", line.ring_bytes)];
        for (total, (name, more)) in totals.iter_mut().zip(counted) {
            *total += more;
            perfetto.counter(line.pid, name, end, *total)?;
        }
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
        std::fs::write(&trace, &text).unwrap();
        let read = parse(&trace).unwrap();
        assert_eq!((read.lines.len(), read.cut_off), (3, 2));
        for (other, named) in [("{\"pid\":1}\n", 1), ("{}\n", 1), ("hello\n", 1), ("\u{0}\n", 1)] {
            std::fs::write(&trace, other).unwrap();
            let error = parse(&trace).map(drop).unwrap_err().to_string();
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
        draw(&lines, 900, &mut out).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        let slices: Vec<&str> =
            events.iter().filter(|event| event["ph"] == "X").filter_map(|event| event["name"].as_str()).collect();
        assert_eq!(slices, ["open", "LOCK2", "0x1234"]);
        let open = events.iter().find(|event| event["name"] == "open").unwrap();
        assert_eq!((open["ts"].as_f64(), open["dur"].as_f64()), (Some(0.1), Some(0.05)));
    }

    #[test]
    fn submissions_stand_on_the_rows_of_their_queues() {
        let argument = |queue: u32, fence: u64, length: u32| {
            let mut bytes = [0u8; 40];
            bytes[..4].copy_from_slice(&queue.to_le_bytes());
            bytes[8..16].copy_from_slice(&fence.to_le_bytes());
            bytes[24..28].copy_from_slice(&length.to_le_bytes());
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let line = |before: &str, ret: i64| {
            let text = format!(
                r#"{{"pid":7,"tid":7,"at_ns":10,"took_ns":5,"name":"LX_DXSUBMITCOMMANDTOHWQUEUE","ret":{ret},"errno":0,"before":"{before}"}}"#
            );
            serde_json::from_str::<Line>(&text).unwrap()
        };
        let good = argument(0x4000_0042, 0x1_0000_0003, 96);
        // One that failed, and arguments that are cut or no digits.
        let lines = [line(&good, 0), line(&good, -1), line("40", 0), line(&"z".repeat(80), 0)];
        let mut out = Vec::new();
        draw(&lines, 0, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("submission, fence 4294967299").count(), 1, "{text}");
        assert!(text.contains("queue 0x40000042") && text.contains("\"command bytes\":96"), "{text}");
    }
}

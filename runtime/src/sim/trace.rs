//! Traces: operation streams of real programs, one JSON object a line, plain or gzip, read line by line.
//!
//! ```text
//! bytes ─▶ (gunzip) ─▶ line, bounded ─▶ fields, checked ─▶ TraceLine ─▶ Trace ─▶ workload(copies, think) ─▶ Workload
//! ```
//!
//! `tests/data/traces/README.md` describes the format. Nothing about a file is trusted: how long a line is, how many there
//! are and how large a number may be is bounded, and whatever is wrong is said with file, line and field.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::fields::Fields;
use super::workload::{Action, Client, SimOperation, SimWork, Wait, Workload};

/// Longest line, in bytes. Lines of the recorded traces have about 200.
pub const MAX_LINE_BYTES: u64 = 64 << 10;
/// Most lines of a trace.
pub const MAX_LINES: u64 = 1 << 20;
/// Most bytes of a trace, decompressed.
pub const MAX_BYTES: u64 = 1 << 30;
/// Most copies of a trace that are replayed at one time.
pub const MAX_COPIES: u32 = 4096;
/// Most lines of a workload, all copies together.
pub const MAX_WORKLOAD_LINES: u64 = 8 << 20;
/// Largest factor of host gaps.
pub const MAX_THINK: f64 = 1000.0;
/// Nanoseconds that each copy of a trace starts after the one before, so that copies do not march in step.
pub const COPY_STAGGER_NS: u64 = 37_000;

/// One program's operation stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    lines: Vec<TraceLine>,
    streams: u32,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceLine {
    /// Nanoseconds from the first call to this one.
    pub at: u64,
    /// Nanoseconds the recorded host was in the call.
    pub call: u64,
    /// What was called.
    pub step: TraceStep,
    /// What the recorded program called it; may be cut.
    pub name: Option<Box<str>>,
}

/// What a line of a trace does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TraceStep {
    /// The host waits until everything before is complete.
    Sync,
    /// It enqueues an operation.
    Operation {
        /// The stream: 0 is the first that the trace names, 1 the second.
        stream: u32,
        /// What it does.
        work: SimWork,
        /// Nanoseconds it runs on the GPU.
        gpu: u64,
        /// A number for each kernel name; a guess, where names are cut.
        kernel: u32,
    },
}

/// A trace that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file could not be opened or read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The compressed data is damaged or incomplete.
    #[error("{file}, after line {line}: the gzip data is {problem}; a complete file is needed")]
    Gzip {
        /// The file.
        file: String,
        /// Lines that could be read.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no line in it.
    #[error("{file} is empty; a trace has at least one line such as {{\"op\": \"sync\", \"t\": 0, \"call\": 1}}")]
    Empty {
        /// The file.
        file: String,
    },
    /// It is larger than a trace may be.
    #[error(
        "{file}, line {line}: {what}; a trace may have {MAX_LINES} lines of {MAX_LINE_BYTES} bytes and {MAX_BYTES} bytes in all"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The first line that is too much.
        line: u64,
        /// What is too large.
        what: &'static str,
    },
    /// A line says something that cannot be.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it, and what would be right.
        problem: LineProblem,
    },
}

/// What is wrong with a line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// Not UTF-8.
    #[error("not UTF-8 text; a line is a JSON object")]
    Text,
    /// Not JSON, or not an object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A field is not there.
    #[error("the field {field:?} is missing; it must be {expected}")]
    Missing {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("{field:?} is {value}; it must be {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What was found.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Time goes backwards.
    #[error("\"t\" is {at} µs, before the {before} µs of the line before; lines stand in the order of their calls")]
    Backwards {
        /// This line's time.
        at: String,
        /// The time of the line before.
        before: String,
    },
}

/// A workload that cannot be made of a trace.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// No copy, or too many.
    #[error("{0} copies cannot be replayed; 1 to {MAX_COPIES} can")]
    Copies(u32),
    /// More operations than are kept in memory.
    #[error(
        "{copies} copies of {lines} lines are more than the {MAX_WORKLOAD_LINES} lines a replay may have; take fewer copies"
    )]
    Lines {
        /// How many copies.
        copies: u32,
        /// Lines of the trace.
        lines: u64,
    },
    /// Not a factor.
    #[error("the think time is {0}; it is a factor of the recorded host gaps, from 0 to {MAX_THINK}")]
    Think(String),
}

impl Trace {
    /// Reads a file, plain or gzip.
    ///
    /// # Errors
    /// What cannot be read, with file, line and field.
    pub fn open(path: impl AsRef<Path>) -> Result<Trace, TraceError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| TraceError::Io { file: name.clone(), source })?;
        Trace::read(&name, file)
    }

    /// Reads a trace, plain or gzip; `file` is what errors call it.
    ///
    /// # Errors
    /// What cannot be read, with file, line and field.
    pub fn read(file: &str, input: impl Read) -> Result<Trace, TraceError> {
        let mut input = BufReader::new(input);
        let magic = input.fill_buf().map_err(|source| TraceError::Io { file: file.to_owned(), source })?;
        if magic.starts_with(&[0x1f, 0x8b]) {
            Reader::new(file, BufReader::new(MultiGzDecoder::new(input)), true).trace()
        } else {
            Reader::new(file, input, false).trace()
        }
    }

    /// Its lines, in order.
    #[must_use]
    pub fn lines(&self) -> &[TraceLine] {
        &self.lines
    }

    /// How many streams it names.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.streams
    }

    /// What the recorded program called the operation of this line (from 0), which is the `merge` of its operations.
    #[must_use]
    pub fn name(&self, line: u64) -> Option<&str> {
        self.lines.get(usize::try_from(line).ok()?)?.name.as_deref()
    }

    /// So many copies of it side by side: each a client with streams of its own, 37 µs after the one before. Between two
    /// calls a client computes for `think` times the recorded gap. The same line of different copies may merge, nothing
    /// else: a cut name is no identity.
    ///
    /// # Errors
    /// A number of copies or a factor out of range.
    pub fn workload(&self, copies: u32, think: f64, wait: Wait) -> Result<Workload, ReplayError> {
        if copies == 0 || copies > MAX_COPIES {
            return Err(ReplayError::Copies(copies));
        }
        let lines = self.lines.len() as u64;
        if u64::from(copies) * lines > MAX_WORKLOAD_LINES {
            return Err(ReplayError::Lines { copies, lines });
        }
        if !(0.0..=MAX_THINK).contains(&think) {
            return Err(ReplayError::Think(think.to_string()));
        }
        let mut actions = Vec::with_capacity(self.lines.len() * 2);
        let mut free_at = None;
        for (index, line) in self.lines.iter().enumerate() {
            let gap = free_at.map_or(0, |free_at| line.at.saturating_sub(free_at));
            let think = (gap as f64 * think).round() as u64;
            if think > 0 {
                actions.push(Action::Think(think));
            }
            actions.push(match line.step {
                TraceStep::Sync => Action::Sync,
                TraceStep::Operation { stream, work, gpu, kernel } => {
                    Action::Enqueue(SimOperation { stream, work, gpu, merge: Some(index as u64), kernel })
                }
            });
            free_at = Some(line.at + line.call);
        }
        let client =
            |copy| Client { start: u64::from(copy) * COPY_STAGGER_NS, streams: self.streams, actions: actions.clone() };
        Ok(Workload { clients: (0..copies).map(client).collect(), wait })
    }
}

/// Reads lines, and knows where it is.
struct Reader<'a, R> {
    file: &'a str,
    input: R,
    compressed: bool,
    buffer: Vec<u8>,
    line: u64,
    bytes: u64,
    streams: HashMap<u64, u32>,
    kernels: HashMap<Option<Box<str>>, u32>,
    trace: Trace,
}

impl<'a, R: BufRead> Reader<'a, R> {
    fn new(file: &'a str, input: R, compressed: bool) -> Self {
        Reader {
            file,
            input,
            compressed,
            buffer: Vec::new(),
            line: 0,
            bytes: 0,
            streams: HashMap::new(),
            kernels: HashMap::new(),
            trace: Trace::default(),
        }
    }

    fn trace(mut self) -> Result<Trace, TraceError> {
        while self.next_line()? {
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line = self.parse().map_err(|problem| TraceError::Line {
                file: self.file.to_owned(),
                line: self.line,
                problem,
            })?;
            self.trace.lines.push(line);
        }
        if self.trace.lines.is_empty() {
            return Err(TraceError::Empty { file: self.file.to_owned() });
        }
        self.trace.streams = self.streams.len() as u32;
        Ok(self.trace)
    }

    /// Reads the next line into the buffer; `false` at the end.
    fn next_line(&mut self) -> Result<bool, TraceError> {
        self.buffer.clear();
        let read = (&mut self.input).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|error| self.unreadable(error))? as u64;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        self.bytes += read;
        let too_large = [
            (read > MAX_LINE_BYTES, "the line is too long"),
            (self.line > MAX_LINES, "there are too many lines"),
            (self.bytes > MAX_BYTES, "there are too many bytes"),
        ];
        match too_large.iter().find(|(too_large, _)| *too_large) {
            Some(&(_, what)) => Err(TraceError::TooLarge { file: self.file.to_owned(), line: self.line, what }),
            None => Ok(true),
        }
    }

    fn unreadable(&self, error: io::Error) -> TraceError {
        let file = self.file.to_owned();
        match (self.compressed, error.kind()) {
            (true, io::ErrorKind::UnexpectedEof) => {
                TraceError::Gzip { file, line: self.line, problem: "cut short".to_owned() }
            }
            (true, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                TraceError::Gzip { file, line: self.line, problem: format!("damaged ({error})") }
            }
            _ => TraceError::Io { file, source: error },
        }
    }

    fn parse(&mut self) -> Result<TraceLine, LineProblem> {
        let text = std::str::from_utf8(&self.buffer).map_err(|_| LineProblem::Text)?;
        let fields = Fields::parse(text)?;
        let at = fields.time("t")?;
        if let Some(before) = self.trace.lines.last().map(|line| line.at).filter(|&before| at < before) {
            let micros = |nanos: u64| format!("{}.{:03}", nanos / 1000, nanos % 1000);
            return Err(LineProblem::Backwards { at: micros(at), before: micros(before) });
        }
        let call = fields.time("call")?;
        let work = match fields.op()? {
            "sync" => None,
            "kernel" => Some(SimWork::Launch { blocks: fields.blocks()? }),
            "copy" => Some(SimWork::Copy { kind: fields.kind()?, bytes: fields.integer("bytes")? }),
            _ => Some(SimWork::Fill { bytes: fields.integer("bytes")? }),
        };
        let step = match work {
            None => TraceStep::Sync,
            Some(work) => {
                let next = self.streams.len() as u32;
                let stream = *self.streams.entry(fields.integer("stream")?).or_insert(next);
                let next = self.kernels.len() as u32;
                let kernel = match work {
                    SimWork::Launch { .. } => *self.kernels.entry(fields.name()).or_insert(next),
                    SimWork::Copy { .. } | SimWork::Fill { .. } => 0,
                };
                TraceStep::Operation { stream, work, gpu: fields.gpu()?, kernel }
            }
        };
        Ok(TraceLine { at, call, step, name: fields.name() })
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;

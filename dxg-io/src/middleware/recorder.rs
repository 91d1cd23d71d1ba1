//! Keeps the last calls that went over a boundary, with their argument bytes before and after.
//!
//! Records are kept in the order in which calls returned, within a bound: when it is passed, the oldest go and are
//! counted. What pointers in the arguments lead to is not recorded.

use core::ffi::c_void;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::argument_bytes;
use crate::boundary::{Boundary, RawOutcome};
use crate::sys::IoctlInfo;

/// A boundary that records.
pub struct Recorder<B> {
    inner: B,
    recording: Arc<Recording>,
}

/// What a [`Recorder`] keeps.
#[derive(Debug)]
pub struct Recording {
    began: Instant,
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Record>,
    next: u64,
    dropped: u64,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 0, in the order in which calls returned.
    pub sequence: u64,
    /// When it was made, in nanoseconds since the recorder was.
    pub at_nanos: u64,
    /// How long it took.
    pub took_nanos: u64,
    /// The ioctl's C name; empty for a request that is not the driver's.
    pub name: &'static str,
    /// The request code.
    pub request: u32,
    /// The argument struct before the call; empty for a request that is not the driver's.
    pub before: Vec<u8>,
    /// The argument struct after it.
    pub after: Vec<u8>,
    /// What came back.
    pub outcome: RawOutcome,
}

impl Record {
    /// The record as one line of JSON, without the line's end. Bytes are hexadecimal.
    pub fn to_json_line(&self) -> String {
        let mut line = String::with_capacity(256 + 4 * self.before.len());
        let t = &self.outcome.traffic;
        let _ = write!(
            line,
            "{{\"sequence\":{},\"at_ns\":{},\"took_ns\":{},\"name\":\"{}\",\"request\":\"{:#010x}\",\"ret\":{},\"errno\":{}",
            self.sequence,
            self.at_nanos,
            self.took_nanos,
            self.name,
            self.request,
            self.outcome.ret,
            self.outcome.errno
        );
        let _ = write!(
            line,
            ",\"posted\":{},\"round_trips\":{},\"payload_bytes\":{},\"ring_bytes\":{},\"doorbells\":{},\"full_ring_sleeps\":{}",
            t.posted, t.round_trips, t.payload_bytes, t.ring_bytes, t.doorbells, t.full_ring_sleeps
        );
        for (key, bytes) in [("before", &self.before), ("after", &self.after)] {
            let _ = write!(line, ",\"{key}\":\"");
            for byte in bytes {
                let _ = write!(line, "{byte:02x}");
            }
            line.push('"');
        }
        line.push('}');
        line
    }
}

impl Recording {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, mut record: Record) {
        let mut kept = self.kept();
        record.sequence = kept.next;
        kept.next += 1;
        if kept.records.len() >= self.most {
            kept.records.pop_front();
            kept.dropped += 1;
        }
        if self.most > 0 {
            kept.records.push_back(record);
        }
    }

    /// Takes the records out, oldest first.
    pub fn take(&self) -> Vec<Record> {
        core::mem::take(&mut self.kept().records).into()
    }

    /// Records that went because there was no more room.
    pub fn dropped(&self) -> u64 {
        self.kept().dropped
    }
}

impl<B> Recorder<B> {
    /// Records the calls that go to `inner`, the last `most` of them.
    pub fn new(inner: B, most: usize) -> Self {
        Self { inner, recording: Arc::new(Recording { began: Instant::now(), most, kept: Mutex::default() }) }
    }

    /// What is recorded.
    pub fn recording(&self) -> Arc<Recording> {
        self.recording.clone()
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl<B: Boundary> Boundary for Recorder<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let ioctl = IoctlInfo::of(request);
        let copy = || match ioctl {
            // SAFETY: the caller promises that `arg` points to the initialised argument struct of `request`.
            Some(ioctl) => unsafe { argument_bytes(ioctl, arg) },
            None => Vec::new(),
        };
        let before = copy();
        let at = Instant::now();
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        let outcome = unsafe { self.inner.ioctl(request, arg) };
        let took_nanos = nanos(at.elapsed());
        self.recording.keep(Record {
            sequence: 0,
            at_nanos: nanos(at.saturating_duration_since(self.recording.began)),
            took_nanos,
            name: ioctl.map_or("", |i| i.name),
            request,
            before,
            after: copy(),
            outcome,
        });
        outcome
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

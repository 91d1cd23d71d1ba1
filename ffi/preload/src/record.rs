//! What is written down of each call, where somebody asked: counts in a ledger, and lines of a trace.
//!
//! The ledger is mapped, and needs no descriptor. The trace is a file that all processes of the program append to, a line in
//! one write. Its descriptor is a private one; a program that closes all descriptors past this library could give its number
//! to a file of its own, so it is looked at before each write.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dxg_io::boundary::{RawOutcome, Traffic};
use dxg_io::memory::UserMemory;
use dxg_io::middleware::Ledger;
use dxg_io::software::descriptor::PrivateFd;
use dxg_io::sys::IoctlInfo;

use crate::machine::complain;
use crate::node::Identity;
use crate::raw;

/// The ledger's file.
pub const LEDGER: &str = "DXGRT_PRELOAD_LEDGER";
/// The trace's file.
pub const TRACE: &str = "DXGRT_PRELOAD_TRACE";

/// See the module.
pub struct Record {
    ledger: Option<Ledger>,
    trace: Option<Trace>,
}

struct Trace {
    file: PrivateFd,
    identity: Option<Identity>,
}

impl Record {
    /// As the environment says.
    pub fn new() -> Record {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        let unusable = |name: &str, error: io::Error| complain(&format!("{name}: {error}; nothing is written there"));
        let ledger = path(LEDGER).and_then(|path| Ledger::open(&path).map_err(|error| unusable(LEDGER, error)).ok());
        let trace = path(TRACE).and_then(|path| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let file = file.map_err(|error| unusable(TRACE, error)).ok()?;
            let file = PrivateFd::new(OwnedFd::from(file));
            Some(Trace { identity: Identity::of(file.as_raw_fd()), file })
        });
        if let Some(ledger) = &ledger {
            ledger.add_process();
        }
        Record { ledger, trace }
    }

    /// The argument struct as it is now, if it is to be written down.
    pub fn argument(&self, request: u32, address: u64, memory: &dyn UserMemory) -> Option<Vec<u8>> {
        self.trace.as_ref()?;
        let mut bytes = vec![0; IoctlInfo::of(request)?.size as usize];
        // SAFETY: the machine's memory is checked: it takes any address.
        unsafe { memory.read(address, &mut bytes) }.ok()?;
        Some(bytes)
    }

    /// An ioctl is about to be made.
    pub fn begins(&self, request: u32) {
        if let Some(ledger) = &self.ledger {
            ledger.begin(request);
        }
    }

    /// An ioctl was made.
    pub fn called(
        &self,
        request: u32,
        outcome: &RawOutcome,
        began: Instant,
        before: Option<Vec<u8>>,
        after: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        let took = began.elapsed();
        if let Some(ledger) = &self.ledger {
            ledger.add(request, outcome, took);
        }
        if let Some(trace) = &self.trace {
            let name = IoctlInfo::of(request).map_or("", |info| info.name);
            let mut line = line(name, took, outcome);
            let _ = write!(line, ",\"request\":\"{request:#010x}\"");
            for (key, bytes) in [("before", before), ("after", after())] {
                let Some(bytes) = bytes else { continue };
                let _ = write!(line, ",\"{key}\":\"");
                for byte in bytes {
                    let _ = write!(line, "{byte:02x}");
                }
                line.push('"');
            }
            trace.write(line);
        }
    }

    /// The node was opened, or not.
    pub fn opened(&self, outcome: &RawOutcome, began: Instant) {
        let took = began.elapsed();
        if let Some(ledger) = &self.ledger {
            ledger.add_open(outcome, took);
        }
        if let Some(trace) = &self.trace {
            trace.write(line("open", took, outcome));
        }
    }

    /// The last descriptor of an open was closed.
    pub fn closed(&self, traffic: Traffic, began: Instant) {
        let took = began.elapsed();
        if let Some(ledger) = &self.ledger {
            ledger.add_close(traffic, took);
        }
        if let Some(trace) = &self.trace {
            trace.write(line("close", took, &RawOutcome::success().with_traffic(traffic)));
        }
    }
}

/// Nanoseconds of the clock that all processes of the machine share.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the struct.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A line, but for what comes last and its end.
fn line(name: &str, took: Duration, outcome: &RawOutcome) -> String {
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let (process, thread, t) = (raw::process(), raw::thread(), &outcome.traffic);
    let errno = if outcome.ret == -1 { outcome.errno } else { 0 };
    let mut line = String::with_capacity(512);
    let _ = write!(
        line,
        "{{\"pid\":{process},\"tid\":{thread},\"at_ns\":{},\"took_ns\":{took},\"name\":\"{name}\",\"ret\":{},\"errno\":{errno}",
        now().saturating_sub(took),
        outcome.ret,
    );
    let _ = write!(
        line,
        ",\"posted\":{},\"round_trips\":{},\"payload_bytes\":{},\"ring_bytes\":{},\"doorbells\":{},\"full_ring_sleeps\":{}",
        t.posted, t.round_trips, t.payload_bytes, t.ring_bytes, t.doorbells, t.full_ring_sleeps
    );
    line
}

impl Trace {
    fn write(&self, mut line: String) {
        line.push_str("}\n");
        let fd = self.file.as_raw_fd();
        if Identity::of(fd) != self.identity {
            return;
        }
        // SAFETY: a live buffer. Raw, so that it is no cancellation point; a full disk loses lines and stops nobody.
        unsafe { raw::call(libc::SYS_write, [fd as usize, line.as_ptr() as usize, line.len(), 0, 0, 0]) };
    }
}

//! What a device leaves behind when it ends, where the environment asks for it: its report, and its timeline. So `dxgrt run` sees
//! into a program that was not changed for it.
//!
//! ```text
//! DXGRT_REPORT, DXGRT_TIMELINE name folders ─▶ Leaving, made with the device ─▶ files, written when its last handle goes
//! ```
//!
//! A device whose handles never go, because the program keeps them or exits past its destructors, leaves nothing.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::device::{DeviceShared, DeviceTag};
use crate::driver::Engine;
use crate::error::{Error, Result};
use crate::perfetto::Perfetto;
use crate::timeline::TimelineRecording;

/// Names a folder for reports: text files `PID-NUMBER.txt`, the device in their first line.
pub const REPORT_VARIABLE: &str = "DXGRT_REPORT";
/// Names a folder for timelines: documents for Perfetto, `PID-NUMBER.json`. Their times are those of the clock `CLOCK_MONOTONIC`, and
/// their processes have numbers of their own, so that documents of several programs can be joined.
pub const TIMELINE_VARIABLE: &str = "DXGRT_TIMELINE";

/// How long work in flight is waited for, so that it is counted and drawn.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_micros(200);
/// Processes of a drawing begin here: above all that the system numbers.
const FIRST_PROCESS: u32 = 16 << 20;
/// Numbers of drawn processes for each process of the system, and for each of its devices.
const PER_PROCESS: u32 = 512;
const PER_DEVICE: u32 = 32;

/// What is written when the device ends.
pub(crate) struct Leaving {
    report: Option<PathBuf>,
    timeline: Option<Timeline>,
}

struct Timeline {
    path: PathBuf,
    recording: TimelineRecording,
    /// When it began.
    begun: u64,
}

impl Leaving {
    /// As the environment says; none if it asks for nothing.
    pub(crate) fn from_environment(engine: &Arc<Engine>, tag: DeviceTag) -> Result<Option<Leaving>> {
        let (report, timeline) = (folder(REPORT_VARIABLE)?, folder(TIMELINE_VARIABLE)?);
        if report.is_none() && timeline.is_none() {
            return Ok(None);
        }
        let name = format!("{}-{}", std::process::id(), tag.id);
        let timeline = timeline.map(|folder| -> Result<Timeline> {
            let path = folder.join(format!("{name}.json"));
            Ok(Timeline { path, recording: TimelineRecording::begin(engine)?, begun: monotonic() })
        });
        let report = report.map(|folder| folder.join(format!("{name}.txt")));
        Ok(Some(Leaving { report, timeline: timeline.transpose()? }))
    }

    /// The last handle of the device goes, and it is not closed yet, which takes messages of its own: waits for what was accepted,
    /// and writes.
    pub(crate) fn leave(self, device: &DeviceShared) {
        settle(&device.engine);
        let tag = device.tag;
        if let Some(path) = &self.report {
            let text = format!("{tag} of process {}\n{}\n", std::process::id(), device.report());
            told(REPORT_VARIABLE, path, std::fs::write(path, text));
        }
        if let Some(Timeline { path, recording, begun }) = self.timeline {
            told(TIMELINE_VARIABLE, &path, draw(&path, recording, begun, tag));
        }
    }
}

fn draw(path: &Path, recording: TimelineRecording, begun: u64, tag: DeviceTag) -> io::Result<()> {
    let mut perfetto = Perfetto::new(BufWriter::new(File::create(path)?))?.later(begun);
    let process = std::process::id();
    let device = (tag.id as u32).wrapping_mul(PER_DEVICE) % PER_PROCESS;
    let first = process.wrapping_mul(PER_PROCESS).wrapping_add(FIRST_PROCESS + device);
    recording.draw(&mut perfetto, first, &format!("process {process}, {tag}"))?;
    perfetto.finish().map(drop)
}

fn settle(engine: &Engine) {
    let begun = Instant::now();
    engine.flush_everything();
    while begun.elapsed() < PATIENCE
        && engine.check_open().is_ok()
        && engine.streams().iter().any(|stream| !stream.is_idle())
    {
        std::thread::sleep(LOOK);
    }
}

/// Nobody can be given this error any more.
fn told(variable: &str, path: &Path, written: io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!(variable, path = %path.display(), %error, "what a device leaves behind could not be written");
    }
}

fn folder(variable: &'static str) -> Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os(variable).filter(|named| !named.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(&named);
    if path.is_dir() {
        return Ok(Some(path));
    }
    Err(Error::BadSetting {
        name: variable.into(),
        value: named.to_string_lossy().into(),
        expected: "it names a folder that is there".into(),
    })
}

/// Nanoseconds of the clock that all processes of the machine share.
fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: needed because the standard library does not tell this clock's value; the call fills the struct.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

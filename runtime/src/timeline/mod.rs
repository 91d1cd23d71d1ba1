//! Timelines of a device in use: recorded while the program runs, drawn for Perfetto afterwards.
//!
//! ```text
//! driver events ─▶ Recorder: a list of fixed room ─▶ TimelineRecording::finish ─▶ draw ─▶ Perfetto document
//! ```
//!
//! Recording copies a few words for each batch and each stream in it; everything that costs time is left to the end. Times are
//! those at which this process submitted and saw fences move: what the device does in between is not visible to it.

mod draw;
mod record;

use std::io::{self, Write};
use std::sync::Arc;

pub(crate) use record::Recorder;

use crate::device::Device;
use crate::driver::Engine;
use crate::error::{Error, Result};
use crate::limits::SHARDS_MAX;
use crate::perfetto::Perfetto;

/// Processes (groups of rows) of one shard.
const SHARD_PROCESSES: u32 = 6;

/// Processes (groups of rows) that one timeline draws at most, six for each shard of the device: see [`TimelineRecording::draw`].
pub const TIMELINE_PROCESSES: u32 = SHARD_PROCESSES * SHARDS_MAX as u32;

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimelineSummary {
    /// Batches that are drawn.
    pub batches: u64,
    /// Operations in them.
    pub operations: u64,
    /// Events that came when the room for them was used up. They are not drawn: the timeline ends before the program.
    pub dropped: u64,
}

/// A recording of what a device does, from [`Device::record_timeline`] to [`finish`](TimelineRecording::finish).
///
/// Dropping it ends the recording without drawing it.
///
/// ```
/// use dxg_runtime::Device;
/// let device = Device::open("software")?;
/// let recording = device.record_timeline()?;
/// let (stream, buffer) = (device.stream()?, device.alloc::<f32>(64)?);
/// stream.try_fill(&buffer, 1.0f32)?.wait()?;
/// let mut document = Vec::new(); // or a file, for https://ui.perfetto.dev
/// let summary = recording.finish(&mut document)?;
/// assert_eq!((summary.batches, summary.operations, summary.dropped), (1, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it ends the recording"]
pub struct TimelineRecording {
    engine: Arc<Engine>,
    ended: bool,
}

impl Device {
    /// Begins to record what this device does. There is room for some hundred thousand batches; recording costs a few per cent
    /// of an operation, and nothing when it does not run.
    ///
    /// # Errors
    /// The device is recorded already, or is closed.
    pub fn record_timeline(&self) -> Result<TimelineRecording> {
        TimelineRecording::begin(&self.shared().engine)
    }
}

impl TimelineRecording {
    pub(crate) fn begin(engine: &Arc<Engine>) -> Result<TimelineRecording> {
        engine.check_open()?;
        if !engine.timeline.begin(Box::new(Recorder::new(engine.now()))) {
            return Err(Error::invalid(
                "this device is being recorded already, by another recording or because DXGRT_TIMELINE is set; finish or drop \
                 that recording first",
            ));
        }
        let shards = engine.shards().skip(1);
        shards.for_each(|shard| shard.timeline.begin_beside(&engine.timeline));
        Ok(TimelineRecording { engine: Arc::clone(engine), ended: false })
    }

    /// Ends the recording and writes it as one document.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn finish(self, out: impl Write) -> io::Result<TimelineSummary> {
        let mut perfetto = Perfetto::new(out)?;
        let summary = self.draw(&mut perfetto, 1, "")?;
        perfetto.finish()?;
        Ok(summary)
    }

    /// Ends the recording and draws it into a document that others draw into too: as up to [`TIMELINE_PROCESSES`] processes
    /// from number `first` on, their names after `label`.
    ///
    /// # Errors
    /// What the document's output answers.
    pub fn draw<W: Write>(
        mut self,
        perfetto: &mut Perfetto<W>,
        first: u32,
        label: &str,
    ) -> io::Result<TimelineSummary> {
        self.ended = true;
        let recorders = self.end();
        let several = recorders.len() > 1;
        let mut summary = TimelineSummary { batches: 0, operations: 0, dropped: 0 };
        for (place, recorder) in recorders.iter().enumerate() {
            let label = match (several, label.is_empty()) {
                (false, _) => label.to_owned(),
                (true, true) => format!("shard {place}"),
                (true, false) => format!("{label}, shard {place}"),
            };
            let first = first + SHARD_PROCESSES * place as u32;
            let drawn = draw::draw(recorder, self.engine.now(), perfetto, first, &label)?;
            summary.batches += drawn.batches;
            summary.operations += drawn.operations;
            summary.dropped += drawn.dropped;
        }
        Ok(summary)
    }

    /// Ends it everywhere: the first shard comes first, so that no other begins any more.
    fn end(&self) -> Vec<Recorder> {
        self.engine.shards().filter_map(|shard| shard.timeline.end()).map(|recorder| *recorder).collect()
    }
}

impl Drop for TimelineRecording {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.end());
        }
    }
}

impl std::fmt::Debug for TimelineRecording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimelineRecording").finish_non_exhaustive()
    }
}

//! `--perfetto FILE`: timelines recorded by one subcommand, side by side in one document.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use dxg_runtime::perfetto::Perfetto;
use dxg_runtime::{TIMELINE_PROCESSES, TimelineRecording, TimelineSummary};

use crate::commands::Outcome;
use crate::output;

/// A document that is being drawn.
pub struct Drawing {
    perfetto: Perfetto<BufWriter<File>>,
    path: PathBuf,
    next: u32,
}

impl Drawing {
    /// Begins it. To be done before the work, so that a file that cannot be written is said at once.
    pub fn create(path: &Path) -> Outcome<Self> {
        let created = File::create(path).and_then(|file| Perfetto::new(BufWriter::new(file)));
        let perfetto = created.map_err(|error| unwritable(path, &error))?;
        Ok(Drawing { perfetto, path: path.to_owned(), next: 1 })
    }

    /// Ends a recording, and draws it below those before it.
    pub fn add(&mut self, recording: TimelineRecording, label: &str) -> Outcome<TimelineSummary> {
        let summary = recording.draw(&mut self.perfetto, self.next, label);
        let summary = summary.map_err(|error| unwritable(&self.path, &error))?;
        self.next += TIMELINE_PROCESSES;
        if summary.dropped > 0 {
            output::warn(&format!(
                "{label}: there was no room for {} events, so the timeline ends before the run; record less",
                summary.dropped
            ));
        }
        Ok(summary)
    }

    /// Ends the document.
    pub fn finish(self) -> Outcome<()> {
        self.perfetto.finish().map(drop).map_err(|error| unwritable(&self.path, &error).into())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

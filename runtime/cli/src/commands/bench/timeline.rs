//! `dxgrt bench --perfetto FILE`: the launches of W1 once awaited one by one and once in batches, recorded and drawn.

use std::path::Path;

use futures::executor::block_on;
use serde::Serialize;

use super::measure::{STREAMS, Scale};
use super::ours::Ours;
use super::work::{Case, Mode, Workload};
use crate::commands::Outcome;
use crate::drawing::Drawing;

/// Operations of the batches: enough to see a few of them.
const BATCHED: usize = 4 * 1024;

/// What is in the file.
#[derive(Debug, Serialize)]
pub struct Drawn {
    workload: &'static str,
    operations: u64,
    batches: u64,
}

/// Records and draws.
pub fn draw(path: &Path, scale: Scale) -> Outcome<Vec<Drawn>> {
    let mut drawing = Drawing::create(path)?;
    let mut drawn = Vec::new();
    for (mode, operations) in [(Mode::Each, scale.each), (Mode::Batched, BATCHED)] {
        let ours = Ours::open(STREAMS)?;
        let case = Case { workload: Workload::Launch, mode, buffers: STREAMS };
        let recording = ours.device().record_timeline()?;
        block_on(ours.operate(case, operations, None))?;
        let summary = drawing.add(recording, case.name())?;
        drawn.push(Drawn { workload: case.name(), operations: summary.operations, batches: summary.batches });
    }
    drawing.finish()?;
    Ok(drawn)
}

/// For people.
pub fn text(drawn: &[Drawn], path: &Path) -> String {
    let lines = drawn.iter().map(|drawn| {
        format!("  {}: {} operations in {} submissions\n", drawn.workload, drawn.operations, drawn.batches)
    });
    format!("Recorded:\n{}Open {} at https://ui.perfetto.dev.", lines.collect::<String>(), path.display())
}

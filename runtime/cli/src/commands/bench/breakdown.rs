//! `dxgrt bench --breakdown`: where the time of one operation goes, stage by stage.
//!
//! 1,024 launches at a time take the path together, by the runtime's own parts, and the clock is read between the stages
//! ([`dxg_runtime::bench_support::Path`]). So the sum is what the parts cost; what the live driver adds (its role, its
//! wake-ups) is the difference to W1c.

use std::time::Duration;

use dxg_runtime::bench_support::{OPERATIONS, Path, STREAMS, StageTimes};
use serde::Serialize;

use super::statistics::median;
use crate::commands::Outcome;
use crate::output::{Progress, Table};

/// Passes before those that count.
const WARM_UP: usize = 20;
/// Passes to a round.
const PASSES: usize = 20;

/// The document.
#[derive(Clone, Debug, Serialize)]
pub struct Breakdown {
    /// How this was measured.
    pub about: String,
    /// Launches of one pass.
    pub operations: usize,
    /// Streams that they went to.
    pub streams: usize,
    /// Passes whose medians are told.
    pub passes: usize,
    /// The stages, in the order in which an operation meets them.
    pub stages: Vec<Stage>,
    /// All of them, in ns for an operation.
    pub total_ns: f64,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// What it includes.
    pub what: &'static str,
    /// Time on the wall in ns for an operation.
    pub ns: f64,
    /// Of all stages together.
    pub share: f64,
}

/// Measures the stages, on the cores that this process has.
pub fn measure(rounds: usize) -> Outcome<Breakdown> {
    let mut path = Path::new()?;
    let mut passes = Vec::with_capacity(rounds * PASSES);
    let progress = Progress::new("stages", rounds as u64);
    for _ in 0..WARM_UP {
        path.pass()?;
    }
    for _ in 0..rounds {
        for _ in 0..PASSES {
            passes.push(path.pass()?);
        }
        progress.advance(1);
    }
    let ns = |of: fn(&StageTimes) -> Duration| {
        median(&passes.iter().map(|pass| of(pass).as_secs_f64() * 1e9 / OPERATIONS as f64).collect::<Vec<_>>())
    };
    let encode = ns(|pass| pass.encode);
    let mut stages = vec![
        stage("pack", "arguments packed, launch checked", ns(|pass| pass.pack)),
        stage("enqueue", "admission, place in the queue", ns(|pass| pass.enqueue)),
        stage("take in", "out of the queue, into the scheduler", ns(|pass| pass.take_in)),
        stage("batch", "out of the scheduler, in waves", ns(|pass| pass.batch)),
        stage("encode", "batch as command packets", encode),
        stage(
            "submit, execute",
            "posted message, decoding, kernels; its own encoding taken off",
            // The submission encodes once more; what that costs was measured by itself.
            (ns(|pass| pass.submit) + ns(|pass| pass.execute) - encode).max(0.0),
        ),
        stage("complete, wake", "completions, wakers, room, memory", ns(|pass| pass.complete)),
    ];
    let total_ns = stages.iter().map(|stage| stage.ns).sum::<f64>();
    stages.iter_mut().for_each(|stage| stage.share = stage.ns / total_ns);
    Ok(Breakdown {
        about:
            "Measured on one core: 1,024 launches at a time take the path together, the clock is read between stages. \
                Medians over passes. Every launch was seen to run."
                .into(),
        operations: OPERATIONS,
        streams: STREAMS,
        passes: passes.len(),
        stages,
        total_ns,
    })
}

fn stage(name: &'static str, what: &'static str, ns: f64) -> Stage {
    Stage { name, what, ns, share: 0.0 }
}

impl Breakdown {
    /// The table.
    pub fn text(&self) -> String {
        let mut table = Table::new(["stage", "ns", "share"]);
        for stage in &self.stages {
            let share = format!("{:.0} %", stage.share * 100.0);
            table.row([format!("{}: {}", stage.name, stage.what), format!("{:.0}", stage.ns), share]);
        }
        table.row(["total", &format!("{:.0}", self.total_ns), ""]);
        format!("{}\n\n{table}", self.about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up() {
        let breakdown = measure(1).unwrap();
        assert!(breakdown.stages.iter().all(|stage| stage.ns >= 0.0) && breakdown.total_ns > 0.0, "{breakdown:?}");
        let shares: f64 = breakdown.stages.iter().map(|stage| stage.share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
    }
}

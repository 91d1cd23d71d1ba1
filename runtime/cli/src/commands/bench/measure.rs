//! W1 and W2: every peer does every case once in each round.

use std::sync::Arc;
use std::time::Duration;

use super::floor::Floor;
use super::ours::Ours;
use super::peer::Peer;
use super::plain::Plain;
use super::report::Row;
use super::statistics::{Latencies, median, median_ratio};
use super::system::Moment;
use super::work::{Case, Mode, Workload};
use crate::commands::Outcome;
use crate::output::Progress;

/// The peer that ratios are taken to.
pub const REFERENCE: &str = "floor";
/// Streams, and buffers, of the main cases.
pub const STREAMS: usize = 64;
/// Who has nothing to do goes to sleep first, so that its last looks around are not charged to another.
const SETTLE: Duration = Duration::from_millis(3);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rounds.
    pub rounds: usize,
    /// Operations of one measurement that are awaited one by one.
    pub each: usize,
    /// Operations of one measurement of the other modes: whole batches.
    pub many: usize,
    /// Requests of one measurement of W3.
    pub requests: u32,
    /// Operations of one measurement of the growth, at least 4 for each task.
    pub growth: usize,
}

impl Scale {
    /// For figures.
    pub const FULL: Scale = Scale { rounds: 15, each: 2_000, many: 20 * 1024, requests: 4_096, growth: 40_000 };
    /// To see that everything works.
    pub const QUICK: Scale = Scale { rounds: 3, each: 500, many: 4 * 1024, requests: 1_024, growth: 2_000 };
}

/// What was measured of one peer and one case, round by round.
#[derive(Clone, Debug)]
pub struct Series {
    /// Of whom.
    pub peer: &'static str,
    /// Processor time for an operation in µs.
    pub processor_us: Vec<f64>,
    /// Time on the wall for an operation in µs.
    pub wall_us: Vec<f64>,
    /// Sleeps of threads for an operation.
    pub sleeps: Vec<f64>,
    /// Latencies, where each operation has one.
    pub latencies: Latencies,
}

impl Series {
    /// Nothing yet.
    pub fn new(peer: &'static str) -> Outcome<Self> {
        let (processor_us, wall_us, sleeps) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Series { peer, processor_us, wall_us, sleeps, latencies: Latencies::new()? })
    }

    /// Adds a round: what passed since `begin`, for so many operations.
    pub fn add(&mut self, begin: Moment, operations: usize) -> Outcome<()> {
        let passed = begin.passed()?;
        let n = operations as f64;
        self.processor_us.push(passed.processor.as_secs_f64() * 1e6 / n);
        self.wall_us.push(passed.wall.as_secs_f64() * 1e6 / n);
        self.sleeps.push(passed.sleeps as f64 / n);
        Ok(())
    }

    /// The row of a table, with the ratios to the reference's series of the same rounds.
    pub fn row(&self, workload: &str, what: String, operations: usize, reference: Option<&Series>) -> Row {
        let reference = reference.filter(|reference| reference.peer != self.peer);
        Row {
            workload: workload.into(),
            peer: self.peer.into(),
            over: what,
            operations,
            cpu_us: median(&self.processor_us),
            wall_us: median(&self.wall_us),
            sleeps: median(&self.sleeps),
            cpu_ratio: reference.map(|reference| median_ratio(&self.processor_us, &reference.processor_us)),
            wall_ratio: reference.map(|reference| median_ratio(&self.wall_us, &reference.wall_us)),
            latency: self.latencies.percentiles(),
        }
    }
}

/// Lets whoever is idle fall asleep.
pub fn settle() {
    std::thread::sleep(SETTLE);
}

/// The cases of a workload: over 64 streams in every mode, and over one.
fn cases(workload: Workload) -> Vec<Case> {
    if workload == Workload::Prepared {
        // Beside those of W1, the two that its goals are about.
        return [Mode::Each, Mode::Batched].map(|mode| Case { workload, mode, buffers: STREAMS }).into();
    }
    let over = |buffers| [Mode::Each, Mode::End, Mode::Batched].map(|mode| Case { workload, mode, buffers });
    [over(STREAMS), over(1)].concat()
}

/// Measures all cases of the workloads.
pub fn measure(workloads: &[Workload], scale: Scale) -> Outcome<Vec<Row>> {
    let mut peers: Vec<Box<dyn Peer>> =
        vec![Box::new(Arc::new(Ours::open(STREAMS)?)), Box::new(Floor::start(STREAMS)?), Box::new(Plain::new())];
    let cases: Vec<Case> = workloads.iter().flat_map(|&workload| cases(workload)).collect();
    let mut table = Vec::new();
    for &case in &cases {
        let peers = peers.iter().filter(|peer| peer.runs(case));
        table.push(peers.map(|peer| Series::new(peer.name())).collect::<Outcome<Vec<_>>>()?);
    }
    let progress = Progress::new("launches and copies", (scale.rounds * cases.len()) as u64);
    for round in 0..=scale.rounds {
        for (&case, table) in cases.iter().zip(&mut table) {
            for (peer, series) in peers.iter_mut().filter(|peer| peer.runs(case)).zip(table) {
                // The first round warms up, and is checked like the others.
                let keep = round > 0;
                measure_once(peer.as_mut(), case, scale, series, keep)
                    .map_err(|error| format!("{}, {}: {error}", peer.name(), case.name()))?;
            }
            progress.advance(u64::from(round > 0));
        }
    }
    let rows = cases.iter().zip(&table).flat_map(|(case, table)| {
        let reference = table.iter().find(|series| series.peer == REFERENCE);
        let over = match case.buffers {
            1 => "1 stream".into(),
            n => format!("{n} streams"),
        };
        table.iter().map(move |series| series.row(case.name(), over.clone(), operations(*case, scale), reference))
    });
    Ok(rows.collect())
}

fn operations(case: Case, scale: Scale) -> usize {
    match case.mode {
        Mode::Each => scale.each,
        Mode::End | Mode::Batched => scale.many,
    }
}

fn measure_once(peer: &mut dyn Peer, case: Case, scale: Scale, series: &mut Series, keep: bool) -> Outcome<()> {
    let operations = operations(case, scale);
    peer.clear(case)?;
    settle();
    let begin = Moment::now()?;
    peer.run(case, operations, None)?;
    if keep {
        series.add(begin, operations)?;
    }
    check(peer, case, operations)?;
    if case.mode == Mode::Each && keep {
        // Looking at the clock costs time too: latencies are taken in a run of their own.
        let operations = operations / 4;
        peer.clear(case)?;
        peer.run(case, operations, Some(&mut series.latencies))?;
        check(peer, case, operations)?;
    }
    Ok(())
}

fn check(peer: &mut dyn Peer, case: Case, operations: usize) -> Outcome<()> {
    for buffer in 0..case.buffers {
        let values = peer.values(buffer)?;
        case.check(peer.name(), operations, buffer, &values)?;
    }
    Ok(())
}

//! What `dxgrt bench` tells: the document, its goals, and the tables for people.

use serde::{Deserialize, Serialize};

use super::measure::{REFERENCE, STREAMS};
use super::statistics::Percentiles;
use crate::output::Table;

/// The whole document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What these figures are.
    pub about: String,
    /// Whether so little was measured that times mean nothing.
    pub quick: bool,
    /// Rounds whose medians are told.
    pub rounds: usize,
    /// What was measured on how many cores, each by a process of its own.
    pub runs: Vec<Run>,
    /// What was asked for and could not be measured, and why.
    pub left_out: Vec<String>,
    /// What dxgrt promises, and whether it holds.
    pub goals: Vec<Goal>,
}

/// What one process measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// Cores that it could use.
    pub cores: usize,
    /// W1, W2 and W3.
    pub rows: Vec<Row>,
    /// Cost over the number of tasks.
    pub growth: Vec<Growth>,
    /// Heap allocations.
    pub heap: Vec<Heap>,
    /// Bytes that a pending operation takes.
    pub bytes_per_pending_operation: Option<usize>,
}

/// One peer in one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// w1a … w2c, w3, w1a-prepared and w1c-prepared.
    pub workload: String,
    /// Who.
    pub peer: String,
    /// Over how many streams or tasks.
    pub over: String,
    /// Operations (requests) of one measurement.
    pub operations: usize,
    /// Processor time of the process for an operation (request) in µs.
    pub cpu_us: f64,
    /// Time on the wall for an operation (request) in µs.
    pub wall_us: f64,
    /// How often a thread went to sleep, for an operation (request).
    pub sleeps: f64,
    /// Processor time over that of the floor, in the same round.
    pub cpu_ratio: Option<f64>,
    /// Time on the wall over that of the floor, in the same round.
    pub wall_ratio: Option<f64>,
    /// Latencies, where operations (requests) are awaited one by one.
    pub latency: Option<Percentiles>,
}

/// What a launch costs that its task awaits before the next.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Growth {
    /// Tasks at the same time, each with a stream and a buffer of its own.
    pub tasks: usize,
    /// Operations of one measurement.
    pub operations: usize,
    /// Processor time of dxgrt for an operation in µs.
    pub dxgrt_cpu_us: f64,
    /// Processor time of the floor for an operation in µs.
    pub floor_cpu_us: f64,
    /// One over the other, in the same round.
    pub ratio: f64,
}

/// Heap allocations of all threads in steady state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heap {
    /// w1a, w1c, w3-launches, w3-in-place or w3-slices.
    pub name: String,
    /// What is counted.
    pub what: String,
    /// Operations (requests) that were counted.
    pub operations: usize,
    /// Allocations for an operation (request).
    pub allocations_per_operation: f64,
    /// Operations (requests) of a window: they are counted in several.
    pub operations_of_a_window: usize,
    /// Allocations of the windows' middle one: a table that grows once more does not show here.
    pub median_of_a_window: u64,
}

/// A promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    /// What is promised.
    pub name: String,
    /// On how many cores.
    pub cores: usize,
    /// What was measured.
    pub value: f64,
    /// What it is held against.
    pub limit: f64,
    /// Whether the limit is the most or the least that is allowed.
    pub bound: Bound,
    /// Whether it holds.
    pub holds: bool,
}

/// Which side of a limit is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The limit or less.
    AtMost,
    /// The limit or more.
    AtLeast,
}

impl Goal {
    fn new(name: impl Into<String>, cores: usize, value: f64, bound: Bound, limit: f64) -> Self {
        let holds = match bound {
            Bound::AtMost => value <= limit,
            Bound::AtLeast => value >= limit,
        };
        Goal { name: name.into(), cores, value, limit, bound, holds }
    }
}

/// The promises that the run shows, with what it found.
pub fn goals(run: &Run) -> Vec<Goal> {
    let cores = run.cores;
    let mut goals = Vec::new();
    let over = format!("{STREAMS} streams");
    for row in run.rows.iter().filter(|row| row.peer == "dxgrt") {
        match (row.workload.as_str(), row.cpu_ratio, row.wall_ratio) {
            ("w1c", Some(ratio), _) if row.over == over => {
                goals.push(Goal::new("w1c: CPU time over the floor's", cores, ratio, Bound::AtMost, 2.5));
            }
            ("w1a", ..) if row.over == over && cores == 1 => {
                goals.push(Goal::new("w1a: CPU µs of an awaited launch", cores, row.cpu_us, Bound::AtMost, 2.0));
                // A hop puts one thread to sleep at least; 1 in 100 leaves room for what else wakes a process.
                goals.push(Goal::new("w1a: sleeps of threads for a launch", cores, row.sleeps, Bound::AtMost, 0.01));
            }
            ("w3", _, Some(ratio)) => {
                let name = format!("w3: requests/s over the floor's, {}", row.over);
                goals.push(Goal::new(name, cores, 1.0 / ratio, Bound::AtLeast, 0.5));
            }
            _ => {}
        }
    }
    for heap in run.heap.iter().filter(|heap| matches!(heap.name.as_str(), "w1a" | "w1c" | "w3-launches")) {
        let name = format!("{}: heap allocations for an operation", heap.name);
        let each = heap.median_of_a_window as f64 / heap.operations_of_a_window as f64;
        goals.push(Goal::new(name, cores, each, Bound::AtMost, 0.0));
    }
    if let Some(bytes) = run.bytes_per_pending_operation {
        goals.push(Goal::new("bytes of a pending operation", cores, bytes as f64, Bound::AtMost, 256.0));
    }
    goals.extend(growth_goal(run));
    goals
}

/// From 100 tasks on: a lone task cannot be batched, and with one the floor pays for two thread hops an operation. Its cost
/// falls tenfold from there, so growth from one task on would say little about many.
const GROWTH_FROM: usize = 100;

fn growth_goal(run: &Run) -> Option<Goal> {
    let first = run.growth.iter().find(|growth| growth.tasks == GROWTH_FROM)?;
    let last = run.growth.last()?;
    // (ours at the end / ours at first) / (floor's at the end / floor's at first), by ratios of the same rounds.
    let value = last.ratio / first.ratio;
    Some(Goal::new("growth from 100 to 10,000 tasks over the floor's", run.cores, value, Bound::AtMost, 1.5))
}

impl Report {
    /// The tables.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.about);
        for run in &self.runs {
            text += &format!("\nOn {} core{}:\n", run.cores, if run.cores == 1 { "" } else { "s" });
            text += &run.text();
        }
        for left_out in &self.left_out {
            text += &format!("\nLeft out: {left_out}\n");
        }
        if !self.goals.is_empty() {
            let mut table = Table::new(["goal", "cores", "value", "limit", ""]);
            for goal in &self.goals {
                let sign = match goal.bound {
                    Bound::AtMost => '≤',
                    Bound::AtLeast => '≥',
                };
                let holds = if goal.holds { "holds" } else { "DOES NOT HOLD" };
                let (value, limit) = (number(goal.value), format!("{sign} {}", number(goal.limit)));
                table.row([goal.name.as_str(), &goal.cores.to_string(), &value, &limit, holds]);
            }
            text += &format!("\n{table}");
        }
        if self.quick {
            text += "\n--quick: so little was measured that times mean nothing.\n";
        }
        text
    }
}

impl Run {
    fn text(&self) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            let heads = ["", "peer", "over", "CPU µs", "× floor", "wall µs", "× floor", "ops/s", "p50 µs", "p99 µs"];
            let mut table = Table::new(heads);
            for row in &self.rows {
                let times = |ratio: Option<f64>| match ratio {
                    Some(ratio) => format!("{ratio:.2}"),
                    None if row.peer == REFERENCE => "1".into(),
                    None => "".into(),
                };
                let latency =
                    |at: fn(&Percentiles) -> f64| row.latency.as_ref().map(at).map(number).unwrap_or_default();
                table.row([
                    row.workload.clone(),
                    row.peer.clone(),
                    row.over.clone(),
                    number(row.cpu_us),
                    times(row.cpu_ratio),
                    number(row.wall_us),
                    times(row.wall_ratio),
                    format!("{:.0}", 1e6 / row.wall_us),
                    latency(|latency| latency.p50_us),
                    latency(|latency| latency.p99_us),
                ]);
            }
            text += &format!("{table}");
        }
        if !self.growth.is_empty() {
            let mut table = Table::new(["tasks, a stream each", "dxgrt CPU µs", "floor CPU µs", "× floor"]);
            for growth in &self.growth {
                let cells = [growth.dxgrt_cpu_us, growth.floor_cpu_us, growth.ratio].map(number);
                table.row([growth.tasks.to_string()].into_iter().chain(cells));
            }
            text += &format!("\n{table}");
        }
        if !self.heap.is_empty() {
            let mut table = Table::new(["heap allocations, steady state", "each", "median of a window", "of"]);
            for heap in &self.heap {
                let each = number(heap.allocations_per_operation);
                let window = heap.median_of_a_window.to_string();
                let of = heap.operations_of_a_window.to_string();
                table.row([format!("{}: {}", heap.name, heap.what), each, window, of]);
            }
            text += &format!("\n{table}");
        }
        if let Some(bytes) = self.bytes_per_pending_operation {
            text += &format!("\n  bytes of a pending operation: {bytes}\n");
        }
        text
    }
}

/// A number for people: three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.995 => format!("{value:.2}"),
        v if v >= 0.0005 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_held_against_their_own_side() {
        assert!(Goal::new("", 1, 2.5, Bound::AtMost, 2.5).holds);
        assert!(!Goal::new("", 1, 2.6, Bound::AtMost, 2.5).holds);
        assert!(!Goal::new("", 1, 0.4, Bound::AtLeast, 0.5).holds);
        assert!(!Goal::new("", 1, f64::NAN, Bound::AtMost, 2.5).holds, "nothing measured is nothing held");
    }

    #[test]
    fn growth_is_that_of_the_costs() {
        let at = |tasks, dxgrt_cpu_us, floor_cpu_us| Growth {
            tasks,
            operations: tasks,
            dxgrt_cpu_us,
            floor_cpu_us,
            ratio: dxgrt_cpu_us / floor_cpu_us,
        };
        let growth = vec![at(1, 1.0, 5.0), at(100, 0.5, 0.25), at(10_000, 2.0, 0.5)];
        let run = Run { cores: 1, growth, ..Run::default() };
        // Ours grew by 4 and the floor by 2.
        assert_eq!(growth_goal(&run).map(|goal| (goal.value, goal.holds)), Some((2.0, false)));
    }

    #[test]
    fn numbers_keep_what_matters() {
        let shown = [0.0, 0.0451, 1.234, 12.34, 811_952.0, 0.00001].map(number);
        assert_eq!(shown, ["0", "0.045", "1.23", "12.3", "811952", "1.0e-5"]);
    }
}

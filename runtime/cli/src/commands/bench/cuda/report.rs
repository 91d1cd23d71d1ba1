//! The document of `dxgrt bench --device cuda`, its goals, and the tables for people.

use std::fmt::Write;

use serde::Serialize;

use super::ours::{Batches, Work};
use crate::commands::bench::statistics::median_ratio;

/// The sides that goals refer to.
pub const ONE_STREAM: &str = "one stream, one wait";
pub const STREAMS_16: &str = "16 streams, one wait";

/// What dxgrt's side is called.
pub fn crowd(work: Work, tasks: usize, in_flight: usize) -> String {
    let prepared = if work == Work::Prepared { "prepared, " } else { "" };
    let tasks_word = if tasks == 1 { "task" } else { "tasks" };
    format!("dxgrt, {prepared}{tasks} {tasks_word}, {in_flight} in flight each")
}

/// The whole document.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub about: String,
    pub device: String,
    pub architecture: String,
    pub system: String,
    pub quick: bool,
    pub rounds: usize,
    /// Threads that ran dxgrt's tasks.
    pub workers: usize,
    pub tables: Vec<Table>,
    pub latency: Vec<LatencyRow>,
    /// How dxgrt gathered what its tasks did.
    pub batches: Vec<Batches>,
    pub left_out: Vec<String>,
    pub goals: Vec<Goal>,
}

/// One kind of work, done in several ways.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    pub name: String,
    pub sides: Vec<Side>,
}

/// One way.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    pub way: String,
    /// The median, for an operation.
    pub ns: f64,
    /// Of each round.
    pub all: Vec<f64>,
}

/// How long an awaited launch takes.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyRow {
    pub way: String,
    pub beside: String,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// A promise.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    pub name: String,
    pub value: f64,
    pub limit: f64,
    /// Whether the limit is the least that is allowed; otherwise it is the most.
    pub at_least: bool,
    pub must: bool,
    pub holds: bool,
}

impl Report {
    /// Whether all that must hold does.
    pub fn holds(&self) -> bool {
        self.goals.iter().all(|goal| goal.holds || !goal.must)
    }

    fn side(&self, table: usize, way: &str) -> Option<&Side> {
        self.tables.get(table)?.sides.iter().find(|side| side.way == way)
    }

    /// Holds what was measured against what is promised.
    pub fn set_goals(&mut self) {
        let most = crowd(Work::Launches, 1024, 64);
        let (prepared, requests) = (crowd(Work::Prepared, 1024, 64), crowd(Work::Requests, 1024, 64));
        let over = |table: usize, peer: &str, way: &str| {
            Some(median_ratio(&self.side(table, peer)?.all, &self.side(table, way)?.all))
        };
        let all = [
            (
                "a prepared launch of 1,024 tasks with 64 in flight, cheaper than in one stream",
                over(0, ONE_STREAM, &prepared),
                15.0,
                true,
                false,
            ),
            (
                "a launch of 1,024 tasks with 64 in flight, cheaper than in one stream",
                over(0, ONE_STREAM, &most),
                15.0,
                true,
                true,
            ),
            (
                "a copy of 1,024 tasks with 64 in flight, cheaper than in one stream",
                over(1, ONE_STREAM, &requests),
                10.0,
                true,
                true,
            ),
            (
                "a request of 1,024 tasks with 64 in flight, cheaper than over 16 streams",
                over(2, STREAMS_16, &requests),
                10.0,
                true,
                true,
            ),
            (
                "an awaited launch on an idle GPU, over launch + synchronize",
                over(3, "dxgrt, awaited", "launch + synchronize"),
                1.10,
                false,
                true,
            ),
            ("a large product, over a plain launch", over(4, "dxgrt", "plain launches"), 1.01, false, true),
            ("reach: a launch, cheaper than in one stream", over(0, ONE_STREAM, &most), 40.0, true, false),
            ("reach: a request, cheaper than over 16 streams", over(2, STREAMS_16, &requests), 40.0, true, false),
        ];
        self.goals = all
            .into_iter()
            .filter_map(|(name, value, limit, at_least, must)| {
                let value = value?;
                let holds = if at_least { value >= limit } else { value <= limit };
                Some(Goal { name: name.into(), value, limit, at_least, must, holds })
            })
            .collect();
    }

    /// A block for people, which can be pasted into an issue.
    pub fn text(&self) -> String {
        let mut text = format!(
            "dxgrt {} bench, {} ({}), {}; {} rounds, tasks on {} threads{}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            self.device,
            self.architecture,
            self.system,
            self.rounds,
            self.workers,
            if self.quick { "; QUICK: times mean nothing" } else { "" },
            self.about
        );
        let mut line = |line: std::fmt::Arguments<'_>| text.write_fmt(line).unwrap_or(());
        for table in &self.tables {
            line(format_args!("\n{}, ns each\n", table.name));
            let reference = table.sides.iter().find(|side| side.way == ONE_STREAM).or(table.sides.first());
            for side in &table.sides {
                let ratio = reference.map_or(0.0, |reference| median_ratio(&reference.all, &side.all));
                line(format_args!("  {:<52} {:>12.1} {:>9.2} ×\n", side.way, side.ns, ratio));
            }
        }
        line(format_args!(
            "\none awaited launch, µs                                 beside            p50      p99      max\n"
        ));
        for row in &self.latency {
            let LatencyRow { way, beside, p50_us, p99_us, max_us } = row;
            line(format_args!("  {way:<50}   {beside:<15} {p50_us:>6.1} {p99_us:>8.1} {max_us:>8.1}\n"));
        }
        line(format_args!("\noperations in a batch, in a wave; launches in one\n"));
        for Batches { work, way, operations, submissions, waves, dispatches } in &self.batches {
            let per = |count: u64| *operations as f64 / count.max(1) as f64;
            let (batch, wave, launch) = (per(*submissions), per(*waves), per(*dispatches));
            line(format_args!("  {work:<9} {way:<42} {batch:>9.1} {wave:>9.1} {launch:>9.1}\n"));
        }
        for left_out in &self.left_out {
            line(format_args!("\nleft out: {left_out}\n"));
        }
        line(format_args!("\n"));
        for goal in &self.goals {
            let (verdict, side) =
                (if goal.holds { "holds" } else { "DOES NOT HOLD" }, if goal.at_least { "≥" } else { "≤" });
            line(format_args!("{verdict}: {}: {:.2} × (goal {side} {} ×)\n", goal.name, goal.value, goal.limit));
        }
        text
    }
}

//! Trains and runs a small classifier on the UCI handwritten digits, and shows what batching saves.
//!
//! The same work is done in each mode: a 64-64-10 perceptron is trained with 28 small launches a step, its loss is read
//! once an epoch, and then the held-out images are classified as concurrent requests from 64 tasks. Weights, losses and
//! classes must agree bit for bit; if they do not, the program fails.
//!
//!     cargo run --release --example digits
//!     cargo run --release --example digits -- --mode both --latency zero --json

use std::process::ExitCode;

use clap::Parser;
use dxg_examples::classifier::{BATCH, Learned, steps, work};
use dxg_examples::{
    DeviceOptions, Digits, Latency, Mode, ModeChoice, Outcome, Table, block_on, finish, progress_bar, ratio,
};
use serde::Serialize;

/// Train and run a digit classifier in up to three modes, and compare what they cost
#[derive(Parser)]
#[command(name = "digits", version)]
struct Arguments {
    #[command(flatten)]
    device: DeviceOptions,
    /// Which modes to run
    #[arg(long, value_enum, default_value = "all")]
    mode: ModeChoice,
    /// Passes over the training set
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    epochs: u32,
    /// Seed of the split, the weights and the shuffles
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// One object of the JSON array.
#[derive(Clone, Copy, Debug, Serialize)]
struct Report {
    mode: Mode,
    accuracy: f64,
    operations: u64,
    submissions: u64,
    posted_messages: u64,
    round_trips: u64,
    steady_round_trips: u64,
    ring_bytes: u64,
    wall_ms: f64,
}

fn main() -> ExitCode {
    finish(Arguments::parse().run())
}

impl Arguments {
    fn run(&self) -> Outcome<()> {
        let digits = Digits::load(self.seed)?;
        let mut first: Option<Learned> = None;
        let run = |mode: Mode, latency: &Latency| {
            let bar = progress_bar(&format!("{}, {}", mode.name(), latency.name()), steps(&digits, self.epochs));
            let device = self.device.open(mode, latency)?;
            let advance = {
                let bar = bar.clone();
                move |steps| bar.inc(steps)
            };
            let run = block_on(async {
                let run = work(&device, &digits, self.epochs, self.seed, advance).await?;
                device.shutdown().await;
                Ok(run)
            })?;
            bar.finish_and_clear();
            match &first {
                Some(expected) => expected.check_equal(&run.learned, mode)?,
                None => first = Some(run.learned),
            }
            Ok(Report {
                mode,
                accuracy: run.accuracy,
                operations: run.total.operations,
                submissions: run.total.submissions,
                posted_messages: run.total.posted_messages,
                round_trips: run.total.round_trips,
                steady_round_trips: run.steady.round_trips,
                ring_bytes: run.total.ring_bytes,
                wall_ms: run.total.wall_ms,
            })
        };
        self.device.compare(self.mode, run, table)?;
        self.device.say("Weights, losses and classes were equal bit for bit in every run above.");
        Ok(())
    }
}

fn table(latency: &Latency, reports: &[Report]) -> String {
    let mut table = Table::new(&[
        "mode",
        "accuracy",
        "operations",
        "submissions",
        "posted",
        "round trips",
        "steady r. t.",
        "ring bytes",
        "wall ms",
    ]);
    for r in reports {
        table.row(vec![
            r.mode.name().into(),
            format!("{:.2} %", r.accuracy * 100.0),
            r.operations.to_string(),
            r.submissions.to_string(),
            r.posted_messages.to_string(),
            r.round_trips.to_string(),
            r.steady_round_trips.to_string(),
            r.ring_bytes.to_string(),
            format!("{:.1}", r.wall_ms),
        ]);
    }
    let mut text = format!("digits, 64-64-10 perceptron, batch {BATCH}, {}:\n{table}\n", latency.name());
    if let Some((batched, others)) = reports.split_last().filter(|(last, _)| last.mode == Mode::Batched) {
        text.extend(others.iter().map(|other| {
            format!(
                "  {} over batched: {} the submissions, {} the wall time\n",
                other.mode.name(),
                ratio(other.submissions as f64, batched.submissions as f64),
                ratio(other.wall_ms, batched.wall_ms),
            )
        }));
    }
    text
}

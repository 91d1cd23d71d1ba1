//! Trains and runs a small classifier on the UCI handwritten digits, and shows what batching saves.
//!
//! The same work is done in each mode: a 64-64-10 perceptron is trained with 28 small launches a step, its loss is read
//! once an epoch, and then the held-out images are classified as concurrent requests from 64 tasks. Weights, losses and
//! classes must agree bit for bit; if they do not, the program fails.
//!
//!     cargo run --release --example digits
//!     cargo run --release --example digits -- --mode both --latency zero --json

mod kernels;
mod math;
mod model;
#[cfg(test)]
mod reference;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use dxg_examples::{
    DeviceOptions, Digits, Failure, Figures, Latency, Mode, ModeChoice, Outcome, Table, block_on, finish, progress_bar,
    ratio,
};
use indicatif::ProgressBar;
use serde::Serialize;

use kernels::Kernels;
use model::{BATCH, Classifier, Trainer};

/// Tasks that classify held-out images at the same time.
const TASKS: usize = 64;

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

/// What a run computed: equal in all modes, bit for bit.
#[derive(Clone, Debug, PartialEq)]
struct Learned {
    weights: Vec<u32>,
    losses: Vec<u32>,
    classes: Vec<u32>,
}

/// A run in one mode.
struct Run {
    learned: Learned,
    report: Report,
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
        let work = |mode: Mode, latency: &Latency| {
            let bar = progress_bar(
                &format!("{}, {}", mode.name(), latency.name()),
                u64::from(self.epochs) + digits.held_out.len() as u64,
            );
            let run = block_on(self.work(mode, latency, &digits, &bar))?;
            bar.finish_and_clear();
            match &first {
                Some(expected) => check_equal(expected, &run.learned, mode)?,
                None => first = Some(run.learned),
            }
            Ok(run.report)
        };
        self.device.compare(self.mode, work, table)?;
        self.device.say("Weights, losses and classes were equal bit for bit in every run above.");
        Ok(())
    }

    /// Everything in one mode: upload, training, inference.
    async fn work(&self, mode: Mode, latency: &Latency, digits: &Digits, bar: &ProgressBar) -> Outcome<Run> {
        let device = self.device.open(mode, latency)?;
        let since_open = Figures::begin(&device);
        let kernels = Kernels::load(&device)?;
        let mut trainer = Trainer::new(&device, kernels, &digits.training, self.seed).await?;
        let classifiers = (0..TASKS).map(|_| Classifier::new(&device)).collect::<Outcome<Vec<_>>>()?;

        // Everything is allocated and the first epoch has warmed up: from here on, batches alone cost messages.
        let mut losses = vec![trainer.epoch().await?.to_bits()];
        bar.inc(1);
        let steady = Figures::begin(&device);
        for _ in 1..self.epochs {
            losses.push(trainer.epoch().await?.to_bits());
            bar.inc(1);
        }
        let trainer = Arc::new(trainer);
        let classes = classify_all(&trainer, classifiers, digits, bar).await?;
        let steady = steady.end(&device);
        let weights = trainer.parameters.read(trainer.stream()).await?.into_iter().map(f32::to_bits).collect();
        let total = since_open.end(&device);
        device.shutdown().await;

        let right = classes.iter().zip(&digits.held_out.labels).filter(|(class, label)| class == label).count();
        let report = Report {
            mode,
            accuracy: right as f64 / digits.held_out.len() as f64,
            operations: total.operations,
            submissions: total.submissions,
            posted_messages: total.posted_messages,
            round_trips: total.round_trips,
            steady_round_trips: steady.round_trips,
            ring_bytes: total.ring_bytes,
            wall_ms: total.wall_ms,
        };
        Ok(Run { learned: Learned { weights, losses, classes }, report })
    }
}

/// Classifies the held-out images, each task taking every 64th, one request at a time.
async fn classify_all(
    trainer: &Arc<Trainer>,
    classifiers: Vec<Classifier>,
    digits: &Digits,
    bar: &ProgressBar,
) -> Outcome<Vec<u32>> {
    let held_out = Arc::new(digits.held_out.clone());
    let mut tasks = Vec::new();
    for (first, classifier) in classifiers.into_iter().enumerate() {
        let (trainer, held_out, bar) = (Arc::clone(trainer), Arc::clone(&held_out), bar.clone());
        tasks.push(tokio::spawn(async move {
            let mut classes = Vec::new();
            for index in (first..held_out.len()).step_by(TASKS) {
                let image = held_out.image(index);
                let class = classifier.classify(trainer.kernels(), &trainer.parameters, image).await?;
                classes.push((index, class));
                bar.inc(1);
            }
            Ok::<_, Failure>(classes)
        }));
    }
    let mut classes = vec![0; held_out.len()];
    for task in tasks {
        for (index, class) in task.await?? {
            classes[index] = class;
        }
    }
    Ok(classes)
}

fn check_equal(expected: &Learned, found: &Learned, mode: Mode) -> Outcome<()> {
    let differing = |what: &str, a: &[u32], b: &[u32]| match a.iter().zip(b).position(|(a, b)| a != b) {
        Some(i) => Err(format!("{}: {what} {i} differs from the first run's", mode.name()).into()),
        None if a.len() != b.len() => Err(format!("{}: {} {what}s, not {}", mode.name(), b.len(), a.len()).into()),
        None => Ok(()),
    };
    differing("loss", &expected.losses, &found.losses)?;
    differing("weight", &expected.weights, &found.weights)?;
    differing("class", &expected.classes, &found.classes)
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

//! `dxgrt replay`: a trace under each policy, in the simulator, beside what no policy can beat.
//!
//! ```text
//! FILE ─▶ Trace ─▶ Workload (copies, think time) ─▶ simulate, once for each policy ─▶ table or JSON, timeline
//! ```

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use clap::ValueEnum;
use dxg_runtime::Parameters;
use dxg_runtime::sim::{
    Drawing, MAX_COPIES, MAX_THINK, Report, SimPolicy, Trace, Wait, Workload, lower_bound, simulate,
};
use serde::Serialize;

use crate::commands::{Outcome, Verdict, WrongCommandLine};
use crate::output::{OutputOptions, Progress, Table};

/// Arguments of `dxgrt replay`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The trace: JSON lines, plain or gzip; `-` is standard input
    file: PathBuf,
    /// Replay under these policies only: one-by-one, submit-each, fixed-N (such as fixed-32), at-sync, dxgrt
    #[arg(long, value_name = "POLICY", num_args = 1.., value_delimiter = ',')]
    policy: Vec<SimPolicy>,
    /// Parameters of the modelled host and GPU, a TOML file; missing keys keep their default
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Whether the host takes posted messages, whatever the parameters say
    #[arg(long, value_enum, value_name = "ON|OFF")]
    r#async: Option<Switch>,
    /// Factor of the recorded host gaps; profilers inflate them
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = think_time, allow_negative_numbers = true)]
    think_time: f64,
    /// How many copies run side by side, each with streams of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_COPIES)))]
    copies: u32,
    /// How the program waits at its syncs
    #[arg(long, value_enum, value_name = "HOW", default_value = "poll")]
    wait: How,
    /// Draw the course of the one policy named into this file, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// How a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// It reads the fence until it moves
    Poll,
    /// It sleeps, and is woken up
    Sleep,
}

fn think_time(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| format!("it is a number from 0 to {MAX_THINK}"))?;
    match (0.0..=MAX_THINK).contains(&factor) {
        true => Ok(factor),
        false => Err(format!("it is from 0 to {MAX_THINK}")),
    }
}

/// What one policy came to.
#[derive(Debug, Serialize)]
struct Row {
    policy: String,
    makespan_us: f64,
    lower_bound_us: f64,
    submissions: u64,
    posted_messages: u64,
    round_trips: u64,
    full_ring_sleeps: u64,
    gpu_busy: f64,
    p50_us: f64,
    p99_us: f64,
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

impl Row {
    fn new(policy: SimPolicy, report: &Report, bound: u64) -> Row {
        Row {
            policy: policy.to_string(),
            makespan_us: micros(report.makespan),
            lower_bound_us: micros(bound),
            submissions: report.submissions,
            posted_messages: report.posted_messages,
            round_trips: report.round_trips,
            full_ring_sleeps: report.full_ring_sleeps,
            gpu_busy: report.gpu_busy,
            p50_us: micros(report.latencies.p50),
            p99_us: micros(report.latencies.p99),
        }
    }

    /// Makespan over bound; that of nothing at all is 1.
    fn ratio(&self) -> f64 {
        if self.lower_bound_us > 0.0 { self.makespan_us / self.lower_bound_us } else { 1.0 }
    }
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        if self.perfetto.is_some() && self.policy.len() != 1 {
            let sentence = "--perfetto draws one policy: name it, as with --policy dxgrt";
            return Err(WrongCommandLine::new(sentence).into());
        }
        let parameters = self.parameters()?;
        let trace = self.trace()?;
        let wait = match self.wait {
            How::Poll => Wait::Poll,
            How::Sleep => Wait::Sleep,
        };
        let workload = trace
            .workload(self.copies, self.think_time, wait)
            .map_err(|error| WrongCommandLine::new(error.to_string()))?;
        let bound = lower_bound(&workload, &parameters);
        let policies = if self.policy.is_empty() { SimPolicy::ALL.to_vec() } else { self.policy.clone() };
        let progress = Progress::new("simulating", policies.len() as u64);
        let mut rows = Vec::with_capacity(policies.len());
        for policy in policies {
            let report = self.simulate(&trace, &workload, &parameters, policy)?;
            rows.push(Row::new(policy, &report, bound));
            progress.advance(1);
        }
        drop(progress);
        self.output.print(&rows, || self.text(&workload, &parameters, bound, &rows))?;
        Ok(Verdict::Holds)
    }

    fn simulate(
        &self,
        trace: &Trace,
        workload: &Workload,
        parameters: &Parameters,
        policy: SimPolicy,
    ) -> Outcome<Report> {
        let Some(path) = &self.perfetto else { return Ok(simulate(workload, parameters, policy, None)?) };
        let unwritable = |error: io::Error| format!("{} cannot be written: {error}", path.display());
        let labels = |merge| trace.name(merge);
        let out = BufWriter::new(File::create(path).map_err(unwritable)?);
        let mut drawing = Drawing::new(out, &labels).map_err(unwritable)?;
        let report = simulate(workload, parameters, policy, Some(&mut drawing))?;
        drawing.finish().map_err(unwritable)?;
        Ok(report)
    }

    fn parameters(&self) -> Outcome<Parameters> {
        let mut parameters = match &self.params {
            None => Parameters::default(),
            Some(path) => {
                let wrong =
                    |error: &dyn std::fmt::Display| WrongCommandLine::new(format!("{}: {error}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
                Parameters::from_toml(&text).map_err(|error| wrong(&error))?
            }
        };
        if let Some(switch) = self.r#async {
            parameters.async_messages = switch == Switch::On;
        }
        Ok(parameters)
    }

    fn trace(&self) -> Outcome<Trace> {
        if self.file.as_os_str() == "-" {
            return Ok(Trace::read("standard input", io::stdin().lock())?);
        }
        Ok(Trace::open(&self.file)?)
    }

    fn text(&self, workload: &Workload, parameters: &Parameters, bound: u64, rows: &[Row]) -> String {
        let mode = if parameters.async_messages { "posted messages" } else { "round trips" };
        let copies = if self.copies == 1 { "1 copy".to_owned() } else { format!("{} copies", self.copies) };
        let mut table = Table::new([
            "policy",
            "makespan µs",
            "× bound",
            "submissions",
            "posted",
            "round trips",
            "full ring",
            "GPU busy",
            "p50 µs",
            "p99 µs",
        ]);
        for row in rows {
            table.row([
                row.policy.clone(),
                format!("{:.1}", row.makespan_us),
                format!("{:.3}", row.ratio()),
                row.submissions.to_string(),
                row.posted_messages.to_string(),
                row.round_trips.to_string(),
                row.full_ring_sleeps.to_string(),
                format!("{:.2} %", row.gpu_busy * 100.0),
                format!("{:.1}", row.p50_us),
                format!("{:.1}", row.p99_us),
            ]);
        }
        format!(
            "Modelled: {} operations of {copies}, {mode}, think time × {}. No policy can take less than {:.1} µs.\n\n{table}",
            workload.operations(),
            self.think_time,
            micros(bound),
        )
    }
}

//! `dxgrt bench`: what one operation costs in the live runtime, on the software adapter without modelled latencies.
//!
//! ```text
//! dxgrt bench ─▶ one process on one core, one on two ([`worker`]) ─▶ rows, each checked ─▶ goals, tables or JSON
//!                  in each round every peer: dxgrt ([`ours`]), the floor of handing over ([`floor`]), a plain call
//! ```
//!
//! A process of its own for each number of cores, because threads are made for the cores that were there at their start.

mod breakdown;
mod cuda;
mod ffi;
mod floor;
mod heap;
mod measure;
mod ours;
mod peer;
mod plain;
mod report;
mod statistics;
mod system;
mod tasks;
mod timeline;
mod work;

use std::process::{Command, Stdio};

use clap::ValueEnum;
use dxg_runtime::{DeviceKind, Selector};

use self::measure::Scale;
use self::report::{Report, Run, goals};
use self::work::Workload;
use crate::commands::{Outcome, Verdict, WrongCommandLine};
use crate::output::{OutputOptions, print_line};

const ABOUT: &str = "Measured: what operations cost in this process, on the software adapter without modelled latencies. \
                     Medians over rounds in which all peers took their turn; ratios are taken inside each round. Every \
                     result was checked.";

/// Arguments of `dxgrt bench`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    output: OutputOptions,
    /// Measure these only
    #[arg(long, value_enum, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    only: Vec<Part>,
    /// Measure little: shows that everything works, its times mean nothing
    #[arg(long)]
    quick: bool,
    /// Rounds whose medians are told
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Exit with 1 if a goal does not hold
    #[arg(long)]
    check: bool,
    /// Instead of all that, show where the time of a launch goes, stage by stage
    #[arg(long, conflicts_with_all = ["only", "check"])]
    breakdown: bool,
    /// Instead of all that, show what the C library adds to a call of the runtime
    #[arg(long, conflicts_with_all = ["only", "breakdown"])]
    ffi: bool,
    /// Instead of all that, record launches that are awaited one by one and launches in batches, and draw both into this file,
    /// for ui.perfetto.dev
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "check", "breakdown", "ffi"])]
    perfetto: Option<std::path::PathBuf>,
    /// The C library to load; else the one beside this program, or where the system has it
    #[arg(long, value_name = "FILE", requires = "ffi")]
    library: Option<std::path::PathBuf>,
    /// Measure on this device instead: `cuda[:n]`, beside plain use of the driver
    #[arg(long, value_name = "SELECTOR", conflicts_with_all = ["only", "breakdown", "ffi"])]
    device: Option<String>,
    /// Threads that run the tasks of `--device cuda`; else as many as there are cores, up to 8
    #[arg(long, value_name = "N", requires = "device", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// For the processes that this command starts: measure on so many cores and print what was found
    #[arg(long, hide = true, value_name = "N")]
    on_cores: Option<usize>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Launches of 256 values
    W1,
    /// Copies of 1 KiB to the device
    W2,
    /// Requests from 64 tasks: copy in, three launches, copy out
    W3,
    /// Heap allocations in steady state
    Heap,
    /// Bytes of a pending operation
    Bytes,
    /// What a launch costs with 1 to 10,000 tasks
    Growth,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        if let Some(cores) = self.on_cores {
            print_line(&serde_json::to_string(&self.worker(cores)?)?)?;
            return Ok(Verdict::Holds);
        }
        if let Some(device) = &self.device {
            let selector: Selector = device.parse()?;
            match selector.kind() {
                DeviceKind::Software => {}
                DeviceKind::Cuda => return cuda::run(self.cuda(selector), self.output),
                _ => {
                    let sentence = format!("`{device}` runs no launches; use `software` or `cuda`");
                    return Err(WrongCommandLine::new(sentence).into());
                }
            }
        }
        if self.breakdown {
            system::bind_to_cores(1)?;
            let breakdown = breakdown::measure(self.scale().rounds)?;
            self.output.print(&breakdown, || breakdown.text())?;
            return Ok(Verdict::Holds);
        }
        if self.ffi {
            system::bind_to_cores(1)?;
            let measured = ffi::measure(self.library.as_deref(), self.scale().rounds)?;
            self.output.print(&measured, || measured.text())?;
            return Ok(if self.check && !measured.holds() { Verdict::Broken } else { Verdict::Holds });
        }
        if let Some(path) = &self.perfetto {
            let drawn = timeline::draw(path, self.scale())?;
            self.output.print(&drawn, || timeline::text(&drawn, path))?;
            return Ok(Verdict::Holds);
        }
        let mut report = Report {
            about: ABOUT.into(),
            quick: self.quick,
            rounds: self.scale().rounds,
            runs: Vec::new(),
            left_out: Vec::new(),
            goals: Vec::new(),
        };
        let allowed = system::allowed_cores()?.len();
        for cores in [1, 2] {
            if cores <= allowed {
                report.runs.push(self.start_worker(cores)?);
            } else {
                report.left_out.push(format!("{cores} cores, because this process may run on {allowed} only"));
            }
        }
        report.goals = report.runs.iter().flat_map(goals).collect();
        self.output.print(&report, || report.text())?;
        let broken = self.check && report.goals.iter().any(|goal| !goal.holds);
        Ok(if broken { Verdict::Broken } else { Verdict::Holds })
    }

    fn scale(&self) -> Scale {
        let scale = if self.quick { Scale::QUICK } else { Scale::FULL };
        Scale { rounds: self.rounds.map_or(scale.rounds, usize::from), ..scale }
    }

    fn cuda(&self, selector: Selector) -> cuda::Choice {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let rounds = self.rounds.map_or(if self.quick { 1 } else { 7 }, usize::from);
        let workers = self.workers.map_or(cores, usize::from);
        cuda::Choice { selector, quick: self.quick, rounds, workers, check: self.check }
    }

    fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Starts this program again, on so many cores.
    fn start_worker(&self, cores: usize) -> Outcome<Run> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "--on-cores", &cores.to_string()]);
        for part in self.only.iter().filter_map(Part::to_possible_value) {
            command.args(["--only", part.get_name()]);
        }
        if self.quick {
            command.arg("--quick");
        }
        if let Some(rounds) = self.rounds {
            command.args(["--rounds", &rounds.to_string()]);
        }
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("the measurement on {cores} cores ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Measures on so many cores.
    fn worker(&self, cores: usize) -> Outcome<Run> {
        system::bind_to_cores(cores)?;
        let scale = self.scale();
        let mut run = Run { cores, ..Run::default() };
        // Neither bytes nor allocations depend on the number of cores.
        if cores == 1 && self.measures(Part::Bytes) {
            run.bytes_per_pending_operation = Some(dxg_runtime::pending_operation_bytes());
        }
        if cores == 1 && self.measures(Part::Heap) {
            run.heap = heap::measure()?;
        }
        let workloads = [(Part::W1, Workload::Launch), (Part::W1, Workload::Prepared), (Part::W2, Workload::Copy)];
        let workloads: Vec<Workload> =
            workloads.into_iter().filter(|(part, _)| self.measures(*part)).map(|(_, workload)| workload).collect();
        if !workloads.is_empty() {
            run.rows.extend(measure::measure(&workloads, scale)?);
        }
        if self.measures(Part::W3) {
            run.rows.extend(tasks::requests(cores, scale)?);
        }
        if self.measures(Part::Growth) {
            run.growth = tasks::growth(scale)?;
        }
        Ok(run)
    }
}

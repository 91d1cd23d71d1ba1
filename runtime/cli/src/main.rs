//! `dxgrt`: shows what batching gains, and finds out what stands in its way. Reads the command line, runs one subcommand, and turns
//! its result into an exit code: 0, done; 1, it failed, or a promise that it checks does not hold; 2, the command line was wrong.
//! `run` gives the code of the program that it ran.
#![deny(missing_docs)]

mod adapters;
mod commands;
mod drawing;
mod nvml;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    Outcome, Verdict, WrongCommandLine, bench, demo, doctor, draw, info, manual, replay, run, selftest, sweep, timeline,
};

/// Shows what batching many small GPU operations gains, and what stands in its way
#[derive(Parser)]
#[command(name = "dxgrt", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the run failed, or what it checks does not hold
  2  the command line was wrong";

#[derive(Subcommand)]
enum Command {
    /// Measure what one operation costs, beside a plain call and the floor of any hand-over
    Bench(bench::Arguments),
    /// Print a completion script for a shell
    Completions(manual::CompletionArguments),
    /// Train and run a digit classifier one operation at a time, then batched, and compare
    Demo(demo::Arguments),
    /// Find out why a GPU is not usable or slow here, and what to do about it
    Doctor(doctor::Arguments),
    /// Draw recorded timelines as an SVG, one strip for each run
    Draw(draw::Arguments),
    /// List the devices there are, with what their adapters and NVML say
    Info(info::Arguments),
    /// Print the manual page
    Man(manual::ManArguments),
    /// Replay a recorded program in the simulator, under each policy
    Replay(replay::Arguments),
    /// Run a program with the software adapter as its /dev/dxg, and say what it asked of it
    Run(run::Arguments),
    /// Go through what /dev/dxg promises, and report what holds
    Selftest(selftest::Arguments),
    /// Simulate requests from short to long round trips, from one stream to many
    Sweep(sweep::Arguments),
    /// Draw the trace of a program that was run, for ui.perfetto.dev
    Timeline(timeline::Arguments),
}

impl Command {
    fn run(&self) -> Outcome<Verdict> {
        match self {
            Command::Bench(arguments) => arguments.run(),
            Command::Completions(arguments) => arguments.run(),
            Command::Demo(arguments) => arguments.run(),
            Command::Doctor(arguments) => arguments.run(),
            Command::Draw(arguments) => arguments.run(),
            Command::Info(arguments) => arguments.run(),
            Command::Man(arguments) => arguments.run(),
            Command::Replay(arguments) => arguments.run(),
            Command::Run(arguments) => arguments.run(),
            Command::Selftest(arguments) => arguments.run(),
            Command::Sweep(arguments) => arguments.run(),
            Command::Timeline(arguments) => arguments.run(),
        }
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(Verdict::Holds) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::FAILURE,
        Ok(Verdict::Ended(code)) => ExitCode::from(code),
        Err(failure) => {
            output::complain(&failure.to_string());
            if failure.is::<WrongCommandLine>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

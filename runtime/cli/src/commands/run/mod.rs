//! `dxgrt run`: a program that knows nothing of dxgrt, with the software adapter as its `/dev/dxg`.
//!
//! ```text
//! dxgrt run ─▶ libdxg_preload.so + parameters ─▶ environment ─▶ the program and whatever it starts
//!                                                                  │ counts (a mapped file), trace (lines);
//!                                                                  │ of a program that uses dxgrt, what its devices leave
//!      summary on stderr, timeline ◀── when the program has ended ─┘
//! ```
//!
//! The program's stdout, stdin and stderr are its own. With neither a summary nor a timeline dxgrt becomes the program; with one
//! it stays, passes signals on, and ends as the program did.

mod child;
mod left;
mod library;
mod summary;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use dxg_io::middleware::Ledger;
use dxg_runtime::{Parameters, REPORT_VARIABLE, TIMELINE_VARIABLE};

use crate::commands::replay::Switch;
use crate::commands::{Outcome, Verdict, WrongCommandLine};

/// Arguments of `dxgrt run`.
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Print to stderr, when the program has ended, what it asked of /dev/dxg, what batching would have saved, and what limited it
    #[arg(long)]
    summary: bool,
    /// Draw the program's calls, and what devices of dxgrt in it did, into this file, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Write every call into this file, a JSON line each; `dxgrt timeline` draws it
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Parameters of the adapter: `default`, `zero` (no latencies), or a TOML file; missing keys keep their default
    #[arg(long, value_name = "default|zero|FILE", default_value = "default")]
    params: String,
    /// Whether the host takes posted messages, whatever the parameters say
    #[arg(long, value_enum, value_name = "ON|OFF")]
    r#async: Option<Switch>,
    /// What becomes of command buffers in a vendor's format, which this adapter cannot execute
    #[arg(long, value_enum, value_name = "HOW", default_value = "complete")]
    foreign_commands: Foreign,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

const HELP: &str = "\
The library libdxg_preload.so is taken from DXGRT_PRELOAD (a file), else from beside dxgrt, else from ../lib.
Exit code: the program's; 128 + n if signal n ended it; 127 if there is no such program, 126 if it cannot be run.";

/// What becomes of commands that are not the software adapter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Foreign {
    /// They complete, unexecuted
    Complete,
    /// They lose the device, as wrong commands do
    Fault,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let parameters = self.parameters()?;
        let library = library::find()?;
        let [name, arguments @ ..] = self.program.as_slice() else {
            return Err(WrongCommandLine::new("name the program to run, as in dxgrt run -- ./client").into());
        };
        if let Some(why) = library::cannot_be_entered(name) {
            crate::output::complain(&why);
        }
        let mut command = Command::new(name);
        command.args(arguments).env("LD_PRELOAD", library::first(&library)?);
        command.env("DXGRT_PRELOAD_PARAMETERS", parameters.to_toml());
        let unwritable = |path: &Path, error| format!("{} cannot be written: {error}", path.display());
        if let Some(trace) = &self.trace {
            std::fs::File::create(trace).map_err(|error| unwritable(trace, error))?;
            command.env("DXGRT_PRELOAD_TRACE", std::path::absolute(trace)?);
        }
        if !self.summary && self.perfetto.is_none() {
            let error = command.exec();
            return Ok(child::not_started(name, &error));
        }
        let folder = tempfile::Builder::new().prefix("dxgrt-run-").tempdir()?;
        let mut ledger = None;
        if self.summary {
            let path = folder.path().join("ledger");
            ledger = Some(Ledger::create(&path)?);
            command.env("DXGRT_PRELOAD_LEDGER", path);
            command.env(REPORT_VARIABLE, left::folder(folder.path(), "reports")?);
        }
        let mut drawing = None;
        if let Some(path) = &self.perfetto {
            // Said before the program runs.
            drawing = Some((path, std::fs::File::create(path).map_err(|error| unwritable(path, error))?));
            command.env(TIMELINE_VARIABLE, left::folder(folder.path(), "timelines")?);
            if self.trace.is_none() {
                command.env("DXGRT_PRELOAD_TRACE", folder.path().join("trace"));
            }
        }
        let ended = match child::run(&mut command) {
            Ok(ended) => ended,
            Err(error) => return Ok(child::not_started(name, &error)),
        };
        let shown = name.to_string_lossy();
        if let Some(ledger) = &ledger {
            summary::print(&shown, ledger, &parameters, &left::texts(&folder.path().join("reports"))?);
        }
        if let Some((path, file)) = drawing {
            let trace = self.trace.clone().unwrap_or_else(|| folder.path().join("trace"));
            let drawn = left::draw(&trace, &folder.path().join("timelines"), file);
            if !drawn.map_err(|error| format!("{}: {error}", path.display()))? {
                crate::output::warn(&format!(
                    "{shown} opened neither /dev/dxg nor a device of dxgrt: nothing is drawn"
                ));
            }
        }
        Ok(ended)
    }

    fn parameters(&self) -> Outcome<Parameters> {
        let wrong = |error: &dyn std::fmt::Display| WrongCommandLine::new(format!("{}: {error}", self.params));
        let mut parameters = match self.params.as_str() {
            "default" => Parameters::default(),
            "zero" => Parameters::zero(),
            path => {
                let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
                Parameters::from_toml(&text).map_err(|error| wrong(&error))?
            }
        };
        if let Some(switch) = self.r#async {
            parameters.async_messages = switch == Switch::On;
        }
        parameters.complete_foreign_commands = self.foreign_commands == Foreign::Complete;
        Ok(parameters)
    }
}

//! `dxgrt selftest`: goes through everything of `/dev/dxg` that needs no vendor's data, and reports what holds.
//!
//! ```text
//! device ─▶ Bench (calls, findings) ─▶ node, objects, waits, sharing ─▶ report (text to paste, or JSON)
//! ```
//!
//! Each check is a promise of the driver that dxgrt builds on. One that fails is named with the driver's own words; what only
//! newer drivers or some hosts have is reported as absent and fails nothing. No check waits longer than [`PATIENCE`].

mod bench;
mod node;
mod objects;
mod report;
mod sharing;
mod waits;

use std::path::PathBuf;
use std::time::Duration;

use dxg_io::call::Dxg;
use dxg_io::dev::DevDxg;
use dxg_runtime::{DeviceKind, Parameters, Selector, SoftwareAdapter};

use self::bench::Bench;
use crate::commands::{Outcome, Verdict, WrongCommandLine};
use crate::output::OutputOptions;

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `dxgrt selftest`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Which device: `dxg[:n]`, the real node, or `software`
    #[arg(long, value_name = "DEVICE", default_value = "software")]
    device: Selector,
    /// Parameters of the software adapter, a TOML file; missing keys keep their default
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let dxg = self.open()?;
        let mut bench = Bench::new(dxg, self.device.kind() == DeviceKind::Dxg);
        let about = node::check(&mut bench, self.device.index() as usize);
        let report = report::Report::new(self.device, about, bench);
        self.output.print(&report, || report.text())?;
        Ok(if report.failed == 0 { Verdict::Holds } else { Verdict::Broken })
    }

    fn open(&self) -> Outcome<Dxg> {
        match self.device.kind() {
            DeviceKind::Dxg => Ok(Dxg::new(DevDxg::open()?)),
            DeviceKind::Software => Ok(Dxg::new(SoftwareAdapter::new(self.parameters()?)?.open()?)),
            other => {
                let sentence = format!("{other} has no /dev/dxg of its own to test; choose dxg or software");
                Err(WrongCommandLine::new(sentence).into())
            }
        }
    }

    fn parameters(&self) -> Outcome<Parameters> {
        let Some(path) = &self.params else { return Ok(Parameters::default()) };
        let wrong = |error: &dyn std::fmt::Display| WrongCommandLine::new(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        Ok(Parameters::from_toml(&text).map_err(|error| wrong(&error))?)
    }
}

//! Options that every example takes: which device, with which modelled latencies, in which mode.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use dxg_runtime::{Device, DeviceKind, Parameters, Policy, Selector};
use serde::Serialize;

use crate::Outcome;
use crate::output::{MODEL_NOTE, print_json};

/// How operations reach the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Each operation is submitted by itself and awaited by a CPU wait with an eventfd.
    OneByOne,
    /// Each operation is submitted by itself and awaited by reading the fence page.
    OneByOneSpin,
    /// The runtime batches.
    Batched,
}

impl Mode {
    /// The word on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Mode::OneByOne => "one-by-one",
            Mode::OneByOneSpin => "one-by-one-spin",
            Mode::Batched => "batched",
        }
    }

    fn policy(self) -> Policy {
        match self {
            Mode::OneByOne => Policy::OneByOne,
            Mode::OneByOneSpin => Policy::OneByOneSpin,
            Mode::Batched => Policy::Adaptive,
        }
    }
}

/// Which modes to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeChoice {
    /// Submit and wait for each operation, sleeping on an eventfd.
    OneByOne,
    /// Submit and wait for each operation, reading the fence page.
    OneByOneSpin,
    /// Let the runtime batch.
    Batched,
    /// one-by-one and batched.
    Both,
    /// All three.
    All,
}

impl ModeChoice {
    /// The modes chosen, in the order in which they run.
    pub fn modes(self) -> &'static [Mode] {
        match self {
            ModeChoice::OneByOne => &[Mode::OneByOne],
            ModeChoice::OneByOneSpin => &[Mode::OneByOneSpin],
            ModeChoice::Batched => &[Mode::Batched],
            ModeChoice::Both => &[Mode::OneByOne, Mode::Batched],
            ModeChoice::All => &[Mode::OneByOne, Mode::OneByOneSpin, Mode::Batched],
        }
    }
}

/// Latencies that the software adapter models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Latency {
    /// The default parameters.
    Default,
    /// None: what the code itself costs.
    Zero,
    /// Parameters from a TOML file.
    File(PathBuf),
}

impl Latency {
    /// What tables call it.
    pub fn name(&self) -> String {
        match self {
            Latency::Default => "default latencies".into(),
            Latency::Zero => "zero latencies".into(),
            Latency::File(path) => format!("latencies of {}", path.display()),
        }
    }

    /// The software adapter's parameters.
    pub fn parameters(&self) -> Outcome<Parameters> {
        match self {
            Latency::Default => Ok(Parameters::default()),
            Latency::Zero => Ok(Parameters::zero()),
            Latency::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(Parameters::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))?)
            }
        }
    }
}

impl std::fmt::Display for Latency {
    /// The word or path of the command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Latency::Default => f.write_str("default"),
            Latency::Zero => f.write_str("zero"),
            Latency::File(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Latency {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "default" => Latency::Default,
            "zero" => Latency::Zero,
            file => Latency::File(file.into()),
        })
    }
}

/// Which device, with which latencies, and what to print.
#[derive(Args, Clone, Debug)]
pub struct DeviceOptions {
    /// Device: `software[:n]`, `dxg[:n]` or `cuda[:n]`
    #[arg(long, value_name = "SELECTOR", default_value = "software")]
    pub device: String,
    /// Latencies that the software adapter models: default, zero, or a TOML file of parameters
    #[arg(long, value_name = "default|zero|FILE", default_value = "default")]
    pub latency: Latency,
    /// Print one JSON document to stdout
    #[arg(long)]
    pub json: bool,
}

impl DeviceOptions {
    /// Opens the chosen device for a mode, with these latencies if it is the software adapter.
    pub fn open(&self, mode: Mode, latency: &Latency) -> Outcome<Device> {
        let selector: Selector = self.device.parse()?;
        let mut builder = Device::builder().selector(self.device.as_str()).policy(mode.policy());
        if selector.kind() == DeviceKind::Software {
            builder = builder.parameters(latency.parameters()?);
        }
        Ok(builder.open()?)
    }

    /// Whether the device is the software adapter, whose latencies are modelled.
    fn is_software(&self) -> bool {
        self.device.parse::<Selector>().is_ok_and(|selector| selector.kind() == DeviceKind::Software)
    }

    /// The latencies to show: the chosen ones and, wherever there is something to compare, zero beside them. JSON of a
    /// single mode compares nothing.
    fn latencies(&self, modes: ModeChoice) -> Vec<Latency> {
        let mut latencies = vec![self.latency.clone()];
        let compares = !self.json || modes.modes().len() > 1;
        if compares && self.is_software() && self.latency != Latency::Zero {
            latencies.push(Latency::Zero);
        }
        latencies
    }

    /// Runs the work in each mode at the chosen latencies, and again without any, and prints what `table` makes of it.
    ///
    /// With `--json` stdout gets one document, of the chosen latencies; the tables go to stderr, so that the ratios of the
    /// model never stand without those of the code alone.
    pub fn compare<R: Serialize>(
        &self,
        modes: ModeChoice,
        mut work: impl FnMut(Mode, &Latency) -> Outcome<R>,
        table: impl Fn(&Latency, &[R]) -> String,
    ) -> Outcome<()> {
        self.name_other_devices();
        for (index, latency) in self.latencies(modes).iter().enumerate() {
            let reports = modes.modes().iter().map(|&mode| work(mode, latency)).collect::<Outcome<Vec<R>>>()?;
            if self.json && index == 0 {
                print_json(&reports)?;
            }
            self.say(&table(latency, &reports));
        }
        if self.is_software() {
            self.say(MODEL_NOTE);
        }
        Ok(())
    }

    /// Prints text for people: to stdout, or to stderr when stdout is for JSON.
    pub fn say(&self, text: &str) {
        match self.json {
            true => eprintln!("{text}"),
            false => println!("{text}"),
        }
    }

    /// Says on stderr which devices that can launch are there besides the chosen one.
    fn name_other_devices(&self) {
        for info in Device::enumerate() {
            if info.can_launch && self.is_software() && info.kind() != DeviceKind::Software {
                eprintln!("note: {} is usable; choose it with --device {}", info.name, info.selector);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_latencies_stand_beside_the_chosen_ones() {
        let mut options = DeviceOptions { device: "software".into(), latency: Latency::Default, json: false };
        assert_eq!(options.latencies(ModeChoice::Batched), [Latency::Default, Latency::Zero]);
        options.json = true;
        assert_eq!(options.latencies(ModeChoice::All), [Latency::Default, Latency::Zero]);
        assert_eq!(options.latencies(ModeChoice::Batched), [Latency::Default]);
        options.latency = Latency::Zero;
        assert_eq!(options.latencies(ModeChoice::All), [Latency::Zero]);
    }

    #[test]
    fn a_missing_parameter_file_is_named() {
        let latency: Latency = "/no/such/file.toml".parse().unwrap();
        let error = latency.parameters().unwrap_err().to_string();
        assert!(error.contains("/no/such/file.toml"), "{error}");
    }
}

//! `dxgrt demo`: one job before and after. The digits are trained and classified operation by operation, then batched.
//!
//! ```text
//! Digits ─▶ classifier::work on a device with policy one-by-one ─┐
//!      └──▶ the same, batched ───────────────────────────────────┴▶ equal bit for bit? ─▶ bars or JSON
//! ```
//!
//! The work is that of the example `digits`, from the same library.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use dxg_examples::classifier::{self, Learned};
use dxg_examples::{DeviceOptions, Digits, Figures, Latency, Mode, block_on};
use dxg_runtime::{Device, DeviceKind};
use serde::Serialize;

use crate::commands::{Outcome, Verdict};
use crate::drawing::Drawing;
use crate::output::{OutputOptions, Progress};

/// Characters of the longest bar.
const BAR: usize = 40;
const MODES: [Mode; 2] = [Mode::OneByOne, Mode::Batched];
const MODELLED: &str =
    "The work is really done; latencies of bus, host and GPU are those of a model with stated assumptions.";
const BARE: &str = "Nothing is modelled here: this is what the code itself costs on this machine.";

/// Arguments of `dxgrt demo`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Device: `software[:n]` or `cuda[:n]`
    #[arg(long, value_name = "SELECTOR", default_value = "software")]
    device: String,
    /// Latencies that the software adapter models: default, zero, or a TOML file of parameters; without it, default and zero
    #[arg(long, value_name = "default|zero|FILE")]
    latency: Option<Latency>,
    /// Passes over the training set
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    epochs: u32,
    /// Draw both runs at the first latencies into this file, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    device: String,
    epochs: u32,
    /// Equal in all runs, bit for bit.
    accuracy: f64,
    comparisons: Vec<Comparison>,
}

/// Before and after at one set of latencies.
#[derive(Debug, Serialize)]
struct Comparison {
    /// `default`, `zero`, or the file; none for hardware.
    latency: Option<String>,
    before: Figures,
    after: Figures,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let latencies = match &self.latency {
            Some(latency) => vec![latency.clone()],
            None => vec![Latency::Default, Latency::Zero],
        };
        let digits = Digits::load(7)?;
        let mut first: Option<Learned> = None;
        let mut accuracy = 0.0;
        let mut drawing = self.perfetto.as_deref().map(Drawing::create).transpose()?;
        let mut comparisons = Vec::new();
        for latency in latencies {
            let options = DeviceOptions { device: self.device.clone(), latency: latency.clone(), json: false };
            let mut figures = Vec::new();
            let mut modelled = true;
            for mode in MODES {
                let device = options.open(mode, &latency)?;
                modelled = device.info().kind() == DeviceKind::Software;
                let recording = drawing.as_ref().map(|_| device.record_timeline()).transpose()?;
                let run = self.work(&device, mode, &digits)?;
                if let (Some(drawing), Some(recording)) = (&mut drawing, recording) {
                    drawing.add(recording, mode.name())?;
                }
                match &first {
                    Some(expected) => expected.check_equal(&run.learned, mode)?,
                    None => first = Some(run.learned),
                }
                accuracy = run.accuracy;
                figures.push(run.total);
            }
            drawing.take().map(Drawing::finish).transpose()?;
            let latency = modelled.then(|| latency.to_string());
            comparisons.push(Comparison { latency, before: figures[0], after: figures[1] });
            if !modelled {
                break;
            }
        }
        let document = Document { device: self.device.clone(), epochs: self.epochs, accuracy, comparisons };
        self.output.print(&document, || document.text())?;
        Ok(Verdict::Holds)
    }

    fn work(&self, device: &Device, mode: Mode, digits: &Digits) -> Outcome<classifier::Run> {
        let progress = Progress::new(mode.name(), classifier::steps(digits, self.epochs));
        let advance = {
            let progress = progress.clone();
            move |steps| progress.advance(steps)
        };
        block_on(async {
            let run = classifier::work(device, digits, self.epochs, 7, advance).await?;
            device.shutdown().await;
            Ok(run)
        })
    }
}

impl Document {
    fn text(&self) -> String {
        let mut text = format!(
            "1,437 images of digits, {} epochs of 28 small launches a step, then 360 images classified by {} tasks, on {}.\n",
            self.epochs,
            classifier::TASKS,
            self.device
        );
        for comparison in &self.comparisons {
            text += &comparison.text();
        }
        text + &format!(
            "\nBoth ways computed the same, bit for bit: {:.2} % of the images that training never saw were read rightly.",
            self.accuracy * 100.0
        )
    }
}

impl Comparison {
    fn text(&self) -> String {
        let (heading, note) = match self.latency.as_deref() {
            None => ("measured on the hardware".into(), ""),
            Some("zero") => ("without latencies".into(), BARE),
            Some("default") => ("with modelled latencies".into(), MODELLED),
            Some(file) => (format!("with the latencies of {file}"), MODELLED),
        };
        let bold = Style::new().bold();
        let bar = |figures: &Figures, name: &str, color: AnsiColor| {
            let share = figures.wall_ms / self.before.wall_ms.max(self.after.wall_ms).max(f64::MIN_POSITIVE);
            let length = ((share * BAR as f64).round() as usize).clamp(1, BAR);
            let style = color.on_default();
            format!(
                "  {name:19} {style}{}{style:#}{} {:>8.1} ms {:>7} submissions {:>7} round trips\n",
                "█".repeat(length),
                " ".repeat(BAR - length),
                figures.wall_ms,
                figures.submissions,
                figures.round_trips
            )
        };
        format!(
            "\n{bold}{heading}{bold:#}\n{}{}  {bold}{}{bold:#} {}\n",
            bar(&self.before, "before: one by one", AnsiColor::Red),
            bar(&self.after, "after: batched", AnsiColor::Green),
            times(self.before.wall_ms, self.after.wall_ms),
            note
        )
    }
}

/// How much faster, or slower.
fn times(before: f64, after: f64) -> String {
    match before >= after {
        true => format!("{:.1} × as fast.", before / after.max(f64::MIN_POSITIVE)),
        false => format!("{:.1} × slower.", after / before.max(f64::MIN_POSITIVE)),
    }
}

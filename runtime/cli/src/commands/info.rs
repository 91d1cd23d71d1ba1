//! `dxgrt info`: the devices there are, what their adapters say, and what NVIDIA's management library says where it is there.
//!
//! ```text
//! Device::enumerate ─▶ one entry a device ◀─ adapters (software, /dev/dxg): driver, memory, engines, a round trip
//! NVML, if it loads ─▶ utilisation, memory, clocks, temperature
//! ```

use std::sync::Arc;

use anstyle::Style;
use dxg_io::boundary::Boundary;
use dxg_io::call::Dxg;
use dxg_io::dev::DevDxg;
use dxg_io::object::Adapter;
use dxg_runtime::{Device, DeviceInfo, DeviceKind, Parameters, SoftwareAdapter};
use serde::Serialize;

use crate::adapters::{self, AdapterFacts, HandOver};
use crate::commands::{Outcome, Verdict};
use crate::nvml::{self, Gpu, Management};
use crate::output::OutputOptions;

/// Arguments of `dxgrt info`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    output: OutputOptions,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    version: &'static str,
    devices: Vec<Entry>,
    nvml: Option<Management>,
}

#[derive(Debug, Serialize)]
struct Entry {
    selector: String,
    name: String,
    can_launch: bool,
    architecture: String,
    memory_bytes: u64,
    hardware_queues: u16,
    block_slots: u32,
    async_messages: bool,
    posted_wake_up: bool,
    max_threads_per_block: u32,
    max_shared_bytes: u32,
    max_argument_bytes: u32,
    /// What the adapter says; none where the device is not behind D3DKMT.
    adapter: Option<AdapterFacts>,
    /// What handing over costs there. Modelled for the software adapter.
    hand_over: Option<HandOver>,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let devices = Device::enumerate().iter().map(Entry::new).collect();
        let document = Document { version: env!("CARGO_PKG_VERSION"), devices, nvml: nvml::ask() };
        self.output.print(&document, || document.text())?;
        Ok(Verdict::Holds)
    }
}

impl Entry {
    fn new(info: &DeviceInfo) -> Self {
        // What cannot be asked is left out: the doctor says why.
        let adapter = boundary(info).and_then(|boundary| {
            let number = if info.kind() == DeviceKind::Software { 0 } else { info.selector.index() as usize };
            Adapter::open_nth(&Dxg::new(boundary), number).ok()
        });
        Entry {
            selector: info.selector.to_string(),
            name: info.name.to_string(),
            can_launch: info.can_launch,
            architecture: info.architecture.to_string(),
            memory_bytes: info.memory_bytes,
            hardware_queues: info.hardware_queues,
            block_slots: info.block_slots,
            async_messages: info.async_messages,
            posted_wake_up: info.posted_wake_up,
            max_threads_per_block: info.max_threads_per_block,
            max_shared_bytes: info.max_shared_bytes,
            max_argument_bytes: info.max_argument_bytes,
            hand_over: adapter.as_ref().and_then(|adapter| adapters::hand_over(adapter).ok()),
            adapter: adapter.as_ref().and_then(|adapter| adapters::facts(adapter).ok()),
        }
    }

    fn text(&self) -> String {
        let bold = Style::new().bold();
        let mut text = format!("{bold}{}{bold:#}  {}\n", self.selector, self.name);
        let mut line = |label: &str, value: String| text += &format!("  {label:14} {value}\n");
        let launches = match self.can_launch {
            true => format!("yes, kernels for {}", self.architecture),
            false => {
                "no: the vendor's command format is not public; use `cuda` on NVIDIA hardware, or `software`".into()
            }
        };
        line("launches", launches);
        if let Some(adapter) = &self.adapter {
            line("adapter", format!("{}, LUID {:#x}", adapter.kind.join(", "), adapter.luid));
            let driver = adapter.driver_model.iter().chain(&adapter.driver_version).cloned().collect::<Vec<_>>();
            line("driver", if driver.is_empty() { "the host does not say".into() } else { driver.join(", ") });
            let scheduling = match adapter.hardware_scheduling {
                Some(true) => "by the GPU",
                Some(false) => "by Windows",
                None => "the host does not say",
            };
            line("scheduling", scheduling.into());
            for segments in &adapter.memory {
                let value = format!("{} {}, {} used", segments.group, bytes(segments.budget), bytes(segments.used));
                line("memory", value);
            }
            if !adapter.engines.is_empty() {
                line("engines", adapter.engines.join(", "));
            }
        } else if self.memory_bytes > 0 {
            line("memory", bytes(self.memory_bytes));
        }
        if self.hardware_queues > 0 {
            line(
                "queues",
                format!("{} hardware queues, {} blocks at one time", self.hardware_queues, self.block_slots),
            );
        }
        if let Some(cost) = self.hand_over {
            let mode = if cost.posted { "posted messages" } else { "every message is a round trip" };
            let modelled = if self.selector.starts_with("software") { ", as modelled" } else { "" };
            let (round_trip, signal) = (cost.round_trip_us, cost.signal_us);
            line(
                "protocol",
                format!("{mode}; a round trip takes {round_trip:.1} µs, a signal {signal:.1} µs{modelled}"),
            );
        }
        line(
            "a launch",
            format!(
                "at most {} threads a block, {} shared, {} of arguments",
                self.max_threads_per_block,
                bytes(self.max_shared_bytes.into()),
                bytes(self.max_argument_bytes.into())
            ),
        );
        text
    }
}

/// The way to an adapter that is behind D3DKMT.
fn boundary(info: &DeviceInfo) -> Option<Arc<dyn Boundary>> {
    match info.kind() {
        DeviceKind::Software => Some(Arc::new(SoftwareAdapter::new(Parameters::default()).ok()?.open().ok()?)),
        DeviceKind::Dxg => Some(Arc::new(DevDxg::open().ok()?)),
        _ => None,
    }
}

impl Document {
    fn text(&self) -> String {
        let mut text: String = self.devices.iter().map(|device| device.text() + "\n").collect();
        match &self.nvml {
            None => text += "NVML is not there or does not answer (`dxgrt doctor` says why).\n",
            Some(management) => text += &management.text(),
        }
        text
    }
}

impl Management {
    fn text(&self) -> String {
        let bold = Style::new().bold();
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".into());
        let mut text = format!("{bold}NVML{bold:#}  driver {}, CUDA {}\n", version(&self.driver), version(&self.cuda));
        for (number, gpu) in self.gpus.iter().enumerate() {
            text += &format!("  GPU {number:<10} {}\n", gpu.text());
        }
        text
    }
}

impl Gpu {
    fn text(&self) -> String {
        let mut parts = vec![self.name.clone().unwrap_or_else(|| "unnamed".into())];
        if let (Some(used), Some(total)) = (self.memory_used, self.memory_total) {
            parts.push(format!("{} of {} used", bytes(used), bytes(total)));
        }
        for (value, what) in [
            (self.gpu_utilisation, " % busy"),
            (self.memory_utilisation, " % of the time memory is read or written"),
            (self.sm_clock, " MHz"),
            (self.memory_clock, " MHz memory"),
            (self.temperature, " °C"),
        ] {
            parts.extend(value.map(|value| format!("{value}{what}")));
        }
        parts.join(", ")
    }
}

/// Bytes for people.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value.fract() == 0.0 { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!([0, 1023, 1024, 48 << 10, 3 << 29].map(bytes), ["0 B", "1023 B", "1 KiB", "48 KiB", "1.5 GiB"]);
        assert_eq!(bytes(u64::MAX), "16777216 TiB");
    }

    #[test]
    fn what_nvml_does_not_say_is_left_out() {
        let gpu = Gpu { name: Some("GPU".into()), temperature: Some(40), ..Gpu::default() };
        assert_eq!(gpu.text(), "GPU, 40 °C");
    }
}

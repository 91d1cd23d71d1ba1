//! The conformance report: a text that can be pasted into an issue, or JSON.

use std::fmt::Write;

use dxg_io::boundary::Traffic;
use dxg_runtime::Selector;
use serde::Serialize;

use super::bench::{Bench, Finding, Found};
use super::node::About;

/// See the module.
#[derive(Debug, Serialize)]
pub struct Report {
    version: &'static str,
    device: String,
    boundary: String,
    kernel: String,
    machine: &'static str,
    adapter: About,
    checks: Vec<Finding>,
    /// Checks that hold.
    pub passed: usize,
    /// Checks that do not.
    pub failed: usize,
    /// What the driver or the host does not have.
    pub absent: usize,
    calls: u64,
    posted: u32,
    round_trips: u32,
}

impl Report {
    /// Of what was found.
    pub fn new(device: Selector, adapter: About, bench: Bench) -> Report {
        let count = |found| bench.findings.iter().filter(|finding| finding.found == found).count();
        let (passed, failed, absent) = (count(Found::Pass), count(Found::Fail), count(Found::Absent));
        let Traffic { posted, round_trips, .. } = bench.dxg.traffic();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Report {
            version: env!("CARGO_PKG_VERSION"),
            device: device.to_string(),
            boundary: bench.dxg.name().to_owned(),
            kernel: kernel.trim().to_owned(),
            machine: std::env::consts::ARCH,
            adapter,
            passed,
            failed,
            absent,
            calls: bench.dxg.calls(),
            posted,
            round_trips,
            checks: bench.findings,
        }
    }

    /// The report as text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let Report { version, device, boundary, kernel, machine, adapter, .. } = self;
        let _ = writeln!(out, "dxgrt {version} self-test of {device} ({boundary}), Linux {kernel} {machine}");
        if !adapter.luid.is_empty() {
            let _ = writeln!(
                out,
                "adapter {:?}, PCI {}, LUID {}, WDDM {}",
                adapter.description, adapter.pci, adapter.luid, adapter.wddm
            );
        }
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Finding { found, name, detail } in &self.checks {
            let word = match found {
                Found::Pass => "pass  ",
                Found::Fail => "FAIL  ",
                Found::Absent => "absent",
            };
            let _ = writeln!(out, "  {word}  {name:width$}  {detail}");
        }
        let _ = writeln!(
            out,
            "{} passed, {} failed, {} absent; {} calls, {} messages posted, {} round trips",
            self.passed, self.failed, self.absent, self.calls, self.posted, self.round_trips
        );
        out
    }
}

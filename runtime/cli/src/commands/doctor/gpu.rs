//! What only a GPU that answers can tell: its adapters, hardware scheduling, the protocol's mode, a round trip. And what
//! dxgrt makes of it.

use dxg_io::boundary::Boundary;
use dxg_io::call::Dxg;
use dxg_io::dev::DevDxg;
use dxg_io::object::Adapter;
use dxg_runtime::{Device, DeviceKind};
use std::sync::Arc;

use super::finding::{Finding, Level};
use crate::adapters::{self, AdapterFacts, HandOver};

const NODE: &str = "/dev/dxg";
/// A round trip that takes longer than this many µs is slower than any explanation by the protocol alone.
const SLOW: f64 = 500.0;
const DRIVER_UPDATE: &str = "install the GPU vendor's current driver in Windows, then run `wsl.exe --shutdown` there";

/// Opens the node, where there is one.
pub fn node() -> Option<Arc<dyn Boundary>> {
    Some(Arc::new(DevDxg::open().ok()?))
}

/// Asks the adapters behind a boundary.
pub fn findings(boundary: Arc<dyn Boundary>) -> Vec<Finding> {
    let dxg = Dxg::new(boundary);
    let facts = match adapters::all(&dxg) {
        Ok(facts) => facts,
        Err(error) => {
            let found = format!("listing the adapters answers: {error}");
            return vec![
                Finding::fine(
                    "adapters",
                    NODE,
                    found,
                    "the guest driver is there, and the host does not answer as it should",
                )
                .but(
                    Level::Problem,
                    "in Windows, run `wsl.exe --shutdown` and start again; then update the GPU's driver",
                ),
            ];
        }
    };
    let mut findings = vec![list(&facts)];
    if facts.is_empty() {
        return findings;
    }
    findings.push(scheduling(&facts));
    let measured = Adapter::open_nth(&dxg, 0).and_then(|adapter| adapters::hand_over(&adapter));
    match measured {
        Ok(measured) => findings.extend([round_trip(measured), messages(measured)]),
        Err(error) => findings.push(
            Finding::fine(
                "round-trip",
                NODE,
                format!("measuring answers: {error}"),
                "the adapter lists itself, and no device can be made on it",
            )
            .but(Level::Problem, DRIVER_UPDATE),
        ),
    }
    findings
}

fn list(facts: &[AdapterFacts]) -> Finding {
    if facts.is_empty() {
        return Finding::fine("adapters", NODE, "no adapter", "the guest driver is there, and the host shares no GPU")
            .but(Level::Problem, DRIVER_UPDATE);
    }
    let each = |adapter: &AdapterFacts| {
        let words = adapter.driver_model.iter().chain(&adapter.driver_version).map(|word| format!(", {word}"));
        format!("{}{}", adapter.name, words.collect::<String>())
    };
    let found: Vec<String> = facts.iter().map(each).collect();
    Finding::fine("adapters", NODE, found.join("; "), "the host shares these")
}

fn scheduling(facts: &[AdapterFacts]) -> Finding {
    let off: Vec<&str> = facts
        .iter()
        .filter(|adapter| adapter.hardware_scheduling == Some(false))
        .map(|adapter| adapter.name.as_str())
        .collect();
    let say = |found: String, meaning| Finding::fine("hardware-scheduling", NODE, found, meaning);
    if !off.is_empty() {
        return say(
            format!("off for {}", off.join(", ")),
            "each submission waits for Windows' own scheduler; small work suffers most",
        )
        .but(
            Level::Warning,
            "in Windows, turn on Settings > System > Display > Graphics > Hardware-accelerated GPU scheduling, and start again",
        );
    }
    match facts.iter().any(|adapter| adapter.hardware_scheduling.is_none()) {
        true => say("the host does not say".into(), "an old host or driver; nothing follows for sure").note(),
        false => say("on".into(), "the GPU takes submissions without Windows' scheduler in between"),
    }
}

fn round_trip(measured: HandOver) -> Finding {
    let found = format!("{:.1} µs", measured.round_trip_us);
    let say = |meaning| Finding::fine("round-trip", NODE, found.clone(), meaning);
    match measured.round_trip_us > SLOW {
        false => say("what one question to the host costs; programs that wait after every operation pay it each time"),
        true => say("every question to the host takes very long: the host or the virtual machine is short of processors").but(
            Level::Warning,
            "close what keeps the processors busy in Windows, give WSL more of them (`processors=` in .wslconfig), and look \
             whether Windows saves power",
        ),
    }
}

fn messages(measured: HandOver) -> Finding {
    let found = format!("a fence is signalled in {:.1} µs", measured.signal_us);
    let say = |meaning| Finding::fine("async-messages", NODE, found.clone(), meaning);
    match measured.posted {
        true => say("messages are posted: a submission does not wait for the host"),
        false => say("messages are not posted: every submission waits for the host's answer").but(
            Level::Warning,
            "update Windows and the GPU's driver: current hosts take posted messages; until then, batching counts twice",
        ),
    }
}

/// Which devices dxgrt itself can open here.
pub fn devices() -> Finding {
    let devices = Device::enumerate();
    let names: Vec<String> =
        devices.iter().filter(|info| info.can_launch).map(|info| info.selector.to_string()).collect();
    let say = |meaning| Finding::fine("dxgrt-devices", "Device::enumerate", names.join(", "), meaning);
    match devices.iter().any(|info| info.can_launch && info.kind() != DeviceKind::Software) {
        true => say("programs of dxgrt can use a GPU here"),
        false => say("programs of dxgrt run on the software adapter here, which computes on the processor").note(),
    }
}

#[cfg(test)]
mod tests {
    use dxg_io::software::{Parameters, SoftwareAdapter};

    use super::*;

    fn on(parameters: Parameters) -> Vec<Finding> {
        findings(Arc::new(SoftwareAdapter::new(parameters).unwrap().open().unwrap()))
    }

    #[test]
    fn an_adapter_that_answers_is_measured() {
        let level = |async_messages, id: &str| {
            let findings = on(Parameters { async_messages, ..Parameters::default() });
            let finding = findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("{id} is missing"));
            (finding.level, finding.clone())
        };
        for id in ["adapters", "hardware-scheduling", "round-trip", "async-messages"] {
            assert_eq!(level(true, id).0, Level::Ok, "{id}");
        }
        let (level, finding) = level(false, "async-messages");
        assert_eq!(level, Level::Warning);
        assert!(finding.action.contains("update Windows"), "{finding:?}");
    }

    #[test]
    fn an_adapter_that_is_gone_is_a_problem() {
        let adapter = SoftwareAdapter::new(Parameters::zero()).unwrap();
        let boundary = Arc::new(adapter.open().unwrap());
        adapter.remove_adapter();
        let findings = findings(boundary);
        assert_eq!((findings.len(), findings[0].level), (1, Level::Problem), "{findings:?}");
    }
}

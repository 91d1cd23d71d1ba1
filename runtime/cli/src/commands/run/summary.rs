//! What a program asked of `/dev/dxg`, and what limited it, as text on stderr.
//!
//! The words come from one place, `dxg_runtime::Report`: here of the program's calls, and of each device of dxgrt that it opened.

use std::fmt::Write as _;
use std::io::Write as _;

use dxg_io::middleware::{CallStats, Ledger, Savings};
use dxg_runtime::{Parameters, Report};

use crate::output::Table;

/// Prints the summary. `reports`: what devices of dxgrt in the program have left, the device in the first line of each.
pub fn print(program: &str, ledger: &Ledger, parameters: &Parameters, reports: &[String]) {
    let mut text = calls(program, ledger, parameters);
    if !reports.is_empty() && ledger.opens_and_closes().0.calls == 0 {
        text.clear();
    }
    for report in reports {
        let (device, words) = report.split_once('\n').unwrap_or((report, ""));
        let _ = writeln!(text, "dxgrt: {program}, {device}");
        text += &indented(words);
    }
    // Where nobody reads stderr there is nobody to report to.
    let _unread = std::io::stderr().write_all(text.as_bytes());
}

fn indented(words: &str) -> String {
    words.lines().map(|line| format!("  {line}\n")).collect()
}

/// What it asked of the node.
fn calls(program: &str, ledger: &Ledger, parameters: &Parameters) -> String {
    let (opens, closes) = ledger.opens_and_closes();
    if opens.calls == 0 {
        return format!("dxgrt: {program} did not open /dev/dxg\n");
    }
    let mut out = String::new();
    let processes = match ledger.processes() {
        1 => "1 process".to_owned(),
        n => format!("{n} processes"),
    };
    let _ = writeln!(out, "dxgrt: {program} ({processes}) on the software adapter; latencies are modelled");
    let mut table = Table::new(["call", "calls", "failed", "posted", "round trips", "ring bytes", "µs"]);
    let mut calls = ledger.by_call();
    calls.sort_by_key(|call| std::cmp::Reverse(call.calls));
    for call in calls {
        let name = call.name.strip_prefix("LX_DX").or(call.name.strip_prefix("LX_"));
        row(&mut table, name.unwrap_or("(not the driver's)"), &call);
    }
    row(&mut table, "open", &opens);
    row(&mut table, "close (the last of an open)", &closes);
    let total = ledger.total();
    row(&mut table, "all", &total);
    let _ = write!(out, "{table}");
    let _ = writeln!(
        out,
        "  messages: {} posted, {} round trips; {} payload bytes, {} ring bytes, {} doorbells, {} sleeps on a full ring",
        total.posted, total.round_trips, total.payload_bytes, total.ring_bytes, total.doorbells, total.full_ring_sleeps
    );
    saved(&mut out, ledger, parameters);
    let unfinished = ledger.unfinished();
    if !unfinished.is_empty() {
        let each =
            unfinished.iter().map(|(name, calls)| format!("{calls} × {}", name.strip_prefix("LX_DX").unwrap_or(name)));
        let _ = writeln!(out, "  did not return before their process ended: {}", each.collect::<Vec<_>>().join(", "));
    }
    out + &indented(&Report::of_calls(ledger).to_string())
}

fn row(table: &mut Table, name: &str, call: &CallStats) {
    let micros = format!("{:.1}", call.nanos as f64 / 1000.0);
    let cells = [call.calls, call.failures, call.posted, call.round_trips, call.ring_bytes].map(|n| n.to_string());
    table.row([name.to_owned()].into_iter().chain(cells).chain([micros]));
}

/// What batching would have saved: by count, and at the modelled price of a message.
fn saved(out: &mut String, ledger: &Ledger, parameters: &Parameters) {
    let Savings { submissions, round_trips } = ledger.savings();
    let by_name = |name: &str| ledger.by_call().iter().find(|call| call.name == name).map_or(0, |call| call.calls);
    let submitted = by_name("LX_DXSUBMITCOMMAND") + by_name("LX_DXSUBMITCOMMANDTOHWQUEUE");
    let _ = writeln!(
        out,
        "  batching: {} submissions could have been {}; {} of {} round trips could have gone with the call before",
        submitted,
        submitted.saturating_sub(submissions),
        round_trips,
        ledger.total().round_trips
    );
    let host = parameters.host_message_us + parameters.host_submission_us;
    let submission = if parameters.async_messages { parameters.posted_us } else { parameters.round_trip_us } + host;
    let micros = submissions as f64 * submission + round_trips as f64 * parameters.round_trip_us;
    let _ = writeln!(out, "            {micros:.1} µs at the modelled latencies");
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxg_io::boundary::{RawOutcome, Traffic};
    use dxg_io::sys;
    use std::time::Duration;

    #[test]
    fn the_text_names_calls_messages_savings_and_what_limited_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&folder.path().join("ledger")).unwrap();
        let parameters = Parameters::default();
        assert_eq!(calls("./client", &ledger, &parameters), "dxgrt: ./client did not open /dev/dxg\n");
        let took = Duration::from_micros(3);
        ledger.add_process();
        ledger.add_open(&RawOutcome::success().with_traffic(Traffic::round_trip(584)), took);
        for _ in 0..100 {
            let posted = RawOutcome::success().with_traffic(Traffic::posted(96));
            ledger.add(sys::LX_DXSUBMITCOMMANDTOHWQUEUE, &posted, took);
        }
        let text = calls("./client", &ledger, &parameters);
        for expected in [
            "./client (1 process)",
            "SUBMITCOMMANDTOHWQUEUE",
            "100 posted, 1 round trips;",
            "100 submissions could have been 1;",
            // 99 at 1 + 2 + 4.3 µs.
            "722.7 µs at the modelled latencies",
            "\n  100 submissions and 0 waits by the processor; 100 messages posted, 1 round trips.",
            "\n  - 99 of 100 submissions followed another without a wait between them",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("did not return"), "{text}");
        ledger.begin(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU);
        let text = calls("./client", &ledger, &parameters);
        let expected = "did not return before their process ended: 1 × WAITFORSYNCHRONIZATIONOBJECTFROMCPU\n";
        assert!(text.contains(expected), "{text}");
    }
}

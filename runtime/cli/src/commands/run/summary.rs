//! What a program asked of `/dev/dxg`, as text on stderr.

use std::fmt::Write as _;
use std::io::Write as _;

use dxg_io::middleware::{CallStats, Ledger, Savings};
use dxg_runtime::Parameters;

use crate::output::Table;

/// Prints the summary.
pub fn print(program: &str, ledger: &Ledger, parameters: &Parameters) {
    // Where nobody reads stderr there is nobody to report to.
    let _unread = std::io::stderr().write_all(text(program, ledger, parameters).as_bytes());
}

fn text(program: &str, ledger: &Ledger, parameters: &Parameters) -> String {
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
    out
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
    fn the_text_names_calls_messages_and_savings() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&folder.path().join("ledger")).unwrap();
        let parameters = Parameters::default();
        assert_eq!(text("./client", &ledger, &parameters), "dxgrt: ./client did not open /dev/dxg\n");
        let took = Duration::from_micros(3);
        ledger.add_process();
        ledger.add_open(&RawOutcome::success().with_traffic(Traffic::round_trip(584)), took);
        for _ in 0..10 {
            let posted = RawOutcome::success().with_traffic(Traffic::posted(96));
            ledger.add(sys::LX_DXSUBMITCOMMANDTOHWQUEUE, &posted, took);
        }
        let text = text("./client", &ledger, &parameters);
        for expected in [
            "./client (1 process)",
            "SUBMITCOMMANDTOHWQUEUE",
            "10 posted, 1 round trips;",
            "10 submissions could have been 1;",
            // Nine at 1 + 2 + 4.3 µs.
            "65.7 µs at the modelled latencies",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("did not return"), "{text}");
        ledger.begin(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU);
        let text = self::text("./client", &ledger, &parameters);
        let expected = "did not return before their process ended: 1 × WAITFORSYNCHRONIZATIONOBJECTFROMCPU\n";
        assert!(text.ends_with(expected), "{text}");
    }
}

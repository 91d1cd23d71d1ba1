//! Advice to any client of `/dev/dxg`: what its calls, counted in a ledger, say of it. Nothing is known of kernels and buffers
//! here; what a call carries is not looked at.
//!
//! ```text
//! Ledger (counts by call, what could have gone together) ─▶ one rule for each thing that clients do ─▶ Report
//! ```

use dxg_io::middleware::{CallStats, Ledger, Savings};

use super::{Advice, FEW, Report, full_ring, percent};
use crate::stats::Stats;

/// Calls that are named for the same reason.
const NAMED: usize = 3;

impl Report {
    /// What limited a program that reached `/dev/dxg` by itself, as far as its calls tell: the part of `dxgrt run --summary` that
    /// is in words. The ledger is what the program's processes have counted.
    pub fn of_calls(ledger: &Ledger) -> Report {
        let run = Run::of(ledger);
        let CallStats { posted, round_trips, payload_bytes, ring_bytes, doorbells, full_ring_sleeps, .. } = run.total;
        let stats = Stats {
            submissions: run.submissions,
            posted_messages: posted,
            round_trips,
            payload_bytes,
            ring_bytes,
            doorbells,
            full_ring_sleeps,
            ..Stats::default()
        };
        let heading = format!(
            "{} submissions and {} waits by the processor; {posted} messages posted, {round_trips} round trips.",
            run.submissions, run.waits
        );
        Report { stats, advice: run.advice(), heading, judged: run.submissions >= FEW }
    }
}

/// Everything that is known.
struct Run {
    calls: Vec<CallStats>,
    total: CallStats,
    savings: Savings,
    submissions: u64,
    /// Waits by the processor: calls that sleep, or ask for an event.
    waits: u64,
    /// Queues that submissions could go to.
    queues: u64,
}

impl Run {
    fn of(ledger: &Ledger) -> Run {
        let calls = ledger.by_call();
        let done =
            |name: &str| calls.iter().filter(|call| call.name == name).map(|call| call.calls - call.failures).sum();
        let to_queues: u64 = done("LX_DXSUBMITCOMMANDTOHWQUEUE");
        let to_contexts: u64 = done("LX_DXSUBMITCOMMAND");
        Run {
            total: ledger.total(),
            savings: ledger.savings(),
            submissions: to_queues + to_contexts,
            waits: done("LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU"),
            queues: match to_contexts {
                0 => done("LX_DXCREATEHWQUEUE"),
                _ => done("LX_DXCREATECONTEXTVIRTUAL"),
            },
            calls,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let rules: [fn(&Run) -> Option<Advice>; 9] = [
            Run::waits,
            Run::submissions,
            Run::one_stream,
            Run::round_trips,
            Run::lists,
            Run::allocations,
            Run::locks,
            |run| full_ring(run.total.full_ring_sleeps, "fewer and larger submissions leave room in it"),
            Run::failures,
        ];
        rules.iter().filter_map(|rule| rule(self)).collect()
    }

    /// Submissions without a wait between them, as one each.
    fn groups(&self) -> u64 {
        self.submissions.saturating_sub(self.savings.submissions)
    }

    fn waits(&self) -> Option<Advice> {
        let (submissions, waits, groups) = (self.submissions, self.waits, self.groups());
        let sentence = format!(
            "The program waited {waits} times for {submissions} submissions, and {groups} of them were the first after a wait \
             ({} %). Wait for the last of a group in place of each: a queue keeps the order by itself, and what is complete can \
             be read from the fence's memory without a call.",
            percent(groups, submissions)
        );
        (submissions >= FEW && waits * 2 >= submissions && groups * 2 >= submissions)
            .then_some(Advice { id: "waits", sentence })
    }

    fn submissions(&self) -> Option<Advice> {
        let (submissions, merged, groups) = (self.submissions, self.savings.submissions, self.groups());
        let sentence = format!(
            "{merged} of {submissions} submissions followed another without a wait between them: gathered into longer command \
             buffers they would have been {groups}."
        );
        (submissions >= FEW && merged * 2 >= submissions).then_some(Advice { id: "submissions", sentence })
    }

    fn one_stream(&self) -> Option<Advice> {
        let sentence = format!(
            "All {} submissions went through one queue. Work that does not depend on each other can run side by side on queues \
             of its own.",
            self.submissions
        );
        (self.submissions >= FEW && self.queues == 1).then_some(Advice { id: "one-stream", sentence })
    }

    fn round_trips(&self) -> Option<Advice> {
        let round_trips = self.total.round_trips;
        let sentence = format!(
            "{round_trips} messages waited for the host's answer, for {} submissions, most of them of {}. What is asked or made \
             once and kept costs nothing later; `dxgrt doctor` says whether a host takes posted messages.",
            self.submissions,
            self.named(|call| call.round_trips)
        );
        (round_trips >= FEW && round_trips * 2 > self.submissions).then_some(Advice { id: "round-trips", sentence })
    }

    fn lists(&self) -> Option<Advice> {
        let saved = self.savings.round_trips;
        let sentence = format!(
            "{saved} of {} round trips were of a call that takes a list and came right after the same call: name all \
             allocations in one call.",
            self.total.round_trips
        );
        (saved >= FEW).then_some(Advice { id: "lists", sentence })
    }

    fn allocations(&self) -> Option<Advice> {
        let made = self.call("LX_DXCREATEALLOCATION");
        let sentence = format!(
            "Memory was allocated {} times for {} submissions, at {} round trips, and must be made resident and be mapped beside. \
             Keep buffers and use them again.",
            made.calls, self.submissions, made.round_trips
        );
        (made.calls >= FEW && made.calls * 4 >= self.submissions).then_some(Advice { id: "allocations", sentence })
    }

    fn locks(&self) -> Option<Advice> {
        let locks = self.call("LX_DXLOCK2");
        let sentence = format!(
            "Memory was locked {} times for {} submissions, at {} round trips. Lock what is written again and again once, and keep \
             it mapped.",
            locks.calls, self.submissions, locks.round_trips
        );
        (locks.calls >= FEW && locks.calls * 4 >= self.submissions).then_some(Advice { id: "locks", sentence })
    }

    fn failures(&self) -> Option<Advice> {
        let sentence = format!(
            "{} of {} calls failed, most of them {}: `dxgrt run --trace FILE` writes each with its error number.",
            self.total.failures,
            self.total.calls,
            self.named(|call| call.failures)
        );
        (self.total.failures >= FEW).then_some(Advice { id: "failures", sentence })
    }

    fn call(&self, name: &str) -> CallStats {
        self.calls.iter().find(|call| call.name == name).copied().unwrap_or_default()
    }

    /// The calls with most of something, as words.
    fn named(&self, count: impl Fn(&CallStats) -> u64) -> String {
        let mut found: Vec<(u64, &str)> =
            self.calls.iter().map(|call| (count(call), call.name)).filter(|(count, _)| *count > 0).collect();
        found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let words = found.iter().take(NAMED).map(|(count, name)| {
            let name = if name.is_empty() { "requests that are not the driver's" } else { name };
            format!("{name} ({count})")
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dxg_io::boundary::{RawOutcome, Traffic};
    use dxg_io::sys;

    use super::*;

    /// A ledger of one process that makes these calls; `true`: a round trip, `false`: posted.
    fn report(calls: &[(u32, u32, bool)]) -> Report {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dxg-advice-{}-{number}", std::process::id()));
        let ledger = Ledger::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for &(times, request, asks) in calls {
            for _ in 0..times {
                let traffic = if asks { Traffic::round_trip(100) } else { Traffic::posted(100) };
                ledger.add(request, &RawOutcome::success().with_traffic(traffic), Duration::from_micros(1));
            }
        }
        Report::of_calls(&ledger)
    }

    fn ids(report: &Report) -> Vec<&'static str> {
        report.advice.iter().map(|advice| advice.id).collect()
    }

    const SUBMIT: u32 = sys::LX_DXSUBMITCOMMANDTOHWQUEUE;
    const WAIT: u32 = sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU;

    #[test]
    fn who_waits_after_every_submission_is_told() {
        let each: Vec<_> = (0..100).flat_map(|_| [(1, SUBMIT, false), (1, WAIT, true)]).collect();
        let calls = [&[(2, sys::LX_DXCREATEHWQUEUE, true)][..], &each].concat();
        let report = report(&calls);
        assert_eq!(ids(&report), ["waits", "round-trips"], "{report}");
        let text = report.to_string();
        for expected in [
            "100 submissions and 100 waits by the processor; 100 messages posted, 102 round trips.\n- The program waited",
            "100 of them were the first after a wait (100 %)",
            "most of them of LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU (100), LX_DXCREATEHWQUEUE (2)",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn submissions_in_a_row_on_one_queue_are_told() {
        let report = report(&[(1, sys::LX_DXCREATEHWQUEUE, true), (100, SUBMIT, false), (1, WAIT, true)]);
        assert_eq!(ids(&report), ["submissions", "one-stream"], "{report}");
        assert!(report.advice[0].sentence.contains("99 of 100") && report.advice[0].sentence.contains("been 1."));
    }

    #[test]
    fn memory_that_comes_and_goes_is_told() {
        let each: Vec<_> = (0..100)
            .flat_map(|_| {
                let memory = [sys::LX_DXCREATEALLOCATION, sys::LX_DXLOCK2].map(|request| (1, request, true));
                [&memory[..], &[(2, sys::LX_DXMAKERESIDENT, true)], &[(1, SUBMIT, false)]].concat()
            })
            .collect();
        let report = report(&each);
        let found = ids(&report);
        for id in ["round-trips", "lists", "allocations", "locks"] {
            assert!(found.contains(&id), "{id} is not in {report}");
        }
    }

    #[test]
    fn little_is_not_judged_and_good_clients_hear_nothing() {
        assert!(report(&[(10, SUBMIT, false), (10, WAIT, true)]).to_string().contains("Too little was done"));
        // Long groups on several queues; waits far apart.
        let each: Vec<_> = (0..100).flat_map(|_| [(2, SUBMIT, false), (1, WAIT, false)]).collect();
        let good = report(&[&[(4, sys::LX_DXCREATEHWQUEUE, true)][..], &each[..]].concat());
        assert!(!ids(&good).contains(&"one-stream") && !ids(&good).contains(&"round-trips"), "{good}");
    }

    #[test]
    fn calls_that_fail_are_named() {
        let path = std::env::temp_dir().join(format!("dxg-advice-failed-{}", std::process::id()));
        let ledger = Ledger::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for _ in 0..70 {
            ledger.add(sys::LX_DXLOCK2, &RawOutcome::failed(libc::EINVAL), Duration::ZERO);
            ledger.add(0x1234, &RawOutcome::failed(libc::ENOTTY), Duration::ZERO);
        }
        let report = Report::of_calls(&ledger);
        let failures = report.advice.iter().find(|advice| advice.id == "failures").expect("they are told");
        assert!(failures.sentence.contains("140 of 140 calls failed"), "{report}");
        assert!(failures.sentence.contains("LX_DXLOCK2 (70)"), "{report}");
    }
}

//! Advice from a run: what limited this program, in words, with the numbers behind each sentence.
//!
//! ```text
//! Stats, tally of kernels and copies ─▶ one rule for each thing that programs do against themselves ─▶ Report
//! ```

use std::fmt;

use crate::device::Device;
use crate::driver::Tally;
use crate::stats::Stats;

/// With fewer operations nothing can be said.
const FEW: u64 = 64;
/// Kernels that are named for the same reason.
const NAMED: usize = 3;

/// What a device did, and what could be done better.
///
/// ```
/// use dxg_runtime::{Device, Parameters};
/// let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
/// let (stream, buffer) = (device.stream()?, device.alloc::<u32>(64)?);
/// for value in 0..100u32 {
///     stream.try_fill(&buffer, value)?.wait()?; // waits after every operation
/// }
/// let report = device.report();
/// assert!(report.advice.iter().any(|advice| advice.id == "waits"), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The numbers.
    pub stats: Stats,
    /// What stands out, the most important first; empty where nothing does.
    pub advice: Vec<Advice>,
}

/// One thing that limited the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// A word that stays the same: `waits`, `one-stream`, `undeclared`, `not-merged`, `staged`, `full-ring`, `round-trips`.
    pub id: &'static str,
    /// What happened, with its numbers, and what to do.
    pub sentence: String,
}

impl Device {
    /// What limited this program so far, in words. It looks at everything since the device was opened.
    pub fn report(&self) -> Report {
        let engine = &self.shared().engine;
        let tally = engine.tally().unwrap_or_default();
        let run = Run {
            stats: engine.stats(),
            opening: engine.opening,
            waits: engine.counters.waits.get(),
            streams: engine.counters.streams.get(),
            tally,
        };
        Report { stats: run.stats, advice: run.advice() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { operations, submissions, .. } = self.stats;
        let each = operations as f64 / submissions.max(1) as f64;
        writeln!(f, "{operations} operations in {submissions} submissions, {each:.1} in each.")?;
        if self.advice.is_empty() {
            return match operations < FEW {
                true => write!(f, "Too little was done to say what limits this program."),
                false => write!(f, "Nothing that the program does stands in the way of batching."),
            };
        }
        for (index, advice) in self.advice.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}- {}", advice.sentence)?;
        }
        Ok(())
    }
}

/// Everything that is known.
struct Run {
    stats: Stats,
    /// Round trips that opening took.
    opening: u64,
    waits: u64,
    streams: u64,
    tally: Tally,
}

fn percent(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(100) / whole.max(1)).min(100)
}

impl Run {
    fn advice(&self) -> Vec<Advice> {
        if self.stats.operations < FEW {
            return Vec::new();
        }
        let rules: [fn(&Run) -> Option<Advice>; 7] = [
            Run::waits,
            Run::undeclared,
            Run::not_merged,
            Run::one_stream,
            Run::staged,
            Run::full_ring,
            Run::round_trips,
        ];
        rules.iter().filter_map(|rule| rule(self)).collect()
    }

    /// Most batches carry what one waiter waits for.
    fn waits(&self) -> Option<Advice> {
        let (operations, waits, lone) = (self.stats.operations, self.waits, self.tally.lone_batches);
        let sentence = format!(
            "The program waited {waits} times for {operations} operations, and {lone} of {} submissions carried a single \
             operation ({} %). Await the last operation of a group in place of each: a stream keeps the order by itself.",
            self.stats.submissions,
            percent(lone, self.stats.submissions),
        );
        (waits * 2 >= operations && lone * 2 >= self.stats.submissions).then_some(Advice { id: "waits", sentence })
    }

    fn one_stream(&self) -> Option<Advice> {
        let Stats { launches, dispatches, .. } = self.stats;
        let sentence = format!(
            "All operations went through one stream: {launches} launches became {dispatches} dispatches. Launches that do not \
             depend on each other merge when they are on streams of their own."
        );
        (self.streams == 1 && launches >= FEW && dispatches * 2 > launches)
            .then_some(Advice { id: "one-stream", sentence })
    }

    /// The kernels for which something holds, with its part of their launches, as words.
    fn kernels(&self, part: impl Fn(&crate::driver::KernelTally) -> Option<u64>) -> Option<(String, u64)> {
        let mut found: Vec<(u64, String)> = Vec::new();
        for kernel in &self.tally.kernels {
            if let Some(count) = part(kernel).filter(|count| *count >= FEW) {
                found.push((count, format!("`{}` ({count} of {} launches)", kernel.name, kernel.launches)));
            }
        }
        found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let total = found.iter().map(|(count, _)| count).sum();
        let more = found.len().saturating_sub(NAMED);
        let mut names = found.iter().take(NAMED).map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", ");
        if more > 0 {
            names += &format!(" and {more} more kernels");
        }
        (!found.is_empty()).then_some((names, total))
    }

    fn undeclared(&self) -> Option<Advice> {
        let (names, total) = self.kernels(|kernel| (kernel.undeclared > 0).then_some(kernel.undeclared))?;
        let sentence = format!(
            "{total} launches do not say which memory they touch, so that each waits for everything before it in its stream: \
             {names}. Pass buffers as `x.read()`, `x.write()` or `x.read_write()` in place of plain addresses."
        );
        Some(Advice { id: "undeclared", sentence })
    }

    fn not_merged(&self) -> Option<Advice> {
        let (names, total) = self.kernels(|kernel| {
            let alone = kernel.dispatches * 4 > kernel.launches * 3;
            (alone && kernel.undeclared * 2 < kernel.launches).then_some(kernel.launches)
        })?;
        let sentence = format!(
            "{total} launches went out nearly one by one: {names}. Launches of one kernel merge when they are ready at one time \
             and none reads or writes what another writes: give independent ones streams or buffers of their own."
        );
        Some(Advice { id: "not-merged", sentence })
    }

    fn staged(&self) -> Option<Advice> {
        let Tally { copies_in, staged, .. } = self.tally;
        let sentence = format!(
            "{staged} of {copies_in} copies to the device were of ordinary memory and were copied into staging memory first. Keep \
             what is copied again and again in a `HostBuffer` (`Device::host_buffer`)."
        );
        (staged >= FEW && staged * 2 > copies_in).then_some(Advice { id: "staged", sentence })
    }

    fn full_ring(&self) -> Option<Advice> {
        let sleeps = self.stats.full_ring_sleeps;
        let sentence = format!(
            "The message ring of this machine was full {sleeps} times, and each time submitting slept for 1 to 2 ms. Other \
             programs share the ring; a lower limit `hardware_queues` leaves them more of it."
        );
        (sleeps > 0).then_some(Advice { id: "full-ring", sentence })
    }

    fn round_trips(&self) -> Option<Advice> {
        let Stats { round_trips, submissions, .. } = self.stats;
        let round_trips = round_trips.saturating_sub(self.opening);
        let sentence = format!(
            "{round_trips} messages waited for the host's answer, for {submissions} submissions: this host takes no posted \
             messages, or the policy waits for each. `dxgrt doctor` says which hosts do; larger batches count twice here."
        );
        (round_trips >= FEW && round_trips * 2 > submissions).then_some(Advice { id: "round-trips", sentence })
    }
}

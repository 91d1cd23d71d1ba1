//! Advice to a program that uses dxgrt: what its device counted.
//!
//! ```text
//! Stats, tally of kernels and copies ─▶ one rule for each thing that programs do against themselves ─▶ Report
//! ```

use super::{Advice, FEW, Report, full_ring, percent};
use crate::device::Device;
use crate::driver::{KernelTally, Tally};
use crate::kernel::MergeSupport;
use crate::limits::Policy;
use crate::stats::Stats;

/// Kernels that are named for the same reason.
const NAMED: usize = 3;

impl Device {
    /// What limited this program so far, in words. It looks at everything since the device was opened.
    pub fn report(&self) -> Report {
        self.shared().report()
    }
}

impl crate::device::DeviceShared {
    /// As [`Device::report`].
    pub(crate) fn report(&self) -> Report {
        let mut tally = Tally::default();
        self.shards.iter().filter_map(|engine| engine.tally()).for_each(|other| tally.add(other));
        let run = Run {
            stats: self.stats(),
            opening: self.engine.opening,
            policy: self.engine.settings().policy,
            waits: self.shards.iter().map(|engine| engine.counters.waits.get()).sum(),
            streams: self.shards.iter().map(|engine| engine.counters.streams.get()).sum(),
            tally,
        };
        let Stats { operations, submissions, .. } = run.stats;
        let each = operations as f64 / submissions.max(1) as f64;
        Report {
            stats: run.stats,
            advice: run.advice(),
            heading: format!("{operations} operations in {submissions} submissions, {each:.1} in each."),
            judged: operations >= FEW,
        }
    }
}

/// Everything that is known.
struct Run {
    stats: Stats,
    /// Round trips that opening took.
    opening: u64,
    policy: Policy,
    waits: u64,
    streams: u64,
    tally: Tally,
}

impl Run {
    fn advice(&self) -> Vec<Advice> {
        if self.stats.operations < FEW {
            return Vec::new();
        }
        let rules: [fn(&Run) -> Option<Advice>; 9] = [
            Run::policy,
            Run::waits,
            Run::undeclared,
            Run::cannot_merge,
            Run::not_merged,
            Run::one_stream,
            Run::staged,
            Run::full_ring,
            Run::round_trips,
        ];
        rules.iter().filter_map(|rule| rule(self)).collect()
    }

    /// What somebody chose in place of batches.
    fn policy(&self) -> Option<Advice> {
        let Stats { operations, submissions, .. } = self.stats;
        let sentence = format!(
            "The policy is `{}`: each of {operations} operations is submitted and awaited by itself, in {submissions} submissions. \
             That finds the operation that fails, and batches nothing: leave out DXGRT_POLICY and `DeviceBuilder::policy`.",
            self.policy
        );
        self.policy.is_one_by_one().then_some(Advice { id: "policy", sentence })
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
        (self.streams == 1 && launches >= FEW && dispatches * 2 > launches && !self.policy.is_one_by_one())
            .then_some(Advice { id: "one-stream", sentence })
    }

    /// The kernels for which something holds, with its part of their launches and more words on it.
    fn kernels(&self, part: impl Fn(&KernelTally) -> Option<(u64, String)>) -> Option<(String, u64)> {
        let mut found: Vec<(u64, String)> = Vec::new();
        for kernel in &self.tally.kernels {
            if let Some((count, words)) = part(kernel).filter(|(count, _)| *count >= FEW) {
                found.push((count, format!("`{}` ({count} of {} launches{words})", kernel.name, kernel.launches)));
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
        let undeclared = |kernel: &KernelTally| (kernel.undeclared > 0).then_some((kernel.undeclared, String::new()));
        let (names, total) = self.kernels(undeclared)?;
        let sentence = format!(
            "{total} launches do not say which memory they touch, so that each waits for everything before it in its stream: \
             {names}. Pass buffers as `x.read()`, `x.write()` or `x.read_write()` in place of plain addresses."
        );
        Some(Advice { id: "undeclared", sentence })
    }

    /// Kernels whose launches no device or program lets merge, with the reason of each.
    fn cannot_merge(&self) -> Option<Advice> {
        let (names, total) = self.kernels(|kernel| match &kernel.merge {
            MergeSupport::Single { reason } => Some((kernel.launches, format!(": {reason}"))),
            MergeSupport::Merged => {
                (kernel.refused > 0).then(|| (kernel.refused, ": the program refuses merging".into()))
            }
        })?;
        let sentence = format!(
            "{total} launches cannot be merged: {names}. `Kernel::merge_support` says it of each kernel; \
             `Kernel::unmerged` and `StreamBuilder::merging` are how a program refuses it."
        );
        Some(Advice { id: "cannot-merge", sentence })
    }

    /// Launches that could merge, and did not.
    fn not_merged(&self) -> Option<Advice> {
        if self.policy.is_one_by_one() {
            return None;
        }
        let (names, total) = self.kernels(|kernel| {
            let could = kernel.merge == MergeSupport::Merged && kernel.refused * 2 < kernel.launches;
            let alone = kernel.dispatches * 4 > kernel.launches * 3;
            (could && alone && kernel.undeclared * 2 < kernel.launches).then_some((kernel.launches, String::new()))
        })?;
        let sentence = format!(
            "{total} launches went out nearly one by one: {names}. Launches of one kernel merge when they are ready at one time \
             and none reads or writes what another writes: give independent ones streams or buffers of their own."
        );
        // A few among many limit nothing.
        (total * 10 >= self.stats.launches).then_some(Advice { id: "not-merged", sentence })
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
        full_ring(self.stats.full_ring_sleeps, "a lower limit `hardware_queues` leaves them more of it")
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

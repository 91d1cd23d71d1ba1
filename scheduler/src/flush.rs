//! When gathered operations become a batch.
//!
//! The law, with I how long the host is busy with a submission and R the way from the call to the device (both measured
//! when a device is opened; where I is not, what a submission costs the caller):
//!
//! 1. Nothing goes to a queue that has its window of batches in flight (module `window`), or while the ring has its budget
//!    of bytes (module `ring`) or the device all the blocks it can run: until a batch ends, or R before that if eight of
//!    them fill it, as wide ones gain nothing by merging. What arrives meanwhile gathers, and merges.
//! 2. Submissions are I apart, posted so that each reaches the host when it is ready: earlier would only queue there.
//! 3. Then, at once: what was asked for or fills a batch; what somebody waits for, if its queue is idle or it is tied to it.
//! 4. Idle and nobody waits: I/2 after the first operation (0.5 to 50 µs; the whole round trip stands for I where messages
//!    are not posted). Going costs I, and another I if more follows: waiting half of it costs at most half of the saving.
//! 5. Busy: in time to arrive when the queue runs dry, R before its estimated end. But with more than 8·R ahead, and others
//!    in flight beside it, not before it is idle: an eighth is lost at most, and its streams are free again to merge.
//! 6. Who goes: what somebody waits for first, then the oldest. Streams with nothing in flight may go to any queue, and go
//!    to an idle one; modules `free` and `choose` say in which company.
//!
//! Constants: 0.5 µs is a few enqueues, 50 µs a round trip with its wake-up. Nothing has to be set by the user.

use crate::batch::FlushReason;
use crate::config::{Config, Policy};
use crate::operation::Nanos;
use crate::stream::Totals;

/// What the law looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// What could go.
    pub(crate) ready: Totals,
    /// Somebody waits for some of it.
    pub(crate) waiting: bool,
    /// A flush was asked for some of it.
    pub(crate) flushing: bool,
    /// A drain was asked for.
    pub(crate) draining: bool,
    /// Batches in flight on the queue and on the device.
    pub(crate) in_flight: u32,
    pub(crate) device_in_flight: u32,
    /// A submission to the queue is still under way.
    pub(crate) busy: bool,
    /// How many may be in flight on the queue.
    pub(crate) window: u32,
    /// When the first of what could go became ready.
    pub(crate) gather_start: Nanos,
    /// When the host is ready for one more submission, if it is posted then.
    pub(crate) slot: Nanos,
    /// Whether the streams are free to go to any queue.
    pub(crate) free: bool,
    /// Estimated time of what the queue has in flight.
    pub(crate) ahead: Nanos,
    /// From the call that submits until the device can start.
    pub(crate) reach: Nanos,
    /// When a submission must be posted to reach the device before the queue runs dry.
    pub(crate) dry: Nanos,
    /// How long a submission keeps the host, or its queue, from the next one.
    pub(crate) cost: Nanos,
}

/// A queue with so many times the way to the device ahead of it may run dry for once: rule 5.
const AHEAD_REACHES: u64 = 8;

/// From when on the batch goes, and why. `None`: something other than time must happen first.
pub(crate) fn due(view: &View, config: &Config) -> Option<(Nanos, FlushReason)> {
    if view.ready.operations == 0 {
        return None;
    }
    let operations = match config.policy {
        Policy::OneByOne => return (view.device_in_flight == 0).then_some((0, FlushReason::OneByOne)),
        Policy::Fixed(count) => count.min(config.limits.operations),
        Policy::Adaptive => config.limits.operations,
    };
    if view.busy || view.in_flight >= view.window {
        return None;
    }
    if !view.free
        && view.in_flight > 0
        && view.device_in_flight > view.in_flight
        && view.reach > 0
        && view.ahead > AHEAD_REACHES.saturating_mul(view.reach)
        && !view.draining
        && !view.flushing
    {
        return None;
    }
    let at_once = if view.ready.operations >= operations {
        Some(FlushReason::CapOperations)
    } else if view.ready.bytes >= u64::from(config.limits.bytes) {
        Some(FlushReason::CapBytes)
    } else if view.ready.gpu_time >= config.limits.gpu_time {
        Some(FlushReason::CapGpuTime)
    } else if view.draining {
        Some(FlushReason::Drain)
    } else if view.flushing {
        Some(FlushReason::Explicit)
    } else {
        None
    };
    let at = if view.free && view.in_flight > 0 { view.slot.max(view.dry) } else { view.slot };
    if let Some(reason) = at_once {
        let asked = matches!(reason, FlushReason::Drain | FlushReason::Explicit);
        return Some((if asked { 0 } else { at }, reason));
    }
    if view.waiting {
        return Some((at, FlushReason::Waiter));
    }
    let idle_deadline = view.slot.max(view.gather_start.saturating_add(gather_time(view.cost, config)));
    Some(if view.in_flight == 0 {
        (idle_deadline, FlushReason::IdleDeadline)
    } else {
        (idle_deadline.max(view.dry), FlushReason::PipelineRoom)
    })
}

/// How long an idle queue gathers when nobody waits.
pub(crate) fn gather_time(cost: Nanos, config: &Config) -> Nanos {
    let part = u128::from(cost) * u128::from(config.gather_fraction_256) / 256;
    (part.min(u128::from(u64::MAX)) as u64).clamp(config.gather_min, config.gather_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            ready: Totals { operations: 3, bytes: 300, gpu_time: 3_000, load: 0 },
            waiting: false,
            flushing: false,
            draining: false,
            in_flight: 0,
            device_in_flight: 0,
            busy: false,
            window: 2,
            gather_start: 1_000,
            slot: 0,
            dry: 0,
            free: false,
            ahead: 0,
            reach: 0,
            cost: 4_000,
        }
    }

    fn verdict(view: View) -> Option<(Nanos, FlushReason)> {
        due(&view, &Config::default())
    }

    #[test]
    fn idle_and_somebody_waits_goes_at_once() {
        assert_eq!(verdict(View { waiting: true, ..view() }), Some((0, FlushReason::Waiter)));
    }

    #[test]
    fn idle_and_nobody_waits_gathers_for_half_a_submission() {
        assert_eq!(verdict(view()), Some((3_000, FlushReason::IdleDeadline)));
        assert_eq!(verdict(View { cost: 10, ..view() }), Some((1_500, FlushReason::IdleDeadline)));
        assert_eq!(verdict(View { cost: u64::MAX, ..view() }), Some((51_000, FlushReason::IdleDeadline)));
    }

    #[test]
    fn nothing_goes_before_the_host_is_ready_for_it() {
        let early = View { slot: 7_000, ..view() };
        assert_eq!(verdict(early), Some((7_000, FlushReason::IdleDeadline)));
        assert_eq!(verdict(View { waiting: true, ..early }), Some((7_000, FlushReason::Waiter)));
        assert_eq!(verdict(View { flushing: true, ..early }), Some((0, FlushReason::Explicit)), "asked for");
    }

    #[test]
    fn a_busy_queue_gets_more_in_time_before_it_runs_dry() {
        let busy = View { in_flight: 1, device_in_flight: 1, slot: 4_000, dry: 9_000, ..view() };
        assert_eq!(verdict(busy), Some((9_000, FlushReason::PipelineRoom)));
        assert_eq!(verdict(View { waiting: true, ..busy }), Some((4_000, FlushReason::Waiter)));
        let free = View { free: true, waiting: true, ..busy };
        assert_eq!(
            verdict(free),
            Some((9_000, FlushReason::Waiter)),
            "who may go anywhere waits for where it is first"
        );
    }

    #[test]
    fn with_much_ahead_a_queue_beside_others_gets_no_more() {
        let busy = View { in_flight: 1, device_in_flight: 2, ahead: 100_000, reach: 9_000, ..view() };
        assert_eq!(verdict(busy), None);
        assert!(verdict(View { device_in_flight: 1, ..busy }).is_some(), "alone");
        assert!(verdict(View { flushing: true, ..busy }).is_some(), "asked for");
        assert!(verdict(View { ahead: 50_000, ..busy }).is_some());
    }

    #[test]
    fn a_full_window_holds_everything() {
        let full = View { in_flight: 2, waiting: true, flushing: true, draining: true, ..view() };
        assert_eq!(verdict(full), None);
    }

    #[test]
    fn caps_do_not_wait() {
        let ready = Totals { operations: 1024, ..view().ready };
        assert_eq!(verdict(View { ready, ..view() }), Some((0, FlushReason::CapOperations)));
        let ready = Totals { bytes: 256 * 1024, ..view().ready };
        assert_eq!(verdict(View { ready, ..view() }), Some((0, FlushReason::CapBytes)));
        let ready = Totals { gpu_time: 400_000_000, ..view().ready };
        assert_eq!(verdict(View { ready, in_flight: 1, ..view() }), Some((0, FlushReason::CapGpuTime)));
    }

    #[test]
    fn nothing_ready_is_never_due() {
        assert_eq!(verdict(View { ready: Totals::default(), draining: true, ..view() }), None);
    }

    #[test]
    fn one_by_one_waits_for_the_whole_device() {
        let config = Config { policy: Policy::OneByOne, ..Config::default() };
        assert_eq!(due(&view(), &config), Some((0, FlushReason::OneByOne)));
        assert_eq!(due(&View { device_in_flight: 1, ..view() }, &config), None);
    }

    #[test]
    fn fixed_goes_by_count() {
        let config = Config { policy: Policy::Fixed(3), ..Config::default() };
        assert_eq!(due(&view(), &config), Some((0, FlushReason::CapOperations)));
        let config = Config { policy: Policy::Fixed(4), ..Config::default() };
        assert_eq!(due(&view(), &config), Some((3_000, FlushReason::IdleDeadline)));
    }
}

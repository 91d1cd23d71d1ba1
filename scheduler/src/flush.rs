//! When a hardware queue's gathered operations become a batch.
//!
//! The law, per hardware queue, with C the measured cost of a submission:
//!
//! 1. Nothing goes while the queue has its window of batches in flight (module `window`) or the ring its budget of
//!    bytes (module `ring`). What arrives meanwhile gathers, so batches grow with load by themselves.
//! 2. With room, it goes at once if it reached a cap, if a flush or a drain asked, or if the queue is idle and somebody
//!    waits: a lone operation is never delayed for company.
//! 3. Idle and nobody waits: C/2 after the first operation (at least 0.5 µs, at most 20 µs). Going costs C; another
//!    C follows if more arrives just after. Waiting C/2 costs at most half of what it can save.
//! 4. Busy with room: that deadline too, but not within C of the queue's last batch, waiters or not. The device has
//!    work, so a submission only pays if it takes more along than the last left; at most all of the submitter's time
//!    goes into submissions that way, and a waiter loses at most one C.
//!
//! Constants: C/2 is the break-even above; 0.5 µs is a few enqueues, 20 µs is half a round trip, beyond which the delay
//! would show although nobody asked for it. Nothing has to be set by the user.

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
    /// When the queue's last batch was made.
    pub(crate) last_batch: Nanos,
    /// Measured cost of a submission.
    pub(crate) cost: Nanos,
}

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
    } else if view.waiting && view.in_flight == 0 {
        Some(FlushReason::Waiter)
    } else {
        None
    };
    if let Some(reason) = at_once {
        return Some((0, reason));
    }
    let idle_deadline = view.gather_start.saturating_add(gather_time(view.cost, config));
    Some(if view.in_flight == 0 {
        (idle_deadline, FlushReason::IdleDeadline)
    } else {
        let reason = if view.waiting { FlushReason::Waiter } else { FlushReason::PipelineRoom };
        (idle_deadline.max(view.last_batch.saturating_add(view.cost)), reason)
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
            last_batch: 900,
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
        assert_eq!(verdict(View { cost: u64::MAX, ..view() }), Some((21_000, FlushReason::IdleDeadline)));
    }

    #[test]
    fn busy_gathers_until_a_submission_has_passed_since_the_last() {
        let busy = View { in_flight: 1, device_in_flight: 1, ..view() };
        assert_eq!(verdict(busy), Some((4_900, FlushReason::PipelineRoom)));
        assert_eq!(verdict(View { waiting: true, ..busy }), Some((4_900, FlushReason::Waiter)));
        assert_eq!(verdict(View { flushing: true, ..busy }), Some((0, FlushReason::Explicit)));
        assert_eq!(verdict(View { draining: true, ..busy }), Some((0, FlushReason::Drain)));
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

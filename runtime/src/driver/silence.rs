//! Notices work in flight that never comes back although the device says that it is well: a host that has stopped
//! answering, or a submission that the host refused after it was posted, which nobody is told of.
//!
//! Silence is told from patience by what was there at one moment, the *mark*: every queue with work in flight, the value it
//! showed, and the last one submitted to it. A queue may stand still for long because it waits for others, but only for
//! work that was submitted by then. So when the time is up and a queue stands where it stood, while every queue that did
//! move is through with all that it had at the mark, nothing is left that could move it.
//!
//! Belongs to the holder of the driver role.

use dxg_scheduler::Nanos;
use smallvec::SmallVec;

/// What one queue shows. Queues with nothing in flight are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its number.
    pub(super) queue: u16,
    /// What its fence has reached.
    pub(super) reached: u64,
    /// The last value submitted to it.
    pub(super) submitted: u64,
}

/// The mark, if something is in flight.
#[derive(Debug, Default)]
pub(super) struct Silence {
    since: Nanos,
    mark: SmallVec<[Shown; 8]>,
}

impl Silence {
    /// Looks at the queues with work in flight; `true`: a queue has been silent for `limit`.
    pub(super) fn look(&mut self, now: Nanos, limit: Nanos, shown: impl Iterator<Item = Shown> + Clone) -> bool {
        let elapsed = now.saturating_sub(self.since);
        let stands = |mark: &Shown| shown.clone().any(|now| now.queue == mark.queue && now.reached == mark.reached);
        if !self.mark.iter().any(stands) {
            self.begin(now, shown);
            return false;
        }
        if elapsed < limit {
            return false;
        }
        // Who has nothing in flight any more is through.
        let moves = |mark: &Shown| {
            shown
                .clone()
                .any(|now| now.queue == mark.queue && now.reached != mark.reached && now.reached < mark.submitted)
        };
        if !self.mark.iter().any(moves) {
            return true;
        }
        self.begin(now, shown);
        false
    }

    fn begin(&mut self, now: Nanos, shown: impl Iterator<Item = Shown>) {
        self.since = now;
        self.mark.clear();
        self.mark.extend(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue: u16, reached: u64, submitted: u64) -> Shown {
        Shown { queue, reached, submitted }
    }

    fn look(silence: &mut Silence, now: Nanos, shown: &[Shown]) -> bool {
        silence.look(now, 100, shown.iter().copied())
    }

    #[test]
    fn a_fence_that_never_moves_is_silent_when_the_time_is_up() {
        let mut silence = Silence::default();
        assert!(!look(&mut silence, 1_000, &[queue(3, 7, 9)]), "the first look only marks");
        assert!(!look(&mut silence, 1_099, &[queue(3, 7, 12)]));
        assert!(look(&mut silence, 1_100, &[queue(3, 7, 12)]));
    }

    #[test]
    fn progress_and_idleness_begin_anew() {
        let mut silence = Silence::default();
        for now in (0..10_000).step_by(60) {
            assert!(!look(&mut silence, now, &[queue(0, now, now + 5)]), "at {now}");
        }
        assert!(!look(&mut silence, 20_000, &[]));
        assert!(!look(&mut silence, 30_000, &[queue(0, 9_960, 9_970)]), "what was idle has not been silent");
        assert!(look(&mut silence, 30_100, &[queue(0, 9_960, 9_970)]));
    }

    #[test]
    fn who_waits_for_others_is_not_silent_until_they_are_through() {
        let mut silence = Silence::default();
        look(&mut silence, 0, &[queue(0, 0, 1), queue(1, 0, 50)]);
        // Queue 0 waits for 50 of queue 1, which takes its time.
        for step in 1..=49 {
            assert!(!look(&mut silence, step * 90, &[queue(0, 0, 1), queue(1, step, 80 + step)]), "step {step}");
        }
        // Queue 1 has long passed what it had when queue 0 was marked: queue 0 has nothing left to wait for.
        let lost =
            (50..60).any(|step| look(&mut silence, step * 90, &[queue(0, 0, 1), queue(1, 100 * step, 100 * step + 1)]));
        assert!(lost);
    }

    #[test]
    fn a_lost_submission_is_noticed_while_others_come_and_go() {
        let mut silence = Silence::default();
        let lost = (0..10)
            .position(|step: u64| look(&mut silence, step * 50, &[queue(0, 4, 5), queue(1, 10 * step, 10 * step + 3)]));
        assert!(lost.is_some_and(|step| step <= 3), "{lost:?}");
    }
}

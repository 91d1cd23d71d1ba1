//! Models of the completion timeline: waking, cancelling, failing.

use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicUsize as StdUsize;
use std::task::{Context, Poll, Wake, Waker};

use super::completion::{Registration, Timeline};
use super::loom_harness::{DEADLOCK, RACE, explore, must_fail};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutation, UnsafeCell, thread};

/// Causes are names; loom has no opinion on them.
type Cause = &'static str;

/// Results of two operations, written by the driver before it completes them.
struct Results([UnsafeCell<u32>; 2]);

impl Results {
    fn write(&self, index: usize) {
        // SAFETY: needed to reach the cell; that nobody else does at this time is what the model checks.
        self.0[index].with_mut(|result| unsafe { *result = 7 });
    }

    fn read(&self, index: usize) -> u32 {
        // SAFETY: as above.
        self.0[index].with(|result| unsafe { *result })
    }
}

// SAFETY: needed because of the cells; loom reports any access that is not ordered.
unsafe impl Sync for Results {}
// SAFETY: plain numbers.
unsafe impl Send for Results {}

#[test]
fn wake_up() {
    explore(
        "completion_wake_up",
        "whoever waits for a ticket is woken when it completes, however the wait and the completion interleave, and then sees \
         the operation's results",
        || {
            let timeline = Timeline::<Cause>::new();
            let results = Arc::new(Results([UnsafeCell::new(0), UnsafeCell::new(0)]));
            let driver = {
                let (timeline, results) = (timeline.clone(), results.clone());
                thread::spawn(move || {
                    results.write(0);
                    timeline.complete(1);
                    results.write(1);
                    timeline.complete(2);
                })
            };
            let waiter = {
                let (timeline, results) = (timeline.clone(), results.clone());
                thread::spawn(move || {
                    assert_eq!(timeline.wait(1, |_| ()), Ok(()));
                    assert_eq!(results.read(0), 7);
                })
            };
            assert_eq!(timeline.wait(2, |_| ()), Ok(()));
            assert_eq!((results.read(0), results.read(1)), (7, 7));
            driver.join().expect("the driver ends");
            waiter.join().expect("the waiter ends");
        },
    );
}

#[test]
fn wake_up_notices_a_blind_registration() {
    must_fail("core::loom_completion::wake_up", Mutation::TimelineRegisterBlindly, &[DEADLOCK]);
}

#[test]
fn wake_up_notices_a_relaxed_completion() {
    must_fail("core::loom_completion::wake_up", Mutation::TimelineCompleteRelaxed, &[RACE]);
}

#[derive(Default)]
struct Count(StdUsize);

impl Wake for Count {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn cancel() {
    explore(
        "completion_cancel",
        "a registration dropped before a completion begins is not woken by it, one dropped meanwhile at most once, no waker stays \
         behind, and the other waiters are woken all the same",
        || {
            let timeline = Timeline::<Cause>::new();
            let dropped = Arc::new(AtomicBool::new(false));
            let count = StdArc::new(Count::default());
            let driver = {
                let (timeline, dropped, count) = (timeline.clone(), dropped.clone(), count.clone());
                thread::spawn(move || {
                    let dropped_before = dropped.load(Ordering::Acquire);
                    timeline.complete(1);
                    let woken = count.0.load(Ordering::SeqCst);
                    assert!(woken <= usize::from(!dropped_before), "woken {woken} times after it was dropped");
                })
            };
            let waiter = {
                let timeline = timeline.clone();
                thread::spawn(move || assert_eq!(timeline.wait(1, |_| ()), Ok(())))
            };
            {
                let waker = Waker::from(count.clone());
                let mut registration = Registration::default();
                let answer = timeline.poll(1, &mut registration, &mut Context::from_waker(&waker), |_| ());
                assert_eq!(registration.is_waiting(), answer.is_pending());
            }
            dropped.store(true, Ordering::Release);
            driver.join().expect("the driver ends");
            waiter.join().expect("the waiter ends");
            assert_eq!(StdArc::strong_count(&count), 1, "a waker was left behind");
        },
    );
}

#[test]
fn cancel_notices_a_waker_that_stays() {
    must_fail("core::loom_completion::cancel", Mutation::TimelineDropKeepsWaker, &["after it was dropped"]);
}

#[test]
fn failure_and_loss() {
    explore(
        "completion_failure_and_loss",
        "a failure, a loss and a completion that race resolve every waiter, and no answer changes once it was given",
        || {
            let timeline = Timeline::<Cause>::new();
            let driver = {
                let timeline = timeline.clone();
                thread::spawn(move || {
                    timeline.complete(1);
                    timeline.fail(2, "failed");
                })
            };
            let monitor = {
                let timeline = timeline.clone();
                thread::spawn(move || timeline.lost("lost"))
            };
            let second = timeline.wait(2, |_| ());
            assert!(second.is_err());
            let mut registration = Registration::default();
            let first = timeline.poll(1, &mut registration, &mut Context::from_waker(Waker::noop()), |_| ());
            driver.join().expect("the driver ends");
            monitor.join().expect("the monitor ends");
            assert_eq!(timeline.outcome(2), Some(second), "an answer changed");
            match first {
                Poll::Ready(first) => assert_eq!(timeline.outcome(1), Some(first), "an answer changed"),
                Poll::Pending => assert!(timeline.is_done(1), "left without an answer"),
            }
            assert!(timeline.is_done(3) && timeline.failure().is_some());
        },
    );
}

#[test]
fn failure_and_loss_notices_a_blind_registration() {
    must_fail("core::loom_completion::failure_and_loss", Mutation::TimelineRegisterBlindly, &[DEADLOCK]);
}

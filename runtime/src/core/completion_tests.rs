//! Unit tests of completion timelines, with the standard primitives.

use super::*;
use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use std::time::{Duration, Instant};

type Cause = StdArc<str>;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Waiter {
    count: StdArc<Count>,
    waker: Waker,
    registration: Registration<Cause>,
    told: Vec<u64>,
}

impl Waiter {
    fn new() -> Self {
        let count = StdArc::new(Count::default());
        let waker = Waker::from(count.clone());
        Self { count, waker, registration: Registration::default(), told: Vec::new() }
    }

    fn poll(&mut self, timeline: &Timeline<Cause>, ticket: u64) -> Poll<Result<(), Cause>> {
        let told = &mut self.told;
        let mut cx = Context::from_waker(&self.waker);
        timeline.poll(ticket, &mut self.registration, &mut cx, |ticket| told.push(ticket))
    }
}

#[test]
fn completion_is_monotone_and_wakes_what_is_reached() {
    let timeline = Timeline::<Cause>::new();
    let (mut early, mut late) = (Waiter::new(), Waiter::new());
    assert!(early.poll(&timeline, 3).is_pending());
    assert!(late.poll(&timeline, 9).is_pending());
    assert!(timeline.has_waiter(3) && !timeline.has_waiter(2));
    timeline.complete(5);
    timeline.complete(4);
    assert_eq!(timeline.completed(), 5);
    assert_eq!((early.count.get(), late.count.get()), (1, 0));
    assert_eq!(early.poll(&timeline, 3), Poll::Ready(Ok(())));
    assert!(!early.registration.is_waiting());
    timeline.complete(9);
    assert_eq!((early.count.get(), late.count.get()), (1, 1));
    assert_eq!(late.poll(&timeline, 9), Poll::Ready(Ok(())));
}

#[test]
fn a_wait_is_announced_once() {
    let timeline = Timeline::<Cause>::new();
    let (mut first, mut second, mut other) = (Waiter::new(), Waiter::new(), Waiter::new());
    assert!(first.poll(&timeline, 2).is_pending() && first.poll(&timeline, 2).is_pending());
    assert!(second.poll(&timeline, 2).is_pending());
    assert!(other.poll(&timeline, 1).is_pending());
    assert_eq!((first.told, second.told, other.told), (vec![2], vec![2], vec![1]));
}

#[test]
fn a_driver_that_completes_inside_the_announcement_is_seen_at_once() {
    let timeline = Timeline::<Cause>::new();
    let mut registration = Registration::default();
    let mut cx = Context::from_waker(Waker::noop());
    let answer = timeline.poll(1, &mut registration, &mut cx, |ticket| timeline.complete(ticket));
    assert_eq!(answer, Poll::Ready(Ok(())));
    assert!(!registration.is_waiting());
}

#[test]
fn a_dropped_or_moved_registration_is_not_woken() {
    let timeline = Timeline::<Cause>::new();
    let (mut dropped, mut moved) = (Waiter::new(), Waiter::new());
    assert!(dropped.poll(&timeline, 1).is_pending());
    dropped.registration = Registration::default();
    assert!(moved.poll(&timeline, 1).is_pending());
    assert!(moved.poll(&timeline, 7).is_pending());
    timeline.complete(1);
    assert_eq!((dropped.count.get(), moved.count.get()), (0, 0));
    assert_eq!(StdArc::strong_count(&dropped.count), 2, "the registry keeps no waker of it");
    timeline.complete(7);
    assert_eq!(moved.count.get(), 1);
}

#[test]
fn the_latest_waker_is_woken() {
    let timeline = Timeline::<Cause>::new();
    let (mut first, second) = (Waiter::new(), Waiter::new());
    assert!(first.poll(&timeline, 1).is_pending());
    first.waker = second.waker.clone();
    assert!(first.poll(&timeline, 1).is_pending());
    timeline.complete(1);
    assert_eq!((first.count.get(), second.count.get()), (0, 1));
}

#[test]
fn a_failure_concerns_later_tickets_until_the_reset() {
    let timeline = Timeline::<Cause>::new();
    let cause = Cause::from("kernel failed");
    let mut waiters: Vec<_> = (3..=6).map(|ticket| (ticket, Waiter::new())).collect();
    timeline.complete(2);
    for (ticket, waiter) in &mut waiters {
        assert!(waiter.poll(&timeline, *ticket).is_pending());
    }
    timeline.fail(5, cause.clone());
    timeline.fail(6, Cause::from("a later one keeps the first cause"));
    let woken: Vec<_> = waiters.iter().map(|(_, waiter)| waiter.count.get()).collect();
    assert_eq!(woken, [0, 0, 1, 1]);
    assert_eq!(timeline.failure(), Some(cause.clone()));
    timeline.complete(6);
    timeline.reset(7);
    timeline.complete(8);
    assert_eq!(timeline.failure(), None);
    let outcomes: Vec<_> = (1..=9).map(|ticket| timeline.outcome(ticket)).collect();
    let failed = Some(Err(cause));
    let ok = Some(Ok(()));
    assert_eq!(
        outcomes,
        [ok.clone(), ok.clone(), ok.clone(), ok.clone(), failed.clone(), failed, ok.clone(), ok, None]
    );
}

#[test]
fn an_earlier_failure_reported_later_takes_only_what_is_before() {
    let timeline = Timeline::<Cause>::new();
    timeline.fail(5, Cause::from("five"));
    timeline.fail(3, Cause::from("three"));
    assert_eq!(timeline.outcome(2), None);
    assert_eq!(timeline.outcome(3), Some(Err(Cause::from("three"))));
    assert_eq!(timeline.outcome(5), Some(Err(Cause::from("five"))));
    timeline.reset(4);
    assert_eq!(timeline.outcome(3), Some(Err(Cause::from("three"))));
    assert_eq!(timeline.outcome(4), None);
}

#[test]
fn a_loss_is_for_good() {
    let timeline = Timeline::<Cause>::new();
    let cause = Cause::from("removed");
    let mut waiter = Waiter::new();
    timeline.complete(4);
    assert!(waiter.poll(&timeline, 5).is_pending());
    timeline.lost(cause.clone());
    assert_eq!(waiter.count.get(), 1);
    timeline.complete(u64::MAX >> 1);
    timeline.fail(1, Cause::from("late"));
    timeline.reset(10);
    assert_eq!(timeline.completed(), 4);
    assert_eq!(timeline.outcome(4), Some(Ok(())));
    assert_eq!(waiter.poll(&timeline, 5), Poll::Ready(Err(cause.clone())));
    assert_eq!(timeline.outcome(11), Some(Err(cause.clone())));
    assert_eq!(timeline.failure(), Some(cause));
}

#[test]
fn failures_are_bounded_and_never_turn_into_success() {
    let timeline = Timeline::<Cause>::new();
    for round in 0..200u64 {
        let ticket = 1 + 2 * round;
        timeline.fail(ticket, Cause::from("odd"));
        timeline.complete(ticket);
        timeline.reset(ticket + 1);
        timeline.complete(ticket + 1);
    }
    for round in 0..200u64 {
        assert!(matches!(timeline.outcome(1 + 2 * round), Some(Err(_))), "ticket {}", 1 + 2 * round);
    }
    assert_eq!(timeline.outcome(400), Some(Ok(())));
    assert_eq!(timeline.outcome(398), Some(Ok(())), "recent successes are exact");
    assert!(timeline.shared.registry.lock().failures.len() <= CLOSED_FAILURES_MAX);
}

#[test]
fn a_panicking_waker_does_not_keep_the_others_asleep() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: StdArc<Self>) {
            panic!("waker");
        }
    }
    let timeline = Timeline::<Cause>::new();
    let mut good = Waiter::new();
    let mut bad = Waiter::new();
    bad.waker = Waker::from(StdArc::new(Bad));
    assert!(bad.poll(&timeline, 1).is_pending() && good.poll(&timeline, 1).is_pending());
    timeline.complete(1);
    assert_eq!(good.count.get(), 1);
}

#[test]
fn threads_wait_without_an_executor() {
    let timeline = Timeline::<Cause>::new();
    let soon = Instant::now() + Duration::from_millis(10);
    assert_eq!(timeline.wait_until(1, soon, |_| ()), None);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (1..=40)
            .map(|ticket| {
                (
                    ticket,
                    scope.spawn({
                        let timeline = &timeline;
                        move || timeline.wait(ticket, |_| ())
                    }),
                )
            })
            .collect();
        for ticket in 1..=20 {
            timeline.complete(ticket);
            std::thread::yield_now();
        }
        timeline.fail(31, Cause::from("no"));
        timeline.complete(40);
        for (ticket, waiter) in waiters {
            assert_eq!(waiter.join().expect("waiter").is_ok(), ticket < 31, "ticket {ticket}");
        }
    });
    assert!(timeline.shared.registry.lock().waiters.first().is_none());
}

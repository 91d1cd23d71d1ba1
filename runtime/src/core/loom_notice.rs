//! Models of callbacks: registration against completion and close, over the timeline that ships.

use std::task::{Context, Poll, Wake, Waker};

use super::completion::{Registration, Timeline};
use super::loom_harness::{DEADLOCK, explore, must_fail};
use super::notice::{Notices, Turn};
use crate::sync::{Arc, Mutation, Mutex, thread};

/// What a callback is told.
const DONE: u32 = 1;
const CLOSED: u32 = 2;

/// A callback's waiting side, as `callbacks::Notice` has it.
struct Notice {
    notices: Arc<Notices<u32, u32>>,
    timeline: Timeline<u32>,
    registration: Mutex<Registration<u32>>,
    key: u64,
    turn: Turn,
}

impl Notice {
    fn step(self: &std::sync::Arc<Self>) {
        self.turn.take(|| {
            let waker = Waker::from(self.clone());
            let mut cx = Context::from_waker(&waker);
            match self.timeline.poll(1, &mut self.registration.lock(), &mut cx, |_| {}) {
                Poll::Ready(_) => {
                    self.notices.finish(self.key, DONE);
                    true
                }
                Poll::Pending => false,
            }
        });
    }
}

impl Wake for Notice {
    fn wake(self: std::sync::Arc<Self>) {
        self.step();
    }
}

fn register(notices: &Arc<Notices<u32, u32>>, timeline: &Timeline<u32>, delivered: &Mutex<Vec<u32>>) {
    match notices.add(7) {
        Ok(key) => {
            let (registration, turn) = (Mutex::new(Registration::default()), Turn::new());
            let (notices, timeline) = (notices.clone(), timeline.clone());
            std::sync::Arc::new(Notice { notices, timeline, registration, key, turn }).step();
        }
        // Refused: its adder is told at once.
        Err(_) => delivered.lock().push(CLOSED),
    }
}

#[test]
fn registering_completing_closing() {
    explore(
        "notice_registering_completing_closing",
        "a callback registered while its operation completes and everything closes is called exactly once",
        || {
            let notices = Arc::new(Notices::new());
            let timeline = Timeline::new();
            let delivered = Arc::new(Mutex::new(Vec::new()));
            let registering = {
                let (notices, timeline, delivered) = (notices.clone(), timeline.clone(), delivered.clone());
                thread::spawn(move || register(&notices, &timeline, &delivered))
            };
            let delivering = {
                let (notices, delivered) = (notices.clone(), delivered.clone());
                thread::spawn(move || {
                    while let Some((value, outcome)) = notices.next() {
                        assert_eq!(value, 7);
                        delivered.lock().push(outcome);
                    }
                })
            };
            timeline.complete(1);
            notices.close(CLOSED);
            registering.join().expect("registers");
            delivering.join().expect("delivers");
            let told = delivered.lock().clone();
            assert_eq!(told.len(), 1, "told {told:?}");
        },
    );
}

#[test]
fn a_completion_reaches_the_delivering_thread() {
    explore(
        "notice_completion_delivers",
        "without a close, a callback is called once its operation is complete, whoever comes first",
        || {
            let notices = Arc::new(Notices::new());
            let timeline = Timeline::new();
            let completing = {
                let timeline = timeline.clone();
                thread::spawn(move || timeline.complete(1))
            };
            let delivering = {
                let notices = notices.clone();
                thread::spawn(move || notices.next())
            };
            register(&notices, &timeline, &Mutex::new(Vec::new()));
            completing.join().expect("completes");
            assert_eq!(delivering.join().expect("delivers"), Some((7, DONE)));
        },
    );
}

#[test]
fn a_silent_completion_is_noticed() {
    must_fail(
        "core::loom_notice::a_completion_reaches_the_delivering_thread",
        Mutation::NoticeFinishesSilently,
        &[DEADLOCK],
    );
}

#[test]
fn a_close_that_is_ignored_is_noticed() {
    must_fail("core::loom_notice::registering_completing_closing", Mutation::NoticeAddIgnoresClose, &["told []"]);
}

/// Two wakers of one poll: the second comes while the first polls.
#[test]
fn turns() {
    explore("notice_turns", "a wake-up during a poll leads to another poll", || {
        let (turn, flags) = (Arc::new(Turn::new()), Arc::new(Mutex::new((0u32, false))));
        // Done when both have been announced; each announces, then is woken.
        let wake = |turn: &Turn, flags: &Mutex<(u32, bool)>| {
            flags.lock().0 += 1;
            turn.take(|| {
                let mut flags = flags.lock();
                flags.1 = flags.0 == 2;
                flags.1
            });
        };
        let other = {
            let (turn, flags) = (turn.clone(), flags.clone());
            thread::spawn(move || wake(&turn, &flags))
        };
        wake(&turn, &flags);
        other.join().expect("wakes");
        assert!(flags.lock().1, "a wake-up was forgotten");
    });
}

#[test]
fn a_forgotten_wake_up_is_noticed() {
    must_fail("core::loom_notice::turns", Mutation::NoticeTurnForgetsWake, &["a wake-up was forgotten", DEADLOCK]);
}

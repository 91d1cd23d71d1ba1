//! Model of the driver thread's sleep: producers that enqueue and drive inline, against a thread that falls asleep.

use super::doze::{Doze, Need, Sleep};
use super::loom_harness::{explore_within, must_fail};
use super::queue::{EnqueueQueue, QueueConsumer};
use super::role::DriverRole;
use crate::sync::{Arc, Condvar, Mutation, Mutex, thread};

const PRODUCERS: u32 = 2;

/// The engine in small. What a producer takes in is gathered; only the thread hands it over.
struct Engine {
    queue: EnqueueQueue<u32>,
    role: DriverRole<State>,
    doze: Doze,
    signal: Signal,
}

struct State {
    consumer: QueueConsumer<u32>,
    gathered: u32,
    handed_over: u32,
}

/// The thread's eventfd in small, which tells whether work or the end of the model woke it.
struct Signal {
    set: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Signal {
    fn set(&self, work: bool) {
        let mut set = self.set.lock();
        set.0 |= work;
        set.1 |= !work;
        self.changed.notify_one();
    }

    /// Whether work woke the sleeper.
    fn sleep(&self) -> bool {
        let mut set = self.set.lock();
        while !set.0 && !set.1 {
            set = self.changed.wait(set);
        }
        std::mem::take(&mut set.0)
    }

    fn is_over(&self) -> bool {
        self.set.lock().1
    }
}

impl Engine {
    fn take_in(state: &mut State) {
        while state.consumer.pop().is_some() {
            state.gathered += 1;
        }
    }

    /// As `Entry::push` and `Engine::drive` of the driver.
    fn enqueue(&self) {
        let claim = self.queue.try_claim().expect("the queue has room for all producers");
        let looks_soon = self.doze.looks_soon();
        claim.push(|_| 0);
        if looks_soon {
            return;
        }
        let mut left = false;
        let entered = self.role.try_drive(|state| {
            Self::take_in(state);
            left = state.gathered > 0;
        });
        if entered && left && self.doze.must_wake(Need::Gathered) {
            self.signal.set(true);
        }
    }

    /// As `Attendant` of the driver.
    fn attend(&self) {
        loop {
            let over = self.signal.is_over();
            let mut done = 0;
            let entered = self.role.try_drive(|state| {
                Self::take_in(state);
                state.handed_over += std::mem::take(&mut state.gathered);
                done = state.handed_over;
            });
            if done == PRODUCERS || over {
                return;
            }
            if !entered {
                // Somebody else drives, and may leave work that only this thread hands over: a nap with a limit, never a
                // sleep. The model sleeps it by letting the others go on.
                let _looks_again_anyway = self.doze.announce(Sleep::Lingering);
                thread::yield_now();
                let _woken = self.doze.awake();
                continue;
            }
            let undisturbed = self.doze.announce(Sleep::Idle);
            if !undisturbed || !self.queue.is_empty() || self.role.is_waiting() {
                // A slot may be claimed and not yet published: its producer has to go on, so the model must let it.
                thread::yield_now();
            } else if !self.signal.sleep() {
                // Every producer has returned and none of them has woken the thread.
                let state = self.role.try_enter().expect("nobody else is left");
                let idle = self.queue.is_empty() && state.gathered == 0;
                assert!(idle, "the thread slept on undriven work");
                assert!(state.leave().is_ok());
                return;
            }
            let _woken = self.doze.awake();
        }
    }
}

#[test]
fn falling_asleep() {
    // Three preemptions hold too, after half a million interleavings and minutes.
    explore_within(
        2,
        "doze_falling_asleep",
        "no interleaving of enqueueing and falling asleep leaves work behind a sleeping driver thread",
        || {
            let (queue, consumer) = EnqueueQueue::new(2);
            let role = DriverRole::new(State { consumer, gathered: 0, handed_over: 0 });
            let signal = Signal { set: Mutex::new((false, false)), changed: Condvar::new() };
            let engine = Arc::new(Engine { queue, role, doze: Doze::new(), signal });
            let attendant = {
                let engine = engine.clone();
                thread::spawn(move || engine.attend())
            };
            let other = {
                let engine = engine.clone();
                thread::spawn(move || engine.enqueue())
            };
            engine.enqueue();
            other.join().expect("the producer ends");
            engine.signal.set(false);
            attendant.join().expect("the thread ends");
        },
    );
}

#[test]
fn falling_asleep_notices_a_missing_fence() {
    must_fail(
        "core::loom_doze::falling_asleep",
        Mutation::DozeAnnounceUnfenced,
        &["the thread slept on undriven work"],
    );
}

#[test]
fn falling_asleep_notices_an_overlooked_note() {
    must_fail("core::loom_doze::falling_asleep", Mutation::DozeOverlooksNote, &["the thread slept on undriven work"]);
}

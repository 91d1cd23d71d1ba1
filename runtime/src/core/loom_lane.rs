//! Model of a lane: a role holder that hands deliveries over, the thread that makes them, and the end of both.

use std::time::Duration;

use super::lane::Lane;
use super::loom_harness::{DEADLOCK, explore, must_fail};
use super::role::DriverRole;
use crate::sync::atomic::AtomicBool;
use crate::sync::{Arc, Condvar, Mutation, Mutex, thread};

const DELIVERIES: u32 = 2;

/// The submitting part of the engine in small.
struct Engine {
    lane: Lane<u32, u32>,
    role: DriverRole<State>,
    spinning: AtomicBool,
    /// Deliveries made, in the order of the calls.
    made: Mutex<Vec<u32>>,
    all_back: Mutex<bool>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    busy: bool,
    handed: u32,
    back: Vec<u32>,
}

impl Engine {
    /// As a step of the driver: takes back, hands the next one over.
    fn drive(&self) {
        self.role.try_drive(|state| {
            if state.busy
                && let Some(outcome) = self.lane.take_back()
            {
                state.busy = false;
                state.back.push(outcome);
            }
            if !state.busy && state.handed < DELIVERIES {
                assert!(self.lane.hand_over(state.handed, || true).is_ok(), "the lane is open");
                state.busy = true;
                state.handed += 1;
            }
            if state.back.len() == DELIVERIES as usize {
                *self.all_back.lock() = true;
                self.changed.notify_one();
            }
        });
    }

    /// As a thread of `Submitters`.
    fn run(&self) {
        while let Some(delivery) = self.lane.next(Duration::ZERO, &self.spinning) {
            self.made.lock().push(delivery);
            self.lane.give_back(delivery);
            self.drive();
        }
    }
}

fn engine() -> Arc<Engine> {
    Arc::new(Engine {
        lane: Lane::new(),
        role: DriverRole::new(State::default()),
        spinning: AtomicBool::new(false),
        made: Mutex::new(Vec::new()),
        all_back: Mutex::new(false),
        changed: Condvar::new(),
    })
}

#[test]
fn hand_over() {
    explore(
        "lane_hand_over",
        "every delivery is made once and in order, every outcome is taken back, and nobody sleeps on either, with tasks and the \
         thread driving at the same time",
        || {
            let engine = engine();
            let submitting = {
                let engine = engine.clone();
                thread::spawn(move || engine.run())
            };
            let task = {
                let engine = engine.clone();
                thread::spawn(move || engine.drive())
            };
            engine.drive();
            let mut all_back = engine.all_back.lock();
            while !*all_back {
                all_back = engine.changed.wait(all_back);
            }
            drop(all_back);
            engine.lane.close();
            submitting.join().expect("the thread ends");
            task.join().expect("the task ends");
            assert_eq!(*engine.made.lock(), [0, 1]);
        },
    );
}

#[test]
fn hand_over_notices_a_silent_call() {
    must_fail("core::loom_lane::hand_over", Mutation::LaneCallsSilently, &[DEADLOCK]);
}

#[test]
fn hand_over_notices_an_early_hint() {
    must_fail("core::loom_lane::hand_over", Mutation::LaneHintsEarly, &[DEADLOCK]);
}

#[test]
fn close() {
    explore(
        "lane_close",
        "a delivery that races with the close is made by the thread or comes back to whoever handed it over, never both and never \
         neither",
        || {
            let engine = engine();
            let submitting = {
                let engine = engine.clone();
                thread::spawn(move || engine.run_to_its_end())
            };
            let closing = {
                let engine = engine.clone();
                thread::spawn(move || engine.lane.close())
            };
            let refused = engine.lane.hand_over(7, || true).is_err();
            closing.join().expect("closes");
            submitting.join().expect("the thread ends");
            let made = engine.made.lock().len();
            assert_eq!(made + usize::from(refused), 1, "made {made} times, refused: {refused}");
            assert_eq!(engine.lane.take_back().is_some(), made == 1);
        },
    );
}

impl Engine {
    fn run_to_its_end(&self) {
        while let Some(delivery) = self.lane.next(Duration::ZERO, &self.spinning) {
            self.made.lock().push(delivery);
            self.lane.give_back(delivery);
        }
    }
}

#[test]
fn close_notices_a_delivery_that_is_left() {
    must_fail("core::loom_lane::close", Mutation::LaneCloseDropsHanded, &["made 0 times"]);
}

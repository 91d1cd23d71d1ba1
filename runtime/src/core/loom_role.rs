//! Models of the driver role: handing over by entering and poking, and a driver thread that sleeps.

use super::loom_harness::{DEADLOCK, explore, must_fail};
use super::role::DriverRole;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutation, Mutex, thread};

/// Work is a flag each, written and read Relaxed: only the role's own ordering makes it visible.
struct Engine<const N: usize> {
    work: [AtomicBool; N],
    /// Which work was driven.
    role: DriverRole<[bool; N]>,
}

impl<const N: usize> Engine<N> {
    fn new() -> Self {
        Self { work: std::array::from_fn(|_| AtomicBool::new(false)), role: DriverRole::new([false; N]) }
    }

    fn drive(&self) -> bool {
        self.role.try_drive(|driven| {
            for (driven, work) in driven.iter_mut().zip(&self.work) {
                *driven |= work.load(Ordering::Relaxed);
            }
        })
    }
}

#[test]
fn hand_over() {
    explore(
        "role_hand_over",
        "work published before a poke or an attempt to enter is driven by the time all who did so have returned",
        || {
            let engine = Arc::new(Engine::<3>::new());
            let enqueue = |engine: &Engine<3>, index: usize| {
                engine.work[index].store(true, Ordering::Relaxed);
                // Index 0 enters, the others poke first and enter only if nobody drives.
                if index == 0 || engine.role.poke() {
                    engine.drive();
                }
            };
            let others: Vec<_> = (1..3)
                .map(|index| {
                    let engine = engine.clone();
                    thread::spawn(move || enqueue(&engine, index))
                })
                .collect();
            enqueue(&engine, 0);
            others.into_iter().for_each(|other| other.join().expect("the producer ends"));
            let driven = engine.role.try_enter().expect("nobody holds the role");
            assert_eq!(*driven, [true; 3], "work was left undriven");
            driven.leave().expect("nobody pokes");
        },
    );
}

#[test]
fn hand_over_notices_a_poke_that_writes_nothing() {
    must_fail("core::loom_role::hand_over", Mutation::RolePokeSkipsMarked, &["work was left undriven"]);
}

#[test]
fn hand_over_notices_a_holder_that_leaves_blindly() {
    must_fail("core::loom_role::hand_over", Mutation::RoleLeaveIgnoresPoke, &["work was left undriven"]);
}

/// An eventfd in small: a wake-up that comes before the sleep is found by it.
struct Signal {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn set(&self) {
        *self.set.lock() = true;
        self.changed.notify_one();
    }

    fn sleep(&self) {
        let mut set = self.set.lock();
        while !*set {
            set = self.changed.wait(set);
        }
        *set = false;
    }
}

#[test]
fn sleeping_driver() {
    explore(
        "role_sleeping_driver",
        "a driver thread that sleeps whenever it has left the role is woken for all work: nobody sleeps while work is undriven",
        || {
            let engine = Arc::new(Engine::<2>::new());
            let signal = Arc::new(Signal { set: Mutex::new(false), changed: Condvar::new() });
            let others: Vec<_> = (0..2)
                .map(|index| {
                    let (engine, signal) = (engine.clone(), signal.clone());
                    thread::spawn(move || {
                        engine.work[index].store(true, Ordering::Relaxed);
                        if engine.role.poke() {
                            signal.set();
                        }
                    })
                })
                .collect();
            let mut done = false;
            while !done {
                let entered = engine.role.try_drive(|driven| {
                    for (driven, work) in driven.iter_mut().zip(&engine.work) {
                        *driven |= work.load(Ordering::Relaxed);
                    }
                    done = *driven == [true; 2];
                });
                assert!(entered, "nobody else drives");
                if !done {
                    signal.sleep();
                }
            }
            others.into_iter().for_each(|other| other.join().expect("the producer ends"));
        },
    );
}

#[test]
fn sleeping_driver_notices_a_holder_that_leaves_blindly() {
    must_fail("core::loom_role::sleeping_driver", Mutation::RoleLeaveIgnoresPoke, &[DEADLOCK]);
}

//! Models of admission: waiting for room, and giving up the wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::admission::{Admission, Bound, Permit, StreamGate};
use super::loom_harness::{DEADLOCK, explore, must_fail};
use crate::sync::{Arc, Mutation, block_on, thread};

/// Enters, waiting if it must, and leaves again.
fn pass(gate: &StreamGate) {
    block_on(gate.enter(1)).map(Permit::spend).expect("one always fits");
    gate.leave(1);
}

/// `waiters` streams want in while another one has all the room of the device, and leaves.
fn room_for_one(waiters: usize) {
    let admission = Admission::new(Bound { high: 1, low: 0 });
    let here = admission.gate(Bound { high: 2, low: 0 });
    here.try_enter(1).map(Permit::spend).expect("room");
    let others: Vec<_> = (0..waiters)
        .map(|_| {
            let gate = admission.gate(Bound { high: 2, low: 0 });
            thread::spawn(move || pass(&gate))
        })
        .collect();
    here.leave(1);
    others.into_iter().for_each(|other| other.join().expect("the waiter gets in"));
    assert_eq!(admission.in_use(), 0);
    here.try_enter(1).map(Permit::spend).expect("nobody waits any more");
}

#[test]
fn wait_for_room() {
    explore(
        "admission_wait_for_room",
        "a stream that finds the device full gets in when the last user leaves, and all room is free in the end",
        || room_for_one(1),
    );
}

// With a second waiter the mistake would rarely show: whoever comes next serves the one that was forgotten.
#[test]
fn wait_for_room_notices_a_late_mark() {
    must_fail("core::loom_admission::wait_for_room", Mutation::AdmissionMarkAfterLook, &[DEADLOCK]);
}

#[test]
fn room_is_passed_on() {
    explore(
        "admission_room_is_passed_on",
        "two streams that wait for the one place of the device both get in, one after the other, and all room is free in the end",
        || room_for_one(2),
    );
}

#[test]
fn room_is_passed_on_notices_a_deaf_release() {
    must_fail("core::loom_admission::room_is_passed_on", Mutation::AdmissionLeaveServesNobody, &[DEADLOCK]);
}

#[test]
fn cancelled_wait() {
    explore(
        "admission_cancelled_wait",
        "a wait that is dropped at any time, also after it was given room, keeps nobody else out of the same stream",
        || {
            let admission = Admission::new(Bound { high: 4, low: 2 });
            let gate = Arc::new(admission.gate(Bound { high: 1, low: 0 }));
            gate.try_enter(1).map(Permit::spend).expect("room");
            let cancelling = {
                let gate = gate.clone();
                thread::spawn(move || {
                    let mut enter = pin!(gate.enter(1));
                    match enter.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(permit) => drop(permit),
                        Poll::Pending => thread::yield_now(),
                    }
                })
            };
            let waiting = {
                let gate = gate.clone();
                thread::spawn(move || pass(&gate))
            };
            gate.leave(1);
            cancelling.join().expect("the cancelling task ends");
            waiting.join().expect("the waiter gets in");
            assert_eq!((gate.in_use(), admission.in_use()), (0, 0));
            gate.try_enter(1).map(Permit::spend).expect("nobody waits any more");
        },
    );
}

#[test]
fn cancelled_wait_notices_room_that_is_kept() {
    must_fail("core::loom_admission::cancelled_wait", Mutation::AdmissionCancelKeepsRoom, &[DEADLOCK, "assertion"]);
}

#[test]
fn closed() {
    explore(
        "admission_closed",
        "who waits for room when the device takes no more is told, however wait and end interleave, and what is in is waited for",
        || {
            let admission = Admission::new(Bound { high: 1, low: 0 });
            let here = admission.gate(Bound { high: 2, low: 0 });
            let permit = here.try_enter(1).expect("room");
            let waiting = {
                let gate = admission.gate(Bound { high: 2, low: 0 });
                thread::spawn(move || assert!(block_on(gate.enter(1)).is_err(), "let in after the end"))
            };
            admission.close();
            assert!(!admission.is_drained(), "somebody is in");
            drop(permit);
            waiting.join().expect("the waiter ends");
            assert!(admission.is_drained());
            assert!(here.try_enter(1).is_err(), "let in after the end");
        },
    );
}

#[test]
fn closed_notices_a_silent_end() {
    must_fail("core::loom_admission::closed", Mutation::AdmissionCloseWakesNobody, &[DEADLOCK]);
}

#[test]
fn closed_notices_an_open_door() {
    must_fail("core::loom_admission::closed", Mutation::AdmissionEntersClosed, &["let in after the end"]);
}

//! Models of spin, arm and sleep: the attendant's look against a fence that moves, with every kind of notification.

use dxg_scheduler::Work;

use super::loom_device::{Device, Notify, Rig};
use crate::core::loom_harness::{DEADLOCK, explore_within, must_fail};
use crate::sync::Mutation;

/// One operation, executed by the device's thread. `drives`: submitted by the task that waits for it or by the attendant,
/// whoever comes first; otherwise it is in flight before the attendant begins, and its task only waits.
fn one_operation(notify: Notify, drives: bool) {
    let rig = Rig::new(Device::new(notify, 1, false), 2);
    let stream = rig.stream();
    let enqueue = || rig.enqueue(&stream, Work::Marker).expect("there is room");
    let in_flight = (!drives).then(|| {
        let ticket = enqueue();
        rig.engine.flush(&stream);
        // As after a look of the attendant's: otherwise the note that the flush left voids its first sleep.
        let _slept = rig.engine.doze.awake();
        ticket
    });
    let attendant = rig.spawn(Rig::attend);
    let device = rig.spawn(|rig| rig.device.run());
    let outcome = match in_flight {
        Some(ticket) => stream.timeline.wait(ticket, |_| {}).map_err(|cause| cause.seen_by(ticket)),
        None => rig.wait(&stream, enqueue()),
    };
    match notify {
        Notify::Lost => assert!(outcome.is_err_and(|error| error.is_device_lost()), "completed without a fence"),
        _ => outcome.expect("done"),
    }
    rig.engine.close();
    attendant.join().expect("the attendant ends");
    device.join().expect("the device ends");
    rig.check_end(1);
}

#[test]
fn driven_by_the_waiter() {
    explore_within(
        1,
        "sleep_driven_by_the_waiter",
        "whether the waiter's task or the attendant submits, and whoever looks at the fence first: the waiter is woken without any \
         time limit",
        || one_operation(Notify::Once, true),
    );
}

#[test]
fn driven_by_the_waiter_notices_an_overlooked_fence() {
    must_fail("driver::loom_sleep::driven_by_the_waiter", Mutation::ArmIgnoresProgress, &[DEADLOCK]);
}

#[test]
fn notified_once() {
    explore_within(
        2,
        "sleep_notified_once",
        "a fence that moves while it is armed ends the sleep or is seen before it: the waiter is woken without any time limit",
        || one_operation(Notify::Once, false),
    );
}

#[test]
fn notified_once_notices_an_overlooked_fence() {
    must_fail("driver::loom_sleep::notified_once", Mutation::ArmIgnoresProgress, &[DEADLOCK]);
}

#[test]
fn notified_twice() {
    explore_within(
        2,
        "sleep_notified_twice",
        "a notification that comes twice, or is found after the sleep it was meant for, loses nothing and completes nothing early",
        || one_operation(Notify::Twice, false),
    );
}

#[test]
fn notified_twice_notices_an_overlooked_fence() {
    must_fail("driver::loom_sleep::notified_twice", Mutation::ArmIgnoresProgress, &[DEADLOCK]);
}

#[test]
fn notified_early() {
    explore_within(
        2,
        "sleep_notified_early",
        "a notification that comes before its fence has moved leads to another look and another arm, not to a lost completion",
        || one_operation(Notify::Early, false),
    );
}

#[test]
fn notified_early_notices_a_blind_registration() {
    must_fail("driver::loom_sleep::notified_early", Mutation::TimelineRegisterBlindly, &[DEADLOCK]);
}

#[test]
fn never_notified() {
    explore_within(
        2,
        "sleep_never_notified",
        "a notification that never comes delays a completion to the end of the bounded sleep and no longer",
        || one_operation(Notify::Never, false),
    );
}

#[test]
fn never_notified_notices_a_sleep_without_a_limit() {
    must_fail("driver::loom_sleep::never_notified", Mutation::ArmedSleepUnbounded, &[DEADLOCK]);
}

#[test]
fn lost_silently() {
    explore_within(
        2,
        "sleep_lost_silently",
        "a device that is lost without a sign ends every wait with the cause at the end of the bounded sleep",
        || one_operation(Notify::Lost, false),
    );
}

#[test]
fn lost_silently_notices_an_unchecked_device() {
    must_fail("driver::loom_sleep::lost_silently", Mutation::HealthUnchecked, &[DEADLOCK, "exceeded maximum"]);
}

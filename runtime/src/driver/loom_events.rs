//! Model of events across streams with full queues.

use dxg_scheduler::{EventId, Work};

use super::loom_device::{Device, Notify, Rig};
use crate::core::loom_harness::{DEADLOCK, explore_within, must_fail};
use crate::sync::Mutation;

/// Records one event, waits for the other, on a stream of its own; nobody attends to the engine.
fn record_and_wait(rig: &Rig, record: EventId, wait: EventId) {
    let stream = rig.stream();
    rig.enqueue(&stream, Work::Record { event: record, timed: false }).expect("accepted");
    let last = rig.enqueue(&stream, Work::Wait { event: wait, source: None }).expect("accepted");
    rig.wait(&stream, last).expect("done");
}

#[test]
fn crossing_waits() {
    explore_within(
        1,
        "events_crossing_waits",
        "streams that record for each other and wait for each other, with room for one operation in all and nobody but themselves \
         to drive, all complete",
        || {
            let rig = Rig::new(Device::new(Notify::AtOnce, 2, false), 1);
            let (one, two) = (rig.engine.add_event().expect("an event"), rig.engine.add_event().expect("an event"));
            let other = rig.spawn(move |rig| record_and_wait(&rig, two, one));
            record_and_wait(&rig, one, two);
            other.join().expect("the other stream ends");
            rig.engine.drive();
            rig.check_end(4);
        },
    );
}

#[test]
fn crossing_waits_notices_a_wait_that_flushes_nothing() {
    must_fail("driver::loom_events::crossing_waits", Mutation::RoomFlushesNothing, &[DEADLOCK]);
}

#[test]
fn crossing_waits_notices_a_request_that_is_overwritten() {
    must_fail("driver::loom_events::crossing_waits", Mutation::FlushAskedByStore, &[DEADLOCK]);
}

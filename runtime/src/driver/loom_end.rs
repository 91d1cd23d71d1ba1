//! Models of the end: shutdown against enqueueing, and loss against enqueueing, polling and dropping.

use std::task::{Context, Poll, Waker};

use dxg_scheduler::Work;

use super::Waiting;
use super::loom_device::{Device, Notify, Rig};
use crate::core::loom_harness::{DEADLOCK, explore_within, must_fail};
use crate::error::Error;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutation, block_on};

/// Enqueues `count` operations while the engine closes; what was accepted completes, the rest is refused.
fn shutdown(high: u32, count: usize) {
    let rig = Rig::new(Device::new(Notify::AtOnce, 1, false), high);
    let stream = rig.stream();
    let accepted = std::sync::Arc::new(AtomicUsize::new(0));
    let attendant = rig.spawn(Rig::attend);
    let producer = {
        let (stream, accepted) = (stream.clone(), accepted.clone());
        rig.spawn(move |rig| {
            let mut last = 0;
            for _ in 0..count {
                match rig.enqueue(&stream, Work::Marker) {
                    Ok(ticket) => {
                        last = ticket;
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => assert!(matches!(error, Error::ShutDown), "{error}"),
                }
            }
            rig.wait(&stream, last).expect("accepted and not done");
        })
    };
    rig.engine.close();
    attendant.join().expect("the attendant ends");
    producer.join().expect("the producer ends");
    assert!(rig.engine.wait_closed(std::time::Duration::MAX / 4));
    assert!(matches!(rig.enqueue(&stream, Work::Marker), Err(Error::ShutDown)), "accepted after the end");
    rig.check_end(accepted.load(Ordering::Relaxed));
}

#[test]
fn shutdown_against_enqueue() {
    explore_within(
        2,
        "end_shutdown_against_enqueue",
        "an operation that races with the shutdown is refused, or completes before the device is closed",
        || shutdown(2, 1),
    );
}

#[test]
fn shutdown_against_enqueue_notices_an_open_door() {
    must_fail(
        "driver::loom_end::shutdown_against_enqueue",
        Mutation::AdmissionEntersClosed,
        &["accepted and not done", "submitted to a closed device", DEADLOCK],
    );
}

#[test]
fn shutdown_against_enqueue_notices_an_early_end() {
    must_fail(
        "driver::loom_end::shutdown_against_enqueue",
        Mutation::EndForgetsWhoEnters,
        &["accepted and not done", "submitted to a closed device", DEADLOCK],
    );
}

#[test]
fn shutdown_against_back_pressure() {
    explore_within(
        1,
        "end_shutdown_against_back_pressure",
        "who waits for room when the device is shut down is let in and completes, or is refused: nobody waits on",
        || shutdown(1, 2),
    );
}

#[test]
fn shutdown_against_back_pressure_notices_an_open_door() {
    must_fail(
        "driver::loom_end::shutdown_against_back_pressure",
        Mutation::AdmissionEntersClosed,
        &["accepted and not done", "submitted to a closed device"],
    );
}

#[test]
fn waiting_for_memory() {
    explore_within(
        2,
        "end_waiting_for_memory",
        "who waits for host memory is told when the device is lost, also if the memory never comes back",
        || {
            let rig = Rig::new(Device::new(Notify::AtOnce, 1, true), 2);
            let waiting = rig.spawn(|rig| {
                let outcome = block_on(rig.engine.until_memory(|| Ok(None::<()>)));
                assert!(outcome.is_err_and(|error| error.is_device_lost()));
            });
            let stream = rig.stream();
            let ticket = rig.enqueue(&stream, Work::Marker).expect("the loss is not known");
            assert!(rig.wait(&stream, ticket).is_err());
            waiting.join().expect("the waiter ends");
            rig.check_end(1);
        },
    );
}

#[test]
fn waiting_for_memory_notices_a_silent_loss() {
    must_fail("driver::loom_end::waiting_for_memory", Mutation::RefusalWakesNobody, &[DEADLOCK]);
}

#[test]
fn loss() {
    explore_within(
        2,
        "end_loss_against_enqueue_poll_drop",
        "when the device is lost, every operation of every stream that was accepted fails with the one cause, also those that are \
         being enqueued, polled or dropped; their room and what they keep alive comes back, and nothing more is accepted",
        || {
            let rig = Rig::new(Device::new(Notify::AtOnce, 1, true), 2);
            let accepted = std::sync::Arc::new(AtomicUsize::new(0));
            let attempt = |rig: &Rig, accepted: &AtomicUsize, drops: bool| {
                let stream = rig.stream_or_lost();
                let Some(stream) = stream else { return };
                match rig.enqueue(&stream, Work::Marker) {
                    Ok(ticket) => {
                        accepted.fetch_add(1, Ordering::Relaxed);
                        if drops {
                            let mut waiting = Waiting::default();
                            let mut cx = Context::from_waker(Waker::noop());
                            let polled = rig.engine.poll(&stream, ticket, &mut waiting, &mut cx);
                            assert!(!matches!(polled, Poll::Ready(Ok(()))), "completed on a lost device");
                            rig.engine.end_wait(&mut waiting);
                        } else {
                            let outcome = rig.wait(&stream, ticket);
                            assert!(outcome.is_err_and(|error| error.is_device_lost()));
                        }
                    }
                    Err(error) => assert!(error.is_device_lost(), "{error}"),
                }
            };
            let other = {
                let accepted = accepted.clone();
                rig.spawn(move |rig| attempt(&rig, &accepted, false))
            };
            attempt(&rig, &accepted, true);
            other.join().expect("the waiter ends");
            // Whatever is left is seen to, as the attendant would.
            rig.engine.drive();
            let accepted = accepted.load(Ordering::Relaxed);
            if accepted > 0 {
                assert!(rig.engine.check_open().is_err_and(|error| error.is_device_lost()));
            }
            rig.check_end(accepted);
        },
    );
}

#[test]
fn loss_notices_room_that_is_kept() {
    must_fail("driver::loom_end::loss", Mutation::LossKeepsRoom, &["room was kept"]);
}

#[test]
fn loss_notices_forgotten_streams() {
    must_fail("driver::loom_end::loss", Mutation::LossForgetsNewStreams, &["room was kept"]);
}

#[test]
fn loss_notices_waiters_that_sleep_on() {
    must_fail("driver::loom_end::loss", Mutation::TimelineLossWakesNobody, &[DEADLOCK]);
}

#[test]
fn loss_notices_requests_that_overtake() {
    must_fail("driver::loom_end::loss", Mutation::RequestsOvertake, &[DEADLOCK]);
}

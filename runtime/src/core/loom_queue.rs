//! Models of the enqueue queue: with back-pressure and wake-ups, and with claims of several slots.

use super::admission::{Admission, Bound, Permit, StreamGate};
use super::loom_harness::{RACE, explore, must_fail};
use super::queue::{EnqueueQueue, QueueConsumer};
use super::role::DriverRole;
use crate::sync::{Arc, Mutation, block_on, thread};

/// A runtime in small: what a launch passes on its way to the driver.
struct Engine {
    queue: EnqueueQueue<(u64, u64)>,
    role: DriverRole<Driver>,
    gate: StreamGate,
}

struct Driver {
    consumer: QueueConsumer<(u64, u64)>,
    /// Ticket, producer, number within the producer.
    driven: Vec<(u64, u64, u64)>,
}

impl Engine {
    /// Enqueues as a task does: waits for room, pushes, drives if nobody does.
    fn enqueue(&self, producer: u64, number: u64) {
        block_on(self.gate.enter(1)).map(Permit::spend).expect("one always fits");
        self.queue.try_push(|_| (producer, number)).expect("who was admitted finds room in the ring");
        self.role.try_drive(|driver| {
            while let Some((ticket, (producer, number))) = driver.consumer.pop() {
                driver.driven.push((ticket, producer, number));
                self.gate.leave(1);
            }
        });
    }
}

#[test]
fn back_pressure() {
    explore(
        "queue_back_pressure",
        "producers that wait for room are woken, who was admitted finds room, and every operation is driven once, in the \
         order of its ticket and of its producer, while the ring wraps",
        || {
            let admission = Admission::new(Bound { high: 2, low: 1 });
            let gate = admission.gate(Bound { high: 1, low: 0 });
            let (queue, consumer) = EnqueueQueue::new(2);
            let role = DriverRole::new(Driver { consumer, driven: Vec::new() });
            let engine = Arc::new(Engine { queue, role, gate });
            let other = {
                let engine = engine.clone();
                thread::spawn(move || (0..2).for_each(|number| engine.enqueue(1, number)))
            };
            (0..2).for_each(|number| engine.enqueue(0, number));
            other.join().expect("the producer ends");
            let driver = engine.role.try_enter().expect("nobody holds the role");
            let tickets: Vec<_> = driver.driven.iter().map(|operation| operation.0).collect();
            assert_eq!(tickets, [1, 2, 3, 4], "lost or doubled");
            for producer in 0..2 {
                let own = driver.driven.iter().filter(|operation| operation.1 == producer).map(|operation| operation.2);
                assert_eq!(own.collect::<Vec<_>>(), [0, 1], "out of its producer's order");
            }
            driver.leave().expect("nobody pokes");
            assert_eq!(engine.gate.in_use(), 0);
        },
    );
}

#[test]
fn back_pressure_notices_a_relaxed_publish() {
    must_fail("core::loom_queue::back_pressure", Mutation::QueuePublishRelaxed, &[RACE]);
}

#[test]
fn many_at_once() {
    explore(
        "queue_many_at_once",
        "a claim of several slots overwrites nothing, its tickets are adjacent, and the consumer sees all of it or nothing",
        || {
            let (queue, mut consumer) = EnqueueQueue::new(2);
            let queue = Arc::new(queue);
            assert_eq!(queue.try_push(|ticket| ticket), Some(1));
            let single = {
                let queue = queue.clone();
                thread::spawn(move || queue.try_push(|ticket| ticket))
            };
            let pair = {
                let queue = queue.clone();
                thread::spawn(move || queue.try_push_many(2, |ticket, _| ticket))
            };
            let mut popped = Vec::new();
            popped.extend(consumer.pop());
            let seen = consumer.pop();
            popped.extend(seen);
            let next = consumer.pop();
            popped.extend(next);
            let single = single.join().expect("the producer ends");
            let pair = pair.join().expect("the producer ends");
            if let (Some(pair), Some((ticket, _))) = (&pair, seen)
                && ticket == pair.start
            {
                assert_eq!(next.map(|next| next.0), Some(pair.start + 1), "half of a pair was seen");
            }
            popped.extend(std::iter::from_fn(|| consumer.pop()));
            let accepted = 1 + single.iter().count() + pair.iter().count() * 2;
            let tickets: Vec<_> = popped.iter().map(|operation| operation.0).collect();
            assert_eq!(tickets, (1..=accepted as u64).collect::<Vec<_>>(), "lost or doubled");
            assert!(popped.iter().all(|(ticket, value)| ticket == value), "overwritten");
        },
    );
}

#[test]
fn many_at_once_notices_an_unchecked_slot() {
    must_fail(
        "core::loom_queue::many_at_once",
        Mutation::QueueClaimLooksAtFirst,
        &["lost or doubled", "overwritten", "half of a pair", RACE],
    );
}

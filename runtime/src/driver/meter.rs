//! Metrics of an engine, through the `metrics` facade (feature `metrics`): whatever exporter the program installs gets them.
//!
//! The names stand in the documentation of [`Device`](crate::Device). Handles are made when the device is opened, so a recorder
//! that is installed later gets nothing of it. Events come by batch: nothing is done for a single operation.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dxg_scheduler::{FlushReason, Nanos};
use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use super::counters::Counters;
use super::observe::Event;
use crate::info::DeviceInfo;

/// The handles of one device, or of one of its shards: those of all shards are the same metrics, so that everything is added to them
/// and nothing set.
pub(super) struct Meter {
    operations: Counter,
    waits: Counter,
    batches: Vec<Counter>,
    batch_operations: Histogram,
    batch_seconds: Histogram,
    submit_seconds: Histogram,
    backpressure_seconds: Histogram,
    operations_in_flight: Gauge,
    batches_in_flight: Gauge,
    ring_bytes: Counter,
    failures: Counter,
    /// Touched by the holder of the driver role alone; the lock is for the compiler.
    in_flight: Mutex<InFlight>,
}

/// Batches in flight, by queue.
#[derive(Default)]
struct InFlight {
    queues: Vec<VecDeque<Sent>>,
    operations: u64,
    batches: u64,
    /// Failures that were told.
    failures: u64,
}

struct Sent {
    fence: u64,
    begun: Nanos,
    operations: u64,
}

impl Meter {
    pub(super) fn new(info: &DeviceInfo) -> Self {
        let device = || vec![Label::new("device", info.selector.to_string())];
        let batches = FlushReason::ALL.map(|reason| {
            let mut labels = device();
            labels.push(Label::new("reason", reason.name()));
            counter!("dxgrt_batches_total", labels)
        });
        Meter {
            operations: counter!("dxgrt_operations_total", device()),
            waits: counter!("dxgrt_waits_total", device()),
            batches: batches.into(),
            batch_operations: histogram!("dxgrt_batch_operations", device()),
            batch_seconds: histogram!("dxgrt_batch_seconds", device()),
            submit_seconds: histogram!("dxgrt_submit_seconds", device()),
            backpressure_seconds: histogram!("dxgrt_backpressure_seconds", device()),
            operations_in_flight: gauge!("dxgrt_operations_in_flight", device()),
            batches_in_flight: gauge!("dxgrt_batches_in_flight", device()),
            ring_bytes: counter!("dxgrt_ring_bytes_total", device()),
            failures: counter!("dxgrt_failures_total", device()),
            in_flight: Mutex::default(),
        }
    }

    /// Somebody waited for room.
    pub(super) fn waited_for_room(&self, time: Duration) {
        self.backpressure_seconds.record(time.as_secs_f64());
    }

    pub(super) fn event(&self, event: &Event<'_>, counters: &Counters) {
        match *event {
            Event::TakenIn { count, .. } => self.operations.increment(count as u64),
            Event::Waiter { .. } => self.waits.increment(1),
            Event::Submitted { batch, begun, done, ring_bytes } => {
                let operations = batch.operations.len() as u64;
                if let Some(counter) = self.batches.get(batch.reason.index()) {
                    counter.increment(1);
                }
                self.batch_operations.record(operations as f64);
                self.submit_seconds.record(seconds(begun, done));
                self.ring_bytes.increment(ring_bytes.into());
                self.levels(|in_flight| {
                    let queue = usize::from(batch.queue.0);
                    if in_flight.queues.len() <= queue {
                        in_flight.queues.resize_with(queue + 1, VecDeque::new);
                    }
                    in_flight.queues[queue].push_back(Sent { fence: batch.fence, begun, operations });
                    in_flight.operations += operations;
                    in_flight.batches += 1;
                });
            }
            Event::Fence { at, queue, value } => {
                self.levels(|in_flight| {
                    let failures = counters.failures.get();
                    self.failures.increment(failures - in_flight.failures);
                    in_flight.failures = failures;
                    let Some(sent) = in_flight.queues.get_mut(usize::from(queue.0)) else { return };
                    while sent.front().is_some_and(|batch| batch.fence <= value) {
                        let Some(batch) = sent.pop_front() else { break };
                        self.batch_seconds.record(seconds(batch.begun, at));
                        in_flight.operations -= batch.operations;
                        in_flight.batches -= 1;
                    }
                });
            }
        }
    }

    fn levels(&self, change: impl FnOnce(&mut InFlight)) {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (in_flight.operations, in_flight.batches);
        change(&mut in_flight);
        self.operations_in_flight.increment(in_flight.operations as f64 - before.0 as f64);
        self.batches_in_flight.increment(in_flight.batches as f64 - before.1 as f64);
    }
}

impl Drop for Meter {
    /// What a lost device leaves behind is not in flight any more.
    fn drop(&mut self) {
        self.levels(|in_flight| (in_flight.operations, in_flight.batches) = (0, 0));
    }
}

fn seconds(begin: Nanos, end: Nanos) -> f64 {
    end.saturating_sub(begin) as f64 / 1e9
}

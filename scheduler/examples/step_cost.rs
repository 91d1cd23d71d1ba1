//! What the scheduler costs per operation: in, batched, submitted, complete, retired.
//!
//! Run with `cargo run --release -p dxg-scheduler --example step_cost`.

use std::time::{Duration, Instant};

use dxg_scheduler::{Batch, Config, CostKey, Hazard, Operation, Priority, Scheduler, StreamId, Ticket, Work};

const OPERATIONS: u32 = 1024;

/// Stands for what a runtime keeps with an operation.
type Payload = [u64; 14];

/// Nanoseconds per operation, the best of many batches of `OPERATIONS` launches over `streams` streams.
fn cost(streams: u32, announced: u32) -> f64 {
    let mut scheduler = Scheduler::<Payload>::new(Config::default());
    for stream in 0..announced {
        assert!(scheduler.handle_stream(StreamId(stream), Priority::Normal), "ids below the limit");
    }
    scheduler.handle_kernel_time(CostKey(0), 100);
    let (mut batch, mut retired, mut ticket, mut now) = (Batch::new(), Vec::new(), 0_u64, 0_u64);
    let mut best = Duration::MAX;
    for _ in 0..2_000 {
        let start = Instant::now();
        for at in 0..OPERATIONS {
            ticket += 1;
            let operation = Operation {
                stream: StreamId(at % streams),
                ticket: Ticket(ticket),
                work: Work::Launch { merge: Some(7), blocks: 4, cost: CostKey(0) },
                hazard: Hazard::Ordered,
                bytes: 96,
                payload: [ticket; 14],
            };
            if let Err(rejected) = scheduler.handle_operation(now, operation) {
                panic!("{rejected}");
            }
        }
        scheduler.handle_waiter(now, StreamId((OPERATIONS - 1) % streams), Ticket(ticket));
        while scheduler.poll_batch(now, &mut batch) {
            let (queue, fence) = (batch.queue, batch.fence);
            scheduler.handle_submitted(now, &mut batch, 1_000, 112);
            now += 10_000;
            if let Err(error) = scheduler.handle_progress(now, queue, fence) {
                panic!("{error}");
            }
        }
        while scheduler.poll_completion().is_some() {}
        retired.clear();
        scheduler.poll_retired(&mut retired);
        assert_eq!(retired.len(), OPERATIONS as usize, "every operation comes back");
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e9 / f64::from(OPERATIONS)
}

fn main() {
    println!("{:>8} {:>10} {:>8}", "streams", "announced", "ns/op");
    for (streams, announced) in [(1, 1), (64, 64), (64, 10_000), (1024, 1024)] {
        println!("{streams:>8} {announced:>10} {:>8.1}", cost(streams, announced));
    }
}

//! One step of the scheduler: 1,024 launches taken in, made a batch, completed and retired. An element is an operation.
//!
//!     cargo bench -p dxg-scheduler

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dxg_scheduler::{
    Access, AccessList, Batch, Config, CostKey, Hazard, Nanos, Operation, Priority, Scheduler, StreamId, Ticket, Work,
};

const OPERATIONS: u64 = 1024;

/// A scheduler and what goes through it.
struct Bench {
    scheduler: Scheduler<u64>,
    batch: Batch<u64>,
    retired: Vec<u64>,
    streams: u32,
    ticket: u64,
    now: Nanos,
}

impl Bench {
    fn new(streams: u32) -> Self {
        let mut scheduler = Scheduler::new(Config::default());
        (0..streams).for_each(|stream| {
            scheduler.handle_stream(StreamId(stream), Priority::Normal);
        });
        Bench { scheduler, batch: Batch::new(), retired: Vec::new(), streams, ticket: 0, now: 0 }
    }

    fn step(&mut self) {
        self.now += 1_000_000;
        for _ in 0..OPERATIONS {
            self.ticket += 1;
            let stream = (self.ticket % u64::from(self.streams)) as u32;
            // A common input, and an output for each stream.
            let accesses =
                [Access::new(0x1000, 1024, false), Access::new(0x10_0000 + u64::from(stream) * 1024, 1024, true)];
            let operation = Operation {
                stream: StreamId(stream),
                ticket: Ticket(self.ticket),
                work: Work::Launch { merge: Some(1), blocks: 1, cost: CostKey(1) },
                hazard: Hazard::Declared(AccessList::from_slice(&accesses)),
                bytes: 192,
                payload: self.ticket,
            };
            assert!(self.scheduler.handle_operation(self.now, operation).is_ok(), "an operation was refused");
        }
        self.scheduler.handle_drain(self.now);
        while self.scheduler.poll_batch(self.now, &mut self.batch) {
            let (queue, fence) = (self.batch.queue, self.batch.fence);
            self.scheduler.handle_submitted(self.now, &mut self.batch, 100, 200);
            assert!(self.scheduler.handle_progress(self.now, queue, fence).is_ok(), "a fence value was refused");
            while self.scheduler.poll_completion().is_some() {}
            self.scheduler.poll_retired(&mut self.retired);
        }
        assert_eq!(self.retired.len() as u64, OPERATIONS);
        self.retired.clear();
    }
}

fn scheduler_step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler step");
    group.throughput(Throughput::Elements(OPERATIONS));
    for streams in [1, 64, 1024] {
        let mut bench = Bench::new(streams);
        group.bench_function(format!("1024 launches over {streams} streams"), |bencher| bencher.iter(|| bench.step()));
    }
    group.finish();
}

criterion_group!(step, scheduler_step);
criterion_main!(step);

//! Pieces of the runtime: accepting operations, waking who waits for them, taking data into staging memory.
//!
//!     cargo bench -p dxg-runtime --features bench

use std::hint::black_box;
use std::task::Waker;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dxg_runtime::bench_support::{OPERATIONS, Path, Wakes, stage};
use dxg_runtime::{Device, Parameters};

/// Argument packing, checks, admission and the place in the queue; an element is an operation.
fn enqueue(criterion: &mut Criterion) {
    let mut path = Path::new().expect("a software adapter opens");
    let mut group = criterion.benchmark_group("enqueue");
    group.throughput(Throughput::Elements(OPERATIONS as u64));
    group.bench_function("1024 launches over 64 streams", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                let begin = Instant::now();
                path.pack().expect("checked arguments");
                path.enqueue().expect("room");
                spent += begin.elapsed();
                path.discard();
            }
            spent
        });
    });
    group.finish();
}

/// The driver's side of waking: one call for everybody who waits; an element is a waiter.
fn completion_wake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("completion wake");
    for waiters in [1, 64, 1024] {
        let mut wakes = Wakes::default();
        group.throughput(Throughput::Elements(waiters as u64));
        group.bench_function(format!("{waiters} waiters"), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    wakes.register(waiters, Waker::noop());
                    let begin = Instant::now();
                    wakes.complete();
                    spent += begin.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

/// Memory taken, data copied, memory given back.
fn staging_copy(criterion: &mut Criterion) {
    let device = Device::builder().selector("software").parameters(Parameters::zero()).open();
    let device = device.expect("a software adapter opens");
    let mut group = criterion.benchmark_group("staging copy");
    for bytes in [1 << 10, 64 << 10] {
        let data = vec![7u8; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("{} KiB", bytes >> 10), |bencher| {
            bencher.iter(|| stage(&device, black_box(&data)).expect("staging memory"));
        });
    }
    group.finish();
}

criterion_group!(pieces, enqueue, completion_wake, staging_copy);
criterion_main!(pieces);

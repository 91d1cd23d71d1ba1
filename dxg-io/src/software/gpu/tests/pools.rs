//! The worker pool: the same results, no conflicting launches at the same time.

use std::sync::atomic::{AtomicBool, AtomicU32};

use super::*;
use crate::software::packet::CopyEntry;

/// A kernel whose result depends on every detail of order within a block.
fn mix() -> RustKernel {
    RustKernel::new("mix").read::<f32>().write::<f32>().body(|cx| {
        let x = cx.read::<f32>(0)?;
        let start = cx.chunk_start(1)?;
        for (index, y) in cx.write::<f32>(1)?.iter_mut().enumerate() {
            for step in 0..8 {
                *y = (*y * 1.000_1 + x[(start + index * 7 + step) % x.len()]).sin();
            }
        }
        Ok(())
    })
}

fn mixed(inline_limit_ns: u64, workers: usize) -> Vec<u32> {
    let parameters =
        GpuParameters { inline_limit_ns, workers, video_memory_bytes: 1 << 23, ..GpuParameters::default() };
    let bench = Bench::with(parameters, true);
    let kernel = bench.kernels.register(mix());
    let (x, y) = (bench.alloc(4), bench.alloc(16));
    x.write(&(0..4096).map(|i| i as f32 * 0.37).collect::<Vec<_>>());
    for round in 0..3u64 {
        bench.submit(|writer| {
            let mut dispatch = writer.dispatch(kernel.0).expect("room");
            for item in 0..16u64 {
                // Some items of a stream follow each other, some overlap the ones before.
                let va = y.va + item * 4096 - if item % 5 == 4 { 1024 } else { 0 };
                let args = Args::default().read(&x, 16384).range(va, 4096, Access::WRITE);
                dispatch.item(&args.item((item / 2) as u32, round * 16 + item + 1, 1 + item as u32)).expect("room");
            }
        });
    }
    assert_eq!((bench.fault(), bench.status().failures), (None, 0));
    y.read::<u32>(16384)
}

#[test]
fn results_are_the_same_bit_for_bit() {
    let inline = mixed(u64::MAX, 1);
    assert!(inline.iter().any(|bits| *bits != 0));
    for (limit, workers) in [(0, 1), (0, 2), (0, 5), (3_000, 3)] {
        assert!(mixed(limit, workers) == inline, "limit {limit} ns, {workers} workers");
    }
}

#[test]
fn failures_on_the_pool_are_recorded_in_order() {
    let bench = Bench::with(
        GpuParameters { inline_limit_ns: 0, video_memory_bytes: 1 << 22, ..GpuParameters::default() },
        true,
    );
    let kernel = bench.kernels.register(failing());
    bench.launch(kernel, 0, 1, 4, &Args::default().scalar(0u32));
    bench.submit(|writer| {
        let mut dispatch = writer.dispatch(kernel.0).expect("room");
        for (tag, stream, what) in [(10, 0, 0u32), (11, 1, 1), (12, 2, 2), (13, 1, 2), (14, 0, 1)] {
            dispatch.item(&Args::default().scalar(what).item(stream, tag, 8)).expect("room");
        }
    });
    assert_eq!([0, 1, 2].map(|stream| bench.poison(stream)), [14, 11, 12]);
    let status = bench.status();
    assert_eq!((status.failures, status.first.op_tag), (3, 11));
}

#[test]
fn conflicting_launches_do_not_run_at_the_same_time() {
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    static OVERLAPPED: AtomicBool = AtomicBool::new(false);
    let bench = Bench::new();
    let kernel = bench.kernels.register(RustKernel::new("exclusive").write_whole::<u32>().body(|cx| {
        if INSIDE.fetch_add(1, Ordering::SeqCst) != 0 {
            OVERLAPPED.store(true, Ordering::SeqCst);
        }
        std::thread::sleep(std::time::Duration::from_millis(3));
        cx.write::<u32>(0)?[0] += 1;
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }));
    let y = bench.alloc(1);
    let args = Args::default().write(&y, 4);
    bench.launch(kernel, 0, 1, 1, &args);
    let z = bench.alloc(1);
    let work: Vec<_> = (0..4)
        .map(|number| {
            let fence = bench.fence(DEVICE);
            let queue = bench.gpu.create_queue(DEVICE, Some(fence), EngineKind::Compute).expect("a device");
            let bytes = bench.encode(bench.header(), |writer| {
                writer.dispatch(kernel.0).expect("room").item(&args.item(0, 2, 2)).expect("room");
                let copy = CopyEntry { op_tag: 3, stream: 0, src: y.va, dst: z.va + 4 * number, len: 4 };
                writer.copy().expect("room").entry(copy).expect("room");
            });
            let buffer = bench.alloc(1);
            buffer.write(&bytes);
            let item = QueueItem::Execute { command_buffer: buffer.va, length: bytes.len() as u32, fence_value: 1 };
            bench.gpu.enqueue(queue, item, 0).expect("the device works");
            (fence, buffer)
        })
        .collect();
    bench.gpu.run(bench.now());
    work.iter().for_each(|(fence, _)| bench.wait(*fence, 1));
    assert!(!OVERLAPPED.load(Ordering::SeqCst));
    assert_eq!(y.read::<u32>(1), [9]);
    // A copy never saw half of a launch of two blocks.
    assert!(z.read::<u32>(4).iter().all(|value| value % 2 == 1 && *value > 1), "{:?}", z.read::<u32>(4));
}

#[test]
fn conflicting_items_of_one_dispatch_run_one_after_another() {
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    static OVERLAPPED: AtomicBool = AtomicBool::new(false);
    let parameters =
        GpuParameters { inline_limit_ns: 0, workers: 4, video_memory_bytes: 1 << 22, ..GpuParameters::default() };
    let bench = Bench::with(parameters, true);
    let kernel = bench.kernels.register(RustKernel::new("exclusive").write::<u32>().body(|cx| {
        if INSIDE.fetch_add(1, Ordering::SeqCst) != 0 {
            OVERLAPPED.store(true, Ordering::SeqCst);
        }
        std::thread::sleep(std::time::Duration::from_micros(500));
        cx.write::<u32>(0)?[0] += 1;
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }));
    let y = bench.alloc(1);
    for round in 0..2 {
        bench.submit(|writer| {
            let mut dispatch = writer.dispatch(kernel.0).expect("room");
            for stream in 0..8 {
                let args = Args::default().range(y.va, 4 + 4 * u64::from(stream), Access::WRITE);
                dispatch.item(&args.item(stream, 1 + round * 8 + u64::from(stream), 1)).expect("room");
            }
        });
    }
    assert!(!OVERLAPPED.load(Ordering::SeqCst));
    assert_eq!(y.read::<u32>(1), [16]);
}

#[test]
fn a_long_launch_does_not_hold_up_other_queues() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(sleeper());
    let (a, b) = (bench.alloc(1), bench.alloc(1));
    bench.launch(kernel, 0, 1, 1, &Args::default().scalar(1u32).write(&a, 4));
    let args = Args::default().scalar(300u32).write(&a, 4);
    let long = bench.enqueue(|writer| {
        writer.dispatch(kernel.0).expect("room").item(&args.item(0, 2, 1)).expect("room");
    });
    bench.gpu.run(bench.now());
    let fence = bench.fence(DEVICE);
    let queue = bench.gpu.create_queue(DEVICE, Some(fence), EngineKind::Compute).expect("a device");
    let axpy = bench.kernels.register(saxpy());
    let args = Args::default().scalar(1.0f32).read(&b, 4).range(b.va + 64, 4, Access::WRITE);
    let bytes = bench.encode(bench.header(), |writer| {
        writer.dispatch(axpy.0).expect("room").item(&args.item(1, 3, 1)).expect("room");
    });
    let buffer = bench.alloc(1);
    buffer.write(&bytes);
    let item = QueueItem::Execute { command_buffer: buffer.va, length: bytes.len() as u32, fence_value: 1 };
    bench.gpu.enqueue(queue, item, 0).expect("the device works");
    bench.gpu.run(bench.now());
    bench.wait(fence, 1);
    assert!(bench.gpu.fence_value(bench.progress).is_some_and(|value| value < long));
    bench.wait(bench.progress, long);
}

#[test]
fn memory_freed_under_a_launch_goes_back_when_it_ends() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(sleeper());
    let y = bench.alloc(1);
    bench.launch(kernel, 0, 1, 1, &Args::default().scalar(1u32).write(&y, 4));
    let used = bench.gpu.memory_usage().video_used;
    let args = Args::default().scalar(50u32).write(&y, 4);
    let value = bench.enqueue(|writer| {
        writer.dispatch(kernel.0).expect("room").item(&args.item(0, 2, 1)).expect("room");
    });
    bench.gpu.run(bench.now());
    bench.gpu.free_va(PROCESS, y.va, 4096).expect("mapped");
    drop(y);
    assert_eq!(bench.gpu.memory_usage().video_used, used);
    bench.wait(bench.progress, value);
    assert_eq!(bench.gpu.memory_usage().video_used, used - 4096);
    assert_eq!(bench.fault(), None);
}

#[test]
fn an_unregistered_kernel_ends_its_running_launch() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(sleeper());
    let y = bench.alloc(1);
    bench.launch(kernel, 0, 1, 1, &Args::default().scalar(1u32).write(&y, 4));
    let args = Args::default().scalar(30u32).write(&y, 4);
    let value = bench.enqueue(|writer| {
        writer.dispatch(kernel.0).expect("room").item(&args.item(0, 2, 1)).expect("room");
    });
    bench.gpu.run(bench.now());
    bench.kernels.unregister(kernel);
    bench.wait(bench.progress, value);
    assert_eq!((y.read::<u32>(1), bench.poison(0)), (vec![2], 0));
}

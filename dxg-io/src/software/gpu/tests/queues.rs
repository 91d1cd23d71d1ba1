//! Queues, fences between them, modelled time.

use super::*;

fn one(fence: FenceKey, value: u64) -> SmallVec<[(FenceKey, u64); 4]> {
    SmallVec::from_slice(&[(fence, value)])
}

fn events(bench: &Bench) -> Vec<u64> {
    bench.events.cpu.lock().expect("whole").iter().map(|(event, _)| *event).collect()
}

#[test]
fn items_of_a_queue_run_in_order_and_waits_hold_it() {
    let bench = Bench::new();
    let (gate, done) = (bench.fence(DEVICE), bench.fence(DEVICE));
    let context = bench.gpu.create_queue(DEVICE, None, EngineKind::Compute).expect("a device");
    let mut both = one(gate, 2);
    both.push((bench.progress, 1000));
    for item in [
        QueueItem::CpuEvent { event: 1 },
        QueueItem::Wait { fences: both },
        QueueItem::Signal { fences: one(done, 5), allow_rewind: false },
        QueueItem::CpuEvent { event: 2 },
    ] {
        bench.gpu.enqueue(context, item, 0).expect("the device works");
    }
    assert_eq!(bench.gpu.run(0), None);
    assert_eq!(events(&bench), [1]);
    bench.gpu.signal_from_cpu(gate, 2, false, 0).expect("upwards");
    bench.gpu.run(0);
    assert_eq!((bench.gpu.fence_value(done), events(&bench)), (Some(0), vec![1]));
    bench.submit(|_| {});
    assert_eq!((bench.gpu.fence_value(done), events(&bench)), (Some(5), vec![1, 2]));
}

#[test]
fn queues_wait_for_each_other_both_ways() {
    let bench = Bench::new();
    let queues: Vec<_> =
        (0..2).map(|_| bench.gpu.create_queue(DEVICE, None, EngineKind::Compute).expect("a device")).collect();
    let fences = [bench.fence(DEVICE), bench.fence(DEVICE)];
    for round in 1..=50 {
        for side in 0..2 {
            let previous = if side == 0 { round - 1 } else { round };
            let wait = QueueItem::Wait { fences: one(fences[1 - side], previous) };
            bench.gpu.enqueue(queues[side], wait, 0).expect("the device works");
            let signal = QueueItem::Signal { fences: one(fences[side], round), allow_rewind: false };
            bench.gpu.enqueue(queues[side], signal, 0).expect("the device works");
        }
    }
    bench.gpu.run(0);
    assert_eq!(fences.map(|fence| bench.gpu.fence_value(fence)), [Some(50); 2]);
}

#[test]
fn cpu_signals_only_go_up_unless_told() {
    let bench = Bench::new();
    let fence = bench.fence(DEVICE);
    assert_eq!(bench.gpu.signal_from_cpu(fence, 5, false, 0), Ok(()));
    assert_eq!(bench.gpu.signal_from_cpu(fence, 4, false, 0), Err(GpuError::InvalidParameter));
    assert_eq!(bench.gpu.signal_from_cpu(fence, 4, true, 0), Ok(()));
    assert_eq!(bench.gpu.signal_from_cpu(FenceKey(99), 4, true, 0), Err(GpuError::InvalidHandle));
    assert_eq!(bench.gpu.wait_from_cpu(&[(FenceKey(99), 1)], false, 1, 0), Err(GpuError::InvalidHandle));
    bench.gpu.wait_from_cpu(&[(fence, 4)], false, 1, 0).expect("a fence");
    bench.gpu.wait_from_cpu(&[(fence, 9)], false, 2, 0).expect("a fence");
    assert_eq!(events(&bench), [1]);
    bench.gpu.destroy_fence(fence, 0);
    assert_eq!(events(&bench), [1, 2]);
    assert_eq!(bench.gpu.fence_value(fence), None);
    assert!(bench.gpu.fence_pages(fence).is_none());
}

#[test]
fn destroying_a_fence_releases_a_queue() {
    let bench = Bench::new();
    let fence = bench.fence(DEVICE);
    bench.gpu.enqueue(bench.queue, QueueItem::Wait { fences: one(fence, 1) }, 0).expect("the device works");
    bench.gpu.enqueue(bench.queue, QueueItem::CpuEvent { event: 1 }, 0).expect("the device works");
    bench.gpu.run(0);
    bench.gpu.destroy_fence(fence, 0);
    bench.gpu.run(0);
    assert_eq!(events(&bench), [1]);
}

#[test]
fn nobody_looks_for_signals_of_others_once_the_fence_is_gone() {
    let bench = Bench::new();
    let request = FenceRequest { initial: 0, device: DEVICE, keep_value_on_loss: false };
    let fence = bench.gpu.create_shareable_fence(request).expect("memory");
    bench.gpu.watch_fence(fence);
    bench.gpu.enqueue(bench.queue, QueueItem::Wait { fences: one(fence, 1) }, 0).expect("the device works");
    bench.gpu.run(0);
    let look = bench.gpu.run(0).expect("a look at what others signal");
    bench.gpu.destroy_fence(fence, look);
    // A deadline that has passed would keep whoever plays the host there forever.
    assert_eq!(bench.gpu.run(look), None);
}

#[test]
fn destroyed_queues_and_devices_drop_their_work() {
    let bench = Bench::new();
    let gate = bench.fence(DEVICE);
    let queue = bench.gpu.create_queue(DEVICE, None, EngineKind::Compute).expect("a device");
    for queue in [queue, bench.queue] {
        bench.gpu.enqueue(queue, QueueItem::Wait { fences: one(gate, 1) }, 0).expect("the device works");
        bench.gpu.enqueue(queue, QueueItem::CpuEvent { event: queue.0 }, 0).expect("the device works");
    }
    bench.gpu.run(0);
    bench.gpu.destroy_queue(queue);
    bench.gpu.destroy_device(DEVICE);
    bench.gpu.signal_from_cpu(gate, 1, false, 0).expect("upwards");
    bench.gpu.run(0);
    assert_eq!(events(&bench), []);
    let gone = bench.gpu.enqueue(queue, QueueItem::CpuEvent { event: 1 }, 0);
    assert_eq!(gone, Err(GpuError::InvalidHandle));
    assert_eq!(bench.gpu.create_queue(DEVICE, None, EngineKind::Copy), Err(GpuError::InvalidHandle));
}

#[test]
fn modelled_time_is_a_deadline() {
    let bench =
        Bench::with(GpuParameters { launch_ns: 580, video_memory_bytes: 1 << 22, ..GpuParameters::default() }, false);
    bench.time.store(1_000, Ordering::SeqCst);
    let (memory, entries) = (bench.alloc(1), 3);
    let value = bench.enqueue(|writer| {
        for index in 0..entries {
            let entry = crate::software::packet::FillEntry {
                op_tag: 1,
                stream: 0,
                pattern_len: 1,
                dst: memory.va + index,
                len: 1,
                pattern: 7,
            };
            writer.fill().expect("room").entry(entry).expect("room");
            writer.progress(index + 1).expect("room");
        }
        writer.timestamp(memory.va + 8).expect("room");
    });
    bench.gpu.enqueue(bench.queue, QueueItem::CpuEvent { event: 9 }, 1_000).expect("the device works");
    let at = |time: u64| {
        bench.time.store(time, Ordering::SeqCst);
        (bench.gpu.run(time), bench.gpu.fence_value(bench.progress).expect("it exists"))
    };
    assert_eq!(at(1_000), (Some(1_580), 0));
    assert_eq!(at(1_579), (Some(1_580), 0));
    assert_eq!(at(1_580), (Some(2_160), 1));
    // Real time that has passed counts: the third starts late.
    assert_eq!(at(5_000), (Some(5_580), 2));
    assert_eq!(at(5_580), (None, value));
    assert_eq!(*bench.events.cpu.lock().expect("whole"), [(9, 5_580)]);
    assert_eq!(memory.read::<u64>(2), [0x07_07_07, 5_580]);
}

#[test]
fn the_work_of_others_goes_on_while_one_thread_is_inside() {
    let bench = Arc::new(Bench::new());
    let kernel = bench.kernels.register(saxpy());
    let (x, y) = (bench.alloc(1), bench.alloc(1));
    x.write(&[1.0f32]);
    let others: Vec<_> = (0..3)
        .map(|_| {
            let bench = bench.clone();
            std::thread::spawn(move || {
                let fence = bench.fence(DEVICE);
                let queue = bench.gpu.create_queue(DEVICE, None, EngineKind::Compute).expect("a device");
                for value in 1..=500 {
                    let signal = QueueItem::Signal { fences: one(fence, value), allow_rewind: false };
                    bench.gpu.enqueue(queue, signal, 0).expect("the device works");
                    bench.gpu.run(bench.now());
                    bench.wait(fence, value);
                }
            })
        })
        .collect();
    for _ in 0..500 {
        bench.launch(kernel, 0, 1, 1, &Args::default().scalar(1.0f32).read(&x, 4).write(&y, 4));
    }
    others.into_iter().for_each(|thread| thread.join().expect("it ends"));
    assert_eq!(y.read::<f32>(1), [500.0]);
}

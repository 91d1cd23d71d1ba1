//! The backend on the embedded software adapter: work runs, fences advance, failures and losses are told apart, and a
//! batch costs no round trip and no allocation.

use std::sync::atomic::AtomicI32;
use std::time::{Duration, Instant};

use dxg_io::software::kernel::{KernelError, RustKernel};
use dxg_io::software::{Parameters, SoftwareAdapter};
use dxg_io::sys;
use dxg_scheduler::{CopyKind, EventId, GroupKind, Hazard, Point, Work};
use smallvec::smallvec;

use super::test_batch::batch;
use super::test_rig::{ALLOCATIONS, QUEUES, Rig, Stalled, copy, launch, readable, scale, words};
use super::*;
use crate::error::LostReason;
use crate::op::{KeepAlive, OpKind};
use crate::selector::DeviceKind;

/// Copies in, launches twice on different halves in one wave, copies out, and compares.
fn computes(rig: &mut Rig) {
    let kernel = rig.kernel(scale());
    let host = rig.backend.allocate_host(8192).expect("host memory");
    let device = rig.backend.allocate_device(8192).expect("device memory");
    for (index, word) in words(&host, 1000).iter_mut().enumerate() {
        *word = index as u32;
    }
    let (h, d) = (host.device_address, device.address);
    let fence = rig.fences[1] + 1;
    rig.fences[1] += 2;
    let launches = vec![launch(&kernel, 4, d, 2000, 3), launch(&kernel, 2, d + 2000, 2000, 5)];
    let mut batch = batch(vec![
        (None, vec![copy(CopyKind::HostToDevice, h, d, 4000)]),
        (Some(fence), vec![(GroupKind::Launch, launches)]),
        (Some(fence + 1), vec![copy(CopyKind::DeviceToHost, d, h + 4096, 4000)]),
    ]);
    batch.queue = QueueId(1);
    rig.backend.submit(&batch).expect("submits");
    rig.backend.wait_blocking(batch.queue, batch.fence, false).expect("completes");
    let out = &words(&host, 2024)[1024..];
    for (index, word) in out.iter().enumerate() {
        let factor = if index < 500 { 3 } else { 5 };
        assert_eq!(*word, index as u32 * factor, "element {index}");
    }
    assert_eq!(rig.backend.progress(QueueId(1)), fence + 1);
    assert_eq!(rig.backend.take_failure(QueueId(1)), None);
    assert!(rig.backend.health().is_ok());
}

#[test]
fn a_batch_computes_without_latencies() {
    computes(&mut Rig::new(Parameters::zero()));
}

#[test]
fn a_batch_computes_with_latencies() {
    computes(&mut Rig::new(Parameters::default()));
}

#[test]
fn queues_wait_for_each_other() {
    let mut rig = Rig::new(Parameters::default());
    let slow = rig.kernel(RustKernel::new("slow").write::<u32>().scalar::<u32>().body(|cx| {
        std::thread::sleep(Duration::from_millis(5));
        cx.write::<u32>(0)?[0] += 1;
        Ok(())
    }));
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let time = |index: u64| {
        let work = Work::Record { event: EventId(0), timed: true };
        vec![(
            GroupKind::Timestamp,
            vec![(
                work,
                OpKind::Record { timestamp: host.device_address + 64 + 8 * index, held: KeepAlive::new() },
                Hazard::Ordered,
            )],
        )]
    };
    // The first rounds let the engine learn that the kernel is slow: from then on other queues could overtake it.
    for _ in 0..5 {
        let launches = vec![(GroupKind::Launch, vec![launch(&slow, 1, host.device_address, 4, 0)])];
        rig.fences[0] += 1;
        let first = batch(vec![(None, launches), (Some(rig.fences[0]), time(0))]);
        let mut second = rig.wave(1, time(1));
        second.waits = smallvec![(QueueId(0), first.fence)];
        rig.backend.submit(&first).expect("submits");
        rig.backend.submit(&second).expect("submits");
        rig.backend.wait_blocking(QueueId(1), second.fence, true).expect("completes");
        rig.backend.wait_blocking(QueueId(0), first.fence, true).expect("completes");
        // SAFETY: the chunk is page-aligned and longer, and nothing is in flight.
        let times = unsafe { host.ptr.add(64).cast::<[u64; 2]>().read() };
        assert!(times[0] <= times[1], "the second queue overtook the first: {times:?}");
    }
}

#[test]
fn a_steady_batch_costs_no_round_trip_and_no_allocation() {
    let mut rig = Rig::new(Parameters::default());
    assert_eq!(rig.backend.execution.as_ref().map(|e| e.sleeper.kind()), Some(ArmKind::Posted));
    let kernel = rig.kernel(scale());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let mut first = rig.wave(0, vec![(GroupKind::Launch, vec![launch(&kernel, 1, host.device_address, 64, 1)])]);
    let mut second =
        rig.wave(1, vec![copy(CopyKind::DeviceToDevice, host.device_address, host.device_address + 64, 64)]);
    let mut round = |rig: &mut Rig| {
        for batch in [&mut first, &mut second] {
            rig.fences[usize::from(batch.queue.0)] += 1;
            batch.fence = rig.fences[usize::from(batch.queue.0)];
            batch.waves[0].progress = Some(batch.fence);
        }
        second.waits = smallvec![(QueueId(0), first.fence)];
        rig.backend.submit(&first).expect("submits");
        rig.backend.submit(&second).expect("submits");
        // Sleep until it is done, as the driver does.
        rig.backend.arm(QueueId(1), second.fence).expect("arms");
        let started = Instant::now();
        while rig.backend.progress(QueueId(1)) < second.fence {
            assert!(started.elapsed() < Duration::from_secs(10), "the event never came");
            readable(rig.backend.event_fd(), 100);
        }
        rig.backend.drain_event();
        assert!(rig.backend.health().is_ok());
        assert_eq!(rig.backend.take_failure(QueueId(1)), None);
    };
    // The counter counts.
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.get() - before, 1);
    for _ in 0..100 {
        round(&mut rig);
    }
    let (traffic, allocations) = (rig.backend.traffic(), ALLOCATIONS.get());
    for _ in 0..100 {
        round(&mut rig);
    }
    let after = rig.backend.traffic();
    assert_eq!(after.round_trips - traffic.round_trips, 0);
    assert_eq!(ALLOCATIONS.get() - allocations, 0);
    // Two submissions, at most one wait between queues, the armed wait and its signal.
    let posted = after.posted - traffic.posted;
    assert!((400..=500).contains(&posted), "{posted}");
}

#[test]
fn a_blocking_wait_is_one_round_trip_and_a_spinning_one_none() {
    let mut rig = Rig::new(Parameters::default());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let group = || vec![copy(CopyKind::DeviceToDevice, host.device_address, host.device_address + 64, 64)];
    for (spin, expected) in [(false, 20), (true, 0)] {
        let before = rig.backend.traffic().round_trips;
        for _ in 0..20 {
            let batch = rig.wave(1, group());
            rig.backend.submit(&batch).expect("submits");
            rig.backend.wait_blocking(batch.queue, batch.fence, spin).expect("completes");
        }
        assert_eq!(rig.backend.traffic().round_trips - before, expected, "spin: {spin}");
    }
}

#[test]
fn the_submission_says_what_it_took_of_the_ring() {
    let mut rig = Rig::new(Parameters::zero());
    let mut batch = rig.wave(0, vec![]);
    let before = rig.backend.traffic().ring_bytes;
    let submitted = rig.backend.submit(&batch).expect("submits");
    assert_eq!(rig.backend.traffic().ring_bytes - before, u64::from(submitted.ring_bytes));
    // A wait for a value that nobody submitted yet is a message of its own.
    batch.queue = QueueId(1);
    batch.waits = smallvec![(QueueId(0), 2)];
    let before = rig.backend.traffic();
    let submitted = rig.backend.submit(&batch).expect("submits");
    let after = rig.backend.traffic();
    assert_eq!(after.posted - before.posted, 2);
    assert_eq!(after.ring_bytes - before.ring_bytes, u64::from(submitted.ring_bytes));
}

#[test]
fn a_full_command_ring_says_busy_and_recovers() {
    let mut rig = Rig::new(Parameters::zero());
    let kernel = rig.kernel(scale());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let ring = rig.backend.execution.as_ref().expect("executes").ring_bytes();
    let launches = || (0..500).map(|_| launch(&kernel, 1, host.device_address, 4, 1)).collect();
    let stalled = Stalled::new(&rig.adapter);
    let mut accepted = 0;
    let batch = loop {
        let batch = rig.wave(0, vec![(GroupKind::Launch, launches())]);
        match rig.backend.submit(&batch) {
            Ok(_) => accepted += 1,
            Err(SubmitError::Busy) => break batch,
            Err(other) => panic!("{other:?}"),
        }
        assert!(accepted * 40_000 < ring, "never full");
    };
    assert!(accepted >= 2, "{accepted}");
    assert!(matches!(rig.backend.submit(&batch), Err(SubmitError::Busy)), "still full");
    drop(stalled);
    rig.backend.wait_blocking(QueueId(0), batch.fence - 1, false).expect("what was accepted completes");
    rig.backend.submit(&batch).expect("room again");
    rig.backend.wait_blocking(QueueId(0), batch.fence, false).expect("completes");
}

#[test]
fn a_batch_larger_than_the_ring_gets_memory_of_its_own() {
    let mut rig = Rig::new(Parameters::zero());
    let kernel = rig.kernel(scale());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    words(&host, 1)[0] = 1;
    let ring = rig.backend.execution.as_ref().expect("executes").ring_bytes();
    // Each launch takes at least 64 bytes, and only the last one changes anything.
    let count = ring / 64;
    for round in 1..=2 {
        let mut launches: Vec<_> = (0..count).map(|_| launch(&kernel, 1, host.device_address, 4, 1)).collect();
        launches.push(launch(&kernel, 1, host.device_address, 4, 3));
        let before = rig.backend.memory_usage().host_bytes;
        rig.run(0, vec![(GroupKind::Launch, launches)]);
        assert_eq!(words(&host, 1)[0], 3_u32.pow(round));
        let grown = rig.backend.memory_usage().host_bytes - before;
        assert_eq!(grown > 0, round == 1, "the memory is kept for the next large batch");
    }
}

#[test]
fn without_events_from_contexts_a_cpu_wait_serves() {
    let errno = Arc::new(AtomicI32::new(libc::EINVAL));
    let refused = sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2;
    let mut rig = Rig::refusing(Parameters::default(), refused, &errno);
    let host = rig.backend.allocate_host(4096).expect("host memory");
    for _ in 0..5 {
        let batch =
            rig.wave(0, vec![copy(CopyKind::DeviceToDevice, host.device_address, host.device_address + 64, 64)]);
        rig.backend.submit(&batch).expect("submits");
        let before = rig.backend.traffic().round_trips;
        assert_eq!(rig.backend.arm(batch.queue, batch.fence).expect("arms"), ArmKind::CpuWait);
        assert_eq!(rig.backend.traffic().round_trips - before, 1);
        assert!(readable(rig.backend.event_fd(), 10_000), "no event");
        assert!(rig.backend.drain_event());
        assert!(!rig.backend.drain_event(), "drained");
        assert!(rig.backend.progress(batch.queue) >= batch.fence);
    }
    assert!(!rig.backend.info().posted_wake_up);
}

#[test]
fn a_failing_kernel_poisons_its_stream_only() {
    let mut rig = Rig::new(Parameters::zero());
    let failing = rig.kernel(
        RustKernel::new("failing")
            .write::<u32>()
            .scalar::<u32>()
            .body(|_| Err(KernelError::Failed("the input makes no sense".into()))),
    );
    let good = rig.kernel(scale());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    words(&host, 64).fill(1);
    let address = host.device_address;
    // Tickets count from 1 and the stream is the ticket modulo 4: the failing one is ticket 1 of stream 1.
    rig.run(0, vec![(GroupKind::Launch, vec![launch(&failing, 1, address, 4, 0)])]);
    let failure = rig.backend.take_failure(QueueId(0)).expect("it failed");
    assert_eq!((failure.ticket, failure.stream), (Ticket(1), StreamId(1)));
    assert!(failure.message.contains("makes no sense"), "{}", failure.message);
    assert_eq!(rig.backend.take_failure(QueueId(0)), None);
    assert_eq!(rig.backend.stream_poisoned(StreamId(1)), Some(Ticket(1)));
    // The next operation of stream 1 is skipped, that of stream 2 runs; stream 3 waits for stream 1 and is poisoned.
    let wait = Work::Wait { event: EventId(0), source: Some(Point { stream: StreamId(1), ticket: Ticket(1) }) };
    rig.run(0, vec![(GroupKind::Launch, vec![launch(&good, 1, address, 4, 7), launch(&good, 1, address + 4, 4, 7)])]);
    rig.run(
        0,
        vec![
            (
                GroupKind::None,
                vec![
                    (Work::Marker, OpKind::Marker(KeepAlive::new()), Hazard::Ordered),
                    (Work::Marker, OpKind::Marker(KeepAlive::new()), Hazard::Ordered),
                ],
            ),
            (GroupKind::Depend, vec![(wait, OpKind::Wait(KeepAlive::new()), Hazard::Ordered)]),
        ],
    );
    assert_eq!(words(&host, 2), [1, 7]);
    assert_eq!(rig.backend.stream_poisoned(StreamId(3)), Some(Ticket(3)), "its failure begins with the wait");
    assert_eq!(rig.backend.stream_poisoned(StreamId(2)), None);
    rig.backend.clear_poison(StreamId(1));
    rig.run(0, vec![(GroupKind::Launch, vec![launch(&good, 1, address, 4, 7)])]);
    assert_eq!(words(&host, 1), [7]);
    assert!(rig.backend.health().is_ok());
}

#[test]
fn a_bad_address_loses_the_device_and_is_never_success() {
    let mut rig = Rig::new(Parameters::zero());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let batch = rig.wave(0, vec![copy(CopyKind::DeviceToDevice, 0x7_0000, host.device_address, 64)]);
    match rig.backend.submit(&batch) {
        Ok(_) | Err(SubmitError::Lost(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
    for spin in [false, true] {
        let error = rig.backend.wait_blocking(batch.queue, batch.fence, spin).expect_err("not success");
        assert!(error.is_device_lost(), "{error}");
    }
    let cause = rig.backend.health().expect_err("lost");
    assert!(matches!(cause.reason, LostReason::PageFault { address } if address / 4096 == 0x70), "{cause:?}");
    assert_eq!(cause.operation, Some(1));
    assert!(rig.backend.progress(QueueId(0)) > batch.fence, "the fence went to the maximum");
    let next = rig.wave(1, vec![]);
    assert!(matches!(rig.backend.submit(&next), Ok(_) | Err(SubmitError::Lost(_))));
    assert!(rig.backend.wait_blocking(QueueId(1), next.fence, false).is_err());
}

#[test]
fn a_kernel_beyond_the_time_limit_loses_the_device() {
    let mut rig = Rig::new(Parameters { tdr_ms: 40.0, ..Parameters::zero() });
    let slow = rig.kernel(RustKernel::new("slow").write::<u32>().scalar::<u32>().body(|cx| {
        std::thread::sleep(Duration::from_millis(200));
        cx.write::<u32>(0)?[0] = 9;
        Ok(())
    }));
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let batch = rig.wave(0, vec![(GroupKind::Launch, vec![launch(&slow, 1, host.device_address, 4, 0)])]);
    match rig.backend.submit(&batch) {
        Ok(_) | Err(SubmitError::Lost(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
    let error = rig.backend.wait_blocking(batch.queue, batch.fence, false).expect_err("not success");
    assert!(error.is_device_lost(), "{error}");
    let cause = rig.backend.health().expect_err("lost");
    assert_eq!(cause.reason, LostReason::Timeout, "{cause}");
    assert_eq!(cause.operation, Some(1));
    // The kernel may still run: its memory must not vanish under it, and the next device works.
    drop(host);
    drop(batch);
    drop(rig);
    computes(&mut Rig::new(Parameters::zero()));
    std::thread::sleep(Duration::from_millis(250));
}

#[test]
fn a_timestamp_is_written_when_its_wave_runs() {
    let mut rig = Rig::new(Parameters::default());
    let host = rig.backend.allocate_host(4096).expect("host memory");
    let record = |index: u64| {
        let work = Work::Record { event: EventId(0), timed: true };
        vec![(
            GroupKind::Timestamp,
            vec![(
                work,
                OpKind::Record { timestamp: host.device_address + 8 * index, held: KeepAlive::new() },
                Hazard::Ordered,
            )],
        )]
    };
    rig.run(0, record(0));
    std::thread::sleep(Duration::from_millis(5));
    rig.run(1, record(1));
    // SAFETY: the chunk is page-aligned and longer, and nothing is in flight.
    let times = unsafe { host.ptr.cast::<[u64; 2]>().read() };
    let elapsed = times[1].wrapping_sub(times[0]);
    assert!((5_000_000..5_000_000_000).contains(&elapsed), "{elapsed} ns of at least 5 ms: {times:?}");
}

#[test]
fn a_host_without_asynchronous_messages_works_too() {
    let mut rig = Rig::new(Parameters::sync_v27());
    assert!(!rig.backend.info().async_messages);
    assert!(!rig.backend.info().posted_wake_up, "a CPU wait is one round trip, wait and signal are two");
    computes(&mut rig);
    assert!(Rig::new(Parameters::zero()).backend.info().async_messages);
}

#[test]
fn a_removed_adapter_is_a_lost_device() {
    let mut rig = Rig::new(Parameters::zero());
    rig.adapter.remove_adapter();
    let batch = rig.wave(0, vec![]);
    match rig.backend.submit(&batch) {
        Err(SubmitError::Lost(cause)) => assert_eq!(cause.reason, LostReason::Removed, "{cause}"),
        other => panic!("{other:?}"),
    }
    assert!(rig.backend.wait_blocking(QueueId(0), batch.fence, false).is_err());
}

#[test]
fn memory_is_counted_and_returns() {
    let rig = Rig::new(Parameters::zero());
    let before = rig.backend.memory_usage();
    let device = rig.backend.allocate_device(100_000).expect("device memory");
    let host = rig.backend.allocate_host(100_000).expect("host memory");
    let used = rig.backend.memory_usage();
    assert_eq!(used.device_bytes - before.device_bytes, device.len);
    assert_eq!(used.host_bytes - before.host_bytes, host.len as u64);
    assert_eq!((device.len, host.len), (128 << 10, 128 << 10));
    drop((device, host));
    assert_eq!(rig.backend.memory_usage(), before);
    let error = rig.backend.allocate_device(1 << 50).err().expect("no device has that much");
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
}

#[test]
fn a_pool_and_a_cache_over_the_backend() {
    let rig = Rig::new(Parameters::zero());
    let backend: Arc<dyn Backend> = rig.backend.clone();
    let pool = crate::memory::pool::MemoryPool::new(backend.clone(), 1 << 20);
    let blocks: Vec<_> = (0..100).map(|_| pool.allocate(5000).expect("room")).collect();
    assert!(pool.usage().chunks < 3);
    drop(blocks);
    assert!(pool.trim() > 0);
    let cache = crate::memory::host::HostCache::new(backend, 1 << 20);
    drop(cache.try_transfer(100_000).expect("memory").expect("room"));
    assert!(cache.trim() > 0);
}

#[test]
fn a_real_node_gives_information_and_points_to_cuda() {
    let adapter = SoftwareAdapter::new(Parameters::zero()).expect("an adapter");
    let options = OpenOptions {
        selector: Selector::new(DeviceKind::Dxg, 0),
        adapter: 0,
        queues: QUEUES,
        batch_bytes: 64 << 10,
        kernels: None,
        block_slots: 0,
        silence_time: crate::limits::SILENCE_TIME,
    };
    // The adapter stands in for the node; without its kernel registry the backend treats it as one.
    let backend = DxgBackend::open(Arc::new(adapter.open().expect("a descriptor")), &options).expect("opens");
    assert!(!backend.info().can_launch);
    assert!(backend.health().is_ok());
    let kernel = ModuleImage::Rust(vec![scale()]);
    let error = backend.load(&[kernel]).err().expect("refused").to_string();
    assert!(error.contains("cuda"), "{error}");
    let SubmitError::Failed(error) = backend.submit(&batch(vec![])).expect_err("refused") else { panic!("not failed") };
    assert!(error.to_string().contains("cuda"), "{error}");
    assert!(backend.allocate_device(64).is_err());
}

#[test]
fn a_missing_adapter_is_named() {
    let adapter = SoftwareAdapter::new(Parameters::zero()).expect("an adapter");
    let options = OpenOptions {
        selector: Selector::new(DeviceKind::Dxg, 7),
        adapter: 7,
        queues: 1,
        batch_bytes: 0,
        kernels: None,
        block_slots: 0,
        silence_time: crate::limits::SILENCE_TIME,
    };
    let error =
        DxgBackend::open(Arc::new(adapter.open().expect("a descriptor")), &options).err().expect("no adapter 7");
    assert!(matches!(error, Error::NoDevice { .. }), "{error}");
    assert!(error.to_string().contains("dxg:7"), "{error}");
}

#[test]
fn a_closed_device_refuses_work() {
    let mut rig = Rig::new(Parameters::zero());
    computes(&mut rig);
    rig.backend.close();
    let error = rig.backend.submit(&batch(vec![])).expect_err("closed");
    assert!(matches!(error, SubmitError::Failed(Error::ShutDown)), "{error:?}");
}

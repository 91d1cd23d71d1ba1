//! What loses a device, and that nothing else does.

use std::time::Duration;

use super::*;
use crate::software::packet::{CopyEntry, MAGIC};
use proptest::prelude::*;

fn expect_fault(bench: &Bench, reason: FaultReason) -> Fault {
    let fault = bench.fault().expect("the device is lost");
    assert_eq!(fault.reason, reason);
    assert_eq!(*bench.events.lost.lock().expect("whole"), [DEVICE]);
    assert_eq!(bench.gpu.fence_value(bench.progress), Some(u64::MAX));
    let refused = bench.gpu.enqueue(bench.queue, QueueItem::CpuEvent { event: 1 }, 0);
    assert_eq!(refused, Err(GpuError::DeviceLost));
    fault
}

#[test]
fn bad_addresses_fault() {
    for case in 0..6 {
        let bench = Bench::new();
        let kernel = bench.kernels.register(saxpy());
        let x = bench.alloc(1);
        let read_only = {
            let backing = Backing::Pages(bench.gpu.video_memory().allocate(1).expect("room"), 0);
            let request = MapRequest { base: None, min: 0, max: 0, backing, offset_pages: 0, pages: 1, protection: 0 };
            bench.gpu.map_va(PROCESS, request).expect("free")
        };
        let copy = |src, dst| CopyEntry { op_tag: 77, stream: 0, src, dst, len: 8 };
        bench.submit(|writer| match case {
            0 => writer.copy().expect("room").entry(copy(0x10_0000, x.va)).expect("room"),
            1 => writer.copy().expect("room").entry(copy(x.va, 0x10_0000)).expect("room"),
            2 => writer.copy().expect("room").entry(copy(x.va, read_only)).expect("room"),
            3 => {
                let args = Args::default().scalar(1.0f32).read(&x, 4).range(0x10_0000, 4, Access::WRITE);
                writer.dispatch(kernel.0).expect("room").item(&args.item(0, 77, 1)).expect("room");
            }
            4 => writer.timestamp(0x10_0000).expect("room"),
            _ => writer.depend(1 << 20, 2, 0, 1).expect("room"),
        });
        let fault = expect_fault(&bench, FaultReason::BadAddress);
        match case {
            2 => assert_eq!((fault.address, fault.op_tag), (read_only, 77)),
            5 => assert!(bench.fault().is_some()),
            4 => assert_eq!(fault.address, 0x10_0000),
            _ => assert_eq!((fault.address, fault.op_tag), (0x10_0000, 77)),
        }
    }
}

#[test]
fn bad_packets_fault() {
    let bench = Bench::new();
    bench.enqueue_bytes(&[0; 64]);
    bench.gpu.run(0);
    let fault = bench.fault().expect("the device is lost");
    assert!(matches!(fault.reason, FaultReason::BadPacket(what) if what.contains("magic")));
    expect_fault(&bench, fault.reason);

    let bench = Bench::new();
    let item = QueueItem::Execute { command_buffer: 0x9999_0000, length: 64, fence_value: 1 };
    bench.gpu.enqueue(bench.queue, item, 0).expect("the device works");
    bench.gpu.run(0);
    expect_fault(&bench, FaultReason::BadAddress);

    let bench = Bench::new();
    let bytes = bench.encode(Header { status_va: 0x9999_0000, ..Header::default() }, |_| {});
    bench.enqueue_bytes(&bytes);
    bench.gpu.run(0);
    expect_fault(&bench, FaultReason::BadAddress);
}

#[test]
fn work_before_a_bad_packet_is_done() {
    let bench = Bench::new();
    let mut bytes = bench.encode(bench.header(), |writer| {
        writer.progress(5).expect("room");
        writer.timestamp(bench.poison.va + 8).expect("room");
        writer.barrier().expect("room");
    });
    let end = bytes.len();
    bytes[end - 16] = 99;
    bench.enqueue_bytes(&bytes);
    bench.gpu.run(bench.now());
    assert_ne!(bench.poison(1), 0);
    expect_fault(&bench, FaultReason::BadPacket("the opcode is not defined"));
}

#[test]
fn a_failure_that_cannot_be_recorded_faults() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(failing());
    let args = Args::default().scalar(1u32);
    let bytes = bench.encode(Header::default(), |writer| {
        writer.dispatch(kernel.0).expect("room").item(&args.item(0, 7, 1)).expect("room");
    });
    bench.enqueue_bytes(&bytes);
    bench.gpu.run(0);
    assert_eq!(expect_fault(&bench, FaultReason::KernelFault).op_tag, 7);
}

#[test]
fn a_lost_device_leaves_others_and_kept_fences_alone() {
    let bench = Bench::new();
    bench.gpu.create_device(DeviceKey(2), PROCESS);
    let (mine, other) = (bench.fence(DEVICE), bench.fence(DeviceKey(2)));
    let kept = FenceRequest { initial: 3, device: DEVICE, keep_value_on_loss: true };
    let kept = bench.gpu.create_fence(kept).expect("a page");
    bench.gpu.wait_from_cpu(&[(mine, 1)], false, 1, 0).expect("a fence");
    bench.gpu.lose_device(DEVICE, FaultReason::Removed, 0);
    bench.gpu.lose_device(DEVICE, FaultReason::Timeout, 0);
    expect_fault(&bench, FaultReason::Removed);
    let values = [mine, other, kept].map(|fence| bench.gpu.fence_value(fence).expect("it exists"));
    assert_eq!(values, [u64::MAX, 0, 3]);
    assert_eq!(bench.events.cpu.lock().expect("whole").len(), 1);
    let queue = bench.gpu.create_queue(DeviceKey(2), Some(other), EngineKind::Compute).expect("a device");
    let bytes = bench.encode(bench.header(), |_| {});
    bench.command.write(&bytes);
    let item = QueueItem::Execute { command_buffer: bench.command.va, length: bytes.len() as u32, fence_value: 4 };
    bench.gpu.enqueue(queue, item, 0).expect("the device works");
    bench.gpu.run(0);
    assert_eq!(bench.gpu.fence_value(other), Some(4));
    assert_eq!(bench.gpu.device_fault(DeviceKey(2)), None);
}

/// A launch over the limit: on the pool, and on the thread that drives the GPU.
#[test]
fn a_launch_over_the_limit_loses_its_device_while_it_runs() {
    for known in [false, true] {
        let parameters = GpuParameters { tdr_ns: 60_000_000, video_memory_bytes: 1 << 23, ..GpuParameters::default() };
        let bench = Arc::new(Bench::with(parameters, true));
        let kernel = bench.kernels.register(sleeper());
        let y = bench.alloc(1);
        if known {
            // Measured as long: it goes to the pool.
            bench.launch(kernel, 0, 1, 1, &Args::default().scalar(1u32).write(&y, 4));
        }
        bench.gpu.create_device(DeviceKey(2), PROCESS);
        let other = bench.fence(DeviceKey(2));
        let queue = bench.gpu.create_queue(DeviceKey(2), Some(other), EngineKind::Compute).expect("a device");
        let args = Args::default().scalar(1500u32).write(&y, 4);
        // The kernel writes as its last act.
        let ended = || y.read::<u32>(1)[0] > u32::from(known);
        bench.enqueue(|writer| {
            writer.dispatch(kernel.0).expect("room").item(&args.item(0, 42, 1)).expect("room");
        });
        let driver = std::thread::spawn({
            let bench = bench.clone();
            move || bench.gpu.run(bench.now())
        });
        bench.wait(bench.progress, u64::MAX);
        assert!(!ended());
        assert_eq!(expect_fault(&bench, FaultReason::Timeout).op_tag, 42);
        // The other device goes on.
        let memory = bench.alloc(1);
        let bytes = bench.encode(Header::default(), |writer| writer.timestamp(memory.va).expect("room"));
        memory.write(&[0u64]);
        let buffer = bench.alloc(1);
        buffer.write(&bytes);
        let item = QueueItem::Execute { command_buffer: buffer.va, length: bytes.len() as u32, fence_value: 4 };
        bench.gpu.enqueue(queue, item, 0).expect("the device works");
        bench.gpu.run(bench.now());
        bench.wait(other, 4);
        assert!(!ended());
        driver.join().expect("it ends with its launch");
        // Its end changes nothing.
        while !ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(bench.gpu.fence_value(bench.progress), Some(u64::MAX));
        assert_eq!(bench.events.lost.lock().expect("whole").len(), 1);
    }
}

#[test]
fn an_idle_gpu_lets_its_watchdog_sleep() {
    let parameters = GpuParameters { tdr_ns: 20_000_000, video_memory_bytes: 1 << 22, ..GpuParameters::default() };
    let bench = Bench::with(parameters, true);
    for _ in 0..2 {
        bench.submit(|_| {});
        let begin = Instant::now();
        while bench.gpu.shared.is_watching() {
            assert!(begin.elapsed().as_secs() < 10, "the watchdog goes to sleep");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the bytes, the GPU neither panics nor hangs, and either works on or says why not.
    #[test]
    fn hostile_command_buffers_are_survived(
        mut bytes in proptest::collection::vec(any::<u8>(), 32..300),
        opcodes in proptest::collection::vec((0..9u8, 1..4u8), 0..6),
    ) {
        let bench = Bench::with(GpuParameters { video_memory_bytes: 1 << 21, ..GpuParameters::default() }, true);
        bench.kernels.register(saxpy());
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&1u32.to_le_bytes());
        bytes[8..32].fill(0);
        let mut at = 32;
        for (opcode, size) in opcodes {
            if at + 24 <= bytes.len() {
                bytes[at..at + 4].copy_from_slice(&[opcode, 0, 0, 0]);
                bytes[at + 4..at + 8].copy_from_slice(&(u32::from(size) * 16).to_le_bytes());
                bytes[at + 8..at + 16].copy_from_slice(&1u64.to_le_bytes());
            }
            at += usize::from(size) * 16;
        }
        let value = bench.enqueue_bytes(&bytes);
        bench.gpu.run(bench.now());
        bench.wait(bench.progress, value);
        let reached = bench.gpu.fence_value(bench.progress);
        prop_assert_eq!(bench.fault().is_some(), reached == Some(u64::MAX));
    }
}

//! An idle runtime uses no CPU and sends nothing. Alone in its file: any other test in the process would be measured too.

use std::time::Duration;

use dxg_runtime::{Device, Result, args};
use dxg_tests::Kernels;

/// CPU time of all threads of this process so far.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: needed to ask the kernel; `time` is a valid timespec that the call fills.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(answer, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

async fn work(device: &Device) -> Result<()> {
    let (kernels, stream, x) = (Kernels::load(device)?, device.stream()?, device.alloc::<u32>(1024)?);
    for k in 0..200u32 {
        stream.launch(&kernels.stir, 2, args![x.read_write(), k]).await?;
    }
    stream.synchronize().await
}

#[test]
fn an_idle_runtime_uses_no_cpu_and_sends_nothing() {
    // With latencies: the host's thread and the driver's thread both have had something to wait for.
    let device = Device::open("software").unwrap();
    let with_work_behind_it = device.stream().unwrap();
    futures::executor::block_on(work(&device)).unwrap();
    // Retiring freed buffers, and what else follows the last completion.
    std::thread::sleep(Duration::from_millis(100));

    let (before, cpu_before) = (device.stats(), cpu_time());
    std::thread::sleep(Duration::from_millis(300));
    let (passed, cpu) = (device.stats().since(&before), cpu_time() - cpu_before);
    assert_eq!((passed.posted_messages, passed.round_trips, passed.ring_bytes), (0, 0, 0), "{passed:?}");
    assert_eq!(passed.driver_thread_wakes, 0, "{passed:?}");
    // The two readings themselves cost some µs.
    assert!(cpu < Duration::from_millis(2), "{cpu:?} of CPU time in 300 ms of doing nothing");
    drop(with_work_behind_it);
}

//! Dropping things with work in flight: the work completes, and memory is not taken from under it.

use std::time::{Duration, Instant};

use dxg_runtime::{Event, args};

use super::common::{block_on, device, kernels, slow_device};

/// Waits until a condition holds, for as long as a slow machine may take.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn dropped_completions_cancel_nothing() {
    let device = slow_device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    block_on(async {
        stream.fill(&x, 0u32).await.unwrap();
        for _ in 0..100 {
            drop(stream.launch(&kernels.bump, 1, args![x.write()]).await.unwrap());
        }
        // Dropped after it was polled, too.
        for _ in 0..10 {
            let mut done = stream.launch(&kernels.bump, 1, args![x.write()]).await.unwrap();
            assert!(futures::poll!(&mut done).is_pending() || done.is_done());
        }
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [110; 4]);
    });
}

#[test]
fn a_buffer_dropped_in_flight_is_not_given_to_others() {
    let device = slow_device();
    let kernels = kernels(&device);
    let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
    let result = device.alloc::<u32>(1024).unwrap();
    block_on(async {
        for round in 1..20u32 {
            let x = device.alloc::<u32>(1024).unwrap();
            stream.fill(&x, round).await.unwrap();
            stream.launch(&kernels.nap, 1, args![1u32]).await.unwrap();
            stream.copy(&x, &result).await.unwrap();
            drop(x);
            // If the memory came back now, this would overwrite what the copy above has yet to read.
            let thief = device.alloc::<u32>(1024).unwrap();
            other.fill(&thief, 0xdead_beefu32).await.unwrap().await.unwrap();
            assert_eq!(stream.copy_out(&result).await.unwrap().await.unwrap(), vec![round; 1024]);
        }
    });
}

#[test]
fn memory_used_by_address_is_freed_after_what_was_accepted() {
    let device = slow_device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let before = device.memory_info().buffers;
    let x = device.alloc::<u32>(1 << 16).unwrap();
    let address = x.address();
    stream.try_launch(&kernels.nap, 1, args![50u32]).unwrap();
    drop(x);
    let info = device.memory_info();
    assert!(info.retiring >= 4 << 16, "{info:?}");
    let y = device.alloc::<u32>(1 << 16).unwrap();
    assert_ne!(y.address(), address);
    drop(y);
    device.synchronize_blocking().unwrap();
    eventually("the memory comes back", || device.memory_info().buffers == before);
    assert_eq!(device.memory_info().retiring, 0);
}

#[test]
fn memory_comes_back_after_use() {
    let device = device();
    let stream = device.stream().unwrap();
    let start = device.memory_info();
    block_on(async {
        for _ in 0..100 {
            let x = device.alloc::<u8>(1 << 20).unwrap();
            stream.fill(&x, 1u8).await.unwrap();
            drop(stream.copy_out(&x).await.unwrap());
        }
        stream.synchronize().await.unwrap();
    });
    eventually("all buffers are freed", || device.memory_info().buffers == start.buffers);
    eventually("all staging memory is free", || device.memory_info().staging_used == 0);
    assert!(device.memory_info().peak_used >= 1 << 20);
}

#[test]
fn a_stream_dropped_in_flight_completes() {
    let device = slow_device();
    let kernels = kernels(&device);
    let x = device.alloc::<u32>(4).unwrap();
    let mut last = Vec::new();
    for _ in 0..50 {
        let stream = device.stream().unwrap();
        last.push(stream.try_launch(&kernels.bump, 1, args![x.write()]).unwrap());
    }
    for done in last {
        done.wait().unwrap();
    }
    // Ids come back and are used again.
    for _ in 0..200 {
        let stream = device.stream().unwrap();
        stream.try_fill(&x, 1u32).unwrap().wait().unwrap();
    }
}

#[test]
fn a_device_dropped_in_flight_completes_its_work() {
    let device = slow_device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    stream.try_fill(&x, 1u32).unwrap();
    stream.try_launch(&kernels.nap, 1, args![30u32]).unwrap();
    let back = stream.try_copy_out(&x).unwrap();
    let event = Event::new(&device).unwrap();
    let recorded = stream.try_record(&event).unwrap();
    drop((device, stream, x, kernels, event));
    assert_eq!(back.wait().unwrap(), [1; 4]);
    recorded.wait().unwrap();
}

#[test]
fn a_device_shut_down_in_flight_completes_its_work() {
    let device = slow_device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    stream.try_fill(&x, 3u32).unwrap();
    stream.try_launch(&kernels.nap, 1, args![30u32]).unwrap();
    let back = stream.try_copy_out(&x).unwrap();
    block_on(device.shutdown());
    assert!(back.completion().is_done(), "shut down, and not complete");
    assert_eq!(back.wait().unwrap(), [3; 4]);
}

#[test]
fn devices_come_and_go() {
    for _ in 0..20 {
        let device = device();
        let stream = device.stream().unwrap();
        let x = device.alloc::<u8>(100).unwrap();
        stream.try_fill(&x, 1u8).unwrap();
    }
}

#[test]
fn a_module_dropped_in_flight_stays_loaded_for_its_launches() {
    let device = slow_device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    stream.try_fill(&x, 0u32).unwrap();
    for _ in 0..10 {
        let kernels = kernels(&device);
        stream.try_launch(&kernels.bump, 1, args![x.write()]).unwrap();
    }
    assert_eq!(stream.try_copy_out(&x).unwrap().wait().unwrap(), [10; 4]);
}

#[test]
fn thousands_of_streams_and_events_dropped_in_flight_are_let_go() {
    // More events retire at once than requests fit into the driver's queue, and it is the driver that lets them go.
    const ROUNDS: usize = 6000;
    let (tell, told) = std::sync::mpsc::channel();
    // On a thread of its own, so that a hang is a failure.
    std::thread::spawn(move || {
        let device = device();
        let kernels = kernels(&device);
        let y = device.alloc::<u32>(ROUNDS).unwrap();
        let sums = block_on(async {
            device.stream()?.fill(&y, 0u32).await?.await?;
            // Only the two streams of a round are ordered: each pair has an element of its own.
            for round in 0..ROUNDS {
                let element = y.slice(round..round + 1)?;
                let (first, second) = (device.stream()?, device.stream()?);
                let event = Event::without_time(&device)?;
                first.launch(&kernels.bump, 1, args![element.read_write()]).await?;
                first.record(&event).await?;
                second.wait(&event).await?;
                second.launch(&kernels.bump, 1, args![element.read_write()]).await?;
            }
            device.synchronize().await?;
            device.stream()?.copy_out(&y).await?.await
        });
        let _nobody_waits_any_more = tell.send(sums);
    });
    let sums = told.recv_timeout(Duration::from_secs(60)).expect("no operation is lost, and none hangs");
    assert_eq!(sums.unwrap(), [2; ROUNDS]);
}

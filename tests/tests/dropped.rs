//! Dropping anything, at any time, is safe: accepted work takes place, what was not accepted did nothing, memory lives as
//! long as the device may touch it, and every future resolves.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use dxg_runtime::{Bound, Device, Error, Limits, Parameters, Policy, Result, args};
use dxg_tests::{Kernels, affine, block_on, device, open, stir};

#[test]
fn a_dropped_completion_cancels_nothing() {
    let device = device();
    block_on(async {
        let (stream, kernels, x) = (device.stream()?, Kernels::load(&device)?, device.alloc::<u32>(16)?);
        stream.fill(&x, 0u32).await?;
        for k in 0..500u32 {
            stream.launch(&kernels.stir, 1, args![x.read_write(), k]).await?;
        }
        let expected: Vec<u32> = (0..16).map(|i| (0..500).fold(0, |y, k| stir(y, k, i))).collect();
        assert_eq!(stream.copy_out(&x).await?.await?, expected);
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_launch_that_was_never_polled_did_nothing() {
    let device = device();
    block_on(async {
        let (stream, kernels, x) = (device.stream()?, Kernels::load(&device)?, device.alloc::<u32>(4)?);
        stream.fill(&x, 1u32).await?;
        let before = device.stats().operations;
        drop(stream.launch(&kernels.stir, 1, args![x.read_write(), 1u32]));
        assert_eq!(device.stats().operations, before);
        assert_eq!(stream.copy_out(&x).await?.await?, [1; 4]);
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_launch_dropped_while_it_waits_for_room_did_nothing() {
    // Latencies keep the first operations in flight while the next ones wait.
    let limits = Limits { stream_operations: Bound::new(2, 1), ..Limits::default() };
    let device = Device::builder().selector("software").policy(Policy::Adaptive).limits(limits).open().unwrap();
    block_on(async {
        let (stream, kernels, x) = (device.stream()?, Kernels::load(&device)?, device.alloc::<u32>(4)?);
        stream.fill(&x, 0u32).await?.await?;
        let mut accepted = 0u32;
        let mut given_up = 0u32;
        for _ in 0..200 {
            let mut launch =
                pin!(stream.launch(&kernels.affine, 1, args![x.slice(0..0)?.read(), x.slice(0..0)?.write(), 1u32]));
            match launch.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                std::task::Poll::Ready(result) => {
                    result?;
                    accepted += 1;
                }
                std::task::Poll::Pending => given_up += 1,
            }
        }
        stream.synchronize().await?;
        assert!(given_up > 0, "no launch had to wait, so nothing was tested");
        assert_eq!(device.stats().launches, u64::from(accepted));
        // Whoever gave up left no one else waiting.
        stream.fill(&x, 7u32).await?;
        assert_eq!(stream.copy_out(&x).await?.await?, [7; 4]);
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn buffers_streams_and_kernels_outlive_their_handles() {
    for policy in [Policy::Adaptive, Policy::OneByOneSpin] {
        let device = open(policy).unwrap();
        block_on(async {
            let result = device.alloc::<u32>(64)?;
            let last = {
                let (stream, kernels) = (device.stream()?, Kernels::load(&device)?);
                let (x, y) = (device.alloc::<u32>(64)?, device.alloc::<u32>(64)?);
                stream.fill(&x, 3u32).await?;
                stream.fill(&y, 4u32).await?;
                for a in 0..50u32 {
                    stream.launch(&kernels.affine, 2, args![x.read(), y.read_write(), a]).await?;
                }
                stream.copy(&y, &result).await?
                // Everything but the result is dropped here, with work in flight.
            };
            last.await?;
            let stream = device.stream()?;
            let expected = (0..50).fold(4, |y, a| affine(3, y, a));
            assert_eq!(stream.copy_out(&result).await?.await?, vec![expected; 64]);
            Ok::<_, Error>(())
        })
        .unwrap();
    }
}

#[test]
fn memory_comes_back_after_its_last_use() {
    let device = device();
    block_on(async {
        let stream = device.stream()?;
        stream.synchronize().await?;
        let used = device.memory_info().used;
        for value in 0..2000u32 {
            // 1 MiB each: far more in all than there is.
            let x = device.alloc::<u32>(1 << 18)?;
            stream.fill(&x, value).await?;
        }
        stream.synchronize().await?;
        let (after, end) = (device.alloc::<u32>(4)?, stream.copy_out(&device.alloc::<u32>(4)?).await?);
        end.await?;
        drop(after);
        device.synchronize().await?;
        let info = device.memory_info();
        assert!(info.used <= used + info.retiring + (1 << 21), "{used} bytes used before, now {info:?}");
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_device_dropped_with_work_in_flight_resolves_every_future() {
    for policy in [Policy::Adaptive, Policy::OneByOne] {
        let device =
            Device::builder().selector("software").parameters(Parameters::default()).policy(policy).open().unwrap();
        let pending = block_on(async {
            let (stream, kernels, x) = (device.stream()?, Kernels::load(&device)?, device.alloc::<u32>(64)?);
            let mut pending = Vec::new();
            for k in 0..40u32 {
                pending.push(stream.launch(&kernels.stir, 1, args![x.read_write(), k]).await?);
            }
            Ok::<_, Error>(pending)
        })
        .unwrap();
        drop(device);
        for completion in pending {
            // Done or shut down; what matters is that there is an answer.
            let answer = completion.wait_timeout(Duration::from_secs(10));
            let answer = answer.unwrap_or_else(|| panic!("{policy}: {completion:?} has no answer after 10 s"));
            assert!(matches!(answer, Ok(()) | Err(Error::ShutDown)), "{policy}: {answer:?}");
        }
    }
}

#[test]
fn after_a_shutdown_everything_says_so() {
    let device = device();
    block_on(async {
        let (stream, x) = (device.stream()?, device.alloc::<u32>(4)?);
        let before = stream.fill(&x, 1u32).await?;
        device.shutdown().await;
        assert!(matches!(before.await, Ok(()) | Err(Error::ShutDown)));
        let error = stream.fill(&x, 2u32).await.map(drop).expect_err("the device is shut down");
        assert!(matches!(error, Error::ShutDown), "{error:?}");
        assert!(device.stream().is_err());
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_dropped_read_back_frees_its_place() {
    let device = device();
    let run = async {
        let (stream, x) = (device.stream()?, device.alloc::<u32>(1 << 16)?);
        stream.fill(&x, 5u32).await?;
        for _ in 0..1000 {
            // 256 KiB each: all of them together are more than the staging memory holds.
            drop(stream.copy_out(&x).await?);
        }
        let read: Result<Vec<u32>> = stream.copy_out(&x).await?.await;
        assert!(read?.iter().all(|value| *value == 5));
        Ok::<_, Error>(())
    };
    block_on(async { tokio::time::timeout(Duration::from_secs(60), run).await })
        .expect("staging memory comes back")
        .unwrap();
}

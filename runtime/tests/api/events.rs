//! Events: order between streams, their CUDA meaning, and elapsed time.

use std::time::Duration;

use dxg_runtime::{Command, Error, Event, args};

use super::common::{block_on, device, kernels, slow_device};

#[test]
fn a_wait_orders_another_stream_behind_the_record() {
    let device = slow_device();
    let kernels = kernels(&device);
    let (first, second) = (device.stream().unwrap(), device.stream().unwrap());
    let x = device.alloc::<u32>(16).unwrap();
    let event = Event::new(&device).unwrap();
    block_on(async {
        first.fill(&x, 0u32).await.unwrap();
        for round in 0..20u32 {
            first.launch(&kernels.nap, 1, args![1u32]).await.unwrap();
            first.launch(&kernels.bump, 1, args![x.write()]).await.unwrap();
            first.record(&event).await.unwrap();
            second.wait(&event).await.unwrap();
            let back = second.copy_out(&x).await.unwrap().await.unwrap();
            assert_eq!(back, [round + 1; 16]);
        }
    });
}

#[test]
fn a_wait_refers_to_the_latest_record_before_it() {
    let device = slow_device();
    let kernels = kernels(&device);
    let (first, second) = (device.stream().unwrap(), device.stream().unwrap());
    let (event, back) = (Event::without_time(&device).unwrap(), Event::without_time(&device).unwrap());
    assert!(event.is_done(), "an event that was never recorded is complete");
    block_on(async {
        event.synchronize().await.unwrap();
        // No wait: the event was never recorded.
        second.wait(&event).await.unwrap().await.unwrap();
        for _ in 0..50 {
            // If the wait referred to the record behind it, the two streams would wait for each other.
            first.record(&event).await.unwrap();
            second.wait(&event).await.unwrap();
            second.record(&back).await.unwrap();
            first.wait(&back).await.unwrap();
            first.launch(&kernels.nap, 1, args![1u32]).await.unwrap();
            first.record(&event).await.unwrap();
        }
        second.synchronize().await.unwrap();
        event.synchronize().await.unwrap();
        first.synchronize().await.unwrap();
    });
}

#[test]
fn elapsed_time_lies_between_the_records() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (begin, end) = (Event::new(&device).unwrap(), Event::new(&device).unwrap());
    assert!(matches!(end.elapsed(&begin), Err(Error::NotReady { .. })));
    block_on(async {
        for _ in 0..3 {
            stream.record(&begin).await.unwrap();
            stream.launch(&kernels.nap, 1, args![20u32]).await.unwrap();
            stream.record(&end).await.unwrap().await.unwrap();
            let passed = end.elapsed(&begin).unwrap();
            assert!(passed >= Duration::from_millis(19) && passed < Duration::from_secs(10), "{passed:?}");
            let error = begin.elapsed(&end).unwrap_err();
            assert!(error.to_string().contains("swap"), "{error}");
        }
    });
    let untimed = Event::without_time(&device).unwrap();
    assert!(matches!(untimed.elapsed(&begin), Err(Error::Unsupported { .. })));
}

#[test]
fn a_failure_spreads_to_streams_that_wait_for_it() {
    for device in [device(), slow_device()] {
        let kernels = kernels(&device);
        let (first, second, third) = (device.stream().unwrap(), device.stream().unwrap(), device.stream().unwrap());
        let x = device.alloc::<u32>(4).unwrap();
        let event = Event::without_time(&device).unwrap();
        block_on(async {
            // The wait is taken in before, while and after the kernel fails.
            for pause in [0, 1, 5, 50].map(Duration::from_millis).into_iter().cycle().take(20) {
                first.fill(&x, 7u32).await.unwrap().await.unwrap();
                let commands = [
                    Command::launch(&kernels.nap, 1, args![2u32]),
                    Command::launch(&kernels.fails, 1, args![x.write()]),
                    Command::record(&event),
                ];
                let failed = first.submit(&commands).await.unwrap();
                first.flush();
                std::thread::sleep(pause);
                second.wait(&event).await.unwrap();
                // The failure may be known already: then the calls are refused, else they fail. Nothing runs.
                let spread = [
                    match second.fill(&x, 1u32).await {
                        Ok(done) => done.await,
                        Err(refused) => Err(refused),
                    },
                    match third.wait(&event).await {
                        Ok(done) => done.await,
                        Err(refused) => Err(refused),
                    },
                ];
                for outcome in spread {
                    let error = outcome.unwrap_err();
                    assert!(matches!(error.root_cause(), Error::LaunchFailed { .. }), "{error}");
                    assert!(error.to_string().contains("`fails`"), "the cause is lost: {error}");
                }
                assert!(failed.await.is_err());
                for stream in [&first, &second, &third] {
                    stream.reset().unwrap();
                }
                let back = second.copy_out(&x).await.unwrap().await.unwrap();
                assert_eq!(back, [7; 4], "a stream that waited for a failure went on");
            }
        });
    }
}

#[test]
fn a_stream_waits_for_another_without_an_event_of_the_users() {
    let device = device();
    let kernels = kernels(&device);
    let (first, second) = (device.stream().unwrap(), device.stream().unwrap());
    let x = device.alloc::<u32>(4).unwrap();
    block_on(async {
        first.launch(&kernels.nap, 1, args![30u32]).await.unwrap();
        first.fill(&x, 6u32).await.unwrap();
        second.wait_for_stream(&first).await.unwrap();
        assert_eq!(second.copy_out(&x).await.unwrap().await.unwrap(), [6; 4]);
    });
}

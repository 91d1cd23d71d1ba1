//! Streams: lists of commands, back-pressure, flushing, completions as numbers and as a stream.

use std::time::Duration;

use dxg_runtime::{
    Bound, Command, CompletionStream, Device, Error, Full, Limits, Parameters, Policy, Priority, TryError, args,
};
use futures::StreamExt;

use super::common::{block_on, device, kernels, slow_device};

#[test]
fn a_list_goes_in_as_one_entry() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (x, y) = (device.alloc::<u32>(4).unwrap(), device.alloc::<u32>(4).unwrap());
    let host = device.host_buffer::<u32>(4).unwrap();
    let event = dxg_runtime::Event::new(&device).unwrap();
    let commands = [
        Command::copy_in(&x, [1u32, 2, 3, 4]).unwrap(),
        Command::fill(&y, 10u32).unwrap(),
        Command::launch(&kernels.add, 2, args![100u32, x.read(), y.write()]),
        Command::record(&event),
        Command::wait(&event),
        Command::marker(),
        Command::copy_out(&y, &host).unwrap(),
    ];
    block_on(async {
        for _ in 0..3 {
            let before = stream.last().ticket();
            let last = stream.submit(&commands).await.unwrap();
            assert_eq!(last.ticket(), before + 7, "the list was torn");
            last.await.unwrap();
            assert_eq!(*host.read().unwrap(), [111, 112, 113, 114]);
            assert!(event.is_done());
        }
        stream.submit(&[]).await.unwrap().await.unwrap();
    });
}

#[test]
fn a_wrong_command_keeps_the_whole_list_out() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    let commands = [Command::fill(&x, 1u32).unwrap(), Command::launch(&kernels.bump, 1, args![1u8])];
    assert!(matches!(block_on(stream.submit(&commands)), Err(Error::Arguments { .. })));
    assert!(matches!(stream.try_submit(&commands), Err(TryError::Failed(Error::Arguments { .. }))));
    assert_eq!(device.stats().operations, 0);
}

#[test]
fn a_full_stream_says_so_and_has_room_again() {
    let limits = Limits { stream_operations: Bound::new(16, 8), ..Limits::default() };
    let device = Device::builder().selector("software").policy(Policy::Adaptive).limits(limits).open().unwrap();
    let kernels = kernels(&device);
    let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
    let x = device.alloc::<u32>(4).unwrap();
    stream.try_launch(&kernels.nap, 1, args![100u32]).unwrap();
    let mut accepted = 1;
    let refused = loop {
        match stream.try_fill(&x, 1u32) {
            Ok(_) => accepted += 1,
            Err(refused) => break refused,
        }
        assert!(accepted <= 16, "the bound did not hold");
    };
    assert!(matches!(refused, TryError::Full { bound: Full::Stream, .. }), "{refused}");
    assert_eq!(accepted, 16);
    match stream.try_copy_in(&x, vec![7u32; 4]) {
        Err(TryError::Full { returned, .. }) => assert_eq!(returned, [7; 4], "the data comes back"),
        other => panic!("{other:?}"),
    }
    // A flooding stream does not keep others out, and waiting for room ends.
    other.try_fill(&x, 2u32).unwrap().wait().unwrap();
    block_on(async { stream.fill(&x, 3u32).await.unwrap().await.unwrap() });
}

#[test]
fn waiting_for_room_accepts_everything_in_order() {
    let limits = Limits {
        stream_operations: Bound::new(8, 4),
        device_operations: Bound::new(16, 8),
        batch_operations: 4,
        ..Limits::default()
    };
    let device = Device::builder().selector("software").parameters(Parameters::zero()).limits(limits).open().unwrap();
    let kernels = kernels(&device);
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let (stream, bump) = (device.stream().unwrap(), kernels.bump.clone());
            let x = device.alloc::<u32>(2).unwrap();
            std::thread::spawn(move || {
                block_on(async {
                    stream.fill(&x, 0u32).await.unwrap();
                    for _ in 0..500 {
                        stream.launch(&bump, 1, args![x.write()]).await.unwrap();
                    }
                    stream.copy_out(&x).await.unwrap().await.unwrap()
                })
            })
        })
        .collect();
    for handle in handles {
        assert_eq!(handle.join().unwrap(), [500; 2]);
    }
}

#[test]
fn a_dropped_wait_for_room_accepted_nothing() {
    let limits = Limits { stream_operations: Bound::new(2, 1), ..Limits::default() };
    let device = Device::builder().selector("software").policy(Policy::Adaptive).limits(limits).open().unwrap();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(1).unwrap();
    stream.try_fill(&x, 0u32).unwrap().wait().unwrap();
    // Room is made a moment after the fill is complete.
    for _ in 0..2 {
        block_on(stream.launch(&kernels.nap, 1, args![300u32])).unwrap();
    }
    for _ in 0..5 {
        // Polled once, found no room, dropped.
        let waiting = stream.launch(&kernels.bump, 1, args![x.write()]);
        assert!(futures::FutureExt::now_or_never(waiting).is_none());
    }
    assert_eq!(block_on(async { stream.copy_out(&x).await.unwrap().await.unwrap() }), [0]);
}

#[test]
fn completions_can_be_kept_as_numbers_and_waited_for_with_a_limit() {
    let device = slow_device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    assert!(stream.last().is_done(), "nothing was accepted yet");
    let long = stream.try_launch(&kernels.nap, 1, args![100u32]).unwrap();
    assert!(long.wait_timeout(Duration::from_millis(5)).is_none());
    let again = stream.completion_of(long.ticket());
    assert_eq!(again.ticket(), stream.last().ticket());
    again.wait().unwrap();
    assert!(long.is_done());
    long.wait_timeout(Duration::ZERO).unwrap().unwrap();
    long.wait_timeout(Duration::MAX).unwrap().unwrap();
}

#[test]
fn completions_arrive_as_a_stream() {
    let device = device();
    let streams: Vec<_> = (0..4).map(|_| device.stream().unwrap()).collect();
    let x = device.alloc::<u32>(16).unwrap();
    block_on(async {
        let mut all = CompletionStream::new();
        for value in 0..20u32 {
            let stream = &streams[value as usize % 4];
            all.push(stream.fill(x.slice(..4).unwrap(), value).await.unwrap());
        }
        assert_eq!(all.len(), 20);
        let mut seen = Vec::new();
        while let Some(done) = all.next().await {
            done.outcome.unwrap();
            seen.push(done.ticket);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20);
    });
}

#[test]
fn flush_lets_work_out_without_waiting() {
    let device = slow_device();
    let stream = device.stream_builder().priority(Priority::High).build().unwrap();
    assert_eq!(stream.priority(), Priority::High);
    let x = device.alloc::<u32>(4).unwrap();
    let done = stream.try_fill(&x, 1u32).unwrap();
    stream.flush();
    let begun = std::time::Instant::now();
    while !done.is_done() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
    device.flush();
    device.synchronize_blocking().unwrap();
}

#[test]
fn one_by_one_gives_the_same_results() {
    for policy in [Policy::OneByOne, Policy::OneByOneSpin, Policy::Fixed(3), Policy::Adaptive] {
        let device =
            Device::builder().selector("software").parameters(Parameters::zero()).policy(policy).open().unwrap();
        let kernels = kernels(&device);
        let stream = device.stream().unwrap();
        let x = device.alloc::<u32>(5).unwrap();
        block_on(async {
            stream.fill(&x, 1u32).await.unwrap();
            for _ in 0..10 {
                stream.launch(&kernels.double, 2, args![x.write()]).await.unwrap();
            }
            assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [1024; 5], "{policy}");
        });
        let stats = device.stats();
        assert_eq!((stats.operations, stats.launches, stats.copies, stats.fills), (12, 10, 1, 1), "{policy}");
        if policy.is_one_by_one() {
            assert_eq!(stats.submissions, 12, "{policy}");
        } else {
            assert!(stats.submissions <= 12, "{policy}");
        }
    }
}

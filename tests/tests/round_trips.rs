//! A host that takes no posted messages: each submission is a round trip, made by a thread of its queue.
//!
//! One test alone in its process, because it counts threads.

use std::time::{Duration, Instant};

use dxg_runtime::{Device, Parameters, Policy, Result, args};
use dxg_tests::{Kernels, block_on};

/// Threads of this process that submit.
fn submitters() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the process has threads");
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("dxgrt-submit")).count()
}

fn none_stays() {
    // The last of a closed device may be on its way out.
    let begun = Instant::now();
    while submitters() != 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} threads stayed", submitters());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// On each of many streams, rounds of copy in, launches, copy out.
async fn requests(device: &Device, kernels: &Kernels, streams: u32, rounds: u32) -> Result<()> {
    let work = (0..streams).map(|number| async move {
        let (stream, x, y) = (device.stream()?, device.alloc::<u32>(64)?, device.alloc::<u32>(64)?);
        for round in 0..rounds {
            stream.copy_in(&x, vec![round; 64]).await?;
            stream.fill(&y, number).await?;
            for a in 0..3u32 {
                stream.launch(&kernels.affine, 1, args![x.read(), y.read_write(), a]).await?;
            }
            let got = stream.copy_out(&y).await?.await?;
            let expected = (0..3u32).fold(number, |y, a| dxg_tests::affine(round, y, a));
            assert_eq!(got, vec![expected; 64], "stream {number}, round {round}");
        }
        Ok::<_, dxg_runtime::Error>(())
    });
    futures::future::try_join_all(work).await.map(drop)
}

#[test]
fn each_queue_has_a_thread_that_submits_and_none_stays() {
    let open =
        || Device::builder().selector("software").parameters(Parameters::sync_v27()).policy(Policy::Adaptive).open();
    // Closed after its work, by waiting.
    block_on(async {
        let device = open()?;
        assert_eq!(submitters(), 0, "an idle device has none");
        let kernels = Kernels::load(&device)?;
        let before = device.stats();
        requests(&device, &kernels, 40, 20).await?;
        let mut passed = device.stats().since(&before);
        assert_eq!(passed.operations, 40 * 20 * 6, "{passed:?}");
        // The device may be through with the last ones before their round trips are.
        let begun = Instant::now();
        while passed.round_trips < passed.submissions {
            assert!(begun.elapsed() < Duration::from_secs(10), "{passed:?}");
            std::thread::sleep(Duration::from_millis(1));
            passed = device.stats().since(&before);
        }
        assert_eq!(passed.posted_messages, 0, "{passed:?}");
        let threads = submitters();
        assert!((1..=usize::from(device.info().hardware_queues)).contains(&threads), "{threads} threads");
        drop(kernels);
        device.shutdown().await;
        Ok::<_, dxg_runtime::Error>(())
    })
    .unwrap();
    none_stays();
    // Dropped in the middle of it.
    let device = open().unwrap();
    let kernels = Kernels::load(&device).unwrap();
    let buffers: Vec<_> = (0..20).map(|_| (device.stream().unwrap(), device.alloc::<u32>(64).unwrap())).collect();
    let pending: Vec<_> = buffers.iter().map(|(stream, x)| stream.try_fill(x, 7u32).unwrap()).collect();
    drop((buffers, kernels, device));
    for completion in pending {
        completion.wait().unwrap();
    }
    none_stays();
    // Lost in the middle of it: everything resolves, and nothing hangs.
    let adapter = dxg_runtime::SoftwareAdapter::new(Parameters::sync_v27()).unwrap();
    let device = Device::builder().adapter(adapter.clone()).policy(Policy::Adaptive).open().unwrap();
    let streams: Vec<_> = (0..20).map(|_| (device.stream().unwrap(), device.alloc::<u32>(64).unwrap())).collect();
    let mut pending = Vec::new();
    for round in 0..50u32 {
        if round == 25 {
            adapter.remove_adapter();
        }
        for (stream, x) in &streams {
            pending.extend(stream.try_fill(x, round).ok());
        }
    }
    let failed = pending.into_iter().filter(|completion| completion.wait().is_err()).count();
    assert!(failed > 0, "the adapter was removed");
    drop((streams, device));
    none_stays();
}

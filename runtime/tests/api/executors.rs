//! The same futures on tokio, on a bare `block_on`, and across threads.

use dxg_runtime::args;

use super::common::{block_on, device, kernels, slow_device};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_on_tokio() {
    let device = slow_device();
    let kernels = kernels(&device);
    let tasks: Vec<_> = (0..64u32)
        .map(|task| {
            let (stream, add) = (device.stream().unwrap(), kernels.add.clone());
            let (x, y) = (device.alloc::<u32>(33).unwrap(), device.alloc::<u32>(33).unwrap());
            tokio::spawn(async move {
                for round in 0..5u32 {
                    stream.copy_in(&x, vec![task; 33]).await?;
                    stream.fill(&y, round).await?;
                    for _ in 0..3 {
                        stream.launch(&add, 3, args![1u32, x.read(), y.write()]).await?;
                    }
                    let back = stream.copy_out(&y).await?.await?;
                    assert_eq!(back, [round + 3 + 3 * task; 33]);
                }
                Ok::<(), dxg_runtime::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    device.shutdown().await;
}

#[tokio::test]
async fn one_thread_is_enough() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u64>(3).unwrap();
    stream.fill(&x, 9u64).await.unwrap();
    let (a, b) = futures::join!(stream.copy_out(&x), stream.copy_out(&x));
    let (a, b) = futures::join!(a.unwrap(), b.unwrap());
    assert_eq!((a.unwrap(), b.unwrap()), (vec![9; 3], vec![9; 3]));
    device.synchronize().await.unwrap();
}

#[test]
fn a_completion_may_be_waited_for_in_several_places() {
    let device = slow_device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let done = stream.try_launch(&kernels.nap, 1, args![20u32]).unwrap();
    let waiters: Vec<_> = (0..8)
        .map(|index| {
            let done = done.clone();
            std::thread::spawn(move || if index % 2 == 0 { done.wait() } else { block_on(done) })
        })
        .collect();
    for waiter in waiters {
        waiter.join().unwrap().unwrap();
    }
}

#[test]
fn threads_share_a_stream() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    block_on(stream.fill(&x, 0u32)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    block_on(stream.launch(&kernels.bump, 1, args![x.write()])).unwrap();
                }
            });
        }
    });
    assert_eq!(block_on(async { stream.copy_out(&x).await.unwrap().await.unwrap() }), [1000; 4]);
}

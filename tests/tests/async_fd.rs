//! With the feature `tokio` the driver is a task: completions pass through `AsyncFd`, and there is no thread of ours.

use std::time::Duration;

use dxg_runtime::{Device, Error, Result, args};
use dxg_tests::Kernels;

/// Names of this process's threads that begin like this.
fn threads(prefix: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("every Linux process lists its threads");
    // A thread may end between the two readings.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with(prefix)).collect()
}

async fn launches(device: &Device, count: u32) -> Result<()> {
    let (stream, x, kernels) = (device.stream()?, device.alloc::<u32>(64)?, Kernels::load(device)?);
    for k in 0..count {
        // Each is awaited by itself: with the default latencies everybody sleeps in between.
        stream.launch(&kernels.stir, 1, args![x.read_write(), k]).await?.await?;
    }
    Ok(())
}

// One test, because it looks at all threads of the process.
#[test]
fn completions_pass_through_async_fd() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let device = runtime.block_on(async {
        let device = Device::builder().selector("software").tokio(tokio::runtime::Handle::current()).open()?;
        let work = tokio::time::timeout(Duration::from_secs(30), launches(&device, 50));
        work.await.expect("the reactor wakes whoever waits")?;
        assert_eq!(threads("dxgrt-driver"), Vec::<String>::new(), "nobody but the task drives");
        let stats = device.stats();
        assert!(stats.armed_waits > 0, "nobody slept on the device, so nothing was tested: {stats:?}");
        Ok::<_, Error>(device)
    });
    let device = device.unwrap();

    // Without its runtime the task is gone; a thread takes over, and the device still works.
    drop(runtime);
    futures::executor::block_on(launches(&device, 5)).unwrap();
    assert_eq!(threads("dxgrt-driver").len(), 1);
    assert!(device.shutdown_blocking(Duration::from_secs(10)));
}

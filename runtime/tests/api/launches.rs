//! Launches: arguments, order, and what a failing kernel does to its stream.

use dxg_runtime::{Args, Command, Error, Grid, args};

use super::common::{block_on, device, kernels};

#[test]
fn a_launch_computes_over_all_its_blocks() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (x, y) = (device.alloc::<u32>(1001).unwrap(), device.alloc::<u32>(1001).unwrap());
    block_on(async {
        stream.copy_in(&x, (0..1001).collect::<Vec<u32>>()).await.unwrap();
        stream.fill(&y, 10u32).await.unwrap();
        for blocks in [1, 7, 1001] {
            stream.launch(&kernels.add, blocks, args![100u32, x.read(), y.write()]).await.unwrap();
        }
        let expected: Vec<u32> = (0..1001).map(|index| 10 + 3 * (100 + index)).collect();
        assert_eq!(stream.copy_out(&y).await.unwrap().await.unwrap(), expected);
    });
}

#[test]
fn operations_of_a_stream_run_in_order() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(3).unwrap();
    block_on(async {
        stream.fill(&x, 0u32).await.unwrap();
        let mut expected = 0u32;
        for step in 0..500u32 {
            if step % 3 == 0 {
                stream.launch(&kernels.double, 1, args![x.write()]).await.unwrap();
                expected = expected.wrapping_mul(2);
            } else {
                stream.launch(&kernels.bump, 2, args![x.read_write()]).await.unwrap();
                expected = expected.wrapping_add(1);
            }
        }
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [expected; 3]);
    });
}

#[test]
fn launches_of_nothing_complete_in_their_place() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    block_on(async {
        stream.fill(&x, 1u32).await.unwrap();
        for grid in [Grid::new(0, 1), Grid::new(1, 0), Grid::new([1, 1, 0], [1, 1])] {
            stream.launch(&kernels.bump, grid, args![x.write()]).await.unwrap().await.unwrap();
        }
        stream.launch(&kernels.nothing, 1, args![]).await.unwrap().await.unwrap();
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [1; 4]);
    });
}

#[test]
fn a_prepared_launch_is_launched_as_often_as_it_is_enqueued() {
    let device = device();
    let kernels = kernels(&device);
    let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
    let x = device.alloc::<u32>(8).unwrap();
    let y = device.alloc::<u32>(8).unwrap();
    block_on(async {
        stream.fill(&x, 1u32).await.unwrap();
        stream.fill(&y, 0u32).await.unwrap().await.unwrap();
        let add = device.prepare(&kernels.add, 4, args![2u32, x.read(), y.read_write()]).unwrap();
        let nothing = device.prepare(&kernels.add, 0, args![2u32, x.read(), y.read_write()]).unwrap();
        // It keeps what it names alive by itself.
        drop((x, kernels));
        for _ in 0..50 {
            stream.enqueue(&add).await.unwrap();
            stream.try_enqueue(&nothing).unwrap();
        }
        stream.last().await.unwrap();
        other.enqueue(&add.clone()).await.unwrap();
        drop(add);
        assert_eq!(other.copy_out(&y).await.unwrap().await.unwrap(), [51 * 3; 8]);
    });
    assert_eq!(device.stats().launches, 51);
}

#[test]
fn what_a_launch_would_refuse_is_not_prepared() {
    let (device, foreign) = (device(), super::common::device());
    let kernels = kernels(&device);
    let (x, y) = (device.alloc::<u32>(8).unwrap(), foreign.alloc::<u32>(8).unwrap());
    let says = |result: dxg_runtime::Result<_>, part: &str| {
        let error = result.map(|_: dxg_runtime::PreparedLaunch| ()).unwrap_err().to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    };
    says(device.prepare(&kernels.bump, 1, args![x.read()]), "read");
    says(device.prepare(&kernels.bump, u32::MAX, args![x.write()]), "blocks");
    says(device.prepare(&kernels.bump, 1, args![y.write()]), "buffer");
    says(foreign.prepare(&kernels.bump, 1, args![y.write()]), "kernel");
    let bump = device.prepare(&kernels.bump, 1, args![x.write()]).unwrap();
    let error = foreign.stream().unwrap().try_enqueue(&bump).unwrap_err().to_string();
    assert!(error.contains("prepared launch"), "{error}");
}

#[test]
fn raw_arguments_have_the_same_power() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (x, y) = (device.alloc::<u32>(8).unwrap(), device.alloc::<u32>(8).unwrap());
    let mut bytes = Vec::new();
    bytes.extend(5u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(x.address().to_ne_bytes());
    bytes.extend(y.address().to_ne_bytes());
    let args = Args::from_raw(&bytes).with_access(8, x.read()).unwrap().with_access(16, y.write()).unwrap();
    block_on(async {
        stream.fill(&x, 1u32).await.unwrap();
        stream.fill(&y, 2u32).await.unwrap();
        stream.launch(&kernels.add, 4, args).await.unwrap();
        assert_eq!(stream.copy_out(&y).await.unwrap().await.unwrap(), [8; 8]);
    });
    let (found, offset) = device.find(y.address() + 12).unwrap();
    assert_eq!((found.address(), offset), (y.address(), 12));
    assert!(device.find(8).is_none());
}

#[test]
fn a_failing_kernel_fails_its_stream_until_reset() {
    let device = device();
    let kernels = kernels(&device);
    let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
    let x = device.alloc::<u32>(4).unwrap();
    block_on(async {
        for (kernel, name, says) in
            [(&kernels.fails, "fails", "do not add up"), (&kernels.panics, "panics", "on purpose")]
        {
            stream.fill(&x, 1u32).await.unwrap().await.unwrap();
            let failed = stream.launch(kernel, 1, args![x.write()]).await.unwrap();
            let error = failed.clone().await.unwrap_err();
            let Error::LaunchFailed { kernel, ticket, .. } = &error else { panic!("{error}") };
            assert_eq!((&**kernel, *ticket), (name, failed.ticket()));
            assert!(error.to_string().contains(says), "{error}");
            // The stream takes nothing until it is reset; other streams do not notice.
            let refused = stream.fill(&x, 2u32).await.unwrap_err();
            assert!(matches!(refused, Error::DependencyFailed { .. }), "{refused}");
            assert!(matches!(refused.root_cause(), Error::LaunchFailed { .. }));
            other.launch(&kernels.bump, 1, args![x.write()]).await.unwrap().await.unwrap();
            assert!(stream.synchronize().await.is_err() && device.synchronize().await.is_err());
            stream.reset().unwrap();
            // Nothing was accepted since, so there is nothing that could have failed.
            stream.synchronize().await.unwrap();
            stream.last().wait().unwrap();
            device.synchronize().await.unwrap();
            device.synchronize_blocking().unwrap();
            assert!(failed.clone().await.is_err() && stream.completion_of(failed.ticket()).await.is_err());
            assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [2; 4]);
            assert!(failed.await.is_err(), "a reset does not change what has failed");
        }
    });
}

#[test]
fn what_follows_a_failure_in_the_same_burst_does_not_run() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    block_on(async {
        stream.fill(&x, 1u32).await.unwrap().await.unwrap();
        let burst = [
            Command::launch(&kernels.fails, 1, args![x.write()]),
            Command::launch(&kernels.bump, 1, args![x.write()]),
            Command::fill(&x, 9u32).unwrap(),
        ];
        let last = stream.submit(&burst).await.unwrap();
        let error = last.await.unwrap_err();
        assert!(matches!(error, Error::DependencyFailed { .. }), "{error}");
        stream.reset().unwrap();
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [1; 4]);
    });
}

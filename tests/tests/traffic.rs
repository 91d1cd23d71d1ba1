//! What the runtime sends: no round trip per batch in steady state, and few submissions for many operations.

use dxg_runtime::{Device, Parameters, Policy, Result, args};
use dxg_tests::{Kernels, block_on};

/// 64 rounds of copy in, ten launches, copy out, each awaited at its end.
async fn work(device: &Device, kernels: &Kernels, rounds: u32) -> Result<()> {
    let (stream, x, y) = (device.stream()?, device.alloc::<u32>(64)?, device.alloc::<u32>(64)?);
    for round in 0..rounds {
        stream.copy_in(&x, vec![round; 64]).await?;
        for a in 0..10u32 {
            stream.launch(&kernels.affine, 1, args![x.read(), y.read_write(), a]).await?;
        }
        stream.copy_out(&y).await?.await?;
    }
    Ok(())
}

#[test]
fn batches_make_no_round_trip_in_steady_state() {
    block_on(async {
        // With latencies: the driver must sleep, and so arms its wake-ups, which must be posted too.
        for (parameters, most_a_round) in [(Parameters::default(), 3), (Parameters::zero(), 12)] {
            let device =
                Device::builder().selector("software").parameters(parameters).policy(Policy::Adaptive).open()?;
            let kernels = Kernels::load(&device)?;
            work(&device, &kernels, 8).await?;
            // Buffers and streams of the measured part come from what is there: the pool and the queues are warm.
            let before = device.stats();
            work(&device, &kernels, 64).await?;
            let passed = device.stats().since(&before);
            assert_eq!(passed.round_trips, 0, "{passed:?}");
            assert_eq!(passed.operations, 64 * 12, "{passed:?}");
            assert!(passed.submissions >= 64, "each round was awaited: {passed:?}");
            // Where a submission costs nothing, nothing is gathered for long.
            assert!(passed.submissions <= 64 * most_a_round, "{passed:?}");
            assert!(passed.posted_messages >= passed.submissions, "{passed:?}");
            device.shutdown().await;
        }
        Ok::<_, dxg_runtime::Error>(())
    })
    .unwrap();
}

#[test]
fn one_by_one_submits_and_waits_for_each() {
    block_on(async {
        for policy in [Policy::OneByOne, Policy::OneByOneSpin] {
            let device = dxg_tests::open(policy)?;
            let kernels = Kernels::load(&device)?;
            let before = device.stats();
            work(&device, &kernels, 4).await?;
            let passed = device.stats().since(&before);
            assert!(passed.submissions >= 4 * 12, "{policy}: {passed:?}");
            if policy == Policy::OneByOne {
                // A CPU wait is a round trip.
                assert!(passed.round_trips > 0, "{policy}: {passed:?}");
            }
        }
        Ok::<_, dxg_runtime::Error>(())
    })
    .unwrap();
}

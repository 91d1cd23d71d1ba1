//! A process that loses one device after the other and opens the next keeps nothing of those that are gone. By itself in a
//! process: what is measured is all that the process has resident.

use std::sync::Arc;

use dxg_runtime::{Device, Limits, Parameters, Result, SoftwareAdapter, args};
use dxg_tests::measure::rss_mib;
use dxg_tests::{Kernels, block_on};

/// Devices lost before memory is looked at: allocators and caches have what they need then.
const WARM: usize = 10;
const LOST: usize = 60;
/// A device with 32 queues has some 30 MiB of host memory: less than two of them.
const MOST_MIB: f64 = 50.0;

/// Opens a device, works with it, and loses it.
fn lose_one() -> Result<()> {
    let adapter: Arc<SoftwareAdapter> = SoftwareAdapter::new(Parameters::zero()).expect("good parameters");
    let limits = Limits { hardware_queues: 32, memory_chunk_bytes: 2 << 20, ..Limits::default() };
    let device = Device::builder().adapter(adapter.clone()).limits(limits).open()?;
    let (kernels, stream, x) = (Kernels::load(&device)?, device.stream()?, device.alloc::<u32>(1 << 16)?);
    block_on(async {
        for turn in 0..20u32 {
            stream.copy_in(&x, vec![turn; 1 << 16]).await?;
            stream.launch(&kernels.stir, 1, args![x.read_write(), turn]).await?.await?;
        }
        adapter.remove_adapter();
        // Whatever comes of it: the device is gone.
        let _refused_or_lost = stream.copy_out(&x).await?.await;
        Result::Ok(())
    })?;
    block_on(device.shutdown());
    Ok(())
}

#[test]
fn a_lost_device_leaves_no_memory_behind() -> Result<()> {
    (0..WARM).try_for_each(|_| lose_one())?;
    let before = rss_mib();
    (0..LOST).try_for_each(|_| lose_one())?;
    let grown = rss_mib() - before;
    assert!(grown < MOST_MIB, "{LOST} lost devices left {grown:.0} MiB behind; at most {MOST_MIB} are noise");
    Ok(())
}

//! Devices, queues and memory: made, looked at, taken down.

use std::sync::Arc;

use dxg_io::object::{Adapter, ContextOptions, Device, FenceOptions, MapRequest, SystemMemory};
use dxg_io::status::NtStatus;
use dxg_io::sys::*;

use super::PATIENCE;
use super::bench::{Bench, Trouble, holds, optional, soon};

/// Makes the device that all further checks use.
pub fn check(bench: &mut Bench, adapter: &Adapter) -> Option<Device> {
    let device = bench.making("device", |dxg| {
        let device = Device::create(adapter)?;
        let before = dxg.traffic().round_trips;
        let state = device.execution_state()?;
        let asked = dxg.traffic().round_trips - before;
        holds(state.is_active(), || format!("a new device is {state:?}"))?;
        Ok((device, format!("{state:?}, asked with {asked} round trips")))
    })?;
    statuses(bench, &device);
    paging(bench, &device);
    hardware_queue(bench, &device);
    lost(bench, adapter);
    Some(device)
}

/// The odd ones of the four kinds of return values.
fn statuses(bench: &mut Bench, device: &Device) {
    bench.check("raw status", |dxg| {
        // An existing heap without memory: the driver answers with a status that it does not map to errno.
        let standard = d3dkmt_createstandardallocation {
            r#type: _D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP,
            existing_heap_data: d3dkmt_standardallocation_existingheap { size: 4096 },
            ..Default::default()
        };
        let mut info = d3dddi_allocationinfo2::default();
        let mut args = d3dkmt_createallocation {
            device: device.handle(),
            alloc_count: 1,
            allocation_info: &raw mut info as u64,
            ..Default::default()
        };
        args.flags.set_standard_allocation(true);
        args.u.set_standard_allocation(&raw const standard as u64);
        // SAFETY: both pointers lead to live structs of this function, with one element each.
        let outcome = unsafe { dxg.outcome(&mut args) };
        holds(outcome.ret == NtStatus::INVALID_PARAMETER.0, || {
            format!("ret {:#x}, errno {} instead of 0xc000000d itself", outcome.ret, outcome.errno)
        })?;
        Ok("0xc000000d comes through, not as errno".into())
    });
    bench.check("stale handles", |dxg| {
        let fence = device.create_fence(FenceOptions::default())?;
        let handle = fence.handle();
        drop(fence);
        // SAFETY: the fence is gone, and with it its page.
        let error = unsafe { dxg.destroy_synchronization_object(handle) }.err();
        let errno = error.as_ref().and_then(|error| error.errno());
        holds(errno.is_some_and(|errno| errno.0 == libc::EINVAL), || format!("{error:?} instead of EINVAL"))?;
        Ok("EINVAL".into())
    });
}

fn paging(bench: &mut Bench, device: &Device) {
    let queue = bench.making("paging queue", |_| {
        let queue = device.create_paging_queue()?;
        let value = queue.fence().value();
        Ok((queue, format!("its fence stands at {value}")))
    });
    let Some(queue) = queue else { return };
    bench.check("system memory", |_| {
        let memory = Arc::new(SystemMemory::new(64 << 10)?);
        let allocation = optional(device.allocate_standard_existing(memory))?;
        let resident = queue.make_resident(&[&allocation])?;
        let pending = resident.value() != 0;
        resident.wait(PATIENCE)?;
        let (range, mapped) = queue.map_gpu_va(&allocation, MapRequest::default())?;
        mapped.wait(PATIENCE)?;
        let how = if pending { "STATUS_PENDING, done by the paging fence" } else { "done at once" };
        Ok(format!("64 KiB resident and mapped at {:#x}; {how}", range.base()))
    });
}

fn hardware_queue(bench: &mut Bench, device: &Device) {
    bench.check("hardware queue", |_| {
        let context = optional(device.create_context(ContextOptions { hw_queues: true, ..Default::default() }))?;
        let queue = optional(context.create_hw_queue(&mut []))?;
        let fence = device.create_fence(FenceOptions::default())?;
        queue.signal(&[(fence.handle(), 3)])?;
        holds(soon(|| fence.value() == 3), || format!("its signal left the fence at {}", fence.value()))?;
        Ok(format!("progress fence at {}, signals arrive", queue.progress_value()))
    });
}

/// A device of its own is lost on purpose.
fn lost(bench: &mut Bench, adapter: &Adapter) {
    bench.check("a lost device", |dxg| {
        let device = Device::create(adapter)?;
        let fence = device.create_fence(FenceOptions::default())?;
        optional(dxg.mark_device_as_error(device.handle(), _D3DKMT_DEVICE_ERROR_REASON_GENERIC))?;
        let state = device.execution_state()?;
        holds(!state.is_active(), || format!("it was marked as failed and is {state:?}"))?;
        let at = if fence.value() == u64::MAX { "the maximum".into() } else { fence.value().to_string() };
        Ok(format!("{state:?}; its fence stands at {at}"))
    });
}

/// Takes the device down.
pub fn end(bench: &mut Bench, device: Device) {
    bench.check("teardown", |dxg| {
        let adapter = device.adapter().clone();
        let own = Device::create(&adapter)?;
        let page = own.create_fence(FenceOptions::default())?.view();
        own.begin_teardown();
        drop((page, own, device, adapter));
        let failed = dxg.failed_teardowns();
        if failed > 0 {
            return Err(Trouble::Failed(format!("{failed} objects could not be destroyed")));
        }
        holds(dxg.live_objects() == 0, || format!("{} objects are left", dxg.live_objects()))?;
        Ok("nothing is left".into())
    });
}

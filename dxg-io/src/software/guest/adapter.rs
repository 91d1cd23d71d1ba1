//! Adapters: opening, enumerating, closing, and questions to them.

use super::call::{Call, EFAULT, EINVAL, Errno, Outcome, put};
use super::{ADAPTER_LUID, HOST_ADAPTER_HANDLE};
use crate::software::bus::message::Request;
use crate::software::bus::{LONGEST_MESSAGE, outcome};
use crate::sys;

/// More adapters EnumAdapters3 does not take.
const ENUM3_LIMIT: u32 = 0xFFFF;
/// Bits of the adapter type that the driver clears: display, post device, indirect display, ACG, timings from VidPN.
const CLEARED_TYPE_BITS: u32 = 1 << 1 | 1 << 3 | 1 << 6 | 1 << 8 | 1 << 9;
/// The paravirtualized bit of the adapter type.
const PARAVIRTUALIZED: u32 = 1 << 7;

pub(super) fn open_from_luid(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_openadapterfromluid;
    let args: Args = call.args()?;
    let mut handle = args.adapter_handle;
    if args.adapter_luid == ADAPTER_LUID {
        call.alive()?;
        handle.v = call.process.adapters().allocate(())?;
    }
    // Without a match the driver looks only at what the caller had put there.
    if handle.v == 0 {
        return Err(EINVAL);
    }
    if let Err(errno) = put!(call, Args, adapter_handle = &handle) {
        if args.adapter_luid == ADAPTER_LUID {
            call.process.adapters().release(handle.v);
        }
        return Err(errno);
    }
    Ok(0)
}

/// One fresh handle per adapter that is there.
fn open_all(call: &Call<'_>) -> Result<Vec<sys::d3dkmt_adapterinfo>, Errno> {
    if !call.driver.is_active() {
        return Ok(Vec::new());
    }
    let handle = call.process.adapters().allocate(())?;
    let adapter_handle = sys::d3dkmthandle { v: handle };
    Ok(vec![sys::d3dkmt_adapterinfo { adapter_handle, adapter_luid: ADAPTER_LUID, ..Default::default() }])
}

fn write_all(
    call: &Call<'_>,
    address: u64,
    opened: &[sys::d3dkmt_adapterinfo],
    write_count: impl FnOnce(u32) -> Result<(), Errno>,
) -> Outcome {
    let size = size_of::<sys::d3dkmt_adapterinfo>() as u64;
    let written = write_count(opened.len() as u32).and_then(|()| {
        opened.iter().enumerate().try_for_each(|(index, info)| {
            let at = address.checked_add(index as u64 * size).ok_or(EFAULT)?;
            call.write(at, info)
        })
    });
    if let Err(errno) = written {
        let mut adapters = call.process.adapters();
        for info in opened {
            adapters.release(info.adapter_handle.v);
        }
        return Err(errno);
    }
    Ok(0)
}

pub(super) fn enumerate2(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_enumadapters2;
    const ADAPTERS: u32 = 1;
    let args: Args = call.args()?;
    if args.adapters == 0 {
        return put!(call, Args, num_adapters = &ADAPTERS).map(|()| 0);
    }
    if args.num_adapters < ADAPTERS {
        return Err(Errno(libc::EOVERFLOW));
    }
    if args.num_adapters > sys::D3DKMT_ADAPTERS_MAX {
        return Err(EINVAL);
    }
    let opened = open_all(call)?;
    write_all(call, args.adapters, &opened, |count| put!(call, Args, num_adapters = &count))
}

pub(super) fn enumerate3(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_enumadapters3;
    let args: Args = call.args()?;
    if args.adapters == 0 || args.adapter_count == 0 {
        return put!(call, Args, adapter_count = &1u32).map(|()| 0);
    }
    if args.adapter_count > ENUM3_LIMIT {
        return Err(EINVAL);
    }
    let opened = open_all(call)?;
    write_all(call, args.adapters, &opened, |count| put!(call, Args, adapter_count = &count))
}

pub(super) fn close(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_closeadapter = call.args()?;
    if args.adapter_handle.v == 0 {
        return Ok(0);
    }
    let last = {
        let mut adapters = call.process.adapters();
        adapters.release(args.adapter_handle.v).ok_or(EINVAL)?;
        adapters.iter().next().is_none()
    };
    if last {
        let mut traffic = call.traffic;
        call.driver.tear_down_devices(call.process, &mut traffic);
        call.traffic = traffic;
    }
    Ok(0)
}

pub(super) fn query_info(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_queryadapterinfo = call.args()?;
    let size = args.private_data_size;
    if size == 0 || size > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    call.process.adapter(args.adapter)?;
    call.alive()?;
    let payload = 39 + u64::from(size);
    call.fits(payload)?;
    let data = call.read_bytes(args.private_data, size)?;
    let kind = args.r#type;
    let mut reply = call.gpu("QUERYADAPTERINFO", payload, Request::AdapterInfo { kind, data })?;
    let ret = outcome(reply.status)?;
    let adapter_type = kind == sys::_KMTQAITYPE_ADAPTERTYPE || kind == sys::_KMTQAITYPE_ADAPTERTYPE_RENDER;
    if let (true, Some(bits)) = (adapter_type, reply.bytes.first_chunk_mut::<4>()) {
        *bits = ((u32::from_le_bytes(*bits) & !CLEARED_TYPE_BITS) | PARAVIRTUALIZED).to_le_bytes();
    }
    call.write_bytes(args.private_data, &reply.bytes)?;
    Ok(ret)
}

pub(super) fn query_video_memory(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_queryvideomemoryinfo;
    let args: Args = call.args()?;
    if args.process != 0 {
        return Err(EINVAL);
    }
    call.process.adapter(args.adapter)?;
    call.alive()?;
    let local = args.memory_segment_group == sys::_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL;
    let reply = call.gpu("QUERYVIDEOMEMORYINFO", 40, Request::VideoMemory { local })?;
    put!(call, Args, budget = &reply.value)?;
    put!(call, Args, current_usage = &reply.other)?;
    put!(call, Args, current_reservation = &0u64)?;
    put!(call, Args, available_for_reservation = &(reply.value / 2))?;
    Ok(0)
}

pub(super) fn change_reservation(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_changevideomemoryreservation = call.args()?;
    if args.process != 0 {
        return Err(EINVAL);
    }
    call.process.adapter(args.adapter)?;
    call.alive()?;
    call.gpu_status("CHANGEVIDEOMEMORYRESERVATION", 56, Request::Nothing)
}

pub(super) fn query_clock(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_queryclockcalibration;
    let args: Args = call.args()?;
    call.process.adapter(args.adapter)?;
    call.alive()?;
    let reply = call.gpu("QUERYCLOCKCALIBRATION", 64, Request::ClockCalibration)?;
    let ret = outcome(reply.status)?;
    // The driver writes the clock data and then overwrites all of it with its copy of the arguments, in which the
    // adapter has become the host's handle.
    put!(call, Args, adapter = &sys::d3dkmthandle { v: HOST_ADAPTER_HANDLE })?;
    Ok(ret)
}

pub(super) fn escape(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_escape = call.args()?;
    call.process.adapter(args.adapter)?;
    call.alive()?;
    let size = args.priv_drv_data_size;
    if size > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    let payload = 55 + u64::from(size);
    call.fits(payload)?;
    let data = call.read_bytes(args.priv_drv_data, size)?;
    call.gpu("ESCAPE", payload, Request::Nothing)?;
    // The adapter knows no escape: what comes back is what went in.
    call.write_bytes(args.priv_drv_data, &data)?;
    Ok(0)
}

pub(super) fn flush_heap_transitions(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_flushheaptransitions;
    let args: Args = call.args()?;
    call.process.adapter(args.adapter)?;
    call.alive()?;
    call.gpu_status("FLUSHHEAPTRANSITIONS", 24, Request::Nothing)?;
    put!(call, Args, adapter = &sys::d3dkmthandle { v: HOST_ADAPTER_HANDLE })?;
    Ok(0)
}

pub(super) fn query_statistics(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_querystatistics;
    let args: Args = call.args()?;
    if args.adapter_luid != ADAPTER_LUID {
        return Ok(0);
    }
    call.alive()?;
    let reply = call.gpu("QUERYSTATISTICS", 832, Request::Nothing)?;
    let ret = outcome(reply.status)?;
    call.write_bytes(call.arg + std::mem::offset_of!(Args, result) as u64, &[0u8; 776])?;
    Ok(ret)
}

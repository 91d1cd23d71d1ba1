//! Residency and GPU virtual addresses.

use super::call::{Call, EINVAL, Errno, Outcome, put};
use crate::software::bus::message::{Request, VaUpdate};
use crate::software::bus::outcome;
use crate::sys;

/// Allocations that one residency call may name.
const RESIDENCY_LIMIT: u32 = sys::D3DKMT_MAKERESIDENT_ALLOC_MAX;
/// Operations that one address-space update may hold, as far as the driver looks.
const UPDATE_LIMIT: u32 = 2048;

fn handles(call: &Call<'_>, address: u64, count: u32) -> Result<Vec<u32>, Errno> {
    let mut handles = Vec::with_capacity(count as usize);
    call.read_each::<sys::d3dkmthandle>(address, count, |handle| handles.push(handle.v))?;
    Ok(handles)
}

pub(super) fn make_resident(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dddi_makeresident;
    let args: Args = call.args()?;
    if args.alloc_count == 0 || args.alloc_count > RESIDENCY_LIMIT {
        return Err(EINVAL);
    }
    call.process.paging_queue(args.paging_queue)?;
    call.alive()?;
    let allocations = handles(call, args.allocation_list, args.alloc_count)?;
    let payload = 44 + 4 * allocations.len() as u64;
    let request = Request::MakeResident { paging_queue: args.paging_queue.v, allocations };
    let reply = call.gpu("MAKERESIDENT", payload, request)?;
    // On failure neither output is written, not even what would have to be trimmed.
    let ret = outcome(reply.status)?;
    put!(call, Args, paging_fence_value = &reply.value)?;
    put!(call, Args, num_bytes_to_trim = &0u64)?;
    Ok(ret)
}

pub(super) fn evict(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_evict;
    let args: Args = call.args()?;
    if args.alloc_count == 0 || args.alloc_count > RESIDENCY_LIMIT {
        return Err(EINVAL);
    }
    call.process.device(args.device)?;
    call.alive()?;
    let allocations = handles(call, args.allocations, args.alloc_count)?;
    let payload = 36 + 4 * allocations.len() as u64;
    // The answer has no status.
    call.gpu("EVICT", payload, Request::Evict { device: args.device.v, allocations })?;
    put!(call, Args, num_bytes_to_trim = &0u64)?;
    Ok(0)
}

pub(super) fn offer(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_offerallocations = call.args()?;
    if args.allocation_count == 0 || args.allocation_count > RESIDENCY_LIMIT {
        return Err(EINVAL);
    }
    if (args.resources == 0) == (args.allocations == 0) {
        return Err(EINVAL);
    }
    call.process.device(args.device)?;
    call.alive()?;
    let list = if args.resources != 0 { args.resources } else { args.allocations };
    let allocations = handles(call, list, args.allocation_count)?;
    let payload = 44 + 4 * allocations.len() as u64;
    call.gpu_status("OFFERALLOCATIONS", payload, Request::OfferOrReclaim { paging_queue: None, allocations })
}

pub(super) fn reclaim(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_reclaimallocations2;
    let args: Args = call.args()?;
    if args.allocation_count == 0 || args.allocation_count > RESIDENCY_LIMIT {
        return Err(EINVAL);
    }
    if (args.resources == 0) == (args.allocations == 0) {
        return Err(EINVAL);
    }
    call.process.paging_queue(args.paging_queue)?;
    call.alive()?;
    let list = if args.resources != 0 { args.resources } else { args.allocations };
    let allocations = handles(call, list, args.allocation_count)?;
    let count = allocations.len();
    let payload = 44 + 4 * count as u64;
    let request = Request::OfferOrReclaim { paging_queue: Some(args.paging_queue.v), allocations };
    let reply = call.gpu("RECLAIMALLOCATIONS", payload, request)?;
    // The fence value is written whatever the status is, and asking for results loses "pending".
    put!(call, Args, paging_fence_value = &reply.value)?;
    let ret = outcome(reply.status)?;
    if args.u.results() == 0 {
        return Ok(ret);
    }
    call.write_bytes(args.u.results(), &vec![0u8; 4 * count])?;
    Ok(0)
}

pub(super) fn update_property(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dddi_updateallocproperty;
    let args: Args = call.args()?;
    call.process.paging_queue(args.paging_queue)?;
    call.alive()?;
    let request =
        Request::UpdateAllocationProperty { paging_queue: args.paging_queue.v, allocation: args.allocation.v };
    let reply = call.gpu("UPDATEALLOCATIONPROPERTY", 64, request)?;
    let ret = outcome(reply.status)?;
    put!(call, Args, paging_fence_value = &reply.value)?;
    Ok(ret)
}

pub(super) fn query_residency(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_queryallocationresidency = call.args()?;
    if (args.allocation_count == 0) == args.resource.is_null() {
        return Err(EINVAL);
    }
    call.process.device(args.device)?;
    call.alive()?;
    let payload = 56 + 4 * u64::from(args.allocation_count);
    call.fits(payload)?;
    let allocations = handles(call, args.allocations, args.allocation_count)?;
    let reply = call.gpu("QUERYALLOCATIONRESIDENCY", payload, Request::QueryResidency { allocations })?;
    let ret = outcome(reply.status)?;
    call.write_bytes(args.residency_status, &reply.bytes)?;
    Ok(ret)
}

pub(super) fn set_priority(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_setallocationpriority = call.args()?;
    call.process.device(args.device)?;
    call.alive()?;
    if args.resource.is_null() == (args.allocation_count == 0) {
        return Err(EINVAL);
    }
    let payload = 40 + 8 * u64::from(args.allocation_count);
    call.fits(payload)?;
    let mut allocations = Vec::with_capacity(args.allocation_count as usize);
    for handle in handles(call, args.allocation_list, args.allocation_count)? {
        allocations.push((handle, 0));
    }
    let mut next = 0;
    call.read_each::<u32>(args.priorities, args.allocation_count, |priority| {
        allocations[next].1 = priority;
        next += 1;
    })?;
    call.gpu_status("SETALLOCATIONPRIORITY", payload, Request::SetAllocationPriority { allocations })
}

pub(super) fn get_priority(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_getallocationpriority = call.args()?;
    call.process.device(args.device)?;
    call.alive()?;
    if args.resource.is_null() == (args.allocation_count == 0) {
        return Err(EINVAL);
    }
    let payload = 40 + 4 * u64::from(args.allocation_count);
    call.fits(payload)?;
    let allocations = handles(call, args.allocation_list, args.allocation_count)?;
    let reply = call.gpu("GETALLOCATIONPRIORITY", payload, Request::GetAllocationPriority { allocations })?;
    let ret = outcome(reply.status)?;
    call.write_bytes(args.priorities, &reply.bytes)?;
    Ok(ret)
}

pub(super) fn map_va(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dddi_mapgpuvirtualaddress;
    let args: Args = call.args()?;
    call.process.paging_queue(args.paging_queue)?;
    call.alive()?;
    let request = Request::MapVa {
        paging_queue: args.paging_queue.v,
        base: args.base_address,
        minimum: args.minimum_address,
        maximum: args.maximum_address,
        allocation: args.allocation.v,
        offset_pages: args.offset_in_pages,
        pages: args.size_in_pages,
        protection: args.protection.value,
    };
    let reply = call.gpu("MAPGPUVIRTUALADDRESS", 136, request)?;
    let ret = outcome(reply.status)?;
    put!(call, Args, virtual_address = &reply.other)?;
    put!(call, Args, paging_fence_value = &reply.value)?;
    Ok(ret)
}

pub(super) fn reserve_va(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dddi_reservegpuvirtualaddress;
    let args: Args = call.args()?;
    // One field takes either handle; the adapter table is asked first.
    if call.process.adapter(args.adapter).is_err() {
        call.process.paging_queue(args.adapter)?;
    }
    call.alive()?;
    let request = Request::ReserveVa {
        base: args.base_address,
        minimum: args.minimum_address,
        maximum: args.maximum_address,
        size: args.size,
    };
    // The answer has no status: a refusal shows as address 0.
    let reply = call.gpu("RESERVEGPUVIRTUALADDRESS", 96, request)?;
    put!(call, Args, virtual_address = &reply.value)?;
    Ok(0)
}

pub(super) fn free_va(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_freegpuvirtualaddress = call.args()?;
    call.process.adapter(args.adapter)?;
    call.alive()?;
    let request = Request::FreeVa { base: args.base_address, size: args.size };
    call.gpu_status("FREEGPUVIRTUALADDRESS", 48, request)
}

fn update(operation: &sys::d3dddi_updategpuvirtualaddress_operation) -> VaUpdate {
    /// The right to write, which a plain map gives.
    const WRITE: u64 = 1;
    match operation.operation {
        sys::_D3DDDI_UPDATEGPUVIRTUALADDRESS_UNMAP => {
            let unmap = operation.u.unmap();
            VaUpdate::Unmap { base: unmap.base_address, size: unmap.size }
        }
        sys::_D3DDDI_UPDATEGPUVIRTUALADDRESS_COPY => {
            let copy = operation.u.copy();
            VaUpdate::Copy { source: copy.source_address, size: copy.size, destination: copy.dest_address }
        }
        kind => {
            // A plain map is a prefix of the one with protection.
            let map = operation.u.map_protect();
            let protection = match kind == sys::_D3DDDI_UPDATEGPUVIRTUALADDRESS_MAP_PROTECT {
                true => map.protection.value,
                false => WRITE,
            };
            VaUpdate::Map {
                base: map.base_address,
                size: map.size,
                allocation: map.allocation.v,
                offset: map.allocation_offset,
                protection,
            }
        }
    }
}

pub(super) fn update_va(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_updategpuvirtualaddress;
    let args: Args = call.args()?;
    if args.num_operations == 0 || args.num_operations > UPDATE_LIMIT {
        return Err(EINVAL);
    }
    call.process.device(args.device)?;
    call.alive()?;
    let payload = 56 + 64 * u64::from(args.num_operations);
    call.fits(payload)?;
    let mut updates = Vec::with_capacity(args.num_operations as usize);
    call.read_each::<sys::d3dddi_updategpuvirtualaddress_operation>(
        args.operations,
        args.num_operations,
        |operation| {
            updates.push(update(&operation));
        },
    )?;
    let request = Request::UpdateVa { device: args.device.v, updates };
    let reply = call.gpu("UPDATEGPUVIRTUALADDRESS", payload, request)?;
    // A positive status is lost here.
    outcome(reply.status)?;
    put!(call, Args, fence_value = &args.fence_value)?;
    Ok(0)
}

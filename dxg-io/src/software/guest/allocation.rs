//! Allocations: creating (also over the caller's own memory) and destroying.

use std::sync::Arc;

use super::call::{Call, EINVAL, Errno, Outcome, put};
use super::objects::{Allocation, CpuView, Device, Object, Resource};
use crate::software::bus::message::{NewAllocation, Request};
use crate::software::bus::{LONGEST_MESSAGE, outcome};
use crate::software::gpu::memory::PAGE_BYTES;
use crate::status::NtStatus;
use crate::sys;

/// Guest pages that one message describes.
const PAGES_PER_MESSAGE: u64 = 15_867;
/// Every such message is sent at this size, routing prefix included, however few pages it names.
const PAGES_MESSAGE_BYTES: u64 = 126_992;

/// What the checks made of the arguments.
struct Plan {
    allocations: Vec<NewAllocation>,
    /// Where the caller's memory begins, for each allocation; empty if the memory is the adapter's.
    existing: Vec<u64>,
    standard: bool,
    /// A violation that the driver answers as a bare NTSTATUS.
    raw: Option<NtStatus>,
}

fn standard_plan(
    call: &Call<'_>,
    args: &sys::d3dkmt_createallocation,
    info: &sys::d3dddi_allocationinfo2,
) -> Result<Plan, Errno> {
    if args.alloc_count != 1 || args.priv_drv_data_size != 0 || info.priv_drv_data_size != 0 {
        return Err(EINVAL);
    }
    if args.u.standard_allocation() == 0 {
        return Err(EINVAL);
    }
    let standard: sys::d3dkmt_createstandardallocation = call.read(args.u.standard_allocation())?;
    let existing_flag = args.flags.existing_sysmem();
    let mut plan = Plan { allocations: Vec::new(), existing: Vec::new(), standard: true, raw: None };
    let valid = match standard.r#type {
        sys::_D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP => {
            info.sysmem != 0 && info.sysmem.is_multiple_of(PAGE_BYTES) && existing_flag
        }
        sys::_D3DKMT_STANDARDALLOCATIONTYPE_CROSSADAPTER => info.sysmem == 0 && !existing_flag,
        _ => false,
    };
    if !valid {
        plan.raw = Some(NtStatus::INVALID_PARAMETER);
        return Ok(plan);
    }
    let size = standard.existing_heap_data.size;
    if size == 0 || !size.is_multiple_of(PAGE_BYTES) {
        return Err(EINVAL);
    }
    if info.sysmem != 0 {
        plan.existing.push(info.sysmem);
    }
    plan.allocations.push(NewAllocation {
        private_data: Vec::new(),
        standard_size: Some(size),
        existing_memory: info.sysmem != 0,
    });
    Ok(plan)
}

fn plan(
    call: &Call<'_>,
    args: &sys::d3dkmt_createallocation,
    infos: &[sys::d3dddi_allocationinfo2],
) -> Result<Plan, Errno> {
    let flags = args.flags;
    if flags.existing_section() || flags.create_protected() {
        return Err(EINVAL);
    }
    if flags.create_shared() && !(flags.create_resource() && flags.nt_security_sharing()) {
        return Err(EINVAL);
    }
    if flags.standard_allocation() {
        return standard_plan(call, args, &infos[0]);
    }
    let mut plan =
        Plan { allocations: Vec::with_capacity(infos.len()), existing: Vec::new(), standard: false, raw: None };
    for info in infos {
        if info.priv_drv_data_size >= LONGEST_MESSAGE {
            return Err(EINVAL);
        }
        if info.sysmem != 0 {
            if !info.sysmem.is_multiple_of(PAGE_BYTES) {
                return Err(EINVAL);
            }
            plan.existing.push(info.sysmem);
        }
    }
    // All or none.
    if !plan.existing.is_empty() && plan.existing.len() != infos.len() {
        return Err(EINVAL);
    }
    Ok(plan)
}

/// Reads the private data of every allocation, once the message is known to be short enough.
fn read_private_data(call: &Call<'_>, infos: &[sys::d3dddi_allocationinfo2], plan: &mut Plan) -> Result<(), Errno> {
    if plan.standard {
        return Ok(());
    }
    for info in infos {
        let private_data = call.read_bytes(info.priv_drv_data, info.priv_drv_data_size)?;
        let existing_memory = info.sysmem != 0;
        plan.allocations.push(NewAllocation { private_data, standard_size: None, existing_memory });
    }
    Ok(())
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_createallocation = call.args()?;
    if args.alloc_count == 0 || args.alloc_count > sys::D3DKMT_CREATEALLOCATION_MAX {
        return Err(EINVAL);
    }
    let infos: Vec<sys::d3dddi_allocationinfo2> = call.read_list(args.allocation_info, args.alloc_count)?;
    let mut plan = plan(call, &args, &infos)?;
    if let Some(status) = plan.raw {
        return Ok(status.0);
    }
    let device = call.process.device(args.device)?;
    let create_resource = args.flags.create_resource();
    let joined = match create_resource || args.resource.is_null() {
        true => None,
        false => {
            let resource = call.process.resource(args.resource)?;
            if !Arc::ptr_eq(&resource.device, &device) || resource.state().closed {
                return Err(EINVAL);
            }
            Some(resource)
        }
    };
    call.alive()?;
    let private: u64 = infos.iter().map(|info| u64::from(info.priv_drv_data_size)).sum();
    let own_data = if plan.standard { 0 } else { u64::from(args.priv_drv_data_size) };
    let runtime = u64::from(args.private_runtime_data_size);
    let payload = 64 + 12 * u64::from(args.alloc_count) + runtime + own_data + private;
    if !call.driver.link().payload_fits(payload) {
        return Err(Errno(libc::EOVERFLOW));
    }
    let runtime_data = call.read_bytes(args.private_runtime_data, args.private_runtime_data_size)?;
    let resource_data = call.read_bytes(args.u.priv_drv_data(), own_data as u32)?;
    read_private_data(call, &infos, &mut plan)?;
    if plan.standard {
        let size = plan.allocations[0].standard_size.unwrap_or(0);
        // First the sizes of the driver's data, then the data.
        for _ in 0..2 {
            call.gpu_status("DDIGETSTANDARDALLOCATIONDRIVERDATA", 64, Request::StandardAllocationData { size })?;
        }
    }
    let shared = args.flags.create_shared() || joined.as_ref().is_some_and(|resource| resource.shared);
    if shared {
        // Resources that nobody can open any more make room.
        call.driver.shares.prune();
    }
    let private_data: Vec<Vec<u8>> = plan.allocations.iter().map(|new| new.private_data.clone()).collect();
    let request = Request::CreateAllocations {
        device: args.device.v,
        resource: joined.as_ref().map(|resource| resource.handle),
        create_resource,
        shared,
        allocations: std::mem::take(&mut plan.allocations),
    };
    let mut reply = call.gpu("CREATEALLOCATION", payload, request)?;
    let ret = outcome(reply.status)?;
    reply.allocations.resize(infos.len(), (0, 0));
    let made = Made {
        device,
        joined,
        resource: create_resource.then_some(reply.handle),
        shared: args.flags.create_shared(),
        allocations: reply.allocations,
        runtime_data,
        resource_data,
        private_data,
    };
    let backed = bring_memory(call, &made, &plan.existing, !args.flags.read_only());
    let finished = backed.and_then(|()| enter(call, &args, &infos, &plan.existing, &made));
    if let Err(errno) = finished {
        destroy_at_host(call, args.device.v, &made)?;
        return Err(errno);
    }
    Ok(ret)
}

/// What the host made.
struct Made {
    device: Arc<Device>,
    joined: Option<Arc<Resource>>,
    resource: Option<u32>,
    shared: bool,
    allocations: Vec<(u32, u64)>,
    runtime_data: Vec<u8>,
    resource_data: Vec<u8>,
    private_data: Vec<Vec<u8>>,
}

/// Gives the caller's pages to the host: as many as the host says the allocation has.
fn bring_memory(call: &mut Call<'_>, made: &Made, existing: &[u64], writable: bool) -> Result<(), Errno> {
    for (&address, &(allocation, size)) in existing.iter().zip(&made.allocations) {
        call.memory.populate(address, size, writable).map_err(|_| Errno(libc::ENOMEM))?;
        let set = |length| Request::SetExistingMemory { allocation, address, length, writable };
        if !call.driver.map_guest_pages {
            // The list of pages goes as a GPADL, which is no message of the channel; one message names it.
            call.gpu_status("SETEXISTINGSYSMEMSTORE", 40, set(size))?;
            continue;
        }
        let payload = PAGES_MESSAGE_BYTES - u64::from(call.driver.link().prefix());
        for _ in 0..(size / PAGE_BYTES).div_ceil(PAGES_PER_MESSAGE) {
            call.gpu_status("SETEXISTINGSYSMEMPAGES", payload, set(size))?;
        }
    }
    Ok(())
}

/// Enters everything into the handle table, then tells the caller.
fn enter(
    call: &mut Call<'_>,
    args: &sys::d3dkmt_createallocation,
    infos: &[sys::d3dddi_allocationinfo2],
    existing: &[u64],
    made: &Made,
) -> Result<(), Errno> {
    let new_resource = made.resource.map(|handle| {
        let mut resource = Resource::new(handle, made.device.clone(), made.shared);
        resource.runtime_data = made.runtime_data.clone();
        resource.private_data = made.resource_data.clone();
        Arc::new(resource)
    });
    let owner = new_resource.clone().or_else(|| made.joined.clone());
    let mut entered = Vec::with_capacity(infos.len() + 1);
    let mut enter = || {
        let mut objects = call.process.objects_mut();
        if let (Some(handle), Some(resource)) = (made.resource, &new_resource) {
            objects.assign(handle, Object::Resource(resource.clone()))?;
            entered.push(handle);
        }
        for (index, &(handle, _)) in made.allocations.iter().enumerate() {
            let view = existing.get(index).map_or(CpuView::None, |address| CpuView::Existing(*address));
            let mut allocation = Allocation::new(made.device.clone(), owner.clone(), view);
            allocation.private_data = made.private_data[index].clone();
            objects.assign(handle, Object::Allocation(Arc::new(allocation)))?;
            entered.push(handle);
        }
        Ok(())
    };
    let told = enter().and_then(|()| tell(call, args, infos, made));
    if told.is_err() {
        let mut objects = call.process.objects_mut();
        entered.iter().for_each(|&handle| drop(objects.remove(handle)));
    } else if let Some(resource) = owner {
        resource.state().allocations.extend(made.allocations.iter().map(|(handle, _)| *handle));
    }
    told
}

fn tell(
    call: &Call<'_>,
    args: &sys::d3dkmt_createallocation,
    infos: &[sys::d3dddi_allocationinfo2],
    made: &Made,
) -> Result<(), Errno> {
    type Args = sys::d3dkmt_createallocation;
    if let Some(handle) = made.resource {
        put!(call, Args, resource = &sys::d3dkmthandle { v: handle })?;
    }
    put!(call, Args, global_share = &args.global_share)?;
    for (index, (info, &(handle, _))) in infos.iter().zip(&made.allocations).enumerate() {
        let at = args.allocation_info + (index * size_of::<sys::d3dddi_allocationinfo2>()) as u64;
        call.write(at + std::mem::offset_of!(sys::d3dddi_allocationinfo2, allocation) as u64, &handle)?;
        call.write_bytes(info.priv_drv_data, &made.private_data[index])?;
    }
    Ok(())
}

fn destroy_at_host(call: &mut Call<'_>, device: u32, made: &Made) -> Result<(), Errno> {
    let resource = made.resource.unwrap_or(0);
    let allocations: Vec<u32> = match resource {
        0 => made.allocations.iter().map(|(handle, _)| *handle).collect(),
        _ => Vec::new(),
    };
    let payload = 48 + 4 * allocations.len() as u64;
    call.gpu("DESTROYALLOCATION", payload, Request::DestroyAllocations { device, resource, allocations }).map(drop)
}

pub(super) fn destroy(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_destroyallocation2 = call.args()?;
    if args.alloc_count > sys::D3DKMT_CREATEALLOCATION_MAX || (args.alloc_count == 0) == args.resource.is_null() {
        return Err(EINVAL);
    }
    let listed: Vec<sys::d3dkmthandle> = call.read_list(args.allocations, args.alloc_count)?;
    let device = call.process.device(args.device)?;
    call.alive()?;
    let (request, payload, removed) = if args.resource.is_null() {
        let handles = owned_together(call, &device, &listed)?;
        let mut objects = call.process.objects_mut();
        let removed: Vec<Object> = handles.iter().filter_map(|&handle| objects.remove(handle)).collect();
        drop(objects);
        let payload = 48 + 4 * handles.len() as u64;
        (Request::DestroyAllocations { device: args.device.v, resource: 0, allocations: handles }, payload, removed)
    } else {
        let resource = call.process.resource(args.resource)?;
        if !Arc::ptr_eq(&resource.device, &device) {
            return Err(EINVAL);
        }
        let mut members = std::mem::take(&mut resource.state().allocations);
        members.push(args.resource.v);
        let mut objects = call.process.objects_mut();
        let removed: Vec<Object> = members.iter().filter_map(|&handle| objects.remove(handle)).collect();
        drop(objects);
        let allocations = Vec::new();
        let request = Request::DestroyAllocations { device: args.device.v, resource: args.resource.v, allocations };
        (request, 48, removed)
    };
    // Locks are undone before the host is told; the client's own memory was never ours.
    drop(removed);
    call.gpu_status("DESTROYALLOCATION", payload, request)
}

/// Checks that all handles are allocations of one owner that may go: nothing is destroyed unless all can be. A handle
/// named twice, which breaks the real driver, is refused here.
fn owned_together(call: &Call<'_>, device: &Arc<Device>, listed: &[sys::d3dkmthandle]) -> Result<Vec<u32>, Errno> {
    let mut owner: Option<Option<Arc<Resource>>> = None;
    let mut handles = Vec::with_capacity(listed.len());
    for handle in listed {
        let allocation = call.process.allocation(*handle)?;
        if !Arc::ptr_eq(&allocation.device, device) {
            return Err(EINVAL);
        }
        if allocation.resource.as_ref().is_some_and(|resource| resource.shared || allocation.opened) {
            return Err(EINVAL);
        }
        let same = match &owner {
            None => true,
            Some(first) => match (first, &allocation.resource) {
                (None, None) => true,
                (Some(first), Some(second)) => Arc::ptr_eq(first, second),
                _ => false,
            },
        };
        if !same {
            return Err(EINVAL);
        }
        owner.get_or_insert_with(|| allocation.resource.clone());
        handles.push(handle.v);
    }
    let mut sorted: Vec<u32> = handles.iter().map(|handle| handle >> 6).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(EINVAL);
    }
    if let Some(Some(resource)) = owner {
        resource.state().allocations.retain(|member| !handles.contains(member));
    }
    Ok(handles)
}

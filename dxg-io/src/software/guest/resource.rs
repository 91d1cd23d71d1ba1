//! Opening a shared resource.

use std::sync::Arc;

use super::call::{Call, EINVAL, Errno, Outcome, put};
use super::objects::{Allocation, CpuView, Object, Resource};
use super::share::{SealedResource, Shared};
use crate::software::bus::message::Request;
use crate::software::bus::outcome;
use crate::sys;

fn total(resource: &SealedResource) -> usize {
    resource.allocations.iter().map(Vec::len).sum()
}

fn find(call: &Call<'_>, number: u64) -> Result<Arc<SealedResource>, Errno> {
    match call.driver.shares.find(number)?.0 {
        Shared::Resource(sealed) => Ok(sealed),
        _ => Err(EINVAL),
    }
}

pub(super) fn query_info(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_queryresourceinfofromnthandle;
    let args: Args = call.args()?;
    call.process.device(args.device)?;
    let sealed = find(call, args.nt_handle)?;
    call.alive()?;
    put!(call, Args, private_runtime_data_size = &(sealed.runtime_data.len() as u32))?;
    put!(call, Args, total_priv_drv_data_size = &(total(&sealed) as u32))?;
    put!(call, Args, resource_priv_drv_data_size = &(sealed.private_data.len() as u32))?;
    put!(call, Args, allocation_count = &(sealed.allocations.len() as u32))?;
    Ok(0)
}

pub(super) fn open(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_openresourcefromnthandle = call.args()?;
    let device = call.process.device(args.device)?;
    let sealed = find(call, args.nt_handle)?;
    call.alive()?;
    let count = sealed.allocations.len();
    if args.allocation_count as usize != count
        || (args.private_runtime_data_size as usize) < sealed.runtime_data.len()
        || (args.resource_priv_drv_data_size as usize) < sealed.private_data.len()
        || (args.total_priv_drv_data_size as usize) < total(&sealed)
    {
        return Err(EINVAL);
    }
    let infos: Vec<sys::d3dddi_openallocationinfo2> = call.read_list(args.open_alloc_info, args.allocation_count)?;
    let mut reply =
        call.gpu("OPENRESOURCE", 48, Request::OpenResource { parts: sealed.parts.clone(), device: args.device.v })?;
    let ret = outcome(reply.status)?;
    reply.allocations.resize(count, (0, 0));
    let resource = Arc::new(Resource::new(reply.handle, device.clone(), true));
    let mut entered = Vec::with_capacity(count + 1);
    let mut enter = || {
        let mut objects = call.process.objects_mut();
        objects.assign(reply.handle, Object::Resource(resource.clone()))?;
        entered.push(reply.handle);
        for &(handle, _) in &reply.allocations {
            let mut allocation = Allocation::new(device.clone(), Some(resource.clone()), CpuView::None);
            allocation.opened = true;
            objects.assign(handle, Object::Allocation(Arc::new(allocation)))?;
            entered.push(handle);
        }
        Ok(())
    };
    let told = enter().and_then(|()| tell(call, &args, infos, &sealed, &reply.allocations, reply.handle));
    if let Err(errno) = told {
        {
            let mut objects = call.process.objects_mut();
            entered.iter().for_each(|&handle| drop(objects.remove(handle)));
        }
        let request =
            Request::DestroyAllocations { device: args.device.v, resource: reply.handle, allocations: Vec::new() };
        call.gpu("DESTROYALLOCATION", 48, request)?;
        return Err(errno);
    }
    let mut state = resource.state();
    (state.closed, state.sealed) = (true, Some(sealed.clone()));
    state.allocations.extend(reply.allocations.iter().map(|(handle, _)| *handle));
    drop(state);
    Ok(ret)
}

fn tell(
    call: &Call<'_>,
    args: &sys::d3dkmt_openresourcefromnthandle,
    infos: Vec<sys::d3dddi_openallocationinfo2>,
    sealed: &SealedResource,
    handles: &[(u32, u64)],
    resource: u32,
) -> Result<(), Errno> {
    type Args = sys::d3dkmt_openresourcefromnthandle;
    call.write_bytes(args.private_runtime_data, &sealed.runtime_data)?;
    call.write_bytes(args.resource_priv_drv_data, &sealed.private_data)?;
    let mut at = args.total_priv_drv_data;
    for (index, mut info) in infos.into_iter().enumerate() {
        let data = &sealed.allocations[index];
        call.write_bytes(at, data)?;
        info.allocation.v = handles[index].0;
        info.priv_drv_data = at;
        info.priv_drv_data_size = data.len() as u32;
        let entry = args.open_alloc_info + (index * size_of::<sys::d3dddi_openallocationinfo2>()) as u64;
        call.write(entry, &info)?;
        at += data.len() as u64;
    }
    put!(call, Args, resource = &sys::d3dkmthandle { v: resource })
}

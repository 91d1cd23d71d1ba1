//! Contexts, hardware queues and paging queues, and submissions to them.

use std::sync::Arc;

use super::call::{Call, EINVAL, Errno, Outcome, put};
use super::objects::{Context, HwQueue, Object, PagingQueue};
use crate::software::bus::message::{Reply, Request, Work};
use crate::software::bus::{LONGEST_MESSAGE, outcome};
use crate::software::gpu::memory::GuestMapping;
use crate::sys;

/// Contexts that one submission may name.
const BROADCAST_LIMIT: u32 = 64;
/// History buffers that one submission may name.
const HISTORY_LIMIT: u32 = 1024;

/// Maps the page in an answer for the client. An answer without one is what an empty page number leads to: ENOMEM.
pub(super) fn map_page(reply: &Reply) -> Result<GuestMapping, Errno> {
    let pages = reply.memory.as_ref().ok_or(Errno(libc::ENOMEM))?;
    pages.map_to_guest().map_err(|_| Errno(libc::ENOMEM))
}

/// The address a client sees a mapping at.
pub(super) fn address_of(mapping: &GuestMapping) -> u64 {
    mapping.address() as u64
}

pub(super) fn create_context(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_createcontextvirtual;
    let args: Args = call.args()?;
    let device = call.process.device(args.device)?;
    call.alive()?;
    let size = args.priv_drv_data_size;
    if size > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    let payload = 55 + u64::from(size);
    call.fits(payload)?;
    // The driver makes no difference between a bad pointer and a context that the host refuses.
    let data = call.read_bytes(args.priv_drv_data, size).map_err(|_| EINVAL)?;
    let request = Request::CreateContext { device: args.device.v, node: args.node_ordinal };
    let reply = call.gpu("CREATECONTEXTVIRTUAL", payload, request)?;
    if reply.handle == 0 {
        return Err(EINVAL);
    }
    let handle = sys::d3dkmthandle { v: reply.handle };
    let entered = call
        .write_bytes(args.priv_drv_data, &data)
        .map_err(|_| EINVAL)
        .and_then(|()| call.process.objects_mut().assign(handle.v, Object::Context(Arc::new(Context { device }))))
        .and_then(|()| {
            put!(call, Args, context = &handle).inspect_err(|_| drop(call.process.objects_mut().remove(handle.v)))
        });
    if let Err(errno) = entered {
        call.gpu("DESTROYCONTEXT", 32, Request::DestroyContext { context: handle.v })?;
        return Err(errno);
    }
    Ok(0)
}

pub(super) fn destroy_context(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_destroycontext = call.args()?;
    call.process.context(args.context)?;
    {
        let mut objects = call.process.objects_mut();
        objects.remove(args.context.v).ok_or(EINVAL)?;
        let mut queues = Vec::new();
        for (handle, object) in objects.iter() {
            if let Object::HwQueue(queue) = object
                && queue.context == args.context.v
            {
                queues.push((handle, queue.fence));
            }
        }
        for (queue, fence) in queues {
            objects.remove(queue);
            objects.remove(fence);
        }
    }
    call.alive()?;
    call.gpu_status("DESTROYCONTEXT", 32, Request::DestroyContext { context: args.context.v })
}

pub(super) fn create_hw_queue(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_createhwqueue;
    let args: Args = call.args()?;
    let size = args.priv_drv_data_size;
    if size > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    let context = call.process.context(args.context)?;
    call.alive()?;
    let payload = if size == 0 { 72 } else { 71 + u64::from(size) };
    call.fits(payload)?;
    let data = call.read_bytes(args.priv_drv_data, size)?;
    let reply = call.gpu("CREATEHWQUEUE", payload, Request::CreateHwQueue { context: args.context.v })?;
    let ret = outcome(reply.status)?;
    let device = context.device.clone();
    let entered = map_page(&reply).and_then(|mapping| {
        let cpu_address = address_of(&mapping);
        let queue = HwQueue { device: device.clone(), context: args.context.v, fence: reply.second, mapping };
        let mut objects = call.process.objects_mut();
        objects.assign(reply.handle, Object::HwQueue(Arc::new(queue)))?;
        if let Err(errno) = objects.assign(reply.second, Object::QueueFence(device)) {
            objects.remove(reply.handle);
            return Err(errno);
        }
        Ok(cpu_address)
    });
    let written = entered.and_then(|cpu_address| {
        let queue = sys::d3dkmthandle { v: reply.handle };
        let fence = sys::d3dkmthandle { v: reply.second };
        put!(call, Args, queue = &queue)
            .and_then(|()| put!(call, Args, queue_progress_fence = &fence))
            .and_then(|()| put!(call, Args, queue_progress_fence_cpu_va = &cpu_address))
            .and_then(|()| put!(call, Args, queue_progress_fence_gpu_va = &reply.other))
            .and_then(|()| call.write_bytes(args.priv_drv_data, &data))
            .inspect_err(|_| forget(call, &reply))
    });
    if let Err(errno) = written {
        if reply.handle != 0 {
            call.gpu("DESTROYHWQUEUE", 32, Request::DestroyHwQueue { queue: reply.handle })?;
        }
        return Err(errno);
    }
    Ok(ret)
}

/// Takes a queue and its fence out of the handle table again: the client could not be told of them.
fn forget(call: &Call<'_>, reply: &Reply) {
    let mut objects = call.process.objects_mut();
    objects.remove(reply.handle);
    objects.remove(reply.second);
}

pub(super) fn destroy_hw_queue(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_destroyhwqueue = call.args()?;
    let queue = call.process.hw_queue(args.queue)?;
    {
        let mut objects = call.process.objects_mut();
        objects.remove(args.queue.v).ok_or(EINVAL)?;
        objects.remove(queue.fence);
    }
    call.alive()?;
    let ret = call.gpu_status("DESTROYHWQUEUE", 32, Request::DestroyHwQueue { queue: args.queue.v });
    // The page is unmapped after the host has been told.
    drop(queue);
    ret
}

pub(super) fn create_paging_queue(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_createpagingqueue;
    let args: Args = call.args()?;
    let device = call.process.device(args.device)?;
    call.alive()?;
    let reply = call.gpu("CREATEPAGINGQUEUE", 56, Request::CreatePagingQueue { device: args.device.v })?;
    let written = map_page(&reply).and_then(|mapping| {
        let cpu_address = address_of(&mapping);
        {
            let mut objects = call.process.objects_mut();
            let queue = PagingQueue { device: device.clone(), fence: reply.second, mapping };
            objects.assign(reply.handle, Object::PagingQueue(Arc::new(queue)))?;
            if let Err(errno) = objects.assign(reply.second, Object::QueueFence(device)) {
                objects.remove(reply.handle);
                return Err(errno);
            }
        }
        put!(call, Args, paging_queue = &sys::d3dkmthandle { v: reply.handle })
            .and_then(|()| put!(call, Args, sync_object = &sys::d3dkmthandle { v: reply.second }))
            .and_then(|()| put!(call, Args, fence_cpu_virtual_address = &cpu_address))
            .inspect_err(|_| forget(call, &reply))
    });
    if let Err(errno) = written {
        if reply.handle != 0 {
            call.gpu("DESTROYPAGINGQUEUE", 32, Request::DestroyPagingQueue { queue: reply.handle })?;
        }
        return Err(errno);
    }
    Ok(0)
}

pub(super) fn destroy_paging_queue(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dddi_destroypagingqueue = call.args()?;
    let queue = call.process.paging_queue(args.paging_queue)?;
    {
        let mut objects = call.process.objects_mut();
        objects.remove(args.paging_queue.v).ok_or(EINVAL)?;
        objects.remove(queue.fence);
    }
    call.alive()?;
    call.gpu("DESTROYPAGINGQUEUE", 32, Request::DestroyPagingQueue { queue: args.paging_queue.v })?;
    drop(queue);
    Ok(0)
}

pub(super) fn submit_command(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_submitcommand = call.args()?;
    if args.broadcast_context_count == 0
        || args.broadcast_context_count > BROADCAST_LIMIT
        || args.priv_drv_data_size > LONGEST_MESSAGE
        || args.num_history_buffers > HISTORY_LIMIT
        || args.num_primaries > LONGEST_MESSAGE
    {
        return Err(EINVAL);
    }
    let context = args.broadcast_context[0];
    call.process.context(context)?;
    call.alive()?;
    let (history, private) = (4 * u64::from(args.num_history_buffers), u64::from(args.priv_drv_data_size));
    let payload = 408 + history + private;
    call.fits(payload)?;
    call.touch(args.history_buffer_array, history)?;
    call.touch(args.priv_drv_data, private)?;
    let (command_buffer, length) = (args.command_buffer, args.command_length);
    call.work("SUBMITCOMMAND", payload, Work::Submit { queue: context.v, command_buffer, length, fence: None })
}

pub(super) fn submit_to_hw_queue(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_submitcommandtohwqueue = call.args()?;
    if args.priv_drv_data_size > LONGEST_MESSAGE || args.num_primaries > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    call.process.hw_queue(args.hwqueue)?;
    call.alive()?;
    let (primaries, private) = (4 * u64::from(args.num_primaries), u64::from(args.priv_drv_data_size));
    let payload = 80 + primaries + private;
    call.fits(payload)?;
    call.touch(args.written_primaries, primaries)?;
    call.touch(args.priv_drv_data, private)?;
    let work = Work::Submit {
        queue: args.hwqueue.v,
        command_buffer: args.command_buffer,
        length: args.command_length,
        fence: Some(args.hwqueue_progress_fence_id),
    };
    call.work("SUBMITCOMMANDTOHWQUEUE", payload, work)
}

fn set(call: &mut Call<'_>, in_process: bool) -> Outcome {
    // The two calls take structs of the same shape.
    let args: sys::d3dkmt_setcontextschedulingpriority = call.args()?;
    call.process.context(args.context)?;
    call.alive()?;
    let request = Request::SetContextPriority { context: args.context.v, in_process, priority: args.priority };
    call.gpu_status("SETCONTEXTSCHEDULINGPRIORITY", 40, request)
}

fn get(call: &mut Call<'_>, in_process: bool) -> Outcome {
    type Args = sys::d3dkmt_getcontextschedulingpriority;
    let args: Args = call.args()?;
    call.process.context(args.context)?;
    call.alive()?;
    let request = Request::GetContextPriority { context: args.context.v, in_process };
    let reply = call.gpu("GETCONTEXTSCHEDULINGPRIORITY", 32, request)?;
    let ret = outcome(reply.status)?;
    put!(call, Args, priority = &(reply.value as u32 as i32))?;
    Ok(ret)
}

pub(super) fn set_priority(call: &mut Call<'_>) -> Outcome {
    set(call, false)
}

pub(super) fn set_in_process_priority(call: &mut Call<'_>) -> Outcome {
    set(call, true)
}

pub(super) fn get_priority(call: &mut Call<'_>) -> Outcome {
    get(call, false)
}

pub(super) fn get_in_process_priority(call: &mut Call<'_>) -> Outcome {
    get(call, true)
}

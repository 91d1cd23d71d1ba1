//! Devices.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::call::{Call, EINVAL, Outcome, put};
use super::objects::{Device, Object};
use crate::software::bus::message::Request;
use crate::software::bus::outcome;
use crate::sys;

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_createdevice;
    let args: Args = call.args()?;
    call.process.adapter(args.adapter)?;
    call.alive()?;
    // The answer is a bare handle. None is no error: the call succeeds and writes nothing.
    let handle = call.gpu("CREATEDEVICE", 40, Request::CreateDevice).map(|reply| reply.handle);
    let handle = match handle {
        Ok(handle) if handle != 0 => handle,
        Ok(_) => return Ok(0),
        Err(errno) => return Err(errno),
    };
    let entered = put!(call, Args, device = &sys::d3dkmthandle { v: handle })
        .and_then(|()| call.process.objects_mut().assign(handle, Object::Device(Arc::new(Device::new(handle)))));
    if let Err(errno) = entered {
        call.gpu("DESTROYDEVICE", 32, Request::DestroyDevice { device: handle })?;
        return Err(errno);
    }
    Ok(0)
}

pub(super) fn destroy(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_destroydevice = call.args()?;
    let device = call.process.device(args.device)?;
    // Two callers may have found it: the one that takes the handle out destroys it.
    call.process.objects_mut().remove(args.device.v).ok_or(EINVAL)?;
    let mut traffic = call.traffic;
    call.driver.tear_down_device(call.process, &device, &mut traffic);
    call.traffic = traffic;
    Ok(0)
}

pub(super) fn get_state(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_getdevicestate;
    let args: Args = call.args()?;
    let device = call.process.device(args.device)?;
    call.alive()?;
    let execution = args.state_type == sys::_D3DKMT_DEVICESTATE_EXECUTION;
    let counter = call.driver.link.dispatcher().state_counter();
    if execution && device.state_counter.load(Ordering::Acquire) == counter {
        let state = device.execution_state.load(Ordering::Acquire);
        return put!(call, Args, u = &state).map(|()| 0);
    }
    let request = Request::DeviceState { device: args.device.v, kind: args.state_type };
    let reply = call.gpu("GETDEVICESTATE", 80, request)?;
    let ret = outcome(reply.status)?;
    call.write_bytes(call.arg + std::mem::offset_of!(Args, u) as u64, &reply.bytes)?;
    if let (true, Some(state)) = (execution, reply.bytes.first_chunk::<4>()) {
        device.execution_state.store(u32::from_le_bytes(*state), Ordering::Release);
        device.state_counter.store(counter, Ordering::Release);
    }
    Ok(ret)
}

pub(super) fn mark_as_error(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_markdeviceaserror = call.args()?;
    let device = call.process.device(args.device)?;
    call.alive()?;
    device.execution_state.store(sys::_D3DKMT_DEVICEEXECUTION_RESET, Ordering::Release);
    call.gpu_status("MARKDEVICEASERROR", 32, Request::MarkDeviceAsError { device: args.device.v })
}

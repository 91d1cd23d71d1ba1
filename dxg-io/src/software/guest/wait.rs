//! Waits: posted ones of contexts and hardware queues, and the CPU's, with an eventfd or blocking.

use std::os::fd::AsFd;

use super::call::{Call, EINVAL, Errno, Outcome};
use super::objects::Object;
use super::signal::read_fences;
use crate::software::bus::LONGEST_MESSAGE;
use crate::software::bus::events::{Sink, private_eventfd, sleep_on, take_eventfd};
use crate::software::bus::message::{FenceList, Request, Work};
use crate::sys;

const COMMAND: &str = "WAITFORSYNCOBJECTFROMGPU";
/// Objects that one GPU wait may name.
const OBJECT_LIMIT: u32 = 32;
/// Values in the struct of the oldest wait.
const INLINE_VALUES: usize = 8;

fn payload(count: usize) -> u64 {
    40 + 12 * count as u64
}

pub(super) fn wait2(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_waitforsynchronizationobject2 = call.args()?;
    if args.object_count == 0 || args.object_count > OBJECT_LIMIT {
        return Err(EINVAL);
    }
    call.process.context(args.context)?;
    call.alive()?;
    // The struct holds eight values. For more objects the driver reads past them; here they are zero.
    let values = args.u.reserved();
    let value = |index: usize| if index < INLINE_VALUES { values[index] } else { 0 };
    let objects: FenceList = args.object_array[..args.object_count as usize]
        .iter()
        .enumerate()
        .map(|(index, object)| (object.v, value(index)))
        .collect();
    let payload = payload(objects.len());
    call.work(COMMAND, payload, Work::Wait { queue: args.context.v, objects })
}

pub(super) fn from_gpu(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_waitforsynchronizationobjectfromgpu = call.args()?;
    if args.object_count == 0 || args.object_count > OBJECT_LIMIT {
        return Err(EINVAL);
    }
    let mut objects = FenceList::new();
    call.read_each::<sys::d3dkmthandle>(args.objects, args.object_count, |object| objects.push((object.v, 0)))?;
    // The first object decides what the values are; the others are the host's to look at.
    let monitored = match call.process.objects().get(objects[0].0) {
        Some(Object::QueueFence(_)) => true,
        Some(Object::Sync(sync)) => sync.monitored,
        _ => return Err(EINVAL),
    };
    if monitored {
        let mut next = 0;
        call.read_each::<u64>(args.u.monitored_fence_values(), args.object_count, |value| {
            objects[next].1 = value;
            next += 1;
        })?;
    } else {
        objects[0].1 = args.u.fence_value();
    }
    call.process.context(args.context)?;
    call.alive()?;
    let payload = payload(objects.len());
    call.work(COMMAND, payload, Work::Wait { queue: args.context.v, objects })
}

pub(super) fn to_hw_queue(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_submitwaitforsyncobjectstohwqueue = call.args()?;
    if args.object_count == 0 || args.object_count > OBJECT_LIMIT {
        return Err(EINVAL);
    }
    let objects = read_fences(call, args.objects, args.fence_values, args.object_count)?;
    call.process.hw_queue(args.hwqueue)?;
    call.alive()?;
    let payload = payload(objects.len());
    call.work(COMMAND, payload, Work::Wait { queue: args.hwqueue.v, objects })
}

/// Sends a CPU wait whose event is already registered.
pub(super) fn send_cpu_wait(
    call: &mut Call<'_>,
    device: sys::d3dkmthandle,
    objects: impl FnOnce(&Call<'_>) -> Result<FenceList, Errno>,
    any: bool,
    event: u64,
) -> Outcome {
    let attempt = || {
        call.process.device(device)?;
        call.alive()?;
        let objects = objects(call)?;
        let payload = 56 + 12 * objects.len() as u64;
        call.gpu_status("WAITFORSYNCOBJECTFROMCPU", payload, Request::WaitCpu { objects, any, event })
    };
    let outcome = attempt();
    if outcome.is_err() {
        call.driver.link().dispatcher().events.withdraw(event);
    }
    outcome
}

pub(super) fn from_cpu(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_waitforsynchronizationobjectfromcpu = call.args()?;
    if args.object_count == 0 || args.object_count > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    call.fits(56 + 12 * u64::from(args.object_count))?;
    let any = args.flags.wait_any();
    let read = |call: &Call<'_>| read_fences(call, args.objects, args.fence_values, args.object_count);
    let events = &call.driver.link().dispatcher().events;
    let owner = Some((call.process.key, args.device.v));
    if args.async_event != 0 {
        let fd = take_eventfd(args.async_event).ok_or(EINVAL)?;
        let event = events.register(Sink::EventFd(fd), true, owner);
        return send_cpu_wait(call, args.device, read, any, event);
    }
    let errno = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
    let (fd, copy) = private_eventfd().map_err(errno)?;
    let event = events.register(Sink::EventFd(copy), true, owner);
    let ret = send_cpu_wait(call, args.device, read, any, event)?;
    // No lock is held here. A signal ends the sleep; the host's wait lingers, and its event finds nobody.
    let slept = sleep_on(fd.as_fd());
    if slept.is_err() {
        events.withdraw(event);
    }
    slept.map_err(errno)?;
    Ok(ret)
}

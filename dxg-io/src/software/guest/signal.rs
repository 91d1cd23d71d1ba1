//! Signals: posted, from the CPU, from contexts, from hardware queues.

use smallvec::SmallVec;

use super::call::{Call, EFAULT, EINVAL, Errno, Outcome};
use crate::software::bus::LONGEST_MESSAGE;
use crate::software::bus::events::{Sink, take_eventfd};
use crate::software::bus::message::{FenceList, Work};
use crate::sys;

const COMMAND: &str = "SIGNALSYNCOBJECT";
/// Objects that one signal may name, where the driver limits it.
const OBJECT_LIMIT: u32 = 32;
/// Queues that one signal may name.
const QUEUE_LIMIT: u32 = 64;

/// Reads object handles and, one by one, their values.
pub(super) fn read_fences(call: &Call<'_>, objects: u64, values: u64, count: u32) -> Result<FenceList, Errno> {
    let mut fences = FenceList::new();
    call.read_each::<sys::d3dkmthandle>(objects, count, |object| fences.push((object.v, 0)))?;
    let mut next = 0;
    call.read_each::<u64>(values, count, |value| {
        fences[next].1 = value;
        next += 1;
    })?;
    Ok(fences)
}

/// Registers the caller's eventfd as a one-shot event.
fn arm(call: &Call<'_>, number: u64) -> Result<u64, Errno> {
    let fd = take_eventfd(number).ok_or(EINVAL)?;
    Ok(call.driver.link().dispatcher().events.register(Sink::EventFd(fd), true, None))
}

/// Sends a signal; an event that did not get away is taken back.
fn send(call: &mut Call<'_>, payload: u64, work: Work, event: Option<u64>) -> Outcome {
    let outcome = call.work(COMMAND, payload, work);
    if let (Err(_), Some(event)) = (&outcome, event) {
        call.driver.link().dispatcher().events.withdraw(event);
    }
    outcome
}

pub(super) fn signal2(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_signalsynchronizationobject2 = call.args()?;
    // One context less than the array holds: the anchor is sent along with it.
    if args.context_count >= sys::D3DDDI_MAX_BROADCAST_CONTEXT || args.object_count > OBJECT_LIMIT {
        return Err(EINVAL);
    }
    call.process.context(args.context)?;
    call.alive()?;
    let event = match args.flags.enqueue_cpu_event() {
        true => Some(arm(call, args.u.cpu_event_handle())?),
        false => None,
    };
    let value = args.u.fence().fence_value;
    let objects: FenceList =
        args.object_array[..args.object_count as usize].iter().map(|object| (object.v, value)).collect();
    let mut queues: SmallVec<[u32; 2]> = SmallVec::from_iter([args.context.v]);
    queues.extend(args.contexts[..args.context_count as usize].iter().map(|context| context.v));
    let payload = 60 + 4 * objects.len() as u64 + 4 * u64::from(args.context_count);
    let allow_rewind = args.flags.allow_fence_rewind();
    send(call, payload, Work::Signal { queues, objects, allow_rewind, event }, event)
}

pub(super) fn from_cpu(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_signalsynchronizationobjectfromcpu = call.args()?;
    if args.object_count == 0 || args.object_count > OBJECT_LIMIT {
        return Err(EINVAL);
    }
    call.process.device(args.device)?;
    call.alive()?;
    let objects = read_fences(call, args.objects, args.fence_values, args.object_count)?;
    let payload = 56 + 12 * objects.len() as u64;
    let allow_rewind = args.flags.allow_fence_rewind();
    call.work(COMMAND, payload, Work::Signal { queues: SmallVec::new(), objects, allow_rewind, event: None })
}

pub(super) fn from_gpu(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_signalsynchronizationobjectfromgpu = call.args()?;
    if args.object_count == 0 || args.object_count > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    call.process.context(args.context)?;
    call.alive()?;
    let payload = 60 + 12 * u64::from(args.object_count);
    call.fits(payload)?;
    let objects = read_fences(call, args.objects, args.u.monitored_fence_values(), args.object_count)?;
    let queues = SmallVec::from_iter([args.context.v]);
    call.work(COMMAND, payload, Work::Signal { queues, objects, allow_rewind: false, event: None })
}

pub(super) fn from_gpu2(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_signalsynchronizationobjectfromgpu2 = call.args()?;
    let with_event = args.flags.enqueue_cpu_event();
    if with_event {
        if args.object_count != 0 || args.u.cpu_event_handle() == 0 {
            return Err(EINVAL);
        }
    } else if args.object_count == 0 || args.object_count > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    if args.context_count == 0 || args.context_count > LONGEST_MESSAGE {
        return Err(EINVAL);
    }
    let (object_bytes, context_bytes) = (12 * u64::from(args.object_count), 4 * u64::from(args.context_count));
    let payload = 56 + object_bytes + context_bytes;
    let anchor: sys::d3dkmthandle = call.read(args.contexts)?;
    let event = if with_event { Some(arm(call, args.u.cpu_event_handle())?) } else { None };
    let prepare = || {
        call.process.context(anchor)?;
        call.alive()?;
        call.fits(payload)?;
        let mut queues: SmallVec<[u32; 2]> = SmallVec::new();
        call.read_each::<sys::d3dkmthandle>(args.contexts, args.context_count, |context| queues.push(context.v))?;
        let objects = match with_event {
            true => FenceList::new(),
            false => read_fences(call, args.objects, args.u.monitored_fence_values(), args.object_count)?,
        };
        Ok((queues, objects))
    };
    match prepare() {
        Ok((queues, objects)) => {
            let allow_rewind = args.flags.allow_fence_rewind();
            send(call, payload, Work::Signal { queues, objects, allow_rewind, event }, event)
        }
        Err(errno) => {
            if let Some(event) = event {
                call.driver.link().dispatcher().events.withdraw(event);
            }
            Err(errno)
        }
    }
}

pub(super) fn to_hw_queue(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_submitsignalsyncobjectstohwqueue = call.args()?;
    if args.hwqueue_count == 0
        || args.hwqueue_count > QUEUE_LIMIT
        || args.object_count == 0
        || args.object_count > OBJECT_LIMIT
    {
        return Err(EINVAL);
    }
    // The driver passes a null event on, so a CPU event cannot be asked for here.
    if args.flags.enqueue_cpu_event() {
        return Err(EINVAL);
    }
    let anchor: sys::d3dkmthandle = call.read(args.hwqueues)?;
    call.process.hw_queue(anchor)?;
    call.alive()?;
    let mut queues: SmallVec<[u32; 2]> = SmallVec::new();
    call.read_each::<sys::d3dkmthandle>(args.hwqueues, args.hwqueue_count, |queue| queues.push(queue.v))
        .map_err(|_| EFAULT)?;
    let objects = read_fences(call, args.objects, args.fence_values, args.object_count)?;
    let payload = 56 + 12 * objects.len() as u64 + 4 * queues.len() as u64;
    let allow_rewind = args.flags.allow_fence_rewind();
    call.work(COMMAND, payload, Work::Signal { queues, objects, allow_rewind, event: None })
}

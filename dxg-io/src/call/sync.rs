//! Calls on synchronization objects: creating, destroying, waits and signals by CPU, contexts and hardware queues.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Dxg, Success, address, count, given};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

const MAX_WAITED: usize = D3DDDI_MAX_OBJECT_WAITED_ON as usize;
const MAX_SIGNALED: usize = D3DDDI_MAX_OBJECT_SIGNALED as usize;
/// Objects that fit one message of a CPU wait.
const MAX_CPU_WAITED: usize = 10_915;
/// Objects that fit one message of a signal by contexts. The host is known to take 33 and more.
const MAX_GPU_SIGNALED: usize = 10_000;
const MAX_BROADCAST: usize = D3DDDI_MAX_BROADCAST_CONTEXT as usize;

/// What a legacy signal carries.
#[derive(Clone, Copy, Debug)]
pub enum Signal<'a> {
    /// The value of a fence.
    Value(u64),
    /// An event that fires when the signal is executed; no objects may be named beside it.
    Event(BorrowedFd<'a>),
}

fn on_context(context: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Context, context)
}

fn on_device(device: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Device, device)
}

fn on_queue(queue: d3dkmthandle) -> Object {
    Object::new(ObjectKind::HwQueue, queue)
}

/// The count of a list of objects with one value each.
fn paired(call: &'static IoctlInfo, objects: &[d3dkmthandle], values: &[u64], most: usize) -> Result<u32> {
    if objects.len() != values.len() {
        let reason = format!("{} objects with {} values; each needs one", objects.len(), values.len());
        return Err(Error::invalid(call.name, reason));
    }
    count(call, "synchronization objects", objects.len(), 1, most)
}

/// The number by which the driver finds an eventfd. 0 means "none" to it.
fn event_number(call: &'static IoctlInfo, event: BorrowedFd<'_>) -> Result<u64> {
    match event.as_raw_fd() {
        fd if fd > 0 => Ok(fd as u64),
        _ => Err(Error::invalid(
            call.name,
            "the event is file descriptor 0, which means none to the driver; duplicate it",
        )),
    }
}

impl Dxg {
    /// Creates a synchronization object; the answer is the whole struct, with the handle and, for fences, the addresses
    /// of the value. `LX_DXCREATESYNCHRONIZATIONOBJECT`.
    pub fn create_synchronization_object(
        &self,
        device: d3dkmthandle,
        info: &d3dddi_synchronizationobjectinfo2,
    ) -> Result<d3dkmt_createsynchronizationobject2> {
        let mut args = d3dkmt_createsynchronizationobject2 { device, info: *info, ..Default::default() };
        // SAFETY: pointers in the struct are outputs.
        let _ = unsafe { self.call(&mut args, on_device(device))? };
        given(
            d3dkmt_createsynchronizationobject2::IOCTL,
            on_device(device),
            "synchronization object",
            args.sync_object,
        )?;
        Ok(args)
    }

    /// Destroys a synchronization object; the page of a fence is unmapped. `LX_DXDESTROYSYNCHRONIZATIONOBJECT`.
    ///
    /// # Safety
    /// Nobody reads the fence's page any more.
    pub unsafe fn destroy_synchronization_object(&self, object: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_destroysynchronizationobject { sync_object: object };
        // SAFETY: the struct holds no pointers; the page is the caller's promise.
        unsafe { self.call(&mut args, Object::new(ObjectKind::SyncObject, object)) }.map(drop)
    }

    /// Signals objects in the order of `context` and of the other `contexts`. `LX_DXSIGNALSYNCHRONIZATIONOBJECT`.
    pub fn signal_synchronization_object2(
        &self,
        context: d3dkmthandle,
        others: &[d3dkmthandle],
        objects: &[d3dkmthandle],
        signal: Signal<'_>,
        mut flags: d3dddicb_signalflags,
    ) -> Result<Success> {
        let call = d3dkmt_signalsynchronizationobject2::IOCTL;
        let mut args = d3dkmt_signalsynchronizationobject2 {
            context,
            object_count: count(call, "synchronization objects", objects.len(), 0, MAX_SIGNALED)?,
            // The context itself is one more.
            context_count: count(call, "further contexts", others.len(), 0, MAX_BROADCAST - 1)?,
            ..Default::default()
        };
        args.object_array[..objects.len()].copy_from_slice(objects);
        args.contexts[..others.len()].copy_from_slice(others);
        match signal {
            Signal::Value(value) => args.u.set_fence(d3dkmt_signalsynchronizationobject2_fence { fence_value: value }),
            Signal::Event(event) => {
                if !objects.is_empty() {
                    return Err(Error::invalid(call.name, "an event is signalled alone; name no objects beside it"));
                }
                flags.set_enqueue_cpu_event(true);
                args.u.set_cpu_event_handle(event_number(call, event)?);
            }
        }
        args.flags = flags;
        // SAFETY: the struct holds no pointers.
        unsafe { self.call(&mut args, on_context(context)) }
    }

    /// Lets a context wait for one legacy object. `LX_DXWAITFORSYNCHRONIZATIONOBJECT`. (With more than eight the driver
    /// sends bytes of its own stack; so only one can be named here.)
    pub fn wait_for_synchronization_object2(
        &self,
        context: d3dkmthandle,
        object: d3dkmthandle,
        value: u64,
    ) -> Result<Success> {
        let mut args = d3dkmt_waitforsynchronizationobject2 { context, object_count: 1, ..Default::default() };
        args.object_array[0] = object;
        args.u.set_fence(d3dkmt_waitforsynchronizationobject2_fence { fence_value: value });
        // SAFETY: the struct holds no pointers.
        unsafe { self.call(&mut args, on_context(context)) }
    }

    /// Waits on the CPU for all (or any) fences to reach their values. `LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU`.
    ///
    /// With an event the call returns at once and the eventfd counts up when the condition holds. Without, it blocks:
    /// nothing but the host ends that, not even the loss of the device, so this takes an event always. See
    /// [`wait_from_cpu_blocking`](Self::wait_from_cpu_blocking).
    pub fn wait_from_cpu(
        &self,
        device: d3dkmthandle,
        objects: &[d3dkmthandle],
        values: &[u64],
        any: bool,
        event: BorrowedFd<'_>,
    ) -> Result<Success> {
        let call = d3dkmt_waitforsynchronizationobjectfromcpu::IOCTL;
        let mut args = cpu_wait(device, objects, values, any)?;
        args.async_event = event_number(call, event)?;
        // SAFETY: both lists have `object_count` entries; the driver takes a reference of its own on the event.
        unsafe { self.call(&mut args, on_device(device)) }
    }

    /// As [`wait_from_cpu`](Self::wait_from_cpu), blocking the thread until the host says so; signals restart it. Destroying
    /// the device or removing the adapter does not end it: only for conditions that are sure to come true.
    pub fn wait_from_cpu_blocking(
        &self,
        device: d3dkmthandle,
        objects: &[d3dkmthandle],
        values: &[u64],
        any: bool,
    ) -> Result<Success> {
        let mut args = cpu_wait(device, objects, values, any)?;
        // SAFETY: both lists have `object_count` entries.
        unsafe { self.call_restarting(&mut args, on_device(device)) }
    }

    /// Sets fences from the CPU. `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU`. Posted: visible once the host ran it.
    pub fn signal_from_cpu(
        &self,
        device: d3dkmthandle,
        objects: &[d3dkmthandle],
        values: &[u64],
        flags: d3dddicb_signalflags,
    ) -> Result<Success> {
        let mut args = d3dkmt_signalsynchronizationobjectfromcpu {
            device,
            object_count: paired(d3dkmt_signalsynchronizationobjectfromcpu::IOCTL, objects, values, MAX_SIGNALED)?,
            objects: address(objects),
            fence_values: address(values),
            flags,
            ..Default::default()
        };
        // SAFETY: both lists have `object_count` entries.
        unsafe { self.call(&mut args, on_device(device)) }
    }

    /// Lets a context wait for fences. `LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU`.
    pub fn wait_from_gpu(&self, context: d3dkmthandle, objects: &[d3dkmthandle], values: &[u64]) -> Result<Success> {
        let mut args = d3dkmt_waitforsynchronizationobjectfromgpu {
            context,
            object_count: paired(d3dkmt_waitforsynchronizationobjectfromgpu::IOCTL, objects, values, MAX_WAITED)?,
            objects: address(objects),
            ..Default::default()
        };
        args.u.set_monitored_fence_values(address(values));
        // SAFETY: both lists have `object_count` entries.
        unsafe { self.call(&mut args, on_context(context)) }
    }

    /// Sets fences in the order of a context. `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU`.
    pub fn signal_from_gpu(&self, context: d3dkmthandle, objects: &[d3dkmthandle], values: &[u64]) -> Result<Success> {
        let call = d3dkmt_signalsynchronizationobjectfromgpu::IOCTL;
        let mut args = d3dkmt_signalsynchronizationobjectfromgpu {
            context,
            object_count: paired(call, objects, values, MAX_GPU_SIGNALED)?,
            objects: address(objects),
            ..Default::default()
        };
        args.u.set_monitored_fence_values(address(values));
        // SAFETY: both lists have `object_count` entries.
        unsafe { self.call(&mut args, on_context(context)) }
    }

    /// Sets fences in the order of several contexts. `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2`.
    pub fn signal_from_gpu2(
        &self,
        contexts: &[d3dkmthandle],
        objects: &[d3dkmthandle],
        values: &[u64],
        flags: d3dddicb_signalflags,
    ) -> Result<Success> {
        let call = d3dkmt_signalsynchronizationobjectfromgpu2::IOCTL;
        let mut args = d3dkmt_signalsynchronizationobjectfromgpu2 {
            object_count: paired(call, objects, values, MAX_GPU_SIGNALED)?,
            objects: address(objects),
            flags,
            context_count: count(call, "contexts", contexts.len(), 1, MAX_BROADCAST)?,
            contexts: address(contexts),
            ..Default::default()
        };
        args.flags.set_enqueue_cpu_event(false);
        args.u.set_monitored_fence_values(address(values));
        // SAFETY: the lists have `object_count` and `context_count` entries.
        unsafe { self.call(&mut args, on_context(contexts[0])) }
    }

    /// Lets an eventfd count up once, in the order of several contexts. `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2` with
    /// `enqueue_cpu_event`. Posted; one-shot.
    pub fn signal_event_from_gpu2(&self, contexts: &[d3dkmthandle], event: BorrowedFd<'_>) -> Result<Success> {
        let call = d3dkmt_signalsynchronizationobjectfromgpu2::IOCTL;
        let mut args = d3dkmt_signalsynchronizationobjectfromgpu2 {
            context_count: count(call, "contexts", contexts.len(), 1, MAX_BROADCAST)?,
            contexts: address(contexts),
            ..Default::default()
        };
        args.flags.set_enqueue_cpu_event(true);
        args.u.set_cpu_event_handle(event_number(call, event)?);
        // SAFETY: `contexts` has `context_count` entries; the driver takes a reference of its own on the event.
        unsafe { self.call(&mut args, on_context(contexts[0])) }
    }

    /// Lets a hardware queue wait for fences. `LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE`.
    pub fn submit_wait_to_hw_queue(
        &self,
        queue: d3dkmthandle,
        objects: &[d3dkmthandle],
        values: &[u64],
    ) -> Result<Success> {
        let mut args = d3dkmt_submitwaitforsyncobjectstohwqueue {
            hwqueue: queue,
            object_count: paired(d3dkmt_submitwaitforsyncobjectstohwqueue::IOCTL, objects, values, MAX_WAITED)?,
            objects: address(objects),
            fence_values: address(values),
        };
        // SAFETY: both lists have `object_count` entries.
        unsafe { self.call(&mut args, on_queue(queue)) }
    }

    /// Sets fences in the order of hardware queues. `LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE`. An event cannot be enqueued
    /// here: the driver would pass none.
    pub fn submit_signal_to_hw_queues(
        &self,
        queues: &[d3dkmthandle],
        objects: &[d3dkmthandle],
        values: &[u64],
        flags: d3dddicb_signalflags,
    ) -> Result<Success> {
        let call = d3dkmt_submitsignalsyncobjectstohwqueue::IOCTL;
        if flags.enqueue_cpu_event() {
            return Err(Error::invalid(
                call.name,
                "hardware queues cannot enqueue a CPU event; signal it from a context",
            ));
        }
        let mut args = d3dkmt_submitsignalsyncobjectstohwqueue {
            flags,
            hwqueue_count: count(call, "hardware queues", queues.len(), 1, MAX_BROADCAST)?,
            hwqueues: address(queues),
            object_count: paired(call, objects, values, MAX_SIGNALED)?,
            objects: address(objects),
            fence_values: address(values),
            ..Default::default()
        };
        // SAFETY: the lists have `hwqueue_count` and `object_count` entries.
        unsafe { self.call(&mut args, on_queue(queues[0])) }
    }
}

fn cpu_wait(
    device: d3dkmthandle,
    objects: &[d3dkmthandle],
    values: &[u64],
    any: bool,
) -> Result<d3dkmt_waitforsynchronizationobjectfromcpu> {
    let mut args = d3dkmt_waitforsynchronizationobjectfromcpu {
        device,
        object_count: paired(d3dkmt_waitforsynchronizationobjectfromcpu::IOCTL, objects, values, MAX_CPU_WAITED)?,
        objects: address(objects),
        fence_values: address(values),
        ..Default::default()
    };
    args.flags.set_wait_any(any);
    Ok(args)
}

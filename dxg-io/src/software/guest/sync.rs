//! Synchronization objects.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::call::{Call, EINVAL, Outcome};
use super::objects::{Object, Sync};
use super::queue::{address_of, map_page};
use crate::software::bus::events::{Sink, take_eventfd};
use crate::software::bus::message::{Request, SyncKind};
use crate::software::bus::outcome;
use crate::sys;

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_createsynchronizationobject2 = call.args()?;
    let device = call.process.device(args.device)?;
    call.alive()?;
    let flags = args.info.flags;
    if flags.shared() && !flags.nt_security_sharing() {
        return Err(EINVAL);
    }
    let mut event = None;
    let mut initial = 0;
    let kind = match args.info.r#type {
        sys::_D3DDDI_MONITORED_FENCE => {
            initial = args.info.u.monitored_fence().initial_fence_value;
            SyncKind::MonitoredFence
        }
        sys::_D3DDDI_PERIODIC_MONITORED_FENCE => SyncKind::MonitoredFence,
        sys::_D3DDDI_CPU_NOTIFICATION => {
            let fd = take_eventfd(args.info.u.cpu_notification().event).ok_or(EINVAL)?;
            let id = call.driver.link().dispatcher().events.register(Sink::EventFd(fd), false, None);
            event = Some(id);
            SyncKind::CpuNotification(id)
        }
        sys::_D3DDDI_FENCE => {
            initial = args.info.u.fence().fence_value;
            SyncKind::LegacyFence
        }
        _ => SyncKind::Other,
    };
    let outcome = finish(call, args, device, kind, initial, event);
    if let (Err(_), Some(event)) = (&outcome, event) {
        call.driver.link().dispatcher().events.withdraw(event);
    }
    outcome
}

fn finish(
    call: &mut Call<'_>,
    mut args: sys::d3dkmt_createsynchronizationobject2,
    device: Arc<super::objects::Device>,
    kind: SyncKind,
    initial: u64,
    event: Option<u64>,
) -> Outcome {
    let flags = args.info.flags;
    let no_max_on_tdr = flags.no_signal_max_value_on_tdr();
    let request = Request::CreateSync { device: args.device.v, kind, initial, shared: flags.shared(), no_max_on_tdr };
    let reply = call.gpu("CREATESYNCOBJECT", 128, request)?;
    let ret = outcome(reply.status)?;
    let monitored = kind == SyncKind::MonitoredFence;
    let mut made = || {
        let mapping = if monitored { Some(map_page(&reply)?) } else { None };
        let cpu_address = mapping.as_ref().map_or(0, address_of);
        if args.info.r#type == sys::_D3DDDI_MONITORED_FENCE {
            let mut fence = args.info.u.monitored_fence();
            fence.fence_cpu_virtual_address = cpu_address;
            fence.fence_gpu_virtual_address = reply.other;
            args.info.u.set_monitored_fence(fence);
        } else if args.info.r#type == sys::_D3DDDI_PERIODIC_MONITORED_FENCE {
            let mut fence = args.info.u.periodic_monitored_fence();
            fence.fence_cpu_virtual_address = cpu_address;
            fence.fence_gpu_virtual_address = reply.other;
            args.info.u.set_periodic_monitored_fence(fence);
        } else if let Some(event) = event {
            // The driver leaves its own number of the event where the caller had the eventfd.
            args.info.u.set_cpu_notification(sys::d3dddi_synchronizationobjectinfo2_cpu_notification { event });
        }
        args.sync_object.v = reply.handle;
        args.info.shared_handle.v = reply.second;
        let sync = Sync {
            device: monitored.then(|| device.clone()),
            monitored,
            shared: flags.shared().then_some(reply.second),
            event,
            exported: AtomicBool::new(false),
            mapping,
        };
        call.process.objects_mut().assign(reply.handle, Object::Sync(Arc::new(sync)))?;
        call.write(call.arg, &args).inspect_err(|_| drop(call.process.objects_mut().remove(reply.handle)))
    };
    if let Err(errno) = made() {
        if reply.handle != 0 {
            call.global("DESTROYSYNCOBJECT", 32, Request::DestroySync { object: reply.handle })?;
        }
        return Err(errno);
    }
    Ok(ret)
}

pub(super) fn destroy(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_destroysynchronizationobject = call.args()?;
    let sync = call.process.sync(args.sync_object)?;
    call.process.objects_mut().remove(args.sync_object.v).ok_or(EINVAL)?;
    let event = sync.event;
    // The page is unmapped before the host is told; the last reference is this one unless a call is under way.
    drop(sync);
    let request = Request::DestroySync { object: args.sync_object.v };
    let reply = call.global("DESTROYSYNCOBJECT", 32, request)?;
    if let Some(event) = event {
        call.driver.link().dispatcher().events.withdraw(event);
    }
    outcome(reply.status)
}

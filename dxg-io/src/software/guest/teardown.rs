//! The end of devices, adapters and processes, in the driver's order and with its messages.
//!
//! Of a device: sync objects and queues locally, one message per loose allocation, one per resource, one for the device,
//! whose answer does not matter. When an adapter or a process goes, each device is flushed first.

use std::sync::Arc;

use super::Driver;
use super::objects::{Device, Object, Process};
use crate::boundary::Traffic;
use crate::software::bus::message::{Envelope, Request, Target};

impl Driver {
    /// A message whose answer does not matter; none is sent when the adapter is gone.
    fn tell(
        &self,
        process: &Process,
        target: Target,
        command: &'static str,
        payload: u32,
        request: Request,
        traffic: &mut Traffic,
    ) {
        if target == Target::VirtualGpu && !self.is_active() {
            return;
        }
        let envelope = Envelope { command, target, payload };
        if let Err(errno) = self.link().round_trip(process.key, envelope, request, traffic) {
            tracing::debug!(command, %errno, "a teardown message was not answered");
        }
    }

    /// Destroys what a device owns, then the device. Its handle is already gone.
    pub(super) fn tear_down_device(&self, process: &Arc<Process>, device: &Arc<Device>, traffic: &mut Traffic) {
        self.link().dispatcher().events.withdraw_of((process.key, device.handle));
        let owned: Vec<(u32, Object)> = {
            let mut objects = process.objects_mut();
            let handles: Vec<u32> = objects
                .iter()
                .filter(|(_, object)| object.device().is_some_and(|owner| Arc::ptr_eq(owner, device)))
                .map(|(handle, _)| handle)
                .collect();
            handles.into_iter().filter_map(|handle| objects.remove(handle).map(|object| (handle, object))).collect()
        };
        let (mut allocations, mut resources) = (Vec::new(), Vec::new());
        for (handle, object) in &owned {
            match object {
                Object::Allocation(allocation) if allocation.resource.is_none() => allocations.push(*handle),
                Object::Resource(_) => resources.push(*handle),
                _ => {}
            }
        }
        // Mappings of fences and locks end here, before the host hears of anything.
        drop(owned);
        for allocation in allocations {
            let request =
                Request::DestroyAllocations { device: device.handle, resource: 0, allocations: vec![allocation] };
            self.tell(process, Target::VirtualGpu, "DESTROYALLOCATION", 48 + 4, request, traffic);
        }
        for resource in resources {
            let request = Request::DestroyAllocations { device: device.handle, resource, allocations: Vec::new() };
            self.tell(process, Target::VirtualGpu, "DESTROYALLOCATION", 48, request, traffic);
        }
        let request = Request::DestroyDevice { device: device.handle };
        self.tell(process, Target::VirtualGpu, "DESTROYDEVICE", 32, request, traffic);
    }

    /// Flushes and destroys all devices of a process: its last adapter handle is closed.
    pub(super) fn tear_down_devices(&self, process: &Arc<Process>, traffic: &mut Traffic) {
        let devices: Vec<Arc<Device>> = {
            let mut objects = process.objects_mut();
            let handles: Vec<u32> = objects
                .iter()
                .filter(|(_, object)| matches!(object, Object::Device(_)))
                .map(|(handle, _)| handle)
                .collect();
            let removed = handles.into_iter().filter_map(|handle| objects.remove(handle));
            removed.filter_map(|object| if let Object::Device(device) = object { Some(device) } else { None }).collect()
        };
        for device in devices {
            let request = Request::FlushDevice { device: device.handle };
            self.tell(process, Target::VirtualGpu, "FLUSHDEVICE", 32, request, traffic);
            self.tear_down_device(process, &device, traffic);
        }
    }

    /// The last descriptor of a process is closed.
    pub(super) fn tear_down_process(&self, process: &Arc<Process>, traffic: &mut Traffic) {
        self.tear_down_devices(process, traffic);
        let rest: Vec<Object> = {
            let mut objects = process.objects_mut();
            let handles: Vec<u32> = objects.iter().map(|(handle, _)| handle).collect();
            handles.into_iter().filter_map(|handle| objects.remove(handle)).collect()
        };
        for object in &rest {
            if let Object::Sync(sync) = object
                && let Some(event) = sync.event
            {
                self.link().dispatcher().events.withdraw(event);
            }
        }
        drop(rest);
        self.tell(process, Target::Global, "DESTROYPROCESS", 24, Request::DestroyProcess, traffic);
    }
}

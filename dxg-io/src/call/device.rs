//! Calls on devices.

use super::{Dxg, given};
use crate::error::{Object, ObjectKind, Result};
use crate::sys::*;

fn on(device: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Device, device)
}

impl Dxg {
    /// Creates a device. `LX_DXCREATEDEVICE`. A refusal of the host comes as success without a device; here it is an
    /// error.
    pub fn create_device(&self, adapter: d3dkmthandle, flags: d3dkmt_createdeviceflags) -> Result<d3dkmthandle> {
        let mut args = d3dkmt_createdevice { adapter, flags, ..Default::default() };
        let object = Object::new(ObjectKind::Adapter, adapter);
        // SAFETY: the pointers are null.
        let _ = unsafe { self.call(&mut args, object)? };
        given(d3dkmt_createdevice::IOCTL, object, "device", args.device)
    }

    /// Destroys a device and everything on it. `LX_DXDESTROYDEVICE`.
    ///
    /// # Safety
    /// Nobody uses memory that is mapped through the device (fences, locked allocations) any more.
    pub unsafe fn destroy_device(&self, device: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_destroydevice { device };
        // SAFETY: the struct holds no pointers; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, on(device)) }.map(drop)
    }

    /// One aspect of the device's state. `LX_DXGETDEVICESTATE`. The execution state costs no message while nothing
    /// changed.
    pub fn get_device_state(
        &self,
        device: d3dkmthandle,
        aspect: d3dkmt_devicestate_type,
    ) -> Result<d3dkmt_getdevicestate> {
        let mut args = d3dkmt_getdevicestate { device, state_type: aspect, ..Default::default() };
        // SAFETY: the struct holds no pointers.
        let _ = unsafe { self.call(&mut args, on(device))? };
        Ok(args)
    }

    /// Puts the device in the error state. `LX_DXMARKDEVICEASERROR`.
    pub fn mark_device_as_error(&self, device: d3dkmthandle, reason: d3dkmt_device_error_reason) -> Result<()> {
        let mut args = d3dkmt_markdeviceaserror { device, reason };
        // SAFETY: the struct holds no pointers.
        unsafe { self.call(&mut args, on(device)) }.map(drop)
    }
}

//! Calls on contexts, hardware queues and paging queues.

use super::{Dxg, address_mut, data_size, given};
use crate::error::{Object, ObjectKind, Result};
use crate::sys::*;

fn on(context: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Context, context)
}

/// The four priority calls differ only in their struct.
macro_rules! priority_calls {
    ($($(#[$doc:meta])* $get:ident $set:ident: $get_args:ident $set_args:ident;)*) => {
        impl Dxg {
            $(
                $(#[$doc])*
                pub fn $get(&self, context: d3dkmthandle) -> Result<i32> {
                    let mut args = $get_args { context, ..Default::default() };
                    // SAFETY: the struct holds no pointers.
                    let _ = unsafe { self.call(&mut args, on(context))? };
                    Ok(args.priority)
                }

                #[doc = concat!("Sets what [`", stringify!($get), "`](Self::", stringify!($get), ") reads.")]
                pub fn $set(&self, context: d3dkmthandle, priority: i32) -> Result<()> {
                    let mut args = $set_args { context, priority };
                    // SAFETY: the struct holds no pointers.
                    unsafe { self.call(&mut args, on(context)) }.map(drop)
                }
            )*
        }
    };
}

priority_calls! {
    /// The scheduling priority of a context among all. `LX_DXGETCONTEXTSCHEDULINGPRIORITY`, `LX_DXSET…`.
    get_context_priority set_context_priority:
        d3dkmt_getcontextschedulingpriority d3dkmt_setcontextschedulingpriority;
    /// The scheduling priority of a context within the process. `LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY`, `LX_DXSET…`.
    get_context_in_process_priority set_context_in_process_priority:
        d3dkmt_getcontextinprocessschedulingpriority d3dkmt_setcontextinprocessschedulingpriority;
}

impl Dxg {
    /// Creates a context on a node of a device; `data` is the driver's, in and out. `LX_DXCREATECONTEXTVIRTUAL`.
    pub fn create_context_virtual(
        &self,
        device: d3dkmthandle,
        node_ordinal: u32,
        engine_affinity: u32,
        flags: d3dddi_createcontextflags,
        client_hint: d3dkmt_clienthint,
        data: &mut [u8],
    ) -> Result<d3dkmthandle> {
        let mut args = d3dkmt_createcontextvirtual {
            device,
            node_ordinal,
            engine_affinity,
            flags,
            client_hint,
            priv_drv_data_size: data_size(d3dkmt_createcontextvirtual::IOCTL, data.len())?,
            priv_drv_data: address_mut(data),
            ..Default::default()
        };
        let object = Object::new(ObjectKind::Device, device);
        // SAFETY: `priv_drv_data` points to `priv_drv_data_size` bytes that may be written.
        let _ = unsafe { self.call(&mut args, object)? };
        given(d3dkmt_createcontextvirtual::IOCTL, object, "context", args.context)
    }

    /// Destroys a context and its hardware queues. `LX_DXDESTROYCONTEXT`.
    ///
    /// # Safety
    /// Nobody reads the fences of the context's hardware queues any more.
    pub unsafe fn destroy_context(&self, context: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_destroycontext { context };
        // SAFETY: the struct holds no pointers; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, on(context)) }.map(drop)
    }

    /// Creates a hardware queue with its progress fence. `LX_DXCREATEHWQUEUE`. The answer names both, and where the
    /// fence's value can be read.
    pub fn create_hw_queue(
        &self,
        context: d3dkmthandle,
        flags: d3dddi_createhwqueueflags,
        data: &mut [u8],
    ) -> Result<d3dkmt_createhwqueue> {
        let mut args = d3dkmt_createhwqueue {
            context,
            flags,
            priv_drv_data_size: data_size(d3dkmt_createhwqueue::IOCTL, data.len())?,
            priv_drv_data: address_mut(data),
            ..Default::default()
        };
        // SAFETY: `priv_drv_data` points to `priv_drv_data_size` bytes that may be written.
        let _ = unsafe { self.call(&mut args, on(context))? };
        given(d3dkmt_createhwqueue::IOCTL, on(context), "queue", args.queue)?;
        args.priv_drv_data = 0;
        Ok(args)
    }

    /// Destroys a hardware queue; the page of its fence is unmapped. `LX_DXDESTROYHWQUEUE`.
    ///
    /// # Safety
    /// Nobody reads the queue's fence any more.
    pub unsafe fn destroy_hw_queue(&self, queue: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_destroyhwqueue { queue };
        // SAFETY: the struct holds no pointers; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, Object::new(ObjectKind::HwQueue, queue)) }.map(drop)
    }

    /// Creates a paging queue with its fence. `LX_DXCREATEPAGINGQUEUE`.
    pub fn create_paging_queue(
        &self,
        device: d3dkmthandle,
        priority: d3dddi_pagingqueue_priority,
        physical_adapter_index: u32,
    ) -> Result<d3dkmt_createpagingqueue> {
        let mut args = d3dkmt_createpagingqueue { device, priority, physical_adapter_index, ..Default::default() };
        let object = Object::new(ObjectKind::Device, device);
        // SAFETY: the only pointer is an output.
        let _ = unsafe { self.call(&mut args, object)? };
        given(d3dkmt_createpagingqueue::IOCTL, object, "paging queue", args.paging_queue)?;
        Ok(args)
    }

    /// Destroys a paging queue; the page of its fence is unmapped. `LX_DXDESTROYPAGINGQUEUE`.
    ///
    /// # Safety
    /// Nobody reads the queue's fence any more.
    pub unsafe fn destroy_paging_queue(&self, queue: d3dkmthandle) -> Result<()> {
        let mut args = d3dddi_destroypagingqueue { paging_queue: queue };
        // SAFETY: the struct holds no pointers; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, Object::new(ObjectKind::PagingQueue, queue)) }.map(drop)
    }
}

//! Calls that share objects between processes, and sync files.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Dxg, address, address_mut, count, data_size, given};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

/// Sizes of a shared resource, needed to open it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceInfo {
    /// Bytes of the runtime's data.
    pub runtime_data: u32,
    /// Bytes of driver data of all allocations.
    pub total_driver_data: u32,
    /// Bytes of driver data of the resource.
    pub resource_driver_data: u32,
    /// Allocations in the resource.
    pub allocations: u32,
}

fn on_file(file: BorrowedFd<'_>) -> Object {
    Object { kind: ObjectKind::File, handle: file.as_raw_fd() as u32 }
}

/// Takes ownership of a descriptor that the driver installed.
fn owned(call: &'static IoctlInfo, object: Object, number: u64) -> Result<OwnedFd> {
    match i32::try_from(number) {
        // SAFETY: the call succeeded and said that it installed this descriptor for its caller: nobody else owns it.
        Ok(fd) if fd > 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Error::NoAnswer { call: call.name, object, output: "file descriptor" }),
    }
}

impl Dxg {
    /// Makes a descriptor through which others can open a synchronization object or resource. `LX_DXSHAREOBJECTS`. A
    /// shared resource takes no more allocations.
    pub fn share_object(&self, object: d3dkmthandle, desired_access: u32) -> Result<OwnedFd> {
        let call = d3dkmt_shareobjects::IOCTL;
        let objects = [object];
        let mut shared = [0u64];
        let mut args = d3dkmt_shareobjects {
            object_count: 1,
            objects: address(&objects),
            desired_access,
            shared_handle: address_mut(&mut shared),
            ..Default::default()
        };
        let about = Object::new(ObjectKind::SyncObject, object);
        // SAFETY: `objects` has one handle, `shared_handle` room for one number; the attributes are null.
        let _ = unsafe { self.call(&mut args, about)? };
        owned(call, about, shared[0])
    }

    /// Shares an object with the host; returns the host's handle. `LX_DXSHAREOBJECTWITHHOST`.
    pub fn share_object_with_host(&self, device: d3dkmthandle, object: d3dkmthandle) -> Result<u64> {
        let mut args =
            d3dkmt_shareobjectwithhost { device_handle: device, object_handle: object, ..Default::default() };
        // SAFETY: the struct holds no pointers.
        let _ = unsafe { self.call(&mut args, Object::new(ObjectKind::Device, device))? };
        Ok(args.object_vail_nt_handle)
    }

    /// Opens a shared synchronization object; the answer has its handle and the addresses of its value.
    /// `LX_DXOPENSYNCOBJECTFROMNTHANDLE2`.
    pub fn open_sync_object_from_nt_handle2(
        &self,
        file: BorrowedFd<'_>,
        device: d3dkmthandle,
        flags: d3dddi_synchronizationobject_flags,
    ) -> Result<d3dkmt_opensyncobjectfromnthandle2> {
        let mut args = d3dkmt_opensyncobjectfromnthandle2 {
            nt_handle: file.as_raw_fd() as u64,
            device,
            flags,
            ..Default::default()
        };
        // SAFETY: pointers in the struct are outputs; the descriptor is open during the call.
        let _ = unsafe { self.call(&mut args, on_file(file))? };
        given(d3dkmt_opensyncobjectfromnthandle2::IOCTL, on_file(file), "synchronization object", args.sync_object)?;
        Ok(args)
    }

    /// Sizes of a shared resource; `runtime_data` receives the runtime's data when it has room.
    /// `LX_DXQUERYRESOURCEINFOFROMNTHANDLE`.
    pub fn query_resource_info_from_nt_handle(
        &self,
        device: d3dkmthandle,
        file: BorrowedFd<'_>,
        runtime_data: &mut [u8],
    ) -> Result<ResourceInfo> {
        let mut args = d3dkmt_queryresourceinfofromnthandle {
            device,
            nt_handle: file.as_raw_fd() as u64,
            private_runtime_data_size: data_size(d3dkmt_queryresourceinfofromnthandle::IOCTL, runtime_data.len())?,
            private_runtime_data: address_mut(runtime_data),
            ..Default::default()
        };
        // SAFETY: `private_runtime_data` is null or has `private_runtime_data_size` bytes that may be written.
        let _ = unsafe { self.call(&mut args, on_file(file))? };
        Ok(ResourceInfo {
            runtime_data: args.private_runtime_data_size,
            total_driver_data: args.total_priv_drv_data_size,
            resource_driver_data: args.resource_priv_drv_data_size,
            allocations: args.allocation_count,
        })
    }

    /// Opens a shared resource; returns its handle and those of its allocations. `LX_DXOPENRESOURCEFROMNTHANDLE`. The
    /// buffers for driver data are made as large as `info` (from
    /// [`query_resource_info_from_nt_handle`](Self::query_resource_info_from_nt_handle)) says.
    pub fn open_resource_from_nt_handle(
        &self,
        device: d3dkmthandle,
        file: BorrowedFd<'_>,
        info: &ResourceInfo,
    ) -> Result<(d3dkmthandle, Vec<d3dkmthandle>)> {
        let call = d3dkmt_openresourcefromnthandle::IOCTL;
        let most = D3DKMT_CREATEALLOCATION_MAX as usize;
        let allocations = count(call, "allocations", info.allocations as usize, 1, most)?;
        let mut entries = vec![d3dddi_openallocationinfo2::default(); info.allocations as usize];
        let mut runtime = vec![0u8; info.runtime_data as usize];
        let mut resource = vec![0u8; info.resource_driver_data as usize];
        let mut total = vec![0u8; info.total_driver_data as usize];
        let mut args = d3dkmt_openresourcefromnthandle {
            device,
            nt_handle: file.as_raw_fd() as u64,
            allocation_count: allocations,
            open_alloc_info: address_mut(&mut entries),
            private_runtime_data_size: data_size(call, runtime.len())? as i32,
            private_runtime_data: address_mut(&mut runtime),
            resource_priv_drv_data_size: data_size(call, resource.len())?,
            resource_priv_drv_data: address_mut(&mut resource),
            total_priv_drv_data_size: data_size(call, total.len())?,
            total_priv_drv_data: address_mut(&mut total),
            ..Default::default()
        };
        // SAFETY: every pointer is null or has as many bytes or entries as the size or count beside it says.
        let _ = unsafe { self.call(&mut args, on_file(file))? };
        let resource = given(call, on_file(file), "resource", args.resource)?;
        Ok((resource, entries.iter().map(|e| e.allocation).collect()))
    }

    /// Makes a pollable descriptor that becomes ready when a fence reaches a value. `LX_DXCREATESYNCFILE`.
    pub fn create_sync_file(&self, device: d3dkmthandle, fence: d3dkmthandle, value: u64) -> Result<OwnedFd> {
        let mut args =
            d3dkmt_createsyncfile { device, monitored_fence: fence, fence_value: value, ..Default::default() };
        let object = Object::new(ObjectKind::SyncObject, fence);
        // SAFETY: the struct holds no pointers.
        let _ = unsafe { self.call(&mut args, object)? };
        owned(d3dkmt_createsyncfile::IOCTL, object, args.sync_file_handle)
    }

    /// Lets a context wait for a sync file. `LX_DXWAITSYNCFILE`. Does nothing, and says so to nobody, if the fence was
    /// not created shared.
    ///
    /// # Safety
    /// The descriptor is a sync file that [`create_sync_file`](Self::create_sync_file) made, in whatever process: the
    /// driver crashes on others.
    pub unsafe fn wait_sync_file(&self, file: BorrowedFd<'_>, context: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_waitsyncfile { sync_file_handle: file.as_raw_fd() as u64, context, ..Default::default() };
        // SAFETY: the struct holds no pointers; the kind of descriptor is the caller's promise.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Context, context)) }.map(drop)
    }

    /// Opens the fence behind a sync file; the answer has its handle, value and addresses.
    /// `LX_DXOPENSYNCOBJECTFROMSYNCFILE`.
    ///
    /// # Safety
    /// As for [`wait_sync_file`](Self::wait_sync_file).
    pub unsafe fn open_sync_object_from_sync_file(
        &self,
        file: BorrowedFd<'_>,
        device: d3dkmthandle,
    ) -> Result<d3dkmt_opensyncobjectfromsyncfile> {
        let mut args = d3dkmt_opensyncobjectfromsyncfile {
            sync_file_handle: file.as_raw_fd() as u64,
            device,
            ..Default::default()
        };
        // SAFETY: pointers in the struct are outputs; the kind of descriptor is the caller's promise.
        let _ = unsafe { self.call(&mut args, on_file(file))? };
        given(d3dkmt_opensyncobjectfromsyncfile::IOCTL, on_file(file), "synchronization object", args.syncobj)?;
        Ok(args)
    }
}

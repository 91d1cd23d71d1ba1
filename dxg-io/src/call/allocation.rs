//! Calls on allocations and resources: creating, destroying, mapping for the CPU.

use smallvec::SmallVec;

use super::{Dxg, address, count, data_size, given, traffic};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

fn on(device: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Device, device)
}

/// Allocations to create with one call.
pub struct AllocationRequest<'a> {
    /// The device.
    pub device: d3dkmthandle,
    /// The resource to add to; null for none (or, with the flag `create_resource`, for a new one).
    pub resource: d3dkmthandle,
    /// How to create.
    pub flags: d3dkmt_createallocationflags,
    /// Data of the runtime that travels with a resource.
    pub runtime_data: &'a [u8],
    /// Where the description comes from.
    pub source: AllocationSource<'a>,
    /// The allocations, 1 to 1,024.
    pub allocations: &'a mut [NewAllocation<'a>],
}

/// What describes the allocations of a request.
pub enum AllocationSource<'a> {
    /// The adapter's driver, in its private data.
    Driver(&'a [u8]),
    /// A kind that every driver knows: exactly one allocation, without driver data.
    Standard(d3dkmt_createstandardallocation),
}

/// One allocation of a request.
#[derive(Default)]
pub struct NewAllocation<'a> {
    /// Existing system memory to use; null for memory of the adapter's choice.
    pub sysmem: u64,
    /// Driver data, in and out.
    pub data: &'a mut [u8],
    /// Set on success.
    pub handle: d3dkmthandle,
}

impl Dxg {
    /// Creates allocations; sets the handle of each, and returns the resource if one was created. `LX_DXCREATEALLOCATION`.
    ///
    /// # Safety
    /// Where `sysmem` is set, the memory there stays mapped, with the rights that the flags ask for, and is not used by
    /// safe code in a way that the device's access would break, until the allocation is destroyed. How long it is only
    /// the driver data or the standard description says.
    pub unsafe fn create_allocation(&self, request: &mut AllocationRequest<'_>) -> Result<d3dkmthandle> {
        let call = d3dkmt_createallocation::IOCTL;
        let alloc_count =
            count(call, "allocations", request.allocations.len(), 1, D3DKMT_CREATEALLOCATION_MAX as usize)?;
        let mut flags = request.flags;
        if let AllocationSource::Standard(_) = request.source {
            flags.set_standard_allocation(true);
        }
        // The host says how much driver data comes back, and the driver writes that much, whatever the buffer holds. So
        // it writes into one buffer that has room for a whole message behind the last entry.
        let total: usize = request.allocations.iter().map(|a| a.data.len()).sum();
        let mut scratch = vec![0u8; if total == 0 { 0 } else { total + traffic::MAX_MESSAGE }];
        let mut infos: Vec<d3dddi_allocationinfo2> = Vec::with_capacity(request.allocations.len());
        let mut at = 0;
        for a in request.allocations.iter() {
            let mut info = d3dddi_allocationinfo2 { sysmem: a.sysmem, ..Default::default() };
            if !a.data.is_empty() {
                scratch[at..at + a.data.len()].copy_from_slice(a.data);
                info.priv_drv_data_size = data_size(call, a.data.len())?;
                info.priv_drv_data = scratch[at..].as_mut_ptr() as u64;
                at += a.data.len();
            }
            infos.push(info);
        }
        let mut args = d3dkmt_createallocation {
            device: request.device,
            resource: request.resource,
            private_runtime_data: address(request.runtime_data),
            private_runtime_data_size: data_size(call, request.runtime_data.len())?,
            alloc_count,
            allocation_info: infos.as_mut_ptr() as u64,
            flags,
            ..Default::default()
        };
        match &request.source {
            AllocationSource::Driver(data) => {
                args.u.set_priv_drv_data(address(data));
                args.priv_drv_data_size = data_size(call, data.len())?;
            }
            AllocationSource::Standard(description) => {
                args.u.set_standard_allocation(description as *const d3dkmt_createstandardallocation as u64);
            }
        }
        // SAFETY: every pointer is null or points to as many bytes or entries as the size or count beside it says, and
        // driver data to more; `sysmem` is the caller's promise.
        let _ = unsafe { self.call(&mut args, on(request.device))? };
        let mut at = 0;
        for (a, info) in request.allocations.iter_mut().zip(&infos) {
            let len = a.data.len();
            a.data.copy_from_slice(&scratch[at..at + len]);
            at += len;
            a.handle = given(call, on(request.device), "allocation", info.allocation)?;
        }
        Ok(args.resource)
    }

    /// Destroys allocations of one owner. `LX_DXDESTROYALLOCATION2`. A handle may be named only once: the driver would
    /// free it twice.
    ///
    /// # Safety
    /// Nobody uses the mapping of a locked allocation any more.
    pub unsafe fn destroy_allocations(
        &self,
        device: d3dkmthandle,
        allocations: &[d3dkmthandle],
        flags: d3dddicb_destroyallocation2flags,
    ) -> Result<()> {
        let call = d3dkmt_destroyallocation2::IOCTL;
        let alloc_count = count(call, "allocations", allocations.len(), 1, D3DKMT_CREATEALLOCATION_MAX as usize)?;
        // The low six bits do not tell handles apart.
        let mut places: SmallVec<[u32; 64]> = allocations.iter().map(|h| h.v >> 6).collect();
        places.sort_unstable();
        if let Some(pair) = places.windows(2).find(|pair| pair[0] == pair[1]) {
            let twice = d3dkmthandle { v: pair[0] << 6 };
            return Err(Error::invalid(call.name, format!("the list names allocation {twice} twice; name each once")));
        }
        let mut args = d3dkmt_destroyallocation2 {
            device,
            allocations: address(allocations),
            alloc_count,
            flags,
            ..Default::default()
        };
        // SAFETY: `allocations` points to `alloc_count` handles; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, on(device)) }.map(drop)
    }

    /// Destroys a resource with its allocations. `LX_DXDESTROYALLOCATION2`.
    ///
    /// # Safety
    /// Nobody uses the mapping of a locked allocation any more.
    pub unsafe fn destroy_resource(
        &self,
        device: d3dkmthandle,
        resource: d3dkmthandle,
        flags: d3dddicb_destroyallocation2flags,
    ) -> Result<()> {
        let call = d3dkmt_destroyallocation2::IOCTL;
        if resource.is_null() {
            return Err(Error::invalid(call.name, "the resource is null; name one"));
        }
        let mut args = d3dkmt_destroyallocation2 { device, resource, flags, ..Default::default() };
        // SAFETY: the pointer is null; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Resource, resource)) }.map(drop)
    }

    /// Maps an allocation for the CPU and returns the address. `LX_DXLOCK2`. Only the first lock costs a message; each
    /// needs its own unlock.
    pub fn lock2(&self, device: d3dkmthandle, allocation: d3dkmthandle) -> Result<u64> {
        let mut args = d3dkmt_lock2 { device, allocation, ..Default::default() };
        let object = Object::new(ObjectKind::Allocation, allocation);
        // SAFETY: the only pointer is an output.
        let _ = unsafe { self.call(&mut args, object)? };
        if args.data == 0 {
            return Err(Error::NoAnswer { call: d3dkmt_lock2::IOCTL.name, object, output: "address" });
        }
        Ok(args.data)
    }

    /// Takes one lock back; the last one unmaps. `LX_DXUNLOCK2`.
    ///
    /// # Safety
    /// Nobody uses the mapped memory any more, if this is the last lock.
    pub unsafe fn unlock2(&self, device: d3dkmthandle, allocation: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_unlock2 { device, allocation };
        // SAFETY: the struct holds no pointers; what the mapping loses is the caller's promise.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Allocation, allocation)) }.map(drop)
    }

    /// Makes CPU and device see the same bytes of a range. `LX_DXINVALIDATECACHE`, optional.
    pub fn invalidate_cache(
        &self,
        device: d3dkmthandle,
        allocation: d3dkmthandle,
        offset: u64,
        length: u64,
    ) -> Result<()> {
        let mut args = d3dkmt_invalidatecache { device, allocation, offset, length };
        // SAFETY: the struct holds no pointers.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Allocation, allocation)) }.map(drop)
    }
}

//! Calls on residency, priority and properties of allocations.

use super::{Dxg, Success, address, address_mut, count};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

/// A whole resource, or allocations one by one.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// Every allocation of a resource.
    Resource(d3dkmthandle),
    /// These allocations.
    Allocations(&'a [d3dkmthandle]),
}

/// What making something resident answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residency {
    /// Whether it is done, or pending until the fence reaches the value.
    pub success: Success,
    /// The value of the paging queue's fence from which on the memory can be used.
    pub fence_value: u64,
    /// How much the caller should trim.
    pub bytes_to_trim: u64,
}

impl Targets<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Resource(_) => 0,
            Self::Allocations(list) => list.len(),
        }
    }

    fn allocations(&self) -> &[d3dkmthandle] {
        match self {
            Self::Resource(_) => &[],
            Self::Allocations(list) => list,
        }
    }

    /// The resource, and the count of the list: exactly one of them may be given.
    fn checked(&self, call: &'static IoctlInfo) -> Result<(d3dkmthandle, u32)> {
        match self {
            Self::Resource(resource) if resource.is_null() => {
                Err(Error::invalid(call.name, "the resource is null; name one, or list allocations"))
            }
            Self::Resource(resource) => Ok((*resource, 0)),
            Self::Allocations(list) => {
                let most = D3DKMT_MAKERESIDENT_ALLOC_MAX as usize;
                Ok((d3dkmthandle::NULL, count(call, "allocations", list.len(), 1, most)?))
            }
        }
    }
}

fn on_device(device: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Device, device)
}

fn on_queue(queue: d3dkmthandle) -> Object {
    Object::new(ObjectKind::PagingQueue, queue)
}

/// The room for results must fit the list.
fn same_length(call: &'static IoctlInfo, what: &str, expected: usize, given: usize) -> Result<()> {
    if expected == given {
        return Ok(());
    }
    Err(Error::invalid(call.name, format!("{given} {what} given, there must be {expected}")))
}

impl Dxg {
    /// Makes allocations resident. `LX_DXMAKERESIDENT`. On failure the driver writes neither output.
    pub fn make_resident(
        &self,
        paging_queue: d3dkmthandle,
        allocations: &[d3dkmthandle],
        flags: d3dddi_makeresident_flags,
    ) -> Result<Residency> {
        let call = d3dddi_makeresident::IOCTL;
        let mut args = d3dddi_makeresident {
            paging_queue,
            alloc_count: count(call, "allocations", allocations.len(), 1, D3DKMT_MAKERESIDENT_ALLOC_MAX as usize)?,
            allocation_list: address(allocations),
            flags,
            ..Default::default()
        };
        // SAFETY: `allocation_list` points to `alloc_count` handles; the list of priorities is null.
        let success = unsafe { self.call(&mut args, on_queue(paging_queue))? };
        Ok(Residency { success, fence_value: args.paging_fence_value, bytes_to_trim: args.num_bytes_to_trim })
    }

    /// Lets allocations be moved out; returns how much the caller should trim. `LX_DXEVICT`.
    pub fn evict(&self, device: d3dkmthandle, allocations: &[d3dkmthandle], flags: d3dddi_evict_flags) -> Result<u64> {
        let call = d3dkmt_evict::IOCTL;
        let mut args = d3dkmt_evict {
            device,
            alloc_count: count(call, "allocations", allocations.len(), 1, D3DKMT_MAKERESIDENT_ALLOC_MAX as usize)?,
            allocations: address(allocations),
            flags,
            ..Default::default()
        };
        // SAFETY: `allocations` points to `alloc_count` handles.
        let _ = unsafe { self.call(&mut args, on_device(device))? };
        Ok(args.num_bytes_to_trim)
    }

    /// Offers memory to others while it is not needed. `LX_DXOFFERALLOCATIONS`.
    pub fn offer_allocations(
        &self,
        device: d3dkmthandle,
        targets: Targets<'_>,
        priority: d3dkmt_offer_priority,
        flags: d3dkmt_offer_flags,
    ) -> Result<()> {
        let call = d3dkmt_offerallocations::IOCTL;
        let (resource, allocation_count) = targets.checked(call)?;
        let resources = [resource];
        let mut args = d3dkmt_offerallocations {
            device,
            allocations: address(targets.allocations()),
            allocation_count,
            priority,
            flags,
            ..Default::default()
        };
        if !resource.is_null() {
            (args.resources, args.allocation_count) = (address(&resources), 1);
        }
        // SAFETY: exactly one of the two lists is set, and has `allocation_count` handles.
        unsafe { self.call(&mut args, on_device(device)) }.map(drop)
    }

    /// Takes offered memory back; `results` says for each allocation whether its content survived.
    /// `LX_DXRECLAIMALLOCATIONS2`. With results asked for, the driver does not say whether it is pending: use the fence
    /// value.
    pub fn reclaim_allocations2(
        &self,
        paging_queue: d3dkmthandle,
        targets: Targets<'_>,
        results: Option<&mut [d3dddi_reclaim_result]>,
    ) -> Result<Residency> {
        let call = d3dkmt_reclaimallocations2::IOCTL;
        let (resource, allocation_count) = targets.checked(call)?;
        let resources = [resource];
        let mut args = d3dkmt_reclaimallocations2 {
            paging_queue,
            allocation_count,
            allocations: address(targets.allocations()),
            ..Default::default()
        };
        if !resource.is_null() {
            (args.resources, args.allocation_count) = (address(&resources), 1);
        }
        if let Some(results) = results {
            same_length(call, "results", args.allocation_count as usize, results.len())?;
            args.u.set_results(address_mut(results));
        }
        // SAFETY: exactly one of the two lists is set, and has `allocation_count` handles; `results` is null or has as
        // many entries, which may be written.
        let success = unsafe { self.call(&mut args, on_queue(paging_queue))? };
        Ok(Residency { success, fence_value: args.paging_fence_value, bytes_to_trim: 0 })
    }

    /// Changes properties of an allocation; `template` says which. `LX_DXUPDATEALLOCPROPERTY`.
    pub fn update_alloc_property(&self, template: &d3dddi_updateallocproperty) -> Result<Residency> {
        let mut args = *template;
        // SAFETY: the struct holds no pointers.
        let success = unsafe { self.call(&mut args, Object::new(ObjectKind::Allocation, template.allocation))? };
        Ok(Residency { success, fence_value: args.paging_fence_value, bytes_to_trim: 0 })
    }

    /// Where allocations are now. `LX_DXQUERYALLOCATIONRESIDENCY`. A resource gives one answer.
    pub fn query_allocation_residency(
        &self,
        device: d3dkmthandle,
        targets: Targets<'_>,
        out: &mut [d3dkmt_allocationresidencystatus],
    ) -> Result<()> {
        let call = d3dkmt_queryallocationresidency::IOCTL;
        let (resource, allocation_count) = targets.checked(call)?;
        same_length(call, "results", targets.len().max(1), out.len())?;
        let mut args = d3dkmt_queryallocationresidency {
            device,
            resource,
            allocations: address(targets.allocations()),
            allocation_count,
            residency_status: address_mut(out),
            ..Default::default()
        };
        // SAFETY: `allocations` is null or has `allocation_count` handles; `residency_status` has as many entries, one
        // for a resource, that may be written.
        unsafe { self.call(&mut args, on_device(device)) }.map(drop)
    }

    /// Sets how hard to keep allocations resident. `LX_DXSETALLOCATIONPRIORITY`. A resource has one priority.
    pub fn set_allocation_priority(
        &self,
        device: d3dkmthandle,
        targets: Targets<'_>,
        priorities: &[u32],
    ) -> Result<()> {
        let call = d3dkmt_setallocationpriority::IOCTL;
        let (resource, allocation_count) = targets.checked(call)?;
        same_length(call, "priorities", targets.len().max(1), priorities.len())?;
        let mut args = d3dkmt_setallocationpriority {
            device,
            resource,
            allocation_list: address(targets.allocations()),
            allocation_count,
            priorities: address(priorities),
            ..Default::default()
        };
        // SAFETY: the list is null or has `allocation_count` handles; `priorities` has as many entries, one for a
        // resource.
        unsafe { self.call(&mut args, on_device(device)) }.map(drop)
    }

    /// Reads what [`set_allocation_priority`](Self::set_allocation_priority) set. `LX_DXGETALLOCATIONPRIORITY`.
    pub fn get_allocation_priority(&self, device: d3dkmthandle, targets: Targets<'_>, out: &mut [u32]) -> Result<()> {
        let call = d3dkmt_getallocationpriority::IOCTL;
        let (resource, allocation_count) = targets.checked(call)?;
        same_length(call, "results", targets.len().max(1), out.len())?;
        let mut args = d3dkmt_getallocationpriority {
            device,
            resource,
            allocation_list: address(targets.allocations()),
            allocation_count,
            priorities: address_mut(out),
            ..Default::default()
        };
        // SAFETY: the list is null or has `allocation_count` handles; `priorities` has as many entries, one for a
        // resource, that may be written.
        unsafe { self.call(&mut args, on_device(device)) }.map(drop)
    }
}

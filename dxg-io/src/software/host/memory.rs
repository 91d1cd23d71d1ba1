//! Allocations, resources and residency.
//!
//! The private data of an allocation, a driver's own format, is for this adapter eight bytes: its size, little endian.
//! Without it an allocation is 64 KiB. Sizes are rounded up to pages.

use super::Host;
use super::objects::{HostAllocation, Object, Parts, Storage};
use crate::software::bus::message::{NewAllocation, ProcessKey, Reply};
use crate::software::gpu::memory::PAGE_BYTES;
use crate::status::NtStatus;

/// The size of an allocation whose private data does not say.
const DEFAULT_SIZE: u64 = 64 << 10;
/// D3DDDI_ALLOCATIONPRIORITY_NORMAL.
const NORMAL_PRIORITY: u32 = 0x7800_0000;

fn size_of(allocation: &NewAllocation) -> Option<u64> {
    let size = match (allocation.standard_size, allocation.private_data.first_chunk::<8>()) {
        (Some(size), _) => size,
        (None, Some(bytes)) => u64::from_le_bytes(*bytes),
        (None, None) => DEFAULT_SIZE,
    };
    let size = if size == 0 { DEFAULT_SIZE } else { size };
    size.checked_next_multiple_of(PAGE_BYTES)
}

impl Host {
    pub(super) fn allocation(&mut self, key: ProcessKey, handle: u32) -> Result<&mut HostAllocation, NtStatus> {
        match self.process(key)?.objects.get_mut(handle) {
            Some(Object::Allocation(allocation)) => Ok(allocation),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    pub(super) fn create_allocations(
        &mut self,
        key: ProcessKey,
        device: u32,
        resource: Option<u32>,
        create_resource: bool,
        shared: bool,
        allocations: Vec<NewAllocation>,
    ) -> Result<Reply, NtStatus> {
        self.device(key, device)?;
        let sizes: Option<Vec<u64>> = allocations.iter().map(size_of).collect();
        let sizes = sizes.ok_or(NtStatus::NO_MEMORY)?;
        let existing = allocations.iter().map(|allocation| allocation.existing_memory);
        let own = sizes.iter().zip(existing.clone()).filter(|(_, existing)| !existing);
        let own: Vec<u64> = own.map(|(size, _)| size / PAGE_BYTES).collect();
        let mut pages = self.gpu.allocate_video(&own, shared).ok_or(NtStatus::NO_MEMORY)?.into_iter();
        let mut made: Parts = Vec::with_capacity(allocations.len());
        for (&size, existing) in sizes.iter().zip(existing) {
            let storage = if existing { None } else { pages.next().map(Storage::Pages) };
            made.push((size, storage.unwrap_or(Storage::Awaited)));
        }
        let process = self.process(key)?;
        let resource = match (resource, create_resource) {
            (None, true) => process.objects.insert(Object::Resource { device, allocations: Vec::new() }),
            (Some(resource), _) if matches!(process.objects.get(resource), Some(Object::Resource { .. })) => resource,
            (Some(_), _) => return Err(NtStatus::INVALID_PARAMETER),
            (None, false) => 0,
        };
        let mut handles = Vec::with_capacity(made.len());
        for (size, storage) in made {
            let priority = NORMAL_PRIORITY;
            let allocation = HostAllocation { device, resource, size, storage, residency: 0, priority };
            handles.push((process.objects.insert(Object::Allocation(allocation)), size));
        }
        if let Some(Object::Resource { allocations, .. }) = process.objects.get_mut(resource)
            && resource != 0
        {
            allocations.extend(handles.iter().map(|(handle, _)| *handle));
        }
        Ok(Reply { handle: if create_resource { resource } else { 0 }, allocations: handles, ..Reply::default() })
    }

    /// Takes an allocation away with everything that maps it.
    pub(super) fn drop_allocation(&mut self, key: ProcessKey, handle: u32) {
        let gpu = self.gpu.clone();
        let Ok(process) = self.process(key) else { return };
        let mapped: Vec<(u64, u64)> = process
            .mappings
            .iter()
            .filter(|(_, (_, allocation))| *allocation == handle)
            .map(|(base, (bytes, _))| (*base, *bytes))
            .collect();
        for (base, bytes) in mapped {
            process.mappings.remove(&base);
            // A launch that does not end keeps its memory; the addresses are free all the same.
            let _ = gpu.free_va(super::gpu_process(key), base, bytes);
        }
        if let Some(Object::Allocation(allocation)) = process.objects.remove(handle)
            && let Some(Object::Resource { allocations, .. }) = process.objects.get_mut(allocation.resource)
        {
            allocations.retain(|member| *member != handle);
        }
    }

    pub(super) fn destroy_allocations(
        &mut self,
        key: ProcessKey,
        device: u32,
        resource: u32,
        allocations: &[u32],
    ) -> Result<Reply, NtStatus> {
        self.device(key, device)?;
        if resource != 0 {
            let Some(Object::Resource { allocations, .. }) = self.process(key)?.objects.get(resource) else {
                return Err(NtStatus::INVALID_PARAMETER);
            };
            for member in allocations.clone() {
                self.drop_allocation(key, member);
            }
            self.process(key)?.objects.remove(resource);
            return Ok(Reply::default());
        }
        for &allocation in allocations {
            self.allocation(key, allocation)?;
        }
        for &allocation in allocations {
            self.drop_allocation(key, allocation);
        }
        Ok(Reply::default())
    }

    pub(super) fn set_existing_memory(
        &mut self,
        key: ProcessKey,
        allocation: u32,
        address: u64,
        length: u64,
        writable: bool,
    ) -> Result<Reply, NtStatus> {
        let allocation = self.allocation(key, allocation)?;
        allocation.storage = Storage::System { address, length, writable };
        Ok(Reply::default())
    }

    pub(super) fn open_resource(&mut self, key: ProcessKey, parts: &Parts, device: u32) -> Result<Reply, NtStatus> {
        self.device(key, device)?;
        let process = self.process(key)?;
        let resource = process.objects.insert(Object::Resource { device, allocations: Vec::new() });
        let mut handles = Vec::with_capacity(parts.len());
        for (size, storage) in parts.iter().cloned() {
            let priority = NORMAL_PRIORITY;
            let allocation = HostAllocation { device, resource, size, storage, residency: 0, priority };
            handles.push((process.objects.insert(Object::Allocation(allocation)), size));
        }
        if let Some(Object::Resource { allocations, .. }) = process.objects.get_mut(resource) {
            allocations.extend(handles.iter().map(|(handle, _)| *handle));
        }
        Ok(Reply { handle: resource, allocations: handles, ..Reply::default() })
    }

    pub(super) fn lock(&mut self, key: ProcessKey, allocation: u32) -> Result<Reply, NtStatus> {
        match &self.allocation(key, allocation)?.storage {
            Storage::Pages(pages) => Ok(Reply { memory: Some(pages.clone()), ..Reply::default() }),
            Storage::Awaited | Storage::System { .. } => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    fn all_allocations(&mut self, key: ProcessKey, allocations: &[u32]) -> Result<(), NtStatus> {
        allocations.iter().try_for_each(|&allocation| self.allocation(key, allocation).map(drop))
    }

    pub(super) fn make_resident(
        &mut self,
        key: ProcessKey,
        paging_queue: u32,
        allocations: &[u32],
        at: u64,
    ) -> Result<Reply, NtStatus> {
        self.all_allocations(key, allocations)?;
        let reply = self.paging(key, paging_queue, at)?;
        for &allocation in allocations {
            self.allocation(key, allocation)?.residency += 1;
        }
        Ok(reply)
    }

    pub(super) fn evict(&mut self, key: ProcessKey, device: u32, allocations: &[u32]) -> Result<Reply, NtStatus> {
        self.device(key, device)?;
        self.all_allocations(key, allocations)?;
        for &allocation in allocations {
            let allocation = self.allocation(key, allocation)?;
            allocation.residency = allocation.residency.saturating_sub(1);
        }
        Ok(Reply::default())
    }

    pub(super) fn offer_or_reclaim(
        &mut self,
        key: ProcessKey,
        paging_queue: Option<u32>,
        allocations: &[u32],
        at: u64,
    ) -> Result<Reply, NtStatus> {
        for &handle in allocations {
            match self.process(key)?.objects.get(handle) {
                Some(Object::Allocation(_) | Object::Resource { .. }) => {}
                _ => return Err(NtStatus::INVALID_PARAMETER),
            }
        }
        match paging_queue {
            // Nothing that was offered is ever discarded: every result is "ok", which is zero.
            Some(queue) => self.paging(key, queue, at),
            None => Ok(Reply::default()),
        }
    }

    pub(super) fn update_property(
        &mut self,
        key: ProcessKey,
        paging_queue: u32,
        allocation: u32,
        at: u64,
    ) -> Result<Reply, NtStatus> {
        self.allocation(key, allocation)?;
        let mut reply = self.paging(key, paging_queue, at)?;
        // The property is in effect at once; the recorded host says so too.
        reply.status = NtStatus::SUCCESS;
        Ok(reply)
    }

    pub(super) fn residency(&mut self, key: ProcessKey, allocations: &[u32]) -> Result<Reply, NtStatus> {
        const RESIDENT: u32 = crate::sys::_D3DKMT_ALLOCATIONRESIDENCYSTATUS_RESIDENTINGPUMEMORY;
        const NOT_RESIDENT: u32 = crate::sys::_D3DKMT_ALLOCATIONRESIDENCYSTATUS_NOTRESIDENT;
        let mut bytes = Vec::with_capacity(allocations.len() * 4);
        for &allocation in allocations {
            let resident = self.allocation(key, allocation)?.residency > 0;
            bytes.extend_from_slice(&(if resident { RESIDENT } else { NOT_RESIDENT }).to_le_bytes());
        }
        Ok(Reply { bytes, ..Reply::default() })
    }

    pub(super) fn set_allocation_priority(
        &mut self,
        key: ProcessKey,
        allocations: &[(u32, u32)],
    ) -> Result<Reply, NtStatus> {
        for &(allocation, priority) in allocations {
            self.allocation(key, allocation)?.priority = priority;
        }
        Ok(Reply::default())
    }

    pub(super) fn allocation_priority(&mut self, key: ProcessKey, allocations: &[u32]) -> Result<Reply, NtStatus> {
        let mut bytes = Vec::with_capacity(allocations.len() * 4);
        for &allocation in allocations {
            bytes.extend_from_slice(&self.allocation(key, allocation)?.priority.to_le_bytes());
        }
        Ok(Reply { bytes, ..Reply::default() })
    }
}

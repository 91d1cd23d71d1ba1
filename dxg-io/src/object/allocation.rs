//! Allocations: private to the driver, standard, or existing system memory.

use core::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::device::Device;
use super::memory::SystemMemory;
use crate::call::{AllocationRequest, AllocationSource, NewAllocation, ObjectSlots};
use crate::error::{Error, Result};
use crate::sys::*;

/// Memory of the device. Destroyed when the last clone, and the last address range on it, is dropped.
#[derive(Clone, Debug)]
pub struct Allocation {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: Device,
    handle: d3dkmthandle,
    size: u64,
    memory: Option<Arc<SystemMemory>>,
    mapping: OnceLock<u64>,
    slots: Option<ObjectSlots>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A lock is not taken back first: destroying unmaps.
        self.device.release_allocation(self.slots.take(), self.handle, self.memory.take());
    }
}

impl Device {
    /// Creates an allocation that the adapter's driver understands from its data (in and out). `size` is what the data
    /// asks for: the driver does not say.
    pub fn allocate_private(&self, size: u64, data: &mut [u8]) -> Result<Allocation> {
        let mut list = [NewAllocation { data, ..Default::default() }];
        let mut handles = self.allocate(AllocationSource::Driver(&[]), &mut list, &[None], &[size])?;
        one(&mut handles)
    }

    /// As [`allocate_private`](Self::allocate_private), for many with one round trip.
    pub fn allocate_many_private(&self, wanted: &mut [(u64, &mut [u8])]) -> Result<Vec<Allocation>> {
        let sizes: Vec<u64> = wanted.iter().map(|(size, _)| *size).collect();
        let memory = vec![None; sizes.len()];
        let mut list: Vec<NewAllocation<'_>> =
            wanted.iter_mut().map(|(_, data)| NewAllocation { data, ..Default::default() }).collect();
        self.allocate(AllocationSource::Driver(&[]), &mut list, &memory, &sizes)
    }

    /// Creates an allocation over system memory, described by the driver's data (in and out). The allocation holds the
    /// memory.
    pub fn allocate_existing(&self, memory: Arc<SystemMemory>, data: &mut [u8]) -> Result<Allocation> {
        let size = memory.len() as u64;
        let sysmem = memory.as_ptr().as_ptr() as u64;
        let mut list = [NewAllocation { sysmem, data, ..Default::default() }];
        let mut handles = self.allocate(AllocationSource::Driver(&[]), &mut list, &[Some(memory)], &[size])?;
        one(&mut handles)
    }

    /// Creates an allocation over system memory in a form that every driver knows. The allocation holds the memory.
    pub fn allocate_standard_existing(&self, memory: Arc<SystemMemory>) -> Result<Allocation> {
        let size = memory.len() as u64;
        let sysmem = memory.as_ptr().as_ptr() as u64;
        let mut list = [NewAllocation { sysmem, ..Default::default() }];
        let description = standard(_D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP, size)?;
        let source = AllocationSource::Standard(description);
        let mut handles = self.allocate(source, &mut list, &[Some(memory)], &[size])?;
        one(&mut handles)
    }

    /// Creates an allocation that other adapters could use, in a form that every driver knows. `size` is a multiple of
    /// 4096, not 0, and below 4 GiB (the driver drops the upper half of it on the way).
    pub fn allocate_standard_cross_adapter(&self, size: u64) -> Result<Allocation> {
        let description = standard(_D3DKMT_STANDARDALLOCATIONTYPE_CROSSADAPTER, size)?;
        let mut list = [NewAllocation::default()];
        let source = AllocationSource::Standard(description);
        let mut handles = self.allocate(source, &mut list, &[None], &[size])?;
        one(&mut handles)
    }

    fn allocate<'a>(
        &self,
        source: AllocationSource<'a>,
        list: &'a mut [NewAllocation<'a>],
        memory: &[Option<Arc<SystemMemory>>],
        sizes: &[u64],
    ) -> Result<Vec<Allocation>> {
        let dxg = self.dxg();
        let slots: Vec<ObjectSlots> = list.iter().map(|_| dxg.reserve_objects(1)).collect::<Result<_>>()?;
        let mut flags = d3dkmt_createallocationflags::default();
        flags.set_existing_sysmem(memory.iter().any(Option::is_some));
        let mut request = AllocationRequest {
            device: self.handle(),
            resource: d3dkmthandle::NULL,
            flags,
            runtime_data: &[],
            source,
            allocations: list,
        };
        // SAFETY: existing memory is `SystemMemory`, writable and reached by pointer only; each allocation holds it until
        // it is destroyed.
        let _ = unsafe { dxg.create_allocation(&mut request)? };
        let parts = request.allocations.iter().zip(memory).zip(sizes).zip(slots);
        Ok(parts
            .map(|(((a, memory), size), slots)| Allocation {
                inner: Arc::new(Inner {
                    device: self.clone(),
                    handle: a.handle,
                    size: *size,
                    memory: memory.clone(),
                    mapping: OnceLock::new(),
                    slots: Some(slots),
                }),
            })
            .collect())
    }
}

/// The only one of a list.
fn one(list: &mut Vec<Allocation>) -> Result<Allocation> {
    let call = d3dkmt_createallocation::IOCTL.name;
    list.pop().ok_or_else(|| Error::invalid(call, "the list of allocations is empty; give one"))
}

/// The description of a standard allocation. The driver answers wrong ones with a raw status and no reason.
fn standard(kind: d3dkmt_standardallocationtype, size: u64) -> Result<d3dkmt_createstandardallocation> {
    let call = d3dkmt_createallocation::IOCTL.name;
    if size == 0 || !size.is_multiple_of(4096) || u32::try_from(size).is_err() {
        let reason =
            format!("a standard allocation of {size} bytes; the size must be a multiple of 4096, below 4 GiB, not 0");
        return Err(Error::invalid(call, reason));
    }
    Ok(d3dkmt_createstandardallocation {
        r#type: kind,
        existing_heap_data: d3dkmt_standardallocation_existingheap { size },
        ..Default::default()
    })
}

impl Allocation {
    /// The handle, for calls that this layer does not make.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The device it is on.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// Bytes that were asked for.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// The system memory it is made of, if it is.
    pub fn memory(&self) -> Option<&Arc<SystemMemory>> {
        self.inner.memory.as_ref()
    }

    /// Maps it for the CPU. Only the first time costs a round trip: it stays mapped as long as the allocation.
    pub fn map(&self) -> Result<Mapping> {
        let address = match (self.inner.mapping.get(), &self.inner.memory) {
            (Some(address), _) => *address,
            (None, Some(memory)) => memory.as_ptr().as_ptr() as u64,
            (None, None) => {
                // Two threads may both get here: the driver counts locks and maps once, so both get the same address.
                let address = self.device().dxg().lock2(self.device().handle(), self.handle())?;
                *self.inner.mapping.get_or_init(|| address)
            }
        };
        let begin = NonNull::new(address as usize as *mut u8)
            .ok_or_else(|| Error::invalid(d3dkmt_lock2::IOCTL.name, "the driver returned no address"))?;
        Ok(Mapping { begin, allocation: self.clone() })
    }
}

/// An allocation as the CPU sees it. Holds the allocation.
#[derive(Clone, Debug)]
pub struct Mapping {
    begin: NonNull<u8>,
    allocation: Allocation,
}

// SAFETY: the mapping lives as long as the allocation, which this holds, and is reached through raw pointers, whose users
// answer for their accesses.
unsafe impl Send for Mapping {}
// SAFETY: as above; nothing here is changed through a shared reference.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Where it begins. The GPU may change the memory at any time.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.begin
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        usize::try_from(self.allocation.size()).unwrap_or(usize::MAX)
    }

    /// Whether the allocation has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

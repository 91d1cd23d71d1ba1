//! The GPU's virtual addresses of a process.

use super::objects::Storage;
use super::{Host, gpu_process, refused};
use crate::software::bus::message::{ProcessKey, Reply, VaUpdate};
use crate::software::gpu::memory::PAGE_BYTES;
use crate::software::gpu::{Backing, MapRequest, UpdateVa};
use crate::status::NtStatus;

/// Where a range may lie: at `base` if that is not 0, else between the two limits.
pub(super) struct Placement {
    pub base: u64,
    pub minimum: u64,
    pub maximum: u64,
}

/// Which part of an allocation is mapped, and how.
pub(super) struct Part {
    pub allocation: u32,
    pub offset_pages: u64,
    pub pages: u64,
    pub protection: u64,
}

impl Host {
    fn map_request(&mut self, key: ProcessKey, place: &Placement, part: &Part) -> Result<MapRequest, NtStatus> {
        let allocation = self.allocation(key, part.allocation)?;
        let whole = allocation.size / PAGE_BYTES;
        let rest = whole.checked_sub(part.offset_pages).filter(|&rest| rest > 0).ok_or(NtStatus::INVALID_PARAMETER)?;
        let pages = if part.pages == 0 { rest } else { part.pages };
        if pages > rest {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let backing = match &allocation.storage {
            Storage::Pages(pages) => Backing::Pages(pages.clone(), 0),
            Storage::System { address, length, writable } => {
                Backing::System { ptr: *address, len: *length, writable: *writable }
            }
            Storage::Awaited => return Err(NtStatus::INVALID_PARAMETER),
        };
        Ok(MapRequest {
            base: (place.base != 0).then_some(place.base),
            min: place.minimum,
            max: place.maximum,
            backing,
            offset_pages: part.offset_pages,
            pages,
            protection: part.protection,
        })
    }

    pub(super) fn map_va(
        &mut self,
        key: ProcessKey,
        paging_queue: u32,
        place: Placement,
        part: Part,
        at: u64,
    ) -> Result<Reply, NtStatus> {
        let (address, bytes) = if part.allocation == 0 {
            // No allocation: the range is only set aside.
            let bytes = part.pages.checked_mul(PAGE_BYTES).ok_or(NtStatus::INVALID_PARAMETER)?;
            (self.place(key, &place, bytes)?, bytes)
        } else {
            let request = self.map_request(key, &place, &part)?;
            let bytes = request.pages * PAGE_BYTES;
            (self.gpu.map_va(gpu_process(key), request).map_err(refused)?, bytes)
        };
        self.process(key)?.mappings.insert(address, (bytes, part.allocation));
        let mut reply = match self.paging(key, paging_queue, at) {
            Ok(reply) => reply,
            Err(status) => {
                self.free_va(key, address, bytes)?;
                return Err(status);
            }
        };
        reply.other = address;
        Ok(reply)
    }

    fn place(&self, key: ProcessKey, place: &Placement, bytes: u64) -> Result<u64, NtStatus> {
        let base = (place.base != 0).then_some(place.base);
        self.gpu.reserve_va(gpu_process(key), base, place.minimum, place.maximum, bytes).map_err(refused)
    }

    pub(super) fn reserve_va(&mut self, key: ProcessKey, place: Placement, size: u64) -> Result<Reply, NtStatus> {
        let address = self.place(key, &place, size)?;
        self.process(key)?.mappings.insert(address, (size, 0));
        Ok(Reply { value: address, ..Reply::default() })
    }

    pub(super) fn free_va(&mut self, key: ProcessKey, base: u64, size: u64) -> Result<Reply, NtStatus> {
        self.gpu.free_va(gpu_process(key), base, size).map_err(refused)?;
        let mappings = &mut self.process(key)?.mappings;
        let within: Vec<u64> = mappings.range(base..base.saturating_add(size)).map(|(at, _)| *at).collect();
        for at in within {
            mappings.remove(&at);
        }
        Ok(Reply::default())
    }

    pub(super) fn update_va(&mut self, key: ProcessKey, device: u32, updates: &[VaUpdate]) -> Result<Reply, NtStatus> {
        self.device(key, device)?;
        let mut operations = Vec::with_capacity(updates.len());
        for update in updates {
            operations.push(match *update {
                VaUpdate::Map { base, size, allocation, offset, protection } => {
                    let place = Placement { base, minimum: 0, maximum: 0 };
                    let (offset_pages, pages) = (offset / PAGE_BYTES, size / PAGE_BYTES);
                    let request =
                        self.map_request(key, &place, &Part { allocation, offset_pages, pages, protection })?;
                    self.process(key)?.mappings.insert(base, (size, allocation));
                    UpdateVa::Map(request)
                }
                VaUpdate::Unmap { base, size } => UpdateVa::Unmap { base, bytes: size },
                VaUpdate::Copy { source, size, destination } => {
                    UpdateVa::Copy { src: source, dst: destination, bytes: size }
                }
            });
        }
        self.gpu.update_va(gpu_process(key), &operations).map_err(refused)?;
        Ok(Reply::default())
    }
}

//! Memory from the driver: few large pieces, each allocated, mapped and made resident once.
//!
//! ```text
//! device chunk: CreateAllocation (private)            ─► MapGpuVirtualAddress ─► MakeResident ─► paging fence
//! host chunk:   pages of ours ─► CreateAllocation (existing system memory) ─► the same
//! ```
//!
//! All of it are round trips: the pools above ask rarely. Dropping a chunk frees address, allocation and pages in this
//! order, so that the device never has an address of memory that is gone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dxg_io::error::Error as DxgError;
use dxg_io::object::{GpuVaRange, SystemMemory};
use dxg_io::status::NtStatus;

use super::link::DeviceLink;
#[cfg(test)]
use crate::backend::BackendMemory;
use crate::backend::{DeviceChunk, HostChunk};
use crate::error::{Error, Result};

/// Device chunks are multiples of this.
const GRANULE: u64 = 64 << 10;
/// The driver computes lengths of single allocations in 32 bits in places; larger ones are refused.
const LARGEST: u64 = (4 << 30) - GRANULE;

/// Makes chunks, and counts them.
pub(super) struct MemorySource {
    device: Arc<DeviceLink>,
    /// Imports go one at a time: each message of an import takes half of the bus ring.
    import: Mutex<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    device_bytes: AtomicU64,
    host_bytes: AtomicU64,
}

/// Keeps a device chunk.
struct DeviceMemory {
    _range: GpuVaRange,
    bytes: u64,
    counts: Arc<Counts>,
}

/// Keeps a host chunk.
struct HostMemory {
    /// `Some` until the drop takes it.
    range: Option<GpuVaRange>,
    pages: Arc<SystemMemory>,
    device: Arc<DeviceLink>,
    counts: Arc<Counts>,
}

impl MemorySource {
    /// Memory of this device.
    pub fn new(device: Arc<DeviceLink>) -> Self {
        Self { device, import: Mutex::new(()), counts: Arc::default() }
    }

    /// Device memory.
    pub fn allocate_device(&self, bytes: u64) -> Result<DeviceChunk> {
        let what = "device memory";
        let bytes = bytes
            .max(1)
            .checked_next_multiple_of(GRANULE)
            .filter(|bytes| *bytes <= LARGEST)
            .ok_or(Error::OutOfMemory { what, requested: bytes, available: LARGEST })?;
        let range = self.device.allocate(bytes).map_err(|error| {
            let left = || self.device.memory_left();
            out_of_memory(what, bytes, error, left)
        })?;
        self.counts.device_bytes.fetch_add(bytes, Ordering::Relaxed);
        let address = range.base();
        let owner = Box::new(DeviceMemory { _range: range, bytes, counts: self.counts.clone() });
        Ok(DeviceChunk { address, len: bytes, owner })
    }

    /// Host memory, zeroed.
    pub fn allocate_host(&self, bytes: usize) -> Result<HostChunk> {
        let (what, requested) = ("host memory", bytes as u64);
        if requested > LARGEST {
            return Err(Error::OutOfMemory { what, requested, available: LARGEST });
        }
        let pages = SystemMemory::new(bytes).map_err(|_| Error::OutOfMemory { what, requested, available: 0 })?;
        let pages = Arc::new(pages);
        let range = {
            let _one_at_a_time = self.import.lock().unwrap_or_else(PoisonError::into_inner);
            self.device.import(pages.clone())
        }
        .map_err(|error| out_of_memory(what, requested, error, || 0))?;
        self.counts.host_bytes.fetch_add(pages.len() as u64, Ordering::Relaxed);
        let (ptr, len, device_address) = (pages.as_ptr(), pages.len(), range.base());
        let (device, counts) = (self.device.clone(), self.counts.clone());
        let owner = Box::new(HostMemory { range: Some(range), pages, device, counts });
        Ok(HostChunk { ptr, len, device_address, owner })
    }

    /// What is in use.
    #[cfg(test)]
    pub fn usage(&self) -> BackendMemory {
        BackendMemory {
            device_bytes: self.counts.device_bytes.load(Ordering::Relaxed),
            host_bytes: self.counts.host_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        self.counts.device_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        self.counts.host_bytes.fetch_sub(self.pages.len() as u64, Ordering::Relaxed);
        let failed = self.device.dxg().failed_teardowns();
        drop(self.range.take());
        if self.device.dxg().failed_teardowns() != failed {
            // The device may still reach the pages (a launch that does not end, a driver that is gone): their addresses must
            // stay. Another thread's failure in the same moment leaves them mapped in vain, which harms nobody.
            tracing::warn!(
                bytes = self.pages.len(),
                "imported memory could not be taken back; its addresses stay in use"
            );
            self.pages.abandon();
            std::mem::forget(self.pages.clone());
        }
    }
}

/// The driver's error, or shortness of memory where it says so.
fn out_of_memory(what: &'static str, requested: u64, error: DxgError, left: impl FnOnce() -> u64) -> Error {
    match error.status() {
        NtStatus::NO_MEMORY | NtStatus::GRAPHICS_NO_VIDEO_MEMORY => {
            Error::OutOfMemory { what, requested, available: left() }
        }
        _ => Error::driver("allocating memory", error),
    }
}

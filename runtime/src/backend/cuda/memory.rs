//! Memory of the driver: chunks of device memory for the pool, and pinned host memory under a bound.
//!
//! Pinned memory is taken from the whole machine, and in WSL 2 there is little of it: what all devices of this process pin
//! together stays under [`Pinned::limit`], and a refusal says whose it is.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::context::Context;
use super::sys::{self, status};
use crate::backend::{DeviceChunk, HostChunk};
use crate::error::{Error, Result};

/// Memory of one device. Clones share its bound.
#[derive(Clone)]
pub(super) struct MemorySource {
    context: Arc<Context>,
    pinned: Arc<Pinned>,
    device_bytes: Arc<AtomicU64>,
}

/// What is pinned, and how much may be.
pub(super) struct Pinned {
    limit: u64,
    used: AtomicU64,
}

impl MemorySource {
    pub fn new(context: Arc<Context>, pinned_limit: u64) -> Self {
        let pinned = Arc::new(Pinned { limit: pinned_limit, used: AtomicU64::new(0) });
        MemorySource { context, pinned, device_bytes: Arc::default() }
    }

    /// Device memory, freed with the last reference to it. The pool frees nothing that an operation in flight uses.
    pub fn allocate_device(&self, bytes: u64) -> Result<DeviceChunk> {
        let context = &self.context;
        let _entered = context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
        let size = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut address = 0;
        // SAFETY: needed to call the driver; it writes one address.
        let found = unsafe { (context.driver.api.memory_allocate)(&mut address, size) };
        if found == status::OUT_OF_MEMORY {
            return Err(Error::OutOfMemory {
                what: "device memory",
                requested: bytes,
                available: self.free_device_bytes(),
            });
        }
        context.check(found).map_err(|refusal| refusal.of("cuMemAlloc"))?;
        self.device_bytes.fetch_add(bytes, Ordering::Relaxed);
        let held = self.device_bytes.clone();
        let owner = Box::new(DeviceMemory { context: context.clone(), address, bytes, held });
        Ok(DeviceChunk { address, len: bytes, owner })
    }

    fn free_device_bytes(&self) -> u64 {
        let (mut free, mut total) = (0, 0);
        // SAFETY: needed to call the driver; it writes two numbers.
        let found = unsafe { (self.context.driver.api.memory_info)(&mut free, &mut total) };
        if found == status::SUCCESS { free as u64 } else { 0 }
    }

    /// Pinned host memory, all zero.
    pub fn allocate_host(&self, bytes: usize) -> Result<HostChunk> {
        let context = &self.context;
        let bytes = bytes.max(1);
        let share = self.pinned.take(bytes as u64)?;
        let _entered = context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
        let mut raw: *mut c_void = ptr::null_mut();
        // SAFETY: needed to call the driver; it writes one pointer.
        let found = unsafe { (context.driver.api.host_allocate)(&mut raw, bytes, sys::HOST_ALLOC_FLAGS) };
        if found == status::OUT_OF_MEMORY {
            return Err(Error::OutOfMemory {
                what: "pinned host memory (the driver refused; in WSL 2 little of it is to be had: lower `staging_bytes`)",
                requested: bytes as u64,
                available: 0,
            });
        }
        context.check(found).map_err(|refusal| refusal.of("cuMemHostAlloc"))?;
        let Some(memory) = NonNull::new(raw.cast::<u8>()) else {
            return Err(Error::invalid("cuMemHostAlloc gave a NULL pointer"));
        };
        // From here on it is freed.
        let owner = Box::new(HostMemory { context: context.clone(), memory, _share: share });
        // SAFETY: needed to write the new memory, which has `bytes` bytes and no other user.
        unsafe { memory.write_bytes(0, bytes) };
        let mut device_address = 0;
        // SAFETY: needed to call the driver; the pointer is what it gave, and it writes one address.
        let found = unsafe { (context.driver.api.host_address)(&mut device_address, raw, 0) };
        context.check(found).map_err(|refusal| refusal.of("cuMemHostGetDevicePointer"))?;
        Ok(HostChunk { ptr: memory, len: bytes, device_address, owner })
    }

    #[cfg(test)]
    pub fn usage(&self) -> crate::backend::BackendMemory {
        crate::backend::BackendMemory {
            device_bytes: self.device_bytes.load(Ordering::Relaxed),
            host_bytes: self.pinned.used.load(Ordering::Relaxed),
        }
    }
}

impl Pinned {
    /// Counts `bytes` as pinned until the share is dropped.
    fn take(self: &Arc<Self>, bytes: u64) -> Result<Share> {
        let enough = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        // Relaxed: a count, which guards no other memory.
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough) {
            Ok(_before) => Ok(Share { pinned: self.clone(), bytes }),
            Err(used) => Err(Error::OutOfMemory {
                what: "pinned host memory (limit `pinned_bytes`)",
                requested: bytes,
                available: self.limit.saturating_sub(used),
            }),
        }
    }
}

/// A part of what may be pinned.
struct Share {
    pinned: Arc<Pinned>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pinned.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct DeviceMemory {
    context: Arc<Context>,
    address: sys::Address,
    bytes: u64,
    held: Arc<AtomicU64>,
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: needed to call the driver; the address is what it gave, and nothing in flight uses it: every
            // operation holds its memory. A lost context refuses, and frees everything by itself.
            let _freed = unsafe { (self.context.driver.api.memory_free)(self.address) };
        }
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct HostMemory {
    context: Arc<Context>,
    memory: NonNull<u8>,
    _share: Share,
}

// SAFETY: needed because of the pointer, which is only given back to the driver.
unsafe impl Send for HostMemory {}
// SAFETY: as above.
unsafe impl Sync for HostMemory {}

impl Drop for HostMemory {
    fn drop(&mut self) {
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: needed to call the driver; the pointer is what it gave, and nothing in flight uses it.
            let _freed = unsafe { (self.context.driver.api.host_free)(self.memory.as_ptr().cast()) };
        }
    }
}

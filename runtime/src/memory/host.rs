//! Device-visible host memory by the block, kept for the next use: importing memory costs round trips, so a transfer that
//! is too large for staging, or a host buffer of the user, takes a block that an earlier one gave back.
//!
//! | state | who may touch it |
//! |---|---|
//! | `State` | any thread, under the cache's lock; the driver is called without it |
//! | the bytes of a block | its owner; the device, while an operation in flight holds the block |

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::{Backend, HostChunk};
use crate::error::{Error, Result};

/// The smallest block, and the unit below [`COARSE`].
const SMALLEST: usize = 64 << 10;
/// From here on, sizes are rounded to multiples of this in place of powers of two.
const COARSE: usize = 16 << 20;

/// Where the cache gets its chunks: the backend, or a test.
pub(crate) trait HostSource: Send + Sync {
    /// Host memory that the device can reach.
    fn allocate_chunk(&self, bytes: usize) -> Result<HostChunk>;
}

impl<B: Backend + ?Sized> HostSource for Arc<B> {
    fn allocate_chunk(&self, bytes: usize) -> Result<HostChunk> {
        self.allocate_host(bytes)
    }
}

/// The cache. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostCache {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn HostSource>,
    /// Bytes that transfers may hold together, and that unused blocks may keep.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    unused: Vec<HostChunk>,
    unused_bytes: usize,
    transfer_bytes: usize,
    user_bytes: usize,
}

/// Figures of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostUsage {
    /// Bytes in blocks of transfers.
    pub transfer_bytes: usize,
    /// Bytes in blocks of the user's host buffers.
    pub user_bytes: usize,
    /// Bytes kept for the next block.
    pub unused_bytes: usize,
}

/// Device-visible host memory, given back to the cache when dropped.
pub(crate) struct HostBlock {
    cache: Arc<Shared>,
    /// `Some` until the drop takes it.
    chunk: Option<HostChunk>,
    ptr: NonNull<u8>,
    len: usize,
    device_address: u64,
    bounded: bool,
}

// SAFETY: needed because of the pointer. The block owns its bytes alone, like a boxed slice.
unsafe impl Send for HostBlock {}
// SAFETY: as above; `&HostBlock` gives addresses only.
unsafe impl Sync for HostBlock {}

impl HostCache {
    /// A cache without any block. `limit` bounds what transfers hold together, and what is kept unused.
    pub fn new(source: impl HostSource + 'static, limit: usize) -> Self {
        Self { shared: Arc::new(Shared { source: Box::new(source), limit, state: Mutex::default() }) }
    }

    /// A block for a transfer; `None` if transfers hold as much as they may, until one of them is done. A single transfer
    /// above the limit is let through alone.
    pub fn try_transfer(&self, len: usize) -> Result<Option<HostBlock>> {
        let rounded = round(len)?;
        {
            let mut state = self.shared.lock();
            let held = state.transfer_bytes;
            if held > 0 && held.saturating_add(rounded) > self.shared.limit {
                return Ok(None);
            }
            state.transfer_bytes += rounded;
        }
        match self.chunk(rounded) {
            Ok(chunk) => Ok(Some(self.block(chunk, len, rounded, true))),
            Err(error) => {
                self.shared.lock().transfer_bytes -= rounded;
                Err(error)
            }
        }
    }

    /// A block for the user's own buffer, beyond the limit of transfers.
    pub fn allocate(&self, len: usize) -> Result<HostBlock> {
        let rounded = round(len)?;
        let chunk = self.chunk(rounded)?;
        self.shared.lock().user_bytes += chunk.len;
        Ok(self.block(chunk, len, rounded, false))
    }

    /// Figures.
    pub fn usage(&self) -> HostUsage {
        let state = self.shared.lock();
        HostUsage {
            transfer_bytes: state.transfer_bytes,
            user_bytes: state.user_bytes,
            unused_bytes: state.unused_bytes,
        }
    }

    /// Gives unused blocks back to the driver; returns the bytes released.
    pub fn trim(&self) -> usize {
        let unused = {
            let mut state = self.shared.lock();
            state.unused_bytes = 0;
            std::mem::take(&mut state.unused)
        };
        unused.iter().map(|chunk| chunk.len).sum()
    }

    /// An unused chunk of exactly this size, or a new one.
    fn chunk(&self, rounded: usize) -> Result<HostChunk> {
        {
            let mut state = self.shared.lock();
            if let Some(index) = state.unused.iter().position(|chunk| chunk.len == rounded) {
                state.unused_bytes -= rounded;
                return Ok(state.unused.swap_remove(index));
            }
        }
        match self.shared.source.allocate_chunk(rounded) {
            Err(Error::OutOfMemory { .. }) if self.trim() > 0 => self.shared.source.allocate_chunk(rounded),
            other => other,
        }
    }

    fn block(&self, mut chunk: HostChunk, len: usize, rounded: usize, bounded: bool) -> HostBlock {
        // The source may round further; what was counted is what is given back.
        debug_assert!(chunk.len >= rounded);
        chunk.len = rounded;
        HostBlock {
            cache: self.shared.clone(),
            ptr: chunk.ptr,
            len,
            device_address: chunk.device_address,
            chunk: Some(chunk),
            bounded,
        }
    }
}

impl Shared {
    /// The lock guards plain bookkeeping whose steps do not panic: a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostBlock {
    /// Where the process sees it.
    pub fn ptr(&self) -> NonNull<u8> {
        self.ptr
    }

    /// Bytes asked for.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Where the device sees it.
    pub fn device_address(&self) -> u64 {
        self.device_address
    }
}

impl Drop for HostBlock {
    fn drop(&mut self) {
        let Some(chunk) = self.chunk.take() else { return };
        let mut state = self.cache.lock();
        if self.bounded {
            state.transfer_bytes -= chunk.len;
        } else {
            state.user_bytes -= chunk.len;
        }
        if state.unused_bytes + chunk.len <= self.cache.limit {
            state.unused_bytes += chunk.len;
            state.unused.push(chunk);
            return;
        }
        // Released outside the lock: it costs round trips.
        drop(state);
        drop(chunk);
    }
}

fn round(len: usize) -> Result<usize> {
    let rounded =
        if len <= COARSE { Some(len.max(SMALLEST).next_power_of_two()) } else { len.checked_next_multiple_of(COARSE) };
    rounded.ok_or(Error::OutOfMemory { what: "host memory", requested: len as u64, available: 0 })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Chunks on the heap, counted.
    #[derive(Clone, Default)]
    struct Fake {
        calls: Arc<AtomicUsize>,
        alive: Arc<AtomicUsize>,
    }

    struct Returned(Arc<AtomicUsize>, usize);

    impl Drop for Returned {
        fn drop(&mut self) {
            self.0.fetch_sub(self.1, Ordering::Relaxed);
        }
    }

    impl HostSource for Fake {
        fn allocate_chunk(&self, bytes: usize) -> Result<HostChunk> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.alive.fetch_add(bytes, Ordering::Relaxed);
            let device_address = 0x10_0000;
            let owner = Box::new(Returned(self.alive.clone(), bytes));
            Ok(HostChunk { ptr: NonNull::dangling(), len: bytes, device_address, owner })
        }
    }

    #[test]
    fn blocks_are_used_again() {
        let fake = Fake::default();
        let cache = HostCache::new(fake.clone(), 1 << 20);
        for len in [1, 60_000, 65_536] {
            let block = cache.try_transfer(len).expect("memory").expect("room");
            assert_eq!((block.len(), block.device_address()), (len, 0x10_0000));
        }
        drop(cache.allocate(1000).expect("memory"));
        assert_eq!(fake.calls.load(Ordering::Relaxed), 1);
        assert_eq!(cache.usage(), HostUsage { transfer_bytes: 0, user_bytes: 0, unused_bytes: 64 << 10 });
        assert_eq!(cache.trim(), 64 << 10);
        assert_eq!(fake.alive.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn transfers_are_bounded_and_wait_for_each_other() {
        let cache = HostCache::new(Fake::default(), 256 << 10);
        let first = cache.try_transfer(128 << 10).expect("memory").expect("room");
        let second = cache.try_transfer(100 << 10).expect("memory").expect("room");
        assert!(cache.try_transfer(1).expect("memory").is_none());
        let user = cache.allocate(1 << 20).expect("the user's own buffers do not count");
        drop(first);
        let third = cache.try_transfer(1).expect("memory").expect("room again");
        assert_eq!(cache.usage().transfer_bytes, (128 << 10) + (64 << 10));
        drop((second, third, user));
        assert_eq!(cache.usage().transfer_bytes, 0);
        assert_eq!(cache.usage().user_bytes, 0);
    }

    #[test]
    fn one_huge_transfer_goes_alone_and_is_not_kept() {
        let fake = Fake::default();
        let cache = HostCache::new(fake.clone(), 1 << 20);
        let huge = cache.try_transfer(100 << 20).expect("memory").expect("alone");
        assert!(cache.try_transfer(1).expect("memory").is_none());
        drop(huge);
        assert_eq!(fake.alive.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let cache = HostCache::new(Fake::default(), 1 << 20);
        assert!(matches!(cache.try_transfer(usize::MAX), Err(Error::OutOfMemory { .. })));
        assert_eq!(cache.usage(), HostUsage::default());
    }
}

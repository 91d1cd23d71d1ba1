//! The device memory pool: many allocations in few large chunks, so that a buffer costs no call to the
//! driver and the process keeps few kernel objects.
//!
//! ```text
//! allocate(len) ── small ──► a chunk's offset allocator (256-byte granules) ──► Arc<PoolBlock>
//!               └─ large ──► an allocation of its own, or a spare one that fits
//! ```
//!
//! A [`PoolBlock`] returns its range when the last `Arc` goes: every operation in flight holds one, so memory
//! is never reused while the device may touch it. That is all there is to a stream-ordered free.
//!
//! | state | who may touch it |
//! |---|---|
//! | `PoolState` | any thread, under the pool's lock; no driver call is made while it is held, except growth |
//! | the bytes of a block | whoever holds the block, through the device |

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use offset_allocator::{Allocation, Allocator};

use crate::backend::DeviceChunk;
use crate::error::{Error, Result};
use crate::sync::{Mutation, Mutex, MutexGuard, mutated};

/// Alignment of every allocation, and the unit of the offset allocators.
pub(crate) const GRANULE: u64 = 256;
/// Size of the first chunk unless the limits say otherwise.
#[cfg(test)]
const FIRST_CHUNK: u64 = 64 << 20;
/// Chunks stop growing here.
const LARGEST_CHUNK: u64 = 1 << 30;
/// Chunks are not made smaller than this when memory is short.
const SMALLEST_CHUNK: u64 = 1 << 20;
/// Blocks of one chunk; more of them go to the next chunk.
const BLOCKS_PER_CHUNK: u32 = if cfg!(dxg_loom) { 8 } else { 64 * 1024 };
/// Requests from here on get an allocation of their own.
const LARGE: u64 = 32 << 20;
/// Freed large allocations kept for the next large request, in bytes.
const SPARE_LIMIT: u64 = 512 << 20;

/// Where the pool gets its chunks: the backend, or a test.
pub(crate) trait ChunkSource: Send + Sync {
    /// Device memory, mapped and resident.
    fn allocate_chunk(&self, bytes: u64) -> Result<DeviceChunk>;
}

impl<B: crate::backend::Backend + ?Sized> ChunkSource for Arc<B> {
    fn allocate_chunk(&self, bytes: u64) -> Result<DeviceChunk> {
        self.allocate_device(bytes)
    }
}

/// Device memory by the piece. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MemoryPool {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn ChunkSource>,
    first_chunk: u64,
    state: Mutex<PoolState>,
}

#[derive(Default)]
struct PoolState {
    chunks: Vec<Option<Chunk>>,
    /// Live blocks by first address.
    blocks: BTreeMap<u64, Live>,
    /// Freed large allocations.
    spares: Vec<DeviceChunk>,
    usage: PoolUsage,
}

struct Live {
    len: u64,
    block: Weak<PoolBlock>,
}

struct Chunk {
    memory: DeviceChunk,
    allocator: Allocator,
    live: u32,
}

/// Figures of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolUsage {
    /// Device memory the pool holds.
    pub reserved_bytes: u64,
    /// Memory in live blocks, rounding included.
    pub used_bytes: u64,
    /// The largest value of `used_bytes` so far.
    pub peak_used_bytes: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Allocations at the driver.
    pub chunks: u64,
    /// The largest request that is served for sure without another call to the driver.
    pub largest_free_bytes: u64,
}

/// A piece of device memory. Returned to the pool when it and all that [share](PoolBlock::share) it are dropped.
pub(crate) struct PoolBlock {
    address: u64,
    len: u64,
    hold: Hold,
}

/// What keeps a block's memory.
enum Hold {
    /// The block itself.
    Place {
        pool: Arc<Shared>,
        reserved: u64,
        /// `Some` until the drop takes it.
        place: Option<Place>,
    },
    /// Another block, which this one stands for.
    Share(#[cfg_attr(not(test), expect(dead_code, reason = "held for its drop"))] Arc<PoolBlock>),
}

enum Place {
    Chunk {
        index: usize,
        range: Allocation,
    },
    Own(DeviceChunk),
    /// Memory that somebody else allocated; what keeps it alive.
    Foreign(Box<dyn Any + Send + Sync>),
}

impl MemoryPool {
    /// A pool without any memory; the first allocation gets a chunk of about `first_chunk` bytes.
    pub fn new(source: impl ChunkSource + 'static, first_chunk: u64) -> Self {
        let first_chunk = first_chunk.clamp(SMALLEST_CHUNK, LARGEST_CHUNK).next_power_of_two();
        Self {
            shared: Arc::new(Shared { source: Box::new(source), first_chunk, state: Mutex::new(PoolState::default()) }),
        }
    }

    /// Memory for `len` bytes (0 gets an address too), aligned to 256 bytes.
    pub fn allocate(&self, len: u64) -> Result<Arc<PoolBlock>> {
        let reserved = len.max(1).checked_next_multiple_of(GRANULE).ok_or_else(|| out_of_memory(len, 0))?;
        if reserved >= LARGE {
            return self.allocate_large(len, reserved);
        }
        let mut state = self.shared.lock();
        if let Some(place) = state.place_in_chunks(reserved) {
            return Ok(self.publish(&mut state, len, reserved, place));
        }
        // Growing under the lock keeps a burst of first allocations from making a chunk each.
        self.grow(&mut state, reserved)?;
        match state.place_in_chunks(reserved) {
            Some(place) => Ok(self.publish(&mut state, len, reserved, place)),
            None => Err(out_of_memory(len, 0)),
        }
    }

    /// Memory of somebody else as a block; `owner` is dropped with it. `None` where a block lies there already.
    pub fn adopt(&self, address: u64, len: u64, owner: Box<dyn Any + Send + Sync>) -> Option<Arc<PoolBlock>> {
        let mut state = self.shared.lock();
        let before = state.blocks.range(..address.saturating_add(len.max(1))).next_back();
        if before.is_some_and(|(start, live)| start + live.len.max(1) > address && live.block.strong_count() > 0) {
            return None;
        }
        let hold = Hold::Place { pool: self.shared.clone(), reserved: 0, place: Some(Place::Foreign(owner)) };
        let block = Arc::new(PoolBlock { address, len, hold });
        state.usage.blocks += 1;
        state.blocks.insert(address, Live { len, block: Arc::downgrade(&block) });
        Some(block)
    }

    /// The block that holds a device address, and the offset in it.
    pub fn find(&self, address: u64) -> Option<(Arc<PoolBlock>, u64)> {
        let state = self.shared.lock();
        let (start, live) = state.blocks.range(..=address).next_back()?;
        let offset = address - start;
        // A block of length 0 is found by its own address only.
        if offset >= live.len.max(1) {
            return None;
        }
        let block = live.block.upgrade();
        drop(state);
        Some((block?, offset))
    }

    /// Figures.
    pub fn usage(&self) -> PoolUsage {
        let state = self.shared.lock();
        PoolUsage { largest_free_bytes: state.largest_free(), ..state.usage }
    }

    /// Gives unused chunks back to the driver; returns the bytes released.
    pub fn trim(&self) -> u64 {
        let unused = self.shared.lock().take_unused();
        unused.iter().map(|chunk| chunk.len).sum()
    }

    fn allocate_large(&self, len: u64, reserved: u64) -> Result<Arc<PoolBlock>> {
        let mut state = self.shared.lock();
        let spare = state
            .spares
            .iter()
            .enumerate()
            .filter(|(_, chunk)| chunk.len >= reserved && chunk.len <= reserved + reserved / 4)
            .min_by_key(|(_, chunk)| chunk.len)
            .map(|(index, _)| index);
        if let Some(index) = spare {
            let chunk = state.spares.swap_remove(index);
            return Ok(self.publish(&mut state, len, chunk.len, Place::Own(chunk)));
        }
        drop(state);
        let chunk = match self.shared.source.allocate_chunk(reserved) {
            Err(Error::OutOfMemory { .. }) if self.trim() > 0 => self.shared.source.allocate_chunk(reserved),
            other => other,
        }?;
        let mut state = self.shared.lock();
        state.usage.reserved_bytes += chunk.len;
        state.usage.chunks += 1;
        Ok(self.publish(&mut state, len, chunk.len, Place::Own(chunk)))
    }

    /// Adds a chunk that holds `reserved` bytes: twice the last one, or less when memory is short.
    fn grow(&self, state: &mut PoolState, reserved: u64) -> Result<()> {
        let last = state.chunks.iter().flatten().map(|c| c.memory.len).max();
        let mut size = last.map_or(self.shared.first_chunk, |len| (len * 2).min(LARGEST_CHUNK));
        let least = reserved.next_power_of_two().max(SMALLEST_CHUNK);
        size = size.max(least);
        loop {
            match self.shared.source.allocate_chunk(size) {
                Ok(memory) => {
                    state.add_chunk(memory);
                    return Ok(());
                }
                Err(Error::OutOfMemory { .. }) if size > least => size = (size / 2).max(least),
                Err(Error::OutOfMemory { available, .. }) => {
                    let unused = state.take_unused();
                    if unused.is_empty() {
                        return Err(out_of_memory(reserved, available.max(state.largest_free())));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(&self, state: &mut PoolState, len: u64, reserved: u64, place: Place) -> Arc<PoolBlock> {
        let address = match &place {
            Place::Own(chunk) => chunk.address,
            // Published by `adopt`.
            Place::Foreign(_) => 0,
            Place::Chunk { index, range } => {
                let base = state.chunks[*index].as_ref().map_or(0, |c| c.memory.address);
                base + u64::from(range.offset) * GRANULE
            }
        };
        state.usage.used_bytes += reserved;
        state.usage.peak_used_bytes = state.usage.peak_used_bytes.max(state.usage.used_bytes);
        state.usage.blocks += 1;
        let hold = Hold::Place { pool: self.shared.clone(), reserved, place: Some(place) };
        let block = Arc::new(PoolBlock { address, len, hold });
        let live = Live { len, block: Arc::downgrade(&block) };
        state.blocks.insert(address, live);
        block
    }
}

impl Shared {
    /// The lock guards plain bookkeeping whose steps do not panic.
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock()
    }

    /// Takes a block's memory back; what the driver shall free is dropped outside the lock.
    fn release(&self, address: u64, reserved: u64, place: Place) {
        let mut surplus = Vec::new();
        let mut foreign = None;
        let mut state = self.lock();
        // With the range, in one step: its next user is entered under the same address.
        if !mutated(Mutation::PoolForgetsLate) {
            state.blocks.remove(&address);
        }
        state.usage.used_bytes -= reserved;
        state.usage.blocks -= 1;
        match place {
            Place::Chunk { index, range } => {
                if let Some(chunk) = state.chunks[index].as_mut() {
                    chunk.allocator.free(range);
                    chunk.live -= 1;
                }
            }
            // Dropped without the lock: it is somebody else's code.
            Place::Foreign(owner) => foreign = Some(owner),
            Place::Own(chunk) => {
                state.spares.push(chunk);
                let mut kept: u64 = state.spares.iter().map(|spare| spare.len).sum();
                while kept > SPARE_LIMIT {
                    // The oldest goes first: it has waited longest for a request of its size.
                    let oldest = state.spares.remove(0);
                    kept -= oldest.len;
                    state.usage.reserved_bytes -= oldest.len;
                    state.usage.chunks -= 1;
                    surplus.push(oldest);
                }
            }
        }
        drop(state);
        drop(surplus);
        drop(foreign);
        if mutated(Mutation::PoolForgetsLate) {
            self.lock().blocks.remove(&address);
        }
    }
}

impl PoolState {
    fn place_in_chunks(&mut self, reserved: u64) -> Option<Place> {
        let granules = u32::try_from(reserved / GRANULE).ok()?;
        for (index, chunk) in self.chunks.iter_mut().enumerate() {
            let Some(chunk) = chunk else { continue };
            if let Some(range) = chunk.allocator.allocate(granules) {
                chunk.live += 1;
                return Some(Place::Chunk { index, range });
            }
        }
        None
    }

    fn add_chunk(&mut self, memory: DeviceChunk) {
        // A chunk has at most LARGEST_CHUNK bytes, far from u32::MAX granules; saturate rather than wrap.
        let granules = u32::try_from(memory.len / GRANULE).unwrap_or(u32::MAX);
        self.usage.reserved_bytes += memory.len;
        self.usage.chunks += 1;
        let chunk = Chunk { allocator: Allocator::with_max_allocs(granules, BLOCKS_PER_CHUNK), memory, live: 0 };
        match self.chunks.iter().position(Option::is_none) {
            Some(free) => self.chunks[free] = Some(chunk),
            None => self.chunks.push(Some(chunk)),
        }
    }

    fn largest_free(&self) -> u64 {
        let reports = self.chunks.iter().flatten().map(|chunk| chunk.allocator.storage_report());
        reports.map(|report| u64::from(report.largest_free_region) * GRANULE).max().unwrap_or(0)
    }

    fn take_unused(&mut self) -> Vec<DeviceChunk> {
        let mut unused = std::mem::take(&mut self.spares);
        for slot in &mut self.chunks {
            if let Some(chunk) = slot.take_if(|chunk| chunk.live == 0 || mutated(Mutation::PoolTrimsInUse)) {
                unused.push(chunk.memory);
            }
        }
        self.usage.chunks -= unused.len() as u64;
        self.usage.reserved_bytes -= unused.iter().map(|chunk| chunk.len).sum::<u64>();
        unused
    }
}

impl PoolBlock {
    /// Its first address.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Bytes asked for.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The same piece with a count of users of its own, for those who would contend for one.
    pub fn share(this: &Arc<Self>) -> Arc<Self> {
        Arc::new(PoolBlock { address: this.address, len: this.len, hold: Hold::Share(Arc::clone(this)) })
    }

    /// Whether the block belongs to `pool`.
    #[cfg(test)]
    pub fn belongs_to(&self, pool: &MemoryPool) -> bool {
        match &self.hold {
            Hold::Place { pool: own, .. } => Arc::ptr_eq(own, &pool.shared),
            Hold::Share(block) => block.belongs_to(pool),
        }
    }
}

impl Drop for PoolBlock {
    fn drop(&mut self) {
        if let Hold::Place { pool, reserved, place } = &mut self.hold
            && let Some(place) = place.take()
        {
            pool.release(self.address, *reserved, place);
        }
    }
}

fn out_of_memory(requested: u64, available: u64) -> Error {
    Error::OutOfMemory { what: "device memory", requested, available }
}

#[cfg(all(test, not(dxg_loom)))]
#[path = "pool_tests.rs"]
mod tests;

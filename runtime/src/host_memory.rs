//! Host memory that the device can reach: a staging arena for small data, chunks for large data, and time stamps.
//!
//! Small data goes through pieces of one arena. Data too large for a piece gets a block of the cache, which keeps blocks for
//! the next large copy, so that a steady program makes no call to the driver. Both are bounded: when there is no room, the
//! caller waits for [`Room`], which every returned piece announces.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::Backend;
use crate::core::room::Room;
use crate::core::staging::{HostRegion, Returned, StagingArena, StagingShare};
use crate::error::Result;
use crate::memory::host::{HostBlock, HostCache, HostUsage};
use crate::op::Keep;
use crate::sync::CachePadded;

/// Staging chunks: no piece is longer than one of them. So short that the few that small pieces go round stay in a core's cache.
const STAGING_CHUNK: usize = 128 << 10;
/// Every piece begins at a multiple of this: a cache line, and enough for any element.
const PIECE_ALIGN: usize = 64;
/// Large transfers in flight take at most this multiple of the staging memory (one alone may take more).
const LARGE_FACTOR: u64 = 16;

/// The host memory of a device. Every piece counts as a user of it, on the thread that makes it and on the one that gives it back:
/// with a handle for each stream ([`HostMemory::another`]), streams do not contend for one count.
pub(crate) struct HostMemory {
    shared: Arc<Shared>,
}

struct Shared {
    arena: StagingArena,
    cache: HostCache,
    room: Arc<Room>,
    /// Living [`LingeringPiece`]s.
    lingering: CachePadded<AtomicUsize>,
    /// So many are half of the chunks: each keeps one from being used again at most.
    lingering_max: usize,
}

/// Some host memory, given back when dropped.
pub(crate) struct HostPiece {
    hold: Hold,
    ptr: *mut u8,
    len: usize,
    address: u64,
}

enum Hold {
    Staged(StagedBytes),
    /// Held for its drop.
    Large(#[expect(dead_code, reason = "held for its drop")] LargeBytes),
}

// SAFETY: needed because of the pointer. A piece owns its bytes; it may be sent, and shared references to it only read or
// hand out the pointer, whose use is unsafe or ordered by the device's completion.
unsafe impl Send for HostPiece {}
// SAFETY: as above.
unsafe impl Sync for HostPiece {}

impl HostMemory {
    /// Takes the staging memory from the backend; none from a device that runs nothing.
    ///
    /// Who waits for memory is told through `room`.
    pub(crate) fn new(backend: Arc<dyn Backend>, staging_bytes: u64, room: Arc<Room>) -> Result<Arc<Self>> {
        let of = |arena: StagingArena, cache| {
            let lingering = CachePadded(AtomicUsize::new(0));
            let lingering_max = arena.capacity().checked_div(arena.piece_max()).map_or(0, |chunks| chunks / 2);
            Arc::new(HostMemory { shared: Arc::new(Shared { arena, cache, room, lingering, lingering_max }) })
        };
        if !backend.info().can_launch {
            return Ok(of(StagingArena::new(Vec::new(), STAGING_CHUNK), HostCache::new(backend, 0)));
        }
        let bytes = usize::try_from(staging_bytes).unwrap_or(usize::MAX / 2).next_multiple_of(4096);
        let chunk = backend.allocate_host(bytes)?;
        // SAFETY: needed to hand the chunk's memory to the arena; the chunk is its owner, is dropped after the last piece,
        // and nobody else knows the memory.
        let region = unsafe { HostRegion::new(chunk.ptr, chunk.device_address, chunk.len, Box::new(chunk)) };
        let limit = usize::try_from(staging_bytes.saturating_mul(LARGE_FACTOR)).unwrap_or(usize::MAX);
        Ok(of(StagingArena::new(vec![region], STAGING_CHUNK.min(bytes)), HostCache::new(backend, limit)))
    }

    /// The same memory with a count of its own.
    pub(crate) fn another(&self) -> Arc<Self> {
        Arc::new(HostMemory { shared: Arc::clone(&self.shared) })
    }

    /// `len` bytes for a transfer, or `None` where there is no room now.
    pub(crate) fn allocate(self: &Arc<Self>, len: usize) -> Result<Option<HostPiece>> {
        if len > self.shared.arena.piece_max() {
            let block = self.shared.cache.try_transfer(len)?;
            return Ok(block.map(|block| HostPiece::large(self, block)));
        }
        Ok(self.shared.arena.allot(len.max(1), PIECE_ALIGN).map(|allotment| HostPiece {
            ptr: allotment.host.as_ptr(),
            len,
            address: allotment.device_address,
            hold: Hold::Staged(StagedBytes { memory: Arc::clone(self), share: allotment.share }),
        }))
    }

    /// `len` bytes that somebody keeps: they do not count as a transfer.
    pub(crate) fn allocate_kept(self: &Arc<Self>, len: usize) -> Result<HostPiece> {
        Ok(HostPiece::large(self, self.shared.cache.allocate(len)?))
    }

    /// Bytes of staging memory, and how many are in use.
    pub(crate) fn staging_usage(&self) -> (u64, u64) {
        (self.shared.arena.capacity() as u64, self.shared.arena.in_use() as u64)
    }

    /// Memory outside of staging.
    pub(crate) fn cache_usage(&self) -> HostUsage {
        self.shared.cache.usage()
    }
}

impl HostPiece {
    fn large(memory: &Arc<HostMemory>, block: HostBlock) -> Self {
        HostPiece {
            ptr: block.ptr().as_ptr(),
            len: block.len(),
            address: block.device_address(),
            hold: Hold::Large(LargeBytes { block: Some(block), memory: Arc::clone(memory) }),
        }
    }

    /// What an operation keeps of the piece until the device is done with it. No allocation for staged ones.
    pub(crate) fn into_keep(self) -> Keep {
        match self.hold {
            Hold::Staged(bytes) => Keep::Staged(bytes),
            Hold::Large(_) => Keep::Shared(Arc::new(self)),
        }
    }

    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    pub(crate) fn ptr(&self) -> *mut u8 {
        self.ptr
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Copies `data` in; as long as the piece.
    pub(crate) fn write(&mut self, data: &[u8]) {
        let data = &data[..data.len().min(self.len)];
        // SAFETY: needed because the memory is known by its address; the piece owns `len` bytes there, it is borrowed
        // mutably, and no operation that touches it has been accepted (the device gets it only by shared reference).
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.ptr, data.len()) };
    }

    /// Copies the bytes out.
    ///
    /// # Safety
    ///
    /// No device operation that writes the piece is under way.
    pub(crate) unsafe fn read(&self, out: &mut [u8]) {
        let len = out.len().min(self.len);
        // SAFETY: needed because the memory is known by its address; the piece owns `len` bytes there, and the caller
        // promises that nobody writes them.
        unsafe { std::ptr::copy_nonoverlapping(self.ptr.cast_const(), out.as_mut_ptr(), len) };
    }
}

/// A piece that its owner may keep for as long as it likes: there are so few at a time that half of the staging memory is left
/// to others, whatever becomes of them.
pub(crate) struct LingeringPiece(HostPiece);

impl LingeringPiece {
    /// As one that may be kept; gives it back where it may not.
    pub(crate) fn of(piece: HostPiece) -> Result<Self, HostPiece> {
        let Hold::Staged(bytes) = &piece.hold else { return Err(piece) };
        let shared = &bytes.memory.shared;
        // Relaxed: a count, which orders nothing.
        if shared.lingering.fetch_add(1, Ordering::Relaxed) < shared.lingering_max {
            return Ok(LingeringPiece(piece));
        }
        shared.lingering.fetch_sub(1, Ordering::Relaxed);
        Err(piece)
    }
}

impl std::ops::Deref for LingeringPiece {
    type Target = HostPiece;
    fn deref(&self) -> &HostPiece {
        &self.0
    }
}

impl Drop for LingeringPiece {
    fn drop(&mut self) {
        if let Hold::Staged(bytes) = &self.0.hold {
            bytes.memory.shared.lingering.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The bytes of a staged piece, held for an operation; two words. Given back when dropped.
pub(crate) struct StagedBytes {
    memory: Arc<HostMemory>,
    /// Of a byte at least; none once it was taken.
    share: StagingShare,
}

impl Clone for StagedBytes {
    fn clone(&self) -> Self {
        StagedBytes { memory: Arc::clone(&self.memory), share: self.memory.shared.arena.share_again(&self.share) }
    }
}

impl Drop for StagedBytes {
    fn drop(&mut self) {
        let share = std::mem::take(&mut self.share);
        if !share.is_empty() {
            self.memory.shared.arena.give_back(share);
            self.memory.shared.room.announce();
        }
    }
}

/// Gives back the pieces of many operations, those of one chunk in one step: what is put in is in nobody's way any more.
#[derive(Default)]
pub(crate) struct GivingBack {
    returned: Returned,
    memory: Option<Arc<HostMemory>>,
}

impl GivingBack {
    /// The bytes are given back with others, when this is dropped or before.
    pub(crate) fn add(&mut self, bytes: &mut StagedBytes) {
        let share = std::mem::take(&mut bytes.share);
        if share.is_empty() {
            return;
        }
        let same = |memory: &Arc<HostMemory>| Arc::ptr_eq(&memory.shared, &bytes.memory.shared);
        if !self.memory.as_ref().is_some_and(same) {
            self.end();
            self.memory = Some(Arc::clone(&bytes.memory));
        }
        if let Err(share) = self.returned.add(share) {
            self.give_back();
            // Empty now, it takes any share.
            let _taken = self.returned.add(share);
        }
    }

    fn give_back(&mut self) {
        if let Some(memory) = &self.memory {
            memory.shared.arena.give_back_all(std::mem::take(&mut self.returned));
        }
    }

    fn end(&mut self) {
        self.give_back();
        if let Some(memory) = self.memory.take() {
            memory.shared.room.announce();
        }
    }
}

impl Drop for GivingBack {
    fn drop(&mut self) {
        self.end();
    }
}

/// A block of the cache, given back when dropped.
struct LargeBytes {
    /// Taken by drop.
    block: Option<HostBlock>,
    memory: Arc<HostMemory>,
}

impl Drop for LargeBytes {
    fn drop(&mut self) {
        drop(self.block.take());
        self.memory.shared.room.announce();
    }
}

/// Slots of 8 bytes that records of events write the device's time to.
pub(crate) struct TimeStamps {
    memory: Arc<HostMemory>,
    free: Mutex<Vec<Slot>>,
}

struct Slot {
    piece: Arc<HostPiece>,
    offset: usize,
}

/// One time stamp; its slot is used again when it is dropped.
pub(crate) struct TimeStamp {
    slot: Option<Slot>,
    owner: Arc<TimeStamps>,
}

/// Bytes of slots taken from the device at once.
const SLOT_BYTES: usize = 4096;

impl TimeStamps {
    pub(crate) fn new(memory: Arc<HostMemory>) -> Arc<Self> {
        Arc::new(TimeStamps { memory, free: Mutex::default() })
    }

    /// A slot that holds 0.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Arc<TimeStamp>> {
        let slot = self.free().pop();
        let slot = match slot {
            Some(slot) => slot,
            None => self.grow()?,
        };
        slot.word().store(0, Ordering::Relaxed);
        Ok(Arc::new(TimeStamp { slot: Some(slot), owner: Arc::clone(self) }))
    }

    fn grow(&self) -> Result<Slot> {
        // A block of its own: slots live as long as events do, and would pin staging memory.
        let piece = self.memory.allocate_kept(SLOT_BYTES)?;
        let piece = Arc::new(piece);
        let mut free = self.free();
        free.extend((8..SLOT_BYTES).step_by(8).map(|offset| Slot { piece: Arc::clone(&piece), offset }));
        Ok(Slot { piece, offset: 0 })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn word(&self) -> &AtomicU64 {
        // SAFETY: needed because the device shares the memory; the piece owns it for as long as the slot lives, offsets are
        // multiples of 8 inside it, blocks are page-aligned, and host and device access the word atomically.
        unsafe { AtomicU64::from_ptr(self.piece.ptr().add(self.offset).cast()) }
    }
}

impl TimeStamp {
    /// Where the device writes.
    pub(crate) fn address(&self) -> u64 {
        self.slot.as_ref().map_or(0, |slot| slot.piece.address() + slot.offset as u64)
    }

    /// What it wrote, in nanoseconds of its clock; meaningful once the record is complete.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.slot.as_ref().map_or(0, |slot| slot.word().load(Ordering::Acquire))
    }
}

impl Drop for TimeStamp {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.owner.free().push(slot);
        }
    }
}

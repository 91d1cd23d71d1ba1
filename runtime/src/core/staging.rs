//! The staging arena: host memory that the device reads, given out in small pieces and taken back piece by piece.
//!
//! A launch copies its small host data into a [`StagingPiece`] at once; the piece travels with the operation and is dropped when the
//! device is done with it. Operations of several queues complete in any order, so pieces come back in any order and on any
//! thread. The memory is cut into chunks. One chunk at a time is *current* and is given out from its start to its end (a bump
//! allocation: one compare-exchange); a chunk that has no room is *retired*, and is recycled when its last piece is gone.
//!
//! | chunk word | who may touch the chunk's bytes | what can happen |
//! | --- | --- | --- |
//! | live pieces, not `RETIRED` | each piece's owner its own bytes | give out more; free pieces |
//! | live pieces, `RETIRED` | each piece's owner its own bytes | free pieces; who frees the last one recycles the chunk |
//! | none, `RETIRED` | nobody; it stands in the free list or is on its way there | become current again |
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | chunk word | everybody, by read-modify-write; set to zero only under the `free` lock, when it has no pieces | everybody |
//! | a chunk's `in_use` | everybody, beside the word; a figure to tell, nothing depends on it | everybody |
//! | `current` | holders of the `free` lock | everybody |
//! | `free`: recycled chunks | holders of its lock | holders of its lock |

use std::any::Any;
use std::ptr::NonNull;

use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, CachePadded, Mutation, Mutex, mutated};

/// Chunk word: the first byte not given out, in the low half.
const OFFSET: u64 = u32::MAX as u64;
/// Chunk word: one live piece; their number stands above the offset.
const PIECE: u64 = 1 << 32;
/// Chunk word: nothing more is given out.
const RETIRED: u64 = 1 << 63;

/// Memory for an arena: `len` bytes that the host reaches at `host` and the device at `device_address`.
pub(crate) struct HostRegion {
    host: NonNull<u8>,
    device_address: u64,
    len: usize,
    /// Keeps the memory mapped on both sides; dropped after the last piece.
    owner: Box<dyn Any + Send + Sync>,
}

impl HostRegion {
    /// # Safety
    /// `host` must be valid for reads and writes of `len` bytes from any thread as long as `owner` lives, and nothing else may use
    /// these bytes in that time, except a device that is asked to.
    pub(crate) unsafe fn new(
        host: NonNull<u8>,
        device_address: u64,
        len: usize,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Self { host, device_address, len, owner }
    }
}

/// See the module.
pub(crate) struct StagingArena {
    shared: Arc<Shared>,
}

struct Shared {
    chunks: Box<[Chunk]>,
    chunk_bytes: usize,
    current: CachePadded<AtomicUsize>,
    free: Mutex<Vec<usize>>,
    _owners: Vec<Box<dyn Any + Send + Sync>>,
}

/// On a line of its own.
#[repr(align(64))]
struct Chunk {
    word: AtomicU64,
    /// Bytes in living pieces.
    in_use: AtomicUsize,
    host: NonNull<u8>,
    device_address: u64,
}

// SAFETY: needed because of the pointers. The arena itself only computes addresses from them; the bytes are touched through
// pieces, which never overlap (the word's compare-exchange gives each byte out once per lap).
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Bytes of the arena that were given out.
pub(crate) struct Allotment {
    /// The right to them.
    pub share: StagingShare,
    /// Where the host reaches them; valid until the last share is given back.
    pub host: NonNull<u8>,
    /// Where the device does.
    pub device_address: u64,
}

/// The right to some bytes: given back with [`StagingArena::give_back`], to the arena that it came from.
#[derive(Debug, Default)]
#[must_use = "a share that is not given back keeps its chunk forever"]
pub(crate) struct StagingShare {
    chunk: u32,
    len: u32,
}

impl StagingShare {
    /// Whether there is nothing to give back; a piece has a byte at least, so a share that was taken has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Shares of one chunk that are given back together.
#[derive(Debug, Default)]
pub(crate) struct Returned {
    chunk: u32,
    /// Never more than a chunk has bytes.
    pieces: u32,
    len: usize,
}

impl Returned {
    /// Takes a share along; gives it back where it is of another chunk.
    pub(crate) fn add(&mut self, share: StagingShare) -> Result<(), StagingShare> {
        if self.pieces == 0 {
            self.chunk = share.chunk;
        } else if self.chunk != share.chunk {
            return Err(share);
        }
        self.pieces += 1;
        self.len += share.len as usize;
        Ok(())
    }
}

impl StagingArena {
    /// An arena over `regions`, in chunks of `chunk_bytes` (below 2 GiB; what does not fill a chunk stays unused).
    pub(crate) fn new(regions: Vec<HostRegion>, chunk_bytes: usize) -> Self {
        let chunk_bytes = chunk_bytes.clamp(1, OFFSET as usize / 2);
        let mut chunks = Vec::new();
        let mut owners = Vec::with_capacity(regions.len());
        for region in regions {
            for index in 0..region.len / chunk_bytes {
                let offset = index * chunk_bytes;
                // SAFETY: needed to address inside the region; `offset` is below its length (contract of `HostRegion::new`).
                let host = unsafe { region.host.add(offset) };
                let device_address = region.device_address + offset as u64;
                chunks.push(Chunk { word: AtomicU64::new(RETIRED), in_use: AtomicUsize::new(0), host, device_address });
            }
            owners.push(region.owner);
        }
        // Popped from the end: the first chunk first.
        let free = (0..chunks.len()).rev().collect();
        let shared = Shared {
            chunks: chunks.into_boxed_slice(),
            chunk_bytes,
            current: CachePadded(AtomicUsize::new(0)),
            free: Mutex::new(free),
            _owners: owners,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The longest piece there can be.
    pub(crate) fn piece_max(&self) -> usize {
        if self.shared.chunks.is_empty() { 0 } else { self.shared.chunk_bytes }
    }

    /// Bytes of all chunks.
    pub(crate) fn capacity(&self) -> usize {
        self.shared.chunks.len() * self.shared.chunk_bytes
    }

    /// Bytes in living pieces.
    pub(crate) fn in_use(&self) -> usize {
        self.shared.chunks.iter().map(|chunk| chunk.in_use.load(Ordering::Relaxed)).sum()
    }

    /// A piece of `len` bytes whose device address is a multiple of `align` (a power of two). `None`: no room now, or never if
    /// `len` is above [`StagingArena::piece_max`].
    pub(crate) fn allot(&self, len: usize, align: usize) -> Option<Allotment> {
        debug_assert!(align.is_power_of_two());
        let shared = &self.shared;
        if len > self.piece_max() {
            return None;
        }
        loop {
            // Acquire pairs with the Release store in `advance`.
            let index = shared.current.load(Ordering::Acquire);
            if let Some(offset) = shared.chunks.get(index)?.give_out(len, align, shared.chunk_bytes) {
                let chunk = &shared.chunks[index];
                // An empty piece has a byte, so that there are never more pieces than bytes.
                let len = len.max(1);
                chunk.in_use.fetch_add(len, Ordering::Relaxed);
                return Some(Allotment {
                    // A chunk is below 2 GiB, and there are no more chunks than bytes of memory over bytes of a chunk.
                    share: StagingShare { chunk: index as u32, len: len as u32 },
                    // SAFETY: needed to address inside the chunk; `give_out` keeps offset + len inside it.
                    host: unsafe { chunk.host.add(offset) },
                    device_address: chunk.device_address + offset as u64,
                });
            }
            if !shared.advance(index, len, align) {
                return None;
            }
        }
    }
}

impl Chunk {
    /// Where a piece of `len` bytes would begin and end after `word`, if it fits.
    fn fit(&self, word: u64, len: usize, align: usize, chunk_bytes: usize) -> Option<(usize, usize)> {
        let align = align as u64;
        let start = (self.device_address + (word & OFFSET)).checked_next_multiple_of(align)? - self.device_address;
        // As in `allot`.
        let end = start.checked_add(len.max(1) as u64)?;
        (word & RETIRED == 0 && end <= chunk_bytes as u64).then_some((start as usize, end as usize))
    }

    fn give_out(&self, len: usize, align: usize, chunk_bytes: usize) -> Option<usize> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let (start, end) = self.fit(word, len, align, chunk_bytes)?;
            let next = (word & !OFFSET) + PIECE + end as u64;
            // Acquire pairs with the Release store in `advance` that opened the chunk: the bytes' last users of the lap
            // before are done. No Release is needed: a new piece publishes nothing.
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(start),
                Err(now) => word = now,
            }
        }
    }
}

impl Shared {
    /// The chunk `seen` has no room for (`len`, `align`): makes another one current. `false`: there is none.
    fn advance(&self, seen: usize, len: usize, align: usize) -> bool {
        let mut free = self.free.lock();
        if self.current.load(Ordering::Relaxed) != seen {
            return true;
        }
        let chunk = &self.chunks[seen];
        let word = chunk.word.load(Ordering::Relaxed);
        if word & RETIRED == 0 {
            if chunk.fit(word, len, align, self.chunk_bytes).is_some() {
                // It was recycled in the meantime.
                return true;
            }
            // Acquire pairs with the Release in `free_pieces`: with no piece left, all of its users are done. From here on nothing
            // is given out, so whoever brings the number of pieces to zero, here or there, recycles it alone.
            let word = chunk.word.fetch_or(RETIRED, Ordering::Acquire);
            if mutated(Mutation::StagingRecycleEarly) || word & !OFFSET == 0 {
                free.push(seen);
            }
        }
        let Some(next) = free.pop() else { return false };
        // Release pairs with the Acquire in `give_out` (directly, or through later pieces' exchanges): it passes on what this
        // thread learned from the free list's lock, that the last users of the chunk are done.
        self.chunks[next].word.store(0, Ordering::Release);
        // Release pairs with the Acquire load in `alloc`: the chunk is open for who finds it.
        self.current.store(next, Ordering::Release);
        true
    }
}

impl StagingArena {
    /// A second right to the same bytes.
    pub(crate) fn share_again(&self, share: &StagingShare) -> StagingShare {
        let StagingShare { chunk, len } = *share;
        self.shared.chunks[chunk as usize].in_use.fetch_add(len as usize, Ordering::Relaxed);
        // Relaxed: the caller holds a share, so the chunk has a living piece and cannot be recycled meanwhile.
        if !mutated(Mutation::StagingShareUncounted) {
            self.shared.chunks[chunk as usize].word.fetch_add(PIECE, Ordering::Relaxed);
        }
        StagingShare { chunk, len }
    }

    /// Ends a share of this arena.
    pub(crate) fn give_back(&self, share: StagingShare) {
        self.shared.free_pieces(share.chunk as usize, 1, share.len as usize);
    }

    /// Ends shares of this arena.
    pub(crate) fn give_back_all(&self, returned: Returned) {
        if returned.pieces > 0 {
            self.shared.free_pieces(returned.chunk as usize, returned.pieces, returned.len);
        }
    }
}

impl Shared {
    fn free_pieces(&self, index: usize, pieces: u32, len: usize) {
        let chunk = &self.chunks[index];
        chunk.in_use.fetch_sub(len, Ordering::Relaxed);
        let pieces = u64::from(pieces) * PIECE;
        let order = if mutated(Mutation::StagingFreeRelaxed) { Ordering::Relaxed } else { Ordering::AcqRel };
        // Release: the pieces' use is over before the chunk is used again. Acquire: the last one passes on what the others
        // released. Both pair with each other and with the `fetch_or` in `advance`.
        let word = chunk.word.fetch_sub(pieces, order) - pieces;
        if word & !OFFSET == RETIRED {
            self.free.lock().push(index);
        }
    }
}

#[cfg(test)]
pub(crate) mod piece {
    //! A piece as tests and models hold it: given back when it is dropped.

    use super::*;

    pub(crate) struct StagingPiece {
        shared: Arc<Shared>,
        share: StagingShare,
        host: NonNull<u8>,
        device_address: u64,
        len: usize,
    }

    // SAFETY: needed because of the pointer. The piece owns its bytes alone, like a boxed slice.
    unsafe impl Send for StagingPiece {}
    // SAFETY: as above; through `&StagingPiece` there are only addresses and reads.
    unsafe impl Sync for StagingPiece {}

    impl StagingArena {
        /// As [`StagingArena::allot`].
        pub(crate) fn alloc(&self, len: usize, align: usize) -> Option<StagingPiece> {
            let Allotment { share, host, device_address } = self.allot(len, align)?;
            Some(StagingPiece { shared: self.shared.clone(), share, host, device_address, len })
        }
    }

    impl StagingPiece {
        /// Where the device reaches the bytes.
        pub(crate) fn device_address(&self) -> u64 {
            self.device_address
        }

        /// Bytes.
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        /// Copies `data` into the piece, from its byte `at` on.
        #[cfg(not(dxg_loom))]
        pub(crate) fn write(&mut self, at: usize, data: &[u8]) {
            assert!(at <= self.len() && data.len() <= self.len() - at);
            // SAFETY: needed because the memory is shared with the device. The range is inside the piece (asserted), which is
            // borrowed exclusively and owns its bytes; the data is another allocation.
            unsafe { self.host.as_ptr().add(at).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        }

        /// Copies the bytes from `at` on out of the piece.
        #[cfg(not(dxg_loom))]
        pub(crate) fn read(&self, at: usize, out: &mut [u8]) {
            assert!(at <= self.len() && out.len() <= self.len() - at);
            // SAFETY: needed because the memory is shared with the device. The range is inside the piece (asserted).
            unsafe { self.host.as_ptr().add(at).copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
        }

        /// The right to the bytes alone.
        pub(crate) fn into_share(mut self) -> StagingShare {
            // Nothing is left for the drop.
            std::mem::take(&mut self.share)
        }
    }

    impl Drop for StagingPiece {
        fn drop(&mut self) {
            if !self.share.is_empty() {
                self.shared.free_pieces(self.share.chunk as usize, 1, self.share.len as usize);
            }
        }
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::piece::StagingPiece;
    use super::*;

    /// An arena over heap memory, with device addresses from `device_address` on.
    fn arena(chunks: usize, chunk_bytes: usize, device_address: u64) -> StagingArena {
        let mut memory = vec![0u64; (chunks * chunk_bytes).div_ceil(8)].into_boxed_slice();
        let host = NonNull::new(memory.as_mut_ptr().cast()).expect("a box has an address");
        // SAFETY: the heap block is the owner's alone, and moves with it.
        let region =
            unsafe { HostRegion::new(host, device_address, chunks * chunk_bytes, Box::new(Memory { _bytes: memory })) };
        StagingArena::new(vec![region], chunk_bytes)
    }

    struct Memory {
        _bytes: Box<[u64]>,
    }

    #[test]
    fn a_chunk_stays_until_its_last_share_is_given_back() {
        let arena = arena(1, 64, 0x1000);
        let share = arena.alloc(64, 1).expect("room").into_share();
        let again = arena.share_again(&share);
        assert_eq!(arena.in_use(), 128);
        arena.give_back(share);
        assert!(arena.alloc(1, 1).is_none(), "somebody still holds the bytes");
        arena.give_back(again);
        assert_eq!(arena.in_use(), 0);
        assert!(arena.alloc(64, 1).is_some());
    }

    #[test]
    fn pieces_are_aligned_and_do_not_overlap() {
        let arena = arena(2, 256, 0x1008);
        let pieces: Vec<_> = [(3, 1), (8, 8), (16, 16), (1, 64), (100, 4)]
            .iter()
            .map(|&(len, align)| {
                let piece = arena.alloc(len, align).expect("room");
                assert_eq!(piece.device_address() % align as u64, 0);
                assert_eq!(piece.len(), len);
                piece
            })
            .collect();
        let mut ranges: Vec<_> =
            pieces.iter().map(|piece| (piece.device_address(), piece.device_address() + piece.len() as u64)).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ranges:?}");
        assert_eq!(arena.in_use(), 128);
    }

    #[test]
    fn a_full_arena_says_so_and_recovers_in_any_order() {
        let arena = arena(2, 64, 0);
        assert!(arena.alloc(65, 1).is_none());
        for _ in 0..10 {
            let mut pieces: Vec<_> = (0..8).map(|_| arena.alloc(16, 1).expect("room")).collect();
            assert!(arena.alloc(1, 1).is_none());
            // One piece keeps its chunk; the other chunk comes back.
            let kept = pieces.remove(2);
            pieces.reverse();
            drop(pieces);
            assert!((0..4).all(|_| arena.alloc(16, 1).is_some()), "a whole chunk is free");
            drop(kept);
            assert_eq!(arena.in_use(), 0);
        }
    }

    #[test]
    fn an_arena_without_memory_gives_nothing() {
        let arena = StagingArena::new(Vec::new(), 64);
        assert_eq!((arena.piece_max(), arena.capacity()), (0, 0));
        assert!(arena.alloc(0, 1).is_none());
    }

    #[test]
    fn pieces_outlive_the_arena() {
        let mut piece = {
            let arena = arena(1, 64, 0);
            arena.alloc(8, 8).expect("room")
        };
        piece.write(0, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let mut out = [0; 4];
        piece.read(2, &mut out);
        assert_eq!(out, [3, 4, 5, 6]);
    }

    #[test]
    fn many_threads_keep_their_bytes() {
        let arena = arena(8, 512, 0);
        let (sender, receiver) = crossbeam_channel::unbounded::<(StagingPiece, u8)>();
        std::thread::scope(|scope| {
            for thread in 0..3u8 {
                let (arena, sender) = (&arena, sender.clone());
                scope.spawn(move || {
                    let mut made = 0u32;
                    while made < 3_000 {
                        let len = 1 + (made as usize * 7) % 120;
                        let Some(mut piece) = arena.alloc(len, 8) else {
                            std::thread::yield_now();
                            continue;
                        };
                        let value = thread * 80 + (made % 80) as u8;
                        piece.write(0, &vec![value; len]);
                        sender.send((piece, value)).expect("the receiver lives");
                        made += 1;
                    }
                });
            }
            drop(sender);
            for _ in 0..2 {
                let receiver = receiver.clone();
                scope.spawn(move || {
                    for (piece, value) in receiver {
                        let mut bytes = vec![0; piece.len()];
                        piece.read(0, &mut bytes);
                        assert!(bytes.iter().all(|byte| *byte == value));
                    }
                });
            }
        });
        assert_eq!(arena.in_use(), 0);
        assert!((0..8).map(|_| arena.alloc(512, 1)).collect::<Option<Vec<_>>>().is_some(), "no chunk is lost");
    }
}

//! Model of the staging arena: pieces that come back late, in any order, while the chunks go round.

use std::ptr::NonNull;

use super::loom_harness::{RACE, explore_within, must_fail};
use super::staging::piece::StagingPiece;
use super::staging::{HostRegion, Returned, StagingArena};
use crate::sync::{Arc, Mutation, UnsafeCell, thread};

const CHUNK_BYTES: usize = 2;
const BYTES: usize = 2 * CHUNK_BYTES;

/// The arena, and for each of its bytes a cell that loom watches in its stead.
struct Memory {
    arena: StagingArena,
    cells: [UnsafeCell<u64>; BYTES],
}

// SAFETY: needed because of the cells; loom reports any access that is not ordered.
unsafe impl Sync for Memory {}
// SAFETY: plain numbers.
unsafe impl Send for Memory {}

impl Memory {
    fn new() -> Self {
        let bytes = Box::new([0u8; BYTES]);
        let host = NonNull::from(&*bytes).cast();
        // SAFETY: the bytes live as long as their box, the owner; the model never touches them.
        let region = unsafe { HostRegion::new(host, 0, BYTES, bytes) };
        Self { arena: StagingArena::new(vec![region], CHUNK_BYTES), cells: std::array::from_fn(|_| UnsafeCell::new(0)) }
    }

    /// A piece of `len` bytes, written.
    fn stage(&self, len: usize, value: u64) -> Option<StagingPiece> {
        let piece = self.arena.alloc(len, 1)?;
        for cell in self.cells_of(&piece) {
            // SAFETY: needed to reach the cell; that nobody else does at this time is what the model checks.
            cell.with_mut(|byte| unsafe { *byte = value });
        }
        Some(piece)
    }

    /// Reads the piece as the device does, then frees it.
    fn finish(&self, piece: StagingPiece, value: u64) {
        for cell in self.cells_of(&piece) {
            // SAFETY: as above.
            assert_eq!(cell.with(|byte| unsafe { *byte }), value, "a piece was overwritten");
        }
        drop(piece);
    }

    fn cells_of(&self, piece: &StagingPiece) -> &[UnsafeCell<u64>] {
        let start = piece.device_address() as usize;
        &self.cells[start..start + piece.len()]
    }
}

#[test]
fn reclaim() {
    // Three preemptions take minutes here.
    explore_within(
        2,
        "staging_reclaim",
        "no two living pieces share a byte, a byte is given out again only after its last use, and no chunk is lost, with pieces \
         freed late and on other threads",
        || {
            let memory = Arc::new(Memory::new());
            let late = memory.stage(1, 1).expect("an empty arena has room");
            let completing = {
                let memory = memory.clone();
                thread::spawn(move || memory.finish(late, 1))
            };
            let other = {
                let memory = memory.clone();
                thread::spawn(move || {
                    if let Some(piece) = memory.stage(2, 2) {
                        memory.finish(piece, 2);
                    }
                })
            };
            for value in [3, 4] {
                if let Some(piece) = memory.stage(2, value) {
                    memory.finish(piece, value);
                }
            }
            completing.join().expect("the completion ends");
            other.join().expect("the other task ends");
            assert_eq!(memory.arena.in_use(), 0);
            let all: Vec<_> = (0..2).map_while(|_| memory.stage(CHUNK_BYTES, 5)).collect();
            assert_eq!(all.len(), 2, "a chunk was lost");
        },
    );
}

#[test]
fn reclaim_notices_a_relaxed_free() {
    must_fail("core::loom_staging::reclaim", Mutation::StagingFreeRelaxed, &[RACE]);
}

#[test]
fn reclaim_notices_an_early_recycling() {
    must_fail(
        "core::loom_staging::reclaim",
        Mutation::StagingRecycleEarly,
        &[RACE, "a piece was overwritten", "a chunk was lost", "overflow"],
    );
}

#[test]
fn shared_by_queues() {
    explore_within(
        2,
        "staging_shared_by_queues",
        "bytes that operations of two queues hold are given out again when the later of the two is done, whichever that is, and a \
         queue that gives back several pieces in one step loses none",
        || {
            let memory = Arc::new(Memory::new());
            let [first, second] = [1, 1].map(|value| memory.stage(1, value).expect("an empty arena has room"));
            let start = first.device_address() as usize;
            let shares = [first.into_share(), second.into_share()];
            let again = shares.each_ref().map(|share| memory.arena.share_again(share));
            let queues: Vec<_> = [shares, again]
                .into_iter()
                .map(|shares| {
                    let memory = memory.clone();
                    thread::spawn(move || {
                        // SAFETY: needed to reach the cell; that nobody writes it at this time is what the model checks.
                        let value = memory.cells[start].with(|byte| unsafe { *byte });
                        assert_eq!(value, 1, "a piece was overwritten");
                        let mut returned = Returned::default();
                        shares.into_iter().for_each(|share| returned.add(share).expect("one chunk, two pieces"));
                        memory.arena.give_back_all(returned);
                    })
                })
                .collect();
            for value in [2, 3] {
                if let Some(piece) = memory.stage(CHUNK_BYTES, value) {
                    memory.finish(piece, value);
                }
            }
            queues.into_iter().for_each(|queue| queue.join().expect("the queue ends"));
            assert_eq!(memory.arena.in_use(), 0);
            let all: Vec<_> = (0..2).map_while(|_| memory.stage(CHUNK_BYTES, 5)).collect();
            assert_eq!(all.len(), 2, "a chunk was lost");
        },
    );
}

#[test]
fn shared_by_queues_notices_an_uncounted_share() {
    must_fail(
        "core::loom_staging::shared_by_queues",
        Mutation::StagingShareUncounted,
        &[RACE, "a piece was overwritten", "a chunk was lost", "overflow"],
    );
}

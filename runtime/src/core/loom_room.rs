//! Model of waiting for memory.

use super::loom_harness::{DEADLOCK, explore, must_fail};
use super::room::Room;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutation, block_on, thread};

/// Memory in small: a number of pieces, taken and given back without any order of its own.
struct Memory {
    pieces: AtomicUsize,
    room: Room,
}

impl Memory {
    fn take(&self) -> Option<()> {
        let less = |pieces: usize| pieces.checked_sub(1);
        self.pieces.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(drop)
    }

    fn wait_and_take(&self) {
        block_on(self.room.until(|| Ok::<_, ()>(self.take()))).expect("no attempt fails");
    }

    fn give_back(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.room.announce();
    }
}

#[test]
fn memory_comes_back() {
    explore(
        "room_memory_comes_back",
        "who finds no memory is woken when some is given back, however look, wait and return interleave, and passes it on",
        || {
            let memory = Arc::new(Memory { pieces: AtomicUsize::new(0), room: Room::new() });
            let waiters: Vec<_> = (0..2)
                .map(|_| {
                    let memory = memory.clone();
                    thread::spawn(move || {
                        memory.wait_and_take();
                        memory.give_back();
                    })
                })
                .collect();
            memory.give_back();
            waiters.into_iter().for_each(|waiter| waiter.join().expect("the waiter gets its piece"));
            assert_eq!(memory.take(), Some(()));
            assert_eq!(memory.take(), None);
        },
    );
}

#[test]
fn memory_comes_back_notices_a_single_look() {
    must_fail("core::loom_room::memory_comes_back", Mutation::RoomLooksOnce, &[DEADLOCK]);
}

#[test]
fn memory_comes_back_notices_a_missing_fence() {
    must_fail("core::loom_room::memory_comes_back", Mutation::RoomRegisterUnfenced, &[DEADLOCK]);
}

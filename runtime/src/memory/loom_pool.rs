//! Model of the pool: memory that is freed, found and trimmed while operations in flight still use it.

use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicBool as StdBool;

use super::PoolBlock;
use super::pool::{ChunkSource, GRANULE, MemoryPool};
use crate::backend::DeviceChunk;
use crate::core::loom_harness::{RACE, explore_within, must_fail};
use crate::error::Result;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Arc, Mutation, UnsafeCell, thread};

const BASE: u64 = 1 << 40;
const BLOCKS: usize = 3;

/// A source of one chunk after another at the same addresses, of which one is alive at a time: what is trimmed comes again.
#[derive(Clone)]
struct Source(StdArc<Memory>);

/// What loom watches in place of the device's memory, and whether the device has it.
struct Memory {
    cells: [UnsafeCell<u64>; BLOCKS],
    is_alive: StdBool,
}

// SAFETY: needed because of the cells; loom reports any access that is not ordered.
unsafe impl Sync for Memory {}
// SAFETY: plain numbers.
unsafe impl Send for Memory {}

struct Returned(StdArc<Memory>);

impl Drop for Returned {
    fn drop(&mut self) {
        self.0.is_alive.store(false, Ordering::Relaxed);
    }
}

impl ChunkSource for Source {
    fn allocate_chunk(&self, len: u64) -> Result<DeviceChunk> {
        assert!(!self.0.is_alive.swap(true, Ordering::Relaxed), "one chunk is enough for the model");
        Ok(DeviceChunk { address: BASE, len, owner: Box::new(Returned(self.0.clone())) })
    }
}

/// A handle on a block, or an operation that uses it. The count in the block's `Arc` is the standard library's, whose order loom
/// cannot see: an exchange in front of every decrement tells it.
struct Held {
    block: Option<StdArc<PoolBlock>>,
    order: Arc<AtomicU32>,
    memory: StdArc<Memory>,
}

impl Held {
    fn new(block: StdArc<PoolBlock>, memory: &StdArc<Memory>) -> Self {
        Held { block: Some(block), order: Arc::new(AtomicU32::new(0)), memory: memory.clone() }
    }

    fn another(&self) -> Self {
        Held { block: self.block.clone(), order: self.order.clone(), memory: self.memory.clone() }
    }

    fn block(&self) -> &StdArc<PoolBlock> {
        self.block.as_ref().expect("held until the drop")
    }

    fn cell(&self) -> &UnsafeCell<u64> {
        assert!(self.memory.is_alive.load(Ordering::Relaxed), "its memory was given back to the driver");
        &self.memory.cells[((self.block().address() - BASE) / GRANULE) as usize]
    }

    fn write(&self, value: u64) {
        // SAFETY: needed to reach the cell; that nobody else does at this time is what the model checks.
        self.cell().with_mut(|cell| unsafe { *cell = value });
    }

    fn read(&self) -> u64 {
        // SAFETY: as above.
        self.cell().with(|cell| unsafe { *cell })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.order.fetch_add(1, Ordering::AcqRel);
        drop(self.block.take());
    }
}

#[test]
fn free_while_in_flight() {
    explore_within(
        2,
        "pool_free_while_in_flight",
        "memory is given out again only after its last use, whoever that is; a living block is found under its address; and no trim \
         takes memory that is in use",
        || {
            let memory = StdArc::new(Memory {
                cells: std::array::from_fn(|_| UnsafeCell::new(0)),
                is_alive: StdBool::new(false),
            });
            let pool = MemoryPool::new(Source(memory.clone()), 1);
            let buffer = Held::new(pool.allocate(1).expect("memory"), &memory);
            buffer.write(1);
            let operation = buffer.another();
            // The device is through with it at some time.
            let completing = thread::spawn(move || assert_eq!(operation.read(), 1, "overwritten in flight"));
            let other = {
                let (pool, memory) = (pool.clone(), memory.clone());
                thread::spawn(move || {
                    let own = Held::new(pool.allocate(1).expect("memory"), &memory);
                    own.write(2);
                    assert_eq!(own.read(), 2, "overwritten");
                    let (found, offset) = pool.find(own.block().address()).expect("a living block is found");
                    assert!(StdArc::ptr_eq(&found, own.block()) && offset == 0, "another block was found");
                })
            };
            // The user drops the buffer with the operation in flight.
            drop(buffer);
            pool.trim();
            completing.join().expect("completes");
            other.join().expect("the other task ends");
            assert_eq!(pool.usage().used_bytes, 0);
            pool.trim();
            assert_eq!(pool.usage().reserved_bytes, 0);
        },
    );
}

#[test]
fn free_while_in_flight_notices_a_late_forgetting() {
    must_fail(
        "memory::loom_pool::free_while_in_flight",
        Mutation::PoolForgetsLate,
        &["a living block is found", "another block was found"],
    );
}

#[test]
fn free_while_in_flight_notices_a_careless_trim() {
    must_fail(
        "memory::loom_pool::free_while_in_flight",
        Mutation::PoolTrimsInUse,
        &["was given back to the driver", RACE, "overwritten", "one chunk is enough"],
    );
}

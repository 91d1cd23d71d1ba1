//! The pool over a source that counts: sharing, reuse, growth, shortage, look-up, fragmentation.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Hands out address ranges up to a limit and counts what is alive.
#[derive(Default)]
struct Fake {
    state: Arc<FakeState>,
}

#[derive(Default)]
struct FakeState {
    next: AtomicU64,
    calls: AtomicU64,
    alive: AtomicU64,
    limit: AtomicU64,
}

struct Returned(Arc<FakeState>, u64);

impl Drop for Returned {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl ChunkSource for Fake {
    fn allocate_chunk(&self, bytes: u64) -> Result<DeviceChunk> {
        let state = &self.state;
        state.calls.fetch_add(1, Ordering::Relaxed);
        let alive = state.alive.load(Ordering::Relaxed);
        if alive + bytes > state.limit.load(Ordering::Relaxed) {
            return Err(out_of_memory(bytes, 0));
        }
        state.alive.fetch_add(bytes, Ordering::Relaxed);
        Ok(DeviceChunk {
            address: (1 << 40) + state.next.fetch_add(bytes + (1 << 20), Ordering::Relaxed),
            len: bytes,
            owner: Box::new(Returned(state.clone(), bytes)),
        })
    }
}

fn pool(limit: u64) -> (MemoryPool, Arc<FakeState>) {
    let fake = Fake::default();
    fake.state.limit.store(limit, Ordering::Relaxed);
    let state = fake.state.clone();
    (MemoryPool::new(fake, FIRST_CHUNK), state)
}

const MIB: u64 = 1 << 20;

#[test]
fn a_block_lives_as_long_as_any_that_shares_it() {
    let (pool, _) = pool(u64::MAX);
    let block = pool.allocate(1000).expect("there is room");
    let (address, share) = (block.address(), PoolBlock::share(&block));
    assert_eq!((share.address(), share.len()), (address, 1000));
    drop(block);
    assert_eq!(pool.usage().blocks, 1);
    let (found, offset) = pool.find(address + 999).expect("it is still there");
    assert_eq!((found.address(), offset), (address, 999));
    drop((share, found));
    assert_eq!(pool.usage().blocks, 0);
    assert!(pool.find(address).is_none());
}

#[test]
fn small_blocks_share_one_chunk_and_never_overlap() {
    let (pool, source) = pool(u64::MAX);
    let blocks: Vec<_> = (0..1000).map(|i| pool.allocate(i * 7).expect("there is room")).collect();
    assert_eq!(source.calls.load(Ordering::Relaxed), 1);
    let mut ranges: Vec<_> = blocks.iter().map(|b| (b.address(), b.address() + b.len().max(1))).collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    assert!(ranges.iter().all(|range| range.0 % GRANULE == 0));
    assert_eq!(pool.usage().blocks, 1000);
    drop(blocks);
    let usage = pool.usage();
    assert_eq!((usage.blocks, usage.used_bytes), (0, 0));
    assert_eq!(usage.reserved_bytes, 64 * MIB);
    assert_eq!(usage.largest_free_bytes, 64 * MIB);
}

#[test]
fn memory_returns_when_the_last_user_is_done() {
    let (pool, _) = pool(u64::MAX);
    let block = pool.allocate(1000).expect("there is room");
    let in_flight = block.clone();
    let address = block.address();
    drop(block);
    let other = pool.allocate(1000).expect("there is room");
    assert_ne!(other.address(), address, "an operation still uses it");
    drop((in_flight, other));
    assert_eq!(pool.usage().used_bytes, 0);
}

#[test]
fn large_blocks_are_their_own_and_are_used_again() {
    let (pool, source) = pool(u64::MAX);
    let first = pool.allocate(40 * MIB).expect("there is room");
    assert_eq!(source.calls.load(Ordering::Relaxed), 1);
    let address = first.address();
    drop(first);
    let second = pool.allocate(39 * MIB).expect("there is room");
    assert_eq!(second.address(), address);
    assert_eq!(source.calls.load(Ordering::Relaxed), 1, "no second call");
    drop(second);
    assert_eq!(pool.trim(), 40 * MIB);
    assert_eq!(source.alive.load(Ordering::Relaxed), 0);
    assert_eq!(pool.usage().reserved_bytes, 0);
}

#[test]
fn spares_are_bounded() {
    let (pool, source) = pool(u64::MAX);
    let blocks: Vec<_> = (0..20).map(|_| pool.allocate(64 * MIB).expect("there is room")).collect();
    drop(blocks);
    assert_eq!(source.alive.load(Ordering::Relaxed), SPARE_LIMIT);
    assert_eq!(pool.usage().reserved_bytes, SPARE_LIMIT);
}

#[test]
fn chunks_grow_and_shrink_to_what_is_left() {
    let (pool, source) = pool(200 * MIB);
    let blocks: Vec<_> = (0..6).map(|_| pool.allocate(31 * MIB).expect("there is room")).collect();
    // 64 MiB hold two; the next chunk is 128 MiB; 8 MiB are left.
    assert_eq!(source.alive.load(Ordering::Relaxed), 192 * MIB);
    let last = pool.allocate(5 * MIB).expect("a smaller chunk is made");
    drop(last);
    let error = pool.allocate(31 * MIB).err().expect("no room");
    assert!(matches!(error, Error::OutOfMemory { requested, .. } if requested == 31 * MIB));
    drop(blocks);
    // Everything is unused: a large request may have it all.
    let large = pool.allocate(150 * MIB).expect("unused chunks are released");
    assert_eq!(large.len(), 150 * MIB);
}

#[test]
fn an_address_finds_its_block() {
    let (pool, _) = pool(u64::MAX);
    let a = pool.allocate(1000).expect("there is room");
    let b = pool.allocate(50 * MIB).expect("there is room");
    for block in [&a, &b] {
        let (found, offset) = pool.find(block.address() + 999).expect("inside");
        assert!(Arc::ptr_eq(&found, block));
        assert_eq!(offset, 999);
        assert!(pool.find(block.address() + block.len()).is_none());
        assert!(found.belongs_to(&pool));
    }
    assert!(pool.find(0).is_none());
    let address = a.address();
    drop(a);
    assert!(pool.find(address).is_none(), "freed memory is nobody's");
}

#[test]
fn fragmentation_heals() {
    let (pool, source) = pool(u64::MAX);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut live: Vec<Arc<PoolBlock>> = Vec::new();
    for _ in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if live.len() > 400 || (random & 1 == 0 && !live.is_empty()) {
            let index = (random >> 8) as usize % live.len();
            live.swap_remove(index);
        } else {
            let len = 1 << (8 + (random >> 16) % 9);
            live.push(pool.allocate(len + (random >> 40) % len).expect("room"));
        }
    }
    let used: u64 = live.iter().map(|b| b.len().next_multiple_of(GRANULE)).sum();
    assert_eq!(pool.usage().used_bytes, used);
    assert_eq!(source.calls.load(Ordering::Relaxed), 1, "no chunk was wasted");
    live.clear();
    assert_eq!(pool.usage().largest_free_bytes, 64 * MIB);
}

#[test]
fn absurd_sizes_are_refused() {
    let (pool, _) = pool(1 << 40);
    assert!(matches!(pool.allocate(u64::MAX), Err(Error::OutOfMemory { .. })));
    assert!(matches!(pool.allocate(1 << 50), Err(Error::OutOfMemory { .. })));
}

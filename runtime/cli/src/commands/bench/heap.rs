//! Heap allocations in steady state, counted by the allocator of this program: all threads, the software adapter included.

use std::alloc::{GlobalAlloc, Layout, System};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::StreamExt;
use futures::executor::block_on;
use futures::stream::FuturesUnordered;

use super::measure::STREAMS;
use super::ours::Ours;
use super::report::Heap;
use super::tasks::TASKS;
use super::work::{BATCH, Case, Mode, VALUES, Workload};
use crate::commands::Outcome;

/// The system's allocator, which counts while it is told to.
#[derive(Debug)]
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

fn count() {
    // Relaxed: a number, read after everything that is counted has been waited for.
    if COUNTS.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: needed to count allocations; everything is passed on to the system's allocator unchanged, and counting touches
// two atomics only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `work` makes, on any thread.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    let result = work();
    COUNTS.store(false, Ordering::Relaxed);
    (ALLOCATIONS.load(Ordering::Relaxed) - before, result)
}

/// Windows that are counted one by one.
const WINDOWS: usize = 32;
/// Windows before that: tables grow to their size, recycled memory comes into being.
const WARM_UP: usize = 16;
/// Requests of each task in one window.
const ROUNDS: usize = 16;

/// Counts what launches and requests allocate once everything has its size.
pub fn measure() -> Outcome<Vec<Heap>> {
    let ours = Ours::open(STREAMS)?;
    let clients = &ours.clients()[..TASKS];
    let host = (0..TASKS).map(|_| ours.host_buffer()).collect::<Outcome<Vec<_>>>()?;
    let case = |mode| Case { workload: Workload::Launch, mode, buffers: STREAMS };
    Ok(vec![
        windows("w1a", "a launch, awaited", BATCH, || ours.operate(case(Mode::Each), BATCH, None))?,
        windows("w1c", "1,024 launches, one flush, awaited", BATCH, || ours.operate(case(Mode::Batched), BATCH, None))?,
        windows("w3-launches", "the three launches of requests of 64 clients, awaited", TASKS * ROUNDS, || {
            together(clients.iter().map(|client| async {
                for _ in 0..ROUNDS {
                    client.launches().await?;
                }
                Ok(())
            }))
        })?,
        windows(
            "w3-in-place",
            "requests of 64 clients, in host buffers that the device reaches",
            TASKS * ROUNDS,
            || {
                together(clients.iter().zip(&host).map(|(client, host)| async move {
                    for _ in 0..ROUNDS {
                        client.request_in_place(host).await?;
                    }
                    Ok(())
                }))
            },
        )?,
        windows("w3-slices", "requests of 64 clients, slices of the program's memory", TASKS * ROUNDS, || {
            together(clients.iter().map(|client| {
                let mut values = vec![0.0; VALUES];
                async move {
                    for _ in 0..ROUNDS {
                        client.request(&mut values).await?;
                    }
                    Ok(())
                }
            }))
        })?,
    ])
}

/// All of the futures at the same time, on one thread. What that needs itself is allocated here, before it is counted.
fn together<F: Future<Output = Outcome<()>>>(work: impl Iterator<Item = F>) -> impl Future<Output = Outcome<()>> {
    let mut all: FuturesUnordered<F> = work.collect();
    async move {
        while let Some(done) = all.next().await {
            done?;
        }
        Ok(())
    }
}

/// Counts the allocations of futures of `operations` operations each, one after the other.
fn windows<F: Future<Output = Outcome<()>>>(
    name: &str,
    what: &str,
    operations: usize,
    work: impl Fn() -> F,
) -> Outcome<Heap> {
    (0..WARM_UP).try_for_each(|_| block_on(work()))?;
    let mut counts = Vec::with_capacity(WINDOWS);
    for _ in 0..WINDOWS {
        let mut work = pin!(work());
        let (count, result) = allocations(|| block_on(work.as_mut()));
        result?;
        counts.push(count);
    }
    counts.sort_unstable();
    Ok(Heap {
        name: name.into(),
        what: what.into(),
        operations: operations * WINDOWS,
        allocations_per_operation: counts.iter().sum::<u64>() as f64 / (operations * WINDOWS) as f64,
        operations_of_a_window: operations,
        median_of_a_window: counts[WINDOWS / 2],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_allocate_is_counted() {
        // Other tests allocate at the same time, so that a number can be too high, but not too low.
        let (n, mut values) = allocations(|| Vec::<u8>::with_capacity(100));
        assert!(n >= 1);
        assert!(allocations(|| values.reserve_exact(100_000)).0 >= 1);
        assert!(allocations(|| vec![0u8; 5000]).0 >= 1);
    }
}

//! What a process holds: threads, descriptors, the adapter's mappings and the heap, so that a test can tell what was left
//! behind.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bytes of the heap in use, where [`Counting`] is the allocator.
static HEAP: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, which counts the bytes in use. A test binary makes it its global allocator.
pub struct Counting;

// SAFETY: needed to count. Every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// What the process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Threads.
    pub threads: usize,
    /// Open descriptors, eventfds among them.
    pub descriptors: usize,
    /// Mappings of adapters' memory.
    pub mappings: usize,
}

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

impl Held {
    /// Now.
    pub fn now() -> Held {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Held {
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
            mappings: maps.lines().filter(|line| line.contains("/memfd:dxgrt")).count(),
        }
    }

    /// Waits until the process holds no more than this again: threads take a moment to end.
    ///
    /// # Errors
    /// What it still holds when `limit` is over.
    pub fn wait_for(self, limit: Duration) -> Result<(), Held> {
        let begun = Instant::now();
        loop {
            let now = Held::now();
            let within =
                now.threads <= self.threads && now.descriptors <= self.descriptors && now.mappings <= self.mappings;
            if within {
                return Ok(());
            }
            if begun.elapsed() >= limit {
                return Err(now);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

/// Bytes of the heap in use; 0 where [`Counting`] is not the allocator.
pub fn heap_bytes() -> usize {
    HEAP.load(Ordering::Relaxed)
}

/// Resident memory of the process in MiB, by the kernel's count.
pub fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

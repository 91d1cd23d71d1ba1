//! Submissions, GPU waits and signals, posted at no cost: driver, bus and host allocate nothing in the long run. (The GPU
//! keeps a record of each command buffer that it runs.)

mod raw;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dxg_io::software::Parameters;
use dxg_io::software::packet::CommandWriter;
use raw::{Client, adapter};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: forwards to the system's allocator unchanged; counting touches only a thread-local number without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn hot_calls_allocate_nothing() {
    let adapter = adapter(Parameters::zero());
    let client = Client::new(&adapter);
    let device = client.device(client.enumerate());
    let context = client.context(device);
    let (queue, progress) = client.hw_queue(context);
    let (paging_queue, _) = client.paging_queue(device);
    let allocation = client.allocation(device, 4096);
    let (_, address, _) = client.map_va(paging_queue, allocation, 1);
    let (_, locked) = client.lock(device, allocation);
    let fence = client.fence(device, 0);
    let mut commands = [0u8; 64];
    let mut writer = CommandWriter::new(&mut commands, Default::default()).unwrap();
    writer.barrier().unwrap();
    let length = writer.len();
    // SAFETY: the allocation is locked there and longer than the commands.
    unsafe { std::ptr::copy_nonoverlapping(commands.as_ptr(), locked as *mut u8, length) };
    let signals = |values: std::ops::RangeInclusive<u64>| {
        for value in values {
            assert_eq!(client.signal_cpu(device, fence.handle, value).ret, 0);
            assert_eq!(client.wait_gpu(context, fence.handle, value).ret, 0);
            assert_eq!(fence.value(), value);
        }
    };
    signals(1..=200);
    let before = ALLOCATIONS.get();
    signals(201..=1200);
    assert_eq!(ALLOCATIONS.get() - before, 0, "allocations in 1,000 signals and waits, handled at once");

    // While the host is stalled only driver and bus are at work.
    let submissions = |values: std::ops::RangeInclusive<u64>| {
        adapter.stall_host(true);
        let before = ALLOCATIONS.get();
        for value in values.clone() {
            assert_eq!(client.submit_to_hw_queue(queue, address, length as u32, value).ret, 0);
        }
        let allocations = ALLOCATIONS.get() - before;
        adapter.stall_host(false);
        assert_eq!(progress.value(), *values.end());
        allocations
    };
    submissions(1..=1000);
    assert_eq!(submissions(1001..=2000), 0, "allocations in 1,000 submissions");
}

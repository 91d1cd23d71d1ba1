//! Launching costs no heap allocation: arguments, keep-alives and the place in the queue are all inline.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dxg_runtime::{Device, ModuleSource, Parameters, RustKernel, args};

/// Counts the allocations of each thread by itself.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: needed to count allocations; everything is passed on to the system's allocator unchanged, and the counter is a
// plain thread-local cell without destructor or allocation of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_launch_does_not_touch_the_heap() {
    let kernel = RustKernel::new("add").scalar::<u32>().read::<u32>().write::<u32>().body(|_| Ok(()));
    let device = Device::builder().selector("software").parameters(Parameters::zero()).open().unwrap();
    let module = device.load(&ModuleSource::new().rust([kernel])).unwrap();
    let kernel = module.kernel("add").unwrap();
    let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
    let stream = device.stream().unwrap();
    let launch = || stream.try_launch(&kernel, 1, args![1u32, x.read(), y.write()]).unwrap();
    // Tables and recycled vectors grow to their size first.
    for _ in 0..5 {
        (0..500).for_each(|_| drop(launch()));
        stream.last().wait().unwrap();
    }
    // A caller may find the device idle and do the driver's work, and with it some of the adapter's, which keeps books of its
    // own. So it is the best of many short runs that counts: if launching allocated, none would be without.
    let run = || {
        let before = ALLOCATIONS.with(Cell::get);
        (0..10).for_each(|_| drop(launch()));
        ALLOCATIONS.with(Cell::get) - before
    };
    let least = (0..200).map(|_| run()).min();
    stream.last().wait().unwrap();
    assert_eq!(least, Some(0), "ten launches made {least:?} allocations at least");
}

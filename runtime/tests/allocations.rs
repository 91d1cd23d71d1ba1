//! Operations cost no heap allocation once tables have grown to their size: arguments, keep-alives and the place in the queue are
//! inline, waiting reuses its place, and batches reuse their room.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use dxg_runtime::{Buffer, Device, Kernel, ModuleSource, Parameters, RustKernel, args};

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

/// A device without delays and a kernel of one scalar and two buffers.
fn device() -> (Device, Kernel, Buffer<u32>, Buffer<u32>) {
    let kernel = RustKernel::new("add").scalar::<u32>().read::<u32>().write::<u32>().body(|_| Ok(()));
    let device = Device::builder().selector("software").parameters(Parameters::zero()).open().unwrap();
    let module = device.load(&ModuleSource::new().rust([kernel])).unwrap();
    let kernel = module.kernel("add").unwrap();
    let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
    (device, kernel, x, y)
}

/// The fewest allocations of `run` on this thread in many tries. Another thread may do the driver's work at times, and with it
/// let this one find a table that has to grow: if the work allocated by itself, no try would be without.
fn least_allocations(mut run: impl FnMut()) -> u64 {
    let count = || {
        let before = ALLOCATIONS.with(Cell::get);
        run();
        ALLOCATIONS.with(Cell::get) - before
    };
    std::iter::repeat_with(count).take(200).min().unwrap_or(0)
}

#[test]
fn a_launch_does_not_touch_the_heap() {
    let (device, kernel, x, y) = device();
    let stream = device.stream().unwrap();
    let launch = || stream.try_launch(&kernel, 1, args![1u32, x.read(), y.write()]).unwrap();
    // Tables and recycled vectors grow to their size first.
    for _ in 0..5 {
        (0..500).for_each(|_| drop(launch()));
        stream.last().wait().unwrap();
    }
    let least = least_allocations(|| (0..10).for_each(|_| drop(launch())));
    stream.last().wait().unwrap();
    assert_eq!(least, 0, "ten launches made {least} allocations at least");
}

#[test]
fn a_prepared_launch_does_not_touch_the_heap() {
    let (device, kernel, x, y) = device();
    let stream = device.stream().unwrap();
    let launch = device.prepare(&kernel, 1, args![1u32, x.read(), y.write()]).unwrap();
    for _ in 0..5 {
        (0..500).for_each(|_| drop(stream.try_enqueue(&launch).unwrap()));
        stream.last().wait().unwrap();
    }
    let least = least_allocations(|| (0..10).for_each(|_| drop(stream.try_enqueue(&launch).unwrap())));
    stream.last().wait().unwrap();
    assert_eq!(least, 0, "ten launches made {least} allocations at least");
}

#[test]
fn an_awaited_launch_does_not_touch_the_heap() {
    let (device, kernel, x, y) = device();
    let stream = device.stream().unwrap();
    let launches = async || {
        for _ in 0..10 {
            stream.launch(&kernel, 1, args![1u32, x.read(), y.write()]).await.unwrap().await.unwrap();
        }
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut run = || {
        let mut all = pin!(launches());
        while all.as_mut().poll(&mut cx).is_pending() {
            std::thread::yield_now();
        }
    };
    (0..50).for_each(|_| run());
    let least = least_allocations(run);
    assert_eq!(least, 0, "ten launches, each awaited, made {least} allocations at least");
}

#[test]
fn many_that_wait_at_once_do_not_touch_the_heap() {
    const TASKS: usize = 32;
    let (device, kernel, x, y) = device();
    let streams: Vec<_> = (0..TASKS).map(|_| device.stream().unwrap()).collect();
    let mut cx = Context::from_waker(Waker::noop());
    let mut run = || {
        let mut waiting = [const { None }; TASKS];
        for (place, stream) in waiting.iter_mut().zip(&streams) {
            *place = Some(stream.try_launch(&kernel, 1, args![1u32, x.read(), y.write()]).unwrap());
        }
        // The first poll of each registers it; all complete with what the first of them hands over.
        while waiting.iter().any(Option::is_some) {
            for place in &mut waiting {
                if let Some(completion) = place
                    && let Poll::Ready(outcome) = Pin::new(completion).poll(&mut cx)
                {
                    outcome.unwrap();
                    *place = None;
                }
            }
        }
    };
    (0..50).for_each(|_| run());
    let least = least_allocations(run);
    assert_eq!(least, 0, "{TASKS} launches, awaited together, made {least} allocations at least");
}

//! The hot calls allocate nothing: counted by an allocator that notes what each thread asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::c_void;

use dxg_io::boundary::{Boundary, RawOutcome};
use dxg_io::call::{Dxg, Submission};
use dxg_io::middleware::Tracer;
use dxg_io::object::EventFd;
use dxg_io::sys::*;
use std::os::fd::AsFd;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every request goes to the system's allocator unchanged; counting touches a thread-local cell that needs neither
// allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promise is that of the trait.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is that of the trait.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(f: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    f();
    COUNT.with(Cell::get) - before
}

/// Accepts everything.
struct Nothing;

impl Boundary for Nothing {
    unsafe fn ioctl(&self, _: u32, _: *mut c_void) -> RawOutcome {
        RawOutcome::success()
    }

    fn name(&self) -> &str {
        "nothing"
    }
}

#[test]
fn hot_calls_allocate_nothing() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1u64)))), 1, "the allocator counts");
    // The tracer stays in place in measurements, so it must not allocate either.
    let dxg = Dxg::new(Tracer::new(Nothing));
    let event = EventFd::new().expect("an eventfd");
    let h = d3dkmthandle { v: 64 };
    let (fences, values) = ([h; 32], [1u64; 32]);
    let data = [0u8; 256];
    let count = allocations(|| {
        for _ in 0..100 {
            let submission = Submission { command_buffer: 4096, command_length: 64, data: &data, primaries: &[] };
            let all_went = dxg.submit_command_to_hw_queue(h, 1, &submission).is_ok()
                && dxg.submit_command(&[h], Default::default(), &submission, &[]).is_ok()
                && dxg.submit_wait_to_hw_queue(h, &fences, &values).is_ok()
                && dxg.submit_signal_to_hw_queues(&[h], &fences, &values, Default::default()).is_ok()
                && dxg.wait_from_gpu(h, &fences, &values).is_ok()
                && dxg.signal_from_gpu(h, &fences, &values).is_ok()
                && dxg.signal_from_gpu2(&[h], &fences, &values, Default::default()).is_ok()
                && dxg.signal_event_from_gpu2(&[h], event.as_fd()).is_ok()
                && dxg.signal_from_cpu(h, &fences, &values, Default::default()).is_ok()
                && dxg.get_device_state(h, _D3DKMT_DEVICESTATE_EXECUTION).is_ok();
            assert!(all_went);
        }
    });
    assert_eq!(count, 0);
}

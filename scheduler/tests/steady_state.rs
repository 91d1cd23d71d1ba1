//! What a running scheduler costs: no allocation, and nothing for streams that do nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use dxg_scheduler::{
    Access, Batch, Config, CopyKind, CostKey, EventId, Hazard, Operation, Priority, Scheduler, StreamId, Ticket, Work,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: an allocator is needed to see allocations; every call is handed on to the system's unchanged, and the counter
// is a plain cell of the thread that allocates nothing itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from the same allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A scheduler driven in rounds of one batch each.
struct Rounds {
    scheduler: Scheduler<u64>,
    batch: Batch<u64>,
    retired: Vec<u64>,
    ticket: u64,
    now: u64,
}

impl Rounds {
    fn new(streams: u32) -> Self {
        let mut scheduler = Scheduler::new(Config::default());
        for stream in 0..streams {
            assert!(scheduler.handle_stream(StreamId(stream), Priority::Normal));
        }
        scheduler.handle_kernel_time(CostKey(0), 100);
        Self { scheduler, batch: Batch::new(), retired: Vec::new(), ticket: 0, now: 0 }
    }

    fn add(&mut self, stream: u32, work: Work, hazard: Hazard) {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        let operation = Operation { stream: StreamId(stream), ticket, work, hazard, bytes: 96, payload: self.ticket };
        self.scheduler.handle_operation(self.now, operation).expect("there is room");
    }

    fn launch(&mut self, stream: u32, kernel: u64) {
        self.add(stream, Work::Launch { merge: Some(kernel), blocks: 1, cost: CostKey(0) }, Hazard::Ordered);
    }

    /// Everything out and back; returns how many operations came back.
    fn finish(&mut self) -> usize {
        self.scheduler.handle_waiter(self.now, StreamId(0), Ticket(self.ticket));
        self.scheduler.handle_drain(self.now);
        while self.scheduler.poll_batch(self.now, &mut self.batch) {
            let (queue, fence) = (self.batch.queue, self.batch.fence);
            self.scheduler.handle_submitted(self.now, &mut self.batch, 1_000, 112);
            self.now += 1_000;
            self.scheduler.handle_progress(self.now, queue, fence).expect("it was submitted");
        }
        while self.scheduler.poll_completion().is_some() {}
        self.retired.clear();
        self.scheduler.poll_retired(&mut self.retired);
        assert_eq!(self.scheduler.outstanding(), 0);
        self.retired.len()
    }

    /// A request per stream: copies in, two kernels, an event to the next stream, a copy out.
    fn requests(&mut self, streams: u32) -> usize {
        for stream in 0..streams {
            let base = 0x10_0000 * u64::from(stream + 1);
            for part in 0..4 {
                let (src, dst) = (base + part * 64, base + 0x8_0000 + part * 64);
                let work = Work::Copy { kind: CopyKind::HostToDevice, src, dst, len: 64 };
                self.add(stream, work, Hazard::copy(src, dst, 64));
            }
            let access = [Access::read(base, 64), Access::write(base + 4096, 64)].into_iter().collect();
            self.add(stream, Work::Launch { merge: Some(1), blocks: 1, cost: CostKey(0) }, Hazard::Declared(access));
            self.launch(stream, 2);
            self.add(stream, Work::Record { event: EventId(stream), timed: stream % 2 == 0 }, Hazard::Ordered);
            let event = EventId((stream + 1) % streams);
            self.add(stream, Work::Wait { event, source: None }, Hazard::Ordered);
            self.add(stream, Work::Fill { dst: base, len: 64, pattern_len: 4 }, Hazard::fill(base, 64));
        }
        self.finish()
    }
}

#[test]
fn nothing_is_allocated_in_steady_state() {
    let mut rounds = Rounds::new(64);
    for _ in 0..20 {
        rounds.requests(64);
    }
    let before = ALLOCATIONS.with(Cell::get);
    let mut count = 0;
    for _ in 0..100 {
        count += rounds.requests(64);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "over {count} operations");
    assert_eq!(count, 100 * 64 * 9);
    assert!(before > 0, "the counter counts");
}

#[test]
fn ten_thousand_streams_do_not_slow_a_step() {
    let best = |streams: u32| {
        let mut rounds = Rounds::new(streams);
        // Every stream has had something to do once.
        for stream in 0..streams {
            rounds.launch(stream, 1);
        }
        rounds.finish();
        (0..200).fold(Duration::MAX, |best, _| {
            let start = Instant::now();
            for at in 0..1024_u32 {
                rounds.launch(at % 64, 1);
            }
            rounds.finish();
            best.min(start.elapsed())
        })
    };
    let (few, many) = (best(64), best(10_000));
    // A look at every stream would cost ten thousand times a nanosecond or more, many times in a round.
    assert!(many < few * 2 + Duration::from_micros(20), "{few:?} with 64 streams, {many:?} with 10,000");
}

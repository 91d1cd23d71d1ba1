//! What the tests of this backend stand on: a software adapter with an open backend, batches for it, and an allocator
//! that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicI32;

use dxg_io::boundary::RawOutcome;
use dxg_io::software::kernel::RustKernel;
use dxg_io::software::packet::Access;
use dxg_io::software::{Parameters, SoftwareAdapter};
use dxg_scheduler::{AccessList, CopyKind, CostKey, GroupKind, Hazard, Work};

use super::test_batch::{TestGroup, TestOperation, batch};
use super::*;
use crate::backend::LoadedKernel;
use crate::op::{ArgBytes, ArgTag, Blocks, KeepAlive, Launch, OpKind, Shape};
use crate::selector::DeviceKind;

thread_local! {
    /// Allocations of this thread, less those made behind the boundary.
    pub(super) static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BEHIND_BOUNDARY: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count_allocation() {
    if !BEHIND_BOUNDARY.get() {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

// SAFETY: needed to count. Every call goes to the system's allocator unchanged; the thread locals are plain numbers
// without destructors, so touching them neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocation();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_allocation();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

/// A boundary that can refuse one kind of request, and tells the allocator when the other side is at work.
struct Gate<B> {
    inner: B,
    refused: u32,
    errno: Arc<AtomicI32>,
}

impl<B: Boundary> Boundary for Gate<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let errno = self.errno.load(Ordering::Relaxed);
        if request == self.refused && errno != 0 {
            return RawOutcome::failed(errno);
        }
        let before = BEHIND_BOUNDARY.replace(true);
        // SAFETY: forwarded unchanged.
        let outcome = unsafe { self.inner.ioctl(request, arg) };
        BEHIND_BOUNDARY.set(before);
        outcome
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

pub(super) struct Rig {
    pub adapter: Arc<SoftwareAdapter>,
    pub backend: Arc<DxgBackend>,
    pub fences: Vec<u64>,
}

pub(super) const QUEUES: u16 = 3;

impl Rig {
    pub fn new(parameters: Parameters) -> Self {
        Self::refusing(parameters, 0, &Arc::default())
    }

    pub fn refusing(parameters: Parameters, refused: u32, errno: &Arc<AtomicI32>) -> Self {
        let adapter = SoftwareAdapter::new(parameters).expect("an adapter");
        let gate = Gate { inner: adapter.open().expect("a descriptor"), refused, errno: errno.clone() };
        let options = OpenOptions {
            selector: Selector::new(DeviceKind::Software, 0),
            adapter: 0,
            queues: QUEUES,
            batch_bytes: 64 << 10,
            kernels: Some(adapter.kernels().clone()),
            block_slots: 1056,
            silence_time: crate::limits::SILENCE_TIME,
        };
        let backend = Arc::new(DxgBackend::open(Arc::new(gate), &options).expect("the device opens"));
        Self { adapter, backend, fences: vec![0; usize::from(QUEUES)] }
    }

    /// One wave for a queue, with the next fence value.
    pub fn wave(&mut self, queue: u16, groups: Vec<TestGroup>) -> Batch<Op> {
        let fence = &mut self.fences[usize::from(queue)];
        *fence += 1;
        let mut batch = batch(vec![(Some(*fence), groups)]);
        batch.queue = QueueId(queue);
        batch
    }

    pub fn run(&mut self, queue: u16, groups: Vec<TestGroup>) {
        let batch = self.wave(queue, groups);
        self.backend.submit(&batch).expect("submits");
        self.backend.wait_blocking(batch.queue, batch.fence, false).expect("completes");
    }

    pub fn kernel(&self, kernel: RustKernel) -> Arc<LoadedKernel> {
        let module = self.backend.load(&[ModuleImage::Rust(vec![kernel])]).expect("loads");
        module.kernels[0].clone()
    }
}

/// A host that stands still. Dropped first, so that a test that fails meanwhile does not hang in its teardown.
pub(super) struct Stalled(Arc<SoftwareAdapter>);

impl Stalled {
    pub fn new(adapter: &Arc<SoftwareAdapter>) -> Self {
        adapter.stall_host(true);
        Self(adapter.clone())
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        self.0.stall_host(false);
    }
}

pub(super) fn copy(kind: CopyKind, src: u64, dst: u64, len: u64) -> TestGroup {
    (GroupKind::Copy(kind), vec![(Work::Copy { kind, src, dst, len }, OpKind::Copy(KeepAlive::new()), Hazard::Ordered)])
}

pub(super) fn launch(kernel: &Arc<LoadedKernel>, blocks: u32, address: u64, len: u64, factor: u32) -> TestOperation {
    let mut args = ArgBytes::from_slice(&address.to_le_bytes());
    args.place(&factor.to_le_bytes(), 4);
    let access = Access { arg_offset: 0, flags: Access::READ | Access::WRITE, va: address, len };
    let shape = Shape::new([blocks, 1, 1], [1, 1, 1], 0).expect("a small grid");
    let kind = OpKind::Launch(Launch { kernel: kernel.clone(), shape, args, blocks: Blocks::new() });
    let work = Work::Launch { merge: Some(kernel.id), blocks: u64::from(blocks), cost: CostKey(0) };
    (work, kind, Hazard::Declared(AccessList::from_slice(&[ArgTag::pack(access)])))
}

/// Whether a descriptor becomes readable in so many milliseconds.
pub(super) fn readable(fd: BorrowedFd<'_>, millis: i32) -> bool {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: needed to call poll: one entry, which is ours and outlives the call; the descriptor is borrowed.
    unsafe { libc::poll(&raw mut entry, 1, millis) == 1 }
}

/// Multiplies every element.
pub(super) fn scale() -> RustKernel {
    RustKernel::new("scale").write::<u32>().scalar::<u32>().body(|cx| {
        let factor: u32 = cx.scalar(1)?;
        for value in cx.write::<u32>(0)? {
            *value *= factor;
        }
        Ok(())
    })
}

#[allow(clippy::mut_from_ref, reason = "the chunk is memory shared with the device, see below")]
pub(super) fn words(chunk: &HostChunk, count: usize) -> &mut [u32] {
    assert!(count * 4 <= chunk.len);
    // SAFETY: the chunk is page-aligned and that long; each test uses one slice at a time, while no copy is in flight.
    unsafe { std::slice::from_raw_parts_mut(chunk.ptr.as_ptr().cast(), count) }
}

//! The GPU as a whole, as the host side uses it.

mod faults;
mod native;
mod packets;
mod pools;
mod queues;
mod speed;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use super::*;
use crate::software::{
    kernel::{Element, KernelId, RustKernel},
    packet::{Access, CommandWriter, FailureCode, Header, ItemDescription, StatusBlock},
};

#[derive(Default)]
struct Recorder {
    cpu: Mutex<Vec<(u64, u64)>>,
    lost: Mutex<Vec<DeviceKey>>,
    wakes: Mutex<Vec<u64>>,
}

impl GpuEvents for Recorder {
    fn cpu_event(&self, event: u64, at: u64) {
        self.cpu.lock().expect("no test panics in here").push((event, at));
    }
    fn device_state_changed(&self, device: DeviceKey, _at: u64) {
        self.lost.lock().expect("no test panics in here").push(device);
    }
    fn wake(&self, deadline: u64) {
        self.wakes.lock().expect("no test panics in here").push(deadline);
    }
}

/// A GPU with one process, one device and one hardware queue.
struct Bench {
    gpu: Gpu,
    kernels: KernelRegistry,
    events: Arc<Recorder>,
    time: Arc<AtomicU64>,
    real: Option<Instant>,
    queue: QueueKey,
    progress: FenceKey,
    status: Memory,
    poison: Memory,
    command: Memory,
    next_value: AtomicU64,
}

const PROCESS: ProcessKey = ProcessKey(1);
const DEVICE: DeviceKey = DeviceKey(1);

/// Mapped memory of the adapter.
struct Memory {
    va: u64,
    pages: Arc<Pages>,
}

impl Memory {
    fn read<T: Element>(&self, count: usize) -> Vec<T> {
        let bytes = self.bytes();
        bytes.chunks_exact(size_of::<T>()).take(count).map(|bytes| T::from_bytes(bytes).expect("whole")).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.pages.len()];
        // SAFETY: the pages are mapped and held.
        unsafe { std::ptr::copy_nonoverlapping(self.pages.host_ptr(), bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }

    fn write<T: Element>(&self, values: &[T]) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.extend_bytes(&mut bytes));
        assert!(bytes.len() <= self.pages.len());
        // SAFETY: the pages are mapped and held.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.pages.host_ptr(), bytes.len()) };
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(GpuParameters { video_memory_bytes: 64 << 20, ..GpuParameters::default() }, true)
    }

    /// `real`: the engine's clock is the machine's; otherwise it stands still unless a test moves `time`.
    fn with(parameters: GpuParameters, real: bool) -> Self {
        let kernels = KernelRegistry::new();
        let events = Arc::new(Recorder::default());
        let time = Arc::new(AtomicU64::new(0));
        let real = real.then(Instant::now);
        let clock = {
            let time = time.clone();
            move || real.map_or_else(|| time.load(Ordering::SeqCst), |begin| begin.elapsed().as_nanos() as u64)
        };
        let gpu = Gpu::new(parameters, kernels.clone(), clock, events.clone()).expect("memory");
        gpu.create_device(DEVICE, PROCESS);
        let progress =
            gpu.create_fence(FenceRequest { initial: 0, device: DEVICE, keep_value_on_loss: false }).expect("a page");
        let queue = gpu.create_queue(DEVICE, Some(progress), EngineKind::Compute).expect("a device");
        let [status, poison, command] = [1, 1, 256].map(|pages| allocate(&gpu, PROCESS, pages, None));
        let next_value = AtomicU64::new(1);
        Self { gpu, kernels, events, time, real, queue, progress, status, poison, command, next_value }
    }

    fn now(&self) -> u64 {
        self.real.map_or_else(|| self.time.load(Ordering::SeqCst), |begin| begin.elapsed().as_nanos() as u64)
    }

    fn alloc(&self, pages: u64) -> Memory {
        allocate(&self.gpu, PROCESS, pages, None)
    }

    fn fence(&self, device: DeviceKey) -> FenceKey {
        self.gpu.create_fence(FenceRequest { initial: 0, device, keep_value_on_loss: false }).expect("a page")
    }

    fn header(&self) -> Header {
        Header { status_va: self.status.va, poison_va: self.poison.va, after: None }
    }

    fn encode(&self, header: Header, write: impl FnOnce(&mut CommandWriter<'_>)) -> Vec<u8> {
        let mut buffer = vec![0; self.command.pages.len()];
        let mut writer = CommandWriter::new(&mut buffer, header).expect("room");
        write(&mut writer);
        let len = writer.len();
        buffer.truncate(len);
        buffer
    }

    /// Enqueues a command buffer; answers the value that the progress fence will have.
    fn enqueue(&self, write: impl FnOnce(&mut CommandWriter<'_>)) -> u64 {
        let bytes = self.encode(self.header(), write);
        self.enqueue_bytes(&bytes)
    }

    fn enqueue_bytes(&self, bytes: &[u8]) -> u64 {
        self.command.write(bytes);
        let fence_value = self.next_value.fetch_add(1, Ordering::SeqCst) * 1000;
        let item = QueueItem::Execute { command_buffer: self.command.va, length: bytes.len() as u32, fence_value };
        self.gpu.enqueue(self.queue, item, self.now()).expect("the device works");
        fence_value
    }

    /// Runs a command buffer to its end.
    fn submit(&self, write: impl FnOnce(&mut CommandWriter<'_>)) {
        let value = self.enqueue(write);
        self.gpu.run(self.now());
        self.wait(self.progress, value);
    }

    fn wait(&self, fence: FenceKey, value: u64) {
        let begin = Instant::now();
        while self.gpu.fence_value(fence).is_some_and(|now| now < value) {
            assert!(begin.elapsed().as_secs() < 20, "fence {fence:?} reaches {value}");
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.gpu.device_fault(DEVICE)
    }

    fn poison(&self, stream: usize) -> u64 {
        self.poison.read::<u64>(512)[stream]
    }

    fn status(&self) -> StatusBlock {
        // SAFETY: the page is mapped, held, aligned and larger than the block, which any bytes are valid for.
        unsafe { self.status.pages.host_ptr().cast::<StatusBlock>().read() }
    }

    /// One launch with the arguments in `args`.
    fn launch(&self, kernel: KernelId, stream: u32, op_tag: u64, blocks: u32, args: &Args) {
        self.submit(|writer| {
            let mut dispatch = writer.dispatch(kernel.0).expect("room");
            dispatch.item(&args.item(stream, op_tag, blocks)).expect("room");
        });
    }
}

fn allocate(gpu: &Gpu, process: ProcessKey, pages: u64, base: Option<u64>) -> Memory {
    let memory = gpu.video_memory().allocate(pages).expect("room");
    let backing = Backing::Pages(memory.clone(), 0);
    let protection = protection::WRITE;
    let request = MapRequest { base, min: 0, max: 0, backing, offset_pages: 0, pages, protection };
    Memory { va: gpu.map_va(process, request).expect("free addresses"), pages: memory }
}

/// Packed arguments with their accesses.
#[derive(Default)]
struct Args {
    bytes: Vec<u8>,
    accesses: Vec<Access>,
}

impl Args {
    fn scalar<T: Element>(mut self, value: T) -> Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(size_of::<T>()), 0);
        value.extend_bytes(&mut self.bytes);
        self
    }

    fn range(mut self, va: u64, len: u64, flags: u32) -> Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.accesses.push(Access { arg_offset: self.bytes.len() as u32, flags, va, len });
        va.extend_bytes(&mut self.bytes);
        self
    }

    fn read(self, memory: &Memory, len: u64) -> Self {
        self.range(memory.va, len, Access::READ)
    }

    fn write(self, memory: &Memory, len: u64) -> Self {
        self.range(memory.va, len, Access::WRITE)
    }

    fn item(&self, stream: u32, op_tag: u64, blocks: u32) -> ItemDescription<'_> {
        ItemDescription {
            op_tag,
            stream,
            grid: [blocks, 1, 1],
            block: [64, 1, 1],
            shared_bytes: 0,
            args: &self.bytes,
            accesses: &self.accesses,
        }
    }
}

fn saxpy() -> RustKernel {
    RustKernel::new("saxpy").scalar::<f32>().read::<f32>().write::<f32>().body(|cx| {
        let a: f32 = cx.scalar(0)?;
        let x = cx.read::<f32>(1)?;
        let start = cx.chunk_start(2)?;
        for (y, x) in cx.write::<f32>(2)?.iter_mut().zip(&x[start..]) {
            *y += a * x;
        }
        Ok(())
    })
}

/// Sleeps for its argument in ms, then adds one to each u32.
fn sleeper() -> RustKernel {
    RustKernel::new("sleeper").scalar::<u32>().write::<u32>().body(|cx| {
        std::thread::sleep(std::time::Duration::from_millis(u64::from(cx.scalar::<u32>(0)?)));
        cx.write::<u32>(1)?.iter_mut().for_each(|value| *value += 1);
        Ok(())
    })
}

fn failing() -> RustKernel {
    RustKernel::new("failing").scalar::<u32>().body(|cx| match cx.scalar::<u32>(0)? {
        0 => Ok(()),
        1 => Err("on purpose".into()),
        _ => panic!("on purpose, loudly"),
    })
}

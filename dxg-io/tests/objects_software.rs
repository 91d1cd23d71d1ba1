//! The owning objects over the software adapter: the compute path, sleeping, sharing, teardown; and the driver's message
//! sizes as worked out from arguments against those that the adapter counts.

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dxg_io::boundary::{Boundary, RawOutcome, Traffic};
use dxg_io::call::Dxg;
use dxg_io::call::traffic::{Messages, Protocol};
use dxg_io::error::Error;
use dxg_io::object::*;
use dxg_io::software::packet::CommandWriter;
use dxg_io::software::{Parameters, SoftwareAdapter, allocation_private_data};
use dxg_io::sys::IoctlInfo;

type Result<T = ()> = std::result::Result<T, Error>;

const SOON: Duration = Duration::from_secs(10);

fn dxg(parameters: Parameters) -> Dxg {
    let adapter = SoftwareAdapter::new(parameters).expect("an adapter");
    Dxg::new(adapter.open().expect("a descriptor"))
}

fn device(dxg: &Dxg) -> Result<Device> {
    let found = Adapter::enumerate(dxg)?;
    assert_eq!(found.len(), 1);
    assert!(found[0].kind.paravirtualized());
    Device::create(&Adapter::open(dxg, found[0].luid)?)
}

fn reaches(view: &FenceView, value: u64) -> bool {
    let began = Instant::now();
    while view.value() < value && began.elapsed() < SOON {
        std::thread::yield_now();
    }
    view.value() == value
}

/// A command buffer that only advances the queue's fence, resident and mapped.
struct Commands {
    _mapping: Mapping,
    range: GpuVaRange,
    length: u32,
}

fn commands(device: &Device, paging: &PagingQueue, progress: u64) -> Result<Commands> {
    let allocation = device.allocate_private(65_536, &mut allocation_private_data(65_536))?;
    paging.make_resident(&[&allocation])?.wait(SOON)?;
    let (range, pending) = paging.map_gpu_va(&allocation, MapRequest::default())?;
    pending.wait(SOON)?;
    let mapping = allocation.map()?;
    assert_eq!(allocation.map()?.as_ptr(), mapping.as_ptr(), "mapped once");
    let mut bytes = vec![0u8; 256];
    let mut writer = CommandWriter::new(&mut bytes, Default::default()).expect("room for the header");
    writer.progress(progress).expect("room for a packet");
    let length = writer.len();
    // SAFETY: the mapping is 64 KiB long, the GPU does not use it yet.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), mapping.as_ptr().as_ptr(), length) };
    Ok(Commands { _mapping: mapping, range, length: length as u32 })
}

#[test]
fn the_compute_path_runs_and_sleeps_without_round_trips() -> Result {
    for parameters in [Parameters::zero(), Parameters::default()] {
        let dxg = dxg(parameters);
        let device = device(&dxg)?;
        let context = device.create_context(ContextOptions { hw_queues: true, ..Default::default() })?;
        let waiter = device.create_context(ContextOptions::default())?;
        let queue = context.create_hw_queue(&mut [])?;
        let paging = device.create_paging_queue()?;
        let commands = commands(&device, &paging, 1)?;
        let event = EventFd::new()?;
        let before = dxg.traffic();
        waiter.wait(&[(queue.progress_handle(), 2)])?;
        waiter.signal_with_event(&event)?;
        queue.submit(commands.range.base(), commands.length, 2, &[])?;
        let after = dxg.traffic();
        assert_eq!((after.posted - before.posted, after.round_trips - before.round_trips), (3, 0));
        assert_eq!(event.wait(SOON)?, 1);
        assert!(reaches(&queue.progress(), 2));
        assert!(device.execution_state()?.is_active());
    }
    Ok(())
}

#[test]
fn fences_are_signalled_waited_for_and_shared() -> Result {
    let dxg = dxg(Parameters::zero());
    let device = device(&dxg)?;
    let context = device.create_context(ContextOptions::default())?;
    let fence = device.create_fence(FenceOptions { initial: 3, shared: true, ..Default::default() })?;
    assert_eq!(fence.value(), 3);
    fence.signal(4)?;
    assert!(reaches(&fence.view(), 4));
    let event = EventFd::new()?;
    device.wait_from_cpu(&[(fence.handle(), 5)], false, Some(&event))?;
    assert_eq!(event.take()?, 0);
    context.signal(&[(fence.handle(), 5)])?;
    assert_eq!(event.wait(SOON)?, 1);
    device.wait_from_cpu(&[(fence.handle(), 5), (fence.handle(), 99)], true, None)?;

    let opened = device.open_fence(fence.share()?.as_fd())?;
    assert_eq!(opened.value(), 5);
    let sync_file = fence.sync_file(6)?;
    assert!(!sync_file.wait(Duration::from_millis(1))?);
    opened.signal(6)?;
    assert!(sync_file.wait(SOON)?);
    assert!(reaches(&fence.view(), 6));
    Ok(())
}

#[test]
fn system_memory_is_shared_with_the_device_and_outlives_it() -> Result {
    let dxg = dxg(Parameters::zero());
    let device = device(&dxg)?;
    let paging = device.create_paging_queue()?;
    let memory = Arc::new(SystemMemory::new(1 << 17)?);
    let allocation = device.allocate_standard_existing(memory.clone())?;
    assert_eq!(allocation.map()?.as_ptr(), memory.as_ptr());
    let (range, pending) = paging.map_gpu_va(&allocation, MapRequest::default())?;
    pending.wait(SOON)?;
    assert_eq!(range.size(), 1 << 17);
    assert_eq!(Arc::strong_count(&memory), 2);
    drop((allocation, range));
    assert_eq!((Arc::strong_count(&memory), dxg.failed_teardowns()), (1, 0));
    let cross = device.allocate_standard_cross_adapter(8192)?;
    assert_eq!(cross.size(), 8192);
    Ok(())
}

#[test]
fn teardown_takes_two_round_trips_for_everything_on_a_device() -> Result {
    let dxg = dxg(Parameters::zero());
    let device = device(&dxg)?;
    let context = device.create_context(ContextOptions { hw_queues: true, ..Default::default() })?;
    let queues: Vec<HwQueue> = (0..8).map(|_| context.create_hw_queue(&mut [])).collect::<Result<_>>()?;
    let fences: Vec<MonitoredFence> = (0..8).map(|_| device.create_fence(Default::default())).collect::<Result<_>>()?;
    let mut data = [[0u8; 8]; 16].map(|_| allocation_private_data(4096));
    let mut wanted: Vec<(u64, &mut [u8])> = data.iter_mut().map(|d| (4096, &mut d[..])).collect();
    let allocations = device.allocate_many_private(&mut wanted)?;
    assert_eq!((allocations.len(), dxg.live_objects()), (16, 1 + 1 + 16 + 8 + 16));
    let before = dxg.traffic().round_trips;
    device.begin_teardown();
    drop((context, queues, fences, allocations));
    drop(device);
    assert_eq!(dxg.traffic().round_trips - before, 2);
    assert_eq!((dxg.failed_teardowns(), dxg.live_objects()), (0, 0));
    // Everything is given back: the next device works.
    self::device(&dxg)?.create_fence(Default::default())?;
    Ok(())
}

#[test]
fn a_bad_command_buffer_loses_the_device_and_says_so() -> Result {
    let dxg = dxg(Parameters::zero());
    let device = device(&dxg)?;
    let context = device.create_context(ContextOptions { hw_queues: true, ..Default::default() })?;
    let queue = context.create_hw_queue(&mut [])?;
    queue.submit(0xdead_0000, 64, 1, &[])?;
    assert!(reaches(&queue.progress(), u64::MAX), "the host writes the maximum");
    let began = Instant::now();
    while device.execution_state()?.is_active() && began.elapsed() < SOON {
        std::thread::yield_now();
    }
    assert_eq!(device.execution_state()?, ExecutionState::PageFault);
    let fault = device.page_fault_state()?;
    assert_eq!(fault.faulted_virtual_address & !0xfff, 0xdead_0000);
    Ok(())
}

/// Compares what is worked out from the arguments with what the adapter counted.
struct Compare<B> {
    inner: B,
    protocol: Protocol,
    differences: Arc<Mutex<Vec<String>>>,
    compared: Arc<Mutex<Vec<&'static str>>>,
}

impl<B: Boundary> Boundary for Compare<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        // SAFETY: the caller's promise is that of the boundary.
        let messages = unsafe { Messages::of(request, arg) };
        // SAFETY: as above.
        let outcome = unsafe { self.inner.ioctl(request, arg) };
        let name = IoctlInfo::of(request).map_or("", |i| i.name);
        let worked_out = messages.traffic(self.protocol, &outcome);
        let mut counted = Traffic { doorbells: 0, full_ring_sleeps: 0, ..outcome.traffic };
        if request == dxg_io::sys::LX_DXCREATEALLOCATION {
            // The driver data of each entry is behind a pointer, which is not followed: eight bytes here.
            assert_eq!(counted.payload_bytes - worked_out.payload_bytes, 8);
            (counted.payload_bytes, counted.ring_bytes) = (worked_out.payload_bytes, worked_out.ring_bytes);
        }
        if worked_out != counted {
            let mut list = self.differences.lock().expect("nothing panics with it");
            list.push(format!("{name}: worked out {worked_out:?}, counted {counted:?}"));
        }
        self.compared.lock().expect("nothing panics with it").push(name);
        outcome
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

#[test]
fn messages_worked_out_are_those_that_the_adapter_counts() -> Result {
    for (parameters, protocol) in [
        (Parameters::zero(), Protocol::CURRENT),
        (Parameters { async_messages: false, vmbus_version: 27, ..Parameters::zero() }, Protocol::SYNCHRONOUS),
    ] {
        let adapter = SoftwareAdapter::new(parameters).expect("an adapter");
        let (differences, compared) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let inner = adapter.open().expect("a descriptor");
        let dxg = Dxg::new(Compare { inner, protocol, differences: differences.clone(), compared: compared.clone() });
        let device = device(&dxg)?;
        let context = device.create_context(ContextOptions { hw_queues: true, ..Default::default() })?;
        let queue = context.create_hw_queue(&mut [])?;
        let paging = device.create_paging_queue()?;
        let commands = commands(&device, &paging, 1)?;
        let fence = device.create_fence(Default::default())?;
        let point = (fence.handle(), 1);
        queue.submit(commands.range.base(), commands.length, 2, &[7; 256])?;
        queue.wait(&[(queue.progress_handle(), 2)])?;
        queue.signal(&[point])?;
        context.wait(&[point])?;
        context.signal(&[(fence.handle(), 2)])?;
        context.signal_with_event(&EventFd::new()?)?;
        fence.signal(3)?;
        device.wait_from_cpu(&[(fence.handle(), 3), point], false, None)?;
        let _ = dxg.get_context_priority(context.handle());
        let _ = device.adapter().video_memory(0);
        device.execution_state()?;
        device.page_fault_state()?;
        drop((commands, fence, queue, paging, context, device));
        let differences = differences.lock().expect("nothing panics with it");
        assert!(differences.is_empty(), "{differences:#?}");
        assert!(compared.lock().expect("nothing panics with it").len() > 30);
    }
    Ok(())
}

//! A client that speaks the ABI directly: argument structs and request codes, nothing typed in between.
#![allow(dead_code, reason = "each test uses its part")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use dxg_io::boundary::{Boundary, RawOutcome};
use dxg_io::memory::CheckedMemory;
use dxg_io::software::{Parameters, SoftwareAdapter, SoftwareFile, allocation_private_data};
use dxg_io::sys::{self, Plain, d3dkmthandle};

pub const PAGE: usize = 4096;

/// One open descriptor.
pub struct Client {
    pub file: SoftwareFile,
}

/// A fence with its page.
#[derive(Clone, Copy)]
pub struct Fence {
    pub handle: d3dkmthandle,
    pub cpu: u64,
    pub gpu: u64,
}

impl Fence {
    /// The value in memory now.
    pub fn value(&self) -> u64 {
        // SAFETY: the page stays mapped as long as the fence lives, and the tests read it only then.
        unsafe { (*(self.cpu as *const std::sync::atomic::AtomicU64)).load(std::sync::atomic::Ordering::Acquire) }
    }
}

pub fn adapter(parameters: Parameters) -> Arc<SoftwareAdapter> {
    SoftwareAdapter::new(Parameters { video_memory_mib: 64, io_space_mib: 8, ..parameters }).unwrap()
}

impl Client {
    pub fn new(adapter: &Arc<SoftwareAdapter>) -> Client {
        Client { file: adapter.open_with(Arc::new(CheckedMemory::new().unwrap())).unwrap() }
    }

    pub fn call<T: Plain>(&self, request: u32, args: &mut T) -> RawOutcome {
        self.call_at(request, args as *mut T as u64)
    }

    pub fn call_at(&self, request: u32, address: u64) -> RawOutcome {
        // SAFETY: the file was opened with CheckedMemory, which takes any address.
        unsafe { self.file.ioctl(request, address as *mut _) }
    }

    #[track_caller]
    pub fn ok<T: Plain>(&self, request: u32, mut args: T) -> T {
        let outcome = self.call(request, &mut args);
        assert!(outcome.ret >= 0, "{}: {outcome:?}", sys::IoctlInfo::of(request).map_or("?", |info| info.name));
        args
    }

    pub fn enumerate(&self) -> d3dkmthandle {
        let mut info = [sys::d3dkmt_adapterinfo::default(); 4];
        let args =
            sys::d3dkmt_enumadapters3 { adapter_count: 4, adapters: info.as_mut_ptr() as u64, ..Default::default() };
        let args = self.ok(sys::LX_DXENUMADAPTERS3, args);
        assert_eq!(args.adapter_count, 1);
        info[0].adapter_handle
    }

    pub fn device(&self, adapter: d3dkmthandle) -> d3dkmthandle {
        self.ok(sys::LX_DXCREATEDEVICE, sys::d3dkmt_createdevice { adapter, ..Default::default() }).device
    }

    pub fn context(&self, device: d3dkmthandle) -> d3dkmthandle {
        let mut args = sys::d3dkmt_createcontextvirtual { device, ..Default::default() };
        args.flags.set_hw_queue_supported(true);
        self.ok(sys::LX_DXCREATECONTEXTVIRTUAL, args).context
    }

    pub fn hw_queue(&self, context: d3dkmthandle) -> (d3dkmthandle, Fence) {
        let args = self.ok(sys::LX_DXCREATEHWQUEUE, sys::d3dkmt_createhwqueue { context, ..Default::default() });
        let fence = Fence {
            handle: args.queue_progress_fence,
            cpu: args.queue_progress_fence_cpu_va,
            gpu: args.queue_progress_fence_gpu_va,
        };
        (args.queue, fence)
    }

    pub fn paging_queue(&self, device: d3dkmthandle) -> (d3dkmthandle, Fence) {
        let args = self.ok(sys::LX_DXCREATEPAGINGQUEUE, sys::d3dkmt_createpagingqueue { device, ..Default::default() });
        (args.paging_queue, Fence { handle: args.sync_object, cpu: args.fence_cpu_virtual_address, gpu: 0 })
    }

    pub fn fence_args(device: d3dkmthandle, initial: u64) -> sys::d3dkmt_createsynchronizationobject2 {
        let mut args = sys::d3dkmt_createsynchronizationobject2 { device, ..Default::default() };
        args.info.r#type = sys::_D3DDDI_MONITORED_FENCE;
        let mut fence = args.info.u.monitored_fence();
        fence.initial_fence_value = initial;
        args.info.u.set_monitored_fence(fence);
        args
    }

    pub fn fence(&self, device: d3dkmthandle, initial: u64) -> Fence {
        let args = self.ok(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, Client::fence_args(device, initial));
        let fence = args.info.u.monitored_fence();
        Fence { handle: args.sync_object, cpu: fence.fence_cpu_virtual_address, gpu: fence.fence_gpu_virtual_address }
    }

    /// Plain video memory.
    pub fn allocation(&self, device: d3dkmthandle, bytes: u64) -> d3dkmthandle {
        let size = allocation_private_data(bytes);
        let mut info = sys::d3dddi_allocationinfo2 {
            priv_drv_data: size.as_ptr() as u64,
            priv_drv_data_size: 8,
            ..Default::default()
        };
        let args = sys::d3dkmt_createallocation {
            device,
            alloc_count: 1,
            allocation_info: &mut info as *mut _ as u64,
            ..Default::default()
        };
        self.ok(sys::LX_DXCREATEALLOCATION, args);
        info.allocation
    }

    pub fn signal_cpu(&self, device: d3dkmthandle, fence: d3dkmthandle, value: u64) -> RawOutcome {
        let mut args = sys::d3dkmt_signalsynchronizationobjectfromcpu {
            device,
            object_count: 1,
            objects: &fence as *const _ as u64,
            fence_values: &value as *const _ as u64,
            ..Default::default()
        };
        self.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, &mut args)
    }

    pub fn wait_cpu(&self, device: d3dkmthandle, fence: d3dkmthandle, value: u64, event: Option<&Event>) -> RawOutcome {
        let mut args = sys::d3dkmt_waitforsynchronizationobjectfromcpu {
            device,
            object_count: 1,
            objects: &fence as *const _ as u64,
            fence_values: &value as *const _ as u64,
            async_event: event.map_or(0, Event::number),
            ..Default::default()
        };
        self.call(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, &mut args)
    }

    pub fn wait_gpu(&self, context: d3dkmthandle, fence: d3dkmthandle, value: u64) -> RawOutcome {
        let mut args = sys::d3dkmt_waitforsynchronizationobjectfromgpu {
            context,
            object_count: 1,
            objects: &fence as *const _ as u64,
            ..Default::default()
        };
        args.u.set_monitored_fence_values(&value as *const _ as u64);
        self.call(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU, &mut args)
    }

    /// A CPU event after what the context holds.
    pub fn event_from_gpu(&self, context: d3dkmthandle, event: &Event) -> RawOutcome {
        let mut args = sys::d3dkmt_signalsynchronizationobjectfromgpu2 {
            context_count: 1,
            contexts: &context as *const _ as u64,
            ..Default::default()
        };
        args.flags.set_enqueue_cpu_event(true);
        args.u.set_cpu_event_handle(event.number());
        self.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, &mut args)
    }

    pub fn submit_to_hw_queue(&self, hwqueue: d3dkmthandle, buffer: u64, length: u32, fence: u64) -> RawOutcome {
        let mut args = sys::d3dkmt_submitcommandtohwqueue {
            hwqueue,
            hwqueue_progress_fence_id: fence,
            command_buffer: buffer,
            command_length: length,
            ..Default::default()
        };
        self.call(sys::LX_DXSUBMITCOMMANDTOHWQUEUE, &mut args)
    }

    pub fn make_resident(&self, paging_queue: d3dkmthandle, allocation: d3dkmthandle) -> (RawOutcome, u64) {
        let mut args = sys::d3dddi_makeresident {
            paging_queue,
            alloc_count: 1,
            allocation_list: &allocation as *const _ as u64,
            ..Default::default()
        };
        let outcome = self.call(sys::LX_DXMAKERESIDENT, &mut args);
        (outcome, args.paging_fence_value)
    }

    pub fn map_va(&self, paging_queue: d3dkmthandle, allocation: d3dkmthandle, pages: u64) -> (RawOutcome, u64, u64) {
        let mut args =
            sys::d3dddi_mapgpuvirtualaddress { paging_queue, allocation, size_in_pages: pages, ..Default::default() };
        args.protection.set_write(true);
        let outcome = self.call(sys::LX_DXMAPGPUVIRTUALADDRESS, &mut args);
        (outcome, args.virtual_address, args.paging_fence_value)
    }

    pub fn lock(&self, device: d3dkmthandle, allocation: d3dkmthandle) -> (RawOutcome, u64) {
        let mut args = sys::d3dkmt_lock2 { device, allocation, ..Default::default() };
        let outcome = self.call(sys::LX_DXLOCK2, &mut args);
        (outcome, args.data)
    }
}

/// An eventfd.
pub struct Event(OwnedFd);

impl Event {
    pub fn new() -> Event {
        // SAFETY: eventfd has no preconditions; the descriptor is ours.
        Event(unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) })
    }

    pub fn number(&self) -> u64 {
        self.0.as_raw_fd() as u64
    }

    /// Its count, which becomes zero; `None` if it is zero.
    pub fn take(&self) -> Option<u64> {
        let mut count = [0u8; 8];
        // SAFETY: reads 8 bytes into a live array.
        let read = unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
        (read == 8).then(|| u64::from_ne_bytes(count))
    }

    /// Waits until it is readable, or so many milliseconds.
    pub fn wait(&self, milliseconds: i32) -> Option<u64> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd.
        unsafe { libc::poll(&mut poll, 1, milliseconds) };
        self.take()
    }
}

/// Anonymous pages.
pub struct Pages(pub u64, usize);

impl Pages {
    pub fn new(count: usize, protection: i32) -> Pages {
        let bytes = count * PAGE;
        // SAFETY: a fresh anonymous mapping.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        assert_ne!(at, libc::MAP_FAILED);
        Pages(at as u64, bytes)
    }

    pub fn writable(count: usize) -> Pages {
        Pages::new(count, libc::PROT_READ | libc::PROT_WRITE)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: unmaps what `new` mapped.
        unsafe { libc::munmap(self.0 as *mut _, self.1) };
    }
}

/// Whether a byte can be read there.
pub fn readable(address: u64) -> bool {
    use dxg_io::memory::UserMemory;
    let mut byte = [0u8; 1];
    // SAFETY: CheckedMemory takes any address.
    unsafe { CheckedMemory::new().unwrap().read(address, &mut byte) }.is_ok()
}

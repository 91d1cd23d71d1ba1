//! The ioctl boundary: any bytes as calls with any arguments, caller memory reached by checked copies.
//!
//! The bytes are read as a program: which ioctl, and what the words of its argument struct are made of, so that many calls
//! get past the first check: handles that exist, addresses of memory that exists, small numbers. Pointers lead to a memory
//! full of handles and small numbers, to unmapped memory and to memory that may only be read.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use dxg_io::boundary::{Boundary, RawOutcome};
use dxg_io::memory::CheckedMemory;
use dxg_io::software::{Parameters, SoftwareAdapter, allocation_private_data};
use dxg_io::sys::{self, Plain, d3dkmthandle};

use super::Source;

const PAGE: usize = 4096;
/// Argument structs are smaller.
const ARGUMENT_WORDS: usize = 256;
/// Pages that calls may point to and the device may be given; the last ones are read-only, and not there.
const PAGES: usize = 16;
/// Calls between two sets of objects: most programs destroy theirs soon.
const LIFE: u64 = 48;

/// Memory of the process that calls point to: lives for good, because devices may hold pages of it.
struct Playground {
    base: usize,
}

impl Playground {
    fn get() -> &'static Playground {
        static PLAYGROUND: OnceLock<Playground> = OnceLock::new();
        PLAYGROUND.get_or_init(|| {
            let bytes = (PAGES + 2) * PAGE;
            let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: needed for pages of different protection; a fresh anonymous mapping.
            let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
            assert_ne!(base, libc::MAP_FAILED, "memory to play with");
            let base = base as usize;
            // SAFETY: pages of the mapping just made.
            unsafe {
                libc::mprotect((base + PAGES * PAGE) as *mut _, PAGE, libc::PROT_READ);
                libc::munmap((base + (PAGES + 1) * PAGE) as *mut _, PAGE);
            }
            Playground { base }
        })
    }

    /// Fills the writable pages with a pattern of words.
    fn fill(&self, words: &[u32]) {
        for index in 0..PAGES * PAGE / 4 {
            let word = words[index % words.len()];
            // SAFETY: inside the writable pages, aligned; devices of this process may change them at the same time, as memory
            // of a client is changed, so the access is volatile.
            unsafe { ((self.base + 4 * index) as *mut u32).write_volatile(word) };
        }
    }
}

/// A descriptor with one object of each kind.
struct Client {
    file: Box<dyn Boundary>,
    handles: Vec<u32>,
    /// GPU address of memory that holds a command buffer.
    commands: u64,
}

impl Client {
    fn new(file: Box<dyn Boundary>, event: u64, commands: &[u8]) -> Client {
        let mut client = Client { file, handles: Vec::new(), commands: 0 };
        client.furnish(event, commands);
        client
    }

    fn call_at(&self, request: u32, address: u64) -> RawOutcome {
        // SAFETY: what stands behind the boundary copies from and to any address with checks: CheckedMemory, or a kernel.
        unsafe { self.file.ioctl(request, address as *mut _) }
    }

    fn make<T: Plain>(&self, request: u32, mut args: T) -> T {
        let _refused = self.call_at(request, (&raw mut args) as u64);
        args
    }

    /// One object of each kind. Calls may fail: earlier ones may have used everything up.
    fn furnish(&mut self, event: u64, commands: &[u8]) {
        let mut info = [sys::d3dkmt_adapterinfo::default(); 1];
        let adapters = info.as_mut_ptr() as u64;
        self.make(
            sys::LX_DXENUMADAPTERS3,
            sys::d3dkmt_enumadapters3 { adapter_count: 1, adapters, ..Default::default() },
        );
        let adapter = info[0].adapter_handle;
        let device =
            self.make(sys::LX_DXCREATEDEVICE, sys::d3dkmt_createdevice { adapter, ..Default::default() }).device;
        let mut args = sys::d3dkmt_createcontextvirtual { device, ..Default::default() };
        args.flags.set_hw_queue_supported(true);
        let context = self.make(sys::LX_DXCREATECONTEXTVIRTUAL, args).context;
        let queue = self.make(sys::LX_DXCREATEHWQUEUE, sys::d3dkmt_createhwqueue { context, ..Default::default() });
        let args = sys::d3dkmt_createpagingqueue { device, ..Default::default() };
        let paging = self.make(sys::LX_DXCREATEPAGINGQUEUE, args);
        let mut args = sys::d3dkmt_createsynchronizationobject2 { device, ..Default::default() };
        args.info.r#type = sys::_D3DDDI_MONITORED_FENCE;
        args.info.flags.set_shared(true);
        args.info.flags.set_nt_security_sharing(true);
        let fence = self.make(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, args).sync_object;
        let size = allocation_private_data(65_536);
        let mut info = sys::d3dddi_allocationinfo2 {
            priv_drv_data: size.as_ptr() as u64,
            priv_drv_data_size: 8,
            ..Default::default()
        };
        let allocation_info = (&raw mut info) as u64;
        self.make(
            sys::LX_DXCREATEALLOCATION,
            sys::d3dkmt_createallocation { device, alloc_count: 1, allocation_info, ..Default::default() },
        );
        let allocation = info.allocation;
        self.map_commands(device, paging.paging_queue, allocation, commands);
        let queue_fence = queue.queue_progress_fence;
        let handles = [
            adapter,
            device,
            context,
            queue.queue,
            queue_fence,
            paging.paging_queue,
            paging.sync_object,
            fence,
            allocation,
        ];
        self.handles = handles.map(|handle: d3dkmthandle| handle.v).to_vec();
        self.handles.push(event as u32);
    }

    /// Gives the allocation an address and a command buffer.
    fn map_commands(
        &mut self,
        device: d3dkmthandle,
        paging_queue: d3dkmthandle,
        allocation: d3dkmthandle,
        data: &[u8],
    ) {
        let mut args =
            sys::d3dddi_mapgpuvirtualaddress { paging_queue, allocation, size_in_pages: 16, ..Default::default() };
        args.protection.set_write(true);
        self.commands = self.make(sys::LX_DXMAPGPUVIRTUALADDRESS, args).virtual_address;
        let locked = self.make(sys::LX_DXLOCK2, sys::d3dkmt_lock2 { device, allocation, ..Default::default() });
        if locked.data != 0 {
            let bytes = &data[..data.len().min(60_000)];
            let header = [&b"DXGP\x01\0\0\0"[..], &[0; 24]].concat();
            // SAFETY: needed to write to memory of the device: the lock has just mapped the 64 KiB of the allocation.
            unsafe {
                let at = locked.data as *mut u8;
                at.copy_from_nonoverlapping(header.as_ptr(), header.len());
                at.add(header.len()).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
        }
    }
}

/// Whatever `/dev/dxg` is for this process: a plain system call for each call, and no look at its argument.
struct Node(OwnedFd);

impl Boundary for Node {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        // SAFETY: the driver copies the argument with checks; any address may be named.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), request as _, arg) } {
            -1 => RawOutcome::failed(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            ret => RawOutcome::returned(ret),
        }
    }

    fn name(&self) -> &str {
        "node"
    }
}

/// As [`boundary`], over the node of this process, which the preloaded library provides.
///
/// # Panics
/// If there is none.
pub fn node(data: &[u8]) -> u64 {
    let node = std::fs::File::open("/dev/dxg").unwrap_or_else(|error| panic!("/dev/dxg: {error}"));
    let mut source = Source::new(data);
    source.u8();
    run(Box::new(Node(node.into())), source, data)
}

/// Runs the bytes as calls; answers with how many those were.
pub fn boundary(data: &[u8]) -> u64 {
    let mut source = Source::new(data);
    let posted = !source.u8().is_multiple_of(4);
    let old = Parameters { async_messages: false, vmbus_version: 27, map_guest_pages: false, ..Parameters::zero() };
    let parameters = if posted { Parameters::zero() } else { old };
    // A full ring is tried again a few times, not for ten seconds.
    let parameters = Parameters { video_memory_mib: 16, io_space_mib: 2, full_ring_tries: 3, ..parameters };
    let adapter = SoftwareAdapter::new(parameters).expect("an adapter");
    let memory = Arc::new(CheckedMemory::new().expect("the kernel copies between processes"));
    run(Box::new(adapter.open_with(memory).expect("a descriptor")), source, data)
}

fn run(file: Box<dyn Boundary>, mut source: Source<'_>, data: &[u8]) -> u64 {
    let event = dxg_io::object::EventFd::new().expect("an eventfd");
    let number = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&event)) as u64;
    let playground = Playground::get();
    let mut client = Client::new(file, number, data);
    playground.fill(&client.handles);
    let mut calls = 0;
    while !source.is_empty() {
        calls += 1;
        call(&client, &mut source, playground, number);
        if calls % LIFE == 0 {
            client.furnish(number, data);
            playground.fill(&client.handles);
        }
    }
    calls
}

/// One call.
fn call(client: &Client, source: &mut Source<'_>, playground: &Playground, event: u64) {
    let mut argument = [0u64; ARGUMENT_WORDS / 2];
    let address = argument.as_mut_ptr() as u64;
    let which = source.below(sys::IOCTLS.len() + 2);
    let Some(info) = sys::IOCTLS.get(which) else {
        // A number that the driver does not know, or an argument that is not there.
        let request = source.u32();
        let outcome = client
            .call_at(if which.is_multiple_of(2) { request } else { sys::IOCTLS[0].request }, source.u64() % 65_536);
        assert!(outcome.ret != 0 || outcome.errno == 0, "{outcome:?}");
        return;
    };
    let words = argument.as_mut_ptr().cast::<u32>();
    let mut at = 0;
    let length = (info.size as usize / 4).min(ARGUMENT_WORDS);
    while at < length {
        let (value, taken) = word(client, source, playground, at);
        // SAFETY: the array has so many words, and nobody else has it.
        unsafe { words.add(at).write_unaligned(value as u32) };
        if taken == 2 && at + 1 < length {
            // SAFETY: as above.
            unsafe { words.add(at + 1).write_unaligned((value >> 32) as u32) };
        }
        at += taken;
    }
    if info.request == sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU && argument[3] == 0 {
        // Without an eventfd a wait that is never satisfied blocks for good, as it should.
        argument[3] = event;
    }
    let outcome = client.call_at(info.request, address);
    assert!(outcome.ret != -1 || outcome.errno != 0, "{}: {outcome:?}", info.name);
    close_what_was_opened(info.request, outcome, &argument);
}

/// A word of an argument struct, and whether it takes the next one too.
fn word(client: &Client, source: &mut Source<'_>, playground: &Playground, at: usize) -> (u64, usize) {
    let kind = source.u8();
    let pointers = at.is_multiple_of(2);
    match kind % 16 {
        0..5 => (u64::from(client.handles[usize::from(kind / 16) % client.handles.len()]), 1),
        5..8 => (u64::from(kind / 16), 1),
        8 => (0, 1),
        9 => (u64::from(source.u32()), 1),
        10..13 if pointers => (playground.base as u64 + 8 * u64::from(source.u8()) + u64::from(kind / 64), 2),
        13 if pointers => (playground.base as u64 + (PAGE * source.below(PAGES + 3)) as u64, 2),
        14 if pointers => (client.commands + 16 * u64::from(kind / 64), 2),
        15 if pointers => (source.number(), 2),
        _ => (u64::from(source.u8()), 1),
    }
}

/// Descriptors that a call handed out are closed: a process has few.
fn close_what_was_opened(request: u32, outcome: RawOutcome, argument: &[u64]) {
    if outcome.ret < 0 {
        return;
    }
    let descriptor = match request {
        sys::LX_DXCREATESYNCFILE => argument[2],
        // Written where the argument points to; on success it could be written there.
        sys::LX_DXSHAREOBJECTS => {
            let mut bytes = [0; 8];
            let memory = CheckedMemory::new().expect("the kernel copies between processes");
            // SAFETY: CheckedMemory takes any address.
            let read = unsafe { dxg_io::memory::UserMemory::read(&memory, argument[4], &mut bytes) };
            if read.is_err() {
                return;
            }
            u64::from_le_bytes(bytes)
        }
        _ => return,
    };
    if let Some(descriptor) = i32::try_from(descriptor).ok().filter(|descriptor| *descriptor > 2) {
        // SAFETY: needed to close a descriptor that the call just made and nobody else knows.
        unsafe { libc::close(descriptor) };
    }
}

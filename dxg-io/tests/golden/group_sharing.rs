//! Groups: sharing, sharing-resource.

use std::os::fd::{FromRawFd, OwnedFd};

use dxg_io::sys::{self, d3dkmthandle};

use crate::book::{Book, Group};
use crate::group_allocation::create;
use crate::raw::{Client, Fence, readable};

const BAD: u64 = 0x1000;
const NONE: d3dkmthandle = d3dkmthandle { v: 0 };

fn share(objects: &[d3dkmthandle], out: u64) -> sys::d3dkmt_shareobjects {
    sys::d3dkmt_shareobjects {
        object_count: objects.len() as u32,
        objects: objects.as_ptr() as u64,
        shared_handle: out,
        ..Default::default()
    }
}

fn owned(number: u64) -> OwnedFd {
    // SAFETY: the adapter has just given us this descriptor.
    unsafe { OwnedFd::from_raw_fd(number as i32) }
}

fn is_readable(number: u64) -> bool {
    let mut poll = libc::pollfd { fd: number as i32, events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 && poll.revents & libc::POLLIN != 0 }
}

fn nt_open(nt_handle: u64, device: d3dkmthandle) -> sys::d3dkmt_opensyncobjectfromnthandle2 {
    sys::d3dkmt_opensyncobjectfromnthandle2 { nt_handle, device, ..Default::default() }
}

fn shared_fence(client: &Client, device: d3dkmthandle, initial: u64) -> Fence {
    let mut args = Client::fence_args(device, initial);
    args.info.flags.set_shared(true);
    args.info.flags.set_nt_security_sharing(true);
    let args = client.ok(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, args);
    let fence = args.info.u.monitored_fence();
    Fence { handle: args.sync_object, cpu: fence.fence_cpu_virtual_address, gpu: fence.fence_gpu_virtual_address }
}

pub fn sharing(book: &mut Book) {
    let mut g = book.group("sharing");
    let device = g.client.device(g.client.enumerate());
    let context = g.client.context(device);
    let fence = shared_fence(&g.client, device, 5);
    let mut fd = 0u64;
    let out = &mut fd as *mut u64 as u64;
    g.case("share_ok", |c| c.call(sys::LX_DXSHAREOBJECTS, &mut share(&[fence.handle], out)));
    // SAFETY: written through its address by the call above.
    let fd = unsafe { (out as *const u64).read_volatile() };
    g.expect("share_ok", "a descriptor", fd > 2);
    let mut scratch = 0u64;
    let scratch = &mut scratch as *mut u64 as u64;
    let mut run = |case: &str, mut args: sys::d3dkmt_shareobjects| {
        g.case(case, |c| c.call(sys::LX_DXSHAREOBJECTS, &mut args));
    };
    run("share_two", share(&[fence.handle; 2], scratch));
    run("share_0", share(&[NONE], scratch));
    run("share_device", share(&[device], scratch));
    run("share_bad_ptr", sys::d3dkmt_shareobjects { objects: BAD, ..share(&[fence.handle], scratch) });
    run("share_bad_out_ptr", share(&[fence.handle], BAD));

    let mut opened = nt_open(fd, device);
    g.case("open_ok", |c| c.call(sys::LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &mut opened));
    let second = Fence { handle: opened.sync_object, cpu: opened.u.monitored_fence().fence_value_cpu_va, gpu: 0 };
    g.expect("open_ok", "another handle, the same value", second.handle != fence.handle && second.value() == 5);
    for (case, number, device) in
        [("open_bad_fd", 999, device), ("open_wrong_fd_type", 1, device), ("open_device_0", fd, NONE)]
    {
        g.case(case, |c| c.call(sys::LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &mut nt_open(number, device)));
    }
    sync_files(&mut g, device, context, fence);
    let host =
        |object_handle| sys::d3dkmt_shareobjectwithhost { device_handle: device, object_handle, ..Default::default() };
    g.case("share_with_host", |c| c.call(sys::LX_DXSHAREOBJECTWITHHOST, &mut host(fence.handle)));
    g.case("share_with_host_garbage", |c| {
        c.call(sys::LX_DXSHAREOBJECTWITHHOST, &mut host(d3dkmthandle { v: 0x4141_4141 }))
    });
    g.client.ok(
        sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT,
        sys::d3dkmt_destroysynchronizationobject { sync_object: fence.handle },
    );
    g.note("second_handle_alive", readable(second.cpu));
    let mut again = nt_open(fd, device);
    g.case("open_after_original_destroyed", |c| c.call(sys::LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &mut again));
    drop(owned(fd));
}

fn sync_files(g: &mut Group<'_>, device: d3dkmthandle, context: d3dkmthandle, fence: Fence) {
    let create = |device, monitored_fence| sys::d3dkmt_createsyncfile {
        device,
        monitored_fence,
        fence_value: 100,
        ..Default::default()
    };
    let made = g.client.ok(sys::LX_DXCREATESYNCFILE, create(device, fence.handle));
    let file = made.sync_file_handle;
    let before = is_readable(file);
    let wait = |sync_file_handle, context| sys::d3dkmt_waitsyncfile { sync_file_handle, context, ..Default::default() };
    g.client.signal_cpu(device, fence.handle, 101);
    let holds = !before && is_readable(file);
    g.note("syncfile_signal", holds);
    g.case("syncfile_wait_on_context", |c| c.call(sys::LX_DXWAITSYNCFILE, &mut wait(file, context)));
    g.case("syncfile_wait_context_0", |c| c.call(sys::LX_DXWAITSYNCFILE, &mut wait(file, NONE)));
    let mut open = sys::d3dkmt_opensyncobjectfromsyncfile { sync_file_handle: file, device, ..Default::default() };
    g.case("syncfile_open_syncobj", |c| c.call(sys::LX_DXOPENSYNCOBJECTFROMSYNCFILE, &mut open));
    let opened = Fence { handle: open.syncobj, cpu: open.fence_value_cpu_va, gpu: 0 };
    g.expect("syncfile_open_syncobj", "value 101 in memory", opened.value() == 101 && open.fence_value == 100);
    g.case("syncfile_wait_bad_fd", |c| c.call(sys::LX_DXWAITSYNCFILE, &mut wait(999, context)));
    g.case("syncfile_create_fence_0", |c| c.call(sys::LX_DXCREATESYNCFILE, &mut create(device, NONE)));
    g.case("syncfile_create_device_0", |c| c.call(sys::LX_DXCREATESYNCFILE, &mut create(NONE, fence.handle)));
    drop(owned(file));
}

pub fn resource(book: &mut Book) {
    let mut g = book.group("sharing-resource");
    let device = g.client.device(g.client.enumerate());
    let private = [0x11u8, 0x22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (runtime, own) = ([0x77u8; 8], [0x88u8; 4]);
    let info = sys::d3dddi_allocationinfo2 {
        priv_drv_data: private.as_ptr() as u64,
        priv_drv_data_size: 16,
        ..Default::default()
    };
    let mut infos = [info; 2];
    let (outcome, args) = create(&g.client, device, &mut infos, |args| {
        args.flags.set_create_resource(true);
        args.flags.set_create_shared(true);
        args.flags.set_nt_security_sharing(true);
        args.private_runtime_data = runtime.as_ptr() as u64;
        args.private_runtime_data_size = 8;
        args.u.set_priv_drv_data(own.as_ptr() as u64);
        args.priv_drv_data_size = 4;
    });
    assert_eq!(outcome.ret, 0, "{outcome:?}");
    let resource = args.resource;
    let mut fd = 0u64;
    let out = &mut fd as *mut u64 as u64;
    assert_eq!(g.client.call(sys::LX_DXSHAREOBJECTS, &mut share(&[resource], out)).ret, 0);
    // SAFETY: written through its address by the call above.
    let fd = unsafe { (out as *const u64).read_volatile() };
    g.case("add_alloc_to_sealed_resource", |c| {
        create(c, device, &mut [sys::d3dddi_allocationinfo2::default()], |args| args.resource = resource).0
    });
    let query = |device| sys::d3dkmt_queryresourceinfofromnthandle { device, nt_handle: fd, ..Default::default() };
    g.case("query_info_device_0", |c| c.call(sys::LX_DXQUERYRESOURCEINFOFROMNTHANDLE, &mut query(NONE)));
    let sizes = g.client.ok(sys::LX_DXQUERYRESOURCEINFOFROMNTHANDLE, query(device));
    assert_eq!((sizes.allocation_count, sizes.total_priv_drv_data_size), (2, 32));
    let (mut runtime_out, mut own_out, mut total) = ([0u8; 8], [0u8; 4], [0u8; 32]);
    let mut opened = [sys::d3dddi_openallocationinfo2::default(); 2];
    let (opened_at, runtime_at, own_at, total_at) = (
        opened.as_mut_ptr() as u64,
        runtime_out.as_mut_ptr() as u64,
        own_out.as_mut_ptr() as u64,
        total.as_mut_ptr() as u64,
    );
    let open = |nt_handle, total_priv_drv_data_size| sys::d3dkmt_openresourcefromnthandle {
        device,
        nt_handle,
        allocation_count: 2,
        open_alloc_info: opened_at,
        private_runtime_data_size: 8,
        private_runtime_data: runtime_at,
        resource_priv_drv_data_size: 4,
        resource_priv_drv_data: own_at,
        total_priv_drv_data_size,
        total_priv_drv_data: total_at,
        ..Default::default()
    };
    let mut args = open(fd, 32);
    g.case("open_resource_ok", |c| c.call(sys::LX_DXOPENRESOURCEFROMNTHANDLE, &mut args));
    // SAFETY: arrays of this function, written through their addresses by the call above.
    let (first, runtime_out, own_out, total) = unsafe {
        let first = (opened_at as *const sys::d3dddi_openallocationinfo2).read_volatile();
        let runtime = (runtime_at as *const [u8; 8]).read_volatile();
        (first, runtime, (own_at as *const [u8; 4]).read_volatile(), (total_at as *const [u8; 32]).read_volatile())
    };
    let same = runtime_out == runtime && own_out == own && total[..16] == private && total[16..] == private;
    g.expect(
        "open_resource_ok",
        "handles and all private data",
        same && !first.allocation.is_null() && !args.resource.is_null(),
    );
    g.case("open_resource_small_buffer", |c| c.call(sys::LX_DXOPENRESOURCEFROMNTHANDLE, &mut open(fd, 31)));
    g.case("open_resource_wrong_fd", |c| c.call(sys::LX_DXOPENRESOURCEFROMNTHANDLE, &mut open(1, 32)));
    g.case("lock_opened_alloc", |c| c.lock(device, first.allocation).0);
    let destroy = |resource, list: &[d3dkmthandle]| sys::d3dkmt_destroyallocation2 {
        device,
        resource,
        allocations: list.as_ptr() as u64,
        alloc_count: list.len() as u32,
        ..Default::default()
    };
    g.case("destroy_alloc_of_shared_resource", |c| {
        c.call(sys::LX_DXDESTROYALLOCATION2, &mut destroy(NONE, &[infos[0].allocation]))
    });
    g.case("destroy_shared_resource_fd_open", |c| c.call(sys::LX_DXDESTROYALLOCATION2, &mut destroy(resource, &[])));
    drop(owned(fd));
}

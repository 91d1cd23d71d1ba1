//! Groups: allocation, allocation-existing-sysmem, lock2, allocation-destroy.

use dxg_io::boundary::RawOutcome;
use dxg_io::software::HostAnswer;
use dxg_io::status::NtStatus;
use dxg_io::sys::{self, d3dkmthandle};

use crate::book::{Book, Group};
use crate::raw::{Client, PAGE, Pages, readable};

const BAD: u64 = 0x1000;
const NONE: d3dkmthandle = d3dkmthandle { v: 0 };

type Args = sys::d3dkmt_createallocation;
type Info = sys::d3dddi_allocationinfo2;

/// Creates with these infos, after `change` has had its way with the arguments.
pub fn create(
    client: &Client,
    device: d3dkmthandle,
    infos: &mut [Info],
    change: impl FnOnce(&mut Args),
) -> (RawOutcome, Args) {
    let mut args = Args {
        device,
        alloc_count: infos.len() as u32,
        allocation_info: infos.as_mut_ptr() as u64,
        ..Default::default()
    };
    change(&mut args);
    let outcome = client.call(sys::LX_DXCREATEALLOCATION, &mut args);
    (outcome, args)
}

pub fn allocation(book: &mut Book) {
    let mut g = book.group("allocation");
    let device = g.client.device(g.client.enumerate());
    let data = vec![0u8; 131_073];
    let plain = |case: &str, g: &mut Group<'_>, info: Info, change: &dyn Fn(&mut Args)| {
        g.case(case, |c| create(c, device, &mut [info], change).0);
    };
    let info = Info::default();
    let private = |size| Info { priv_drv_data: data.as_ptr() as u64, priv_drv_data_size: size, ..info };
    plain("create_count_0", &mut g, info, &|args| args.alloc_count = 0);
    plain("create_bad_info_ptr", &mut g, info, &|args| args.allocation_info = BAD);
    plain("create_priv_128K", &mut g, private(131_072), &|_| ());
    plain("create_priv_128K_minus_1", &mut g, private(131_071), &|_| ());
    plain("create_runtime_128K", &mut g, info, &|args| {
        args.private_runtime_data = data.as_ptr() as u64;
        args.private_runtime_data_size = 131_072;
    });
    plain("create_shared_without_resource", &mut g, info, &|args| {
        args.flags.set_create_shared(true);
        args.flags.set_nt_security_sharing(true);
    });
    plain("create_protected", &mut g, info, &|args| args.flags.set_create_protected(true));
    plain("create_device_0", &mut g, info, &|args| args.device = NONE);
    plain("create_bad_resource", &mut g, info, &|args| args.resource = d3dkmthandle { v: 0x1234 });
    let mut infos = [info];
    let mut resource = NONE;
    g.case("create_resource_ok", |c| {
        let (outcome, args) = create(c, device, &mut infos, |args| args.flags.set_create_resource(true));
        resource = args.resource;
        outcome
    });
    g.expect("create_resource_ok", "two handles", !resource.is_null() && !infos[0].allocation.is_null());
}

/// A standard allocation over the caller's memory.
fn standard(
    client: &Client,
    device: d3dkmthandle,
    address: u64,
    bytes: u64,
    change: impl FnOnce(&mut Args),
) -> (RawOutcome, d3dkmthandle) {
    let mut standard = sys::d3dkmt_createstandardallocation {
        r#type: sys::_D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP,
        ..Default::default()
    };
    standard.existing_heap_data.size = bytes;
    let mut infos = [Info { sysmem: address, ..Default::default() }; 2];
    let (outcome, _) = create(client, device, &mut infos, |args| {
        args.alloc_count = 1;
        args.flags.set_standard_allocation(true);
        args.flags.set_existing_sysmem(true);
        args.u.set_standard_allocation(&mut standard as *mut _ as u64);
        change(args);
    });
    (outcome, infos[0].allocation)
}

pub fn existing_memory(book: &mut Book) {
    let mut g = book.group("allocation-existing-sysmem");
    let device = g.client.device(g.client.enumerate());
    let memory = Pages::writable(16);
    let bytes = 16 * PAGE as u64;
    let mut made = NONE;
    g.case("std_ok", |c| {
        let (outcome, allocation) = standard(c, device, memory.0, bytes, |_| ());
        made = allocation;
        outcome
    });
    g.expect("std_ok", "a handle", !made.is_null());
    g.case("std_unaligned", |c| standard(c, device, memory.0 + 8, bytes, |_| ()).0);
    g.case("std_null_sysmem", |c| standard(c, device, 0, bytes, |_| ()).0);
    g.case("std_without_existing_sysmem_flag", |c| {
        standard(c, device, memory.0, bytes, |args| args.flags.set_existing_sysmem(false)).0
    });
    let mut cross = sys::d3dkmt_createstandardallocation {
        r#type: sys::_D3DKMT_STANDARDALLOCATIONTYPE_CROSSADAPTER,
        ..Default::default()
    };
    cross.existing_heap_data.size = bytes;
    g.case("std_crossadapter_with_sysmem", |c| {
        standard(c, device, memory.0, bytes, |args| args.u.set_standard_allocation(&cross as *const _ as u64)).0
    });
    g.case("std_size_5000", |c| standard(c, device, memory.0, 5000, |_| ()).0);
    g.case("std_two_allocs", |c| standard(c, device, memory.0, bytes, |args| args.alloc_count = 2).0);
    g.case("std_with_priv", |c| standard(c, device, memory.0, bytes, |args| args.priv_drv_data_size = 8).0);
    g.case("std_null_ptr", |c| standard(c, device, memory.0, bytes, |args| args.u.set_standard_allocation(0)).0);
    g.case("std_bad_ptr", |c| standard(c, device, memory.0, bytes, |args| args.u.set_standard_allocation(BAD)).0);
    let none = Pages::new(16, libc::PROT_NONE);
    let read = Pages::new(16, libc::PROT_READ);
    let gone = Pages::writable(16);
    // SAFETY: our own mapping, which nothing refers to; unmapping it again on drop is harmless before others map there.
    unsafe { libc::munmap(gone.0 as *mut _, 16 * PAGE) };
    g.case("std_unmapped_sysmem", |c| standard(c, device, gone.0, bytes, |_| ()).0);
    std::mem::forget(gone);
    g.case("std_prot_none", |c| standard(c, device, none.0, bytes, |_| ()).0);
    g.case("std_prot_read", |c| standard(c, device, read.0, bytes, |_| ()).0);
    assert_eq!(standard(&g.client, device, read.0, bytes, |args| args.flags.set_read_only(true)).0.ret, 0);
    let at = |sysmem| Info { sysmem, ..Default::default() };
    g.case("nonstd_unaligned", |c| create(c, device, &mut [at(memory.0 + 16)], |_| ()).0);
    g.case("nonstd_mixed_sysmem", |c| create(c, device, &mut [at(memory.0), at(0)], |_| ()).0);
    g.adapter.answer_next("SETEXISTINGSYSMEMPAGES", HostAnswer::Status(NtStatus::INVALID_PARAMETER));
    g.case("nonstd_host_refuses_pages", |c| create(c, device, &mut [at(memory.0)], |_| ()).0);
}

pub fn lock(book: &mut Book) {
    let mut g = book.group("lock2");
    let adapter = g.client.enumerate();
    let (device, other) = (g.client.device(adapter), g.client.device(adapter));
    let allocation = g.client.allocation(device, 65_536);
    let memory = Pages::writable(16);
    let (_, existing) = standard(&g.client, device, memory.0, 16 * PAGE as u64, |_| ());
    let lock = |g: &mut Group<'_>, case: &str, device, allocation| {
        let mut data = 0;
        g.case(case, |c| {
            let (outcome, address) = c.lock(device, allocation);
            data = address;
            outcome
        });
        data
    };
    let unlock = |g: &mut Group<'_>, case: &str, allocation| {
        g.case(case, |c| c.call(sys::LX_DXUNLOCK2, &mut sys::d3dkmt_unlock2 { device, allocation }));
    };
    let first = lock(&mut g, "lock_ok", device, allocation);
    // SAFETY: the locked pages are ours to write.
    unsafe { (first as *mut u64).write_volatile(1) };
    let again = lock(&mut g, "lock_again", device, allocation);
    g.expect("lock_again", "the same address", first == again);
    unlock(&mut g, "unlock_1", allocation);
    g.expect("unlock_1", "still mapped", readable(first));
    unlock(&mut g, "unlock_2", allocation);
    g.expect("unlock_2", "unmapped", !readable(first));
    lock(&mut g, "lock_wrong_type", device, device);
    lock(&mut g, "lock_device_0", NONE, allocation);
    lock(&mut g, "lock_other_device", other, allocation);
    let data = lock(&mut g, "lock_sysmem_device_0", NONE, existing);
    g.expect("lock_sysmem_device_0", "the client's own address", data == memory.0);
    unlock(&mut g, "unlock_sysmem", existing);
    unlock(&mut g, "unlock_sysmem_again", existing);
}

pub fn destroy(book: &mut Book) {
    let mut g = book.group("allocation-destroy");
    let adapter = g.client.enumerate();
    let (device, other) = (g.client.device(adapter), g.client.device(adapter));
    let allocation = g.client.allocation(device, 65_536);
    let memory = Pages::writable(16);
    let (_, existing) = standard(&g.client, device, memory.0, 16 * PAGE as u64, |_| ());
    let mut member = [Info::default()];
    let (outcome, args) = create(&g.client, device, &mut member, |args| args.flags.set_create_resource(true));
    assert_eq!(outcome.ret, 0);
    let (member, resource) = (member[0].allocation, args.resource);
    let destroy = |device, resource, list: &[d3dkmthandle]| sys::d3dkmt_destroyallocation2 {
        device,
        resource,
        allocations: list.as_ptr() as u64,
        alloc_count: list.len() as u32,
        ..Default::default()
    };
    let (_, address) = g.client.lock(device, allocation);
    let mut run = |case: &str, mut args: sys::d3dkmt_destroyallocation2| {
        g.case(case, |c| c.call(sys::LX_DXDESTROYALLOCATION2, &mut args));
    };
    run("destroy_both", destroy(device, resource, &[allocation]));
    run("destroy_bad_ptr", sys::d3dkmt_destroyallocation2 { allocations: BAD, ..destroy(device, NONE, &[allocation]) });
    run("destroy_other_device", destroy(other, NONE, &[allocation]));
    run("destroy_device_0", destroy(NONE, NONE, &[allocation]));
    run("destroy_second_garbage", destroy(device, NONE, &[allocation, d3dkmthandle { v: 0x4141_4141 }]));
    run("destroy_mixed_owner", destroy(device, NONE, &[allocation, member]));
    run("destroy_locked_ok", destroy(device, NONE, &[allocation]));
    run("destroy_twice", destroy(device, NONE, &[allocation]));
    run("destroy_sysmem_ok", destroy(device, NONE, &[existing]));
    run("destroy_resource_ok", destroy(device, resource, &[]));
    run("destroy_alloc_of_dead_resource", destroy(device, NONE, &[member]));
    g.expect("destroy_locked_ok", "the lock is unmapped", !readable(address));
    g.expect("destroy_sysmem_ok", "the memory is still ours", readable(memory.0));
    let (queue, _) = g.client.paging_queue(device);
    let rest = g.client.allocation(device, 4096);
    g.client.ok(sys::LX_DXDESTROYPAGINGQUEUE, sys::d3dddi_destroypagingqueue { paging_queue: queue });
    g.case("makeresident_stale_pq", |c| c.make_resident(queue, rest).0);
}

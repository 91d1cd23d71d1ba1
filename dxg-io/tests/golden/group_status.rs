//! Group: ntstatus-mapping. The host's answers are scripted: this is what the driver makes of them.

use dxg_io::software::HostAnswer;
use dxg_io::status::NtStatus;
use dxg_io::sys::{self, d3dkmthandle};

use crate::book::Book;
use crate::group_allocation::create;
use crate::raw::Client;

pub fn status_mapping(book: &mut Book) {
    let mut g = book.group("ntstatus-mapping");
    let adapter = g.client.enumerate();
    // The first object takes table entry 0, which the all-zero answers run into.
    let device = g.client.device(adapter);
    assert_eq!(device.v, 0x4000_0000);
    for status in [
        0xc000_0035u32,
        0xc000_0017,
        0xc000_000d,
        0xc000_0034,
        0xc000_0023,
        0xc000_02b6,
        0xc000_0022,
        0xc000_00bb,
        0xc000_001d,
        0xc01e_0102,
        0xc000_0024,
        0xc000_0001,
        0x401e_0117,
    ] {
        g.adapter.answer_next("FLUSHHEAPTRANSITIONS", HostAnswer::Status(NtStatus(status as i32)));
        let mut args = sys::d3dkmt_flushheaptransitions { adapter };
        g.case(&format!("host_{status:08x}"), |c| c.call(sys::LX_DXFLUSHHEAPTRANSITIONS, &mut args));
    }
    let (queue, _) = g.client.paging_queue(device);
    let allocation = g.client.allocation(device, 4096);
    g.adapter.answer_next("MAPGPUVIRTUALADDRESS", HostAnswer::FourBytes(NtStatus::SUCCESS));
    g.case("short_answer", |c| c.map_va(queue, allocation, 1).0);

    let refuse = HostAnswer::Zeroes { status: NtStatus::INVALID_PARAMETER };
    let zeroes = HostAnswer::Zeroes { status: NtStatus::SUCCESS };
    g.adapter.answer_next("CREATESYNCOBJECT", zeroes);
    g.case("createsync_monitored_all_zero_answer", |c| {
        c.call(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, &mut Client::fence_args(device, 0))
    });
    let untyped = |device| sys::d3dkmt_createsynchronizationobject2 { device, ..Default::default() };
    g.adapter.answer_next("CREATESYNCOBJECT", refuse);
    let mut args = untyped(device);
    g.case("createsync_type0_all_zero_answer", |c| c.call(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, &mut args));
    g.expect("createsync_type0_all_zero_answer", "no handle", args.sync_object.is_null());
    g.adapter.answer_next("CREATEPAGINGQUEUE", zeroes);
    g.case("createpq_all_zero_answer", |c| {
        c.call(sys::LX_DXCREATEPAGINGQUEUE, &mut sys::d3dkmt_createpagingqueue { device, ..Default::default() })
    });
    g.adapter.answer_next("CREATEALLOCATION", zeroes);
    g.adapter.answer_next("DESTROYALLOCATION", HostAnswer::Status(NtStatus::INVALID_PARAMETER));
    g.case("createalloc_all_zero_answer", |c| {
        create(c, device, &mut [sys::d3dddi_allocationinfo2::default()], |_| ()).0
    });
    let second = g.client.device(adapter);
    // The device that sits at entry 0 goes, and the host says no.
    let mut empty = sys::d3dkmt_destroyallocation2 {
        device,
        allocations: &allocation as *const d3dkmthandle as u64,
        alloc_count: 1,
        ..Default::default()
    };
    assert_eq!(g.client.call(sys::LX_DXDESTROYALLOCATION2, &mut empty).ret, 0);
    g.adapter.answer_next("DESTROYDEVICE", HostAnswer::Status(NtStatus::INVALID_PARAMETER));
    g.case("destroydevice_host_fails", |c| c.call(sys::LX_DXDESTROYDEVICE, &mut sys::d3dkmt_destroydevice { device }));
    g.adapter.answer_next("CREATESYNCOBJECT", refuse);
    let mut args = untyped(second);
    g.case("createsync_type0_entry0_free", |c| c.call(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, &mut args));
    g.expect("createsync_type0_entry0_free", "handle 0", args.sync_object.is_null());
}

//! Group: paging.

use dxg_io::sys::{self, d3dkmthandle};

use crate::book::Book;

const BAD: u64 = 0x1000;
const NONE: d3dkmthandle = d3dkmthandle { v: 0 };
const GARBAGE: d3dkmthandle = d3dkmthandle { v: 0x4141_4141 };

pub fn paging(book: &mut Book) {
    let mut g = book.group("paging");
    let adapter = g.client.enumerate();
    let device = g.client.device(adapter);
    let (queue, fence) = g.client.paging_queue(device);
    let allocation = g.client.allocation(device, 65_536);
    let list = [allocation];
    let list_address = list.as_ptr() as u64;

    let mut value = 0;
    g.case("makeresident_ok", |c| {
        let (outcome, fence) = c.make_resident(queue, allocation);
        value = fence;
        outcome
    });
    g.expect("makeresident_ok", "the fence reaches 1", value == 1 && fence.value() >= 1);
    let resident = |paging_queue, alloc_count, allocation_list| sys::d3dddi_makeresident {
        paging_queue,
        alloc_count,
        allocation_list,
        ..Default::default()
    };
    for (case, queue, count, list) in [
        ("makeresident_count_0", queue, 0, list_address),
        ("makeresident_pq_0", NONE, 1, list_address),
        ("makeresident_pq_is_device", device, 1, list_address),
        ("makeresident_bad_list", queue, 1, BAD),
    ] {
        g.case(case, |c| c.call(sys::LX_DXMAKERESIDENT, &mut resident(queue, count, list)));
    }
    let mut untouched = sys::d3dddi_makeresident {
        paging_fence_value: 77,
        num_bytes_to_trim: 88,
        ..resident(queue, 1, &GARBAGE as *const _ as u64)
    };
    g.case("makeresident_garbage_alloc", |c| c.call(sys::LX_DXMAKERESIDENT, &mut untouched));
    let kept = (untouched.paging_fence_value, untouched.num_bytes_to_trim) == (77, 88);
    g.expect("makeresident_garbage_alloc", "outputs are not written", kept);

    let mut address = 0;
    g.case("map_ok", |c| {
        let (outcome, mapped, fence) = c.map_va(queue, allocation, 16);
        (address, value) = (mapped, fence);
        outcome
    });
    g.expect("map_ok", "an address and fence value 2", address != 0 && value == 2 && fence.value() >= 2);
    g.case("map_pq_0", |c| c.map_va(NONE, allocation, 16).0);
    g.case("map_garbage_alloc", |c| c.map_va(queue, GARBAGE, 16).0);
    let mut reserve = sys::d3dddi_reservegpuvirtualaddress { adapter, size: 1 << 20, ..Default::default() };
    g.case("reserve_adapter", |c| c.call(sys::LX_DXRESERVEGPUVIRTUALADDRESS, &mut reserve));
    let base = reserve.virtual_address;
    g.expect("reserve_adapter", "an address", base != 0);
    let free = |adapter| sys::d3dkmt_freegpuvirtualaddress {
        adapter,
        base_address: base,
        size: 1 << 20,
        ..Default::default()
    };
    g.case("free_va_ok", |c| c.call(sys::LX_DXFREEGPUVIRTUALADDRESS, &mut free(adapter)));
    g.case("free_va_pq", |c| c.call(sys::LX_DXFREEGPUVIRTUALADDRESS, &mut free(queue)));
    let evict = |device| sys::d3dkmt_evict { device, alloc_count: 1, allocations: list_address, ..Default::default() };
    g.case("evict_ok", |c| c.call(sys::LX_DXEVICT, &mut evict(device)));
    g.case("evict_device_0", |c| c.call(sys::LX_DXEVICT, &mut evict(NONE)));
    let mut update = sys::d3dkmt_updategpuvirtualaddress { device, ..Default::default() };
    g.case("update_va_0_ops", |c| c.call(sys::LX_DXUPDATEGPUVIRTUALADDRESS, &mut update));
    let offer = |resources, allocations| sys::d3dkmt_offerallocations {
        device,
        resources,
        allocations,
        allocation_count: 1,
        ..Default::default()
    };
    g.case("offer_ok", |c| c.call(sys::LX_DXOFFERALLOCATIONS, &mut offer(0, list_address)));
    g.case("offer_both_ptrs", |c| c.call(sys::LX_DXOFFERALLOCATIONS, &mut offer(list_address, list_address)));
    let mut reclaim =
        sys::d3dkmt_reclaimallocations2 { paging_queue: queue, allocation_count: 1, ..Default::default() };
    g.case("reclaim_no_ptrs", |c| c.call(sys::LX_DXRECLAIMALLOCATIONS2, &mut reclaim));
    let mut residency = sys::d3dkmt_queryallocationresidency { device, ..Default::default() };
    g.case("residency_nothing", |c| c.call(sys::LX_DXQUERYALLOCATIONRESIDENCY, &mut residency));
    let mut priority = [0x7800_0000u32];
    let mut set = sys::d3dkmt_setallocationpriority {
        device,
        allocation_list: list_address,
        allocation_count: 1,
        priorities: priority.as_ptr() as u64,
        ..Default::default()
    };
    g.case("setprio_ok", |c| c.call(sys::LX_DXSETALLOCATIONPRIORITY, &mut set));
    priority[0] = 0;
    let mut get = sys::d3dkmt_getallocationpriority {
        device,
        allocation_list: list_address,
        allocation_count: 1,
        priorities: priority.as_mut_ptr() as u64,
        ..Default::default()
    };
    g.case("getprio_ok", |c| c.call(sys::LX_DXGETALLOCATIONPRIORITY, &mut get));
    g.expect("getprio_ok", "0x78000000", priority[0] == 0x7800_0000);
    let property =
        |allocation| sys::d3dddi_updateallocproperty { paging_queue: queue, allocation, ..Default::default() };
    g.case("updateprop_ok", |c| c.call(sys::LX_DXUPDATEALLOCPROPERTY, &mut property(allocation)));
    g.case("updateprop_alloc_0", |c| c.call(sys::LX_DXUPDATEALLOCPROPERTY, &mut property(NONE)));
}

//! Groups: lifetime, adapter-removed.

use dxg_io::sys::{self, d3dkmthandle};

use crate::book::{Book, Group};
use crate::group_sync::interrupted;
use crate::raw::{Client, Event, readable};

fn submit(context: d3dkmthandle) -> sys::d3dkmt_submitcommand {
    let mut args = sys::d3dkmt_submitcommand { broadcast_context_count: 1, ..Default::default() };
    args.broadcast_context[0] = context;
    args
}

fn state(device: d3dkmthandle, state_type: u32) -> sys::d3dkmt_getdevicestate {
    sys::d3dkmt_getdevicestate { device, state_type, ..Default::default() }
}

fn execution(device: d3dkmthandle) -> sys::d3dkmt_getdevicestate {
    state(device, sys::_D3DKMT_DEVICESTATE_EXECUTION)
}

fn device_with_everything(g: &mut Group<'_>) {
    let device = g.client.device(g.client.enumerate());
    let (context, _second) = (g.client.context(device), g.client.context(device));
    let (queue, progress) = g.client.hw_queue(context);
    let (paging_queue, paging) = g.client.paging_queue(device);
    let fence = g.client.fence(device, 0);
    let allocation = g.client.allocation(device, 65_536);
    let (_, locked) = g.client.lock(device, allocation);
    let mut mutex = sys::d3dkmt_createsynchronizationobject2 { device, ..Default::default() };
    mutex.info.r#type = sys::_D3DDDI_SYNCHRONIZATION_MUTEX;
    let mutex = g.client.ok(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, mutex).sync_object;
    let event = Event::new();
    g.case("pending_async_wait", |c| c.wait_cpu(device, fence.handle, 99, Some(&event)));
    g.case("destroy_device_with_everything", |c| {
        c.call(sys::LX_DXDESTROYDEVICE, &mut sys::d3dkmt_destroydevice { device })
    });
    let mapped = [fence.cpu, paging.cpu, progress.cpu, locked].map(readable);
    g.expect("destroy_device_with_everything", "all mappings gone", mapped == [false; 4]);
    g.expect("destroy_device_with_everything", "the pending wait does not fire", event.take().is_none());
    g.case("submit_after", |c| c.call(sys::LX_DXSUBMITCOMMAND, &mut submit(context)));
    g.case("submit_hwq_after", |c| c.submit_to_hw_queue(queue, 0, 0, 1));
    g.case("wait_after", |c| c.wait_cpu(device, fence.handle, 0, None));
    g.case("lock_after", |c| c.lock(device, allocation).0);
    let mut args = sys::d3dkmt_destroysynchronizationobject { sync_object: mutex };
    g.case("destroy_mutex_after", |c| c.call(sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT, &mut args));
    g.case("destroy_pq_after", |c| {
        c.call(sys::LX_DXDESTROYPAGINGQUEUE, &mut sys::d3dddi_destroypagingqueue { paging_queue })
    });
    g.case("getstate_after", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut execution(device)));
}

pub fn lifetime(book: &mut Book) {
    let mut g = book.group("lifetime");
    device_with_everything(&mut g);

    let second = Client::new(&g.adapter);
    let adapter = g.client.enumerate();
    let device = g.client.device(adapter);
    let fence = g.client.fence(device, 0);
    let first = std::mem::replace(&mut g.client, second);
    drop(first);
    g.case("after_closing_first_fd", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut execution(device)));
    g.expect("after_closing_first_fd", "the fence is mapped", readable(fence.cpu));

    // All handles of the adapter but one are closed (an earlier part opened one, too), then the last.
    let others = [d3dkmthandle { v: 0x4000_0000 }, g.client.enumerate()];
    let close = |adapter_handle| sys::d3dkmt_closeadapter { adapter_handle };
    g.client.ok(sys::LX_DXCLOSEADAPTER, close(others[0]));
    g.case("close_adapter_with_device_other_ref_open", |c| c.call(sys::LX_DXCLOSEADAPTER, &mut close(adapter)));
    g.case("device_after_its_adapter_handle_closed", |c| {
        c.call(sys::LX_DXGETDEVICESTATE, &mut state(device, sys::_D3DKMT_DEVICESTATE_RESET))
    });
    g.client.ok(sys::LX_DXCLOSEADAPTER, close(others[1]));
    g.case("device_after_last_adapter_handle", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut execution(device)));

    let device = g.client.device(g.client.enumerate());
    let fence = g.client.fence(device, 0);
    g.adapter.take_message_log();
    let fresh = crate::raw::adapter(dxg_io::software::Parameters::zero());
    let last = std::mem::replace(&mut g.client, Client::new(&fresh));
    drop(last);
    let log: Vec<&str> = g.adapter.take_message_log().iter().map(|message| message.command).collect();
    let holds = log == ["FLUSHDEVICE", "DESTROYDEVICE", "DESTROYPROCESS"] && !readable(fence.cpu);
    g.note("close_last_fd", holds);
    g.client = Client::new(&g.adapter);
    g.case("reopened_fd_old_handle", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut execution(device)));
}

pub fn adapter_removed(book: &mut Book) {
    let mut g = book.group("adapter-removed");
    let adapter = g.client.enumerate();
    let device = g.client.device(adapter);
    let context = g.client.context(device);
    let fence = g.client.fence(device, 1);
    // A blocking wait begins before the adapter goes; only a Unix signal ends it.
    let waited = {
        let (shared, client) = (&g.adapter, &g.client);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| interrupted(|| client.wait_cpu(device, fence.handle, 99, None)));
            while !shared.take_message_log().iter().any(|message| message.command == "WAITFORSYNCOBJECTFROMCPU") {
                std::thread::yield_now();
            }
            shared.remove_adapter();
            waiter.join().unwrap()
        })
    };
    g.note("remove_vgpu", true);
    g.case("getstate_reset", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut state(device, sys::_D3DKMT_DEVICESTATE_RESET)));
    g.case("submit", |c| c.call(sys::LX_DXSUBMITCOMMAND, &mut submit(context)));
    g.case("create_device", |c| {
        c.call(sys::LX_DXCREATEDEVICE, &mut sys::d3dkmt_createdevice { adapter, ..Default::default() })
    });
    let mut infos = [sys::d3dkmt_adapterinfo::default(); 4];
    for (case, adapters, count) in [("enum3_count", 0, 1), ("enum3_list", infos.as_mut_ptr() as u64, 0)] {
        let mut args = sys::d3dkmt_enumadapters3 { adapter_count: 4, adapters, ..Default::default() };
        g.case(case, |c| c.call(sys::LX_DXENUMADAPTERS3, &mut args));
        g.expect(case, "the count", args.adapter_count == count);
    }
    g.note("fence_mapping", fence.value() == 1);
    g.note("stuck_waiter", (waited.ret, waited.errno) == (-1, libc::EINTR));
    let mut args = sys::d3dkmt_destroysynchronizationobject { sync_object: fence.handle };
    g.case("destroy_fence", |c| c.call(sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT, &mut args));
    g.case("destroy_context", |c| c.call(sys::LX_DXDESTROYCONTEXT, &mut sys::d3dkmt_destroycontext { context }));
    g.case("close_adapter", |c| {
        c.call(sys::LX_DXCLOSEADAPTER, &mut sys::d3dkmt_closeadapter { adapter_handle: adapter })
    });
    g.note("end", true);
}

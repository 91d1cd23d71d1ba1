//! Groups: ioctl-layer, adapter, device.

use dxg_io::software::HostAnswer;
use dxg_io::status::NtStatus;
use dxg_io::sys::{self, d3dkmthandle};

use crate::book::Book;
use crate::raw::Pages;

const BAD: u64 = 0x1000;

pub fn ioctl_layer(book: &mut Book) {
    let mut g = book.group("ioctl-layer");
    let mut bytes = [0u64; 128];
    let base = bytes.as_mut_ptr() as u64;
    let request =
        |direction: u32, size: u32, letter: u32, number: u32| direction << 30 | size << 16 | letter << 8 | number;
    let dxg = |number| request(3, 12, u32::from(b'G'), number);
    g.case("unknown_nr_0", |c| c.call_at(dxg(0), base));
    g.case("hole_nr_0x17", |c| c.call_at(dxg(0x17), base));
    g.case("nr_past_end", |c| c.call_at(dxg(0x48), base));
    g.case("nr_255", |c| c.call_at(dxg(0xff), base));
    g.case("wrong_size", |c| c.call_at(request(3, 4, u32::from(b'G'), 1), base));
    g.case("wrong_type_letter", |c| c.call_at(request(3, 12, u32::from(b'H'), 1), base));
    let mut close = sys::d3dkmt_closeadapter::default();
    g.case("close_adapter_zero", |c| c.call(sys::LX_DXCLOSEADAPTER, &mut close));
    g.case("readonly_fd_ok", |c| c.call(sys::LX_DXCLOSEADAPTER, &mut close));
}

pub fn adapter(book: &mut Book) {
    let mut g = book.group("adapter");
    let mut infos = [sys::d3dkmt_adapterinfo::default(); 64];
    let list = infos.as_mut_ptr() as u64;
    let enum2 = |num_adapters| sys::d3dkmt_enumadapters2 { num_adapters, adapters: list, ..Default::default() };
    g.case("enum2_num_65", |c| c.call(sys::LX_DXENUMADAPTERS2, &mut enum2(65)));
    let mut args = enum2(64);
    g.case("enum2_num_64", |c| c.call(sys::LX_DXENUMADAPTERS2, &mut args));
    let info = infos[0];
    g.expect(
        "enum2_num_64",
        "one adapter, first handle, no sources",
        args.num_adapters == 1 && info.adapter_handle.v == 0x4000_0000 && info.num_sources == 0,
    );
    let enum3 = |adapter_count, adapters| sys::d3dkmt_enumadapters3 { adapter_count, adapters, ..Default::default() };
    for (case, count) in [("enum3_null", 0), ("enum3_null_count5", 5)] {
        let mut args = enum3(count, 0);
        g.case(case, |c| c.call(sys::LX_DXENUMADAPTERS3, &mut args));
        g.expect(case, "count 1", args.adapter_count == 1);
    }
    g.case("enum3_count_0x10000", |c| c.call(sys::LX_DXENUMADAPTERS3, &mut enum3(0x10000, list)));
    g.case("enum3_bad_ptr", |c| c.call(sys::LX_DXENUMADAPTERS3, &mut enum3(4, BAD)));
    let mut args = enum3(4, list);
    g.case("enum3_ok", |c| c.call(sys::LX_DXENUMADAPTERS3, &mut args));
    let adapter = infos[0].adapter_handle;
    g.expect("enum3_ok", "one adapter with a handle of its own", args.adapter_count == 1 && adapter.v > 0x4000_0000);
    let close = |v| sys::d3dkmt_closeadapter { adapter_handle: d3dkmthandle { v } };
    g.case("close_garbage", |c| c.call(sys::LX_DXCLOSEADAPTER, &mut close(0xdead_beef)));
    let luid = sys::winluid { a: 1, b: 2 };
    let mut open = sys::d3dkmt_openadapterfromluid { adapter_luid: luid, ..Default::default() };
    g.case("open_bad_luid", |c| c.call(sys::LX_DXOPENADAPTERFROMLUID, &mut open));
    g.expect("open_bad_luid", "no handle", open.adapter_handle.v == 0);
    let page = Pages::writable(1);
    let open = sys::d3dkmt_openadapterfromluid { adapter_luid: infos[0].adapter_luid, ..Default::default() };
    // SAFETY: the page is ours and long enough, and nothing else refers to it.
    unsafe {
        (page.0 as *mut sys::d3dkmt_openadapterfromluid).write(open);
        libc::mprotect(page.0 as *mut _, 4096, libc::PROT_READ);
    }
    g.case("open_args_readonly_page", |c| c.call_at(sys::LX_DXOPENADAPTERFROMLUID, page.0));
    let mut value = 0u32;
    let pointer = &mut value as *mut u32 as u64;
    let query = |adapter, private_data, private_data_size| sys::d3dkmt_queryadapterinfo {
        adapter,
        r#type: 15,
        private_data,
        private_data_size,
        ..Default::default()
    };
    g.case("qai_adaptertype", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(adapter, pointer, 4)));
    // SAFETY: a live local variable, written by the call above through its address.
    let written = unsafe { (pointer as *const u32).read_volatile() };
    g.expect("qai_adaptertype", "0x91", written == 0x91);
    g.case("qai_size_0", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(adapter, pointer, 0)));
    g.case("qai_size_128K_plus_1", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(adapter, pointer, 131_073)));
    g.case("qai_bad_data_ptr", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(adapter, BAD, 4)));
    g.case("qai_null_data_ptr", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(adapter, 0, 4)));
    g.case("qai_adapter_0", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(d3dkmthandle::default(), pointer, 4)));
    let closed = g.client.enumerate();
    assert_eq!(g.client.call(sys::LX_DXCLOSEADAPTER, &mut close(closed.v)).ret, 0);
    g.case("qai_closed_adapter", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(closed, pointer, 4)));
    let wrong = d3dkmthandle { v: adapter.v ^ 0xc000_0000 };
    g.case("qai_wrong_unique", |c| c.call(sys::LX_DXQUERYADAPTERINFO, &mut query(wrong, pointer, 4)));
    let memory = |process, adapter| sys::d3dkmt_queryvideomemoryinfo { process, adapter, ..Default::default() };
    let mut args = memory(0, adapter);
    g.case("vidmem_ok", |c| c.call(sys::LX_DXQUERYVIDEOMEMORYINFO, &mut args));
    g.expect("vidmem_ok", "a budget, nothing used", args.budget == 64 << 20 && args.current_usage == 0);
    g.case("vidmem_other_process", |c| c.call(sys::LX_DXQUERYVIDEOMEMORYINFO, &mut memory(1, adapter)));
    g.case("vidmem_bad_adapter", |c| c.call(sys::LX_DXQUERYVIDEOMEMORYINFO, &mut memory(0, d3dkmthandle { v: 7 })));
    let mut reserve = sys::d3dkmt_changevideomemoryreservation { adapter, reservation: 1 << 20, ..Default::default() };
    g.case("vidmem_reserve_ok", |c| c.call(sys::LX_DXCHANGEVIDEOMEMORYRESERVATION, &mut reserve));
    let mut clock = sys::d3dkmt_queryclockcalibration { adapter, ..Default::default() };
    g.case("clock_ok", |c| c.call(sys::LX_DXQUERYCLOCKCALIBRATION, &mut clock));
    let (frequency, handle) = (clock.clock_data.gpu_frequency, clock.adapter);
    g.expect("clock_ok", "the driver overwrites the clock and the handle", frequency == 0 && handle.v == 0x4000_0000);
    let escape = |priv_drv_data_size| sys::d3dkmt_escape { adapter, priv_drv_data_size, ..Default::default() };
    g.case("escape_too_big", |c| c.call(sys::LX_DXESCAPE, &mut escape(131_073)));
    g.case("escape_size_0", |c| c.call(sys::LX_DXESCAPE, &mut escape(0)));
}

pub fn device(book: &mut Book) {
    let mut g = book.group("device");
    let adapter = g.client.enumerate();
    let close = |v| sys::d3dkmt_closeadapter { adapter_handle: d3dkmthandle { v } };
    let second = g.client.enumerate();
    let device = g.client.device(adapter);
    // The adapter at that index is closed, so that the number is a device's alone.
    assert_eq!(g.client.call(sys::LX_DXCLOSEADAPTER, &mut close(adapter.v)).ret, 0);
    let adapter = second;
    let mut args = sys::d3dkmt_createdevice { adapter: device, ..Default::default() };
    g.case("create_adapter_is_device_handle", |c| c.call(sys::LX_DXCREATEDEVICE, &mut args));
    g.expect("create_adapter_is_device_handle", "no device", args.device.v == 0);
    g.adapter.answer_next("CREATEDEVICE", HostAnswer::FourBytes(NtStatus::INVALID_PARAMETER));
    let mut args = sys::d3dkmt_createdevice { adapter, ..Default::default() };
    g.case("create_host_short_error_answer", |c| c.call(sys::LX_DXCREATEDEVICE, &mut args));
    g.expect("create_host_short_error_answer", "the status as handle", args.device.v == 0xc000_000d);
    let destroy = |device| sys::d3dkmt_destroydevice { device };
    g.case("destroy_that", |c| c.call(sys::LX_DXDESTROYDEVICE, &mut destroy(args.device)));
    let state = |state_type| sys::d3dkmt_getdevicestate { device, state_type, ..Default::default() };
    let mut args = state(sys::_D3DKMT_DEVICESTATE_EXECUTION);
    g.case("getstate_exec", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut args));
    g.expect("getstate_exec", "active", args.u.execution_state() == 1);
    g.case("getstate_reset", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut state(sys::_D3DKMT_DEVICESTATE_RESET)));
    g.case("getstate_bad_type", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut state(99)));
    let context = g.client.context(device);
    g.case("destroy_wrong_type", |c| c.call(sys::LX_DXDESTROYDEVICE, &mut destroy(context)));
    g.client.ok(
        sys::LX_DXMARKDEVICEASERROR,
        sys::d3dkmt_markdeviceaserror { device, reason: sys::_D3DKMT_DEVICE_ERROR_REASON_GENERIC },
    );
    let asked = g.client.ok(sys::LX_DXGETDEVICESTATE, state(sys::_D3DKMT_DEVICESTATE_EXECUTION));
    assert_eq!(asked.u.execution_state(), 2);
    let mut args = state(sys::_D3DKMT_DEVICESTATE_EXECUTION);
    g.case("getstate_after_error_2", |c| c.call(sys::LX_DXGETDEVICESTATE, &mut args));
    g.expect("getstate_after_error_2", "reset", args.u.execution_state() == 2);
    let mut submit = sys::d3dkmt_submitcommand { broadcast_context_count: 1, ..Default::default() };
    submit.broadcast_context[0] = context;
    g.case("submit_on_errored_device", |c| c.call(sys::LX_DXSUBMITCOMMAND, &mut submit));
    g.case("destroy_ok", |c| c.call(sys::LX_DXDESTROYDEVICE, &mut destroy(device)));
    g.case("destroy_twice", |c| c.call(sys::LX_DXDESTROYDEVICE, &mut destroy(device)));
    g.case("destroy_ffffffff", |c| c.call(sys::LX_DXDESTROYDEVICE, &mut destroy(d3dkmthandle { v: u32::MAX })));
    g.case("destroy_ctx_of_dead_device", |c| {
        c.call(sys::LX_DXDESTROYCONTEXT, &mut sys::d3dkmt_destroycontext { context })
    });
}

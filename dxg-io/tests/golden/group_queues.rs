//! Groups: context, pagingqueue, gpu-queue, hwqueue.

use dxg_io::software::HostAnswer;
use dxg_io::status::NtStatus;
use dxg_io::sys::{self, d3dkmthandle};

use crate::book::{Book, Group};
use crate::raw::{Event, readable};

const BAD: u64 = 0x1000;
const NONE: d3dkmthandle = d3dkmthandle { v: 0 };
const GARBAGE: d3dkmthandle = d3dkmthandle { v: 0x4141_4141 };

pub fn context(book: &mut Book) {
    let mut g = book.group("context");
    let device = g.client.device(g.client.enumerate());
    let private = [0u8; 64];
    let create = |device, priv_drv_data_size| sys::d3dkmt_createcontextvirtual {
        device,
        priv_drv_data: private.as_ptr() as u64,
        priv_drv_data_size,
        ..Default::default()
    };
    let mut args = create(device, 64);
    g.case("create_priv64", |c| c.call(sys::LX_DXCREATECONTEXTVIRTUAL, &mut args));
    let context = args.context;
    g.case("create_priv_too_big", |c| c.call(sys::LX_DXCREATECONTEXTVIRTUAL, &mut create(device, 131_073)));
    g.case("create_priv_128K", |c| c.call(sys::LX_DXCREATECONTEXTVIRTUAL, &mut create(device, 131_072)));
    g.case("create_bad_node", |c| {
        c.call(
            sys::LX_DXCREATECONTEXTVIRTUAL,
            &mut sys::d3dkmt_createcontextvirtual { device, node_ordinal: 9, ..Default::default() },
        )
    });
    g.case("create_device_is_context", |c| c.call(sys::LX_DXCREATECONTEXTVIRTUAL, &mut create(context, 0)));
    let set = |priority| sys::d3dkmt_setcontextschedulingpriority { context, priority };
    g.case("setprio_ok", |c| c.call(sys::LX_DXSETCONTEXTSCHEDULINGPRIORITY, &mut set(5)));
    g.case("setprio_out_of_range", |c| c.call(sys::LX_DXSETCONTEXTSCHEDULINGPRIORITY, &mut set(100)));
    let mut get = sys::d3dkmt_getcontextschedulingpriority { context, ..Default::default() };
    g.case("getprio_ok", |c| c.call(sys::LX_DXGETCONTEXTSCHEDULINGPRIORITY, &mut get));
    g.expect("getprio_ok", "5", get.priority == 5);
    g.case("setprio_inprocess_ok", |c| {
        c.call(
            sys::LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY,
            &mut sys::d3dkmt_setcontextinprocessschedulingpriority { context, priority: 2 },
        )
    });
    g.case("getprio_inprocess_context_0", |c| {
        c.call(
            sys::LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY,
            &mut sys::d3dkmt_getcontextinprocessschedulingpriority::default(),
        )
    });
    g.case("getprio_wrong_type", |c| {
        c.call(
            sys::LX_DXGETCONTEXTSCHEDULINGPRIORITY,
            &mut sys::d3dkmt_getcontextschedulingpriority { context: device, ..Default::default() },
        )
    });
    let destroy = |context| sys::d3dkmt_destroycontext { context };
    g.case("destroy_wrong_type", |c| c.call(sys::LX_DXDESTROYCONTEXT, &mut destroy(device)));
    g.client.ok(sys::LX_DXDESTROYCONTEXT, destroy(context));
    g.case("destroy_twice", |c| c.call(sys::LX_DXDESTROYCONTEXT, &mut destroy(context)));
}

pub fn paging_queue(book: &mut Book) {
    let mut g = book.group("pagingqueue");
    let device = g.client.device(g.client.enumerate());
    let mut args = sys::d3dkmt_createpagingqueue { device, ..Default::default() };
    g.case("create_ok", |c| c.call(sys::LX_DXCREATEPAGINGQUEUE, &mut args));
    let address = args.fence_cpu_virtual_address;
    g.expect("create_ok", "a mapped fence", readable(address));
    let (queue, fence) = (args.paging_queue, args.sync_object);
    g.case("create_bad_device", |c| {
        c.call(sys::LX_DXCREATEPAGINGQUEUE, &mut sys::d3dkmt_createpagingqueue { device: queue, ..Default::default() })
    });
    g.case("destroy_pq_fence_directly", |c| {
        c.call(
            sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT,
            &mut sys::d3dkmt_destroysynchronizationobject { sync_object: fence },
        )
    });
    g.case("cpu_wait_on_pq_fence", |c| c.wait_cpu(device, fence, 0, None));
    let destroy = |paging_queue| sys::d3dddi_destroypagingqueue { paging_queue };
    g.case("destroy_wrong_type", |c| c.call(sys::LX_DXDESTROYPAGINGQUEUE, &mut destroy(device)));
    g.case("destroy_ok", |c| c.call(sys::LX_DXDESTROYPAGINGQUEUE, &mut destroy(queue)));
    g.expect("destroy_ok", "the fence is unmapped", !readable(address));
    g.case("destroy_twice", |c| c.call(sys::LX_DXDESTROYPAGINGQUEUE, &mut destroy(queue)));
}

fn submits(g: &mut Group<'_>, device: d3dkmthandle, context: d3dkmthandle, foreign: d3dkmthandle) {
    let private = vec![0u8; 131_073];
    let submit = |context: d3dkmthandle| {
        let mut args = sys::d3dkmt_submitcommand { broadcast_context_count: 1, ..Default::default() };
        args.broadcast_context[0] = context;
        args
    };
    let with_private = |size| sys::d3dkmt_submitcommand {
        priv_drv_data: private.as_ptr() as u64,
        priv_drv_data_size: size,
        ..submit(context)
    };
    for (case, size) in [
        ("submit_priv100", 100),
        ("submit_priv_too_big", 131_073),
        ("submit_priv_128K", 131_072),
        ("submit_priv_130000", 130_000),
    ] {
        g.case(case, |c| c.call(sys::LX_DXSUBMITCOMMAND, &mut with_private(size)));
    }
    let mut run = |case: &str, mut args: sys::d3dkmt_submitcommand| {
        g.case(case, |c| c.call(sys::LX_DXSUBMITCOMMAND, &mut args));
    };
    run(
        "submit_bad_priv_ptr",
        sys::d3dkmt_submitcommand { priv_drv_data: BAD, priv_drv_data_size: 100, ..submit(context) },
    );
    run(
        "submit_bad_history_ptr",
        sys::d3dkmt_submitcommand { history_buffer_array: BAD, num_history_buffers: 4, ..submit(context) },
    );
    run("submit_17_primaries", sys::d3dkmt_submitcommand { num_primaries: 17, ..submit(context) });
    run("submit_131073_primaries", sys::d3dkmt_submitcommand { num_primaries: 131_073, ..submit(context) });
    run("submit_context_0", submit(NONE));
    run("submit_context_is_device", submit(device));
    let mut two = submit(context);
    two.broadcast_context_count = 2;
    two.broadcast_context[1] = foreign;
    run("submit_second_context_other_device", two);
}

pub fn gpu_queue(book: &mut Book) {
    let mut g = book.group("gpu-queue");
    let adapter = g.client.enumerate();
    let (device, other) = (g.client.device(adapter), g.client.device(adapter));
    let (context, foreign) = (g.client.context(device), g.client.context(other));
    submits(&mut g, device, context, foreign);

    let fence = g.client.fence(device, 0);
    let objects = [fence.handle; 33];
    let values = [1u64; 33];
    let signal = |context, object_count, objects| {
        let mut args =
            sys::d3dkmt_signalsynchronizationobjectfromgpu { context, object_count, objects, ..Default::default() };
        args.u.set_monitored_fence_values(values.as_ptr() as u64);
        args
    };
    let list = objects.as_ptr() as u64;
    g.case("signal_gpu_ok", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU, &mut signal(context, 1, list)));
    g.expect("signal_gpu_ok", "1", fence.value() == 1);
    for (case, context, count, list) in [
        ("signal_gpu_count_0", context, 0, list),
        ("signal_gpu_count_131073", context, 131_073, list),
        ("signal_gpu_count_33", context, 33, list),
        ("signal_gpu_bad_objects", context, 1, BAD),
        ("signal_gpu_context_is_device", device, 1, list),
        ("signal_gpu_context_of_other_device", foreign, 1, list),
    ] {
        g.case(case, |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU, &mut signal(context, count, list)));
    }

    let pair = [fence.handle, GARBAGE];
    let device_list = [device];
    let wait = |context, object_count, objects, values: u64| {
        let mut args =
            sys::d3dkmt_waitforsynchronizationobjectfromgpu { context, object_count, objects, ..Default::default() };
        args.u.set_monitored_fence_values(values);
        args
    };
    let ones = values.as_ptr() as u64;
    for (case, context, count, list, values) in [
        ("wait_gpu_ok", context, 1, list, ones),
        ("wait_gpu_second_object_garbage", context, 2, pair.as_ptr() as u64, ones),
        ("wait_gpu_count_33", context, 33, list, ones),
        ("wait_gpu_count_0", context, 0, list, ones),
        ("wait_gpu_object_is_device", context, 1, device_list.as_ptr() as u64, ones),
        ("wait_gpu_context_0", NONE, 1, list, ones),
        ("wait_gpu_bad_values", context, 1, list, BAD),
        ("wait_gpu_bad_objects", context, 1, BAD, ones),
    ] {
        g.case(case, |c| {
            c.call(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU, &mut wait(context, count, list, values))
        });
    }

    let five = [5u64];
    let signal2 = |context_count| {
        let mut args = sys::d3dkmt_signalsynchronizationobjectfromgpu2 {
            object_count: 1,
            objects: list,
            context_count,
            contexts: &context as *const _ as u64,
            ..Default::default()
        };
        args.u.set_monitored_fence_values(five.as_ptr() as u64);
        args
    };
    g.case("signal_gpu2_ok", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, &mut signal2(1)));
    g.expect("signal_gpu2_ok", "5", fence.value() == 5);
    g.case("signal_gpu2_0_contexts", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, &mut signal2(0)));
    let event = Event::new();
    g.case("signal_gpu2_enqueue_cpu_event", |c| c.event_from_gpu(context, &event));
    g.expect("signal_gpu2_enqueue_cpu_event", "the eventfd is readable", event.take() == Some(1));
    let mut args = sys::d3dkmt_signalsynchronizationobjectfromgpu2 {
        context_count: 1,
        contexts: &context as *const _ as u64,
        ..Default::default()
    };
    args.flags.set_enqueue_cpu_event(true);
    args.u.set_cpu_event_handle(999);
    g.case("signal_gpu2_cpu_event_bad_fd", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, &mut args));

    let legacy = |object_count, context_count, value| {
        let mut args =
            sys::d3dkmt_signalsynchronizationobject2 { context, object_count, context_count, ..Default::default() };
        args.object_array[0] = fence.handle;
        args.u.set_fence(sys::d3dkmt_signalsynchronizationobject2_fence { fence_value: value });
        args
    };
    for (case, objects, contexts) in [
        ("signal2_ok", 1, 0),
        ("signal2_64_contexts", 1, 64),
        ("signal2_33_objects", 33, 0),
        ("signal2_0_objects", 0, 0),
    ] {
        g.case(case, |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECT, &mut legacy(objects, contexts, 6)));
    }
    assert_eq!(fence.value(), 6);
    let wait2 = |object_count| {
        let mut args = sys::d3dkmt_waitforsynchronizationobject2 { context, object_count, ..Default::default() };
        args.object_array[0] = fence.handle;
        args.u.set_fence(sys::d3dkmt_waitforsynchronizationobject2_fence { fence_value: 1 });
        args
    };
    for (case, objects) in [("wait2_ok", 1), ("wait2_0_objects", 0), ("wait2_33_objects", 33)] {
        g.case(case, |c| c.call(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECT, &mut wait2(objects)));
    }

    let second = g.client.fence(device, 0);
    g.case("queue_wait_100", |c| c.wait_gpu(context, fence.handle, 100));
    let list = [second.handle];
    assert_eq!(
        g.client.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU, &mut signal(context, 1, list.as_ptr() as u64)).ret,
        0
    );
    let before = second.value();
    assert_eq!(g.client.signal_cpu(device, fence.handle, 100).ret, 0);
    let holds = before == 0 && second.value() == 1;
    g.note("queue_order", holds);
}

pub fn hw_queue(book: &mut Book) {
    let mut g = book.group("hwqueue");
    let device = g.client.device(g.client.enumerate());
    let context = g.client.context(device);
    let private = vec![0u8; 131_073];
    let create = |context, priv_drv_data_size| sys::d3dkmt_createhwqueue {
        context,
        priv_drv_data: private.as_ptr() as u64,
        priv_drv_data_size,
        ..Default::default()
    };
    let mut args = create(context, 32);
    g.case("create_priv32", |c| c.call(sys::LX_DXCREATEHWQUEUE, &mut args));
    let queue = args.queue;
    let progress = args.queue_progress_fence;
    g.case("create_priv_too_big", |c| c.call(sys::LX_DXCREATEHWQUEUE, &mut create(context, 131_073)));
    g.case("create_wrong_type", |c| c.call(sys::LX_DXCREATEHWQUEUE, &mut create(device, 0)));
    g.adapter.answer_next("CREATEHWQUEUE", HostAnswer::Zeroes { status: NtStatus::NOT_SUPPORTED });
    g.case("create_host_refuses", |c| c.call(sys::LX_DXCREATEHWQUEUE, &mut create(context, 0)));

    let submit = |hwqueue| sys::d3dkmt_submitcommandtohwqueue { hwqueue, ..Default::default() };
    let mut run = |case: &str, mut args: sys::d3dkmt_submitcommandtohwqueue| {
        g.case(case, |c| c.call(sys::LX_DXSUBMITCOMMANDTOHWQUEUE, &mut args));
    };
    run(
        "submit_priv_too_big",
        sys::d3dkmt_submitcommandtohwqueue {
            priv_drv_data: private.as_ptr() as u64,
            priv_drv_data_size: 131_073,
            ..submit(queue)
        },
    );
    run(
        "submit_bad_priv_ptr",
        sys::d3dkmt_submitcommandtohwqueue { priv_drv_data: BAD, priv_drv_data_size: 64, ..submit(queue) },
    );
    run("submit_primaries_too_many", sys::d3dkmt_submitcommandtohwqueue { num_primaries: 131_073, ..submit(queue) });
    run(
        "submit_bad_primaries_ptr",
        sys::d3dkmt_submitcommandtohwqueue { num_primaries: 2, written_primaries: BAD, ..submit(queue) },
    );
    run("submit_wrong_type", submit(context));
    let mut plain = sys::d3dkmt_submitcommand { broadcast_context_count: 1, ..Default::default() };
    plain.broadcast_context[0] = queue;
    g.case("plain_submit_on_hwqueue", |c| c.call(sys::LX_DXSUBMITCOMMAND, &mut plain));

    let fence = g.client.fence(device, 0);
    let (objects, values) = ([fence.handle; 33], [200u64; 33]);
    let queues = [queue; 65];
    let signal = |hwqueue_count, object_count| sys::d3dkmt_submitsignalsyncobjectstohwqueue {
        hwqueue_count,
        hwqueues: queues.as_ptr() as u64,
        object_count,
        objects: objects.as_ptr() as u64,
        fence_values: values.as_ptr() as u64,
        ..Default::default()
    };
    for (case, queues, objects) in
        [("signal_ok", 1, 1), ("signal_0_queues", 0, 1), ("signal_65_queues", 65, 1), ("signal_33_objects", 1, 33)]
    {
        g.case(case, |c| c.call(sys::LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE, &mut signal(queues, objects)));
    }
    g.expect("signal_ok", "200", fence.value() == 200);
    let garbage = [GARBAGE];
    let wait = |hwqueue, object_count, objects: &[d3dkmthandle]| sys::d3dkmt_submitwaitforsyncobjectstohwqueue {
        hwqueue,
        object_count,
        objects: objects.as_ptr() as u64,
        fence_values: values.as_ptr() as u64,
    };
    for (case, queue, count, list) in [
        ("wait_ok", queue, 1, &objects[..]),
        ("wait_33_objects", queue, 33, &objects[..]),
        ("wait_0_objects", queue, 0, &objects[..]),
        ("wait_garbage_object", queue, 1, &garbage[..]),
        ("wait_wrong_type", context, 1, &objects[..]),
    ] {
        g.case(case, |c| c.call(sys::LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE, &mut wait(queue, count, list)));
    }
    assert_eq!(g.client.submit_to_hw_queue(queue, 0, 0, 1).ret, 0);
    g.case("cpu_wait_on_progress_fence", |c| c.wait_cpu(device, progress, 1, None));
    g.client.ok(sys::LX_DXDESTROYCONTEXT, sys::d3dkmt_destroycontext { context });
    g.case("destroy_after_context", |c| c.call(sys::LX_DXDESTROYHWQUEUE, &mut sys::d3dkmt_destroyhwqueue { queue }));
    g.case("submit_stale", |c| c.call(sys::LX_DXSUBMITCOMMANDTOHWQUEUE, &mut submit(queue)));
    let (queue, progress) = g.client.hw_queue(g.client.context(device));
    g.case("destroy_ok", |c| c.call(sys::LX_DXDESTROYHWQUEUE, &mut sys::d3dkmt_destroyhwqueue { queue }));
    g.expect("destroy_ok", "the fence is unmapped", !readable(progress.cpu));
}

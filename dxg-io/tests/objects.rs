//! The owning objects over a scripted boundary: what they call, in which order, and what they refuse.

mod fake;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dxg_io::boundary::RawOutcome;
use dxg_io::call::{Dxg, MAX_LIVE_OBJECTS, Targets};
use dxg_io::error::{Error, ObjectKind};
use dxg_io::object::*;
use dxg_io::status::NtStatus;
use dxg_io::sys::*;
use fake::{Call, Script};

type Result<T = ()> = std::result::Result<T, Error>;

const LUID: winluid = winluid { a: 1, b: 0 };

fn device(script: &Arc<Script>) -> Result<Device> {
    let dxg = Dxg::new(script.boundary());
    let device = Device::create(&Adapter::open(&dxg, LUID)?)?;
    script.take();
    Ok(device)
}

fn names(calls: &[Call]) -> Vec<&'static str> {
    calls.iter().map(|c| c.0).collect()
}

#[test]
fn an_enumeration_closes_every_handle_that_it_opened() -> Result {
    let script = Script::new();
    let dxg = Dxg::new(script.boundary());
    let found = Adapter::enumerate(&dxg)?;
    assert_eq!(found.iter().map(|a| a.luid.a).collect::<Vec<_>>(), [1, 2]);
    let calls = script.take();
    assert_eq!(calls.iter().filter(|c| c.0 == "CLOSEADAPTER").count(), 2);
    // Also when it fails half way.
    script.answer(LX_DXQUERYADAPTERINFO, RawOutcome::failed(libc::EINVAL));
    assert!(Adapter::enumerate(&dxg).is_err());
    assert_eq!(script.take().iter().filter(|c| c.0 == "CLOSEADAPTER").count(), 2);
    assert!(Adapter::open_nth(&dxg, 2).is_err());
    assert_eq!(script.take().iter().filter(|c| c.0 == "CLOSEADAPTER").count(), 2);
    let second = Adapter::open_nth(&dxg, 1)?;
    assert_eq!((second.luid().a, script.take().iter().filter(|c| c.0 == "CLOSEADAPTER").count()), (2, 1));
    Ok(())
}

#[test]
fn children_keep_their_parents_and_destruction_goes_from_the_leaves_up() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let context = device.create_context(ContextOptions { hw_queues: true, ..Default::default() })?;
    let queue = context.create_hw_queue(&mut [])?;
    assert_eq!(device.dxg().live_objects(), 4);
    script.take();
    let dxg = device.dxg().clone();
    let view = queue.progress();
    drop((device, context, queue));
    assert!(script.take().is_empty(), "the view keeps the queue alive");
    assert_eq!(view.value(), 0);
    drop(view);
    let calls = script.take();
    assert_eq!(names(&calls), ["DESTROYHWQUEUE", "DESTROYCONTEXT", "DESTROYDEVICE", "CLOSEADAPTER"]);
    assert_eq!((dxg.live_objects(), dxg.failed_teardowns()), (0, 0));
    assert!(!script.is_closed());
    drop(dxg);
    assert!(script.is_closed());
    Ok(())
}

#[test]
fn a_device_that_goes_takes_everything_in_two_calls() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let context = device.create_context(ContextOptions::default())?;
    let queue = context.create_hw_queue(&mut [])?;
    let paging = device.create_paging_queue()?;
    let fence = device.create_fence(FenceOptions::default())?;
    let memory = Arc::new(SystemMemory::new(1 << 16)?);
    let a = device.allocate_standard_existing(memory.clone())?;
    let b = device.allocate_private(4096, &mut [0; 8])?;
    let notification = device.create_cpu_notification(Arc::new(EventFd::new()?))?;
    let dxg = device.dxg().clone();
    script.take();
    device.begin_teardown();
    drop((a, b, context, queue, paging, fence, notification));
    // The notification belongs to the adapter and would outlive the device.
    assert_eq!(names(&script.take()), ["DESTROYSYNCHRONIZATIONOBJECT"]);
    assert_eq!(Arc::strong_count(&memory), 2, "the memory stays until the host let go of it");
    drop(device);
    let calls = script.take();
    assert_eq!(calls[0], ("DESTROYALLOCATION2", 2));
    assert_eq!(names(&calls), ["DESTROYALLOCATION2", "DESTROYDEVICE", "CLOSEADAPTER"]);
    assert_eq!((Arc::strong_count(&memory), dxg.live_objects()), (1, 0));
    Ok(())
}

#[test]
fn silent_failures_are_errors() -> Result {
    let script = Script::new();
    let dxg = Dxg::new(script.boundary());
    let adapter = Adapter::open(&dxg, LUID)?;
    for request in [
        LX_DXCREATEDEVICE,
        LX_DXOPENADAPTERFROMLUID,
        LX_DXCREATEHWQUEUE,
        LX_DXMAPGPUVIRTUALADDRESS,
        LX_DXRESERVEGPUVIRTUALADDRESS,
    ] {
        script.keep_silent(request);
    }
    let no_answer = |error: Option<Error>| matches!(error, Some(Error::NoAnswer { .. }));
    assert!(no_answer(Device::create(&adapter).err()));
    assert!(no_answer(Adapter::open(&dxg, LUID).err()));
    assert_eq!(dxg.live_objects(), 0);

    let script = Script::new();
    let device = device(&script)?;
    for request in [LX_DXCREATEHWQUEUE, LX_DXMAPGPUVIRTUALADDRESS, LX_DXRESERVEGPUVIRTUALADDRESS] {
        script.keep_silent(request);
    }
    let context = device.create_context(ContextOptions::default())?;
    assert!(no_answer(context.create_hw_queue(&mut []).err()));
    assert_eq!(names(&script.take()).last(), Some(&"DESTROYHWQUEUE"), "a queue without a fence page is given back");
    let paging = device.create_paging_queue()?;
    let allocation = device.allocate_private(4096, &mut [])?;
    assert!(no_answer(paging.map_gpu_va(&allocation, MapRequest::default()).err()));
    let wish = Reservation { base: None, minimum: 0, maximum: 0, size: 4096, kind: _D3DDDIGPUVA_RESERVE_NO_ACCESS };
    assert!(no_answer(GpuVaRange::reserve(&device, &wish).err()));
    assert!(no_answer(device.dxg().query_statistics(0, winluid { a: 99, b: 0 }, 0).err()));
    Ok(())
}

#[test]
fn a_list_with_a_handle_twice_is_refused_whatever_its_instance_bits() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let twice = [d3dkmthandle { v: 0x4000_0040 }, d3dkmthandle { v: 0x4000_0080 }, d3dkmthandle { v: 0x4000_0041 }];
    // SAFETY: nothing is mapped.
    let error = unsafe { device.dxg().destroy_allocations(device.handle(), &twice, Default::default()) }.err();
    assert!(matches!(error, Some(Error::Invalid { .. })));
    assert!(script.take().is_empty());
    // SAFETY: nothing is mapped.
    unsafe { device.dxg().destroy_allocations(device.handle(), &twice[..2], Default::default()) }
}

#[test]
fn creation_stops_well_before_the_driver_would_crash() -> Result {
    let device = device(&Script::new())?;
    let mut fences = Vec::new();
    let error = loop {
        match device.create_fence(FenceOptions::default()) {
            Ok(fence) => fences.push(fence),
            Err(error) => break error,
        }
    };
    assert_eq!(fences.len() as u32, MAX_LIVE_OBJECTS - 1);
    assert!(matches!(error, Error::TooManyObjects { live: MAX_LIVE_OBJECTS, wanted: 1, .. }), "{error}");
    fences.truncate(fences.len() - 1);
    let paging = device.create_paging_queue();
    assert!(matches!(paging, Err(Error::TooManyObjects { wanted: 2, .. })), "a queue brings a fence");
    fences.push(device.create_fence(FenceOptions::default())?);
    Ok(())
}

#[test]
fn a_raw_status_is_told_from_an_errno() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    script.answer(LX_DXCREATEALLOCATION, RawOutcome::returned(NtStatus::INVALID_PARAMETER.0));
    let error = device.allocate_standard_cross_adapter(4096).err();
    let Some(Error::Failed { call, object, status, errno: None }) = error else { panic!("{error:?}") };
    assert_eq!((call, status, object.kind), ("LX_DXCREATEALLOCATION", NtStatus::INVALID_PARAMETER, ObjectKind::Device));
    assert_eq!(device.dxg().live_objects(), 1);
    assert!(device.allocate_standard_cross_adapter(100).is_err_and(|e| matches!(e, Error::Invalid { .. })));
    Ok(())
}

#[test]
fn memory_is_pending_until_the_paging_fence_gets_there() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let paging = device.create_paging_queue()?;
    let allocation = device.allocate_private(8192, &mut [])?;
    // Done at once, whatever value the answer carries.
    script.set_paging_fence(7);
    assert_eq!(paging.make_resident(&[&allocation])?.point(), None);
    script.answer(LX_DXMAPGPUVIRTUALADDRESS, RawOutcome::returned(NtStatus::PENDING.0));
    let (range, pending) = paging.map_gpu_va(&allocation, MapRequest::default())?;
    assert_eq!((range.base(), range.size()), (0x10_0000, 8192));
    assert_eq!(pending.point(), Some((paging.fence_handle(), 7)));
    let error = pending.wait(Duration::from_millis(5)).err();
    assert!(matches!(error, Some(Error::TimedOut { .. })));
    script.set_fence(paging.fence_handle(), 7);
    assert!(pending.is_ready());
    pending.wait(Duration::ZERO)?;
    // The maximum is never success.
    script.set_fence(paging.fence_handle(), u64::MAX);
    assert!(!pending.is_ready());
    assert!(pending.wait(Duration::from_secs(5)).is_err_and(|e| e.is_device_lost()));
    script.take();
    drop((allocation, range));
    assert_eq!(names(&script.take()), ["FREEGPUVIRTUALADDRESS", "DESTROYALLOCATION2"]);
    Ok(())
}

#[test]
fn ranges_outside_an_allocation_are_refused() -> Result {
    let device = device(&Script::new())?;
    let paging = device.create_paging_queue()?;
    let allocation = device.allocate_private(8192, &mut [])?;
    for (offset, size) in [(4096, 8192), (1, 4096), (0, 100), (8192, 0), (!4095, 4096)] {
        let refused = paging.map_gpu_va(&allocation, MapRequest { offset, size, ..Default::default() });
        assert!(refused.is_err_and(|e| matches!(e, Error::Invalid { .. })), "{offset} {size}");
    }
    let other = self::device(&Script::new())?;
    let foreign = other.allocate_private(4096, &mut [])?;
    assert!(paging.make_resident(&[&foreign]).is_err_and(|e| matches!(e, Error::Invalid { .. })));
    Ok(())
}

#[test]
fn a_wait_without_an_event_ends_when_the_device_is_lost() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let fence = device.create_fence(FenceOptions::default())?;
    script.set_execution(_D3DKMT_DEVICEEXECUTION_HUNG);
    let began = Instant::now();
    let error = device.wait_from_cpu(&[(fence.handle(), 1)], false, None).err();
    assert!(error.is_some_and(|e| e.is_device_lost()));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(device.execution_state()?, ExecutionState::Hung);
    Ok(())
}

#[test]
fn a_blocking_wait_is_made_again_after_a_signal() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    script.answer(LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, RawOutcome::failed(libc::EINTR));
    let fence = d3dkmthandle { v: 64 };
    let _ = device.dxg().wait_from_cpu_blocking(device.handle(), &[fence], &[1], false)?;
    assert_eq!(names(&script.take()), ["WAITFORSYNCHRONIZATIONOBJECTFROMCPU"; 2]);
    Ok(())
}

#[test]
fn arming_a_sleep_takes_two_posted_calls() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let context = device.create_context(ContextOptions::default())?;
    let queue = context.create_hw_queue(&mut [])?;
    let event = EventFd::new()?;
    script.take();
    context.wait(&[(queue.progress_handle(), 3)])?;
    context.signal_with_event(&event)?;
    queue.submit(0x1000, 64, 3, &[1, 2, 3])?;
    let expected = [
        ("WAITFORSYNCHRONIZATIONOBJECTFROMGPU", 1),
        ("SIGNALSYNCHRONIZATIONOBJECTFROMGPU2", 1),
        ("SUBMITCOMMANDTOHWQUEUE", 3),
    ];
    assert_eq!(script.take(), expected);
    Ok(())
}

#[test]
fn limits_of_the_driver_are_checked_before_the_call() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let dxg = device.dxg();
    let (many, values) = ([d3dkmthandle { v: 64 }; 33], [1u64; 33]);
    let invalid = |r: Result| matches!(r, Err(Error::Invalid { .. }));
    assert!(invalid(dxg.signal_from_cpu(device.handle(), &many, &values, Default::default()).map(drop)));
    assert!(invalid(dxg.wait_from_gpu(d3dkmthandle { v: 64 }, &many, &values).map(drop)));
    assert!(invalid(dxg.wait_from_gpu(d3dkmthandle { v: 64 }, &many[..2], &values[..1]).map(drop)));
    assert!(invalid(dxg.submit_wait_to_hw_queue(d3dkmthandle { v: 64 }, &[], &[]).map(drop)));
    let mut flags = d3dddicb_signalflags::default();
    flags.set_enqueue_cpu_event(true);
    assert!(invalid(dxg.submit_signal_to_hw_queues(&many[..1], &many[..1], &values[..1], flags).map(drop)));
    assert!(invalid(dxg.make_resident(d3dkmthandle { v: 64 }, &[], Default::default()).map(drop)));
    let null = Targets::Resource(d3dkmthandle::NULL);
    assert!(invalid(dxg.offer_allocations(device.handle(), null, 1, Default::default())));
    let two = Targets::Allocations(&many[..2]);
    assert!(invalid(dxg.query_allocation_residency(device.handle(), two, &mut [0])));
    assert!(script.take().is_empty());
    Ok(())
}

#[test]
fn optional_requests_are_said_to_be_unknown() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    script.answer(LX_DXINVALIDATECACHE, RawOutcome::failed(libc::ENOTTY));
    script.answer(LX_DXENUMPROCESSES, RawOutcome::failed(libc::ENOTTY));
    script.answer(LX_ISFEATUREENABLED, RawOutcome::failed(libc::ENOTTY));
    let dxg = device.dxg();
    let unsupported = |e: Option<Error>| matches!(e, Some(Error::Unsupported { .. }));
    assert!(unsupported(dxg.invalidate_cache(device.handle(), d3dkmthandle { v: 64 }, 0, 64).err()));
    assert!(unsupported(dxg.enum_processes(LUID, &mut [0; 4]).err()));
    assert!(unsupported(dxg.is_feature_enabled(device.adapter().handle(), 1).err()));
    Ok(())
}

#[test]
fn failures_in_destructors_are_counted() -> Result {
    let script = Script::new();
    let device = device(&script)?;
    let fence = device.create_fence(FenceOptions { initial: 5, ..Default::default() })?;
    assert_eq!((fence.value(), fence.view().value()), (5, 5));
    script.answer(LX_DXDESTROYSYNCHRONIZATIONOBJECT, RawOutcome::failed(libc::ENODEV));
    drop(fence);
    assert_eq!((device.dxg().failed_teardowns(), device.dxg().live_objects()), (1, 1));
    Ok(())
}

#[test]
fn objects_can_be_sent_and_shared() {
    fn everywhere<T: Send + Sync + 'static>() {}
    everywhere::<(Dxg, Adapter, Device, Context, HwQueue, PagingQueue, Pending)>();
    everywhere::<(Allocation, Mapping, SystemMemory, GpuVaRange)>();
    everywhere::<(MonitoredFence, FenceView, CpuNotification, EventFd, SyncFile, Error)>();
}

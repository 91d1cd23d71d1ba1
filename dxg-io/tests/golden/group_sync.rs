//! Groups: syncobject, signal-cpu, wait-cpu, syncobject-destroy, ring-full.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dxg_io::boundary::RawOutcome;
use dxg_io::sys::{self, d3dkmthandle};

use crate::book::{Book, Group};
use crate::raw::{Client, Event, PAGE, readable};

const BAD: u64 = 0x1000;
const NONE: d3dkmthandle = d3dkmthandle { v: 0 };
const GARBAGE: d3dkmthandle = d3dkmthandle { v: 0x4141_4141 };

type Create = sys::d3dkmt_createsynchronizationobject2;

fn of_type(device: d3dkmthandle, kind: u32) -> Create {
    let mut args = Create { device, ..Default::default() };
    args.info.r#type = kind;
    args
}

fn notification(device: d3dkmthandle, event: u64) -> Create {
    let mut args = of_type(device, sys::_D3DDDI_CPU_NOTIFICATION);
    args.info.u.set_cpu_notification(sys::d3dddi_synchronizationobjectinfo2_cpu_notification { event });
    args
}

pub fn sync_object(book: &mut Book) {
    let mut g = book.group("syncobject");
    let device = g.client.device(g.client.enumerate());
    let event = Event::new();
    let mut shared = Client::fence_args(device, 0);
    shared.info.flags.set_shared(true);
    shared.info.flags.set_nt_security_sharing(true);
    let mut made = |case: &str, mut args: Create| {
        g.case(case, |c| c.call(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, &mut args));
        args
    };
    let fence = made("create_monitored_ok", Client::fence_args(device, 7)).info.u.monitored_fence();
    made("create_mutex", of_type(device, sys::_D3DDDI_SYNCHRONIZATION_MUTEX));
    made("create_fence", of_type(device, sys::_D3DDDI_FENCE));
    made("create_periodic", of_type(device, sys::_D3DDDI_PERIODIC_MONITORED_FENCE));
    let number = made("create_shared_nt", shared).info.shared_handle;
    made("create_cpunotif_bad_fd", notification(device, 999));
    let object = made("create_cpunotif_ok", notification(device, event.number())).sync_object;
    made("create_device_0", Client::fence_args(NONE, 0));
    // SAFETY: the fence page is mapped as long as the device lives.
    let value = unsafe { (fence.fence_cpu_virtual_address as *const u64).read_volatile() };
    g.expect("create_monitored_ok", "the initial value in memory", value == 7 && fence.fence_gpu_virtual_address != 0);
    g.expect("create_shared_nt", "a global number", number.v != 0);
    // Beyond the recording: a CPU signal of the notification object reaches its eventfd, every time.
    for _ in 0..2 {
        assert_eq!(g.client.signal_cpu(device, object, 0).ret, 0);
        assert_eq!(event.take(), Some(1));
    }
}

pub fn signal_cpu(book: &mut Book) {
    let mut g = book.group("signal-cpu");
    let device = g.client.device(g.client.enumerate());
    let fence = g.client.fence(device, 7);
    g.case("ok", |c| c.signal_cpu(device, fence.handle, 8));
    g.expect("ok", "8", fence.value() == 8);
    g.case("lower_value", |c| c.signal_cpu(device, fence.handle, 3));
    g.expect("lower_value", "still 8", fence.value() == 8);
    let (objects, values) = ([fence.handle; 33], [3u64; 33]);
    let many = |object_count| sys::d3dkmt_signalsynchronizationobjectfromcpu {
        device,
        object_count,
        objects: objects.as_ptr() as u64,
        fence_values: values.as_ptr() as u64,
        ..Default::default()
    };
    let mut rewind = many(1);
    rewind.flags.set_allow_fence_rewind(true);
    g.case("lower_value_rewind", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, &mut rewind));
    g.expect("lower_value_rewind", "3", fence.value() == 3);
    g.case("count_0", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, &mut many(0)));
    g.case("count_33", |c| c.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, &mut many(33)));
    g.case("garbage_object", |c| c.signal_cpu(device, GARBAGE, 1));
    g.case("object_is_device", |c| c.signal_cpu(device, device, 1));
}

extern "C" fn ignore(_: libc::c_int) {}

/// Runs a call on a thread of its own and interrupts it with a Unix signal until it returns.
pub fn interrupted(call: impl FnOnce() -> RawOutcome + Send) -> RawOutcome {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let done = &done;
        let caller = scope.spawn(move || {
            // SAFETY: installs a handler that does nothing, without SA_RESTART, and asks for this thread's id.
            let thread = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as usize;
                libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
                libc::pthread_self()
            };
            tell.send(thread).unwrap();
            let outcome = call();
            done.store(true, Ordering::Release);
            outcome
        });
        let thread = told.recv().unwrap();
        while !done.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(20));
            // SAFETY: the thread is not joined yet, so its id is valid.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR2) };
        }
        caller.join().unwrap()
    })
}

fn waits_with_eventfd(g: &mut Group<'_>, device: d3dkmthandle) {
    let fence = g.client.fence(device, 10);
    let event = Event::new();
    g.case("sync_already_satisfied", |c| c.wait_cpu(device, fence.handle, 9, None));
    g.case("async_already_satisfied", |c| c.wait_cpu(device, fence.handle, 9, Some(&event)));
    g.expect("async_already_satisfied", "readable", event.take() == Some(1));
    g.case("async_pending", |c| c.wait_cpu(device, fence.handle, 20, Some(&event)));
    let before = event.take();
    g.client.signal_cpu(device, fence.handle, 20);
    let holds = before.is_none() && event.take() == Some(1);
    g.note("async_pending_result", holds);
    g.case("async_same_eventfd_1", |c| c.wait_cpu(device, fence.handle, 30, Some(&event)));
    g.case("async_same_eventfd_2", |c| c.wait_cpu(device, fence.handle, 31, Some(&event)));
    g.client.signal_cpu(device, fence.handle, 40);
    let holds = event.take() == Some(2);
    g.note("async_same_eventfd_result", holds);
}

pub fn wait_cpu(book: &mut Book) {
    let mut g = book.group("wait-cpu");
    let device = g.client.device(g.client.enumerate());
    waits_with_eventfd(&mut g, device);
    let fence = g.client.fence(device, 10);
    let value = 50u64;
    let wait = |async_event, object_count, fence_values| sys::d3dkmt_waitforsynchronizationobjectfromcpu {
        device,
        object_count,
        objects: &fence.handle as *const _ as u64,
        fence_values,
        async_event,
        ..Default::default()
    };
    let values = &value as *const _ as u64;
    for (case, event, count, values) in [
        ("bad_eventfd_closed", 999, 1, values),
        ("bad_eventfd_tty", 1, 1, values),
        ("bad_eventfd_minus1", u64::MAX, 1, values),
        ("count_0", 0, 0, values),
        ("bad_values_ptr", 0, 1, BAD),
    ] {
        g.case(case, |c| c.call(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, &mut wait(event, count, values)));
    }
    g.case("garbage_object", |c| c.wait_cpu(device, GARBAGE, 1, None));
    g.case("device_0", |c| c.wait_cpu(NONE, fence.handle, 1, None));
    g.case("sync_wait_all_interrupted", |c| interrupted(|| c.wait_cpu(device, fence.handle, 1000, None)));

    let doomed = g.client.fence(device, 0);
    let args = sys::d3dkmt_destroysynchronizationobject { sync_object: doomed.handle };
    let (destroyed, waited) = std::thread::scope(|scope| {
        let (client, adapter) = (&g.client, &g.adapter);
        let waiter = scope.spawn(move || client.wait_cpu(device, doomed.handle, 5, None));
        while !adapter.take_message_log().iter().any(|message| message.command == "WAITFORSYNCOBJECTFROMCPU") {
            std::thread::sleep(Duration::from_millis(1));
        }
        let destroyed = client.call(sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT, &mut { args });
        (destroyed, waiter.join().unwrap())
    });
    g.compare("destroy_object_while_cpu_waits", destroyed);
    g.note("destroy_object_while_cpu_waits_result", waited.ret == 0);

    let reused = g.client.fence(device, 0);
    // SAFETY: replaces the fence page by memory of our own, as the recorded client did; nothing else is there.
    unsafe {
        libc::munmap(reused.cpu as *mut _, PAGE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        libc::mmap(reused.cpu as *mut _, PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
    }
    let mut args = sys::d3dkmt_destroysynchronizationobject { sync_object: reused.handle };
    g.case("destroy_after_user_munmap_and_reuse_of_va", |c| c.call(sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT, &mut args));
    g.expect("destroy_after_user_munmap_and_reuse_of_va", "our mapping is gone", !readable(reused.cpu));
}

pub fn destroy(book: &mut Book) {
    let mut g = book.group("syncobject-destroy");
    let device = g.client.device(g.client.enumerate());
    let fence = g.client.fence(device, 0);
    let event = Event::new();
    let periodic =
        g.client.ok(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, of_type(device, sys::_D3DDDI_PERIODIC_MONITORED_FENCE));
    let notification = g.client.ok(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, notification(device, event.number()));
    let mut destroy = |case: &str, sync_object| {
        let mut args = sys::d3dkmt_destroysynchronizationobject { sync_object };
        g.case(case, |c| c.call(sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT, &mut args));
    };
    destroy("destroy_ok", fence.handle);
    destroy("destroy_0", NONE);
    destroy("destroy_wrong_type", device);
    destroy("destroy_periodic", periodic.sync_object);
    destroy("destroy_cpunotif", notification.sync_object);
    g.expect("destroy_ok", "the page is unmapped", !readable(fence.cpu));
    g.case("wait_cpu_stale", |c| c.wait_cpu(device, fence.handle, 0, None));
}

pub fn ring_full(book: &mut Book) {
    let mut g = book.group("ring-full");
    let device = g.client.device(g.client.enumerate());
    let fence = g.client.fence(device, 0);
    g.adapter.stall_host(true);
    let mut accepted = 0;
    let refused = loop {
        let outcome = g.client.signal_cpu(device, fence.handle, accepted + 1);
        if outcome.ret != 0 {
            break outcome;
        }
        accepted += 1;
    };
    let holds = accepted == 2303 && refused.errno == libc::EAGAIN && refused.traffic.full_ring_sleeps == 100;
    g.note("async_signal_until_full", holds);
    let mut state =
        sys::d3dkmt_getdevicestate { device, state_type: sys::_D3DKMT_DEVICESTATE_RESET, ..Default::default() };
    let outcome = g.client.call(sys::LX_DXGETDEVICESTATE, &mut state);
    g.note("sync_call_while_full", (outcome.ret, outcome.errno) == (-1, libc::EAGAIN));
    g.adapter.stall_host(false);
    g.note("after_resume", fence.value() == 2303);
}

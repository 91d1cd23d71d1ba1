//! Fences, and all ways to wait for one: by memory, by eventfd, blocking, and asleep without a round trip.

use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::time::Duration;

use dxg_io::object::{ContextOptions, Device, EventFd, FenceOptions};

use super::PATIENCE;
use super::bench::{Bench, Seen, holds, optional, soon};

/// Long enough for something that must not happen yet.
const A_MOMENT: Duration = Duration::from_millis(30);

/// All checks.
pub fn check(bench: &mut Bench, device: &Device) {
    fences(bench, device);
    bench.check("wait with an eventfd", |_| events(device));
    bench.check("wait for any, for all", |_| several(device));
    bench.check("blocking wait", |_| blocking(device));
    bench.check("waiter context", |_| waiter(device));
    bench.check("CPU notification", |_| {
        let event = Arc::new(EventFd::new()?);
        let notification = optional(device.create_cpu_notification(event.clone()))?;
        device.signal_from_cpu(&[(notification.handle(), 1)])?;
        let fired = event.wait(A_MOMENT * 10)?;
        Ok(format!("a signal by the CPU is accepted, and fires {fired} times"))
    });
}

fn fences(bench: &mut Bench, device: &Device) {
    bench.check("monitored fence", |_| {
        let fence = device.create_fence(FenceOptions { initial: 7, ..Default::default() })?;
        holds(fence.value() == 7, || format!("its page says {} instead of 7", fence.value()))?;
        Ok(format!("7 in memory at once; GPU address {:#x}", fence.gpu_address()))
    });
    bench.check("signal by the CPU", |dxg| {
        let fence = device.create_fence(FenceOptions::default())?;
        let before = dxg.traffic();
        fence.signal(5)?;
        holds(soon(|| fence.value() == 5), || format!("the fence stays at {}", fence.value()))?;
        let posted = dxg.traffic().posted > before.posted;
        // A lower value is refused by the host, which a posted call does not say.
        let lower = fence.signal(3);
        std::thread::sleep(A_MOMENT);
        holds(fence.value() == 5, || format!("a lower value was taken: {}", fence.value()))?;
        let refusal = if lower.is_ok() { "silently" } else { "with an error" };
        Ok(format!("{}; a lower value is refused {refusal}", if posted { "posted" } else { "a round trip" }))
    });
    bench.check("signal and wait by the GPU", |_| {
        let context = optional(device.create_context(ContextOptions::default()))?;
        let (first, second) = (device.create_fence(Default::default())?, device.create_fence(Default::default())?);
        context.wait(&[(first.handle(), 1)])?;
        context.signal(&[(second.handle(), 9)])?;
        std::thread::sleep(A_MOMENT);
        holds(second.value() == 0, || "the signal did not stay behind the wait".into())?;
        first.signal(1)?;
        holds(soon(|| second.value() == 9), || format!("the signal did not come: {}", second.value()))?;
        Ok("in order".into())
    });
}

fn events(device: &Device) -> Seen {
    let fence = device.create_fence(FenceOptions::default())?;
    let event = EventFd::new()?;
    device.wait_from_cpu(&[(fence.handle(), 1)], false, Some(&event))?;
    holds(event.wait(A_MOMENT)? == 0, || "it fired before the value was reached".into())?;
    fence.signal(1)?;
    holds(event.wait(PATIENCE)? == 1, || "it did not fire".into())?;
    // Satisfied already, and twice on one eventfd.
    for _ in 0..2 {
        device.wait_from_cpu(&[(fence.handle(), 1)], false, Some(&event))?;
    }
    let mut fired = 0;
    holds(
        soon(|| {
            fired += event.take().unwrap_or(0);
            fired == 2
        }),
        || format!("two waits fired {fired} times"),
    )?;
    Ok("silent before, fires after; two waits count two".into())
}

fn several(device: &Device) -> Seen {
    let (a, b) = (device.create_fence(Default::default())?, device.create_fence(Default::default())?);
    let (any, all) = (EventFd::new()?, EventFd::new()?);
    let points = [(a.handle(), 1), (b.handle(), 1)];
    device.wait_from_cpu(&points, true, Some(&any))?;
    device.wait_from_cpu(&points, false, Some(&all))?;
    a.signal(1)?;
    holds(any.wait(PATIENCE)? == 1, || "\"any\" did not fire for the first fence".into())?;
    holds(all.wait(A_MOMENT)? == 0, || "\"all\" fired for one of two".into())?;
    b.signal(1)?;
    holds(all.wait(PATIENCE)? == 1, || "\"all\" did not fire".into())?;
    Ok("one wait covers several fences".into())
}

extern "C" fn nothing(_: libc::c_int) {}

/// A blocking wait in a thread of its own, disturbed by a signal, which must not end it for the caller.
fn blocking(device: &Device) -> Seen {
    // SAFETY: a handler that does nothing, without SA_RESTART: a system call that sleeps says EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
    }
    let fence = device.create_fence(FenceOptions::default())?;
    let (dxg, handle, object) = (device.dxg().clone(), device.handle(), fence.handle());
    let waiter = std::thread::spawn(move || dxg.wait_from_cpu_blocking(handle, &[object], &[4], false));
    std::thread::sleep(A_MOMENT);
    holds(!waiter.is_finished(), || "it returned before the value was reached".into())?;
    // SAFETY: the thread was not joined yet.
    unsafe { libc::pthread_kill(waiter.as_pthread_t(), libc::SIGURG) };
    std::thread::sleep(A_MOMENT);
    holds(!waiter.is_finished(), || "a signal to the thread ended it".into())?;
    fence.signal(4)?;
    // A thread that stays behind is left there: it may sleep for good.
    holds(soon(|| waiter.is_finished()), || "it did not return".into())?;
    match waiter.join() {
        Ok(Ok(_)) => Ok("returns at the value; a Unix signal does not end it".into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(std::io::Error::other("the thread that waited panicked").into()),
    }
}

/// How dxgrt sleeps with work in flight: a GPU wait and an event after it, both posted, on a context of their own.
fn waiter(device: &Device) -> Seen {
    let context = optional(device.create_context(ContextOptions::default()))?;
    let fence = device.create_fence(FenceOptions::default())?;
    let event = EventFd::new()?;
    let before = device.dxg().traffic().round_trips;
    for round in 1..=3 {
        context.wait(&[(fence.handle(), round)])?;
        optional(context.signal_with_event(&event))?;
        holds(event.wait(A_MOMENT)? == 0, || format!("round {round}: it fired before the value was reached"))?;
        fence.signal(round)?;
        holds(event.wait(PATIENCE)? == 1, || format!("round {round}: it did not fire"))?;
    }
    let asked = device.dxg().traffic().round_trips - before;
    Ok(format!("silent before, fires after, three times; {asked} round trips"))
}

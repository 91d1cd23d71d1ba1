//! Sharing with other processes: NT handles, sync files, and the rules about who may use a descriptor.

use std::os::fd::{AsFd, BorrowedFd};

use dxg_io::call::Dxg;
use dxg_io::dev::DevDxg;
use dxg_io::error::Error;
use dxg_io::object::{Adapter, ContextOptions, Device, FenceOptions};

use super::PATIENCE;
use super::bench::{Bench, Seen, Trouble, holds, optional, soon};

/// All checks.
pub fn check(bench: &mut Bench, device: &Device, index: usize) {
    bench.check("shared fence", |_| shared(device));
    bench.check("sync file", |_| sync_file(device));
    bench.check("the child of a fork", |dxg| {
        let code = in_child(|| match dxg.enum_adapters2_count() {
            Err(Error::Forked { .. }) => 0,
            _ => 1,
        })?;
        holds(code == 0, || "it may use the descriptor of its parent".into())?;
        Ok("ENOTTY for the descriptor of its parent".into())
    });
    if bench.node {
        bench.check("a fence across processes", |_| across(device, index));
    }
}

fn shared(device: &Device) -> Seen {
    let fence = device.create_fence(FenceOptions { initial: 5, shared: true, ..Default::default() })?;
    let file = fence.share()?;
    let opened = device.open_fence(file.as_fd())?;
    holds(opened.value() == 5, || format!("the opened one says {} instead of 5", opened.value()))?;
    opened.signal(6)?;
    holds(soon(|| fence.value() == 6), || format!("what the opened one signals does not arrive: {}", fence.value()))?;
    drop(fence);
    opened.signal(8)?;
    holds(soon(|| opened.value() == 8), || "the opened one died with the first".into())?;
    Ok("the same fence by another handle, which outlives the first".into())
}

fn sync_file(device: &Device) -> Seen {
    let fence = device.create_fence(FenceOptions { shared: true, ..Default::default() })?;
    let file = fence.sync_file(2)?;
    let silent = std::time::Duration::from_millis(20);
    holds(!file.wait(silent)?, || "it was readable before the value was reached".into())?;
    fence.signal(2)?;
    holds(file.wait(PATIENCE)?, || "it did not become readable".into())?;
    let context = optional(device.create_context(ContextOptions::default()))?;
    // SAFETY: the sync file was made by this process just now.
    unsafe { device.dxg().wait_sync_file(file.as_fd(), context.handle()) }?;
    Ok("readable at the value; a context can wait for it".into())
}

/// The exit code of what a child does.
fn in_child(run: impl FnOnce() -> i32) -> Seen<i32> {
    // SAFETY: the child makes calls, and leaves without running anything else of this process.
    let child = unsafe { libc::fork() };
    match child {
        0 => {
            let code = run();
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) }
        }
        -1 => Err(std::io::Error::last_os_error().into()),
        child => {
            let mut status = 0;
            // SAFETY: our own child.
            let ended = soon(|| unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == child);
            if !ended {
                // SAFETY: our own child, which was not waited for.
                unsafe {
                    libc::kill(child, libc::SIGKILL);
                    libc::waitpid(child, &mut status, 0);
                }
                return Err(Trouble::Failed("the child does not end".into()));
            }
            Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 100 + libc::WTERMSIG(status) })
        }
    }
}

/// Another process opens the node itself, then the fence by its descriptor, and signals it; this one waits asleep.
fn across(device: &Device, index: usize) -> Seen {
    let fence = device.create_fence(FenceOptions { initial: 1, shared: true, ..Default::default() })?;
    let file = fence.share()?;
    let event = dxg_io::object::EventFd::new()?;
    device.wait_from_cpu(&[(fence.handle(), 77)], false, Some(&event))?;
    let code = in_child(|| match signal_from_there(index, file.as_fd()) {
        Ok(true) => 0,
        Ok(false) => 2,
        Err(_) => 3,
    })?;
    holds(code == 0, || format!("the other process could not signal it (it said {code})"))?;
    holds(soon(|| fence.value() == 77), || format!("the value seen here is {}", fence.value()))?;
    holds(event.wait(PATIENCE)? == 1, || "the value arrives, but the wait here does not end".into())?;
    Ok("another process opens and signals it; who waits here is woken".into())
}

fn signal_from_there(index: usize, file: BorrowedFd<'_>) -> Result<bool, Error> {
    let dxg = Dxg::new(DevDxg::open()?);
    let device = Device::create(&Adapter::open_nth(&dxg, index)?)?;
    let fence = device.open_fence(file)?;
    fence.signal(77)?;
    Ok(soon(|| fence.value() == 77))
}

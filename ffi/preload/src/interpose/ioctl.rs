//! `ioctl`: what all of this is for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use dxg_io::boundary::{Boundary, RawOutcome};
use dxg_io::sys::IoctlInfo;
use libc::{c_int, c_ulong, c_void};

use super::duplicate::node_at;
use super::open;
use crate::next::{Next, named};
use crate::node::{self, Identity};
use crate::open_file::{Content, Use};
use crate::{errno, raw, table};

type IoctlFn = unsafe extern "C" fn(c_int, c_ulong, ...) -> c_int;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;
/// The letter of the driver's requests.
const LETTER: c_ulong = 0x47;

/// Requests that the kernel answers itself for every file, before any driver sees them: they set flags of the descriptor.
/// Runtimes use them in place of fcntl (CPython, libuv).
fn is_for_any_file(request: c_ulong) -> bool {
    matches!(request as u32 as c_ulong, libc::FIOCLEX | libc::FIONCLEX | libc::FIONBIO | libc::FIOASYNC)
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    // SAFETY: the next library's ioctl has this type.
    static NEXT: Next<IoctlFn> = unsafe { Next::named(named!(ioctl)) };
    if (table::get(fd).is_some() && !is_for_any_file(request)) || request >> 8 & 0xff == LETTER {
        // SAFETY: the caller's arguments.
        if let Some(result) = unsafe { node_ioctl(fd, request, argument) } {
            return result;
        }
    }
    match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(ioctl) => unsafe { ioctl(fd, request, argument) },
        // SAFETY: as above.
        None => unsafe {
            raw::c_call(libc::SYS_ioctl, [fd as usize, request as usize, argument as usize, 0, 0, 0]) as c_int
        },
    }
}

/// The ioctl, if the number is the node's.
///
/// # Safety
/// As ioctl.
#[cold]
pub unsafe fn node_ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> Option<c_int> {
    // The kernel looks at 32 bits of it.
    let request = request as u32;
    let file = match node_at(fd) {
        Some(file) => file.enter()?,
        None => stranger(fd, request)?,
    };
    // The driver answers only the process that opened it; the child of a vfork is another one with the same memory.
    if file.machine.process != raw::process() {
        return Some(errno::fail(libc::ENOTTY));
    }
    let before = errno::get();
    // In the kernel no ioctl is a cancellation point; what we call may be one.
    let mut cancel = 0;
    // SAFETY: a valid state, and a place for the old one.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut cancel) };
    // SAFETY: the caller's arguments; the machine reaches what they point to with checks.
    let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { recorded(&file, request, argument) }));
    drop(file);
    // SAFETY: the state that it had.
    unsafe { pthread_setcancelstate(cancel, std::ptr::null_mut()) };
    // A defect of ours was reported on stderr; the program gets an error that it can take.
    let outcome = outcome.unwrap_or(RawOutcome::failed(libc::EIO));
    errno::set(if outcome.ret == -1 { outcome.errno } else { before });
    Some(outcome.ret)
}

/// # Safety
/// As [`node_ioctl`].
unsafe fn recorded(file: &Content, request: u32, argument: *mut c_void) -> RawOutcome {
    let (record, memory) = (&file.machine.record, &*file.machine.memory);
    record.begins(request);
    let before = record.argument(request, argument as u64, memory);
    let began = Instant::now();
    // SAFETY: the file was opened with checked memory, which takes any address.
    let outcome = unsafe { file.file.ioctl(request, argument) };
    record.called(request, &outcome, began, before, || record.argument(request, argument as u64, memory));
    outcome
}

/// A descriptor of the node that came here without us: over a socket, by a raw system call, through exec. It is the
/// process's own if the process opened it, which the descriptor itself tells.
fn stranger(fd: c_int, request: u32) -> Option<Use> {
    IoctlInfo::of(request)?;
    errno::kept(|| {
        let identity = Identity::of(fd)?;
        let ours = Identity::common() == Some(identity) && node::opener(fd) == Some(raw::process());
        if ours { open::adopt(fd, identity) } else { None }
    })
}

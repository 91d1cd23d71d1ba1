//! Closing: `close`, `close_range`, `closefrom`.
//!
//! Descriptors that the adapter keeps for itself do not exist for the program: closing one is `EBADF`, a range goes round
//! them.

use dxg_io::software::descriptor;
use libc::{c_int, c_uint};

use crate::machine::Machine;
use crate::next::{Next, named};
use crate::open_file::OpenFile;
use crate::{errno, raw, table};

type CloseFn = unsafe extern "C" fn(c_int) -> c_int;
type CloseRangeFn = unsafe extern "C" fn(c_uint, c_uint, c_int) -> c_int;

/// Whether the number is one that the program does not know of.
#[inline]
pub fn is_hidden(fd: c_int) -> bool {
    descriptor::is_private(fd) && Machine::here().is_some()
}

/// Forgets a number that is about to be closed. Not in the child of a vfork: it has the parent's memory, and descriptors of
/// its own.
pub fn forget(fd: c_int, file: &'static OpenFile) {
    let parents = || file.enter().is_some_and(|file| file.machine.is_here() && file.machine.process != raw::process());
    if !parents() {
        table::clear(fd, file);
    }
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    // SAFETY: the next library's close has this type.
    static NEXT: Next<CloseFn> = unsafe { Next::named(named!(close)) };
    let file = table::get(fd);
    if file.is_none() && is_hidden(fd) {
        return errno::fail(libc::EBADF);
    }
    // Held until the number is free: the teardown comes after, as in the kernel, and outside of what may be cancelled.
    let held = file.and_then(OpenFile::enter);
    if let Some(file) = file {
        forget(fd, file);
    }
    let result = match NEXT.get() {
        // SAFETY: the caller's argument, as it is.
        Some(close) => unsafe { close(fd) },
        // SAFETY: as above.
        None => unsafe { raw::c_call(libc::SYS_close, [fd as usize, 0, 0, 0, 0, 0]) as c_int },
    };
    if held.is_some() {
        errno::kept(|| drop(held));
    }
    result
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    const CLOEXEC: c_int = 1 << 2;
    // SAFETY: the next library's close_range has this type.
    static NEXT: Next<CloseRangeFn> = unsafe { Next::named(named!(close_range)) };
    let next = |first: c_uint, last: c_uint| match NEXT.get() {
        // SAFETY: a part of the caller's range.
        Some(close_range) => unsafe { close_range(first, last, flags) },
        // SAFETY: as above.
        None => unsafe {
            raw::c_call(libc::SYS_close_range, [first as usize, last as usize, flags as usize, 0, 0, 0]) as c_int
        },
    };
    // Without a machine there is nothing of ours; what is only marked keeps its number.
    if first > last || flags & CLOEXEC != 0 || Machine::here().is_none() {
        return next(first, last);
    }
    let held: Vec<_> = errno::kept(|| {
        let entered: Vec<_> = table::entered(first, last).collect();
        let held = entered.iter().filter_map(|(_, file)| file.enter()).collect();
        entered.into_iter().for_each(|(fd, file)| forget(fd, file));
        held
    });
    let mut from = first;
    for hidden in descriptor::private_from(first as c_int).take_while(|&hidden| hidden as c_uint <= last) {
        let hidden = hidden as c_uint;
        if from < hidden && next(from, hidden - 1) != 0 {
            return -1;
        }
        from = hidden + 1;
    }
    let result = if from <= last { next(from, last) } else { 0 };
    errno::kept(|| drop(held));
    result
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn closefrom(first: c_int) {
    // SAFETY: as the caller asks; there are no flags.
    unsafe { close_range(first.max(0) as c_uint, c_uint::MAX, 0) };
}

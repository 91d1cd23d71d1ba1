//! Duplicating: `dup`, `dup2`, `dup3`, and what `fcntl` does of it.

use libc::{c_int, c_long, c_void};

use super::close::{forget, is_hidden};
use crate::next::{Next, named};
use crate::node::Identity;
use crate::open_file::OpenFile;
use crate::{errno, raw, table};

type DupFn = unsafe extern "C" fn(c_int) -> c_int;
type Dup2Fn = unsafe extern "C" fn(c_int, c_int) -> c_int;
type Dup3Fn = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
type FcntlFn = unsafe extern "C" fn(c_int, c_int, ...) -> c_int;

/// The open file behind a number that is the node's, and is so still.
pub fn node_at(fd: c_int) -> Option<&'static OpenFile> {
    let file = table::get(fd)?;
    let content = file.enter()?;
    if errno::kept(|| Identity::of(fd)) == Some(content.identity) {
        return Some(file);
    }
    // The number was closed without us and means something else now.
    table::clear(fd, file);
    None
}

/// Makes a duplicate with `next`; the new number then stands for what the old one does.
pub fn duplicate(old: c_int, next: impl FnOnce() -> c_int) -> c_int {
    let Some(file) = node_at(old) else { return next() };
    // The child of a vfork must not note its descriptors in the parent's memory.
    let content = file.enter();
    let ours = content.as_ref().is_some_and(|content| content.machine.process == raw::process());
    let forked = content.is_some_and(|content| !content.machine.is_here());
    let new = next();
    if new >= 0 && new != old && (ours || forked) && file.add() {
        errno::kept(|| {
            if !table::set(new, file) {
                file.release();
            }
        });
    }
    new
}

/// As [`duplicate`], onto a number that may be open.
pub fn duplicate_onto(old: c_int, new: c_int, next: impl FnOnce() -> c_int) -> c_int {
    if old == new {
        return next();
    }
    if is_hidden(new) {
        // What the kernel says when a number is just being taken.
        return errno::fail(libc::EBUSY);
    }
    let onto = table::get(new);
    let result = duplicate(old, next);
    if result == new
        && let Some(onto) = onto
        && node_at(old).is_none()
    {
        // The node's number means something else now.
        forget(new, onto);
    }
    result
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: the next library's dup has this type.
    static NEXT: Next<DupFn> = unsafe { Next::named(named!(dup)) };
    duplicate(fd, || match NEXT.get() {
        // SAFETY: the caller's argument, as it is.
        Some(dup) => unsafe { dup(fd) },
        // SAFETY: as above.
        None => unsafe { raw::c_call(libc::SYS_dup, [fd as usize, 0, 0, 0, 0, 0]) as c_int },
    })
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    // SAFETY: the next library's dup2 has this type.
    static NEXT: Next<Dup2Fn> = unsafe { Next::named(named!(dup2)) };
    duplicate_onto(old, new, || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(dup2) => unsafe { dup2(old, new) },
        // SAFETY: as above; the numbers differ, else dup3 refuses.
        None => unsafe { raw::c_call(libc::SYS_dup3, [old as usize, new as usize, 0, 0, 0, 0]) as c_int },
    })
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    // SAFETY: the next library's dup3 has this type.
    static NEXT: Next<Dup3Fn> = unsafe { Next::named(named!(dup3)) };
    duplicate_onto(old, new, || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(dup3) => unsafe { dup3(old, new, flags) },
        // SAFETY: as above.
        None => unsafe { raw::c_call(libc::SYS_dup3, [old as usize, new as usize, flags as usize, 0, 0, 0]) as c_int },
    })
}

/// What fcntl does beyond the next library's.
pub fn control(fd: c_int, command: c_int, next: impl FnOnce() -> c_int) -> c_int {
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => duplicate(fd, next),
        libc::F_GETFL => {
            let flags = next();
            match table::get(fd).and_then(|_| node_at(fd)).and_then(OpenFile::enter) {
                // What stands in for the node is open for reading alone.
                Some(file) if flags >= 0 => flags & !libc::O_ACCMODE | file.flags & libc::O_ACCMODE,
                _ => flags,
            }
        }
        _ => next(),
    }
}

macro_rules! fcntl {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(fd: c_int, command: c_int, argument: *mut c_void) -> c_int {
            // SAFETY: the next library's function of this name has this type.
            static NEXT: Next<FcntlFn> = unsafe { Next::named(named!($name)) };
            control(fd, command, || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(fcntl) => unsafe { fcntl(fd, command, argument) },
                // SAFETY: as above.
                None => unsafe {
                    let arguments = [fd as usize, command as usize, argument as usize, 0, 0, 0];
                    raw::c_call(libc::SYS_fcntl as c_long, arguments) as c_int
                },
            })
        }
    )*};
}

fcntl!(fcntl fcntl64);

//! Names: `readlink` of a descriptor of the node in `/proc`, and `realpath` of the node, so that a program that asks what it
//! has open, or makes its paths plain before it opens them, finds the node.

use libc::{c_char, c_int, size_t, ssize_t};

use super::duplicate::node_at;
use super::open::not_found;
use crate::next::{Next, named};
use crate::{errno, path, raw, table};

const NODE: &[u8] = b"/dev/dxg";

/// Puts the node's path in place of what the next library says, if the path is that of a descriptor of the node.
///
/// # Safety
/// As readlink; `next` is the call that was made of us.
unsafe fn link(path: *const c_char, into: *mut c_char, room: size_t, next: impl FnOnce() -> ssize_t) -> ssize_t {
    let result = next();
    // SAFETY: the kernel has read the path.
    let of = if result > 0 { unsafe { path::descriptor_of(path) } } else { None };
    if of.is_none_or(|of| table::get(of).is_none() || node_at(of).is_none()) {
        return result;
    }
    let length = NODE.len().min(room);
    // SAFETY: the kernel has just written there, and may write as much as there is room for.
    unsafe { std::ptr::copy_nonoverlapping(NODE.as_ptr(), into.cast(), length) };
    length as ssize_t
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readlink(path: *const c_char, into: *mut c_char, room: size_t) -> ssize_t {
    static NEXT: Next<unsafe extern "C" fn(*const c_char, *mut c_char, size_t) -> ssize_t> =
        // SAFETY: the next library's readlink has this type.
        unsafe { Next::named(named!(readlink)) };
    let next = || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(readlink) => unsafe { readlink(path, into, room) },
        // SAFETY: as above.
        None => unsafe { raw_readlink(libc::AT_FDCWD, path, into, room) },
    };
    // SAFETY: `next` makes this very call.
    unsafe { link(path, into, room, next) }
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readlinkat(folder: c_int, path: *const c_char, into: *mut c_char, room: size_t) -> ssize_t {
    static NEXT: Next<unsafe extern "C" fn(c_int, *const c_char, *mut c_char, size_t) -> ssize_t> =
        // SAFETY: the next library's readlinkat has this type.
        unsafe { Next::named(named!(readlinkat)) };
    let next = || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(readlinkat) => unsafe { readlinkat(folder, path, into, room) },
        // SAFETY: as above.
        None => unsafe { raw_readlink(folder, path, into, room) },
    };
    // SAFETY: `next` makes this very call.
    unsafe { link(path, into, room, next) }
}

/// # Safety
/// As for readlinkat.
unsafe fn raw_readlink(folder: c_int, path: *const c_char, into: *mut c_char, room: size_t) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { raw::c_call(libc::SYS_readlinkat, [folder as usize, path as usize, into as usize, room, 0, 0]) as ssize_t }
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpath(path: *const c_char, into: *mut c_char) -> *mut c_char {
    static NEXT: Next<unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut c_char> =
        // SAFETY: the next library's realpath has this type.
        unsafe { Next::named(named!(realpath)) };
    let Some(next) = NEXT.get() else {
        errno::set(libc::ENOMEM);
        return std::ptr::null_mut();
    };
    let before = errno::get();
    // SAFETY: the caller's arguments, as they are.
    let result = unsafe { next(path, into) };
    // SAFETY: where nothing was found the path was read.
    if !result.is_null() || !not_found(errno::get()) || unsafe { !path::names_node(libc::AT_FDCWD, path) } {
        return result;
    }
    errno::set(before);
    // SAFETY: C strings; the caller gives room for the longest path, or none.
    unsafe {
        if into.is_null() { libc::strdup(c"/dev/dxg".as_ptr()) } else { libc::strcpy(into, c"/dev/dxg".as_ptr()) }
    }
}

/// What it is short for.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn canonicalize_file_name(path: *const c_char) -> *mut c_char {
    // SAFETY: the caller's argument.
    unsafe { realpath(path, std::ptr::null_mut()) }
}

/// The fortified forms: with the size of the buffer, which the compiler knew.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __realpath_chk(path: *const c_char, into: *mut c_char, room: size_t) -> *mut c_char {
    static NEXT: Next<unsafe extern "C" fn(*const c_char, *mut c_char, size_t) -> *mut c_char> =
        // SAFETY: the next library's function has this type.
        unsafe { Next::named(named!(__realpath_chk)) };
    match NEXT.get() {
        // Too little room ends the program there, as the C library has it.
        // SAFETY: the caller's arguments, as they are.
        Some(check) if room < libc::PATH_MAX as usize => unsafe { check(path, into, room) },
        // SAFETY: as above.
        _ => unsafe { realpath(path, into) },
    }
}

/// As above.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __readlink_chk(
    path: *const c_char,
    into: *mut c_char,
    length: size_t,
    room: size_t,
) -> ssize_t {
    static NEXT: Next<unsafe extern "C" fn(*const c_char, *mut c_char, size_t, size_t) -> ssize_t> =
        // SAFETY: the next library's function has this type.
        unsafe { Next::named(named!(__readlink_chk)) };
    match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(check) if length > room => unsafe { check(path, into, length, room) },
        // SAFETY: as above.
        _ => unsafe { readlink(path, into, length) },
    }
}

/// As above.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __readlinkat_chk(
    folder: c_int,
    path: *const c_char,
    into: *mut c_char,
    length: size_t,
    room: size_t,
) -> ssize_t {
    static NEXT: Next<unsafe extern "C" fn(c_int, *const c_char, *mut c_char, size_t, size_t) -> ssize_t> =
        // SAFETY: the next library's function has this type.
        unsafe { Next::named(named!(__readlinkat_chk)) };
    match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(check) if length > room => unsafe { check(folder, path, into, length, room) },
        // SAFETY: as above.
        _ => unsafe { readlinkat(folder, path, into, length) },
    }
}

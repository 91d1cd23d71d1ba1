//! Looking: `stat` and its relatives, `access`, so that a program that looks before it opens finds the node.

use libc::{c_char, c_int, c_long, c_uint};

use super::duplicate::node_at;
use super::open::not_found;
use crate::next::{Next, named};
use crate::{errno, node, path, raw, table};

/// Answers for the node where the next library found nothing.
///
/// # Safety
/// `next` is the call that was made of us, `path` its path.
unsafe fn either(folder: c_int, path: *const c_char, next: impl FnOnce() -> c_int, node: impl FnOnce()) -> c_int {
    let before = errno::get();
    let result = next();
    if result != -1 {
        return result;
    }
    let error = errno::get();
    // SAFETY: the kernel has read the path to find that there is nothing.
    if not_found(error) && unsafe { path::names_node(folder, path) } {
        node();
        errno::set(before);
        return 0;
    }
    errno::fail(error)
}

/// # Safety
/// As for newfstatat.
unsafe fn raw_stat(folder: c_int, path: *const c_char, into: *mut libc::stat, flags: c_int) -> c_int {
    let arguments = [folder as usize, path as usize, into as usize, flags as usize, 0, 0];
    // SAFETY: the caller's promise; on 64-bit machines the C library's struct is the kernel's.
    unsafe { raw::c_call(libc::SYS_newfstatat, arguments) as c_int }
}

macro_rules! by_path {
    ($($name:ident $flags:expr;)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, into: *mut libc::stat) -> c_int {
            static NEXT: Next<unsafe extern "C" fn(*const c_char, *mut libc::stat) -> c_int> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(stat) => unsafe { stat(path, into) },
                // SAFETY: as above.
                None => unsafe { raw_stat(libc::AT_FDCWD, path, into, $flags) },
            };
            // SAFETY: `next` makes this very call; the caller's struct is to be filled.
            unsafe { either(libc::AT_FDCWD, path, next, || into.write(node::stat())) }
        }
    )*};
}

by_path! {
    stat 0;
    stat64 0;
    lstat libc::AT_SYMLINK_NOFOLLOW;
    lstat64 libc::AT_SYMLINK_NOFOLLOW;
}

macro_rules! by_descriptor {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(fd: c_int, into: *mut libc::stat) -> c_int {
            static NEXT: Next<unsafe extern "C" fn(c_int, *mut libc::stat) -> c_int> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            if table::get(fd).is_some() && node_at(fd).is_some() {
                // SAFETY: the caller's struct is to be filled.
                unsafe { into.write(node::stat()) };
                return 0;
            }
            match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(fstat) => unsafe { fstat(fd, into) },
                // SAFETY: as above.
                None => unsafe { raw_stat(fd, c"".as_ptr(), into, libc::AT_EMPTY_PATH) },
            }
        }
    )*};
}

by_descriptor!(fstat fstat64);

/// Whether a call is about the descriptor itself.
///
/// # Safety
/// `path` is null or points to a C string if the flags say that it may be empty.
unsafe fn itself(fd: c_int, path: *const c_char, flags: c_int) -> bool {
    flags & libc::AT_EMPTY_PATH != 0
        && table::get(fd).is_some()
        // SAFETY: the caller's promise.
        && (path.is_null() || unsafe { *path } == 0)
        && node_at(fd).is_some()
}

macro_rules! in_folder {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            folder: c_int,
            path: *const c_char,
            into: *mut libc::stat,
            flags: c_int,
        ) -> c_int {
            static NEXT: Next<unsafe extern "C" fn(c_int, *const c_char, *mut libc::stat, c_int) -> c_int> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            // SAFETY: the caller's path.
            if unsafe { itself(folder, path, flags) } {
                // SAFETY: the caller's struct is to be filled.
                unsafe { into.write(node::stat()) };
                return 0;
            }
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(fstatat) => unsafe { fstatat(folder, path, into, flags) },
                // SAFETY: as above.
                None => unsafe { raw_stat(folder, path, into, flags) },
            };
            // SAFETY: `next` makes this very call; the caller's struct is to be filled.
            unsafe { either(folder, path, next, || into.write(node::stat())) }
        }
    )*};
}

in_folder!(fstatat fstatat64);

macro_rules! versioned {
    ($($name:ident $now:ident;)*) => {$(
        /// The form that programs made for an older C library call.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(_version: c_int, path: *const c_char, into: *mut libc::stat) -> c_int {
            // SAFETY: the same arguments; on 64-bit machines there is one version of the struct.
            unsafe { $now(path, into) }
        }
    )*};
}

versioned! {
    __xstat stat;
    __xstat64 stat64;
    __lxstat lstat;
    __lxstat64 lstat64;
}

macro_rules! versioned_descriptor {
    ($($name:ident $now:ident;)*) => {$(
        /// The form that programs made for an older C library call.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(_version: c_int, fd: c_int, into: *mut libc::stat) -> c_int {
            // SAFETY: the same arguments; on 64-bit machines there is one version of the struct.
            unsafe { $now(fd, into) }
        }
    )*};
}

versioned_descriptor! {
    __fxstat fstat;
    __fxstat64 fstat64;
}

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    into: *mut libc::statx,
) -> c_int {
    static NEXT: Next<unsafe extern "C" fn(c_int, *const c_char, c_int, c_uint, *mut libc::statx) -> c_int> =
        // SAFETY: the next library's statx has this type.
        unsafe { Next::named(named!(statx)) };
    // SAFETY: the caller's path.
    if unsafe { itself(folder, path, flags) } {
        // SAFETY: the caller's struct is to be filled.
        unsafe { into.write(node::statx()) };
        return 0;
    }
    let next = || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(statx) => unsafe { statx(folder, path, flags, mask, into) },
        // SAFETY: as above.
        None => unsafe {
            let arguments = [folder as usize, path as usize, flags as usize, mask as usize, into as usize, 0];
            raw::c_call(libc::SYS_statx as c_long, arguments) as c_int
        },
    };
    // SAFETY: `next` makes this very call; the caller's struct is to be filled.
    unsafe { either(folder, path, next, || into.write(node::statx())) }
}

macro_rules! access {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, mode: c_int) -> c_int {
            static NEXT: Next<unsafe extern "C" fn(*const c_char, c_int) -> c_int> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(access) => unsafe { access(path, mode) },
                // SAFETY: as above.
                None => unsafe { raw_access(libc::AT_FDCWD, path, mode) },
            };
            // SAFETY: `next` makes this very call.
            unsafe { accessible(libc::AT_FDCWD, path, mode, next) }
        }
    )*};
}

access!(access euidaccess eaccess);

/// See the module.
///
/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faccessat(folder: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
    static NEXT: Next<unsafe extern "C" fn(c_int, *const c_char, c_int, c_int) -> c_int> =
        // SAFETY: the next library's faccessat has this type.
        unsafe { Next::named(named!(faccessat)) };
    let next = || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(faccessat) => unsafe { faccessat(folder, path, mode, flags) },
        // SAFETY: as above.
        None => unsafe { raw_access(folder, path, mode) },
    };
    // SAFETY: `next` makes this very call.
    unsafe { accessible(folder, path, mode, next) }
}

/// # Safety
/// As for faccessat.
unsafe fn raw_access(folder: c_int, path: *const c_char, mode: c_int) -> c_int {
    let arguments = [folder as usize, path as usize, mode as usize, 0, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { raw::c_call(libc::SYS_faccessat, arguments) as c_int }
}

/// Everybody may read and write the node, nobody may run it.
///
/// # Safety
/// As [`either`].
unsafe fn accessible(folder: c_int, path: *const c_char, mode: c_int, next: impl FnOnce() -> c_int) -> c_int {
    let mut ours = false;
    // SAFETY: the caller's promise.
    let result = unsafe { either(folder, path, next, || ours = true) };
    if ours && mode & libc::X_OK != 0 { errno::fail(libc::EACCES) } else { result }
}

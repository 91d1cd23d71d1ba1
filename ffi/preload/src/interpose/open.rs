//! Opening: `open`, `openat`, `creat`, their 64-bit and fortified forms, and `fopen`.
//!
//! On a machine without a real node the next library is asked first, and only where it finds nothing is the path looked at:
//! every other open costs nothing. Where there is a real node, or the open could make a file, the path is looked at first,
//! with care: nobody has checked the pointer yet.

use std::time::Instant;

use dxg_io::boundary::RawOutcome;
use libc::{FILE, c_char, c_int, mode_t};

use super::duplicate::node_at;
use crate::machine::{Machine, number_of};
use crate::next::{Next, named};
use crate::node::{self, Identity};
use crate::open_file::{Content, OpenFile, Use};
use crate::{errno, path, raw, table};

type OpenFn = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
type OpenAtFn = unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int;
type Open2Fn = unsafe extern "C" fn(*const c_char, c_int) -> c_int;
type OpenAt2Fn = unsafe extern "C" fn(c_int, *const c_char, c_int) -> c_int;
type FopenFn = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut FILE;

/// Opens the node itself.
pub fn open_node(flags: c_int) -> c_int {
    let before = errno::get();
    match make(flags) {
        Ok(fd) => {
            errno::set(before);
            fd
        }
        Err(error) => errno::fail(error),
    }
}

fn make(flags: c_int) -> Result<c_int, c_int> {
    const NEW: c_int = libc::O_CREAT | libc::O_EXCL;
    if flags & NEW == NEW {
        return Err(libc::EEXIST);
    }
    if flags & libc::O_DIRECTORY != 0 {
        return Err(libc::ENOTDIR);
    }
    if flags & libc::O_PATH != 0 {
        let fd = node::descriptor(flags);
        return if fd < 0 { Err(-fd) } else { Ok(fd) };
    }
    let machine = Machine::get()?;
    let began = Instant::now();
    let fd = node::descriptor(flags);
    let opened = (|| {
        if fd < 0 {
            return Err(-fd);
        }
        let (file, traffic) =
            machine.adapter.open_counted(machine.memory.clone()).map_err(|error| number_of(&error))?;
        let identity = Identity::of(fd).ok_or(libc::EBADF)?;
        node::set_opener(fd, machine.process);
        let open_file = OpenFile::new(Content { file, machine, flags, identity });
        if !table::set(fd, open_file) {
            open_file.release();
            return Err(libc::EMFILE);
        }
        Ok(traffic)
    })();
    match opened {
        Ok(traffic) => {
            machine.record.opened(&RawOutcome::success().with_traffic(traffic), began);
            Ok(fd)
        }
        Err(error) => {
            if fd >= 0 {
                raw::close(fd);
            }
            machine.record.opened(&RawOutcome::failed(error), began);
            Err(error)
        }
    }
}

/// Takes a descriptor in that this process opened and that is not in the table: with what exec or another way of coming here
/// has left of it, which is nothing but the number.
pub fn adopt(fd: c_int, identity: Identity) -> Option<Use> {
    let machine = Machine::get().ok()?;
    let (file, _) = machine.adapter.open_counted(machine.memory.clone()).ok()?;
    let open_file = OpenFile::new(Content { file, machine, flags: libc::O_RDONLY, identity });
    let in_use = open_file.enter();
    if !table::set(fd, open_file) {
        open_file.release();
    }
    in_use
}

/// Whether a failure of the next library may mean that there is no real node. All of these come after the kernel has read
/// the path.
pub fn not_found(error: c_int) -> bool {
    matches!(error, libc::ENOENT | libc::EACCES | libc::ENOTDIR)
}

/// Opens the node, or lets the next library open something else.
///
/// # Safety
/// `next` is the call that was made of us, `path` its path.
pub unsafe fn either(folder: c_int, path: *const c_char, flags: c_int, next: impl FnOnce() -> c_int) -> c_int {
    if flags & libc::O_CREAT != 0 || node::is_real() {
        let ours = errno::kept(|| path::names_node_checked(folder, path));
        return if ours { open_node(flags) } else { next() };
    }
    let before = errno::get();
    let fd = next();
    let error = errno::get();
    // A failure of these kinds comes after the kernel has read the path, as success does.
    if fd != -1 || not_found(error) || error == libc::EPERM {
        // SAFETY: the kernel has read the path.
        let again = unsafe { path::descriptor_of(path) };
        if again.is_some_and(|of| table::get(of).is_some() && node_at(of).is_some()) {
            // A node that is open already, by its path in /proc: opened once more, as a driver would see it.
            if fd != -1 {
                raw::close(fd);
            }
            errno::set(before);
            return open_node(flags);
        }
    }
    if fd != -1 {
        return fd;
    }
    // SAFETY: the kernel has read the path to find that there is nothing.
    if not_found(error) && unsafe { path::names_node(folder, path) } {
        errno::set(before);
        return open_node(flags);
    }
    errno::fail(error)
}

/// # Safety
/// As for openat.
unsafe fn raw_openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let arguments = [folder as usize, path as usize, flags as usize, mode as usize, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { raw::c_call(libc::SYS_openat, arguments) as c_int }
}

macro_rules! open {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            static NEXT: Next<OpenFn> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(open) => unsafe { open(path, flags, mode) },
                // SAFETY: as above.
                None => unsafe { raw_openat(libc::AT_FDCWD, path, flags, mode) },
            };
            // SAFETY: `next` makes this very call.
            unsafe { either(libc::AT_FDCWD, path, flags, next) }
        }
    )*};
}

macro_rules! openat {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            static NEXT: Next<OpenAtFn> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(open) => unsafe { open(folder, path, flags, mode) },
                // SAFETY: as above.
                None => unsafe { raw_openat(folder, path, flags, mode) },
            };
            // SAFETY: `next` makes this very call.
            unsafe { either(folder, path, flags, next) }
        }
    )*};
}

open!(open open64);
openat!(openat openat64);

macro_rules! creat {
    ($($name:ident)*) => {$(
        /// What it is short for.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, mode: mode_t) -> c_int {
            // SAFETY: the caller's arguments.
            unsafe { open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode) }
        }
    )*};
}

creat!(creat creat64);

macro_rules! fortified {
    ($($name:ident $at:ident;)*) => {$(
        /// The fortified form: without a mode.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, flags: c_int) -> c_int {
            static NEXT: Next<Open2Fn> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(open) => unsafe { open(path, flags) },
                // SAFETY: as above.
                None => unsafe { raw_openat(libc::AT_FDCWD, path, flags, 0) },
            };
            // SAFETY: `next` makes this very call.
            unsafe { either(libc::AT_FDCWD, path, flags, next) }
        }

        /// The fortified form: without a mode.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $at(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
            static NEXT: Next<OpenAt2Fn> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($at)) };
            let next = || match NEXT.get() {
                // SAFETY: the caller's arguments, as they are.
                Some(open) => unsafe { open(folder, path, flags) },
                // SAFETY: as above.
                None => unsafe { raw_openat(folder, path, flags, 0) },
            };
            // SAFETY: `next` makes this very call.
            unsafe { either(folder, path, flags, next) }
        }
    )*};
}

fortified! {
    __open_2 __openat_2;
    __open64_2 __openat64_2;
}

/// The flags of a mode such as "r+e".
///
/// # Safety
/// `mode` points to a C string.
unsafe fn flags_of(mode: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let mode = unsafe { std::ffi::CStr::from_ptr(mode) }.to_bytes();
    let access = match (mode.contains(&b'+'), mode.first()) {
        (true, _) => libc::O_RDWR,
        (_, Some(b'r')) => libc::O_RDONLY,
        _ => libc::O_WRONLY,
    };
    access | if mode.contains(&b'e') { libc::O_CLOEXEC } else { 0 }
}

macro_rules! fopen {
    ($($name:ident)*) => {$(
        /// See the module.
        ///
        /// # Safety
        /// As the C function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char) -> *mut FILE {
            static NEXT: Next<FopenFn> =
                // SAFETY: the next library's function of this name has this type.
                unsafe { Next::named(named!($name)) };
            let Some(next) = NEXT.get() else {
                errno::set(libc::ENOMEM);
                return std::ptr::null_mut();
            };
            // A mode that makes files must not make this one.
            // SAFETY: the mode is a C string, as the C function asks for.
            let first = unsafe { *mode as u8 != b'r' } || node::is_real();
            let ours = first && errno::kept(|| path::names_node_checked(libc::AT_FDCWD, path));
            if !ours {
                let before = errno::get();
                // SAFETY: the caller's arguments, as they are.
                let file = unsafe { next(path, mode) };
                // SAFETY: C strings, as above.
                if !file.is_null() || !not_found(errno::get()) || unsafe { !path::names_node(libc::AT_FDCWD, path) } {
                    return file;
                }
                errno::set(before);
            }
            // SAFETY: C strings, as above.
            let fd = open_node(unsafe { flags_of(mode) });
            // What stands in for the node is open for reading; writing to the node fails in any case.
            // SAFETY: a descriptor that was just opened.
            if fd < 0 { std::ptr::null_mut() } else { unsafe { libc::fdopen(fd, c"r".as_ptr()) } }
        }
    )*};
}

fopen!(fopen fopen64);

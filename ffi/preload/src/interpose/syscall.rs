//! `syscall`: the few numbers that could be about the node, for programs that make their system calls by it.
//!
//! Everything else is jumped on to the next library's with registers and stack as they came: calls such as `clone` return
//! with another stack.

use libc::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

use super::{close, duplicate, ioctl, open};
use crate::next::{Next, named};
use crate::{errno, path, raw};

type SyscallFn = unsafe extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long;

// SAFETY: the next library's syscall can be called like this.
static NEXT: Next<SyscallFn> = unsafe { Next::named(named!(syscall)) };

/// See the module.
///
/// # Safety
/// As the C function.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall() {
    core::arch::naked_asm!(
        "cmp rdi, {ioctl}", "je 2f",
        "cmp rdi, {open}", "je 2f",
        "cmp rdi, {openat}", "je 2f",
        "cmp rdi, {openat2}", "je 2f",
        "cmp rdi, {close}", "je 2f",
        "cmp rdi, {close_range}", "je 2f",
        "cmp rdi, {dup}", "je 2f",
        "cmp rdi, {dup2}", "je 2f",
        "cmp rdi, {dup3}", "je 2f",
        "cmp rdi, {fcntl}", "je 2f",
        "mov r11, [rip + {next}]",
        "test r11, r11", "jz 2f",
        "jmp r11",
        "2: jmp {handle}",
        ioctl = const libc::SYS_ioctl,
        open = const libc::SYS_open,
        openat = const libc::SYS_openat,
        openat2 = const libc::SYS_openat2,
        close = const libc::SYS_close,
        close_range = const libc::SYS_close_range,
        dup = const libc::SYS_dup,
        dup2 = const libc::SYS_dup2,
        dup3 = const libc::SYS_dup3,
        fcntl = const libc::SYS_fcntl,
        next = sym NEXT,
        handle = sym handle,
    )
}

/// See the module.
///
/// # Safety
/// As the C function.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall() {
    core::arch::naked_asm!(
        "cmp x0, {ioctl}", "b.eq 2f",
        "cmp x0, {openat}", "b.eq 2f",
        "cmp x0, {openat2}", "b.eq 2f",
        "cmp x0, {close}", "b.eq 2f",
        "cmp x0, {close_range}", "b.eq 2f",
        "cmp x0, {dup}", "b.eq 2f",
        "cmp x0, {dup3}", "b.eq 2f",
        "cmp x0, {fcntl}", "b.eq 2f",
        "adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "cbz x16, 2f",
        "br x16",
        "2: b {handle}",
        ioctl = const libc::SYS_ioctl,
        openat = const libc::SYS_openat,
        openat2 = const libc::SYS_openat2,
        close = const libc::SYS_close,
        close_range = const libc::SYS_close_range,
        dup = const libc::SYS_dup,
        dup3 = const libc::SYS_dup3,
        fcntl = const libc::SYS_fcntl,
        next = sym NEXT,
        handle = sym handle,
    )
}

/// The calls that could be about the node, and the first of all others.
///
/// # Safety
/// As the C function.
unsafe extern "C" fn handle(n: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    let next = || match NEXT.get() {
        // SAFETY: the caller's arguments, as they are.
        Some(syscall) => unsafe { syscall(n, a, b, c, d, e, f) },
        // SAFETY: as above.
        None => unsafe { raw::c_call(n, [a, b, c, d, e, f]) },
    };
    let opened = |folder: usize, path: usize, flags: usize| {
        // SAFETY: `next` makes this very call.
        unsafe { open::either(folder as c_int, path as *const c_char, flags as c_int, || next() as c_int) as c_long }
    };
    match n {
        // SAFETY: the caller's arguments.
        libc::SYS_ioctl => unsafe { ioctl::ioctl(a as c_int, b as c_ulong, c as *mut c_void) as c_long },
        libc::SYS_openat => opened(a, b, c),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => opened(libc::AT_FDCWD as usize, a, b),
        // SAFETY: flags are the first word of what the third argument points to, if the kernel could read it.
        libc::SYS_openat2 => unsafe { openat2(a as c_int, b as *const c_char, c as *const u64, next) },
        // SAFETY: the caller's argument.
        libc::SYS_close => unsafe { close::close(a as c_int) as c_long },
        // SAFETY: the caller's arguments.
        libc::SYS_close_range => unsafe { close::close_range(a as c_uint, b as c_uint, c as c_int) as c_long },
        libc::SYS_dup => duplicate::duplicate(a as c_int, || next() as c_int) as c_long,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_dup2 => duplicate::duplicate_onto(a as c_int, b as c_int, || next() as c_int) as c_long,
        libc::SYS_dup3 => duplicate::duplicate_onto(a as c_int, b as c_int, || next() as c_int) as c_long,
        libc::SYS_fcntl => duplicate::control(a as c_int, b as c_int, || next() as c_int) as c_long,
        _ => next(),
    }
}

/// # Safety
/// As the system call.
unsafe fn openat2(folder: c_int, at: *const c_char, how: *const u64, next: impl FnOnce() -> c_long) -> c_long {
    let before = errno::get();
    let fd = next();
    let error = errno::get();
    // SAFETY: the kernel has read the path and the flags to find that there is nothing.
    if fd == -1 && open::not_found(error) && unsafe { path::names_node(folder, at) } {
        errno::set(before);
        // SAFETY: as above.
        return open::open_node(unsafe { *how } as c_int).into();
    }
    errno::set(error);
    fd
}

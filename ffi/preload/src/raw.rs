//! System calls without the C library: for the time before the next library is known, and where none of its functions would
//! do (they come back to us).

use libc::{c_int, c_long};

use crate::errno;

/// Makes a system call; a failure is a negative error number.
///
/// # Safety
/// The kernel's contract of the call.
#[cfg(target_arch = "x86_64")]
pub unsafe fn call(number: c_long, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the instruction clobbers rcx and r11 alone; memory is as the caller promises for this call.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Makes a system call; a failure is a negative error number.
///
/// # Safety
/// The kernel's contract of the call.
#[cfg(target_arch = "aarch64")]
pub unsafe fn call(number: c_long, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: memory is as the caller promises for this call; no register but x0 changes.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a[0] => result,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5],
            options(nostack),
        );
    }
    result
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("/dev/dxg exists on x86-64 and arm64 only; so does this library");

/// As the C library gives it: -1 and errno for a failure.
///
/// # Safety
/// As [`call`].
pub unsafe fn c_call(number: c_long, a: [usize; 6]) -> c_long {
    // SAFETY: the caller's promise.
    let result = unsafe { call(number, a) };
    match c_int::try_from(-result) {
        Ok(error @ 1..=4095) => errno::fail(error).into(),
        _ => result as c_long,
    }
}

/// The process, asked of the kernel: also true in the child of a fork or vfork.
pub fn process() -> u32 {
    // SAFETY: getpid has no arguments.
    unsafe { call(libc::SYS_getpid, [0; 6]) as u32 }
}

/// The thread.
pub fn thread() -> u32 {
    // SAFETY: gettid has no arguments.
    unsafe { call(libc::SYS_gettid, [0; 6]) as u32 }
}

/// Closes a descriptor, whatever anybody thinks of its number.
pub fn close(fd: c_int) {
    // SAFETY: close takes any number.
    unsafe { call(libc::SYS_close, [fd as usize, 0, 0, 0, 0, 0]) };
}

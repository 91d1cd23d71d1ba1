//! Calls that concern the library as a whole: its version, the sentence of the last failure.

use std::ffi::{c_char, c_void};

use crate::guard::{Failure, guard, guard_value, with_last};
use crate::log;
use crate::status::dxgrt_status;
use crate::types::*;

/// Major version of the library that this header belongs to.
pub const DXGRT_VERSION_MAJOR: u32 = 0;
/// Minor version of the library that this header belongs to.
pub const DXGRT_VERSION_MINOR: u32 = 1;
/// Patch version of the library that this header belongs to.
pub const DXGRT_VERSION_PATCH: u32 = 0;
/// Version of the binary interface: libraries with the same one can take each other's place. It is part of the soname.
pub const DXGRT_ABI_VERSION: u32 = 0;

/// The ABI version of the library in use: compare with DXGRT_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn dxgrt_abi_version() -> u32 {
    guard_value(DXGRT_ABI_VERSION, || Ok(DXGRT_ABI_VERSION))
}

/// The version of the library in use: major << 16 | minor << 8 | patch.
#[unsafe(no_mangle)]
pub extern "C" fn dxgrt_version() -> u32 {
    const VERSION: u32 = DXGRT_VERSION_MAJOR << 16 | DXGRT_VERSION_MINOR << 8 | DXGRT_VERSION_PATCH;
    guard_value(VERSION, || Ok(VERSION))
}

/// Copies the sentence of this thread's last failure to `buf`, cut to `cap` bytes with the final NUL, and answers its whole
/// length without it. `buf` may be NULL if `cap` is 0. A call that succeeds leaves the sentence as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_last_error(buf: *mut c_char, cap: usize) -> usize {
    guard_value(0, || {
        let copy = |text: &str| {
            if !buf.is_null() && cap > 0 {
                let mut len = text.len().min(cap - 1);
                // Not in the middle of a character.
                while !text.is_char_boundary(len) {
                    len -= 1;
                }
                // SAFETY: needed to write the caller's memory; there are `cap` bytes, and `len` is less.
                unsafe {
                    std::ptr::copy_nonoverlapping(text.as_ptr(), buf.cast::<u8>(), len);
                    buf.add(len).write(0);
                }
            }
            text.len()
        };
        Ok(with_last(copy).unwrap_or(0))
    })
}

/// Has `callback` called with each line of the log up to `level` (DXGRT_LOG_*); NULL ends it. One for the whole process.
///
/// Answers DXGRT_UNSUPPORTED where the program has a `tracing` subscriber of its own (Rust programs only).
#[unsafe(no_mangle)]
pub extern "C" fn dxgrt_set_log_callback(level: u32, callback: dxgrt_log_callback, user: *mut c_void) -> dxgrt_status {
    guard(|| {
        if !(DXGRT_LOG_ERROR..=DXGRT_LOG_TRACE).contains(&level) && callback.is_some() {
            return Err(Failure::invalid(format!("log level {level} is none; use DXGRT_LOG_ERROR to DXGRT_LOG_TRACE")));
        }
        log::set(level, callback, user)
    })
}

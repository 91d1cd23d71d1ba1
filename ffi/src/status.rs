//! The status that every call answers with. The numbers are frozen: a number once given is never given another meaning.

use std::ffi::{CStr, c_char};

use dxg_runtime::Error;

use crate::guard::guard_value;

/// What a call answers: 0 is success, positive numbers are no failure, negative numbers are failures.
///
/// `dxgrt_last_error` has the sentence that belongs to a failure. New failures may get new numbers: treat unknown negative
/// ones as failures.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dxgrt_status {
    /// Success.
    DXGRT_OK = 0,
    /// The answer is not known yet: ask again later.
    DXGRT_NOT_READY = 1,
    /// The time allowed for waiting is over; the work goes on.
    DXGRT_TIMEOUT = 2,
    /// An argument, or the moment of the call, can never be right. Nothing has happened.
    DXGRT_INVALID = -1,
    /// Memory (of the device or of the host) is used up. Nothing has happened.
    DXGRT_NO_MEMORY = -2,
    /// A module image cannot be loaded.
    DXGRT_BAD_IMAGE = -3,
    /// There is no such device, kernel or allocation.
    DXGRT_NOT_FOUND = -4,
    /// A launch failed; the stream takes nothing more until `dxgrt_stream_reset`.
    DXGRT_LAUNCH_FAILED = -5,
    /// Not run, because something before it failed.
    DXGRT_DEPENDENCY_FAILED = -6,
    /// The device is lost with everything in flight: close the context and open another.
    DXGRT_DEVICE_LOST = -7,
    /// The device cannot do this.
    DXGRT_UNSUPPORTED = -8,
    /// The context is closed.
    DXGRT_SHUTDOWN = -9,
    /// This process was forked from one that used the library, which does not survive that.
    DXGRT_FORKED = -10,
    /// A defect of the library was caught; please report it. The context should be closed.
    DXGRT_PANIC = -11,
    /// There is no room for more unfinished work now, and the context was opened with `DXGRT_BACKPRESSURE_ERROR`. Nothing has
    /// happened.
    DXGRT_FULL = -12,
    /// A call of the driver or of the operating system failed.
    DXGRT_DRIVER = -13,
}

use dxgrt_status::*;

/// The status of a runtime error.
pub(crate) fn status_of(error: &Error) -> dxgrt_status {
    match error {
        Error::NoDevice { .. } | Error::KernelNotFound { .. } => DXGRT_NOT_FOUND,
        Error::BadImage { .. } => DXGRT_BAD_IMAGE,
        Error::OutOfMemory { .. } => DXGRT_NO_MEMORY,
        Error::LaunchFailed { .. } => DXGRT_LAUNCH_FAILED,
        Error::DependencyFailed { .. } => DXGRT_DEPENDENCY_FAILED,
        Error::DeviceLost { .. } => DXGRT_DEVICE_LOST,
        Error::NotReady { .. } => DXGRT_NOT_READY,
        Error::Unsupported { .. } => DXGRT_UNSUPPORTED,
        Error::ShutDown => DXGRT_SHUTDOWN,
        Error::Driver { .. } => DXGRT_DRIVER,
        // Everything else is about what the caller gave.
        _ => DXGRT_INVALID,
    }
}

/// The name of a status, for example "DXGRT_INVALID"; "unknown status" for a number that is none. Never NULL; nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn dxgrt_status_name(status: i32) -> *const c_char {
    guard_value(c"unknown status".as_ptr(), || Ok(name(status).as_ptr()))
}

/// The name of a status.
pub(crate) fn name(status: i32) -> &'static CStr {
    match status {
        0 => c"DXGRT_OK",
        1 => c"DXGRT_NOT_READY",
        2 => c"DXGRT_TIMEOUT",
        -1 => c"DXGRT_INVALID",
        -2 => c"DXGRT_NO_MEMORY",
        -3 => c"DXGRT_BAD_IMAGE",
        -4 => c"DXGRT_NOT_FOUND",
        -5 => c"DXGRT_LAUNCH_FAILED",
        -6 => c"DXGRT_DEPENDENCY_FAILED",
        -7 => c"DXGRT_DEVICE_LOST",
        -8 => c"DXGRT_UNSUPPORTED",
        -9 => c"DXGRT_SHUTDOWN",
        -10 => c"DXGRT_FORKED",
        -11 => c"DXGRT_PANIC",
        -12 => c"DXGRT_FULL",
        -13 => c"DXGRT_DRIVER",
        _ => c"unknown status",
    }
}

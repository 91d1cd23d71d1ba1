//! The calling thread's errno, as C programs see it.

use libc::c_int;

/// Its value.
pub fn get() -> c_int {
    // SAFETY: the address is that of the thread's own errno.
    unsafe { *libc::__errno_location() }
}

/// Sets it.
pub fn set(value: c_int) {
    // SAFETY: as in `get`.
    unsafe { *libc::__errno_location() = value };
}

/// Sets it, and gives what a C function returns then.
pub fn fail(value: c_int) -> c_int {
    set(value);
    -1
}

/// Runs something that may change errno, and puts it back: a C function that succeeds leaves it alone.
pub fn kept<T>(run: impl FnOnce() -> T) -> T {
    let before = get();
    let result = run();
    set(before);
    result
}

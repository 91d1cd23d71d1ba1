//! Boundaries that wrap a boundary: they see each call on its way down and its outcome on the way up.
//!
//! | middleware | does |
//! |---|---|
//! | [`Tracer`] | counts calls, messages, bytes and time by ioctl; may call back for each |
//! | [`Recorder`] | keeps the last calls with their argument bytes, ready to be written as JSON lines |
//! | [`FaultInjector`] | fails, delays or loses chosen calls |
//!
//! [`Ledger`] is where counts go that outlive the process: a file that several map.
//!
//! Each has a handle that stays with the one who asks ([`Counts`], [`Recording`], [`Faults`]), while the middleware itself
//! goes into the stack: `Dxg::new(tracer)`. So a handle never keeps a descriptor open.

mod fault;
mod ledger;
mod recorder;
mod tracer;

pub use fault::{Action, FaultInjector, Faults, Rule, Which};
pub use ledger::{Ledger, Savings};
pub use recorder::{Record, Recorder, Recording};
pub use tracer::{CallStats, Counts, TracedCall, Tracer};

use core::ffi::c_void;

use crate::sys::IoctlInfo;

/// The bytes of an argument struct.
///
/// # Safety
/// As [`Boundary::ioctl`](crate::boundary::Boundary::ioctl): `arg` points to the initialised argument struct of the ioctl.
unsafe fn argument_bytes(ioctl: &IoctlInfo, arg: *const c_void) -> Vec<u8> {
    // SAFETY: the caller promises that so many initialised bytes are there, and that nobody writes to them meanwhile.
    unsafe { core::slice::from_raw_parts(arg.cast::<u8>(), ioctl.size as usize) }.to_vec()
}

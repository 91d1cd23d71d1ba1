//! The software adapter: driver, bus, host and GPU of a paravirtualized adapter inside this process.
//!
//! [`packet`] is the wire format of its command buffers, [`kernel`] what it can run, `gpu` executes.

#[allow(dead_code)]
pub mod kernel;
pub mod packet;

#[allow(dead_code)]
pub(crate) mod gpu;
#[allow(dead_code)]
pub(crate) mod model;

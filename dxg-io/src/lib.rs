//! The `/dev/dxg` boundary: everything between a Rust program and the guest driver of GPU paravirtualization.
#![deny(missing_docs)]

pub mod boundary;
pub mod call;
pub mod dev;
pub mod error;
pub mod memory;
pub mod middleware;
pub mod object;
pub mod software;
pub mod status;
pub mod sys;

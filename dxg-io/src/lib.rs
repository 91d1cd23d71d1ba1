//! The `/dev/dxg` boundary: everything between a Rust program and the guest driver of GPU paravirtualization.
#![deny(missing_docs)]
pub mod software;

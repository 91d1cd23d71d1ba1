//! Pure batching logic: operations in, waves and batches out.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

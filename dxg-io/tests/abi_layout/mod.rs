//! The types as the compiler laid them out.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

mod bits;
mod structs_adapter;
mod structs_address;
mod structs_allocation;
mod structs_basic;
mod structs_context;
mod structs_device;
mod structs_residency;
mod structs_sharing;
mod structs_statistics;
mod structs_submit;
mod structs_surface;
mod structs_sync;
mod structs_wait_signal;
mod values;

pub use bits::bits;
pub use values::{enum_sizes, values};

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    let all = [
        structs_basic::types(),
        structs_adapter::types(),
        structs_statistics::types(),
        structs_device::types(),
        structs_context::types(),
        structs_allocation::types(),
        structs_residency::types(),
        structs_surface::types(),
        structs_address::types(),
        structs_sync::types(),
        structs_wait_signal::types(),
        structs_submit::types(),
        structs_sharing::types(),
    ];
    all.into_iter().flatten().collect()
}

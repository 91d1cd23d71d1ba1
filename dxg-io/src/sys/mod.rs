//! The driver's user interface: request codes, argument structs, enumerations and limits, with their C names.
//!
//! Generated from the facts in `tests/data/dxg-abi.json`. Members that overlap in C are reached through the field
//! `u` and its methods; bit fields through methods of the struct that holds their word; padding is spelled out, so
//! that every type is [`Plain`].
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod constants;
mod enums;
mod ioctls;
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
mod support;

pub use constants::*;
pub use enums::*;
pub use ioctls::*;
pub use structs_adapter::*;
pub use structs_address::*;
pub use structs_allocation::*;
pub use structs_basic::*;
pub use structs_context::*;
pub use structs_device::*;
pub use structs_residency::*;
pub use structs_sharing::*;
pub use structs_statistics::*;
pub use structs_submit::*;
pub use structs_surface::*;
pub use structs_sync::*;
pub use structs_wait_signal::*;
pub(crate) use support::plain;
pub use support::{Argument, IoctlInfo, Plain};

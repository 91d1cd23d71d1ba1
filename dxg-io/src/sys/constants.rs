//! Limits.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

/// Limit of the driver: 16.
pub const D3DDDI_MAX_WRITTEN_PRIMARIES: u32 = 16;
/// Limit of the driver: 1024.
pub const D3DKMT_CREATEALLOCATION_MAX: u32 = 1024;
/// Limit of the driver: 10240.
pub const D3DKMT_MAKERESIDENT_ALLOC_MAX: u32 = 10240;
/// Limit of the driver: 64.
pub const D3DKMT_ADAPTERS_MAX: u32 = 64;
/// Limit of the driver: 64.
pub const D3DDDI_MAX_BROADCAST_CONTEXT: u32 = 64;
/// Limit of the driver: 32.
pub const D3DDDI_MAX_OBJECT_WAITED_ON: u32 = 32;
/// Limit of the driver: 32.
pub const D3DDDI_MAX_OBJECT_SIGNALED: u32 = 32;

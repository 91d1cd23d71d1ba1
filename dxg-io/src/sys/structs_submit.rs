//! Submissions.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, plain};
use super::*;

/// Member of `d3dkmt_submitcommand`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_submitcommandflags {
    /// Bytes 0..4: the word that holds the bit fields.
    pub value: u32,
}

plain!(d3dkmt_submitcommandflags, 4, 4);

bits! {
    d3dkmt_submitcommandflags.value: u32 {
        flag null_rendering set_null_rendering 0;
        flag present_redirected set_present_redirected 1;
        range reserved set_reserved 2 30;
    }
}

/// Argument of `LX_DXSUBMITCOMMAND`; 384 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_submitcommand {
    /// Bytes 0..8: `__u64`.
    pub command_buffer: u64,
    /// Bytes 8..12: `__u32`.
    pub command_length: u32,
    /// Bytes 12..16: `struct d3dkmt_submitcommandflags`.
    pub flags: d3dkmt_submitcommandflags,
    /// Bytes 16..24: `__u64`.
    pub present_history_token: u64,
    /// Bytes 24..28: `__u32`.
    pub broadcast_context_count: u32,
    /// Bytes 28..284: `struct d3dkmthandle[64]`.
    pub broadcast_context: [d3dkmthandle; 64],
    /// Bytes 284..288: `__u32`.
    pub reserved: u32,
    /// Bytes 288..296: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 296..300: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 300..304: `__u32`.
    pub num_primaries: u32,
    /// Bytes 304..368: `struct d3dkmthandle[16]`.
    pub written_primaries: [d3dkmthandle; 16],
    /// Bytes 368..372: `__u32`.
    pub num_history_buffers: u32,
    /// Bytes 372..376: `__u32`.
    pub reserved1: u32,
    /// Bytes 376..384: user pointer to `struct d3dkmthandle`.
    pub history_buffer_array: u64,
}

plain!(d3dkmt_submitcommand, 384, 8);

/// Argument of `LX_DXSUBMITCOMMANDTOHWQUEUE`; 56 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_submitcommandtohwqueue {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub hwqueue: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: `__u64`.
    pub hwqueue_progress_fence_id: u64,
    /// Bytes 16..24: `__u64`.
    pub command_buffer: u64,
    /// Bytes 24..28: `__u32`.
    pub command_length: u32,
    /// Bytes 28..32: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 32..40: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 40..44: `__u32`.
    pub num_primaries: u32,
    /// Bytes 44..48: `__u32`.
    pub reserved1: u32,
    /// Bytes 48..56: user pointer to `struct d3dkmthandle`.
    pub written_primaries: u64,
}

plain!(d3dkmt_submitcommandtohwqueue, 56, 8);

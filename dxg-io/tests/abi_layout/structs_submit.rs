//! Types of `sys::structs_submit`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmt_submitcommandflags {
            value: u32,
        }),
        structure!(d3dkmt_submitcommand {
            command_buffer: u64,
            command_length: u32,
            flags: d3dkmt_submitcommandflags,
            present_history_token: u64,
            broadcast_context_count: u32,
            broadcast_context: [d3dkmthandle; 64],
            reserved: u32,
            priv_drv_data: u64,
            priv_drv_data_size: u32,
            num_primaries: u32,
            written_primaries: [d3dkmthandle; 16],
            num_history_buffers: u32,
            reserved1: u32,
            history_buffer_array: u64,
        }),
        structure!(d3dkmt_submitcommandtohwqueue {
            hwqueue: d3dkmthandle,
            reserved: u32,
            hwqueue_progress_fence_id: u64,
            command_buffer: u64,
            command_length: u32,
            priv_drv_data_size: u32,
            priv_drv_data: u64,
            num_primaries: u32,
            reserved1: u32,
            written_primaries: u64,
        }),
    ]
}

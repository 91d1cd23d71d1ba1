//! Types of `sys::structs_device`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmt_createdeviceflags {
            value: u32,
        }),
        structure!(d3dkmt_createdevice {
            adapter: d3dkmthandle,
            reserved3: u32,
            flags: d3dkmt_createdeviceflags,
            device: d3dkmthandle,
            command_buffer: u64,
            command_buffer_size: u32,
            reserved: u32,
            allocation_list: u64,
            allocation_list_size: u32,
            reserved1: u32,
            patch_location_list: u64,
            patch_location_list_size: u32,
            reserved2: u32,
        }),
        structure!(d3dkmt_destroydevice {
            device: d3dkmthandle,
        }),
        structure!(dxgk_fault_error_code {
            value: u32,
        }),
        structure!(d3dkmt_devicereset_state {
            value: u32,
        }),
        structure!(d3dkmt_devicepagefault_state {
            faulted_primitive_api_sequence_number: u64,
            faulted_pipeline_stage: dxgk_render_pipeline_stage,
            faulted_bind_table_entry: u32,
            page_fault_flags: dxgk_page_fault_flags,
            fault_error_code: dxgk_fault_error_code,
            faulted_virtual_address: u64,
        }),
        overlapping!(d3dkmt_getdevicestate_u {
            execution_state set_execution_state: d3dkmt_deviceexecution_state,
            reset_state set_reset_state: d3dkmt_devicereset_state,
            page_fault_state set_page_fault_state: d3dkmt_devicepagefault_state,
            alignment set_alignment: [u8; 48],
        }),
        structure!(d3dkmt_getdevicestate {
            device: d3dkmthandle,
            state_type: d3dkmt_devicestate_type,
            u: d3dkmt_getdevicestate_u,
        }),
        structure!(d3dkmt_markdeviceaserror {
            device: d3dkmthandle,
            reason: d3dkmt_device_error_reason,
        }),
    ]
}

//! Devices and their state.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, overlap, plain};
use super::*;

/// Member of `d3dkmt_createdevice`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createdeviceflags {
    /// Bytes 0..4: the word that holds the bit fields.
    pub value: u32,
}

plain!(d3dkmt_createdeviceflags, 4, 4);

bits! {
    d3dkmt_createdeviceflags.value: u32 {
        flag legacy_mode set_legacy_mode 0;
        flag request_vSync set_request_vSync 1;
        flag disable_gpu_timeout set_disable_gpu_timeout 2;
        flag gdi_device set_gdi_device 3;
        range reserved set_reserved 4 28;
    }
}

/// Argument of `LX_DXCREATEDEVICE`; 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createdevice {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved3: u32,
    /// Bytes 8..12: `struct d3dkmt_createdeviceflags`.
    pub flags: d3dkmt_createdeviceflags,
    /// Bytes 12..16: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 16..24: user pointer to `void`.
    pub command_buffer: u64,
    /// Bytes 24..28: `__u32`.
    pub command_buffer_size: u32,
    /// Bytes 28..32: `__u32`.
    pub reserved: u32,
    /// Bytes 32..40: user pointer to `struct d3dddi_allocationlist`.
    pub allocation_list: u64,
    /// Bytes 40..44: `__u32`.
    pub allocation_list_size: u32,
    /// Bytes 44..48: `__u32`.
    pub reserved1: u32,
    /// Bytes 48..56: user pointer to `struct d3dddi_patchlocationlist`.
    pub patch_location_list: u64,
    /// Bytes 56..60: `__u32`.
    pub patch_location_list_size: u32,
    /// Bytes 60..64: `__u32`.
    pub reserved2: u32,
}

plain!(d3dkmt_createdevice, 64, 8);

/// Argument of `LX_DXDESTROYDEVICE`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_destroydevice {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
}

plain!(d3dkmt_destroydevice, 4, 4);

/// Member of `d3dkmt_devicepagefault_state`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct dxgk_fault_error_code {
    /// Bytes 0..4: the word that holds the bit fields.
    pub value: u32,
}

plain!(dxgk_fault_error_code, 4, 4);

bits! {
    dxgk_fault_error_code.value: u32 {
        flag is_device_specific_code set_is_device_specific_code 0;
        flag is_device_specific_code_reserved_bit set_is_device_specific_code_reserved_bit 0;
        range general_error_code set_general_error_code 1 31;
        range device_specific_code set_device_specific_code 1 31;
    }
}

/// Member of `d3dkmt_getdevicestate`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_devicereset_state {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dkmt_devicereset_state, 4, 4);

bits! {
    d3dkmt_devicereset_state.value: u32 {
        flag desktop_switched set_desktop_switched 0;
        range reserved set_reserved 1 31;
    }
}

/// Member of `d3dkmt_getdevicestate`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_devicepagefault_state {
    /// Bytes 0..8: `__u64`.
    pub faulted_primitive_api_sequence_number: u64,
    /// Bytes 8..12: `enum dxgk_render_pipeline_stage`.
    pub faulted_pipeline_stage: dxgk_render_pipeline_stage,
    /// Bytes 12..16: `__u32`.
    pub faulted_bind_table_entry: u32,
    /// Bytes 16..20: `enum dxgk_page_fault_flags`.
    pub page_fault_flags: dxgk_page_fault_flags,
    /// Bytes 20..24: `struct dxgk_fault_error_code`.
    pub fault_error_code: dxgk_fault_error_code,
    /// Bytes 24..32: `__u64`.
    pub faulted_virtual_address: u64,
}

plain!(d3dkmt_devicepagefault_state, 32, 8);

overlap! {
    /// Part of `d3dkmt_getdevicestate`, 48 bytes.
    union d3dkmt_getdevicestate_u, 48, 8 {
        /// Bytes 0..4: `enum d3dkmt_deviceexecution_state`.
        execution_state set_execution_state: d3dkmt_deviceexecution_state;
        /// Bytes 0..4: `struct d3dkmt_devicereset_state`.
        reset_state set_reset_state: d3dkmt_devicereset_state;
        /// Bytes 0..32: `struct d3dkmt_devicepagefault_state`.
        page_fault_state set_page_fault_state: d3dkmt_devicepagefault_state;
        /// Bytes 0..48: `char[48]`.
        alignment set_alignment: [u8; 48];
    }
}

/// Argument of `LX_DXGETDEVICESTATE`; 56 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_getdevicestate {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `enum d3dkmt_devicestate_type`.
    pub state_type: d3dkmt_devicestate_type,
    /// Bytes 8..56: members that overlap.
    pub u: d3dkmt_getdevicestate_u,
}

plain!(d3dkmt_getdevicestate, 56, 8);

/// Argument of `LX_DXMARKDEVICEASERROR`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_markdeviceaserror {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `enum d3dkmt_device_error_reason`.
    pub reason: d3dkmt_device_error_reason,
}

plain!(d3dkmt_markdeviceaserror, 8, 4);

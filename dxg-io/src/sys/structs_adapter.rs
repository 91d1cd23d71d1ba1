//! Adapters: enumeration, opening, information, escapes.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, plain};
use super::*;

/// Pointed to by `d3dkmt_enumadapters2`, pointed to by `d3dkmt_enumadapters3`; 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_adapterinfo {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter_handle: d3dkmthandle,
    /// Bytes 4..12: `struct winluid`.
    pub adapter_luid: winluid,
    /// Bytes 12..16: `__u32`.
    pub num_sources: u32,
    /// Bytes 16..20: `__u32`.
    pub present_move_regions_preferred: u32,
}

plain!(d3dkmt_adapterinfo, 20, 4);

/// Argument of `LX_DXENUMADAPTERS2`; 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_enumadapters2 {
    /// Bytes 0..4: `__u32`.
    pub num_adapters: u32,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmt_adapterinfo`.
    pub adapters: u64,
}

plain!(d3dkmt_enumadapters2, 16, 8);

/// Member of `d3dkmt_enumadapters3`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_enumadapters_filter {
    /// Bytes 0..8: `__u64`.
    pub value: u64,
}

plain!(d3dkmt_enumadapters_filter, 8, 8);

bits! {
    d3dkmt_enumadapters_filter.value: u64 {
        flag include_compute_only set_include_compute_only 0;
        flag include_display_only set_include_display_only 1;
        range reserved set_reserved 2 62;
    }
}

/// Argument of `LX_DXENUMADAPTERS3`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_enumadapters3 {
    /// Bytes 0..8: `union d3dkmt_enumadapters_filter`.
    pub filter: d3dkmt_enumadapters_filter,
    /// Bytes 8..12: `__u32`.
    pub adapter_count: u32,
    /// Bytes 12..16: `__u32`.
    pub reserved: u32,
    /// Bytes 16..24: user pointer to `struct d3dkmt_adapterinfo`.
    pub adapters: u64,
}

plain!(d3dkmt_enumadapters3, 24, 8);

/// Argument of `LX_DXOPENADAPTERFROMLUID`; 12 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_openadapterfromluid {
    /// Bytes 0..8: `struct winluid`.
    pub adapter_luid: winluid,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub adapter_handle: d3dkmthandle,
}

plain!(d3dkmt_openadapterfromluid, 12, 4);

/// Argument of `LX_DXCLOSEADAPTER`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_closeadapter {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter_handle: d3dkmthandle,
}

plain!(d3dkmt_closeadapter, 4, 4);

/// `d3dkmt_adaptertype`, 4 bytes; named by no ioctl argument.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_adaptertype {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dkmt_adaptertype, 4, 4);

bits! {
    d3dkmt_adaptertype.value: u32 {
        flag render_supported set_render_supported 0;
        flag display_supported set_display_supported 1;
        flag software_device set_software_device 2;
        flag post_device set_post_device 3;
        flag hybrid_discrete set_hybrid_discrete 4;
        flag hybrid_integrated set_hybrid_integrated 5;
        flag indirect_display_device set_indirect_display_device 6;
        flag paravirtualized set_paravirtualized 7;
        flag acg_supported set_acg_supported 8;
        flag support_set_timings_from_vidpn set_support_set_timings_from_vidpn 9;
        flag detachable set_detachable 10;
        flag compute_only set_compute_only 11;
        flag prototype set_prototype 12;
        range reserved set_reserved 13 19;
    }
}

/// Argument of `LX_DXQUERYADAPTERINFO`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_queryadapterinfo {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `enum kmtqueryadapterinfotype`.
    pub r#type: kmtqueryadapterinfotype,
    /// Bytes 8..16: user pointer to `void`.
    pub private_data: u64,
    /// Bytes 16..20: `__u32`.
    pub private_data_size: u32,
    /// Bytes 20..24: padding.
    pub _padding_20: [u8; 4],
}

plain!(d3dkmt_queryadapterinfo, 24, 8);

/// Member of `d3dkmt_escape`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_escapeflags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_escapeflags, 4, 4);

bits! {
    d3dddi_escapeflags.value: u32 {
        flag hardware_access set_hardware_access 0;
        flag device_status_query set_device_status_query 1;
        flag change_frame_latency set_change_frame_latency 2;
        flag no_adapter_synchronization set_no_adapter_synchronization 3;
        flag reserved set_reserved 4;
        flag virtual_machine_data set_virtual_machine_data 5;
        flag driver_known_escape set_driver_known_escape 6;
        flag driver_common_escape set_driver_common_escape 7;
        range reserved2 set_reserved2 8 24;
    }
}

/// Argument of `LX_DXESCAPE`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_escape {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 8..12: `enum d3dkmt_escapetype`.
    pub r#type: d3dkmt_escapetype,
    /// Bytes 12..16: `struct d3dddi_escapeflags`.
    pub flags: d3dddi_escapeflags,
    /// Bytes 16..24: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 24..28: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 28..32: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
}

plain!(d3dkmt_escape, 32, 8);

/// Part of `d3dkmt_isfeatureenabled`, 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_isfeatureenabled_result {
    /// Bytes 0..2: `__u16`.
    pub version: u16,
    /// Bytes 2..4: `__u16`.
    pub value: u16,
}

plain!(d3dkmt_isfeatureenabled_result, 4, 2);

/// Argument of `LX_ISFEATUREENABLED`; 12 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_isfeatureenabled {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub feature_id: u32,
    /// Bytes 8..12: an inline aggregate.
    pub result: d3dkmt_isfeatureenabled_result,
}

plain!(d3dkmt_isfeatureenabled, 12, 4);

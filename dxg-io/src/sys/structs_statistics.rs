//! Budgets, clocks and statistics of an adapter.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, plain};
use super::*;

/// Argument of `LX_DXQUERYVIDEOMEMORYINFO`; 56 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_queryvideomemoryinfo {
    /// Bytes 0..8: `__u64`.
    pub process: u64,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 12..16: `enum d3dkmt_memory_segment_group`.
    pub memory_segment_group: d3dkmt_memory_segment_group,
    /// Bytes 16..24: `__u64`.
    pub budget: u64,
    /// Bytes 24..32: `__u64`.
    pub current_usage: u64,
    /// Bytes 32..40: `__u64`.
    pub current_reservation: u64,
    /// Bytes 40..48: `__u64`.
    pub available_for_reservation: u64,
    /// Bytes 48..52: `__u32`.
    pub physical_adapter_index: u32,
    /// Bytes 52..56: padding.
    pub _padding_52: [u8; 4],
}

plain!(d3dkmt_queryvideomemoryinfo, 56, 8);

/// Argument of `LX_DXCHANGEVIDEOMEMORYRESERVATION`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_changevideomemoryreservation {
    /// Bytes 0..8: `__u64`.
    pub process: u64,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 12..16: `enum d3dkmt_memory_segment_group`.
    pub memory_segment_group: d3dkmt_memory_segment_group,
    /// Bytes 16..24: `__u64`.
    pub reservation: u64,
    /// Bytes 24..28: `__u32`.
    pub physical_adapter_index: u32,
    /// Bytes 28..32: padding.
    pub _padding_28: [u8; 4],
}

plain!(d3dkmt_changevideomemoryreservation, 32, 8);

/// Member of `d3dkmt_querystatistics`; 776 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_querystatistics_result {
    /// Bytes 0..776: `char[776]`.
    pub size: [u8; 776],
}

plain!(d3dkmt_querystatistics_result, 776, 1);

/// Argument of `LX_DXQUERYSTATISTICS`; 808 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_querystatistics {
    /// Bytes 0..4: `enum d3dkmt_querystatistics_type`.
    pub r#type: d3dkmt_querystatistics_type,
    /// Bytes 4..12: `struct winluid`.
    pub adapter_luid: winluid,
    /// Bytes 12..16: padding.
    pub _padding_12: [u8; 4],
    /// Bytes 16..24: `__u64`.
    pub process: u64,
    /// Bytes 24..800: `struct d3dkmt_querystatistics_result`.
    pub result: d3dkmt_querystatistics_result,
    /// Bytes 800..808: padding.
    pub _padding_800: [u8; 8],
}

plain!(d3dkmt_querystatistics, 808, 8);

/// Member of `dxgk_gpuclockdata`; 4 bytes.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct dxgk_gpuclockdata_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(dxgk_gpuclockdata_flags, 4, 1);

bits! {
    dxgk_gpuclockdata_flags.value: u32 {
        flag context_management_processor set_context_management_processor 0;
        range reserved set_reserved 1 31;
    }
}

/// Member of `d3dkmt_queryclockcalibration`; 28 bytes.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct dxgk_gpuclockdata {
    /// Bytes 0..8: `__u64`.
    pub gpu_frequency: u64,
    /// Bytes 8..16: `__u64`.
    pub gpu_clock_counter: u64,
    /// Bytes 16..24: `__u64`.
    pub cpu_clock_counter: u64,
    /// Bytes 24..28: `struct dxgk_gpuclockdata_flags`.
    pub flags: dxgk_gpuclockdata_flags,
}

plain!(dxgk_gpuclockdata, 28, 1);

/// Argument of `LX_DXQUERYCLOCKCALIBRATION`; 40 bytes.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_queryclockcalibration {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub node_ordinal: u32,
    /// Bytes 8..12: `__u32`.
    pub physical_adapter_index: u32,
    /// Bytes 12..40: `struct dxgk_gpuclockdata`.
    pub clock_data: dxgk_gpuclockdata,
}

plain!(d3dkmt_queryclockcalibration, 40, 1);

/// Argument of `LX_DXFLUSHHEAPTRANSITIONS`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_flushheaptransitions {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
}

plain!(d3dkmt_flushheaptransitions, 4, 4);

/// Argument of `LX_DXENUMPROCESSES`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_enumprocesses {
    /// Bytes 0..8: `struct winluid`.
    pub adapter_luid: winluid,
    /// Bytes 8..16: user pointer to `__u32`.
    pub buffer: u64,
    /// Bytes 16..24: `__u64`.
    pub buffer_count: u64,
}

plain!(d3dkmt_enumprocesses, 24, 8);

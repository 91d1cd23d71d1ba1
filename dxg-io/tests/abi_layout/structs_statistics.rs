//! Types of `sys::structs_statistics`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmt_queryvideomemoryinfo {
            process: u64,
            adapter: d3dkmthandle,
            memory_segment_group: d3dkmt_memory_segment_group,
            budget: u64,
            current_usage: u64,
            current_reservation: u64,
            available_for_reservation: u64,
            physical_adapter_index: u32,
            _padding_52: [u8; 4],
        }),
        structure!(d3dkmt_changevideomemoryreservation {
            process: u64,
            adapter: d3dkmthandle,
            memory_segment_group: d3dkmt_memory_segment_group,
            reservation: u64,
            physical_adapter_index: u32,
            _padding_28: [u8; 4],
        }),
        structure!(d3dkmt_querystatistics_result {
            size: [u8; 776],
        }),
        structure!(d3dkmt_querystatistics {
            r#type: d3dkmt_querystatistics_type,
            adapter_luid: winluid,
            _padding_12: [u8; 4],
            process: u64,
            result: d3dkmt_querystatistics_result,
            _padding_800: [u8; 8],
        }),
        structure!(dxgk_gpuclockdata_flags {
            value: u32,
        }),
        structure!(dxgk_gpuclockdata {
            gpu_frequency: u64,
            gpu_clock_counter: u64,
            cpu_clock_counter: u64,
            flags: dxgk_gpuclockdata_flags,
        }),
        structure!(d3dkmt_queryclockcalibration {
            adapter: d3dkmthandle,
            node_ordinal: u32,
            physical_adapter_index: u32,
            clock_data: dxgk_gpuclockdata,
        }),
        structure!(d3dkmt_flushheaptransitions {
            adapter: d3dkmthandle,
        }),
        structure!(d3dkmt_enumprocesses {
            adapter_luid: winluid,
            buffer: u64,
            buffer_count: u64,
        }),
    ]
}

//! Types of `sys::structs_residency`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dddi_makeresident_flags {
            value: u32,
        }),
        structure!(d3dddi_makeresident {
            paging_queue: d3dkmthandle,
            alloc_count: u32,
            allocation_list: u64,
            priority_list: u64,
            flags: d3dddi_makeresident_flags,
            _padding_28: [u8; 4],
            paging_fence_value: u64,
            num_bytes_to_trim: u64,
        }),
        structure!(d3dddi_evict_flags {
            value: u32,
        }),
        structure!(d3dkmt_evict {
            device: d3dkmthandle,
            alloc_count: u32,
            allocations: u64,
            flags: d3dddi_evict_flags,
            reserved: u32,
            num_bytes_to_trim: u64,
        }),
        structure!(d3dkmt_setallocationpriority {
            device: d3dkmthandle,
            resource: d3dkmthandle,
            allocation_list: u64,
            allocation_count: u32,
            reserved: u32,
            priorities: u64,
        }),
        structure!(d3dkmt_getallocationpriority {
            device: d3dkmthandle,
            resource: d3dkmthandle,
            allocation_list: u64,
            allocation_count: u32,
            reserved: u32,
            priorities: u64,
        }),
        structure!(d3dkmt_queryallocationresidency {
            device: d3dkmthandle,
            resource: d3dkmthandle,
            allocations: u64,
            allocation_count: u32,
            reserved: u32,
            residency_status: u64,
        }),
        structure!(d3dddi_updateallocproperty_flags {
            value: u32,
        }),
        structure!(d3dddi_segmentpreference {
            value: u32,
        }),
        structure!(d3dddi_updateallocproperty {
            paging_queue: d3dkmthandle,
            allocation: d3dkmthandle,
            supported_segment_set: u32,
            preferred_segment: d3dddi_segmentpreference,
            flags: d3dddi_updateallocproperty_flags,
            _padding_20: [u8; 4],
            paging_fence_value: u64,
            property_mask_value: u32,
            _padding_36: [u8; 4],
        }),
        structure!(d3dkmt_offer_flags {
            value: u32,
        }),
        structure!(d3dkmt_offerallocations {
            device: d3dkmthandle,
            reserved: u32,
            resources: u64,
            allocations: u64,
            allocation_count: u32,
            priority: d3dkmt_offer_priority,
            flags: d3dkmt_offer_flags,
            reserved1: u32,
        }),
        overlapping!(d3dkmt_reclaimallocations2_u {
            discarded set_discarded: u64,
            results set_results: u64,
        }),
        structure!(d3dkmt_reclaimallocations2 {
            paging_queue: d3dkmthandle,
            allocation_count: u32,
            resources: u64,
            allocations: u64,
            u: d3dkmt_reclaimallocations2_u,
            paging_fence_value: u64,
        }),
    ]
}

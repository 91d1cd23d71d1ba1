//! Residency, priority and properties of allocations.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, overlap, plain};
use super::*;

/// Member of `d3dddi_makeresident`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_makeresident_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_makeresident_flags, 4, 4);

bits! {
    d3dddi_makeresident_flags.value: u32 {
        flag cant_trim_further set_cant_trim_further 0;
        flag must_succeed set_must_succeed 1;
        range reserved set_reserved 2 30;
    }
}

/// Argument of `LX_DXMAKERESIDENT`; 48 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_makeresident {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub paging_queue: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub alloc_count: u32,
    /// Bytes 8..16: user pointer to `const struct d3dkmthandle`.
    pub allocation_list: u64,
    /// Bytes 16..24: user pointer to `const __u32`.
    pub priority_list: u64,
    /// Bytes 24..28: `struct d3dddi_makeresident_flags`.
    pub flags: d3dddi_makeresident_flags,
    /// Bytes 28..32: padding.
    pub _padding_28: [u8; 4],
    /// Bytes 32..40: `__u64`.
    pub paging_fence_value: u64,
    /// Bytes 40..48: `__u64`.
    pub num_bytes_to_trim: u64,
}

plain!(d3dddi_makeresident, 48, 8);

/// Member of `d3dkmt_evict`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_evict_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_evict_flags, 4, 4);

bits! {
    d3dddi_evict_flags.value: u32 {
        flag evict_only_if_necessary set_evict_only_if_necessary 0;
        flag not_written_to set_not_written_to 1;
        range reserved set_reserved 2 30;
    }
}

/// Argument of `LX_DXEVICT`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_evict {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub alloc_count: u32,
    /// Bytes 8..16: user pointer to `const struct d3dkmthandle`.
    pub allocations: u64,
    /// Bytes 16..20: `struct d3dddi_evict_flags`.
    pub flags: d3dddi_evict_flags,
    /// Bytes 20..24: `__u32`.
    pub reserved: u32,
    /// Bytes 24..32: `__u64`.
    pub num_bytes_to_trim: u64,
}

plain!(d3dkmt_evict, 32, 8);

/// Argument of `LX_DXSETALLOCATIONPRIORITY`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_setallocationpriority {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub resource: d3dkmthandle,
    /// Bytes 8..16: user pointer to `const struct d3dkmthandle`.
    pub allocation_list: u64,
    /// Bytes 16..20: `__u32`.
    pub allocation_count: u32,
    /// Bytes 20..24: `__u32`.
    pub reserved: u32,
    /// Bytes 24..32: user pointer to `const __u32`.
    pub priorities: u64,
}

plain!(d3dkmt_setallocationpriority, 32, 8);

/// Argument of `LX_DXGETALLOCATIONPRIORITY`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_getallocationpriority {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub resource: d3dkmthandle,
    /// Bytes 8..16: user pointer to `const struct d3dkmthandle`.
    pub allocation_list: u64,
    /// Bytes 16..20: `__u32`.
    pub allocation_count: u32,
    /// Bytes 20..24: `__u32`.
    pub reserved: u32,
    /// Bytes 24..32: user pointer to `__u32`.
    pub priorities: u64,
}

plain!(d3dkmt_getallocationpriority, 32, 8);

/// Argument of `LX_DXQUERYALLOCATIONRESIDENCY`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_queryallocationresidency {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub resource: d3dkmthandle,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub allocations: u64,
    /// Bytes 16..20: `__u32`.
    pub allocation_count: u32,
    /// Bytes 20..24: `__u32`.
    pub reserved: u32,
    /// Bytes 24..32: user pointer to `enum d3dkmt_allocationresidencystatus`.
    pub residency_status: u64,
}

plain!(d3dkmt_queryallocationresidency, 32, 8);

/// Member of `d3dddi_updateallocproperty`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updateallocproperty_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_updateallocproperty_flags, 4, 4);

bits! {
    d3dddi_updateallocproperty_flags.value: u32 {
        flag accessed_physically set_accessed_physically 0;
        range reserved set_reserved 1 31;
    }
}

/// Member of `d3dddi_updateallocproperty`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_segmentpreference {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_segmentpreference, 4, 4);

bits! {
    d3dddi_segmentpreference.value: u32 {
        flag direction0 set_direction0 5;
        flag direction1 set_direction1 11;
        flag direction2 set_direction2 17;
        flag direction3 set_direction3 23;
        flag direction4 set_direction4 29;
        range segment_id0 set_segment_id0 0 5;
        range segment_id1 set_segment_id1 6 5;
        range segment_id2 set_segment_id2 12 5;
        range segment_id3 set_segment_id3 18 5;
        range segment_id4 set_segment_id4 24 5;
        range reserved set_reserved 30 2;
    }
}

/// Argument of `LX_DXUPDATEALLOCPROPERTY`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updateallocproperty {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub paging_queue: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 8..12: `__u32`.
    pub supported_segment_set: u32,
    /// Bytes 12..16: `struct d3dddi_segmentpreference`.
    pub preferred_segment: d3dddi_segmentpreference,
    /// Bytes 16..20: `struct d3dddi_updateallocproperty_flags`.
    pub flags: d3dddi_updateallocproperty_flags,
    /// Bytes 20..24: padding.
    pub _padding_20: [u8; 4],
    /// Bytes 24..32: `__u64`.
    pub paging_fence_value: u64,
    /// Bytes 32..36: `__u32`.
    pub property_mask_value: u32,
    /// Bytes 36..40: padding.
    pub _padding_36: [u8; 4],
}

plain!(d3dddi_updateallocproperty, 40, 8);

bits! {
    d3dddi_updateallocproperty.property_mask_value: u32 {
        flag set_accessed_physically set_set_accessed_physically 0;
        flag set_supported_segmentSet set_set_supported_segmentSet 1;
        flag set_preferred_segment set_set_preferred_segment 2;
        range reserved set_reserved 3 29;
    }
}

/// Member of `d3dkmt_offerallocations`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_offer_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dkmt_offer_flags, 4, 4);

bits! {
    d3dkmt_offer_flags.value: u32 {
        flag offer_immediately set_offer_immediately 0;
        flag allow_decommit set_allow_decommit 1;
        range reserved set_reserved 2 30;
    }
}

/// Argument of `LX_DXOFFERALLOCATIONS`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_offerallocations {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub resources: u64,
    /// Bytes 16..24: user pointer to `const struct d3dkmthandle`.
    pub allocations: u64,
    /// Bytes 24..28: `__u32`.
    pub allocation_count: u32,
    /// Bytes 28..32: `enum d3dkmt_offer_priority`.
    pub priority: d3dkmt_offer_priority,
    /// Bytes 32..36: `struct d3dkmt_offer_flags`.
    pub flags: d3dkmt_offer_flags,
    /// Bytes 36..40: `__u32`.
    pub reserved1: u32,
}

plain!(d3dkmt_offerallocations, 40, 8);

overlap! {
    /// Part of `d3dkmt_reclaimallocations2`, 8 bytes.
    union d3dkmt_reclaimallocations2_u, 8, 8 {
        /// Bytes 0..8: user pointer to `__u32`.
        discarded set_discarded: u64;
        /// Bytes 0..8: user pointer to `enum d3dddi_reclaim_result`.
        results set_results: u64;
    }
}

/// Argument of `LX_DXRECLAIMALLOCATIONS2`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_reclaimallocations2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub paging_queue: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub allocation_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub resources: u64,
    /// Bytes 16..24: user pointer to `struct d3dkmthandle`.
    pub allocations: u64,
    /// Bytes 24..32: members that overlap.
    pub u: d3dkmt_reclaimallocations2_u,
    /// Bytes 32..40: `__u64`.
    pub paging_fence_value: u64,
}

plain!(d3dkmt_reclaimallocations2, 40, 8);

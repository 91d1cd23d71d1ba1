//! Allocations: creating, destroying, locking.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, overlap, plain};
use super::*;

/// Pointed to by `d3dkmt_createdevice`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_allocationlist {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub value: u32,
}

plain!(d3dddi_allocationlist, 8, 4);

bits! {
    d3dddi_allocationlist.value: u32 {
        flag write_operation set_write_operation 0;
        flag do_not_retire_instance set_do_not_retire_instance 1;
        range offer_priority set_offer_priority 2 3;
        range reserved set_reserved 5 27;
    }
}

/// Pointed to by `d3dkmt_createdevice`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_patchlocationlist {
    /// Bytes 0..4: `__u32`.
    pub allocation_index: u32,
    /// Bytes 4..8: `__u32`.
    pub value: u32,
    /// Bytes 8..12: `__u32`.
    pub driver_id: u32,
    /// Bytes 12..16: `__u32`.
    pub allocation_offset: u32,
    /// Bytes 16..20: `__u32`.
    pub patch_offset: u32,
    /// Bytes 20..24: `__u32`.
    pub split_offset: u32,
}

plain!(d3dddi_patchlocationlist, 24, 4);

bits! {
    d3dddi_patchlocationlist.value: u32 {
        range slot_id set_slot_id 0 24;
        range reserved set_reserved 24 8;
    }
}

/// Member of `d3dkmt_createstandardallocation`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_standardallocation_existingheap {
    /// Bytes 0..8: `__u64`.
    pub size: u64,
}

plain!(d3dkmt_standardallocation_existingheap, 8, 8);

/// Member of `d3dkmt_createstandardallocation`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createstandardallocationflags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dkmt_createstandardallocationflags, 4, 4);

bits! {
    d3dkmt_createstandardallocationflags.value: u32 {
        range reserved set_reserved 0 32;
    }
}

/// Pointed to by `d3dkmt_createallocation`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createstandardallocation {
    /// Bytes 0..4: `enum d3dkmt_standardallocationtype`.
    pub r#type: d3dkmt_standardallocationtype,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: `struct d3dkmt_standardallocation_existingheap`.
    pub existing_heap_data: d3dkmt_standardallocation_existingheap,
    /// Bytes 16..20: `struct d3dkmt_createstandardallocationflags`.
    pub flags: d3dkmt_createstandardallocationflags,
    /// Bytes 20..24: `__u32`.
    pub reserved1: u32,
}

plain!(d3dkmt_createstandardallocation, 24, 8);

/// Part of `d3dddi_allocationinfo2`, 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_allocationinfo2_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_allocationinfo2_flags, 4, 4);

bits! {
    d3dddi_allocationinfo2_flags.value: u32 {
        flag primary set_primary 0;
        flag stereo set_stereo 1;
        flag override_priority set_override_priority 2;
        range reserved set_reserved 3 29;
    }
}

overlap! {
    /// Part of `d3dddi_allocationinfo2`, 8 bytes.
    union d3dddi_allocationinfo2_u, 8, 8 {
        /// Bytes 0..4: `__u32`.
        priority set_priority: u32;
        /// Bytes 0..8: `__u64`.
        unused set_unused: u64;
    }
}

/// Pointed to by `d3dkmt_createallocation`; 96 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_allocationinfo2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 4..8: padding.
    pub _padding_4: [u8; 4],
    /// Bytes 8..16: user pointer to `const void`.
    pub sysmem: u64,
    /// Bytes 16..24: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 24..28: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 28..32: `__u32`.
    pub vidpn_source_id: u32,
    /// Bytes 32..36: an inline aggregate.
    pub flags: d3dddi_allocationinfo2_flags,
    /// Bytes 36..40: padding.
    pub _padding_36: [u8; 4],
    /// Bytes 40..48: `__u64`.
    pub gpu_virtual_address: u64,
    /// Bytes 48..56: members that overlap.
    pub u: d3dddi_allocationinfo2_u,
    /// Bytes 56..96: `__u64[5]`.
    pub reserved: [u64; 5],
}

plain!(d3dddi_allocationinfo2, 96, 8);

/// Member of `d3dkmt_createallocation`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createallocationflags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dkmt_createallocationflags, 4, 4);

bits! {
    d3dkmt_createallocationflags.value: u32 {
        flag create_resource set_create_resource 0;
        flag create_shared set_create_shared 1;
        flag non_secure set_non_secure 2;
        flag create_protected set_create_protected 3;
        flag restrict_shared_access set_restrict_shared_access 4;
        flag existing_sysmem set_existing_sysmem 5;
        flag nt_security_sharing set_nt_security_sharing 6;
        flag read_only set_read_only 7;
        flag create_write_combined set_create_write_combined 8;
        flag create_cached set_create_cached 9;
        flag swap_chain_back_buffer set_swap_chain_back_buffer 10;
        flag cross_adapter set_cross_adapter 11;
        flag open_cross_adapter set_open_cross_adapter 12;
        flag partial_shared_creation set_partial_shared_creation 13;
        flag zeroed set_zeroed 14;
        flag write_watch set_write_watch 15;
        flag standard_allocation set_standard_allocation 16;
        flag existing_section set_existing_section 17;
        range reserved set_reserved 18 14;
    }
}

overlap! {
    /// Part of `d3dkmt_createallocation`, 8 bytes.
    union d3dkmt_createallocation_u, 8, 8 {
        /// Bytes 0..8: user pointer to `struct d3dkmt_createstandardallocation`.
        standard_allocation set_standard_allocation: u64;
        /// Bytes 0..8: user pointer to `const void`.
        priv_drv_data set_priv_drv_data: u64;
    }
}

/// Argument of `LX_DXCREATEALLOCATION`; 72 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createallocation {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub resource: d3dkmthandle,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub global_share: d3dkmthandle,
    /// Bytes 12..16: `__u32`.
    pub reserved: u32,
    /// Bytes 16..24: user pointer to `const void`.
    pub private_runtime_data: u64,
    /// Bytes 24..28: `__u32`.
    pub private_runtime_data_size: u32,
    /// Bytes 28..32: `__u32`.
    pub reserved1: u32,
    /// Bytes 32..40: members that overlap.
    pub u: d3dkmt_createallocation_u,
    /// Bytes 40..44: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 44..48: `__u32`.
    pub alloc_count: u32,
    /// Bytes 48..56: user pointer to `struct d3dddi_allocationinfo2`.
    pub allocation_info: u64,
    /// Bytes 56..60: `struct d3dkmt_createallocationflags`.
    pub flags: d3dkmt_createallocationflags,
    /// Bytes 60..64: `__u32`.
    pub reserved2: u32,
    /// Bytes 64..72: `__u64`.
    pub private_runtime_resource_handle: u64,
}

plain!(d3dkmt_createallocation, 72, 8);

/// Member of `d3dkmt_destroyallocation2`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddicb_destroyallocation2flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddicb_destroyallocation2flags, 4, 4);

bits! {
    d3dddicb_destroyallocation2flags.value: u32 {
        flag assume_not_in_use set_assume_not_in_use 0;
        flag synchronous_destroy set_synchronous_destroy 1;
        flag system_use_only set_system_use_only 31;
        range reserved set_reserved 2 29;
    }
}

/// Argument of `LX_DXDESTROYALLOCATION2`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_destroyallocation2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub resource: d3dkmthandle,
    /// Bytes 8..16: user pointer to `const struct d3dkmthandle`.
    pub allocations: u64,
    /// Bytes 16..20: `__u32`.
    pub alloc_count: u32,
    /// Bytes 20..24: `struct d3dddicb_destroyallocation2flags`.
    pub flags: d3dddicb_destroyallocation2flags,
}

plain!(d3dkmt_destroyallocation2, 24, 8);

/// Member of `d3dkmt_lock2`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddicb_lock2flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddicb_lock2flags, 4, 4);

bits! {
    d3dddicb_lock2flags.value: u32 {
        range reserved set_reserved 0 32;
    }
}

/// Argument of `LX_DXLOCK2`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_lock2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 8..12: `struct d3dddicb_lock2flags`.
    pub flags: d3dddicb_lock2flags,
    /// Bytes 12..16: `__u32`.
    pub reserved: u32,
    /// Bytes 16..24: user pointer to `void`.
    pub data: u64,
}

plain!(d3dkmt_lock2, 24, 8);

/// Argument of `LX_DXUNLOCK2`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_unlock2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
}

plain!(d3dkmt_unlock2, 8, 4);

/// Argument of `LX_DXINVALIDATECACHE`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_invalidatecache {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 8..16: `__u64`.
    pub offset: u64,
    /// Bytes 16..24: `__u64`.
    pub length: u64,
}

plain!(d3dkmt_invalidatecache, 24, 8);

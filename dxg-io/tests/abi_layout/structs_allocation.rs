//! Types of `sys::structs_allocation`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dddi_allocationlist {
            allocation: d3dkmthandle,
            value: u32,
        }),
        structure!(d3dddi_patchlocationlist {
            allocation_index: u32,
            value: u32,
            driver_id: u32,
            allocation_offset: u32,
            patch_offset: u32,
            split_offset: u32,
        }),
        structure!(d3dkmt_standardallocation_existingheap {
            size: u64,
        }),
        structure!(d3dkmt_createstandardallocationflags {
            value: u32,
        }),
        structure!(d3dkmt_createstandardallocation {
            r#type: d3dkmt_standardallocationtype,
            reserved: u32,
            existing_heap_data: d3dkmt_standardallocation_existingheap,
            flags: d3dkmt_createstandardallocationflags,
            reserved1: u32,
        }),
        structure!(d3dddi_allocationinfo2_flags {
            value: u32,
        }),
        overlapping!(d3dddi_allocationinfo2_u {
            priority set_priority: u32,
            unused set_unused: u64,
        }),
        structure!(d3dddi_allocationinfo2 {
            allocation: d3dkmthandle,
            _padding_4: [u8; 4],
            sysmem: u64,
            priv_drv_data: u64,
            priv_drv_data_size: u32,
            vidpn_source_id: u32,
            flags: d3dddi_allocationinfo2_flags,
            _padding_36: [u8; 4],
            gpu_virtual_address: u64,
            u: d3dddi_allocationinfo2_u,
            reserved: [u64; 5],
        }),
        structure!(d3dkmt_createallocationflags {
            value: u32,
        }),
        overlapping!(d3dkmt_createallocation_u {
            standard_allocation set_standard_allocation: u64,
            priv_drv_data set_priv_drv_data: u64,
        }),
        structure!(d3dkmt_createallocation {
            device: d3dkmthandle,
            resource: d3dkmthandle,
            global_share: d3dkmthandle,
            reserved: u32,
            private_runtime_data: u64,
            private_runtime_data_size: u32,
            reserved1: u32,
            u: d3dkmt_createallocation_u,
            priv_drv_data_size: u32,
            alloc_count: u32,
            allocation_info: u64,
            flags: d3dkmt_createallocationflags,
            reserved2: u32,
            private_runtime_resource_handle: u64,
        }),
        structure!(d3dddicb_destroyallocation2flags {
            value: u32,
        }),
        structure!(d3dkmt_destroyallocation2 {
            device: d3dkmthandle,
            resource: d3dkmthandle,
            allocations: u64,
            alloc_count: u32,
            flags: d3dddicb_destroyallocation2flags,
        }),
        structure!(d3dddicb_lock2flags {
            value: u32,
        }),
        structure!(d3dkmt_lock2 {
            device: d3dkmthandle,
            allocation: d3dkmthandle,
            flags: d3dddicb_lock2flags,
            reserved: u32,
            data: u64,
        }),
        structure!(d3dkmt_unlock2 {
            device: d3dkmthandle,
            allocation: d3dkmthandle,
        }),
        structure!(d3dkmt_invalidatecache {
            device: d3dkmthandle,
            allocation: d3dkmthandle,
            offset: u64,
            length: u64,
        }),
    ]
}

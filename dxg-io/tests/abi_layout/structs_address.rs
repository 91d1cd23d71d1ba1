//! Types of `sys::structs_address`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dddigpuva_protection_type {
            value: u64,
        }),
        structure!(d3dddi_updategpuvirtualaddress_operation_map {
            base_address: u64,
            size: u64,
            allocation: d3dkmthandle,
            _padding_20: [u8; 4],
            allocation_offset: u64,
            allocation_size: u64,
        }),
        structure!(d3dddi_updategpuvirtualaddress_operation_map_protect {
            base_address: u64,
            size: u64,
            allocation: d3dkmthandle,
            _padding_20: [u8; 4],
            allocation_offset: u64,
            allocation_size: u64,
            protection: d3dddigpuva_protection_type,
            driver_protection: u64,
        }),
        structure!(d3dddi_updategpuvirtualaddress_operation_unmap {
            base_address: u64,
            size: u64,
            protection: d3dddigpuva_protection_type,
        }),
        structure!(d3dddi_updategpuvirtualaddress_operation_copy {
            source_address: u64,
            size: u64,
            dest_address: u64,
        }),
        overlapping!(d3dddi_updategpuvirtualaddress_operation_u {
            map set_map: d3dddi_updategpuvirtualaddress_operation_map,
            map_protect set_map_protect: d3dddi_updategpuvirtualaddress_operation_map_protect,
            unmap set_unmap: d3dddi_updategpuvirtualaddress_operation_unmap,
            copy set_copy: d3dddi_updategpuvirtualaddress_operation_copy,
        }),
        structure!(d3dddi_updategpuvirtualaddress_operation {
            operation: d3dddi_updategpuvirtualaddress_operation_type,
            _padding_4: [u8; 4],
            u: d3dddi_updategpuvirtualaddress_operation_u,
        }),
        structure!(d3dkmt_updategpuvirtualaddress_flags {
            value: u32,
        }),
        structure!(d3dkmt_updategpuvirtualaddress {
            device: d3dkmthandle,
            context: d3dkmthandle,
            fence_object: d3dkmthandle,
            num_operations: u32,
            operations: u64,
            reserved0: u32,
            reserved1: u32,
            reserved2: u64,
            fence_value: u64,
            flags: d3dkmt_updategpuvirtualaddress_flags,
            reserved3: u32,
        }),
        structure!(d3dddi_mapgpuvirtualaddress {
            paging_queue: d3dkmthandle,
            _padding_4: [u8; 4],
            base_address: u64,
            minimum_address: u64,
            maximum_address: u64,
            allocation: d3dkmthandle,
            _padding_36: [u8; 4],
            offset_in_pages: u64,
            size_in_pages: u64,
            protection: d3dddigpuva_protection_type,
            driver_protection: u64,
            reserved0: u32,
            _padding_76: [u8; 4],
            reserved1: u64,
            virtual_address: u64,
            paging_fence_value: u64,
        }),
        structure!(d3dddi_reservegpuvirtualaddress {
            adapter: d3dkmthandle,
            _padding_4: [u8; 4],
            base_address: u64,
            minimum_address: u64,
            maximum_address: u64,
            size: u64,
            reservation_type: d3dddigpuva_reservation_type,
            _padding_44: [u8; 4],
            driver_protection: u64,
            virtual_address: u64,
            paging_fence_value: u64,
        }),
        structure!(d3dkmt_freegpuvirtualaddress {
            adapter: d3dkmthandle,
            reserved: u32,
            base_address: u64,
            size: u64,
        }),
    ]
}

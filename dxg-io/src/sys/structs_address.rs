//! GPU virtual addresses.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, overlap, plain};
use super::*;

/// Member of `d3dddi_updategpuvirtualaddress_operation`, member of `d3dddi_mapgpuvirtualaddress`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddigpuva_protection_type {
    /// Bytes 0..8: `__u64`.
    pub value: u64,
}

plain!(d3dddigpuva_protection_type, 8, 8);

bits! {
    d3dddigpuva_protection_type.value: u64 {
        flag write set_write 0;
        flag execute set_execute 1;
        flag zero set_zero 2;
        flag no_access set_no_access 3;
        flag system_use_only set_system_use_only 4;
        range reserved set_reserved 5 59;
    }
}

/// Part of `d3dddi_updategpuvirtualaddress_operation`, 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updategpuvirtualaddress_operation_map {
    /// Bytes 0..8: `__u64`.
    pub base_address: u64,
    /// Bytes 8..16: `__u64`.
    pub size: u64,
    /// Bytes 16..20: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 20..24: padding.
    pub _padding_20: [u8; 4],
    /// Bytes 24..32: `__u64`.
    pub allocation_offset: u64,
    /// Bytes 32..40: `__u64`.
    pub allocation_size: u64,
}

plain!(d3dddi_updategpuvirtualaddress_operation_map, 40, 8);

/// Part of `d3dddi_updategpuvirtualaddress_operation`, 56 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updategpuvirtualaddress_operation_map_protect {
    /// Bytes 0..8: `__u64`.
    pub base_address: u64,
    /// Bytes 8..16: `__u64`.
    pub size: u64,
    /// Bytes 16..20: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 20..24: padding.
    pub _padding_20: [u8; 4],
    /// Bytes 24..32: `__u64`.
    pub allocation_offset: u64,
    /// Bytes 32..40: `__u64`.
    pub allocation_size: u64,
    /// Bytes 40..48: `struct d3dddigpuva_protection_type`.
    pub protection: d3dddigpuva_protection_type,
    /// Bytes 48..56: `__u64`.
    pub driver_protection: u64,
}

plain!(d3dddi_updategpuvirtualaddress_operation_map_protect, 56, 8);

/// Part of `d3dddi_updategpuvirtualaddress_operation`, 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updategpuvirtualaddress_operation_unmap {
    /// Bytes 0..8: `__u64`.
    pub base_address: u64,
    /// Bytes 8..16: `__u64`.
    pub size: u64,
    /// Bytes 16..24: `struct d3dddigpuva_protection_type`.
    pub protection: d3dddigpuva_protection_type,
}

plain!(d3dddi_updategpuvirtualaddress_operation_unmap, 24, 8);

/// Part of `d3dddi_updategpuvirtualaddress_operation`, 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updategpuvirtualaddress_operation_copy {
    /// Bytes 0..8: `__u64`.
    pub source_address: u64,
    /// Bytes 8..16: `__u64`.
    pub size: u64,
    /// Bytes 16..24: `__u64`.
    pub dest_address: u64,
}

plain!(d3dddi_updategpuvirtualaddress_operation_copy, 24, 8);

overlap! {
    /// Part of `d3dddi_updategpuvirtualaddress_operation`, 56 bytes.
    union d3dddi_updategpuvirtualaddress_operation_u, 56, 8 {
        /// Bytes 0..40: an inline aggregate.
        map set_map: d3dddi_updategpuvirtualaddress_operation_map;
        /// Bytes 0..56: an inline aggregate.
        map_protect set_map_protect: d3dddi_updategpuvirtualaddress_operation_map_protect;
        /// Bytes 0..24: an inline aggregate.
        unmap set_unmap: d3dddi_updategpuvirtualaddress_operation_unmap;
        /// Bytes 0..24: an inline aggregate.
        copy set_copy: d3dddi_updategpuvirtualaddress_operation_copy;
    }
}

/// Pointed to by `d3dkmt_updategpuvirtualaddress`; 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_updategpuvirtualaddress_operation {
    /// Bytes 0..4: `enum d3dddi_updategpuvirtualaddress_operation_type`.
    pub operation: d3dddi_updategpuvirtualaddress_operation_type,
    /// Bytes 4..8: padding.
    pub _padding_4: [u8; 4],
    /// Bytes 8..64: members that overlap.
    pub u: d3dddi_updategpuvirtualaddress_operation_u,
}

plain!(d3dddi_updategpuvirtualaddress_operation, 64, 8);

/// Part of `d3dkmt_updategpuvirtualaddress`, 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_updategpuvirtualaddress_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dkmt_updategpuvirtualaddress_flags, 4, 4);

bits! {
    d3dkmt_updategpuvirtualaddress_flags.value: u32 {
        flag do_not_wait set_do_not_wait 0;
        range reserved set_reserved 1 31;
    }
}

/// Argument of `LX_DXUPDATEGPUVIRTUALADDRESS`; 56 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_updategpuvirtualaddress {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub fence_object: d3dkmthandle,
    /// Bytes 12..16: `__u32`.
    pub num_operations: u32,
    /// Bytes 16..24: user pointer to `struct d3dddi_updategpuvirtualaddress_operation`.
    pub operations: u64,
    /// Bytes 24..28: `__u32`.
    pub reserved0: u32,
    /// Bytes 28..32: `__u32`.
    pub reserved1: u32,
    /// Bytes 32..40: `__u64`.
    pub reserved2: u64,
    /// Bytes 40..48: `__u64`.
    pub fence_value: u64,
    /// Bytes 48..52: an inline aggregate.
    pub flags: d3dkmt_updategpuvirtualaddress_flags,
    /// Bytes 52..56: `__u32`.
    pub reserved3: u32,
}

plain!(d3dkmt_updategpuvirtualaddress, 56, 8);

/// Argument of `LX_DXMAPGPUVIRTUALADDRESS`; 104 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_mapgpuvirtualaddress {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub paging_queue: d3dkmthandle,
    /// Bytes 4..8: padding.
    pub _padding_4: [u8; 4],
    /// Bytes 8..16: `__u64`.
    pub base_address: u64,
    /// Bytes 16..24: `__u64`.
    pub minimum_address: u64,
    /// Bytes 24..32: `__u64`.
    pub maximum_address: u64,
    /// Bytes 32..36: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 36..40: padding.
    pub _padding_36: [u8; 4],
    /// Bytes 40..48: `__u64`.
    pub offset_in_pages: u64,
    /// Bytes 48..56: `__u64`.
    pub size_in_pages: u64,
    /// Bytes 56..64: `struct d3dddigpuva_protection_type`.
    pub protection: d3dddigpuva_protection_type,
    /// Bytes 64..72: `__u64`.
    pub driver_protection: u64,
    /// Bytes 72..76: `__u32`.
    pub reserved0: u32,
    /// Bytes 76..80: padding.
    pub _padding_76: [u8; 4],
    /// Bytes 80..88: `__u64`.
    pub reserved1: u64,
    /// Bytes 88..96: `__u64`.
    pub virtual_address: u64,
    /// Bytes 96..104: `__u64`.
    pub paging_fence_value: u64,
}

plain!(d3dddi_mapgpuvirtualaddress, 104, 8);

/// Argument of `LX_DXRESERVEGPUVIRTUALADDRESS`; 72 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_reservegpuvirtualaddress {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: padding.
    pub _padding_4: [u8; 4],
    /// Bytes 8..16: `__u64`.
    pub base_address: u64,
    /// Bytes 16..24: `__u64`.
    pub minimum_address: u64,
    /// Bytes 24..32: `__u64`.
    pub maximum_address: u64,
    /// Bytes 32..40: `__u64`.
    pub size: u64,
    /// Bytes 40..44: `enum d3dddigpuva_reservation_type`.
    pub reservation_type: d3dddigpuva_reservation_type,
    /// Bytes 44..48: padding.
    pub _padding_44: [u8; 4],
    /// Bytes 48..56: `__u64`.
    pub driver_protection: u64,
    /// Bytes 56..64: `__u64`.
    pub virtual_address: u64,
    /// Bytes 64..72: `__u64`.
    pub paging_fence_value: u64,
}

plain!(d3dddi_reservegpuvirtualaddress, 72, 8);

/// Argument of `LX_DXFREEGPUVIRTUALADDRESS`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_freegpuvirtualaddress {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: `__u64`.
    pub base_address: u64,
    /// Bytes 16..24: `__u64`.
    pub size: u64,
}

plain!(d3dkmt_freegpuvirtualaddress, 24, 8);

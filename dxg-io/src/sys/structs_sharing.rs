//! Sharing objects between processes, and sync files.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{overlap, plain};
use super::*;

/// Argument of `LX_DXSHAREOBJECTS`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_shareobjects {
    /// Bytes 0..4: `__u32`.
    pub object_count: u32,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: user pointer to `const struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..24: user pointer to `void`.
    pub object_attr: u64,
    /// Bytes 24..28: `__u32`.
    pub desired_access: u32,
    /// Bytes 28..32: `__u32`.
    pub reserved1: u32,
    /// Bytes 32..40: user pointer to `__u64`.
    pub shared_handle: u64,
}

plain!(d3dkmt_shareobjects, 40, 8);

/// Argument of `LX_DXSHAREOBJECTWITHHOST`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_shareobjectwithhost {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device_handle: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub object_handle: d3dkmthandle,
    /// Bytes 8..16: `__u64`.
    pub reserved: u64,
    /// Bytes 16..24: `__u64`.
    pub object_vail_nt_handle: u64,
}

plain!(d3dkmt_shareobjectwithhost, 24, 8);

/// Part of `d3dkmt_opensyncobjectfromnthandle2`, 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_opensyncobjectfromnthandle2_monitored_fence {
    /// Bytes 0..8: user pointer to `void`.
    pub fence_value_cpu_va: u64,
    /// Bytes 8..16: `__u64`.
    pub fence_value_gpu_va: u64,
    /// Bytes 16..20: `__u32`.
    pub engine_affinity: u32,
    /// Bytes 20..24: padding.
    pub _padding_20: [u8; 4],
}

plain!(d3dkmt_opensyncobjectfromnthandle2_monitored_fence, 24, 8);

overlap! {
    /// Part of `d3dkmt_opensyncobjectfromnthandle2`, 64 bytes.
    union d3dkmt_opensyncobjectfromnthandle2_u, 64, 8 {
        /// Bytes 0..24: an inline aggregate.
        monitored_fence set_monitored_fence: d3dkmt_opensyncobjectfromnthandle2_monitored_fence;
        /// Bytes 0..64: `__u64[8]`.
        reserved set_reserved: [u64; 8];
    }
}

/// Argument of `LX_DXOPENSYNCOBJECTFROMNTHANDLE2`; 88 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_opensyncobjectfromnthandle2 {
    /// Bytes 0..8: `__u64`.
    pub nt_handle: u64,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 12..16: `struct d3dddi_synchronizationobject_flags`.
    pub flags: d3dddi_synchronizationobject_flags,
    /// Bytes 16..20: `struct d3dkmthandle`.
    pub sync_object: d3dkmthandle,
    /// Bytes 20..24: `__u32`.
    pub reserved1: u32,
    /// Bytes 24..88: members that overlap.
    pub u: d3dkmt_opensyncobjectfromnthandle2_u,
}

plain!(d3dkmt_opensyncobjectfromnthandle2, 88, 8);

/// Argument of `LX_DXQUERYRESOURCEINFOFROMNTHANDLE`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_queryresourceinfofromnthandle {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: `__u64`.
    pub nt_handle: u64,
    /// Bytes 16..24: user pointer to `void`.
    pub private_runtime_data: u64,
    /// Bytes 24..28: `__u32`.
    pub private_runtime_data_size: u32,
    /// Bytes 28..32: `__u32`.
    pub total_priv_drv_data_size: u32,
    /// Bytes 32..36: `__u32`.
    pub resource_priv_drv_data_size: u32,
    /// Bytes 36..40: `__u32`.
    pub allocation_count: u32,
}

plain!(d3dkmt_queryresourceinfofromnthandle, 40, 8);

/// Pointed to by `d3dkmt_openresourcefromnthandle`; 80 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_openallocationinfo2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub allocation: d3dkmthandle,
    /// Bytes 4..8: padding.
    pub _padding_4: [u8; 4],
    /// Bytes 8..16: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 16..20: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 20..24: padding.
    pub _padding_20: [u8; 4],
    /// Bytes 24..32: `__u64`.
    pub gpu_va: u64,
    /// Bytes 32..80: `__u64[6]`.
    pub reserved: [u64; 6],
}

plain!(d3dddi_openallocationinfo2, 80, 8);

/// Argument of `LX_DXOPENRESOURCEFROMNTHANDLE`; 104 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_openresourcefromnthandle {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..16: `__u64`.
    pub nt_handle: u64,
    /// Bytes 16..20: `__u32`.
    pub allocation_count: u32,
    /// Bytes 20..24: `__u32`.
    pub reserved1: u32,
    /// Bytes 24..32: user pointer to `struct d3dddi_openallocationinfo2`.
    pub open_alloc_info: u64,
    /// Bytes 32..36: `__s32`.
    pub private_runtime_data_size: i32,
    /// Bytes 36..40: `__u32`.
    pub reserved2: u32,
    /// Bytes 40..48: user pointer to `void`.
    pub private_runtime_data: u64,
    /// Bytes 48..52: `__u32`.
    pub resource_priv_drv_data_size: u32,
    /// Bytes 52..56: `__u32`.
    pub reserved3: u32,
    /// Bytes 56..64: user pointer to `void`.
    pub resource_priv_drv_data: u64,
    /// Bytes 64..68: `__u32`.
    pub total_priv_drv_data_size: u32,
    /// Bytes 68..72: padding.
    pub _padding_68: [u8; 4],
    /// Bytes 72..80: user pointer to `void`.
    pub total_priv_drv_data: u64,
    /// Bytes 80..84: `struct d3dkmthandle`.
    pub resource: d3dkmthandle,
    /// Bytes 84..88: `struct d3dkmthandle`.
    pub keyed_mutex: d3dkmthandle,
    /// Bytes 88..96: user pointer to `void`.
    pub keyed_mutex_private_data: u64,
    /// Bytes 96..100: `__u32`.
    pub keyed_mutex_private_data_size: u32,
    /// Bytes 100..104: `struct d3dkmthandle`.
    pub sync_object: d3dkmthandle,
}

plain!(d3dkmt_openresourcefromnthandle, 104, 8);

/// Argument of `LX_DXCREATESYNCFILE`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createsyncfile {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `struct d3dkmthandle`.
    pub monitored_fence: d3dkmthandle,
    /// Bytes 8..16: `__u64`.
    pub fence_value: u64,
    /// Bytes 16..24: `__u64`.
    pub sync_file_handle: u64,
}

plain!(d3dkmt_createsyncfile, 24, 8);

/// Argument of `LX_DXWAITSYNCFILE`; 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_waitsyncfile {
    /// Bytes 0..8: `__u64`.
    pub sync_file_handle: u64,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 12..16: `__u32`.
    pub reserved: u32,
}

plain!(d3dkmt_waitsyncfile, 16, 8);

/// Argument of `LX_DXOPENSYNCOBJECTFROMSYNCFILE`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_opensyncobjectfromsyncfile {
    /// Bytes 0..8: `__u64`.
    pub sync_file_handle: u64,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 12..16: `struct d3dkmthandle`.
    pub syncobj: d3dkmthandle,
    /// Bytes 16..24: `__u64`.
    pub fence_value: u64,
    /// Bytes 24..32: user pointer to `void`.
    pub fence_value_cpu_va: u64,
    /// Bytes 32..40: `__u64`.
    pub fence_value_gpu_va: u64,
}

plain!(d3dkmt_opensyncobjectfromsyncfile, 40, 8);

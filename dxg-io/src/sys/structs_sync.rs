//! Synchronization objects: creating and destroying.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, overlap, plain};
use super::*;

/// Member of `d3dddi_synchronizationobjectinfo2`, member of `d3dkmt_opensyncobjectfromnthandle2`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobject_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_synchronizationobject_flags, 4, 4);

bits! {
    d3dddi_synchronizationobject_flags.value: u32 {
        flag shared set_shared 0;
        flag nt_security_sharing set_nt_security_sharing 1;
        flag cross_adapter set_cross_adapter 2;
        flag top_of_pipeline set_top_of_pipeline 3;
        flag no_signal set_no_signal 4;
        flag no_wait set_no_wait 5;
        flag no_signal_max_value_on_tdr set_no_signal_max_value_on_tdr 6;
        flag no_gpu_access set_no_gpu_access 7;
        range reserved set_reserved 8 23;
    }
}

/// Part of `d3dddi_synchronizationobjectinfo2`, 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_synchronization_mutex {
    /// Bytes 0..4: `__u32`.
    pub initial_state: u32,
}

plain!(d3dddi_synchronizationobjectinfo2_synchronization_mutex, 4, 4);

/// Part of `d3dddi_synchronizationobjectinfo2`, 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_semaphore {
    /// Bytes 0..4: `__u32`.
    pub max_count: u32,
    /// Bytes 4..8: `__u32`.
    pub initial_count: u32,
}

plain!(d3dddi_synchronizationobjectinfo2_semaphore, 8, 4);

/// Part of `d3dddi_synchronizationobjectinfo2`, 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_fence {
    /// Bytes 0..8: `__u64`.
    pub fence_value: u64,
}

plain!(d3dddi_synchronizationobjectinfo2_fence, 8, 8);

/// Part of `d3dddi_synchronizationobjectinfo2`, 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_cpu_notification {
    /// Bytes 0..8: `__u64`.
    pub event: u64,
}

plain!(d3dddi_synchronizationobjectinfo2_cpu_notification, 8, 8);

/// Part of `d3dddi_synchronizationobjectinfo2`, 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_monitored_fence {
    /// Bytes 0..8: `__u64`.
    pub initial_fence_value: u64,
    /// Bytes 8..16: user pointer to `void`.
    pub fence_cpu_virtual_address: u64,
    /// Bytes 16..24: `__u64`.
    pub fence_gpu_virtual_address: u64,
    /// Bytes 24..28: `__u32`.
    pub engine_affinity: u32,
    /// Bytes 28..32: padding.
    pub _padding_28: [u8; 4],
}

plain!(d3dddi_synchronizationobjectinfo2_monitored_fence, 32, 8);

/// Part of `d3dddi_synchronizationobjectinfo2`, 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_periodic_monitored_fence {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub adapter: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub vidpn_target_id: u32,
    /// Bytes 8..16: `__u64`.
    pub time: u64,
    /// Bytes 16..24: user pointer to `void`.
    pub fence_cpu_virtual_address: u64,
    /// Bytes 24..32: `__u64`.
    pub fence_gpu_virtual_address: u64,
    /// Bytes 32..36: `__u32`.
    pub engine_affinity: u32,
    /// Bytes 36..40: padding.
    pub _padding_36: [u8; 4],
}

plain!(d3dddi_synchronizationobjectinfo2_periodic_monitored_fence, 40, 8);

/// Part of `d3dddi_synchronizationobjectinfo2`, 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2_reserved {
    /// Bytes 0..64: `__u64[8]`.
    pub reserved: [u64; 8],
}

plain!(d3dddi_synchronizationobjectinfo2_reserved, 64, 8);

overlap! {
    /// Part of `d3dddi_synchronizationobjectinfo2`, 64 bytes.
    union d3dddi_synchronizationobjectinfo2_u, 64, 8 {
        /// Bytes 0..4: an inline aggregate.
        synchronization_mutex set_synchronization_mutex: d3dddi_synchronizationobjectinfo2_synchronization_mutex;
        /// Bytes 0..8: an inline aggregate.
        semaphore set_semaphore: d3dddi_synchronizationobjectinfo2_semaphore;
        /// Bytes 0..8: an inline aggregate.
        fence set_fence: d3dddi_synchronizationobjectinfo2_fence;
        /// Bytes 0..8: an inline aggregate.
        cpu_notification set_cpu_notification: d3dddi_synchronizationobjectinfo2_cpu_notification;
        /// Bytes 0..32: an inline aggregate.
        monitored_fence set_monitored_fence: d3dddi_synchronizationobjectinfo2_monitored_fence;
        /// Bytes 0..40: an inline aggregate.
        periodic_monitored_fence set_periodic_monitored_fence: d3dddi_synchronizationobjectinfo2_periodic_monitored_fence;
        /// Bytes 0..64: an inline aggregate.
        reserved set_reserved: d3dddi_synchronizationobjectinfo2_reserved;
    }
}

/// Member of `d3dkmt_createsynchronizationobject2`; 80 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_synchronizationobjectinfo2 {
    /// Bytes 0..4: `enum d3dddi_synchronizationobject_type`.
    pub r#type: d3dddi_synchronizationobject_type,
    /// Bytes 4..8: `struct d3dddi_synchronizationobject_flags`.
    pub flags: d3dddi_synchronizationobject_flags,
    /// Bytes 8..72: members that overlap.
    pub u: d3dddi_synchronizationobjectinfo2_u,
    /// Bytes 72..76: `struct d3dkmthandle`.
    pub shared_handle: d3dkmthandle,
    /// Bytes 76..80: padding.
    pub _padding_76: [u8; 4],
}

plain!(d3dddi_synchronizationobjectinfo2, 80, 8);

/// Argument of `LX_DXCREATESYNCHRONIZATIONOBJECT`; 96 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createsynchronizationobject2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub reserved: u32,
    /// Bytes 8..88: `struct d3dddi_synchronizationobjectinfo2`.
    pub info: d3dddi_synchronizationobjectinfo2,
    /// Bytes 88..92: `struct d3dkmthandle`.
    pub sync_object: d3dkmthandle,
    /// Bytes 92..96: `__u32`.
    pub reserved1: u32,
}

plain!(d3dkmt_createsynchronizationobject2, 96, 8);

/// Argument of `LX_DXDESTROYSYNCHRONIZATIONOBJECT`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_destroysynchronizationobject {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub sync_object: d3dkmthandle,
}

plain!(d3dkmt_destroysynchronizationobject, 4, 4);

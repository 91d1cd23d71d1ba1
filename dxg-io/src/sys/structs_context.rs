//! Contexts, hardware queues and paging queues.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, plain};
use super::*;

/// Member of `d3dkmt_createcontextvirtual`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_createcontextflags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_createcontextflags, 4, 4);

bits! {
    d3dddi_createcontextflags.value: u32 {
        flag null_rendering set_null_rendering 0;
        flag initial_data set_initial_data 1;
        flag disable_gpu_timeout set_disable_gpu_timeout 2;
        flag synchronization_only set_synchronization_only 3;
        flag hw_queue_supported set_hw_queue_supported 4;
        range reserved set_reserved 5 27;
    }
}

/// Argument of `LX_DXCREATECONTEXTVIRTUAL`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createcontextvirtual {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub node_ordinal: u32,
    /// Bytes 8..12: `__u32`.
    pub engine_affinity: u32,
    /// Bytes 12..16: `struct d3dddi_createcontextflags`.
    pub flags: d3dddi_createcontextflags,
    /// Bytes 16..24: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 24..28: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 28..32: `enum d3dkmt_clienthint`.
    pub client_hint: d3dkmt_clienthint,
    /// Bytes 32..36: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 36..40: padding.
    pub _padding_36: [u8; 4],
}

plain!(d3dkmt_createcontextvirtual, 40, 8);

/// Argument of `LX_DXDESTROYCONTEXT`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_destroycontext {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
}

plain!(d3dkmt_destroycontext, 4, 4);

/// Argument of `LX_DXSETCONTEXTSCHEDULINGPRIORITY`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_setcontextschedulingpriority {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__s32`.
    pub priority: i32,
}

plain!(d3dkmt_setcontextschedulingpriority, 8, 4);

/// Argument of `LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_setcontextinprocessschedulingpriority {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__s32`.
    pub priority: i32,
}

plain!(d3dkmt_setcontextinprocessschedulingpriority, 8, 4);

/// Argument of `LX_DXGETCONTEXTSCHEDULINGPRIORITY`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_getcontextschedulingpriority {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__s32`.
    pub priority: i32,
}

plain!(d3dkmt_getcontextschedulingpriority, 8, 4);

/// Argument of `LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_getcontextinprocessschedulingpriority {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__s32`.
    pub priority: i32,
}

plain!(d3dkmt_getcontextinprocessschedulingpriority, 8, 4);

/// Member of `d3dkmt_createhwqueue`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_createhwqueueflags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_createhwqueueflags, 4, 4);

bits! {
    d3dddi_createhwqueueflags.value: u32 {
        flag disable_gpu_timeout set_disable_gpu_timeout 0;
        range reserved set_reserved 1 31;
    }
}

/// Argument of `LX_DXCREATEHWQUEUE`; 48 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createhwqueue {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `struct d3dddi_createhwqueueflags`.
    pub flags: d3dddi_createhwqueueflags,
    /// Bytes 8..12: `__u32`.
    pub priv_drv_data_size: u32,
    /// Bytes 12..16: `__u32`.
    pub reserved: u32,
    /// Bytes 16..24: user pointer to `void`.
    pub priv_drv_data: u64,
    /// Bytes 24..28: `struct d3dkmthandle`.
    pub queue: d3dkmthandle,
    /// Bytes 28..32: `struct d3dkmthandle`.
    pub queue_progress_fence: d3dkmthandle,
    /// Bytes 32..40: user pointer to `void`.
    pub queue_progress_fence_cpu_va: u64,
    /// Bytes 40..48: `__u64`.
    pub queue_progress_fence_gpu_va: u64,
}

plain!(d3dkmt_createhwqueue, 48, 8);

/// Argument of `LX_DXDESTROYHWQUEUE`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_destroyhwqueue {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub queue: d3dkmthandle,
}

plain!(d3dkmt_destroyhwqueue, 4, 4);

/// Argument of `LX_DXCREATEPAGINGQUEUE`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_createpagingqueue {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `enum d3dddi_pagingqueue_priority`.
    pub priority: d3dddi_pagingqueue_priority,
    /// Bytes 8..12: `struct d3dkmthandle`.
    pub paging_queue: d3dkmthandle,
    /// Bytes 12..16: `struct d3dkmthandle`.
    pub sync_object: d3dkmthandle,
    /// Bytes 16..24: user pointer to `void`.
    pub fence_cpu_virtual_address: u64,
    /// Bytes 24..28: `__u32`.
    pub physical_adapter_index: u32,
    /// Bytes 28..32: padding.
    pub _padding_28: [u8; 4],
}

plain!(d3dkmt_createpagingqueue, 32, 8);

/// Argument of `LX_DXDESTROYPAGINGQUEUE`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_destroypagingqueue {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub paging_queue: d3dkmthandle,
}

plain!(d3dddi_destroypagingqueue, 4, 4);

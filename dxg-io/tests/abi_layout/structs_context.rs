//! Types of `sys::structs_context`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dddi_createcontextflags {
            value: u32,
        }),
        structure!(d3dkmt_createcontextvirtual {
            device: d3dkmthandle,
            node_ordinal: u32,
            engine_affinity: u32,
            flags: d3dddi_createcontextflags,
            priv_drv_data: u64,
            priv_drv_data_size: u32,
            client_hint: d3dkmt_clienthint,
            context: d3dkmthandle,
            _padding_36: [u8; 4],
        }),
        structure!(d3dkmt_destroycontext {
            context: d3dkmthandle,
        }),
        structure!(d3dkmt_setcontextschedulingpriority {
            context: d3dkmthandle,
            priority: i32,
        }),
        structure!(d3dkmt_setcontextinprocessschedulingpriority {
            context: d3dkmthandle,
            priority: i32,
        }),
        structure!(d3dkmt_getcontextschedulingpriority {
            context: d3dkmthandle,
            priority: i32,
        }),
        structure!(d3dkmt_getcontextinprocessschedulingpriority {
            context: d3dkmthandle,
            priority: i32,
        }),
        structure!(d3dddi_createhwqueueflags {
            value: u32,
        }),
        structure!(d3dkmt_createhwqueue {
            context: d3dkmthandle,
            flags: d3dddi_createhwqueueflags,
            priv_drv_data_size: u32,
            reserved: u32,
            priv_drv_data: u64,
            queue: d3dkmthandle,
            queue_progress_fence: d3dkmthandle,
            queue_progress_fence_cpu_va: u64,
            queue_progress_fence_gpu_va: u64,
        }),
        structure!(d3dkmt_destroyhwqueue {
            queue: d3dkmthandle,
        }),
        structure!(d3dkmt_createpagingqueue {
            device: d3dkmthandle,
            priority: d3dddi_pagingqueue_priority,
            paging_queue: d3dkmthandle,
            sync_object: d3dkmthandle,
            fence_cpu_virtual_address: u64,
            physical_adapter_index: u32,
            _padding_28: [u8; 4],
        }),
        structure!(d3dddi_destroypagingqueue {
            paging_queue: d3dkmthandle,
        }),
    ]
}

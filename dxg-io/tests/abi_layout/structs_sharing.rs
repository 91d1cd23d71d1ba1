//! Types of `sys::structs_sharing`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmt_shareobjects {
            object_count: u32,
            reserved: u32,
            objects: u64,
            object_attr: u64,
            desired_access: u32,
            reserved1: u32,
            shared_handle: u64,
        }),
        structure!(d3dkmt_shareobjectwithhost {
            device_handle: d3dkmthandle,
            object_handle: d3dkmthandle,
            reserved: u64,
            object_vail_nt_handle: u64,
        }),
        structure!(d3dkmt_opensyncobjectfromnthandle2_monitored_fence {
            fence_value_cpu_va: u64,
            fence_value_gpu_va: u64,
            engine_affinity: u32,
            _padding_20: [u8; 4],
        }),
        overlapping!(d3dkmt_opensyncobjectfromnthandle2_u {
            monitored_fence set_monitored_fence: d3dkmt_opensyncobjectfromnthandle2_monitored_fence,
            reserved set_reserved: [u64; 8],
        }),
        structure!(d3dkmt_opensyncobjectfromnthandle2 {
            nt_handle: u64,
            device: d3dkmthandle,
            flags: d3dddi_synchronizationobject_flags,
            sync_object: d3dkmthandle,
            reserved1: u32,
            u: d3dkmt_opensyncobjectfromnthandle2_u,
        }),
        structure!(d3dkmt_queryresourceinfofromnthandle {
            device: d3dkmthandle,
            reserved: u32,
            nt_handle: u64,
            private_runtime_data: u64,
            private_runtime_data_size: u32,
            total_priv_drv_data_size: u32,
            resource_priv_drv_data_size: u32,
            allocation_count: u32,
        }),
        structure!(d3dddi_openallocationinfo2 {
            allocation: d3dkmthandle,
            _padding_4: [u8; 4],
            priv_drv_data: u64,
            priv_drv_data_size: u32,
            _padding_20: [u8; 4],
            gpu_va: u64,
            reserved: [u64; 6],
        }),
        structure!(d3dkmt_openresourcefromnthandle {
            device: d3dkmthandle,
            reserved: u32,
            nt_handle: u64,
            allocation_count: u32,
            reserved1: u32,
            open_alloc_info: u64,
            private_runtime_data_size: i32,
            reserved2: u32,
            private_runtime_data: u64,
            resource_priv_drv_data_size: u32,
            reserved3: u32,
            resource_priv_drv_data: u64,
            total_priv_drv_data_size: u32,
            _padding_68: [u8; 4],
            total_priv_drv_data: u64,
            resource: d3dkmthandle,
            keyed_mutex: d3dkmthandle,
            keyed_mutex_private_data: u64,
            keyed_mutex_private_data_size: u32,
            sync_object: d3dkmthandle,
        }),
        structure!(d3dkmt_createsyncfile {
            device: d3dkmthandle,
            monitored_fence: d3dkmthandle,
            fence_value: u64,
            sync_file_handle: u64,
        }),
        structure!(d3dkmt_waitsyncfile {
            sync_file_handle: u64,
            context: d3dkmthandle,
            reserved: u32,
        }),
        structure!(d3dkmt_opensyncobjectfromsyncfile {
            sync_file_handle: u64,
            device: d3dkmthandle,
            syncobj: d3dkmthandle,
            fence_value: u64,
            fence_value_cpu_va: u64,
            fence_value_gpu_va: u64,
        }),
    ]
}

//! Types of `sys::structs_sync`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dddi_synchronizationobject_flags {
            value: u32,
        }),
        structure!(d3dddi_synchronizationobjectinfo2_synchronization_mutex {
            initial_state: u32,
        }),
        structure!(d3dddi_synchronizationobjectinfo2_semaphore {
            max_count: u32,
            initial_count: u32,
        }),
        structure!(d3dddi_synchronizationobjectinfo2_fence {
            fence_value: u64,
        }),
        structure!(d3dddi_synchronizationobjectinfo2_cpu_notification {
            event: u64,
        }),
        structure!(d3dddi_synchronizationobjectinfo2_monitored_fence {
            initial_fence_value: u64,
            fence_cpu_virtual_address: u64,
            fence_gpu_virtual_address: u64,
            engine_affinity: u32,
            _padding_28: [u8; 4],
        }),
        structure!(d3dddi_synchronizationobjectinfo2_periodic_monitored_fence {
            adapter: d3dkmthandle,
            vidpn_target_id: u32,
            time: u64,
            fence_cpu_virtual_address: u64,
            fence_gpu_virtual_address: u64,
            engine_affinity: u32,
            _padding_36: [u8; 4],
        }),
        structure!(d3dddi_synchronizationobjectinfo2_reserved {
            reserved: [u64; 8],
        }),
        overlapping!(d3dddi_synchronizationobjectinfo2_u {
            synchronization_mutex set_synchronization_mutex: d3dddi_synchronizationobjectinfo2_synchronization_mutex,
            semaphore set_semaphore: d3dddi_synchronizationobjectinfo2_semaphore,
            fence set_fence: d3dddi_synchronizationobjectinfo2_fence,
            cpu_notification set_cpu_notification: d3dddi_synchronizationobjectinfo2_cpu_notification,
            monitored_fence set_monitored_fence: d3dddi_synchronizationobjectinfo2_monitored_fence,
            periodic_monitored_fence set_periodic_monitored_fence: d3dddi_synchronizationobjectinfo2_periodic_monitored_fence,
            reserved set_reserved: d3dddi_synchronizationobjectinfo2_reserved,
        }),
        structure!(d3dddi_synchronizationobjectinfo2 {
            r#type: d3dddi_synchronizationobject_type,
            flags: d3dddi_synchronizationobject_flags,
            u: d3dddi_synchronizationobjectinfo2_u,
            shared_handle: d3dkmthandle,
            _padding_76: [u8; 4],
        }),
        structure!(d3dkmt_createsynchronizationobject2 {
            device: d3dkmthandle,
            reserved: u32,
            info: d3dddi_synchronizationobjectinfo2,
            sync_object: d3dkmthandle,
            reserved1: u32,
        }),
        structure!(d3dkmt_destroysynchronizationobject {
            sync_object: d3dkmthandle,
        }),
    ]
}

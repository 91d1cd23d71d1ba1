//! Types of `sys::structs_wait_signal`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmt_waitforsynchronizationobject2_fence {
            fence_value: u64,
        }),
        overlapping!(d3dkmt_waitforsynchronizationobject2_u {
            fence set_fence: d3dkmt_waitforsynchronizationobject2_fence,
            reserved set_reserved: [u64; 8],
        }),
        structure!(d3dkmt_waitforsynchronizationobject2 {
            context: d3dkmthandle,
            object_count: u32,
            object_array: [d3dkmthandle; 32],
            u: d3dkmt_waitforsynchronizationobject2_u,
        }),
        structure!(d3dddicb_signalflags {
            value: u32,
        }),
        structure!(d3dkmt_signalsynchronizationobject2_fence {
            fence_value: u64,
        }),
        overlapping!(d3dkmt_signalsynchronizationobject2_u {
            fence set_fence: d3dkmt_signalsynchronizationobject2_fence,
            cpu_event_handle set_cpu_event_handle: u64,
            reserved set_reserved: [u64; 8],
        }),
        structure!(d3dkmt_signalsynchronizationobject2 {
            context: d3dkmthandle,
            object_count: u32,
            object_array: [d3dkmthandle; 32],
            flags: d3dddicb_signalflags,
            context_count: u32,
            contexts: [d3dkmthandle; 64],
            u: d3dkmt_signalsynchronizationobject2_u,
        }),
        structure!(d3dddi_waitforsynchronizationobjectfromcpu_flags {
            value: u32,
        }),
        structure!(d3dkmt_waitforsynchronizationobjectfromcpu {
            device: d3dkmthandle,
            object_count: u32,
            objects: u64,
            fence_values: u64,
            async_event: u64,
            flags: d3dddi_waitforsynchronizationobjectfromcpu_flags,
            _padding_36: [u8; 4],
        }),
        structure!(d3dkmt_signalsynchronizationobjectfromcpu {
            device: d3dkmthandle,
            object_count: u32,
            objects: u64,
            fence_values: u64,
            flags: d3dddicb_signalflags,
            _padding_28: [u8; 4],
        }),
        overlapping!(d3dkmt_waitforsynchronizationobjectfromgpu_u {
            monitored_fence_values set_monitored_fence_values: u64,
            fence_value set_fence_value: u64,
            reserved set_reserved: [u64; 8],
        }),
        structure!(d3dkmt_waitforsynchronizationobjectfromgpu {
            context: d3dkmthandle,
            object_count: u32,
            objects: u64,
            u: d3dkmt_waitforsynchronizationobjectfromgpu_u,
        }),
        overlapping!(d3dkmt_signalsynchronizationobjectfromgpu_u {
            monitored_fence_values set_monitored_fence_values: u64,
            reserved set_reserved: [u64; 8],
        }),
        structure!(d3dkmt_signalsynchronizationobjectfromgpu {
            context: d3dkmthandle,
            object_count: u32,
            objects: u64,
            u: d3dkmt_signalsynchronizationobjectfromgpu_u,
        }),
        overlapping!(d3dkmt_signalsynchronizationobjectfromgpu2_u {
            fence_value set_fence_value: u64,
            cpu_event_handle set_cpu_event_handle: u64,
            monitored_fence_values set_monitored_fence_values: u64,
            reserved set_reserved: [u64; 8],
        }),
        structure!(d3dkmt_signalsynchronizationobjectfromgpu2 {
            object_count: u32,
            reserved1: u32,
            objects: u64,
            flags: d3dddicb_signalflags,
            context_count: u32,
            contexts: u64,
            u: d3dkmt_signalsynchronizationobjectfromgpu2_u,
        }),
        structure!(d3dkmt_submitwaitforsyncobjectstohwqueue {
            hwqueue: d3dkmthandle,
            object_count: u32,
            objects: u64,
            fence_values: u64,
        }),
        structure!(d3dkmt_submitsignalsyncobjectstohwqueue {
            flags: d3dddicb_signalflags,
            hwqueue_count: u32,
            hwqueues: u64,
            object_count: u32,
            reserved: u32,
            objects: u64,
            fence_values: u64,
        }),
    ]
}

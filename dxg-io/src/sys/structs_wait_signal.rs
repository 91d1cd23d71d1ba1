//! Waits and signals.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, overlap, plain};
use super::*;

/// Part of `d3dkmt_waitforsynchronizationobject2`, 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_waitforsynchronizationobject2_fence {
    /// Bytes 0..8: `__u64`.
    pub fence_value: u64,
}

plain!(d3dkmt_waitforsynchronizationobject2_fence, 8, 8);

overlap! {
    /// Part of `d3dkmt_waitforsynchronizationobject2`, 64 bytes.
    union d3dkmt_waitforsynchronizationobject2_u, 64, 8 {
        /// Bytes 0..8: an inline aggregate.
        fence set_fence: d3dkmt_waitforsynchronizationobject2_fence;
        /// Bytes 0..64: `__u64[8]`.
        reserved set_reserved: [u64; 8];
    }
}

/// Argument of `LX_DXWAITFORSYNCHRONIZATIONOBJECT`; 200 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_waitforsynchronizationobject2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..136: `struct d3dkmthandle[32]`.
    pub object_array: [d3dkmthandle; 32],
    /// Bytes 136..200: members that overlap.
    pub u: d3dkmt_waitforsynchronizationobject2_u,
}

plain!(d3dkmt_waitforsynchronizationobject2, 200, 8);

/// Member of `d3dkmt_signalsynchronizationobject2`, member of `d3dkmt_signalsynchronizationobjectfromcpu` and 2 more; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddicb_signalflags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddicb_signalflags, 4, 4);

bits! {
    d3dddicb_signalflags.value: u32 {
        flag signal_at_submission set_signal_at_submission 0;
        flag enqueue_cpu_event set_enqueue_cpu_event 1;
        flag allow_fence_rewind set_allow_fence_rewind 2;
        flag DXGK_SIGNAL_FLAG_INTERNAL0 set_DXGK_SIGNAL_FLAG_INTERNAL0 31;
        range reserved set_reserved 3 28;
    }
}

/// Part of `d3dkmt_signalsynchronizationobject2`, 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_signalsynchronizationobject2_fence {
    /// Bytes 0..8: `__u64`.
    pub fence_value: u64,
}

plain!(d3dkmt_signalsynchronizationobject2_fence, 8, 8);

overlap! {
    /// Part of `d3dkmt_signalsynchronizationobject2`, 64 bytes.
    union d3dkmt_signalsynchronizationobject2_u, 64, 8 {
        /// Bytes 0..8: an inline aggregate.
        fence set_fence: d3dkmt_signalsynchronizationobject2_fence;
        /// Bytes 0..8: `__u64`.
        cpu_event_handle set_cpu_event_handle: u64;
        /// Bytes 0..64: `__u64[8]`.
        reserved set_reserved: [u64; 8];
    }
}

/// Argument of `LX_DXSIGNALSYNCHRONIZATIONOBJECT`; 464 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_signalsynchronizationobject2 {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..136: `struct d3dkmthandle[32]`.
    pub object_array: [d3dkmthandle; 32],
    /// Bytes 136..140: `struct d3dddicb_signalflags`.
    pub flags: d3dddicb_signalflags,
    /// Bytes 140..144: `__u32`.
    pub context_count: u32,
    /// Bytes 144..400: `struct d3dkmthandle[64]`.
    pub contexts: [d3dkmthandle; 64],
    /// Bytes 400..464: members that overlap.
    pub u: d3dkmt_signalsynchronizationobject2_u,
}

plain!(d3dkmt_signalsynchronizationobject2, 464, 8);

/// Member of `d3dkmt_waitforsynchronizationobjectfromcpu`; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_waitforsynchronizationobjectfromcpu_flags {
    /// Bytes 0..4: `__u32`.
    pub value: u32,
}

plain!(d3dddi_waitforsynchronizationobjectfromcpu_flags, 4, 4);

bits! {
    d3dddi_waitforsynchronizationobjectfromcpu_flags.value: u32 {
        flag wait_any set_wait_any 0;
        range reserved set_reserved 1 31;
    }
}

/// Argument of `LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_waitforsynchronizationobjectfromcpu {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..24: user pointer to `__u64`.
    pub fence_values: u64,
    /// Bytes 24..32: `__u64`.
    pub async_event: u64,
    /// Bytes 32..36: `struct d3dddi_waitforsynchronizationobjectfromcpu_flags`.
    pub flags: d3dddi_waitforsynchronizationobjectfromcpu_flags,
    /// Bytes 36..40: padding.
    pub _padding_36: [u8; 4],
}

plain!(d3dkmt_waitforsynchronizationobjectfromcpu, 40, 8);

/// Argument of `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU`; 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_signalsynchronizationobjectfromcpu {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub device: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..24: user pointer to `__u64`.
    pub fence_values: u64,
    /// Bytes 24..28: `struct d3dddicb_signalflags`.
    pub flags: d3dddicb_signalflags,
    /// Bytes 28..32: padding.
    pub _padding_28: [u8; 4],
}

plain!(d3dkmt_signalsynchronizationobjectfromcpu, 32, 8);

overlap! {
    /// Part of `d3dkmt_waitforsynchronizationobjectfromgpu`, 64 bytes.
    union d3dkmt_waitforsynchronizationobjectfromgpu_u, 64, 8 {
        /// Bytes 0..8: user pointer to `__u64`.
        monitored_fence_values set_monitored_fence_values: u64;
        /// Bytes 0..8: `__u64`.
        fence_value set_fence_value: u64;
        /// Bytes 0..64: `__u64[8]`.
        reserved set_reserved: [u64; 8];
    }
}

/// Argument of `LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU`; 80 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_waitforsynchronizationobjectfromgpu {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..80: members that overlap.
    pub u: d3dkmt_waitforsynchronizationobjectfromgpu_u,
}

plain!(d3dkmt_waitforsynchronizationobjectfromgpu, 80, 8);

overlap! {
    /// Part of `d3dkmt_signalsynchronizationobjectfromgpu`, 64 bytes.
    union d3dkmt_signalsynchronizationobjectfromgpu_u, 64, 8 {
        /// Bytes 0..8: user pointer to `__u64`.
        monitored_fence_values set_monitored_fence_values: u64;
        /// Bytes 0..64: `__u64[8]`.
        reserved set_reserved: [u64; 8];
    }
}

/// Argument of `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU`; 80 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_signalsynchronizationobjectfromgpu {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub context: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..80: members that overlap.
    pub u: d3dkmt_signalsynchronizationobjectfromgpu_u,
}

plain!(d3dkmt_signalsynchronizationobjectfromgpu, 80, 8);

overlap! {
    /// Part of `d3dkmt_signalsynchronizationobjectfromgpu2`, 64 bytes.
    union d3dkmt_signalsynchronizationobjectfromgpu2_u, 64, 8 {
        /// Bytes 0..8: `__u64`.
        fence_value set_fence_value: u64;
        /// Bytes 0..8: `__u64`.
        cpu_event_handle set_cpu_event_handle: u64;
        /// Bytes 0..8: user pointer to `__u64`.
        monitored_fence_values set_monitored_fence_values: u64;
        /// Bytes 0..64: `__u64[8]`.
        reserved set_reserved: [u64; 8];
    }
}

/// Argument of `LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2`; 96 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_signalsynchronizationobjectfromgpu2 {
    /// Bytes 0..4: `__u32`.
    pub object_count: u32,
    /// Bytes 4..8: `__u32`.
    pub reserved1: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..20: `struct d3dddicb_signalflags`.
    pub flags: d3dddicb_signalflags,
    /// Bytes 20..24: `__u32`.
    pub context_count: u32,
    /// Bytes 24..32: user pointer to `struct d3dkmthandle`.
    pub contexts: u64,
    /// Bytes 32..96: members that overlap.
    pub u: d3dkmt_signalsynchronizationobjectfromgpu2_u,
}

plain!(d3dkmt_signalsynchronizationobjectfromgpu2, 96, 8);

/// Argument of `LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE`; 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_submitwaitforsyncobjectstohwqueue {
    /// Bytes 0..4: `struct d3dkmthandle`.
    pub hwqueue: d3dkmthandle,
    /// Bytes 4..8: `__u32`.
    pub object_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 16..24: user pointer to `__u64`.
    pub fence_values: u64,
}

plain!(d3dkmt_submitwaitforsyncobjectstohwqueue, 24, 8);

/// Argument of `LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE`; 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmt_submitsignalsyncobjectstohwqueue {
    /// Bytes 0..4: `struct d3dddicb_signalflags`.
    pub flags: d3dddicb_signalflags,
    /// Bytes 4..8: `__u32`.
    pub hwqueue_count: u32,
    /// Bytes 8..16: user pointer to `struct d3dkmthandle`.
    pub hwqueues: u64,
    /// Bytes 16..20: `__u32`.
    pub object_count: u32,
    /// Bytes 20..24: `__u32`.
    pub reserved: u32,
    /// Bytes 24..32: user pointer to `struct d3dkmthandle`.
    pub objects: u64,
    /// Bytes 32..40: user pointer to `__u64`.
    pub fence_values: u64,
}

plain!(d3dkmt_submitsignalsyncobjectstohwqueue, 40, 8);

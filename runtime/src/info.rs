//! What a device is and what it can do.

use std::sync::Arc;

use crate::selector::{DeviceKind, Selector};

/// Description of a device, as [`Device::enumerate`](crate::Device::enumerate) and
/// [`Device::info`](crate::Device::info) give it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The selector that opens it.
    pub selector: Selector,
    /// Name of the adapter.
    pub name: Arc<str>,
    /// The adapter's LUID, 0 where there is none.
    pub luid: u64,
    /// Architecture that module images are matched with, for example "x86-64" or "sm_90".
    pub architecture: Arc<str>,
    /// Whether kernels can be launched on it. A real `dxg` node serves information and the self-test only.
    pub can_launch: bool,
    /// Device memory in bytes; 0 where it is not known.
    pub memory_bytes: u64,
    /// Every buffer begins at a multiple of this.
    pub buffer_alignment: u32,
    /// Packed arguments of one launch, in bytes.
    pub max_argument_bytes: u32,
    /// Blocks in each dimension of a grid.
    pub max_blocks: [u32; 3],
    /// Blocks of one launch.
    pub max_block_count: u64,
    /// Threads in each dimension of a block.
    pub max_threads: [u32; 3],
    /// Threads of one block.
    pub max_threads_per_block: u32,
    /// Shared memory of one block.
    pub max_shared_bytes: u32,
    /// Blocks that run at the same time.
    pub block_slots: u32,
    /// Hardware queues in use.
    pub hardware_queues: u16,
    /// Whether submissions are posted; otherwise each is a round trip to the host.
    pub async_messages: bool,
    /// Whether the runtime sleeps on posted messages only (probed when the device was opened).
    pub posted_wake_up: bool,
}

impl DeviceInfo {
    /// The kind of device.
    pub fn kind(&self) -> DeviceKind {
        self.selector.kind()
    }
}

/// Bytes that the packed arguments of one launch may have on any device.
pub const MAX_ARGUMENT_BYTES: u32 = 4096;

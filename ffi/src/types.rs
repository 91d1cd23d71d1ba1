//! The types of the C interface, as the header shows them.
//!
//! Structures that may grow begin with their size, which the caller sets ([`crate::sized`]). [`dxgrt_fence`] and
//! [`dxgrt_access`] never grow.

use std::ffi::{c_char, c_void};

use crate::status::dxgrt_status;

/// An open device.
pub struct dxgrt_ctx(());
/// Memory of a device, or host memory that a device reaches.
pub struct dxgrt_mem(());
/// Commands that run one after another.
pub struct dxgrt_stream(());
/// A loaded image of kernels.
pub struct dxgrt_module(());
/// A kernel; belongs to its module.
pub struct dxgrt_kernel(());
/// Commands with dependencies, enqueued again and again.
pub struct dxgrt_graph(());
/// A reusable mark in streams.
pub struct dxgrt_event(());

/// A point in a stream: done when everything up to it is. A plain value, to be copied and forgotten; nothing to free. All zero
/// is a fence that is done.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct dxgrt_fence {
    /// Which stream.
    pub timeline: u64,
    /// Which of its commands.
    pub value: u64,
}

/// Wait as long as it takes.
pub const DXGRT_FOREVER: u64 = u64::MAX;

/// `dxgrt_device_info.kind`: the adapter embedded in the library.
pub const DXGRT_DEVICE_SOFTWARE: u32 = 1;
/// `dxgrt_device_info.kind`: an adapter behind a real /dev/dxg.
pub const DXGRT_DEVICE_DXG: u32 = 2;
/// `dxgrt_device_info.kind`: a device of the CUDA driver.
pub const DXGRT_DEVICE_CUDA: u32 = 3;

/// Image format: recognised by its first bytes.
pub const DXGRT_IMAGE_AUTO: u32 = 0;
/// Image format: an ELF shared object, for the software adapter. As a bit of `dxgrt_device_info.image_formats`: 1 << 1.
pub const DXGRT_IMAGE_ELF: u32 = 1;
/// Image format: PTX text, for CUDA devices. As a bit: 1 << 2.
pub const DXGRT_IMAGE_PTX: u32 = 2;
/// Image format: a cubin, for CUDA devices; never recognised by itself. As a bit: 1 << 3.
pub const DXGRT_IMAGE_CUBIN: u32 = 3;

/// `dxgrt_device_info.features`: kernels can be launched. A real /dev/dxg serves information only.
pub const DXGRT_FEATURE_LAUNCH: u32 = 1;
/// `dxgrt_device_info.features`: submissions are posted; otherwise each is a round trip to the host.
pub const DXGRT_FEATURE_ASYNC_MESSAGES: u32 = 2;

/// What a device is and can do. Set `struct_size`; the library fills the rest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_device_info {
    /// sizeof(dxgrt_device_info).
    pub struct_size: u32,
    /// DXGRT_DEVICE_*.
    pub kind: u32,
    /// The selector that opens it, for example "software:0".
    pub selector: [c_char; 32],
    /// Name of the adapter.
    pub name: [c_char; 128],
    /// What images are matched with, for example "x86-64" or "sm_90".
    pub architecture: [c_char; 32],
    /// Bits 1 << DXGRT_IMAGE_*.
    pub image_formats: u32,
    /// DXGRT_FEATURE_*.
    pub features: u32,
    /// Device memory in bytes; 0 where it is not known.
    pub memory_bytes: u64,
    /// Every allocation begins at a multiple of this.
    pub memory_alignment: u32,
    /// Packed arguments of one launch, in bytes.
    pub max_args_size: u32,
    /// Blocks in each dimension of a grid.
    pub max_grid: [u32; 3],
    /// Threads in each dimension of a block.
    pub max_block: [u32; 3],
    /// Blocks of one launch.
    pub max_block_count: u64,
    /// Threads of one block.
    pub max_threads_per_block: u32,
    /// Shared memory of one block, in bytes.
    pub max_shared_bytes: u32,
    /// Blocks that run at the same time.
    pub block_slots: u32,
    /// Hardware queues in use.
    pub hardware_queues: u32,
}

/// `dxgrt_open_options.backpressure`: an enqueuing call waits for room.
pub const DXGRT_BACKPRESSURE_BLOCK: u32 = 0;
/// `dxgrt_open_options.backpressure`: an enqueuing call answers `DXGRT_FULL`, and never waits.
pub const DXGRT_BACKPRESSURE_ERROR: u32 = 1;

/// `dxgrt_open_options.policy`: what `DXGRT_POLICY` says, else gather while work is in flight.
pub const DXGRT_POLICY_DEFAULT: u32 = 0;
/// `dxgrt_open_options.policy`: gather while work is in flight, hand over at once when the device is idle and somebody waits.
pub const DXGRT_POLICY_ADAPTIVE: u32 = 1;
/// `dxgrt_open_options.policy`: submit each command by itself and wait for it.
pub const DXGRT_POLICY_ONE_BY_ONE: u32 = 2;

/// `dxgrt_open_options.latency`: the software adapter takes the time that its model says.
pub const DXGRT_LATENCY_MODELLED: u32 = 0;
/// `dxgrt_open_options.latency`: the software adapter is as fast as this machine goes.
pub const DXGRT_LATENCY_ZERO: u32 = 1;

/// How a context is opened. Set `struct_size`; 0 anywhere else is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_open_options {
    /// sizeof(dxgrt_open_options).
    pub struct_size: u32,
    /// DXGRT_BACKPRESSURE_*: what an enqueuing call does when there is no room.
    pub backpressure: u32,
    /// DXGRT_POLICY_*: when commands are handed over.
    pub policy: u32,
    /// DXGRT_LATENCY_*: for the software adapter; ignored by others.
    pub latency: u32,
    /// Commands in one batch, at most.
    pub batch_commands: u32,
    /// Encoded bytes of one batch, at most.
    pub batch_bytes: u32,
    /// Longest time that a command is held back for others to join it.
    pub gather_ns: u64,
    /// Unfinished commands of one stream, at most.
    pub stream_commands: u32,
    /// Unfinished commands of the device, at most.
    pub device_commands: u32,
    /// Memory for host data on its way, in bytes.
    pub staging_bytes: u64,
    /// A `CUcontext` to open a `cuda` device on: a selector of NULL is its GPU then, and one of another device is refused. It must
    /// not be destroyed before `cuda_release` is called. NULL: the primary context of the GPU.
    pub cuda_context: *mut c_void,
    /// Host memory that may be pinned for a `cuda` device, in bytes.
    pub pinned_bytes: u64,
    /// Called once with `cuda_user` when nothing uses `cuda_context` any more, a moment after the context is closed and the last
    /// handle made with it is freed; NULL: nobody is told. It is not called without a `cuda_context`, nor where opening fails.
    pub cuda_release: dxgrt_release,
    /// Given to `cuda_release`.
    pub cuda_user: *mut c_void,
}

/// Called once with `user` when what is the program's own is no longer used. Any thread; it must not call the library.
pub type dxgrt_release = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// `dxgrt_mem_alloc` flag: host memory that the device reaches; copies from and to it need no staging.
pub const DXGRT_MEM_HOST: u32 = 1;
/// `dxgrt_mem_alloc` flag: all bytes are 0. (Host memory always is.)
pub const DXGRT_MEM_ZERO: u32 = 2;

/// Memory of a context. Set `struct_size`; the library fills the rest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_mem_stats {
    /// sizeof(dxgrt_mem_stats).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Device memory there is.
    pub total: u64,
    /// Device memory taken from the driver.
    pub held: u64,
    /// Device memory of live allocations, and of freed ones that work in flight may still use.
    pub used: u64,
    /// The part of `used` that is free as soon as work in flight is done.
    pub retiring: u64,
    /// The largest value of `used` so far.
    pub peak_used: u64,
    /// Live allocations.
    pub allocations: u64,
    /// Host memory of live allocations.
    pub host: u64,
    /// Staging memory there is.
    pub staging_total: u64,
    /// Staging memory held by copies in flight.
    pub staging_used: u64,
}

/// `dxgrt_stream_options.priority`: the usual one.
pub const DXGRT_PRIORITY_NORMAL: u32 = 0;
/// `dxgrt_stream_options.priority`: enters batches before all others.
pub const DXGRT_PRIORITY_HIGH: u32 = 1;
/// `dxgrt_stream_options.priority`: enters batches last.
pub const DXGRT_PRIORITY_LOW: u32 = 2;

/// How a stream is made. Set `struct_size`; 0 anywhere else is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_stream_options {
    /// sizeof(dxgrt_stream_options).
    pub struct_size: u32,
    /// DXGRT_PRIORITY_*.
    pub priority: u32,
}

/// `dxgrt_copy_h2d` mode: the data is taken during the call.
pub const DXGRT_COPY_SNAPSHOT: u32 = 0;
/// `dxgrt_copy_h2d` mode: the source stays untouched until the fence `src_released` is done. Saves the copy of data that lies
/// in host memory of the context (`DXGRT_MEM_HOST`); other data is taken during the call.
pub const DXGRT_COPY_BORROW: u32 = 1;

/// `dxgrt_access.flags`: the kernel reads the range.
pub const DXGRT_ACCESS_READ: u32 = 1;
/// `dxgrt_access.flags`: the kernel writes the range.
pub const DXGRT_ACCESS_WRITE: u32 = 2;
/// `dxgrt_access.arg_offset`: the address does not stand in the arguments.
pub const DXGRT_ACCESS_NO_ARG: u32 = u32::MAX;

/// A range of device memory that a launch touches. 24 bytes; never grows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_access {
    /// First byte.
    pub addr: u64,
    /// Bytes.
    pub size: u64,
    /// DXGRT_ACCESS_*.
    pub flags: u32,
    /// Where in the arguments the address stands, or DXGRT_ACCESS_NO_ARG.
    pub arg_offset: u32,
}

/// `dxgrt_launch_params.flags`: the launch is not merged with others of its kernel. For kernels whose blocks wait for each other.
pub const DXGRT_LAUNCH_UNMERGED: u32 = 1;

/// A launch. Set `struct_size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_launch_params {
    /// sizeof(dxgrt_launch_params).
    pub struct_size: u32,
    /// DXGRT_LAUNCH_*.
    pub flags: u32,
    /// Blocks in x, y and z. A zero among them: nothing runs, and the launch completes in its place.
    pub grid: [u32; 3],
    /// Threads of a block in x, y and z.
    pub block: [u32; 3],
    /// Shared memory of a block, in bytes.
    pub shared_bytes: u32,
    /// Bytes of packed arguments.
    pub args_size: u32,
    /// The packed arguments: addresses as 8 bytes, scalars at their natural alignment. Read during the call.
    pub args: *const c_void,
    /// What the kernel touches: all of it, or nothing is told (NULL). A launch that tells may run beside others of its stream
    /// that touch other memory; one that does not runs after everything before it.
    pub accesses: *const dxgrt_access,
    /// How many accesses.
    pub access_count: u32,
    /// 0.
    pub reserved: u32,
}

/// `dxgrt_cmd.kind`: nothing but a place in the stream.
pub const DXGRT_CMD_MARKER: u32 = 0;
/// `dxgrt_cmd.kind`: `u.launch`.
pub const DXGRT_CMD_LAUNCH: u32 = 1;
/// `dxgrt_cmd.kind`: `u.h2d`; the data is taken during the call (of a graph: when it is made).
pub const DXGRT_CMD_COPY_H2D: u32 = 2;
/// `dxgrt_cmd.kind`: `u.d2h`.
pub const DXGRT_CMD_COPY_D2H: u32 = 3;
/// `dxgrt_cmd.kind`: `u.d2d`.
pub const DXGRT_CMD_COPY_D2D: u32 = 4;
/// `dxgrt_cmd.kind`: `u.fill`.
pub const DXGRT_CMD_FILL: u32 = 5;

/// A launch as a command.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_cmd_launch {
    /// The kernel.
    pub kernel: *mut dxgrt_kernel,
    /// The rest.
    pub params: dxgrt_launch_params,
}

/// A copy from the host as a command.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_cmd_h2d {
    /// Where to, on the device.
    pub dst: u64,
    /// Where from.
    pub src: *const c_void,
    /// Bytes.
    pub size: u64,
}

/// A copy to the host as a command.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_cmd_d2h {
    /// Where to; may be written until the command's fence is done.
    pub dst: *mut c_void,
    /// Where from, on the device.
    pub src: u64,
    /// Bytes.
    pub size: u64,
}

/// A copy on the device as a command.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_cmd_d2d {
    /// Where to.
    pub dst: u64,
    /// Where from.
    pub src: u64,
    /// Bytes.
    pub size: u64,
}

/// A fill as a command.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_cmd_fill {
    /// Where to.
    pub dst: u64,
    /// Bytes, a multiple of `pattern_size`.
    pub size: u64,
    /// The pattern.
    pub pattern: [u8; 8],
    /// How many bytes of it: 1, 2, 4 or 8.
    pub pattern_size: u32,
    /// 0.
    pub reserved: u32,
}

/// What a command does.
#[repr(C)]
#[derive(Clone, Copy)]
pub union dxgrt_cmd_union {
    /// DXGRT_CMD_LAUNCH.
    pub launch: dxgrt_cmd_launch,
    /// DXGRT_CMD_COPY_H2D.
    pub h2d: dxgrt_cmd_h2d,
    /// DXGRT_CMD_COPY_D2H.
    pub d2h: dxgrt_cmd_d2h,
    /// DXGRT_CMD_COPY_D2D.
    pub d2d: dxgrt_cmd_d2d,
    /// DXGRT_CMD_FILL.
    pub fill: dxgrt_cmd_fill,
}

/// One command of `dxgrt_submit` or of a graph. Set `struct_size`, the same in all of an array: it is the distance between them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_cmd {
    /// sizeof(dxgrt_cmd).
    pub struct_size: u32,
    /// DXGRT_CMD_*.
    pub kind: u32,
    /// What belongs to the kind.
    pub u: dxgrt_cmd_union,
}

/// `dxgrt_patch.field`: argument bytes of a launch, from `offset` on.
pub const DXGRT_PATCH_ARGS: u32 = 0;
/// `dxgrt_patch.field`: where a copy or fill goes to (8 bytes).
pub const DXGRT_PATCH_DST: u32 = 1;
/// `dxgrt_patch.field`: where a copy comes from (8 bytes). Data of a copy from the host is replaced as a whole
/// (`DXGRT_PATCH_DATA`).
pub const DXGRT_PATCH_SRC: u32 = 2;
/// `dxgrt_patch.field`: blocks of a launch (three uint32_t).
pub const DXGRT_PATCH_GRID: u32 = 3;
/// `dxgrt_patch.field`: threads of a block of a launch (three uint32_t).
pub const DXGRT_PATCH_BLOCK: u32 = 4;
/// `dxgrt_patch.field`: bytes of a copy on the device, of a copy to the host, or of a fill (8 bytes).
pub const DXGRT_PATCH_SIZE: u32 = 5;
/// `dxgrt_patch.field`: the data of a copy from the host; as many bytes as before.
pub const DXGRT_PATCH_DATA: u32 = 6;

/// A change to one node of a graph, for one launch of it. Set `struct_size`, the same in all of an array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_patch {
    /// sizeof(dxgrt_patch).
    pub struct_size: u32,
    /// Which node, counted from 0.
    pub node: u32,
    /// DXGRT_PATCH_*.
    pub field: u32,
    /// Where in the arguments, for DXGRT_PATCH_ARGS; else 0.
    pub offset: u32,
    /// The new bytes. Read during the call.
    pub data: *const c_void,
    /// How many.
    pub size: u64,
}

/// `dxgrt_event_create` flag: the event keeps the device's time of its record.
pub const DXGRT_EVENT_TIMING: u32 = 1;

/// Called when a fence is done, once, on a thread of the library that holds no lock. `status` is that of the fence.
pub type dxgrt_fence_callback = Option<unsafe extern "C" fn(user: *mut c_void, status: dxgrt_status)>;

/// Log level: something is broken.
pub const DXGRT_LOG_ERROR: u32 = 1;
/// Log level: something is not as it should be.
pub const DXGRT_LOG_WARN: u32 = 2;
/// Log level: what happens now and then.
pub const DXGRT_LOG_INFO: u32 = 3;
/// Log level: what helps to find a mistake.
pub const DXGRT_LOG_DEBUG: u32 = 4;
/// Log level: every batch.
pub const DXGRT_LOG_TRACE: u32 = 5;

/// Called with each line of the log; `message` and `target` end with a NUL and live for the call. It may be called from any
/// thread, also from inside of a call of this library, and must call nothing of this library.
pub type dxgrt_log_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, target: *const c_char, message: *const c_char)>;

/// What a context has done since it was opened. Set `struct_size`; the library fills the rest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_stats {
    /// sizeof(dxgrt_stats).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Commands accepted, the library's own (places, records, waits) among them.
    pub commands: u64,
    /// Launches accepted.
    pub launches: u64,
    /// Copies accepted.
    pub copies: u64,
    /// Fills accepted.
    pub fills: u64,
    /// Batches handed over: one submission each.
    pub batches: u64,
    /// Waves in those batches.
    pub waves: u64,
    /// Dispatches in those batches: launches that were merged count once.
    pub dispatches: u64,
    /// Commands that failed, skipped ones not counted.
    pub failures: u64,
    /// Messages posted to the host, which nobody waited for.
    pub posted_messages: u64,
    /// Messages that waited for the host's answer.
    pub round_trips: u64,
    /// Messages that had to ring the host's doorbell.
    pub doorbells: u64,
    /// Payload bytes of all messages.
    pub message_bytes: u64,
    /// Bytes copied from the host to the device.
    pub bytes_h2d: u64,
    /// Bytes copied from the device to the host.
    pub bytes_d2h: u64,
    /// Bytes copied on the device.
    pub bytes_d2d: u64,
    /// Calls of this library that had to wait for the device.
    pub waits: u64,
    /// How long they waited, in ns.
    pub wait_ns: u64,
    /// Allocations made.
    pub allocations: u64,
    /// Allocations freed.
    pub frees: u64,
    /// Graph launches accepted.
    pub graph_launches: u64,
    /// Batches handed over because somebody waited and the device was idle.
    pub flush_waiter: u64,
    /// … because the device was idle and nobody waited.
    pub flush_idle: u64,
    /// … because the pipeline had room and a batch had gathered.
    pub flush_gathered: u64,
    /// … because of the cap on commands.
    pub flush_commands: u64,
    /// … because of the cap on bytes.
    pub flush_bytes: u64,
    /// … because of the cap on estimated device time.
    pub flush_device_time: u64,
    /// … because they had been held back for as long as allowed.
    pub flush_deadline: u64,
    /// … because of `dxgrt_stream_flush`.
    pub flush_requested: u64,
    /// … because of something else.
    pub flush_other: u64,
}

/// Which work-group a call of a kernel of the software adapter computes.
///
/// Such a kernel is a function of an ELF shared object, `void name(const void *args, const struct dxgrt_wg *wg)`, called once for
/// each block, from any thread, for different blocks at the same time. `args` are the launch's packed arguments, 16-byte aligned,
/// read-only, and private to the launch; addresses in them are pointers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dxgrt_wg {
    /// Which block.
    pub group: [u32; 3],
    /// How many blocks.
    pub groups: [u32; 3],
    /// Threads of a block.
    pub local: [u32; 3],
}

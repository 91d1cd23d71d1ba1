/* dxgrt: many small GPU launches and copies, handed over as few batched submissions. The C interface of libdxgrt.
 *
 * Rules that hold for every call (the whole of them: ffi/RULES.md):
 * - The answer is a dxgrt_status: 0 success, positive no failure, negative a failure, whose sentence dxgrt_last_error has.
 * - Outputs are written on success only. A failed call has done nothing, unless its comment says otherwise.
 * - Structures begin with struct_size: set it to sizeof. 0 elsewhere is the default.
 * - Handles are numbers, never followed: a freed or foreign one is answered with DXGRT_INVALID.
 * - Every call may be made from any thread. After fork() the child gets DXGRT_FORKED from every call.
 *
 * Generated from the sources of ffi/; do not edit. Licence: MIT OR Apache-2.0.
 */

#ifndef DXGRT_H
#define DXGRT_H

#include <stddef.h>
#include <stdint.h>

// Major version of the library that this header belongs to.
#define DXGRT_VERSION_MAJOR 0

// Minor version of the library that this header belongs to.
#define DXGRT_VERSION_MINOR 1

// Patch version of the library that this header belongs to.
#define DXGRT_VERSION_PATCH 0

// Version of the binary interface: libraries with the same one can take each other's place. It is part of the soname.
#define DXGRT_ABI_VERSION 0

// Wait as long as it takes.
#define DXGRT_FOREVER UINT64_MAX

// `dxgrt_device_info.kind`: the adapter embedded in the library.
#define DXGRT_DEVICE_SOFTWARE 1

// `dxgrt_device_info.kind`: an adapter behind a real /dev/dxg.
#define DXGRT_DEVICE_DXG 2

// `dxgrt_device_info.kind`: a device of the CUDA driver.
#define DXGRT_DEVICE_CUDA 3

// Image format: recognised by its first bytes.
#define DXGRT_IMAGE_AUTO 0

// Image format: an ELF shared object, for the software adapter. As a bit of `dxgrt_device_info.image_formats`: 1 << 1.
#define DXGRT_IMAGE_ELF 1

// Image format: PTX text, for CUDA devices. As a bit: 1 << 2.
#define DXGRT_IMAGE_PTX 2

// Image format: a cubin, for CUDA devices; never recognised by itself. As a bit: 1 << 3.
#define DXGRT_IMAGE_CUBIN 3

// `dxgrt_device_info.features`: kernels can be launched. A real /dev/dxg serves information only.
#define DXGRT_FEATURE_LAUNCH 1

// `dxgrt_device_info.features`: submissions are posted; otherwise each is a round trip to the host.
#define DXGRT_FEATURE_ASYNC_MESSAGES 2

// `dxgrt_open_options.backpressure`: an enqueuing call waits for room.
#define DXGRT_BACKPRESSURE_BLOCK 0

// `dxgrt_open_options.backpressure`: an enqueuing call answers `DXGRT_FULL`, and never waits.
#define DXGRT_BACKPRESSURE_ERROR 1

// `dxgrt_open_options.policy`: what `DXGRT_POLICY` says, else gather while work is in flight.
#define DXGRT_POLICY_DEFAULT 0

// `dxgrt_open_options.policy`: gather while work is in flight, hand over at once when the device is idle and somebody waits.
#define DXGRT_POLICY_ADAPTIVE 1

// `dxgrt_open_options.policy`: submit each command by itself and wait for it.
#define DXGRT_POLICY_ONE_BY_ONE 2

// `dxgrt_open_options.latency`: the software adapter takes the time that its model says.
#define DXGRT_LATENCY_MODELLED 0

// `dxgrt_open_options.latency`: the software adapter is as fast as this machine goes.
#define DXGRT_LATENCY_ZERO 1

// `dxgrt_mem_alloc` flag: host memory that the device reaches; copies from and to it need no staging.
#define DXGRT_MEM_HOST 1

// `dxgrt_mem_alloc` flag: all bytes are 0. (Host memory always is.)
#define DXGRT_MEM_ZERO 2

// `dxgrt_stream_options.priority`: the usual one.
#define DXGRT_PRIORITY_NORMAL 0

// `dxgrt_stream_options.priority`: enters batches before all others.
#define DXGRT_PRIORITY_HIGH 1

// `dxgrt_stream_options.priority`: enters batches last.
#define DXGRT_PRIORITY_LOW 2

// `dxgrt_copy_h2d` mode: the data is taken during the call.
#define DXGRT_COPY_SNAPSHOT 0

// `dxgrt_copy_h2d` mode: the source stays untouched until the fence `src_released` is done. Saves the copy of data that lies
// in host memory of the context (`DXGRT_MEM_HOST`); other data is taken during the call.
#define DXGRT_COPY_BORROW 1

// `dxgrt_access.flags`: the kernel reads the range.
#define DXGRT_ACCESS_READ 1

// `dxgrt_access.flags`: the kernel writes the range.
#define DXGRT_ACCESS_WRITE 2

// `dxgrt_access.arg_offset`: the address does not stand in the arguments.
#define DXGRT_ACCESS_NO_ARG UINT32_MAX

// `dxgrt_launch_params.flags`: the launch is not merged with others of its kernel. For kernels whose blocks wait for each other.
#define DXGRT_LAUNCH_UNMERGED 1

// `dxgrt_cmd.kind`: nothing but a place in the stream.
#define DXGRT_CMD_MARKER 0

// `dxgrt_cmd.kind`: `u.launch`.
#define DXGRT_CMD_LAUNCH 1

// `dxgrt_cmd.kind`: `u.h2d`; the data is taken during the call (of a graph: when it is made).
#define DXGRT_CMD_COPY_H2D 2

// `dxgrt_cmd.kind`: `u.d2h`.
#define DXGRT_CMD_COPY_D2H 3

// `dxgrt_cmd.kind`: `u.d2d`.
#define DXGRT_CMD_COPY_D2D 4

// `dxgrt_cmd.kind`: `u.fill`.
#define DXGRT_CMD_FILL 5

// `dxgrt_patch.field`: argument bytes of a launch, from `offset` on.
#define DXGRT_PATCH_ARGS 0

// `dxgrt_patch.field`: where a copy or fill goes to (8 bytes).
#define DXGRT_PATCH_DST 1

// `dxgrt_patch.field`: where a copy comes from (8 bytes). Data of a copy from the host is replaced as a whole
// (`DXGRT_PATCH_DATA`).
#define DXGRT_PATCH_SRC 2

// `dxgrt_patch.field`: blocks of a launch (three uint32_t).
#define DXGRT_PATCH_GRID 3

// `dxgrt_patch.field`: threads of a block of a launch (three uint32_t).
#define DXGRT_PATCH_BLOCK 4

// `dxgrt_patch.field`: bytes of a copy on the device, of a copy to the host, or of a fill (8 bytes).
#define DXGRT_PATCH_SIZE 5

// `dxgrt_patch.field`: the data of a copy from the host; as many bytes as before.
#define DXGRT_PATCH_DATA 6

// `dxgrt_event_create` flag: the event keeps the device's time of its record.
#define DXGRT_EVENT_TIMING 1

// Log level: something is broken.
#define DXGRT_LOG_ERROR 1

// Log level: something is not as it should be.
#define DXGRT_LOG_WARN 2

// Log level: what happens now and then.
#define DXGRT_LOG_INFO 3

// Log level: what helps to find a mistake.
#define DXGRT_LOG_DEBUG 4

// Log level: every batch.
#define DXGRT_LOG_TRACE 5

// What a call answers: 0 is success, positive numbers are no failure, negative numbers are failures.
//
// `dxgrt_last_error` has the sentence that belongs to a failure. New failures may get new numbers: treat unknown negative
// ones as failures.
enum dxgrt_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Success.
    DXGRT_OK = 0,
    // The answer is not known yet: ask again later.
    DXGRT_NOT_READY = 1,
    // The time allowed for waiting is over; the work goes on.
    DXGRT_TIMEOUT = 2,
    // An argument, or the moment of the call, can never be right. Nothing has happened.
    DXGRT_INVALID = -1,
    // Memory (of the device or of the host) is used up. Nothing has happened.
    DXGRT_NO_MEMORY = -2,
    // A module image cannot be loaded.
    DXGRT_BAD_IMAGE = -3,
    // There is no such device, kernel or allocation.
    DXGRT_NOT_FOUND = -4,
    // A launch failed; the stream takes nothing more until `dxgrt_stream_reset`.
    DXGRT_LAUNCH_FAILED = -5,
    // Not run, because something before it failed.
    DXGRT_DEPENDENCY_FAILED = -6,
    // The device is lost with everything in flight: close the context and open another.
    DXGRT_DEVICE_LOST = -7,
    // The device cannot do this.
    DXGRT_UNSUPPORTED = -8,
    // The context is closed.
    DXGRT_SHUTDOWN = -9,
    // This process was forked from one that used the library, which does not survive that.
    DXGRT_FORKED = -10,
    // A defect of the library was caught; please report it. The context should be closed.
    DXGRT_PANIC = -11,
    // There is no room for more unfinished work now, and the context was opened with `DXGRT_BACKPRESSURE_ERROR`. Nothing has
    // happened.
    DXGRT_FULL = -12,
    // A call of the driver or of the operating system failed.
    DXGRT_DRIVER = -13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dxgrt_status dxgrt_status;
#else
typedef int32_t dxgrt_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An open device.
typedef struct dxgrt_ctx dxgrt_ctx;

// A reusable mark in streams.
typedef struct dxgrt_event dxgrt_event;

// Commands with dependencies, enqueued again and again.
typedef struct dxgrt_graph dxgrt_graph;

// A kernel; belongs to its module.
typedef struct dxgrt_kernel dxgrt_kernel;

// Memory of a device, or host memory that a device reaches.
typedef struct dxgrt_mem dxgrt_mem;

// A loaded image of kernels.
typedef struct dxgrt_module dxgrt_module;

// Commands that run one after another.
typedef struct dxgrt_stream dxgrt_stream;

// Called once with `user` when what is the program's own is no longer used. Any thread; it must not call the library.
typedef void (*dxgrt_release)(void *user);

// A point in a stream: done when everything up to it is. A plain value, to be copied and forgotten; nothing to free. All zero
// is a fence that is done.
typedef struct dxgrt_fence {
    // Which stream.
    uint64_t timeline;
    // Which of its commands.
    uint64_t value;
} dxgrt_fence;

// What a device is and can do. Set `struct_size`; the library fills the rest.
typedef struct dxgrt_device_info {
    // sizeof(dxgrt_device_info).
    uint32_t struct_size;
    // DXGRT_DEVICE_*.
    uint32_t kind;
    // The selector that opens it, for example "software:0".
    char selector[32];
    // Name of the adapter.
    char name[128];
    // What images are matched with, for example "x86-64" or "sm_90".
    char architecture[32];
    // Bits 1 << DXGRT_IMAGE_*.
    uint32_t image_formats;
    // DXGRT_FEATURE_*.
    uint32_t features;
    // Device memory in bytes; 0 where it is not known.
    uint64_t memory_bytes;
    // Every allocation begins at a multiple of this.
    uint32_t memory_alignment;
    // Packed arguments of one launch, in bytes.
    uint32_t max_args_size;
    // Blocks in each dimension of a grid.
    uint32_t max_grid[3];
    // Threads in each dimension of a block.
    uint32_t max_block[3];
    // Blocks of one launch.
    uint64_t max_block_count;
    // Threads of one block.
    uint32_t max_threads_per_block;
    // Shared memory of one block, in bytes.
    uint32_t max_shared_bytes;
    // Blocks that run at the same time.
    uint32_t block_slots;
    // Hardware queues in use.
    uint32_t hardware_queues;
} dxgrt_device_info;

// How a context is opened. Set `struct_size`; 0 anywhere else is the default.
typedef struct dxgrt_open_options {
    // sizeof(dxgrt_open_options).
    uint32_t struct_size;
    // DXGRT_BACKPRESSURE_*: what an enqueuing call does when there is no room.
    uint32_t backpressure;
    // DXGRT_POLICY_*: when commands are handed over.
    uint32_t policy;
    // DXGRT_LATENCY_*: for the software adapter; ignored by others.
    uint32_t latency;
    // Commands in one batch, at most.
    uint32_t batch_commands;
    // Encoded bytes of one batch, at most.
    uint32_t batch_bytes;
    // Longest time that a command is held back for others to join it.
    uint64_t gather_ns;
    // Unfinished commands of one stream, at most.
    uint32_t stream_commands;
    // Unfinished commands of the device, at most.
    uint32_t device_commands;
    // Memory for host data on its way, in bytes.
    uint64_t staging_bytes;
    // A `CUcontext` to open a `cuda` device on: a selector of NULL is its GPU then, and one of another device is refused. It must
    // not be destroyed before `cuda_release` is called. NULL: the primary context of the GPU.
    void *cuda_context;
    // Host memory that may be pinned for a `cuda` device, in bytes.
    uint64_t pinned_bytes;
    // Called once with `cuda_user` when nothing uses `cuda_context` any more, a moment after the context is closed and the last
    // handle made with it is freed; NULL: nobody is told. It is not called without a `cuda_context`, nor where opening fails.
    dxgrt_release cuda_release;
    // Given to `cuda_release`.
    void *cuda_user;
} dxgrt_open_options;

// What a context has done since it was opened. Set `struct_size`; the library fills the rest.
typedef struct dxgrt_stats {
    // sizeof(dxgrt_stats).
    uint32_t struct_size;
    // 0.
    uint32_t reserved;
    // Commands accepted, the library's own (places, records, waits) among them.
    uint64_t commands;
    // Launches accepted.
    uint64_t launches;
    // Copies accepted.
    uint64_t copies;
    // Fills accepted.
    uint64_t fills;
    // Batches handed over: one submission each.
    uint64_t batches;
    // Waves in those batches.
    uint64_t waves;
    // Dispatches in those batches: launches that were merged count once.
    uint64_t dispatches;
    // Commands that failed, skipped ones not counted.
    uint64_t failures;
    // Messages posted to the host, which nobody waited for.
    uint64_t posted_messages;
    // Messages that waited for the host's answer.
    uint64_t round_trips;
    // Messages that had to ring the host's doorbell.
    uint64_t doorbells;
    // Payload bytes of all messages.
    uint64_t message_bytes;
    // Bytes copied from the host to the device.
    uint64_t bytes_h2d;
    // Bytes copied from the device to the host.
    uint64_t bytes_d2h;
    // Bytes copied on the device.
    uint64_t bytes_d2d;
    // Calls of this library that had to wait for the device.
    uint64_t waits;
    // How long they waited, in ns.
    uint64_t wait_ns;
    // Allocations made.
    uint64_t allocations;
    // Allocations freed.
    uint64_t frees;
    // Graph launches accepted.
    uint64_t graph_launches;
    // Batches handed over because somebody waited and the device was idle.
    uint64_t flush_waiter;
    // … because the device was idle and nobody waited.
    uint64_t flush_idle;
    // … because the pipeline had room and a batch had gathered.
    uint64_t flush_gathered;
    // … because of the cap on commands.
    uint64_t flush_commands;
    // … because of the cap on bytes.
    uint64_t flush_bytes;
    // … because of the cap on estimated device time.
    uint64_t flush_device_time;
    // … because they had been held back for as long as allowed.
    uint64_t flush_deadline;
    // … because of `dxgrt_stream_flush`.
    uint64_t flush_requested;
    // … because of something else.
    uint64_t flush_other;
} dxgrt_stats;

// A range of device memory that a launch touches. 24 bytes; never grows.
typedef struct dxgrt_access {
    // First byte.
    uint64_t addr;
    // Bytes.
    uint64_t size;
    // DXGRT_ACCESS_*.
    uint32_t flags;
    // Where in the arguments the address stands, or DXGRT_ACCESS_NO_ARG.
    uint32_t arg_offset;
} dxgrt_access;

// A launch. Set `struct_size`.
typedef struct dxgrt_launch_params {
    // sizeof(dxgrt_launch_params).
    uint32_t struct_size;
    // DXGRT_LAUNCH_*.
    uint32_t flags;
    // Blocks in x, y and z. A zero among them: nothing runs, and the launch completes in its place.
    uint32_t grid[3];
    // Threads of a block in x, y and z.
    uint32_t block[3];
    // Shared memory of a block, in bytes.
    uint32_t shared_bytes;
    // Bytes of packed arguments.
    uint32_t args_size;
    // The packed arguments: addresses as 8 bytes, scalars at their natural alignment. Read during the call.
    const void *args;
    // What the kernel touches: all of it, or nothing is told (NULL). A launch that tells may run beside others of its stream
    // that touch other memory; one that does not runs after everything before it.
    const struct dxgrt_access *accesses;
    // How many accesses.
    uint32_t access_count;
    // 0.
    uint32_t reserved;
} dxgrt_launch_params;

// A launch as a command.
typedef struct dxgrt_cmd_launch {
    // The kernel.
    struct dxgrt_kernel *kernel;
    // The rest.
    struct dxgrt_launch_params params;
} dxgrt_cmd_launch;

// A copy from the host as a command.
typedef struct dxgrt_cmd_h2d {
    // Where to, on the device.
    uint64_t dst;
    // Where from.
    const void *src;
    // Bytes.
    uint64_t size;
} dxgrt_cmd_h2d;

// A copy to the host as a command.
typedef struct dxgrt_cmd_d2h {
    // Where to; may be written until the command's fence is done.
    void *dst;
    // Where from, on the device.
    uint64_t src;
    // Bytes.
    uint64_t size;
} dxgrt_cmd_d2h;

// A copy on the device as a command.
typedef struct dxgrt_cmd_d2d {
    // Where to.
    uint64_t dst;
    // Where from.
    uint64_t src;
    // Bytes.
    uint64_t size;
} dxgrt_cmd_d2d;

// A fill as a command.
typedef struct dxgrt_cmd_fill {
    // Where to.
    uint64_t dst;
    // Bytes, a multiple of `pattern_size`.
    uint64_t size;
    // The pattern.
    uint8_t pattern[8];
    // How many bytes of it: 1, 2, 4 or 8.
    uint32_t pattern_size;
    // 0.
    uint32_t reserved;
} dxgrt_cmd_fill;

// What a command does.
typedef union dxgrt_cmd_union {
    // DXGRT_CMD_LAUNCH.
    struct dxgrt_cmd_launch launch;
    // DXGRT_CMD_COPY_H2D.
    struct dxgrt_cmd_h2d h2d;
    // DXGRT_CMD_COPY_D2H.
    struct dxgrt_cmd_d2h d2h;
    // DXGRT_CMD_COPY_D2D.
    struct dxgrt_cmd_d2d d2d;
    // DXGRT_CMD_FILL.
    struct dxgrt_cmd_fill fill;
} dxgrt_cmd_union;

// One command of `dxgrt_submit` or of a graph. Set `struct_size`, the same in all of an array: it is the distance between them.
typedef struct dxgrt_cmd {
    // sizeof(dxgrt_cmd).
    uint32_t struct_size;
    // DXGRT_CMD_*.
    uint32_t kind;
    // What belongs to the kind.
    union dxgrt_cmd_union u;
} dxgrt_cmd;

// Called when a fence is done, once, on a thread of the library that holds no lock. `status` is that of the fence.
typedef void (*dxgrt_fence_callback)(void *user, dxgrt_status status);

// A change to one node of a graph, for one launch of it. Set `struct_size`, the same in all of an array.
typedef struct dxgrt_patch {
    // sizeof(dxgrt_patch).
    uint32_t struct_size;
    // Which node, counted from 0.
    uint32_t node;
    // DXGRT_PATCH_*.
    uint32_t field;
    // Where in the arguments, for DXGRT_PATCH_ARGS; else 0.
    uint32_t offset;
    // The new bytes. Read during the call.
    const void *data;
    // How many.
    uint64_t size;
} dxgrt_patch;

// Called with each line of the log; `message` and `target` end with a NUL and live for the call. It may be called from any
// thread, also from inside of a call of this library, and must call nothing of this library.
typedef void (*dxgrt_log_callback)(void *user, uint32_t level, const char *target, const char *message);

// Memory of a context. Set `struct_size`; the library fills the rest.
typedef struct dxgrt_mem_stats {
    // sizeof(dxgrt_mem_stats).
    uint32_t struct_size;
    // 0.
    uint32_t reserved;
    // Device memory there is.
    uint64_t total;
    // Device memory taken from the driver.
    uint64_t held;
    // Device memory of live allocations, and of freed ones that work in flight may still use.
    uint64_t used;
    // The part of `used` that is free as soon as work in flight is done.
    uint64_t retiring;
    // The largest value of `used` so far.
    uint64_t peak_used;
    // Live allocations.
    uint64_t allocations;
    // Host memory of live allocations.
    uint64_t host;
    // Staging memory there is.
    uint64_t staging_total;
    // Staging memory held by copies in flight.
    uint64_t staging_used;
} dxgrt_mem_stats;

// How a stream is made. Set `struct_size`; 0 anywhere else is the default.
typedef struct dxgrt_stream_options {
    // sizeof(dxgrt_stream_options).
    uint32_t struct_size;
    // DXGRT_PRIORITY_*.
    uint32_t priority;
} dxgrt_stream_options;

// Which work-group a call of a kernel of the software adapter computes.
//
// Such a kernel is a function of an ELF shared object, `void name(const void *args, const struct dxgrt_wg *wg)`, called once for
// each block, from any thread, for different blocks at the same time. `args` are the launch's packed arguments, 16-byte aligned,
// read-only, and private to the launch; addresses in them are pointers.
typedef struct dxgrt_wg {
    // Which block.
    uint32_t group[3];
    // How many blocks.
    uint32_t groups[3];
    // Threads of a block.
    uint32_t local[3];
} dxgrt_wg;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Memory of the program's own (cuMemAlloc, cudaMalloc, a framework's) as an allocation of the context, which is one of CUDA.
// Commands may use it as any other. `release` (or NULL) is called with `user` once the allocation was freed and no command in
// flight uses the memory, which must stay allocated until then; on failure it is not called.
dxgrt_status dxgrt_mem_import(struct dxgrt_ctx *ctx,
                              uint64_t addr,
                              uint64_t size,
                              dxgrt_release release,
                              void *user,
                              struct dxgrt_mem **out);

// The `CUcontext` of a context of CUDA.
dxgrt_status dxgrt_cuda_context(struct dxgrt_ctx *ctx, void **out);

// Lets everything enqueued from now on run after what `cuda_stream`, a `CUstream` of the same context (NULL: its default
// stream), holds now. Only the device waits. `done` (or NULL) is done when that is.
dxgrt_status dxgrt_stream_wait_cuda(struct dxgrt_stream *stream,
                                    void *cuda_stream,
                                    struct dxgrt_fence *done);

// Lets everything that is put into `cuda_stream`, a `CUstream` of the same context (NULL: its default stream), from now on run
// after everything enqueued here so far. Returns when the device has been told; the work itself is not waited for.
dxgrt_status dxgrt_cuda_wait_stream(void *cuda_stream,
                                    struct dxgrt_stream *stream);

// Lets everything enqueued from now on run after what `cuda_event`, a `CUevent` of the same context, was last recorded behind.
// Returns when the device has been told: the event may then be used again.
dxgrt_status dxgrt_stream_wait_cuda_event(struct dxgrt_stream *stream,
                                          void *cuda_event);

// Records `cuda_event`, a `CUevent` of the same context, behind everything enqueued so far. Returns when the record is in place.
dxgrt_status dxgrt_stream_record_cuda_event(struct dxgrt_stream *stream,
                                            void *cuda_event);

// Looks for devices, and answers how many there are. Those that can be opened but not launch on are counted.
dxgrt_status dxgrt_device_count(uint32_t *out);

// Describes a device that `dxgrt_device_count` found.
dxgrt_status dxgrt_device_info_get(uint32_t index, struct dxgrt_device_info *out);

// Describes the device of a context.
dxgrt_status dxgrt_info(struct dxgrt_ctx *ctx, struct dxgrt_device_info *out);

// Opens a device. `selector` is `software[:n]`, `dxg[:n]` or `cuda[:n]`; NULL: the GPU of a `cuda_context` in `options`, else what
// the variable DXGRT_DEVICE says, else cuda if it is usable, else software. `options` may be NULL.
dxgrt_status dxgrt_open(const char *selector,
                        const struct dxgrt_open_options *options,
                        struct dxgrt_ctx **out);

// Closes a context: accepts nothing more, completes what was accepted (a lost device abandons it), calls the callbacks that
// are left, and ends the context's threads. Blocks until then; not to be called from a callback. What was made with the context
// stays valid as handles, answers DXGRT_SHUTDOWN, and is freed by its own calls; the device itself (its memory, and a sleeping
// thread of the software adapter) goes with the last of them. Closing again is DXGRT_OK, and waits for who closes just now.
dxgrt_status dxgrt_close(struct dxgrt_ctx *ctx);

// Hands over everything enqueued so far, on all streams, without waiting for it.
dxgrt_status dxgrt_flush(struct dxgrt_ctx *ctx);

// Waits until everything enqueued so far is done, on all streams, for `timeout_ns` at most. Answers the first failure it finds,
// and waits for the rest nevertheless.
dxgrt_status dxgrt_sync(struct dxgrt_ctx *ctx,
                        uint64_t timeout_ns);

// What the context has done so far.
dxgrt_status dxgrt_stats_get(struct dxgrt_ctx *ctx, struct dxgrt_stats *out);

// Copies `size` bytes from the host to the device address `dst`. `mode` is DXGRT_COPY_SNAPSHOT (the source may change when the
// call returns) or DXGRT_COPY_BORROW (when `src_released` is done). Each fence may be NULL.
dxgrt_status dxgrt_copy_h2d(struct dxgrt_stream *stream,
                            uint64_t dst,
                            const void *src,
                            uint64_t size,
                            uint32_t mode,
                            struct dxgrt_fence *src_released,
                            struct dxgrt_fence *done);

// Copies `size` bytes from the device address `src` to the host. The destination may be written until `done` (or NULL) is done.
dxgrt_status dxgrt_copy_d2h(struct dxgrt_stream *stream,
                            void *dst,
                            uint64_t src,
                            uint64_t size,
                            struct dxgrt_fence *done);

// Copies `size` bytes on the device. The ranges must not overlap. `done` may be NULL.
dxgrt_status dxgrt_copy_d2d(struct dxgrt_stream *stream,
                            uint64_t dst,
                            uint64_t src,
                            uint64_t size,
                            struct dxgrt_fence *done);

// Copies `size` bytes from `src`, after all that `src_stream` has accepted so far, to `dst`, in `dst_stream`. The streams may
// belong to different contexts; then the data goes through the host, and the call waits for `src_stream`: devices cannot wait
// for each other. `done` (or NULL) is a fence of `dst_stream`.
dxgrt_status dxgrt_copy_peer(struct dxgrt_stream *dst_stream,
                             uint64_t dst,
                             struct dxgrt_stream *src_stream,
                             uint64_t src,
                             uint64_t size,
                             struct dxgrt_fence *done);

// Fills `size` bytes at `dst` with a pattern of 1, 2, 4 or 8 bytes, of which a whole number must fit. `done` may be NULL.
dxgrt_status dxgrt_fill(struct dxgrt_stream *stream,
                        uint64_t dst,
                        uint64_t size,
                        const void *pattern,
                        uint32_t pattern_size,
                        struct dxgrt_fence *done);

// Launches a kernel. `done` may be NULL.
dxgrt_status dxgrt_launch(struct dxgrt_stream *stream,
                          struct dxgrt_kernel *kernel,
                          const struct dxgrt_launch_params *params,
                          struct dxgrt_fence *done);

// Enqueues `n` commands as one entry: all of them, in this order, with nothing of this stream between them, or none. All are
// checked before any is accepted, and copied during the call. They go out in one batch unless a cap splits it. `done` (or NULL)
// is the fence of the last.
dxgrt_status dxgrt_submit(struct dxgrt_stream *stream,
                          const struct dxgrt_cmd *cmds,
                          uint32_t n,
                          struct dxgrt_fence *done);

// Makes an event. `flags` are DXGRT_EVENT_*.
dxgrt_status dxgrt_event_create(struct dxgrt_ctx *ctx, uint32_t flags, struct dxgrt_event **out);

// Records the event in a stream: it is done when everything enqueued before is. It may be recorded again; the latest record
// counts.
dxgrt_status dxgrt_event_record(struct dxgrt_event *event,
                                struct dxgrt_stream *stream);

// The fence of the latest record; a fence that is done where there is none.
dxgrt_status dxgrt_event_fence(struct dxgrt_event *event, struct dxgrt_fence *out);

// The device's time from the latest record of `from` to that of `to`, in ns; DXGRT_NOT_READY while one of them is not done, or
// was never recorded. Both keep time (DXGRT_EVENT_TIMING).
dxgrt_status dxgrt_event_elapsed_ns(struct dxgrt_event *from,
                                    struct dxgrt_event *to,
                                    uint64_t *ns);

// Frees an event; what waits for it still does. Never blocks. Any thread, also after the context was closed (DXGRT_SHUTDOWN:
// freed all the same).
dxgrt_status dxgrt_event_destroy(struct dxgrt_event *event);

// Whether a fence is done: DXGRT_OK, DXGRT_NOT_READY, or the failure of its command. Never blocks; hands over what was held back,
// so that asking again and again comes to an end.
dxgrt_status dxgrt_fence_poll(struct dxgrt_ctx *ctx,
                              struct dxgrt_fence fence);

// Waits until all of `n` fences are done, for `timeout_ns` at most (DXGRT_FOREVER: as long as it takes; 0: not at all).
// Answers DXGRT_TIMEOUT, or the failure of the first that failed, in their order.
dxgrt_status dxgrt_fence_wait_all(struct dxgrt_ctx *ctx,
                                  const struct dxgrt_fence *fences,
                                  uint32_t n,
                                  uint64_t timeout_ns);

// Waits until one of `n` fences is done, for `timeout_ns` at most; `index` (or NULL) gets which. Answers its status, or
// DXGRT_TIMEOUT. (`index` is written when a fence is done, whether it failed or not.)
dxgrt_status dxgrt_fence_wait_any(struct dxgrt_ctx *ctx,
                                  const struct dxgrt_fence *fences,
                                  uint32_t n,
                                  uint64_t timeout_ns,
                                  uint32_t *index);

// Has `callback` called once when the fence is done: with its status, also if it failed, and with DXGRT_SHUTDOWN if the context
// is closed without it. It is called on a thread of the library that holds no lock; it may call anything that does not wait.
// Where this answers a failure, it is not called.
dxgrt_status dxgrt_fence_on_done(struct dxgrt_ctx *ctx,
                                 struct dxgrt_fence fence,
                                 dxgrt_fence_callback callback,
                                 void *user);

// Adds 1 to the eventfd when the fence is done, failed or not; ask `dxgrt_fence_poll` then. The descriptor is duplicated during
// the call: the caller's may be closed at any time.
dxgrt_status dxgrt_fence_eventfd(struct dxgrt_ctx *ctx,
                                 struct dxgrt_fence fence,
                                 int32_t eventfd);

// Makes a graph of `n` commands, which are copied. The nodes that node `i` comes after are `deps[dep_offsets[i]]` up to, not
// including, `deps[dep_offsets[i + 1]]`; each comes before `i` in the array. `dep_offsets` NULL: one after another. Nodes that do
// not depend on each other may run in any order, or at the same time.
//
// Destinations on the host are written by every launch; data from the host is taken now.
dxgrt_status dxgrt_graph_create(struct dxgrt_ctx *ctx,
                                const struct dxgrt_cmd *nodes,
                                uint32_t n,
                                const uint32_t *dep_offsets,
                                const uint32_t *deps,
                                struct dxgrt_graph **out);

// Enqueues a graph as one entry, with `n` patches that hold for this launch only: earlier launches keep theirs, and a wrong patch
// enqueues nothing. `done` may be NULL.
dxgrt_status dxgrt_graph_launch(struct dxgrt_graph *graph,
                                struct dxgrt_stream *stream,
                                const struct dxgrt_patch *patches,
                                uint32_t n,
                                struct dxgrt_fence *done);

// Frees a graph; launches in flight still complete. Never blocks. Any thread, also after the context was closed (DXGRT_SHUTDOWN:
// freed all the same).
dxgrt_status dxgrt_graph_destroy(struct dxgrt_graph *graph);

// The ABI version of the library in use: compare with DXGRT_ABI_VERSION.
uint32_t dxgrt_abi_version(void);

// The version of the library in use: major << 16 | minor << 8 | patch.
uint32_t dxgrt_version(void);

// Copies the sentence of this thread's last failure to `buf`, cut to `cap` bytes with the final NUL, and answers its whole
// length without it. `buf` may be NULL if `cap` is 0. A call that succeeds leaves the sentence as it is.
size_t dxgrt_last_error(char *buf,
                        size_t cap);

// Has `callback` called with each line of the log up to `level` (DXGRT_LOG_*); NULL ends it. One for the whole process.
//
// Answers DXGRT_UNSUPPORTED where the program has a `tracing` subscriber of its own (Rust programs only).
dxgrt_status dxgrt_set_log_callback(uint32_t level, dxgrt_log_callback callback, void *user);

// Allocates `size` bytes. `alignment` is a power of two up to the device's `memory_alignment`, or 0. `flags` are DXGRT_MEM_*. A
// size of 0 is allowed: the allocation has an address of its own. May wait for memory that work in flight gives back, and, with
// DXGRT_MEM_ZERO, for the fill.
dxgrt_status dxgrt_mem_alloc(struct dxgrt_ctx *ctx,
                             uint64_t size,
                             uint64_t alignment,
                             uint32_t flags,
                             struct dxgrt_mem **out);

// The device address of the first byte; 0 for a handle that is none.
uint64_t dxgrt_mem_addr(const struct dxgrt_mem *mem);

// How many bytes were asked for; 0 for a handle that is none.
uint64_t dxgrt_mem_size(const struct dxgrt_mem *mem);

// Where the process sees the memory; NULL where it does not (device memory), and for a handle that is none.
void *dxgrt_mem_host_ptr(const struct dxgrt_mem *mem);

// Frees an allocation when `after`, and the streams named by `dxgrt_mem_use`, are through with what they have accepted so far;
// NULL: all streams. Never blocks. Any thread, also after the context was closed (DXGRT_SHUTDOWN: freed all the same).
dxgrt_status dxgrt_mem_free(struct dxgrt_mem *mem,
                            struct dxgrt_stream *after);

// Tells that a stream uses the allocation: a free after another stream waits for this one too.
dxgrt_status dxgrt_mem_use(struct dxgrt_mem *mem, struct dxgrt_stream *stream);

// The allocation that a device address lies in, and the address's offset in it; DXGRT_NOT_FOUND where there is none. Each output
// may be NULL. The handle is the one that `dxgrt_mem_alloc` gave: nothing more to free.
dxgrt_status dxgrt_mem_find(struct dxgrt_ctx *ctx,
                            uint64_t addr,
                            struct dxgrt_mem **mem,
                            uint64_t *offset);

// What memory the context holds.
dxgrt_status dxgrt_mem_usage(struct dxgrt_ctx *ctx, struct dxgrt_mem_stats *out);

// Loads an image of kernels: an ELF shared object for the software adapter, PTX text for CUDA. The image is copied.
//
// The code is trusted: a kernel that writes where it should not can end the process.
dxgrt_status dxgrt_module_load(struct dxgrt_ctx *ctx,
                               const void *image,
                               size_t size,
                               uint32_t format,
                               struct dxgrt_module **out);

// As `dxgrt_module_load`, from a file.
dxgrt_status dxgrt_module_load_file(struct dxgrt_ctx *ctx,
                                    const char *path,
                                    uint32_t format,
                                    struct dxgrt_module **out);

// Frees a module and its kernels; launches in flight still complete. Never blocks. Any thread, also after the context was closed
// (DXGRT_SHUTDOWN: freed all the same).
dxgrt_status dxgrt_module_unload(struct dxgrt_module *module);

// A kernel by its name. It belongs to the module and ends with it; asking again gives the same one.
dxgrt_status dxgrt_kernel_get(struct dxgrt_module *module, const char *name, struct dxgrt_kernel **out);

// The name of a status, for example "DXGRT_INVALID"; "unknown status" for a number that is none. Never NULL; nothing to free.
const char *dxgrt_status_name(int32_t status);

// Makes a stream: commands that run one after another. `options` may be NULL.
dxgrt_status dxgrt_stream_create(struct dxgrt_ctx *ctx,
                                 const struct dxgrt_stream_options *options,
                                 struct dxgrt_stream **out);

// The context's own stream, the same at every call. It belongs to the context and is not destroyed.
dxgrt_status dxgrt_stream_default(struct dxgrt_ctx *ctx, struct dxgrt_stream **out);

// Frees the handle; what was enqueued still completes, and its fences stay valid. Never blocks. Any thread, also after the
// context was closed (DXGRT_SHUTDOWN: the handle is freed all the same).
dxgrt_status dxgrt_stream_destroy(struct dxgrt_stream *stream);

// Makes a failed stream usable again; waits until nothing of it is in flight. A lost device cannot be reset. Fences of what has
// failed keep their answer; what asks for everything enqueued so far asks for what came since.
dxgrt_status dxgrt_stream_reset(struct dxgrt_stream *stream);

// Hands over what the stream has gathered, without waiting for it. `out` (or NULL) gets the fence of everything enqueued so far.
dxgrt_status dxgrt_stream_flush(struct dxgrt_stream *stream,
                                struct dxgrt_fence *out);

// The fence of everything enqueued so far. Hands nothing over and waits for nothing.
dxgrt_status dxgrt_stream_fence(struct dxgrt_stream *stream, struct dxgrt_fence *out);

// Lets everything enqueued from now on wait, on the device, for the fence, which belongs to the same context. (It waits for all
// that the fence's stream has accepted so far.) A fence that has failed is refused with DXGRT_DEPENDENCY_FAILED.
dxgrt_status dxgrt_stream_wait(struct dxgrt_stream *stream,
                               struct dxgrt_fence fence);

// Waits until everything enqueued so far is done, for `timeout_ns` at most (DXGRT_FOREVER: as long as it takes). Answers
// DXGRT_TIMEOUT where it is not, and else the status of the last command.
dxgrt_status dxgrt_stream_sync(struct dxgrt_stream *stream,
                               uint64_t timeout_ns);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DXGRT_H */

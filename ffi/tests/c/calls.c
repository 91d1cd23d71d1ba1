/* Every call does what its comment says. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

enum { N = 1024 };

static int lines;

static void log_line(void *user, uint32_t level, const char *target, const char *message) {
    CHECK(user == &lines && level <= DXGRT_LOG_TRACE && target[0] != 0 && message != NULL);
    __atomic_add_fetch(&lines, 1, __ATOMIC_RELAXED);
}

static dxgrt_stats stats_of(dxgrt_ctx *gpu) {
    dxgrt_stats stats = {.struct_size = sizeof stats};
    OK(dxgrt_stats_get(gpu, &stats));
    return stats;
}

int main(void) {
    CHECK(dxgrt_abi_version() == DXGRT_ABI_VERSION);
    CHECK(dxgrt_version() >> 8 == (DXGRT_VERSION_MAJOR << 8 | DXGRT_VERSION_MINOR));
    OK(dxgrt_set_log_callback(DXGRT_LOG_TRACE, log_line, &lines));

    /* Devices. */
    uint32_t count = 0;
    OK(dxgrt_device_count(&count));
    CHECK(count >= 1);
    dxgrt_device_info info = {.struct_size = sizeof info};
    OK(dxgrt_device_info_get(0, &info));
    CHECK(info.kind == DXGRT_DEVICE_SOFTWARE && strcmp(info.selector, "software:0") == 0);
    CHECK(info.image_formats == 1u << DXGRT_IMAGE_ELF && (info.features & DXGRT_FEATURE_LAUNCH));
    CHECK(info.max_args_size >= 4096 && info.memory_alignment >= 256);

    dxgrt_open_options options = {.struct_size = sizeof options, .latency = DXGRT_LATENCY_ZERO};
    dxgrt_ctx *gpu;
    OK(dxgrt_open("software", &options, &gpu));
    OK(dxgrt_info(gpu, &info));
    CHECK(info.kind == DXGRT_DEVICE_SOFTWARE);

    /* Memory. */
    dxgrt_mem *memory, *other, *host, *zeroed, *none, *found;
    OK(dxgrt_mem_alloc(gpu, N * 4, 256, 0, &memory));
    OK(dxgrt_mem_alloc(gpu, N * 4, 0, 0, &other));
    OK(dxgrt_mem_alloc(gpu, N * 4, 0, DXGRT_MEM_HOST, &host));
    OK(dxgrt_mem_alloc(gpu, N * 4, 0, DXGRT_MEM_ZERO, &zeroed));
    OK(dxgrt_mem_alloc(gpu, 0, 0, 0, &none));
    uint64_t x = dxgrt_mem_addr(memory), y = dxgrt_mem_addr(other), offset = 0;
    CHECK(x != 0 && y != 0 && x != y && dxgrt_mem_addr(none) != 0 && dxgrt_mem_size(memory) == N * 4);
    CHECK(dxgrt_mem_host_ptr(memory) == NULL && dxgrt_mem_host_ptr(host) != NULL);
    OK(dxgrt_mem_find(gpu, x + 100, &found, &offset));
    CHECK(found == memory && offset == 100);
    OK(dxgrt_mem_find(gpu, dxgrt_mem_addr(host) + 8, &found, NULL));
    CHECK(found == host);
    EXPECT(DXGRT_NOT_FOUND, dxgrt_mem_find(gpu, 0x1000, &found, &offset));
    CHECK(found == host && offset == 100);
    dxgrt_mem_stats usage = {.struct_size = sizeof usage};
    OK(dxgrt_mem_usage(gpu, &usage));
    CHECK(usage.allocations >= 4 && usage.used >= 3 * N * 4);

    /* Streams and copies. */
    dxgrt_stream *stream, *again, *side;
    OK(dxgrt_stream_default(gpu, &stream));
    OK(dxgrt_stream_default(gpu, &again));
    CHECK(stream == again);
    dxgrt_stream_options high = {.struct_size = sizeof high, .priority = DXGRT_PRIORITY_HIGH};
    OK(dxgrt_stream_create(gpu, &high, &side));
    static uint32_t in[N], out[N];
    for (uint32_t i = 0; i < N; i++) in[i] = i;
    dxgrt_fence released = {7, 7}, done = {7, 7};
    OK(dxgrt_copy_h2d(stream, x, in, sizeof in, DXGRT_COPY_BORROW, &released, &done));
    OK(dxgrt_fence_wait_all(gpu, &released, 1, DXGRT_FOREVER));
    memset(in, 0xff, sizeof in);
    OK(dxgrt_copy_d2d(stream, y, x, sizeof in, NULL));
    OK(dxgrt_copy_d2h(stream, out, y, sizeof out, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    for (uint32_t i = 0; i < N; i++) CHECK(out[i] == i);
    uint32_t five = 5;
    OK(dxgrt_fill(stream, y, sizeof in, &five, 4, NULL));
    memset(out, 0, sizeof out);
    OK(dxgrt_copy_d2h(stream, out + 2, y + 8, 8, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    CHECK(out[1] == 0 && out[2] == 5 && out[3] == 5 && out[4] == 0);
    OK(dxgrt_copy_d2h(stream, out, dxgrt_mem_addr(zeroed), sizeof out, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    for (uint32_t i = 0; i < N; i++) CHECK(out[i] == 0);

    /* Host memory that the device reaches: no staging on the way. */
    uint32_t *mapped = dxgrt_mem_host_ptr(host);
    for (uint32_t i = 0; i < N; i++) mapped[i] = 3 * i;
    OK(dxgrt_copy_h2d(stream, x, mapped, N * 4, DXGRT_COPY_BORROW, &released, NULL));
    OK(dxgrt_fence_wait_all(gpu, &released, 1, DXGRT_FOREVER));
    memset(mapped, 0, N * 4);
    OK(dxgrt_copy_d2h(stream, mapped + N / 2, x, N * 2, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    CHECK(mapped[N / 2 - 1] == 0 && mapped[N - 1] == 3 * (N / 2 - 1));

    /* Kernels, one by one and many at once. */
    dxgrt_module *module;
    dxgrt_kernel *affine, *same, *slow;
    OK(dxgrt_module_load_file(gpu, "./kernels.so", DXGRT_IMAGE_AUTO, &module));
    OK(dxgrt_kernel_get(module, "affine", &affine));
    OK(dxgrt_kernel_get(module, "affine", &same));
    OK(dxgrt_kernel_get(module, "slow", &slow));
    CHECK(affine == same && affine != slow);
    struct affine args = {.x = x, .n = N, .a = 1, .b = 1};
    dxgrt_launch_params params = launch_of(&args, sizeof args, N / 64, 64);
    uint32_t one = 1;
    OK(dxgrt_fill(stream, x, N * 4, &one, 4, NULL));
    OK(dxgrt_launch(stream, affine, &params, NULL));
    enum { MANY = 256 };
    static dxgrt_cmd cmds[MANY];
    for (int i = 0; i < MANY - 1; i++) cmds[i] = command_launch(affine, params);
    cmds[MANY - 1] = (dxgrt_cmd){.struct_size = sizeof(dxgrt_cmd), .kind = DXGRT_CMD_COPY_D2H};
    cmds[MANY - 1].u.d2h.dst = out;
    cmds[MANY - 1].u.d2h.src = x;
    cmds[MANY - 1].u.d2h.size = sizeof out;
    OK(dxgrt_sync(gpu, DXGRT_FOREVER));
    dxgrt_stats before = stats_of(gpu), after;
    OK(dxgrt_submit(stream, cmds, MANY, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    for (uint32_t i = 0; i < N; i++) CHECK(out[i] == 1 + 1 + MANY - 1);
    /* One batch, unless a cap splits it: on a busy machine that of estimated time may. */
    after = stats_of(gpu);
    CHECK(after.flush_commands == before.flush_commands && after.flush_bytes == before.flush_bytes);
    CHECK(after.batches - before.batches == 1 + after.flush_device_time - before.flush_device_time);
    /* Checked whole before any runs. */
    cmds[MANY - 2].kind = 99;
    uint64_t commands = stats_of(gpu).commands;
    EXPECT(DXGRT_INVALID, dxgrt_submit(stream, cmds, MANY, NULL));
    CHECK(stats_of(gpu).commands == commands);

    /* Launches that tell what they touch. */
    dxgrt_access access = {.addr = x, .size = N * 4, .flags = DXGRT_ACCESS_READ | DXGRT_ACCESS_WRITE, .arg_offset = 0};
    params.accesses = &access;
    params.access_count = 1;
    OK(dxgrt_launch(stream, affine, &params, NULL));
    access.arg_offset = DXGRT_ACCESS_NO_ARG;
    OK(dxgrt_launch(stream, affine, &params, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));

    /* Streams wait for each other. */
    struct slow slow_args = {.x = y, .n = 3000000};
    dxgrt_launch_params slow_params = launch_of(&slow_args, sizeof slow_args, 1, 1);
    OK(dxgrt_fill(side, y, 4, "\0\0\0\0", 4, NULL));
    OK(dxgrt_launch(side, slow, &slow_params, &done));
    OK(dxgrt_stream_wait(stream, done));
    OK(dxgrt_copy_d2h(stream, out, y, 4, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    CHECK(out[0] != 0);
    OK(dxgrt_fence_poll(gpu, done));

    /* Polling comes to an end by itself; a wait for no time does not wait. */
    OK(dxgrt_launch(side, slow, &slow_params, &done));
    dxgrt_status status;
    while ((status = dxgrt_fence_poll(gpu, done)) == DXGRT_NOT_READY) usleep(100);
    OK(status);
    dxgrt_fence nothing = {0, 0}, both[2];
    OK(dxgrt_fence_poll(gpu, nothing));
    OK(dxgrt_launch(side, slow, &slow_params, &both[0]));
    both[1] = nothing;
    uint32_t which = 9;
    OK(dxgrt_fence_wait_any(gpu, both, 2, DXGRT_FOREVER, &which));
    CHECK(which == 1);
    OK(dxgrt_fence_wait_any(gpu, both, 1, DXGRT_FOREVER, &which));
    CHECK(which == 0);
    slow_args.n = 100000000;
    OK(dxgrt_launch(side, slow, &slow_params, &done));
    EXPECT(DXGRT_TIMEOUT, dxgrt_fence_wait_all(gpu, &done, 1, 0));
    EXPECT(DXGRT_TIMEOUT, dxgrt_stream_sync(side, 1000));
    OK(dxgrt_stream_sync(side, DXGRT_FOREVER));

    /* Graphs: a chain in order, with patches that hold for one launch. */
    args.a = 2, args.b = 0, args.x = x;
    params = launch_of(&args, sizeof args, N / 64, 64);
    dxgrt_cmd nodes[3] = {{.struct_size = sizeof nodes[0], .kind = DXGRT_CMD_FILL}};
    nodes[0].u.fill.dst = x;
    nodes[0].u.fill.size = N * 4;
    nodes[0].u.fill.pattern[0] = 3;
    nodes[0].u.fill.pattern_size = 4;
    nodes[1] = command_launch(affine, params);
    nodes[2] = (dxgrt_cmd){.struct_size = sizeof nodes[0], .kind = DXGRT_CMD_COPY_D2H};
    nodes[2].u.d2h.dst = out;
    nodes[2].u.d2h.src = x;
    nodes[2].u.d2h.size = 4;
    dxgrt_graph *chain, *diamond;
    OK(dxgrt_graph_create(gpu, nodes, 3, NULL, NULL, &chain));
    OK(dxgrt_graph_launch(chain, stream, NULL, 0, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    CHECK(out[0] == 6);
    uint32_t ten = 10;
    uint64_t elsewhere = (uintptr_t)(out + 1);
    dxgrt_patch patches[2] = {{.struct_size = sizeof patches[0], .node = 1, .field = DXGRT_PATCH_ARGS, .offset = 12},
                              {.struct_size = sizeof patches[0], .node = 2, .field = DXGRT_PATCH_DST}};
    patches[0].data = &ten, patches[0].size = 4;
    patches[1].data = &elsewhere, patches[1].size = 8;
    out[0] = 0;
    OK(dxgrt_graph_launch(chain, stream, patches, 2, NULL));
    ten = 0, elsewhere = 0;
    OK(dxgrt_graph_launch(chain, stream, NULL, 0, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    CHECK(out[0] == 6 && out[1] == 30);
    /* A diamond: 0 and 1 beside each other, 2 after both. */
    nodes[1].u.launch.params.grid[0] = 0;
    uint32_t offsets[4] = {0, 0, 0, 2}, deps[2] = {0, 1};
    OK(dxgrt_graph_create(gpu, nodes, 3, offsets, deps, &diamond));
    out[0] = 0;
    OK(dxgrt_graph_launch(diamond, side, NULL, 0, NULL));
    OK(dxgrt_stream_sync(side, DXGRT_FOREVER));
    CHECK(out[0] == 3 && stats_of(gpu).graph_launches == 4);
    offsets[3] = 1, offsets[2] = 1, offsets[1] = 1;
    EXPECT(DXGRT_INVALID, dxgrt_graph_create(gpu, nodes, 3, offsets, deps, &diamond));
    patches[0].node = 3;
    EXPECT(DXGRT_INVALID, dxgrt_graph_launch(chain, stream, patches, 1, NULL));
    patches[0].node = 0;
    EXPECT(DXGRT_INVALID, dxgrt_graph_launch(chain, stream, patches, 1, NULL));
    OK(dxgrt_graph_destroy(chain));
    OK(dxgrt_graph_destroy(diamond));

    /* Events and time. */
    dxgrt_event *from, *to;
    uint64_t ns = 0;
    OK(dxgrt_event_create(gpu, DXGRT_EVENT_TIMING, &from));
    OK(dxgrt_event_create(gpu, DXGRT_EVENT_TIMING, &to));
    EXPECT(DXGRT_NOT_READY, dxgrt_event_elapsed_ns(from, to, &ns));
    OK(dxgrt_event_record(from, stream));
    slow_args.n = 1000000;
    OK(dxgrt_launch(stream, slow, &slow_params, NULL));
    OK(dxgrt_event_record(to, stream));
    OK(dxgrt_event_fence(to, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    OK(dxgrt_event_elapsed_ns(from, to, &ns));
    CHECK(ns > 1000);
    OK(dxgrt_event_destroy(from));
    OK(dxgrt_event_destroy(to));

    /* Another context, and data on its way between the two. */
    dxgrt_ctx *second;
    dxgrt_stream *there;
    dxgrt_mem *remote;
    OK(dxgrt_open("software:1", &options, &second));
    OK(dxgrt_stream_default(second, &there));
    OK(dxgrt_mem_alloc(second, N * 4, 0, 0, &remote));
    OK(dxgrt_fill(stream, x, N * 4, &five, 4, NULL));
    OK(dxgrt_copy_peer(there, dxgrt_mem_addr(remote), stream, x, N * 4, NULL));
    OK(dxgrt_copy_d2h(there, out, dxgrt_mem_addr(remote), sizeof out, NULL));
    OK(dxgrt_stream_sync(there, DXGRT_FOREVER));
    CHECK(out[0] == 5 && out[N - 1] == 5);
    OK(dxgrt_copy_peer(side, y, stream, x, N * 4, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));

    /* A launch that fails before its kernel runs: the stream stops, and goes on after a reset. */
    access = (dxgrt_access){.addr = x, .size = (uint64_t)1 << 40, .flags = DXGRT_ACCESS_READ, .arg_offset = 0};
    params.accesses = &access;
    params.access_count = 1;
    dxgrt_fence failed, skipped;
    OK(dxgrt_launch(side, affine, &params, &failed));
    OK(dxgrt_fill(side, y, 4, &five, 4, &skipped));
    EXPECT(DXGRT_LAUNCH_FAILED, dxgrt_fence_wait_all(gpu, &failed, 1, DXGRT_FOREVER));
    EXPECT(DXGRT_DEPENDENCY_FAILED, dxgrt_fence_wait_all(gpu, &skipped, 1, DXGRT_FOREVER));
    char why[256];
    CHECK(dxgrt_last_error(why, sizeof why) > 20 && strstr(why, "affine") != NULL);
    EXPECT(DXGRT_DEPENDENCY_FAILED, dxgrt_fill(side, y, 4, &five, 4, NULL));
    EXPECT(DXGRT_DEPENDENCY_FAILED, dxgrt_stream_wait(stream, failed));
    EXPECT(DXGRT_DEPENDENCY_FAILED, dxgrt_stream_sync(side, DXGRT_FOREVER));
    OK(dxgrt_stream_reset(side));
    EXPECT(DXGRT_LAUNCH_FAILED, dxgrt_fence_poll(gpu, failed));
    /* Nothing came since. */
    OK(dxgrt_stream_sync(side, DXGRT_FOREVER));
    OK(dxgrt_sync(gpu, DXGRT_FOREVER));
    OK(dxgrt_stream_fence(side, &done));
    OK(dxgrt_stream_wait(stream, done));
    OK(dxgrt_fill(side, y, 4, &five, 4, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));

    /* Freed in stream order: work that uses the memory is still right, and the memory comes back. */
    for (int i = 0; i < 100; i++) {
        dxgrt_mem *temporary;
        OK(dxgrt_mem_alloc(gpu, 1 << 16, 0, 0, &temporary));
        OK(dxgrt_fill(stream, dxgrt_mem_addr(temporary), 1 << 16, &five, 4, NULL));
        if (i % 2) {
            OK(dxgrt_mem_use(temporary, side));
            OK(dxgrt_fill(side, dxgrt_mem_addr(temporary), 1 << 16, &five, 4, NULL));
        }
        OK(dxgrt_mem_free(temporary, i % 3 ? stream : NULL));
    }
    OK(dxgrt_sync(gpu, DXGRT_FOREVER));
    /* What work has used comes back a moment after it is done. */
    for (int tries = 0; tries < 5000; tries++) {
        OK(dxgrt_mem_usage(gpu, &usage));
        if (usage.retiring == 0 && usage.allocations <= 5) break;
        usleep(1000);
    }
    CHECK(usage.retiring == 0 && usage.allocations <= 5);

    /* A destroyed stream's fences can still be asked, of what went well and of what did not. */
    dxgrt_stream *brief;
    OK(dxgrt_stream_create(gpu, NULL, &brief));
    OK(dxgrt_fill(brief, y, 4, &five, 4, &done));
    OK(dxgrt_launch(brief, affine, &params, &failed));
    OK(dxgrt_stream_destroy(brief));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    EXPECT(DXGRT_LAUNCH_FAILED, dxgrt_fence_wait_all(gpu, &failed, 1, DXGRT_FOREVER));

    /* What was unloaded while it ran. */
    params.accesses = NULL, params.access_count = 0;
    OK(dxgrt_launch(stream, affine, &params, &done));
    OK(dxgrt_module_unload(module));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    EXPECT(DXGRT_INVALID, dxgrt_launch(stream, affine, &params, NULL));

    /* A lost device: everything fails, nothing hangs, and another context works. */
    OK(dxgrt_module_load_file(second, "./kernels.so", DXGRT_IMAGE_ELF, &module));
    OK(dxgrt_kernel_get(module, "affine", &affine));
    access = (dxgrt_access){.addr = 0x100000, .size = 64, .flags = DXGRT_ACCESS_READ, .arg_offset = 0};
    params.accesses = &access, params.access_count = 1;
    uint64_t wild = 0x100000;
    params.args = &wild, params.args_size = 8;
    OK(dxgrt_launch(there, affine, &params, &done));
    EXPECT(DXGRT_DEVICE_LOST, dxgrt_fence_wait_all(second, &done, 1, DXGRT_FOREVER));
    EXPECT(DXGRT_DEVICE_LOST, dxgrt_fill(there, dxgrt_mem_addr(remote), 4, &five, 4, NULL));
    EXPECT(DXGRT_DEVICE_LOST, dxgrt_stream_reset(there));
    OK(dxgrt_close(second));
    OK(dxgrt_close(second));

    /* After the close. */
    OK(dxgrt_fill(stream, x, 4, &five, 4, &done));
    OK(dxgrt_close(gpu));
    CHECK(lines > 0);
    OK(dxgrt_set_log_callback(DXGRT_LOG_ERROR, NULL, NULL));
    EXPECT(DXGRT_SHUTDOWN, dxgrt_fence_poll(gpu, done));
    EXPECT(DXGRT_SHUTDOWN, dxgrt_mem_free(memory, stream));
    EXPECT(DXGRT_INVALID, dxgrt_mem_free(memory, NULL));
    EXPECT(DXGRT_SHUTDOWN, dxgrt_stream_destroy(side));

    /* Taken away and loaded again: it stays, and works. */
    void *library = dlopen("libdxgrt.so.0", RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL && dlclose(library) == 0);
    OK(dxgrt_open("software", &options, &gpu));
    OK(dxgrt_close(gpu));
    printf("every call was made, %d lines were logged\n", lines);
    return 0;
}

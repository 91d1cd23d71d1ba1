/* Every misuse gets its status, and none crashes. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static int rows;
static dxgrt_ctx *gpu, *other;
static dxgrt_mem *memory, *foreign_memory;
static dxgrt_stream *stream, *foreign_stream;
static dxgrt_module *module;
static dxgrt_kernel *kernel, *foreign_kernel;
static dxgrt_event *event;
static dxgrt_graph *graph;
static uint64_t x;

/* One row of the table. */
#define ROW(expected, call) (rows++, (void)0); EXPECT(expected, call)
/* The same for every handle that is none: NULL, made up, and of another kind. */
#define BAD(type, call)                                                                                                \
    do {                                                                                                               \
        uintptr_t bad_[] = {0, 1, 0x7fff12345678, UINTPTR_MAX, (uintptr_t)&rows, (uintptr_t)0xC100000001000000u};      \
        for (unsigned i_ = 0; i_ < sizeof bad_ / sizeof *bad_; i_++) {                                                 \
            type *bad = (type *)bad_[i_];                                                                              \
            if ((uintptr_t)gpu == bad_[i_]) continue;                                                                  \
            ROW(DXGRT_INVALID, call);                                                                                  \
        }                                                                                                              \
    } while (0)

static atomic_int calls_from_callback, told;

static void release_everything(void *user, dxgrt_status status) {
    (void)status;
    dxgrt_mem *mine = user;
    EXPECT(DXGRT_OK, dxgrt_mem_free(mine, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_mem_free(mine, NULL));
    /* Waiting here would be waiting for itself. */
    EXPECT(DXGRT_INVALID, dxgrt_close(gpu));
    dxgrt_fence done;
    uint32_t zero = 0;
    EXPECT(DXGRT_OK, dxgrt_fill(stream, x, 4, &zero, 4, &done));
    dxgrt_status polled = dxgrt_fence_poll(gpu, done);
    CHECK(polled == DXGRT_OK || polled == DXGRT_NOT_READY);
    atomic_fetch_add(&calls_from_callback, 1);
}

static void never(void *user, dxgrt_status status) {
    (void)user, (void)status;
    CHECK(!"this callback was refused");
}

static void tell(void *user, dxgrt_status status) {
    (void)user, (void)status;
    atomic_fetch_add(&told, 1);
}

static void null_and_made_up_handles(void) {
    void *out = NULL;
    dxgrt_fence fence = {0, 0};
    uint64_t number = 0;
    dxgrt_stats stats = {.struct_size = sizeof stats};
    dxgrt_mem_stats usage = {.struct_size = sizeof usage};
    dxgrt_device_info info = {.struct_size = sizeof info};
    dxgrt_launch_params params = launch_of(&x, 8, 1, 1);
    BAD(dxgrt_ctx, dxgrt_close(bad));
    BAD(dxgrt_ctx, dxgrt_flush(bad));
    BAD(dxgrt_ctx, dxgrt_sync(bad, 0));
    BAD(dxgrt_ctx, dxgrt_info(bad, &info));
    BAD(dxgrt_ctx, dxgrt_stats_get(bad, &stats));
    BAD(dxgrt_ctx, dxgrt_mem_alloc(bad, 16, 0, 0, (dxgrt_mem **)&out));
    BAD(dxgrt_ctx, dxgrt_mem_find(bad, x, NULL, &number));
    BAD(dxgrt_ctx, dxgrt_mem_usage(bad, &usage));
    BAD(dxgrt_ctx, dxgrt_stream_create(bad, NULL, (dxgrt_stream **)&out));
    BAD(dxgrt_ctx, dxgrt_stream_default(bad, (dxgrt_stream **)&out));
    BAD(dxgrt_ctx, dxgrt_module_load(bad, "x", 1, 0, (dxgrt_module **)&out));
    BAD(dxgrt_ctx, dxgrt_module_load_file(bad, "x", 0, (dxgrt_module **)&out));
    BAD(dxgrt_ctx, dxgrt_graph_create(bad, NULL, 0, NULL, NULL, (dxgrt_graph **)&out));
    BAD(dxgrt_ctx, dxgrt_event_create(bad, 0, (dxgrt_event **)&out));
    BAD(dxgrt_ctx, dxgrt_fence_poll(bad, fence));
    BAD(dxgrt_ctx, dxgrt_fence_wait_all(bad, &fence, 1, 0));
    BAD(dxgrt_ctx, dxgrt_fence_wait_any(bad, &fence, 1, 0, NULL));
    BAD(dxgrt_ctx, dxgrt_fence_on_done(bad, fence, never, NULL));
    BAD(dxgrt_ctx, dxgrt_fence_eventfd(bad, fence, 0));
    BAD(dxgrt_mem, dxgrt_mem_free(bad, NULL));
    BAD(dxgrt_mem, dxgrt_mem_use(bad, stream));
    BAD(dxgrt_stream, dxgrt_mem_use(memory, bad));
    BAD(dxgrt_stream, dxgrt_stream_destroy(bad));
    BAD(dxgrt_stream, dxgrt_stream_reset(bad));
    BAD(dxgrt_stream, dxgrt_stream_flush(bad, NULL));
    BAD(dxgrt_stream, dxgrt_stream_fence(bad, &fence));
    BAD(dxgrt_stream, dxgrt_stream_wait(bad, fence));
    BAD(dxgrt_stream, dxgrt_stream_sync(bad, 0));
    BAD(dxgrt_stream, dxgrt_copy_h2d(bad, x, &x, 8, 0, NULL, NULL));
    BAD(dxgrt_stream, dxgrt_copy_d2h(bad, &number, x, 8, NULL));
    BAD(dxgrt_stream, dxgrt_copy_d2d(bad, x, x + 16, 8, NULL));
    BAD(dxgrt_stream, dxgrt_copy_peer(bad, x, stream, x + 16, 8, NULL));
    BAD(dxgrt_stream, dxgrt_copy_peer(stream, x, bad, x + 16, 8, NULL));
    BAD(dxgrt_stream, dxgrt_fill(bad, x, 8, &x, 8, NULL));
    BAD(dxgrt_stream, dxgrt_launch(bad, kernel, &params, NULL));
    BAD(dxgrt_kernel, dxgrt_launch(stream, bad, &params, NULL));
    BAD(dxgrt_stream, dxgrt_submit(bad, NULL, 0, NULL));
    BAD(dxgrt_module, dxgrt_module_unload(bad));
    BAD(dxgrt_module, dxgrt_kernel_get(bad, "slow", (dxgrt_kernel **)&out));
    BAD(dxgrt_graph, dxgrt_graph_launch(bad, stream, NULL, 0, NULL));
    BAD(dxgrt_stream, dxgrt_graph_launch(graph, bad, NULL, 0, NULL));
    BAD(dxgrt_graph, dxgrt_graph_destroy(bad));
    BAD(dxgrt_event, dxgrt_event_record(bad, stream));
    BAD(dxgrt_stream, dxgrt_event_record(event, bad));
    BAD(dxgrt_event, dxgrt_event_fence(bad, &fence));
    BAD(dxgrt_event, dxgrt_event_elapsed_ns(bad, event, &number));
    BAD(dxgrt_event, dxgrt_event_elapsed_ns(event, bad, &number));
    BAD(dxgrt_event, dxgrt_event_destroy(bad));
    /* Handles of another kind. */
    ROW(DXGRT_INVALID, dxgrt_mem_free((dxgrt_mem *)(void *)stream, NULL));
    ROW(DXGRT_INVALID, dxgrt_stream_destroy((dxgrt_stream *)(void *)gpu));
    ROW(DXGRT_INVALID, dxgrt_close((dxgrt_ctx *)(void *)module));
    /* What answers with a value. */
    CHECK(dxgrt_mem_addr(NULL) == 0 && dxgrt_mem_size(NULL) == 0 && dxgrt_mem_host_ptr(NULL) == NULL);
    CHECK(strcmp(dxgrt_status_name(12345), "unknown status") == 0);
    CHECK(out == NULL && fence.timeline == 0 && fence.value == 0 && number == 0);
}

static void missing_outputs_and_inputs(void) {
    ROW(DXGRT_INVALID, dxgrt_device_count(NULL));
    ROW(DXGRT_INVALID, dxgrt_device_info_get(0, NULL));
    ROW(DXGRT_INVALID, dxgrt_open("software", NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_info(gpu, NULL));
    ROW(DXGRT_INVALID, dxgrt_stats_get(gpu, NULL));
    ROW(DXGRT_INVALID, dxgrt_mem_usage(gpu, NULL));
    ROW(DXGRT_INVALID, dxgrt_mem_alloc(gpu, 16, 0, 0, NULL));
    ROW(DXGRT_OK, dxgrt_mem_find(gpu, x, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_stream_create(gpu, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_stream_default(gpu, NULL));
    ROW(DXGRT_INVALID, dxgrt_stream_fence(stream, NULL));
    dxgrt_module *loaded = NULL;
    dxgrt_kernel *found = NULL;
    ROW(DXGRT_INVALID, dxgrt_module_load(gpu, NULL, 10, 0, &loaded));
    ROW(DXGRT_INVALID, dxgrt_module_load(gpu, "x", 0, 0, &loaded));
    ROW(DXGRT_INVALID, dxgrt_module_load(gpu, "x", SIZE_MAX, 0, &loaded));
    ROW(DXGRT_INVALID, dxgrt_module_load(gpu, "x", 1, 77, &loaded));
    ROW(DXGRT_BAD_IMAGE, dxgrt_module_load(gpu, "x", 1, 0, &loaded));
    ROW(DXGRT_BAD_IMAGE, dxgrt_module_load(gpu, "\x7f" "ELF and no more", 16, 0, &loaded));
    ROW(DXGRT_BAD_IMAGE, dxgrt_module_load(gpu, "\xff\xff", 2, DXGRT_IMAGE_PTX, &loaded));
    ROW(DXGRT_INVALID, dxgrt_module_load(gpu, "x", 1, 0, NULL));
    ROW(DXGRT_INVALID, dxgrt_module_load_file(gpu, NULL, 0, &loaded));
    ROW(DXGRT_NOT_FOUND, dxgrt_module_load_file(gpu, "/nowhere/at/all.so", 0, &loaded));
    ROW(DXGRT_INVALID, dxgrt_kernel_get(module, NULL, &found));
    ROW(DXGRT_INVALID, dxgrt_kernel_get(module, "\xff", &found));
    ROW(DXGRT_NOT_FOUND, dxgrt_kernel_get(module, "nobody", &found));
    ROW(DXGRT_INVALID, dxgrt_kernel_get(module, "slow", NULL));
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_h2d(stream, x, NULL, 8, 0, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2h(stream, NULL, x, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, x, 8, NULL, 4, NULL));
    ROW(DXGRT_INVALID, dxgrt_submit(stream, NULL, 3, NULL));
    ROW(DXGRT_INVALID, dxgrt_graph_create(gpu, NULL, 3, NULL, NULL, &graph));
    ROW(DXGRT_INVALID, dxgrt_graph_launch(graph, stream, NULL, 3, NULL));
    ROW(DXGRT_INVALID, dxgrt_event_create(gpu, 0, NULL));
    ROW(DXGRT_INVALID, dxgrt_event_fence(event, NULL));
    ROW(DXGRT_INVALID, dxgrt_event_elapsed_ns(event, event, NULL));
    ROW(DXGRT_INVALID, dxgrt_fence_wait_all(gpu, NULL, 3, 0));
    ROW(DXGRT_OK, dxgrt_fence_wait_all(gpu, NULL, 0, 0));
    ROW(DXGRT_INVALID, dxgrt_fence_wait_any(gpu, NULL, 0, 0, NULL));
    ROW(DXGRT_INVALID, dxgrt_fence_on_done(gpu, (dxgrt_fence){0, 0}, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_fence_eventfd(gpu, (dxgrt_fence){0, 0}, -1));
    ROW(DXGRT_INVALID, dxgrt_fence_eventfd(gpu, (dxgrt_fence){0, 0}, 12345));
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    ROW(DXGRT_INVALID, dxgrt_fence_eventfd(gpu, (dxgrt_fence){0, 0}, pipes[1]));
    close(pipes[0]), close(pipes[1]);
    CHECK(dxgrt_last_error(NULL, 0) > 10);
    CHECK(loaded == NULL && found == NULL);
}

static void wrong_values(void) {
    dxgrt_ctx *opened = NULL;
    dxgrt_mem *allocated = NULL;
    ROW(DXGRT_INVALID, dxgrt_open("gpu", NULL, &opened));
    ROW(DXGRT_NOT_FOUND, dxgrt_open("software:64", NULL, &opened));
    ROW(DXGRT_INVALID, dxgrt_open("\xff\xfe", NULL, &opened));
    dxgrt_open_options options = {.struct_size = sizeof options, .backpressure = 9};
    ROW(DXGRT_INVALID, dxgrt_open("software", &options, &opened));
    options = (dxgrt_open_options){.struct_size = sizeof options, .policy = 9};
    ROW(DXGRT_INVALID, dxgrt_open("software", &options, &opened));
    options = (dxgrt_open_options){.struct_size = sizeof options, .latency = 9};
    ROW(DXGRT_INVALID, dxgrt_open("software", &options, &opened));
    options = (dxgrt_open_options){.struct_size = sizeof options, .staging_bytes = UINT64_MAX};
    ROW(DXGRT_INVALID, dxgrt_open("software", &options, &opened));
    ROW(DXGRT_INVALID, dxgrt_device_info_get(99, &(dxgrt_device_info){.struct_size = sizeof(dxgrt_device_info)}));
    ROW(DXGRT_INVALID, dxgrt_set_log_callback(9, (dxgrt_log_callback)0 == 0 ? (dxgrt_log_callback)(void (*)(void))abort : 0, 0));
    /* Sizes: zero and huge. */
    ROW(DXGRT_NO_MEMORY, dxgrt_mem_alloc(gpu, UINT64_MAX, 0, 0, &allocated));
    ROW(DXGRT_NO_MEMORY, dxgrt_mem_alloc(gpu, UINT64_MAX / 2, 0, 0, &allocated));
    ROW(DXGRT_NO_MEMORY, dxgrt_mem_alloc(gpu, (uint64_t)1 << 50, 0, 0, &allocated));
    ROW(DXGRT_NO_MEMORY, dxgrt_mem_alloc(gpu, UINT64_MAX, 0, DXGRT_MEM_HOST, &allocated));
    ROW(DXGRT_INVALID, dxgrt_mem_alloc(gpu, 16, 3, 0, &allocated));
    ROW(DXGRT_INVALID, dxgrt_mem_alloc(gpu, 16, 1 << 20, 0, &allocated));
    ROW(DXGRT_INVALID, dxgrt_mem_alloc(gpu, 16, 0, 0x80, &allocated));
    ROW(DXGRT_OK, dxgrt_copy_h2d(stream, x, NULL, 0, 0, NULL, NULL));
    ROW(DXGRT_OK, dxgrt_copy_d2h(stream, NULL, x, 0, NULL));
    ROW(DXGRT_OK, dxgrt_copy_d2d(stream, x, x + 8, 0, NULL));
    ROW(DXGRT_OK, dxgrt_fill(stream, x, 0, &x, 4, NULL));
    ROW(DXGRT_OK, dxgrt_submit(stream, NULL, 0, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_h2d(stream, x, &x, UINT64_MAX, 0, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_h2d(stream, x, &x, 8, 7, NULL, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2h(stream, &x, x, UINT64_MAX, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2h(stream, &x, x + 4092, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2d(stream, x, x + 4, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2d(stream, x, 0, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2d(stream, UINT64_MAX - 4, x, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, x, UINT64_MAX, &x, 1, NULL));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, x, 9, &x, 4, NULL));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, x, 9, &x, 3, NULL));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, x, 8, &x, UINT32_MAX, NULL));
    ROW(DXGRT_INVALID, dxgrt_submit(stream, (dxgrt_cmd *)&x, UINT32_MAX, NULL));
    ROW(DXGRT_INVALID, dxgrt_graph_create(gpu, (dxgrt_cmd *)&x, UINT32_MAX, NULL, NULL, &graph));
    dxgrt_launch_params params = launch_of(&x, 8, 1, 1);
    params.args_size = UINT32_MAX;
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    params = launch_of(NULL, 8, 1, 1);
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    params = launch_of(&x, 8, UINT32_MAX, UINT32_MAX);
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    params = launch_of(&x, 8, 1, 1);
    params.shared_bytes = UINT32_MAX;
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    params = launch_of(&x, 8, 1, 1);
    params.access_count = UINT32_MAX;
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    params.accesses = (dxgrt_access *)&x;
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    params = launch_of(&x, 8, 0, 1);
    ROW(DXGRT_OK, dxgrt_launch(stream, kernel, &params, NULL));
    params.flags = DXGRT_LAUNCH_UNMERGED << 1;
    ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &params, NULL));
    CHECK(opened == NULL && allocated == NULL);
}

static void wrong_struct_sizes(void) {
    static const uint32_t sizes[] = {0, 1, 4, 7, 0x10001, UINT32_MAX};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t size = sizes[i];
        dxgrt_ctx *opened = NULL;
        dxgrt_stream *created = NULL;
        ROW(DXGRT_INVALID, dxgrt_open("software", &(dxgrt_open_options){.struct_size = size}, &opened));
        ROW(DXGRT_INVALID, dxgrt_stream_create(gpu, &(dxgrt_stream_options){.struct_size = size}, &created));
        ROW(DXGRT_INVALID, dxgrt_stats_get(gpu, &(dxgrt_stats){.struct_size = size}));
        ROW(DXGRT_INVALID, dxgrt_mem_usage(gpu, &(dxgrt_mem_stats){.struct_size = size}));
        ROW(DXGRT_INVALID, dxgrt_info(gpu, &(dxgrt_device_info){.struct_size = size}));
        ROW(DXGRT_INVALID, dxgrt_launch(stream, kernel, &(dxgrt_launch_params){.struct_size = size}, NULL));
        ROW(DXGRT_INVALID, dxgrt_submit(stream, &(dxgrt_cmd){.struct_size = size}, 1, NULL));
        dxgrt_cmd nested = {.struct_size = sizeof nested, .kind = DXGRT_CMD_LAUNCH};
        nested.u.launch.kernel = kernel;
        nested.u.launch.params.struct_size = size;
        ROW(DXGRT_INVALID, dxgrt_submit(stream, &nested, 1, NULL));
        ROW(DXGRT_INVALID, dxgrt_graph_launch(graph, stream, &(dxgrt_patch){.struct_size = size}, 1, NULL));
        CHECK(opened == NULL && created == NULL);
    }
    /* Larger is welcome if the rest is zero; of an array, all have the same. */
    struct {
        dxgrt_stream_options known;
        uint64_t unknown;
    } larger = {.known = {.struct_size = sizeof larger}};
    dxgrt_stream *created = NULL;
    ROW(DXGRT_OK, dxgrt_stream_create(gpu, &larger.known, &created));
    ROW(DXGRT_OK, dxgrt_stream_destroy(created));
    larger.unknown = 1;
    ROW(DXGRT_INVALID, dxgrt_stream_create(gpu, &larger.known, &created));
    dxgrt_cmd two[2] = {{.struct_size = sizeof two[0]}, {.struct_size = sizeof two[0] + 8}};
    struct {
        dxgrt_cmd cmds[2];
        uint64_t room[4];
    } differing = {{two[0], two[1]}, {0}};
    ROW(DXGRT_INVALID, dxgrt_submit(stream, differing.cmds, 2, NULL));
}

static void objects_of_another_context(void) {
    dxgrt_launch_params params = launch_of(&x, 8, 1, 1);
    dxgrt_fence fence;
    uint64_t there = dxgrt_mem_addr(foreign_memory), eight = 8;
    ROW(DXGRT_INVALID, dxgrt_launch(stream, foreign_kernel, &params, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2d(stream, x, there, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_copy_d2h(stream, &eight, there, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, there, 8, &eight, 8, NULL));
    ROW(DXGRT_INVALID, dxgrt_mem_free(memory, foreign_stream));
    ROW(DXGRT_INVALID, dxgrt_mem_use(memory, foreign_stream));
    ROW(DXGRT_INVALID, dxgrt_event_record(event, foreign_stream));
    ROW(DXGRT_INVALID, dxgrt_graph_launch(graph, foreign_stream, NULL, 0, NULL));
    ROW(DXGRT_NOT_FOUND, dxgrt_mem_find(gpu, there, NULL, NULL));
    ROW(DXGRT_OK, dxgrt_fill(foreign_stream, there, 8, &eight, 8, &fence));
    ROW(DXGRT_INVALID, dxgrt_fence_poll(gpu, fence));
    ROW(DXGRT_INVALID, dxgrt_fence_wait_all(gpu, &fence, 1, DXGRT_FOREVER));
    ROW(DXGRT_INVALID, dxgrt_fence_on_done(gpu, fence, never, NULL));
    ROW(DXGRT_INVALID, dxgrt_stream_wait(stream, fence));
    /* Fences that nobody gave out. */
    fence.value += 1000;
    ROW(DXGRT_INVALID, dxgrt_fence_poll(other, fence));
    ROW(DXGRT_INVALID, dxgrt_fence_poll(other, (dxgrt_fence){1, 1}));
    ROW(DXGRT_INVALID, dxgrt_fence_poll(other, (dxgrt_fence){UINT64_MAX, UINT64_MAX}));
    ROW(DXGRT_INVALID, dxgrt_fence_poll(other, (dxgrt_fence){0, 1}));
}

static void callbacks(void) {
    dxgrt_fence done;
    uint32_t zero = 0;
    dxgrt_mem *mine;
    OK(dxgrt_mem_alloc(gpu, 64, 0, 0, &mine));
    OK(dxgrt_fill(stream, x, 8, &zero, 4, &done));
    ROW(DXGRT_OK, dxgrt_fence_on_done(gpu, done, release_everything, mine));
    while (atomic_load(&calls_from_callback) == 0) usleep(100);
}

static void back_pressure(void) {
    dxgrt_open_options options = {.struct_size = sizeof options, .backpressure = DXGRT_BACKPRESSURE_ERROR,
                                  .stream_commands = 4, .staging_bytes = 1 << 20};
    dxgrt_ctx *narrow;
    dxgrt_stream *its;
    dxgrt_mem *its_memory;
    dxgrt_module *its_module;
    dxgrt_kernel *slow;
    OK(dxgrt_open("software", &options, &narrow));
    OK(dxgrt_stream_default(narrow, &its));
    OK(dxgrt_mem_alloc(narrow, 64, 0, 0, &its_memory));
    OK(dxgrt_module_load_file(narrow, "./kernels.so", 0, &its_module));
    OK(dxgrt_kernel_get(its_module, "slow", &slow));
    struct slow args = {.x = dxgrt_mem_addr(its_memory), .n = 2000000};
    dxgrt_launch_params params = launch_of(&args, sizeof args, 1, 1);
    dxgrt_status status = DXGRT_OK;
    for (int i = 0; i < 100 && status == DXGRT_OK; i++) status = dxgrt_launch(its, slow, &params, NULL);
    ROW(DXGRT_FULL, status);
    ROW(DXGRT_OK, dxgrt_stream_sync(its, DXGRT_FOREVER));
    /* Room is made a moment after completion. */
    while ((status = dxgrt_launch(its, slow, &params, NULL)) == DXGRT_FULL) usleep(100);
    ROW(DXGRT_OK, status);
    dxgrt_cmd five[5] = {{.struct_size = sizeof five[0]}, {.struct_size = sizeof five[0]}, {.struct_size = sizeof five[0]},
                         {.struct_size = sizeof five[0]}, {.struct_size = sizeof five[0]}};
    ROW(DXGRT_INVALID, dxgrt_submit(its, five, 5, NULL));
    ROW(DXGRT_OK, dxgrt_close(narrow));
}

static void after_fork(void) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dxgrt_ctx *opened = NULL;
        dxgrt_fence fence = {0, 0};
        uint32_t count = 0;
        EXPECT(DXGRT_FORKED, dxgrt_open("software", NULL, &opened));
        EXPECT(DXGRT_FORKED, dxgrt_device_count(&count));
        EXPECT(DXGRT_FORKED, dxgrt_launch(stream, kernel, NULL, NULL));
        EXPECT(DXGRT_FORKED, dxgrt_submit(stream, NULL, 0, NULL));
        EXPECT(DXGRT_FORKED, dxgrt_fence_poll(gpu, fence));
        EXPECT(DXGRT_FORKED, dxgrt_fence_wait_all(gpu, &fence, 1, DXGRT_FOREVER));
        EXPECT(DXGRT_FORKED, dxgrt_stream_sync(stream, DXGRT_FOREVER));
        EXPECT(DXGRT_FORKED, dxgrt_mem_free(memory, NULL));
        EXPECT(DXGRT_FORKED, dxgrt_close(gpu));
        EXPECT(DXGRT_FORKED, dxgrt_close(NULL));
        CHECK(dxgrt_mem_addr(memory) == 0 && dxgrt_mem_host_ptr(memory) == NULL);
        char why[256];
        CHECK(dxgrt_last_error(why, sizeof why) > 0 && strstr(why, "fork") != NULL);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    rows += 10;
}

static void freed_twice_and_used_after_close(void) {
    dxgrt_fence fence;
    dxgrt_fence done = {0, 0};
    dxgrt_mem *late = NULL;
    uint32_t zero = 0;
    dxgrt_launch_params params = launch_of(&x, 8, 1, 1);
    ROW(DXGRT_INVALID, dxgrt_stream_destroy(stream));
    dxgrt_stream *mine;
    OK(dxgrt_stream_create(gpu, NULL, &mine));
    OK(dxgrt_fill(mine, x, 4, &zero, 4, &fence));
    ROW(DXGRT_OK, dxgrt_stream_destroy(mine));
    ROW(DXGRT_INVALID, dxgrt_stream_destroy(mine));
    ROW(DXGRT_INVALID, dxgrt_fill(mine, x, 4, &zero, 4, NULL));
    ROW(DXGRT_OK, dxgrt_fence_wait_all(gpu, &fence, 1, DXGRT_FOREVER));
    dxgrt_mem *freed;
    OK(dxgrt_mem_alloc(gpu, 64, 0, 0, &freed));
    uint64_t gone = dxgrt_mem_addr(freed);
    ROW(DXGRT_OK, dxgrt_mem_free(freed, NULL));
    ROW(DXGRT_INVALID, dxgrt_mem_free(freed, NULL));
    ROW(DXGRT_INVALID, dxgrt_mem_use(freed, stream));
    OK(dxgrt_sync(gpu, DXGRT_FOREVER));
    ROW(DXGRT_INVALID, dxgrt_fill(stream, gone, 4, &zero, 4, NULL));
    CHECK(dxgrt_mem_addr(freed) == 0);
    /* Closing ends what is under way, and answers from then on. */
    OK(dxgrt_fill(stream, x, 4, &zero, 4, &fence));
    OK(dxgrt_fence_on_done(gpu, fence, tell, NULL));
    ROW(DXGRT_OK, dxgrt_close(gpu));
    CHECK(atomic_load(&told) == 1);
    ROW(DXGRT_OK, dxgrt_close(gpu));
    ROW(DXGRT_SHUTDOWN, dxgrt_mem_alloc(gpu, 16, 0, 0, &late));
    ROW(DXGRT_SHUTDOWN, dxgrt_fill(stream, x, 4, &zero, 4, NULL));
    ROW(DXGRT_SHUTDOWN, dxgrt_launch(stream, kernel, &params, NULL));
    ROW(DXGRT_SHUTDOWN, dxgrt_stream_sync(stream, DXGRT_FOREVER));
    ROW(DXGRT_SHUTDOWN, dxgrt_fence_poll(gpu, fence));
    ROW(DXGRT_SHUTDOWN, dxgrt_fence_wait_all(gpu, &fence, 1, DXGRT_FOREVER));
    ROW(DXGRT_SHUTDOWN, dxgrt_fence_on_done(gpu, fence, never, NULL));
    ROW(DXGRT_SHUTDOWN, dxgrt_stream_create(gpu, NULL, &mine));
    ROW(DXGRT_SHUTDOWN, dxgrt_stream_destroy(stream));
    ROW(DXGRT_SHUTDOWN, dxgrt_sync(gpu, 0));
    ROW(DXGRT_SHUTDOWN, dxgrt_stats_get(gpu, &(dxgrt_stats){.struct_size = sizeof(dxgrt_stats)}));
    ROW(DXGRT_SHUTDOWN, dxgrt_event_record(event, stream));
    ROW(DXGRT_SHUTDOWN, dxgrt_graph_launch(graph, stream, NULL, 0, &done));
    /* Freed all the same, each once. */
    ROW(DXGRT_SHUTDOWN, dxgrt_mem_free(memory, NULL));
    ROW(DXGRT_INVALID, dxgrt_mem_free(memory, NULL));
    ROW(DXGRT_SHUTDOWN, dxgrt_event_destroy(event));
    ROW(DXGRT_INVALID, dxgrt_event_destroy(event));
    ROW(DXGRT_SHUTDOWN, dxgrt_graph_destroy(graph));
    ROW(DXGRT_INVALID, dxgrt_graph_destroy(graph));
    ROW(DXGRT_SHUTDOWN, dxgrt_module_unload(module));
    ROW(DXGRT_INVALID, dxgrt_module_unload(module));
    ROW(DXGRT_INVALID, dxgrt_launch(stream, NULL, &params, NULL) == DXGRT_SHUTDOWN ? DXGRT_INVALID : DXGRT_PANIC);
    CHECK(done.timeline == 0 && late == NULL);
}

int main(void) {
    OK(dxgrt_open("software", NULL, &gpu));
    OK(dxgrt_open("software", NULL, &other));
    OK(dxgrt_mem_alloc(gpu, 4096, 0, 0, &memory));
    OK(dxgrt_mem_alloc(other, 4096, 0, 0, &foreign_memory));
    OK(dxgrt_stream_default(gpu, &stream));
    OK(dxgrt_stream_default(other, &foreign_stream));
    OK(dxgrt_module_load_file(gpu, "./kernels.so", 0, &module));
    OK(dxgrt_kernel_get(module, "slow", &kernel));
    dxgrt_module *foreign_module;
    OK(dxgrt_module_load_file(other, "./kernels.so", 0, &foreign_module));
    OK(dxgrt_kernel_get(foreign_module, "slow", &foreign_kernel));
    OK(dxgrt_event_create(gpu, 0, &event));
    OK(dxgrt_graph_create(gpu, NULL, 0, NULL, NULL, &graph));
    x = dxgrt_mem_addr(memory);
    null_and_made_up_handles();
    missing_outputs_and_inputs();
    wrong_values();
    wrong_struct_sizes();
    objects_of_another_context();
    callbacks();
    back_pressure();
    after_fork();
    freed_twice_and_used_after_close();
    OK(dxgrt_close(other));
    ROW(DXGRT_SHUTDOWN, dxgrt_mem_free(foreign_memory, NULL));
    printf("%d misuses, each with its status\n", rows);
    return 0;
}

/* Every call of the library in the child of a fork, and after its context was closed. A test of the header sees to it that each
 * call it declares stands here. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static dxgrt_ctx *gpu;
static dxgrt_mem *memory;
static dxgrt_stream *stream, *own;
static dxgrt_module *module;
static dxgrt_kernel *kernel;
static dxgrt_event *event;
static dxgrt_graph *graph;
static dxgrt_fence fence;
static uint64_t x;

static void never(void *user, dxgrt_status status) {
    (void)user, (void)status;
    CHECK(!"this callback was refused");
}

static void nothing_is_released(void *user) {
    (void)user;
    CHECK(!"this import was refused");
}

/* Everything that uses a context or what was made with it. */
static void uses(dxgrt_status answer) {
    char room[8] = {0}, before[8] = {0};
    uint64_t number = 7;
    uint32_t index = 7;
    void *out = NULL;
    dxgrt_fence done = {7, 7};
    dxgrt_stats stats = {.struct_size = sizeof stats};
    dxgrt_mem_stats usage = {.struct_size = sizeof usage};
    dxgrt_device_info info = {.struct_size = sizeof info};
    dxgrt_launch_params params = launch_of(&x, sizeof x, 1, 1);
    dxgrt_cmd marker = {.struct_size = sizeof marker, .kind = DXGRT_CMD_MARKER};
    EXPECT(answer, dxgrt_info(gpu, &info));
    EXPECT(answer, dxgrt_flush(gpu));
    EXPECT(answer, dxgrt_sync(gpu, DXGRT_FOREVER));
    EXPECT(answer, dxgrt_stats_get(gpu, &stats));
    EXPECT(answer, dxgrt_mem_alloc(gpu, 16, 0, 0, (dxgrt_mem **)&out));
    EXPECT(answer, dxgrt_mem_import(gpu, x, 16, nothing_is_released, NULL, (dxgrt_mem **)&out));
    EXPECT(answer, dxgrt_mem_find(gpu, x, (dxgrt_mem **)&out, &number));
    EXPECT(answer, dxgrt_mem_usage(gpu, &usage));
    EXPECT(answer, dxgrt_mem_use(memory, stream));
    EXPECT(answer, dxgrt_stream_create(gpu, NULL, (dxgrt_stream **)&out));
    EXPECT(answer, dxgrt_stream_default(gpu, (dxgrt_stream **)&out));
    EXPECT(answer, dxgrt_stream_reset(own));
    EXPECT(answer, dxgrt_stream_flush(own, &done));
    EXPECT(answer, dxgrt_stream_fence(own, &done));
    EXPECT(answer, dxgrt_stream_wait(own, fence));
    EXPECT(answer, dxgrt_stream_wait(own, (dxgrt_fence){0, 0}));
    EXPECT(answer, dxgrt_stream_sync(own, DXGRT_FOREVER));
    EXPECT(answer, dxgrt_copy_h2d(own, x, room, sizeof room, DXGRT_COPY_SNAPSHOT, &done, &done));
    EXPECT(answer, dxgrt_copy_d2h(own, room, x, sizeof room, &done));
    EXPECT(answer, dxgrt_copy_d2d(own, x, x + 8, 8, &done));
    EXPECT(answer, dxgrt_copy_peer(own, x, stream, x + 8, 8, &done));
    EXPECT(answer, dxgrt_fill(own, x, 8, &number, 8, &done));
    EXPECT(answer, dxgrt_launch(own, kernel, &params, &done));
    EXPECT(answer, dxgrt_submit(own, &marker, 1, &done));
    EXPECT(answer, dxgrt_submit(own, NULL, 0, &done));
    EXPECT(answer, dxgrt_module_load(gpu, "x", 1, DXGRT_IMAGE_AUTO, (dxgrt_module **)&out));
    EXPECT(answer, dxgrt_module_load_file(gpu, "./kernels.so", DXGRT_IMAGE_AUTO, (dxgrt_module **)&out));
    EXPECT(answer, dxgrt_kernel_get(module, "slow", (dxgrt_kernel **)&out));
    EXPECT(answer, dxgrt_graph_create(gpu, &marker, 1, NULL, NULL, (dxgrt_graph **)&out));
    EXPECT(answer, dxgrt_graph_launch(graph, own, NULL, 0, &done));
    EXPECT(answer, dxgrt_event_create(gpu, 0, (dxgrt_event **)&out));
    EXPECT(answer, dxgrt_event_record(event, own));
    EXPECT(answer, dxgrt_event_fence(event, &done));
    EXPECT(answer, dxgrt_event_elapsed_ns(event, event, &number));
    EXPECT(answer, dxgrt_fence_poll(gpu, fence));
    EXPECT(answer, dxgrt_fence_wait_all(gpu, &fence, 1, DXGRT_FOREVER));
    EXPECT(answer, dxgrt_fence_wait_any(gpu, &fence, 1, DXGRT_FOREVER, &index));
    EXPECT(answer, dxgrt_fence_on_done(gpu, fence, never, NULL));
    EXPECT(answer, dxgrt_fence_eventfd(gpu, fence, 0));
    EXPECT(answer, dxgrt_cuda_context(gpu, &out));
    EXPECT(answer, dxgrt_stream_wait_cuda(own, NULL, &done));
    EXPECT(answer, dxgrt_cuda_wait_stream(NULL, own));
    EXPECT(answer, dxgrt_stream_wait_cuda_event(own, &number));
    EXPECT(answer, dxgrt_stream_record_cuda_event(own, &number));
    /* Nothing of this was written. */
    CHECK(out == NULL && number == 7 && index == 7 && done.timeline == 7 && done.value == 7);
    CHECK(stats.commands == 0 && usage.total == 0 && info.kind == 0 && memcmp(room, before, sizeof room) == 0);
}

/* Everything that frees, in an order in which what others need goes last. */
static void frees(dxgrt_status answer) {
    EXPECT(answer, dxgrt_event_destroy(event));
    EXPECT(answer, dxgrt_graph_destroy(graph));
    EXPECT(answer, dxgrt_module_unload(module));
    EXPECT(answer, dxgrt_stream_destroy(own));
    EXPECT(answer, dxgrt_mem_free(memory, NULL));
}

static void in_a_child(void) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        uint32_t count = 7;
        dxgrt_ctx *opened = NULL;
        dxgrt_device_info info = {.struct_size = sizeof info};
        uses(DXGRT_FORKED);
        frees(DXGRT_FORKED);
        EXPECT(DXGRT_FORKED, dxgrt_close(gpu));
        EXPECT(DXGRT_FORKED, dxgrt_open("software", NULL, &opened));
        EXPECT(DXGRT_FORKED, dxgrt_device_count(&count));
        EXPECT(DXGRT_FORKED, dxgrt_device_info_get(0, &info));
        EXPECT(DXGRT_FORKED, dxgrt_set_log_callback(DXGRT_LOG_ERROR, NULL, NULL));
        CHECK(opened == NULL && count == 7);
        /* What answers with a value; the last four touch nothing that a fork could break. */
        CHECK(dxgrt_mem_addr(memory) == 0 && dxgrt_mem_size(memory) == 0 && dxgrt_mem_host_ptr(memory) == NULL);
        CHECK(dxgrt_abi_version() == DXGRT_ABI_VERSION && dxgrt_version() != 0);
        CHECK(strcmp(dxgrt_status_name(DXGRT_FORKED), "DXGRT_FORKED") == 0);
        char why[256];
        CHECK(dxgrt_last_error(why, sizeof why) > 0 && strstr(why, "fork") != NULL);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    OK(dxgrt_open("software", NULL, &gpu));
    OK(dxgrt_mem_alloc(gpu, 4096, 0, 0, &memory));
    OK(dxgrt_stream_default(gpu, &stream));
    OK(dxgrt_stream_create(gpu, NULL, &own));
    OK(dxgrt_module_load_file(gpu, "./kernels.so", DXGRT_IMAGE_AUTO, &module));
    OK(dxgrt_kernel_get(module, "slow", &kernel));
    OK(dxgrt_event_create(gpu, DXGRT_EVENT_TIMING, &event));
    OK(dxgrt_graph_create(gpu, NULL, 0, NULL, NULL, &graph));
    x = dxgrt_mem_addr(memory);
    OK(dxgrt_event_record(event, stream));
    OK(dxgrt_fill(stream, x, 8, &x, 8, &fence));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    in_a_child();
    /* The parent has noticed nothing. */
    OK(dxgrt_fill(stream, x, 8, &x, 8, &fence));
    OK(dxgrt_close(gpu));
    uses(DXGRT_SHUTDOWN);
    EXPECT(DXGRT_SHUTDOWN, dxgrt_copy_d2d(stream, x, x + 8, 8, NULL));
    frees(DXGRT_SHUTDOWN);
    OK(dxgrt_close(gpu));
    puts("after a fork and after the close, every call said so");
    return 0;
}

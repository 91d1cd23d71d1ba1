/* What no example does and some program will: memory freed under work, many closers, signals, threads that end, limits of the
 * system, graphs as large as they get. Nothing crashes, hangs, or gives wrong data. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static dxgrt_ctx *gpu;
static dxgrt_stream *stream;
static dxgrt_mem *memory;
static dxgrt_kernel *affine, *slow;
static uint64_t x;

static void open_gpu(const dxgrt_open_options *options) {
    dxgrt_module *module;
    OK(dxgrt_open("software", options, &gpu));
    OK(dxgrt_stream_default(gpu, &stream));
    OK(dxgrt_mem_alloc(gpu, 1 << 16, 0, DXGRT_MEM_ZERO, &memory));
    x = dxgrt_mem_addr(memory);
    OK(dxgrt_module_load_file(gpu, "./kernels.so", 0, &module));
    OK(dxgrt_kernel_get(module, "affine", &affine));
    OK(dxgrt_kernel_get(module, "slow", &slow));
}

static void launch_slow(dxgrt_stream *on, uint64_t at, uint32_t n, dxgrt_fence *done) {
    struct slow args = {.x = at, .n = n};
    dxgrt_launch_params params = launch_of(&args, sizeof args, 1, 1);
    OK(dxgrt_launch(on, slow, &params, done));
}

/* A child in which the system gives out nothing more; what it can do is to say so. */
static void without(int resource, rlim_t least) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* Limits on threads do not hold for root. */
        if (resource == RLIMIT_NPROC && geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
        struct rlimit before, none;
        CHECK(getrlimit(resource, &before) == 0);
        none = before;
        for (rlim_t limit = least; limit < least + 24; limit += 2) {
            none.rlim_cur = limit;
            CHECK(setrlimit(resource, &none) == 0);
            dxgrt_ctx *opened = NULL;
            dxgrt_status status = dxgrt_open("software", NULL, &opened);
            char why[512] = "";
            CHECK(status == DXGRT_OK || (dxgrt_last_error(why, sizeof why) > 10 && opened == NULL));
            CHECK(status == DXGRT_OK || status == DXGRT_DRIVER || status == DXGRT_NO_MEMORY);
            if (status == DXGRT_OK) OK(dxgrt_close(opened));
        }
        CHECK(setrlimit(resource, &before) == 0);
        open_gpu(NULL);
        OK(dxgrt_fill(stream, x, 8, "1234", 4, NULL));
        OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
        OK(dxgrt_close(gpu));
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Memory in use by a launch that does not name it is not given to others, wherever it lies. */
static void freed_under_a_launch(uint32_t flags) {
    enum { SIZE = 1 << 20 };
    for (int round = 0; round < 8; round++) {
        dxgrt_mem *used, *next;
        dxgrt_fence done;
        uint32_t out = 1;
        OK(dxgrt_mem_alloc(gpu, SIZE, 0, flags, &used));
        launch_slow(stream, dxgrt_mem_addr(used), 20000000, &done);
        OK(dxgrt_mem_free(used, round % 2 ? stream : NULL));
        OK(dxgrt_mem_alloc(gpu, SIZE, 0, flags, &next));
        dxgrt_stream *beside;
        OK(dxgrt_stream_create(gpu, NULL, &beside));
        OK(dxgrt_fill(beside, dxgrt_mem_addr(next), SIZE, "\7\0\0\0", 4, NULL));
        OK(dxgrt_stream_sync(beside, DXGRT_FOREVER));
        OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
        OK(dxgrt_copy_d2h(beside, &out, dxgrt_mem_addr(next), 4, NULL));
        OK(dxgrt_stream_sync(beside, DXGRT_FOREVER));
        CHECK(out == 7);
        OK(dxgrt_stream_destroy(beside));
        OK(dxgrt_mem_free(next, NULL));
    }
}

static void sizes_at_the_end_of_the_world(void) {
    static uint32_t out[4];
    dxgrt_mem *host;
    OK(dxgrt_mem_alloc(gpu, 4096, 0, DXGRT_MEM_HOST, &host));
    uint64_t h = dxgrt_mem_addr(host);
    uint8_t *mapped = dxgrt_mem_host_ptr(host);
    const uint64_t bad[] = {UINT64_MAX, UINT64_MAX - 3, UINT64_MAX - x, UINT64_MAX - x + 1, UINT64_MAX - h + 1,
                            (uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1, (uint64_t)1 << 63, (1 << 16) + 4};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t n = bad[i];
        EXPECT(DXGRT_INVALID, dxgrt_copy_d2h(stream, out, x, n, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_copy_d2h(stream, out, h, n, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_copy_d2h(stream, mapped, x, n, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_copy_d2d(stream, x, h, n, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_copy_d2d(stream, h + 4095, x, n, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_fill(stream, x + 8, n, "a", 1, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_fill(stream, h, n, "a", 1, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_copy_d2d(stream, n, x, 8, NULL));
        EXPECT(DXGRT_INVALID, dxgrt_fill(stream, n, 8, "a", 1, NULL));
        EXPECT(DXGRT_NOT_FOUND, dxgrt_mem_find(gpu, n, NULL, NULL));
    }
    /* Ranges that touch, overlap by one byte, or are the same. */
    OK(dxgrt_copy_d2d(stream, x, x + 64, 64, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_copy_d2d(stream, x, x + 63, 64, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_copy_d2d(stream, x + 63, x, 64, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_copy_d2d(stream, x, x, 64, NULL));
    /* Addresses and sizes that nothing is aligned to. */
    OK(dxgrt_fill(stream, x + 1, 9, "abcdefghi", 1, NULL));
    OK(dxgrt_copy_h2d(stream, x + 3, "odd", 3, DXGRT_COPY_SNAPSHOT, NULL, NULL));
    OK(dxgrt_copy_d2d(stream, h + 1, x + 1, 9, NULL));
    OK(dxgrt_copy_d2h(stream, (char *)out + 1, h + 1, 9, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    CHECK(memcmp((char *)out + 1, "aaoddaaaa", 9) == 0 && memcmp(mapped + 1, "aaoddaaaa", 9) == 0);
    OK(dxgrt_mem_free(host, NULL));
    /* No arguments at all, and accesses of no sense. */
    dxgrt_launch_params params = launch_of(NULL, 0, 0, 1);
    OK(dxgrt_launch(stream, affine, &params, NULL));
    struct affine args = {.x = x, .n = 4, .a = 1, .b = 1};
    params = launch_of(&args, sizeof args, 1, 4);
    const dxgrt_access wrong[] = {{.addr = UINT64_MAX - 3, .size = 8, .flags = 3, .arg_offset = 0},
                                  {.addr = x, .size = UINT64_MAX, .flags = 3, .arg_offset = 0},
                                  {.addr = x, .size = 16, .flags = 3, .arg_offset = sizeof args - 4},
                                  {.addr = x, .size = 16, .flags = 3, .arg_offset = UINT32_MAX - 1},
                                  {.addr = x, .size = 16, .flags = 0x80, .arg_offset = 0},
                                  {.addr = x, .size = 16, .flags = 0, .arg_offset = 0}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        params.accesses = &wrong[i], params.access_count = 1;
        EXPECT(DXGRT_INVALID, dxgrt_launch(stream, affine, &params, NULL));
        dxgrt_cmd cmd = command_launch(affine, params);
        EXPECT(DXGRT_INVALID, dxgrt_submit(stream, &cmd, 1, NULL));
    }
    params.accesses = (const dxgrt_access *)(const void *)((const char *)wrong + 1);
    EXPECT(DXGRT_INVALID, dxgrt_launch(stream, affine, &params, NULL));
}

static void ten_thousand_fences(void) {
    enum { N = 10000 };
    static dxgrt_fence fences[N];
    static dxgrt_stream *streams[16];
    dxgrt_fence last;
    for (int i = 0; i < 16; i++) OK(dxgrt_stream_create(gpu, NULL, &streams[i]));
    /* A second or less in all, and no launch near the time limit. */
    for (int i = 0; i < 10; i++) launch_slow(stream, x, 10000000, &last);
    for (int i = 0; i < 16; i++) OK(dxgrt_stream_wait(streams[i], last));
    for (int i = 0; i < N; i++) OK(dxgrt_fill(streams[i % 16], x + 64 * (uint64_t)(i % 16), 4, "\1\2\3\4", 4, &fences[i]));
    uint32_t which = 77;
    dxgrt_status status = dxgrt_fence_wait_any(gpu, fences, N, 1000, &which);
    CHECK(status == DXGRT_OK ? which < N : status == DXGRT_TIMEOUT && which == 77);
    status = dxgrt_fence_wait_all(gpu, fences, N, 0);
    CHECK(status == DXGRT_OK || status == DXGRT_TIMEOUT);
    OK(dxgrt_fence_wait_any(gpu, fences, N, DXGRT_FOREVER, &which));
    CHECK(which < N);
    OK(dxgrt_fence_wait_all(gpu, fences, N, DXGRT_FOREVER));
    OK(dxgrt_fence_wait_any(gpu, fences, N, 0, &which));
    /* Work that is still queued when its stream goes. */
    for (int i = 0; i < 16; i++) {
        launch_slow(streams[i], x + 64 * (uint64_t)i, 1000, &fences[i]);
        OK(dxgrt_stream_destroy(streams[i]));
    }
    OK(dxgrt_fence_wait_all(gpu, fences, 16, DXGRT_FOREVER));
}

static void nothing_happens(int number) { (void)number; }

static void signals_during_waits(void) {
    struct sigaction action = {.sa_handler = nothing_happens};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {.it_interval = {.tv_usec = 300}, .it_value = {.tv_usec = 300}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    dxgrt_fence done;
    for (int i = 0; i < 20; i++) {
        launch_slow(stream, x, 2000000, &done);
        if (i % 2) OK(dxgrt_fence_wait_any(gpu, &done, 1, DXGRT_FOREVER, NULL));
        else OK(dxgrt_sync(gpu, DXGRT_FOREVER));
        int fd = eventfd(0, EFD_CLOEXEC);
        launch_slow(stream, x, 2000, &done);
        OK(dxgrt_fence_eventfd(gpu, done, fd));
        uint64_t count = 0;
        while (read(fd, &count, sizeof count) < 0) CHECK(errno == EINTR);
        CHECK(count == 1);
        close(fd);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void descriptors_closed_early(void) {
    dxgrt_fence done;
    int fds[64], kept = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    launch_slow(stream, x, 5000000, &done);
    for (int i = 0; i < 64; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC);
        OK(dxgrt_fence_eventfd(gpu, done, fds[i]));
        OK(dxgrt_fence_eventfd(gpu, done, kept));
        close(fds[i]);
    }
    /* A counter that has no room: nobody blocks. */
    uint64_t full = UINT64_MAX - 1, one = 0;
    int stuffed = eventfd(0, EFD_CLOEXEC);
    CHECK(write(stuffed, &full, sizeof full) == sizeof full);
    OK(dxgrt_fence_eventfd(gpu, done, stuffed));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    for (int i = 0; i < 1000 && one < 64; i++) {
        uint64_t more = 0;
        if (read(kept, &more, sizeof more) == sizeof more) one += more;
        else usleep(1000);
    }
    CHECK(one == 64);
    close(kept), close(stuffed);
}

static pthread_key_t key;

static void last_words(void *user) {
    (void)user;
    char why[64];
    /* While the thread's own data goes: failures have no place for their sentence any more. */
    EXPECT(DXGRT_INVALID, dxgrt_fence_poll(NULL, (dxgrt_fence){0, 0}));
    dxgrt_last_error(why, sizeof why);
    dxgrt_last_error(NULL, 0);
    EXPECT(DXGRT_OK, dxgrt_fill(stream, x, 4, "abcd", 4, NULL));
}

static void *brief_thread(void *user) {
    CHECK(pthread_setspecific(key, user) == 0);
    char why[256];
    EXPECT(DXGRT_INVALID, dxgrt_mem_free((dxgrt_mem *)user, NULL));
    CHECK(dxgrt_last_error(why, sizeof why) > 10);
    /* What the library keeps for a thread is made here, and is gone when the thread has its last words. */
    OK(dxgrt_fill(stream, x, 4, "efgh", 4, NULL));
    return NULL;
}

static void threads_that_end(void) {
    CHECK(pthread_key_create(&key, last_words) == 0);
    for (int round = 0; round < 25; round++) {
        pthread_t threads[8];
        for (int i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], NULL, brief_thread, &key) == 0);
        for (int i = 0; i < 8; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    OK(dxgrt_sync(gpu, DXGRT_FOREVER));
    CHECK(pthread_key_delete(key) == 0);
}

/* Graphs as large as a context takes, deep and wide, and patched where nothing is aligned. */
static void large_graphs(void) {
    enum { N = 100000 };
    dxgrt_open_options options = {.struct_size = sizeof options, .latency = DXGRT_LATENCY_ZERO,
                                  .stream_commands = N + 2, .device_commands = N + 2};
    open_gpu(&options);
    dxgrt_cmd *nodes = calloc(N, sizeof *nodes);
    uint32_t *offsets = calloc(N + 1, sizeof *offsets), *deps = calloc(N, sizeof *deps), out[2] = {0, 0};
    CHECK(nodes != NULL && offsets != NULL && deps != NULL);
    struct affine args = {.x = x, .n = 1, .a = 1, .b = 1};
    for (int i = 0; i < N; i++) {
        offsets[i + 1] = (uint32_t)i;
        deps[i] = (uint32_t)i;
        nodes[i] = command_launch(affine, launch_of(&args, sizeof args, 1, 1));
    }
    dxgrt_graph *deep, *wide;
    dxgrt_fence done;
    OK(dxgrt_graph_create(gpu, nodes, N, offsets, deps, &deep));
    /* Node i adds 1 to the first number, after node i - 1. One patch adds 256 more, by one byte within a number. */
    dxgrt_patch patch = {.struct_size = sizeof patch, .node = N - 1, .field = DXGRT_PATCH_ARGS, .offset = 17};
    patch.data = "\1", patch.size = 1;
    OK(dxgrt_graph_launch(deep, stream, &patch, 1, &done));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    OK(dxgrt_copy_d2h(stream, out, x, 4, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    CHECK(out[0] == N + 256);
    const uint32_t places[] = {UINT32_MAX, sizeof args, sizeof args - 1};
    patch.size = 2;
    for (int i = 0; i < 3; i++) {
        patch.offset = places[i];
        EXPECT(DXGRT_INVALID, dxgrt_graph_launch(deep, stream, &patch, 1, NULL));
    }
    for (int i = 0; i < N; i++) {
        nodes[i] = (dxgrt_cmd){.struct_size = sizeof *nodes, .kind = DXGRT_CMD_FILL};
        nodes[i].u.fill.dst = x + 4 * (uint64_t)(i % 1024);
        nodes[i].u.fill.size = 4;
        nodes[i].u.fill.pattern_size = 4;
        deps[i] = 0;
    }
    OK(dxgrt_graph_create(gpu, nodes, N, offsets, deps, &wide));
    OK(dxgrt_graph_launch(wide, stream, NULL, 0, &done));
    OK(dxgrt_graph_destroy(wide));
    OK(dxgrt_graph_destroy(deep));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    /* One more than fits is refused, not waited for. */
    EXPECT(DXGRT_INVALID, dxgrt_submit(stream, nodes, N + 3, NULL));
    OK(dxgrt_close(gpu));
    free(nodes), free(offsets), free(deps);
}

/* Nodes that tell nothing are ordered by what is said of them, and the graph by what comes before and after it. */
static void graphs_of_launches_that_tell_nothing(void) {
    struct affine args = {.x = x, .n = 4, .a = 2, .b = 1};
    dxgrt_cmd nodes[2];
    for (int i = 0; i < 2; i++) nodes[i] = command_launch(affine, launch_of(&args, sizeof args, 1, 4));
    const uint32_t offsets[] = {0, 0, 1}, deps[] = {0};
    dxgrt_graph *graph;
    OK(dxgrt_graph_create(gpu, nodes, 2, offsets, deps, &graph));
    for (int round = 0; round < 20; round++) {
        uint32_t out[8] = {0};
        /* Something that keeps the queue busy, so that all of the rest gathers. */
        launch_slow(stream, x + 64, 3000000, NULL);
        OK(dxgrt_fill(stream, x, 16, "\3\0\0\0", 4, NULL));
        OK(dxgrt_graph_launch(graph, stream, NULL, 0, NULL));
        OK(dxgrt_copy_d2h(stream, out, x, 16, NULL));
        OK(dxgrt_graph_launch(graph, stream, NULL, 0, NULL));
        OK(dxgrt_copy_d2h(stream, out + 4, x, 16, NULL));
        OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
        for (int i = 0; i < 4; i++) CHECK(out[i] == 15 && out[4 + i] == 63);
    }
    OK(dxgrt_graph_destroy(graph));
}

static atomic_int released;

static void release_all(void *user, dxgrt_status status) {
    void **all = user;
    CHECK(status == DXGRT_OK);
    OK(dxgrt_stream_destroy((dxgrt_stream *)all[0]));
    OK(dxgrt_graph_destroy((dxgrt_graph *)all[1]));
    OK(dxgrt_event_destroy((dxgrt_event *)all[2]));
    OK(dxgrt_module_unload((dxgrt_module *)all[3]));
    OK(dxgrt_mem_free((dxgrt_mem *)all[4], NULL));
    OK(dxgrt_mem_free((dxgrt_mem *)all[5], NULL));
    /* What waits is refused, not tried. */
    EXPECT(DXGRT_INVALID, dxgrt_stream_reset(stream));
    EXPECT(DXGRT_INVALID, dxgrt_sync(gpu, DXGRT_FOREVER));
    atomic_fetch_add(&released, 1);
}

static void callbacks_that_free_everything(void) {
    for (int round = 0; round < 10; round++) {
        void *all[6];
        dxgrt_kernel *kernel;
        dxgrt_fence done;
        OK(dxgrt_stream_create(gpu, NULL, (dxgrt_stream **)&all[0]));
        OK(dxgrt_graph_create(gpu, NULL, 0, NULL, NULL, (dxgrt_graph **)&all[1]));
        OK(dxgrt_event_create(gpu, DXGRT_EVENT_TIMING, (dxgrt_event **)&all[2]));
        OK(dxgrt_module_load_file(gpu, "./kernels.so", 0, (dxgrt_module **)&all[3]));
        OK(dxgrt_mem_alloc(gpu, 256, 0, 0, (dxgrt_mem **)&all[4]));
        OK(dxgrt_mem_alloc(gpu, 256, 0, DXGRT_MEM_HOST, (dxgrt_mem **)&all[5]));
        OK(dxgrt_kernel_get((dxgrt_module *)all[3], "slow", &kernel));
        struct slow args = {.x = dxgrt_mem_addr((dxgrt_mem *)all[4 + round % 2]), .n = 1000000};
        dxgrt_launch_params params = launch_of(&args, sizeof args, 1, 1);
        OK(dxgrt_graph_launch((dxgrt_graph *)all[1], (dxgrt_stream *)all[0], NULL, 0, &done));
        OK(dxgrt_fence_on_done(gpu, done, release_all, all));
        dxgrt_status status = dxgrt_launch((dxgrt_stream *)all[0], kernel, &params, NULL);
        CHECK(status == DXGRT_OK || status == DXGRT_INVALID);
        while (atomic_load(&released) <= round) usleep(100);
    }
}

static void one_event_for_everything(void) {
    dxgrt_event *event;
    dxgrt_stream *side;
    dxgrt_fence mark;
    OK(dxgrt_event_create(gpu, DXGRT_EVENT_TIMING, &event));
    OK(dxgrt_stream_create(gpu, NULL, &side));
    for (int i = 0; i < 500; i++) {
        launch_slow(i % 2 ? stream : side, x + 64, 100, NULL);
        OK(dxgrt_event_record(event, i % 2 ? stream : side));
        OK(dxgrt_event_fence(event, &mark));
        OK(dxgrt_stream_wait(i % 2 ? side : stream, mark));
    }
    OK(dxgrt_event_destroy(event));
    OK(dxgrt_sync(gpu, DXGRT_FOREVER));
    OK(dxgrt_stream_destroy(side));
}

static void full_is_said_and_the_data_is_right(void) {
    enum { SIZE = 65536, N = 200 };
    dxgrt_open_options options = {.struct_size = sizeof options, .backpressure = DXGRT_BACKPRESSURE_ERROR,
                                  .stream_commands = 8, .device_commands = 16, .staging_bytes = 1 << 18};
    open_gpu(&options);
    static uint32_t in[SIZE / 4], out[SIZE / 4];
    int full = 0;
    for (uint32_t i = 0; i < N; i++) {
        dxgrt_fence done;
        dxgrt_status status;
        for (int at = 0; at < SIZE / 4; at++) in[at] = i;
        while ((status = dxgrt_copy_h2d(stream, x, in, SIZE, 0, NULL, NULL)) == DXGRT_FULL) full++;
        OK(status);
        memset(in, 0xee, sizeof in);
        while ((status = dxgrt_copy_d2h(stream, out, x, SIZE, &done)) == DXGRT_FULL) full++;
        OK(status);
        if (i % 4) continue;
        OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
        CHECK(out[0] == i && out[SIZE / 4 - 1] == i);
    }
    CHECK(full > 0);
    OK(dxgrt_close(gpu));
}

static void *close_it(void *user) {
    (void)user;
    OK(dxgrt_close(gpu));
    return NULL;
}

static void many_closers(void) {
    dxgrt_open_options options = {.struct_size = sizeof options, .latency = DXGRT_LATENCY_ZERO};
    for (int round = 0; round < 5; round++) {
        static uint32_t out;
        pthread_t closers[4];
        out = 9;
        open_gpu(&options);
        launch_slow(stream, x, 1000000, NULL);
        OK(dxgrt_fill(stream, x, 4, "\5\0\0\0", 4, NULL));
        OK(dxgrt_copy_d2h(stream, &out, x, 4, NULL));
        for (int i = 0; i < 4; i++) CHECK(pthread_create(&closers[i], NULL, close_it, NULL) == 0);
        for (int i = 0; i < 4; i++) CHECK(pthread_join(closers[i], NULL) == 0);
        CHECK(out == 5);
        EXPECT(DXGRT_SHUTDOWN, dxgrt_mem_free(memory, stream));
    }
}

int main(void) {
    without(RLIMIT_NOFILE, 3);
    without(RLIMIT_NPROC, 0);
    open_gpu(NULL);
    freed_under_a_launch(0);
    freed_under_a_launch(DXGRT_MEM_HOST);
    sizes_at_the_end_of_the_world();
    ten_thousand_fences();
    graphs_of_launches_that_tell_nothing();
    signals_during_waits();
    descriptors_closed_early();
    threads_that_end();
    callbacks_that_free_everything();
    one_event_for_everything();
    OK(dxgrt_close(gpu));
    full_is_said_and_the_data_is_right();
    many_closers();
    large_graphs();
    printf("nothing broke\n");
    return 0;
}

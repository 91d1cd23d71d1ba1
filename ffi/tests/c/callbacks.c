/* Callbacks registered by many threads, while work completes, and while the context is closed: each is called once. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS = 8, EACH = 200, LATE = 100 };

static dxgrt_ctx *gpu;
static dxgrt_kernel *slow;
static uint64_t address;
static atomic_int called, succeeded, ended, refused;

struct one {
    atomic_int times;
    dxgrt_mem *memory;
};

static void count(void *user, dxgrt_status status) {
    struct one *one = user;
    CHECK(atomic_fetch_add(&one->times, 1) == 0);
    if (status == DXGRT_OK) atomic_fetch_add(&succeeded, 1);
    else if (status == DXGRT_SHUTDOWN) atomic_fetch_add(&ended, 1);
    else CHECK(!"a status that nothing here leads to");
    /* Callbacks may free, ask and enqueue. */
    if (one->memory != NULL) {
        dxgrt_status freed = dxgrt_mem_free(one->memory, NULL);
        CHECK(freed == DXGRT_OK || freed == DXGRT_SHUTDOWN);
    }
    atomic_fetch_add(&called, 1);
}

static void *work(void *user) {
    struct one *mine = user;
    dxgrt_stream *stream;
    OK(dxgrt_stream_create(gpu, NULL, &stream));
    struct slow args = {.x = address, .n = 1000};
    dxgrt_launch_params params = launch_of(&args, sizeof args, 1, 1);
    for (int i = 0; i < EACH; i++) {
        dxgrt_fence done = {0, 0};
        if (i % 10 != 0) OK(dxgrt_launch(stream, slow, &params, &done));
        if (i % 3 == 0) OK(dxgrt_mem_alloc(gpu, 4096, 0, 0, &mine[i].memory));
        OK(dxgrt_fence_on_done(gpu, done, count, &mine[i]));
    }
    OK(dxgrt_stream_destroy(stream));
    return NULL;
}

static void *register_late(void *user) {
    struct one *mine = user;
    dxgrt_stream *stream;
    if (dxgrt_stream_create(gpu, NULL, &stream) != DXGRT_OK) {
        atomic_fetch_add(&refused, LATE);
        return NULL;
    }
    struct slow args = {.x = address, .n = 1000};
    dxgrt_launch_params params = launch_of(&args, sizeof args, 1, 1);
    for (int i = 0; i < LATE; i++) {
        dxgrt_fence done = {0, 0};
        dxgrt_status status = dxgrt_launch(stream, slow, &params, &done);
        CHECK(status == DXGRT_OK || status == DXGRT_SHUTDOWN);
        status = dxgrt_fence_on_done(gpu, done, count, &mine[i]);
        CHECK(status == DXGRT_OK || status == DXGRT_SHUTDOWN);
        if (status == DXGRT_SHUTDOWN) atomic_fetch_add(&refused, 1);
    }
    dxgrt_stream_destroy(stream);
    return NULL;
}

static void open_all(void) {
    dxgrt_open_options options = {.struct_size = sizeof options, .latency = DXGRT_LATENCY_ZERO};
    OK(dxgrt_open("software", &options, &gpu));
    dxgrt_module *module;
    OK(dxgrt_module_load_file(gpu, "./kernels.so", DXGRT_IMAGE_AUTO, &module));
    OK(dxgrt_kernel_get(module, "slow", &slow));
    dxgrt_mem *memory;
    OK(dxgrt_mem_alloc(gpu, 4096, 0, 0, &memory));
    address = dxgrt_mem_addr(memory);
}

static void run(void *(*body)(void *), int each, int close_early) {
    pthread_t threads[THREADS];
    struct one *all = calloc((size_t)(THREADS * each), sizeof *all);
    CHECK(all != NULL);
    atomic_store(&called, 0);
    atomic_store(&refused, 0);
    open_all();
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, body, all + i * each) == 0);
    if (close_early) OK(dxgrt_close(gpu));
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    /* When closing has returned, every callback has. */
    OK(dxgrt_close(gpu));
    CHECK(atomic_load(&called) + atomic_load(&refused) == THREADS * each);
    free(all);
}

static atomic_int under_way, closed_early;

static void linger(void *user, dxgrt_status status) {
    (void)user, (void)status;
    atomic_store(&under_way, 1);
    usleep(50000);
    /* Also while the context is being closed, a callback that closes it would wait for itself. */
    EXPECT(DXGRT_INVALID, dxgrt_close(gpu));
    atomic_store(&under_way, 2);
}

static void *close_it(void *user) {
    OK(dxgrt_close(gpu));
    if (atomic_load(&under_way) != 2) atomic_fetch_add(&closed_early, 1);
    return user;
}

/* Whoever closes, and whoever closes beside them, returns when the last callback has. */
static void close_together(void) {
    pthread_t threads[THREADS];
    open_all();
    OK(dxgrt_fence_on_done(gpu, (dxgrt_fence){0, 0}, linger, NULL));
    while (atomic_load(&under_way) == 0) usleep(100);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, close_it, NULL) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(atomic_load(&closed_early) == 0);
}

int main(void) {
    close_together();
    run(work, EACH, 0);
    CHECK(atomic_load(&succeeded) == THREADS * EACH);
    for (int i = 0; i < 10; i++) run(register_late, LATE, 1);
    printf("%d callbacks after their work, %d told of the end\n", atomic_load(&succeeded), atomic_load(&ended));
    return 0;
}

/* dxgrt in the middle of a C program that uses CUDA by itself: opened on its CUcontext, with its memory, its streams and events, and
 * with dxgrt's memory in its hands. The driver is the one that DXGRT_CUDA_LIBRARY names, else the loader's; the kernels are in
 * ./kernels.ptx. */
#include "check.h"

#include <dlfcn.h>
#include <unistd.h>

enum { LEN = 5000, TURNS = 20, BYTES = LEN * 4 };

/* What the program itself calls. ISO C has no way from a pointer to a function; POSIX has this one. */
static int (*init)(unsigned), (*context_create)(void **, unsigned, int), (*context_current)(void **), (*context_destroy)(void *);
static int (*mem_alloc)(uint64_t *, size_t), (*mem_free)(uint64_t), (*memset32)(uint64_t, unsigned, size_t, void *);
static int (*to_host)(void *, uint64_t, size_t, void *), (*stream_create)(void **, unsigned), (*stream_destroy)(void *);
static int (*stream_wait)(void *, void *, unsigned), (*stream_sync)(void *), (*device_count)(int *);
static int (*event_create)(void **, unsigned), (*event_record)(void *, void *), (*event_destroy)(void *);

static void find(void *library, void *function, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(found != NULL);
    memcpy(function, &found, sizeof found);
}

static void load_driver(void) {
    const char *named = getenv("DXGRT_CUDA_LIBRARY");
    void *library = dlopen(named != NULL ? named : "libcuda.so.1", RTLD_NOW);
    if (library == NULL) fprintf(stderr, "no GPU to test on: %s\n", dlerror());
    CHECK(library != NULL);
    find(library, &init, "cuInit");
    find(library, &device_count, "cuDeviceGetCount");
    find(library, &context_create, "cuCtxCreate_v2");
    find(library, &context_current, "cuCtxGetCurrent");
    find(library, &context_destroy, "cuCtxDestroy_v2");
    find(library, &mem_alloc, "cuMemAlloc_v2");
    find(library, &mem_free, "cuMemFree_v2");
    find(library, &memset32, "cuMemsetD32Async");
    find(library, &to_host, "cuMemcpyDtoHAsync_v2");
    find(library, &stream_create, "cuStreamCreate");
    find(library, &stream_destroy, "cuStreamDestroy_v2");
    find(library, &stream_wait, "cuStreamWaitEvent");
    find(library, &stream_sync, "cuStreamSynchronize");
    find(library, &event_create, "cuEventCreate");
    find(library, &event_record, "cuEventRecord");
    find(library, &event_destroy, "cuEventDestroy_v2");
    CHECK(init(0) == 0);
}

static void tell(void *user) {
    __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST);
}

static int told(int *times) {
    return __atomic_load_n(times, __ATOMIC_SEQ_CST);
}

static unsigned bits(float number) {
    unsigned word;
    memcpy(&word, &number, sizeof word);
    return word;
}

static dxgrt_ctx *gpu;
static dxgrt_stream *stream;
static void *context, *theirs, *event;

/* On which GPU, and on which not. */
static void open_on_the_context(int *released) {
    dxgrt_open_options options = {.struct_size = sizeof options, .cuda_context = context, .cuda_release = tell, .cuda_user = released};
    char why[256];
    EXPECT(DXGRT_INVALID, dxgrt_open("software", &options, &gpu));
    CHECK(dxgrt_last_error(why, sizeof why) > 0 && strstr(why, "CUcontext") != NULL);
    EXPECT(DXGRT_INVALID, dxgrt_open("cuda:7", &options, &gpu));
    CHECK(dxgrt_last_error(why, sizeof why) > 0 && strstr(why, "open `cuda:0`") != NULL);
    OK(dxgrt_open(NULL, &options, &gpu));
    dxgrt_device_info info = {.struct_size = sizeof info};
    OK(dxgrt_info(gpu, &info));
    CHECK(info.kind == DXGRT_DEVICE_CUDA && strcmp(info.selector, "cuda:0") == 0);
    void *used = NULL;
    OK(dxgrt_cuda_context(gpu, &used));
    CHECK(used == context && told(released) == 0);
    OK(dxgrt_stream_default(gpu, &stream));
}

static dxgrt_mem *import(uint64_t address, int *released) {
    dxgrt_mem *imported = NULL, *again = NULL, *found = NULL;
    uint64_t offset = 0;
    EXPECT(DXGRT_INVALID, dxgrt_mem_import(gpu, 0x1000, BYTES, tell, released, &imported));
    EXPECT(DXGRT_INVALID, dxgrt_mem_import(gpu, address, (uint64_t)1 << 40, tell, released, &imported));
    CHECK(imported == NULL);
    OK(dxgrt_mem_import(gpu, address, BYTES, tell, released, &imported));
    EXPECT(DXGRT_INVALID, dxgrt_mem_import(gpu, address, BYTES, tell, released, &again));
    CHECK(again == NULL && told(released) == 0);
    CHECK(dxgrt_mem_addr(imported) == address && dxgrt_mem_size(imported) == BYTES && dxgrt_mem_host_ptr(imported) == NULL);
    OK(dxgrt_mem_find(gpu, address + 100, &found, &offset));
    CHECK(found == imported && offset == 100);
    return imported;
}

/* The program writes a number, dxgrt adds it to a sum; in turn, with nobody waiting on the host. */
static void in_turn(dxgrt_kernel *axpy, uint64_t x, uint64_t sum, int by_events) {
    struct { float a; uint32_t pad; uint64_t x, y; uint32_t n, pad2; } args = {1.0f, 0, x, sum, LEN, 0};
    dxgrt_launch_params params = launch_of(&args, 28, (LEN + 63) / 64, 64);
    float expected = 0;
    unsigned zero = 0;
    OK(dxgrt_fill(stream, sum, BYTES, &zero, 4, NULL));
    for (int turn = 1; turn <= TURNS; turn++) {
        /* The first is overwritten: reading it would be too early. */
        CHECK(memset32(x, bits(1e9f), LEN, theirs) == 0 && memset32(x, bits((float)turn), LEN, theirs) == 0);
        if (by_events) {
            CHECK(event_record(event, theirs) == 0);
            OK(dxgrt_stream_wait_cuda_event(stream, event));
        } else {
            OK(dxgrt_stream_wait_cuda(stream, theirs, NULL));
        }
        OK(dxgrt_launch(stream, axpy, &params, NULL));
        if (by_events) {
            OK(dxgrt_stream_record_cuda_event(stream, event));
            CHECK(stream_wait(theirs, event, 0) == 0);
        } else {
            OK(dxgrt_cuda_wait_stream(theirs, stream));
        }
        expected += (float)turn;
    }
    /* As both sides see it: the program behind its own stream, which has been told to wait. */
    static float mine[LEN], yours[LEN];
    CHECK(to_host(yours, sum, BYTES, theirs) == 0 && stream_sync(theirs) == 0);
    OK(dxgrt_copy_d2h(stream, mine, sum, BYTES, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    for (int i = 0; i < LEN; i++) CHECK(mine[i] == expected && yours[i] == expected);
}

static void misuse(void) {
    dxgrt_fence done = {7, 7};
    EXPECT(DXGRT_INVALID, dxgrt_stream_wait_cuda_event(stream, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_stream_record_cuda_event(stream, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_cuda_context(gpu, NULL));
    EXPECT(DXGRT_INVALID, dxgrt_mem_import(gpu, 0x1000, 16, tell, NULL, NULL));
    /* CUDA's default stream is one. */
    OK(dxgrt_stream_wait_cuda(stream, NULL, &done));
    OK(dxgrt_cuda_wait_stream(NULL, stream));
    OK(dxgrt_fence_wait_all(gpu, &done, 1, DXGRT_FOREVER));
    /* A device that is none of CUDA. */
    dxgrt_ctx *software;
    dxgrt_stream *other;
    dxgrt_mem *memory = NULL;
    void *out = NULL;
    OK(dxgrt_open("software", NULL, &software));
    OK(dxgrt_stream_default(software, &other));
    EXPECT(DXGRT_UNSUPPORTED, dxgrt_cuda_context(software, &out));
    EXPECT(DXGRT_UNSUPPORTED, dxgrt_mem_import(software, 0x1000, 16, tell, NULL, &memory));
    EXPECT(DXGRT_UNSUPPORTED, dxgrt_stream_wait_cuda(other, theirs, NULL));
    EXPECT(DXGRT_UNSUPPORTED, dxgrt_cuda_wait_stream(theirs, other));
    EXPECT(DXGRT_UNSUPPORTED, dxgrt_stream_wait_cuda_event(other, event));
    EXPECT(DXGRT_UNSUPPORTED, dxgrt_stream_record_cuda_event(other, event));
    CHECK(memory == NULL && out == NULL);
    OK(dxgrt_close(software));
}

/* Until somebody has been told once; nobody is told twice. */
static void until_told(int *times) {
    dxgrt_mem_stats usage = {.struct_size = sizeof usage};
    for (int wait = 0; wait < 10000 && told(times) == 0; wait++) {
        usleep(1000);
        if (gpu != NULL) OK(dxgrt_mem_usage(gpu, &usage));
    }
    CHECK(told(times) == 1);
}

int main(void) {
    int context_released = 0, memory_released = 0, gpus = 0;
    uint64_t address = 0;
    void *current = NULL;
    dxgrt_module *module;
    dxgrt_kernel *axpy;
    dxgrt_mem *ours, *imported;
    load_driver();
    CHECK(device_count(&gpus) == 0 && gpus > 0);
    CHECK(context_create(&context, 0, 0) == 0 && stream_create(&theirs, 1) == 0 && event_create(&event, 2) == 0);
    CHECK(mem_alloc(&address, BYTES) == 0);
    open_on_the_context(&context_released);
    OK(dxgrt_module_load_file(gpu, "./kernels.ptx", DXGRT_IMAGE_AUTO, &module));
    OK(dxgrt_kernel_get(module, "axpy", &axpy));
    OK(dxgrt_mem_alloc(gpu, BYTES, 0, 0, &ours));
    imported = import(address, &memory_released);
    /* The program's memory is read and ours is written, then the other way round. */
    for (int by_events = 0; by_events < 2; by_events++) {
        in_turn(axpy, address, dxgrt_mem_addr(ours), by_events);
        in_turn(axpy, dxgrt_mem_addr(ours), address, by_events);
    }
    misuse();
    /* Freed with work in flight, which still finds it there. */
    unsigned word = bits(3.0f);
    float read = 0;
    for (int i = 0; i < 50; i++) OK(dxgrt_fill(stream, address, BYTES, &word, 4, NULL));
    OK(dxgrt_copy_d2h(stream, &read, address + BYTES - 4, 4, NULL));
    OK(dxgrt_mem_free(imported, NULL));
    OK(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    CHECK(read == 3.0f);
    until_told(&memory_released);
    CHECK(context_current(&current) == 0 && current == context);
    OK(dxgrt_close(gpu));
    gpu = NULL;
    usleep(20000);
    CHECK(told(&context_released) == 0); /* a handle is left, and its memory is in the context */
    EXPECT(DXGRT_SHUTDOWN, dxgrt_mem_free(ours, NULL));
    EXPECT(DXGRT_SHUTDOWN, dxgrt_module_unload(module));
    until_told(&context_released);
    CHECK(told(&memory_released) == 1);
    CHECK(stream_destroy(theirs) == 0 && event_destroy(event) == 0 && mem_free(address) == 0 && context_destroy(context) == 0);
    printf("%d turns with a program's own CUDA context, memory, streams and events\n", 4 * TURNS);
    return 0;
}

/* The library as a plug-in of a program that is not linked with it: loaded, used and let go a hundred times. */
#include "check.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 100 };

static int entries(const char *folder) {
    DIR *listed = opendir(folder);
    CHECK(listed != NULL);
    int count = 0;
    while (readdir(listed) != NULL) count++;
    closedir(listed);
    return count;
}

/* How many pieces of the library are mapped. */
static int pieces(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[4096];
    int count = 0;
    while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, "libdxgrt.so") != NULL;
    fclose(maps);
    return count;
}

static int told;

static void tell(void *user, dxgrt_status status) {
    CHECK(user == &told && status == DXGRT_OK);
    __atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
}

/* ISO C has no way from a pointer to a function; POSIX has this one. */
#define FIND(library, name)                                                                                            \
    do {                                                                                                               \
        *(void **)&name##_ = dlsym(library, #name);                                                                    \
        CHECK(name##_ != NULL);                                                                                        \
    } while (0)

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "libdxgrt.so.0";
    int mapped = 0, threads = 0, descriptors = 0;
    CHECK(pieces() == 0);
    for (int i = 0; i < TIMES; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) fprintf(stderr, "%s\n", dlerror());
        CHECK(library != NULL);
        dxgrt_status (*dxgrt_open_)(const char *, const dxgrt_open_options *, dxgrt_ctx **);
        dxgrt_status (*dxgrt_mem_alloc_)(dxgrt_ctx *, uint64_t, uint64_t, uint32_t, dxgrt_mem **);
        uint64_t (*dxgrt_mem_addr_)(const dxgrt_mem *);
        dxgrt_status (*dxgrt_stream_default_)(dxgrt_ctx *, dxgrt_stream **);
        dxgrt_status (*dxgrt_fill_)(dxgrt_stream *, uint64_t, uint64_t, const void *, uint32_t, dxgrt_fence *);
        dxgrt_status (*dxgrt_copy_d2h_)(dxgrt_stream *, void *, uint64_t, uint64_t, dxgrt_fence *);
        dxgrt_status (*dxgrt_fence_on_done_)(dxgrt_ctx *, dxgrt_fence, dxgrt_fence_callback, void *);
        dxgrt_status (*dxgrt_stream_sync_)(dxgrt_stream *, uint64_t);
        dxgrt_status (*dxgrt_mem_free_)(dxgrt_mem *, dxgrt_stream *);
        dxgrt_status (*dxgrt_close_)(dxgrt_ctx *);
        FIND(library, dxgrt_open);
        FIND(library, dxgrt_mem_alloc);
        FIND(library, dxgrt_mem_addr);
        FIND(library, dxgrt_stream_default);
        FIND(library, dxgrt_fill);
        FIND(library, dxgrt_copy_d2h);
        FIND(library, dxgrt_fence_on_done);
        FIND(library, dxgrt_stream_sync);
        FIND(library, dxgrt_mem_free);
        FIND(library, dxgrt_close);
        dxgrt_ctx *gpu;
        dxgrt_mem *memory;
        dxgrt_stream *stream;
        dxgrt_fence done;
        uint32_t value = (uint32_t)i, read = ~value;
        CHECK(dxgrt_open_("software", NULL, &gpu) == DXGRT_OK);
        CHECK(dxgrt_mem_alloc_(gpu, 64, 0, 0, &memory) == DXGRT_OK);
        CHECK(dxgrt_stream_default_(gpu, &stream) == DXGRT_OK);
        uint64_t x = dxgrt_mem_addr_(memory);
        CHECK(dxgrt_fill_(stream, x, 64, &value, 4, NULL) == DXGRT_OK);
        CHECK(dxgrt_copy_d2h_(stream, &read, x + 60, 4, &done) == DXGRT_OK);
        CHECK(dxgrt_fence_on_done_(gpu, done, tell, &told) == DXGRT_OK);
        CHECK(dxgrt_stream_sync_(stream, DXGRT_FOREVER) == DXGRT_OK && read == value);
        CHECK(dxgrt_mem_free_(memory, NULL) == DXGRT_OK);
        CHECK(dxgrt_close_(gpu) == DXGRT_OK);
        CHECK(dlclose(library) == 0);
        /* From time to time also left open and closed twice, which only counts. */
        if (i % 10 == 0) {
            void *again = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            CHECK(again != NULL && dlclose(again) == 0);
        }
        /* Threads that were about to end have a moment to do so. */
        for (int wait = 0; i > 0 && wait < 2000 && entries("/proc/self/task") > threads; wait++) usleep(1000);
        if (i == 0) {
            usleep(100000);
            mapped = pieces(), threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
            CHECK(mapped > 0);
        }
        CHECK(pieces() == mapped);
        CHECK(entries("/proc/self/task") <= threads);
        CHECK(entries("/proc/self/fd") == descriptors);
    }
    CHECK(told == TIMES);
    /* The handler that notices a fork is still there when the library was let go. */
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(0);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("loaded and let go %d times\n", TIMES);
    return 0;
}

/* A poll loop of one thread: several streams, each with an eventfd, nothing blocks but poll(2). */
#include "check.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STREAMS = 4, ROUNDS = 50, N = 256 };

int main(void) {
    dxgrt_ctx *gpu;
    OK(dxgrt_open("software", NULL, &gpu));
    dxgrt_module *module;
    dxgrt_kernel *affine;
    OK(dxgrt_module_load_file(gpu, "./kernels.so", DXGRT_IMAGE_AUTO, &module));
    OK(dxgrt_kernel_get(module, "affine", &affine));
    dxgrt_stream *streams[STREAMS];
    struct pollfd polled[STREAMS];
    dxgrt_fence done[STREAMS];
    uint32_t out[STREAMS][N], rounds[STREAMS] = {0}, finished = 0, zero = 0;
    uint64_t address[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        dxgrt_mem *memory;
        OK(dxgrt_stream_create(gpu, NULL, &streams[i]));
        OK(dxgrt_mem_alloc(gpu, N * 4, 0, 0, &memory));
        address[i] = dxgrt_mem_addr(memory);
        OK(dxgrt_fill(streams[i], address[i], N * 4, &zero, 4, NULL));
        polled[i] = (struct pollfd){.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), .events = POLLIN};
        CHECK(polled[i].fd >= 0);
        done[i] = (dxgrt_fence){0, 0};
    }
    while (finished < STREAMS) {
        CHECK(poll(polled, STREAMS, 20000) > 0);
        for (int i = 0; i < STREAMS; i++) {
            uint64_t count;
            if (!(polled[i].revents & POLLIN)) continue;
            CHECK(read(polled[i].fd, &count, sizeof count) == sizeof count && count == 1);
            OK(dxgrt_fence_poll(gpu, done[i]));
            /* The data is there as soon as the descriptor says so. */
            if (rounds[i] > 0) CHECK(out[i][0] == rounds[i] && out[i][N - 1] == rounds[i]);
            if (rounds[i] == ROUNDS) {
                finished++;
                continue;
            }
            struct affine args = {.x = address[i], .n = N, .a = 1, .b = 1};
            dxgrt_launch_params params = launch_of(&args, sizeof args, 4, 64);
            OK(dxgrt_launch(streams[i], affine, &params, NULL));
            OK(dxgrt_copy_d2h(streams[i], out[i], address[i], sizeof out[i], &done[i]));
            /* The library keeps a descriptor of its own. */
            int mine = dup(polled[i].fd);
            OK(dxgrt_fence_eventfd(gpu, done[i], mine));
            close(mine);
            rounds[i]++;
        }
    }
    dxgrt_stats stats = {.struct_size = sizeof stats};
    OK(dxgrt_stats_get(gpu, &stats));
    CHECK(stats.launches == STREAMS * ROUNDS && stats.waits == 0);
    for (int i = 0; i < STREAMS; i++) close(polled[i].fd);
    OK(dxgrt_close(gpu));
    printf("%d rounds of %d streams, no wait\n", ROUNDS, STREAMS);
    return 0;
}

#include <dxgrt.h>
#include <stdio.h>
#define TRY(call) if ((call) < 0) { char why[256]; dxgrt_last_error(why, sizeof why); return fprintf(stderr, "%s\n", why); }

int main(void) {
    dxgrt_ctx *gpu; dxgrt_stream *stream; dxgrt_module *module; dxgrt_kernel *add_one; dxgrt_mem *memory;
    float x[256] = {0};
    TRY(dxgrt_open("software", NULL, &gpu));
    TRY(dxgrt_stream_default(gpu, &stream));
    TRY(dxgrt_module_load_file(gpu, "./add_one.so", DXGRT_IMAGE_AUTO, &module));
    TRY(dxgrt_kernel_get(module, "add_one", &add_one));
    TRY(dxgrt_mem_alloc(gpu, sizeof x, 0, 0, &memory));
    uint64_t address = dxgrt_mem_addr(memory);
    TRY(dxgrt_copy_h2d(stream, address, x, sizeof x, DXGRT_COPY_SNAPSHOT, NULL, NULL));
    dxgrt_launch_params launch = {.struct_size = sizeof launch, .grid = {4, 1, 1}, .block = {64, 1, 1},
                                  .args = &address, .args_size = sizeof address};
    for (int i = 0; i < 1000; i++) TRY(dxgrt_launch(stream, add_one, &launch, NULL));
    TRY(dxgrt_copy_d2h(stream, x, address, sizeof x, NULL));
    TRY(dxgrt_stream_sync(stream, DXGRT_FOREVER));
    dxgrt_stats stats = {.struct_size = sizeof stats};
    TRY(dxgrt_stats_get(gpu, &stats));
    printf("x[255] = %g, %d launches, %d batches\n", x[255], (int)stats.launches, (int)stats.batches);
    return dxgrt_close(gpu);
}

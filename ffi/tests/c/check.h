/* What the test programs share. */
#ifndef CHECK_H
#define CHECK_H

#include <dxgrt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program unless the call answers `expected`. */
#define EXPECT(expected, call)                                                                                         \
    do {                                                                                                               \
        int answer_ = (int)(call);                                                                                     \
        if (answer_ != (int)(expected)) {                                                                              \
            char why_[512] = "";                                                                                       \
            dxgrt_last_error(why_, sizeof why_);                                                                       \
            fprintf(stderr, "%s:%d: %s\n  answered %s, expected %s\n  last error: %s\n", __FILE__, __LINE__, #call,    \
                    dxgrt_status_name(answer_), dxgrt_status_name((int)(expected)), why_);                             \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Ends the program unless the call succeeds. */
#define OK(call) EXPECT(DXGRT_OK, call)

/* Ends the program unless the condition holds. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

struct affine { uint64_t x; uint32_t n, a, b, pad; };
struct slow { uint64_t x; uint32_t n, pad; };

static inline dxgrt_launch_params launch_of(const void *args, uint32_t size, uint32_t blocks, uint32_t threads) {
    dxgrt_launch_params params = {.struct_size = sizeof params, .grid = {blocks, 1, 1}, .block = {threads, 1, 1}};
    params.args = args;
    params.args_size = size;
    return params;
}

static inline dxgrt_cmd command_launch(dxgrt_kernel *kernel, dxgrt_launch_params params) {
    dxgrt_cmd cmd = {.struct_size = sizeof cmd, .kind = DXGRT_CMD_LAUNCH};
    cmd.u.launch.kernel = kernel;
    cmd.u.launch.params = params;
    return cmd;
}

#endif

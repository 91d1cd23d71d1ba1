/* Kernels of the test programs. */
#include <dxgrt.h>

/* x[i] = a * x[i] + b, for n elements. */
struct affine { uint32_t *x; uint32_t n, a, b; };
void affine(const struct affine *args, const struct dxgrt_wg *wg) {
    uint32_t begin = wg->group[0] * wg->local[0];
    for (uint32_t i = begin; i < begin + wg->local[0] && i < args->n; i++) args->x[i] = args->a * args->x[i] + args->b;
}

/* Takes a while: n rounds of arithmetic, the result of which is kept. */
struct slow { uint32_t *x; uint32_t n; };
void slow(const struct slow *args, const struct dxgrt_wg *wg) {
    uint32_t value = wg->group[0] + 1;
    for (uint32_t i = 0; i < args->n; i++) value = value * 1664525u + 1013904223u;
    args->x[wg->group[0]] = value;
}

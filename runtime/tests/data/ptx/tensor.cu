// Asynchronous copies, matrix instructions and barriers in memory, for sm_80 and sm_90.
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;

// 16 x 16 tiles of half products summed in float.
extern "C" __global__ void tiles(const __half *a, const __half *b, float *c, int k, int n)
{
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 0.0f);
    for (int t = 0; t < k; t += 16) {
        wmma::load_matrix_sync(fa, a + blockIdx.y * 16 * k + t, k);
        wmma::load_matrix_sync(fb, b + t * n + blockIdx.x * 16, n);
        wmma::mma_sync(fc, fa, fb, fc);
    }
    wmma::store_matrix_sync(c + blockIdx.y * 16 * n + blockIdx.x * 16, fc, n, wmma::mem_row_major);
}

// A block's slice through shared memory by cp.async.
extern "C" __global__ void staged(const float4 *x, float4 *y, float factor)
{
    __shared__ __align__(16) float4 slice[128];
    unsigned at = blockIdx.x * 128 + threadIdx.x, to = (unsigned)__cvta_generic_to_shared(&slice[threadIdx.x]);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(__cvta_generic_to_global(x + at)) : "memory");
    asm volatile("cp.async.commit_group;\n cp.async.wait_group 0;" ::: "memory");
    __syncthreads();
    float4 v = slice[127 - threadIdx.x];
    y[at] = make_float4(v.x * factor, v.y * factor, v.z * factor, v.w * factor);
}

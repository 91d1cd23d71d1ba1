// Kernels of many kinds for the rewriting of PTX: all of them may be merged.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define KERNEL extern "C" __global__ void

// Dynamic shared memory, warp shuffles, a float atomic.
KERNEL reduce(const float *x, float *sums, int n)
{
    extern __shared__ float partial[];
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        sum += x[i];
    for (int o = 16; o; o >>= 1)
        sum += __shfl_xor_sync(~0u, sum, o);
    if (threadIdx.x % 32 == 0)
        partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < blockDim.x / 32; w++)
            sum += partial[w];
        sums[blockIdx.x] = sum;
    }
}

// Three dimensions of grid and block.
KERNEL stencil(const float *in, float *out, int nx, int ny, int nz)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y,
        z = blockIdx.z * blockDim.z + threadIdx.z;
    if (x >= nx || y >= ny || z >= nz)
        return;
    auto at = [&](int i, int j, int k) {
        return i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz ? 0.0f : in[(k * ny + j) * nx + i];
    };
    out[(z * ny + y) * nx + x] = 0.5f * at(x, y, z) + 0.25f * (at(x - 1, y, z) + at(x + 1, y, z)) +
                                 0.125f * (at(x, y - 1, z) + at(x, y + 1, z) + at(x, y, z - 1) + at(x, y, z + 1));
}

// Every integer of a launch's shape, and narrow parameters.
KERNEL shape(unsigned *out, unsigned char a, short b, bool c, unsigned long long d, unsigned n)
{
    unsigned long long block = blockIdx.x + (unsigned long long)gridDim.x * (blockIdx.y + (unsigned long long)gridDim.y * blockIdx.z);
    unsigned long long i = block * blockDim.x + threadIdx.x;
    if (i < n)
        out[i] = a + 3 * b + (c ? 1000 : 0) + (unsigned)d + 7 * gridDim.x + 11 * gridDim.y + 13 * gridDim.z + 17 * blockIdx.z;
}

// A structure whose fields are loaded as vectors, and one of odd size.
struct Affine {
    float4 row[3];
    int2 limits;
};
struct Odd {
    char tag[3];
    short step;
};
KERNEL transform(Affine t, const float4 *in, float4 *out, Odd odd)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < t.limits.x || i >= t.limits.y)
        return;
    float4 p = in[i];
    out[i] = make_float4(t.row[0].x * p.x + t.row[0].y * p.y + t.row[0].z * p.z + t.row[0].w,
                         t.row[1].x * p.x + t.row[1].y * p.y + t.row[1].z * p.z + t.row[1].w,
                         t.row[2].x * p.x + t.row[2].y * p.y + t.row[2].z * p.z + t.row[2].w, odd.tag[1] + odd.step);
}

// Double precision with a table in the module and a function call of the compiler's own.
KERNEL waves(const double *x, double *y, unsigned n)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = sin(x[i]) * exp(-x[i]) + pow(fabs(x[i]), 1.5);
}

static __device__ __noinline__ float polynomial(float x, int degree)
{
    float value = 0;
    for (int k = 0; k <= degree; k++)
        value = value * x + (k & 3) - 1.5f + threadIdx.x % 3;
    return value;
}

// A call to a function that knows nothing of the grid.
KERNEL calls(const float *x, float *y, int degree, unsigned n)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = polynomial(x[i], degree);
}

// A jump table, and constant memory.
__constant__ int weights[8] = {3, 1, 4, 1, 5, 9, 2, 6};
KERNEL dispatch(const int *codes, int *out, unsigned n)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    int v = i;
    switch (codes[i] & 7) {
    case 0: v = v * 3 + 1; break;
    case 1: v = v / 7; break;
    case 2: v = __popc(v); break;
    case 3: v = __brev(v); break;
    case 4: v = v * v; break;
    case 5: v = __clz(v); break;
    case 6: v ^= 0x55aa; break;
    default: v = -v;
    }
    out[i] = v * weights[codes[i] & 7];
}

// Half precision.
KERNEL halves(const __half2 *x, __half2 *y, __half factor, __nv_bfloat16 shift, unsigned n)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = __hfma2(x[i], __half2half2(factor), __float2half2_rn(__bfloat162float(shift)));
}

// Local memory, a launch bound, a register bound.
KERNEL __launch_bounds__(128, 2) median(const int *x, int *out, int window, unsigned n)
{
    int local[32];
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int count = min(window, 31);
        for (int k = 0; k < count; k++) {
            int v = x[(i + k) % n], at = k;
            for (; at > 0 && local[at - 1] > v; at--)
                local[at] = local[at - 1];
            local[at] = v;
        }
        out[i] = local[count / 2];
    }
}

// A histogram in shared memory that is added to one in global memory.
KERNEL histogram(const unsigned char *x, unsigned *counts, unsigned n)
{
    __shared__ unsigned bins[256];
    for (unsigned b = threadIdx.x; b < 256; b += blockDim.x)
        bins[b] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&bins[x[i]], 1u);
    __syncthreads();
    for (unsigned b = threadIdx.x; b < 256; b += blockDim.x)
        if (bins[b])
            atomicAdd(&counts[b], bins[b]);
}

// No parameters, and nothing to see.
KERNEL nothing()
{
}

// A name with everything in it.
template <typename T, int N> __global__ void many(T *out)
{
    out[blockIdx.x * N + threadIdx.x] = T(N) * T(blockIdx.x);
}
template __global__ void many<long long, 64>(long long *);

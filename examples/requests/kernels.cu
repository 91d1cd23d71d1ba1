// The kernels of requests for CUDA, equal to the Rust kernels bit for bit.
//
// Parameters are those of the Rust kernels in their order, then `n`, the number of values. Any grid of one dimension will
// do.
//
// kernels.ptx is this file compiled (NVRTC 12.9, --gpu-architecture=compute_70 -fmad=false), its .version lowered to 6.4
// so that old drivers take it. Change both together.

typedef unsigned int u32;

#define EACH(i, n) \
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x, step_ = gridDim.x * blockDim.x; i < (n); i += step_)

extern "C" __global__ void scale(const float *x, float *y, float factor, u32 n)
{
    EACH(i, n) y[i] = x[i] * factor;
}

extern "C" __global__ void shift(const float *x, float *y, float offset, u32 n)
{
    EACH(i, n) y[i] = x[i] + offset;
}

extern "C" __global__ void clamp(const float *x, float *y, float limit, u32 n)
{
    EACH(i, n) y[i] = fminf(x[i], limit);
}

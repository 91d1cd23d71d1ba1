// The kernels of nbody for CUDA: what physics.rs computes, in the same order, so that results are equal bit for bit.
//
// Parameters are those of the Rust kernels in their order, then `n`, the number of output values (four a body). Any grid
// of one dimension will do.
//
// kernels.ptx is this file compiled (NVRTC 12.9, --gpu-architecture=compute_70 -fmad=false), its .version lowered to 6.4
// so that old drivers take it. Change both together.

typedef unsigned int u32;

#define EACH(i, n) \
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x, step_ = gridDim.x * blockDim.x; i < (n); i += step_)
#define SOFTENING 0.05f

extern "C" __global__ void attract(const float4 *bodies, float4 *out, u32 n)
{
    EACH(i, n / 4) {
        float4 target = bodies[i];
        float x = 0, y = 0, z = 0;
        for (u32 k = 0; k < n / 4; k++) {
            float4 other = bodies[k];
            float dx = other.x - target.x, dy = other.y - target.y, dz = other.z - target.z;
            float square = dx * dx + dy * dy + dz * dz + SOFTENING * SOFTENING;
            float strength = other.w / (square * sqrtf(square));
            x += strength * dx;
            y += strength * dy;
            z += strength * dz;
        }
        out[i] = make_float4(x, y, z, 0);
    }
}

// y += factor · x
extern "C" __global__ void add_scaled(const float *x, float *y, float factor, u32 n)
{
    EACH(i, n) y[i] += factor * x[i];
}

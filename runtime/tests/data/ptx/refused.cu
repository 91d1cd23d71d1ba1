// Kernels that must not be merged.
#define KERNEL extern "C" __global__ void

static __device__ __noinline__ unsigned where(unsigned n)
{
    return blockIdx.x * n + threadIdx.x;
}
// A function that reads the grid.
KERNEL calls_where(unsigned *out, unsigned n)
{
    out[where(n)] = n;
}

// The address of a parameter.
struct Table {
    int value[16];
};
KERNEL indexed(const __grid_constant__ Table table, int *out)
{
    const int *p = table.value;
    out[threadIdx.x] = p[threadIdx.x & 15];
}

// A counter that all launches share.
__device__ unsigned arrived;
KERNEL counts(unsigned *out)
{
    if (threadIdx.x == 0)
        out[blockIdx.x] = atomicAdd(&arrived, 1);
}

// A function known only at run time.
typedef float (*Function)(float);
KERNEL indirect(float *x, Function f)
{
    x[blockIdx.x] = f(x[blockIdx.x]);
}

// An assertion prints the block that failed.
extern "C" __device__ void __assertfail(const char *, const char *, unsigned, const char *, size_t);
KERNEL asserts(int *x, int n)
{
    if (x[blockIdx.x] >= n)
        __assertfail("x < n", "refused.cu", 44, "asserts", 1);
    x[blockIdx.x] += 1;
}

// A texture.
KERNEL texture(unsigned long long object, float4 *out)
{
    float4 v;
    asm("tex.2d.v4.f32.s32 {%0, %1, %2, %3}, [%4, {%5, %6}];"
        : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(object), "r"(threadIdx.x), "r"(blockIdx.x));
    out[threadIdx.x] = v;
}

// Dependent launch.
KERNEL dependent(int *x)
{
    asm volatile("griddepcontrol.wait;" ::: "memory");
    x[blockIdx.x] += 1;
}

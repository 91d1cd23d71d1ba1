// The kernel of matmul for CUDA. Entries are small whole numbers, so that sums are exact in any order.
//
// Parameters are those of the Rust kernel in their order, then `n`, the number of entries of c. Any grid of one dimension
// will do.
//
// kernels.ptx is this file compiled (NVRTC 12.9, --gpu-architecture=compute_70 -fmad=false), its .version lowered to 6.4
// so that old drivers take it. Change both together.

typedef unsigned int u32;

// Some rows of c = a · b: rows of a, all of b, rows of c, columns.
extern "C" __global__ void matmul_panel(const float *a, const float *b, float *c, u32 columns, u32 n)
{
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x; i < n; i += step) {
        u32 row = i / columns, column = i % columns;
        float sum = 0;
        for (u32 k = 0; k < columns; k++)
            sum += a[row * columns + k] * b[k * columns + column];
        c[i] = sum;
    }
}

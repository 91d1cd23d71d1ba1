// The classifier's kernels for CUDA: what math.rs computes, in the same order, so that all but exp and ln are equal bit
// for bit.
//
// Parameters are those of kernels.rs in their order, then the sizes that a Rust kernel knows from its slices: `n` is the
// number of output elements unless it says otherwise. Any grid of one dimension will do.
//
// kernels.ptx is this file compiled (NVRTC 12.9, --gpu-architecture=compute_70 -fmad=false), its .version lowered to 6.4
// so that old drivers take it. Change both together.

typedef unsigned int u32;

#define KERNEL extern "C" __global__ void
#define EACH(i, n) \
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x, step_ = gridDim.x * blockDim.x; i < (n); i += step_)

KERNEL gather_rows(const float *table, const u32 *order, float *out, u32 begin, u32 columns, u32 n)
{
    EACH(i, n) out[i] = table[order[begin + i / columns] * columns + i % columns];
}

KERNEL gather_labels(const u32 *table, const u32 *order, u32 *out, u32 begin, u32 n)
{
    EACH(i, n) out[i] = table[order[begin + i]];
}

KERNEL matmul(const float *a, const float *b, float *out, u32 inner, u32 columns, u32 n)
{
    EACH(i, n) {
        u32 row = i / columns, column = i % columns;
        float sum = 0;
        for (u32 k = 0; k < inner; k++)
            sum += a[row * inner + k] * b[k * columns + column];
        out[i] = sum;
    }
}

// `inner`, the rows of a, follows n.
KERNEL matmul_transposed_a(const float *a, const float *b, float *out, u32 a_columns, u32 columns, u32 n, u32 inner)
{
    EACH(i, n) {
        u32 row = i / columns, column = i % columns;
        float sum = 0;
        for (u32 k = 0; k < inner; k++)
            sum += a[k * a_columns + row] * b[k * columns + column];
        out[i] = sum;
    }
}

KERNEL matmul_transposed_b(const float *a, const float *b, float *out, u32 inner, u32 columns, u32 n)
{
    EACH(i, n) {
        u32 row = i / columns, column = i % columns;
        // Where Rust's sums begin.
        float sum = -0.0f;
        for (u32 k = 0; k < inner; k++)
            sum += a[row * inner + k] * b[column * inner + k];
        out[i] = sum;
    }
}

// `columns`, the length of the bias, follows n.
KERNEL add_bias(const float *bias, float *out, u32 n, u32 columns)
{
    EACH(i, n) out[i] += bias[i % columns];
}

KERNEL relu(const float *input, float *out, u32 n)
{
    EACH(i, n) out[i] = fmaxf(input[i], 0.0f);
}

KERNEL relu_backward(const float *gradient, const float *activation, float *out, u32 n)
{
    EACH(i, n) out[i] = activation[i] > 0.0f ? gradient[i] : 0.0f;
}

KERNEL row_max(const float *input, float *out, u32 columns, u32 n)
{
    EACH(i, n) {
        float largest = -__int_as_float(0x7f800000);
        for (u32 k = 0; k < columns; k++)
            largest = fmaxf(largest, input[i * columns + k]);
        out[i] = largest;
    }
}

KERNEL row_sum(const float *input, float *out, u32 columns, u32 n)
{
    EACH(i, n) {
        float sum = -0.0f;
        for (u32 k = 0; k < columns; k++)
            sum += input[i * columns + k];
        out[i] = sum;
    }
}

// `rows` of the input follow n.
KERNEL column_sum(const float *input, float *out, u32 columns, u32 n, u32 rows)
{
    EACH(i, n) {
        float sum = 0;
        for (u32 k = 0; k < rows; k++)
            sum += input[k * columns + i];
        out[i] = sum;
    }
}

KERNEL exp_shifted(const float *input, const float *shift, float *out, u32 columns, u32 n)
{
    EACH(i, n) out[i] = expf(input[i] - shift[i / columns]);
}

KERNEL divide_rows(const float *input, const float *divisor, float *out, u32 columns, u32 n)
{
    EACH(i, n) out[i] = input[i] / divisor[i / columns];
}

KERNEL row_loss(const float *probabilities, const u32 *labels, float *out, u32 columns, u32 n)
{
    EACH(i, n) out[i] = -logf(fmaxf(probabilities[i * columns + labels[i]], 1.17549435e-38f));
}

// n: the number of rows.
KERNEL accumulate(const float *rows, float *total, float scale, u32 n)
{
    if (blockIdx.x + threadIdx.x > 0)
        return;
    float sum = -0.0f;
    for (u32 i = 0; i < n; i++)
        sum += rows[i];
    total[0] += sum * scale;
}

KERNEL softmax_backward(const float *probabilities, const u32 *labels, float *out, float scale, u32 columns, u32 n)
{
    EACH(i, n) out[i] = (probabilities[i] - (labels[i / columns] == i % columns ? 1.0f : 0.0f)) * scale;
}

KERNEL momentum(const float *gradient, float *velocity, float factor, u32 n)
{
    EACH(i, n) velocity[i] = factor * velocity[i] + gradient[i];
}

KERNEL step(const float *velocity, float *weights, float rate, u32 n)
{
    EACH(i, n) weights[i] -= rate * velocity[i];
}

// n: the number of values.
KERNEL argmax(const float *values, u32 *out, u32 n)
{
    if (blockIdx.x + threadIdx.x > 0)
        return;
    u32 best = 0;
    for (u32 i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    out[0] = best;
}

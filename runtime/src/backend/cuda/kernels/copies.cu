// Many small copies and fills in one launch, and the store that tells the host about completion.
//
// copies.ptx is this file compiled (NVRTC 12.9, --gpu-architecture=compute_70), its .version lowered to 6.4 so that old
// drivers take it. Change both together.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct Copy {
    u64 src, dst, len;
};

struct __align__(16) Fill {
    u64 dst, len;
    // Byte i of the destination becomes byte i % 16 of this: shorter patterns are repeated.
    u64 pattern[2];
};

// Elements from `lane` on, four loads in flight.
template <typename T> static __device__ __forceinline__ void copy_elements(u64 dst, u64 src, u64 count, u32 lane)
{
    T *to = (T *)dst;
    const T *from = (const T *)src;
    u64 i = lane;
    for (; i + 96 < count; i += 128) {
        T a = from[i], b = from[i + 32], c = from[i + 64], d = from[i + 96];
        to[i] = a;
        to[i + 32] = b;
        to[i + 64] = c;
        to[i + 96] = d;
    }
    for (; i < count; i += 32)
        to[i] = from[i];
}

// The bytes up to where both sides are aligned, elements, the bytes that are left. Both sides are as far from alignment.
template <typename T> static __device__ __forceinline__ void copy_aligned(const Copy &copy, u32 lane)
{
    u64 head = (0 - copy.dst) & (sizeof(T) - 1);
    if (head > copy.len)
        head = copy.len;
    u64 body = (copy.len - head) & ~(u64)(sizeof(T) - 1), tail = copy.len - head - body;
    if (lane < head)
        ((u8 *)copy.dst)[lane] = ((const u8 *)copy.src)[lane];
    copy_elements<T>(copy.dst + head, copy.src + head, body / sizeof(T), lane);
    if (lane < tail)
        ((u8 *)copy.dst)[head + body + lane] = ((const u8 *)copy.src)[head + body + lane];
}

// One warp a copy. Launched with blocks of a multiple of 32 threads, one-dimensional, of at least `count` warps together.
// Sides that are equally aligned go in 16 bytes at a time, others in as many as they have in common.
extern "C" __global__ void dxgrt_copy(const Copy *table, u32 count)
{
    u64 index = (u64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    u32 lane = threadIdx.x % 32;
    if (index >= count)
        return;
    Copy copy = table[index];
    u32 apart = (u32)(copy.dst ^ copy.src) & 15;
    if (apart == 0)
        copy_aligned<uint4>(copy, lane);
    else if ((apart & 7) == 0)
        copy_aligned<u64>(copy, lane);
    else if ((apart & 3) == 0)
        copy_aligned<u32>(copy, lane);
    else if ((apart & 1) == 0)
        copy_aligned<u16>(copy, lane);
    else
        copy_elements<u8>(copy.dst, copy.src, copy.len, lane);
}

static __device__ __forceinline__ u8 pattern_byte(const Fill &fill, u64 i)
{
    return (u8)((i & 8 ? fill.pattern[1] : fill.pattern[0]) >> (i % 8 * 8));
}

// One warp a fill, launched like dxgrt_copy.
extern "C" __global__ void dxgrt_fill(const Fill *table, u32 count)
{
    u64 index = (u64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    u32 lane = threadIdx.x % 32;
    if (index >= count)
        return;
    Fill fill = table[index];
    u64 head = (0 - fill.dst) & 15;
    if (head > fill.len)
        head = fill.len;
    u64 body = (fill.len - head) & ~15ull, tail = fill.len - head - body;
    if (lane < head)
        ((u8 *)fill.dst)[lane] = pattern_byte(fill, lane);
    // The pattern as it looks `head` bytes later.
    u64 low = head & 8 ? fill.pattern[1] : fill.pattern[0], high = head & 8 ? fill.pattern[0] : fill.pattern[1];
    u32 bits = (u32)(head % 8) * 8;
    ulonglong2 turned = {low, high};
    if (bits != 0) {
        turned.x = low >> bits | high << (64 - bits);
        turned.y = high >> bits | low << (64 - bits);
    }
    ulonglong2 *to = (ulonglong2 *)(fill.dst + head);
    for (u64 i = lane; i < body / 16; i += 32)
        to[i] = turned;
    if (lane < tail)
        ((u8 *)fill.dst)[head + body + lane] = pattern_byte(fill, head + body + lane);
}

// One thread: everything before it in its stream is done, and what it wrote is seen by whoever reads the value.
extern "C" __global__ void dxgrt_signal(u64 *fence, u64 value)
{
    asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(fence), "l"(value) : "memory");
}

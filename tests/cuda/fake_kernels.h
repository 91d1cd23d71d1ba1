/* The kernels that fake_cuda.c knows, as C functions: one call is one block. A part of that file, whose reaches(), setting() and
 * types it uses. */

struct block { u32 group[3], groups[3], threads[3], shared; };
typedef void body(const unsigned char *args, const struct block *b);

static u64 at64(const unsigned char *p, int o) { u64 v; memcpy(&v, p + o, 8); return v; }
static u32 at32(const unsigned char *p, int o) { u32 v; memcpy(&v, p + o, 4); return v; }
static float atf(const unsigned char *p, int o) { float v; memcpy(&v, p + o, 4); return v; }

/* warps of eight: entry = block * 8 + warp */
static void copy(const unsigned char *a, const struct block *b) {
    for (u32 warp = 0; warp < b->threads[0] / 32; warp++) {
        u32 i = b->group[0] * (b->threads[0] / 32) + warp;
        if (i >= at32(a, 8)) return;
        u64 entry = at64(a, 0) + 32 * (u64)i, *e = (u64 *)entry;
        if (!reaches(entry, 32) || !reaches(e[0], e[2]) || !reaches(e[1], e[2])) return;
        memcpy((void *)e[1], (void *)e[0], e[2]);
    }
}
static void fill(const unsigned char *a, const struct block *b) {
    for (u32 warp = 0; warp < b->threads[0] / 32; warp++) {
        u32 i = b->group[0] * (b->threads[0] / 32) + warp;
        if (i >= at32(a, 8)) return;
        u64 entry = at64(a, 0) + 32 * (u64)i, *e = (u64 *)entry;
        if (!reaches(entry, 32) || !reaches(e[0], e[1])) return;
        for (u64 k = 0; k < e[1]; k++) ((unsigned char *)e[0])[k] = e[2] >> 8 * (k & 7);
    }
}
static void fence(const unsigned char *a, const struct block *b) {
    (void)b;
    if (reaches(at64(a, 0), 8) && !*setting("words_lost")) __atomic_store_n((u64 *)at64(a, 0), at64(a, 8), __ATOMIC_RELEASE);
}
static void stamp(const unsigned char *a, const struct block *b) {
    for (u32 t = 0; t < b->threads[0]; t++) {
        u32 i = b->group[0] * b->threads[0] + t;
        if (i >= at32(a, 8)) return;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        u64 to = ((u64 *)at64(a, 0))[i];
        if (reaches(to, 8)) *(u64 *)to = now.tv_sec * 1000000000ull + now.tv_nsec;
    }
}
/* axpy(a, x, y, n) as in tests/data/ptx: y[i] += a * x[i] */
static void axpy(const unsigned char *p, const struct block *b) {
    float a = atf(p, 0), *x = (float *)at64(p, 8), *y = (float *)at64(p, 16);
    u32 n = at32(p, 24);
    for (u32 t = 0; t < b->threads[0]; t++) {
        u32 i = b->group[0] * b->threads[0] + t;
        if (i >= n) return;
        u32 left = n - i < b->threads[0] ? n - i : b->threads[0];
        if (!t && (!reaches((u64)(x + i), 4 * left) || !reaches((u64)(y + i), 4 * left))) return;
        y[i] += a * x[i];
    }
}
/* where(out): out[flat block] = flat block + 1000 * groups[1] : tells of the grid */
static void where(const unsigned char *p, const struct block *b) {
    u32 flat = b->group[0] + b->groups[0] * (b->group[1] + b->groups[1] * b->group[2]), *out = (u32 *)at64(p, 0);
    if (reaches((u64)(out + flat), 4)) out[flat] = flat + 1000 * b->groups[1];
}
static void nothing(const unsigned char *p, const struct block *b) { (void)p, (void)b; }
/* scale, shift and clamp(x, y, factor, n) of examples/requests: y = op(x) over any grid */
static void map(const unsigned char *p, const struct block *b, int op) {
    const float *x = (float *)at64(p, 0), f = atf(p, 16);
    float *y = (float *)at64(p, 8);
    u32 n = at32(p, 20), step = b->groups[0] * b->threads[0];
    if (!reaches((u64)x, 4 * (u64)n) || !reaches((u64)y, 4 * (u64)n)) return;
    for (u32 t = 0; t < b->threads[0]; t++)
        for (u32 i = b->group[0] * b->threads[0] + t; i < n; i += step)
            y[i] = op == 0 ? x[i] * f : op == 1 ? x[i] + f : x[i] < f ? x[i] : f;
}
static void scale(const unsigned char *p, const struct block *b) { map(p, b, 0); }
static void shift(const unsigned char *p, const struct block *b) { map(p, b, 1); }
static void clamp(const unsigned char *p, const struct block *b) { map(p, b, 2); }

/* bytes of the arguments packed, and the size of each */
static const struct known { const char *name; body *run; u32 args; const char *sizes; } known[] = {
    {"dxgrt_copy", copy, 12, "84"}, {"dxgrt_fill", fill, 12, "84"}, {"dxgrt_fence", fence, 16, "88"},
    {"dxgrt_time", stamp, 12, "84"}, {"axpy", axpy, 28, "4884"}, {"where", where, 8, "8"},
    {"nothing", nothing, 0, ""}, {"scale", scale, 24, "8844"}, {"shift", shift, 24, "8844"},
    {"clamp", clamp, 24, "8844"}, {0, 0, 0, 0}};

struct function { const struct known *known; int twin; };

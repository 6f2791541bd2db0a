// What CUDA has and C++ lacks, so that a C++ compiler can compile the source of a kernel and a processor run it.
//
// The threads of a block are contexts that one real thread runs in turn, from barrier to barrier. Blocks run one after another.

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(threads)
#define __grid_constant__

struct Index3 {
    unsigned x, y, z;
};
extern Index3 threadIdx, blockIdx, gridDim;

void __syncthreads();

// What the thread of this lane of the warp passes; all threads of the block take part.
float __shfl_sync(unsigned mask, float value, int lane);
double __shfl_sync(unsigned mask, double value, int lane);

inline double __longlong_as_double(long long bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
inline uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof x);
    return bits;
}
inline int __double2loint(double x) { return (int)(uint32_t)bits_of(x); }
inline int __double2hiint(double x) { return (int)(uint32_t)(bits_of(x) >> 32); }
inline double __hiloint2double(int high, int low) {
    return __longlong_as_double((long long)((uint64_t)(uint32_t)high << 32 | (uint32_t)low));
}
// a + b, rounded down.
inline double __dadd_rd(double a, double b) {
    double sum = a + b, other = sum - a;
    double error = (a - (sum - other)) + (b - other);
    return error < 0.0 ? nextafter(sum, -INFINITY) : sum;
}
inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }

// The arguments of a launch. The columns of a mirrored product are its rows, cut into offsets instead: `part_length` of them for each
// launch, of which this one begins with `first`.
struct Launch {
    const char *params, *rows, *columns, *weights;
    uint64_t row_count, column_count, part_length, parts, kept, wanted;
    char *totals, *values, *indices;
    uint64_t first, offsets, blocks;
};

// A kernel with its constants.
struct Kernel {
    unsigned threads, rows;
    bool mirrored;
    void (*reduce)(const Launch&);
    void (*merge)(const Launch&);
};

// Parameters, as the driver passes them: by value or by their place.
template <class T, size_t N>
void pass(T (&values)[N], const char* params, size_t count) {
    memcpy(values, params, count * sizeof(T));
}
template <class T>
void pass(const T*& values, const char* params, size_t) {
    values = (const T*)params;
}

// Behind the source of a kernel, in a namespace of its own.
#define KEOPS_LAUNCHERS                                                                                                \
    static void launch_reduce(const Launch& l) {                                                                      \
        Params params = {};                                                                                           \
        pass(params.values, l.params, PARAMS);                                                                        \
        keops_reduce(params, (const T*)l.rows, (const T*)l.columns, (const T*)l.weights, nullptr, nullptr,            \
                     l.row_count, l.column_count, l.part_length, l.kept, l.wanted, (Slot*)l.totals, (Out*)l.values,   \
                     (Size*)l.indices);                                                                               \
    }                                                                                                                 \
    static void launch_merge(const Launch& l) {                                                                       \
        keops_merge(l.row_count, l.parts, l.kept, l.wanted, (Slot*)l.totals, (Out*)l.values, (Size*)l.indices);       \
    }                                                                                                                 \
    extern const Kernel kernel = {THREADS, ROWS, false, launch_reduce, launch_merge};

// The same for a mirrored product, which has the totals of rows in `totals` and those of columns in `indices`.
#define KEOPS_MIRRORED_LAUNCHERS                                                                                      \
    static void launch_reduce(const Launch& l) {                                                                      \
        Params params = {};                                                                                           \
        pass(params.values, l.params, PARAMS);                                                                        \
        keops_mirror(params, (const T*)l.rows, (const T*)l.columns, (const T*)l.weights, l.row_count, l.first,        \
                     l.offsets, (l.offsets + l.parts - 1) / l.parts, (Slot*)l.totals, (T*)l.indices);                 \
    }                                                                                                                 \
    static void launch_merge(const Launch& l) {                                                                       \
        keops_gather(l.row_count, l.blocks, l.first, l.offsets, l.parts, (Slot*)l.totals, (T*)l.indices,              \
                     (Out*)l.values);                                                                                 \
    }                                                                                                                 \
    extern const Kernel kernel = {THREADS, ROWS, true, launch_reduce, launch_merge};

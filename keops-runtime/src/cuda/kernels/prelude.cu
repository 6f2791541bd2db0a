// What all kernels begin with. There are no headers: the compiler of CUDA knows its mathematical functions without them.

typedef unsigned long long Size;

__device__ __forceinline__ double infinity() { return __longlong_as_double(0x7ff0000000000000LL); }
__device__ __forceinline__ double not_a_number() { return __longlong_as_double(0x7ff8000000000000LL); }

// 1 / sqrt(x), and 0 at zeros of either sign.
__device__ __forceinline__ float inverse_sqrt(float x) { return x == 0.0f ? 0.0f : rsqrt(x); }
__device__ __forceinline__ double inverse_sqrt(double x) { return x == 0.0 ? 0.0 : rsqrt(x); }

// 2^x. In single precision it is one instruction, to 2 units in the last place; subnormal results are flushed to zero.
__device__ __forceinline__ float power_of_two(float x) {
#ifdef __CUDA_ARCH__
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return exp2(x);
#endif
}
__device__ __forceinline__ double power_of_two(double x) { return exp2(x); }

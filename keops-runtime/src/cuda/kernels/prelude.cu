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

// 2^(j/16), and a copy for each block, which a kernel that may need it begins with.
__device__ const double POWERS[16] = {
    1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721, 1.241857812073484,
    1.2968395546510096, 1.3542555469368927, 1.4142135623730951, 1.4768261459394993, 1.5422108254079407,
    1.6104903319492543, 1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474};
__shared__ double powers[16];

__device__ __forceinline__ void copy_powers() {
    if (threadIdx.x < 16) powers[threadIdx.x] = POWERS[threadIdx.x];
    __syncthreads();
}

// In double precision 2^(k + j/16) (1 + r q(r)), as on processors with AVX-512: ten instructions of the units for double precision, of
// which a multiprocessor has few, where the function of CUDA has sixteen and a branch. Sixteen entries of eight bytes are in different
// banks. To 2 units in the last place; subnormal results are flushed to zero, as in single precision.
__device__ __forceinline__ double power_of_two(double x) {
    // Adding it leaves 16 x, rounded down to an integer, in the lowest bits.
    const double shift = 422212465065984.0;
    double shifted = __dadd_rd(x, shift);
    double r = x - (shifted - shift);
    int n = __double2loint(shifted);
    double root = powers[n & 15];
    double q = fma(0.000157363294684215, r, 0.0013330741478048218);
    q = fma(q, r, 0.00961814080769729);
    q = fma(q, r, 0.05550410841941963);
    q = fma(q, r, 0.2402265069614646);
    q = fma(q, r, 0.6931471805599377);
    double p = fma(root * r, q, root);
    double y = __hiloint2double(__double2hiint(p) + ((n >> 4) << 20), __double2loint(p));
    // The high words of numbers of one sign are in the order of their magnitudes: those below -1022, from 1024 on, and behind infinity NaN.
    int high = __double2hiint(x);
    if ((unsigned)high > 0xc08ff000u) y = 0.0;
    if (high >= 0x40900000) y = infinity();
    if ((high & 0x7fffffff) > 0x7ff00000) y = x;
    return y;
}

// Features and pairs, seen from the kernels: rows and columns are points i and j, or the reverse.

// Features of the parameters: themselves if they are few and the same for all rows, or else where they are.
template <bool BY_VALUE>
struct Parameters {
    T values[PARAMS + !PARAMS];
};
template <>
struct Parameters<false> {
    const T* values;
};
constexpr bool FEW_PARAMS = PARAMS <= PARAMS_BY_VALUE;
typedef Parameters<FEW_PARAMS && !SPANS> Params;

// The parameters of a block of threads, in shared memory if they are few.
__device__ __forceinline__ const T* share_params(const T* p) {
    __shared__ T own[FEW_PARAMS ? PARAMS + !PARAMS : 1];
    if (!FEW_PARAMS) return p;
    for (int k = threadIdx.x; k < PARAMS; k += THREADS) own[k] = p[k];
    __syncthreads();
    return own;
}

// Features of a row, of a column, and the components of a pair.
__device__ __forceinline__ void hoist_row(const T* p, const T* raw, T* out) {
    if (ROWS_ARE_I) hoist_i(p, raw, out);
    else hoist_j(p, raw, out);
}
__device__ __forceinline__ void hoist_column(const T* p, const T* raw, T* out) {
    if (ROWS_ARE_I) hoist_j(p, raw, out);
    else hoist_i(p, raw, out);
}
template <class Terms>
__device__ __forceinline__ void evaluate(const T* p, const T* row, const T* column, Terms& terms) {
    if (ROWS_ARE_I) pair(p, row, column, terms);
    else pair(p, column, row, terms);
}

// The value of a scalar formula.
struct Value {
    T value;
    __device__ __forceinline__ void push(int, T x) { value = x; }
    __device__ __forceinline__ void push_product(int, T a, T b) { value = a * b; }
};

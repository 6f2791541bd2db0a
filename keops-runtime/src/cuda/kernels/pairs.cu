// Features and pairs, seen from the kernels: rows and columns are points i and j, or the reverse.

// Features of the parameters: themselves if they are few, or else where they are.
template <bool BY_VALUE>
struct Parameters {
    T values[PARAMS + !PARAMS];
};
template <>
struct Parameters<false> {
    const T* values;
};
typedef Parameters<PARAMS <= PARAMS_BY_VALUE> Params;

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

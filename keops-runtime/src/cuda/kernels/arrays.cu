typedef unsigned long long Size;

// The columns of one matrix to those of another, row by row, filled up with zeros.
template <class To, class From>
__device__ __forceinline__ void place(To* to, const From* from, Size rows, Size width, Size from_distance, Size columns, Size distance) {
    const Size entry = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (entry >= rows * columns) return;
    const Size row = entry / columns, column = entry % columns;
    to[row * distance + column] = column < width ? (To)from[row * from_distance + column] : (To)0;
}

extern "C" __global__ void __launch_bounds__(THREADS) keops_place_single_single(
    float* to, const float* from, Size rows, Size width, Size from_distance, Size columns, Size distance
) {
    place(to, from, rows, width, from_distance, columns, distance);
}
extern "C" __global__ void __launch_bounds__(THREADS) keops_place_single_double(
    double* to, const float* from, Size rows, Size width, Size from_distance, Size columns, Size distance
) {
    place(to, from, rows, width, from_distance, columns, distance);
}
extern "C" __global__ void __launch_bounds__(THREADS) keops_place_double_single(
    float* to, const double* from, Size rows, Size width, Size from_distance, Size columns, Size distance
) {
    place(to, from, rows, width, from_distance, columns, distance);
}
extern "C" __global__ void __launch_bounds__(THREADS) keops_place_double_double(
    double* to, const double* from, Size rows, Size width, Size from_distance, Size columns, Size distance
) {
    place(to, from, rows, width, from_distance, columns, distance);
}

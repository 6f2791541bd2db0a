// How terms of type T are added up in accumulators of type A.

// A tile starts at zero, adds up its terms in their own type, and is added to the accumulator as a whole.
constexpr int BLOCKS = 0;
// Every term is added to the accumulator.
constexpr int TERMS = 1;
// Every term is added to the accumulator, and every addition is compensated (Kahan 1965).
constexpr int COMPENSATED = 2;

// One number of the totals of a row, where they are kept in memory.
typedef double Slot;

// N sums.
template <int N>
struct Sums {
    static constexpr int SLOTS = SCHEME == COMPENSATED ? 2 * N : N;

    A total[N];
    // What the totals have too much.
    A excess[SCHEME == COMPENSATED ? N : 1];
    T tile[SCHEME == BLOCKS ? N : 1];

    __device__ __forceinline__ void start() {
        for (int k = 0; k < N; ++k) {
            total[k] = 0;
            if (SCHEME == COMPENSATED) excess[k] = 0;
        }
    }

    __device__ __forceinline__ void open() {
        if (SCHEME == BLOCKS) {
            for (int k = 0; k < N; ++k) tile[k] = 0;
        }
    }

    __device__ __forceinline__ void add(int k, T x) {
        if (SCHEME == BLOCKS) tile[k] += x;
        else if (SCHEME == TERMS) total[k] += (A)x;
        else compensate(k, (A)x);
    }

    __device__ __forceinline__ void add_product(int k, T a, T b) {
        if (SCHEME == BLOCKS) tile[k] = fma(a, b, tile[k]);
        else if (SCHEME == TERMS && sizeof(A) == sizeof(T)) total[k] = fma((A)a, (A)b, total[k]);
        else add(k, a * b);
    }

    __device__ __forceinline__ void close() {
        if (SCHEME == BLOCKS) {
            for (int k = 0; k < N; ++k) total[k] += (A)tile[k];
        }
    }

    __device__ __forceinline__ void compensate(int k, A term) {
        term -= excess[k];
        A next = total[k] + term;
        // An infinite sum is not corrected, which would make it NaN.
        excess[k] = fabs(next) < (A)infinity() ? (next - total[k]) - term : (A)0;
        total[k] = next;
    }

    // Multiplies a sum by a factor.
    __device__ __forceinline__ void scale(int k, A factor) {
        total[k] *= factor;
        if (SCHEME == COMPENSATED) excess[k] *= factor;
        if (SCHEME == BLOCKS) tile[k] *= (T)factor;
    }

    // The sum, after its last tile.
    __device__ __forceinline__ double value(int k) const {
        return SCHEME == COMPENSATED ? (double)total[k] - (double)excess[k] : (double)total[k];
    }

    __device__ __forceinline__ void save(Slot* totals, Size stride) const {
        for (int k = 0; k < N; ++k) {
            totals[k * stride] = total[k];
            if (SCHEME == COMPENSATED) totals[(N + k) * stride] = excess[k];
        }
    }

    // Adds a sum that `save` has written, times a factor.
    __device__ __forceinline__ void merge(int k, const Slot* totals, Size stride, A factor) {
        A other = (A)totals[k * stride] * factor;
        if (SCHEME == COMPENSATED) {
            compensate(k, other);
            compensate(k, -((A)totals[(N + k) * stride] * factor));
        } else {
            total[k] += other;
        }
    }
};

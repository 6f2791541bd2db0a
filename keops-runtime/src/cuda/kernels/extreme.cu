// min_j F(i, j), or the maximum if GREATEST, and if INDEXED the lowest j that has it. NaN is skipped.

struct State {
    static constexpr int SLOTS = COMPONENTS;
    int position;
    T best[COMPONENTS];
    // Where in the tile a better one was found, or -1.
    int found[INDEXED ? COMPONENTS : 1];
    Size index[INDEXED ? COMPONENTS : 1];

    __device__ __forceinline__ static bool better(T x, T y) { return GREATEST ? y < x : x < y; }

    __device__ __forceinline__ void start(Slot*, Size, Size, bool) {
        for (int k = 0; k < COMPONENTS; ++k) {
            best[k] = GREATEST ? -(T)infinity() : (T)infinity();
            if (INDEXED) index[k] = 0;
        }
    }

    __device__ __forceinline__ void open(Size) {
        if (INDEXED) {
            for (int k = 0; k < COMPONENTS; ++k) found[k] = -1;
        }
    }

    __device__ __forceinline__ void push(int k, T x) {
        bool replace = better(x, best[k]);
        best[k] = replace ? x : best[k];
        if (INDEXED) found[k] = replace ? position : found[k];
    }
    __device__ __forceinline__ void push_product(int k, T a, T b) { push(k, a * b); }

    __device__ __forceinline__ void close(Size first) {
        if (INDEXED) {
            for (int k = 0; k < COMPONENTS; ++k) {
                if (found[k] >= 0) index[k] = first + found[k];
            }
        }
    }

    __device__ __forceinline__ void save(Slot* totals, Size stride) const {
        for (int k = 0; k < COMPONENTS; ++k) totals[k * stride] = {best[k], INDEXED ? index[k] : 0};
    }

    __device__ __forceinline__ void resume(Slot* totals, Size stride, Size) {
        start(totals, stride, 0, true);
        merge(totals, stride);
    }

    // Adds totals of later columns.
    __device__ __forceinline__ void merge(const Slot* totals, Size stride) {
        for (int k = 0; k < COMPONENTS; ++k) {
            Slot other = totals[k * stride];
            if (better((T)other.value, best[k])) {
                best[k] = (T)other.value;
                if (INDEXED) index[k] = other.index;
            }
        }
    }

    __device__ __forceinline__ void finish(Size row, Size, Out* values, Size* indices) const {
        for (int k = 0; k < COMPONENTS; ++k) {
            values[row * COMPONENTS + k] = (Out)best[k];
            if (INDEXED) indices[row * COMPONENTS + k] = index[k];
        }
    }
};

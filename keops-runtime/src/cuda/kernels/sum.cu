// sum_j F(i, j)

struct State {
    static constexpr int SLOTS = Sums<COMPONENTS>::SLOTS;
    // The position of the column in the tile.
    int position;
    Sums<COMPONENTS> sums;

    __device__ __forceinline__ void start(Slot*, Size, Size, bool) { sums.start(); }
    __device__ __forceinline__ void open(Size) { sums.open(); }
    __device__ __forceinline__ void push(int k, T x) { sums.add(k, x); }
    __device__ __forceinline__ void push_product(int k, T a, T b) { sums.add_product(k, a, b); }
    __device__ __forceinline__ void close(Size) { sums.close(); }
    __device__ __forceinline__ void save(Slot* totals, Size stride) const { sums.save(totals, stride); }

    __device__ __forceinline__ void resume(Slot* totals, Size stride, Size) {
        sums.start();
        merge(totals, stride);
    }

    __device__ __forceinline__ void merge(const Slot* totals, Size stride) {
        for (int k = 0; k < COMPONENTS; ++k) sums.merge(k, totals, stride, (A)1);
    }

    __device__ __forceinline__ void finish(Size row, Size, Out* values, Size*) const {
        for (int k = 0; k < COMPONENTS; ++k) values[row * COMPONENTS + k] = (Out)sums.value(k);
    }
};

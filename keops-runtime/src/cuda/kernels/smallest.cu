// The smallest values over j of every component of F(i, j) in ascending order, and their columns; of equal values those of the
// lowest columns. NaN is skipped.
//
// They are kept in memory, in order, as many as `kept` for each component; only the greatest of them, which a value has to be below,
// is in a register. How many there are is no constant of the code, so that it is compiled once for all numbers.

struct State {
    // For each value that is kept.
    static constexpr int SLOTS = COMPONENTS;
    int position;
    T threshold[COMPONENTS];
    Slot* list;
    Size stride, kept, first;

    __device__ __forceinline__ Slot& at(int k, Size n) { return list[(k * kept + n) * stride]; }

    __device__ __forceinline__ void start(Slot* totals, Size stride_, Size kept_, bool valid) {
        list = totals;
        stride = stride_;
        kept = kept_;
        for (int k = 0; k < COMPONENTS; ++k) {
            // Nothing is below the threshold of a thread without a row.
            threshold[k] = valid ? (T)infinity() : -(T)infinity();
            if (valid) {
                for (Size n = 0; n < kept; ++n) at(k, n) = {infinity(), 0};
            }
        }
    }

    __device__ __forceinline__ void open(Size first_) { first = first_; }
    __device__ __forceinline__ void close(Size) {}
    __device__ __forceinline__ void save(Slot*, Size) const {}

    __device__ void insert(int k, double value, Size index) {
        Size n = kept - 1;
        for (; n > 0; --n) {
            Slot before = at(k, n - 1);
            if (before.value <= value) break;
            at(k, n) = before;
        }
        at(k, n) = {value, index};
        threshold[k] = (T)at(k, kept - 1).value;
    }

    __device__ __forceinline__ void push(int k, T x) {
        if (x < threshold[k]) insert(k, x, first + position);
    }
    __device__ __forceinline__ void push_product(int k, T a, T b) { push(k, a * b); }

    __device__ __forceinline__ void resume(Slot* totals, Size stride_, Size kept_) {
        list = totals;
        stride = stride_;
        kept = kept_;
        for (int k = 0; k < COMPONENTS; ++k) threshold[k] = (T)at(k, kept - 1).value;
    }

    // Adds totals of later columns.
    __device__ __forceinline__ void merge(const Slot* totals, Size) {
        for (int k = 0; k < COMPONENTS; ++k) {
            for (Size n = 0; n < kept; ++n) {
                Slot other = totals[(k * kept + n) * stride];
                if (!(other.value < threshold[k])) break;
                insert(k, other.value, other.index);
            }
        }
    }

    __device__ __forceinline__ void finish(Size row, Size wanted, Out* values, Size* indices) {
        for (int k = 0; k < COMPONENTS; ++k) {
            for (Size n = 0; n < wanted; ++n) {
                Slot slot = {infinity(), 0};
                if (n < kept) slot = at(k, n);
                values[(row * wanted + n) * COMPONENTS + k] = (Out)slot.value;
                indices[(row * wanted + n) * COMPONENTS + k] = slot.index;
            }
        }
    }
};

// Logarithms of sums of exponentials, and means with exponential weights.
//
// Exponentials are summed relative to a reference r, sum_j exp(f_j - r), which is the maximum of the exponents so far or at most
// LAG below it. It is moved when an exponent exceeds it by more than that, which is rare (Milakov and Gimelshein 2018,
// Online normalizer calculation for softmax).

// What is made of the sums: the logarithm of each, the logarithms of the weighted sums, or their quotients with that of the
// exponentials, alone or before its logarithm.
constexpr int LOGARITHMS = 0, WEIGHTED_LOGARITHMS = 1, MEANS = 2, MEANS_AND_LOGARITHM = 3;

// How far exponents may exceed their reference.
constexpr T LAG = 4;

// Components that are exponents; those behind the first one are weights of its exponential where they are not.
constexpr int EXPONENTS = OUTCOME == LOGARITHMS ? COMPONENTS : 1;

struct State {
    static constexpr int SLOTS = EXPONENTS + Sums<COMPONENTS>::SLOTS;
    int position;
    T reference[EXPONENTS];
    T exponential;
    Sums<COMPONENTS> sums;

    __device__ __forceinline__ void start(Slot*, Size, Size, bool) {
        // Finite, so that an exponent of -inf is infinitely far below it.
        for (int n = 0; n < EXPONENTS; ++n) reference[n] = -LARGEST;
        sums.start();
    }

    __device__ __forceinline__ void open(Size) { sums.open(); }

    // Moves the reference n.
    __device__ __forceinline__ void refer(int n, T next) {
        A factor = exp((A)(reference[n] - next));
        for (int k = n; k < COMPONENTS; k += EXPONENTS) sums.scale(k, factor);
        reference[n] = next;
    }

    __device__ __forceinline__ void push(int k, T x) {
        if (k >= EXPONENTS) {
            sums.add_product(k, exponential, x);
            return;
        }
        // An exponent of +inf is infinitely far above a finite reference and makes the sum infinite, not NaN.
        if (LAG < x - reference[k]) refer(k, x < LARGEST ? x : LARGEST);
        exponential = exp(x - reference[k]);
        sums.add(k, exponential);
    }
    __device__ __forceinline__ void push_product(int k, T a, T b) { push(k, a * b); }

    __device__ __forceinline__ void close(Size) { sums.close(); }

    __device__ __forceinline__ void save(Slot* totals, Size stride) const {
        for (int n = 0; n < EXPONENTS; ++n) totals[n * stride] = reference[n];
        sums.save(totals + EXPONENTS * stride, stride);
    }

    __device__ __forceinline__ void resume(Slot* totals, Size stride, Size) {
        start(totals, stride, 0, true);
        merge(totals, stride);
    }

    __device__ __forceinline__ void merge(const Slot* totals, Size stride) {
        sums.open();
        for (int n = 0; n < EXPONENTS; ++n) {
            T other = (T)totals[n * stride];
            if (reference[n] < other) refer(n, other);
            A factor = exp((A)(other - reference[n]));
            for (int k = n; k < COMPONENTS; k += EXPONENTS) {
                sums.merge(k, totals + EXPONENTS * stride, stride, factor);
            }
        }
    }

    __device__ __forceinline__ void finish(Size row, Size, Out* values, Size*) const {
        for (int n = 0; n < WIDTH; ++n) {
            // The first sum is that of the exponentials alone, unless all are.
            int k = OUTCOME == LOGARITHMS ? n : (n + 1) % COMPONENTS;
            double result = (double)reference[k % EXPONENTS] + log(sums.value(k));
            if (OUTCOME >= MEANS && k > 0) result = sums.value(k) / sums.value(0);
            values[row * WIDTH + n] = (Out)result;
        }
    }
};

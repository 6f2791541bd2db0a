// Operations on the vectors of a solve: blocks of them, side by side as the columns of row-major matrices in double precision.
//
// Sums are taken over leaves of LEAF rows, each by a block of threads in a fixed tree, and then over the leaves in another: nothing depends on
// the number of blocks or on the order in which they run, and results are the same bit for bit.

typedef unsigned long long Size;

// Small matrices, row by row: as an argument of the kernel if they have few entries, or else where they are.
struct Numbers {
    const double* far;
    double near[NEAR];
};
__device__ __forceinline__ double number(const Numbers& numbers, Size k) {
    return numbers.far ? numbers.far[k] : numbers.near[k];
}

// own += other C, or own = other C if it is fresh, for `rows` rows; an entry of `other` is found by the distances of rows and columns.
struct Product {
    double* own;
    const double* other;
    Size width, inner, other_row, other_column;
    // The place of the first entry of C, of `inner` rows and `width` columns, among the numbers.
    Size first, fresh;
};
struct Products {
    Product product[PRODUCTS];
    Numbers numbers;
};

extern "C" __global__ void __launch_bounds__(THREADS) keops_add_products(const __grid_constant__ Products all, Size rows) {
    const Product& product = all.product[blockIdx.y];
    const Size entry = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (entry >= rows * product.width) return;
    const Size row = entry / product.width, column = entry % product.width;
    const double* other = product.other + row * product.other_row;
    double sum = product.fresh ? 0.0 : product.own[entry];
    for (Size k = 0; k < product.inner; ++k) {
        sum += other[k * product.other_column] * number(all.numbers, product.first + k * product.width + column);
    }
    product.own[entry] = sum;
}

// The entries of each `own` by a rule, in which c is the number of the column.
struct Update {
    double* own;
    const double* other;
};
struct Updates {
    Update update[PRODUCTS];
    Numbers numbers;
};

extern "C" __global__ void __launch_bounds__(THREADS) keops_update(
    const __grid_constant__ Updates all, Size entries, Size width, Size rule
) {
    const Update& update = all.update[blockIdx.y];
    const Size entry = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (entry >= entries) return;
    if (rule == ZERO) {
        update.own[entry] = 0.0;
        return;
    }
    const double c = number(all.numbers, entry % width), other = update.other[entry];
    double own = update.own[entry];
    if (rule == ADD) own = own + c * other;
    if (rule == SUBTRACT) own = own - c * other;
    if (rule == BLEND) own = own + c * (other - own);
    if (rule == TURN) own = other + c * own;
    if (rule == SCALE) own = c * other;
    if (rule == DIVIDE) own = other / c;
    if (rule == MAGNITUDE) own = fabs(other);
    update.own[entry] = own;
}

// Columns of one block to columns of another.
struct Columns {
    Size from[COLUMNS], to[COLUMNS];
};

extern "C" __global__ void __launch_bounds__(THREADS) keops_copy_columns(
    const __grid_constant__ Columns columns, Size count, double* own, const double* other, Size rows, Size width, Size other_width
) {
    const Size entry = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (entry >= rows * count) return;
    const Size row = entry / count, k = entry % count;
    own[row * width + columns.to[k]] = other[row * other_width + columns.from[k]];
}

// So many columns from one on, filled up with zeros: the weights of a product in the type of its formula.
template <class T>
__device__ __forceinline__ void pack(T* weights, const double* v, Size rows, Size count, Size width, Size from) {
    const Size entry = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (entry >= rows * count) return;
    const Size row = entry / count, column = from + entry % count;
    weights[entry] = column < width ? (T)v[row * width + column] : (T)0;
}
extern "C" __global__ void __launch_bounds__(THREADS) keops_pack_single(
    float* weights, const double* v, Size rows, Size count, Size width, Size from
) {
    pack(weights, v, rows, count, width, from);
}
extern "C" __global__ void __launch_bounds__(THREADS) keops_pack_double(
    double* weights, const double* v, Size rows, Size count, Size width, Size from
) {
    pack(weights, v, rows, count, width, from);
}

// Sums over rows of terms of the columns of two matrices: of all pairs of columns, or of columns of the same number, for which there may be a second row of results.
struct Sum {
    const double *a, *b;
    // The distances of rows and columns, and the numbers of columns.
    Size a_row, a_column, b_row, b_column, a_count, b_count;
    // The term, the place of its first result and that of its first tile.
    Size term, first, tile;
};
struct Sums {
    Sum sum[SUMS];
};

// A tile of SIDE columns of each matrix, or of SIDE pairs of columns of the same number, over the rows of a leaf.
extern "C" __global__ void __launch_bounds__(THREADS) keops_sums(
    const __grid_constant__ Sums all, Size count, Size rows, Size results, double* partials
) {
    __shared__ double totals[SIDE * SIDE * THREADS];
    int n = 0;
    while (n + 1 < count && blockIdx.x >= all.sum[n + 1].tile) ++n;
    const Sum& sum = all.sum[n];
    const bool pairs = sum.term == PAIRS;
    const Size tile = blockIdx.x - sum.tile, across = pairs ? (sum.b_count + SIDE - 1) / SIDE : 1;
    const Size i0 = tile / across * SIDE, j0 = pairs ? tile % across * SIDE : i0;
    const Size leaf = (Size)blockIdx.y * LEAF, end = leaf + LEAF < rows ? leaf + LEAF : rows;
    const int columns = pairs ? SIDE : sum.term == TOWARD ? 2 : 1;

    double total[SIDE][SIDE];
    #pragma unroll
    for (int i = 0; i < SIDE; ++i) {
        #pragma unroll
        for (int j = 0; j < SIDE; ++j) total[i][j] = 0.0;
    }
    for (Size row = leaf + threadIdx.x; row < end; row += THREADS) {
        double a[SIDE], b[SIDE];
        #pragma unroll
        for (int i = 0; i < SIDE; ++i) {
            a[i] = i0 + i < sum.a_count ? sum.a[row * sum.a_row + (i0 + i) * sum.a_column] : 0.0;
            b[i] = j0 + i < sum.b_count ? sum.b[row * sum.b_row + (j0 + i) * sum.b_column] : 0.0;
        }
        #pragma unroll
        for (int i = 0; i < SIDE; ++i) {
            if (pairs) {
                #pragma unroll
                for (int j = 0; j < SIDE; ++j) total[i][j] += a[i] * b[j];
            } else if (sum.term == SAME) {
                total[i][0] += a[i] * b[i];
            } else if (sum.term == DIFFERENCE) {
                total[i][0] += (a[i] - b[i]) * (a[i] - b[i]);
            } else {
                total[i][0] += a[i] * (a[i] - b[i]);
                total[i][1] += (a[i] - b[i]) * (a[i] - b[i]);
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < SIDE; ++i) {
        #pragma unroll
        for (int j = 0; j < SIDE; ++j) totals[(i * SIDE + j) * THREADS + threadIdx.x] = total[i][j];
    }
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            for (int i = 0; i < SIDE; ++i) {
                for (int j = 0; j < columns; ++j) {
                    double* sums = totals + (i * SIDE + j) * THREADS;
                    sums[threadIdx.x] += sums[threadIdx.x + half];
                }
            }
        }
        __syncthreads();
    }
    if (threadIdx.x < SIDE * columns) {
        const Size i = threadIdx.x / columns, j = threadIdx.x % columns;
        if (i0 + i < sum.a_count && (!pairs || j0 + j < sum.b_count)) {
            const Size place = pairs ? (i0 + i) * sum.b_count + j0 + j : j * sum.a_count + i0 + i;
            partials[blockIdx.y * results + sum.first + place] = totals[(i * SIDE + j) * THREADS];
        }
    }
}

// Adds up what the leaves have found of a result.
extern "C" __global__ void __launch_bounds__(THREADS) keops_totals(const double* partials, Size leaves, Size results, double* out) {
    __shared__ double totals[THREADS];
    double total = 0.0;
    for (Size leaf = threadIdx.x; leaf < leaves; leaf += THREADS) total += partials[leaf * results + blockIdx.x];
    totals[threadIdx.x] = total;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) totals[threadIdx.x] += totals[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = totals[0];
}

// y <- -(L L')^-1 y for a column of y, by panels of PANEL rows: forwards with L, and backwards with its transpose. `both` has the entries of L below its diagonal and those of
// the transpose above, so that threads read neighbouring entries both ways; what stands on the diagonal is inverted, panel by panel, in `inverses`.
extern "C" __global__ void __launch_bounds__(THREADS) keops_solve_small(
    const double* both, const double* inverses, double* y, Size rows, Size width
) {
    constexpr int PARTS = THREADS / PANEL;
    __shared__ double partials[THREADS];
    __shared__ double right[PANEL];
    const int r = threadIdx.x % PANEL, part = threadIdx.x / PANEL;
    const Size panels = (rows + PANEL - 1) / PANEL;
    y += blockIdx.x;
    for (int pass = 0; pass < 2; ++pass) {
        for (Size step = 0; step < panels; ++step) {
            const Size panel = pass == 0 ? step : panels - 1 - step, i = panel * PANEL + r;
            const Size from = pass == 0 ? 0 : (panel + 1) * PANEL, to = pass == 0 ? panel * PANEL : rows;
            double sum = 0.0;
            if (i < rows) {
                for (Size j = from + part; j < to; j += PARTS) sum += both[j * rows + i] * y[j * width];
            }
            partials[threadIdx.x] = sum;
            __syncthreads();
            if (part == 0) {
                double value = i < rows ? y[i * width] : 0.0;
                for (int other = 0; other < PARTS; ++other) value -= partials[other * PANEL + r];
                right[r] = value;
            }
            __syncthreads();
            if (part == 0 && i < rows) {
                const double* inverse = inverses + panel * PANEL * PANEL;
                double value = 0.0;
                for (int k = 0; k < PANEL; ++k) value += (pass == 0 ? inverse[r * PANEL + k] : inverse[k * PANEL + r]) * right[k];
                y[i * width] = value;
            }
            __syncthreads();
        }
    }
    for (Size i = threadIdx.x; i < rows; i += THREADS) y[i * width] = -y[i * width];
}

// The kernels: rows in registers, columns through shared memory.
//
// A block of THREADS threads has THREADS * ROWS rows. For each tile of columns its threads compute the features of the columns, once
// for the block, and then run their rows over them. Columns may be cut into parts, one for each blockIdx.y, whose totals the second
// kernel merges in their order: nothing depends on the order in which blocks run, and results are the same bit for bit.
//
// In a block-sparse reduction and in a batch (SPANS), a list tells each block of threads its rows and its columns.

// Rows that are reduced over the same columns. All but the last three are places in arrays.
struct Span {
    // The first row, where its results go, the column from which on intervals count, its weights and the parameters.
    Size row, result, column, weight, param;
    // Number of rows; the first interval of columns and how many there are.
    Size count, interval, intervals;
};
struct Interval {
    Size from, to;
};

// The terms of a pair: the components of the formula, or its value times each weight of the column.
__device__ __forceinline__ void take(const T* p, const T* row, const T* column, State& state) {
    if (WEIGHTS == 0) {
        evaluate(p, row, column, state);
        return;
    }
    Value kernel;
    evaluate(p, row, column, kernel);
    for (int w = 0; w < WEIGHTS; ++w) state.push_product(w, kernel.value, column[COLUMN + w]);
}

extern "C" __global__ void __launch_bounds__(THREADS) keops_reduce(
    const __grid_constant__ Params params,
    const T* __restrict__ rows, const T* __restrict__ columns, const T* __restrict__ weights,
    const Span* __restrict__ spans, const Interval* __restrict__ intervals,
    Size row_count, Size column_count, Size part_length, Size kept, Size wanted,
    Slot* totals, Out* values, Size* indices
) {
    __shared__ __align__(16) T tile[TILE * STRIDE];
    if (sizeof(T) == sizeof(double)) copy_powers();
    const Size first_row = (Size)blockIdx.x * (THREADS * ROWS);
    Span span = {first_row, first_row, 0, 0, 0, row_count - first_row, 0, 1};
    if (SPANS) span = spans[blockIdx.x];
    const T* p = params.values;
    if (SPANS) {
        columns += span.column * COLUMN_RAW;
        weights += span.weight * WEIGHTS;
        p = share_params(p + span.param);
    }
    Slot* part = totals + blockIdx.y * row_count * State::SLOTS * kept + span.result;

    T row[ROWS][ROW + !ROW];
    State state[ROWS];
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        // Threads without a row of their own run along with the last one.
        Size i = threadIdx.x + r * THREADS;
        bool valid = i < span.count;
        i = valid ? i : span.count - 1;
        hoist_row(p, rows + (span.row + i) * ROW_RAW, row[r]);
        state[r].start(part + i, row_count, kept, valid);
    }
    // Spans may be so short that no thread of a warp has a row.
    const bool idle = SPANS && threadIdx.x / 32 * 32 >= span.count;

    // The columns of all intervals together that are before this part, and those that it has left.
    Size before = blockIdx.y * part_length, left = part_length;
    for (Size n = 0; n < span.intervals && left > 0; ++n) {
        const Interval interval = SPANS ? intervals[span.interval + n] : Interval{0, column_count};
        const Size from = interval.from + before;
        if (from >= interval.to) {
            before = from - interval.to;
            continue;
        }
        before = 0;
        const Size to = interval.to - from < left ? interval.to : from + left;
        left -= to - from;
        for (Size first = from; first < to; first += TILE) {
            const int count = to - first < TILE ? (int)(to - first) : TILE;
            __syncthreads();
            for (int c = threadIdx.x; c < count; c += THREADS) {
                const Size j = first + c;
                hoist_column(p, columns + j * COLUMN_RAW, tile + c * STRIDE);
                for (int w = 0; w < WEIGHTS; ++w) tile[c * STRIDE + COLUMN + w] = weights[j * WEIGHTS + w];
            }
            __syncthreads();
            if (idle) continue;
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) state[r].open(first);
            COLUMNS_UNROLLED
            for (int c = 0; c < count; ++c) {
                #pragma unroll
                for (int r = 0; r < ROWS; ++r) {
                    state[r].position = c;
                    take(p, row[r], tile + c * STRIDE, state[r]);
                }
            }
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) state[r].close(first);
        }
    }

    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        const Size i = threadIdx.x + r * THREADS;
        if (i < span.count) {
            if (gridDim.y > 1) state[r].save(part + i, row_count);
            else state[r].finish(span.result + i, wanted, values, indices);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) keops_merge(
    Size row_count, Size parts, Size kept, Size wanted, Slot* totals, Out* values, Size* indices
) {
    const Size i = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (i >= row_count) return;
    const Size length = row_count * State::SLOTS * kept;
    State state;
    state.resume(totals + i, row_count, kept);
    for (Size part = 1; part < parts; ++part) state.merge(totals + part * length + i, row_count);
    state.finish(i, wanted, values, indices);
}

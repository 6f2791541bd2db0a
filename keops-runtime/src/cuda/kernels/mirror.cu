// Products with a matrix that is the same when i and j are exchanged: each entry is computed once and used for both of its places.
//
// The rows of a block of threads are a block of rows; all blocks of rows form a circle. A block meets itself, in a square whose entries
// are all computed, and the columns of the blocks that follow at offsets of at most half the circle: so every block has the same work, and
// any two of them meet once. Totals of rows stay in registers. Those of columns are passed from lane to lane: in step s lane l has column
// l + s of a group of 32, so that after 32 steps each column has met all rows of the warp and is back in its lane, without a barrier
// and in an order that never changes. The second kernel adds what a row has found as a row and as a column.

constexpr int WARPS = THREADS / 32;
constexpr Size SIDE = THREADS * ROWS;

// Offset `offset` of a circle of an even number of blocks meets every two blocks twice if it is half the circle: the first half of them does.
__device__ __forceinline__ bool met_by_other(Size block, Size offset, Size blocks) {
    return 2 * offset == blocks && block >= offset;
}

extern "C" __global__ void __launch_bounds__(THREADS) keops_mirror(
    const __grid_constant__ Params params,
    const T* __restrict__ rows, const T* __restrict__ columns, const T* __restrict__ weights,
    Size count, Size first_offset, Size offsets, Size part_length, Slot* row_totals, T* column_totals
) {
    // Each group of 32 columns is there twice, so that no lane has to begin again at its start.
    __shared__ __align__(16) T tile[2 * TILE * STRIDE];
    __shared__ T warp_totals[WARPS * WEIGHTS * TILE];
    if (sizeof(T) == sizeof(double)) copy_powers();
    const T* p = params.values;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const Size block = blockIdx.x, blocks = gridDim.x;

    T row[ROWS][ROW + !ROW], row_weights[ROWS][WEIGHTS];
    Sums<WEIGHTS> sums[ROWS];
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        // Threads without a row of their own run along with the last one, and add nothing to the columns.
        Size i = block * SIDE + r * THREADS + threadIdx.x;
        bool valid = i < count;
        i = valid ? i : count - 1;
        hoist_row(p, rows + i * ROW_RAW, row[r]);
        for (int w = 0; w < WEIGHTS; ++w) row_weights[r][w] = valid ? weights[i * WEIGHTS + w] : (T)0;
        sums[r].start();
    }

    const Size from = blockIdx.y * part_length;
    const Size to = from + part_length < offsets ? from + part_length : offsets;
    for (Size n = from; n < to; ++n) {
        const Size offset = first_offset + n;
        if (met_by_other(block, offset, blocks)) break;
        const Size other = block + offset < blocks ? block + offset : block + offset - blocks;
        const Size end = (other + 1) * SIDE < count ? (other + 1) * SIDE : count;
        for (Size first = other * SIDE; first < end; first += TILE) {
            const int width = end - first < TILE ? (int)(end - first) : TILE;
            __syncthreads();
            // The last group is filled up with copies of the last column that weigh nothing.
            for (int c = threadIdx.x; c < (width + 31) / 32 * 32; c += THREADS) {
                const Size j = first + (c < width ? c : width - 1);
                T* column = tile + (c + c / 32 * 32) * STRIDE;
                hoist_column(p, columns + j * COLUMN_RAW, column);
                for (int w = 0; w < WEIGHTS; ++w) column[COLUMN + w] = c < width ? weights[j * WEIGHTS + w] : (T)0;
                for (int k = 0; k < COLUMN + WEIGHTS; ++k) column[32 * STRIDE + k] = column[k];
            }
            __syncthreads();
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) sums[r].open();
            for (int group = 0; group < width; group += 32) {
                const T* column = tile + (2 * group + lane) * STRIDE;
                T total[WEIGHTS];
                for (int w = 0; w < WEIGHTS; ++w) total[w] = 0;
                COLUMNS_UNROLLED
                for (int step = 0; step < 32; ++step) {
                    // One read for all rows: the lanes read columns of their own, which takes the banks as long as four instructions.
                    T own[COLUMN + WEIGHTS];
                    for (int k = 0; k < COLUMN + WEIGHTS; ++k) own[k] = column[k];
                    #pragma unroll
                    for (int r = 0; r < ROWS; ++r) {
                        Value kernel;
                        evaluate(p, row[r], own, kernel);
                        for (int w = 0; w < WEIGHTS; ++w) {
                            sums[r].add_product(w, kernel.value, own[COLUMN + w]);
                            total[w] = fma(kernel.value, row_weights[r][w], total[w]);
                        }
                    }
                    column += STRIDE;
                    for (int w = 0; w < WEIGHTS; ++w) total[w] = __shfl_sync(0xffffffffu, total[w], lane + 1);
                }
                for (int w = 0; w < WEIGHTS; ++w) warp_totals[(warp * WEIGHTS + w) * TILE + group + lane] = total[w];
            }
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) sums[r].close();
            // In the square both places of an entry have been computed.
            if (offset == 0) continue;
            __syncthreads();
            for (int c = threadIdx.x; c < width; c += THREADS) {
                for (int w = 0; w < WEIGHTS; ++w) {
                    T total = 0;
                    for (int other = 0; other < WARPS; ++other) total += warp_totals[(other * WEIGHTS + w) * TILE + c];
                    column_totals[(n * WEIGHTS + w) * count + first + c] = total;
                }
            }
        }
    }

    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        const Size i = block * SIDE + r * THREADS + threadIdx.x;
        if (i < count) sums[r].save(row_totals + blockIdx.y * WEIGHTS * count + i, count);
    }
}

// Adds the totals of so many offsets, which are the first ones or follow those that have been added.
extern "C" __global__ void __launch_bounds__(THREADS) keops_gather(
    Size count, Size blocks, Size first_offset, Size offsets, Size parts, const Slot* row_totals, const T* column_totals, Out* values
) {
    const Size i = (Size)blockIdx.x * THREADS + threadIdx.x;
    if (i >= count) return;
    for (int w = 0; w < WEIGHTS; ++w) {
        double total = first_offset == 0 ? 0.0 : (double)values[i * WEIGHTS + w];
        for (Size part = 0; part < parts; ++part) total += row_totals[(part * WEIGHTS + w) * count + i];
        for (Size n = 0; n < offsets; ++n) {
            const Size offset = first_offset + n, block = i / SIDE;
            // The column's block met the one that stands before it by the offset.
            const Size other = block >= offset ? block - offset : block + blocks - offset;
            if (offset > 0 && !met_by_other(other, offset, blocks)) total += column_totals[(n * WEIGHTS + w) * count + i];
        }
        values[i * WEIGHTS + w] = (Out)total;
    }
}

//! The inner loop of formulas with many features or components: blocks of four vectors of rows and one or two columns.

use super::pairing::Pairing;
use super::spread::OverRows;
use super::tile::{Columns, run_block};
use crate::kernel::{Accumulator, BlockLanes, BlockSplat, Features};
use crate::reduce::Reduction;
use crate::simd::{Block, Simd};
use core::marker::PhantomData;

/// From so many features of a row and numbers of its state on, reading them takes longer than computing with them.
const MANY: usize = 12;

/// With more instructions than this for each of them, computing takes longer.
const MOST_FOR_EACH: usize = 8;

/// What pairs keep for themselves is on the stack, for all of a block at once: blocks are taken where it is at most so many bytes, as it is for one vector.
const ON_STACK: usize = 256 << 10;

/// Whether the loop over a tile takes blocks of rows and columns. Not where a multiply-add is two instructions: the few processors without AVX2 are not worth
/// that blocks are compiled for three instruction sets instead of two.
pub(super) const fn goes_by_blocks<P: Pairing, S: Simd, R: Reduction>() -> bool {
    let read = P::Row::<S::V>::LEN + R::Tile::<S::V, P::Out<S::V>>::LEN;
    let pays = read >= MANY && P::COST <= MOST_FOR_EACH * read;
    R::SEPARATE && pays && !P::GIVEN && S::FUSED && 8 * P::STORED * size_of::<S::V>() <= ON_STACK
}

/// Whether blocks are of two columns: where the state is in memory, so that it is read and written once for both, or where there are registers for
/// long sums of all eight pairs.
pub(super) const fn takes_two_columns<P: Pairing, S: Simd, R: Reduction>() -> bool {
    let state = R::Tile::<S::V, P::Out<S::V>>::LEN;
    goes_by_blocks::<P, S, R>() && (state >= P::Row::<S::V>::LEN || S::REGISTERS >= 32)
}

/// Runs a tile of columns over the vectors of rows of a block, from vector `at` on.
#[inline(always)]
pub(super) fn run_wide<P: Pairing, S: Simd, R: Reduction, B: Block<S>>(
    s: S,
    reduction: R,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
    state: &mut [S::V],
    totals: &mut [R::Total],
    slots: usize,
    at: usize,
) {
    let block = slots * S::LANES;
    let length = R::Tile::<S::V, P::Out<S::V>>::LEN;
    let state = &mut state[..B::ROWS * length];
    let of_block = &mut totals[at * block..][..B::ROWS * block];
    for (totals, state) in of_block
        .chunks_exact(block)
        .zip(state.chunks_exact_mut(length))
    {
        reduction.open(s, totals, state);
    }
    let features = P::Row::<S::V>::many(&rows[at * P::Row::<S::V>::LEN..], B::ROWS);
    let [rows_of_block] = features.as_chunks().0 else {
        return;
    };
    let features = P::Column::<S::T>::many(columns.features, columns.count);
    let mut together = features.chunks_exact(B::COLUMNS);
    let mut offset = 0;
    for columns_of_block in &mut together {
        let mut terms = Terms::<P, S, R, B> {
            reduction,
            first: columns.first,
            offset,
            state,
            totals: of_block,
            types: PhantomData,
        };
        let row = BlockLanes {
            rows: rows_of_block,
            token: PhantomData::<S>,
        };
        let column = BlockSplat {
            columns: [&columns_of_block[0], &columns_of_block[B::COLUMNS - 1]],
            token: PhantomData::<S>,
        };
        P::pair(B::new(s), params, &row, &column, &mut terms);
        offset += B::COLUMNS;
    }
    let rest = together.remainder();
    for (totals, state) in of_block
        .chunks_exact_mut(block)
        .zip(state.chunks_exact(length))
    {
        reduction.close(s, columns.first, state, totals);
    }
    if !rest.is_empty() {
        let last = Columns {
            first: columns.first + offset,
            count: rest.len(),
            points: &[],
            features: &columns.features[offset * P::Column::<S::T>::LEN..],
        };
        for r in 0..B::ROWS {
            run_block::<P, S, R, OverRows, 1>(
                s,
                reduction,
                params,
                rows,
                &last,
                &[],
                state,
                totals,
                slots,
                at + r,
            );
        }
    }
}

/// Hands the terms of a block to the accumulators of its rows, column by column.
struct Terms<'a, P, S: Simd, R: Reduction, B> {
    reduction: R,
    first: usize,
    /// The position of the first column of the block in its tile.
    offset: usize,
    /// The states of the tile, and the totals, of the rows.
    state: &'a mut [S::V],
    totals: &'a mut [R::Total],
    types: PhantomData<(P, B)>,
}

impl<P: Pairing, S: Simd, R: Reduction, B: Block<S>> Terms<'_, P, S, R, B> {
    /// The accumulator of a row for a column of the block.
    #[inline(always)]
    fn accumulator(
        &mut self,
        s: S,
        row: usize,
        column: usize,
    ) -> R::Accumulator<'_, S, P::Out<S::V>> {
        let length = R::Tile::<S::V, P::Out<S::V>>::LEN;
        let tile = R::Tile::<S::V, P::Out<S::V>>::from_mut_slice(&mut self.state[row * length..]);
        // Only a reduction that reads its totals per term looks at them.
        let totals = if R::BLOCKED {
            &mut []
        } else {
            let block = self.totals.len() / B::ROWS;
            &mut self.totals[row * block..][..block]
        };
        let offset = self.offset + column;
        self.reduction
            .accumulator(s, self.first, offset, tile, totals)
    }
}

/// Does `$work` for each row and column of a block. Written out, like the operations of blocks.
macro_rules! each {
    ($block:ident, $row:ident, $column:ident => $work:expr) => {{
        each!(@ 0, $row, $column, $work);
        if const { $block::COLUMNS == 2 } {
            each!(@ 1, $row, $column, $work);
        }
    }};
    (@ $c:literal, $row:ident, $column:ident, $work:expr) => {{
        each!(@ 0 $c, $row, $column, $work);
        each!(@ 1 $c, $row, $column, $work);
        each!(@ 2 $c, $row, $column, $work);
        each!(@ 3 $c, $row, $column, $work);
    }};
    (@ $r:literal $c:literal, $row:ident, $column:ident, $work:expr) => {{
        let ($row, $column) = ($r, $c);
        $work
    }};
}

impl<P: Pairing, S: Simd, R: Reduction, B: Block<S>> Accumulator<B> for Terms<'_, P, S, R, B> {
    #[inline(always)]
    fn push(&mut self, block: B, k: usize, value: B::V) {
        let s = block.one();
        each!(B, row, column => {
            let value = B::vector(&value, row, column);
            self.accumulator(s, row, column).push(s, k, value);
        });
    }
    #[inline(always)]
    fn push_product(&mut self, block: B, k: usize, a: B::V, b: B::V) {
        let s = block.one();
        each!(B, row, column => {
            let (a, b) = (B::vector(&a, row, column), B::vector(&b, row, column));
            self.accumulator(s, row, column).push_product(s, k, a, b);
        });
    }
}

//! The inner loop of formulas with many features or components: blocks of four vectors of rows and two columns.

use super::pairing::Pairing;
use super::tile::{Columns, run_block};
use crate::kernel::{Accumulator, BlockLanes, BlockSplat, Features};
use crate::reduce::Reduction;
use crate::simd::{Block, Simd};
use core::marker::PhantomData;

/// From so many features of a row and numbers of its state on, reading them takes longer than computing with them.
const MANY: usize = 12;

/// Whether the loop over a tile takes blocks of rows and columns.
pub(super) const fn goes_by_blocks<P: Pairing, S: Simd, R: Reduction>() -> bool {
    R::SEPARATE && P::Row::<S::V>::LEN + R::Tile::<S::V, P::Out<S::V>>::LEN >= MANY
}

/// Runs a tile of columns over the vectors of rows of a block, from vector `at` on.
#[inline(always)]
pub(super) fn run_wide<P: Pairing, S: Simd, R: Reduction>(
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
    let state = &mut state[..Block::<S>::ROWS * length];
    let of_block = &mut totals[at * block..][..Block::<S>::ROWS * block];
    for (totals, state) in of_block
        .chunks_exact(block)
        .zip(state.chunks_exact_mut(length))
    {
        reduction.open(s, totals, state);
    }
    let features = P::Row::<S::V>::many(&rows[at * P::Row::<S::V>::LEN..], Block::<S>::ROWS);
    let [row] = features.as_chunks().0 else {
        return;
    };
    let features = P::Column::<S::T>::many(columns.features, columns.count);
    let (pairs, rest) = features.as_chunks();
    let mut offset = 0;
    for pair in pairs {
        let mut terms = Terms::<P, S, R> {
            reduction,
            first: columns.first,
            offset,
            state,
            totals: of_block,
            pairing: PhantomData,
        };
        P::pair(
            Block::new(s),
            params,
            &BlockLanes(row),
            &BlockSplat(pair),
            &mut terms,
        );
        offset += Block::<S>::COLUMNS;
    }
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
            features: &columns.features[offset * P::Column::<S::T>::LEN..],
        };
        for r in 0..Block::<S>::ROWS {
            run_block::<P, S, R, 1>(
                s,
                reduction,
                params,
                rows,
                &last,
                state,
                totals,
                slots,
                at + r,
            );
        }
    }
}

/// Hands the terms of a block to the accumulators of its rows, column by column.
struct Terms<'a, P, S: Simd, R: Reduction> {
    reduction: R,
    first: usize,
    /// The position of the first column of the block in its tile.
    offset: usize,
    /// The states of the tile, and the totals, of the rows.
    state: &'a mut [S::V],
    totals: &'a mut [R::Total],
    pairing: PhantomData<P>,
}

impl<P: Pairing, S: Simd, R: Reduction> Terms<'_, P, S, R> {
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
            let block = self.totals.len() / Block::<S>::ROWS;
            &mut self.totals[row * block..][..block]
        };
        let offset = self.offset + column;
        self.reduction
            .accumulator(s, self.first, offset, tile, totals)
    }
}

/// Calls `$of(row, column, n)` for the eight vectors of a block. Written out, like the operations of [`Block`].
macro_rules! each {
    ($row:ident, $column:ident, $n:ident => $work:expr) => {{
        each!(@ 0 0 0, $row, $column, $n, $work);
        each!(@ 1 0 1, $row, $column, $n, $work);
        each!(@ 2 0 2, $row, $column, $n, $work);
        each!(@ 3 0 3, $row, $column, $n, $work);
        each!(@ 0 1 4, $row, $column, $n, $work);
        each!(@ 1 1 5, $row, $column, $n, $work);
        each!(@ 2 1 6, $row, $column, $n, $work);
        each!(@ 3 1 7, $row, $column, $n, $work);
    }};
    (@ $r:literal $c:literal $at:literal, $row:ident, $column:ident, $n:ident, $work:expr) => {{
        let ($row, $column, $n) = ($r, $c, $at);
        $work
    }};
}

impl<P: Pairing, S: Simd, R: Reduction> Accumulator<Block<S>> for Terms<'_, P, S, R> {
    #[inline(always)]
    fn push(&mut self, s: Block<S>, k: usize, value: [S::V; 8]) {
        let s = s.one();
        each!(row, column, n => self.accumulator(s, row, column).push(s, k, value[n]));
    }
    #[inline(always)]
    fn push_product(&mut self, s: Block<S>, k: usize, a: [S::V; 8], b: [S::V; 8]) {
        let s = s.one();
        each!(row, column, n => self.accumulator(s, row, column).push_product(s, k, a[n], b[n]));
    }
}

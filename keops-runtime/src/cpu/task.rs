//! One task: a span of rows over some intervals of columns, on one thread.

use super::Problem;
use super::pack::{pack_columns, pack_rows, scratch_for_columns};
use super::pairing::Pairing;
use super::tile::{Columns, rows_per_block, run_tile};
use crate::kernel::Features;
use crate::lanes::scalars_mut;
use crate::reduce::{Reduction, TILE_COLUMNS};
use crate::simd::{Real, Simd, WithSimd};
use core::marker::PhantomData;
use core::ops::Range;

/// The features of a tile of columns take at most this many bytes, unless already one vector of columns takes more.
const TILE_BYTES: usize = 128 << 10;

/// The reduction of the columns in `intervals` for the rows in `rows`. Its result are the totals, by row, then by slot.
pub(super) struct Task<'a, 'b, P, T, R> {
    pub(super) problem: &'a Problem<'b>,
    pub(super) reduction: R,
    /// The parameter features.
    pub(super) params: &'a [T],
    pub(super) rows: Range<usize>,
    /// Intervals `from..to` of columns, one for a dense reduction.
    pub(super) intervals: &'a [(usize, usize)],
    /// Totals per row.
    pub(super) slots: usize,
    pub(super) kernel: PhantomData<P>,
}

/// The number of columns of a tile.
pub(super) fn tile_columns<P: Pairing, S: Simd>(longest: usize) -> usize {
    let bytes = P::Column::<S::T>::LEN * size_of::<S::T>();
    let fitting = TILE_BYTES / bytes.max(1) / S::LANES * S::LANES;
    fitting.clamp(S::LANES, TILE_COLUMNS).min(longest)
}

impl<P: Pairing, T: Real, R: Reduction> WithSimd<T> for Task<'_, '_, P, T, R> {
    type Output = Vec<R::Total>;

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) -> Vec<R::Total> {
        let Self {
            problem,
            reduction,
            rows,
            intervals,
            slots,
            ..
        } = self;
        let (row_points, column_points) = (&problem.rows, &problem.columns);
        let params = P::Params::<T>::from_slice(self.params);
        let zero = s.splat(T::ZERO);
        let vectors = rows.len().div_ceil(S::LANES);

        let mut features = vec![zero; vectors * P::Row::<S::V>::LEN];
        let raw = row_points.components();
        let scratch_columns = scratch_for_columns::<P, S>(column_points.components());
        let mut scratch = vec![zero; raw.max(scratch_columns)];
        pack_rows::<P, S>(
            s,
            params,
            row_points,
            rows.start,
            &mut scratch[..raw],
            &mut features,
        );

        let components = P::Out::<S::V>::LEN;
        let mut totals = Vec::with_capacity(vectors * slots * S::LANES);
        for n in 0..vectors * slots * S::LANES {
            let slot = if R::BY_LANE { n } else { n / S::LANES } % slots;
            totals.push(reduction.neutral(slot, components));
        }

        let longest = intervals
            .iter()
            .map(|&(from, to)| to - from)
            .max()
            .unwrap_or(0);
        let tile = tile_columns::<P, S>(longest);
        let mut columns = vec![zero; (tile * P::Column::<T>::LEN).div_ceil(S::LANES)];
        let block = const { rows_per_block::<P, S, R>() };
        let mut state = vec![zero; block * R::Tile::<S::V, P::Out<S::V>>::LEN];
        for &(from, to) in intervals {
            let mut first = from;
            while first < to {
                let count = tile.min(to - first);
                let packed = scalars_mut::<S>(&mut columns);
                let scratch = &mut scratch[..scratch_columns];
                pack_columns::<P, S>(s, params, column_points, first, count, scratch, packed);
                let length = P::Column::<T>::LEN;
                for offset in (0..count).step_by(reduction.longest_tile()) {
                    let columns = Columns {
                        first: first + offset,
                        count: reduction.longest_tile().min(count - offset),
                        features: &packed[offset * length..],
                    };
                    run_tile::<P, S, R>(
                        s,
                        reduction,
                        params,
                        &features,
                        &columns,
                        &mut state,
                        &mut totals,
                        slots,
                    );
                }
                first += count;
            }
        }
        if R::BY_LANE {
            totals.truncate(rows.len() * slots);
            return totals;
        }
        by_row(&totals, rows.len(), slots, S::LANES)
    }
}

/// Totals by vector, slot and lane, rearranged by row and slot.
fn by_row<Total: Copy>(totals: &[Total], rows: usize, slots: usize, lanes: usize) -> Vec<Total> {
    let mut rearranged = Vec::with_capacity(rows * slots);
    for row in 0..rows {
        let (vector, lane) = (row / lanes, row % lanes);
        let totals = &totals[vector * slots * lanes..];
        rearranged.extend((0..slots).map(|slot| totals[slot * lanes + lane]));
    }
    rearranged
}

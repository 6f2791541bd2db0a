//! What is compiled for each formula: everything else of the driver is compiled once, with this crate.
//!
//! A formula costs its user's crate one hoist of each side and one loop over a tile, for each instruction set. The driver
//! calls them through the traits here, once per vector of points and once per tile, so that the calls cost nothing.

use super::Problem;
use super::dense::Stored;
use super::mirror::Once;
use super::pairing::{Hoisting, Mirrored, Pairing, scalar_value};
use super::tile::{Columns, rows_per_block, run_mirrored, run_tile};
use crate::kernel::{Features, Lanes, Splat};
use crate::lanes::{vectors, vectors_mut};
use crate::reduce::Reduction;
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;

/// Columns with more features than this are packed one by one: reading them in order is worth more than lanes.
const WIDE: usize = 32;

/// How the features of points lie in memory. Lengths are in vectors, or in elements for a single point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Rows of a vector.
    pub(super) lanes: usize,
    /// Columns that are hoisted together.
    pub(super) column_lanes: usize,
    /// Features of a row.
    pub(super) row: usize,
    /// Features of a column.
    pub(super) column: usize,
    /// Scratch of the loop over a tile.
    pub(super) scratch: usize,
}

/// The sides of the pairs of a formula.
pub(super) trait Sides<T>: Sync {
    /// The lengths.
    fn layout(&self) -> Layout;
    /// Computes the features of a vector of rows, by feature, then by lane, from their raw coordinates in the same order.
    fn hoist_rows(&self, raw: &[T], features: &mut [T]);
    /// The same for columns, [`Layout::column_lanes`] of them.
    fn hoist_columns(&self, raw: &[T], features: &mut [T]);
}

/// A formula with a reduction.
pub(super) trait Code<T, Total>: Sides<T> {
    /// The totals of no columns, for each slot.
    fn neutral(&self, slot: usize) -> Total;
    /// Reduces a tile of columns for all vectors of rows.
    fn run_tile(
        &self,
        rows: &[T],
        columns: &Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [Total],
        slots: usize,
    );
}

/// A formula with a store for its values.
pub(super) trait Values<T>: Sides<T> {
    /// Writes the values of a scalar formula for some vectors of rows and a tile of columns, by vector, then by column, then by lane.
    fn values(&self, rows: &[T], columns: &Columns<'_, T>, values: &mut [T]);
}

/// A symmetric scalar formula whose entries are used twice.
pub(super) trait Mirror<T>: Sides<T> {
    /// Multiplies a tile with the weights of its columns into `row_sums`, which is overwritten, and its transpose with the
    /// weights of its rows onto `column_sums`. Sums are stored by point, then by weight, then by lane.
    fn run_mirrored(
        &self,
        rows: &[T],
        columns: &Columns<'_, T>,
        row_sums: &mut [T],
        column_sums: &mut [T],
    );
}

/// The formula `P`, with `R` saying what becomes of its terms.
pub(super) struct Compiled<P, T, R> {
    isa: InstructionSet,
    pub(super) params: Vec<T>,
    pub(super) reduction: R,
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, R> Compiled<P, T, R> {
    /// The formula with the parameters of a problem.
    pub(super) fn new(isa: InstructionSet, problem: &Problem<'_>, reduction: R) -> Self {
        Self::with_params(isa, &problem.params, reduction)
    }

    /// The same with these parameters.
    pub(super) fn with_params(isa: InstructionSet, params: &[f64], reduction: R) -> Self {
        Self {
            isa,
            params: T::held(&P::Hoisting::params(params)),
            reduction,
            kernel: PhantomData,
        }
    }

    /// Computes the features of one column.
    pub(super) fn hoist_column(&self, raw: &[T], features: &mut [T]) {
        let weights = [P::WEIGHTS, P::Column::<T>::LEN];
        let hoist = self.hoist::<false>(raw, features, weights);
        // SAFETY: vectors of one lane need no instruction set.
        hoist.with(unsafe { T::Scalar::assume_available() });
    }
}

/// What the reduction adds to the layout.
pub(super) trait Scratch: Send + Sync {
    /// Vectors of scratch of the loop over a tile.
    fn scratch<P: Pairing, S: Simd>() -> usize;
}

impl<R: Reduction> Scratch for R {
    fn scratch<P: Pairing, S: Simd>() -> usize {
        const { rows_per_block::<P, S, R>() * R::Tile::<S::V, P::Out<S::V>>::LEN }
    }
}

impl Scratch for Stored {
    fn scratch<P: Pairing, S: Simd>() -> usize {
        0
    }
}

impl<P: Pairing, T: Real, R: Scratch> Sides<T> for Compiled<P, T, R> {
    fn layout(&self) -> Layout {
        dispatch::<T, _>(self.isa, Measure::<P, R>(PhantomData))
    }

    fn hoist_rows(&self, raw: &[T], features: &mut [T]) {
        let weights = [P::ROW_WEIGHTS, P::Row::<T>::LEN];
        dispatch(self.isa, self.hoist::<true>(raw, features, weights));
    }

    fn hoist_columns(&self, raw: &[T], features: &mut [T]) {
        if const { P::Column::<T>::LEN > WIDE } {
            self.hoist_column(raw, features);
        } else {
            let weights = [P::WEIGHTS, P::Column::<T>::LEN];
            dispatch(self.isa, self.hoist::<false>(raw, features, weights));
        }
    }
}

impl<P: Pairing, T: Real, R> Compiled<P, T, R> {
    /// The hoist of points of which so many of all features are weights, which are copied.
    fn hoist<'a, const ROWS: bool>(
        &'a self,
        raw: &'a [T],
        features: &'a mut [T],
        weights: [usize; 2],
    ) -> Hoist<'a, P::Hoisting, T, ROWS> {
        let (raw, features) = copy_weights(raw, features, weights);
        Hoist {
            params: &self.params,
            raw,
            features,
            kernel: PhantomData,
        }
    }
}

/// Copies weights, so many of all features of a point, which come last, and returns what the other features are computed from and where they go.
fn copy_weights<'a, 'b, T: Copy>(
    raw: &'a [T],
    features: &'b mut [T],
    [weights, of]: [usize; 2],
) -> (&'a [T], &'b mut [T]) {
    let weights = features.len() / of.max(1) * weights;
    let (raw, weights_in) = raw.split_at(raw.len() - weights);
    let (features, weights_out) = features.split_at_mut(features.len() - weights);
    weights_out.copy_from_slice(weights_in);
    (raw, features)
}

impl<P: Pairing, T: Real, R: Reduction> Code<T, R::Total> for Compiled<P, T, R> {
    fn neutral(&self, slot: usize) -> R::Total {
        self.reduction.neutral(slot, P::Out::<T>::LEN)
    }

    fn run_tile(
        &self,
        rows: &[T],
        columns: &Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [R::Total],
        slots: usize,
    ) {
        let (params, reduction) = (&self.params, self.reduction);
        dispatch(
            self.isa,
            RunTile::<P, T, R> {
                params,
                reduction,
                rows,
                columns,
                scratch,
                totals,
                slots,
                kernel: PhantomData,
            },
        );
    }
}

impl<P: Pairing, T: Real> Values<T> for Compiled<P, T, Stored> {
    fn values(&self, rows: &[T], columns: &Columns<'_, T>, values: &mut [T]) {
        let params = &self.params;
        dispatch(
            self.isa,
            Store::<P, T> {
                params,
                rows,
                columns,
                values,
                kernel: PhantomData,
            },
        );
    }
}

impl Scratch for Once {
    fn scratch<P: Pairing, S: Simd>() -> usize {
        0
    }
}

impl<P: Pairing, T: Real, const E: usize> Mirror<T> for Compiled<Mirrored<P, E>, T, Once> {
    fn run_mirrored(
        &self,
        rows: &[T],
        columns: &Columns<'_, T>,
        row_sums: &mut [T],
        column_sums: &mut [T],
    ) {
        let params = &self.params;
        dispatch(
            self.isa,
            RunMirrored::<P, T, E> {
                params,
                rows,
                columns,
                row_sums,
                column_sums,
                kernel: PhantomData,
            },
        );
    }
}

struct Measure<P, R>(PhantomData<(P, R)>);

impl<P: Pairing, T: Real, R: Scratch> WithSimd<T> for Measure<P, R> {
    type Output = Layout;

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, _: S) -> Layout {
        let wide = P::Column::<T>::LEN > WIDE;
        Layout {
            lanes: S::LANES,
            column_lanes: if wide { 1 } else { S::LANES },
            row: P::Row::<T>::LEN,
            column: P::Column::<T>::LEN,
            scratch: R::scratch::<P, S>(),
        }
    }
}

/// Computes features of rows, or else of columns.
struct Hoist<'a, H, T, const ROWS: bool> {
    params: &'a [T],
    raw: &'a [T],
    features: &'a mut [T],
    kernel: PhantomData<H>,
}

impl<H: Hoisting, T: Real, const ROWS: bool> WithSimd<T> for Hoist<'_, H, T, ROWS> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = H::Params::from_slice(self.params);
        let (raw, features) = (vectors::<S>(self.raw), vectors_mut::<S>(self.features));
        if const { ROWS } {
            H::hoist_rows(s, params, raw, features);
        } else {
            H::hoist_columns(s, params, raw, features);
        }
    }
}

struct RunTile<'a, 'b, P, T, R: Reduction> {
    params: &'a [T],
    reduction: R,
    rows: &'a [T],
    columns: &'a Columns<'b, T>,
    scratch: &'a mut [T],
    totals: &'a mut [R::Total],
    slots: usize,
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, R: Reduction> WithSimd<T> for RunTile<'_, '_, P, T, R> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        run_tile::<P, S, R>(
            s,
            self.reduction,
            P::Params::from_slice(self.params),
            vectors::<S>(self.rows),
            self.columns,
            vectors_mut::<S>(self.scratch),
            self.totals,
            self.slots,
        );
    }
}

struct Store<'a, 'b, P, T> {
    params: &'a [T],
    rows: &'a [T],
    columns: &'a Columns<'b, T>,
    values: &'a mut [T],
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real> WithSimd<T> for Store<'_, '_, P, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = P::Params::from_slice(self.params);
        let columns = P::Column::many(self.columns.features, self.columns.count);
        let values = vectors_mut::<S>(self.values).chunks_exact_mut(columns.len());
        let rows = vectors::<S>(self.rows);
        let rows = P::Row::many(rows, values.len());
        for (values, row) in values.zip(rows) {
            for (value, column) in values.iter_mut().zip(columns) {
                *value = scalar_value::<P, S>(s, params, &Lanes(row), &Splat(column));
            }
        }
    }
}

struct RunMirrored<'a, 'b, P, T, const E: usize> {
    params: &'a [T],
    rows: &'a [T],
    columns: &'a Columns<'b, T>,
    row_sums: &'a mut [T],
    column_sums: &'a mut [T],
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, const E: usize> WithSimd<T> for RunMirrored<'_, '_, P, T, E> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        run_mirrored::<P, S, E>(
            s,
            P::Params::from_slice(self.params),
            vectors::<S>(self.rows),
            self.columns,
            vectors_mut::<S>(self.row_sums),
            vectors_mut::<S>(self.column_sums),
        );
    }
}

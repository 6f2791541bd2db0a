//! The functions that a formula compiles: each finds the code for an instruction set.

use super::code::Tile;
use super::few::is_worthwhile;
use super::pairing::{Hoisting, Pairing, scalar_value};
use super::spread::OverColumns;
use super::tile::{Columns, run_block, run_mirrored, run_tile};
use crate::kernel::{Features, Given, Lanes, Splat};
use crate::lanes::{vectors, vectors_mut};
use crate::reduce::Reduction;
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;

/// Features of rows, or else of columns.
pub(super) fn hoist<H: Hoisting, T: Real, const ROWS: bool>(
    isa: InstructionSet,
    params: &[T],
    raw: &[T],
    features: &mut [T],
) {
    dispatch(
        isa,
        Side::<H, T, ROWS> {
            params,
            raw,
            features,
            kernel: PhantomData,
        },
    );
}

/// The features of a single column.
pub(super) fn hoist_single<H: Hoisting, T: Real>(
    _: InstructionSet,
    params: &[T],
    raw: &[T],
    features: &mut [T],
) {
    let hoist = Side::<H, T, false> {
        params,
        raw,
        features,
        kernel: PhantomData,
    };
    // SAFETY: vectors of one lane need no instruction set.
    hoist.with(unsafe { T::Scalar::assume_available() });
}

/// Computes features of rows, or else of columns.
struct Side<'a, H, T, const ROWS: bool> {
    params: &'a [T],
    raw: &'a [T],
    features: &'a mut [T],
    kernel: PhantomData<H>,
}

impl<H: Hoisting, T: Real, const ROWS: bool> WithSimd<T> for Side<'_, H, T, ROWS> {
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

/// The distances, if they are given.
#[inline(always)]
fn given<P: Pairing, S: Simd>(distances: &[S::T]) -> &[S::V] {
    match const { P::GIVEN } {
        true => vectors::<S>(distances),
        false => &[],
    }
}

/// The loop over a tile, of vectors of columns if there are few rows.
pub(super) fn run_tile_on<P: Pairing, T: Real, R: Reduction, const FEW: bool>(
    isa: InstructionSet,
    reduction: R,
    tile: &mut Tile<'_, T, R::Total>,
) {
    dispatch(
        isa,
        RunTile::<P, T, R, FEW> {
            reduction,
            tile,
            kernel: PhantomData,
        },
    );
}

struct RunTile<'a, 'b, P, T, R: Reduction, const FEW: bool> {
    reduction: R,
    tile: &'a mut Tile<'b, T, R::Total>,
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, R: Reduction, const FEW: bool> WithSimd<T>
    for RunTile<'_, '_, P, T, R, FEW>
{
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let Tile {
            params,
            rows,
            columns,
            distances,
            scratch,
            totals,
            slots,
        } = self.tile;
        let params = P::Params::from_slice(params);
        let (rows, distances) = (vectors::<S>(rows), given::<P, S>(distances));
        let (reduction, scratch) = (self.reduction, vectors_mut::<S>(scratch));
        if const { !FEW } {
            run_tile::<P, S, R>(
                s, reduction, params, rows, columns, distances, scratch, totals, *slots,
            );
        } else if const { is_worthwhile(size_of::<S::V>()) } {
            // A row fills a vector.
            run_block::<P, S, R, OverColumns, 1>(
                s, reduction, params, rows, columns, distances, scratch, totals, *slots, 0,
            );
        }
    }
}

/// The values for a vector of rows; a formula that is given its distance finds it in the place of the value.
pub(super) fn store_on<P: Pairing, T: Real>(
    isa: InstructionSet,
    params: &[T],
    row: &[T],
    columns: &Columns<'_, T>,
    values: &mut [T],
) {
    dispatch(
        isa,
        Store::<P, T> {
            params,
            row,
            columns,
            values,
            kernel: PhantomData,
        },
    );
}

struct Store<'a, 'b, P, T> {
    params: &'a [T],
    row: &'a [T],
    columns: &'a Columns<'b, T>,
    values: &'a mut [T],
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real> WithSimd<T> for Store<'_, '_, P, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = P::Params::from_slice(self.params);
        let row = P::Row::from_slice(vectors::<S>(self.row));
        let columns = P::Column::many(self.columns.features, self.columns.count);
        let values = vectors_mut::<S>(self.values);
        for (value, column) in values.iter_mut().zip(columns) {
            let (row, column) = Given::pair(Lanes(row), Splat(column), *value);
            *value = scalar_value::<P, S>(s, params, &row, &column);
        }
    }
}

/// The products of a tile and its transpose.
pub(super) fn run_mirrored_on<P: Pairing, T: Real, const E: usize>(
    isa: InstructionSet,
    params: &[T],
    rows: &[T],
    columns: &Columns<'_, T>,
    distances: &[T],
    sums: [&mut [T]; 2],
) {
    dispatch(
        isa,
        RunMirrored::<P, T, E> {
            params,
            rows,
            columns,
            distances,
            sums,
            kernel: PhantomData,
        },
    );
}

struct RunMirrored<'a, 'b, P, T, const E: usize> {
    params: &'a [T],
    rows: &'a [T],
    columns: &'a Columns<'b, T>,
    distances: &'a [T],
    sums: [&'a mut [T]; 2],
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, const E: usize> WithSimd<T> for RunMirrored<'_, '_, P, T, E> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let [row_sums, column_sums] = self.sums;
        run_mirrored::<P, S, E>(
            s,
            P::Params::from_slice(self.params),
            vectors::<S>(self.rows),
            self.columns,
            given::<P, S>(self.distances),
            vectors_mut::<S>(row_sums),
            vectors_mut::<S>(column_sums),
        );
    }
}

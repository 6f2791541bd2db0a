//! Squared distances in many dimensions, `|a - b|^2 = |a|^2 + |b|^2 - 2 (a, b)`.
//!
//! The scalar products of many points with many others are a product of matrices, of one multiply-add for each pair and dimension, where
//! differences take two instructions. They cancel where a distance is much smaller than its points are large, which costs what digits the sum has
//! beyond the difference. So points are taken relative to a centre, and this way is taken only where the bound says that nothing is lost: the value changes by at
//! most its *slope* times the error of the squared distance, relatively, and that is a few units in the last place of `|a|^2 + |b|^2`. Differences
//! have the same error for a pair that is as far apart.

use super::Problem;
use super::code::SquaresCode;
use super::pack::Points;
use super::pairing::{Expandable, Pairing, scalar_value};
use super::tile::Columns;
use crate::input::Input;
use crate::kernel::{Features, Given, Lanes, Splat};
use crate::lanes::{Aligned, vectors, vectors_mut};
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;
use ndarray::Array2;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The slope times `|a|^2 + |b|^2` is at most this: an exponent has an error of few units in the last place of it.
const LARGEST_CHANGE: f64 = 8.0;
/// With fewer points on a side, their squares take longer than what they save.
const FEWEST_POINTS: usize = 256;
/// Points whose squares are computed by one thread.
const SPAN: usize = 512;

/// The squares of the points on both sides of a problem, relative to their centre.
#[derive(Debug)]
pub struct Squares {
    rows: Array2<f64>,
    columns: Array2<f64>,
    /// The parameters of the problem and the centre.
    params: Vec<f64>,
}

/// Squares for evaluations in single and in double precision, computed when they are first asked for; `None` where distances are not expanded.
pub(crate) type KeptSquares = [OnceLock<Option<Arc<Squares>>>; 2];

impl Squares {
    /// The squares for a kernel that is evaluated in `T`, where expanding its distances is as accurate as computing them, and faster.
    pub(crate) fn of<T: Real>(
        code: &SquaresCode<T>,
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Arc<Self>> {
        let compute = || T::squares(code, isa, problem).map(Arc::new);
        match &problem.squares {
            Some(kept) => kept[usize::from(size_of::<T>() == size_of::<f64>())]
                .get_or_init(compute)
                .clone(),
            None => compute(),
        }
    }

    /// [`Squares::of`] a problem that keeps none.
    pub(crate) fn compute<T: Real>(
        code: &SquaresCode<T>,
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Self> {
        let (rows, columns) = (&problem.rows, &problem.columns);
        if problem.batch.is_some() || rows.count().min(columns.count()) < FEWEST_POINTS {
            return None;
        }
        let centre = if code.rows_are_i { rows } else { columns }.centre();
        let params = [&problem.params[..], &centre].concat();
        let sides = &code.sides(isa, &params);
        let layout = sides.layout();
        let rows = squares(rows, layout.lanes, layout.row, &|raw, features| {
            sides.hoist_rows(raw, features);
        });
        let columns = squares(
            columns,
            layout.column_lanes,
            layout.column,
            &|raw, features| {
                sides.hoist_columns(raw, features);
            },
        );
        // NaN is larger than anything.
        let larger = |a: f64, &b: &f64| if a.is_nan() || b <= a { a } else { b };
        let largest = |squares: &Array2<f64>| squares.iter().fold(0.0, larger);
        let change = (code.slope)(&params) * (largest(&rows) + largest(&columns));
        (change <= LARGEST_CHANGE).then_some(Self {
            rows,
            columns,
            params,
        })
    }

    /// The problem with the squares as the last component of its points.
    pub(crate) fn with<'a>(&'a self, problem: &'a Problem<'_>) -> Problem<'a> {
        let mut problem = problem.reborrow();
        problem.squares = None;
        problem.params.clone_from(&self.params);
        problem.rows.push(Input::F64(self.rows.view()), 1);
        problem.columns.push(Input::F64(self.columns.view()), 1);
        problem
    }
}

/// The squares of points, in double precision, of components as `hoist` leaves them in the type of the evaluation; a column.
fn squares<T: Real>(
    points: &Points<'_>,
    lanes: usize,
    components: usize,
    hoist: &(dyn Fn(&[T], &mut [T]) + Sync),
) -> Array2<f64> {
    let mut squares = Array2::zeros((points.count(), 1));
    let spans = squares.as_slice_mut().unwrap_or_default();
    let spans = spans.par_chunks_mut(SPAN).enumerate();
    spans.for_each(|(span, squares)| {
        let mut raw = Aligned::zeros(points.components() * lanes);
        let mut features = Aligned::<T>::zeros(components * lanes);
        for (n, squares) in squares.chunks_mut(lanes).enumerate() {
            points.gather(span * SPAN + n * lanes, lanes, &mut raw);
            hoist(&raw, &mut features);
            for components in features.chunks_exact(lanes) {
                for (square, component) in squares.iter_mut().zip(components) {
                    *square += component.to_f64() * component.to_f64();
                }
            }
        }
    });
    squares
}

/// Values for a vector of rows, in the place of scalar products.
pub(super) fn replace_on<P: Expandable, T: Real>(
    isa: InstructionSet,
    params: &[T],
    row: &[T],
    columns: &Columns<'_, T>,
    values: &mut [T],
) {
    dispatch(
        isa,
        Replace::<P, T> {
            params,
            row,
            columns,
            values,
            kernel: PhantomData,
        },
    );
}

struct Replace<'a, 'b, P, T> {
    params: &'a [T],
    row: &'a [T],
    columns: &'a Columns<'b, T>,
    values: &'a mut [T],
    kernel: PhantomData<P>,
}

impl<P: Expandable, T: Real> WithSimd<T> for Replace<'_, '_, P, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = <P::Value as Pairing>::Params::from_slice(self.params);
        let [_, column] = const { features::<P, T>(0) };
        let row = vectors::<S>(self.row);
        let columns = self.columns.features.chunks_exact(column);
        for (product, column) in vectors_mut::<S>(self.values).iter_mut().zip(columns) {
            *product = value::<P, S>(s, params, row, column, *product);
        }
    }
}

/// The products of some vectors of rows and some columns, whose scalar products are given, and of their transpose.
pub(super) fn use_twice_on<P: Expandable, T: Real, const E: usize>(
    isa: InstructionSet,
    params: &[T],
    rows: &[T],
    columns: &Columns<'_, T>,
    products: &[T],
    sums: [&mut [T]; 2],
) {
    dispatch(
        isa,
        Twice::<P, T, E> {
            params,
            rows,
            columns,
            products,
            sums,
            kernel: PhantomData,
        },
    );
}

/// Adds the products of the values, which are computed from scalar products, with the weights of columns to the sums of the rows, and with those of rows to the
/// sums of the columns.
struct Twice<'a, 'b, P, T, const E: usize> {
    params: &'a [T],
    rows: &'a [T],
    columns: &'a Columns<'b, T>,
    products: &'a [T],
    sums: [&'a mut [T]; 2],
    kernel: PhantomData<P>,
}

impl<P: Expandable, T: Real, const E: usize> WithSimd<T> for Twice<'_, '_, P, T, E> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = <P::Value as Pairing>::Params::from_slice(self.params);
        let [row, column] = const { features::<P, T>(E) };
        let columns = self.columns.features.chunks_exact(column);
        let products = vectors::<S>(self.products).chunks_exact(self.columns.count);
        let rows = vectors::<S>(self.rows).chunks_exact(row);
        let [row_sums, column_sums] = self.sums.map(vectors_mut::<S>);
        let row_sums = row_sums.chunks_exact_mut(E);
        for ((products, row), row_sums) in products.zip(rows).zip(row_sums) {
            let (row, row_weights) = row.split_at(row.len() - E);
            let mut sums = [s.splat(T::ZERO); E];
            sums.copy_from_slice(row_sums);
            let column_sums = column_sums.chunks_exact_mut(E);
            for ((&product, column), column_sums) in
                products.iter().zip(columns.clone()).zip(column_sums)
            {
                let (column, column_weights) = column.split_at(column.len() - E);
                let value = value::<P, S>(s, params, row, column, product);
                for e in 0..E {
                    sums[e] = s.fma(value, s.splat(column_weights[e]), sums[e]);
                    column_sums[e] = s.fma(value, row_weights[e], column_sums[e]);
                }
            }
            row_sums.copy_from_slice(&sums);
        }
    }
}

/// Features of a row and of a column, so many of which are weights.
const fn features<P: Expandable, T: Copy>(weights: usize) -> [usize; 2] {
    let dimensions = <P::Product as Pairing>::Row::<T>::LEN + weights;
    [
        dimensions + <P::Value as Pairing>::Row::<T>::LEN,
        dimensions + <P::Value as Pairing>::Column::<T>::LEN,
    ]
}

/// The value for a vector of rows and a column with this scalar product, from features of which the last ones are those of [`Expandable::Value`].
#[inline(always)]
fn value<P: Expandable, S: Simd>(
    s: S,
    params: &<P::Value as Pairing>::Params<S::T>,
    row: &[S::V],
    column: &[S::T],
    product: S::V,
) -> S::V {
    let dimensions = <P::Product as Pairing>::Row::<S::T>::LEN;
    let row = <P::Value as Pairing>::Row::from_slice(&row[dimensions..]);
    let column = <P::Value as Pairing>::Column::from_slice(&column[dimensions..]);
    let row = Given {
        features: Lanes(row),
        product,
    };
    let column = Given {
        features: Splat(column),
        product,
    };
    scalar_value::<P::Value, S>(s, params, &row, &column)
}

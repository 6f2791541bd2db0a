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
use super::parallel::for_each_part;
use super::sides::Sides;
use super::tile::Columns;
use crate::input::Input;
use crate::kernel::{Features, Given, Lanes, Splat};
use crate::lanes::{Aligned, vectors, vectors_mut};
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;
use ndarray::Array2;

/// The slope times `|a|^2 + |b|^2` is at most this: an exponent has an error of few units in the last place of it.
const LARGEST_CHANGE: f64 = 8.0;
/// With fewer points on a side, their squares take longer than what they save.
const FEWEST_POINTS: usize = 256;
/// Points whose squares are computed by one thread.
const SPAN: usize = 1024;

/// The squares of the points on both sides of a problem, relative to their centre.
pub(crate) struct Squares {
    rows: Array2<f64>,
    columns: Array2<f64>,
    /// The parameters of the problem and the centre.
    params: Vec<f64>,
}

impl Squares {
    /// The squares for a kernel that is evaluated in `T`, where expanding its distances is as accurate as computing them, and faster.
    pub(crate) fn of<T: Real>(
        code: &SquaresCode<T>,
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Self> {
        let (rows, columns) = (&problem.rows, &problem.columns);
        if problem.batch.is_some() || rows.count().min(columns.count()) < FEWEST_POINTS {
            return None;
        }
        let centre = if code.rows_are_i { rows } else { columns }.means();
        let params = [&problem.params[..], &centre].concat();
        let slope = (code.slope)(&params);
        let sides = code.sides(isa, &params);
        let squares = [(rows, true), (columns, false)].map(|(points, rows)| {
            T::squares(&SquaresOf {
                sides: &sides,
                points,
                rows,
            })
        });
        // NaN is larger than anything.
        let largest = |squares: &[f64]| {
            let larger = |a: f64, &b: &f64| if a.is_nan() || b <= a { a } else { b };
            squares.iter().fold(0.0, larger)
        };
        let [of_rows, of_columns] = [largest(&squares[0]), largest(&squares[1])];
        let change = slope * (of_rows + of_columns);
        if change.is_nan() || change > LARGEST_CHANGE {
            return None;
        }
        let [rows, columns] = squares.map(|squares| {
            let count = squares.len();
            Array2::from_shape_vec((count, 1), squares).ok()
        });
        Some(Self {
            rows: rows?,
            columns: columns?,
            params,
        })
    }

    /// The problem with the squares as the last component of its points.
    pub(crate) fn with<'a>(&'a self, problem: &'a Problem<'_>) -> Problem<'a> {
        let mut problem = problem.reborrow();
        problem.params.clone_from(&self.params);
        problem.rows.push(Input::F64(self.rows.view()), 1);
        problem.columns.push(Input::F64(self.columns.view()), 1);
        problem
    }
}

/// The squares of points.
pub struct SquaresOf<'a, 'b, T: 'static> {
    /// What computes the components.
    sides: &'a Sides<T>,
    points: &'a Points<'b>,
    /// Whether the points are rows, or columns.
    rows: bool,
}

impl<T: Real> SquaresOf<'_, '_, T> {
    /// The squares, from components of the type of the evaluation, in double precision.
    pub(crate) fn run(&self) -> Vec<f64> {
        let layout = self.sides.layout();
        let (lanes, length) = match self.rows {
            true => (layout.lanes, layout.row),
            false => (layout.column_lanes, layout.column),
        };
        let mut squares = vec![0.0; self.points.count()];
        for_each_part(&mut squares, SPAN, &|span, squares| {
            let mut raw = Aligned::zeros(self.points.components() * lanes);
            let mut features = Aligned::<T>::zeros(length * lanes);
            for (n, squares) in squares.chunks_mut(lanes).enumerate() {
                self.points.gather(span * SPAN + n * lanes, lanes, &mut raw);
                match self.rows {
                    true => self.sides.hoist_rows(&raw, &mut features),
                    false => self.sides.hoist_columns(&raw, &mut features),
                }
                for components in features.chunks_exact(lanes) {
                    for (square, component) in squares.iter_mut().zip(components) {
                        *square += component.to_f64() * component.to_f64();
                    }
                }
            }
        });
        squares
    }
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

//! Squared distances in many dimensions, `|a - b|^2 = |a|^2 + |b|^2 - 2 (a, b)`.
//!
//! The scalar products of many points with many others are a product of matrices, of one multiply-add for each pair and dimension, where
//! differences take two instructions. They cancel where a distance is much smaller than its points are large, which costs what digits the sum has
//! beyond the difference. So points are taken relative to a centre, and this way is taken only where the bound says that nothing is lost: the value changes by at
//! most its *slope* times the error of the squared distance, relatively, and that is a few units in the last place of `|a|^2 + |b|^2`. Differences
//! have the same error for a pair that is as far apart.

use super::Problem;
use super::code::{Compiled, Layout, Mirror, Sides, Values};
use super::dense::Stored;
use super::mirror::Once;
use super::pack::Points;
use super::pairing::{Expandable, Mirrored, Pairing, scalar_value};
use super::pairs::of_parameters;
use super::parallel::for_each_part;
use super::products::ScalarProducts;
use super::tile::Columns;
use super::wide::{ROWS, TOGETHER};
use crate::input::Input;
use crate::kernel::{Features, Given, Lanes, Splat};
use crate::lanes::{Aligned, vectors, vectors_mut};
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;
use ndarray::Array2;

/// The slope times `|a|^2 + |b|^2` is at most this: an exponent has an error of few units in the last place of it.
const LARGEST_CHANGE: f64 = 4.0;
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
    pub(crate) fn of<P: Expandable, T: Real>(
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Self> {
        let (rows, columns) = (&problem.rows, &problem.columns);
        if problem.batch.is_some() || rows.count().min(columns.count()) < FEWEST_POINTS {
            return None;
        }
        let centre = if P::ROWS_ARE_I { rows } else { columns }.means();
        let params = [&problem.params[..], &centre].concat();
        let slope = of_parameters::<P::Slope>(&params);
        let sides = Compiled::<P::Product, T, Stored>::with_params(isa, &params, Stored);
        let squares = [(rows, true), (columns, false)].map(|(points, rows)| {
            T::squares(&SquaresOf {
                sides: &sides,
                points,
                rows,
            })
        });
        // NaN is larger than anything.
        let largest = |squares: &[f64]| {
            let larger = |a: f64, &b: &f64| if b <= a { a } else { b };
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
pub struct SquaresOf<'a, 'b, T> {
    /// What the components are features of.
    sides: &'a dyn Sides<T>,
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

/// The expanded kernel: the features of a point are its components, relative to the centre, and then those of `Q`, the values by themselves or with weights.
pub(super) struct Expanded<P: Expandable, Q, T, R = Stored> {
    isa: InstructionSet,
    product: Compiled<P::Product, T, Stored>,
    value: Compiled<Q, T, R>,
}

impl<P: Expandable, Q, T: Real, R> Expanded<P, Q, T, R> {
    /// The kernel for a problem [with its squares](Squares::with).
    pub(super) fn new(
        isa: InstructionSet,
        problem: &Problem<'_>,
        value: Compiled<Q, T, R>,
    ) -> Self {
        Self {
            isa,
            product: Compiled::new(isa, problem, Stored),
            value,
        }
    }

    /// Components of a point.
    const DIMENSIONS: usize = <P::Product as Pairing>::Row::<T>::LEN;

    /// Number of vector instructions per pair.
    pub(super) const COST: usize = Self::DIMENSIONS + <P::Value as Pairing>::COST;
}

impl<P: Expandable, Q: Pairing, T: Real, R: Send + Sync> Sides<T> for Expanded<P, Q, T, R>
where
    Compiled<Q, T, R>: Sides<T>,
{
    fn layout(&self) -> Layout {
        let value = self.value.layout();
        Layout {
            column_lanes: 1,
            row: Self::DIMENSIONS + value.row,
            column: Self::DIMENSIONS + value.column,
            scratch: 0,
            ..value
        }
    }

    fn hoist_rows(&self, raw: &[T], features: &mut [T]) {
        let lanes = features.len() / self.layout().row;
        let (point, others) = features.split_at_mut(Self::DIMENSIONS * lanes);
        self.product.hoist_rows(raw, point);
        self.value.hoist_rows(raw, others);
    }

    fn hoist_columns(&self, raw: &[T], features: &mut [T]) {
        let (point, others) = features.split_at_mut(Self::DIMENSIONS);
        self.product.hoist_column(raw, point);
        self.value.hoist_column(raw, others);
    }
}

impl<P: Expandable, T: Real> Values<T> for Expanded<P, P::Value, T> {
    fn values(&self, rows: &[T], columns: &Columns<'_, T>, values: &mut [T]) {
        let Layout { row, column, .. } = self.layout();
        let products = ScalarProducts {
            rows,
            row,
            columns: columns.features,
            column,
            dimensions: Self::DIMENSIONS,
            count: columns.count,
            products: &mut *values,
        };
        T::scalar_products(self.isa, products);
        let values = Store::<P, T> {
            params: &self.value.params,
            rows,
            columns,
            values,
            kernel: PhantomData,
        };
        dispatch(self.isa, values);
    }
}

impl<P: Expandable, T: Real, const E: usize> Mirror<T>
    for Expanded<P, Mirrored<P::Value, E>, T, Once>
{
    fn run_mirrored(
        &self,
        rows: &[T],
        columns: &Columns<'_, T>,
        row_sums: &mut [T],
        column_sums: &mut [T],
    ) {
        let Layout {
            lanes, row, column, ..
        } = self.layout();
        row_sums.fill(T::ZERO);
        let column_sums = &mut column_sums[..columns.count * E * lanes];
        let mut products = Aligned::zeros(ROWS * TOGETHER * lanes);
        let blocks = rows.chunks(ROWS * row * lanes);
        for (rows, row_sums) in blocks.zip(row_sums.chunks_mut(ROWS * E * lanes)) {
            let sums = column_sums.chunks_mut(TOGETHER * E * lanes);
            for (n, column_sums) in sums.enumerate() {
                let count = column_sums.len() / (E * lanes);
                let columns = &columns.features[n * TOGETHER * column..][..count * column];
                let products = &mut products[..rows.len() / row * count];
                T::scalar_products(
                    self.isa,
                    ScalarProducts {
                        rows,
                        row,
                        columns,
                        column,
                        dimensions: Self::DIMENSIONS,
                        count,
                        products,
                    },
                );
                let twice = Twice::<P, T, E> {
                    params: &self.value.params,
                    rows,
                    columns,
                    products,
                    row_sums,
                    column_sums,
                    kernel: PhantomData,
                };
                dispatch(self.isa, twice);
            }
        }
    }
}

/// Adds the products of the values, which are computed from scalar products, with the weights of columns to the sums of the rows, and with those of rows to the
/// sums of the columns.
struct Twice<'a, P, T, const E: usize> {
    params: &'a [T],
    rows: &'a [T],
    columns: &'a [T],
    products: &'a [T],
    row_sums: &'a mut [T],
    column_sums: &'a mut [T],
    kernel: PhantomData<P>,
}

impl<P: Expandable, T: Real, const E: usize> WithSimd<T> for Twice<'_, P, T, E> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = <P::Value as Pairing>::Params::from_slice(self.params);
        let [row, column] = const { features::<P, T>(E) };
        let columns = self.columns.chunks_exact(column);
        let products = vectors::<S>(self.products).chunks_exact(columns.len());
        let rows = vectors::<S>(self.rows).chunks_exact(row);
        let row_sums = vectors_mut::<S>(self.row_sums).chunks_exact_mut(E);
        let column_sums = vectors_mut::<S>(self.column_sums);
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

/// Computes values in the place of scalar products.
struct Store<'a, 'b, P, T> {
    params: &'a [T],
    rows: &'a [T],
    columns: &'a Columns<'b, T>,
    values: &'a mut [T],
    kernel: PhantomData<P>,
}

impl<P: Expandable, T: Real> WithSimd<T> for Store<'_, '_, P, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let params = <P::Value as Pairing>::Params::from_slice(self.params);
        let [row, column] = const { features::<P, T>(0) };
        let rows = vectors::<S>(self.rows).chunks_exact(row);
        let values = vectors_mut::<S>(self.values).chunks_exact_mut(self.columns.count);
        for (values, row) in values.zip(rows) {
            let columns = self.columns.features.chunks_exact(column);
            for (product, column) in values.iter_mut().zip(columns) {
                *product = value::<P, S>(s, params, row, column, *product);
            }
        }
    }
}

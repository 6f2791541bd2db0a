//! The values of a formula at single pairs.

use super::Problem;
use super::pairing::{Hoisting, Pairing, RowsI};
use super::parallel::for_each_part;
use crate::kernel::{Accumulator, Features, Kernel, Lanes, Splat};
use crate::lanes::{single_lanes, single_lanes_mut};
use crate::simd::{LaneArray, Scalar, Simd};
use core::ops::Range;
use ndarray::Array2;

/// Number of pairs of a task.
const SPAN: usize = 4096;

/// Writes the components of a formula for row `n` and column `n`, for all `n`, one after the other to `out`, evaluating
/// in double precision.
pub(crate) fn diagonal(code: &PairsCode, problem: &Problem<'_>, out: &mut [f64]) {
    let formula = &Formula::new(code, problem);
    let components = code.components;
    for_each_part(out, SPAN * components, &|span, out| {
        let count = out.len() / components.max(1);
        let points = formula.points(problem, span * SPAN..span * SPAN + count);
        for (n, out) in out.chunks_exact_mut(components).enumerate() {
            points.write([n, n], out);
        }
    });
}

/// The values of a scalar formula, which is symmetric for the points of `problem`, for all of its few pairs, evaluating in double precision.
pub(crate) fn symmetric_matrix(code: &PairsCode, problem: &Problem<'_>) -> Array2<f64> {
    Formula::new(code, problem).symmetric_matrix(problem)
}

/// The components of the formula `K`, which depends on parameters alone.
pub(crate) fn of_parameters<K: Kernel>(raw: &[f64]) -> Vec<f64> {
    let params = <RowsI<K> as Hoisting>::params(raw);
    let mut values = vec![f64::NAN; K::Out::<f64>::LEN];
    pair::<RowsI<K>>(&params, [&[], &[]], &mut values);
    values
}

/// A formula for single pairs.
///
/// Without vector instructions: these pairs are few beside those of a reduction, and not worth the time to compile more.
#[derive(Clone, Copy)]
pub(crate) struct PairsCode {
    /// Computes the features of the parameters.
    params: fn(&[f64]) -> Vec<f64>,
    /// Numbers of features of a row and of a column.
    features: [usize; 2],
    /// Number of components.
    components: usize,
    /// Computes the features of a row and of a column from their raw coordinates.
    hoist: fn(&[f64], [&[f64]; 2], [&mut [f64]; 2]),
    /// Writes the components from the features of a row and of a column.
    pair: fn(&[f64], [&[f64]; 2], &mut [f64]),
}

impl PairsCode {
    /// The formula `P`.
    pub(crate) const fn of<P: Pairing>() -> Self {
        Self {
            params: P::Hoisting::params,
            features: [P::Row::<f64>::LEN, P::Column::<f64>::LEN],
            components: P::Out::<f64>::LEN,
            hoist: hoist::<P::Hoisting>,
            pair: pair::<P>,
        }
    }
}

/// A formula with the features of the parameters of a problem.
struct Formula {
    code: PairsCode,
    params: Vec<f64>,
}

fn hoist<H: Hoisting>(params: &[f64], raw: [&[f64]; 2], features: [&mut [f64]; 2]) {
    let s = LaneArray::<f64, 1>::new();
    let params = H::Params::<f64>::from_slice(params);
    let [raw_row, raw_column] = raw.map(single_lanes::<Scalar<f64>>);
    let [row, column] = features.map(single_lanes_mut::<Scalar<f64>>);
    H::hoist_rows(s, params, raw_row, row);
    H::hoist_columns(s, params, raw_column, column);
}

fn pair<P: Pairing>(params: &[f64], [row, column]: [&[f64]; 2], out: &mut [f64]) {
    let s = LaneArray::<f64, 1>::new();
    let params = P::Params::<f64>::from_slice(params);
    let row = P::Row::from_slice(single_lanes::<Scalar<f64>>(row));
    let column = P::Column::from_slice(column);
    P::pair(s, params, &Lanes(row), &Splat(column), &mut Components(out));
}

/// Holds the components of a formula.
struct Components<'a>(&'a mut [f64]);

impl<S: Simd<T = f64, V = [f64; 1]>> Accumulator<S> for Components<'_> {
    #[inline(always)]
    fn push(&mut self, _: S, k: usize, value: [f64; 1]) {
        [self.0[k]] = value;
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, k: usize, a: [f64; 1], b: [f64; 1]) {
        [self.0[k]] = s.mul(a, b);
    }
}

/// The features of some rows and of the columns of the same numbers.
struct Points<'a, 'b> {
    formula: &'a Formula,
    problem: &'a Problem<'b>,
    /// The number of the first.
    first: usize,
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Formula {
    fn new(code: &PairsCode, problem: &Problem<'_>) -> Self {
        Self {
            code: *code,
            params: (code.params)(&problem.params),
        }
    }

    fn points<'a, 'b>(&'a self, problem: &'a Problem<'b>, of: Range<usize>) -> Points<'a, 'b> {
        let [row, column] = self.code.features;
        let mut points = Points {
            formula: self,
            problem,
            first: of.start,
            rows: vec![0.0; row * of.len()],
            columns: vec![0.0; column * of.len()],
        };
        let mut raw_row = vec![0.0; problem.rows.components()];
        let mut raw_column = vec![0.0; problem.columns.components()];
        for n in 0..of.len() {
            problem.rows.gather(of.start + n, 1, &mut raw_row);
            problem.columns.gather(of.start + n, 1, &mut raw_column);
            let row = &mut points.rows[n * row..][..row];
            let column = &mut points.columns[n * column..][..column];
            (self.code.hoist)(&self.params, [&raw_row, &raw_column], [row, column]);
        }
        points
    }

    fn symmetric_matrix(&self, problem: &Problem<'_>) -> Array2<f64> {
        let n = problem.rows.count();
        let points = self.points(problem, 0..n);
        let mut matrix = Array2::zeros((n, n));
        for i in 0..n {
            for j in 0..=i {
                let mut value = [0.0];
                points.write([i, j], &mut value);
                [matrix[[i, j]]] = value;
                [matrix[[j, i]]] = value;
            }
        }
        matrix
    }
}

impl Points<'_, '_> {
    /// Writes the components for the i-th of the rows and the j-th of the columns.
    fn write(&self, [i, j]: [usize; 2], out: &mut [f64]) {
        let PairsCode {
            features: [row, column],
            pair,
            ..
        } = self.formula.code;
        let row = &self.rows[i * row..][..row];
        let column = &self.columns[j * column..][..column];
        pair(&self.formula.params, [row, column], out);
        if let Some(pattern) = &self.problem.pattern {
            // Not a product, which would make an infinity outside of the pattern NaN.
            match pattern.count(self.first + i, self.first + j) {
                0 => out.fill(0.0),
                times => out.iter_mut().for_each(|value| *value *= times as f64),
            }
        }
    }
}

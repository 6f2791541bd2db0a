//! The values of a formula at the pairs of the n-th row and the n-th column.

use super::Problem;
use super::code::hoist_params;
use super::pairing::Pairing;
use super::parallel::for_each_part;
use crate::kernel::{Accumulator, Features, Lanes, Splat};
use crate::lanes::{single_lanes, single_lanes_mut};
use crate::simd::{LaneArray, Scalar, Simd};

/// Number of pairs of a task.
const SPAN: usize = 4096;

/// Writes the components of the formula `P` for row `n` and column `n`, for all `n`, one after the other to `out`, evaluating
/// in double precision.
///
/// One pair at a time, without vector instructions: there are as many rows and columns as pairs, few beside the pairs of
/// a reduction, and not worth the time to compile more.
pub(crate) fn diagonal<P: Pairing>(problem: &Problem<'_>, out: &mut [f64]) {
    let params = hoist_params::<P, f64>(&problem.params);
    let components = P::Out::<f64>::LEN;
    for_each_part(out, SPAN * components, &|span, out| {
        fill::<P>(problem, &params, span * SPAN, out);
    });
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

fn fill<P: Pairing>(problem: &Problem<'_>, params: &[f64], first: usize, out: &mut [f64]) {
    let s = LaneArray::<f64, 1>::new();
    let (rows, columns) = (&problem.rows, &problem.columns);
    let params = P::Params::<f64>::from_slice(params);
    let mut row = vec![[0.0]; P::Row::<f64>::LEN];
    let mut column = vec![0.0; P::Column::<f64>::LEN];
    let mut raw_row = vec![0.0; rows.components()];
    let mut raw_column = vec![0.0; columns.components()];
    for (k, out) in out.chunks_exact_mut(P::Out::<f64>::LEN).enumerate() {
        rows.gather(first + k, 1, &mut raw_row);
        columns.gather(first + k, 1, &mut raw_column);
        P::hoist_rows(s, params, single_lanes::<Scalar<f64>>(&raw_row), &mut row);
        let features = single_lanes_mut::<Scalar<f64>>(&mut column);
        P::hoist_columns(
            s,
            params,
            single_lanes::<Scalar<f64>>(&raw_column),
            features,
        );
        let (row, column) = (P::Row::from_slice(&row), P::Column::from_slice(&column));
        P::pair(s, params, &Lanes(row), &Splat(column), &mut Components(out));
        if let Some(pattern) = &problem.pattern {
            // Not a product, which would make an infinity outside of the pattern NaN.
            match pattern.count(first + k, first + k) {
                0 => out.fill(0.0),
                times => out.iter_mut().for_each(|value| *value *= times as f64),
            }
        }
    }
}

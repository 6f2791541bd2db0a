//! The values of a scalar formula at the pairs of each point with itself.

use super::Problem;
use super::code::hoist_params;
use super::pairing::{Pairing, scalar_value};
use crate::kernel::Features;
use crate::lanes::{single_lanes, single_lanes_mut};
use crate::simd::{LaneArray, Scalar};
use rayon::prelude::*;

/// Number of points of a task.
const SPAN: usize = 4096;

/// Writes the value of the scalar formula `P` for row `i` and column `i` to `out[i]`, evaluating in double precision.
///
/// One pair at a time, without vector instructions: it is done once in a solve, for `n` of the `n^2` pairs, and not worth the time to compile
/// more.
pub(crate) fn diagonal<P: Pairing>(problem: &Problem<'_>, out: &mut [f64]) {
    let params = hoist_params::<P, f64>(&problem.params);
    out.par_chunks_mut(SPAN)
        .enumerate()
        .for_each(|(span, out)| fill::<P>(problem, &params, span * SPAN, out));
}

fn fill<P: Pairing>(problem: &Problem<'_>, params: &[f64], first: usize, out: &mut [f64]) {
    let s = LaneArray::<f64, 1>::new();
    let (rows, columns) = (&problem.rows, &problem.columns);
    let params = P::Params::<f64>::from_slice(params);
    let mut row = vec![[0.0]; P::Row::<f64>::LEN];
    let mut column = vec![0.0; P::Column::<f64>::LEN];
    let mut raw_row = vec![0.0; rows.components()];
    let mut raw_column = vec![0.0; columns.components()];
    for (k, out) in out.iter_mut().enumerate() {
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
        [*out] = scalar_value::<P, LaneArray<f64, 1>>(s, params, row, column);
        if let Some(pattern) = &problem.pattern {
            // Not a product, which would make an infinity outside of the pattern NaN.
            *out = match pattern.count(first + k, first + k) {
                0 => 0.0,
                times => *out * times as f64,
            };
        }
    }
}

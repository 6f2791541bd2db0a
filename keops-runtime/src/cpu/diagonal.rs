//! The values of a scalar formula at the pairs of each point with itself.

use super::pack::{pack_columns, pack_rows, scratch_for_columns};
use super::pairing::{Pairing, scalar_value};
use super::{Problem, hoist_params};
use crate::kernel::Features;
use crate::simd::LaneArray;
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
    let mut raw = vec![[0.0]; rows.components()];
    let mut scratch =
        vec![[0.0]; scratch_for_columns::<P, LaneArray<f64, 1>>(columns.components())];
    for (k, out) in out.iter_mut().enumerate() {
        pack_rows::<P, _>(s, params, rows, first + k, &mut raw, &mut row);
        pack_columns::<P, _>(s, params, columns, first + k, 1, &mut scratch, &mut column);
        let (row, column) = (P::Row::from_slice(&row), P::Column::from_slice(&column));
        [*out] = scalar_value::<P, LaneArray<f64, 1>>(s, params, row, column);
    }
}

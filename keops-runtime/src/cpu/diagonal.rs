//! The values of a formula at the pairs of the n-th row and the n-th column.

use super::Problem;
use super::pairing::{Hoisting, Pairing};
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
    let params = P::Hoisting::params(&problem.params);
    let formula = Formula {
        features: [P::Row::<f64>::LEN, P::Column::<f64>::LEN],
        components: P::Out::<f64>::LEN,
        pair: &|raw, features, out| pair::<P>(&params, raw, features, out),
    };
    for_each_part(out, SPAN * formula.components, &|span, out| {
        formula.fill(problem, span * SPAN, out);
    });
}

/// A formula for single pairs.
struct Formula<'a> {
    /// Numbers of features of a row and of a column.
    features: [usize; 2],
    /// Number of components.
    components: usize,
    /// Writes the components, from the raw coordinates of a row and of a column, with room for their features.
    pair: &'a Pair<'a>,
}

type Pair<'a> = dyn Fn([&[f64]; 2], [&mut [f64]; 2], &mut [f64]) + Sync + 'a;

impl Formula<'_> {
    /// Writes the components for row and column `first` and those that follow.
    fn fill(&self, problem: &Problem<'_>, first: usize, out: &mut [f64]) {
        let (rows, columns) = (&problem.rows, &problem.columns);
        let [mut row, mut column] = self.features.map(|features| vec![0.0; features]);
        let mut raw_row = vec![0.0; rows.components()];
        let mut raw_column = vec![0.0; columns.components()];
        for (n, out) in out.chunks_exact_mut(self.components).enumerate() {
            rows.gather(first + n, 1, &mut raw_row);
            columns.gather(first + n, 1, &mut raw_column);
            (self.pair)([&raw_row, &raw_column], [&mut row, &mut column], out);
            if let Some(pattern) = &problem.pattern {
                // Not a product, which would make an infinity outside of the pattern NaN.
                match pattern.count(first + n, first + n) {
                    0 => out.fill(0.0),
                    times => out.iter_mut().for_each(|value| *value *= times as f64),
                }
            }
        }
    }
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

/// Evaluates `P` for one pair.
fn pair<P: Pairing>(
    params: &[f64],
    [raw_row, raw_column]: [&[f64]; 2],
    [row, column]: [&mut [f64]; 2],
    out: &mut [f64],
) {
    let s = LaneArray::<f64, 1>::new();
    let lanes = single_lanes::<Scalar<f64>>;
    let of_sides = <P::Hoisting as Hoisting>::Params::<f64>::from_slice(params);
    P::Hoisting::hoist_rows(
        s,
        of_sides,
        lanes(raw_row),
        single_lanes_mut::<Scalar<f64>>(row),
    );
    P::Hoisting::hoist_columns(
        s,
        of_sides,
        lanes(raw_column),
        single_lanes_mut::<Scalar<f64>>(column),
    );
    let row = P::Row::from_slice(lanes(row));
    let column = P::Column::from_slice(column);
    let params = P::Params::<f64>::from_slice(params);
    P::pair(s, params, &Lanes(row), &Splat(column), &mut Components(out));
}

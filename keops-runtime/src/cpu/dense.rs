//! All values of a scalar formula, as a matrix.

use super::pack::{pack_columns, pack_rows, scratch_for_columns};
use super::pairing::{Pairing, scalar_value};
use super::plan::{Plan, Shape};
use super::task::tile_columns;
use super::{Problem, hoist_params};
use crate::input::Element;
use crate::kernel::Features;
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;
use ndarray::{ArrayViewMut2, Axis, s};
use rayon::prelude::*;

/// Writes the value of the scalar formula `P` for all pairs to `out`, of shape `(rows, columns)`, evaluating in `T`.
pub(crate) fn dense<P: Pairing, T: Real, U: Element>(
    isa: InstructionSet,
    problem: &Problem<'_>,
    mut out: ArrayViewMut2<'_, U>,
) {
    if out.is_empty() {
        return;
    }
    let params = hoist_params::<P, T>(&problem.params);
    let plan = Plan::new(&Shape {
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        cost: P::COST,
        row_bytes: P::Row::<T>::LEN * size_of::<T>(),
    });
    let task = |(index, out): (usize, ArrayViewMut2<'_, U>)| {
        let first = index * plan.span;
        dispatch(
            isa,
            Task::<P, T, U> {
                problem,
                params: &params,
                first,
                out,
                kernel: PhantomData,
            },
        );
    };
    if plan.parallel {
        let spans: Vec<_> = out.axis_chunks_iter_mut(Axis(0), plan.span).collect();
        spans.into_par_iter().enumerate().for_each(task);
    } else {
        out.axis_chunks_iter_mut(Axis(0), plan.span)
            .enumerate()
            .for_each(task);
    }
}

/// The values of the rows from `first` on.
struct Task<'a, 'b, 'c, P, T, U> {
    problem: &'a Problem<'b>,
    params: &'a [T],
    first: usize,
    out: ArrayViewMut2<'c, U>,
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, U: Element> WithSimd<T> for Task<'_, '_, '_, P, T, U> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(mut self, s: S) {
        let (row_points, column_points) = (&self.problem.rows, &self.problem.columns);
        let params = P::Params::<T>::from_slice(self.params);
        let zero = s.splat(T::ZERO);
        let (rows, width) = self.out.dim();
        let vectors = rows.div_ceil(S::LANES);
        let length = P::Row::<S::V>::LEN;

        let mut features = vec![zero; vectors * length];
        let raw = row_points.components();
        let scratch_columns = scratch_for_columns::<P, S>(column_points.components());
        let mut scratch = vec![zero; raw.max(scratch_columns)];
        pack_rows::<P, S>(
            s,
            params,
            row_points,
            self.first,
            &mut scratch[..raw],
            &mut features,
        );

        let tile = tile_columns::<P, S>(width);
        let mut columns = vec![zero; (tile * P::Column::<T>::LEN).div_ceil(S::LANES)];
        let mut values = vec![zero; tile];
        for first in (0..width).step_by(tile) {
            let count = tile.min(width - first);
            let packed = scalars_mut::<S>(&mut columns);
            let scratch = &mut scratch[..scratch_columns];
            pack_columns::<P, S>(s, params, column_points, first, count, scratch, packed);
            let tile = P::Column::<T>::many(packed, count);
            for v in 0..vectors {
                let row = P::Row::from_slice(&features[v * length..]);
                for c in 0..count {
                    values[c] = scalar_value::<P, S>(s, params, row, &tile[c]);
                }
                let values = scalars::<S>(&values);
                for l in 0..S::LANES.min(rows - v * S::LANES) {
                    let mut out = self.out.row_mut(v * S::LANES + l);
                    let out = out.slice_mut(s![first..first + count]);
                    for (out, values) in out.into_iter().zip(values.chunks_exact(S::LANES)) {
                        *out = U::from_f64(values[l].to_f64());
                    }
                }
            }
        }
    }
}

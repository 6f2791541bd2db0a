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
use rayon::prelude::*;

/// Writes the value of the scalar formula `P` for all pairs to `out`, row by row, evaluating in `T`.
pub(crate) fn dense<P: Pairing, T: Real, U: Element>(
    isa: InstructionSet,
    problem: &Problem<'_>,
    out: &mut [U],
) {
    if out.is_empty() {
        return;
    }
    let params = hoist_params::<P, T>(&problem.params);
    let width = problem.columns.count();
    let plan = Plan::new(&Shape {
        rows: problem.rows.count(),
        columns: width,
        shortest_part: usize::MAX,
        cost: P::COST,
        row_bytes: P::Row::<T>::LEN * size_of::<T>(),
    });
    let task = |(index, out): (usize, &mut [U])| {
        let task = Task::<P, T, U> {
            problem,
            params: &params,
            first: index * plan.span,
            out,
            kernel: PhantomData,
        };
        dispatch(isa, task);
    };
    let spans = plan.span * width;
    if plan.parallel {
        out.par_chunks_mut(spans).enumerate().for_each(task);
    } else {
        out.chunks_mut(spans).enumerate().for_each(task);
    }
}

/// The values of the rows from `first` on.
struct Task<'a, 'b, P, T, U> {
    problem: &'a Problem<'b>,
    params: &'a [T],
    first: usize,
    out: &'a mut [U],
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, U: Element> WithSimd<T> for Task<'_, '_, P, T, U> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let (row_points, column_points) = (&self.problem.rows, &self.problem.columns);
        let params = P::Params::<T>::from_slice(self.params);
        let zero = s.splat(T::ZERO);
        let width = column_points.count();
        let rows = self.out.len() / width;
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
                    let row = &mut self.out[(v * S::LANES + l) * width + first..][..count];
                    for c in 0..count {
                        row[c] = U::from_f64(values[c * S::LANES + l].to_f64());
                    }
                }
            }
        }
    }
}

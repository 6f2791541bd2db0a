//! All values of a scalar formula, as a matrix.

use super::Problem;
use super::code::{Compiled, Values};
use super::pairing::Pairing;
use super::plan::{Plan, Shape};
use super::task::tile_columns;
use super::tile::Columns;
use crate::input::Element;
use crate::kernel::Features;
use crate::lanes::Aligned;
use crate::simd::{InstructionSet, Real};
use rayon::prelude::*;

/// Writes the value of the scalar formula `P` for all pairs to `out`, row by row, evaluating in `T`.
pub(crate) fn dense<P: Pairing, T: Real, U: Element>(
    isa: InstructionSet,
    problem: &Problem<'_>,
    out: &mut [U],
) {
    let code = Compiled::<P, T, Stored>::new(isa, problem, Stored);
    let plan = Plan::new(&Shape {
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        shortest_part: usize::MAX,
        cost: P::COST,
        row_bytes: P::Row::<T>::LEN * size_of::<T>(),
    });
    fill(&code, problem, &plan, out);
}

/// Values are stored: there is no reduction.
#[derive(Clone, Copy)]
pub(super) struct Stored;

fn fill<T: Real, U: Element>(
    code: &dyn Values<T>,
    problem: &Problem<'_>,
    plan: &Plan,
    out: &mut [U],
) {
    if out.is_empty() {
        return;
    }
    let spans = plan.span * problem.columns.count();
    let task = |(index, out): (usize, &mut [U])| fill_span(code, problem, index * plan.span, out);
    if plan.parallel {
        out.par_chunks_mut(spans).enumerate().for_each(task);
    } else {
        out.chunks_mut(spans).enumerate().for_each(task);
    }
}

/// Writes the values of the rows from `from` on.
fn fill_span<T: Real, U: Element>(
    code: &dyn Values<T>,
    problem: &Problem<'_>,
    from: usize,
    out: &mut [U],
) {
    let layout = code.layout();
    let lanes = layout.lanes;
    let width = problem.columns.count();
    let rows = out.len() / width;
    let features = problem.rows.pack_rows(code, &layout, from..from + rows);

    let tile = tile_columns::<T>(&layout, width);
    let mut pack = problem.columns.pack_columns(code, &layout);
    let mut packed = Aligned::zeros(tile * layout.column);
    let mut values = Aligned::zeros(tile * lanes);
    for first in (0..width).step_by(tile) {
        let count = tile.min(width - first);
        pack.pack(first, count, &mut packed);
        let columns = Columns {
            first,
            count,
            features: &packed,
        };
        for v in 0..rows.div_ceil(lanes) {
            let row = &features[v * layout.row * lanes..][..layout.row * lanes];
            code.values(row, &columns, &mut values);
            for l in 0..lanes.min(rows - v * lanes) {
                let row = &mut out[(v * lanes + l) * width + first..][..count];
                for (c, out) in row.iter_mut().enumerate() {
                    *out = U::from_f64(values[c * lanes + l].to_f64());
                }
            }
        }
    }
}

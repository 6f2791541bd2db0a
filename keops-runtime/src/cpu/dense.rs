//! All values of a scalar formula, as a matrix.

use super::Problem;
use super::code::{Values, ValuesCode};
use super::plan::{Plan, Rows, Shape, Span};
use super::task::tile_columns;
use crate::input::Element;
use crate::lanes::Aligned;
use crate::ranges::Interval;
use crate::simd::{InstructionSet, Real};
use core::ops::Range;

/// A part of the matrix.
struct Entries<'a, U> {
    entries: &'a mut [U],
    width: usize,
}

impl<U: Send> Rows for Entries<'_, U> {
    fn split_at(self, row: usize) -> (Self, Self) {
        let width = self.width;
        let (before, after) = self.entries.split_at_mut(row * width);
        let part = |entries| Entries { entries, width };
        (part(before), part(after))
    }
}

/// Adds the value of a scalar formula for all pairs of the problem to `out`, row by row, evaluating in `T`.
pub(crate) fn dense<T: Real, U: Element>(
    code: &ValuesCode<T>,
    isa: InstructionSet,
    problem: &Problem<'_>,
    out: &mut [U],
) {
    let shape = Shape {
        elements: 1,
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        shortest_part: usize::MAX,
        lanes: 0,
        cost: code.cost,
        row_bytes: code.sides.row() * size_of::<T>(),
    };
    // Single entries have more digits from differences.
    fill(&Values::new(isa, code, problem, None), problem, &shape, out);
}

fn fill<T: Real, U: Element>(
    code: &Values<'_, T>,
    problem: &Problem<'_>,
    shape: &Shape,
    out: &mut [U],
) {
    let plan = Plan::new(shape, problem.pattern.as_deref());
    let out = Entries {
        entries: out,
        width: shape.columns,
    };
    plan.run(out, &|span: &Span, out: Entries<'_, U>| {
        let intervals = plan.intervals(span);
        fill_span(code, problem, span.rows.clone(), intervals, out.entries);
    });
}

/// Adds the values of some rows in some intervals of columns.
fn fill_span<T: Real, U: Element>(
    code: &Values<'_, T>,
    problem: &Problem<'_>,
    rows: Range<usize>,
    intervals: &[Interval],
    out: &mut [U],
) {
    let layout = code.sides.layout();
    let lanes = layout.lanes;
    let width = problem.columns.count();
    let count = rows.len();
    let features = problem.rows.pack_rows(&code.sides, rows);

    let longest = intervals.iter().map(|&(from, to)| to - from).max();
    let tile = tile_columns::<T>(&layout, longest.unwrap_or(0));
    let mut pack = problem.columns.pack_columns(&code.sides, tile);
    let mut values = Aligned::zeros(tile * lanes);
    let tiles = intervals.iter().filter(|&&(from, to)| from < to);
    let tiles = tiles.flat_map(|&(from, to)| {
        let firsts = (from..to).step_by(tile);
        firsts.map(move |first| (first, tile.min(to - first)))
    });
    for (first, columns) in tiles {
        let tile = pack.pack(first, columns);
        for v in 0..count.div_ceil(lanes) {
            let row = features.vectors(v..v + 1);
            code.write(row, &tile, &mut values[..columns * lanes]);
            for l in 0..lanes.min(count - v * lanes) {
                let row = &mut out[(v * lanes + l) * width + first..][..columns];
                for (c, out) in row.iter_mut().enumerate() {
                    *out = U::from_f64(out.to_f64() + values[c * lanes + l].to_f64());
                }
            }
        }
    }
}

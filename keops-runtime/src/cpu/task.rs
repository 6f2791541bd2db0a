//! One task: a span of rows over some intervals of columns, on one thread.

use super::Problem;
use super::code::Code;
use super::sides::Layout;
use super::tile::Columns;
use crate::lanes::Aligned;
use crate::ranges::Interval;
use crate::reduce::{Candidate, TILE_COLUMNS};
use crate::simd::Real;
use core::ops::Range;

/// The features of a tile of columns take at most this many bytes, unless already one vector of columns takes more.
pub(super) const TILE_BYTES: usize = 128 << 10;

/// The reduction of the columns in `intervals` for the rows in `rows`.
pub struct Task<'a, 'b, T: 'static, Total> {
    pub(super) problem: &'a Problem<'b>,
    pub(super) code: &'a dyn Code<T, Total>,
    pub(super) rows: Range<usize>,
    /// The columns, one interval for a dense reduction.
    pub(super) intervals: &'a [Interval],
    /// Totals per row.
    pub(super) slots: usize,
    /// Whether totals of a vector of rows are stored by lane, then by slot.
    pub(super) by_lane: bool,
    /// The largest number of columns of a tile.
    pub(super) longest_tile: usize,
    /// Columns may be cut into parts of so many.
    pub(super) shortest_part: usize,
    /// Columns are spread over so many lanes where there are fewer rows; 0 if they never are.
    pub(super) few_lanes: usize,
}

/// One number of the state that is kept between tiles.
pub(crate) trait Total: Copy + Send + Sync + 'static {
    /// Runs a task; see [`Task::run`].
    #[doc(hidden)]
    fn run<T: Real>(task: &Task<'_, '_, T, Self>) -> Vec<Self>;
}

// Through methods of `Real`, which are compiled with this crate and not with each formula.
impl Total for f64 {
    fn run<T: Real>(task: &Task<'_, '_, T, Self>) -> Vec<Self> {
        T::run_sums(task)
    }
}

impl Total for Candidate {
    fn run<T: Real>(task: &Task<'_, '_, T, Self>) -> Vec<Self> {
        T::run_candidates(task)
    }
}

/// The number of columns of a tile.
pub(super) fn tile_columns<T>(layout: &Layout, longest: usize) -> usize {
    let bytes = (layout.column + layout.point) * size_of::<T>();
    let fitting = TILE_BYTES / bytes.max(1) / layout.lanes * layout.lanes;
    fitting.clamp(layout.lanes, TILE_COLUMNS).min(longest)
}

impl<T: Real, Totals: Copy> Task<'_, '_, T, Totals> {
    /// The totals, by row, then by slot.
    pub(crate) fn run(&self) -> Vec<Totals> {
        self.run_few().unwrap_or_else(|| self.run_tiles())
    }

    /// The totals of no columns, for some vectors of rows.
    pub(super) fn neutral(&self, vectors: usize) -> Vec<Totals> {
        let (slots, lanes) = (self.slots, self.code.sides().layout().lanes);
        let length = slots * lanes;
        let mut totals = Vec::with_capacity(vectors * length);
        for n in 0..length.min(vectors * length) {
            let slot = if self.by_lane { n % slots } else { n / lanes };
            totals.push(self.code.neutral(slot));
        }
        for _ in 1..vectors {
            totals.extend_from_within(..length);
        }
        totals
    }

    /// Totals of vectors of rows, of which so many are wanted, by row, then by slot.
    pub(super) fn by_row(&self, mut totals: Vec<Totals>, rows: usize) -> Vec<Totals> {
        // With a single slot both orders are the same.
        if self.by_lane || self.slots == 1 {
            totals.truncate(rows * self.slots);
            return totals;
        }
        by_row(&totals, rows, self.slots, self.code.sides().layout().lanes)
    }

    /// The totals with rows spread over lanes, by row, then by slot.
    pub(super) fn run_tiles(&self) -> Vec<Totals> {
        let (code, slots) = (self.code, self.slots);
        let sides = code.sides();
        let layout = sides.layout();
        let (row_points, column_points) = (&self.problem.rows, &self.problem.columns);
        let count = self.rows.len();
        let rows = row_points.pack_rows(sides, self.rows.clone());
        let vectors = count.div_ceil(layout.lanes);

        let mut totals = self.neutral(vectors);
        let longest = self.intervals.iter().map(|&(from, to)| to - from).max();
        let tile = tile_columns::<T>(&layout, longest.unwrap_or(0));
        let mut pack = column_points.pack_columns(sides, tile);
        let mut scratch = Aligned::zeros(code.scratch() * layout.lanes);
        for &(from, to) in self.intervals {
            let mut first = from;
            while first < to {
                let count = tile.min(to - first);
                let Columns {
                    points, features, ..
                } = pack.pack(first, count);
                for offset in (0..count).step_by(self.longest_tile) {
                    let columns = Columns {
                        first: first + offset,
                        count: self.longest_tile.min(count - offset),
                        points: &points[offset * layout.point..],
                        features: &features[offset * layout.column..],
                    };
                    code.run_tile(&rows, columns, &mut scratch, &mut totals, slots);
                }
                first += count;
            }
        }
        self.by_row(totals, count)
    }
}

/// Totals by vector, slot and lane, rearranged by row and slot.
pub(super) fn by_row<Total: Copy>(
    totals: &[Total],
    rows: usize,
    slots: usize,
    lanes: usize,
) -> Vec<Total> {
    let mut rearranged = Vec::with_capacity(rows * slots);
    for row in 0..rows {
        let (vector, lane) = (row / lanes, row % lanes);
        let totals = &totals[vector * slots * lanes..];
        rearranged.extend((0..slots).map(|slot| totals[slot * lanes + lane]));
    }
    rearranged
}

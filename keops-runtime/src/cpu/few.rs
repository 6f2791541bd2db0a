//! Few rows: the lanes of a vector are columns.
//!
//! With fewer rows than a vector has lanes, the other lanes would compute nothing that is wanted. So each row fills a vector here and meets vectors of columns, which need not be
//! transposed for that. Lane `l` reduces the columns `l`, `LANES + l`, `2 LANES + l`, ..., and in the end the totals of the lanes of a row are merged.

use super::pack::{Packed, PackedVectors};
use super::sides::Layout;
use super::task::{TILE_BYTES, Task};
use super::tile::Columns;
use crate::lanes::Aligned;
use crate::reduce::TILE_COLUMNS;
use crate::simd::Real;
use core::ops::Range;

/// The least number of vectors of columns for so many rows. The totals of the lanes of each row are merged, and a lane of the k smallest accepts many values before it has a
/// threshold: that must be little against the terms, as for parts of the columns, which are merged too. A lane may have an eighth of what those have at least.
pub(super) fn fewest_vectors(rows: usize, shortest_part: usize) -> usize {
    rows.saturating_mul(shortest_part) / 8
}

/// Whether vectors of so many bytes are taken: with two or four lanes little is gained for another loop of each formula.
pub(super) const fn is_worthwhile(vector: usize) -> bool {
    vector >= 32
}

impl<T: Real, Totals: Copy> Task<'_, '_, T, Totals> {
    /// The totals of few rows and many columns, by row, then by slot; `None` if there are many rows, or few columns.
    pub(super) fn run_few(&self) -> Option<Vec<Totals>> {
        let (code, slots) = (self.code, self.slots);
        let sides = code.sides();
        let Layout {
            lanes,
            column,
            point,
            ..
        } = sides.layout();
        let &[(from, to)] = self.intervals else {
            return None;
        };
        let (count, vectors) = (self.rows.len(), (to - from) / lanes);
        let fewest = fewest_vectors(count, self.shortest_part);
        if !(1..self.few_lanes).contains(&count) || vectors < fewest {
            return None;
        }
        let mut rows = PackedVectors::zeros(sides, 0, count);
        let row_points = &self.problem.rows;
        row_points.pack_vectors(sides, self.rows.start, 1, count, &mut rows);
        let bytes = (column + point) * lanes * size_of::<T>();
        let tile = (TILE_BYTES / bytes.max(1)).clamp(1, TILE_COLUMNS);
        let mut columns = PackedVectors::zeros(sides, 1, tile.min(vectors));
        let mut scratch = Aligned::zeros(code.scratch() * lanes);
        let mut totals = self.neutral(count);
        for first in (0..vectors).step_by(tile) {
            let of_tile = tile.min(vectors - first);
            let start = from + first * lanes;
            let column_points = &self.problem.columns;
            column_points.pack_vectors(sides, start, lanes, of_tile, &mut columns);
            for offset in (0..of_tile).step_by(self.longest_tile) {
                let count = self.longest_tile.min(of_tile - offset);
                let Packed { points, features } = columns.vectors(offset..offset + count);
                let columns = Columns {
                    first: first + offset,
                    count,
                    points,
                    features,
                };
                for (n, totals) in totals.chunks_exact_mut(slots * lanes).enumerate() {
                    let row = rows.vectors(n..n + 1);
                    code.run_few(row, columns, &mut scratch, totals, slots);
                }
            }
        }
        let totals = self.by_row(totals, count * lanes);
        Some(self.merge_lanes(totals, from, from + vectors * lanes..to))
    }

    /// Merges the totals of lanes, by row, then by lane, then by slot, and those of the columns that are left.
    fn merge_lanes(&self, mut totals: Vec<Totals>, from: usize, left: Range<usize>) -> Vec<Totals> {
        let code = self.code;
        let lanes = code.sides().layout().lanes;
        let of_left = Task {
            rows: self.rows.clone(),
            intervals: &[(left.start, left.end)],
            ..*self
        };
        let mut merged = of_left.run_tiles();
        let rows = merged.chunks_exact_mut(self.slots);
        for (merged, totals) in rows.zip(totals.chunks_exact_mut(self.slots * lanes)) {
            for (lane, totals) in totals.chunks_exact_mut(self.slots).enumerate() {
                code.renumber(totals, &|n| from + n * lanes + lane);
                code.merge(merged, totals);
            }
        }
        merged
    }
}

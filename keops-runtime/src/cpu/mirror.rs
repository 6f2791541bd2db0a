//! Products of a symmetric matrix with vectors, each entry computed once and used for both of its places.
//!
//! The rows are halved again and again: `K = [A B'; B C]` needs the products of the symmetric `A` and `C`, which are
//! independent, and the rectangle `B`, which adds to both halves of the result. A rectangle is cut into four, of which two and two add
//! to different parts. So threads never write to the same place, nothing is stored but the totals of all rows, and the order in which terms
//! are added depends on the number of rows alone.

use super::Problem;
use super::code::{Mirror, MirrorCode};
use super::sides::Layout;
use super::squares::{Squares, with_squares};
use super::task::tile_columns;
use crate::lanes::Aligned;
use crate::reduce::{Summation, TILE_COLUMNS};
use crate::simd::{InstructionSet, Real};
use core::ops::Range;

/// Symmetric parts of at most so many rows are computed in full: cutting them further costs more than it saves.
const SMALLEST_SQUARE: usize = 256;
/// Rectangles have sides of at most this length: their features stay in the second level cache.
const LONGEST_SIDE: usize = 1024;
/// Rows are cut at multiples of this, so that vectors are full.
const BLOCK: usize = 64;
/// Fewer instructions than this are done by the calling thread, as for other reductions.
const SERIAL_WORK: usize = 1 << 21;

/// Computes `sum_j k(i, j) v_j` for a scalar kernel that is symmetric for the points of `problem`, both sides of which
/// hold the vectors `v` as their last array. The result are the totals by row, then by vector.
pub(crate) fn mirrored<T: Real>(
    code: &MirrorCode<T>,
    isa: InstructionSet,
    problem: &Problem<'_>,
    summation: Summation,
) -> Vec<f64> {
    let squares = Squares::of(&code.sides, isa, problem);
    let problem = &with_squares(squares.as_deref(), problem);
    T::run_mirrored(&Product {
        code: &Mirror::new(isa, code, problem, squares.as_deref()),
        problem,
        summation,
        vectors: code.vectors,
        serial: SERIAL_WORK / code.cost.max(1),
    })
}

/// A product with a symmetric matrix.
pub struct Product<'a, 'b, T: 'static> {
    code: &'a Mirror<'a, T>,
    problem: &'a Problem<'b>,
    summation: Summation,
    /// Number of vectors.
    vectors: usize,
    /// So many entries are left to one thread.
    serial: usize,
}

impl<T: Real> Product<'_, '_, T> {
    /// The totals, by row, then by vector.
    pub(crate) fn run(&self) -> Vec<f64> {
        let rows = self.problem.rows.count();
        let mut totals = vec![0.0; rows * self.vectors];
        self.square(&self.code.sides.layout(), 0..rows, &mut totals);
        totals
    }

    /// Adds the products of the symmetric part of these rows and columns.
    fn square(&self, layout: &Layout, rows: Range<usize>, totals: &mut [f64]) {
        let count = rows.len();
        if count <= SMALLEST_SQUARE {
            return self.entries(layout, rows.clone(), rows, totals, None);
        }
        let half = half(count);
        let (first, second) = (rows.start..rows.start + half, rows.start + half..rows.end);
        let (above, below) = totals.split_at_mut(half * self.vectors);
        self.both(
            count * count / 2,
            || self.square(layout, first.clone(), above),
            || self.square(layout, second.clone(), below),
        );
        let (above, below) = totals.split_at_mut(half * self.vectors);
        self.rectangle(layout, first, second, above, below);
    }

    /// Adds the products of the rectangle of these rows and columns, and of its transpose.
    fn rectangle(
        &self,
        layout: &Layout,
        rows: Range<usize>,
        columns: Range<usize>,
        above: &mut [f64],
        below: &mut [f64],
    ) {
        if rows.len().max(columns.len()) <= LONGEST_SIDE {
            return self.entries(layout, rows, columns, above, Some(below));
        }
        let work = rows.len() * columns.len() / 2;
        let (top, left) = (half(rows.len()), half(columns.len()));
        let (r0, r1) = (rows.start..rows.start + top, rows.start + top..rows.end);
        let (c0, c1) = (
            columns.start..columns.start + left,
            columns.start + left..columns.end,
        );
        let (above0, above1) = above.split_at_mut(top * self.vectors);
        let (below0, below1) = below.split_at_mut(left * self.vectors);
        self.both(
            work,
            || self.rectangle(layout, r0.clone(), c0.clone(), above0, below0),
            || self.rectangle(layout, r1.clone(), c1.clone(), above1, below1),
        );
        self.both(
            work,
            || self.rectangle(layout, r0, c1, above0, below1),
            || self.rectangle(layout, r1, c0, above1, below0),
        );
    }

    /// Runs two independent parts of together `entries` entries.
    fn both(&self, entries: usize, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
        if entries >= self.serial {
            rayon::join(a, b);
        } else {
            a();
            b();
        }
    }

    /// Adds the products of the entries in these rows and columns to the totals of the rows, and, if they are given, the products
    /// of the transpose to the totals of the columns.
    fn entries(
        &self,
        layout: &Layout,
        rows: Range<usize>,
        columns: Range<usize>,
        above: &mut [f64],
        mut below: Option<&mut [f64]>,
    ) {
        let (lanes, vectors) = (layout.lanes, self.vectors);
        let count = rows.len();
        let mut features = self.problem.rows.pack_rows(&self.code.sides, rows);
        // Lanes beyond the last row repeat it; they must not add to the columns.
        if !count.is_multiple_of(lanes) {
            let weights = vectors * lanes;
            let last = features.features.len() - weights;
            for weights in features.features[last..].chunks_exact_mut(lanes) {
                weights[count % lanes..].fill(T::ZERO);
            }
        }
        let mut row_sums = Aligned::zeros(count.div_ceil(lanes) * vectors * lanes);

        let tile = tile_columns::<T>(layout, columns.len());
        debug_assert!(tile <= TILE_COLUMNS);
        let mut pack = self.problem.columns.pack_columns(&self.code.sides, tile);
        let mut column_sums = Aligned::zeros(tile * vectors * lanes);
        for first in columns.clone().step_by(tile.max(1)) {
            let width = tile.min(columns.end - first);
            let tile = pack.pack(first, width);
            column_sums.fill(T::ZERO);
            let sums: [&mut [T]; 2] = [&mut row_sums, &mut column_sums];
            self.code.run(&features, &tile, sums);
            let block = vectors * lanes;
            for (totals, sums) in above.chunks_mut(block).zip(row_sums.chunks_exact(block)) {
                for (lane, totals) in totals.chunks_exact_mut(vectors).enumerate() {
                    for (total, sums) in totals.iter_mut().zip(sums.chunks_exact(lanes)) {
                        self.summation.add(total, sums[lane].to_f64());
                    }
                }
            }
            if let Some(below) = &mut below {
                let below = &mut below[(first - columns.start) * vectors..][..width * vectors];
                for (total, sums) in below.iter_mut().zip(column_sums.chunks_exact(lanes)) {
                    self.summation.add(total, sum_of_lanes(sums));
                }
            }
        }
    }
}

/// The sum of the lanes of a vector, in four chains, so that not every addition waits for the one before.
fn sum_of_lanes<T: Real>(lanes: &[T]) -> f64 {
    let (fours, rest) = lanes.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for lanes in fours {
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum += lane.to_f64();
        }
    }
    let rest: f64 = rest.iter().map(|lane| lane.to_f64()).sum();
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

/// Where to cut so many rows.
fn half(count: usize) -> usize {
    (count / 2).next_multiple_of(BLOCK).min(count)
}

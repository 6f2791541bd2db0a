//! Products of a scalar kernel with many vectors.
//!
//! `sum_j k(i, j) v_j` with few vectors holds their sums in registers while it runs over the columns. With many, values of the kernel are computed for
//! some vectors of rows and a few columns, once, and multiplied with the weights of these columns as matrices are: a block of sums stays in
//! registers for all of these columns.

use super::code::{Values, ValuesCode};
use super::distances::{ROWS, TOGETHER};
use super::job::{Ends, Job};
use super::pack::Points;
use super::plan::{Plan, Shape};
use super::sides::Layout;
use super::squares::{Squares, with_squares};
use super::task::{by_row, tile_columns};
use super::{Problem, check_totals};
use crate::Error;
use crate::lanes::{Aligned, vectors, vectors_mut};
use crate::ranges::Interval;
use crate::reduce::{Sum, Summation};
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::ops::Range;

/// Computes `sum_j k(i, j) v_j` for a scalar kernel, evaluating in `T`; `weights` holds the vectors `v`, row by row. `run` decides where the rows go.
///
/// # Errors
/// [`Error::Shape`] if totals do not fit into memory.
pub(crate) fn wide<T: Real>(
    code: &ValuesCode<T>,
    isa: InstructionSet,
    problem: &Problem<'_>,
    weights: &Points<'_>,
    summation: Summation,
    run: &mut dyn FnMut(&Job<'_, f64>),
) -> Result<(), Error> {
    let vectors = weights.components();
    check_totals::<T, [f64; ROWS]>(isa, problem, vectors)?;
    let shape = Shape {
        elements: 1,
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        // What merging parts and writing them takes must be little against their terms.
        shortest_part: 4096,
        lanes: 0,
        cost: code.cost + vectors,
        row_bytes: vectors
            .saturating_mul(size_of::<f64>())
            .saturating_add(code.sides.row() * size_of::<T>()),
    };
    let squares = Squares::of(&code.sides, isa, problem);
    let problem = &with_squares(squares.as_deref(), problem);
    let code = Values::new(isa, code, problem, squares.as_deref());
    let product = WideProduct {
        isa,
        code: &code,
        problem: problem.reborrow(),
        weights: weights.reborrow(),
        summation,
    };
    run(&Job {
        plan: &Plan::new(&shape, problem.pattern.as_deref()),
        slots: vectors,
        part: &|_, rows, intervals| T::run_wide(&product, rows, intervals),
        ends: &Sum(summation) as &dyn Ends<f64>,
    });
    Ok(())
}

/// A product with many vectors.
pub struct WideProduct<'a, T: 'static> {
    isa: InstructionSet,
    code: &'a Values<'a, T>,
    problem: Problem<'a>,
    weights: Points<'a>,
    summation: Summation,
}

impl<T: Real> WideProduct<'_, T> {
    /// The totals of some rows over some intervals of columns, by row, then by vector.
    pub(crate) fn run(&self, rows: Range<usize>, intervals: &[Interval]) -> Vec<f64> {
        let layout = self.code.sides.layout();
        let (lanes, width) = (layout.lanes, self.weights.components());
        let count = rows.len();
        let row_vectors = count.div_ceil(lanes);
        let features = self.problem.rows.pack_rows(&self.code.sides, rows);
        let mut totals = vec![0.0; row_vectors * width * lanes];

        let longest = intervals.iter().map(|&(from, to)| to - from).max();
        let with_weights = Layout {
            column: layout.column + width,
            ..layout
        };
        let tile = tile_columns::<T>(&with_weights, longest.unwrap_or(0));
        let mut pack = self.problem.columns.pack_columns(&self.code.sides, tile);
        let mut weights = Aligned::<T>::zeros(tile * width);
        let mut values = Aligned::<T>::zeros(ROWS * TOGETHER.min(tile) * lanes);
        let mut sums = Aligned::<T>::zeros(ROWS * width * lanes);
        let tiles = intervals.iter().flat_map(|&(from, to)| {
            let firsts = (from..to).step_by(tile.max(1));
            firsts.map(move |first| (first, tile.min(to - first)))
        });
        for (first, columns) in tiles {
            let tile = pack.pack(first, columns);
            for (column, weights) in weights.chunks_exact_mut(width).take(columns).enumerate() {
                self.weights.gather(first + column, 1, weights);
            }
            let blocks = totals.chunks_mut(ROWS * width * lanes);
            for (block, totals) in blocks.enumerate() {
                let rows = totals.len() / (width * lanes);
                let sums = &mut sums[..totals.len()];
                sums.fill(T::ZERO);
                let features = features.vectors(block * ROWS..block * ROWS + rows);
                let groups = tile.groups([layout.point, layout.column]);
                for (together, weights) in groups.zip(weights.chunks(TOGETHER * width)) {
                    let values = &mut values[..rows * together.count * lanes];
                    self.code.write(features, &together, values);
                    let multiply = Multiply {
                        values,
                        weights: &weights[..together.count * width],
                        width,
                        sums,
                    };
                    dispatch(self.isa, multiply);
                }
                for (total, sum) in totals.iter_mut().zip(sums.iter()) {
                    self.summation.add(total, sum.to_f64());
                }
            }
        }
        by_row(&totals, count, width, lanes)
    }
}

/// Adds the products of values, by vector of rows, then by column, with weights, by column, to sums, by vector of rows, then by weight.
struct Multiply<'a, T> {
    values: &'a [T],
    weights: &'a [T],
    /// Weights of a column.
    width: usize,
    sums: &'a mut [T],
}

impl<T: Real> WithSimd<T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let Self { weights, width, .. } = self;
        let (values, sums) = (vectors::<S>(self.values), vectors_mut::<S>(self.sums));
        let columns = weights.len() / width;
        // As many sums as the registers hold beside the values of a column and a weight.
        let mut done = 0;
        let all = sums.len() == ROWS * width;
        macro_rules! blocks {
            ($($weights:literal)*) => {$(
                while width - done >= $weights {
                    if all {
                        add_block::<S, ROWS, $weights>(s, values, weights, columns, width, done, sums);
                    } else {
                        let rows = values.chunks_exact(columns).zip(sums.chunks_exact_mut(width));
                        for (values, sums) in rows {
                            add_block::<S, 1, $weights>(s, values, weights, columns, width, done, sums);
                        }
                    }
                    done += $weights;
                }
            )*};
        }
        if const { S::REGISTERS >= 32 } {
            blocks!(6);
        }
        blocks!(3 2 1);
    }
}

/// The products of `R` vectors of rows with `W` weights of each column from weight `at` on.
#[inline(always)]
fn add_block<S: Simd, const R: usize, const W: usize>(
    s: S,
    values: &[S::V],
    weights: &[S::T],
    columns: usize,
    width: usize,
    at: usize,
    sums: &mut [S::V],
) {
    let rows: [&[S::V]; R] = core::array::from_fn(|r| &values[r * columns..][..columns]);
    let mut block: [[S::V; W]; R] =
        core::array::from_fn(|r| core::array::from_fn(|w| sums[r * width + at + w]));
    for (column, weights) in weights.chunks_exact(width).take(columns).enumerate() {
        let weights: [S::V; W] = {
            let weights = &weights[at..][..W];
            core::array::from_fn(|w| s.splat(weights[w]))
        };
        for r in 0..R {
            let value = rows[r][column];
            for w in 0..W {
                block[r][w] = s.fma(value, weights[w], block[r][w]);
            }
        }
    }
    for r in 0..R {
        sums[r * width + at..][..W].copy_from_slice(&block[r]);
    }
}

//! Scalar products of many points with many others, as matrices are multiplied.

use crate::lanes::{vectors, vectors_mut};
use crate::simd::{Real, Simd, WithSimd};

/// So many components are multiplied before their sums are added to those of others: rows stay in the first level cache, and
/// long sums keep their digits.
const COMPONENTS: usize = 64;
/// Vectors of rows of a block.
const ROWS: usize = 4;

/// Writes the scalar products of some vectors of rows with some columns, by vector, then by column, then by lane.
pub struct ScalarProducts<'a, T> {
    /// The rows by vector, then by feature, then by lane; of the features the first ones are the components.
    pub(super) rows: &'a [T],
    /// Features of a row.
    pub(super) row: usize,
    /// The columns by column, then by feature.
    pub(super) columns: &'a [T],
    /// Features of a column.
    pub(super) column: usize,
    /// Components of a point.
    pub(super) dimensions: usize,
    /// Number of columns.
    pub(super) count: usize,
    pub(super) products: &'a mut [T],
}

impl<T: Real> WithSimd<T> for ScalarProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let Self { row, count, .. } = self;
        let rows = vectors::<S>(self.rows);
        let products = vectors_mut::<S>(self.products);
        let blocks = rows.chunks(ROWS * row);
        for (rows, products) in blocks.zip(products.chunks_mut(ROWS * count)) {
            for first in (0..self.dimensions).step_by(COMPONENTS) {
                let block = Block::<S> {
                    rows: &rows[first..],
                    row,
                    columns: &self.columns[first..],
                    column: self.column,
                    components: COMPONENTS.min(self.dimensions - first),
                    count,
                    are_first: first == 0,
                };
                if products.len() == ROWS * count {
                    block.add::<ROWS>(s, products);
                    continue;
                }
                for (r, products) in products.chunks_exact_mut(count).enumerate() {
                    let rows = &rows[first + r * row..];
                    Block { rows, ..block }.add::<1>(s, products);
                }
            }
        }
    }
}

/// Some components of a few vectors of rows and of the columns.
#[derive(Clone, Copy)]
struct Block<'a, S: Simd> {
    rows: &'a [S::V],
    row: usize,
    columns: &'a [S::T],
    column: usize,
    components: usize,
    count: usize,
    /// Whether there are no sums of other components yet.
    are_first: bool,
}

impl<S: Simd> Block<'_, S> {
    /// Adds the products of `R` vectors of rows to those of other components.
    #[inline(always)]
    fn add<const R: usize>(&self, s: S, products: &mut [S::V]) {
        let mut done = 0;
        // As many sums as the registers hold beside the components of the columns and one of a row.
        macro_rules! blocks {
            ($($columns:literal)*) => {$(
                while self.count - done >= $columns {
                    self.add_columns::<R, $columns>(s, done, products);
                    done += $columns;
                }
            )*};
        }
        if const { S::REGISTERS >= 32 } {
            blocks!(6);
        }
        blocks!(3 2 1);
    }

    /// Adds the products of `R` vectors of rows with `C` columns from column `at` on.
    #[inline(always)]
    fn add_columns<const R: usize, const C: usize>(&self, s: S, at: usize, products: &mut [S::V]) {
        let components = self.components;
        let rows: [&[S::V]; R] = core::array::from_fn(|r| &self.rows[r * self.row..][..components]);
        let columns: [&[S::T]; C] =
            core::array::from_fn(|c| &self.columns[(at + c) * self.column..][..components]);
        let mut sums = [[s.splat(S::T::ZERO); C]; R];
        for k in 0..components {
            let columns: [S::V; C] = core::array::from_fn(|c| s.splat(columns[c][k]));
            for r in 0..R {
                let row = rows[r][k];
                for c in 0..C {
                    sums[r][c] = s.fma(row, columns[c], sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                let product = &mut products[r * self.count + at + c];
                *product = match self.are_first {
                    true => sums[r][c],
                    false => s.add(*product, sums[r][c]),
                };
            }
        }
    }
}

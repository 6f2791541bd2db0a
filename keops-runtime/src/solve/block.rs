//! Blocks of vectors, and the few operations on them that conjugate gradients need.
//!
//! All sums are pairwise over a fixed tree of leaves, so that they are accurate (an error that grows with the logarithm
//! of the length) and the same to the last bit for any number of threads.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// Number of rows that are summed one after the other.
const LEAF: usize = 1024;
/// Number of entries from which work is spread over threads.
const PARALLEL: usize = 1 << 16;
/// Number of entries of a small matrix from which its products with blocks are worth packing.
const PACKED: usize = 64;

/// Vectors of equal length, side by side as the columns of a contiguous row-major matrix.
#[derive(Clone, Debug)]
pub(super) struct Block {
    width: usize,
    data: Vec<f64>,
}

/// Calls a function with the number of columns as a constant, if there are few, and tells whether there are.
macro_rules! few {
    ($width:expr => $function:ident($($argument:expr),*)) => {
        few!(@ $width, $function, ($($argument),*), 2 3 4 5 6 7)
    };
    (@ $width:expr, $function:ident, $arguments:tt, $($few:literal)*) => {
        match $width {
            $($few => { few!(! $function, $few, $arguments); true })*
            _ => false,
        }
    };
    (! $function:ident, $few:literal, ($($argument:expr),*)) => {
        $function::<$few>($($argument),*)
    };
}

/// Adds `other C` to `own`, for blocks of `W` columns.
fn add_few_products<const W: usize>(own: &mut [f64], other: &[f64], c: &Array2<f64>) {
    let mut constants = [[0.0; W]; W];
    for ((i, j), &c) in c.indexed_iter() {
        constants[i][j] = c;
    }
    let (own, other) = (own.as_chunks_mut::<W>().0, other.as_chunks::<W>().0);
    for (own, other) in own.iter_mut().zip(other) {
        for i in 0..W {
            for j in 0..W {
                own[j] += other[i] * constants[i][j];
            }
        }
    }
}

/// Adds `A'B` to `sums`, for blocks of `W` columns.
fn add_sums_of_few<const W: usize>(a: &[f64], b: &[f64], sums: &mut Array2<f64>) {
    let mut own = [[0.0; W]; W];
    for (a, b) in a.as_chunks::<W>().0.iter().zip(b.as_chunks::<W>().0) {
        for i in 0..W {
            for j in 0..W {
                own[i][j] += a[i] * b[j];
            }
        }
    }
    for ((i, j), sum) in sums.indexed_iter_mut() {
        *sum += own[i][j];
    }
}

impl Block {
    /// `width` zero vectors of `rows` entries.
    pub(super) fn zeros(rows: usize, width: usize) -> Self {
        Self {
            width,
            data: vec![0.0; rows * width],
        }
    }

    /// The block whose entries are `data`, row by row.
    pub(super) fn from_rows(width: usize, data: Vec<f64>) -> Self {
        Self { width, data }
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of rows, as a number to compute with.
    pub(super) fn rows(&self) -> f64 {
        (self.data.len() / self.width.max(1)) as f64
    }

    /// All entries, row by row.
    pub(super) fn data(&self) -> &[f64] {
        &self.data
    }

    /// All entries, row by row.
    pub(super) fn data_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }

    /// Makes this a block of the shape of `other`, with values that mean nothing.
    pub(super) fn reshape_like(&mut self, other: &Self) {
        self.width = other.width;
        self.data.resize(other.data.len(), 0.0);
    }

    /// The entries of one column.
    pub(super) fn column(&self, c: usize) -> impl Iterator<Item = f64> + '_ {
        self.data.iter().skip(c).step_by(self.width.max(1)).copied()
    }

    /// The block made of some of the columns.
    pub(super) fn select_columns(&self, columns: &[usize]) -> Self {
        let rows = self.data.chunks_exact(self.width.max(1));
        let data = rows
            .flat_map(|row| columns.iter().map(|&c| row[c]))
            .collect();
        Self {
            width: columns.len(),
            data,
        }
    }

    /// The columns of both.
    pub(super) fn beside(&self, other: &Self) -> Self {
        let own = self.data.chunks_exact(self.width.max(1));
        let others = other.data.chunks_exact(other.width.max(1));
        let data = if self.width == 0 {
            other.data.clone()
        } else if other.width == 0 {
            self.data.clone()
        } else {
            own.zip(others)
                .flat_map(|(own, other)| own.iter().chain(other).copied())
                .collect()
        };
        Self {
            width: self.width + other.width,
            data,
        }
    }

    /// The product with a matrix of `self.width()` rows.
    pub(super) fn times(&self, c: &Array2<f64>) -> Self {
        let mut out = Self::zeros(self.data.len() / self.width.max(1), c.ncols());
        out.add_product(self, c);
        out
    }

    /// Overwrites column `c` with column `source_c` of `source`.
    pub(super) fn copy_column(&mut self, c: usize, source: &Self, source_c: usize) {
        let width = self.width.max(1);
        let targets = self.data.iter_mut().skip(c).step_by(width);
        for (target, value) in targets.zip(source.column(source_c)) {
            *target = value;
        }
    }

    /// Drops every column `c` for which `keep[c]` is false.
    pub(super) fn retain_columns(&mut self, keep: &[bool]) {
        let width = self.width;
        let mut entry = 0;
        self.data.retain(|_| {
            let kept = keep[entry % width];
            entry += 1;
            kept
        });
        self.width = keep.iter().filter(|&&kept| kept).count();
    }

    /// Adds the product `other C`, for a matrix `C` of shape `(other.width(), self.width())`.
    pub(super) fn add_product(&mut self, other: &Self, c: &Array2<f64>) {
        let (width, inner) = (self.width, other.width);
        if width == 0 || inner == 0 {
            return;
        }
        let leaf = |own: &mut [f64], other: &[f64]| {
            let rows = own.len() / width;
            if c.len() >= PACKED
                && let (Ok(mut own), Ok(other)) = (
                    ArrayViewMut2::from_shape((rows, width), &mut *own),
                    ArrayView2::from_shape((rows, inner), other),
                )
            {
                general_mat_mul(1.0, &other, c, 1.0, &mut own);
                return;
            }
            if let Some([c]) = c.as_slice() {
                // One column, the usual case, is one loop over all rows.
                own.iter_mut()
                    .zip(other)
                    .for_each(|(own, other)| *own += other * c);
                return;
            }
            if width == inner && few!(width => add_few_products(own, other, c)) {
                return;
            }
            for (own, other) in own.chunks_exact_mut(width).zip(other.chunks_exact(inner)) {
                for (other, c) in other.iter().zip(c.rows()) {
                    for (own, c) in own.iter_mut().zip(c) {
                        *own += other * c;
                    }
                }
            }
        };
        if self.data.len().max(other.data.len()) < PARALLEL {
            leaf(&mut self.data, &other.data);
        } else {
            self.data
                .par_chunks_mut(LEAF * width)
                .zip(other.data.par_chunks(LEAF * inner))
                .for_each(|(own, other)| leaf(own, other));
        }
    }

    /// Updates each entry to `f(own, other, coefficient of the column)`.
    pub(super) fn update(
        &mut self,
        other: &Self,
        coefficients: &[f64],
        f: impl Fn(f64, f64, f64) -> f64 + Sync,
    ) {
        if self.width == 0 {
            return;
        }
        let width = self.width;
        let leaf = |own: &mut [f64], other: &[f64]| {
            if let [c] = *coefficients {
                own.iter_mut()
                    .zip(other)
                    .for_each(|(own, other)| *own = f(*own, *other, c));
                return;
            }
            for (own, other) in own.chunks_exact_mut(width).zip(other.chunks_exact(width)) {
                for ((own, other), c) in own.iter_mut().zip(other).zip(coefficients) {
                    *own = f(*own, *other, *c);
                }
            }
        };
        if self.data.len() < PARALLEL {
            leaf(&mut self.data, &other.data);
        } else {
            self.data
                .par_chunks_mut(LEAF * width)
                .zip(other.data.par_chunks(LEAF * width))
                .for_each(|(own, other)| leaf(own, other));
        }
    }
}

/// For every column, the sums over its rows of the `K` products `terms(a, b)` of the entries of two blocks.
pub(super) fn column_sums<const K: usize>(
    a: &Block,
    b: &Block,
    terms: impl Fn(f64, f64) -> [f64; K] + Sync,
) -> Vec<[f64; K]> {
    let mut sums = vec![[0.0; K]; a.width];
    if a.width > 0 {
        sum_rows(&a.data, &b.data, a.width, &terms, &mut sums);
    }
    sums
}

/// Sums over the rows of one column, added up in several lanes, so that no addition waits for the one before.
fn sum_entries<const K: usize>(
    a: &[f64],
    b: &[f64],
    terms: impl Fn(f64, f64) -> [f64; K],
) -> [f64; K] {
    const LANES: usize = 8;
    let mut lanes = [[0.0; LANES]; K];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            let terms = terms(a[l], b[l]);
            for k in 0..K {
                lanes[k][l] += terms[k];
            }
        }
    }
    for (l, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        let terms = terms(*a, *b);
        for k in 0..K {
            lanes[k][l] += terms[k];
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

fn sum_rows<const K: usize>(
    a: &[f64],
    b: &[f64],
    width: usize,
    terms: &(impl Fn(f64, f64) -> [f64; K] + Sync),
    sums: &mut [[f64; K]],
) {
    let rows = a.len() / width;
    if rows <= LEAF {
        if let [sum] = sums {
            *sum = sum_entries(a, b, terms);
            return;
        }
        for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
            for ((a, b), sum) in a.iter().zip(b).zip(sums.iter_mut()) {
                let terms = terms(*a, *b);
                for k in 0..K {
                    sum[k] += terms[k];
                }
            }
        }
        return;
    }
    let half = rows.div_ceil(2).next_multiple_of(LEAF).min(rows) * width;
    let (a_low, a_high) = a.split_at(half);
    let (b_low, b_high) = b.split_at(half);
    let mut high = vec![[0.0; K]; width];
    if a.len() < PARALLEL {
        sum_rows(a_low, b_low, width, terms, sums);
        sum_rows(a_high, b_high, width, terms, &mut high);
    } else {
        rayon::join(
            || sum_rows(a_low, b_low, width, terms, sums),
            || sum_rows(a_high, b_high, width, terms, &mut high),
        );
    }
    for (sum, high) in sums.iter_mut().zip(&high) {
        for k in 0..K {
            sum[k] += high[k];
        }
    }
}

/// The products `A'B` of all columns of `a` with all of `b`.
pub(super) fn products(a: &Block, b: &Block) -> Array2<f64> {
    let mut sums = Array2::zeros((a.width, b.width));
    if !sums.is_empty() {
        add_products(&a.data, &b.data, &mut sums);
    }
    sums
}

fn add_products(a: &[f64], b: &[f64], sums: &mut Array2<f64>) {
    let (wa, wb) = sums.dim();
    let rows = a.len() / wa;
    if rows <= LEAF {
        if sums.len() >= PACKED
            && let (Ok(a), Ok(b)) = (
                ArrayView2::from_shape((rows, wa), a),
                ArrayView2::from_shape((rows, wb), b),
            )
        {
            general_mat_mul(1.0, &a.t(), &b, 1.0, sums);
            return;
        }
        if let Some([sum]) = sums.as_slice_mut() {
            [*sum] = sum_entries(a, b, |a, b| [a * b]);
            return;
        }
        if wa == wb && few!(wa => add_sums_of_few(a, b, sums)) {
            return;
        }
        for (a, b) in a.chunks_exact(wa).zip(b.chunks_exact(wb)) {
            for (a, mut sums) in a.iter().zip(sums.rows_mut()) {
                for (b, sum) in b.iter().zip(&mut sums) {
                    *sum += a * b;
                }
            }
        }
        return;
    }
    let half = rows.div_ceil(2).next_multiple_of(LEAF).min(rows);
    let (a_low, a_high) = a.split_at(half * wa);
    let (b_low, b_high) = b.split_at(half * wb);
    let mut high = Array2::zeros((wa, wb));
    if a.len().max(b.len()) < PARALLEL {
        add_products(a_low, b_low, sums);
        add_products(a_high, b_high, &mut high);
    } else {
        rayon::join(
            || add_products(a_low, b_low, sums),
            || add_products(a_high, b_high, &mut high),
        );
    }
    *sums += &high;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(rows: usize, width: usize) -> Block {
        let entry = |k: usize| ((k * 7919) % 1013) as f64 - 500.0;
        Block::from_rows(width, (0..rows * width).map(entry).collect())
    }

    #[test]
    fn sums_are_exact_on_integers_at_every_size() {
        for (rows, width) in [
            (0, 2),
            (1, 1),
            (1023, 1),
            (1024, 3),
            (1025, 1),
            (5000, 3),
            (70_001, 2),
        ] {
            let (a, b) = (block(rows, width), block(rows, width));
            let sums = column_sums(&a, &b, |a, b| [a * b, a]);
            for (c, [product, sum]) in sums.into_iter().enumerate() {
                assert_eq!(
                    product,
                    a.column(c)
                        .zip(b.column(c))
                        .map(|(a, b)| a * b)
                        .sum::<f64>()
                );
                assert_eq!(sum, a.column(c).sum::<f64>());
            }
        }
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let mut a = block(200_001, 3);
        a.data_mut().iter_mut().for_each(|v| *v = (*v * 0.7).sin());
        let sums = || column_sums(&a, &a, |a, b| [a * b, a]);
        let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let (one, four) = (on(1).unwrap().install(sums), on(4).unwrap().install(sums));
        assert_eq!(one, four);
    }

    #[test]
    fn products_are_those_of_the_columns() {
        for (rows, wa, wb) in [
            (7, 2, 2),
            (2000, 3, 3),
            (50, 5, 5),
            (1100, 7, 7),
            (0, 2, 3),
            (1, 1, 1),
            (1025, 2, 3),
            (3000, 9, 8),
            (70_001, 2, 1),
        ] {
            let (a, b) = (block(rows, wa), block(rows, wb));
            let found = products(&a, &b);
            for ((i, j), &found) in found.indexed_iter() {
                let terms = a.column(i).zip(b.column(j)).map(|(a, b)| a * b);
                assert_eq!(found, terms.sum::<f64>());
            }
            let c = Array2::from_shape_fn((wa, wb), |(i, j)| i as f64 - 2.0 * j as f64);
            let mut sum = b.clone();
            sum.add_product(&a, &c);
            for j in 0..wb {
                for (row, (sum, b)) in sum.column(j).zip(b.column(j)).enumerate() {
                    let terms = (0..wa).map(|i| a.data()[row * wa + i] * c[[i, j]]);
                    assert_eq!(sum, b + terms.sum::<f64>());
                }
            }
        }
    }

    #[test]
    fn columns_can_be_dropped_and_copied() {
        let source = block(10, 4);
        let mut kept = source.clone();
        kept.retain_columns(&[false, true, false, true]);
        assert_eq!(kept.width(), 2);
        assert!(kept.column(0).eq(source.column(1)) && kept.column(1).eq(source.column(3)));
        kept.copy_column(1, &source, 2);
        assert!(kept.column(0).eq(source.column(1)) && kept.column(1).eq(source.column(2)));
        kept.retain_columns(&[false, false]);
        assert_eq!((kept.width(), kept.data().len()), (0, 0));
    }

    #[test]
    fn updates_use_the_coefficient_of_the_column() {
        for rows in [3, 60_000] {
            let (mut a, b) = (block(rows, 2), block(rows, 2));
            a.update(&b, &[2.0, -1.0], |a, b, c| a + c * b);
            assert!(a.column(0).eq(b.column(0).map(|v| 3.0 * v)));
            assert!(a.column(1).all(|v| v == 0.0));
        }
    }
}

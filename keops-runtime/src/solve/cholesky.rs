//! Cholesky factorisations.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::estimate::EstimateError;
use super::operator::{LinearOperator, Precision};
use super::report::Part;
use crate::Error;

/// Number of rows and columns of the blocks that are eliminated together.
const BLOCK: usize = 64;
/// The number of right-hand sides from which on products of matrices are faster than those of vectors.
const MANY: usize = 8;

/// Steps of the power method for the norm, of which one digit is enough.
const POWER_STEPS: usize = 5;

/// The factorisation `A = L L'` of a symmetric positive definite matrix in double precision. Memory: `n^2` numbers.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    /// `L`, with zeros above its diagonal.
    lower: Array2<f64>,
}

/// Why there is no factorisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDefinite {
    /// The pivot that is not a positive number.
    pivot: f64,
}

impl Cholesky {
    /// Factorises a matrix, of which only the lower triangle is read, in `n^3 / 3` operations.
    pub(crate) fn new(mut a: Array2<f64>) -> Result<Self, NotDefinite> {
        factorize(&mut a)?;
        Ok(Self::of_lower(a))
    }

    /// The factorisation with this `L`; what stands above its diagonal does not count.
    pub(crate) fn of_lower(mut lower: Array2<f64>) -> Self {
        for (i, mut row) in lower.rows_mut().into_iter().enumerate() {
            row.slice_mut(s![i + 1..]).fill(0.0);
        }
        Self { lower }
    }

    /// Computes all entries of the operator, in double precision, and factorises `alpha Id + K`.
    ///
    /// # Errors
    /// What the operator says, [`EstimateError::NonFinite`], or [`EstimateError::NotPositiveDefinite`].
    pub(crate) fn of_system(
        operator: &dyn LinearOperator,
        alpha: f64,
    ) -> Result<Self, EstimateError> {
        let mut a = entries_of(operator)?;
        if !a.iter().all(|entry| entry.is_finite()) {
            return Err(EstimateError::NonFinite {
                part: Part::Operator,
            });
        }
        a.diag_mut().mapv_inplace(|entry| entry + alpha);
        let refuse = |NotDefinite { pivot: curvature }| EstimateError::NotPositiveDefinite {
            alpha,
            curvature,
        };
        Self::new(a).map_err(refuse)
    }

    /// `L`.
    pub(crate) fn lower(&self) -> &Array2<f64> {
        &self.lower
    }

    /// An estimate of the norm of `A`, from below, by some steps of the power method.
    pub(crate) fn norm_estimate(&self) -> f64 {
        let mut v = Array1::ones(self.lower.nrows());
        let mut norm = 0.0;
        for _ in 0..POWER_STEPS {
            let largest = v.fold(0.0, |most: f64, v: &f64| most.max(v.abs()));
            if largest == 0.0 {
                return 0.0;
            }
            v /= largest;
            let next = self.lower.dot(&self.lower.t().dot(&v));
            norm = v.dot(&next) / v.dot(&v);
            v = next;
        }
        norm
    }

    /// The logarithm of the determinant.
    pub(crate) fn log_det(&self) -> f64 {
        2.0 * self.lower.diag().iter().map(|l| l.ln()).sum::<f64>()
    }

    /// Overwrites the columns of `b` with `A^-1 b`.
    pub(crate) fn solve(&self, b: &mut Array2<f64>) {
        if self.goes_by_columns(b) {
            each_column(b, |x| {
                forward_column(&self.lower, x);
                backward_column(&self.lower, x);
            });
        } else {
            each_block(b, |mut x| {
                self.forward(x.view_mut());
                self.backward(x);
            });
        }
    }

    /// Overwrites the columns of `b` with `L^-1 b`, whose squared norms are `b' A^-1 b`.
    pub(crate) fn half_solve(&self, b: &mut Array2<f64>) {
        if self.goes_by_columns(b) {
            each_column(b, |x| forward_column(&self.lower, x));
        } else {
            each_block(b, |x| self.forward(x));
        }
    }

    /// Overwrites the columns of `b` with `L'^-1 b`.
    pub(crate) fn half_solve_transposed(&self, b: &mut Array2<f64>) {
        each_column(b, |x| backward_column(&self.lower, x));
    }

    /// `A^-1`.
    pub(crate) fn inverse(&self) -> Array2<f64> {
        let mut inverse = Array2::eye(self.lower.nrows());
        self.solve(&mut inverse);
        inverse
    }

    /// Whether to take one column after the other. Small systems are those of block conjugate gradients, where it matters that a sum of products is
    /// subtracted once: with nearly dependent columns they take up to twice the iterations if products are subtracted one by one.
    fn goes_by_columns(&self, b: &Array2<f64>) -> bool {
        b.ncols() < MANY || b.nrows() <= BLOCK
    }

    /// Overwrites `x` with `L^-1 x`, on this thread; best for many columns.
    pub(crate) fn forward(&self, mut x: ArrayViewMut2<'_, f64>) {
        let (lower, n) = (&self.lower, self.lower.nrows());
        for from in (0..n).step_by(BLOCK) {
            let to = (from + BLOCK).min(n);
            let (done, mut rest) = x.view_mut().split_at(Axis(0), from);
            let mut here = rest.slice_mut(s![..to - from, ..]);
            let left = lower.slice(s![from..to, ..from]);
            general_mat_mul(-1.0, &left, &done, 1.0, &mut here);
            for i in from..to {
                let (done, mut rest) = here.view_mut().split_at(Axis(0), i - from);
                let mut row = rest.row_mut(0);
                for (k, done) in done.rows().into_iter().enumerate() {
                    row.scaled_add(-lower[[i, from + k]], &done);
                }
                row /= lower[[i, i]];
            }
        }
    }

    /// Overwrites `x` with `L'^-1 x`, on this thread.
    fn backward(&self, mut x: ArrayViewMut2<'_, f64>) {
        let (lower, n) = (&self.lower, self.lower.nrows());
        for from in (0..n).step_by(BLOCK).rev() {
            let to = (from + BLOCK).min(n);
            let (mut upper, done) = x.view_mut().split_at(Axis(0), to);
            let mut here = upper.slice_mut(s![from.., ..]);
            let below = lower.slice(s![to.., from..to]);
            general_mat_mul(-1.0, &below.t(), &done, 1.0, &mut here);
            for i in (from..to).rev() {
                let (mut rest, done) = here.view_mut().split_at(Axis(0), i - from + 1);
                let mut row = rest.row_mut(i - from);
                for (k, done) in done.rows().into_iter().enumerate() {
                    row.scaled_add(-lower[[i + 1 + k, i]], &done);
                }
                row /= lower[[i, i]];
            }
        }
    }
}

fn forward_column(lower: &Array2<f64>, x: &mut Array1<f64>) {
    for (i, row) in lower.rows().into_iter().enumerate() {
        let sum = leading_dot(row, x.view(), i);
        x[i] = (x[i] - sum) / row[i];
    }
}

fn backward_column(lower: &Array2<f64>, x: &mut Array1<f64>) {
    for (i, row) in lower.rows().into_iter().enumerate().rev() {
        x[i] /= row[i];
        let known = x[i];
        for (x, l) in x.iter_mut().zip(row).take(i) {
            *x -= known * l;
        }
    }
}

/// The dot product of the first `count` entries.
fn leading_dot(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>, count: usize) -> f64 {
    a.split_at(Axis(0), count)
        .0
        .dot(&b.split_at(Axis(0), count).0)
}

/// Calls `f` with each column, in one piece.
fn each_column(b: &mut Array2<f64>, f: impl Fn(&mut Array1<f64>)) {
    for mut column in b.columns_mut() {
        let mut x = column.to_owned();
        f(&mut x);
        column.assign(&x);
    }
}

/// Calls `f` with blocks of columns, on several threads.
fn each_block(b: &mut Array2<f64>, f: impl Fn(ArrayViewMut2<'_, f64>) + Sync + Send) {
    let chunks: Vec<_> = b.axis_chunks_iter_mut(Axis(1), BLOCK).collect();
    chunks.into_par_iter().for_each(|mut columns| {
        let mut x = columns.to_owned();
        f(x.view_mut());
        columns.assign(&x);
    });
}

/// The matrix of an operator: from its entries, or else from its products with unit vectors.
pub(crate) fn entries_of(operator: &dyn LinearOperator) -> Result<Array2<f64>, EstimateError> {
    let n = operator.len();
    let mut matrix = square(n)?;
    let failed = |error| EstimateError::Apply {
        part: Part::Operator,
        error,
    };
    if let Some(entries) = operator.entries() {
        let all: Vec<_> = (0..n).collect();
        entries
            .compute_rows(&all, matrix.view_mut())
            .map_err(failed)?;
        return Ok(matrix);
    }
    for first in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - first);
        let unit = Array2::from_shape_fn((n, width), |(i, c)| f64::from(i == first + c));
        let mut columns = Array2::zeros((n, width));
        operator
            .apply(Precision::Double, unit.view(), columns.view_mut())
            .map_err(failed)?;
        matrix
            .slice_mut(s![first..first + width, ..])
            .assign(&columns.t());
    }
    Ok(matrix)
}

/// A matrix of zeros, if there is the memory for it.
fn square(n: usize) -> Result<Array2<f64>, Error> {
    let refused = || Error::Option {
        option: "exact_up_to",
        expected: "a number of rows whose matrix fits into memory",
        found: format!("a matrix of {n} rows"),
    };
    let size = n.checked_mul(n).ok_or_else(refused)?;
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(size).map_err(|_| refused())?;
    zeros.resize(size, 0.0);
    Array2::from_shape_vec((n, n), zeros).map_err(|_| refused())
}

/// Overwrites the lower triangle of a matrix with its Cholesky factor, block column by block column.
fn factorize(a: &mut Array2<f64>) -> Result<(), NotDefinite> {
    let n = a.nrows();
    for from in (0..n).step_by(BLOCK) {
        let to = (from + BLOCK).min(n);
        if from > 0 {
            let known = a.slice(s![from..to, ..from]).to_owned();
            by_rows(a.slice_mut(s![from.., ..to]), |rows| {
                let (left, mut right) = rows.split_at(Axis(1), from);
                general_mat_mul(-1.0, &left, &known.t(), 1.0, &mut right);
            });
        }
        factorize_block(&mut a.slice_mut(s![from..to, from..to]))?;
        if to < n {
            let corner = a.slice(s![from..to, from..to]).to_owned();
            by_rows(a.slice_mut(s![to.., from..to]), |mut rows| {
                for mut row in rows.rows_mut() {
                    for k in 0..to - from {
                        let sum = leading_dot(row.view(), corner.row(k), k);
                        row[k] = (row[k] - sum) / corner[[k, k]];
                    }
                }
            });
        }
    }
    Ok(())
}

/// Calls `f` with blocks of rows, on several threads.
fn by_rows(mut a: ArrayViewMut2<'_, f64>, f: impl Fn(ArrayViewMut2<'_, f64>) + Sync + Send) {
    let chunks: Vec<_> = a.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
    chunks.into_par_iter().for_each(f);
}

fn factorize_block(a: &mut ArrayViewMut2<'_, f64>) -> Result<(), NotDefinite> {
    for i in 0..a.nrows() {
        for j in 0..=i {
            let sum = leading_dot(a.row(i), a.row(j), j);
            let rest = a[[i, j]] - sum;
            if i > j {
                a[[i, j]] = rest / a[[j, j]];
            } else if rest > 0.0 && rest.is_finite() {
                a[[i, i]] = rest.sqrt();
            } else {
                return Err(NotDefinite { pivot: rest });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second differences of `n` numbers: determinant `n + 1`, and an inverse in closed form.
    fn second_differences(n: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        })
    }

    #[test]
    fn a_matrix_with_a_known_inverse_at_sizes_around_those_of_blocks() {
        for n in [0, 1, 2, 63, 64, 65, 127, 128, 129, 200] {
            let a = second_differences(n);
            let factor = Cholesky::of_system(&a, 0.0).unwrap();
            assert!((factor.log_det() - ((n + 1) as f64).ln()).abs() < 1e-12);
            let inverse = factor.inverse();
            for ((i, j), &found) in inverse.indexed_iter() {
                let (low, high) = (i.min(j) + 1, i.max(j) + 1);
                let expected = (low * (n + 1 - high)) as f64 / (n + 1) as f64;
                assert!((found - expected).abs() < 1e-10 * n as f64, "{n} {i} {j}");
            }
            let mut half = Array2::eye(n);
            factor.half_solve(&mut half);
            assert!(
                (half.t().dot(&half) - inverse)
                    .iter()
                    .all(|e| e.abs() < 1e-9)
            );
            // One column and few take another way than many.
            for columns in [1, MANY - 1, MANY] {
                let b = Array2::from_shape_fn((n, columns), |(i, c)| ((i + 7 * c) as f64).sin());
                let mut x = b.clone();
                factor.solve(&mut x);
                let rounding = 1e-12 * (n * n) as f64;
                assert!((a.dot(&x) - &b).iter().all(|e| e.abs() < 1e-12 + rounding));
                let mut half = b.clone();
                factor.half_solve(&mut half);
                assert!(
                    (factor.lower().dot(&half) - b)
                        .iter()
                        .all(|e| e.abs() < 1e-12)
                );
            }
        }
    }

    #[test]
    fn matrices_that_are_not_definite_are_refused() {
        for n in [1, 64, 65, 130] {
            let mut a = second_differences(n);
            a[[n - 1, n - 1]] = -1.0;
            let error = Cholesky::of_system(&a, 0.0).expect_err("an error");
            assert!(
                matches!(error, EstimateError::NotPositiveDefinite { curvature, .. } if curvature < 0.0)
            );
            a[[0, 0]] = f64::NAN;
            let error = Cholesky::of_system(&a, 0.0).expect_err("an error");
            assert!(matches!(error, EstimateError::NonFinite { .. }));
        }
    }
}

//! Small systems, by a Cholesky factorisation of the whole matrix.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::estimate::EstimateError;
use super::operator::{LinearOperator, Precision};
use super::report::Part;
use crate::Error;

/// Number of rows and columns of the blocks that are eliminated together.
const BLOCK: usize = 64;

/// The factorisation `alpha Id + K = L L'` in double precision. Memory: `n^2` numbers; `n^3 / 3` operations.
pub(crate) struct Cholesky {
    /// `L`; what stands above its diagonal means nothing.
    lower: Array2<f64>,
}

impl Cholesky {
    /// Computes all entries of the operator, in double precision, and factorises.
    ///
    /// # Errors
    /// What the operator says, [`EstimateError::NonFinite`], or [`EstimateError::NotPositiveDefinite`].
    pub(crate) fn new(operator: &dyn LinearOperator, alpha: f64) -> Result<Self, EstimateError> {
        let mut lower = entries_of(operator)?;
        if !lower.iter().all(|entry| entry.is_finite()) {
            return Err(EstimateError::NonFinite {
                part: Part::Operator,
            });
        }
        lower.diag_mut().mapv_inplace(|entry| entry + alpha);
        match factorize(&mut lower) {
            None => Ok(Self { lower }),
            Some(curvature) => Err(EstimateError::NotPositiveDefinite { alpha, curvature }),
        }
    }

    /// The logarithm of the determinant.
    pub(crate) fn log_det(&self) -> f64 {
        2.0 * self.lower.diag().iter().map(|l| l.ln()).sum::<f64>()
    }

    /// Overwrites the columns of `b` with `(alpha Id + K)^-1 b`.
    pub(crate) fn solve(&self, b: &mut Array2<f64>) {
        self.by_columns(b, |lower, x| {
            forward(lower, x);
            backward(lower, x);
        });
    }

    /// Overwrites the columns of `b` with `L^-1 b`, whose squared norms are `b' (alpha Id + K)^-1 b`.
    pub(crate) fn half_solve(&self, b: &mut Array2<f64>) {
        self.by_columns(b, forward);
    }

    /// `(alpha Id + K)^-1`.
    pub(crate) fn inverse(&self) -> Array2<f64> {
        let mut inverse = Array2::eye(self.lower.nrows());
        self.solve(&mut inverse);
        inverse
    }

    fn by_columns(
        &self,
        b: &mut Array2<f64>,
        f: impl Fn(&Array2<f64>, &mut Array2<f64>) + Sync + Send,
    ) {
        let chunks: Vec<_> = b.axis_chunks_iter_mut(Axis(1), BLOCK).collect();
        chunks.into_par_iter().for_each(|mut columns| {
            let mut x = columns.to_owned();
            f(&self.lower, &mut x);
            columns.assign(&x);
        });
    }
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

/// Overwrites the lower triangle of a matrix with its Cholesky factor, block column by block column. `Some` of a pivot
/// that is not positive if there is one.
fn factorize(a: &mut Array2<f64>) -> Option<f64> {
    let n = a.nrows();
    for from in (0..n).step_by(BLOCK) {
        let to = (from + BLOCK).min(n);
        let known = a.slice(s![from..to, ..from]).to_owned();
        let mut below = a.slice_mut(s![from.., ..to]);
        let chunks: Vec<_> = below.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
        chunks.into_par_iter().for_each(|rows| {
            let (left, mut right) = rows.split_at(Axis(1), from);
            general_mat_mul(-1.0, &left, &known.t(), 1.0, &mut right);
        });
        let mut corner = a.slice_mut(s![from..to, from..to]);
        if let Some(pivot) = factorize_block(&mut corner) {
            return Some(pivot);
        }
        let corner = corner.to_owned();
        let mut below = a.slice_mut(s![to.., from..to]);
        let chunks: Vec<_> = below.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
        chunks.into_par_iter().for_each(|mut rows| {
            for mut row in rows.rows_mut() {
                for k in 0..to - from {
                    let sum = row.slice(s![..k]).dot(&corner.slice(s![k, ..k]));
                    row[k] = (row[k] - sum) / corner[[k, k]];
                }
            }
        });
    }
    None
}

fn factorize_block(a: &mut ArrayViewMut2<'_, f64>) -> Option<f64> {
    for i in 0..a.nrows() {
        for j in 0..=i {
            let sum = a.slice(s![i, ..j]).dot(&a.slice(s![j, ..j]));
            let rest = a[[i, j]] - sum;
            if i > j {
                a[[i, j]] = rest / a[[j, j]];
            } else if rest > 0.0 {
                a[[i, i]] = rest.sqrt();
            } else {
                return Some(rest);
            }
        }
    }
    None
}

/// Overwrites `x` with `L^-1 x`.
fn forward(lower: &Array2<f64>, x: &mut Array2<f64>) {
    let n = lower.nrows();
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

/// Overwrites `x` with `L'^-1 x`.
fn backward(lower: &Array2<f64>, x: &mut Array2<f64>) {
    let n = lower.nrows();
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
            let factor = Cholesky::new(&a, 0.0).unwrap();
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
        }
    }

    #[test]
    fn matrices_that_are_not_definite_are_refused() {
        for n in [1, 64, 65, 130] {
            let mut a = second_differences(n);
            a[[n - 1, n - 1]] = -1.0;
            let error = Cholesky::new(&a, 0.0).err().expect("an error");
            assert!(
                matches!(error, EstimateError::NotPositiveDefinite { curvature, .. } if curvature < 0.0)
            );
            a[[0, 0]] = f64::NAN;
            let error = Cholesky::new(&a, 0.0).err().expect("an error");
            assert!(matches!(error, EstimateError::NonFinite { .. }));
        }
    }
}

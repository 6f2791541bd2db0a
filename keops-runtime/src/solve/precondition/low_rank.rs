//! The inverse of a low-rank matrix plus a multiple of the identity.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::super::operator::OperatorError;
use super::super::options::Precondition;

/// Number of points that are worked on together.
const CHUNK: usize = 1024;
/// Number of rows of a block of the capacitance matrix.
const BLOCK: usize = 64;
/// The least shift, as a multiple of the largest eigenvalue of `F F'`, `2^-44`: rounding errors perturb the spectrum of `P^-1 P` by
/// `2^-53` times the condition number of `P`, and this keeps it below a hundredth.
const LEAST_SHIFT: f64 = 5.7e-14;

/// `P = F F' + mu Id`, for `F` of `n` rows and `r` columns. Memory: `n r + r^2` numbers.
///
/// Its inverse is applied in `4 n r` operations per column, by the identity of Sherman, Morrison and Woodbury,
/// `P^-1 = (Id - F (F'F + mu Id)^-1 F') / mu`.
pub(super) struct LowRank {
    /// `F'`.
    transposed: Array2<f64>,
    /// The lower Cholesky factor of the capacitance matrix `F'F + mu Id`.
    lower: Array2<f64>,
    shift: f64,
}

impl LowRank {
    /// `F F' + mu Id` for `F'` and the least `mu >= alpha` that can be inverted in double precision.
    pub(super) fn new(transposed: Array2<f64>, alpha: f64) -> Option<Self> {
        let mut lower = gram(&transposed);
        let row_sums = lower.rows().into_iter().map(|row| row.mapv(f64::abs).sum());
        let shift = alpha.max(LEAST_SHIFT * row_sums.fold(0.0, f64::max));
        lower.diag_mut().mapv_inplace(|entry| entry + shift);
        factorize(&mut lower).then_some(Self {
            transposed,
            lower,
            shift,
        })
    }

    /// The shift `mu`.
    pub(super) fn shift(&self) -> f64 {
        self.shift
    }

    /// `y = F' x` for the rows of `x`, of shape `(columns, n)`. The order of all sums is fixed.
    fn project(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let partial = |(f, x): (ArrayView2<'_, f64>, ArrayView2<'_, f64>)| {
            Array2::from_shape_fn((f.nrows(), x.nrows()), |(k, c)| f.row(k).dot(&x.row(c)))
        };
        let chunks = self.transposed.axis_chunks_iter(Axis(1), CHUNK);
        let chunks: Vec<_> = chunks.zip(x.axis_chunks_iter(Axis(1), CHUNK)).collect();
        let partials: Vec<_> = chunks.into_par_iter().map(partial).collect();
        let mut sum = Array2::zeros((self.transposed.nrows(), x.nrows()));
        for partial in &partials {
            sum += partial;
        }
        sum
    }

    /// `(x - F y) / mu`, in place of the rows of `x`.
    fn complete(&self, y: &Array2<f64>, x: &mut Array2<f64>) {
        let chunks = self.transposed.axis_chunks_iter(Axis(1), CHUNK);
        let chunks: Vec<_> = chunks.zip(x.axis_chunks_iter_mut(Axis(1), CHUNK)).collect();
        chunks.into_par_iter().for_each(|(f, mut x)| {
            for (f, y) in f.rows().into_iter().zip(y.rows()) {
                for (mut x, &y) in x.rows_mut().into_iter().zip(y) {
                    x.scaled_add(-y, &f);
                }
            }
            x /= self.shift;
        });
    }
}

impl Precondition for LowRank {
    fn apply(
        &self,
        r: ArrayView2<'_, f64>,
        mut z: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let mut x = Array2::zeros((r.ncols(), r.nrows()));
        x.assign(&r.t());
        let mut y = self.project(x.view());
        solve(&self.lower, &mut y);
        self.complete(&y, &mut x);
        z.assign(&x.t());
        Ok(())
    }
}

/// `F'F`.
fn gram(transposed: &Array2<f64>) -> Array2<f64> {
    let rank = transposed.nrows();
    let mut gram = Array2::zeros((rank, rank));
    let blocks: Vec<_> = gram
        .axis_chunks_iter_mut(Axis(0), BLOCK)
        .enumerate()
        .collect();
    blocks.into_par_iter().for_each(|(index, mut block)| {
        let rows = index * BLOCK..index * BLOCK + block.nrows();
        let (left, up_to) = (transposed.slice(s![rows.clone(), ..]), rows.end);
        let right = transposed.slice(s![..up_to, ..]);
        general_mat_mul(
            1.0,
            &left,
            &right.t(),
            0.0,
            &mut block.slice_mut(s![.., ..up_to]),
        );
    });
    for i in 0..rank {
        for j in i + 1..rank {
            gram[[i, j]] = gram[[j, i]];
        }
    }
    gram
}

/// Overwrites the lower triangle of a matrix with its Cholesky factor. `false` if it is not positive definite.
pub(super) fn factorize(a: &mut Array2<f64>) -> bool {
    for i in 0..a.nrows() {
        let (above, mut rest) = a.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        for (j, above) in above.rows().into_iter().enumerate() {
            let sum = row.slice(s![..j]).dot(&above.slice(s![..j]));
            row[j] = (row[j] - sum) / above[j];
        }
        let known = row.slice(s![..i]);
        let pivot = row[i] - known.dot(&known);
        if pivot <= 0.0 || !pivot.is_finite() {
            return false;
        }
        row[i] = pivot.sqrt();
    }
    true
}

/// Overwrites `y` with the solution of `L L' Y = y`.
pub(super) fn solve(lower: &Array2<f64>, y: &mut Array2<f64>) {
    for mut y in y.columns_mut() {
        let mut x = Array1::zeros(y.len());
        for i in 0..y.len() {
            let sum = lower.slice(s![i, ..i]).dot(&x.slice(s![..i]));
            x[i] = (y[i] - sum) / lower[[i, i]];
        }
        for i in (0..y.len()).rev() {
            x[i] /= lower[[i, i]];
            let known = x[i];
            x.slice_mut(s![..i])
                .scaled_add(-known, &lower.slice(s![i, ..i]));
        }
        y.assign(&x);
    }
}

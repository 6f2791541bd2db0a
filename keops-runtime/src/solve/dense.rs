//! Small dense matrices: Gram matrices and Cholesky factorisations.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

/// Number of rows of a block of a Gram matrix.
const BLOCK: usize = 64;

/// `F'F` for `F'`.
pub(super) fn gram(transposed: &Array2<f64>) -> Array2<f64> {
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

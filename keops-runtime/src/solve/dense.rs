//! Small dense matrices: Gram matrices, parts of them that are independent, eigenvalues.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

use super::cholesky::Cholesky;

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

/// A well conditioned part of a symmetric positive semidefinite matrix: its rows, the largest pivots first, and the
/// factorisation of the matrix among them. With the matrix scaled to a unit diagonal, a row is left out when what those before it leave of
/// its diagonal entry is `least` or less.
pub(super) fn independent(a: &Array2<f64>, least: f64) -> (Vec<usize>, Cholesky) {
    let n = a.nrows();
    let root = a.diag().mapv(f64::sqrt);
    let sound = |i: usize| root[i] > 0.0 && root[i].is_finite();
    let mut rest = Array2::from_shape_fn((n, n), |(i, j)| {
        if sound(i) && sound(j) {
            a[[i, j]] / root[i] / root[j]
        } else {
            0.0
        }
    });
    let (mut chosen, mut lower) = (Vec::new(), Array2::zeros((n, n)));
    for step in 0..n {
        // The first of the largest, so that equal ones are always taken in the same order.
        let largest = rest.diag().fold(0.0, |most: f64, &d| d.max(most));
        let Some(pivot) = rest.diag().iter().position(|&d| d == largest) else {
            break;
        };
        if largest <= least {
            break;
        }
        let column = &rest.column(pivot) / largest.sqrt();
        for (mut row, &factor) in rest.rows_mut().into_iter().zip(&column) {
            row.scaled_add(-factor, &column);
        }
        rest.row_mut(pivot).fill(0.0);
        rest.column_mut(pivot).fill(0.0);
        lower.column_mut(step).assign(&(&column * &root));
        chosen.push(pivot);
    }
    // Not `select`, which takes longer than all the rest where the matrix is small.
    let count = chosen.len();
    let lower = Array2::from_shape_fn((count, count), |(i, j)| lower[[chosen[i], j]]);
    (chosen, Cholesky::of_lower(lower))
}

/// The eigenvalues of a symmetric matrix, and orthonormal eigenvectors as columns, by the cyclic method of Jacobi.
pub(super) fn eigen(a: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = a.nrows();
    let (mut a, mut vectors) = (a.clone(), Array2::<f64>::eye(n));
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = t.hypot(1.0).recip();
                let sine = t * cosine;
                let rotate = |x: &mut f64, y: &mut f64| {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                };
                for matrix in [&mut a, &mut vectors] {
                    let (mut x, mut y) = matrix.multi_slice_mut((s![.., p], s![.., q]));
                    x.iter_mut().zip(&mut y).for_each(|(x, y)| rotate(x, y));
                }
                let (mut x, mut y) = a.multi_slice_mut((s![p, ..], s![q, ..]));
                x.iter_mut().zip(&mut y).for_each(|(x, y)| rotate(x, y));
            }
        }
    }
    (a.diag().to_owned(), vectors)
}

/// Sweeps of the method of Jacobi, which converges quadratically.
const SWEEPS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_rows_are_left_out() {
        // Columns 3 and 4 depend on others, column 2 is zero, and the scales differ.
        let w = Array2::from_shape_fn((6, 5), |(i, j)| match j {
            0 => 1e-150 * (1.0 + i as f64),
            1 => (i as f64).sin(),
            2 => 0.0,
            3 => 1e100 * (1.0 + i as f64),
            _ => 1e3 * (i as f64).sin() + 1e3 * (1.0 + i as f64),
        });
        let gram = w.t().dot(&w);
        let (chosen, factor) = independent(&gram, 1e-13);
        assert_eq!(chosen.len(), 2);
        let found = factor.lower().dot(&factor.lower().t());
        let expected = gram.select(Axis(0), &chosen).select(Axis(1), &chosen);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found / expected - 1.0).abs() < 1e-12);
        }
        assert!(independent(&Array2::zeros((3, 3)), 1e-13).0.is_empty());
        assert!(independent(&Array2::zeros((0, 0)), 1e-13).0.is_empty());
    }

    #[test]
    fn eigenvalues() {
        // The second difference: 2 - 2 cos(k pi / (n + 1)).
        for n in [1_usize, 2, 7, 30] {
            let a = Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            });
            let (values, vectors) = eigen(&a);
            let mut found = values.to_vec();
            found.sort_by(f64::total_cmp);
            for (k, found) in found.into_iter().enumerate() {
                let angle = (k + 1) as f64 * std::f64::consts::PI / (n as f64 + 1.0);
                assert!((found - (2.0 - 2.0 * angle.cos())).abs() < 1e-14);
            }
            let residuals = a.dot(&vectors) - &vectors * &values;
            assert!(residuals.iter().all(|e| e.abs() < 1e-14));
        }
    }
}

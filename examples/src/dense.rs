//! The classical way to solve a kernel system: store the matrix and factorise it.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::traits::ComplexField;
use faer::{MatMut, Par, Spec};
use keops_solve::ndarray::Array2;
use rayon::prelude::*;

/// The matrix is not positive definite, as far as rounding errors let one see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the dense matrix is not positive definite: its Cholesky factorisation failed at row {row}"
)]
pub struct NotPositiveDefinite {
    /// The row at which the factorisation failed.
    pub row: usize,
}

/// Solves `A a = b` for the symmetric positive definite matrix `A_ij = entry(i, j)` and each column of `b`, of shape
/// `(n, columns)`, by a Cholesky factorisation (of [`faer`]) on all cores.
///
/// Takes about `n^3 / 3` operations, and memory for `n^2` numbers.
///
/// # Errors
/// If the factorisation breaks down.
pub fn solve<T: ComplexField + Copy>(
    entry: impl Fn(usize, usize) -> T + Sync,
    b: &Array2<T>,
) -> Result<Array2<T>, NotPositiveDefinite> {
    let (n, columns) = b.dim();
    let mut a = vec![T::zero_impl(); n * n];
    // The factorisation reads the lower triangle alone.
    a.par_chunks_mut(n.max(1))
        .enumerate()
        .for_each(|(j, column)| {
            for i in j..n {
                column[i] = entry(i, j);
            }
        });
    let mut a = MatMut::from_column_major_slice_mut(&mut a, n, n);

    // Small matrices are factorised faster than threads can agree on who does what.
    let parallel = if n < 512 { Par::Seq } else { Par::rayon(0) };
    let settings = Spec::default();
    let scratch = llt::factor::cholesky_in_place_scratch::<T>(n, parallel, settings);
    let mut buffer = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut buffer);
    llt::factor::cholesky_in_place(a.as_mut(), Default::default(), parallel, stack, settings)
        .map_err(
            |llt::factor::LltError::NonPositivePivot { index }| NotPositiveDefinite { row: index },
        )?;

    let mut x: Vec<T> = b.t().iter().copied().collect();
    let right = MatMut::from_column_major_slice_mut(&mut x, n, columns);
    llt::solve::solve_in_place(a.as_ref(), right, parallel, stack);
    let mut solution = b.clone();
    for (c, mut column) in solution.columns_mut().into_iter().enumerate() {
        for (i, value) in column.iter_mut().enumerate() {
            *value = x[c * n + i];
        }
    }
    Ok(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keops_solve::ndarray::array;

    #[test]
    fn a_system_with_a_known_solution() {
        // The inverse of the tridiagonal matrix (-1, 2, -1) of order 3 is [3 2 1; 2 4 2; 1 2 3] / 4.
        let entry = |i: usize, j: usize| [2.0, -1.0, 0.0][i.abs_diff(j)];
        let x = solve(entry, &array![[4.0, 0.0], [0.0, 0.0], [0.0, 4.0]]).unwrap();
        let expected = array![[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]];
        assert!((x - expected).iter().all(|e: &f64| e.abs() < 1e-14));
    }

    #[test]
    fn order_zero_and_indefinite_matrices() {
        let none = Array2::<f64>::zeros((0, 2));
        assert_eq!(solve(|_, _| 1.0, &none), Ok(none));
        let entry = |i: usize, j: usize| if i == j { 1.0 } else { 2.0 };
        let error = solve(entry, &array![[1.0], [1.0]]).unwrap_err();
        assert_eq!(error.row, 1);
    }
}

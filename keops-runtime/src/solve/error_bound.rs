//! Bounds of the error of conjugate gradients, in the norm of the matrix.
//!
//! For iterates `X` of several columns with residuals `R = B - A X` and errors `E = A^-1 R`, let `A >= m P` for the preconditioner `P`
//! and a known `m > 0`: `m = alpha` without a preconditioner, and about 1 with a partial Cholesky factorisation. Then
//! `E'AE = R'A^-1 R <= R'P^-1 R / m`, unconditionally.
//!
//! The recursion knows more. With `S_k = R_k'P^-1 R_k` and the decrease `D_k = E_k'A E_k - E_(k+1)'A E_(k+1)` of step `k`, which is the
//! product of matrices at hand, the bounds `U_k >= E_k'A E_k` that the Gauss-Radau quadrature with a node at `m` gives obey
//!
//! ```text
//! U_0 = S_0 / m,      U_(k+1)^-1 = (U_k - D_k)^-1 + m S_(k+1)^-1
//! ```
//!
//! (inverses of singular matrices in the sense of the parallel sum). For one column this is the recurrence of Meurant and Tichy. It holds for
//! blocks too: in the basis of the block Lanczos process `P^-1 A` is a block tridiagonal `T >= m Id`. If `F_k` is the pivot that `T` would have
//! if the last of its blocks were such that `m` is an eigenvalue, and `Delta_k` the true one, then `F_(k+1) = m Id + B_k ((Delta_k - F_k)^-1 -
//! Delta_k^-1) B_k'` by the Schur complements of `T` and `T - m Id`, and `U_k = rho' F^-1 rho` for the residuals `rho` in that basis; what is
//! left out of `T` only makes the error smaller. The identities of Woodbury give the recurrence above, which needs no basis.
//!
//! # References
//!
//! G. H. Golub, G. Meurant, *Matrices, Moments and Quadrature with Applications* (2010).
//! G. Meurant, P. Tichy, *On computing quadrature-based bounds for the A-norm of the error in conjugate gradients*, Numer. Algorithms 62 (2013).

use ndarray::Array2;

use super::cholesky::Cholesky;

/// What is added to the bounds, as a multiple of `u` and of the entries of a unit diagonal, so that rounding errors stay on the safe side.
const SLACK: f64 = 16.0;

/// Bounds of `E'AE` for the systems of a block.
#[derive(Debug, Default)]
pub(super) struct ErrorBound {
    /// `U_k`; `None` where the recursion begins.
    bound: Option<Array2<f64>>,
}

impl ErrorBound {
    /// Forgets the steps so far.
    pub(super) fn restart(&mut self) {
        self.bound = None;
    }

    /// Takes the decrease `D_k` of a step off.
    pub(super) fn step(&mut self, decrease: &Array2<f64>) {
        if let Some(bound) = &mut self.bound {
            *bound -= decrease;
        }
    }

    /// Takes `S / m` of the present residuals in, and returns a bound of the error of each system.
    pub(super) fn update(&mut self, fresh: Array2<f64>) -> Vec<f64> {
        let bound = match self.bound.take() {
            Some(known) => parallel_sum(known, &fresh).unwrap_or(fresh),
            None => fresh,
        };
        let squares = bound.diag();
        let errors = squares.iter().map(|square| square.max(0.0).sqrt());
        let errors = errors.collect();
        self.bound = Some(bound);
        errors
    }
}

/// `(A^-1 + B^-1)^-1 = B - B (A + B)^-1 B`, with rounding errors on the safe side. `None` if those are too large.
fn parallel_sum(mut a: Array2<f64>, b: &Array2<f64>) -> Option<Array2<f64>> {
    let n = b.nrows();
    let root = b.diag().mapv(|d| d.max(0.0).sqrt());
    let inverse = root.mapv(|root| if root > 0.0 { root.recip() } else { 0.0 });
    let scaled = |matrix: &Array2<f64>| {
        Array2::from_shape_fn((n, n), |(i, j)| {
            0.5 * (matrix[[i, j]] + matrix[[j, i]]) * inverse[i] * inverse[j]
        })
    };
    let b = scaled(b);
    a = scaled(&a);
    let slack = SLACK * n as f64 * f64::EPSILON;
    // What is left of a bound cannot be negative.
    for d in a.diag_mut() {
        *d = d.max(0.0);
    }
    let mut both = &a + &b;
    for d in both.diag_mut() {
        *d += slack * (1.0 + *d);
    }
    let mut x = b.clone();
    Cholesky::new(both).ok()?.half_solve(&mut x);
    let mut sum = b - x.t().dot(&x);
    for d in sum.diag_mut() {
        *d = d.max(0.0) + slack;
    }
    Some(Array2::from_shape_fn((n, n), |(i, j)| {
        sum[[i, j]] * root[i] * root[j]
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn parallel_sums_are_those_of_resistors() {
        let sum = parallel_sum(array![[3e-200]], &array![[6e-200]]).unwrap();
        assert!((sum[[0, 0]] / 2e-200 - 1.0).abs() < 1e-12);
        // Inverses [[2, 0], [0, 1]] and [[1, 1], [1, 2]] add up to [[3, 1], [1, 3]].
        let (a, b) = (
            array![[0.5, 0.0], [0.0, 1.0]],
            array![[2.0, -1.0], [-1.0, 1.0]],
        );
        let sum = parallel_sum(a, &b).unwrap();
        let expected = array![[3.0, -1.0], [-1.0, 3.0]] / 8.0;
        assert!((sum - expected).iter().all(|e| e.abs() < 1e-12));
    }

    #[test]
    fn nothing_in_parallel_is_nothing() {
        let zero = Array2::zeros((2, 2));
        assert_eq!(parallel_sum(Array2::eye(2), &zero).unwrap(), zero);
        let sum = parallel_sum(zero, &Array2::eye(2)).unwrap();
        assert!(sum.iter().all(|v| v.abs() < 1e-12));
    }
}

//! Bounds of the error of conjugate gradients, in the norm of the matrix.
//!
//! For iterates `X` of several columns with residuals `R = B - A X` and errors `E = A^-1 R`, let `A >= m P` for the preconditioner `P`
//! and a known `m > 0`: `m = alpha` without a preconditioner, and about 1 with a partial Cholesky factorisation. Then
//! `E'AE = R'A^-1 R <= R'P^-1 R / m`, unconditionally.
//!
//! The recursion knows more. Its residuals are `R_k = Q_k C_k` with `Q_k'P^-1 Q_k = Id`, and `C_(k+1) = S_k C_k`. The vectors `Q_0, Q_1, ..` are those
//! of the block Lanczos process: in their basis `P^-1 A` is a block tridiagonal `T >= m Id`, whose pivots are the curvatures `Delta_k = P_k'A P_k` of
//! the directions `P_k`. Let `F_k` be the pivot that `T` would have if the last of its blocks were such that `m` is an eigenvalue. The Schur complements of `T`
//! and `T - m Id` give
//!
//! ```text
//! F_0 = m Id,      F_(k+1) = m Id + S_k (F_k^-1 - Delta_k^-1)^-1 S_k'
//! ```
//!
//! and `E_k'A E_k <= C_k' F_k^-1 C_k`: what is left out of `T` only makes the error smaller. For one column this is the Gauss-Radau quadrature with a node
//! at `m`, and the recurrence that of Meurant and Tichy. All matrices are those of an orthonormal basis, so that residuals which nearly depend on each other
//! do no harm.
//!
//! # References
//!
//! G. H. Golub, G. Meurant, *Matrices, Moments and Quadrature with Applications* (2010).
//! G. Meurant, P. Tichy, *On computing quadrature-based bounds for the A-norm of the error in conjugate gradients*, Numer. Algorithms 62 (2013).

use ndarray::Array2;

use super::cholesky::Cholesky;

/// What is added to the bounds, as a multiple of `u` and of their size, so that rounding errors stay on the safe side.
const SLACK: f64 = 16.0;

/// Bounds of `E'AE` for the systems of a block.
#[derive(Debug, Default)]
pub(super) struct ErrorBound {
    /// `F_k^-1`; `None` where the recursion begins.
    inverse: Option<Array2<f64>>,
    /// `(F_k^-1 - Delta_k^-1)^-1` in factors, between a step and the next residuals.
    left: Option<Cholesky>,
}

impl ErrorBound {
    /// Forgets the steps so far.
    pub(super) fn restart(&mut self) {
        (self.inverse, self.left) = (None, None);
    }

    /// Takes in the inverse curvature `Delta_k^-1` of the directions of a step, or an inverse on part of them that the step is restricted to, and its relative
    /// error as a multiple of `u`.
    pub(super) fn step(&mut self, curvature: &Array2<f64>, roundoff: f64) {
        self.left = self.inverse.take().and_then(|inverse| {
            let size = inverse.diag().fold(0.0, |most: f64, &d| d.max(most));
            let slack = SLACK * inverse.nrows() as f64 * f64::EPSILON * roundoff * size;
            let mut left = inverse - curvature;
            left.diag_mut().mapv_inplace(|d| d + slack);
            Cholesky::new(left).ok()
        });
    }

    /// Takes in the `S_k` that leads to the present residuals, and returns bounds of the errors of systems with the coefficients `C_k`, the columns of
    /// `coefficients`.
    pub(super) fn advance(
        &mut self,
        m: f64,
        s: &Array2<f64>,
        coefficients: &Array2<f64>,
    ) -> Vec<f64> {
        let mut pivot = match self.left.take() {
            Some(left) if left.lower().nrows() == s.ncols() => {
                let mut half = s.t().to_owned();
                left.half_solve(&mut half);
                half.t().dot(&half)
            }
            _ => Array2::zeros((s.nrows(), s.nrows())),
        };
        pivot.diag_mut().mapv_inplace(|d| d + m);
        let Ok(pivot) = Cholesky::new(pivot) else {
            self.inverse = None;
            return unconditional(m, coefficients);
        };
        let mut half = coefficients.clone();
        pivot.half_solve(&mut half);
        self.inverse = Some(pivot.inverse());
        norms(&half)
    }
}

/// Bounds that need no recursion.
pub(super) fn unconditional(m: f64, coefficients: &Array2<f64>) -> Vec<f64> {
    let norms = norms(coefficients).into_iter();
    norms.map(|norm| norm / m.sqrt()).collect()
}

/// The norm of each column.
pub(super) fn norms(a: &Array2<f64>) -> Vec<f64> {
    a.columns()
        .into_iter()
        .map(|column| column.dot(&column).sqrt())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// The Lanczos process of `diag(1, 3)` from `(1, 1)`: `Delta_0 = 2`, `S_0 = 1/2`. The bound with the node 1, an eigenvalue, is exact from the first
    /// step on.
    #[test]
    fn bounds_with_an_eigenvalue_are_exact() {
        let root = 2.0_f64.sqrt();
        let mut bound = ErrorBound::default();
        let first = bound.advance(1.0, &array![[root]], &array![[root]]);
        assert!((first[0] - root).abs() < 1e-15);
        bound.step(&array![[0.5]], 1.0);
        let second = bound.advance(1.0, &array![[0.5]], &array![[0.5 * root]]);
        // x = (1, 1) / 2, e = (1/2, -1/6), and e'Ae = 1/4 + 1/12.
        assert!(
            (second[0] - (1.0 / 3.0_f64).sqrt()).abs() < 1e-14,
            "{second:?}"
        );
    }

    #[test]
    fn what_cannot_be_used_is_forgotten() {
        let mut bound = ErrorBound::default();
        bound.advance(1.0, &Array2::eye(1), &Array2::eye(1));
        bound.step(&array![[2.0]], 1.0);
        assert_eq!(bound.advance(4.0, &array![[1.0]], &array![[6.0]]), [3.0]);
    }
}

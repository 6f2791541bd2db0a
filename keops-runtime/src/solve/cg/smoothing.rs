//! Iterates of small residuals.

use super::super::block::{Block, column_sums};
use super::Cg;

/// What minimal residual smoothing makes of the iterates: the residuals of conjugate gradients go up and down, and where a system has no solution up
/// without bound. For iterates `x` with residuals `r` it is
///
/// ```text
/// y <- y + w (x - y),      s <- s + w (r - s)      with the w that makes |s| least
/// ```
///
/// and `y` of one system is the iterate of the method of minimal residuals, the best of all in the Krylov space.
///
/// W. Schonauer, *Scientific Computing on Vector Computers* (1987). L. Zhou, H. F. Walker, *Residual smoothing techniques for iterative methods*, SIAM J. Sci.
/// Comput. 15 (1994).
pub(super) struct Smoothed {
    /// The iterates `y`.
    pub(super) x: Block,
    /// Their residuals `s`.
    pub(super) r: Block,
    /// Bounds of their errors: `y` is a mean of iterates, and so is its error.
    pub(super) errors: Vec<f64>,
}

impl Smoothed {
    pub(super) fn retain_columns(&mut self, keep: &[bool]) {
        self.x.retain_columns(keep);
        self.r.retain_columns(keep);
        let mut kept = keep.iter();
        self.errors.retain(|_| kept.next() == Some(&true));
    }
}

impl Cg<'_> {
    /// Takes the present iterates into the smoothed ones.
    pub(super) fn smooth(&mut self) {
        let Some(smoothed) = &mut self.smoothed else {
            return;
        };
        let r = self.basis.q.times(&self.coefficients);
        let sums = column_sums(&smoothed.r, &r, |s, r| [s * (s - r), (s - r) * (s - r)]);
        let weight = |[along, square]: [f64; 2]| {
            let weight = (along / square).clamp(0.0, 1.0);
            if weight.is_nan() { 1.0 } else { weight }
        };
        let weights: Vec<_> = sums.into_iter().map(weight).collect();
        smoothed
            .x
            .update(&self.x, &weights, |y, x, w| y + w * (x - y));
        smoothed.r.update(&r, &weights, |s, r, w| s + w * (r - s));
        let errors = smoothed.errors.iter_mut().zip(&self.systems);
        for ((error, system), w) in errors.zip(weights) {
            // Not a mean where that is infinity times zero.
            *error = if w == 1.0 {
                system.now.error
            } else if w > 0.0 {
                (1.0 - w) * *error + w * system.now.error
            } else {
                *error
            };
        }
    }
}

//! Iterates of small residuals.

use super::super::multivector::sums::{Requested, Wanted, request, roots};
use super::super::multivector::{Multivector, update_two};
use super::Cg;
use crate::cuda::{Rule, Term};

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
    pub(super) x: Multivector,
    /// Their residuals `s`.
    pub(super) r: Multivector,
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

/// Residuals that are to be taken into the smoothed ones.
pub(super) struct Smoothing {
    r: Multivector,
    /// `s'(s - r)` and `|s - r|^2`, and the squares of the norms of the iterates.
    sums: Requested<2>,
}

impl Cg<'_> {
    /// Asks for what smoothing takes, for the present iterates with the residuals `r`.
    pub(super) fn begin_smoothing(&self, r: impl FnOnce() -> Multivector) -> Option<Smoothing> {
        let smoothed = self.smoothed.as_ref()?;
        let r = r();
        // On a device they come along with what has to come anyway, and on the host they are computed when they are needed.
        let sizes = match self.x.entries() {
            Some(_) => Wanted::Sums(Term::Same, &self.x, &self.x),
            None => Wanted::Nothing,
        };
        let sums = request([Wanted::Sums(Term::Toward, &smoothed.r, &r), sizes]);
        Some(Smoothing { r, sums })
    }

    /// Takes the present iterates into the smoothed ones.
    pub(super) fn smooth(&mut self, begun: Option<Smoothing>) {
        let (Some(smoothed), Some(Smoothing { r, sums })) = (&mut self.smoothed, begun) else {
            return;
        };
        let [sums, sizes] = sums.take();
        self.sizes = (!sizes.is_empty()).then(|| roots(&sizes, &self.x));
        let weight = |(along, square): (&f64, &f64)| {
            let weight = (along / square).clamp(0.0, 1.0);
            if weight.is_nan() { 1.0 } else { weight }
        };
        let weights: Vec<_> = sums.row(0).iter().zip(sums.row(1)).map(weight).collect();
        let (x, s) = (&mut smoothed.x, &mut smoothed.r);
        update_two((x, &self.x), (s, &r), Rule::Blend, &weights);
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

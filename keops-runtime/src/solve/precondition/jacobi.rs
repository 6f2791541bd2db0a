//! The diagonal of a matrix as its preconditioner.

use ndarray::{Array1, ArrayView2, ArrayViewMut2, Axis};

use super::super::operator::{Entries, OperatorError};
use super::super::options::Precondition;
use super::super::report::PreconditionerReport;
use crate::memory::repeated;

/// `P = alpha Id + diag(K)` (Jacobi).
pub(in super::super) struct Jacobi {
    /// `alpha + K_ii`.
    diagonal: Array1<f64>,
}

impl Jacobi {
    /// The preconditioner of a matrix of `n` rows, if its diagonal is positive, and the report on it.
    pub(in super::super) fn new(
        entries: &dyn Entries,
        n: usize,
        alpha: f64,
    ) -> Result<(Option<Self>, PreconditionerReport), OperatorError> {
        let mut diagonal = repeated(n, 0.0)?;
        entries.compute_diagonal(&mut diagonal)?;
        let diagonal = Array1::from(diagonal) + alpha;
        let mut report = PreconditionerReport {
            rank: 0,
            condition: f64::INFINITY,
            impossible: None,
            entries: n,
        };
        if !diagonal.iter().all(|&d| d > 0.0 && d.is_finite()) {
            report.impossible = Some("the diagonal of the operator is not positive and finite");
            return Ok((None, report));
        }
        let jacobi = Self { diagonal };
        // The trace of the preconditioned matrix is n, and so its largest eigenvalue is no more.
        report.condition = n as f64 / jacobi.lower_bound(alpha);
        Ok((Some(jacobi), report))
    }
}

impl Precondition for Jacobi {
    fn apply(
        &self,
        r: ArrayView2<'_, f64>,
        mut z: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        z.assign(&(&r / &self.diagonal.view().insert_axis(Axis(1))));
        Ok(())
    }

    fn lower_bound(&self, alpha: f64) -> f64 {
        alpha / self.diagonal.iter().copied().fold(alpha, f64::max)
    }
}

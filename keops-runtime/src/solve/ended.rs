//! What is told of a solve that has ended.

use std::time::Instant;

use ndarray::Array2;

use super::cg::Cg;
use super::report::{ColumnReport, Solution};
use super::system::Outcome;

/// What is told of a solve that has ended.
pub(super) struct Ended<'a> {
    pub(super) rows: usize,
    pub(super) units: &'a [f64],
    pub(super) b_norms: &'a [f64],
    /// The norms of the residuals of the rounded solution.
    pub(super) rounded: &'a [f64],
    pub(super) outcomes: &'a [Outcome],
    pub(super) started: Instant,
    pub(super) keep_preconditioner: bool,
}

impl Ended<'_> {
    /// The solution with these values and the report on it.
    pub(super) fn solution(
        &self,
        cg: Cg<'_>,
        values: Array2<f64>,
        values_f64: Array2<f64>,
    ) -> Solution<f64> {
        let Self {
            units, outcomes, ..
        } = *self;
        let rms = |norm: f64, unit: f64| norm / (self.rows.max(1) as f64).sqrt() * unit;
        let reports = (0..outcomes.len()).map(|c| ColumnReport {
            iterations: outcomes[c].iterations,
            rms: rms(outcomes[c].distance.residual, units[c]),
            relative: if outcomes[c].distance.residual == 0.0 {
                0.0
            } else {
                outcomes[c].distance.residual / self.b_norms[c]
            },
            error_bound: outcomes[c].distance.error * units[c],
            rounded_rms: rms(self.rounded[c], units[c]),
            converged: outcomes[c].converged,
            verified: outcomes[c].verified,
        });
        let iterations = outcomes.iter().map(|outcome| outcome.iterations).max();
        Solution {
            values,
            values_f64,
            iterations: iterations.unwrap_or(0),
            columns: reports.collect(),
            history: cg.history,
            error_history: cg.errors,
            asymmetry: cg.asymmetry,
            products: cg.matrix.products,
            preconditioner: cg.preconditioner_report,
            low_rank: cg.low_rank.filter(|_| self.keep_preconditioner),
            elapsed: self.started.elapsed(),
        }
    }
}

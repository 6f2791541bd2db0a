//! Checks of the recursion against true residuals, and the end of systems.

use ndarray::Axis;

use super::super::block::{Block, column_sums};
use super::super::operator::Precision;
use super::super::report::{Failure, Part};
use super::super::system::{Distance, Outcome, State};
use super::{Cg, DOUBLE_ROUNDOFF};

/// Systems that are done leave the block when products without them cost this part of products with them.
const CHEAP: f64 = 0.25;

impl Cg<'_> {
    /// Compares the recursion with the truth where there is reason to; `broken` says that it cannot go on.
    pub(super) fn check(&mut self, broken: bool) -> Result<(), Failure> {
        let roundoff = match self.precision {
            Precision::Working => self.matrix.operator.working_roundoff(),
            Precision::Double => DOUBLE_ROUNDOFF,
        };
        let gain = (4.0 * roundoff.sqrt()).min(0.1);
        let active = |&c: &usize| self.systems[c].state == State::Active;
        let active: Vec<_> = (0..self.systems.len()).filter(active).collect();
        let due = |&c: &usize| {
            let drift = || self.expected_drift(c, roundoff);
            broken || self.systems[c].is_due(gain, self.precision, drift)
        };
        let due: Vec<_> = active.into_iter().filter(due).collect();
        if due.is_empty() {
            return Ok(());
        }
        let truth = self.matrix.residuals(&self.b, &self.x, &due);
        let truth = truth.map_err(|error| self.failed(Part::Operator, error))?;
        let recursive = self.r.select_columns(&due);
        let drifts = column_sums(&truth, &recursive, |t, r| [(t - r) * (t - r)]);
        if drifts.iter().any(|[square]| !square.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let distances = self.true_distances(&truth)?;
        let (precision, alpha) = (self.precision, self.matrix.alpha);
        let distances = distances.into_iter().zip(drifts);
        for (k, (&c, (mut distance, [drift]))) in due.iter().zip(distances).enumerate() {
            let system = &mut self.systems[c];
            let drift = Distance::plain(drift.sqrt(), alpha);
            // The error is that of the recursion, but for what the residuals differ in.
            if precision == Precision::Double {
                distance.error = distance.error.min(system.now.error + drift.error);
            }
            if system.improves(distance) {
                self.proven.copy_column(c, &self.x, c);
                self.proven_residual.copy_column(c, &truth, k);
            }
            if system.conclude(distance, drift, broken, precision) {
                self.precision = Precision::Double;
            }
        }
        if self.systems.iter().any(|system| system.restart) {
            self.restart(&due, &truth)?;
        }
        Ok(())
    }

    /// How far the residual of the recursion may be from the true one of the present iterate: by `u |A| |x|`, seldom more.
    fn expected_drift(&self, c: usize, roundoff: f64) -> Distance {
        let square: f64 = self.x.column(c).map(|x| x * x).sum();
        let drift = roundoff * self.scale * square.sqrt();
        Distance::plain(drift, self.matrix.alpha)
    }

    /// Starts the recursion afresh from the true residuals of all systems in work, of which those of `known` have just been computed.
    fn restart(&mut self, known: &[usize], residuals: &Block) -> Result<(), Failure> {
        let active = |&c: &usize| self.systems[c].state == State::Active;
        let active: Vec<_> = (0..self.systems.len()).filter(active).collect();
        let places = active.iter().map(|c| known.iter().position(|k| k == c));
        let truth = match places.collect::<Option<Vec<_>>>() {
            Some(places) => residuals.select_columns(&places),
            None => {
                let truth = self.matrix.residuals(&self.b, &self.x, &active);
                truth.map_err(|error| self.failed(Part::Operator, error))?
            }
        };
        let distances = self.true_distances(&truth)?;
        for (k, (&c, distance)) in active.iter().zip(distances).enumerate() {
            if !distance.residual.is_finite() {
                return Err(self.non_finite(Part::Operator));
            }
            let system = &mut self.systems[c];
            if system.improves(distance) {
                self.proven.copy_column(c, &self.x, c);
                self.proven_residual.copy_column(c, &truth, k);
            }
            system.resume(distance);
            self.r.copy_column(c, &truth, k);
            self.best.copy_column(c, &self.x, c);
        }
        for system in &mut self.systems {
            system.restart = false;
        }
        self.measure()
    }

    /// Takes note of the systems that are done, with the best proven iterate of each, and takes these out of the block where they
    /// do not serve the others.
    pub(super) fn retire(&mut self) {
        for (c, system) in self.systems.iter().enumerate() {
            let outcome = &mut self.outcomes[system.index];
            if system.state != State::Active && outcome.is_none() {
                *outcome = Some(Outcome {
                    values: self.proven.column(c).collect(),
                    distance: system.proven,
                    residual: self.proven_residual.column(c).collect(),
                    iterations: self.history[system.index].len().saturating_sub(1),
                    converged: system.state == State::Converged,
                });
            }
        }
        let (left, all) = (self.in_work() as f64, self.systems.len() as f64);
        let entry = self
            .matrix
            .operator
            .entries()
            .map_or(1.0, |entries| entries.cost());
        let failed = self
            .systems
            .iter()
            .any(|system| system.state == State::Failed);
        let cheap = left < all && entry + left <= CHEAP * (entry + all);
        if self.iteration == 0 && left < all || failed || cheap {
            self.leave_out_done();
        }
    }

    /// Takes the systems that are done out of the block.
    fn leave_out_done(&mut self) {
        let active = |system: &super::System| system.state == State::Active;
        let keep: Vec<_> = self.systems.iter().map(active).collect();
        let Self {
            b,
            x,
            r,
            z,
            best,
            proven,
            proven_residual,
            ..
        } = self;
        for block in [b, x, r, best, proven, proven_residual] {
            block.retain_columns(&keep);
        }
        if z.width() == keep.len() {
            z.retain_columns(&keep);
        }
        let kept: Vec<_> = (0..keep.len()).filter(|&c| keep[c]).collect();
        if self.rz.nrows() == keep.len() {
            self.rz = self.rz.select(Axis(0), &kept).select(Axis(1), &kept);
        }
        self.systems.retain(active);
        self.directions = None;
        self.error_bound.restart();
    }

    /// Ends all systems that are left, with the best iterate of each.
    pub(super) fn give_up(&mut self) {
        let active = |&c: &usize| self.systems[c].state == State::Active;
        let active: Vec<_> = (0..self.systems.len()).filter(active).collect();
        // An operator that has failed may fail again; then the iterates of the last check stand.
        let truth = self.matrix.residuals(&self.b, &self.best, &active);
        if let Ok(truth) = truth {
            let distances = self.true_distances(&truth).unwrap_or_default();
            for (k, (&c, distance)) in active.iter().zip(distances).enumerate() {
                if self.systems[c].improves(distance) {
                    self.systems[c].proven = distance;
                    self.proven.copy_column(c, &self.best, c);
                    self.proven_residual.copy_column(c, &truth, k);
                }
            }
        }
        for c in active {
            self.systems[c].fail();
        }
        self.retire();
    }

    /// The failure of the first system, if any, that was given up alone.
    pub(super) fn stagnated(&self) -> Option<Failure> {
        let failed = |outcome: &Option<Outcome>| outcome.as_ref().is_some_and(|o| !o.converged);
        let column = self.outcomes.iter().position(failed)?;
        let floor = self.history[column].last().copied()?;
        Some(Failure::Stagnated { column, floor })
    }
}

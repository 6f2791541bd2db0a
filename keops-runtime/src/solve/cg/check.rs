//! Checks of the recursion against true residuals, and the end of systems.

use super::super::block::column_sums;
use super::super::operator::Precision;
use super::super::product::norms;
use super::super::report::{Failure, Part};
use super::super::system::{Outcome, State};
use super::{Cg, DOUBLE_ROUNDOFF};

impl Cg<'_> {
    /// Compares the recursion with the truth where there is reason to; `broken` marks the systems in which the
    /// recursion cannot go on.
    pub(super) fn check(&mut self, broken: &[bool]) -> Result<(), Failure> {
        let roundoff = match self.precision {
            Precision::Working => self.matrix.operator.working_roundoff(),
            Precision::Double => DOUBLE_ROUNDOFF,
        };
        let gain = (4.0 * roundoff.sqrt()).min(0.1);
        let due = |&c: &usize| broken[c] || self.systems[c].is_due(gain, self.precision);
        let due: Vec<_> = (0..self.systems.len()).filter(due).collect();
        if due.is_empty() {
            return Ok(());
        }
        let truth = self.matrix.residuals(&self.b, &self.x, &due);
        let truth = truth.map_err(|error| self.failed(Part::Operator, error))?;
        let recursive = self.r.select_columns(&due);
        let sums = column_sums(&truth, &recursive, |t, r| [t * t, (t - r) * (t - r)]);
        if sums.iter().any(|[square, _]| !square.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let precision = self.precision;
        for (k, (&c, [square, drift])) in due.iter().zip(sums).enumerate() {
            let system = &mut self.systems[c];
            if square.sqrt() < system.proven_norm {
                self.proven.copy_column(c, &self.x, c);
            }
            if system.conclude(square.sqrt(), drift.sqrt(), broken[c], precision) {
                self.precision = Precision::Double;
            }
            if system.restart {
                self.r.copy_column(c, &truth, k);
                self.best.copy_column(c, &self.x, c);
            }
        }
        Ok(())
    }

    /// Takes the systems that are no longer active out of the block, with the best proven iterate of each.
    pub(super) fn retire(&mut self) {
        let keep: Vec<_> = self
            .systems
            .iter()
            .map(|s| s.state == State::Active)
            .collect();
        if !keep.contains(&false) {
            return;
        }
        for (c, system) in self.systems.iter().enumerate().filter(|(c, _)| !keep[*c]) {
            self.outcomes[system.index] = Some(Outcome {
                values: self.proven.column(c).collect(),
                norm: system.proven_norm,
                iterations: self.history[system.index].len().saturating_sub(1),
                converged: system.state == State::Converged,
            });
        }
        let Self {
            b,
            x,
            r,
            p,
            best,
            proven,
            ..
        } = self;
        for block in [b, x, r, p, best, proven] {
            block.retain_columns(&keep);
        }
        self.systems.retain(|system| system.state == State::Active);
    }

    /// Ends all systems that are left, with the best iterate of each.
    pub(super) fn give_up(&mut self) {
        let all: Vec<_> = (0..self.systems.len()).collect();
        // An operator that has failed may fail again; then the iterates of the last check stand.
        let truth = self.matrix.residuals(&self.b, &self.best, &all);
        let truth = truth.map(|truth| norms(&truth)).unwrap_or_default();
        for (c, norm) in truth.into_iter().enumerate() {
            let system = &mut self.systems[c];
            if norm < system.proven_norm {
                system.proven_norm = norm;
                self.proven.copy_column(c, &self.best, c);
            }
        }
        for system in &mut self.systems {
            let met = system.proven_norm <= system.tolerance;
            system.state = if met { State::Converged } else { State::Failed };
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

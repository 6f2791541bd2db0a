//! Checks of the recursion against true residuals, and the end of systems.

use ndarray::Axis;

use super::super::multivector::Multivector;
use super::super::multivector::sums::{Wanted, column_norm, norms, request};
use super::super::operator::Precision;
use super::super::report::{Failure, Part};
use super::super::system::{Distance, Outcome, State, System};
use super::{Cg, DOUBLE_ROUNDOFF};
use crate::cuda::Term;

/// The block is made narrower when products with those systems that are left cost this part of products with the block.
const CHEAP: f64 = 0.25;

impl Cg<'_> {
    /// Whether the residual of a system has not been halved for long, but that of its smoothed iterate is small enough.
    pub(super) fn is_idle(&self) -> bool {
        let Some(smoothed) = &self.smoothed else {
            return false;
        };
        let is_idle = |(c, system): (usize, &System)| {
            system.is_idle() && column_norm(&smoothed.r, c) <= system.tolerance
        };
        self.systems.iter().enumerate().any(is_idle)
    }

    /// Compares the recursion with the truth where there is reason to; `broken` says that it cannot go on, and
    /// `idle` that it need not.
    pub(super) fn check(&mut self, broken: bool, idle: bool) -> Result<(), Failure> {
        let roundoff = self.roundoff();
        let gain = (4.0 * roundoff.sqrt()).min(0.1);
        let is_due = |&c: &usize| {
            let drift = || self.expected_drift(c, roundoff);
            broken || idle || self.systems[c].is_due(gain, self.precision, drift)
        };
        let due: Vec<_> = (0..self.systems.len()).filter(is_due).collect();
        if due.is_empty() {
            return Ok(());
        }
        let returns = broken || idle;
        if returns {
            self.return_to_smoothed();
        }
        let truth = self.matrix.residuals(&self.b, &self.x, &due);
        let truth = truth.map_err(|error| self.failed(Part::Operator, error))?;
        let recursive = match &self.smoothed {
            Some(smoothed) if returns => smoothed.r.select_columns(&due),
            _ => self.residuals_of(&due),
        };
        let [drifts] = request([Wanted::Sums(Term::Difference, &truth, &recursive)]).take();
        if drifts.iter().any(|square| !square.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let distances = self.true_distances(&due, &truth)?;
        let precision = self.precision;
        let distances = distances.into_iter().zip(drifts);
        for (k, (&c, (mut distance, drift))) in due.iter().zip(distances).enumerate() {
            let drift = self.plain(drift.sqrt());
            let rounding = self.rounding_error(c);
            // The error is that of the recursion, but for what the residuals differ in.
            if precision == Precision::Double {
                let recursive = self.systems[c].now.error;
                distance = distance.or(recursive + drift.error + rounding);
            }
            if self.systems[c].improves(distance) {
                self.keep(c, &truth, k)?;
            }
            let system = &mut self.systems[c];
            if system.conclude(distance, drift, broken, precision) {
                self.precision = Precision::Double;
            }
            // The recursion has another iterate.
            self.systems[c].restart |= idle && self.systems[c].state == State::Active;
        }
        if self.systems.iter().any(|system| system.restart) {
            self.restart(&due, &truth)?;
        }
        Ok(())
    }

    /// Goes back to the iterates of smallest residuals, from which a recursion that has broken down starts best.
    fn return_to_smoothed(&mut self) {
        let Some(smoothed) = &self.smoothed else {
            return;
        };
        self.x.assign(&smoothed.x);
        self.sizes = None;
        let distances = norms(&smoothed.r).into_iter().zip(&smoothed.errors);
        for (system, (residual, &error)) in self.systems.iter_mut().zip(distances) {
            system.now = Distance { residual, error };
        }
    }

    /// Keeps the present iterate of a system, whose true residual is column `k` of `truth`, as its best.
    fn keep(&mut self, c: usize, truth: &Multivector, k: usize) -> Result<(), Failure> {
        let [x, r] = [(&self.x, c), (truth, k)]
            .map(|(block, c)| block.select_columns(&[c]).beside_of(&self.proven));
        // Numbers that a device could not hand over.
        if self.matrix.trouble().is_some() {
            return Err(self.non_finite(Part::Operator));
        }
        self.proven.copy_column(c, &x, 0);
        self.proven_residual.copy_column(c, &r, 0);
        Ok(())
    }

    /// The residuals of some of the systems, according to the recursion.
    fn residuals_of(&self, systems: &[usize]) -> Multivector {
        let coefficients = self.coefficients.select(Axis(1), systems);
        self.basis.q.times(&coefficients)
    }

    /// How far a residual may be from that of exact arithmetic: by `u |A| |x|`, seldom more. So far may be that of the recursion from one that is computed
    /// from the iterate, and that from the truth.
    fn expected_drift(&self, c: usize, roundoff: f64) -> Distance {
        let size = match &self.sizes {
            Some(sizes) => sizes[c],
            None => column_norm(&self.x, c),
        };
        self.plain(roundoff * self.scale * size)
    }

    /// What rounding errors in a residual computed in double precision may make of the error of the present iterate.
    pub(super) fn rounding_error(&self, c: usize) -> f64 {
        self.expected_drift(c, DOUBLE_ROUNDOFF).error
    }

    /// Starts the recursion afresh from the true residuals of all systems, of which those of `known` have just been computed.
    fn restart(&mut self, known: &[usize], residuals: &Multivector) -> Result<(), Failure> {
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
        let distances = self.true_distances(&active, &truth)?;
        for (k, (&c, distance)) in active.iter().zip(distances).enumerate() {
            if !distance.residual.is_finite() {
                return Err(self.non_finite(Part::Operator));
            }
            if self.systems[c].improves(distance) {
                self.keep(c, &truth, k)?;
            }
            self.systems[c].resume(distance);
            if let Some(smoothed) = &mut self.smoothed {
                smoothed.x.copy_column(c, &self.x, c);
                smoothed.r.copy_column(c, &truth, k);
                smoothed.errors[c] = distance.error;
            }
        }
        for system in &mut self.systems {
            system.restart = false;
        }
        self.record();
        self.remove_done();
        self.begin(truth)
    }

    /// Takes the systems that are done out of the work, and makes the block narrower where that saves most of a product.
    pub(super) fn retire(&mut self) -> Result<(), Failure> {
        self.remove_done();
        let (left, width) = (self.systems.len() as f64, self.basis.q.width() as f64);
        let entries = self.matrix.operator.entries();
        let entry = entries.map_or(1.0, |entries| entries.cost());
        if left > 0.0 && left < width && entry + left <= CHEAP * (entry + width) {
            let all: Vec<_> = (0..self.systems.len()).collect();
            self.begin(self.residuals_of(&all))?;
        }
        Ok(())
    }

    /// Takes note of the systems that are done, with the best proven iterate of each. The block keeps their directions.
    fn remove_done(&mut self) {
        let keep: Vec<_> = self
            .systems
            .iter()
            .map(|system| system.state == State::Active)
            .collect();
        if !keep.contains(&false) {
            return;
        }
        for (c, system) in self.systems.iter().enumerate() {
            if !keep[c] {
                self.outcomes[system.index] = Some(Outcome {
                    values: self.proven.select_columns(&[c]),
                    distance: system.proven,
                    residual: self.proven_residual.select_columns(&[c]),
                    iterations: self.history[system.index].len().saturating_sub(1),
                    converged: system.state == State::Converged,
                    verified: system.verified,
                });
            }
        }
        for block in [
            &mut self.b,
            &mut self.x,
            &mut self.proven,
            &mut self.proven_residual,
        ] {
            block.retain_columns(&keep);
        }
        self.sizes = None;
        if let Some(smoothed) = &mut self.smoothed {
            smoothed.retain_columns(&keep);
        }
        if self.coefficients.ncols() == keep.len() {
            let kept: Vec<_> = (0..keep.len()).filter(|&c| keep[c]).collect();
            self.coefficients = self.coefficients.select(Axis(1), &kept);
        }
        self.systems.retain(|system| system.state == State::Active);
    }

    /// Ends all systems that are left, with the best iterate of each.
    pub(super) fn give_up(&mut self) {
        let all: Vec<_> = (0..self.systems.len()).collect();
        // Of conjugate gradients the last iterate has the smallest error, and the smoothed one the smallest residual.
        let residuals = match &self.smoothed {
            Some(smoothed) => Some(smoothed.r.clone()),
            None if self.coefficients.dim() == (self.basis.q.width(), all.len()) => {
                Some(self.residuals_of(&all))
            }
            None => None,
        };
        self.return_to_smoothed();
        let truth = self.matrix.residuals(&self.b, &self.x, &all).ok();
        let distances = truth.as_ref().map(|truth| self.true_distances(&all, truth));
        let distances = distances.and_then(Result::ok);
        let told = residuals.as_ref().map(norms);
        let drifts = truth.as_ref().zip(residuals.as_ref()).map(|(t, r)| {
            let [drifts] = request([Wanted::Sums(Term::Difference, t, r)]).take();
            drifts
        });
        for &c in &all {
            let drift = self.expected_drift(c, self.roundoff());
            let known = distances.as_ref().map(|distances| distances[c]);
            let known = known.filter(|distance| distance.residual.is_finite());
            let (distance, source) = match (known, &told) {
                (Some(mut distance), _) => {
                    if let Some(drifts) = &drifts
                        && self.precision == Precision::Double
                    {
                        let drifted = self.plain(drifts[[0, c]].sqrt()).error;
                        let rounding = self.rounding_error(c);
                        distance = distance.or(self.systems[c].now.error + drifted + rounding);
                    }
                    (distance, &truth)
                }
                // An operator that has failed may fail again: then the recursion is all there is.
                (None, Some(told)) => (self.plain(told[c] + drift.residual), &residuals),
                (None, None) => continue,
            };
            if let Some(source) = source
                && self.systems[c].improves(distance)
                && self.keep(c, source, c).is_ok()
            {
                let system = &mut self.systems[c];
                (system.proven, system.verified) = (distance, known.is_some());
            }
        }
        for system in &mut self.systems {
            system.fail();
        }
        self.remove_done();
    }

    /// The failure of the first system, if any, that was given up alone.
    pub(super) fn stagnated(&self) -> Option<Failure> {
        let failed = |outcome: &Option<Outcome>| outcome.as_ref().is_some_and(|o| !o.converged);
        let column = self.outcomes.iter().position(failed)?;
        let floor = self.history[column].last().copied()?;
        let error = self.errors[column].last().copied()?;
        Some(Failure::Stagnated {
            column,
            floor,
            error_bound: self.is_for_error().then_some(error),
            alpha: self.matrix.alpha,
            rounding: DOUBLE_ROUNDOFF * self.scale,
        })
    }
}

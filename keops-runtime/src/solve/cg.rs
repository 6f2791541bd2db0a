//! Preconditioned block conjugate gradients on several systems at once, checked against true residuals.
//!
//! # The recursion
//!
//! Block conjugate gradients (O'Leary 1980) for a matrix `A = alpha Id + K`: each system is minimised over the directions of all, and one product
//! with `A` serves all. Of one system it is the method of Hestenes and Stiefel (1952). With a preconditioner `P` the recursion is
//!
//! ```text
//! R = Q C,   Q'P^-1 Q = Id                      from the residuals, at first with the directions D = P^-1 Q
//! X <- X + D T C                                T = (D'A D)^-1
//! Q S <- Q - A D T,   C <- S C                  with the new Q'P^-1 Q = Id
//! D <- P^-1 Q + D S'
//! ```
//!
//! (Dubrulle 2001, BCGrQ). What nearly depends on each other in the residuals is in the small matrices `C`, and not in the basis `Q`, which stays orthonormal and
//! leaves out what is rounding errors alone: so equal, parallel and nearly dependent systems do no harm. A recursion on the residuals themselves does not
//! converge on some Gaussian systems of 100 points with 4 smooth right-hand sides, where this takes 7 iterations.
//!
//! A system that is done leaves the work with its verified iterate, and its column of `C`. Its directions stay in the block: a block without them would lose
//! conjugacy with the past, and search fewer directions. On a system of 1797 points with one hard right-hand side among nine easy ones, keeping these
//! takes 77 iterations, leaving them out 416, more than the 325 of the hard one alone. Only when products become four
//! times cheaper without the systems that are done, the recursion restarts from the residuals of the others.
//!
//! Vectors and sums are in double precision, products with `K` in the operator's working precision.
//!
//! # Checks
//!
//! The residual of the recursion drifts from the true one, `b - A a`, by about `u |A| |a|` where `u` is the unit
//! roundoff of the products: with kernels in single precision it reports 1e-6 where the truth is 1e-5 or worse. So the
//! true residual of a column is computed, in double precision,
//!
//! - when the recursion believes that the column has converged: nothing else makes a column converged;
//! - when the recursion has gained a factor of `4 sqrt(u)` (1e-3 in single precision, 4e-8 in double) since the last
//!   check, half of the digits that it can gain before drift has eaten them, unless `u |A| |a|` is far below the tolerance;
//! - in working precision, when the recursion has not halved its residual in 128 iterations;
//! - when the recursion breaks down because a product `p'Ap` is lost in rounding errors.
//!
//! A drift that cannot matter for the tolerance is ignored. Otherwise the true residual replaces the recursive one and
//! the recursion restarts from it: iterative refinement, with an inner solve that is stopped early. On Gaussian systems
//! of 2000 and 5000 points with kernel values rounded to single precision this takes 8 to 14 % more iterations than
//! double precision throughout, a relative gain of 1e-2 per restart 19 to 22 %; a replacement that keeps the direction
//! (van der Vorst and Ye 2000) 22 to 26 %; none until the recursion believes to be done, 22 to 24 %. Where terms and sums
//! are in single precision too, as with the kernels of this crate, it is 40 %, and with several systems, whose block loses more in a restart,
//! 40 to 100 %.
//!
//! # Precision
//!
//! Working precision is given up for double for the rest of the solve when it proves not to be enough: when a check
//! shows that refinement has not even halved the true residual, although the recursion says so or because it stalls, or a
//! curvature `p'Ap / p'p` is below `alpha / 2`, which
//! rounding errors of the size of `alpha` alone can cause. Only what double precision shows counts as a failure.

mod basis;
mod check;
mod inverse;
mod smoothing;
mod step;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::time::Instant;

use ndarray::Array2;

use super::FEW;
use super::error_bound::ErrorBound;
use super::multivector::Multivector;
use super::multivector::sums::norms;
use super::operator::{OperatorError, Precision};
use super::options::{IterationState, Preconditioner, SolveOptions};
use super::precondition::{Found, Jacobi, LowRank, Request};
use super::product::{DOUBLE_ROUNDOFF, Matrix};
use super::report::{Failure, Part, PreconditionerReport};
use super::system::{Criterion, Distance, Outcome, System};
use crate::cuda::Rule;
use basis::Basis;
use inverse::Inverse;
use smoothing::Smoothed;
use step::Directions;

/// Rounding errors in `r'P^-1 r`, as a multiple of `u` and of the condition number of `P`.
const SLACK: f64 = 16.0;

/// The state of a solve. `b`, `x`, what is smoothed, what is proven and `coefficients` have one column for each system in `systems`, in that order.
pub(super) struct Cg<'a> {
    pub(super) matrix: Matrix<'a>,
    preconditioner: Option<Inverse<'a>>,
    pub(super) preconditioner_report: Option<PreconditionerReport>,
    /// The preconditioner, if it is a factorisation.
    pub(super) low_rank: Option<LowRank>,
    /// What bounds are multiplied with for the rounding errors in products with the inverse of the preconditioner.
    preconditioner_slack: f64,
    precision: Precision,
    /// The systems in work.
    systems: Vec<System>,
    b: Multivector,
    x: Multivector,
    /// The norms of the iterates, if they have come about.
    sizes: Option<Vec<f64>>,
    /// `Q`.
    basis: Basis,
    /// `C`.
    coefficients: Array2<f64>,
    /// `D`.
    directions: Multivector,
    /// Those before, as long as the operator is compared with its transpose.
    previous: Option<Directions>,
    /// By how much `p'Aq` and `q'Ap` differ, relative to `|A| |p| |q|`; 0 if by no more than rounding errors.
    pub(super) asymmetry: f64,
    error_bound: ErrorBound,
    /// The iterates of smallest residual, where the tolerance is one of residuals.
    smoothed: Option<Smoothed>,
    /// The iterates of smallest true distance, which are what is returned, where the right-hand sides are: on the host they may be all that is left when a device fails.
    proven: Multivector,
    /// Their residuals.
    proven_residual: Multivector,
    /// The largest `|Ap| / |p|` so far, for `|A|`, which rounding errors are proportional to.
    scale: f64,
    iteration: usize,
    started: Instant,
    /// For every system, when it is done.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// For every system, the root mean square of the residual after each iteration, in the user's units.
    pub(super) history: Vec<Vec<f64>>,
    /// For every system, a bound of the error after each iteration, in the user's units.
    pub(super) errors: Vec<Vec<f64>>,
}

impl<'a> Cg<'a> {
    /// Sets up the systems `A x = b`, from the zero vector. The solutions will be where `b` is.
    pub(super) fn new(
        matrix: Matrix<'a>,
        systems: Vec<System>,
        b: Multivector,
        started: Instant,
    ) -> Self {
        let working =
            matrix.operator.working_roundoff() > DOUBLE_ROUNDOFF && matrix.operator.len() > FEW;
        let by_residual = systems
            .iter()
            .all(|system| system.criterion == Criterion::Residual);
        let placed = matrix.moved(&b);
        Self {
            preconditioner: None,
            preconditioner_report: None,
            low_rank: None,
            preconditioner_slack: 1.0,
            precision: if working {
                Precision::Working
            } else {
                Precision::Double
            },
            x: placed.zeros_alike(),
            sizes: None,
            basis: Basis::empty(),
            coefficients: Array2::zeros((0, 0)),
            directions: Multivector::empty(),
            previous: None,
            asymmetry: 0.0,
            error_bound: ErrorBound::default(),
            smoothed: by_residual.then(|| Smoothed {
                x: placed.zeros_alike(),
                r: placed.clone(),
                errors: systems.iter().map(|system| system.now.error).collect(),
            }),
            proven: b.zeros_alike(),
            proven_residual: b,
            scale: 0.0,
            iteration: 0,
            started,
            outcomes: systems.iter().map(|_| None).collect(),
            history: systems.iter().map(|_| Vec::new()).collect(),
            errors: systems.iter().map(|_| Vec::new()).collect(),
            systems,
            b: placed,
            matrix,
        }
    }

    /// Solves; `guess` is where to start from if not from zero.
    pub(super) fn run(
        &mut self,
        guess: Option<Multivector>,
        options: &mut SolveOptions<'a>,
        limit: usize,
    ) -> Result<(), Failure> {
        let result = self
            .start(guess)
            .and_then(|()| self.iterate(options, limit));
        let failure = match result {
            Err(failure) => {
                self.give_up();
                let ended = matches!(
                    failure,
                    Failure::IterationLimit { .. }
                        | Failure::TimedOut { .. }
                        | Failure::Stopped { .. }
                );
                // The best iterates may be good enough where the last ones are not.
                let is_good = |outcome: &Option<Outcome>| {
                    outcome.as_ref().is_some_and(|outcome| outcome.converged)
                };
                if ended && self.outcomes.iter().all(is_good) {
                    return Ok(());
                }
                // What a device that has failed makes others believe.
                match self.matrix.trouble() {
                    Some(error) => self.failed(Part::Operator, error.into()),
                    None => failure,
                }
            }
            Ok(()) => match self.stagnated() {
                Some(failure) => failure,
                None => return Ok(()),
            },
        };
        // Of a matrix that is not symmetric conjugate gradients need not find anything.
        Err(match failure {
            Failure::IterationLimit { .. }
            | Failure::Stagnated { .. }
            | Failure::Indefinite { .. }
                if self.asymmetry > 0.0 =>
            {
                self.not_symmetric()
            }
            failure => failure,
        })
    }

    /// Computes the residual of the first iterate.
    fn start(&mut self, guess: Option<Multivector>) -> Result<(), Failure> {
        let Some(guess) = guess else {
            return Ok(());
        };
        // Zero solves a system whose right-hand side is zero, whatever the guess.
        let used: Vec<_> = self
            .systems
            .iter()
            .map(|system| f64::from(system.now.residual > 0.0))
            .collect();
        let mut first = guess.alike();
        first.update(&guess, Rule::Scale, &used);
        self.x = self.matrix.moved(&first);
        let all: Vec<_> = (0..self.systems.len()).collect();
        let residuals = self.matrix.residuals(&self.b, &self.x, &all);
        let mut residuals = residuals.map_err(|error| self.failed(Part::Operator, error))?;
        let norms = norms(&residuals);
        if norms.iter().any(|norm| !norm.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let (zeros, zero) = (self.x.zeros_alike(), first.zeros_alike());
        for (c, norm) in norms.into_iter().enumerate() {
            if norm < self.systems[c].now.residual {
                self.systems[c].begin(Distance::plain(norm, self.matrix.alpha));
            } else {
                // A guess that is worse than zero.
                self.x.copy_column(c, &zeros, c);
                residuals.copy_column(c, &self.b, c);
                first.copy_column(c, &zero, c);
            }
        }
        if let Some(smoothed) = &mut self.smoothed {
            smoothed.x.assign(&self.x);
            smoothed.r.assign(&residuals);
            smoothed.errors = self.systems.iter().map(|system| system.now.error).collect();
        }
        let residuals = residuals.beside_of(&first);
        if self.matrix.trouble().is_some() {
            return Err(self.non_finite(Part::Operator));
        }
        (self.proven, self.proven_residual) = (first, residuals);
        Ok(())
    }

    /// Makes the preconditioner, for the systems that are left.
    fn precondition(&mut self, options: &SolveOptions<'a>) -> Result<(), Failure> {
        let (operator, alpha) = (self.matrix.operator, self.matrix.alpha);
        let given = options.preconditioner;
        let choice = match given {
            Preconditioner::Custom(preconditioner) => {
                self.preconditioner = Some(Inverse::on_host(preconditioner));
                return self.raise_scale_to_diagonal();
            }
            Preconditioner::Built(built) => {
                let built = built
                    .with_alpha(alpha)
                    .map_err(|error| self.failed(Part::Preconditioner, Box::new(error)))?;
                let certain = match operator.entries() {
                    Some(entries) if !built.is_certain() => built
                        .is_of(entries)
                        .map_err(|error| self.failed(Part::Operator, error))?,
                    _ => built.is_certain(),
                };
                self.use_low_rank(built, certain);
                return match certain {
                    true => Ok(()),
                    false => self.raise_scale_to_diagonal(),
                };
            }
            _ => given.choice(operator.len()).ok().flatten(),
        };
        let Some(entries) = operator.entries() else {
            return Ok(());
        };
        let Some(choice) = choice else {
            if let Preconditioner::Jacobi = given {
                let made = Jacobi::new(entries, operator.len(), alpha);
                let (jacobi, report) = made.map_err(|error| self.failed(Part::Operator, error))?;
                self.preconditioner = jacobi.map(Inverse::on_host);
                self.preconditioner_report = Some(report);
                return self.raise_scale_to_diagonal();
            }
            return Ok(());
        };
        let ratios = self.systems.iter().map(System::reduction);
        let started = self.started;
        let in_time = || {
            options
                .time_limit
                .is_none_or(|limit| started.elapsed() < limit)
        };
        let request = Request {
            n: operator.len(),
            columns: self.systems.len(),
            alpha,
            reduction: ratios.fold(1.0, f64::max).min(1.0 / DOUBLE_ROUNDOFF),
            go_on: &in_time,
        };
        let found = LowRank::find(entries, choice, &request);
        match found.map_err(|error| self.failed(Part::Operator, error))? {
            Found::Made(low_rank) => self.use_low_rank(low_rank, true),
            Found::Impossible(report) => self.preconditioner_report = Some(report),
        }
        Ok(())
    }

    /// Preconditions with a factorisation, unless it is of rank 0, which is a multiple of the identity. `certain` says that it is one of
    /// this operator.
    fn use_low_rank(&mut self, low_rank: LowRank, certain: bool) {
        let mut report = low_rank.report();
        if !certain {
            report.condition = f64::INFINITY;
        }
        self.preconditioner_report = Some(report);
        let norm = low_rank.norm_estimate();
        if certain {
            // Directions that are preconditioned show little of it.
            self.raise_scale(norm + self.matrix.alpha);
        }
        let condition = (norm + low_rank.shift()) / low_rank.shift();
        self.preconditioner_slack = 1.0 + SLACK * DOUBLE_ROUNDOFF * condition;
        if low_rank.rank() > 0 {
            let inverse = Inverse::low_rank(low_rank.with_certainty(certain), self.matrix.memory());
            self.preconditioner = Some(inverse);
            self.low_rank = Some(low_rank.with_certainty(false));
        }
    }

    fn iterate(&mut self, options: &mut SolveOptions<'a>, limit: usize) -> Result<(), Failure> {
        self.record();
        self.retire()?;
        self.call_back(options)?;
        if !self.systems.is_empty() && limit > 0 {
            self.precondition(options)?;
            self.begin(self.matrix.moved(&self.proven_residual))?;
        }
        while !self.systems.is_empty() {
            if self.iteration >= limit {
                return Err(Failure::IterationLimit {
                    limit,
                    alpha: self.matrix.alpha,
                    rounding: DOUBLE_ROUNDOFF * self.scale,
                });
            }
            if let Some(limit) = options.time_limit
                && self.started.elapsed() >= limit
            {
                return Err(Failure::TimedOut { limit });
            }
            self.iteration += 1;
            let stepped = self.step()?;
            self.check(!stepped, self.is_idle())?;
            self.record();
            self.retire()?;
            self.call_back(options)?;
        }
        Ok(())
    }

    /// The unit roundoff of products.
    fn roundoff(&self) -> f64 {
        match self.precision {
            Precision::Working => self.matrix.operator.working_roundoff(),
            Precision::Double => DOUBLE_ROUNDOFF,
        }
    }

    /// Whether the tolerance is one of errors.
    fn is_for_error(&self) -> bool {
        self.smoothed.is_none()
    }

    /// Enters the present distances into the histories, unless that is done.
    fn record(&mut self) {
        let rows = self.b.rows().max(1.0);
        for system in &self.systems {
            if self.history[system.index].len() > self.iteration {
                continue;
            }
            let residual = system.now.residual / rows.sqrt() * system.unit;
            self.history[system.index].push(residual);
            self.errors[system.index].push(system.now.error * system.unit);
        }
    }

    fn call_back(&self, options: &mut SolveOptions<'_>) -> Result<(), Failure> {
        let Some(callback) = &mut options.on_iteration else {
            return Ok(());
        };
        let last = |column: &Vec<f64>| column.last().copied().unwrap_or(0.0);
        let residuals: Vec<_> = self.history.iter().map(last).collect();
        let errors: Vec<_> = self.errors.iter().map(last).collect();
        let state = IterationState {
            iteration: self.iteration,
            residuals: &residuals,
            errors: &errors,
            active: self.systems.len(),
            precision: self.precision,
            elapsed: self.started.elapsed(),
        };
        match callback(&state) {
            ControlFlow::Break(()) if !self.systems.is_empty() => Err(Failure::Stopped {
                iteration: self.iteration,
            }),
            _ => Ok(()),
        }
    }

    fn failed(&self, part: Part, error: OperatorError) -> Failure {
        Failure::Apply {
            part,
            iteration: self.iteration,
            error,
        }
    }

    fn non_finite(&self, part: Part) -> Failure {
        Failure::NonFinite {
            part,
            iteration: self.iteration,
        }
    }
}

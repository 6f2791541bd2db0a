//! Preconditioned conjugate gradients on several systems at once, checked against true residuals.
//!
//! # The recursion
//!
//! Hestenes and Stiefel (1952), for a matrix `A = alpha Id + K`. Every column of the block is a system of its own, with
//! its own coefficients; a column that is done leaves the block, and the operator sees the remaining ones only. Vectors
//! and sums are in double precision, products with `K` in the operator's working precision.
//!
//! # Checks
//!
//! The residual of the recursion drifts from the true one, `b - A a`, by about `u |A| |a|` where `u` is the unit
//! roundoff of the products: with kernels in single precision it reports 1e-6 where the truth is 1e-5 or worse. So the
//! true residual of a column is computed, in double precision,
//!
//! - when the recursion believes that the column has converged: nothing else makes a column converged;
//! - when the recursion has gained a factor of `4 sqrt(u)` (1e-3 in single precision, 4e-8 in double) since the last
//!   check, half of the digits that it can gain before drift has eaten them;
//! - in working precision, when the recursion has not halved its residual in 128 iterations;
//! - when the recursion breaks down because a product `p'Ap` is lost in rounding errors.
//!
//! A drift that cannot matter for the tolerance is ignored. Otherwise the true residual replaces the recursive one and
//! the recursion restarts from it: iterative refinement, with an inner solve that is stopped early. On Gaussian systems
//! of 2000 and 5000 points with kernel values rounded to single precision this takes 8 to 14 % more iterations than
//! double precision throughout, a relative gain of 1e-2 per restart 19 to 22 %; a replacement that keeps the direction
//! (van der Vorst and Ye 2000) 22 to 26 %; none until the recursion believes to be done, 22 to 24 %. Where terms and sums
//! are in single precision too, as with the kernels of this crate, it is 40 %.
//!
//! # Precision
//!
//! Working precision is given up for double for the rest of the solve when it proves not to be enough: when a check
//! shows that refinement has not even halved the true residual, although the recursion says so or because it stalls, or a
//! curvature `p'Ap / p'p` is below `alpha / 2`, which
//! rounding errors of the size of `alpha` alone can cause. Only what double precision shows counts as a failure.

mod check;

use std::ops::ControlFlow;
use std::time::Instant;

use super::block::{Block, column_sums};
use super::operator::{LinearOperator, OperatorError, Precision};
use super::options::{IterationState, Precondition, Preconditioner, SolveOptions};
use super::precondition::{Found, Jacobi, LowRank, Request};
use super::product::{Matrix, norms, view, view_mut};
use super::report::{Failure, Part, PreconditionerReport, Products};
use super::system::{Outcome, System};

const DOUBLE_ROUNDOFF: f64 = f64::EPSILON / 2.0;

/// The state of a solve. All blocks have one column for each system in `systems`, in that order.
pub(super) struct Cg<'a> {
    pub(super) matrix: Matrix<'a>,
    preconditioner: Option<Box<dyn Precondition + 'a>>,
    pub(super) preconditioner_report: Option<PreconditionerReport>,
    /// The preconditioner, if it is a factorisation.
    pub(super) low_rank: Option<LowRank>,
    precision: Precision,
    systems: Vec<System>,
    b: Block,
    x: Block,
    r: Block,
    p: Block,
    ap: Block,
    z: Block,
    /// The iterates of smallest recursive residual since the last check.
    best: Block,
    /// The iterates of smallest true residual.
    proven: Block,
    /// The largest `|Ap| / |p|` so far, for what rounding errors are proportional to.
    scale: f64,
    iteration: usize,
    started: Instant,
    /// For every system, when it is done.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// For every system, the root mean square of the residual after each iteration, in the user's units.
    pub(super) history: Vec<Vec<f64>>,
}

impl<'a> Cg<'a> {
    /// Sets up the systems `A x = b`, from the zero vector.
    pub(super) fn new(
        operator: &'a dyn LinearOperator,
        alpha: f64,
        systems: Vec<System>,
        b: Block,
        started: Instant,
    ) -> Self {
        let zeros = || {
            let mut zeros = b.clone();
            zeros.data_mut().fill(0.0);
            zeros
        };
        let working = operator.working_roundoff() > DOUBLE_ROUNDOFF;
        Self {
            matrix: Matrix {
                operator,
                alpha,
                products: Products::default(),
            },
            preconditioner: None,
            preconditioner_report: None,
            low_rank: None,
            precision: if working {
                Precision::Working
            } else {
                Precision::Double
            },
            x: zeros(),
            r: b.clone(),
            p: zeros(),
            ap: zeros(),
            z: Block::zeros(0, 0),
            best: zeros(),
            proven: zeros(),
            scale: 0.0,
            iteration: 0,
            started,
            outcomes: systems.iter().map(|_| None).collect(),
            history: systems.iter().map(|_| Vec::new()).collect(),
            systems,
            b,
        }
    }

    /// Solves; `guess` is where to start from if not from zero.
    pub(super) fn run(
        &mut self,
        guess: Option<Block>,
        options: &mut SolveOptions<'a>,
        limit: usize,
    ) -> Result<(), Failure> {
        let result = self
            .start(guess)
            .and_then(|()| self.iterate(options, limit));
        if let Err(failure) = result {
            self.give_up();
            return Err(failure);
        }
        self.stagnated().map_or(Ok(()), Err)
    }

    /// Computes the residual of the first iterate.
    fn start(&mut self, guess: Option<Block>) -> Result<(), Failure> {
        let Some(guess) = guess else {
            return Ok(());
        };
        // Zero solves a system whose right-hand side is zero, whatever the guess.
        let used: Vec<_> = self
            .systems
            .iter()
            .map(|system| f64::from(system.norm > 0.0))
            .collect();
        self.x.update(&guess, &used, |_, guess, used| used * guess);
        let all: Vec<_> = (0..self.systems.len()).collect();
        let residuals = self.matrix.residuals(&self.b, &self.x, &all);
        self.r = residuals.map_err(|error| self.failed(Part::Operator, error))?;
        let norms = norms(&self.r);
        if norms.iter().any(|norm| !norm.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        for (system, norm) in self.systems.iter_mut().zip(norms) {
            system.begin(norm);
        }
        self.proven.data_mut().copy_from_slice(self.x.data());
        self.best.data_mut().copy_from_slice(self.x.data());
        Ok(())
    }

    /// Makes the preconditioner, for the systems that are left.
    fn precondition(&mut self, options: &SolveOptions<'a>) -> Result<(), Failure> {
        let (operator, alpha) = (self.matrix.operator, self.matrix.alpha);
        let given = options.preconditioner;
        let choice = match given {
            Preconditioner::Custom(preconditioner) => {
                self.preconditioner = Some(Box::new(preconditioner));
                return Ok(());
            }
            Preconditioner::Built(built) => {
                let built = built
                    .with_alpha(alpha)
                    .map_err(|error| self.failed(Part::Preconditioner, Box::new(error)))?;
                self.use_low_rank(built);
                return Ok(());
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
                self.preconditioner = jacobi.map(|jacobi| Box::new(jacobi) as _);
                self.preconditioner_report = Some(report);
            }
            return Ok(());
        };
        let ratios = self.systems.iter().map(|s| s.norm / s.tolerance);
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
            Found::Made(low_rank) => self.use_low_rank(low_rank),
            Found::Impossible(report) => self.preconditioner_report = Some(report),
        }
        Ok(())
    }

    /// Preconditions with a factorisation, unless it is of rank 0, which is a multiple of the identity.
    fn use_low_rank(&mut self, low_rank: LowRank) {
        self.preconditioner_report = Some(low_rank.report());
        if low_rank.rank() > 0 {
            self.preconditioner = Some(Box::new(low_rank.clone()));
            self.low_rank = Some(low_rank);
        }
    }

    fn iterate(&mut self, options: &mut SolveOptions<'a>, limit: usize) -> Result<(), Failure> {
        self.record();
        self.retire();
        self.call_back(options)?;
        if !self.systems.is_empty() && limit > 0 {
            self.precondition(options)?;
        }
        while !self.systems.is_empty() {
            if self.iteration >= limit {
                return Err(Failure::IterationLimit { limit });
            }
            if let Some(limit) = options.time_limit
                && self.started.elapsed() >= limit
            {
                return Err(Failure::TimedOut { limit });
            }
            self.iteration += 1;
            self.turn()?;
            let broken = self.step()?;
            self.check(&broken)?;
            self.record();
            self.retire();
            self.call_back(options)?;
        }
        Ok(())
    }

    /// Chooses the next directions, `p = z + (r'z / previous r'z) p`.
    fn turn(&mut self) -> Result<(), Failure> {
        if let Some(preconditioner) = &self.preconditioner {
            self.z.reshape_like(&self.r);
            let n = self.matrix.operator.len();
            let applied =
                view(n, &self.r).and_then(|r| preconditioner.apply(r, view_mut(n, &mut self.z)?));
            applied.map_err(|error| self.failed(Part::Preconditioner, error))?;
        }
        let z = if self.preconditioner.is_some() {
            &self.z
        } else {
            &self.r
        };
        let products = column_sums(&self.r, z, |r, z| [r * z]);
        let mut coefficients = Vec::with_capacity(products.len());
        for (system, [rz]) in self.systems.iter_mut().zip(products) {
            if !rz.is_finite() {
                return Err(self.non_finite(Part::Preconditioner));
            }
            // Without a preconditioner r'z is positive but for underflow, which the step finds.
            if rz <= 0.0 && self.preconditioner.is_some() {
                let iteration = self.iteration;
                return Err(Failure::PreconditionerIndefinite {
                    iteration,
                    value: rz,
                });
            }
            coefficients.push(if system.restart { 0.0 } else { rz / system.rz });
            system.rz = rz;
            system.restart = false;
        }
        self.p.update(z, &coefficients, |p, z, beta| z + beta * p);
        Ok(())
    }

    /// Goes along the directions to the minimum, and tells in which systems that is not possible.
    fn step(&mut self) -> Result<Vec<bool>, Failure> {
        self.ap.reshape_like(&self.p);
        let applied = self.matrix.apply(self.precision, &self.p, &mut self.ap);
        applied.map_err(|error| self.failed(Part::Operator, error))?;
        let sums = column_sums(&self.p, &self.ap, |p, ap| [p * ap, p * p, ap * ap]);
        for [_, pp, apap] in &sums {
            let ratio = (apap / pp).sqrt();
            if ratio.is_finite() {
                self.scale = self.scale.max(ratio);
            }
        }
        // Rounding errors move a curvature by u | |A| |p| | / |p| or so, with luck by less, and by as much as the number
        // of terms of a sum times that without.
        let slack = 8.0 * DOUBLE_ROUNDOFF * self.p.rows().max(1.0).sqrt();
        let mut steps = Vec::with_capacity(sums.len());
        let mut broken = Vec::with_capacity(sums.len());
        for (c, [pap, pp, _]) in sums.into_iter().enumerate() {
            if !pap.is_finite() {
                return Err(self.non_finite(Part::Operator));
            }
            let (curvature, alpha) = (pap / pp, self.matrix.alpha);
            let lost = match self.precision {
                Precision::Working => curvature < 0.5 * alpha,
                Precision::Double if curvature < alpha - slack * self.scale => {
                    self.scale = self.scale.max(self.rounding_scale(c)?);
                    if curvature < alpha - slack * self.scale {
                        let (iteration, column) = (self.iteration, self.systems[c].index);
                        return Err(Failure::Indefinite {
                            iteration,
                            column,
                            curvature,
                            alpha,
                        });
                    }
                    false
                }
                Precision::Double => false,
            };
            let step = self.systems[c].rz / pap;
            let lost = lost || pap <= 0.0 || !step.is_finite();
            broken.push(lost);
            steps.push(if lost { 0.0 } else { step });
        }
        self.x.update(&self.p, &steps, |x, p, step| x + step * p);
        self.r.update(&self.ap, &steps, |r, ap, step| r - step * ap);
        for (c, norm) in norms(&self.r).into_iter().enumerate() {
            if !norm.is_finite() {
                return Err(self.non_finite(Part::Operator));
            }
            let system = &mut self.systems[c];
            system.advance(norm);
            if norm < system.best_norm {
                system.best_norm = norm;
                self.best.copy_column(c, &self.x, c);
            }
        }
        Ok(broken)
    }

    /// `|A |p|| / |p|` for the direction `p` of system `c`: what rounding errors in `A p` are proportional to, even
    /// where `A p` itself is small because its terms cancel.
    fn rounding_scale(&mut self, c: usize) -> Result<f64, Failure> {
        let mut magnitudes = self.p.select_columns(&[c]);
        magnitudes.data_mut().iter_mut().for_each(|p| *p = p.abs());
        let mut product = magnitudes.clone();
        let applied = self
            .matrix
            .apply(Precision::Double, &magnitudes, &mut product);
        applied.map_err(|error| self.failed(Part::Operator, error))?;
        let sums = column_sums(&magnitudes, &product, |p, ap| [p * p, ap * ap]);
        Ok(sums.first().map_or(0.0, |[pp, apap]| (apap / pp).sqrt()))
    }

    /// Enters the present residuals into the history.
    fn record(&mut self) {
        let rows = self.r.rows().max(1.0);
        for system in &self.systems {
            self.history[system.index].push(system.norm / rows.sqrt() * system.unit);
        }
    }

    fn call_back(&self, options: &mut SolveOptions<'_>) -> Result<(), Failure> {
        let Some(callback) = &mut options.on_iteration else {
            return Ok(());
        };
        let last = |column: &Vec<f64>| column.last().copied().unwrap_or(0.0);
        let residuals: Vec<_> = self.history.iter().map(last).collect();
        let state = IterationState {
            iteration: self.iteration,
            residuals: &residuals,
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

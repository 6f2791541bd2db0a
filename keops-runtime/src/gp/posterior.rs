//! The process, and what its observations make of it.

use std::fmt;
use std::time::Duration;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::predict::columnwise;

use crate::input::{Argument, Element, IntoPoints};
use crate::solve::cholesky::Cholesky;
use crate::solve::estimate::refuse_coupled;
use crate::solve::probes::preconditioner;
use crate::solve::{
    EstimateError, EstimateOptions, Failure, LinearOperator, LowRank, OperatorError, Part,
    Precision, Preconditioner, Solution, SolveError, SolveOptions, Tolerance, solve,
};
use crate::{Error, memory};

/// Steps of iterative refinement. Each gains the digits that the factorisation has.
const REFINEMENTS: usize = 4;

/// A Gaussian process with the covariance `alpha Id + K` of its observations, before they are made.
pub struct GaussianProcess<'a> {
    operator: Box<dyn LinearOperator + 'a>,
    alpha: f64,
    tolerance: Tolerance,
    limits: Limits,
    options: EstimateOptions<'a>,
}

/// What one solve may take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    iterations: Option<usize>,
    time: Option<Duration>,
}

impl<'a> GaussianProcess<'a> {
    /// The process of a kernel matrix `K` and a noise variance `alpha`. Nothing is computed or checked.
    pub fn new(k_xx: impl LinearOperator + 'a, alpha: f64) -> Self {
        Self {
            operator: Box::new(k_xx),
            alpha,
            tolerance: Tolerance::Relative(1e-6),
            limits: Limits::default(),
            options: EstimateOptions::default(),
        }
    }

    /// When the weights `A^-1 y` are good enough; `Relative(1e-6)` if not set. Small processes do not need it.
    pub fn tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// The largest number of iterations of a solve, as [`SolveOptions::max_iterations`]. A process takes one solve for the weights, and one for each block of new
    /// points or probes.
    pub fn max_iterations(self, iterations: usize) -> Self {
        let limits = Limits {
            iterations: Some(iterations),
            ..self.limits
        };
        Self { limits, ..self }
    }

    /// The time that one solve may take, as [`SolveOptions::time_limit`].
    pub fn time_limit(self, time: Duration) -> Self {
        let limits = Limits {
            time: Some(time),
            ..self.limits
        };
        Self { limits, ..self }
    }

    /// How determinants, traces and diagonals are estimated, and with which preconditioner; see [`EstimateOptions`].
    pub fn options(self, options: EstimateOptions<'a>) -> Self {
        Self { options, ..self }
    }

    /// Observes `y`: computes the weights `a = A^-1 y`. `y` is one array of observations, or several side by side, as columns of
    /// shape `(n, columns)`: independent processes with the same covariance.
    ///
    /// # Errors
    /// [`EstimateError::Input`] if `y` has another number of rows or is not finite, or an option is out of range; [`EstimateError::Solve`] with the best
    /// iterate if the tolerance is not met; [`EstimateError::NotPositiveDefinite`] and what the operator says.
    pub fn fit<'b, T: Element>(
        self,
        y: impl IntoPoints<'b, T>,
    ) -> Result<Posterior<'a>, EstimateError> {
        // The dimension is that of the array, whatever it is.
        let y = match y.into_points(1) {
            Argument::Points(points) => points.to_f64()?,
            _ => Array2::zeros((0, 1)),
        };
        Posterior::new(self, y)
    }
}

impl fmt::Debug for GaussianProcess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaussianProcess")
            .field("n", &self.operator.len())
            .field("alpha", &self.alpha)
            .field("tolerance", &self.tolerance)
            .field("options", &self.options)
            .finish()
    }
}

/// How `A = alpha Id + K` is inverted.
pub(super) enum Inverse {
    /// By its Cholesky factor.
    Direct(Cholesky),
    /// By conjugate gradients, with this preconditioner.
    Iterative(Option<LowRank>),
}

/// A Gaussian process that has observed `y`.
pub struct Posterior<'a> {
    pub(super) operator: Box<dyn LinearOperator + 'a>,
    pub(super) alpha: f64,
    pub(super) options: EstimateOptions<'a>,
    pub(super) inverse: Inverse,
    /// Whether the preconditioner is known to be one of the operator, so that it is no larger than `A` but for its shift.
    pub(super) certain: bool,
    pub(super) y: Array2<f64>,
    pub(super) weights: Array2<f64>,
    /// For each column of the weights, a bound of their error in the norm of `A`.
    pub(super) weights_error: Array1<f64>,
    limits: Limits,
    solution: Option<Solution<f64>>,
}

impl<'a> Posterior<'a> {
    fn new(process: GaussianProcess<'a>, y: Array2<f64>) -> Result<Self, EstimateError> {
        let GaussianProcess {
            operator,
            alpha,
            tolerance,
            limits,
            options,
        } = process;
        options.check(alpha)?;
        refuse_coupled(&*operator)?;
        check_observations(&y, operator.len())?;
        // Without observations too there are vectors, as for determinants.
        memory::check::<f64>("a vector", &[operator.len()])?;
        let inverse = if operator.len() <= options.exact_up_to {
            Inverse::Direct(Cholesky::of_system(&*operator, alpha)?)
        } else {
            Inverse::Iterative(preconditioner(&*operator, alpha, &options)?)
        };
        let certain = match (&inverse, options.preconditioner, operator.entries()) {
            (Inverse::Iterative(_), Preconditioner::Built(built), Some(entries)) => {
                built.is_of(entries).map_err(operator_failed)?
            }
            (_, Preconditioner::Built(_), _) => false,
            _ => true,
        };
        let mut posterior = Self {
            operator,
            alpha,
            options,
            inverse,
            certain,
            weights: Array2::zeros(y.dim()),
            weights_error: Array1::zeros(y.ncols()),
            y,
            limits,
            solution: None,
        };
        match &posterior.inverse {
            Inverse::Direct(factor) => {
                (posterior.weights, posterior.weights_error) = posterior.refined(factor)?;
            }
            Inverse::Iterative(preconditioner) => {
                let solution =
                    posterior.iterate(preconditioner.as_ref(), &posterior.y, tolerance)?;
                posterior.weights = solution.values.clone();
                let bounds = solution.columns.iter().map(|column| column.error_bound);
                posterior.weights_error = bounds.collect();
                posterior.solution = Some(solution);
            }
        }
        Ok(posterior)
    }

    /// The weights by the factorisation and iterative refinement, and bounds of their errors: of what the last residual says, and of what rounding errors in that
    /// residual may hide.
    fn refined(&self, factor: &Cholesky) -> Result<(Array2<f64>, Array1<f64>), EstimateError> {
        let norms = |a: &Array2<f64>| columnwise(a, a).mapv(f64::sqrt);
        let mut weights = Array2::zeros(self.y.dim());
        let mut residual = self.y.clone();
        for _ in 0..REFINEMENTS {
            let mut step = residual.clone();
            factor.solve(&mut step);
            let refined = &weights + &step;
            let left = self.residual(&self.y, &refined)?;
            // NaN is no progress.
            let progress = norms(&left)
                .iter()
                .zip(&norms(&residual))
                .any(|(l, r)| l < r);
            if !progress {
                break;
            }
            (weights, residual) = (refined, left);
        }
        let rounding = 0.5 * f64::EPSILON * factor.norm_estimate() / self.alpha.sqrt();
        let hidden = norms(&weights).mapv(|norm| if norm == 0.0 { 0.0 } else { rounding * norm });
        factor.half_solve(&mut residual);
        Ok((weights, norms(&residual) + hidden))
    }

    /// The weights `a = A^-1 y`, of shape `(n, columns)`: the posterior mean at points `t` is `K_tx a`.
    pub fn weights(&self) -> ArrayView2<'_, f64> {
        self.weights.view()
    }

    /// For each column of `y`, an upper bound of the error of the weights in the norm of `A`, `|a - a*|_A` for the exact `a* = A^-1 y`. It is that of
    /// [`ColumnReport::error_bound`](crate::solve::ColumnReport::error_bound) for a large process, and holds for a positive semidefinite `K`. No mean at a point `t` is off by more than
    /// that times `sqrt(k(t, t))`.
    pub fn weights_error(&self) -> ArrayView1<'_, f64> {
        self.weights_error.view()
    }

    /// The report on the solve for the weights; `None` for a small process, which is factorised.
    pub fn solution(&self) -> Option<&Solution<f64>> {
        self.solution.as_ref()
    }

    /// The preconditioner of the process, if it has one, to be kept for another with the same points
    /// ([`LowRank::refreshed`], [`Preconditioner::Built`]).
    pub fn preconditioner(&self) -> Option<&LowRank> {
        match &self.inverse {
            Inverse::Iterative(preconditioner) => preconditioner.as_ref(),
            Inverse::Direct(_) => None,
        }
    }

    /// The noise variance.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The number of observations in a column.
    pub(super) fn len(&self) -> usize {
        self.operator.len()
    }

    /// `A^-1 b` by conjugate gradients.
    pub(super) fn iterate(
        &self,
        preconditioner: Option<&LowRank>,
        b: &Array2<f64>,
        tolerance: Tolerance,
    ) -> Result<Solution<f64>, SolveError<f64>> {
        let preconditioner = preconditioner.map(|p| p.with_certainty(self.certain));
        let options = SolveOptions {
            alpha: self.alpha,
            tolerance,
            preconditioner: preconditioner
                .as_ref()
                .map_or(Preconditioner::None, Preconditioner::Built),
            max_iterations: self.limits.iterations,
            time_limit: self.limits.time,
            ..Default::default()
        };
        solve(&*self.operator, b.view(), None, options)
    }

    /// The same, where less than the tolerance will do if rounding errors allow no more.
    pub(super) fn iterate_as_far_as_possible(
        &self,
        preconditioner: Option<&LowRank>,
        b: &Array2<f64>,
        tolerance: Tolerance,
    ) -> Result<Array2<f64>, EstimateError> {
        match self.iterate(preconditioner, b, tolerance) {
            Ok(solution) => Ok(solution.values),
            Err(SolveError::Unconverged(end))
                if matches!(end.reason, Failure::Stagnated { .. }) =>
            {
                Ok(end.best.values)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `b - A x`, in double precision.
    pub(super) fn residual(
        &self,
        b: &Array2<f64>,
        x: &Array2<f64>,
    ) -> Result<Array2<f64>, EstimateError> {
        let mut residual = product(&*self.operator, x)?;
        residual.zip_mut_with(x, |k, x| *k += self.alpha * x);
        residual.zip_mut_with(b, |ax, b| *ax = b - *ax);
        Ok(residual)
    }
}

impl fmt::Debug for Posterior<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posterior")
            .field("n", &self.len())
            .field("alpha", &self.alpha)
            .field("preconditioner", &self.preconditioner())
            .finish_non_exhaustive()
    }
}

/// `K x`, in double precision.
pub(super) fn product(
    operator: &dyn LinearOperator,
    x: &Array2<f64>,
) -> Result<Array2<f64>, EstimateError> {
    let mut out = Array2::zeros(x.dim());
    if out.is_empty() {
        return Ok(out);
    }
    let x = x.as_standard_layout();
    let applied = operator.apply(Precision::Double, x.view(), out.view_mut());
    applied.map_err(operator_failed)?;
    Ok(out)
}

pub(super) fn operator_failed(error: OperatorError) -> EstimateError {
    EstimateError::Apply {
        part: Part::Operator,
        error,
    }
}

fn check_observations(y: &Array2<f64>, n: usize) -> Result<(), Error> {
    let name = || "the observations".to_owned();
    if y.nrows() != n {
        return Err(Error::Shape {
            name: name(),
            expected: format!("{n} rows, as many as the covariance has"),
            shape: crate::error::shape(y.shape()),
        });
    }
    match y.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(Error::NotFinite {
            name: name(),
            value,
            row,
            column,
        }),
        None => Ok(()),
    }
}

//! The log marginal likelihood and its gradient.

use ndarray::{Array2, Axis, s};

use super::posterior::{Inverse, Posterior, operator_failed, product};
use super::predict::columnwise;
use crate::Error;
use crate::solve::cholesky::entries_of;
use crate::solve::estimate::Samples;
use crate::solve::log_det::estimate;
use crate::solve::probes::Probes;
use crate::solve::{Estimate, EstimateError, LinearOperator, LogDet, LowRank, Part, Tolerance};

/// The residual of a probe that is good enough for a trace, relative to the probe.
const RESIDUAL: f64 = 1e-4;

/// The number of columns that are multiplied together where that is with many.
const TOGETHER: usize = 64;

/// The log marginal likelihood, and what it consists of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogLikelihood {
    /// `-1/2 y'A^-1 y - 1/2 log det A - n/2 log(2 pi)`, added up over the columns of `y`.
    pub value: f64,
    /// The standard error of the value, which is that of the determinants; 0 where these are exact. What is not random comes on top:
    /// [`LogLikelihood::quadratic_error`] and [`LogDet::quadrature_error`].
    pub standard_error: f64,
    /// The quadratic form `y'A^-1 y`, added up over the columns. From below: the true one is not smaller, but for rounding errors.
    pub quadratic: f64,
    /// By how much the true quadratic form is larger at most, and the value too large by half of that.
    pub quadratic_error: f64,
    /// The determinant of `A`.
    pub log_det: LogDet,
}

/// The gradient of the log marginal likelihood.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LikelihoodGradient {
    /// The derivatives by the parameters of the kernel, in the order of the matrices that were given.
    pub parameters: Vec<Estimate>,
    /// The derivative by the noise variance `alpha`.
    pub alpha: Estimate,
}

impl Posterior<'_> {
    /// `log det(alpha Id + K)`; see [`log_det`](crate::solve::log_det()).
    ///
    /// # Errors
    /// As there.
    pub fn log_det(&self) -> Result<LogDet, EstimateError> {
        match &self.inverse {
            Inverse::Direct(factor) => Ok(LogDet::of_factor(factor)),
            Inverse::Iterative(preconditioner) => {
                let preconditioner = preconditioner.as_ref();
                estimate(&*self.operator, self.alpha, preconditioner, &self.options)
            }
        }
    }

    /// The log marginal likelihood of the observations, with the standard error of its determinant.
    ///
    /// The error of the quadratic form, by contrast, is second order in that of the weights.
    ///
    /// # Errors
    /// Those of [`log_det`](crate::solve::log_det()).
    pub fn log_marginal_likelihood(&self) -> Result<LogLikelihood, EstimateError> {
        let (n, columns) = self.y.dim();
        let log_det = self.log_det()?;
        // y'A^-1 y = y'a + a'r + r'A^-1 r for the residual r of the weights.
        let r = self.residual(&self.y, &self.weights)?;
        let quadratic = columnwise(&(&self.y + &r), &self.weights).sum();
        let quadratic_error = self.weights_error.dot(&self.weights_error);
        let half = 0.5 * columns as f64;
        let constant = n as f64 * std::f64::consts::TAU.ln();
        Ok(LogLikelihood {
            value: -0.5 * quadratic - half * (log_det.value + constant),
            standard_error: half * log_det.standard_error,
            quadratic,
            quadratic_error,
            log_det,
        })
    }

    /// The gradient of the log marginal likelihood by parameters of the kernel, given the derivatives `dK` of the kernel matrix by each of them, and by
    /// `alpha`:
    ///
    /// ```text
    /// 1/2 a' dK a  -  1/2 trace(A^-1 dK)
    /// ```
    ///
    /// added up over the columns of the weights `a`. The matrices `dK` must be symmetric, but not semidefinite. The macros make them with the operation `Diff`:
    /// the derivative of `Exp(-g*SqDist(x,y))` by `g` is `Diff(Exp(-g*SqDist(x,y)), g, 1)`.
    ///
    /// The traces of a large process with the preconditioner `P = F F' + mu Id` are
    ///
    /// ```text
    /// trace(A^-1 dK)  =  trace(P^-1 dK)  +  E (A^-1 z - P^-1 z)' dK P^-1 z
    /// ```
    ///
    /// where the first term is exact, from products of `dK` with `F`, and the second a mean over random probes `z` with the covariance `P`, the same for all parameters: the better the
    /// preconditioner, the smaller it is, and its standard error. Probes are added as for a determinant, for all standard errors.
    ///
    /// # Errors
    /// [`EstimateError::Input`] if a matrix has another number of rows, and what [`fit`](super::GaussianProcess::fit) may return.
    ///
    /// ```
    /// # use keops_runtime as keops_solve;
    /// use keops_solve::gp::GaussianProcess;
    /// use ndarray::{Array1, Array2};
    ///
    /// let x = Array1::linspace(0.0, 1.0, 30);
    /// let y = x.mapv(|x: f64| (5.0 * x).cos());
    /// let squares = Array2::from_shape_fn((30, 30), |(i, j)| f64::powi(x[i] - x[j], 2));
    /// let likelihood = |g: f64| -> Result<_, keops_runtime::solve::EstimateError> {
    ///     let k = squares.mapv(|d2| f64::exp(-g * d2));
    ///     let dk = -&squares * &k;
    ///     let posterior = GaussianProcess::new(k, 0.01).fit(&y)?;
    ///     let gradient = posterior.log_marginal_likelihood_gradient(&[&dk])?;
    ///     Ok((posterior.log_marginal_likelihood()?.value, gradient.parameters[0].value))
    /// };
    /// let ((below, _), (_, slope), (above, _)) = (likelihood(4.999)?, likelihood(5.0)?, likelihood(5.001)?);
    /// assert!((slope - (above - below) / 0.002).abs() < 1e-5);
    /// # Ok::<(), keops_runtime::solve::EstimateError>(())
    /// ```
    pub fn log_marginal_likelihood_gradient(
        &self,
        derivatives: &[&dyn LinearOperator],
    ) -> Result<LikelihoodGradient, EstimateError> {
        for derivative in derivatives {
            self.check_derivative(*derivative)?;
        }
        let traces = match &self.inverse {
            Inverse::Direct(factor) => {
                let inverse = factor.inverse();
                let mut traces = derivatives
                    .iter()
                    .map(|dk| Ok(exact((&entries_of(*dk)? * &inverse).sum())))
                    .collect::<Result<Vec<_>, EstimateError>>()?;
                traces.push(exact(inverse.diag().sum()));
                traces
            }
            Inverse::Iterative(preconditioner) => {
                self.traces(preconditioner.as_ref(), derivatives)?
            }
        };
        let half = 0.5 * self.y.ncols() as f64;
        let slope = |quadratic: f64, trace: &Estimate| Estimate {
            value: 0.5 * quadratic - half * trace.value,
            standard_error: half * trace.standard_error,
        };
        let alpha = columnwise(&self.weights, &self.weights).sum();
        let mut parameters = Vec::with_capacity(derivatives.len());
        for (derivative, trace) in derivatives.iter().zip(&traces) {
            let product = product(*derivative, &self.weights)?;
            let quadratic = columnwise(&self.weights, &product).sum();
            parameters.push(slope(quadratic, trace));
        }
        let gradient = LikelihoodGradient {
            parameters,
            alpha: slope(alpha, traces.last().unwrap_or(&exact(0.0))),
        };
        let all = gradient.parameters.iter().chain([&gradient.alpha]);
        if all.into_iter().any(|e| !e.value.is_finite()) {
            let part = Part::Operator;
            return Err(EstimateError::NonFinite { part });
        }
        Ok(gradient)
    }

    /// Estimates of `trace(A^-1 dK)` for all derivatives, and, last, of `trace(A^-1)`.
    fn traces(
        &self,
        preconditioner: Option<&LowRank>,
        derivatives: &[&dyn LinearOperator],
    ) -> Result<Vec<Estimate>, EstimateError> {
        let n = self.len();
        let target = self.options.target(n);
        let mut samples = vec![Samples::default(); derivatives.len() + 1];
        let mut probes = Probes::new(n, preconditioner, &self.options);
        let enough = |samples: &[Samples]| {
            let mut errors = samples.iter().map(|s| s.mean().standard_error);
            errors.all(|error| error <= target)
        };
        while probes.go_on(|| enough(&samples)) {
            let (z, y) = probes.draw()?;
            let tolerance = Tolerance::Relative(RESIDUAL);
            let mut x = self.iterate_as_far_as_possible(preconditioner, &z, tolerance)?;
            if preconditioner.is_some() {
                x -= &y;
            }
            let add = |samples: &mut Samples, product: &Array2<f64>| {
                let products = (product * &y).sum_axis(Axis(0));
                products.into_iter().for_each(|value| samples.push(value));
            };
            for (derivative, samples) in derivatives.iter().zip(&mut samples) {
                add(samples, &product(*derivative, &x)?);
            }
            if let Some(samples) = samples.last_mut() {
                add(samples, &x);
            }
        }
        let mut traces: Vec<_> = samples.iter().map(Samples::mean).collect();
        if let Some(p) = preconditioner {
            let derivatives = derivatives.iter().map(Some).chain([None]);
            for (trace, derivative) in traces.iter_mut().zip(derivatives) {
                trace.value += preconditioned_trace(p, derivative.copied())?;
            }
        }
        Ok(traces)
    }

    fn check_derivative(&self, derivative: &dyn LinearOperator) -> Result<(), Error> {
        let n = self.len();
        if derivative.len() == n && !derivative.couples_columns() {
            return Ok(());
        }
        Err(Error::Shape {
            name: "a derivative of the kernel matrix".to_owned(),
            expected: format!("{n} rows, as many as the kernel matrix"),
            shape: crate::error::shape(&[derivative.len(), derivative.len()]),
        })
    }
}

/// `trace(P^-1 M) = (trace M - trace((F'F + mu Id)^-1 F'M F)) / mu` for a matrix `M` with entries or products, and for the identity if none is given.
fn preconditioned_trace(
    p: &LowRank,
    matrix: Option<&dyn LinearOperator>,
) -> Result<f64, EstimateError> {
    let n = p.len();
    let factor = p.factor();
    let Some(matrix) = matrix else {
        let inner = p.capacitance_inverse_times_gram();
        return Ok((n as f64 - inner.diag().sum()) / p.shift());
    };
    let mut trace = diagonal_sum(matrix)?;
    let rank = p.rank();
    for first in (0..rank).step_by(TOGETHER) {
        let chunk = factor.slice(s![first..(first + TOGETHER).min(rank), ..]);
        let columns = chunk.t().as_standard_layout().into_owned();
        let mut inner = factor.dot(&product(matrix, &columns)?);
        p.capacitance().solve(&mut inner);
        trace -= inner.slice(s![first.., ..]).diag().sum();
    }
    Ok(trace / p.shift())
}

/// The trace of a matrix: from its diagonal, or else from products with unit vectors.
fn diagonal_sum(matrix: &dyn LinearOperator) -> Result<f64, EstimateError> {
    let n = matrix.len();
    if let Some(entries) = matrix.entries() {
        let mut diagonal = vec![0.0; n];
        let computed = entries.compute_diagonal(&mut diagonal);
        computed.map_err(operator_failed)?;
        return Ok(diagonal.iter().sum());
    }
    let mut trace = 0.0;
    for first in (0..n).step_by(TOGETHER) {
        let width = TOGETHER.min(n - first);
        let unit = Array2::from_shape_fn((n, width), |(i, c)| f64::from(i == first + c));
        trace += product(matrix, &unit)?.slice(s![first.., ..]).diag().sum();
    }
    Ok(trace)
}

fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        standard_error: 0.0,
    }
}

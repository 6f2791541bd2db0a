//! Gaussian processes: posterior, likelihood with its gradient, and leave-one-out residuals.
//!
//! The prior covariance of the observations `y` at the points `x` is `A = alpha Id + K`, for a kernel matrix `K` and a noise variance `alpha`; its mean is
//! zero. The matrix `K` is any [`LinearOperator`](crate::solve::LinearOperator): that of a symbolic matrix
//! ([`SymbolicMatrix::operator`](crate::SymbolicMatrix::operator)), a dense one, or the caller's own.
//!
//! Small processes ([`exact_up_to`](crate::solve::EstimateOptions::exact_up_to)) store and factorise `A`, and everything about them is exact. Larger ones know `A` by its products:
//! what solves a system is as good as a tolerance says, variances come with a bound of their error, and what is made of determinants, traces and
//! diagonals of the inverse with a standard error. Nothing is clamped or hidden.
//!
//! ```
//! # use keops_runtime as keops_solve;
//! use keops_solve::gp::GaussianProcess;
//! use ndarray::{Array1, Array2};
//!
//! let kernel = |x: &Array1<f64>, y: &Array1<f64>| {
//!     Array2::from_shape_fn((x.len(), y.len()), |(i, j)| f64::exp(-50.0 * (x[i] - y[j]).powi(2)))
//! };
//! let x = Array1::linspace(0.0, 1.0, 40);
//! let y = x.mapv(|x: f64| (6.0 * x).sin());
//! let posterior = GaussianProcess::new(kernel(&x, &x), 1e-4).fit(&y)?;
//!
//! let t = Array1::linspace(0.1, 0.9, 7);
//! let prediction = posterior.predict(&kernel(&t, &x), &kernel(&t, &t))?;
//! for (i, t) in t.iter().enumerate() {
//!     assert!((prediction.mean[(i, 0)] - f64::sin(6.0 * t)).abs() < 0.01);
//!     assert!(0.0 < prediction.variance[i] && prediction.variance[i] < 1e-4);
//! }
//! let likelihood = posterior.log_marginal_likelihood()?;
//! assert_eq!(likelihood.standard_error, 0.0);
//! # Ok::<(), keops_runtime::solve::EstimateError>(())
//! ```
//!
//! Source: C. E. Rasmussen, C. K. I. Williams, *Gaussian Processes for Machine Learning* (2006), chapters 2 and 5.

mod leave_one_out;
mod likelihood;
mod posterior;
mod predict;

pub use self::leave_one_out::LeaveOneOut;
pub use self::likelihood::{LikelihoodGradient, LogLikelihood};
pub use self::posterior::{GaussianProcess, Posterior};
pub use self::predict::Prediction;

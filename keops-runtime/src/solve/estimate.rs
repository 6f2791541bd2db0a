//! What estimates by random probes are asked for, and what can go wrong with them.

use super::operator::{LinearOperator, OperatorError};
use super::options::Preconditioner;
use super::report::{Part, SolveError};
use crate::Error;

/// How determinants, traces and diagonals of inverses are computed; fill in what differs from the default.
///
/// Up to [`exact_up_to`](Self::exact_up_to) rows they are exact, from a dense Cholesky factorisation in double precision. Beyond, they are means
/// over random probes, and come with their standard error.
#[derive(Clone, Copy, Debug)]
pub struct EstimateOptions<'a> {
    /// The standard error to aim at. The default `None` stands for `n / 1000`: of a log determinant, that is a thousandth for
    /// each point.
    pub standard_error: Option<f64>,
    /// The largest number of probes; they are added in blocks until the standard error is small enough. Default 64.
    pub max_probes: usize,
    /// The largest number of Lanczos steps for a probe. Default 300.
    pub max_depth: usize,
    /// The number of rows up to which the matrix is stored and factorised. Default 2000: 32 MB.
    pub exact_up_to: usize,
    /// What the probes depend on: the same seed gives the same probes, in every run and on every machine. Default 0.
    pub seed: u64,
    /// The preconditioner. Default [`Preconditioner::Auto`].
    pub preconditioner: Preconditioner<'a>,
}

impl Default for EstimateOptions<'_> {
    fn default() -> Self {
        Self {
            standard_error: None,
            max_probes: 64,
            max_depth: 300,
            exact_up_to: 2000,
            seed: 0,
            preconditioner: Preconditioner::default(),
        }
    }
}

impl EstimateOptions<'_> {
    /// Refuses numbers outside their range.
    pub(crate) fn check(&self, alpha: f64) -> Result<(), Error> {
        let refuse = |option, expected, found| {
            Err(Error::Option {
                option,
                expected,
                found,
            })
        };
        let finite = "a finite number that is not negative";
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return refuse("alpha", finite, alpha.to_string());
        }
        if let Some(e) = self.standard_error
            && !(e >= 0.0 && e.is_finite())
        {
            return refuse("standard_error", finite, e.to_string());
        }
        if self.max_probes < 2 {
            let expected = "at least 2 probes, because one has no standard error";
            return refuse("max_probes", expected, self.max_probes.to_string());
        }
        if self.max_depth == 0 {
            return refuse("max_depth", "at least 1", "0".to_owned());
        }
        Ok(())
    }

    /// The standard error to aim at for a matrix of `n` rows.
    pub(crate) fn target(&self, n: usize) -> f64 {
        self.standard_error.unwrap_or(1e-3 * n as f64)
    }
}

/// A number that random probes gave, or that is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error, that of a mean over probes; 0 where it is exact.
    pub standard_error: f64,
}

/// Values of which only the mean matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    count: usize,
    mean: f64,
    /// The sum of the squares of the deviations from the mean.
    squares: f64,
}

impl Samples {
    /// Adds one, by Welford's recursion.
    pub(crate) fn push(&mut self, value: f64) {
        self.count += 1;
        let deviation = value - self.mean;
        self.mean += deviation / self.count as f64;
        self.squares += deviation * (value - self.mean);
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The mean and its standard error, which is infinite for fewer than two values.
    pub(crate) fn mean(&self) -> Estimate {
        let count = self.count as f64;
        let standard_error = if self.count < 2 {
            f64::INFINITY
        } else {
            (self.squares / (count - 1.0) / count).sqrt()
        };
        Estimate {
            value: self.mean,
            standard_error,
        }
    }
}

/// Why a determinant, a trace, a posterior or a likelihood could not be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The arrays or the options do not fit.
    #[error(transparent)]
    Input(#[from] Error),
    /// A linear system was not solved.
    #[error(transparent)]
    Solve(SolveError<f64>),
    /// The matrix is not positive definite.
    #[error(
        "alpha Id + K is not positive definite: with alpha = {alpha:.1e}, a curvature of {curvature:.4e} was found"
    )]
    NotPositiveDefinite {
        /// The multiple of the identity.
        alpha: f64,
        /// The offending number: a pivot of Cholesky's method that is not positive, or a curvature
        /// `p'(alpha Id + K)p / p'p` that is less than `alpha` by more than rounding errors can explain.
        curvature: f64,
    },
    /// NaN or an infinity appeared.
    #[error("the {part} gave NaN or an infinity")]
    NonFinite {
        /// What gave it.
        part: Part,
    },
    /// The operator or the preconditioner returned an error.
    #[error("the {part} failed: {error}")]
    Apply {
        /// Which of the two.
        part: Part,
        /// The error.
        error: OperatorError,
    },
}

impl From<SolveError<f64>> for EstimateError {
    fn from(error: SolveError<f64>) -> Self {
        match error {
            SolveError::Input(error) => Self::Input(error),
            error => Self::Solve(error),
        }
    }
}

/// Refuses an operator whose number of unknowns is not that of its rows.
pub(crate) fn refuse_coupled(operator: &dyn LinearOperator) -> Result<(), Error> {
    if !operator.couples_columns() {
        return Ok(());
    }
    Err(Error::Option {
        option: "operator",
        expected: "a matrix of numbers, as of a scalar kernel",
        found: "one that couples the columns of what it is applied to".to_owned(),
    })
}

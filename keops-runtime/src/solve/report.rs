//! What a solve returns.

use std::fmt;
use std::time::Duration;

use ndarray::Array2;

use super::operator::OperatorError;
use super::precondition::LowRank;
use crate::Error;

/// The solution `a` of `(alpha Id + K) a = b`, or the best approximation that was found, and how it came about: in one line when printed with `{}`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Solution<T> {
    /// The solution, of the shape of `b`: [`Solution::values_f64`] rounded to `T`.
    pub values: Array2<T>,
    /// The solution as it was computed. Its residual is the one that decides about convergence: rounding to `f32` moves
    /// each entry by up to 6e-8 of itself, and the residual by that times `|K| |a|`, which can exceed any tolerance.
    pub values_f64: Array2<f64>,
    /// The number of iterations of the column that took most.
    pub iterations: usize,
    /// The report on each column of `b`; on the block as a whole, one, if the operator couples the columns.
    pub columns: Vec<ColumnReport>,
    /// `history[c][k]` is the root mean square of the residual of column `c` after `k` iterations: that of the
    /// recursion, except where it was checked against the true one and found too far off.
    pub history: Vec<Vec<f64>>,
    /// `error_history[c][k]` is an upper bound of the error `|a - a*|_A` of column `c` after `k` iterations, as known at that time: by the
    /// quadrature of Gauss and Radau with a node at the least possible eigenvalue in double precision, from the residual of the recursion in
    /// working precision. See [`ColumnReport::error_bound`].
    pub error_history: Vec<Vec<f64>>,
    /// By how much the operator was found not to be symmetric, `|p'Kq - q'Kp| / (|K| |p| |q|)` for two directions `p` and `q` of the first iterations; 0 if
    /// by no more than rounding errors. No error is bounded then, but residuals are what they are.
    pub asymmetry: f64,
    /// The number of products of the operator with a block.
    pub products: Products,
    /// What was done for a preconditioner of the solver's own; `None` if none was asked for, or nothing was left to solve.
    pub preconditioner: Option<PreconditionerReport>,
    /// The factorisation that the solve was preconditioned with, if it used one and
    /// [`SolveOptions::keep_preconditioner`](super::SolveOptions::keep_preconditioner) asks for it.
    pub low_rank: Option<LowRank>,
    /// The time that the solve took.
    pub elapsed: Duration,
}

/// How one column fared. All residuals are true ones, `b - (alpha a + K a)` recomputed in double precision, if [`ColumnReport::verified`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColumnReport {
    /// The number of iterations until the column was done.
    pub iterations: usize,
    /// The root mean square of the residual of [`Solution::values_f64`].
    pub rms: f64,
    /// The residual of [`Solution::values_f64`] relative to the right-hand side, `|r| / |b|`; 0 where both are 0.
    pub relative: f64,
    /// The root mean square of the residual of [`Solution::values`], the rounded solution. Equal to `rms` for `f64`;
    /// otherwise measured, once, at the end, and NaN if the operator failed at that.
    pub rounded_rms: f64,
    /// An upper bound of the error of [`Solution::values_f64`], `|a - a*|_A = sqrt((a - a*)'(alpha Id + K)(a - a*))` for the exact
    /// solution `a*`: the least of `|r| / sqrt(alpha)` and `sqrt(r'P^-1 r / m)` for the true residual `r` and a preconditioner
    /// with `alpha Id + K >= m P`, and, in double precision, the bound of Gauss and Radau, which follows from
    /// the recursion and is 1 to 2 times too large in nine of ten steps after the first, where `alpha` is near the smallest eigenvalue; and `u |alpha Id + K| |a| / sqrt(alpha)` more, for the rounding errors that `r` is
    /// computed with. It holds for a symmetric positive semidefinite `K`, and is infinite for `alpha = 0` and where [`Solution::asymmetry`] was found.
    ///
    /// With it comes a bound of the error of predictions, as for [`Tolerance::Prediction`](super::Tolerance::Prediction).
    pub error_bound: f64,
    /// Whether the residual of [`Solution::values_f64`], or its error, meets the tolerance.
    pub converged: bool,
    /// Whether the residual was recomputed. Not so only of a column that has not converged where the operator failed, and failed again: then it is that of the
    /// recursion, with an allowance for rounding errors.
    pub verified: bool,
}

/// A preconditioner that was made of entries of the operator; see [`Preconditioner`](super::Preconditioner).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PreconditionerReport {
    /// The number of pivots; 0 for [`Preconditioner::Jacobi`](super::Preconditioner::Jacobi), and if no preconditioner was used, because
    /// it would not have paid or because the operator is not positive semidefinite.
    pub rank: usize,
    /// An upper bound of the condition number of the preconditioned matrix, `1 + trace(R) / alpha` for the residual `R` of the
    /// factorisation (at rank 0 of the matrix itself), and `n max_i(alpha + K_ii) / alpha` for Jacobi. It holds for a positive semidefinite operator, up to
    /// rounding errors, and is often 3 to 10 times too large. Infinite where nothing is known, as of one that was made of another operator.
    pub condition: f64,
    /// Why there is none, where one was to be made and could not be.
    pub impossible: Option<&'static str>,
    /// The number of entries of the operator that it took, in this solve or when it was built. A product uses `n^2` of them.
    pub entries: usize,
}

/// Numbers of products of the operator with a block of vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Products {
    /// In working precision.
    pub working: usize,
    /// In double precision.
    pub double: usize,
}

/// What took part in a solve from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The operator.
    Operator,
    /// The preconditioner.
    Preconditioner,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Preconditioner => "preconditioner",
        })
    }
}

/// Why a solve ended before every column met the tolerance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The number of iterations was used up.
    #[error("the limit of {limit} iterations was reached{}", below_rounding(*.alpha, *.rounding))]
    IterationLimit {
        /// The limit.
        limit: usize,
        /// The multiple of the identity.
        alpha: f64,
        /// As in [`Failure::Stagnated`].
        rounding: f64,
    },
    /// The time was used up.
    #[error("the time limit of {limit:?} was reached")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The callback ended the solve.
    #[error("the callback stopped the solve after {iteration} iterations")]
    Stopped {
        /// The number of iterations done.
        iteration: usize,
    },
    /// Repeated iterative refinement in double precision no longer lowers the true residual: rounding errors, or a
    /// right-hand side that is not in the range of a singular operator, allow no less.
    #[error(
        "column {column} stagnated: {} cannot be brought below {}{}",
        if .error_bound.is_some() { "the bound of its error" } else { "its residual" },
        match .error_bound {
            Some(bound) => format!("{bound:.1e}"),
            None => format!("an rms of {floor:.1e}"),
        },
        below_rounding(*.alpha, *.rounding)
    )]
    Stagnated {
        /// The first column that this happened to.
        column: usize,
        /// The root mean square of the smallest true residual of that column.
        floor: f64,
        /// The smallest bound of its error in the norm of the matrix, if the tolerance is one of predictions.
        error_bound: Option<f64>,
        /// The multiple of the identity.
        alpha: f64,
        /// An estimate of the rounding errors of a product, `u |alpha Id + K|` in double precision. Where `alpha` is not well above it, a larger one gives a
        /// system that can be solved.
        rounding: f64,
    },
    /// The operator is not symmetric, and the solve, of which the method and all bounds of errors need that, did not converge; see
    /// [`Solution::asymmetry`].
    #[error(
        "the operator is not symmetric: p'Kq and q'Kp differ by {asymmetry:.1e} of |K| |p| |q|"
    )]
    NotSymmetric {
        /// The number of iterations done.
        iteration: usize,
        /// The difference of `p'Kq` and `q'Kp`, relative to `|K| |p| |q|`.
        asymmetry: f64,
    },
    /// The solution was found, but numbers of its type are not large enough for it.
    #[error("column {column} of the solution is out of the range of its type")]
    OutOfRange {
        /// The first column that this happened to.
        column: usize,
    },
    /// A direction `p` was found in which `alpha Id + K` is less than `alpha` by more than rounding errors can explain,
    /// so that `K` is not positive semidefinite.
    #[error(
        "the operator is not positive semidefinite: in iteration {iteration} the curvature \
         p'(alpha Id + K)p / p'p is {curvature:.4e}, below alpha = {alpha:.1e}"
    )]
    Indefinite {
        /// The iteration, from 1.
        iteration: usize,
        /// The column of the direction.
        column: usize,
        /// The curvature `p'(alpha Id + K)p / p'p`.
        curvature: f64,
        /// What the curvature of a positive semidefinite operator is not less than.
        alpha: f64,
    },
    /// The preconditioner gave `r'z <= 0` for a residual `r` that is not zero.
    #[error(
        "the preconditioner is not positive definite: r'z = {value:e} in iteration {iteration}"
    )]
    PreconditionerIndefinite {
        /// The iteration, from 1.
        iteration: usize,
        /// The product `r'z`.
        value: f64,
    },
    /// NaN or an infinity appeared.
    #[error("the {part} gave NaN or an infinity in iteration {iteration}")]
    NonFinite {
        /// What gave it.
        part: Part,
        /// The iteration, from 1; 0 for the residual of the guess.
        iteration: usize,
    },
    /// The operator or the preconditioner returned an error.
    #[error("the {part} failed in iteration {iteration}: {error}")]
    Apply {
        /// Which of the two.
        part: Part,
        /// The iteration, from 1; 0 for the residual of the guess and the entries that a preconditioner is made of.
        iteration: usize,
        /// The error.
        error: OperatorError,
    },
}

/// The part of `alpha` that rounding errors may have without being named as a cause.
const BELOW: f64 = 0.1;

fn below_rounding(alpha: f64, rounding: f64) -> String {
    if rounding <= BELOW * alpha {
        return String::new();
    }
    format!(
        "; alpha = {alpha:.1e} is too small for products with rounding errors of {rounding:.1e}"
    )
}

/// A solve that ended before every column met the tolerance, with all that it found.
#[non_exhaustive]
pub struct Unconverged<T> {
    /// Why it ended.
    pub reason: Failure,
    /// The best iterate of every column, judged by its true residual, and the same report as of a success: some of
    /// the columns may have converged. [`Solution::values_f64`] can serve as the guess of another solve.
    pub best: Solution<T>,
}

/// The error of [`solve`](super::solve()).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError<T: fmt::Debug> {
    /// The arrays or the options do not make up a linear system.
    #[error(transparent)]
    Input(#[from] Error),
    /// The system was not solved to the tolerance.
    #[error("not converged: {}; {}", .0.reason, .0.best.summary())]
    Unconverged(Box<Unconverged<T>>),
}

impl<T: fmt::Debug> SolveError<T> {
    /// The same error with other values.
    pub(crate) fn map<U: fmt::Debug>(self, f: fn(f64) -> U) -> SolveError<U> {
        match self {
            Self::Input(error) => SolveError::Input(error),
            Self::Unconverged(unconverged) => {
                let Unconverged { reason, best } = *unconverged;
                SolveError::Unconverged(Box::new(Unconverged {
                    reason,
                    best: best.map(f),
                }))
            }
        }
    }
}

/// Without the arrays, because this is what a failed `unwrap` prints.
impl<T> fmt::Debug for Unconverged<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unconverged")
            .field("reason", &self.reason)
            .field("columns", &self.best.columns)
            .field("products", &self.best.products)
            .finish_non_exhaustive()
    }
}

/// Without the arrays, which have no end.
impl<T> fmt::Debug for Solution<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solution")
            .field("shape", &self.values.shape())
            .field("iterations", &self.iterations)
            .field("columns", &self.columns)
            .field("asymmetry", &self.asymmetry)
            .field("products", &self.products)
            .field("preconditioner", &self.preconditioner)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Solution<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.columns.iter().any(|column| !column.converged) {
            return write!(f, "not converged: {}", self.summary());
        }
        let largest =
            |value: fn(&ColumnReport) -> f64| self.columns.iter().map(value).fold(0.0, f64::max);
        write!(
            f,
            "converged in {} iterations: residuals of rms {:.1e} and errors of {:.1e} at most, {} products",
            self.iterations,
            largest(|column| column.rms),
            largest(|column| column.error_bound),
            self.products.working + self.products.double,
        )?;
        if let Some(report) = &self.preconditioner {
            write!(f, ", a preconditioner of rank {}", report.rank)?;
        }
        write!(f, ", {:.3?}", self.elapsed)
    }
}

impl<T> Solution<T> {
    /// The same report with other values.
    pub(crate) fn map<U>(self, f: fn(f64) -> U) -> Solution<U> {
        Solution {
            values: self.values_f64.mapv(f),
            values_f64: self.values_f64,
            iterations: self.iterations,
            columns: self.columns,
            history: self.history,
            error_history: self.error_history,
            asymmetry: self.asymmetry,
            products: self.products,
            preconditioner: self.preconditioner,
            low_rank: self.low_rank,
            elapsed: self.elapsed,
        }
    }

    /// How far the columns came, in one line.
    fn summary(&self) -> String {
        let left: Vec<_> = self
            .columns
            .iter()
            .filter(|column| !column.converged)
            .collect();
        let worst = left.iter().fold(0.0, |worst, column| column.rms.max(worst));
        let (left, all, iterations) = (left.len(), self.columns.len(), self.iterations);
        format!(
            "after {iterations} iterations {left} of {all} columns remain, with a residual of rms {worst:.1e} at most"
        )
    }
}

//! What a solve is asked for.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::operator::{LinearOperator, OperatorError, Precision};
use super::precondition::{Choice, LowRank};
use crate::Error;

/// When a column of the solution is good enough, in terms of its residual `r = b - (alpha a + K a)` of `n` entries.
///
/// Every column is judged alone. Zero asks for as much as can be had: unless the residual becomes exactly zero, the
/// solve ends with [`Failure::Stagnated`](super::Failure::Stagnated) at the smallest residual that is attainable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// `sqrt(mean(r_i^2)) <= e`, the rule of KeOps applied to each column.
    Rms(f64),
    /// `|r| <= e |b|`.
    Relative(f64),
    /// `|r| <= e`.
    Absolute(f64),
    /// No prediction is off by more than `e`: `|k(t)'a - k(t)'a*| <= e` for the exact solution `a*` and every point `t`, where
    /// `k(t)_i = k(t, x_i)` for a positive semidefinite kernel `k` with `k(t, t) <= max_i K_ii` (for all points, if `k(t, t)` is constant).
    ///
    /// What is required is `|a - a*|_A <= e / sqrt(max_i K_ii)` for the bound of the error in
    /// [`ColumnReport::error_bound`](super::ColumnReport::error_bound), since by Cauchy and Schwarz
    /// `|k(t)'(a - a*)| <= |a - a*|_A sqrt(k(t)'A^-1 k(t))`, and `k(t)'A^-1 k(t) <= k(t, t)` as no variance is negative. It needs
    /// `alpha > 0` and the diagonal of the operator.
    Prediction(f64),
}

impl Default for Tolerance {
    fn default() -> Self {
        Self::Rms(1e-6)
    }
}

/// An approximation of the inverse of a matrix, for conjugate gradients to start from.
pub trait Precondition: Sync {
    /// Computes `z = P^-1 r` for a symmetric positive definite `P` and a block `r` of any number of columns; both
    /// arrays have shape `(n, columns)` and are contiguous and row-major, and `z` must be overwritten.
    ///
    /// # Errors
    ///
    /// Whatever the preconditioner says; the solve ends and returns that error.
    fn apply(&self, r: ArrayView2<'_, f64>, z: ArrayViewMut2<'_, f64>)
    -> Result<(), OperatorError>;

    /// A number `m >= 0` for which `alpha Id + K >= m P` is certain, so that no eigenvalue of `P^-1 (alpha Id + K)` is less. The default 0
    /// says nothing. The bounds of the error of a solve follow from it.
    fn lower_bound(&self, _alpha: f64) -> f64 {
        0.0
    }
}

impl<P: Precondition + ?Sized> Precondition for &P {
    fn apply(
        &self,
        r: ArrayView2<'_, f64>,
        z: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        (**self).apply(r, z)
    }

    fn lower_bound(&self, alpha: f64) -> f64 {
        (**self).lower_bound(alpha)
    }
}

/// The landmarks of [`Preconditioner::Nystrom`], rows of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landmarks<'a> {
    /// So many different rows, drawn with equal probabilities (with a fixed seed).
    Uniform(usize),
    /// These.
    Points(&'a [usize]),
}

/// How a system is preconditioned.
///
/// The solver's own preconditioners are partial Cholesky factorisations of the operator with pivots: `K = F F' + R` with `F` of
/// `rank` columns, and `P = F F' + alpha Id`. They cost the diagonal and `rank` rows of `K`, about `2 n rank^2` operations, and
/// the memory of `rank` vectors in double precision, and are refused where the system would not lend that. They need the entries of the operator
/// ([`LinearOperator::entries`](super::LinearOperator::entries)), which dense matrices and scalar kernels have. The report is in
/// [`Solution::preconditioner`](super::Solution::preconditioner), and the preconditioner itself in
/// [`Solution::low_rank`](super::Solution::low_rank) if [`SolveOptions::keep_preconditioner`] asks for it.
///
/// Sources: M. Diaz, E. N. Epperly, Z. Frangella, J. A. Tropp, R. J. Webber, *Robust, randomized preconditioning for kernel ridge regression*
/// (arXiv:2304.12465); E. N. Epperly, J. A. Tropp, R. J. Webber, *Embrace rejection: kernel matrix approximation by accelerated randomly pivoted
/// Cholesky* (arXiv:2410.03969, 2024).
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub enum Preconditioner<'a> {
    /// [`Preconditioner::Cholesky`] of the rank that is predicted to solve the system fastest, from a model of the costs and from how
    /// fast the factorisation converges; none where that does not pay, or where the operator offers no entries. The factorisation
    /// takes at most 1 GiB of memory. The choice depends on the system alone, not on the machine.
    #[default]
    Auto,
    /// Plain conjugate gradients.
    None,
    /// Pivots drawn at random, with probabilities proportional to the diagonal of the residual (RPCholesky, with a fixed seed).
    Cholesky {
        /// The number of pivots. Fewer are used if the operator has a lower numerical rank.
        rank: usize,
    },
    /// The largest entry of the diagonal of the residual as the next pivot, always. Not as good as random pivots where there are
    /// outliers among the points, and slower to compute.
    Greedy {
        /// The number of pivots. Fewer are used if the operator has a lower numerical rank.
        rank: usize,
    },
    /// The approximation of Nystrom, `F F' = K_nS K_SS^-1 K_Sn` for a set `S` of landmarks: these are the pivots. Uniform landmarks do worse than
    /// random pivots where points are clustered.
    Nystrom(Landmarks<'a>),
    /// `P = alpha Id + diag(K)`, for a diagonal that is not constant. (A constant one is only a scale.) It takes the diagonal of the operator.
    Jacobi,
    /// One that was made before, for the same operator or one like it, and is used with the `alpha` of the solve.
    ///
    /// Bounds of errors are sharper with one of the operator. Whether it is one is found out by computing the rows of the pivots again, as long as they
    /// agree; where the operator offers no entries it is taken for one of another.
    Built(&'a LowRank),
    /// The caller's own.
    Custom(&'a dyn Precondition),
}

impl<'a> Preconditioner<'a> {
    /// Refuses what cannot be had for an operator.
    pub(super) fn check(&self, operator: &dyn LinearOperator) -> Result<(), Error> {
        let n = operator.len();
        match self {
            Self::Auto | Self::None | Self::Custom(_) => Ok(()),
            Self::Built(built) => built.check_size(n),
            _ if operator.entries().is_some() => self.choice(n).map(drop),
            _ => Err(Error::Option {
                option: "preconditioner",
                expected: "Auto, None, Built or Custom for an operator whose entries are not available",
                found: format!("{self:?}"),
            }),
        }
    }

    /// How pivots are to be chosen for a matrix of `n` rows, if they are. Refuses more than fit into memory.
    pub(super) fn choice(&self, n: usize) -> Result<Option<Choice<'a>>, Error> {
        let (choice, rank) = match *self {
            Self::None | Self::Jacobi | Self::Built(_) | Self::Custom(_) => return Ok(None),
            Self::Auto => return Ok(Some(Choice::Auto)),
            Self::Cholesky { rank } => (Choice::Random(rank), rank),
            Self::Greedy { rank } => (Choice::Greedy(rank), rank),
            Self::Nystrom(Landmarks::Uniform(rank)) => (Choice::Uniform(rank), rank),
            Self::Nystrom(Landmarks::Points(points)) => {
                if let Some(point) = points.iter().find(|&&point| point >= n) {
                    return Err(Error::Option {
                        option: "preconditioner",
                        expected: "landmarks that are rows of the operator",
                        found: format!("landmark {point} of {n} rows"),
                    });
                }
                (Choice::Given(points), points.len())
            }
        };
        if !fits(n, rank.min(n)) {
            return Err(Error::Option {
                option: "preconditioner",
                expected: "a rank for which n x rank numbers in double precision fit into memory",
                found: format!("rank {rank} for {n} rows"),
            });
        }
        Ok(Some(choice))
    }
}

/// Whether the system would lend the memory of a factorisation, without touching it.
fn fits(n: usize, rank: usize) -> bool {
    let mut numbers = Vec::<f64>::new();
    let count = rank
        .checked_mul(2)
        .and_then(|twice| twice.checked_add(n))
        .and_then(|rows| rows.checked_mul(rank));
    let lent = count.is_some_and(|count| numbers.try_reserve_exact(count).is_ok());
    // Memory that is not used must not be optimised away.
    std::hint::black_box(&mut numbers);
    lent
}

impl fmt::Debug for Preconditioner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("Auto"),
            Self::None => f.write_str("None"),
            Self::Cholesky { rank } => write!(f, "Cholesky {{ rank: {rank} }}"),
            Self::Greedy { rank } => write!(f, "Greedy {{ rank: {rank} }}"),
            Self::Nystrom(landmarks) => write!(f, "Nystrom({landmarks:?})"),
            Self::Jacobi => f.write_str("Jacobi"),
            Self::Built(built) => write!(f, "Built({built:?})"),
            Self::Custom(_) => f.write_str("Custom(..)"),
        }
    }
}

/// What the callback of [`SolveOptions::on_iteration`] sees.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IterationState<'a> {
    /// The number of iterations done, 0 before the first.
    pub iteration: usize,
    /// The root mean square of the residual of every column. Columns that are done show their final, true residual, the
    /// others that of the recursion.
    pub residuals: &'a [f64],
    /// A bound of the error of every column, as in [`Solution::error_history`](super::Solution::error_history).
    pub errors: &'a [f64],
    /// The number of columns still in work.
    pub active: usize,
    /// The precision of the coming product with the operator.
    pub precision: Precision,
    /// Time since the start of the solve.
    pub elapsed: Duration,
}

/// The callback of [`SolveOptions::on_iteration`].
pub type OnIteration<'a> = Box<dyn FnMut(&IterationState<'_>) -> ControlFlow<()> + 'a>;

/// The options of [`solve`](super::solve()); fill in what differs from the default.
pub struct SolveOptions<'a> {
    /// The multiple `alpha >= 0` of the identity that is added to the operator. Default `1e-10`.
    pub alpha: f64,
    /// When a column is done. Default `Rms(1e-6)`.
    pub tolerance: Tolerance,
    /// The largest number of iterations. The default `None` stands for ten times the number of unknowns, but at least
    /// 100 and at most 20 000.
    pub max_iterations: Option<usize>,
    /// The time after which no further iteration is begun. Default: none.
    pub time_limit: Option<Duration>,
    /// The preconditioner. Default [`Preconditioner::Auto`].
    pub preconditioner: Preconditioner<'a>,
    /// Whether the solution is to hold the factorisation that the solve was preconditioned with, in
    /// [`Solution::low_rank`](super::Solution::low_rank). Default `false`.
    pub keep_preconditioner: bool,
    /// Called before the first iteration and after each; [`ControlFlow::Break`] ends the solve, unless no column is
    /// left in work. Default: none.
    pub on_iteration: Option<OnIteration<'a>>,
}

impl Default for SolveOptions<'_> {
    fn default() -> Self {
        Self {
            alpha: 1e-10,
            tolerance: Tolerance::default(),
            max_iterations: None,
            time_limit: None,
            preconditioner: Preconditioner::default(),
            keep_preconditioner: false,
            on_iteration: None,
        }
    }
}

impl fmt::Debug for SolveOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SolveOptions")
            .field("alpha", &self.alpha)
            .field("tolerance", &self.tolerance)
            .field("max_iterations", &self.max_iterations)
            .field("time_limit", &self.time_limit)
            .field("preconditioner", &self.preconditioner)
            .field("keep_preconditioner", &self.keep_preconditioner)
            .field("on_iteration", &self.on_iteration.as_ref().map(|_| ".."))
            .finish()
    }
}

impl SolveOptions<'_> {
    /// The same options for another solve, without the callback.
    pub(crate) fn without_callback(&self) -> Self {
        Self {
            alpha: self.alpha,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
            time_limit: self.time_limit,
            preconditioner: self.preconditioner,
            keep_preconditioner: self.keep_preconditioner,
            on_iteration: None,
        }
    }

    /// Refuses numbers outside their range.
    pub(super) fn check(&self) -> Result<(), Error> {
        let (Tolerance::Rms(e)
        | Tolerance::Relative(e)
        | Tolerance::Absolute(e)
        | Tolerance::Prediction(e)) = self.tolerance;
        for (option, value) in [("alpha", self.alpha), ("tolerance", e)] {
            if !(value >= 0.0 && value.is_finite()) {
                let expected = "a finite number that is not negative";
                return Err(Error::Option {
                    option,
                    expected,
                    found: value.to_string(),
                });
            }
        }
        Ok(())
    }

    /// The largest number of iterations for a system of `unknowns`.
    pub(super) fn iteration_limit(&self, unknowns: usize) -> usize {
        self.max_iterations
            .unwrap_or_else(|| unknowns.saturating_mul(10).clamp(100, 20_000))
    }
}

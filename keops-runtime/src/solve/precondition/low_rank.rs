//! The inverse of a low-rank matrix plus a multiple of the identity.

use std::fmt;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::super::cholesky::Cholesky;
use super::super::dense::gram;
use super::super::operator::{Entries, LinearOperator, OperatorError};
use super::super::options::{Precondition, Preconditioner};
use super::super::report::PreconditionerReport;
use super::factor::{Factor, Impossible, ROUNDING, Trouble};
use super::on_device::OnDevice;
use super::random::Random;
use super::search::{Choice, Request, search};
use crate::Error;
use crate::cuda::Memory;

/// Number of points that are worked on together.
const CHUNK: usize = 1024;
/// Number of rows that are compared together.
const TOGETHER: usize = 64;
/// The least shift, as a multiple of the largest eigenvalue of `F F'`, `2^-44`: rounding errors perturb the spectrum of `P^-1 P` by
/// `2^-53` times the condition number of `P`, and this keeps it below a hundredth.
const LEAST_SHIFT: f64 = 5.7e-14;
/// Steps of the power method for the norm, of which one digit is enough.
const POWER_STEPS: usize = 5;
/// The factor by which residuals are taken to be reduced where no solve says by how much.
const REDUCTION: f64 = 1e6;

/// A preconditioner `P = F F' + mu Id` of `alpha Id + K` that is kept: for other right-hand sides, other `alpha`, other parameters of the
/// kernel, and for what else an approximate inverse and determinant serve.
///
/// `F` of `n` rows and `r` columns is a partial Cholesky factorisation of `K` with pivots, which does not depend on `alpha`: `K = F F' + R`
/// with `R` positive semidefinite, and zero in the rows of the `r` pivots. `mu` is `alpha`, or as little more as inverting in double
/// precision takes. Copies share `F`.
///
/// `P^-1` is applied in `4 n r` operations per column, by the identity of Sherman, Morrison and Woodbury,
/// `P^-1 = (Id - F (F'F + mu Id)^-1 F') / mu`. Memory: `n r + 2 r^2` numbers.
///
/// ```
/// # use keops_runtime as keops_solve;
/// use keops_solve::solve::{LowRank, Preconditioner, SolveOptions, solve};
/// use ndarray::Array2;
///
/// let k = Array2::from_shape_fn((100, 100), |(i, j)| (-0.01 * (i as f64 - j as f64).powi(2)).exp());
/// let p = LowRank::new(&k, 0.1, Preconditioner::Cholesky { rank: 30 })?;
/// for c in 1..4 {
///     let b = Array2::from_shape_fn((100, 1), |(i, _)| (i as f64 / c as f64).sin());
///     let options = SolveOptions { alpha: 0.1, preconditioner: Preconditioner::Built(&p), ..Default::default() };
///     assert!(solve(&k, b.view(), None, options)?.iterations < 10);
/// }
/// // Another alpha needs no entries, another matrix no search for pivots.
/// let other = p.with_alpha(0.01)?;
/// let refreshed = p.refreshed(&(2.0 * &k))?;
/// assert_eq!(refreshed.pivots(), p.pivots());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LowRank {
    partial: Arc<Partial>,
    alpha: f64,
    shift: f64,
    /// The factorisation of the capacitance matrix `F'F + mu Id`.
    capacitance: Arc<Cholesky>,
    /// Whether the operator that it is used with is known to be `F F' + R`. Not so in the hands of users, who may have another.
    certain: bool,
}

/// What does not depend on `alpha`.
struct Partial {
    /// `F'`.
    transposed: Array2<f64>,
    /// `F'F`.
    gram: Array2<f64>,
    pivots: Vec<usize>,
    /// A bound of the trace of `R`.
    residual: f64,
    /// The number of entries that were computed.
    entries: usize,
}

/// What came of the search for a preconditioner.
pub(in super::super) enum Found {
    /// One, of rank 0 if no other would pay.
    Made(LowRank),
    /// The matrix is not semidefinite, or its factorisation does not fit into memory.
    Impossible(PreconditionerReport),
}

impl LowRank {
    /// Makes the preconditioner of `alpha Id + K` that a solve would: one of [`Preconditioner::Auto`], whose rank is what pays for one
    /// right-hand side and six digits, [`Cholesky`](Preconditioner::Cholesky), [`Greedy`](Preconditioner::Greedy) and
    /// [`Nystrom`](Preconditioner::Nystrom). Where the rank is 0, `P = alpha Id`.
    ///
    /// # Errors
    /// [`Error::Option`] for an `alpha` out of range, a choice of another kind, landmarks that are no rows, and an operator without
    /// [`entries`](LinearOperator::entries); [`Error::Preconditioner`] if the operator is not positive semidefinite or fails, or if
    /// the factorisation does not fit into memory.
    pub fn new<O: LinearOperator + ?Sized>(
        operator: &O,
        alpha: f64,
        preconditioner: Preconditioner<'_>,
    ) -> Result<Self, Error> {
        Self::in_time(&operator, alpha, preconditioner, &|| true)
    }

    /// The same, of a lower rank if there is no time to go on.
    pub(in super::super) fn in_time(
        operator: &dyn LinearOperator,
        alpha: f64,
        preconditioner: Preconditioner<'_>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Self, Error> {
        let n = operator.len();
        let choice = preconditioner.choice(n)?.ok_or_else(|| Error::Option {
            option: "preconditioner",
            expected: "Auto, Cholesky, Greedy or Nystrom",
            found: format!("{preconditioner:?}"),
        })?;
        Self::build(operator.entries(), n, alpha, choice, go_on)
    }

    /// The preconditioner of `alpha Id + K` for another `alpha`, in `r^3 / 3` operations, without the operator.
    ///
    /// # Errors
    /// [`Error::Option`] for an `alpha` out of range.
    pub fn with_alpha(&self, alpha: f64) -> Result<Self, Error> {
        check_alpha(alpha)?;
        if alpha == self.alpha {
            return Ok(self.clone());
        }
        let certain = self.certain;
        let other = Self::invert(Arc::clone(&self.partial), alpha);
        other
            .map(|other| Self { certain, ..other })
            .ok_or_else(|| Error::Preconditioner {
                reason: Impossible::Indefinite.reason().to_owned(),
            })
    }

    /// The preconditioner of another matrix of as many rows with the same pivots, for parameters or points that have changed a
    /// little: no search, one pass over the rows of the pivots. Pivots that now depend on others are left out.
    ///
    /// # Errors
    /// As for [`LowRank::new`], and [`Error::Shape`] for an operator of another size.
    pub fn refreshed<O: LinearOperator + ?Sized>(&self, operator: &O) -> Result<Self, Error> {
        self.check_size(operator.len())?;
        let choice = Choice::Given(self.pivots());
        Self::build(
            operator.entries(),
            operator.len(),
            self.alpha,
            choice,
            &|| true,
        )
    }

    /// The number of rows of the matrix.
    pub fn len(&self) -> usize {
        self.partial.transposed.ncols()
    }

    /// Whether the matrix has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of columns of `F`.
    pub fn rank(&self) -> usize {
        self.partial.transposed.nrows()
    }

    /// The transpose of `F`, of shape `(rank, n)`.
    pub fn factor(&self) -> ArrayView2<'_, f64> {
        self.partial.transposed.view()
    }

    /// The rows that the pivots are in, in the order of the columns of `F`.
    pub fn pivots(&self) -> &[usize] {
        &self.partial.pivots
    }

    /// The `alpha` that it was made for.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The shift `mu >= alpha`.
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// An upper bound of the trace of `R = K - F F'`, sharp up to rounding errors, and with it of the norm of `R`.
    pub fn residual_trace(&self) -> f64 {
        self.partial.residual
    }

    /// `log det P = (n - r) log mu + log det (F'F + mu Id)`.
    pub fn log_determinant(&self) -> f64 {
        let rest = (self.len() - self.rank()) as f64;
        let rest = if rest > 0.0 {
            rest * self.shift.ln()
        } else {
            0.0
        };
        rest + self.capacitance.log_det()
    }

    /// The rank, a bound of the condition number of `P^-1 (alpha Id + K)` for the `K` that it was made of, and what was computed.
    pub fn report(&self) -> PreconditionerReport {
        let condition = if self.alpha > 0.0 {
            self.shift.max(self.alpha + self.partial.residual) / self.alpha
        } else {
            f64::INFINITY
        };
        PreconditionerReport {
            rank: self.rank(),
            condition,
            impossible: None,
            entries: self.partial.entries,
        }
    }

    /// The factorisation of `F'F + mu Id`.
    pub(crate) fn capacitance(&self) -> &Cholesky {
        &self.capacitance
    }

    /// `(F'F + mu Id)^-1 F'F`.
    pub(crate) fn capacitance_inverse_times_gram(&self) -> Array2<f64> {
        let mut inner = self.partial.gram.clone();
        self.capacitance.solve(&mut inner);
        inner
    }

    /// The form of it that is applied on a device.
    pub(in super::super) fn on_device(&self, memory: &Memory) -> OnDevice {
        let (transposed, lower) = (&self.partial.transposed, self.capacitance.lower());
        OnDevice::new(memory, transposed, lower, self.shift)
    }

    /// The same, known to be used with the operator that it was made of, or not known to be.
    pub(crate) fn with_certainty(&self, certain: bool) -> Self {
        Self {
            certain,
            ..self.clone()
        }
    }

    /// Whether the operator is known to be `F F' + R` with a positive semidefinite `R`, if it is positive semidefinite itself.
    pub(crate) fn is_certain(&self) -> bool {
        self.certain
    }

    /// Whether it is a factorisation of this operator: whether `F F'` has the operator's rows at the pivots, of which `F` is made. What is
    /// compared are sums of rows with random signs, a few rows at a time, up to rounding errors.
    pub(crate) fn is_of(&self, entries: &dyn Entries) -> Result<bool, OperatorError> {
        let (factor, n) = (self.factor(), self.len());
        let mut random = Random::default();
        for pivots in self.pivots().chunks(TOGETHER) {
            let mut rows = Array2::zeros((pivots.len(), n));
            entries.compute_rows(pivots, rows.view_mut())?;
            let largest = rows.iter().fold(0.0, |most: f64, k| most.max(k.abs()));
            let signs = Array1::from_shape_simple_fn(pivots.len(), || random.normal().signum());
            let known = factor.select(Axis(1), pivots).dot(&signs).dot(&factor);
            let difference = signs.dot(&rows) - known;
            let rounding = ROUNDING * pivots.len() as f64 * largest;
            // NaN is no agreement.
            if !difference.iter().all(|d| d.abs() <= rounding) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses to serve a matrix of another size.
    pub(in super::super) fn check_size(&self, n: usize) -> Result<(), Error> {
        if n == self.len() {
            return Ok(());
        }
        Err(Error::Shape {
            name: "the preconditioner".to_owned(),
            expected: format!("{n} rows, as many as the operator has"),
            shape: crate::error::shape(&[self.len(), self.len()]),
        })
    }

    fn build(
        entries: Option<&dyn Entries>,
        n: usize,
        alpha: f64,
        choice: Choice<'_>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Self, Error> {
        check_alpha(alpha)?;
        let entries = entries.ok_or(Error::Option {
            option: "preconditioner",
            expected: "an operator whose entries are available",
            found: "one without".to_owned(),
        })?;
        let request = Request {
            n,
            columns: 1,
            alpha,
            reduction: REDUCTION,
            go_on,
        };
        let found = Self::find(entries, choice, &request);
        let found = found.map_err(|error| Error::Preconditioner {
            reason: error.to_string(),
        })?;
        match found {
            Found::Made(found) => Ok(found),
            Found::Impossible(report) => Err(Error::Preconditioner {
                reason: report.impossible.unwrap_or_default().to_owned(),
            }),
        }
    }

    /// Looks for a preconditioner as a solve wants it.
    pub(in super::super) fn find(
        entries: &dyn Entries,
        choice: Choice<'_>,
        request: &Request<'_>,
    ) -> Result<Found, OperatorError> {
        let impossible = |entries, why: Impossible| {
            Ok(Found::Impossible(PreconditionerReport {
                rank: 0,
                condition: f64::INFINITY,
                impossible: Some(why.reason()),
                entries,
            }))
        };
        let mut factor = match Factor::new(entries, request.n) {
            Ok(factor) => factor,
            Err(Trouble::Impossible(why)) => return impossible(request.n, why),
            Err(Trouble::Failed(error)) => return Err(error),
        };
        let trace = factor.trace_bound();
        // A matrix that is not semidefinite is left to the iterations, which prove it.
        let used = match search(&mut factor, entries, choice, request) {
            Ok(used) => used,
            Err(Trouble::Impossible(why)) => return impossible(factor.entries, why),
            Err(Trouble::Failed(error)) => return Err(error),
        };
        let (entries, residual) = (factor.entries, factor.trace_bound());
        let (transposed, pivots, residual) = if used {
            let (transposed, pivots) = factor.into_parts()?;
            (transposed, pivots, residual)
        } else {
            (Array2::zeros((0, request.n)), Vec::new(), trace)
        };
        let partial = Partial {
            gram: gram(&transposed),
            transposed,
            pivots,
            residual,
            entries,
        };
        match Self::invert(Arc::new(partial), request.alpha) {
            Some(found) => Ok(Found::Made(found)),
            None => impossible(entries, Impossible::Indefinite),
        }
    }

    /// The preconditioner of a given `F'`.
    #[cfg(test)]
    pub(super) fn of_factor(transposed: Array2<f64>, alpha: f64) -> Option<Self> {
        let partial = Partial {
            gram: gram(&transposed),
            pivots: (0..transposed.nrows()).collect(),
            transposed,
            residual: 0.0,
            entries: 0,
        };
        Self::invert(Arc::new(partial), alpha)
    }

    /// `F F' + mu Id` for the least `mu >= alpha` that can be inverted in double precision.
    fn invert(partial: Arc<Partial>, alpha: f64) -> Option<Self> {
        let mut capacitance = partial.gram.clone();
        let shift = alpha.max(LEAST_SHIFT * norm(&capacitance));
        // Nothing at all is preconditioned by the identity.
        let shift = if shift > 0.0 { shift } else { 1.0 };
        capacitance.diag_mut().mapv_inplace(|entry| entry + shift);
        let capacitance = Arc::new(Cholesky::new(capacitance).ok()?);
        Some(Self {
            partial,
            alpha,
            shift,
            capacitance,
            certain: false,
        })
    }

    /// An estimate of the norm of `F F'`, from below, by some steps of the power method.
    pub(in super::super) fn norm_estimate(&self) -> f64 {
        let gram = &self.partial.gram;
        let mut v = Array1::ones(gram.nrows());
        let mut norm = 0.0;
        for _ in 0..POWER_STEPS {
            let largest = v.fold(0.0, |most: f64, v: &f64| most.max(v.abs()));
            if largest == 0.0 {
                return 0.0;
            }
            v /= largest;
            let next = gram.dot(&v);
            norm = v.dot(&next) / v.dot(&v);
            v = next;
        }
        norm
    }

    /// An upper bound of the norm of `F F'`.
    fn norm(&self) -> f64 {
        norm(&self.partial.gram)
    }

    /// `y = F' x` for the rows of `x`, of shape `(columns, n)`. The order of all sums is fixed.
    fn project(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let partial = |(f, x): (ArrayView2<'_, f64>, ArrayView2<'_, f64>)| {
            Array2::from_shape_fn((f.nrows(), x.nrows()), |(k, c)| f.row(k).dot(&x.row(c)))
        };
        let chunks = self.partial.transposed.axis_chunks_iter(Axis(1), CHUNK);
        let chunks: Vec<_> = chunks.zip(x.axis_chunks_iter(Axis(1), CHUNK)).collect();
        let partials: Vec<_> = chunks.into_par_iter().map(partial).collect();
        let mut sum = Array2::zeros((self.partial.transposed.nrows(), x.nrows()));
        for partial in &partials {
            sum += partial;
        }
        sum
    }

    /// `(x - F y) / mu`, in place of the rows of `x`.
    fn complete(&self, y: &Array2<f64>, x: &mut Array2<f64>) {
        let chunks = self.partial.transposed.axis_chunks_iter(Axis(1), CHUNK);
        let chunks: Vec<_> = chunks.zip(x.axis_chunks_iter_mut(Axis(1), CHUNK)).collect();
        chunks.into_par_iter().for_each(|(f, mut x)| {
            for (f, y) in f.rows().into_iter().zip(y.rows()) {
                for (mut x, &y) in x.rows_mut().into_iter().zip(y) {
                    x.scaled_add(-y, &f);
                }
            }
            x /= self.shift;
        });
    }
}

impl Precondition for LowRank {
    fn apply(
        &self,
        r: ArrayView2<'_, f64>,
        mut z: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let mut x = Array2::zeros((r.ncols(), r.nrows()));
        x.assign(&r.t());
        let mut y = self.project(x.view());
        self.capacitance.solve(&mut y);
        self.complete(&y, &mut x);
        z.assign(&x.t());
        Ok(())
    }

    fn lower_bound(&self, alpha: f64) -> f64 {
        if self.certain {
            (alpha / self.shift).min(1.0)
        } else {
            // Of another operator all that is known is that it is not less than `alpha Id`.
            alpha / (self.shift + self.norm())
        }
    }
}

impl fmt::Debug for LowRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LowRank")
            .field("n", &self.len())
            .field("rank", &self.rank())
            .field("alpha", &self.alpha)
            .finish_non_exhaustive()
    }
}

/// An upper bound of the norm of a symmetric matrix, the largest sum of a row.
fn norm(a: &Array2<f64>) -> f64 {
    let row_sums = a.rows().into_iter().map(|row| row.mapv(f64::abs).sum());
    row_sums.fold(0.0, f64::max)
}

fn check_alpha(alpha: f64) -> Result<(), Error> {
    if alpha >= 0.0 && alpha.is_finite() {
        return Ok(());
    }
    Err(Error::Option {
        option: "alpha",
        expected: "a finite number that is not negative",
        found: alpha.to_string(),
    })
}

//! Random probes, and the preconditioner that shapes them.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis, Ix2};
use rayon::prelude::*;

use super::estimate::{EstimateError, EstimateOptions};
use super::operator::{Entries, LinearOperator, OperatorError};
use super::options::{Precondition, Preconditioner};
use super::precondition::random::Random;
use super::precondition::{Choice, Found, LowRank, Request};
use super::report::Part;
use crate::Error;
use crate::memory::{filled, repeated};

/// Number of probes that are worked on together.
const TOGETHER: usize = 8;
/// Number of probes before their standard error is believed.
const LEAST: usize = 2 * TOGETHER;
/// Number of points that are worked on together.
const CHUNK: usize = 1024;
/// What a factorisation may take in memory, in numbers: 512 MiB.
const MOST_NUMBERS: usize = 1 << 26;
/// From this bound of the condition number on, the solves of a process decide how large a rank pays.
const HARD: f64 = 1e4;
/// The factor by which they are taken to reduce residuals.
const REDUCTION: f64 = 1e6;

/// A source of probes `z = P^1/2 w` for a preconditioner `P`, with `w` uniformly distributed on the sphere of radius `sqrt(n)`, so that the mean of
/// `z z'` is `P`.
pub(crate) struct Probes<'a> {
    n: usize,
    /// `None` for the identity.
    preconditioner: Option<&'a LowRank>,
    random: Random,
    most: usize,
    drawn: usize,
}

impl<'a> Probes<'a> {
    /// The probes of the seed.
    pub(crate) fn new(
        n: usize,
        preconditioner: Option<&'a LowRank>,
        options: &EstimateOptions<'_>,
    ) -> Self {
        Self {
            n,
            preconditioner,
            random: Random::new(options.seed),
            most: options.max_probes,
            drawn: 0,
        }
    }

    /// Whether more probes are allowed and needed, if `enough` says of those so far whether they are enough.
    pub(crate) fn go_on(&self, enough: impl FnOnce() -> bool) -> bool {
        self.drawn < self.most && (self.drawn < LEAST || !enough())
    }

    /// The next probes `z` and `P^-1 z`, of shape `(n, columns)`.
    pub(crate) fn draw(&mut self) -> Result<(Array2<f64>, Array2<f64>), EstimateError> {
        let width = self.next_width();
        let mut z = filled(Ix2(self.n, width), 0.0)?;
        z.mapv_inplace(|_| self.random.normal());
        let mut y = z.clone();
        if let Some(preconditioner) = self.preconditioner {
            let rank = preconditioner.rank();
            let low = Array2::from_shape_simple_fn((rank, width), || self.random.normal());
            spread(preconditioner, &low, &mut z);
            let inverse = preconditioner.apply(z.view(), y.view_mut());
            inverse.map_err(preconditioner_failed)?;
        }
        for (mut z, mut y) in z.columns_mut().into_iter().zip(y.columns_mut()) {
            let scale = (self.n as f64 / z.dot(&y)).sqrt();
            z *= scale;
            y *= scale;
        }
        Ok((z, y))
    }

    /// The next probes of random signs, whatever the preconditioner: those for diagonals.
    pub(crate) fn draw_signs(&mut self) -> Array2<f64> {
        let width = self.next_width();
        Array2::from_shape_simple_fn((self.n, width), || self.random.normal().signum())
    }

    fn next_width(&mut self) -> usize {
        let width = TOGETHER.min(self.most.saturating_sub(self.drawn));
        self.drawn += width;
        width
    }
}

pub(crate) fn preconditioner_failed(error: OperatorError) -> EstimateError {
    EstimateError::Apply {
        part: Part::Preconditioner,
        error,
    }
}

/// `z = sqrt(mu) z + F y` for `P = F F' + mu Id`: of independent standard normal numbers that makes columns with the covariance `P`.
fn spread(preconditioner: &LowRank, y: &Array2<f64>, z: &mut Array2<f64>) {
    let (root, factor) = (preconditioner.shift().sqrt(), preconditioner.factor());
    let factor = factor.axis_chunks_iter(Axis(1), CHUNK);
    let chunks: Vec<_> = factor.zip(z.axis_chunks_iter_mut(Axis(0), CHUNK)).collect();
    chunks
        .into_par_iter()
        .for_each(|(f, mut z)| general_mat_mul(1.0, &f.t(), y, root, &mut z));
}

/// The preconditioner that the options ask for, which `log det` and traces are computed with.
///
/// [`Preconditioner::Auto`] stands for a higher rank than in a solve: the variance of the estimates is what it lowers, at the cost of many products
/// that are saved. The rank is a quarter of the number of rows, or less where that leaves nothing to be estimated, or where memory is short.
pub(crate) fn preconditioner(
    operator: &dyn LinearOperator,
    alpha: f64,
    options: &EstimateOptions<'_>,
) -> Result<Option<LowRank>, EstimateError> {
    let n = operator.len();
    let choice = match options.preconditioner {
        Preconditioner::None => return Ok(None),
        Preconditioner::Built(built) => {
            built.check_size(n)?;
            return Ok(Some(built.with_alpha(alpha)?));
        }
        Preconditioner::Custom(_) | Preconditioner::Jacobi => {
            return Err(EstimateError::Input(Error::Option {
                option: "preconditioner",
                expected: "a partial Cholesky factorisation, whose root is known",
                found: format!("{:?}", options.preconditioner),
            }));
        }
        _ => {
            options.preconditioner.check(operator)?;
            options.preconditioner.choice(n)?
        }
    };
    match (operator.entries(), choice) {
        (None, _) | (_, None) => Ok(None),
        (Some(entries), Some(Choice::Auto)) => automatic(entries, n, alpha, options.target(n)),
        (Some(entries), Some(choice)) => find(entries, n, alpha, choice, 1.0),
    }
}

fn automatic(
    entries: &dyn Entries,
    n: usize,
    alpha: f64,
    target: f64,
) -> Result<Option<LowRank>, EstimateError> {
    let most = (n / 4).min(MOST_NUMBERS / n.max(1));
    let mut trace = repeated(n, 0.0)?;
    entries
        .compute_diagonal(&mut trace)
        .map_err(|error| EstimateError::Apply {
            part: Part::Operator,
            error,
        })?;
    let trace: f64 = trace.iter().sum();
    let mut found = None;
    for rank in [most / 16, most / 4, most] {
        if rank == 0 {
            continue;
        }
        found = find(entries, n, alpha, Choice::Random(rank), 1.0)?;
        // The trace of the logarithm is at most that of R / alpha, and its estimates deviate by no more than sqrt(2) times that.
        let enough = |p: &LowRank| p.residual_trace() <= target * alpha || p.rank() < rank;
        if found.as_ref().is_none_or(enough) {
            break;
        }
    }
    // Where much is left, solves want more, if it pays for them.
    if found.as_ref().is_some_and(|p| p.report().condition > HARD) {
        let other = find(entries, n, alpha, Choice::Auto, REDUCTION)?;
        let rank = |p: &Option<LowRank>| p.as_ref().map_or(0, LowRank::rank);
        if rank(&other) > rank(&found) {
            found = other;
        }
    }
    // What has not halved the trace is not worth applying.
    Ok(found.filter(|p| p.residual_trace() <= 0.5 * trace))
}

fn find(
    entries: &dyn Entries,
    n: usize,
    alpha: f64,
    choice: Choice<'_>,
    reduction: f64,
) -> Result<Option<LowRank>, EstimateError> {
    let request = Request {
        n,
        columns: 1,
        alpha,
        reduction,
        go_on: &|| true,
    };
    match LowRank::find(entries, choice, &request) {
        Ok(Found::Made(found)) => Ok(Some(found).filter(|found| found.rank() > 0)),
        Ok(Found::Impossible(_)) => Ok(None),
        Err(error) => Err(EstimateError::Apply {
            part: Part::Operator,
            error,
        }),
    }
}

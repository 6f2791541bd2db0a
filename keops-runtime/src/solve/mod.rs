//! Solves `(alpha Id + K) a = b` for a symmetric positive semidefinite operator `K`, by conjugate gradients.
//!
//! [`solve`](solve()) needs products of `K` with vectors ([`LinearOperator`]) and nothing else; it knows of no formula and of no
//! points, and serves any operator. Where it can have entries of `K` too, it makes a preconditioner of them ([`Preconditioner`]).
//!
//! ```
//! # use keops_runtime as keops_solve;
//! use keops_solve::solve::{Preconditioner, SolveOptions, Tolerance, solve};
//! use ndarray::array;
//!
//! let k = array![[2.0, 1.0], [1.0, 2.0]];
//! let b = array![[4.0, 0.0], [5.0, 0.0]];
//! let options = SolveOptions {
//!     alpha: 0.0,
//!     tolerance: Tolerance::Relative(1e-12),
//!     preconditioner: Preconditioner::None,
//!     ..Default::default()
//! };
//! let solution = solve(&k, b.view(), None, options)?;
//! assert!((&solution.values - &array![[1.0, 0.0], [2.0, 0.0]]).iter().all(|error| f64::abs(*error) < 1e-11));
//! assert_eq!((solution.columns[0].iterations, solution.columns[1].iterations), (2, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod cg;
pub(crate) mod cholesky;
mod dense;
mod ended;
mod error_bound;
pub(crate) mod estimate;
mod lanczos;
mod limits;
pub(crate) mod log_det;
mod multivector;
mod operator;
mod options;
mod path;
mod precondition;
pub(crate) mod probes;
mod product;
mod report;
#[cfg(feature = "cuda")]
mod resident;
mod shifts;
mod system;
mod tridiagonal;

use std::time::Instant;

use ndarray::{Array2, ArrayView2};

use self::block::Block;
use self::cg::Cg;
use self::ended::Ended;
pub use self::estimate::{Estimate, EstimateError, EstimateOptions};
use self::limits::{Limits, largest_deviation};
pub use self::log_det::{LogDet, log_det};
use self::multivector::Multivector;
pub use self::operator::{Entries, FnOperator, LinearOperator, OnDevice, OperatorError, Precision};
pub use self::options::{
    IterationState, Landmarks, OnIteration, Precondition, Preconditioner, SolveOptions, Tolerance,
};
pub use self::path::{RidgePath, solve_path};
pub use self::precondition::LowRank;
use self::product::{Matrix, norms};
pub use self::report::{
    ColumnReport, Failure, Part, PreconditionerReport, Products, Solution, SolveError, Unconverged,
};
#[cfg(feature = "cuda")]
pub(crate) use self::resident::solve_on_device;
use self::system::Outcome;
use crate::Error;
use crate::input::Element;

/// Systems of so few rows are solved in double precision, by one factorisation of all rows: that takes no longer than what surrounds it, and neither refinement nor
/// thinking about a rank.
const FEW: usize = 32;

/// Solves `(alpha Id + K) a = b` for each column of `b`, which has shape `(n, columns)`, starting from the approximation
/// `guess` of the same shape or from zero.
///
/// The columns are systems with one matrix, solved by block conjugate gradients: each is minimised over the directions of all, which takes a
/// fraction of the iterations that they would take one by one, and each meets the tolerance on its own. Columns may depend on others, exactly or
/// nearly. (If the operator couples its columns, the block is one system.)
/// A column has converged if its residual, recomputed in double precision from the iterate in double precision, meets
/// the tolerance; an operator with a faster working precision is refined until it does. A column of zeros has the
/// solution zero, a guess that is good enough is returned as it is, both in no iterations.
///
/// Results are the same to the last bit for any number of threads, if those of the operator are. Multiplying `b` by a
/// power of two (and an absolute tolerance with it) multiplies the solution by it and changes nothing else: inside, every
/// column is scaled to a largest entry between 1 and 2 (by 2^-1000 and 2^1000 at most).
///
/// Memory: about 12 blocks of the size of `b` in double precision, and what the [`Preconditioner`] takes.
/// Beside the products, an iteration takes a time that grows with the square of the number of columns times `n`, and with its cube: hundreds of
/// columns of a few thousand rows are solved faster in parts of some 50, with a preconditioner that is kept ([`LowRank`]).
///
/// # Errors
///
/// - [`SolveError::Input`]: `b` or the guess has a wrong shape or an entry that is not finite, or an option is out of
///   range.
/// - [`SolveError::Unconverged`]: a column does not meet the tolerance, for one of the reasons in [`Failure`]. It holds
///   the best iterate of each column and the report on it: that of smallest error where the tolerance is one of predictions, of smallest residual otherwise.
///   A limit that is reached, or a callback that stops, is no failure where these meet the tolerance.
///
/// A panic of the operator, of a preconditioner or of the callback passes through.
///
/// # References
///
/// M. R. Hestenes, E. Stiefel, *Methods of conjugate gradients for solving linear systems*, J. Res. NBS 49 (1952).
/// D. P. O'Leary, *The block conjugate gradient algorithm and related methods*, Linear Algebra Appl. 29 (1980).
/// A. A. Dubrulle, *Retooling the method of block conjugate gradients*, Electron. Trans. Numer. Anal. 12 (2001).
/// N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), chapter 12 (iterative refinement).
pub fn solve<T: Element, O: LinearOperator + ?Sized>(
    operator: &O,
    b: ArrayView2<'_, T>,
    guess: Option<ArrayView2<'_, f64>>,
    options: SolveOptions<'_>,
) -> Result<Solution<T>, SolveError<T>> {
    let round = |x: f64| T::from_f64(x).to_f64();
    let b = T::erase(b).to_f64().map_err(SolveError::Input)?;
    solve_in_double(&operator, b, guess, options, round)
        .map(|solution| solution.map(T::from_f64))
        .map_err(|error| error.map(T::from_f64))
}

/// As [`solve`](solve()), for elements that `round` to the nearest value of their type. Nothing in here is generic, so that it is compiled once
/// and not again in each crate that solves.
fn solve_in_double<'a>(
    operator: &'a dyn LinearOperator,
    b: Array2<f64>,
    guess: Option<ArrayView2<'_, f64>>,
    mut options: SolveOptions<'a>,
    round: fn(f64) -> f64,
) -> Result<Solution<f64>, SolveError<f64>> {
    let started = Instant::now();
    options.check()?;
    // Minus zero is zero.
    options.alpha += 0.0;
    options.preconditioner.check(operator)?;
    let (n, columns) = b.dim();
    check_array("the right-hand side", b.view(), operator.len(), None)?;
    if let Some(guess) = guess {
        check_array("the guess", guess, operator.len(), Some(columns))?;
    }

    // A system is a column, or the whole block as one vector: row by row, both are the same numbers.
    let width = if operator.couples_columns() {
        columns.min(1)
    } else {
        columns
    };
    let rows = (n * columns).checked_div(width).unwrap_or(0);
    let scales = Scales::new(&b, width);
    let b = scales.to_units(b.view());
    let b_norms = norms(&b);
    let (alpha, limits) = (options.alpha, Limits::new(operator, &options)?);
    let systems = || limits.systems(rows, &b_norms, &scales.0);
    let limit = options.iteration_limit(n.saturating_mul(columns));
    let guess = guess.map(|guess| scales.to_units(guess));
    let mut matrix = Matrix::new(operator, alpha);
    if !b.data().is_empty() {
        matrix.device = operator.on_device()?;
    }
    let optional = matrix.device.as_ref().is_some_and(OnDevice::is_optional);
    let b = Multivector::Host(b);
    let guess = guess.map(Multivector::Host);
    let mut cg = Cg::new(matrix, systems(), b.clone(), started);
    let mut result = cg.run(guess.clone(), &mut options, limit);
    if optional && result.is_err() && cg.matrix.trouble().is_some() {
        // Nobody has asked for the device that has failed.
        let products = cg.matrix.products;
        cg = Cg::new(Matrix::new(operator, alpha), systems(), b.clone(), started);
        cg.matrix.products = products;
        result = cg.run(guess, &mut options, limit);
    }

    let outcomes: Vec<Outcome> = std::mem::take(&mut cg.outcomes)
        .into_iter()
        .flatten()
        .collect();
    let values_f64 = scales.to_user((n, columns), &outcomes)?;
    let values = values_f64.mapv(round);
    let rounded = rounded_norms(&mut cg.matrix, &scales, &values, &values_f64, &outcomes);
    let in_range = |(_, value): &((usize, usize), &f64)| value.is_finite();
    let result = result.and_then(
        |()| match values.indexed_iter().find(|entry| !in_range(entry)) {
            Some(((_, column), _)) => Err(Failure::OutOfRange { column }),
            None => Ok(()),
        },
    );
    let ended = Ended {
        rows,
        units: &scales.0,
        b_norms: &b_norms,
        rounded: &rounded,
        outcomes: &outcomes,
        started,
        keep_preconditioner: options.keep_preconditioner,
    };
    let solution = ended.solution(cg, values, values_f64);
    match result {
        Ok(()) => Ok(solution),
        Err(reason) => Err(SolveError::Unconverged(Box::new(Unconverged {
            reason,
            best: solution,
        }))),
    }
}

/// The error of an array that has another shape than so many rows, as the operator, and columns, as the right-hand side.
fn misfit(name: &str, rows: usize, columns: Option<usize>, shape: &[usize]) -> Error {
    let expected = match columns {
        Some(columns) => format!("shape ({rows}, {columns}), that of the right-hand side"),
        None => format!("{rows} rows, as many as the operator has"),
    };
    Error::Shape {
        name: name.to_owned(),
        expected,
        shape: crate::error::shape(shape),
    }
}

/// Refuses an array of the wrong shape, or with an entry that is not a finite number.
fn check_array(
    name: &str,
    array: ArrayView2<'_, f64>,
    rows: usize,
    columns: Option<usize>,
) -> Result<(), Error> {
    if array.nrows() != rows || columns.is_some_and(|columns| columns != array.ncols()) {
        return Err(misfit(name, rows, columns, array.shape()));
    }
    match array.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(Error::NotFinite {
            name: name.to_owned(),
            value,
            row,
            column,
        }),
        None => Ok(()),
    }
}

/// For each system the power of two that brings the largest entry of its right-hand side to between 1 and 2, so that
/// squares neither overflow nor underflow and scaling by it is exact.
struct Scales(Vec<f64>);

impl Scales {
    fn new(b: &Array2<f64>, width: usize) -> Self {
        let mut largest = vec![0.0_f64; width];
        for (k, value) in b.iter().enumerate() {
            largest[k % width] = largest[k % width].max(value.abs());
        }
        let unit = |largest: f64| {
            if largest == 0.0 {
                1.0
            } else {
                largest.log2().floor().clamp(-1000.0, 1000.0).exp2()
            }
        };
        Self(largest.into_iter().map(unit).collect())
    }

    /// The block of systems that a user's array stands for, each in its own units.
    fn to_units(&self, array: ArrayView2<'_, f64>) -> Block {
        let scaled = array
            .iter()
            .enumerate()
            .map(|(k, value)| value / self.0[k % self.0.len()]);
        Block::from_rows(self.0.len(), scaled.collect())
    }

    /// The user's array for the iterates of the systems.
    fn to_user(&self, shape: (usize, usize), outcomes: &[Outcome]) -> Result<Array2<f64>, Error> {
        let width = self.0.len();
        let columns: Vec<_> = outcomes.iter().map(|o| o.values.to_host()).collect();
        let value = |k: usize| columns[k % width].data()[k / width] * self.0[k % width];
        let values = (0..shape.0 * shape.1).map(value).collect();
        Array2::from_shape_vec(shape, values).map_err(|_| Error::Shape {
            name: "the solution".to_owned(),
            expected: format!("shape {shape:?}"),
            shape: "of another size".to_owned(),
        })
    }
}

/// The norms of the residuals of the solution as rounded to the element type: rounding by `d` makes `r` of them `r - A d`, of which the product
/// is small, so that working precision is enough for it.
fn rounded_norms(
    matrix: &mut Matrix<'_>,
    scales: &Scales,
    values: &Array2<f64>,
    values_f64: &Array2<f64>,
    outcomes: &[Outcome],
) -> Vec<f64> {
    if values == values_f64 {
        return outcomes
            .iter()
            .map(|outcome| outcome.distance.residual)
            .collect();
    }
    let width = outcomes.len();
    let rounding = scales.to_units((values - values_f64).view());
    let rounding = matrix.placed(rounding);
    let Ok(product) = matrix.times_working(&rounding) else {
        return vec![f64::NAN; width];
    };
    let mut residual = product.to_host().into_owned();
    let columns: Vec<_> = outcomes.iter().map(|o| o.residual.to_host()).collect();
    for (k, entry) in residual.data_mut().iter_mut().enumerate() {
        *entry = columns[k % width].data()[k / width] - *entry;
    }
    norms(&residual)
}

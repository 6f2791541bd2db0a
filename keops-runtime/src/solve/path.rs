//! Ridge paths: systems that differ in `alpha` alone.

use std::time::Instant;

use ndarray::{Array2, ArrayView2};

use super::operator::LinearOperator;
use super::options::{IterationState, Preconditioner, SolveOptions, Tolerance};
use super::precondition::LowRank;
use super::report::{Products, Solution, SolveError};
use super::shifts::{Progress, shifted};
use super::{Scales, largest_deviation, solve};
use crate::Error;
use crate::input::Element;
use crate::memory;

/// The solutions of `(alpha Id + K) a = b` for a list of `alpha`.
#[derive(Debug)]
#[non_exhaustive]
pub struct RidgePath<T: std::fmt::Debug> {
    /// The outcome for every `alpha`, in the order of the list: each is what [`solve`](super::solve()) returns, with its residual recomputed in double
    /// precision from the data.
    pub solutions: Vec<Result<Solution<T>, SolveError<T>>>,
    /// The products that all solutions share, beside those of their own.
    pub shared: Products,
    /// The factorisation that all solutions share, if there is one.
    pub preconditioner: Option<LowRank>,
}

/// Solves `(alpha Id + K) a = b` for every `alpha` of a list, for less than the price of one by one. `options` are those of each solve, but for
/// [`alpha`](SolveOptions::alpha) and the time limit, which is one for what they share and one for each.
/// The callback is called in what they share too, with the residuals of the smallest `alpha` and without bounds of errors; there it ends that alone.
///
/// With a preconditioner of the solver's own, one factorisation of `K` serves all `alpha`, made for the smallest, and each is solved by few iterations
/// of its own. Where there is none, because it does not pay, because the operator has no entries, or because
/// [`Preconditioner::None`] says so, one recursion solves all systems by the products of the hardest (multi-shift conjugate gradients), and each
/// is then handed to [`solve`](super::solve()) as a guess, which checks and completes it, within a limit of iterations of its own. That takes `2 m` blocks of memory for `m` values.
///
/// Several right-hand sides are solved as a block for one `alpha` after the other where that is predicted to take fewer products: the recursion for all
/// `alpha` takes the columns one by one, as residuals of a block are not parallel, and a block of `c` columns takes a fraction of their
/// iterations. The prediction is `c^-0.6` for that fraction, and iterations in proportion to `alpha^-1/2`.
///
/// # Errors
/// [`Error::Option`] for an `alpha` or a tolerance that is negative or not finite, and for a preconditioner that cannot be had. Everything else is the outcome of the
/// `alpha` that it belongs to.
///
/// ```
/// # use keops_runtime as keops_solve;
/// use keops_solve::solve::{SolveOptions, solve_path};
/// use ndarray::Array2;
///
/// let k = Array2::from_shape_fn((50, 50), |(i, j)| f64::exp(-0.1 * (i as f64 - j as f64).abs()));
/// let b = Array2::from_shape_fn((50, 1), |(i, _)| (i as f64).sin());
/// let path = solve_path(&k, b.view(), &[0.01, 0.1, 1.0], SolveOptions::default())?;
/// let norms: Vec<f64> = path.solutions.iter().flatten().map(|s| (&s.values * &s.values).sum()).collect();
/// assert!(norms[0] > norms[1] && norms[1] > norms[2]);
/// # Ok::<(), keops_runtime::Error>(())
/// ```
pub fn solve_path<T: Element, O: LinearOperator + ?Sized>(
    operator: &O,
    b: ArrayView2<'_, T>,
    alphas: &[f64],
    mut options: SolveOptions<'_>,
) -> Result<RidgePath<T>, Error> {
    // Before all are solved in vain.
    memory::check::<f64>("the solutions", &[alphas.len(), b.nrows(), b.ncols()])?;
    let shared = Shared::new(&operator, &T::erase(b).to_f64()?, alphas, &mut options)?;
    let (keep, mut callback) = (options.keep_preconditioner, options.on_iteration.take());
    let own = shared.preconditioner.as_ref();
    let own = own.map(|built| built.with_certainty(true));
    let mut solutions = Vec::with_capacity(alphas.len());
    for (k, &alpha) in alphas.iter().enumerate() {
        let built = own.as_ref().map(Preconditioner::Built);
        let options = SolveOptions {
            alpha,
            tolerance: options.tolerance,
            max_iterations: options.max_iterations,
            time_limit: options.time_limit,
            preconditioner: built.unwrap_or(shared.otherwise),
            keep_preconditioner: keep,
            on_iteration: match &mut callback {
                Some(callback) => Some(Box::new(|state| callback(state))),
                None => None,
            },
        };
        let guess = shared.guesses.get(k).map(|guess| guess.view());
        solutions.push(solve(operator, b, guess, options));
    }
    Ok(RidgePath {
        solutions,
        shared: shared.products,
        preconditioner: shared.preconditioner,
    })
}

/// What is computed once for all `alpha`.
struct Shared<'a> {
    preconditioner: Option<LowRank>,
    /// How each system is preconditioned if not by that.
    otherwise: Preconditioner<'a>,
    /// An approximation of each solution, or none at all.
    guesses: Vec<Array2<f64>>,
    products: Products,
}

impl<'a> Shared<'a> {
    fn new(
        operator: &dyn LinearOperator,
        b: &Array2<f64>,
        alphas: &[f64],
        options: &mut SolveOptions<'a>,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        if let Some(alpha) = alphas.iter().find(|&&a| !(a >= 0.0 && a.is_finite())) {
            return Err(Error::Option {
                option: "alphas",
                expected: "finite numbers that are not negative",
                found: alpha.to_string(),
            });
        }
        options.check()?;
        options.preconditioner.check(operator)?;
        let time_limit = options.time_limit;
        let in_time = || time_limit.is_none_or(|limit| started.elapsed() < limit);
        let mut shared = Self {
            preconditioner: None,
            otherwise: options.preconditioner,
            guesses: Vec::new(),
            products: Products::default(),
        };
        let Some(smallest) = alphas.iter().copied().reduce(f64::min) else {
            return Ok(shared);
        };
        match options.preconditioner {
            Preconditioner::Jacobi | Preconditioner::Built(_) | Preconditioner::Custom(_) => {
                return Ok(shared);
            }
            Preconditioner::None => {}
            choice if operator.entries().is_some() => {
                // Where it cannot be had, the solves find out why.
                let built = LowRank::in_time(operator, smallest, choice, &in_time).ok();
                shared.preconditioner = built.filter(|built| built.rank() > 0);
            }
            _ => {}
        }
        let fits = b.nrows() == operator.len() && b.iter().all(|value| value.is_finite());
        let columns = match operator.couples_columns() {
            true => 1,
            false => b
                .columns()
                .into_iter()
                .filter(|b| b.iter().any(|&v| v != 0.0))
                .count(),
        };
        if shared.preconditioner.is_none() && fits && alphas.len() > 1 {
            shared.otherwise = Preconditioner::None;
        }
        let pays = alphas.len() > 1 && together(columns, alphas, smallest);
        if shared.preconditioner.is_none() && fits && pays {
            let deviation = match options.tolerance {
                // Where there is none, the solves say so.
                Tolerance::Prediction(_) => largest_deviation(operator, smallest).unwrap_or(0.0),
                _ => 1.0,
            };
            // Squares of right-hand sides of any size are to neither overflow nor underflow.
            let unit = Scales::new(b, 1).0[0];
            let tolerance = options.tolerance;
            let goal = |norm: f64, rows: f64| match tolerance {
                Tolerance::Rms(e) => 0.5 * e * rows.sqrt() / unit,
                Tolerance::Relative(e) => 0.5 * e * norm,
                Tolerance::Absolute(e) => 0.5 * e / unit,
                // Enough for the smallest, and so for all; each solve judges by its own bound.
                Tolerance::Prediction(e) => 0.5 * e * smallest.sqrt() / deviation / unit,
            };
            let limit = options.iteration_limit(b.len());
            let scaled = b.mapv(|value| value / unit);
            let go_on = |state: &Progress<'_>| {
                if !in_time() {
                    return false;
                }
                let Some(callback) = &mut options.on_iteration else {
                    return true;
                };
                let rms = |square: &f64| (square / state.rows.max(1.0)).sqrt() * unit;
                let residuals: Vec<f64> = state.squares.iter().map(rms).collect();
                let state = IterationState {
                    iteration: state.iteration,
                    errors: &vec![f64::INFINITY; residuals.len()],
                    active: residuals.len(),
                    residuals: &residuals,
                    precision: state.precision,
                    elapsed: started.elapsed(),
                };
                callback(&state).is_continue()
            };
            (shared.guesses, shared.products) =
                shifted(operator, scaled.view(), alphas, goal, limit, go_on);
            for guess in &mut shared.guesses {
                *guess *= unit;
            }
            if shared.guesses.iter().flatten().any(|x| !x.is_finite()) {
                shared.guesses.clear();
            }
        }
        Ok(shared)
    }
}

/// The power of the number of right-hand sides by which a block takes fewer iterations than one by one: ten digits of handwriting take 0.26 times as
/// many, 16 random columns 0.17 times.
const BLOCK_GAIN: f64 = -0.6;

/// Whether one recursion for all `alphas` is predicted to take fewer products than a block of so many columns for each.
fn together(columns: usize, alphas: &[f64], smallest: f64) -> bool {
    // Relative to the iterations of one column for the smallest, which are those of the recursion.
    let iterations = |&alpha: &f64| {
        if alpha > smallest {
            (smallest / alpha).sqrt()
        } else {
            1.0
        }
    };
    let blocks: f64 = alphas.iter().map(iterations).sum();
    columns <= 1 || blocks * (columns as f64).powf(BLOCK_GAIN) > 1.0
}

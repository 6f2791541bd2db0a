//! Systems of a batch.

use super::{BatchCall, Extents};
use crate::Error;
use crate::bound::{Call, Orientation, System};
use crate::error::shape;
use crate::input::{Argument, BatchArgument, Element, IntoBatch};
use crate::kernel::Kernel;
use crate::memory;
use crate::options::{CallOptions, option_methods};
use crate::signature::Signature;
use crate::solve::{Failure, Preconditioner, Solution, SolveError, SolveOptions, Tolerance};
use core::fmt;
use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;
use std::time::Duration;

/// Makes the system of one element of a formula, with the position of its unknown.
type OfFormula<'a, T, G> =
    fn(&'static Signature, Vec<Argument<'a>>, Vec<f64>, usize) -> System<'a, T, G>;

/// Makes the system of one matrix and right-hand side.
type OfMatrix<'a, T, G> = fn(Call<'a>, CallOptions, Argument<'a>) -> System<'a, T, G>;

/// What the systems of a batch are made of.
enum Source<'a, T, G> {
    /// A formula in which one of the arrays, at this position, is the right-hand side.
    Formula(usize, OfFormula<'a, T, G>),
    /// Matrices, and right-hand sides.
    Matrices(BatchArgument<'a>, OfMatrix<'a, T, G>),
}

/// Systems `(alpha Id + K) a = b` of a batch of arrays: what the `bind_batch` of `kernel_solve!` and the [`rhs`](super::MatrixBatch::rhs) of
/// a batch of symbolic matrices return.
///
/// Batch dimensions are those of [`BoundBatch`](super::BoundBatch). The elements are systems of their own: each is solved to the
/// tolerance by itself, with its own preconditioner, and the threads share them. `G` is [`Adjoint`](crate::Adjoint) where the macro has the option
/// `grad = [..]`; such a batch has a method `forward` too.
#[must_use = "systems are solved by `solve`"]
pub struct SystemBatch<'a, T, G = ()> {
    pub(super) call: BatchCall<'a>,
    source: Source<'a, T, G>,
    /// Those of the variables that there are gradients by.
    pub(super) variables: &'static [usize],
    guess: Option<BatchArgument<'a>>,
    options: CallOptions,
    pub(super) solver: Settings<'a>,
}

/// The options of a solve that do for any number of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a> {
    alpha: f64,
    tolerance: Tolerance,
    max_iterations: Option<usize>,
    time_limit: Option<Duration>,
    preconditioner: Preconditioner<'a>,
    pub(super) keep_preconditioner: bool,
}

impl<'a> Settings<'a> {
    fn options(self) -> SolveOptions<'a> {
        SolveOptions {
            alpha: self.alpha,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
            time_limit: self.time_limit,
            preconditioner: self.preconditioner,
            keep_preconditioner: self.keep_preconditioner,
            ..SolveOptions::default()
        }
    }
}

/// The solutions of a batch of systems.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchSolution<T> {
    /// The solutions, of shape `(batch.., n, columns)`.
    pub values: ArrayD<T>,
    /// The solution of every element, with the report on it, in an array of the batch dimensions.
    pub elements: ArrayD<Solution<T>>,
}

/// Elements of a batch that were not solved to the tolerance, with all that was found.
#[non_exhaustive]
pub struct UnconvergedBatch<T> {
    /// The indices of those elements in the batch, and why each of them ended.
    pub failures: Vec<(Vec<usize>, Failure)>,
    /// The solutions and, for those elements, the best iterates, with the reports on them.
    pub best: BatchSolution<T>,
}

/// The error of [`SystemBatch::solve`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchSolveError<T: fmt::Debug> {
    /// The arrays or the options do not make up linear systems.
    #[error(transparent)]
    Input(#[from] Error),
    /// Those of one element do not.
    #[error("element {}: {error}", shape(.index))]
    Element {
        /// Its indices in the batch.
        index: Vec<usize>,
        /// What is wrong with it.
        error: Error,
    },
    /// Some elements were not solved to the tolerance.
    #[error("not converged: {0}")]
    Unconverged(Box<UnconvergedBatch<T>>),
}

impl<T> fmt::Display for UnconvergedBatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, all) = (self.failures.len(), self.best.elements.len());
        match self.failures.first() {
            Some((index, reason)) => write!(
                f,
                "{failed} of {all} elements, the first of them {}: {reason}",
                shape(index)
            ),
            None => write!(f, "none of {all} elements"),
        }
    }
}

/// Without the arrays, because this is what a failed `unwrap` prints.
impl<T> fmt::Debug for UnconvergedBatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnconvergedBatch")
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl<'a, T: Element> SystemBatch<'a, T> {
    /// Matrices and right-hand sides.
    pub(super) fn of_matrices<K: Kernel, O: Orientation>(
        call: BatchCall<'a>,
        options: CallOptions,
        b: impl IntoBatch<'a, T>,
    ) -> Self {
        let source = Source::Matrices(b.into_batch(), System::of_matrix_and::<K, O>);
        Self {
            options,
            ..Self::of_source(call, source)
        }
    }
}

impl<'a, T: Element, G> SystemBatch<'a, T, G> {
    /// For expansions: `make` makes the system of an element, whose unknown is at the position `unknown`.
    #[doc(hidden)]
    pub fn new(
        signature: &'static Signature,
        arguments: Vec<BatchArgument<'a>>,
        captured: Vec<f64>,
        unknown: usize,
        make: OfFormula<'a, T, G>,
    ) -> Self {
        let call = BatchCall {
            signature,
            arguments,
            captured,
        };
        Self::of_source(call, Source::Formula(unknown, make))
    }

    fn of_source(call: BatchCall<'a>, source: Source<'a, T, G>) -> Self {
        let SolveOptions {
            alpha,
            tolerance,
            max_iterations,
            time_limit,
            preconditioner,
            ..
        } = SolveOptions::default();
        Self {
            call,
            source,
            variables: &[],
            guess: None,
            options: CallOptions::default(),
            solver: Settings {
                alpha,
                tolerance,
                max_iterations,
                time_limit,
                preconditioner,
                keep_preconditioner: false,
            },
        }
    }

    option_methods!();

    /// The formula as compiled.
    pub fn formula(&self) -> &'static str {
        self.call.signature.formula
    }

    /// As [`System::alpha`].
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.solver.alpha = alpha;
        self
    }

    /// As [`System::eps`].
    pub fn eps(self, eps: f64) -> Self {
        self.tolerance(Tolerance::Rms(eps))
    }

    /// As [`System::tolerance`].
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.solver.tolerance = tolerance;
        self
    }

    /// As [`System::max_iterations`], for each element.
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.solver.max_iterations = Some(iterations);
        self
    }

    /// As [`System::time_limit`], for each element.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.solver.time_limit = Some(limit);
        self
    }

    /// Approximations of the solutions to start from, of shape `(batch.., n, columns)`, broadcast as the other arrays are; zero if not set.
    pub fn guess<U: Element>(mut self, guess: impl IntoBatch<'a, U>) -> Self {
        self.guess = Some(guess.into_batch());
        self
    }

    /// As [`System::preconditioner`], for each element.
    pub fn preconditioner(mut self, preconditioner: Preconditioner<'a>) -> Self {
        self.solver.preconditioner = preconditioner;
        self
    }

    /// Solves the systems of all elements.
    ///
    /// # Errors
    /// [`BatchSolveError::Input`] if arrays or options do not fit, [`BatchSolveError::Element`] if those of an element do not make up a system,
    /// [`BatchSolveError::Unconverged`], after all elements were tried, if some do not meet the tolerance.
    pub fn solve(self) -> Result<BatchSolution<T>, BatchSolveError<T>> {
        let (solution, _) = self.solve_and_keep()?;
        Ok(solution)
    }

    pub(super) fn solve_and_keep(&self) -> Result<(BatchSolution<T>, Extents), BatchSolveError<T>> {
        let extents = self.extents()?;
        if let Some(guess) = &self.guess {
            check_guess(guess, &extents)?;
        }
        let solve = |element| Ok((self.system(&extents.position(element), true).solve()?, ()));
        let (solutions, _) = self.each(&extents, solve)?;
        Ok((solutions, extents))
    }

    fn extents(&self) -> Result<Extents, Error> {
        let extents = self.call.extents()?;
        match &self.source {
            Source::Formula(..) => Ok(extents),
            Source::Matrices(b, _) => {
                let rows = extents.sizes.i;
                let (extents, _) = extents.with_vectors("the right-hand side", b.shape(), rows)?;
                Ok(extents)
            }
        }
    }

    /// The system of an element, with its guess if it is wanted.
    pub(super) fn system(&self, position: &[usize], guessed: bool) -> System<'a, T, G> {
        let call = self.call.element(position);
        let mut system = match &self.source {
            Source::Formula(unknown, make) => {
                make(call.signature, call.arguments, call.captured, *unknown)
            }
            Source::Matrices(b, make) => {
                make(call, self.options.clone(), b.element(position, false))
            }
        };
        system.options = self.options.clone();
        system.solver = self.solver.options();
        let guess = self.guess.as_ref().filter(|_| guessed);
        system.guess = guess.map(|guess| guess.element(position, false));
        system
    }

    /// What `solve` finds for each element, in parallel.
    pub(super) fn each<R: Send>(
        &self,
        extents: &Extents,
        solve: impl Fn(usize) -> Result<(Solution<T>, R), SolveError<T>> + Send + Sync,
    ) -> Result<(BatchSolution<T>, Vec<R>), BatchSolveError<T>> {
        // Before all are solved in vain.
        memory::check::<T>("the solutions", &self.shape(extents))?;
        let outcomes: Vec<_> = (0..extents.elements).into_par_iter().map(solve).collect();
        let (mut elements, mut others) = (Vec::with_capacity(outcomes.len()), Vec::new());
        let mut failures = Vec::new();
        for (element, outcome) in outcomes.into_iter().enumerate() {
            let index = extents.position(element);
            match outcome {
                Ok((solution, other)) => {
                    elements.push(solution);
                    others.push(other);
                }
                Err(SolveError::Unconverged(unconverged)) => {
                    failures.push((index, unconverged.reason));
                    elements.push(unconverged.best);
                }
                Err(SolveError::Input(error)) => {
                    return Err(BatchSolveError::Element { index, error });
                }
            }
        }
        let best = self.gather(extents, elements)?;
        if failures.is_empty() {
            return Ok((best, others));
        }
        let unconverged = UnconvergedBatch { failures, best };
        Err(BatchSolveError::Unconverged(Box::new(unconverged)))
    }

    /// The shape of the solutions of all elements.
    fn shape(&self, extents: &Extents) -> Vec<usize> {
        // Of the points of the unknown, i or j, there are as many as of the others.
        let columns = match &self.source {
            Source::Formula(unknown, _) => self.call.signature.aliases[*unknown].dim,
            Source::Matrices(b, _) => b.shape().last().copied().unwrap_or(1),
        };
        [extents.batch.as_slice(), &[extents.sizes.i, columns]].concat()
    }

    /// The solutions of all elements in one array.
    fn gather(
        &self,
        extents: &Extents,
        elements: Vec<Solution<T>>,
    ) -> Result<BatchSolution<T>, Error> {
        let full = self.shape(extents);
        let refused = |_| Error::Shape {
            name: "the solutions".into(),
            expected: "an array that fits into memory".into(),
            shape: shape(&full),
        };
        let values = elements
            .iter()
            .flat_map(|solution| solution.values.iter().copied());
        let values = ArrayD::from_shape_vec(IxDyn(&full), values.collect()).map_err(refused)?;
        let elements = ArrayD::from_shape_vec(IxDyn(&extents.batch), elements).map_err(refused)?;
        Ok(BatchSolution { values, elements })
    }
}

/// Refuses a guess that cannot be broadcast to the batch. Its other dimensions are checked with each element.
fn check_guess(guess: &BatchArgument<'_>, extents: &Extents) -> Result<(), Error> {
    let found = guess.shape();
    let leading = &found[..found.len().saturating_sub(2)];
    let fits = leading.len() <= extents.batch.len()
        && leading
            .iter()
            .rev()
            .zip(extents.batch.iter().rev())
            .all(|(&length, &batch)| length == batch || length == 1);
    if found.len() >= 2 && fits {
        return Ok(());
    }
    Err(Error::Shape {
        name: "the guess".into(),
        expected: format!(
            "an array with two dimensions behind batch dimensions that fit into {}",
            shape(&extents.batch)
        ),
        shape: shape(found),
    })
}

impl<T, G> fmt::Debug for SystemBatch<'_, T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemBatch")
            .field("formula", &self.call.signature.formula)
            .field("options", &self.options)
            .field("solver", &self.solver)
            .finish_non_exhaustive()
    }
}

//! Linear systems of kernels, on their way to the solver.

use core::fmt;
use core::ops::ControlFlow;
use std::time::Duration;

use ndarray::Array2;

use super::kernel_matrix::{KernelMatrix, MatrixCode};
use super::operator::MatrixOperator;
use super::{Call, Orientation};
use crate::Error;
use crate::input::{Argument, Element, IntoPoints};
use crate::kernel::Kernel;
use crate::options::{CallOptions, option_methods};
use crate::signature::{AliasInfo, Category, Signature};
use crate::solve::{
    Failure, IterationState, LinearOperator, LowRank, Part, Preconditioner, RidgePath, Solution,
    SolveError, SolveOptions, Tolerance, solve, solve_path,
};

pub(super) type Operator<'a> = Box<dyn LinearOperator + 'a>;
type MakeOperator<'a> = fn(&Call<'a>, &CallOptions) -> Result<Operator<'a>, Error>;

/// A system `(alpha Id + K) a = b` with its arrays: what the `bind` of `kernel_solve!` and
/// [`SymbolicMatrix::rhs`](super::SymbolicMatrix::rhs) return. [`solve`](Self::solve) solves it.
///
/// `K` is the matrix `K_ij = k(x_i, x_j)` of a kernel, or of blocks `M(x_i, x_j)` of a matrix-valued one; it is never
/// stored. The columns of `b` are independent systems, except for a matrix-valued kernel, which couples them into one.
/// Products inside a solve accumulate in double precision, whatever [`accumulate`](Self::accumulate) says.
/// `G` is [`Adjoint`](super::Adjoint) where the macro has the option `grad = [..]`; such a system has a
/// method `forward` too.
#[must_use = "a system is solved by `solve`"]
pub struct System<'a, T, G = ()> {
    /// What the operator is made of.
    pub(super) inputs: Call<'a>,
    operator: MakeOperator<'a>,
    /// What the right-hand side must look like.
    pub(super) unknown: AliasInfo,
    pub(super) rhs: Argument<'a>,
    pub(super) guess: Option<Argument<'a>>,
    pub(super) options: CallOptions,
    pub(super) solver: SolveOptions<'a>,
    gradients: G,
    element: core::marker::PhantomData<T>,
}

impl<'a, T: Element> System<'a, T> {
    /// For expansions: a formula `k(x_i, y_j) * b` whose scalar kernel `k` is `K`. `unknown` is the position of `b`, and
    /// `W` of its columns are multiplied together.
    #[doc(hidden)]
    pub fn of_scalar_kernel<K: Kernel, O: Orientation, const W: usize>(
        signature: &'static Signature,
        arguments: Vec<Argument<'a>>,
        captured: Vec<f64>,
        unknown: usize,
    ) -> Self {
        Self::of_formula(
            signature,
            arguments,
            captured,
            unknown,
            scalar_operator::<T, K, O, W>,
        )
    }

    /// For expansions: a formula `M(x_i, y_j) b` with a matrix-valued kernel; `K` is the formula.
    #[doc(hidden)]
    pub fn of_matrix_kernel<K: Kernel, O: Orientation>(
        signature: &'static Signature,
        arguments: Vec<Argument<'a>>,
        captured: Vec<f64>,
        unknown: usize,
    ) -> Self {
        Self::of_formula(
            signature,
            arguments,
            captured,
            unknown,
            matrix_operator::<T, K, O>,
        )
    }

    fn of_formula(
        signature: &'static Signature,
        arguments: Vec<Argument<'a>>,
        captured: Vec<f64>,
        unknown: usize,
        operator: MakeOperator<'a>,
    ) -> Self {
        let rhs = arguments[unknown].clone();
        let call = Call {
            signature,
            arguments,
            captured,
            unknown: Some(unknown),
        };
        Self::new(call, operator, signature.aliases[unknown], rhs)
    }

    /// A symbolic matrix and a right-hand side.
    pub(super) fn of_matrix<K: Kernel, O: Orientation>(
        call: Call<'a>,
        options: CallOptions,
        rhs: impl IntoPoints<'a, T>,
    ) -> Self {
        let rhs = rhs.into_points(1).into_vectors(call.count(Category::I));
        Self::of_matrix_and::<K, O>(call, options, rhs)
    }

    /// A symbolic matrix and right-hand sides.
    pub(super) fn of_matrix_and<K: Kernel, O: Orientation>(
        call: Call<'a>,
        options: CallOptions,
        rhs: Argument<'a>,
    ) -> Self {
        // A right-hand side may have any number of columns.
        let dim = match &rhs {
            Argument::Points(points) => points.columns(),
            _ => 1,
        };
        let unknown = AliasInfo {
            name: "the right-hand side",
            category: Category::J,
            dim,
        };
        Self {
            options,
            ..Self::new(call, scalar_operator::<T, K, O, 0>, unknown, rhs)
        }
    }

    fn new(
        inputs: Call<'a>,
        operator: MakeOperator<'a>,
        unknown: AliasInfo,
        rhs: Argument<'a>,
    ) -> Self {
        Self {
            inputs,
            operator,
            unknown,
            rhs,
            guess: None,
            options: CallOptions::default(),
            solver: SolveOptions::default(),
            gradients: (),
            element: core::marker::PhantomData,
        }
    }

    /// The same system with gradients.
    pub(super) fn map_gradients<G>(self, gradients: G) -> System<'a, T, G> {
        System {
            inputs: self.inputs,
            operator: self.operator,
            unknown: self.unknown,
            rhs: self.rhs,
            guess: self.guess,
            options: self.options,
            solver: self.solver,
            gradients,
            element: self.element,
        }
    }
}

impl<'a, T: Element, G> System<'a, T, G> {
    option_methods!();

    /// The formula as compiled.
    pub fn formula(&self) -> &'static str {
        self.inputs.signature.formula
    }

    /// The multiple `alpha >= 0` of the identity that is added to the matrix (ridge, nugget, noise variance); 1e-10 if
    /// not set. The matrix must be positive semidefinite by itself: one that is not is refused, whatever `alpha` adds.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.solver.alpha = alpha;
        self
    }

    /// The tolerance `Rms(eps)`: every column's residual has a root mean square of at most `eps`; 1e-6 if not set.
    pub fn eps(self, eps: f64) -> Self {
        self.tolerance(Tolerance::Rms(eps))
    }

    /// When a column is good enough.
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.solver.tolerance = tolerance;
        self
    }

    /// The largest number of iterations; if not set, ten times the number of unknowns, but at least 100 and at most
    /// 20 000.
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.solver.max_iterations = Some(iterations);
        self
    }

    /// The time after which no further iteration is begun; none if not set.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.solver.time_limit = Some(limit);
        self
    }

    /// An approximation of the solution to start from, of the shape of the right-hand side; zero if not set.
    pub fn guess<U: Element>(mut self, guess: impl IntoPoints<'a, U>) -> Self {
        self.guess = Some(guess.into_points(self.unknown.dim));
        self
    }

    /// The preconditioner; [`Preconditioner::Auto`] if not set, which is made of entries of the matrix where that pays. A matrix-valued
    /// kernel has none but the caller's own.
    pub fn preconditioner(mut self, preconditioner: Preconditioner<'a>) -> Self {
        self.solver.preconditioner = preconditioner;
        self
    }

    /// Has the solution hold the factorisation that it was preconditioned with, in [`Solution::low_rank`].
    pub fn keep_preconditioner(mut self) -> Self {
        self.solver.keep_preconditioner = true;
        self
    }

    /// Makes the preconditioner of the matrix without solving, to be used for several systems by [`Preconditioner::Built`]; see
    /// [`LowRank::new`] for what [`preconditioner`](Self::preconditioner) may be.
    ///
    /// # Errors
    /// As for [`solve`](Self::solve) where arrays or options do not fit, and for [`LowRank::new`].
    pub fn build_preconditioner(self) -> Result<LowRank, Error> {
        let operator = self.operator()?;
        LowRank::new(&*operator, self.solver.alpha, self.solver.preconditioner)
    }

    /// Renews a preconditioner that was built for other parameters or other points, with the same pivots; see
    /// [`LowRank::refreshed`].
    ///
    /// # Errors
    /// As for [`build_preconditioner`](Self::build_preconditioner).
    pub fn refresh_preconditioner(self, built: &LowRank) -> Result<LowRank, Error> {
        let operator = self.operator()?;
        built.with_alpha(self.solver.alpha)?.refreshed(&*operator)
    }

    /// A function that is called before the first iteration and after each; [`ControlFlow::Break`] ends the solve.
    pub fn on_iteration(
        mut self,
        callback: impl FnMut(&IterationState<'_>) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.solver.on_iteration = Some(Box::new(callback));
        self
    }

    /// Solves the system by conjugate gradients; see [`solve`](crate::solve::solve()) for what is computed, what
    /// converged means, and what is returned.
    ///
    /// # Errors
    /// [`SolveError::Input`] if arrays or options do not fit, or if the two sides of the kernel are bound to different
    /// points, which makes the matrix unsymmetric, or if NaN or an infinity in an array made the matrix so; [`SolveError::Unconverged`] with the best iterate if a column does not
    /// meet the tolerance.
    pub fn solve(self) -> Result<Solution<T>, SolveError<T>> {
        let (_, solution, _) = self.solve_and_keep()?;
        Ok(solution)
    }

    /// Solves the system for every `alpha` of a list, for less than the price of one by one; see [`solve_path`]. The `alpha` and the guess of the
    /// system are not used.
    ///
    /// # Errors
    /// [`Error`] if arrays or options do not fit; the outcome for each `alpha` is an entry of the path.
    pub fn solve_path(self, alphas: &[f64]) -> Result<RidgePath<T>, Error> {
        let operator = self.operator()?;
        self.unknown.check(&self.rhs)?;
        let b = widened(&self.rhs)?.mapv(T::from_f64);
        solve_path(&*operator, b.view(), alphas, self.solver)
    }

    pub(super) fn operator(&self) -> Result<Operator<'a>, Error> {
        (self.operator)(&self.inputs, &self.options)
    }

    /// The operator, the options of calls, and the gradients.
    pub(super) fn into_operator(self) -> Result<(Operator<'a>, CallOptions, G), Error> {
        let operator = self.operator()?;
        Ok((operator, self.options, self.gradients))
    }

    /// Solves, and hands back what was needed for it.
    pub(super) fn solve_and_keep(self) -> Result<(Operator<'a>, Solution<T>, G), SolveError<T>> {
        let operator = self.operator()?;
        self.unknown.check(&self.rhs)?;
        let b = widened(&self.rhs)?;
        let guess = match &self.guess {
            None => None,
            Some(guess) => {
                self.unknown.named("the guess").check(guess)?;
                Some(widened(guess)?)
            }
        };
        let b = b.mapv(T::from_f64);
        let solution = solve(
            &*operator,
            b.view(),
            guess.as_ref().map(|guess| guess.view()),
            self.solver,
        );
        if let Err(error) = &solution {
            name_not_finite(&self.inputs, error)?;
        }
        let solution = solution?;
        Ok((operator, solution, self.gradients))
    }
}

impl<T, G> fmt::Debug for System<'_, T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("formula", &self.inputs.signature.formula)
            .field("unknown", &self.unknown.name)
            .field("options", &self.options)
            .field("solver", &self.solver)
            .finish_non_exhaustive()
    }
}

/// The matrix of a scalar kernel.
fn scalar_operator<'a, T: Element, K: Kernel, O: Orientation, const W: usize>(
    call: &Call<'a>,
    options: &CallOptions,
) -> Result<Operator<'a>, Error> {
    let code = const { &MatrixCode::of::<T, K, O, W>() };
    operator_of::<O>(code, K::SYMMETRIC, call, options)
}

/// The matrix with this code.
fn operator_of<'a, O: Orientation>(
    code: &'static MatrixCode,
    symmetric: Option<&'static [(usize, usize)]>,
    call: &Call<'a>,
    options: &CallOptions,
) -> Result<Operator<'a>, Error> {
    call.check_symmetry(symmetric, options)?;
    let operator = KernelMatrix::new::<O>(code, call, options)?;
    match operator.stored() {
        Some(matrix) => Ok(Box::new(matrix)),
        None => Ok(Box::new(operator)),
    }
}

/// The matrix of a matrix-valued kernel.
fn matrix_operator<'a, T: Element, K: Kernel, O: Orientation>(
    call: &Call<'a>,
    options: &CallOptions,
) -> Result<Operator<'a>, Error> {
    call.check_symmetry(K::SYMMETRIC, options)?;
    Ok(Box::new(MatrixOperator::<T, K, O>::new(
        call.clone(),
        options,
    )?))
}

/// Finds the array in which NaN or an infinity spoils the matrix, if that is what has gone wrong.
///
/// # Errors
/// [`Error::NotFinite`] with its name.
pub(super) fn name_not_finite<T: Element>(
    inputs: &Call<'_>,
    error: &SolveError<T>,
) -> Result<(), Error> {
    match error {
        SolveError::Unconverged(unconverged) => match unconverged.reason {
            Failure::NonFinite {
                part: Part::Operator,
                ..
            } => inputs.check_finite(),
            _ => Ok(()),
        },
        SolveError::Input(_) => Ok(()),
    }
}

/// The points in double precision; empty for what is no array.
///
/// # Errors
/// Those of the device that they are copied from.
pub(super) fn widened(argument: &Argument<'_>) -> Result<Array2<f64>, Error> {
    match argument {
        Argument::Points(points) => points.to_f64(),
        _ => Ok(Array2::zeros((0, 0))),
    }
}

//! A system that was solved and can be differentiated.

use super::gradient::{Arrays, Beside, Differentiable, Pass, Sums, rounded};
use super::operator::in_solve;
use super::system::Operator;
use super::{Call, Orientation, System};
use crate::Error;
use crate::input::{Argument, Element};
use crate::options::CallOptions;
use crate::signature::Signature;
use crate::solve::{
    LinearOperator, Preconditioner, Solution, SolveError, SolveOptions, Tolerance, solve,
};
use core::fmt;
use core::marker::PhantomData;
use ndarray::{Array2, ArrayView2};

/// Computes the gradients by `N` variables.
type Compute<const N: usize> =
    for<'p, 'a> fn(&'p Pass<'a>, Beside<'p>) -> Result<[Array2<f64>; N], Error>;

fn compute<'p, T: Element, K: Differentiable<N>, const N: usize>(
    pass: &'p Pass<'_>,
    beside: Beside<'p>,
) -> Result<[Array2<f64>; N], Error> {
    Sums::<T>::compute::<K, N>(pass, beside)
}

/// The gradients of a [`System`] whose macro has the option `grad = [..]` with `N` variables.
pub struct Adjoint<'a, T, const N: usize> {
    call: Call<'a>,
    axis: usize,
    /// The position of the unknown, and those of the variables.
    unknown: usize,
    variables: [usize; N],
    compute: Compute<N>,
    element: PhantomData<T>,
}

impl<T, const N: usize> fmt::Debug for Adjoint<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adjoint<{N}>")
    }
}

impl<'a, T: Element> System<'a, T> {
    /// For expansions: the same system with gradients by the variables of `K`, whose formulas take the unknown at the
    /// position `unknown`.
    #[doc(hidden)]
    pub fn with_gradients<K: Differentiable<N>, O: Orientation, const N: usize>(
        self,
        signature: &'static Signature,
        arguments: Vec<Argument<'a>>,
        captured: Vec<f64>,
        unknown: usize,
    ) -> System<'a, T, Adjoint<'a, T, N>> {
        let call = Call {
            signature,
            arguments,
            captured,
            unknown: Some(unknown),
        };
        self.map_gradients(Adjoint {
            call,
            axis: O::AXIS,
            unknown,
            variables: K::VARIABLES,
            compute: compute::<T, K, N>,
            element: PhantomData,
        })
    }
}

/// The solution of a system, and its gradients by `N` variables: what [`System::forward`] returns.
#[non_exhaustive]
pub struct ForwardSolve<'a, T, const N: usize> {
    /// What [`System::solve`] returns.
    pub solution: Solution<T>,
    operator: Operator<'a>,
    options: CallOptions,
    solver: SolveOptions<'a>,
    adjoint: Adjoint<'a, T, N>,
}

/// The gradients of a function of the solution of a system: what [`ForwardSolve::pullback`] returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemGradients<T, const N: usize> {
    /// Those by the variables of `grad = [..]`, in that order and of the shapes of their arrays, which is `(1, dimension)` for a
    /// parameter.
    pub aliases: [Array2<T>; N],
    /// That by `alpha`.
    pub alpha: f64,
    /// The solution `lambda` of the adjoint system, and the report on it.
    pub adjoint: Solution<T>,
}

impl<'a, T: Element, const N: usize> System<'a, T, Adjoint<'a, T, N>> {
    /// Solves the system as [`solve`](Self::solve) does, and keeps what the gradients by the variables in `grad = [..]` need,
    /// the preconditioner among it.
    ///
    /// # Errors
    /// Those of [`solve`](Self::solve); a system that was not solved has no gradients.
    pub fn forward(mut self) -> Result<ForwardSolve<'a, T, N>, SolveError<T>> {
        self.solver.keep_preconditioner = true;
        let options = self.options.clone();
        let solver = self.solver.without_callback();
        let (operator, solution, adjoint) = self.solve_and_keep()?;
        Ok(ForwardSolve {
            solution,
            operator,
            options,
            solver,
            adjoint,
        })
    }
}

impl<'a, T: Element, const N: usize> System<'a, T, Adjoint<'a, T, N>> {
    /// The solution of the adjoint system, and the gradients by the variables in double precision, for a system that has been solved.
    pub(super) fn pullback(
        self,
        solution: &Solution<T>,
        e: ArrayView2<'_, T>,
    ) -> Result<(Solution<T>, [Array2<f64>; N]), SolveError<T>> {
        let solver = self.solver.without_callback();
        let (operator, options, adjoint) = self.into_operator()?;
        adjoint.pullback(&*operator, &options, solver, solution, e)
    }
}

impl<T: Element, const N: usize> Adjoint<'_, T, N> {
    fn pullback<'s>(
        &self,
        operator: &dyn LinearOperator,
        options: &CallOptions,
        mut solver: SolveOptions<'s>,
        solution: &'s Solution<T>,
        e: ArrayView2<'_, T>,
    ) -> Result<(Solution<T>, [Array2<f64>; N]), SolveError<T>> {
        let values = &solution.values_f64;
        check(e, values)?;
        if let Some(built) = &solution.low_rank {
            solver.preconditioner = Preconditioner::Built(built);
        }
        solver.tolerance = for_adjoint(solver.tolerance, solution, e);
        let adjoint = solve(operator, e, None, solver)?;
        let lambda = &adjoint.values_f64;
        let gradients = self.of_kernels(options, [lambda.view(), values.view()])?;
        Ok((adjoint, gradients))
    }
}

impl<T, const N: usize> Adjoint<'_, T, N> {
    /// The gradients of `sum(lambda * K a)`, times -1, for vectors `lambda` and `a`.
    fn of_kernels(
        &self,
        options: &CallOptions,
        [lambda, a]: [ArrayView2<'_, f64>; 2],
    ) -> Result<[Array2<f64>; N], Error> {
        let (pass, e) = product_of(&self.call, options, self.axis, lambda)?;
        let beside = Beside::System {
            e: e.view(),
            solution: a,
        };
        let mut gradients = (self.compute)(&pass, beside)?;
        set(&mut gradients, &self.variables, self.unknown, lambda);
        Ok(gradients)
    }
}

/// The product of a solve, as what is differentiated, and its adjoint, `-lambda`.
fn product_of<'a>(
    call: &Call<'a>,
    options: &CallOptions,
    axis: usize,
    lambda: ArrayView2<'_, f64>,
) -> Result<(Pass<'a>, Array2<f64>), Error> {
    call.check_on_host("gradients are computed from arrays")?;
    let sizes = call.sizes()?;
    let pass = Pass {
        sizes,
        pattern: options.pattern(axis, sizes)?,
        arrays: Arrays::One(call.clone()),
        axis,
        hardware: options.resolve()?,
        options: in_solve(options),
    };
    Ok((pass, lambda.mapv(|lambda| -lambda)))
}

/// Sets the gradient by the unknown, if it is wanted. The right-hand side stands in no formula: its gradient is the adjoint solution.
fn set(
    gradients: &mut [Array2<f64>],
    variables: &[usize],
    unknown: usize,
    lambda: ArrayView2<'_, f64>,
) {
    for (&variable, gradient) in variables.iter().zip(gradients) {
        if variable == unknown {
            *gradient = lambda.to_owned();
        }
    }
}

/// The tolerance of an adjoint system: where `e` is smaller than the right-hand side, an absolute one is smaller by as much, so that gradients have the digits
/// that the solution has.
fn for_adjoint<T: Element>(
    tolerance: Tolerance,
    solution: &Solution<T>,
    e: ArrayView2<'_, T>,
) -> Tolerance {
    let n = e.nrows() as f64;
    let squares = solution.columns.iter().filter(|c| c.relative > 0.0);
    let b = (n * squares.map(|c| (c.rms / c.relative).powi(2)).sum::<f64>()).sqrt();
    let largest = e.iter().fold(0.0_f64, |most, x| most.max(x.to_f64().abs()));
    if !(b > 0.0 && b.is_finite() && largest > 0.0) {
        return tolerance;
    }
    let square: f64 = e.iter().map(|x| (x.to_f64() / largest).powi(2)).sum();
    let ratio = (largest * square.sqrt() / b).min(1.0);
    let smaller = |tolerance: f64| (ratio * tolerance).max(f64::MIN_POSITIVE);
    match tolerance {
        Tolerance::Rms(e) if e > 0.0 => Tolerance::Rms(smaller(e)),
        Tolerance::Absolute(e) if e > 0.0 => Tolerance::Absolute(smaller(e)),
        Tolerance::Prediction(e) if e > 0.0 => Tolerance::Prediction(smaller(e)),
        other => other,
    }
}

/// The gradient by `alpha`, of a solution and that of the adjoint system.
pub(super) fn by_alpha<T>(adjoint: &Solution<T>, solution: &Solution<T>) -> f64 {
    -(&adjoint.values_f64 * &solution.values_f64).sum()
}

impl<T: Element, const N: usize> ForwardSolve<'_, T, N> {
    /// The gradients of `sum(e * a)`, the product being elementwise, where `a` is the solution; `e` has its shape.
    ///
    /// The adjoint system `(alpha Id + K) lambda = e` is solved with the options of the first one (the same tolerance and limits, but
    /// no guess and no callback) and with its preconditioner, which is not made anew. Then, with the products summed over right-hand sides and components,
    ///
    /// - by the right-hand side: `lambda`,
    /// - by `alpha`: `-sum_i lambda_i . a_i`,
    /// - by any other variable `v`: `-sum_ij lambda_i . dF(x_i, y_j, a_j)/dv`, the pullback of the sum that `K a` is.
    ///
    /// The points of a system are bound twice, once for each index, and each of the two variables gets the gradient of its own role:
    /// the gradient by the points is the sum of both. With `assume_symmetric`, the matrix is taken to be
    /// symmetric here too. Iterates stay in double precision; the error of the gradients is that of `a` and `lambda`. Where `e` is smaller than the right-hand side,
    /// the tolerance is smaller by as much; where it is larger, an absolute one is what it was, and more than is needed
    /// ([`Tolerance::Relative`](crate::solve::Tolerance::Relative) suits both).
    ///
    /// # Errors
    /// [`SolveError::Input`] if `e` has another shape or is not finite, [`SolveError::Unconverged`] with the best iterate if the adjoint
    /// system is not solved to the tolerance.
    pub fn pullback<'e>(
        &self,
        e: impl Into<ArrayView2<'e, T>>,
    ) -> Result<SystemGradients<T, N>, SolveError<T>> {
        let (adjoint, gradients) = self.adjoint.pullback(
            &*self.operator,
            &self.options,
            self.solver.without_callback(),
            &self.solution,
            e.into(),
        )?;
        Ok(SystemGradients {
            aliases: rounded(gradients),
            alpha: by_alpha(&adjoint, &self.solution),
            adjoint,
        })
    }
}

/// Refuses an `e` that is not of the shape of the solution, or not finite.
fn check<T: Element>(e: ArrayView2<'_, T>, values: &Array2<f64>) -> Result<(), Error> {
    if e.dim() != values.dim() {
        return Err(Error::Shape {
            name: "e".into(),
            expected: format!(
                "shape {}, that of the solution",
                crate::error::shape(values.shape())
            ),
            shape: crate::error::shape(e.shape()),
        });
    }
    let mut entries = e
        .indexed_iter()
        .map(|(place, value)| (place, value.to_f64()));
    match entries.find(|(_, value)| !value.is_finite()) {
        Some(((row, column), value)) => Err(Error::NotFinite {
            name: "e".into(),
            value,
            row,
            column,
        }),
        None => Ok(()),
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for ForwardSolve<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardSolve")
            .field("solution", &self.solution)
            .field("options", &self.options)
            .field("solver", &self.solver)
            .finish_non_exhaustive()
    }
}

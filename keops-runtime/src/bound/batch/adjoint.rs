//! Systems of a batch that were solved and can be differentiated.

use super::{BatchSolution, BatchSolveError, Extents, SystemBatch};
use crate::Error;
use crate::bound::adjoint::{Adjoint, by_alpha};
use crate::bound::forward_batch::of_array;
use crate::bound::gradient::Differentiable;
use crate::error::shape;
use crate::input::{Element, element_view};
use core::fmt;
use ndarray::{Array2, ArrayBase, ArrayD, Axis, Data, Dimension, Ix2, concatenate};

/// The solutions of a batch of systems, and their gradients by `N` variables: what [`SystemBatch::forward`] returns.
#[non_exhaustive]
pub struct ForwardSolveBatch<'a, T, const N: usize> {
    /// What [`SystemBatch::solve`] returns.
    pub solution: BatchSolution<T>,
    systems: SystemBatch<'a, T, Adjoint<'a, T, N>>,
    extents: Extents,
}

/// The gradients of a function of the solutions of a batch of systems: what [`ForwardSolveBatch::pullback`] returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemBatchGradients<T, const N: usize> {
    /// Those by the variables of `grad = [..]`, in that order and of the shapes of their arrays, which is `(1,)` for a number. Where an array was
    /// broadcast, its gradient is the sum over the elements that it took part in, in double precision.
    pub aliases: [ArrayD<T>; N],
    /// That by `alpha`, the sum over all elements.
    pub alpha: f64,
    /// The solutions of the adjoint systems, and the reports on them.
    pub adjoint: BatchSolution<T>,
}

impl<'a, T: Element, const N: usize> SystemBatch<'a, T, Adjoint<'a, T, N>> {
    /// For expansions: the same systems, whose gradients are those by the variables of `K`.
    #[doc(hidden)]
    pub fn with_gradients<K: Differentiable<N>>(mut self) -> Self {
        self.variables = const { &K::VARIABLES };
        self
    }

    /// Solves the systems as [`solve`](Self::solve) does, and keeps what the gradients by the variables in `grad = [..]` need, the preconditioners
    /// among it.
    ///
    /// # Errors
    /// Those of [`solve`](Self::solve); systems that were not solved have no gradients.
    pub fn forward(mut self) -> Result<ForwardSolveBatch<'a, T, N>, BatchSolveError<T>> {
        self.solver.keep_preconditioner = true;
        let (solution, extents) = self.solve_and_keep()?;
        Ok(ForwardSolveBatch {
            solution,
            systems: self,
            extents,
        })
    }
}

impl<T: Element, const N: usize> ForwardSolveBatch<'_, T, N> {
    /// The gradients of `sum(e * a)`, as [`ForwardSolve::pullback`](crate::ForwardSolve::pullback) computes them for one system, where `a` are the
    /// solutions; `e` has the shape of their values. Each adjoint system is solved by itself.
    ///
    /// # Errors
    /// [`BatchSolveError::Input`] if `e` has another shape, [`BatchSolveError::Element`] if it is not finite,
    /// [`BatchSolveError::Unconverged`], after all elements were tried, if some adjoint systems are not solved to the tolerance.
    pub fn pullback<S: Data<Elem = T>, D: Dimension>(
        &self,
        e: &ArrayBase<S, D>,
    ) -> Result<SystemBatchGradients<T, N>, BatchSolveError<T>> {
        let (values, extents) = (&self.solution.values, &self.extents);
        let e = e.view().into_dyn();
        let refused = || Error::Shape {
            name: "e".into(),
            expected: format!("shape {}, that of the solutions", shape(values.shape())),
            shape: shape(e.shape()),
        };
        if e.shape() != values.shape() {
            return Err(refused().into());
        }
        let solutions: Vec<_> = self.solution.elements.iter().collect();
        let pull = |element: usize| {
            let (position, solution) = (extents.position(element), solutions[element]);
            let e = element_view(&e, &position, 2).into_dimensionality::<Ix2>();
            let e = e.map_err(|_| refused())?;
            let system = self.systems.system(&position, false);
            let (adjoint, gradients) = system.pullback(solution, e)?;
            let by_alpha = by_alpha(&adjoint, solution);
            Ok((adjoint, (gradients, by_alpha)))
        };
        let (adjoint, gradients) = self.systems.each(extents, pull)?;
        Ok(SystemBatchGradients {
            alpha: gradients.iter().map(|(_, alpha)| alpha).sum(),
            aliases: self.of_arrays(&gradients)?,
            adjoint,
        })
    }

    /// The gradients by the arrays of the variables, from those of all elements.
    fn of_arrays(
        &self,
        gradients: &[([Array2<f64>; N], f64)],
    ) -> Result<[ArrayD<T>; N], BatchSolveError<T>> {
        let (call, variables) = (&self.systems.call, self.systems.variables);
        let mut results = [const { None }; N];
        for (n, (result, &variable)) in results.iter_mut().zip(variables).enumerate() {
            let of_elements: Vec<_> = gradients.iter().map(|(by, _)| by[n].view()).collect();
            let of_elements = match of_elements[..] {
                [] => Array2::zeros((0, call.signature.aliases[variable].dim)),
                _ => concatenate(Axis(0), &of_elements).map_err(|_| Error::Shape {
                    name: "the gradients".into(),
                    expected: "arrays of one shape".into(),
                    shape: String::new(),
                })?,
            };
            *result = Some(of_array(call, &self.extents, variable, of_elements)?);
        }
        Ok(results.map(|result| result.unwrap_or_default().mapv_into_any(T::from_f64)))
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for ForwardSolveBatch<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardSolveBatch")
            .field("solution", &self.solution)
            .finish_non_exhaustive()
    }
}

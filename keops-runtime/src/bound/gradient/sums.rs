//! Gradients of sums and their relatives: every pair contributes.

use super::{Differentiable, GradientFormulas, Gradients, Pass};
use crate::Error;
use crate::bound::Orientation;
use crate::bound::operation::sum;
use crate::cpu::{Problem, TermsCode};
use crate::input::{Element, Input};
use crate::kernel::Kernel;
use crate::reduce::Sum;
use core::marker::PhantomData;
use ndarray::{Array2, ArrayView2};

/// What gradients read beside their variables.
#[derive(Clone, Copy)]
pub(in crate::bound) enum Beside<'p> {
    /// Of a reduction: these, for each row of the value.
    Rows(&'p [Input<'p>]),
    /// Of a system: `e` for each row, and the solution in the place of the unknown.
    System {
        e: ArrayView2<'p, f64>,
        solution: ArrayView2<'p, f64>,
    },
}

/// Sums gradients over all pairs, evaluating as arrays of `T` are evaluated.
pub(in crate::bound) struct Sums<'p, 'a, T> {
    gradients: Gradients<'p, 'a>,
    beside: Beside<'p>,
    /// The pairs of [`Differentiable::EXCHANGED`].
    exchanged: &'static [[usize; 2]],
    element: PhantomData<T>,
}

impl<'p, 'a, T: Element> Sums<'p, 'a, T> {
    /// The gradients by the variables of `K`.
    pub(in crate::bound) fn compute<K: Differentiable<N>, const N: usize>(
        pass: &'p Pass<'a>,
        beside: Beside<'p>,
    ) -> Result<[Array2<f64>; N], Error> {
        let mut sums = Self {
            gradients: Gradients::new(pass),
            beside,
            exchanged: K::EXCHANGED,
            element: PhantomData,
        };
        K::gradients(&mut sums)?;
        sums.gradients.finish(K::VARIABLES)
    }

    /// Takes terms whose components are the gradients by `variables`.
    fn add_terms<O: Orientation>(
        &mut self,
        terms: &TermsCode<T::Compute, Sum>,
        variables: &[usize],
    ) -> Result<(), Error> {
        let pass = self.gradients.pass;
        let own: Vec<_> = variables.iter().copied().map(Some).collect();
        match self.beside {
            Beside::Rows(of_rows) => {
                let problem = pass.problem::<O>(of_rows, None);
                self.add_sums(terms, &problem, variables, &own)
            }
            Beside::System { e, solution } => {
                self.add_of_system::<O>(terms, pass, [e, solution], variables, &own)?;
                if self.exchanged.is_empty() {
                    return Ok(());
                }
                let other = partners(self.exchanged, variables);
                let pass = pass.exchanged(self.exchanged);
                self.add_of_system::<O>(terms, &pass, [solution, e], variables, &other)
            }
        }
    }

    /// Adds the gradients of a system by `variables` as those by `targets`.
    fn add_of_system<O: Orientation>(
        &mut self,
        terms: &TermsCode<T::Compute, Sum>,
        pass: &Pass<'_>,
        [e, solution]: [ArrayView2<'_, f64>; 2],
        variables: &[usize],
        targets: &[Option<usize>],
    ) -> Result<(), Error> {
        let of_rows = [Input::F64(e)];
        let problem = pass.problem::<O>(&of_rows, Some(solution));
        self.add_sums(terms, &problem, variables, targets)
    }

    /// Adds the sums of a problem.
    fn add_sums(
        &mut self,
        terms: &TermsCode<T::Compute, Sum>,
        problem: &Problem<'_>,
        variables: &[usize],
        targets: &[Option<usize>],
    ) -> Result<(), Error> {
        let pass = self.gradients.pass;
        self.gradients.add(problem, variables, targets, &mut |out| {
            sum(terms, pass.hardware, &pass.options, problem, out)
        })
    }
}

impl<T: Element> GradientFormulas for Sums<'_, '_, T> {
    fn add<K: Kernel, O: Orientation>(&mut self, variables: &[usize]) -> Result<(), Error> {
        let terms = const { &TermsCode::<T::Compute, Sum>::of::<O::Pairing<K>>() };
        self.add_terms::<O>(terms, variables)
    }
}

/// The variables that trade places with these, where any does.
fn partners(pairs: &[[usize; 2]], variables: &[usize]) -> Vec<Option<usize>> {
    let partner = |&variable: &usize| {
        let mut sides = pairs.iter().flat_map(|&[i, j]| [(i, j), (j, i)]);
        sides.find_map(|(own, other)| (own == variable).then_some(other))
    };
    variables.iter().map(partner).collect()
}

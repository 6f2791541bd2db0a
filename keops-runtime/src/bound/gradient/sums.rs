//! Gradients of sums and their relatives: every pair contributes.

use super::{Differentiable, GradientFormulas, Gradients, Pass};
use crate::Error;
use crate::bound::Orientation;
use crate::bound::operation::sum;
use crate::cpu::Problem;
use crate::input::{Element, Input};
use crate::kernel::Kernel;
use core::marker::PhantomData;
use ndarray::{Array2, ArrayView2};

/// Sums gradients over all pairs, evaluating as arrays of `T` are evaluated.
pub(in crate::bound) struct Sums<'p, 'a, T> {
    gradients: Gradients<'p, 'a>,
    /// What a gradient reads of each row of the value, beside its variables.
    of_rows: &'p [Input<'p>],
    /// Values for the unknown of a system.
    unknown: Option<ArrayView2<'p, f64>>,
    element: PhantomData<T>,
}

impl<'p, 'a, T: Element> Sums<'p, 'a, T> {
    /// The gradients by the variables of `K`.
    pub(in crate::bound) fn compute<K: Differentiable<N>, const N: usize>(
        pass: &'p Pass<'a>,
        of_rows: &'p [Input<'p>],
        unknown: Option<ArrayView2<'p, f64>>,
    ) -> Result<[Array2<f64>; N], Error> {
        let mut sums = Self {
            gradients: Gradients::new(pass),
            of_rows,
            unknown,
            element: PhantomData,
        };
        K::gradients(&mut sums)?;
        sums.gradients.finish(K::VARIABLES)
    }
}

impl<T: Element> Sums<'_, '_, T> {
    /// Both ways to add a formula come here, so that its kernel is one.
    #[inline(never)]
    fn add_sums<K: Kernel, O: Orientation>(
        &mut self,
        problem: &Problem<'_>,
        variables: &[usize],
        targets: &[Option<usize>],
    ) -> Result<(), Error> {
        let pass = self.gradients.pass;
        self.gradients.add(problem, variables, targets, &mut |out| {
            sum::<O::Pairing<K>, T::Compute, f64>(pass.hardware, &pass.options, problem, out)
        })
    }
}

impl<T: Element> GradientFormulas for Sums<'_, '_, T> {
    fn add<K: Kernel, O: Orientation>(&mut self, variables: &[usize]) -> Result<(), Error> {
        let pass = self.gradients.pass;
        let problem = pass.problem::<O>(self.of_rows, self.unknown);
        let targets: Vec<_> = variables.iter().copied().map(Some).collect();
        self.add_sums::<K, O>(&problem, variables, &targets)
    }

    fn add_exchanged<K: Kernel, O: Orientation>(
        &mut self,
        variables: &[usize],
        targets: &[Option<usize>],
        pairs: &[[usize; 2]],
    ) -> Result<(), Error> {
        let (Some(unknown), [Input::F64(of_rows)]) = (self.unknown, self.of_rows) else {
            unreachable!("systems alone have such gradients");
        };
        let pass = self.gradients.pass.exchanged(pairs);
        let of_columns = [Input::F64(unknown)];
        let problem = pass.problem::<O>(&of_columns, Some(of_rows.reborrow()));
        self.add_sums::<K, O>(&problem, variables, targets)
    }
}

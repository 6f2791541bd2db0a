//! The reductions that a formula can be given, and the shapes of their results.

use crate::cpu::{self, Pairing, Problem};
use crate::input::Element;
use crate::options::{Accumulate, CallOptions, SumScheme};
use crate::reduce::{self, Scheme};
use crate::simd::{InstructionSet, Real};
use ndarray::{Array2, ArrayViewMut2};

/// A reduction as `genred!` names it.
pub trait Operation<T: Element>: Copy + Send + Sync + 'static {
    /// What it returns.
    type Output;
    /// Reduces the terms of `P`, each of `components` components.
    #[doc(hidden)]
    fn evaluate<P: Pairing>(
        self,
        isa: InstructionSet,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Self::Output;
}

/// `sum_j F(i, j)`, componentwise; 0 where there is no `j`. An array of shape `(rows, components)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

impl<T: Element> Operation<T> for Sum {
    type Output = Array2<T>;

    fn evaluate<P: Pairing>(
        self,
        isa: InstructionSet,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Array2<T> {
        let mut out = Array2::from_elem((problem.rows.count(), components), T::from_f64(0.0));
        sum::<P, T::Compute, T>(isa, options, problem, out.view_mut());
        out
    }
}

/// Writes `sum_j F(i, j)` to `out`, evaluating in `C`. Components beyond the columns of `out` are dropped.
pub(crate) fn sum<P: Pairing, C: Real, T: Element>(
    isa: InstructionSet,
    options: &CallOptions,
    problem: &Problem<'_>,
    out: ArrayViewMut2<'_, T>,
) {
    let terms_single = size_of::<C>() == size_of::<f32>();
    let single = match options.accumulate {
        Accumulate::Same => terms_single,
        Accumulate::F32 => true,
        Accumulate::F64 => false,
    };
    let scheme = match options.sum_scheme {
        SumScheme::Auto | SumScheme::Block => Scheme::Blocks,
        SumScheme::Direct if single == terms_single => Scheme::Running,
        SumScheme::Direct => Scheme::Terms,
        SumScheme::Kahan => Scheme::Compensated,
    };
    let reduction = reduce::Sum { scheme, single };
    cpu::reduce::<P, C, _>(isa, problem, reduction, |job| T::take_sums(job, out));
}

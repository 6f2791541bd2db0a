//! A symbolic matrix as a linear operator itself.

use super::operator::{KernelOperator, entry_cost, roundoff};
use super::{BoundMatrix, Orientation, SymbolicMatrix};
use crate::Error;
use crate::input::Element;
use crate::kernel::Kernel;
use crate::solve::{Entries, LinearOperator, OnDevice, OperatorError, Precision};
use ndarray::{ArrayView2, ArrayViewMut2};

/// For symmetric scalar formulas with the same points on both sides. Whether these fit is checked at every product and is its error where they
/// do not; [`SymbolicMatrix::operator`] checks it once.
impl<T: Element, K: Kernel, O: Orientation> LinearOperator for BoundMatrix<'_, T, K, O> {
    fn len(&self) -> usize {
        self.nrows()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        self.operator()?.apply(precision, v, out)
    }

    fn working_roundoff(&self) -> f64 {
        roundoff::<T>()
    }

    fn on_device(&self) -> Result<Option<OnDevice<'_>>, Error> {
        let operator = KernelOperator::<T, K, O>::new(&self.call.reborrow(), &self.options)?;
        self.call.check_symmetry(K::SYMMETRIC, &self.options)?;
        operator.into_device()
    }

    fn entries(&self) -> Option<&dyn Entries> {
        Some(self)
    }
}

impl<T: Element, K: Kernel, O: Orientation> Entries for BoundMatrix<'_, T, K, O> {
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        self.operator()?.compute_diagonal(out)
    }

    fn compute_rows(
        &self,
        rows: &[usize],
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        self.operator()?.compute_rows(rows, out)
    }

    fn cost(&self) -> f64 {
        entry_cost::<T, K>()
    }

    fn density(&self) -> f64 {
        self.operator().map_or(1.0, |operator| operator.density())
    }
}

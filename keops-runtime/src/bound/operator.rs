//! A symbolic matrix as the solver sees it.

use super::kernel_matrix::{KernelMatrix, MatrixCode};
use super::operation::sum;
use super::{Call, Orientation};
use crate::Error;
use crate::cpu::TermsCode;
use crate::input::{Element, Input};
use crate::kernel::Kernel;
use crate::options::{Accumulate, CallOptions, Hardware};
use crate::ranges::Pattern;
use crate::reduce::Sum;
use crate::signature::Sizes;
use crate::solve::{Entries, LinearOperator, OnDevice, OperatorError, Precision};
use core::marker::PhantomData;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::sync::Arc;

/// The matrix of a scalar kernel as a [`LinearOperator`].
///
/// The working precision is that of the element type `T`; in double precision the kernel is evaluated in `f64` from the
/// same data, which are widened tile by tile and never copied. Totals are accumulated in `f64` always. `W` is the number of
/// vectors that are multiplied together, where that is known while compiling; 0 leaves it open.
#[derive(Clone, Debug)]
pub struct KernelOperator<'a, T, K, O, const W: usize = 0> {
    matrix: KernelMatrix<'a>,
    kernel: PhantomData<(T, K, O)>,
}

/// The number of rows of a matrix that must have as many columns.
pub(super) fn square(sizes: Sizes) -> Result<usize, Error> {
    if sizes.i == sizes.j {
        return Ok(sizes.i);
    }
    Err(Error::Shape {
        name: "the matrix to solve with".into(),
        expected: "as many points i as points j".into(),
        shape: crate::error::shape(&[sizes.i, sizes.j]),
    })
}

/// The options of products inside a solve: totals in double precision.
pub(super) fn in_solve(options: &CallOptions) -> CallOptions {
    CallOptions {
        accumulate: Accumulate::F64,
        ..options.clone()
    }
}

/// The unit roundoff of the type in which arrays of `T` are evaluated.
pub(super) const fn roundoff<T: Element>() -> f64 {
    if size_of::<T::Compute>() == size_of::<f32>() {
        f32::EPSILON as f64 / 2.0
    } else {
        f64::EPSILON / 2.0
    }
}

impl<'a, T: Element, K: Kernel, O: Orientation, const W: usize> KernelOperator<'a, T, K, O, W> {
    pub(super) fn new(call: &Call<'a>, options: &CallOptions) -> Result<Self, Error> {
        let code = const { &MatrixCode::of::<T, K, O, W>() };
        Ok(Self {
            matrix: KernelMatrix::new::<O>(code, call, options)?,
            kernel: PhantomData,
        })
    }

    /// Its products with vectors that stay on the device that it uses, if it uses one.
    pub(super) fn into_device(self) -> Result<Option<OnDevice<'a>>, Error> {
        self.matrix.into_device()
    }
}

impl<T: Element, K: Kernel, O: Orientation, const W: usize> LinearOperator
    for KernelOperator<'_, T, K, O, W>
{
    fn len(&self) -> usize {
        self.matrix.len()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        self.matrix.apply(precision, v, out)
    }

    fn working_roundoff(&self) -> f64 {
        self.matrix.working_roundoff()
    }

    fn on_device(&self) -> Result<Option<OnDevice<'_>>, Error> {
        self.matrix.on_device()
    }

    fn entries(&self) -> Option<&dyn Entries> {
        self.matrix.entries()
    }
}

impl<T: Element, K: Kernel, O: Orientation, const W: usize> Entries
    for KernelOperator<'_, T, K, O, W>
{
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        self.matrix.compute_diagonal(out)
    }

    fn compute_rows(
        &self,
        rows: &[usize],
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        self.matrix.compute_rows(rows, out)
    }

    fn cost(&self) -> f64 {
        self.matrix.cost()
    }

    fn speedup(&self) -> f64 {
        self.matrix.speedup()
    }

    fn density(&self) -> f64 {
        self.matrix.density()
    }
}

/// What an entry costs in working precision, as [`Entries::cost`] counts.
pub(super) const fn entry_cost<T: Element, K: Kernel>() -> f64 {
    match K::COST * size_of::<T::Compute>() / size_of::<f64>() {
        0 => 1.0,
        cost => cost as f64,
    }
}

/// The matrix of a matrix-valued kernel, whose formula contains the vector that it is applied to. It couples the
/// components of the unknown.
pub(super) struct MatrixOperator<'a, T, K, O> {
    call: Call<'a>,
    sizes: Sizes,
    pattern: Option<Arc<Pattern>>,
    hardware: Hardware,
    options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<'a, T: Element, K: Kernel, O: Orientation> MatrixOperator<'a, T, K, O> {
    pub(super) fn new(call: Call<'a>, options: &CallOptions) -> Result<Self, Error> {
        let sizes = call.sizes()?;
        square(sizes)?;
        let pattern = options.pattern(O::AXIS, sizes)?;
        let (hardware, options) = (call.resolve(options)?, in_solve(options));
        Ok(Self {
            call,
            sizes,
            pattern,
            hardware,
            options,
            kernel: PhantomData,
        })
    }
}

impl<T: Element, K: Kernel, O: Orientation> LinearOperator for MatrixOperator<'_, T, K, O> {
    fn len(&self) -> usize {
        self.sizes.i
    }

    fn couples_columns(&self) -> bool {
        true
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let unknown = Some(Input::F64(v));
        let problem = self
            .call
            .with_unknown::<O>(self.sizes, self.pattern.clone(), unknown);
        match precision {
            Precision::Working => {
                let terms = const { &TermsCode::<T::Compute, Sum>::of::<O::Pairing<K>>() };
                sum(terms, self.hardware, &self.options, &problem, out)?
            }
            Precision::Double => {
                let terms = const { &TermsCode::<f64, Sum>::of::<O::Pairing<K>>() };
                sum(terms, self.hardware, &self.options, &problem, out)?
            }
        }
        Ok(())
    }

    fn working_roundoff(&self) -> f64 {
        roundoff::<T>()
    }
}

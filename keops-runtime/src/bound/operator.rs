//! A symbolic matrix as the solver sees it.

use super::matrix::product;
use super::{BoundMatrix, Orientation};
use crate::Error;
use crate::cpu::Problem;
use crate::input::Element;
use crate::kernel::Kernel;
use crate::options::{Accumulate, CallOptions};
use crate::simd::InstructionSet;
use crate::solve::{LinearOperator, OperatorError, Precision};
use core::marker::PhantomData;
use ndarray::{ArrayView2, ArrayViewMut2};

/// The matrix of a scalar kernel as a [`LinearOperator`].
///
/// The working precision is that of the element type `T`; in double precision the kernel is evaluated in `f64` from the
/// same data, which are widened tile by tile and never copied. Totals are accumulated in `f64` always.
#[derive(Clone, Debug)]
pub struct KernelOperator<'a, T, K, O> {
    problem: Problem<'a>,
    isa: InstructionSet,
    options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<T: Element, K: Kernel, O: Orientation> BoundMatrix<'_, T, K, O> {
    /// The matrix as an operator of the solver.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is not square, and what [`SymbolicMatrix::dot`](super::SymbolicMatrix::dot) may return.
    pub fn operator(&self) -> Result<KernelOperator<'_, T, K, O>, Error> {
        let isa = self.options.resolve()?;
        let problem = self.call.problem::<O>()?;
        let (rows, columns) = (problem.rows.count(), problem.columns.count());
        if rows != columns {
            return Err(Error::Shape {
                name: "the matrix to solve with".into(),
                expected: "as many points i as points j".into(),
                shape: format!("{:?}", (rows, columns)),
            });
        }
        let options = CallOptions {
            accumulate: Accumulate::F64,
            ..self.options
        };
        Ok(KernelOperator {
            problem,
            isa,
            options,
            kernel: PhantomData,
        })
    }
}

impl<T: Element, K: Kernel, O: Orientation> LinearOperator for KernelOperator<'_, T, K, O> {
    fn len(&self) -> usize {
        self.problem.rows.count()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        const { super::matrix::assert_scalar::<K>() }
        let (n, columns) = (self.len(), v.ncols());
        if v.nrows() != n || out.dim() != (n, columns) {
            let (v, out) = (v.dim(), out.dim());
            return Err(format!("a matrix of {n} rows cannot map {v:?} to {out:?}").into());
        }
        let Self {
            problem,
            isa,
            options,
            ..
        } = self;
        match precision {
            Precision::Working => {
                product::<O::Pairing<K>, T::Compute, f64, f64>(*isa, options, problem, v, out)
            }
            Precision::Double => {
                product::<O::Pairing<K>, f64, f64, f64>(*isa, options, problem, v, out)
            }
        }
        Ok(())
    }

    fn working_roundoff(&self) -> f64 {
        // The digits of the smaller type.
        let single = size_of::<T::Compute>() == size_of::<f32>();
        (if single {
            f64::from(f32::EPSILON)
        } else {
            f64::EPSILON
        }) / 2.0
    }
}

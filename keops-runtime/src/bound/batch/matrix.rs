//! Symbolic matrices of a batch.

use super::{BatchCall, Extents, Stack, SystemBatch, reduce};
use crate::Error;
use crate::bound::matrix::{assert_scalar, assert_symmetric};
use crate::bound::operation::sum;
use crate::bound::product::SEVERAL;
use crate::bound::{Axis, BoundMatrix, Operation, Orientation, SymbolicMatrix, operation};
use crate::cpu::{Batch, Problem, TermsCode, Weighted};
use crate::error::shape;
use crate::input::{BatchArgument, Element, element_view};
use crate::kernel::Kernel;
use crate::memory::{filled, room};
use crate::options::{CallOptions, option_methods};
use crate::reduce::Sum;
use crate::signature::Signature;
use core::marker::PhantomData;
use ndarray::{
    Array, ArrayBase, ArrayD, ArrayViewD, ArrayViewMut2, Data, Dimension, Ix2, IxDyn, s,
};
use rayon::prelude::*;
use std::sync::Arc;

/// Symbolic matrices of a batch of arrays: what the `bind_batch` of `lazy!` returns.
///
/// Batch dimensions are those of [`BoundBatch`](super::BoundBatch). Results have them in front of their own. With `O` = [`Axis<1>`](Axis)
/// the rows are the points `i`.
#[derive(Clone, Debug)]
pub struct MatrixBatch<'a, T, K, O = Axis<1>> {
    call: BatchCall<'a>,
    options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<'a, T: Element, K: Kernel> MatrixBatch<'a, T, K> {
    /// For expansions: the arguments in the order of the aliases, and the captured scalars.
    #[doc(hidden)]
    pub fn new(
        signature: &'static Signature,
        arguments: Vec<BatchArgument<'a>>,
        captured: Vec<f64>,
    ) -> Self {
        Self {
            call: BatchCall {
                signature,
                arguments,
                captured,
            },
            options: CallOptions::default(),
            kernel: PhantomData,
        }
    }
}

/// Methods that are [`MatrixBatch::reduce`] with a reduction.
macro_rules! named_reductions {
    ($(
        $(#[$doc:meta])*
        $name:ident($($k:ident)?) -> $result:ty: $operation:expr;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// As for [`reduce`](Self::reduce).
        pub fn $name(&self, $($k: usize,)? axis: usize) -> Result<$result, Error> {
            self.reduce($operation, axis)
        }
    )*};
}

impl<'a, T: Element, K: Kernel, O: Orientation> MatrixBatch<'a, T, K, O> {
    option_methods!();

    /// The formula as compiled.
    pub fn formula(&self) -> &'static str {
        self.call.signature.formula
    }

    /// The number of rows of each matrix, the points i; of a transpose, j.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce), if the arrays do not fit to each other.
    pub fn nrows(&self) -> Result<usize, Error> {
        let (rows, _) = self.call.extents()?.rows_and_columns::<O>();
        Ok(rows)
    }

    /// The number of columns of each matrix.
    ///
    /// # Errors
    /// As for [`nrows`](Self::nrows).
    pub fn ncols(&self) -> Result<usize, Error> {
        self.t().nrows()
    }

    /// The batch dimensions of all arrays together.
    ///
    /// # Errors
    /// As for [`nrows`](Self::nrows).
    pub fn batch(&self) -> Result<Vec<usize>, Error> {
        Ok(self.call.extents()?.batch)
    }

    /// The transposes. Nothing is computed.
    pub fn t(&self) -> MatrixBatch<'a, T, K, O::Other> {
        MatrixBatch {
            call: self.call.clone(),
            options: self.options.clone(),
            kernel: PhantomData,
        }
    }

    /// A reduction of every matrix over an axis: with 1 over its columns, with 0 over its rows; see [`BoundBatch::run`](super::BoundBatch::run).
    ///
    /// # Errors
    /// Those of [`BoundBatch::run`](super::BoundBatch::run), and [`Error::Axis`] for another axis.
    pub fn reduce<Op: Operation<T>>(
        &self,
        operation: Op,
        axis: usize,
    ) -> Result<<Op::Output as Stack>::Stacked, Error> {
        let (call, options) = (&self.call, &self.options);
        match axis {
            0 => reduce::<T, K, O::Other, Op>(call, options, operation),
            1 => reduce::<T, K, O, Op>(call, options, operation),
            _ => Err(Error::Axis(axis)),
        }
    }

    /// The sums, an array of shape `(batch.., rows, components)`.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    pub fn sum(&self, axis: usize) -> Result<ArrayD<T>, Error> {
        self.reduce(operation::Sum, axis)
    }

    named_reductions! {
        /// The logarithms of the sums of exponentials, of the shape of [`sum`](Self::sum).
        logsumexp() -> ArrayD<T>: operation::LogSumExp;
        /// The smallest values, of the shape of [`sum`](Self::sum).
        min() -> ArrayD<T>: operation::Min;
        /// The largest values, of the shape of [`sum`](Self::sum).
        max() -> ArrayD<T>: operation::Max;
        /// The positions of the smallest values, of the shape of [`sum`](Self::sum).
        argmin() -> ArrayD<usize>: operation::ArgMin;
        /// The positions of the largest values, of the shape of [`sum`](Self::sum).
        argmax() -> ArrayD<usize>: operation::ArgMax;
        /// The smallest values and their positions.
        min_argmin() -> (ArrayD<T>, ArrayD<usize>): operation::MinArgMin;
        /// The largest values and their positions.
        max_argmax() -> (ArrayD<T>, ArrayD<usize>): operation::MaxArgMax;
        /// The `k` smallest values in ascending order, of shape `(batch.., rows, k, components)`.
        kmin(k) -> ArrayD<T>: operation::KMin(k);
        /// The positions of the `k` smallest values, of the shape of [`kmin`](Self::kmin).
        argkmin(k) -> ArrayD<usize>: operation::ArgKMin(k);
        /// The `k` smallest values and their positions.
        kmin_argkmin(k) -> (ArrayD<T>, ArrayD<usize>): operation::KMinArgKMin(k);
    }

    /// The products with vectors, the columns of the last two dimensions `(ncols, vectors)` of `v`, whose batch dimensions are
    /// broadcast with those of the matrices: an array of shape `(batch.., nrows, vectors)`. For scalar formulas only.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce), and [`Error::Shape`] if `v` has other dimensions.
    pub fn dot<S: Data<Elem = T>, D: Dimension>(
        &self,
        v: &ArrayBase<S, D>,
    ) -> Result<ArrayD<T>, Error> {
        const { assert_scalar::<K>() }
        let extents = self.call.extents()?;
        let (rows, columns) = extents.rows_and_columns::<O>();
        let v = v.view().into_dyn();
        let (extents, vectors) = extents.with_vectors("the operand of dot", v.shape(), columns)?;
        let mut out = filled(
            Ix2(extents.elements.saturating_mul(rows), vectors),
            T::from_f64(0.0),
        )?;
        // As for one matrix, of which products with one vector and with several are compiled.
        if vectors == 1 {
            self.products::<1>(&extents, &v, out.view_mut())?;
        } else {
            self.products::<SEVERAL>(&extents, &v, out.view_mut())?;
        }
        out.stack(&extents.batch, rows)
    }

    /// Writes the products with the vectors of `v`, `W` of them at a time, to `out`, the rows of all elements one behind the other.
    fn products<const W: usize>(
        &self,
        extents: &Extents,
        v: &ArrayViewD<'_, T>,
        mut out: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        let hardware = self.options.resolve()?;
        let matrices = self.call.problem::<O>(extents, &self.options)?;
        let vectors = if out.is_empty() { 0 } else { out.ncols() };
        for from in (0..vectors).step_by(W) {
            let chosen = from..vectors.min(from + W);
            let visit = |element, see: &mut dyn FnMut(&Problem<'_>)| {
                let weights = element_view(v, &extents.position(element), 2);
                let Ok(weights) = weights.into_dimensionality::<Ix2>() else {
                    return;
                };
                let weights = weights.slice_move(s![.., chosen.clone()]);
                matrices.show(element, &mut |matrix| {
                    let mut product = matrix.reborrow();
                    product.columns.push(T::erase(weights.reborrow()), W);
                    see(&product);
                });
            };
            let products = Problem {
                batch: Some(Batch {
                    elements: extents.elements,
                    visit: Arc::new(visit),
                }),
                ..matrices.reborrow()
            };
            let out = out.slice_mut(s![.., chosen.clone()]);
            sum(
                const { &TermsCode::<T::Compute, Sum>::of_any_rows::<Weighted<O::Pairing<K>, W>>() },
                hardware,
                &self.options,
                &products,
                out,
            )?;
        }
        Ok(())
    }

    /// The systems `(alpha Id + K) a = b` for these matrices, whose two sides must be bound to the same points. `b` has the shape
    /// `(batch.., nrows, columns)`, and its batch dimensions are broadcast with those of the matrices. For symmetric scalar formulas only.
    ///
    /// Nothing is computed or checked before [`SystemBatch::solve`].
    pub fn rhs<S: Data<Elem = T>, D: Dimension>(
        &self,
        b: &'a ArrayBase<S, D>,
    ) -> SystemBatch<'a, T> {
        const { assert_scalar::<K>() }
        const { assert_symmetric::<K>() }
        SystemBatch::of_matrices::<K, O>(self.call.clone(), self.options.clone(), b)
    }

    /// All entries, in an array of shape `(batch.., nrows, ncols)`. For scalar formulas only.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    pub fn to_dense(&self) -> Result<ArrayD<T>, Error> {
        const { assert_scalar::<K>() }
        let (rows, columns) = self.call.extents()?.rows_and_columns::<O>();
        self.each("to_dense", &[rows, columns], |matrix| matrix.to_dense())
    }

    /// The diagonals, evaluated in double precision, in an array of shape `(batch.., nrows)`. For scalar formulas only.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce), and [`Error::Shape`] if the matrices are not square.
    pub fn diag(&self) -> Result<ArrayD<T>, Error> {
        const { assert_scalar::<K>() }
        let (rows, _) = self.call.extents()?.rows_and_columns::<O>();
        self.each("diag", &[rows], |matrix| matrix.diag())
    }

    /// An array of this shape from each matrix, one behind the other.
    fn each<D: Dimension>(
        &self,
        name: &str,
        of_each: &[usize],
        compute: impl Fn(&BoundMatrix<'_, T, K, O>) -> Result<Array<T, D>, Error> + Sync,
    ) -> Result<ArrayD<T>, Error> {
        let extents = self.call.extents()?;
        let full = [extents.batch.as_slice(), of_each].concat();
        let mut values = room(name, &full)?;
        let parts: Vec<Array<T, D>> = (0..extents.elements)
            .into_par_iter()
            .map(|element| {
                let call = self.call.element(&extents.position(element));
                compute(&BoundMatrix::of_call(call, self.options.clone()))
            })
            .collect::<Result<_, Error>>()?;
        values.extend(parts.iter().flatten().copied());
        ArrayD::from_shape_vec(IxDyn(&full), values).map_err(|_| Error::Shape {
            name: name.into(),
            expected: "an array that fits into memory".into(),
            shape: shape(&full),
        })
    }
}

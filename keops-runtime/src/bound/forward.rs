//! A reduction that was computed and can be differentiated.

use super::gradient::{Arrays, Differentiable, DifferentiableOperation, Pass, Saved, rounded};
use super::{BoundReduction, Orientation};
use crate::Error;
use crate::input::Element;
use crate::kernel::Kernel;
use core::marker::PhantomData;
use ndarray::{Array2, ArrayView};

/// The value of a reduction, and its gradients by `N` variables: what [`BoundReduction::forward`] returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Forward<'a, T: Element, K, Op: DifferentiableOperation<T>, const N: usize> {
    /// What [`BoundReduction::run`] returns.
    pub value: Op::Output,
    saved: Op::Saved,
    pass: Pass<'a>,
    kernel: PhantomData<(T, K)>,
}

impl<'a, T: Element, K: Kernel, Op: DifferentiableOperation<T>, O: Orientation>
    BoundReduction<'a, T, K, Op, O>
{
    /// Computes the reduction as [`run`](Self::run) does, and keeps what its gradients by the variables in `grad = [..]`
    /// need: for sums nothing, for log-sum-exps and softmax means their values (of the element type: in half precision the gradients have
    /// that many digits less), for minima and maxima the indices.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn forward<const N: usize>(&self) -> Result<Forward<'a, T, K, Op, N>, Error>
    where
        K: Differentiable<N>,
    {
        self.call
            .check_on_host("gradients are computed from arrays")?;
        let hardware = self.options.resolve()?;
        let sizes = self.call.sizes()?;
        let pattern = self.options.pattern(O::AXIS, sizes)?;
        let problem = self.call.with_unknown::<O>(sizes, pattern.clone(), None);
        let components = self.call.signature.out_dim;
        let (value, saved) = self.operation.forward::<O::Pairing<K>>(
            hardware,
            &self.options,
            &problem,
            components,
        )?;
        let pass = Pass {
            arrays: Arrays::One(self.call.clone()),
            sizes,
            axis: O::AXIS,
            pattern,
            hardware,
            options: self.options.clone(),
        };
        Ok(Forward {
            value,
            saved,
            pass,
            kernel: PhantomData,
        })
    }
}

impl<T: Element, K: Differentiable<N>, Op: DifferentiableOperation<T>, const N: usize>
    Forward<'_, T, K, Op, N>
{
    /// The gradients of `sum(e * value)`, the product being elementwise: one array for each variable of `grad = [..]`, in that
    /// order and of the shape of its array, which is `(1, dimension)` for a parameter. `e` has the shape of the value (of the
    /// values, for a reduction that gives indices too).
    ///
    /// A variable of the rows and a variable that the reduction runs over get sums over the other side, a parameter
    /// one over all pairs. They are computed as the reduction itself was: with the same instruction set and accumulators, without
    /// storing the matrix, independent of the number of threads. Sums over rows are in double precision. Minima and maxima
    /// pass gradients on at the pairs that they select, which take time proportional to the number of values; among equal
    /// values the lowest index is selected, and where nothing is (no points, or NaN and the infinity that no value is better than only) the gradient is 0. So it is where
    /// a log-sum-exp is one of -inf only.
    ///
    /// # Errors
    /// [`Error::Shape`] if `e` has another shape, or a gradient is larger than any memory.
    pub fn pullback<'e>(
        &self,
        e: impl Into<ArrayView<'e, T, Op::Dim>>,
    ) -> Result<[Array2<T>; N], Error> {
        let e = e.into();
        let shape = self.saved.shape();
        if e.shape() != shape {
            return Err(Error::Shape {
                name: "e".into(),
                expected: format!("shape {}, that of the value", crate::error::shape(shape)),
                shape: crate::error::shape(e.shape()),
            });
        }
        Ok(rounded(self.saved.pullback::<K, N>(&self.pass, e)?))
    }
}

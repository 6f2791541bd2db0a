//! A reduction of a batch that was computed and can be differentiated.

use super::Orientation;
use super::batch::{BatchCall, BoundBatch, Extents, Stack};
use super::gradient::{Arrays, Differentiable, DifferentiableOperation, Pass, Saved};
use crate::Error;
use crate::error::shape;
use crate::input::Element;
use crate::kernel::Kernel;
use crate::memory::filled;
use crate::signature::Category;
use core::fmt;
use core::marker::PhantomData;
use ndarray::{Array2, ArrayBase, ArrayD, Data, Dimension, Ix2, IxDyn, s};

/// The value of a reduction of a batch, and its gradients by `N` variables: what [`BoundBatch::forward`] returns.
#[non_exhaustive]
pub struct ForwardBatch<'a, T: Element, K, Op: DifferentiableOperation<T>, const N: usize> {
    /// What [`BoundBatch::run`] returns.
    pub value: <Op::Output as Stack>::Stacked,
    saved: Op::Saved,
    pass: Pass<'a>,
    kernel: PhantomData<(T, K)>,
}

impl<'a, T: Element, K: Kernel, Op: DifferentiableOperation<T>, O: Orientation>
    BoundBatch<'a, T, K, Op, O>
{
    /// Computes the reduction as [`run`](Self::run) does, and keeps what its gradients by the variables in `grad = [..]` need.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn forward<const N: usize>(&self) -> Result<ForwardBatch<'a, T, K, Op, N>, Error>
    where
        K: Differentiable<N>,
    {
        let hardware = self.options.resolve()?;
        let extents = self.call.extents()?;
        let problem = self.call.problem::<O>(&extents, &self.options)?;
        let (components, rows) = (self.call.signature.out_dim, problem.rows.count());
        let (value, saved) = self.operation.forward::<O::Pairing<K>>(
            hardware,
            &self.options,
            &problem,
            components,
        )?;
        Ok(ForwardBatch {
            value: value.stack(&extents.batch, rows)?,
            saved,
            pass: Pass {
                sizes: extents.sizes,
                axis: O::AXIS,
                pattern: problem.pattern,
                hardware,
                options: self.options.clone(),
                arrays: Arrays::Batch(self.call.clone(), extents),
            },
            kernel: PhantomData,
        })
    }
}

impl<T: Element, K: Differentiable<N>, Op: DifferentiableOperation<T>, const N: usize>
    ForwardBatch<'_, T, K, Op, N>
{
    /// The gradients of `sum(e * value)`, as [`Forward::pullback`](super::Forward::pullback) computes them for one element: one array for each
    /// variable of `grad = [..]`, in that order and of the shape of its array, which is `(1,)` for a number. Where an array was
    /// broadcast, its gradient is the sum over the elements that it took part in, in double precision. `e` has the shape of the value (of the
    /// values, for a reduction that gives indices too).
    ///
    /// # Errors
    /// [`Error::Shape`] if `e` has another shape, or a gradient is larger than any memory.
    pub fn pullback<S: Data<Elem = T>, D: Dimension>(
        &self,
        e: &ArrayBase<S, D>,
    ) -> Result<[ArrayD<T>; N], Error> {
        let Arrays::Batch(call, extents) = &self.pass.arrays else {
            return Err(self.refused(&[], e.shape()));
        };
        let mut expected = extents.batch.clone();
        expected.push(self.pass.value_rows());
        let stacked = self.saved.shape();
        expected.extend_from_slice(stacked.get(1..).unwrap_or_default());
        let refused = || self.refused(&expected, e.shape());
        if e.shape() != expected {
            return Err(refused());
        }
        let rows = e.as_standard_layout();
        let rows = rows.into_shape_with_order(IxDyn(stacked));
        let rows = rows
            .map_err(|_| refused())?
            .into_dimensionality::<Op::Dim>();
        let e = rows.map_err(|_| refused())?;
        let gradients = self.saved.pullback::<K, N>(&self.pass, e.view())?;
        let mut results = [const { None }; N];
        for ((result, gradient), variable) in results.iter_mut().zip(gradients).zip(K::VARIABLES) {
            *result = Some(of_array(call, extents, variable, gradient)?);
        }
        Ok(results.map(|result| result.unwrap_or_default().mapv_into_any(T::from_f64)))
    }

    fn refused(&self, expected: &[usize], found: &[usize]) -> Error {
        Error::Shape {
            name: "e".into(),
            expected: format!("shape {}, that of the value", shape(expected)),
            shape: shape(found),
        }
    }
}

impl<T: Element, K, Op: DifferentiableOperation<T>, const N: usize> fmt::Debug
    for ForwardBatch<'_, T, K, Op, N>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardBatch")
            .field("pass", &self.pass)
            .finish_non_exhaustive()
    }
}

/// The gradient by the array of a variable, from those by its share in each element, one behind the other.
pub(super) fn of_array(
    call: &BatchCall<'_>,
    extents: &Extents,
    variable: usize,
    of_elements: Array2<f64>,
) -> Result<ArrayD<f64>, Error> {
    let alias = &call.signature.aliases[variable];
    let leading = alias.leading(call.arguments[variable].shape()).to_vec();
    let rows = match alias.category {
        Category::I => extents.sizes.i,
        Category::J => extents.sizes.j,
        Category::Param => 1,
    };
    let own: usize = leading.iter().product();
    // With as many elements as the batch has it was not broadcast.
    let gradient = if own == extents.elements {
        of_elements
    } else {
        let mut total = filled(Ix2(own * rows, alias.dim), 0.0)?;
        for element in 0..extents.elements {
            let position = extents.position(element);
            let position = &position[position.len() - leading.len()..];
            let number = leading.iter().zip(position);
            let number = number.fold(0, |number, (&length, &index)| {
                number * length + index.min(length - 1)
            });
            let mut total = total.slice_mut(s![number * rows..(number + 1) * rows, ..]);
            total += &of_elements.slice(s![element * rows..(element + 1) * rows, ..]);
        }
        total
    };
    let mut shape = leading;
    if alias.category != Category::Param {
        shape.push(rows);
    }
    shape.push(alias.dim);
    let refused = |_| Error::Shape {
        name: alias.name.into(),
        expected: "a gradient that fits into memory".into(),
        shape: crate::error::shape(&shape),
    };
    gradient
        .into_shape_with_order(IxDyn(&shape))
        .map_err(refused)
}

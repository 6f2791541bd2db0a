//! What a reduction leaves behind for its gradients.

use super::selected::{Chosen, Selected};
use super::{Differentiable, Pass, Sums};
use crate::Error;
use crate::bound::Operation;
use crate::bound::operation::{
    KMin, KMinArgKMin, LogSumExp, Max, MaxArgMax, Min, MinArgMin, Sum, SumSoftMaxWeight,
    WeightedLogSumExp, means_and_log_sums,
};
use crate::cpu::{Pairing, Problem};
use crate::input::Element;
use crate::options::{CallOptions, Hardware};
use ndarray::{Array2, Array3, ArrayView, Axis, Dimension, Ix2, Ix3, s};

/// A reduction whose values have gradients: all but those that give indices alone.
pub trait DifferentiableOperation<T: Element>: Operation<T> {
    /// The dimensions of the array of values.
    type Dim: Dimension;
    /// What is kept for the gradients.
    #[doc(hidden)]
    type Saved: Saved<T, Self::Dim>;
    /// The reduction, as [`Operation::evaluate`] computes it, and what its gradients need.
    #[doc(hidden)]
    fn forward<P: Pairing>(
        self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Result<(Self::Output, Self::Saved), Error>;
}

/// What a reduction leaves behind for its gradients; `D` are the dimensions of its values.
#[doc(hidden)]
pub trait Saved<T: Element, D> {
    /// The shape of the values; those of the elements of a batch stand one behind the other.
    fn shape(&self) -> &[usize];
    /// The gradients of the sum of `e` times the values; `e` has their shape. They have one row for each point of each element.
    fn pullback<K: Differentiable<N>, const N: usize>(
        &self,
        pass: &Pass<'_>,
        e: ArrayView<'_, T, D>,
    ) -> Result<[Array2<f64>; N], Error>;
}

/// After sums: their values, where the adjoints of the terms depend on them.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct OfSums<T> {
    shape: [usize; 2],
    values: Option<Array2<T>>,
}

impl<T: Element> Saved<T, Ix2> for OfSums<T> {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn pullback<K: Differentiable<N>, const N: usize>(
        &self,
        pass: &Pass<'_>,
        e: ArrayView<'_, T, Ix2>,
    ) -> Result<[Array2<f64>; N], Error> {
        let mut of_rows = vec![T::erase(e.view())];
        of_rows.extend(self.values.as_ref().map(|values| T::erase(values.view())));
        Sums::<T>::compute::<K, N>(pass, &of_rows, None)
    }
}

/// After minima and maxima: the columns that they selected, in an array of shape `(rows, k, components)`; none where nothing
/// is below +inf (above -inf).
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct OfSelection {
    columns: Array3<Option<usize>>,
    /// The shape of the values, which for one value of each component has no second axis.
    shape: Vec<usize>,
}

impl OfSelection {
    fn new<T: Element, D: Dimension>(
        values: &ndarray::Array<T, D>,
        indices: &ndarray::Array<usize, D>,
        nothing: f64,
    ) -> Self {
        let shape = values.shape().to_vec();
        let (rows, components) = match shape[..] {
            [rows, .., components] => (rows, components),
            _ => (0, 0),
        };
        let k = if shape.len() == 3 { shape[1] } else { 1 };
        let mut pairs = values.iter().zip(indices);
        let columns = Array3::from_shape_simple_fn((rows, k, components), || {
            let (value, &index) = pairs.next()?;
            (value.to_f64() != nothing).then_some(index)
        });
        Self { columns, shape }
    }

    fn pullback<T: Element, K: Differentiable<N>, const N: usize>(
        &self,
        pass: &Pass<'_>,
        e: ArrayView<'_, T, Ix3>,
    ) -> Result<[Array2<f64>; N], Error> {
        let selected = self.columns.indexed_iter().zip(e);
        let chosen: Vec<Chosen> = selected
            .filter_map(|(((row, _, component), column), e)| {
                Some(Chosen {
                    row,
                    column: (*column)?,
                    component,
                    e: e.to_f64(),
                })
            })
            .collect();
        Selected::compute::<K, N>(pass, &chosen)
    }
}

impl<T: Element> Saved<T, Ix2> for OfSelection {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn pullback<K: Differentiable<N>, const N: usize>(
        &self,
        pass: &Pass<'_>,
        e: ArrayView<'_, T, Ix2>,
    ) -> Result<[Array2<f64>; N], Error> {
        self.pullback::<T, K, N>(pass, e.insert_axis(Axis(1)))
    }
}

impl<T: Element> Saved<T, Ix3> for OfSelection {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn pullback<K: Differentiable<N>, const N: usize>(
        &self,
        pass: &Pass<'_>,
        e: ArrayView<'_, T, Ix3>,
    ) -> Result<[Array2<f64>; N], Error> {
        self.pullback::<T, K, N>(pass, e)
    }
}

/// Reductions, each with the type of what it saves, and how it is made.
macro_rules! differentiable {
    ($(
        $name:ty => $dim:ty, $saved:ty,
            |$operation:ident, $hardware:ident, $options:ident, $problem:ident, $components:ident| $forward:expr;
    )*) => {$(
        impl<T: Element> DifferentiableOperation<T> for $name {
            type Dim = $dim;
            type Saved = $saved;

            fn forward<P: Pairing>(
                self,
                $hardware: Hardware,
                $options: &CallOptions,
                $problem: &Problem<'_>,
                $components: usize,
            ) -> Result<(Self::Output, Self::Saved), Error> {
                let $operation = self;
                $forward
            }
        }
    )*};
}
differentiable! {
    Sum => Ix2, OfSums<T>, |operation, hardware, options, problem, components| {
        let value: Array2<T> = operation.evaluate::<P>(hardware, options, problem, components)?;
        let saved = OfSums { shape: value.dim().into(), values: None };
        Ok((value, saved))
    };
    LogSumExp => Ix2, OfSums<T>, |operation, hardware, options, problem, components| {
        let value: Array2<T> = operation.evaluate::<P>(hardware, options, problem, components)?;
        // Where nothing but exponents of -inf is summed, exp(F - inf) = 0 is the share of each in the sum.
        let share_of_nothing = |value: T| {
            if value.to_f64() == f64::NEG_INFINITY { T::from_f64(f64::INFINITY) } else { value }
        };
        let saved = OfSums { shape: value.dim().into(), values: Some(value.mapv(share_of_nothing)) };
        Ok((value, saved))
    };
    WeightedLogSumExp => Ix2, OfSums<T>, |operation, hardware, options, problem, components| {
        let value: Array2<T> = operation.evaluate::<P>(hardware, options, problem, components)?;
        let saved = OfSums { shape: value.dim().into(), values: Some(value.clone()) };
        Ok((value, saved))
    };
    SumSoftMaxWeight => Ix2, OfSums<T>, |_operation, hardware, options, problem, components| {
        let both: Array2<T> = means_and_log_sums::<P, T>(hardware, options, problem, components)?;
        let value = both.slice(s![.., ..components.saturating_sub(1)]).to_owned();
        let saved = OfSums { shape: value.dim().into(), values: Some(both) };
        Ok((value, saved))
    };
    Min => Ix2, OfSelection, |_operation, hardware, options, problem, components| {
        let ((values, _), saved) = MinArgMin.forward::<P>(hardware, options, problem, components)?;
        Ok((values, saved))
    };
    MinArgMin => Ix2, OfSelection, |operation, hardware, options, problem, components| {
        let (values, indices) = operation.evaluate::<P>(hardware, options, problem, components)?;
        let saved = OfSelection::new::<T, _>(&values, &indices, f64::INFINITY);
        Ok(((values, indices), saved))
    };
    Max => Ix2, OfSelection, |_operation, hardware, options, problem, components| {
        let ((values, _), saved) = MaxArgMax.forward::<P>(hardware, options, problem, components)?;
        Ok((values, saved))
    };
    MaxArgMax => Ix2, OfSelection, |operation, hardware, options, problem, components| {
        let (values, indices) = operation.evaluate::<P>(hardware, options, problem, components)?;
        let saved = OfSelection::new::<T, _>(&values, &indices, f64::NEG_INFINITY);
        Ok(((values, indices), saved))
    };
    KMin => Ix3, OfSelection, |operation, hardware, options, problem, components| {
        let ((values, _), saved) =
            KMinArgKMin(operation.0).forward::<P>(hardware, options, problem, components)?;
        Ok((values, saved))
    };
    KMinArgKMin => Ix3, OfSelection, |operation, hardware, options, problem, components| {
        let (values, indices) = operation.evaluate::<P>(hardware, options, problem, components)?;
        let saved = OfSelection::new::<T, _>(&values, &indices, f64::INFINITY);
        Ok(((values, indices), saved))
    };
}

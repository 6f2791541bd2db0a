//! What a reduction leaves behind for its gradients.

use super::selected::{Chosen, Selected};
use super::{Beside, Differentiable, Pass, Sums};
use crate::Error;
use crate::bound::Operation;
use crate::bound::operation::{
    KMin, KMinArgKMin, LogSumExp, Max, MaxArgMax, Min, MinArgMin, Sum, SumSoftMaxWeight,
    WeightedLogSumExp, log_sums, means_and_log_sums, weighted_log_sums,
};
use crate::cpu::{Pairing, Problem};
use crate::input::{Element, Input};
use crate::options::{CallOptions, Hardware};
use crate::simd::Real;
use ndarray::{Array2, Array3, ArrayView, ArrayView2, Axis, Dimension, Ix2, Ix3, Zip};

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

/// After sums: what the adjoints of the terms read of each row, beside `e`.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct OfSums {
    shape: [usize; 2],
    of_rows: Vec<Array2<f64>>,
}

/// A logarithm that exponents are subtracted from, as the number of the type `C` that is nearest to it and what is left: rounded to `C`, that of a sum of many
/// or of large exponents has an error which the exponential of the difference would have in the place of its last digits.
fn split<C: Real>(logarithms: ArrayView2<'_, f64>) -> [Array2<f64>; 2] {
    let mut nearest = logarithms.mapv(|x| C::from_f64(x).to_f64());
    let mut rest = &logarithms - &nearest;
    nearest.mapv_inplace(|x| {
        if x == f64::NEG_INFINITY {
            f64::INFINITY
        } else {
            x
        }
    });
    // Infinite ones have none.
    rest.mapv_inplace(|rest| if rest.is_finite() { rest } else { 0.0 });
    [nearest, rest]
}

impl<T: Element> Saved<T, Ix2> for OfSums {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn pullback<K: Differentiable<N>, const N: usize>(
        &self,
        pass: &Pass<'_>,
        e: ArrayView<'_, T, Ix2>,
    ) -> Result<[Array2<f64>; N], Error> {
        let mut of_rows = vec![T::erase(e.view())];
        of_rows.extend(self.of_rows.iter().map(|array| Input::F64(array.view())));
        Sums::<T>::compute::<K, N>(pass, Beside::Rows(&of_rows))
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
    Sum => Ix2, OfSums, |operation, hardware, options, problem, components| {
        let value: Array2<T> = operation.evaluate::<P>(hardware, options, problem, components)?;
        let saved = OfSums { shape: value.dim().into(), of_rows: Vec::new() };
        Ok((value, saved))
    };
    LogSumExp => Ix2, OfSums, |_operation, hardware, options, problem, components| {
        let wide = log_sums::<P, T::Compute, f64>(hardware, options, problem, components)?;
        let value = wide.mapv(T::from_f64);
        let saved = OfSums { shape: value.dim().into(), of_rows: split::<T::Compute>(wide.view()).into() };
        Ok((value, saved))
    };
    WeightedLogSumExp => Ix2, OfSums, |_operation, hardware, options, problem, components| {
        let wide = weighted_log_sums::<P, T::Compute, f64>(hardware, options, problem, components)?;
        let value = wide.mapv(T::from_f64);
        let saved = OfSums { shape: value.dim().into(), of_rows: split::<T::Compute>(wide.view()).into() };
        Ok((value, saved))
    };
    SumSoftMaxWeight => Ix2, OfSums, |_operation, hardware, options, problem, components| {
        let both = means_and_log_sums::<P, T::Compute>(hardware, options, problem, components)?;
        let (means, logarithms) = both.view().split_at(Axis(1), components.saturating_sub(1));
        let value = means.mapv(T::from_f64);
        let [nearest, rest] = split::<T::Compute>(logarithms);
        // The mean of nothing is NaN, which would be the gradient of all columns.
        let mut means = means.to_owned();
        Zip::from(means.rows_mut()).and(logarithms.rows()).for_each(|mut means, logarithm| {
            if logarithm[0] == f64::NEG_INFINITY { means.fill(0.0) }
        });
        let saved = OfSums { shape: value.dim().into(), of_rows: vec![means, nearest, rest] };
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

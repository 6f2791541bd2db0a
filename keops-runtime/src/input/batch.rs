//! Arrays with leading batch dimensions.

use super::{Argument, Element, Mismatch};
use half::f16;
use ndarray::{ArrayBase, ArrayRef, ArrayView, ArrayViewD, Axis, Data, Dimension, Ix2};

/// Arrays that are accepted by `bind_batch`, with elements of type `T`: references to arrays and views of any number of dimensions,
/// and a bare `T` for a `Pm` variable of dimension 1.
///
/// The last dimensions are `(points, D)` for a `Vi` or `Vj` variable of dimension `D` and `(D,)` for a `Pm` variable; those in front
/// of them are batch dimensions. An array of another shape is an error of `run` or `solve`, not of the conversion.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand for a variable of a batch with elements of type `{T}`",
    label = "expected an array",
    note = "accepted are `&Array<T, D>` and `ArrayView<T, D>` of any dimension, and a bare `T` for a `Pm` variable of dimension 1",
    note = "all arrays of one call have the same element type"
)]
pub trait IntoBatch<'a, T: Element> {
    /// The array with its element type erased.
    #[doc(hidden)]
    fn into_batch(self) -> BatchArgument<'a>;
}

/// An array with leading batch dimensions.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum BatchArgument<'a> {
    /// Half precision.
    F16(ArrayViewD<'a, f16>),
    /// Single precision.
    F32(ArrayViewD<'a, f32>),
    /// Double precision.
    F64(ArrayViewD<'a, f64>),
    /// One number.
    Scalar(f64),
}

impl<'a, T: Element, S: Data<Elem = T>, D: Dimension> IntoBatch<'a, T> for &'a ArrayBase<S, D> {
    fn into_batch(self) -> BatchArgument<'a> {
        T::erase_batch(self.view().into_dyn())
    }
}

impl<'a, T: Element, D: Dimension> IntoBatch<'a, T> for &'a ArrayRef<T, D> {
    fn into_batch(self) -> BatchArgument<'a> {
        T::erase_batch(self.view().into_dyn())
    }
}

impl<'a, T: Element, D: Dimension> IntoBatch<'a, T> for ArrayView<'a, T, D> {
    fn into_batch(self) -> BatchArgument<'a> {
        T::erase_batch(self.into_dyn())
    }
}

macro_rules! bare {
    ($($t:ty),*) => {$(
        impl<'a> IntoBatch<'a, $t> for $t {
            fn into_batch(self) -> BatchArgument<'a> { BatchArgument::Scalar(self.into()) }
        }
    )*};
}
bare!(f16, f32, f64);

impl<'a> BatchArgument<'a> {
    /// The shape; that of a number is empty.
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::F16(array) => array.shape(),
            Self::F32(array) => array.shape(),
            Self::F64(array) => array.shape(),
            Self::Scalar(_) => &[],
        }
    }

    /// The points or the parameter at a position in the batch: as many of its last indices as there are leading dimensions,
    /// 0 where a dimension is 1. The shape has been checked.
    pub(crate) fn element(&self, position: &[usize], is_param: bool) -> Argument<'a> {
        match self {
            Self::F16(array) => element(array, position, is_param),
            Self::F32(array) => element(array, position, is_param),
            Self::F64(array) => element(array, position, is_param),
            Self::Scalar(value) => Argument::Params(vec![*value]),
        }
    }
}

fn element<'a, T: Element>(
    array: &ArrayViewD<'a, T>,
    position: &[usize],
    is_param: bool,
) -> Argument<'a> {
    let view = element_view(array, position, if is_param { 1 } else { 2 });
    if is_param {
        return Argument::Params(view.iter().map(|value| value.to_f64()).collect());
    }
    let length = view.len();
    match view.into_dimensionality::<Ix2>() {
        Ok(points) => Argument::Points(T::erase(points)),
        Err(_) => Argument::Mismatch(Mismatch::Vector { length }),
    }
}

/// An element of an array with `own` dimensions behind those of the batch.
pub(crate) fn element_view<'a, T>(
    array: &ArrayViewD<'a, T>,
    position: &[usize],
    own: usize,
) -> ArrayViewD<'a, T> {
    let leading = array.ndim().saturating_sub(own);
    let mut view = array.clone();
    for &index in &position[position.len() - leading..] {
        let index = if view.shape()[0] == 1 { 0 } else { index };
        view = view.index_axis_move(Axis(0), index);
    }
    view
}

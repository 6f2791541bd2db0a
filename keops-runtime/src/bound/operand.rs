//! What a symbolic matrix can be multiplied with.

use crate::input::Element;
use ndarray::{
    Array, Array2, ArrayBase, ArrayRef, ArrayView, ArrayView2, Axis, Data, Dimension, Ix1, Ix2,
};

/// A vector or several side by side: `&Array1<T>`, `&Array2<T>` and their views. The product has the same number of
/// dimensions.
#[diagnostic::on_unimplemented(
    message = "a symbolic matrix with elements of type `{T}` cannot be multiplied with `{Self}`",
    label = "expected `&Array1<{T}>`, `&Array2<{T}>` or a view of them"
)]
pub trait Operand<T: Element> {
    /// One or two dimensions.
    #[doc(hidden)]
    type Dim: Width;
    /// The array.
    #[doc(hidden)]
    fn array(&self) -> ArrayView<'_, T, Self::Dim>;
}

/// The dimensions that an operand may have.
#[doc(hidden)]
pub trait Width: Dimension {
    /// The vectors as columns.
    fn columns<T>(array: ArrayView<'_, T, Self>) -> ArrayView2<'_, T>;
    /// The product in the shape of the operand.
    fn restore<T: Copy>(product: Array2<T>) -> Array<T, Self>;
}

impl Width for Ix1 {
    fn columns<T>(array: ArrayView<'_, T, Ix1>) -> ArrayView2<'_, T> {
        array.insert_axis(Axis(1))
    }
    fn restore<T: Copy>(product: Array2<T>) -> Array<T, Ix1> {
        product.remove_axis(Axis(1))
    }
}

impl Width for Ix2 {
    fn columns<T>(array: ArrayView<'_, T, Ix2>) -> ArrayView2<'_, T> {
        array
    }
    fn restore<T: Copy>(product: Array2<T>) -> Array2<T> {
        product
    }
}

impl<T: Element, S: Data<Elem = T>, D: Width> Operand<T> for &ArrayBase<S, D> {
    type Dim = D;
    fn array(&self) -> ArrayView<'_, T, D> {
        self.view()
    }
}

impl<T: Element, D: Width> Operand<T> for &ArrayRef<T, D> {
    type Dim = D;
    fn array(&self) -> ArrayView<'_, T, D> {
        self.view()
    }
}

impl<T: Element, D: Width> Operand<T> for ArrayView<'_, T, D> {
    type Dim = D;
    fn array(&self) -> ArrayView<'_, T, D> {
        self.view()
    }
}

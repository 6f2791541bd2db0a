//! The arrays that stand for `Vi` and `Vj` variables.

use super::{Argument, Element, Mismatch};
use ndarray::{ArrayBase, ArrayRef, ArrayView1, ArrayView2, Axis, Data, Ix1, Ix2};

/// Arrays that are accepted for a `Vi` or `Vj` variable of dimension `D`, with elements of type `T`.
///
/// These are `&Array2<T>` and `ArrayView2<T>` of shape `(points, D)` and any strides; `&Array1<T>` and `ArrayView1<T>`
/// where `D` is 1; `&[[T; D]]`, `&[[T; D]; N]` and `&Vec<[T; D]>`; and flat row-major `&[T]`, `&[T; N]` and `&Vec<T>`
/// of length `points * D`; with the feature `cuda` also `&CudaSlice<T>` and `&CudaView<T>`, in the memory of a device, of so many `f32` or `f64`. An array of another shape is an error of `run`, not of the conversion.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand for a `Vi` or `Vj` variable with elements of type `{T}`",
    label = "expected points",
    note = "accepted are `&Array2<T>`, `ArrayView2<T>`, `&Array1<T>`, `&[[T; D]]`, `&Vec<[T; D]>`, `&[T]` and `&Vec<T>`",
    note = "all arrays of one call have the same element type, `f32`, `f64` or `half::f16`"
)]
pub trait IntoPoints<'a, T: Element> {
    /// The array as points of dimension `dim`.
    #[doc(hidden)]
    fn into_points(self, dim: usize) -> Argument<'a>;
}

/// A vector: one column.
fn column<T: Element>(array: ArrayView1<'_, T>, dim: usize) -> Argument<'_> {
    if dim != 1 {
        return Argument::Mismatch(Mismatch::Vector {
            length: array.len(),
        });
    }
    Argument::Points(T::erase(array.insert_axis(Axis(1))))
}

/// A flat slice, cut into rows.
fn flat<T: Element>(slice: &[T], dim: usize) -> Argument<'_> {
    let rows = slice.len().checked_div(dim).unwrap_or(0);
    if rows * dim != slice.len() {
        return Argument::Mismatch(Mismatch::Flat {
            length: slice.len(),
        });
    }
    match ArrayView2::from_shape((rows, dim), slice) {
        Ok(array) => Argument::Points(T::erase(array)),
        Err(_) => Argument::Mismatch(Mismatch::Flat {
            length: slice.len(),
        }),
    }
}

impl<'a, T: Element, S: Data<Elem = T>> IntoPoints<'a, T> for &'a ArrayBase<S, Ix2> {
    fn into_points(self, _: usize) -> Argument<'a> {
        Argument::Points(T::erase(self.view()))
    }
}

impl<'a, T: Element> IntoPoints<'a, T> for &'a ArrayRef<T, Ix2> {
    fn into_points(self, _: usize) -> Argument<'a> {
        Argument::Points(T::erase(self.view()))
    }
}

impl<'a, T: Element> IntoPoints<'a, T> for ArrayView2<'a, T> {
    fn into_points(self, _: usize) -> Argument<'a> {
        Argument::Points(T::erase(self))
    }
}

impl<'a, T: Element, S: Data<Elem = T>> IntoPoints<'a, T> for &'a ArrayBase<S, Ix1> {
    fn into_points(self, dim: usize) -> Argument<'a> {
        column(self.view(), dim)
    }
}

impl<'a, T: Element> IntoPoints<'a, T> for &'a ArrayRef<T, Ix1> {
    fn into_points(self, dim: usize) -> Argument<'a> {
        column(self.view(), dim)
    }
}

impl<'a, T: Element> IntoPoints<'a, T> for ArrayView1<'a, T> {
    fn into_points(self, dim: usize) -> Argument<'a> {
        column(self, dim)
    }
}

impl<'a, T: Element> IntoPoints<'a, T> for &'a [T] {
    fn into_points(self, dim: usize) -> Argument<'a> {
        flat(self, dim)
    }
}

impl<'a, T: Element> IntoPoints<'a, T> for &'a Vec<T> {
    fn into_points(self, dim: usize) -> Argument<'a> {
        flat(self, dim)
    }
}

impl<'a, T: Element, const N: usize> IntoPoints<'a, T> for &'a [T; N] {
    fn into_points(self, dim: usize) -> Argument<'a> {
        flat(self, dim)
    }
}

impl<'a, T: Element, const D: usize> IntoPoints<'a, T> for &'a [[T; D]] {
    fn into_points(self, _: usize) -> Argument<'a> {
        Argument::Points(T::erase(ArrayView2::from(self)))
    }
}

impl<'a, T: Element, const D: usize> IntoPoints<'a, T> for &'a Vec<[T; D]> {
    fn into_points(self, _: usize) -> Argument<'a> {
        Argument::Points(T::erase(ArrayView2::from(self.as_slice())))
    }
}

impl<'a, T: Element, const D: usize, const N: usize> IntoPoints<'a, T> for &'a [[T; D]; N] {
    fn into_points(self, _: usize) -> Argument<'a> {
        Argument::Points(T::erase(ArrayView2::from(self.as_slice())))
    }
}

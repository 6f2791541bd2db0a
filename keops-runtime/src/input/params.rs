//! The arrays that stand for `Pm` variables.

use super::{Argument, Element, Mismatch};
use crate::memory::collected;
use ndarray::{ArrayBase, ArrayView1, Data, Ix1};

/// Values that are accepted for a `Pm` variable of dimension `D`, with elements of type `T`.
///
/// These are `&[T]`, `&[T; D]`, `&Vec<T>`, `&Array1<T>` and `ArrayView1<T>` of length `D`, and a bare `T` or `&T`
/// where `D` is 1. A value of another length is an error of `run`, not of the conversion.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand for a `Pm` variable with elements of type `{T}`",
    label = "expected a parameter",
    note = "accepted are `&[T]`, `&[T; D]`, `&Vec<T>`, `&Array1<T>`, `ArrayView1<T>`, and a bare `T` or `&T` where the dimension is 1",
    note = "all arrays of one call have the same element type, `f32`, `f64` or `half::f16`"
)]
pub trait IntoParams<'a, T: Element> {
    /// The values as a parameter.
    #[doc(hidden)]
    fn into_params(self) -> Argument<'a>;
}

fn collect<'a, 'b, T: Element>(
    values: impl IntoIterator<Item = &'b T, IntoIter: ExactSizeIterator>,
) -> Argument<'a> {
    let values = values.into_iter();
    let length = values.len();
    // No parameter is as long as to have no memory for it.
    match collected("a parameter", values.map(|value| value.to_f64())) {
        Ok(values) => Argument::Params(values),
        Err(_) => Argument::Mismatch(Mismatch::Params { length }),
    }
}

macro_rules! bare {
    ($($t:ty),*) => {$(
        impl<'a> IntoParams<'a, $t> for $t {
            fn into_params(self) -> Argument<'a> { collect([&self]) }
        }
        impl<'a> IntoParams<'a, $t> for &$t {
            fn into_params(self) -> Argument<'a> { collect([self]) }
        }
    )*};
}
bare!(half::f16, f32, f64);

impl<'a, T: Element> IntoParams<'a, T> for &[T] {
    fn into_params(self) -> Argument<'a> {
        collect(self)
    }
}

impl<'a, T: Element, const D: usize> IntoParams<'a, T> for &[T; D] {
    fn into_params(self) -> Argument<'a> {
        collect(self)
    }
}

impl<'a, T: Element> IntoParams<'a, T> for &Vec<T> {
    fn into_params(self) -> Argument<'a> {
        collect(self)
    }
}

impl<'a, T: Element, S: Data<Elem = T>> IntoParams<'a, T> for &ArrayBase<S, Ix1> {
    fn into_params(self) -> Argument<'a> {
        collect(self)
    }
}

impl<'a, T: Element> IntoParams<'a, T> for ArrayView1<'_, T> {
    fn into_params(self) -> Argument<'a> {
        collect(self)
    }
}

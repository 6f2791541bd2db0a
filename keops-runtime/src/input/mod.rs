//! Arrays on their way in: element types, and arrays whose element type has been erased.

mod params;
mod points;

pub use params::IntoParams;
pub use points::IntoPoints;

use crate::simd::Real;
use ndarray::ArrayView2;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type that arrays may have: `f32` or `f64`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element type of kernel reductions",
    label = "expected `f32` or `f64`"
)]
pub trait Element: sealed::Sealed + Copy + Send + Sync + core::fmt::Debug + 'static {
    /// The type in which formulas of such arrays are evaluated.
    type Compute: Real;
    /// The same array with the element type moved from the type to a tag.
    #[doc(hidden)]
    fn erase(array: ArrayView2<'_, Self>) -> Input<'_>;
    /// The value in double precision.
    #[doc(hidden)]
    fn to_f64(self) -> f64;
    /// The nearest value to `x`.
    #[doc(hidden)]
    fn from_f64(x: f64) -> Self;
}

macro_rules! element {
    ($($t:ty => $variant:ident),*) => {$(
        impl Element for $t {
            type Compute = $t;
            #[inline]
            fn erase(array: ArrayView2<'_, Self>) -> Input<'_> { Input::$variant(array) }
            #[inline(always)]
            fn to_f64(self) -> f64 { f64::from(self) }
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
        }
    )*};
}
element!(f32 => F32, f64 => F64);

/// Points, one per row, of any element type and any strides. Tiles are converted to the type of the computation while
/// they are packed, so that one call may mix element types.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum Input<'a> {
    /// Single precision.
    F32(ArrayView2<'a, f32>),
    /// Double precision.
    F64(ArrayView2<'a, f64>),
}

impl Input<'_> {
    /// Number of points.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Input::F32(a) => a.nrows(),
            Input::F64(a) => a.nrows(),
        }
    }

    /// Number of components of a point.
    pub(crate) fn columns(&self) -> usize {
        match self {
            Input::F32(a) => a.ncols(),
            Input::F64(a) => a.ncols(),
        }
    }

    /// The same points, for a shorter time.
    pub(crate) fn view(&self) -> Input<'_> {
        match self {
            Input::F32(a) => Input::F32(a.view()),
            Input::F64(a) => Input::F64(a.view()),
        }
    }
}

/// The array of one variable, or what was wrong with it: it is reported when the formula runs.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum Argument<'a> {
    /// For `Vi` and `Vj`.
    Points(Input<'a>),
    /// For `Pm`.
    Params(Vec<f64>),
    /// An array that could not be read as points.
    Mismatch(Mismatch),
}

/// Why an array could not be read as points.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum Mismatch {
    /// A one-dimensional array for a variable of a dimension other than 1.
    Vector {
        /// Its length.
        length: usize,
    },
    /// A flat slice that cannot be cut into rows.
    Flat {
        /// Its length.
        length: usize,
    },
}

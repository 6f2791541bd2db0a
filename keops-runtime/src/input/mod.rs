//! Arrays on their way in: element types, and arrays whose element type has been erased.

mod batch;
#[cfg(feature = "cuda")]
mod on_device;
mod params;
mod points;
mod scalar;

pub(crate) use batch::element_view;
pub use batch::{BatchArgument, IntoBatch};
pub use params::IntoParams;
pub use points::IntoPoints;
pub use scalar::{Scalar, scalar};

use crate::Error;
use crate::cpu::Job;
use crate::cuda::{Resident, ResidentSelection};
use crate::memory::filled;
use crate::reduce::{Candidate, CandidateSink, RowSink, Sink};
use crate::simd::Real;
use core::ops::Range;
use half::f16;
use ndarray::{Array2, Array3, ArrayView2, ArrayViewD, ArrayViewMut2, s};

mod sealed {
    pub trait Sealed {}
    impl Sealed for half::f16 {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type that arrays may have: `f32`, `f64`, or [`struct@f16`], which is stored in 16 bits and computed with in `f32`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element type of kernel reductions",
    label = "expected `f32`, `f64` or `half::f16`"
)]
pub trait Element: sealed::Sealed + Copy + Send + Sync + core::fmt::Debug + 'static {
    /// The type in which formulas of such arrays are evaluated.
    type Compute: Real;
    /// The same array with the element type moved from the type to a tag.
    #[doc(hidden)]
    fn erase(array: ArrayView2<'_, Self>) -> Input<'_>;
    /// The same for an array with batch dimensions.
    #[doc(hidden)]
    fn erase_batch(array: ArrayViewD<'_, Self>) -> BatchArgument<'_>;
    /// The value in double precision.
    #[doc(hidden)]
    fn to_f64(self) -> f64;
    /// The nearest value to `x`.
    #[doc(hidden)]
    fn from_f64(x: f64) -> Self;
    /// Runs a reduction and writes the first totals of its rows. It is a method here so that it is compiled with this crate.
    #[doc(hidden)]
    fn take_rows(job: &Job<'_, f64>, out: ArrayViewMut2<'_, Self>);
    /// Rounds totals, so many for each row, to the rows of an array; totals beyond its columns are dropped.
    #[doc(hidden)]
    fn round_rows(totals: &[f64], slots: usize, out: ArrayViewMut2<'_, Self>);
    /// Runs a reduction and writes the first candidates of every row and component to arrays of shape `(rows, k, components)`.
    #[doc(hidden)]
    fn take_candidates(
        job: &Job<'_, Candidate>,
        values: &mut Array3<Self>,
        indices: &mut Array3<usize>,
    );
}

macro_rules! element {
    ($($t:ty => $variant:ident, $compute:ty, $widen:expr, $round:expr;)*) => {$(
        impl Element for $t {
            type Compute = $compute;
            #[inline]
            fn erase(array: ArrayView2<'_, Self>) -> Input<'_> { Input::$variant(array) }
            #[inline]
            fn erase_batch(array: ArrayViewD<'_, Self>) -> BatchArgument<'_> { BatchArgument::$variant(array) }
            #[inline(always)]
            fn to_f64(self) -> f64 { $widen(self) }
            #[inline(always)]
            fn from_f64(x: f64) -> Self { $round(x) }
            fn take_rows(job: &Job<'_, f64>, out: ArrayViewMut2<'_, Self>) {
                job.run(RowSink(out));
            }
            fn round_rows(totals: &[f64], slots: usize, out: ArrayViewMut2<'_, Self>) {
                RowSink(out).take(slots, totals);
            }
            fn take_candidates(
                job: &Job<'_, Candidate>,
                values: &mut Array3<Self>,
                indices: &mut Array3<usize>,
            ) {
                job.run(CandidateSink {
                    values: values.view_mut(),
                    indices: indices.view_mut(),
                });
            }
        }
    )*};
}
element! {
    f16 => F16, f32, f16::to_f64, round_to_half;
    f32 => F32, f32, f64::from, |x| x as f32;
    f64 => F64, f64, core::convert::identity, core::convert::identity;
}

/// The nearest value of 16 bits. The conversion of the crate `half` rounds to 32 bits on the way, and so twice; this first rounding is to
/// odd, after which the second one is right.
fn round_to_half(x: f64) -> f16 {
    let nearest = x as f32;
    let error = f64::from(nearest) - x;
    if error == 0.0 || !nearest.is_finite() {
        return f16::from_f32(nearest);
    }
    let towards_zero = nearest.to_bits() - u32::from((error > 0.0) == (x > 0.0));
    f16::from_f32(f32::from_bits(towards_zero | 1))
}

/// The same for the array of an input whatever its element type, and something else for one on a device.
macro_rules! each {
    ($input:expr, $array:ident => $result:expr, $resident:pat => $other:expr) => {
        match $input {
            Input::F16($array) => $result,
            Input::F32($array) => $result,
            Input::F64($array) => $result,
            Input::Device($resident) => $other,
        }
    };
}
pub(crate) use each;

/// Points, one per row, of any element type and any strides. Tiles are converted to the type of the computation while
/// they are packed, so that one call may mix element types.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum Input<'a> {
    /// Half precision.
    F16(ArrayView2<'a, f16>),
    /// Single precision.
    F32(ArrayView2<'a, f32>),
    /// Double precision.
    F64(ArrayView2<'a, f64>),
    /// In the memory of a device, where reductions of it run, and not on the processor.
    Device(Resident<'a>),
}

impl<'a> Input<'a> {
    /// The same points, as if they lived shorter (views of arrays are invariant in their lifetime).
    pub(crate) fn reborrow<'b>(&self) -> Input<'b>
    where
        'a: 'b,
    {
        each!(self, a => Element::erase((*a).reborrow()), resident => Input::Device(*resident))
    }

    /// Number of points.
    pub(crate) fn rows(&self) -> usize {
        each!(self, a => a.nrows(), resident => resident.rows())
    }

    /// Number of components of a point.
    pub(crate) fn columns(&self) -> usize {
        each!(self, a => a.ncols(), resident => resident.columns())
    }

    /// The points in double precision.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not fit into memory, and those of the device that they are copied from.
    pub(crate) fn to_f64(&self) -> Result<Array2<f64>, Error> {
        each!(self, a => {
            // Checked, as a view that repeats a row has any number of them without memory.
            let mut copy = filled(a.raw_dim(), 0.0)?;
            copy.zip_mut_with(a, |copy, value| *copy = Element::to_f64(*value));
            Ok(copy)
        }, resident => resident.to_f64())
    }

    /// Some of the points, in double precision, where the array is.
    ///
    /// # Errors
    /// Those of the device that it is on.
    pub(crate) fn select(&self, chosen: &[usize]) -> Result<Selected, Error> {
        each!(self, a => {
            let shape = (chosen.len(), a.ncols());
            let point = |(k, c)| Element::to_f64(a[[chosen[k], c]]);
            Ok(Selected::Host(Array2::from_shape_fn(shape, point)))
        }, resident => resident.select(chosen).map(Selected::Device))
    }

    /// Whether both are the same points, bit for bit or by equal values; on a device, whether they are the same memory.
    pub(crate) fn same_points(&self, other: &Input<'_>) -> bool {
        fn same<T: Element + PartialEq>(a: &ArrayView2<'_, T>, b: &ArrayView2<'_, T>) -> bool {
            let at_same_place = a.as_ptr() == b.as_ptr() && a.strides() == b.strides();
            // NaN is found by the solver, which says more about it.
            let equal = |(&x, &y): (&T, &T)| x == y || (x.to_f64().is_nan() && y.to_f64().is_nan());
            a.dim() == b.dim() && (at_same_place || a.iter().zip(b).all(equal))
        }
        match (self, other) {
            (Input::F16(a), Input::F16(b)) => same(a, b),
            (Input::F32(a), Input::F32(b)) => same(a, b),
            (Input::F64(a), Input::F64(b)) => same(a, b),
            (Input::Device(a), Input::Device(b)) => a.is_same(b),
            _ => false,
        }
    }

    /// Consecutive ones of the points.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Input<'_> {
        each!(self, a => Element::erase(a.slice(s![rows, ..])), resident => Input::Device(resident.slice(rows)))
    }

    /// Some of the components of all points.
    #[cfg(feature = "cuda")]
    pub(crate) fn select_columns(&self, columns: Range<usize>) -> Input<'_> {
        each!(self, a => Element::erase(a.slice(s![.., columns])), resident => Input::Device(resident.select_columns(columns)))
    }

    /// The same points, for a shorter time.
    pub(crate) fn view(&self) -> Input<'_> {
        each!(self, a => Element::erase(a.view()), resident => Input::Device(*resident))
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

/// Points that were taken out of an array.
pub(crate) enum Selected {
    Host(Array2<f64>),
    Device(ResidentSelection),
}

impl Selected {
    /// The points.
    pub(crate) fn view(&self) -> Input<'_> {
        match self {
            Selected::Host(array) => Input::F64(array.view()),
            Selected::Device(array) => Input::Device(array.view()),
        }
    }
}

impl<'a> Argument<'a> {
    /// The same array, as if it lived shorter.
    pub(crate) fn reborrow<'b>(&self) -> Argument<'b>
    where
        'a: 'b,
    {
        match self {
            Argument::Points(points) => Argument::Points(points.reborrow()),
            Argument::Params(values) => Argument::Params(values.clone()),
            Argument::Mismatch(mismatch) => Argument::Mismatch(*mismatch),
        }
    }
}

impl Argument<'_> {
    /// Vectors of so many entries, of which a flat array on a device holds as many as fit.
    pub(crate) fn into_vectors(self, rows: usize) -> Self {
        match self {
            Argument::Points(Input::Device(array)) => match array.with_rows(rows) {
                Some(vectors) => Argument::Points(Input::Device(vectors)),
                None => Argument::Points(Input::Device(array)),
            },
            other => other,
        }
    }
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
    /// A parameter longer than any memory, of which there is no copy.
    Params {
        /// Its length.
        length: usize,
    },
    /// A flat slice that cannot be cut into rows.
    Flat {
        /// Its length.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::round_to_half;
    use half::f16;

    /// Between neighbours, the nearer one is taken, and the even one in the middle, whatever the distance from it.
    #[test]
    fn halves_are_rounded_once() {
        for bits in (0..0x7bff_u16).chain(0x8000..0xfbff) {
            let (low, high) = (f16::from_bits(bits), f16::from_bits(bits + 1));
            let middle = 0.5 * (low.to_f64() + high.to_f64());
            let even = if bits % 2 == 0 { low } else { high };
            assert_eq!(round_to_half(middle).to_bits(), even.to_bits());
            assert_eq!(round_to_half(low.to_f64()).to_bits(), bits);
            // Closer to the middle than single precision can tell.
            let inside = middle * (1.0 - f64::EPSILON);
            let outside = middle * (1.0 + f64::EPSILON);
            assert_eq!(round_to_half(inside).to_bits(), bits, "{middle}");
            assert_eq!(round_to_half(outside).to_bits(), bits + 1, "{middle}");
        }
        assert_eq!(round_to_half(65519.999), f16::MAX);
        for infinite in [65520.0, 1e300, f64::INFINITY] {
            assert_eq!(round_to_half(infinite), f16::INFINITY);
            assert_eq!(round_to_half(-infinite), f16::NEG_INFINITY);
        }
        assert_eq!(round_to_half(1e-60).to_bits(), 0);
        assert_eq!(round_to_half(-1e-60).to_bits(), 0x8000);
        assert!(round_to_half(f64::NAN).is_nan());
    }
}

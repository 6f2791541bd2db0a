//! Arrays in the memory of a device that stand for `Vi` and `Vj` variables.

use super::{Argument, Input, IntoPoints, Mismatch};
use crate::cuda::Resident;
use cudarc::driver::{CudaSlice, CudaView};

/// A flat array of so many numbers, cut into rows.
fn flat<'a>(length: usize, dim: usize, whole: impl FnOnce() -> Resident<'a>) -> Argument<'a> {
    if dim == 0 || !length.is_multiple_of(dim) {
        return Argument::Mismatch(Mismatch::Flat { length });
    }
    Argument::Points(Input::Device(whole()))
}

macro_rules! arrays {
    ($($t:ty => $make:ident;)*) => {$(
        impl<'a> IntoPoints<'a, $t> for &'a CudaSlice<$t> {
            fn into_points(self, dim: usize) -> Argument<'a> {
                flat(self.len(), dim, || Resident::$make(self, dim))
            }
        }

        impl<'a> IntoPoints<'a, $t> for &'a CudaView<'_, $t> {
            fn into_points(self, dim: usize) -> Argument<'a> {
                flat(self.len(), dim, || Resident::$make(self, dim))
            }
        }
    )*};
}
arrays! {
    f32 => single;
    f64 => double;
}

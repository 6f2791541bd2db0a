//! The element types of vectors.

use super::Simd;
use super::math::Coefficients;

/// The element type of a vector: `f32` or `f64`.
pub trait Real:
    Copy + Send + Sync + PartialOrd + Default + core::fmt::Debug + Coefficients + 'static
{
    /// Additive identity.
    const ZERO: Self;
    /// Multiplicative identity.
    const ONE: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Negative infinity.
    const NEG_INFINITY: Self;
    /// The largest finite number.
    const MAX: Self;
    /// A quiet NaN.
    const NAN: Self;

    /// AVX-512 vectors of this type.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Simd<T = Self>;
    /// AVX2 vectors of this type.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Simd<T = Self>;
    /// Vectors of this type that need no instruction set beyond the compilation target's own.
    type Portable: Simd<T = Self>;
    /// Vectors of one lane.
    type Scalar: Simd<T = Self>;
    /// The unsigned integer of the same size.
    #[doc(hidden)]
    type Bits: Copy;

    /// Nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
}

macro_rules! real {
    ($($t:ty, $bits:ty, $portable_lanes:literal;)*) => {$(
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const INFINITY: Self = <$t>::INFINITY;
            const NEG_INFINITY: Self = <$t>::NEG_INFINITY;
            const MAX: Self = <$t>::MAX;
            const NAN: Self = <$t>::NAN;

            #[cfg(target_arch = "x86_64")]
            type Avx512 = super::Avx512<$t>;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = super::Avx2<$t>;
            type Portable = super::LaneArray<$t, $portable_lanes>;
            type Scalar = super::LaneArray<$t, 1>;
            type Bits = $bits;

            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { f64::from(self) }
        }
    )*};
}
real! {
    f32, u32, 8;
    f64, u64, 4;
}

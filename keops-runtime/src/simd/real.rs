//! The element types of vectors.

use super::math::Coefficients;
use super::{InstructionSet, Simd};
use crate::cpu::{Problem, Product, SidesCode, SquaredDistances, Squares, Task, WideProduct};
use crate::ranges::Interval;
use crate::reduce::Candidate;
use core::ops::{Mul, Range, Sub};

/// The element type of a vector: `f32` or `f64`.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Default
    + Sub<Output = Self>
    + Mul<Output = Self>
    + core::fmt::Debug
    + Coefficients
    + 'static
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

    /// Values in this type, a finite one as a finite one: the largest number takes the place of what is beyond it.
    #[doc(hidden)]
    fn held(values: &[f64]) -> Vec<Self>;
    /// Runs a task with totals that are sums. It is a method here so that it is compiled with this crate.
    #[doc(hidden)]
    fn run_sums(task: &Task<'_, '_, Self, f64>) -> Vec<f64>;
    /// Runs a task with totals that are candidates, likewise.
    #[doc(hidden)]
    fn run_candidates(task: &Task<'_, '_, Self, Candidate>) -> Vec<Candidate>;
    /// Computes a product with a symmetric matrix, likewise.
    #[doc(hidden)]
    fn run_mirrored(product: &Product<'_, '_, Self>) -> Vec<f64>;
    /// Computes squared distances, likewise.
    #[doc(hidden)]
    fn squared_distances(isa: InstructionSet, distances: SquaredDistances<'_, Self>);
    /// Computes the squares of points, likewise.
    #[doc(hidden)]
    fn squares(
        code: &SidesCode<Self>,
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Squares>;
    /// Computes some rows of a product with many vectors, likewise.
    #[doc(hidden)]
    fn run_wide(
        product: &WideProduct<'_, Self>,
        rows: Range<usize>,
        intervals: &[Interval],
    ) -> Vec<f64>;
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
            #[cfg(target_arch = "x86_64")]
            type Portable = super::Sse2<$t>;
            #[cfg(not(target_arch = "x86_64"))]
            type Portable = super::LaneArray<$t, $portable_lanes>;
            type Scalar = super::LaneArray<$t, 1>;
            type Bits = $bits;

            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { f64::from(self) }

            fn held(values: &[f64]) -> Vec<Self> {
                let largest = f64::from(<$t>::MAX);
                let held = |&value: &f64| match value.is_finite() {
                    true => value.clamp(-largest, largest) as $t,
                    false => value as $t,
                };
                values.iter().map(held).collect()
            }
            fn run_sums(task: &Task<'_, '_, Self, f64>) -> Vec<f64> { task.run() }
            fn run_candidates(task: &Task<'_, '_, Self, Candidate>) -> Vec<Candidate> { task.run() }
            fn run_mirrored(product: &Product<'_, '_, Self>) -> Vec<f64> { product.run() }
            fn squared_distances(isa: InstructionSet, distances: SquaredDistances<'_, Self>) {
                distances.compute(isa);
            }
            fn squares(code: &SidesCode<Self>, isa: InstructionSet, problem: &Problem<'_>) -> Option<Squares> {
                Squares::compute(code, isa, problem)
            }
            fn run_wide(
                product: &WideProduct<'_, Self>,
                rows: Range<usize>,
                intervals: &[Interval],
            ) -> Vec<f64> {
                product.run(rows, intervals)
            }
        }
    )*};
}
real! {
    f32, u32, 8;
    f64, u64, 4;
}

//! SIMD lanes behind one trait.
//!
//! [`Simd`] is a token for an instruction set and an element type. Code that is generic over it is written once,
//! marked `#[inline(always)]`, and collapses into the few entry points that carry `#[target_feature]`.

mod real;

pub use real::Real;

/// An instruction set together with an element type: the operations that emitted kernels and reductions are made of.
///
/// Every method is lane-wise. A value of an implementing type is a proof that the instruction set is available, so
/// the methods are safe.
pub trait Simd: Copy + Send + Sync + 'static {
    /// Element type of one lane: `f32` or `f64`.
    type T: Real;
    /// A vector of [`Simd::LANES`] elements, laid out as `[T; LANES]`.
    type V: Copy + Send + Sync + 'static;
    /// Number of elements in a vector.
    const LANES: usize;
    /// Number of architectural vector registers; the register blocking of a tile is chosen from it.
    const REGISTERS: usize;

    /// All lanes equal to `x`.
    fn splat(self, x: Self::T) -> Self::V;
    /// Reads `LANES` elements (no alignment needed) from the start of `from`, which must hold at least that many.
    fn load(self, from: &[Self::T]) -> Self::V;
    /// Writes `LANES` elements (no alignment needed) to the start of `to`, which must hold at least that many.
    fn store(self, v: Self::V, to: &mut [Self::T]);
}

//! SIMD lanes behind one trait.
//!
//! [`Simd`] is a token for an instruction set and an element type. Code that is generic over it is written once,
//! marked `#[inline(always)]`, and collapses into the few entry points that carry `#[target_feature]`: those of
//! [`dispatch`], which picks the token for an [`InstructionSet`] at run time.
//!
//! | token | `f32` lanes | `f64` lanes | needs |
//! |---|---|---|---|
//! | [`Avx512`] | 16 | 8 | x86-64 with AVX-512 F, DQ, BW, VL and FMA |
//! | [`Avx2`] | 8 | 4 | x86-64 with AVX2 and FMA |
//! | [`Portable`] on x86-64 | 4 | 2 | SSE2, which every x86-64 processor has |
//! | [`Portable`] elsewhere | 8 | 4 | nothing; the compiler maps it to NEON, ... |
//! | [`Scalar`] | 1 | 1 | nothing |
//!
//! Stable Rust refuses `#[inline(always)]` together with `#[target_feature]`, hence the rule of this module: no helper
//! carries the attribute, every helper is always inlined, and only [`dispatch`] carries it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod dispatch;
mod lanes;
mod math;
mod portable;
mod real;
#[cfg(target_arch = "x86_64")]
mod registers;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub(crate) use block::{Block, Pair, Quad};
pub use dispatch::{InstructionSet, InstructionSetError, WithSimd, dispatch};
pub use lanes::Simd;
pub use portable::{LaneArray, Portable, Scalar};
pub use real::Real;
#[cfg(target_arch = "x86_64")]
pub use sse2::Sse2;

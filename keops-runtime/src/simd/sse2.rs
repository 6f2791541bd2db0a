//! SSE2: 128-bit vectors, which every x86-64 processor has.
//!
//! Arrays of lanes compute the same there, but LLVM takes ten times as long to make these instructions of their loops.

#![allow(
    unused_unsafe,
    reason = "these instructions are safe to call on x86-64, those of other sets that share the text are not"
)]

use core::arch::x86_64::*;
use core::marker::PhantomData;

use super::registers::registers;
use super::{InstructionSet, Real, Simd};

/// Four lanes of `f32` or two of `f64`, on any x86-64 processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sse2<T>(PhantomData<T>);

impl<T> Sse2<T> {
    /// The token; every processor has the instruction set.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The largest integers not above `a`, for which SSE2 has no instruction. From `integers`, the inverse of the machine epsilon, on every value is an integer;
/// below, adding and subtracting that number rounds the magnitude to an integer.
#[inline(always)]
fn floor<S: Simd>(s: S, a: S::V, integers: S::T) -> S::V {
    let integers = s.splat(integers);
    let magnitude = s.abs(a);
    let nearest = s.copysign(s.sub(s.add(magnitude, integers), integers), a);
    let below = s.select_lt(a, nearest, s.sub(nearest, s.splat(S::T::ONE)), nearest);
    s.select_lt(magnitude, integers, below, a)
}

registers! { Sse2<f32>, u32, 4, __m128;
    loads { _mm_loadu_ps, _mm_storeu_ps, _mm_set1_ps }
    intrinsics {
        add(a, b) = _mm_add_ps;
        sub(a, b) = _mm_sub_ps;
        mul(a, b) = _mm_mul_ps;
        div(a, b) = _mm_div_ps;
        sqrt(a) = _mm_sqrt_ps;
        min(a, b) = _mm_min_ps;
        max(a, b) = _mm_max_ps;
        lt(a, b) = _mm_cmplt_ps;
        le(a, b) = _mm_cmple_ps;
        eq(a, b) = _mm_cmpeq_ps;
    }
    any _mm_movemask_ps;
    negate _mm_xor_ps; clear _mm_andnot_ps; join _mm_or_ps; meet _mm_and_ps;
    integers { _mm_castps_si128, _mm_castsi128_ps, _mm_add_epi32, _mm_sub_epi32, _mm_slli_epi32, _mm_srli_epi32, 23 }
    others {
        const FUSED: bool = false;
        const SET: InstructionSet = InstructionSet::Portable;
        #[inline(always)]
        fn fma(self, a: __m128, b: __m128, c: __m128) -> __m128 {
            self.add(self.mul(a, b), c)
        }
        #[inline(always)]
        fn fms(self, a: __m128, b: __m128, c: __m128) -> __m128 {
            self.sub(self.mul(a, b), c)
        }
        #[inline(always)]
        fn fnma(self, a: __m128, b: __m128, c: __m128) -> __m128 {
            self.sub(c, self.mul(a, b))
        }
        #[inline(always)]
        fn floor(self, a: __m128) -> __m128 {
            floor(self, a, 1.0 / f32::EPSILON)
        }
        #[inline(always)]
        fn select(self, m: __m128, x: __m128, y: __m128) -> __m128 {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm_or_ps(_mm_and_ps(m, x), _mm_andnot_ps(m, y)) }
        }
    }
}

registers! { Sse2<f64>, u64, 2, __m128d;
    loads { _mm_loadu_pd, _mm_storeu_pd, _mm_set1_pd }
    intrinsics {
        add(a, b) = _mm_add_pd;
        sub(a, b) = _mm_sub_pd;
        mul(a, b) = _mm_mul_pd;
        div(a, b) = _mm_div_pd;
        sqrt(a) = _mm_sqrt_pd;
        min(a, b) = _mm_min_pd;
        max(a, b) = _mm_max_pd;
        lt(a, b) = _mm_cmplt_pd;
        le(a, b) = _mm_cmple_pd;
        eq(a, b) = _mm_cmpeq_pd;
    }
    any _mm_movemask_pd;
    negate _mm_xor_pd; clear _mm_andnot_pd; join _mm_or_pd; meet _mm_and_pd;
    integers { _mm_castpd_si128, _mm_castsi128_pd, _mm_add_epi64, _mm_sub_epi64, _mm_slli_epi64, _mm_srli_epi64, 52 }
    others {
        const FUSED: bool = false;
        const SET: InstructionSet = InstructionSet::Portable;
        #[inline(always)]
        fn fma(self, a: __m128d, b: __m128d, c: __m128d) -> __m128d {
            self.add(self.mul(a, b), c)
        }
        #[inline(always)]
        fn fms(self, a: __m128d, b: __m128d, c: __m128d) -> __m128d {
            self.sub(self.mul(a, b), c)
        }
        #[inline(always)]
        fn fnma(self, a: __m128d, b: __m128d, c: __m128d) -> __m128d {
            self.sub(c, self.mul(a, b))
        }
        #[inline(always)]
        fn floor(self, a: __m128d) -> __m128d {
            floor(self, a, 1.0 / f64::EPSILON)
        }
        #[inline(always)]
        fn select(self, m: __m128d, x: __m128d, y: __m128d) -> __m128d {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm_or_pd(_mm_and_pd(m, x), _mm_andnot_pd(m, y)) }
        }
    }
}

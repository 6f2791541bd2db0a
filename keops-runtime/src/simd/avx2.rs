//! AVX2 with FMA: 256-bit vectors.

use core::arch::x86_64::*;
use core::marker::PhantomData;

use super::{InstructionSet, Simd, math::map_lanes};

/// Eight lanes of `f32` or four of `f64`, on processors with AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2<T>(PhantomData<T>);

impl<T> Avx2<T> {
    /// The token, if the running processor has AVX2 and FMA.
    pub fn new() -> Option<Self> {
        InstructionSet::Avx2
            .is_available()
            .then_some(Self(PhantomData))
    }
}

macro_rules! avx2 {
    ($t:ty, $bits:ty, $lanes:literal, $v:ty;
     loads { $load:ident, $store:ident, $set1:ident }
     intrinsics { $($name:ident($($a:ident),*) = $intrinsic:ident $(::<$imm:ident>)?;)* }
     select $blendv:ident; any $movemask:ident;
     negate $xor:ident; clear $andnot:ident; join $or:ident; meet $and:ident;
     integers { $as_int:ident, $as_float:ident, $int_add:ident, $int_sub:ident, $shl:ident, $shr:ident, $digits:literal }) => {
        impl Simd for Avx2<$t> {
            type T = $t;
            type V = $v;
            type M = $v;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 16;
            const FUSED: bool = true;

            #[inline(always)]
            unsafe fn assume_available() -> Self {
                Self(PhantomData)
            }
            #[inline(always)]
            fn splat(self, x: $t) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $set1(x) }
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> $v {
                let from = &from[..$lanes];
                // SAFETY: the token proves the instruction set; the slice holds as many elements as are read.
                unsafe { $load(from.as_ptr()) }
            }
            #[inline(always)]
            fn store(self, v: $v, to: &mut [$t]) {
                let to = &mut to[..$lanes];
                // SAFETY: the token proves the instruction set; the slice holds as many elements as are written.
                unsafe { $store(to.as_mut_ptr(), v) }
            }
            #[inline(always)]
            fn lanes_from(self, f: impl FnMut(usize) -> $t) -> $v {
                self.load(&core::array::from_fn::<$t, $lanes, _>(f))
            }
            #[inline(always)]
            fn lane(self, v: $v, l: usize) -> $t {
                let mut lanes = [0.0; $lanes];
                self.store(v, &mut lanes);
                lanes[l]
            }
            #[inline(always)]
            fn map(self, a: $v, f: fn(f64) -> f64) -> $v {
                let mut lanes = [0.0; $lanes];
                self.store(a, &mut lanes);
                map_lanes(&mut lanes, f);
                self.load(&lanes)
            }
            #[inline(always)]
            fn splat_bits(self, bits: $bits) -> $v {
                self.splat(<$t>::from_bits(bits))
            }
            #[inline(always)]
            fn neg(self, a: $v) -> $v {
                self.bit_xor(a, self.splat(-0.0))
            }
            #[inline(always)]
            fn abs(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $andnot($set1(-0.0), a) }
            }
            #[inline(always)]
            fn copysign(self, magnitude: $v, sign: $v) -> $v {
                self.bit_or(self.abs(magnitude), self.bit_and(sign, self.splat(-0.0)))
            }
            #[inline(always)]
            fn any(self, m: $v) -> bool {
                // SAFETY: the token proves the instruction set.
                unsafe { $movemask(m) != 0 }
            }
            #[inline(always)]
            fn select(self, m: $v, x: $v, y: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $blendv(y, x, m) }
            }
            #[inline(always)]
            fn bit_and(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $and(a, b) }
            }
            #[inline(always)]
            fn bit_or(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $or(a, b) }
            }
            #[inline(always)]
            fn bit_xor(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $xor(a, b) }
            }
            #[inline(always)]
            fn bit_add(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($int_add($as_int(a), $as_int(b))) }
            }
            #[inline(always)]
            fn bit_sub(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($int_sub($as_int(a), $as_int(b))) }
            }
            #[inline(always)]
            fn shift_to_exponent(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($shl::<$digits>($as_int(a))) }
            }
            #[inline(always)]
            fn shift_to_sign(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($shl::<{ <$bits>::BITS as i32 - 1 }>($as_int(a))) }
            }
            #[inline(always)]
            fn shift_from_exponent(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($shr::<$digits>($as_int(a))) }
            }
            $(
                #[inline(always)]
                fn $name(self, $($a: $v),*) -> $v {
                    // SAFETY: the token proves the instruction set.
                    unsafe { $intrinsic $(::<$imm>)? ($($a),*) }
                }
            )*
        }
    };
}

avx2! { f32, u32, 8, __m256;
    loads { _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps }
    intrinsics {
        add(a, b) = _mm256_add_ps;
        sub(a, b) = _mm256_sub_ps;
        mul(a, b) = _mm256_mul_ps;
        div(a, b) = _mm256_div_ps;
        sqrt(a) = _mm256_sqrt_ps;
        fma(a, b, c) = _mm256_fmadd_ps;
        fms(a, b, c) = _mm256_fmsub_ps;
        fnma(a, b, c) = _mm256_fnmadd_ps;
        floor(a) = _mm256_floor_ps;
        min(a, b) = _mm256_min_ps;
        max(a, b) = _mm256_max_ps;
        lt(a, b) = _mm256_cmp_ps::<_CMP_LT_OQ>;
        le(a, b) = _mm256_cmp_ps::<_CMP_LE_OQ>;
        eq(a, b) = _mm256_cmp_ps::<_CMP_EQ_OQ>;
    }
    select _mm256_blendv_ps; any _mm256_movemask_ps;
    negate _mm256_xor_ps; clear _mm256_andnot_ps; join _mm256_or_ps; meet _mm256_and_ps;
    integers { _mm256_castps_si256, _mm256_castsi256_ps, _mm256_add_epi32, _mm256_sub_epi32, _mm256_slli_epi32, _mm256_srli_epi32, 23 }
}

avx2! { f64, u64, 4, __m256d;
    loads { _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd }
    intrinsics {
        add(a, b) = _mm256_add_pd;
        sub(a, b) = _mm256_sub_pd;
        mul(a, b) = _mm256_mul_pd;
        div(a, b) = _mm256_div_pd;
        sqrt(a) = _mm256_sqrt_pd;
        fma(a, b, c) = _mm256_fmadd_pd;
        fms(a, b, c) = _mm256_fmsub_pd;
        fnma(a, b, c) = _mm256_fnmadd_pd;
        floor(a) = _mm256_floor_pd;
        min(a, b) = _mm256_min_pd;
        max(a, b) = _mm256_max_pd;
        lt(a, b) = _mm256_cmp_pd::<_CMP_LT_OQ>;
        le(a, b) = _mm256_cmp_pd::<_CMP_LE_OQ>;
        eq(a, b) = _mm256_cmp_pd::<_CMP_EQ_OQ>;
    }
    select _mm256_blendv_pd; any _mm256_movemask_pd;
    negate _mm256_xor_pd; clear _mm256_andnot_pd; join _mm256_or_pd; meet _mm256_and_pd;
    integers { _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_add_epi64, _mm256_sub_epi64, _mm256_slli_epi64, _mm256_srli_epi64, 52 }
}

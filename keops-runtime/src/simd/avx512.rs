//! AVX-512: 512-bit vectors.

use core::arch::x86_64::*;
use core::marker::PhantomData;

use super::math::exp_table::{TableSimd, exp_by_table, exp2_by_table};
use super::math::{Coefficients, map_lanes};
use super::{InstructionSet, Simd};

/// Sixteen lanes of `f32` or eight of `f64`, on processors with AVX-512 F, DQ, BW, VL and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx512<T>(PhantomData<T>);

impl<T> Avx512<T> {
    /// The token, if the running processor has AVX-512 F, DQ, BW, VL and FMA.
    pub fn new() -> Option<Self> {
        InstructionSet::Avx512
            .is_available()
            .then_some(Self(PhantomData))
    }
}

macro_rules! avx512 {
    ($t:ty, $bits:ty, $lanes:literal, $v:ty, $m:ty;
     loads { $load:ident, $store:ident, $set1:ident }
     intrinsics { $($name:ident($($a:ident),*) = $intrinsic:ident $(::<$imm:tt>)?;)* }
     compare $cmp:ident; select $blend:ident; ternary $ternary:ident;
     integers { $as_int:ident, $as_float:ident, $int_add:ident, $int_sub:ident, $shl:ident, $shr:ident, $digits:literal }
     recip { $recip:ident, $fixup:ident, $set1_int:ident }
     rsqrt { $rsqrt:ident, $fpclass:ident, $maskz_fma:ident }
     exponents { $getexp:ident, $getmant:ident, $scalef:ident }) => {
        impl Simd for Avx512<$t> {
            type T = $t;
            type V = $v;
            type M = $m;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 32;
            const FUSED: bool = true;
            const SET: InstructionSet = InstructionSet::Avx512;

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
            fn copysign(self, magnitude: $v, sign: $v) -> $v {
                let sign_bit = self.splat(-0.0);
                // SAFETY: the token proves the instruction set. 0xD8 takes b where c is set and a elsewhere.
                unsafe {
                    $as_float($ternary::<0xD8>($as_int(magnitude), $as_int(sign), $as_int(sign_bit)))
                }
            }
            #[inline(always)]
            fn lt(self, a: $v, b: $v) -> $m {
                // SAFETY: the token proves the instruction set.
                unsafe { $cmp::<_CMP_LT_OQ>(a, b) }
            }
            #[inline(always)]
            fn le(self, a: $v, b: $v) -> $m {
                // SAFETY: the token proves the instruction set.
                unsafe { $cmp::<_CMP_LE_OQ>(a, b) }
            }
            #[inline(always)]
            fn eq(self, a: $v, b: $v) -> $m {
                // SAFETY: the token proves the instruction set.
                unsafe { $cmp::<_CMP_EQ_OQ>(a, b) }
            }
            #[inline(always)]
            fn any(self, m: $m) -> bool {
                m != 0
            }
            #[inline(always)]
            fn bits(self, m: $m) -> u128 {
                u128::from(m)
            }
            #[inline(always)]
            fn select(self, m: $m, x: $v, y: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $blend(m, y, x) }
            }
            #[inline(always)]
            fn recip(self, a: $v) -> $v {
                // An estimate of 14 bits, whose error each Newton step squares. Division of 512 bits takes three times as long. Where the estimate is zero or infinite
                // it is the result, and the steps would compute 0 * inf: that is what the table says.
                let one = self.splat(1.0);
                // SAFETY: the token proves the instruction set.
                unsafe {
                    let estimate = $recip(a);
                    let mut y = estimate;
                    if <$t>::MANTISSA_DIGITS > 28 {
                        y = self.fma(y, self.fnma(a, y, one), y);
                    }
                    y = self.fma(y, self.fnma(a, y, one), y);
                    $fixup::<0>(y, estimate, $set1_int(OWN_IF_ZERO_OR_INFINITE.into()))
                }
            }
            #[inline(always)]
            fn rsqrt(self, a: $v) -> $v {
                // The same for a square root, where three to five times as long are gained. Class 0x0E is both zeros and plus infinity, where the steps
                // would compute 0 * inf and the result is 0.
                let half = self.splat(0.5);
                let one = self.splat(1.0);
                // SAFETY: the token proves the instruction set.
                unsafe {
                    let mut y = $rsqrt(a);
                    if <$t>::MANTISSA_DIGITS > 28 {
                        let error = self.fnma(self.mul(a, y), y, one);
                        y = self.fma(self.mul(half, y), error, y);
                    }
                    let error = self.fnma(self.mul(a, y), y, one);
                    $maskz_fma(!$fpclass::<0x0E>(a), self.mul(half, y), error, y)
                }
            }
            #[inline(always)]
            fn exp(self, a: $v) -> $v {
                exp_by_table(self, a)
            }
            #[inline(always)]
            fn exp2(self, a: $v) -> $v {
                exp2_by_table(self, a)
            }
            #[inline(always)]
            fn scale(self, p: $v, k: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $scalef(p, k) }
            }
            #[inline(always)]
            fn split(self, a: $v) -> ($v, $v) {
                // SAFETY: the token proves the instruction set.
                unsafe {
                    let m = $getmant::<_MM_MANT_NORM_P75_1P5, _MM_MANT_SIGN_NAN>(a);
                    // The exponent of m, -1 or 0, has moved over from that of a.
                    (m, self.sub($getexp(a), $getexp(m)))
                }
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
                unsafe { $as_float($shl::<{ <$bits>::BITS - 1 }>($as_int(a))) }
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

/// Rounding mode of `vrndscale`: toward minus infinity, to integers, without exceptions.
const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;

/// Table of `vfixupimm`: a zero (class 2) or an infinity (4, 5) takes the place of the result, whatever else there is does not.
const OWN_IF_ZERO_OR_INFINITE: i32 = 1 << (4 * 2) | 1 << (4 * 4) | 1 << (4 * 5);

avx512! { f32, u32, 16, __m512, __mmask16;
    loads { _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps }
    intrinsics {
        add(a, b) = _mm512_add_ps;
        sub(a, b) = _mm512_sub_ps;
        mul(a, b) = _mm512_mul_ps;
        div(a, b) = _mm512_div_ps;
        abs(a) = _mm512_abs_ps;
        sqrt(a) = _mm512_sqrt_ps;
        fma(a, b, c) = _mm512_fmadd_ps;
        fms(a, b, c) = _mm512_fmsub_ps;
        fnma(a, b, c) = _mm512_fnmadd_ps;
        floor(a) = _mm512_roundscale_ps::<FLOOR>;
        min(a, b) = _mm512_min_ps;
        max(a, b) = _mm512_max_ps;
        bit_and(a, b) = _mm512_and_ps;
        bit_or(a, b) = _mm512_or_ps;
        bit_xor(a, b) = _mm512_xor_ps;
    }
    compare _mm512_cmp_ps_mask; select _mm512_mask_blend_ps; ternary _mm512_ternarylogic_epi32;
    integers { _mm512_castps_si512, _mm512_castsi512_ps, _mm512_add_epi32, _mm512_sub_epi32, _mm512_slli_epi32, _mm512_srli_epi32, 23 }
    recip { _mm512_rcp14_ps, _mm512_fixupimm_ps, _mm512_set1_epi32 }
    rsqrt { _mm512_rsqrt14_ps, _mm512_fpclass_ps_mask, _mm512_maskz_fmadd_ps }
    exponents { _mm512_getexp_ps, _mm512_getmant_ps, _mm512_scalef_ps }
}

avx512! { f64, u64, 8, __m512d, __mmask8;
    loads { _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd }
    intrinsics {
        add(a, b) = _mm512_add_pd;
        sub(a, b) = _mm512_sub_pd;
        mul(a, b) = _mm512_mul_pd;
        div(a, b) = _mm512_div_pd;
        abs(a) = _mm512_abs_pd;
        sqrt(a) = _mm512_sqrt_pd;
        fma(a, b, c) = _mm512_fmadd_pd;
        fms(a, b, c) = _mm512_fmsub_pd;
        fnma(a, b, c) = _mm512_fnmadd_pd;
        floor(a) = _mm512_roundscale_pd::<FLOOR>;
        min(a, b) = _mm512_min_pd;
        max(a, b) = _mm512_max_pd;
        bit_and(a, b) = _mm512_and_pd;
        bit_or(a, b) = _mm512_or_pd;
        bit_xor(a, b) = _mm512_xor_pd;
    }
    compare _mm512_cmp_pd_mask; select _mm512_mask_blend_pd; ternary _mm512_ternarylogic_epi64;
    integers { _mm512_castpd_si512, _mm512_castsi512_pd, _mm512_add_epi64, _mm512_sub_epi64, _mm512_slli_epi64, _mm512_srli_epi64, 52 }
    recip { _mm512_rcp14_pd, _mm512_fixupimm_pd, _mm512_set1_epi64 }
    rsqrt { _mm512_rsqrt14_pd, _mm512_fpclass_pd_mask, _mm512_maskz_fmadd_pd }
    exponents { _mm512_getexp_pd, _mm512_getmant_pd, _mm512_scalef_pd }
}

impl TableSimd for Avx512<f32> {
    #[inline(always)]
    fn entry(self, table: &[f32; 16], index: __m512) -> __m512 {
        let table = self.load(table);
        // SAFETY: the token proves the instruction set.
        unsafe { _mm512_permutexvar_ps(_mm512_castps_si512(index), table) }
    }
    #[inline(always)]
    fn add_down(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves the instruction set.
        unsafe { _mm512_add_round_ps::<FLOOR>(a, b) }
    }
    #[inline(always)]
    fn rest_of_sixteenths(self, x: __m512) -> __m512 {
        // Four binary digits after the point.
        const SIXTEENTHS: i32 = 4 << 4 | FLOOR;
        // SAFETY: the token proves the instruction set.
        unsafe { _mm512_reduce_ps::<SIXTEENTHS>(x) }
    }
    #[inline(always)]
    fn scale_floor(self, p: __m512, x: __m512) -> __m512 {
        // SAFETY: the token proves the instruction set.
        unsafe {
            let normal = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, self.splat(f32::EXP2_MIN));
            _mm512_maskz_scalef_ps(normal, p, x)
        }
    }
}

impl TableSimd for Avx512<f64> {
    #[inline(always)]
    fn entry(self, table: &[f64; 16], index: __m512d) -> __m512d {
        let (low, high) = table.split_at(8);
        let (low, high) = (self.load(low), self.load(high));
        // SAFETY: the token proves the instruction set.
        unsafe { _mm512_permutex2var_pd(low, _mm512_castpd_si512(index), high) }
    }
    #[inline(always)]
    fn add_down(self, a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: the token proves the instruction set.
        unsafe { _mm512_add_round_pd::<FLOOR>(a, b) }
    }
    #[inline(always)]
    fn rest_of_sixteenths(self, x: __m512d) -> __m512d {
        // Four binary digits after the point.
        const SIXTEENTHS: i32 = 4 << 4 | FLOOR;
        // SAFETY: the token proves the instruction set.
        unsafe { _mm512_reduce_pd::<SIXTEENTHS>(x) }
    }
    #[inline(always)]
    fn scale_floor(self, p: __m512d, x: __m512d) -> __m512d {
        // SAFETY: the token proves the instruction set.
        unsafe {
            let normal = _mm512_cmp_pd_mask::<_CMP_NLT_UQ>(x, self.splat(f64::EXP2_MIN));
            _mm512_maskz_scalef_pd(normal, p, x)
        }
    }
}

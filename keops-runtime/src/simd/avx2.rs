//! AVX2 with FMA: 256-bit vectors.

use core::arch::x86_64::*;
use core::marker::PhantomData;

use super::InstructionSet;
use super::registers::registers;

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

registers! { Avx2<f32>, u32, 8, __m256;
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
    any _mm256_movemask_ps;
    negate _mm256_xor_ps; clear _mm256_andnot_ps; join _mm256_or_ps; meet _mm256_and_ps;
    integers { _mm256_castps_si256, _mm256_castsi256_ps, _mm256_add_epi32, _mm256_sub_epi32, _mm256_slli_epi32, _mm256_srli_epi32, 23 }
    others {
        const FUSED: bool = true;
        const SET: InstructionSet = InstructionSet::Avx2;
        #[inline(always)]
        fn select(self, m: __m256, x: __m256, y: __m256) -> __m256 {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm256_blendv_ps(y, x, m) }
        }
    }
}

registers! { Avx2<f64>, u64, 4, __m256d;
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
    any _mm256_movemask_pd;
    negate _mm256_xor_pd; clear _mm256_andnot_pd; join _mm256_or_pd; meet _mm256_and_pd;
    integers { _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_add_epi64, _mm256_sub_epi64, _mm256_slli_epi64, _mm256_srli_epi64, 52 }
    others {
        const FUSED: bool = true;
        const SET: InstructionSet = InstructionSet::Avx2;
        #[inline(always)]
        fn select(self, m: __m256d, x: __m256d, y: __m256d) -> __m256d {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm256_blendv_pd(y, x, m) }
        }
    }
}

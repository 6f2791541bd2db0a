//! The exponential functions of AVX-512, which looks up a table of sixteen entries in one instruction and scales by powers
//! of two, with gradual underflow, in another.

use super::super::Simd;
use super::{Coefficients, polynomial};

/// What these functions need beyond [`Simd`].
pub(in super::super) trait TableSimd: Simd {
    /// `EXP2_TABLE[j]` with `j` the lowest four bits of `index`.
    fn exp2_table(self, index: Self::V) -> Self::V;
    /// `p 2^floor(x)`, rounded once.
    fn scale_floor(self, p: Self::V, x: Self::V) -> Self::V;
}

/// `exp(x)` by a table of `2^(j/16)`, which leaves `|r| <= ln(2)/32` to a short polynomial.
#[inline(always)]
pub(in super::super) fn exp_by_table<S: TableSimd>(s: S, x: S::V) -> S::V {
    // Both operand orders keep NaN.
    let x = s.max(
        s.splat(S::T::EXP_ZERO),
        s.min(s.splat(S::T::EXP_INFINITY), x),
    );
    let shifter = s.splat(S::T::SHIFTER_16);
    let t = s.fma(x, s.splat(S::T::LOG2_E), shifter);
    let k = s.sub(t, shifter);
    let r = s.fnma(k, s.splat(S::T::LN_2_HI), x);
    let r = s.fnma(k, s.splat(S::T::LN_2_LO), r);
    let root = s.exp2_table(t);
    let p = s.fma(s.mul(root, r), polynomial(s, r, S::T::EXP_16), root);
    s.scale_floor(p, k)
}

/// `2^x` by the same table.
#[inline(always)]
pub(in super::super) fn exp2_by_table<S: TableSimd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(S::T::EXP2_ZERO), s.min(s.splat(S::T::EXP2_MAX), x));
    let shifter = s.splat(S::T::SHIFTER_16);
    let t = s.add(x, shifter);
    let k = s.sub(t, shifter);
    let r = s.sub(x, k);
    let root = s.exp2_table(t);
    let p = s.fma(s.mul(root, r), polynomial(s, r, S::T::EXP2_16), root);
    s.scale_floor(p, k)
}

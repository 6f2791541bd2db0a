//! The exponential functions.
//!
//! `exp(x) = 2^k exp(r)` with `k` the integer nearest to `x / ln(2)` and `|r| <= ln(2)/2`. Adding `SHIFTER` rounds to
//! the integer and leaves it in the lowest bits, from where one shift brings it to the exponent.

use super::super::{Real, Simd};
use super::{Coefficients, constant, polynomial};

/// `(r, t)` with `x = k ln(2) + r` and `t = k + SHIFTER`.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let shifter = s.splat(S::T::SHIFTER);
    let t = s.fma(x, s.splat(S::T::LOG2_E), shifter);
    let k = s.sub(t, shifter);
    let r = s.fnma(k, s.splat(S::T::LN_2_HI), x);
    (s.fnma(k, s.splat(S::T::LN_2_LO), r), t)
}

/// `exp(r)` for `|r| <= ln(2)/2`.
#[inline(always)]
fn exp_reduced<S: Simd>(s: S, r: S::V) -> S::V {
    let one = s.splat(S::T::ONE);
    let q = polynomial(s, r, S::T::EXP);
    if S::FUSED {
        return s.fma(s.fma(q, r, one), r, one);
    }
    // As many instructions as that has where products are rounded, and fewer roundings that count.
    s.add(s.add(s.mul(s.mul(r, r), q), r), one)
}

/// `p 2^k`, given `t = k + SHIFTER`, for a normal result. Adding to the exponent field is right up to the last binade
/// before overflow, where `2^k` alone has no representation.
#[inline(always)]
fn add_exponent<S: Simd>(s: S, p: S::V, t: S::V) -> S::V {
    s.bit_add(p, s.shift_to_exponent(t))
}

/// `exp(x)`; subnormal results are flushed to zero.
#[inline(always)]
pub(in super::super) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let (r, t) = reduce(s, x);
    let y = add_exponent(s, exp_reduced(s, r), t);
    let y = s.select_lt(x, s.splat(S::T::EXP_MIN), s.splat(S::T::ZERO), y);
    // The sum is infinity above the bound and NaN at NaN.
    s.select_le(
        x,
        s.splat(S::T::EXP_MAX),
        y,
        s.add(x, s.splat(S::T::INFINITY)),
    )
}

/// `2^x`; subnormal results are flushed to zero.
#[inline(always)]
pub(in super::super) fn exp2<S: Simd>(s: S, x: S::V) -> S::V {
    let shifter = s.splat(S::T::SHIFTER);
    let t = s.add(x, shifter);
    let r = s.sub(x, s.sub(t, shifter));
    let y = add_exponent(s, exp2_reduced(s, r), t);
    let y = s.select_lt(x, s.splat(S::T::EXP2_MIN), s.splat(S::T::ZERO), y);
    s.select_lt(
        x,
        s.splat(S::T::EXP2_MAX),
        y,
        s.add(x, s.splat(S::T::INFINITY)),
    )
}

/// `2^r` for `|r| <= 1/2`.
#[inline(always)]
pub(super) fn exp2_reduced<S: Simd>(s: S, r: S::V) -> S::V {
    s.fma(polynomial(s, r, S::T::EXP2), r, s.splat(S::T::ONE))
}

/// `exp(x) / 2` for `x >= 0`, which overflows later than `exp`.
#[inline(always)]
pub(super) fn half_exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Past this bound the result is infinite anyway. The operands are in the order that keeps NaN.
    let x = s.min(constant(s, 1.01 * S::T::EXP_INFINITY.to_f64()), x);
    let (r, t) = reduce(s, x);
    let k = s.sub(t, s.splat(S::T::SHIFTER));
    s.scale(exp_reduced(s, r), s.sub(k, s.splat(S::T::ONE)))
}

/// `exp(x) - 1`.
#[inline(always)]
pub(in super::super) fn expm1<S: Simd>(s: S, x: S::V) -> S::V {
    let shifter = s.splat(S::T::SHIFTER);
    let one = s.splat(S::T::ONE);
    let clamped = s.max(
        s.splat(S::T::EXPM1_MIN),
        s.min(s.splat(S::T::EXP_INFINITY), x),
    );
    let k = s.sub(s.fma(clamped, s.splat(S::T::LOG2_E), shifter), shifter);
    // r in two words: near zero its rounding error alone would be a unit in the last place of the result.
    let upper = s.fnma(k, s.splat(S::T::LN_2_HI), clamped);
    let lower = s.mul(k, s.splat(S::T::LN_2_LO));
    let r = s.sub(upper, lower);
    let correction = s.sub(s.sub(upper, r), lower);
    let tail = s.fma(s.mul(r, r), polynomial(s, r, S::T::EXP), correction);
    // 2^k (1 + r + tail) - 1, halved so that 2^k does not overflow before the result does.
    let half = constant(s, 0.5);
    let power = s.scale(half, k);
    let first = s.sub(power, half);
    let head = s.fma(power, r, first);
    // The product is exact, and this what the sum with it lost.
    let lost = s.fma(power, r, s.sub(first, head));
    let y = s.add(head, s.fma(power, tail, lost));
    let y = s.copysign(s.add(y, y), x);
    let y = s.select_lt(x, s.splat(S::T::EXPM1_MIN), s.neg(one), y);
    s.select_le(
        x,
        s.splat(S::T::EXP_MAX),
        y,
        s.add(x, s.splat(S::T::INFINITY)),
    )
}

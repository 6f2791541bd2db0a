//! Inverse trigonometric functions.

use super::super::{Real, Simd};
use super::double::Double;
use super::{Coefficients, constant, odd, polynomial};

/// `t + tail = asin(t)`, where `t = |x|` up to 1/2 and `sqrt((1 - |x|)/2)` beyond, so that `asin(t) = acos(|x|)/2`.
struct Reduced<S: Simd> {
    t: S::V,
    tail: S::V,
    beyond_half: S::M,
}

#[inline(always)]
fn reduce_asin<S: Simd>(s: S, x: S::V) -> Reduced<S> {
    let half = constant(s, 0.5);
    let a = s.abs(x);
    let beyond_half = s.lt(half, a);
    let z = s.select(beyond_half, s.fnma(half, a, half), s.mul(a, a));
    let t = s.select(beyond_half, s.sqrt(z), a);
    let tail = s.mul(s.mul(t, z), polynomial(s, z, S::T::ASIN));
    Reduced {
        t,
        tail,
        beyond_half,
    }
}

/// `pi/2 - (y + tail)` for `|y| <= pi/2` and a small `tail`, rounded nearly once.
#[inline(always)]
fn complement<S: Simd>(s: S, y: S::V, tail: S::V) -> S::V {
    let head = Double::quick_sum(s, s.splat(S::T::FRAC_PI_2_HI), s.neg(y));
    let tail = s.sub(tail, s.splat(S::T::FRAC_PI_2_LO));
    s.add(head.hi, s.sub(head.lo, tail))
}

/// `asin(x)`.
#[inline(always)]
pub(in super::super) fn asin<S: Simd>(s: S, x: S::V) -> S::V {
    let Reduced {
        t,
        tail,
        beyond_half,
    } = reduce_asin(s, x);
    let beyond = complement(s, s.add(t, t), s.add(tail, tail));
    s.copysign(s.select(beyond_half, beyond, s.add(t, tail)), x)
}

/// `acos(x)`.
#[inline(always)]
pub(in super::super) fn acos<S: Simd>(s: S, x: S::V) -> S::V {
    let Reduced {
        t,
        tail,
        beyond_half,
    } = reduce_asin(s, x);
    let sign = s.select(beyond_half, s.splat(S::T::ONE), x);
    let angle = complement(s, s.copysign(t, sign), s.copysign(tail, sign));
    // pi - 2 asin(t) = 2 (pi/2 - asin(t)) below -1/2.
    let half = s.select_lt(x, s.splat(S::T::ZERO), angle, s.add(t, tail));
    s.select(beyond_half, s.add(half, half), angle)
}

/// `atan(v / w)` for `0 <= v <= w`.
#[inline(always)]
fn atan_ratio<S: Simd>(s: S, v: S::V, w: S::V) -> S::V {
    // Near 1, atan(v/w) = pi/4 + atan((v - w)/(v + w)). The bound is above tan(1/2): below 1/2 the spacing of the result
    // is too fine for the error of the quotient.
    // Two infinities are near 1, an infinite w alone is not: v is then below HUGE / 2.
    let bound = s.mul(constant(s, 0.55), s.min(s.splat(S::T::HUGE), w));
    let near_one = s.lt(bound, v);
    let numerator = s.select(near_one, s.sub(v, w), v);
    let denominator = s.select(near_one, s.add(v, w), w);
    // Equal operands, infinities and zeros too.
    let t = s.select_eq(v, w, s.splat(S::T::ZERO), s.div(numerator, denominator));
    let y = odd(s, t, s.mul(t, t), S::T::ATAN);
    s.add(
        y,
        s.select(near_one, s.splat(S::T::FRAC_PI_4), s.splat(S::T::ZERO)),
    )
}

/// `atan(x)`.
#[inline(always)]
pub(in super::super) fn atan<S: Simd>(s: S, x: S::V) -> S::V {
    let (zero, one) = (s.splat(S::T::ZERO), s.splat(S::T::ONE));
    let a = s.abs(x);
    // The second operand of min and max is the one that keeps NaN.
    let y = atan_ratio(s, s.min(one, a), s.max(one, a));
    s.copysign(s.select_lt(one, a, complement(s, y, zero), y), x)
}

/// `atan2(y, x)`: the angle of the point `(x, y)`.
#[inline(always)]
pub(in super::super) fn atan2<S: Simd>(s: S, y: S::V, x: S::V) -> S::V {
    let (a, b) = (s.abs(x), s.abs(y));
    let (v, w) = (s.min(a, b), s.max(a, b));
    // The sum of two huge numbers must not overflow.
    let huge = s.lt(s.splat(S::T::HUGE), w);
    let down = s.select(huge, constant(s, 0.125), s.splat(S::T::ONE));
    let angle = atan_ratio(s, s.mul(v, down), s.mul(w, down));
    // Quarter turns minus the angle where either the quotient was turned over or x is negative, plus it elsewhere.
    let steep = s.lt(a, b);
    let one = s.splat(S::T::ONE);
    let sign = s.copysign(one, x);
    let turns = s.select(steep, one, s.sub(one, sign));
    let angle = s.copysign(angle, s.select(steep, s.neg(sign), sign));
    let angle = s.fma(turns, s.splat(S::T::FRAC_PI_2_LO), angle);
    let angle = s.fma(turns, s.splat(S::T::FRAC_PI_2_HI), angle);
    // A NaN in y has come through min and max, one in x has not.
    s.copysign(s.select_eq(x, x, angle, x), y)
}

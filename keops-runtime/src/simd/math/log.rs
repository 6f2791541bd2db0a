//! The natural logarithm: `ln(m 2^k) = k ln(2) + ln(m)`, with `3/4 <= m < 3/2`.

use super::super::{Real, Simd};
use super::{Coefficients, polynomial};

/// `k ln(2) + ln(1 + f)`, for `-1/4 <= f < 1/2`.
#[inline(always)]
fn combine<S: Simd>(s: S, f: S::V, k: S::V) -> S::V {
    // f - f^2/2 + f^3 q(f), the small terms first.
    let square = s.mul(f, f);
    let cubic = s.mul(s.mul(square, f), polynomial(s, f, S::T::LOG));
    let tail = s.fnma(s.splat(S::T::from_f64(0.5)), square, cubic);
    let tail = s.fma(k, s.splat(S::T::LN_2_LO), tail);
    s.fma(k, s.splat(S::T::LN_2_HI), s.add(f, tail))
}

/// `ln(x)`.
#[inline(always)]
pub(in super::super) fn log<S: Simd>(s: S, x: S::V) -> S::V {
    let (m, k) = s.split(x);
    combine(s, s.sub(m, s.splat(S::T::ONE)), k)
}

/// `ln(1 + x)`.
#[inline(always)]
pub(in super::super) fn log1p<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(S::T::ONE);
    let u = s.add(one, x);
    let (m, k) = s.split(u);
    // What the addition lost, by the error-free sum of Knuth, scaled like m.
    let x_part = s.sub(u, one);
    let lost = s.add(s.sub(one, s.sub(u, x_part)), s.sub(x, x_part));
    let f = s.add(s.sub(m, one), s.scale(lost, s.neg(k)));
    let y = s.copysign(combine(s, f, k), x);
    // At -1 and infinity the logarithm is k; elsewhere k is finite.
    s.select_eq(s.abs(k), s.splat(S::T::INFINITY), k, y)
}

//! Hyperbolic functions: odd polynomials near zero, the exponential elsewhere.

use super::super::{Real, Simd};
use super::exp::half_exp;
use super::{Coefficients, constant, odd};

/// `sinh(x)`.
#[inline(always)]
pub(in super::super) fn sinh<S: Simd>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let small = odd(s, a, s.mul(a, a), S::T::SINH);
    let half = half_exp(s, a);
    let large = s.sub(half, s.div(constant(s, 0.25), half));
    s.copysign(s.select_lt(a, s.splat(S::T::ONE), small, large), x)
}

/// `cosh(x)`.
#[inline(always)]
pub(in super::super) fn cosh<S: Simd>(s: S, x: S::V) -> S::V {
    let half = half_exp(s, s.abs(x));
    s.add(half, s.div(constant(s, 0.25), half))
}

/// `tanh(x)`.
#[inline(always)]
pub(in super::super) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let small = odd(s, a, s.mul(a, a), S::T::TANH);
    // 1 - 2/(exp(2a) + 1), halved.
    let one = s.splat(S::T::ONE);
    let large = s.sub(
        one,
        s.div(one, s.add(half_exp(s, s.add(a, a)), constant(s, 0.5))),
    );
    s.copysign(s.select_lt(a, constant(s, 0.7), small, large), x)
}

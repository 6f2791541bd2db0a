//! The error function.

use super::super::{Real, Simd};
use super::{Coefficients, constant, polynomial};

/// `erf(x)`: a polynomial up to 1, and `1 - erfc(x)` from there, where `erfc(x) = exp(-x^2) q((x - 2)/(x + 2))` is
/// small enough that its relative error does not count.
#[inline(always)]
pub(in super::super) fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(S::T::ONE);
    let two = constant(s, 2.0);
    // The operand order keeps NaN.
    let a = s.min(s.splat(S::T::ERF_ONE), s.abs(x));
    let square = s.mul(a, a);
    let small = s.fma(a, polynomial(s, square, S::T::ERF), a);
    let u = s.div(s.sub(a, two), s.add(a, two));
    let large = s.fnma(s.exp(s.neg(square)), polynomial(s, u, S::T::ERFC), one);
    s.copysign(s.select_lt(a, one, small, large), x)
}

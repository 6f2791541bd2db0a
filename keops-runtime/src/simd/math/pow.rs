//! The power function, by a logarithm in two words.

use super::super::{Real, Simd};
use super::double::{Double, subtract_product};
use super::exp::exp2_reduced;
use super::{Coefficients, constant, polynomial};

/// `log2(x)` for positive `x` in two words, to about 2^-64 relative in `f64` and 2^-45 in `f32`.
///
/// With `s = (m - 1)/(m + 1)`, `log2(m) = s (C0 + z (C1 + z t(z)))`, `z = s^2`. The magnitude of `z t(z)` is 1/40, so
/// one word is enough for it.
#[inline(always)]
fn log2_double<S: Simd>(s: S, x: S::V) -> Double<S::V> {
    let one = s.splat(S::T::ONE);
    let words = |c: [S::T; 2]| Double {
        hi: s.splat(c[0]),
        lo: s.splat(c[1]),
    };
    let (m, k) = s.split(x);
    let numerator = s.sub(m, one);
    // Exact, since m has the exponent of one or the one below.
    let denominator = Double::quick_sum(s, one, m);
    let inverse = s.div(one, denominator.hi);
    let hi = s.mul(numerator, inverse);
    let rest = s.fnma(
        hi,
        denominator.lo,
        subtract_product(s, hi, denominator.hi, numerator),
    );
    let ratio = Double {
        hi,
        lo: s.mul(rest, inverse),
    };

    let z = ratio.times(s, ratio);
    let c1 = words(S::T::LOG2_RATIO_C1);
    let tail = s.mul(z.hi, polynomial(s, z.hi, S::T::LOG2_RATIO));
    let inner = z.times(s, Double::quick_sum(s, c1.hi, tail).plus_low(s, c1.lo));
    let c0 = words(S::T::LOG2_RATIO_C0);
    let factor = Double::quick_sum(s, c0.hi, inner.hi).plus_low(s, s.add(inner.lo, c0.lo));
    let log_m = ratio.times(s, factor);
    // At zero and infinity the upper word is the infinite k and the lower one NaN.
    Double::quick_sum(s, k, log_m.hi).plus_low(s, log_m.lo)
}

/// `x^y`.
#[inline(always)]
pub(in super::super) fn pow<S: Simd>(s: S, x: S::V, y: S::V) -> S::V {
    let zero = s.splat(S::T::ZERO);
    let one = s.splat(S::T::ONE);
    let infinity = s.splat(S::T::INFINITY);
    let magnitude = s.abs(x);

    // |x|^y = 2^(y log2|x|).
    let log = log2_double(s, magnitude);
    let product = Double::product(s, y, log.hi);
    let lo = s.fma(y, log.lo, product.lo);
    // Within range the lower word is small; far out of range, and where the exact product overflows on its way, it may be
    // anything and does not matter. The operand order keeps NaN in the upper word.
    let lo = s.select_lt(s.abs(lo), one, lo, zero);
    let limit = s.splat(S::T::POW_LIMIT);
    let hi = s.max(s.neg(limit), s.min(limit, product.hi));
    let shifter = s.splat(S::T::SHIFTER);
    let k = s.sub(s.add(hi, shifter), shifter);
    let power = s.scale(exp2_reduced(s, s.add(s.sub(hi, k), lo)), k);

    // A negative base: odd exponents keep its sign, others than integers have no real power.
    let half = s.mul(y, constant(s, 0.5));
    let integer = s.eq(s.floor(y), y);
    let signed = s.copysign(power, x);
    let power = s.select(
        integer,
        s.select_eq(s.floor(half), half, power, signed),
        power,
    );
    let finite_negative = s.select_lt(s.neg(infinity), x, x, zero);
    let base = s.select(integer, zero, finite_negative);
    let power = s.select_lt(base, zero, s.splat(S::T::NAN), power);

    // C: 1^y = 1 and x^0 = 1 even for NaN, (-1)^(+-inf) = 1.
    let power = s.select_eq(x, one, one, power);
    let minus_one_to_infinity = s.select_eq(magnitude, one, s.abs(y), zero);
    let power = s.select_eq(minus_one_to_infinity, infinity, one, power);
    s.select_eq(y, zero, one, power)
}

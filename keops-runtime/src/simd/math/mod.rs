//! Elementary functions on vectors: each written once over [`Simd`], with polynomials per element type.
//!
//! Everything here is reached through the methods of [`Simd`], which state the accuracy. The approximations follow the
//! classical scheme (reduce the argument, evaluate a minimax polynomial, reconstruct), without branches except for the
//! huge arguments of sine and cosine.

mod coefficients;
pub(super) mod double;
pub(super) mod erf;
pub(super) mod exp;
#[cfg(target_arch = "x86_64")]
pub(super) mod exp_table;
pub(super) mod hyperbolic;
pub(super) mod inverse_trig;
pub(super) mod log;
pub(super) mod pow;
pub(super) mod trig;

#[cfg(test)]
mod tests;

pub(super) use coefficients::Coefficients;

use super::{Real, Simd};

/// The polynomial with coefficients `c`, lowest degree first, at `x`.
#[inline(always)]
fn polynomial<S: Simd>(s: S, x: S::V, c: &[S::T]) -> S::V {
    let mut value = s.splat(c[c.len() - 1]);
    for &c in c[..c.len() - 1].iter().rev() {
        value = s.fma(value, x, s.splat(c));
    }
    value
}

/// `t + t z q(z)` with `z = t^2` given: an odd function.
#[inline(always)]
fn odd<S: Simd>(s: S, t: S::V, z: S::V, q: &[S::T]) -> S::V {
    s.fma(s.mul(t, z), polynomial(s, z, q), t)
}

/// The constant `x` in every lane.
#[inline(always)]
fn constant<S: Simd>(s: S, x: f64) -> S::V {
    s.splat(S::T::from_f64(x))
}

/// `p 2^k` for an integer `k` of magnitude at most `POW_LIMIT`, rounded once also where the result is subnormal.
#[inline(always)]
pub(super) fn scale<S: Simd>(s: S, p: S::V, k: S::V) -> S::V {
    // 2^k itself may be out of range, its two halves are not; the first product is exact.
    let shifter = s.splat(S::T::SHIFTER);
    let half = s.sub(s.fma(k, constant(s, 0.5), shifter), shifter);
    let power = |k| s.shift_to_exponent(s.add(k, s.splat(S::T::SHIFTER_BIASED)));
    s.mul(s.mul(p, power(half)), power(s.sub(k, half)))
}

/// `(m, k)` with `x = m 2^k` and `3/4 <= m < 3/2`.
///
/// `k` is -inf at 0 and inf at inf, both with `m = 1`; both are NaN below zero and at NaN.
#[inline(always)]
pub(super) fn split<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let zero = s.splat(S::T::ZERO);
    let subnormal = s.lt(x, s.splat(S::T::MIN_POSITIVE));
    let normal = s.select(subnormal, s.mul(x, s.splat(S::T::SUBNORMAL_SCALE)), x);
    let shift = s.select(subnormal, s.splat(S::T::SUBNORMAL_EXPONENT), zero);
    // Significands from 3/2 on carry into the exponent.
    let carried = s.bit_add(normal, s.splat(S::T::HALF_EXPONENT));
    let exponent = s.bit_and(carried, s.splat(S::T::EXPONENT_MASK));
    let m = s.bit_add(s.bit_sub(normal, exponent), s.splat(S::T::ONE));
    let biased = s.bit_or(s.shift_from_exponent(exponent), s.splat(S::T::INTEGERS));
    let k = s.sub(s.sub(biased, s.splat(S::T::INTEGERS_BIASED)), shift);
    let nan = s.splat(S::T::NAN);
    let k = s.select_eq(x, zero, s.splat(S::T::NEG_INFINITY), k);
    let k = s.select_lt(x, s.splat(S::T::INFINITY), k, x);
    let invalid = s.lt(x, zero);
    let m = s.select_eq(x, x, m, x);
    (s.select(invalid, nan, m), s.select(invalid, nan, k))
}

/// Replaces every lane by `f` of it; for the rare lanes that vector code does not cover.
#[cold]
#[inline(never)]
pub(super) fn map_lanes<T: Real>(lanes: &mut [T], f: fn(f64) -> f64) {
    for lane in lanes {
        *lane = T::from_f64(f(lane.to_f64()));
    }
}

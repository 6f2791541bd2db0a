//! Sine and cosine, by reduction to `|r| <= pi/2` with pi in three words (Cody and Waite 1980).

use core::f64::consts::PI;

use super::super::Simd;
use super::double::{Double, subtract_product};
use super::{Coefficients, constant, polynomial};

/// `(-1)^n sin(x - h pi)`, given `h` and `t` with `n` in its lowest bits.
#[inline(always)]
fn reduced_sin<S: Simd>(s: S, x: S::V, h: S::V, t: S::V) -> S::V {
    let [p1, p2, p3] = S::T::PI;
    let whole = subtract_product(s, h, s.splat(p1), x);
    // The upper word of the product alone: then the next difference is exact, however much cancels.
    let r = s.sub(whole, s.mul(h, s.splat(p2)));
    let rest = subtract_product(s, h, s.splat(p2), s.sub(whole, r));
    let rest = s.fnma(h, s.splat(p3), rest);
    let y = if S::FUSED {
        let z = s.mul(r, r);
        // The rest counts cos(r) times, which is about 1 - z / (pi/2)^2, and the polynomial begins with -1/6: added to the cube, -6 times the rest has no rounding
        // of its own.
        let minus_six = s.fma(z, constant(s, 24.0 / (PI * PI)), constant(s, -6.0));
        let cube = s.fma(rest, minus_six, s.mul(r, z));
        s.fma(cube, polynomial(s, z, S::T::SIN), r)
    } else {
        // The roundings of the cubic term, nearly 0.6 at pi/2, would bring the error just above two units.
        let r = Double { hi: r, lo: rest };
        let z = r.times(s, r);
        let higher = s.mul(z.hi, polynomial(s, z.hi, &S::T::SIN[1..]));
        let q = Double::quick_sum(s, s.splat(S::T::SIN[0]), higher);
        let cubic = z.times(s, q).times(s, r);
        let low = s.add(cubic.lo, r.lo);
        let sum = Double::quick_sum(s, r.hi, cubic.hi).plus_low(s, low);
        s.add(sum.hi, sum.lo)
    };
    // The polynomial loses the sign of -0.
    s.copysign(y, s.bit_xor(r, s.shift_to_sign(t)))
}

/// `sin(x)`.
#[inline(always)]
pub(in super::super) fn sin<S: Simd>(s: S, x: S::V) -> S::V {
    let shifter = s.splat(S::T::SHIFTER);
    let t = s.fma(x, s.splat(S::T::FRAC_1_PI), shifter);
    let y = reduced_sin(s, x, s.sub(t, shifter), t);
    unless_huge(s, x, y, f64::sin)
}

/// `cos(x) = sin(x + pi/2)`.
#[inline(always)]
pub(in super::super) fn cos<S: Simd>(s: S, x: S::V) -> S::V {
    let shifter = s.splat(S::T::SHIFTER);
    let half = constant(s, 0.5);
    let t = s.add(s.fma(x, s.splat(S::T::FRAC_1_PI), half), shifter);
    let y = reduced_sin(s, x, s.sub(s.sub(t, shifter), half), t);
    unless_huge(s, x, y, f64::cos)
}

/// `y`, or `f(x)` lane by lane where an argument is too large for the reduction.
#[inline(always)]
fn unless_huge<S: Simd>(s: S, x: S::V, y: S::V, f: fn(f64) -> f64) -> S::V {
    let huge = s.lt(s.splat(S::T::TRIG_MAX), s.abs(x));
    if s.any(huge) {
        s.select(huge, s.map(x, f), y)
    } else {
        y
    }
}

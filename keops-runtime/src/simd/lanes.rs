//! The trait that everything generic over an instruction set is written against.

use super::dispatch::{InstructionSet, WithSimd, run_apart};
use super::{Real, math};

/// An instruction set together with an element type: the operations that emitted kernels and reductions are made of.
///
/// Every method is lane-wise. A value of an implementing type is a proof that the instruction set is available, so
/// the methods are safe.
///
/// All instruction sets agree bit for bit on the arithmetic methods, NaN payloads aside, with one exception: where
/// [`Simd::FUSED`] is false, [`Simd::fma`], [`Simd::fms`] and [`Simd::fnma`] round twice.
///
/// The elementary functions, [`Simd::recip`] and [`Simd::rsqrt`] differ between instruction sets in the last place. The bounds on their
/// errors are the largest ones measured on any instruction set, rounded up, in units in the last place (ulp) of the
/// result: in `f32` against double precision on every 41st float or more, in `f64` against mpmath on 20 000 arguments. The
/// tests, on fewer, hold them to 2. NaN gives NaN, unless something else is said.
pub trait Simd: Copy + Send + Sync + 'static {
    /// Element type of one lane: `f32` or `f64`.
    type T: Real;
    /// A vector of [`Simd::LANES`] elements, laid out as `[T; LANES]`.
    type V: Copy + Send + Sync + 'static;
    /// One truth value per lane.
    type M: Copy;
    /// Number of elements in a vector.
    const LANES: usize;
    /// Number of vectors that the architecture's registers hold; the register blocking of a tile is chosen from it.
    const REGISTERS: usize;
    /// Whether multiply-add rounds once. Without the instruction it is a multiplication and an addition.
    const FUSED: bool;
    /// The number of partial sums, 1, 2 or 4, that long sums are cut into so that additions need not wait for each other.
    const PARTIAL_SUMS: usize = 4;
    /// The instruction set.
    const SET: InstructionSet;

    /// The token, without asking the processor.
    ///
    /// # Safety
    ///
    /// The instruction set is available on the running processor.
    #[doc(hidden)]
    unsafe fn assume_available() -> Self;

    /// Runs `work` in a function of its own, with the widest vectors of the instruction set. What no formula changes is compiled once that way, and not with
    /// the loops of each.
    #[inline(always)]
    fn apart<W: WithSimd<Self::T>>(self, work: W) -> W::Output {
        run_apart(self, work)
    }

    /// All lanes equal to `x`.
    fn splat(self, x: Self::T) -> Self::V;
    /// Reads `LANES` elements (no alignment needed) from the start of `from`.
    ///
    /// # Panics
    ///
    /// If `from` holds fewer than `LANES` elements.
    fn load(self, from: &[Self::T]) -> Self::V;
    /// Writes `LANES` elements (no alignment needed) to the start of `to`.
    ///
    /// # Panics
    ///
    /// If `to` holds fewer than `LANES` elements.
    fn store(self, v: Self::V, to: &mut [Self::T]);
    /// Reads the first `LANES` elements of `from`, and `fill` where it holds fewer.
    #[inline(always)]
    fn load_partial(self, from: &[Self::T], fill: Self::T) -> Self::V {
        if from.len() >= Self::LANES {
            return self.load(from);
        }
        self.lanes_from(|l| from.get(l).copied().unwrap_or(fill))
    }

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `-a`: flips the sign, of zeros and NaN too.
    fn neg(self, a: Self::V) -> Self::V;
    /// `|a|`: clears the sign, of zeros and NaN too.
    fn abs(self, a: Self::V) -> Self::V;
    /// The correctly rounded square root; NaN below zero, `-0` at `-0`.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where [`Simd::FUSED`].
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a * b - c`, rounded once where [`Simd::FUSED`].
    fn fms(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once where [`Simd::FUSED`].
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The largest integer not above `a`; `a` itself for zeros, infinities and NaN.
    fn floor(self, a: Self::V) -> Self::V;
    /// `if a < b { a } else { b }`: the second operand where either is NaN or both are zeros.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `if a > b { a } else { b }`: the second operand where either is NaN or both are zeros.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `magnitude` with the sign bit of `sign`.
    fn copysign(self, magnitude: Self::V, sign: Self::V) -> Self::V;

    /// `a < b`; false where either is NaN.
    fn lt(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a <= b`; false where either is NaN.
    fn le(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a == b`; false where either is NaN, true for zeros of either sign.
    fn eq(self, a: Self::V, b: Self::V) -> Self::M;
    /// `if m { x } else { y }`.
    fn select(self, m: Self::M, x: Self::V, y: Self::V) -> Self::V;
    /// True in any lane.
    fn any(self, m: Self::M) -> bool;
    /// The truth values as bits, that of lane 0 as the lowest.
    fn bits(self, m: Self::M) -> u128;

    /// `if a < b { x } else { y }`; `y` where `a` or `b` is NaN.
    #[inline(always)]
    fn select_lt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        self.select(self.lt(a, b), x, y)
    }
    /// `if a <= b { x } else { y }`; `y` where `a` or `b` is NaN.
    #[inline(always)]
    fn select_le(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        self.select(self.le(a, b), x, y)
    }
    /// `if a == b { x } else { y }`; `y` where `a` or `b` is NaN.
    #[inline(always)]
    fn select_eq(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        self.select(self.eq(a, b), x, y)
    }
    /// `a * b` less the product that [`Simd::mul`] makes of it, exactly if nothing is near the largest number and the
    /// product does not underflow.
    #[inline(always)]
    fn product_error(self, a: Self::V, b: Self::V) -> Self::V {
        math::double::product_error(self, a, b)
    }
    /// `c - a * b` of the product before its rounding, as far as [`Simd::product_error`] is exact: exactly, too, where `c` is the product but for a few
    /// roundings.
    #[inline(always)]
    fn residual(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        math::double::subtract_product(self, a, b, c)
    }
    /// The nearest integer, halves away from zero (C `round`); `a` itself for zeros, infinities and NaN.
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        let magnitude = self.abs(a);
        let below = self.floor(magnitude);
        let above = self.add(below, self.splat(Self::T::ONE));
        let half = self.splat(Self::T::from_f64(0.5));
        self.copysign(
            self.select_le(half, self.sub(magnitude, below), above, below),
            a,
        )
    }
    /// `1 / a`, to 0.6 ulp; correctly rounded but on AVX-512.
    #[inline(always)]
    fn recip(self, a: Self::V) -> Self::V {
        self.div(self.splat(Self::T::ONE), a)
    }
    /// `1 / sqrt(a)`; by convention 0 at zeros of either sign, NaN below zero; to 1.5 ulp.
    #[inline(always)]
    fn rsqrt(self, a: Self::V) -> Self::V {
        let zero = self.splat(Self::T::ZERO);
        let inverse = self.div(self.splat(Self::T::ONE), self.sqrt(a));
        self.select_eq(a, zero, zero, inverse)
    }

    /// `exp(a)`, to 1.1 ulp. Results below the smallest normal number are
    /// flushed to zero: subnormal numbers take a hundred times as long, here and wherever they are used.
    #[inline(always)]
    fn exp(self, a: Self::V) -> Self::V {
        math::exp::exp(self, a)
    }
    /// `2^a`, to 1.1 ulp; underflow as in [`Simd::exp`].
    #[inline(always)]
    fn exp2(self, a: Self::V) -> Self::V {
        math::exp::exp2(self, a)
    }
    /// `exp(a) - 1` without cancellation at zero, to 1.2 ulp.
    #[inline(always)]
    fn expm1(self, a: Self::V) -> Self::V {
        math::exp::expm1(self, a)
    }
    /// `ln(a)`, to 1.0 ulp; -inf at zero, NaN below.
    #[inline(always)]
    fn log(self, a: Self::V) -> Self::V {
        math::log::log(self, a)
    }
    /// `ln(1 + a)` without cancellation at zero, to 1.0 ulp; -inf at -1, NaN below.
    #[inline(always)]
    fn log1p(self, a: Self::V) -> Self::V {
        math::log::log1p(self, a)
    }
    /// `sin(a)`, to 1.7 ulp; NaN at infinities. Lanes above 2^16 (`f32`) or 2^30 (`f64`)
    /// go through the standard library.
    #[inline(always)]
    fn sin(self, a: Self::V) -> Self::V {
        math::trig::sin(self, a)
    }
    /// `cos(a)`, to 1.8 ulp in `f32` and 1.7 in `f64`; otherwise as [`Simd::sin`].
    #[inline(always)]
    fn cos(self, a: Self::V) -> Self::V {
        math::trig::cos(self, a)
    }
    /// `asin(a)`, to 1.1 ulp; NaN beyond -1 and 1.
    #[inline(always)]
    fn asin(self, a: Self::V) -> Self::V {
        math::inverse_trig::asin(self, a)
    }
    /// `acos(a)`, to 1.1 ulp; NaN beyond -1 and 1.
    #[inline(always)]
    fn acos(self, a: Self::V) -> Self::V {
        math::inverse_trig::acos(self, a)
    }
    /// `atan(a)`, to 1.6 ulp.
    #[inline(always)]
    fn atan(self, a: Self::V) -> Self::V {
        math::inverse_trig::atan(self, a)
    }
    /// `sinh(a)`, to 1.7 ulp in `f32` and 1.6 in `f64`.
    #[inline(always)]
    fn sinh(self, a: Self::V) -> Self::V {
        math::hyperbolic::sinh(self, a)
    }
    /// `cosh(a)`, to 1.6 ulp in `f32` and 1.4 in `f64`.
    #[inline(always)]
    fn cosh(self, a: Self::V) -> Self::V {
        math::hyperbolic::cosh(self, a)
    }
    /// `tanh(a)`, to 1.1 ulp.
    #[inline(always)]
    fn tanh(self, a: Self::V) -> Self::V {
        math::hyperbolic::tanh(self, a)
    }
    /// `erf(a)`, to 1.3 ulp in `f32` and 1.2 in `f64`.
    #[inline(always)]
    fn erf(self, a: Self::V) -> Self::V {
        math::erf::erf(self, a)
    }
    /// The angle of the point `(x, y)` against the first axis, to 1.6 ulp; signs of zeros
    /// and infinities as in C.
    #[inline(always)]
    fn atan2(self, y: Self::V, x: Self::V) -> Self::V {
        math::inverse_trig::atan2(self, y, x)
    }
    /// `x^y`, to 1.2 ulp; special values as in C: `x^0 = 1` and `1^y = 1` even for NaN, a
    /// negative base has powers with integer exponents only.
    #[inline(always)]
    fn pow(self, x: Self::V, y: Self::V) -> Self::V {
        math::pow::pow(self, x, y)
    }

    /// `p 2^k` for an integer `k` of magnitude at most 200 in `f32`, 1200 in `f64`, rounded once.
    #[doc(hidden)]
    #[inline(always)]
    fn scale(self, p: Self::V, k: Self::V) -> Self::V {
        math::scale(self, p, k)
    }
    /// `(m, k)` with `a = m 2^k` and `3/4 <= m < 3/2`; `k` is -inf at 0 and inf at inf, both NaN below zero.
    #[doc(hidden)]
    #[inline(always)]
    fn split(self, a: Self::V) -> (Self::V, Self::V) {
        math::split(self, a)
    }
    /// `f` of every lane, through double precision; not inlined.
    #[doc(hidden)]
    fn map(self, a: Self::V, f: fn(f64) -> f64) -> Self::V;
    /// Lane `l` is `f(l)`.
    #[doc(hidden)]
    fn lanes_from(self, f: impl FnMut(usize) -> Self::T) -> Self::V;
    /// Lane `l` of `v`, below `LANES`.
    #[doc(hidden)]
    fn lane(self, v: Self::V, l: usize) -> Self::T;
    /// All lanes with the representation `bits`.
    #[doc(hidden)]
    fn splat_bits(self, bits: <Self::T as Real>::Bits) -> Self::V;
    /// The bitwise conjunction of two representations.
    #[doc(hidden)]
    fn bit_and(self, a: Self::V, b: Self::V) -> Self::V;
    /// The bitwise disjunction of two representations.
    #[doc(hidden)]
    fn bit_or(self, a: Self::V, b: Self::V) -> Self::V;
    /// The bitwise exclusive disjunction of two representations.
    #[doc(hidden)]
    fn bit_xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// The wrapping sum of two representations as integers.
    #[doc(hidden)]
    fn bit_add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The wrapping difference of two representations as integers.
    #[doc(hidden)]
    fn bit_sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Shifts the lowest bits of the representation to where the exponent stands.
    #[doc(hidden)]
    fn shift_to_exponent(self, a: Self::V) -> Self::V;
    /// Shifts the lowest bit of the representation to where the sign stands.
    #[doc(hidden)]
    fn shift_to_sign(self, a: Self::V) -> Self::V;
    /// Shifts exponent and sign of the representation down to its lowest bits.
    #[doc(hidden)]
    fn shift_from_exponent(self, a: Self::V) -> Self::V;
}

//! Numbers of two words: an unevaluated sum `hi + lo` with about twice the digits (Dekker 1971, Knuth TAOCP 4.2.2).

use super::super::Simd;
use super::Coefficients;

/// See [`Simd::product_error`].
#[inline(always)]
pub(in super::super) fn product_error<S: Simd>(s: S, a: S::V, b: S::V) -> S::V {
    Double::product(s, a, b).lo
}

/// The sum `hi + lo`, where `lo` is small against `hi`.
#[derive(Clone, Copy)]
pub(super) struct Double<V> {
    pub(super) hi: V,
    pub(super) lo: V,
}

impl<V: Copy> Double<V> {
    /// `a + b` exactly, if `|a| >= |b|` or `a = 0`.
    #[inline(always)]
    pub(super) fn quick_sum<S: Simd<V = V>>(s: S, a: V, b: V) -> Self {
        let hi = s.add(a, b);
        Self {
            hi,
            lo: s.sub(b, s.sub(hi, a)),
        }
    }

    /// `a b` exactly, if neither a factor nor the product is near the largest number, and the product does not underflow.
    #[inline(always)]
    pub(super) fn product<S: Simd<V = V>>(s: S, a: V, b: V) -> Self {
        let hi = s.mul(a, b);
        if S::FUSED {
            return Self {
                hi,
                lo: s.fms(a, b, hi),
            };
        }
        let (a1, a2) = halves(s, a);
        let (b1, b2) = halves(s, b);
        let upper = s.sub(s.mul(a1, b1), hi);
        let middle = s.add(s.add(upper, s.mul(a1, b2)), s.mul(a2, b1));
        Self {
            hi,
            lo: s.add(middle, s.mul(a2, b2)),
        }
    }

    /// `self + lo`, for a small `lo`.
    #[inline(always)]
    pub(super) fn plus_low<S: Simd<V = V>>(self, s: S, lo: V) -> Self {
        Self {
            hi: self.hi,
            lo: s.add(self.lo, lo),
        }
    }

    /// `self * other`.
    #[inline(always)]
    pub(super) fn times<S: Simd<V = V>>(self, s: S, other: Self) -> Self {
        let cross = s.fma(self.hi, other.lo, s.mul(self.lo, other.hi));
        let product = Self::product(s, self.hi, other.hi).plus_low(s, cross);
        Self::quick_sum(s, product.hi, product.lo)
    }
}

/// See [`Simd::residual`].
#[inline(always)]
pub(in super::super) fn subtract_product<S: Simd>(s: S, a: S::V, b: S::V, c: S::V) -> S::V {
    if S::FUSED {
        return s.fnma(a, b, c);
    }
    let product = Double::product(s, a, b);
    s.sub(s.sub(c, product.hi), product.lo)
}

/// `a` as a sum of two numbers with half the digits, the sign of the second being one of them: rounded as the integer that its representation is.
#[inline(always)]
fn halves<S: Simd>(s: S, a: S::V) -> (S::V, S::V) {
    let rounded = s.bit_add(a, s.splat(S::T::HALF_OF_LOWER));
    let upper = s.bit_and(rounded, s.splat(S::T::UPPER_HALF));
    (upper, s.sub(a, upper))
}

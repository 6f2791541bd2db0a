//! The exponential functions of AVX-512, which looks up a table of sixteen entries in one instruction and scales by powers
//! of two in another. Subnormal results are flushed to zero, as on the other instruction sets.

use super::super::Simd;
use super::{Coefficients, polynomial};

/// What these functions need beyond [`Simd`].
pub(in super::super) trait TableSimd: Simd {
    /// `table[j]` with `j` the lowest four bits of `index`.
    fn entry(self, table: &[Self::T; 16], index: Self::V) -> Self::V;
    /// `a + b`, rounded down.
    fn add_down(self, a: Self::V, b: Self::V) -> Self::V;
    /// `x - floor(16 x) / 16`, and 0 at infinity.
    fn rest_of_sixteenths(self, x: Self::V) -> Self::V;
    /// `p 2^floor(x)` for `p` from 1 to 2, with 0 in the place of subnormal results: these take a hundred times as long,
    /// here and wherever they are used.
    fn scale_floor(self, p: Self::V, x: Self::V) -> Self::V;
}

/// `exp(x)` by a table of `2^(j/16)`, which leaves `|r| <= ln(2)/32` to a short polynomial. The roundings of the table would be the larger part of its error,
/// and functions whose values are next to a power of two from above double it.
#[inline(always)]
pub(in super::super) fn exp_by_table<S: TableSimd>(s: S, x: S::V) -> S::V {
    // The order of the operands keeps NaN. What is far below has a power of two that is taken for 0, whatever it is multiplied with.
    let x = s.min(s.splat(S::T::EXP_INFINITY), x);
    let shifter = s.splat(S::T::SHIFTER_16);
    let t = s.fma(x, s.splat(S::T::LOG2_E), shifter);
    let k = s.sub(t, shifter);
    let r = s.fnma(k, s.splat(S::T::LN_2_HI), x);
    let r = s.fnma(k, s.splat(S::T::LN_2_LO), r);
    let root = s.entry(&S::T::EXP2_TABLE, t);
    let r = s.add(r, s.entry(&S::T::EXP2_TABLE_REST, t));
    let p = s.fma(s.mul(root, r), polynomial(s, r, S::T::EXP_16), root);
    s.scale_floor(p, k)
}

/// `2^x` by the same table. Rounding down spares all clamping: the rest of any number is below 1/16, and scaling takes
/// the number itself.
#[inline(always)]
pub(in super::super) fn exp2_by_table<S: TableSimd>(s: S, x: S::V) -> S::V {
    let t = s.add_down(x, s.splat(S::T::SHIFTER_16));
    let r = s.rest_of_sixteenths(x);
    let root = s.entry(&S::T::EXP2_TABLE, t);
    let p = s.fma(s.mul(root, r), polynomial(s, r, S::T::EXP2_16), root);
    s.scale_floor(p, x)
}

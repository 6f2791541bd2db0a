//! Arrays of lanes without intrinsics: one loop per operation, which the compiler vectorises for its target.

use core::marker::PhantomData;

use super::{InstructionSet, Real, Simd, math::map_lanes};

/// `L` lanes of `T` on any processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneArray<T, const L: usize>(PhantomData<T>);

/// The widest vectors that every processor of the compilation target has.
pub type Portable<T> = <T as Real>::Portable;

/// Vectors of one lane.
pub type Scalar<T> = <T as Real>::Scalar;

impl<T, const L: usize> LaneArray<T, L> {
    /// The token; it needs no instruction set.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Whether `mul_add` is an instruction of the compilation target; elsewhere it is a slow library call.
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

macro_rules! lane_array {
    ($t:ty, $bits:ty) => {
        impl<const L: usize> Simd for LaneArray<$t, L> {
            type T = $t;
            type V = [$t; L];
            // A mask has all bits of a true lane set: what vector comparisons of SSE2 and NEON give.
            type M = [$bits; L];
            const LANES: usize = L;
            // A vector fills two registers, of which x86-64 has 16 and AArch64 32.
            const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };
            const FUSED: bool = FUSED;
            const SET: InstructionSet = InstructionSet::Portable;

            #[inline(always)]
            unsafe fn assume_available() -> Self {
                Self::new()
            }
            #[inline(always)]
            fn splat(self, x: $t) -> [$t; L] {
                [x; L]
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> [$t; L] {
                let mut v = [0.0; L];
                v.copy_from_slice(&from[..L]);
                v
            }
            #[inline(always)]
            fn store(self, v: [$t; L], to: &mut [$t]) {
                to[..L].copy_from_slice(&v);
            }
            #[inline(always)]
            fn lanes_from(self, f: impl FnMut(usize) -> $t) -> [$t; L] {
                core::array::from_fn(f)
            }
            #[inline(always)]
            fn lane(self, v: [$t; L], l: usize) -> $t {
                v[l]
            }
            #[inline(always)]
            fn map(self, a: [$t; L], f: fn(f64) -> f64) -> [$t; L] {
                let mut lanes = [0.0; L];
                self.store(a, &mut lanes);
                map_lanes(&mut lanes, f);
                self.load(&lanes)
            }
            #[inline(always)]
            fn splat_bits(self, bits: $bits) -> [$t; L] {
                [<$t>::from_bits(bits); L]
            }
            #[inline(always)]
            fn fma(self, a: [$t; L], b: [$t; L], c: [$t; L]) -> [$t; L] {
                core::array::from_fn(|l| if FUSED { a[l].mul_add(b[l], c[l]) } else { a[l] * b[l] + c[l] })
            }
            #[inline(always)]
            fn fms(self, a: [$t; L], b: [$t; L], c: [$t; L]) -> [$t; L] {
                core::array::from_fn(|l| if FUSED { a[l].mul_add(b[l], -c[l]) } else { a[l] * b[l] - c[l] })
            }
            #[inline(always)]
            fn fnma(self, a: [$t; L], b: [$t; L], c: [$t; L]) -> [$t; L] {
                core::array::from_fn(|l| if FUSED { (-a[l]).mul_add(b[l], c[l]) } else { c[l] - a[l] * b[l] })
            }
            #[inline(always)]
            fn floor(self, a: [$t; L]) -> [$t; L] {
                // `floor` is a library call before SSE4.1. Above 1 / EPSILON every value is an integer; below, adding
                // and subtracting that number rounds the magnitude to an integer.
                const INTEGERS: $t = 1.0 / <$t>::EPSILON;
                core::array::from_fn(|l| {
                    let magnitude = a[l].abs();
                    let nearest = (magnitude + INTEGERS - INTEGERS).copysign(a[l]);
                    let below = if nearest > a[l] { nearest - 1.0 } else { nearest };
                    if magnitude < INTEGERS { below } else { a[l] }
                })
            }
            #[inline(always)]
            fn select(self, m: [$bits; L], x: [$t; L], y: [$t; L]) -> [$t; L] {
                core::array::from_fn(|l| if m[l] != 0 { x[l] } else { y[l] })
            }
            #[inline(always)]
            fn any(self, m: [$bits; L]) -> bool {
                m.iter().fold(0, |any, &lane| any | lane) != 0
            }
            #[inline(always)]
            fn bits(self, m: [$bits; L]) -> u128 {
                m.iter().rev().fold(0, |bits, &lane| bits << 1 | u128::from(lane & 1))
            }
            lane_array! { @values $t;
                neg(a) = -a;
                abs(a) = a.abs();
                sqrt(a) = a.sqrt();
                add(a, b) = a + b;
                sub(a, b) = a - b;
                mul(a, b) = a * b;
                div(a, b) = a / b;
                min(a, b) = if a < b { a } else { b };
                max(a, b) = if a > b { a } else { b };
                copysign(a, b) = a.copysign(b);
                bit_and(a, b) = <$t>::from_bits(a.to_bits() & b.to_bits());
                bit_or(a, b) = <$t>::from_bits(a.to_bits() | b.to_bits());
                bit_xor(a, b) = <$t>::from_bits(a.to_bits() ^ b.to_bits());
                bit_add(a, b) = <$t>::from_bits(a.to_bits().wrapping_add(b.to_bits()));
                bit_sub(a, b) = <$t>::from_bits(a.to_bits().wrapping_sub(b.to_bits()));
                shift_to_exponent(a) = <$t>::from_bits(a.to_bits() << (<$t>::MANTISSA_DIGITS - 1));
                shift_to_sign(a) = <$t>::from_bits(a.to_bits() << (<$bits>::BITS - 1));
                shift_from_exponent(a) = <$t>::from_bits(a.to_bits() >> (<$t>::MANTISSA_DIGITS - 1));
            }
            lane_array! { @masks $t, $bits;
                lt(a, b) = a < b;
                le(a, b) = a <= b;
                eq(a, b) = a == b;
            }
        }
    };
    (@values $t:ty; $($name:ident($a:ident $(, $b:ident)*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $a: [$t; L] $(, $b: [$t; L])*) -> [$t; L] {
            core::array::from_fn(|l| {
                let $a = $a[l];
                $(let $b = $b[l];)*
                $value
            })
        }
    )*};
    (@masks $t:ty, $bits:ty; $($name:ident($a:ident, $b:ident) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $a: [$t; L], $b: [$t; L]) -> [$bits; L] {
            core::array::from_fn(|l| {
                let ($a, $b) = ($a[l], $b[l]);
                if $value { <$bits>::MAX } else { 0 }
            })
        }
    )*};
}
lane_array!(f32, u32);
lane_array!(f64, u64);

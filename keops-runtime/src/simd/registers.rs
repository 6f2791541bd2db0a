//! What vectors in the registers of x86-64 have in common, apart from AVX-512, whose masks are registers of their own.

/// Implements [`Simd`](super::Simd) for a token of one type parameter whose vectors and masks are the registers `$v`.
macro_rules! registers {
    ($token:ident<$t:ty>, $bits:ty, $lanes:literal, $v:ty;
     loads { $load:ident, $store:ident, $set1:ident }
     intrinsics { $($name:ident($($a:ident),*) = $intrinsic:ident $(::<$imm:ident>)?;)* }
     any $movemask:ident;
     negate $xor:ident; clear $andnot:ident; join $or:ident; meet $and:ident;
     integers { $as_int:ident, $as_float:ident, $int_add:ident, $int_sub:ident, $shl:ident, $shr:ident, $digits:literal }
     others { $($others:tt)* }) => {
        impl $crate::simd::Simd for $token<$t> {
            type T = $t;
            type V = $v;
            type M = $v;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 16;

            #[inline(always)]
            unsafe fn assume_available() -> Self {
                Self(core::marker::PhantomData)
            }
            #[inline(always)]
            fn splat(self, x: $t) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $set1(x) }
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> $v {
                let from = &from[..$lanes];
                // SAFETY: the token proves the instruction set; the slice holds as many elements as are read.
                unsafe { $load(from.as_ptr()) }
            }
            #[inline(always)]
            fn store(self, v: $v, to: &mut [$t]) {
                let to = &mut to[..$lanes];
                // SAFETY: the token proves the instruction set; the slice holds as many elements as are written.
                unsafe { $store(to.as_mut_ptr(), v) }
            }
            #[inline(always)]
            fn lanes_from(self, f: impl FnMut(usize) -> $t) -> $v {
                self.load(&core::array::from_fn::<$t, $lanes, _>(f))
            }
            #[inline(always)]
            fn lane(self, v: $v, l: usize) -> $t {
                let mut lanes = [0.0; $lanes];
                self.store(v, &mut lanes);
                lanes[l]
            }
            #[inline(always)]
            fn map(self, a: $v, f: fn(f64) -> f64) -> $v {
                let mut lanes = [0.0; $lanes];
                self.store(a, &mut lanes);
                $crate::simd::math::map_lanes(&mut lanes, f);
                self.load(&lanes)
            }
            #[inline(always)]
            fn splat_bits(self, bits: $bits) -> $v {
                self.splat(<$t>::from_bits(bits))
            }
            #[inline(always)]
            fn neg(self, a: $v) -> $v {
                self.bit_xor(a, self.splat(-0.0))
            }
            #[inline(always)]
            fn abs(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $andnot($set1(-0.0), a) }
            }
            #[inline(always)]
            fn copysign(self, magnitude: $v, sign: $v) -> $v {
                self.bit_or(self.abs(magnitude), self.bit_and(sign, self.splat(-0.0)))
            }
            #[inline(always)]
            fn any(self, m: $v) -> bool {
                // SAFETY: the token proves the instruction set.
                unsafe { $movemask(m) != 0 }
            }
            #[inline(always)]
            fn bits(self, m: $v) -> u128 {
                // SAFETY: the token proves the instruction set.
                let bits = unsafe { $movemask(m) };
                u128::from(bits.cast_unsigned())
            }
            #[inline(always)]
            fn bit_and(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $and(a, b) }
            }
            #[inline(always)]
            fn bit_or(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $or(a, b) }
            }
            #[inline(always)]
            fn bit_xor(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $xor(a, b) }
            }
            #[inline(always)]
            fn bit_add(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($int_add($as_int(a), $as_int(b))) }
            }
            #[inline(always)]
            fn bit_sub(self, a: $v, b: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($int_sub($as_int(a), $as_int(b))) }
            }
            #[inline(always)]
            fn shift_to_exponent(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($shl::<$digits>($as_int(a))) }
            }
            #[inline(always)]
            fn shift_to_sign(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($shl::<{ <$bits>::BITS as i32 - 1 }>($as_int(a))) }
            }
            #[inline(always)]
            fn shift_from_exponent(self, a: $v) -> $v {
                // SAFETY: the token proves the instruction set.
                unsafe { $as_float($shr::<$digits>($as_int(a))) }
            }
            $(
                #[inline(always)]
                fn $name(self, $($a: $v),*) -> $v {
                    // SAFETY: the token proves the instruction set.
                    unsafe { $intrinsic $(::<$imm>)? ($($a),*) }
                }
            )*
            $($others)*
        }
    };
}
pub(super) use registers;

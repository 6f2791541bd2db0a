//! Several vectors as one.

use super::{Real, Simd};

/// A block of eight vectors of `S` that go through the same code: [`Block::ROWS`] vectors of rows for each of
/// [`Block::COLUMNS`] columns, by column.
///
/// Code for one pair becomes code for a block without being written again: what it loads of a row serves all columns of the block, and what
/// it loads of a column all rows, and eight independent results are on their way where one would wait for its last addition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<S>(S);

impl<S> Block<S> {
    /// Vectors of rows. With accumulators for eight vectors, what is read of four rows and a column still fits 16 registers.
    pub(crate) const ROWS: usize = 4;
    /// Columns.
    pub(crate) const COLUMNS: usize = 2;

    /// The token for blocks of vectors of `S`.
    pub(crate) const fn new(s: S) -> Self {
        Self(s)
    }
}

impl<S: Simd> Block<S> {
    /// The token for its vectors.
    #[inline(always)]
    pub(crate) fn one(self) -> S {
        self.0
    }
}

/// `$value` for each of the eight vectors. Written out, since arrays that loops run over stay in memory where code is long.
macro_rules! each {
    ($n:ident => $value:expr) => {
        [
            each!(@ 0, $n, $value), each!(@ 1, $n, $value), each!(@ 2, $n, $value), each!(@ 3, $n, $value),
            each!(@ 4, $n, $value), each!(@ 5, $n, $value), each!(@ 6, $n, $value), each!(@ 7, $n, $value),
        ]
    };
    (@ $at:literal, $n:ident, $value:expr) => {{
        const $n: usize = $at;
        $value
    }};
}

macro_rules! vectors {
    ($($name:ident($($a:ident),*);)*) => {$(
        #[inline(always)]
        fn $name(self, $($a: Self::V),*) -> Self::V {
            each!(N => self.0.$name($($a[N]),*))
        }
    )*};
}

macro_rules! comparisons {
    ($($name:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, a: Self::V, b: Self::V) -> Self::M {
            each!(N => self.0.$name(a[N], b[N]))
        }
    )*};
}

impl<S: Simd> Simd for Block<S> {
    type T = S::T;
    type V = [S::V; 8];
    type M = [S::M; 8];
    const LANES: usize = 8 * S::LANES;
    const REGISTERS: usize = S::REGISTERS / 8;
    const FUSED: bool = S::FUSED;

    #[inline(always)]
    unsafe fn assume_available() -> Self {
        // SAFETY: the caller vouches for the instruction set, which is that of `S`.
        Self(unsafe { S::assume_available() })
    }
    #[inline(always)]
    fn splat(self, x: S::T) -> Self::V {
        [self.0.splat(x); 8]
    }
    #[inline(always)]
    fn splat_bits(self, bits: <S::T as Real>::Bits) -> Self::V {
        [self.0.splat_bits(bits); 8]
    }
    #[inline(always)]
    fn load(self, from: &[S::T]) -> Self::V {
        each!(N => self.0.load(&from[N * S::LANES..]))
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [S::T]) {
        for (v, to) in v
            .into_iter()
            .zip(to[..Self::LANES].chunks_exact_mut(S::LANES))
        {
            self.0.store(v, to);
        }
    }
    #[inline(always)]
    fn lanes_from(self, mut f: impl FnMut(usize) -> S::T) -> Self::V {
        each!(N => self.0.lanes_from(|l| f(N * S::LANES + l)))
    }
    #[inline(always)]
    fn lane(self, v: Self::V, l: usize) -> S::T {
        self.0.lane(v[l / S::LANES], l % S::LANES)
    }
    #[inline(always)]
    fn map(self, a: Self::V, f: fn(f64) -> f64) -> Self::V {
        each!(N => self.0.map(a[N], f))
    }
    #[inline(always)]
    fn select(self, m: Self::M, x: Self::V, y: Self::V) -> Self::V {
        each!(N => self.0.select(m[N], x[N], y[N]))
    }
    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        m.into_iter().any(|m| self.0.any(m))
    }
    #[inline(always)]
    fn bits(self, m: Self::M) -> u128 {
        m.into_iter()
            .rev()
            .fold(0, |bits, m| bits << S::LANES | self.0.bits(m))
    }
    #[inline(always)]
    fn split(self, a: Self::V) -> (Self::V, Self::V) {
        let both = each!(N => self.0.split(a[N]));
        (each!(N => both[N].0), each!(N => both[N].1))
    }
    comparisons! { lt; le; eq; }
    vectors! {
        add(a, b);
        sub(a, b);
        mul(a, b);
        div(a, b);
        neg(a);
        abs(a);
        sqrt(a);
        fma(a, b, c);
        fms(a, b, c);
        fnma(a, b, c);
        product_error(a, b);
        floor(a);
        min(a, b);
        max(a, b);
        copysign(a, b);
        select_lt(a, b, x, y);
        select_le(a, b, x, y);
        select_eq(a, b, x, y);
        round(a);
        rsqrt(a);
        exp(a);
        exp2(a);
        expm1(a);
        log(a);
        log1p(a);
        sin(a);
        cos(a);
        asin(a);
        acos(a);
        atan(a);
        sinh(a);
        cosh(a);
        tanh(a);
        erf(a);
        atan2(y, x);
        pow(x, y);
        scale(p, k);
        bit_and(a, b);
        bit_or(a, b);
        bit_xor(a, b);
        bit_add(a, b);
        bit_sub(a, b);
        shift_to_exponent(a);
        shift_to_sign(a);
        shift_from_exponent(a);
    }
}

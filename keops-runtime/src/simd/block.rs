//! Several vectors as one.

use super::{InstructionSet, Real, Simd};

/// Vectors of [`Block::ROWS`] vectors of rows for each of [`Block::COLUMNS`] columns, which go through the same code.
///
/// Code for one pair becomes code for a block without being written again: what it loads of a row serves all columns of the block, and what
/// it loads of a column all rows, and independent results are on their way where one would wait for its last addition.
pub(crate) trait Block<S: Simd>: Simd<T = S::T> {
    /// Vectors of rows.
    const ROWS: usize = 4;
    /// Columns, at most two.
    const COLUMNS: usize;

    /// The token for blocks of vectors of `S`.
    fn new(s: S) -> Self;
    /// The token for the vectors.
    fn one(self) -> S;
    /// Each row for all columns.
    fn repeat_rows(self, rows: [S::V; 4]) -> Self::V;
    /// Each column for all rows. Those that a block has not are ignored.
    fn repeat_columns(self, columns: [S::T; 2]) -> Self::V;
    /// The vector of a row and a column.
    fn vector(v: &Self::V, row: usize, column: usize) -> S::V;
}

impl<S: Simd> Block<S> for Quad<S> {
    const COLUMNS: usize = 1;

    #[inline(always)]
    fn new(s: S) -> Self {
        Self(s)
    }
    #[inline(always)]
    fn one(self) -> S {
        self.0
    }
    #[inline(always)]
    fn repeat_rows(self, rows: [S::V; 4]) -> [S::V; 4] {
        rows
    }
    #[inline(always)]
    fn repeat_columns(self, [column, _]: [S::T; 2]) -> [S::V; 4] {
        self.splat(column)
    }
    #[inline(always)]
    fn vector(v: &[S::V; 4], row: usize, _: usize) -> S::V {
        v[row]
    }
}

impl<S: Simd> Block<S> for Pair<Quad<S>> {
    const COLUMNS: usize = 2;

    #[inline(always)]
    fn new(s: S) -> Self {
        Self(Quad(s))
    }
    #[inline(always)]
    fn one(self) -> S {
        self.0.0
    }
    #[inline(always)]
    fn repeat_rows(self, rows: [S::V; 4]) -> [[S::V; 4]; 2] {
        [rows; 2]
    }
    #[inline(always)]
    fn repeat_columns(self, [a, b]: [S::T; 2]) -> [[S::V; 4]; 2] {
        [self.0.splat(a), self.0.splat(b)]
    }
    #[inline(always)]
    fn vector(v: &[[S::V; 4]; 2], row: usize, column: usize) -> S::V {
        v[column][row]
    }
}

/// `$value` for each of several vectors. Written out, since arrays that loops run over stay in memory where code is long.
macro_rules! each {
    ([$($at:literal)*] $n:ident => $value:expr) => {
        [$(each!(@ $at, $n, $value)),*]
    };
    (@ $at:literal, $n:ident, $value:expr) => {{
        const $n: usize = $at;
        $value
    }};
}

macro_rules! vectors {
    ($all:tt $($name:ident($($a:ident),*);)*) => {$(
        #[inline(always)]
        fn $name(self, $($a: Self::V),*) -> Self::V {
            each!($all N => self.0.$name($($a[N]),*))
        }
    )*};
}

macro_rules! comparisons {
    ($all:tt $($name:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, a: Self::V, b: Self::V) -> Self::M {
            each!($all N => self.0.$name(a[N], b[N]))
        }
    )*};
}

macro_rules! several {
    ($(#[$attribute:meta])* $token:ident, $count:literal, $all:tt) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $token<S>(S);

        impl<S: Simd> Simd for $token<S> {
            type T = S::T;
            type V = [S::V; $count];
            type M = [S::M; $count];
            const LANES: usize = $count * S::LANES;
            const REGISTERS: usize = S::REGISTERS / $count;
            const FUSED: bool = S::FUSED;
            const SET: InstructionSet = S::SET;
            // As many sums are on their way, and more would not fit into registers.
            const PARTIAL_SUMS: usize = S::PARTIAL_SUMS / 2;

            #[inline(always)]
            unsafe fn assume_available() -> Self {
                // SAFETY: the caller vouches for the instruction set, which is that of `S`.
                Self(unsafe { S::assume_available() })
            }
            #[inline(always)]
            fn splat(self, x: S::T) -> Self::V {
                [self.0.splat(x); $count]
            }
            #[inline(always)]
            fn splat_bits(self, bits: <S::T as Real>::Bits) -> Self::V {
                [self.0.splat_bits(bits); $count]
            }
            #[inline(always)]
            fn load(self, from: &[S::T]) -> Self::V {
                each!($all N => self.0.load(&from[N * S::LANES..]))
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
                each!($all N => self.0.lanes_from(|l| f(N * S::LANES + l)))
            }
            #[inline(always)]
            fn lane(self, v: Self::V, l: usize) -> S::T {
                self.0.lane(v[l / S::LANES], l % S::LANES)
            }
            #[inline(always)]
            fn map(self, a: Self::V, f: fn(f64) -> f64) -> Self::V {
                each!($all N => self.0.map(a[N], f))
            }
            #[inline(always)]
            fn select(self, m: Self::M, x: Self::V, y: Self::V) -> Self::V {
                each!($all N => self.0.select(m[N], x[N], y[N]))
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
                let both = each!($all N => self.0.split(a[N]));
                (each!($all N => both[N].0), each!($all N => both[N].1))
            }
            comparisons! { $all lt; le; eq; }
            vectors! { $all
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
                residual(a, b, c);
                floor(a);
                min(a, b);
                max(a, b);
                copysign(a, b);
                select_lt(a, b, x, y);
                select_le(a, b, x, y);
                select_eq(a, b, x, y);
                round(a);
                recip(a);
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
    };
}

several! {
    /// Four vectors of `S`. With two partial sums of each, what is read of a row and a column still fits 16 registers.
    Quad, 4, [0 1 2 3]
}
several! {
    /// Two vectors of `S`.
    Pair, 2, [0 1]
}

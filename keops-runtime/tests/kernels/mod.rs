//! Kernels as a macro would emit them, their arrays, and the truth about them.
#![allow(dead_code)]

use keops_runtime::kernel::{Accumulator, Fetch, Kernel, NoDistance};
use keops_runtime::simd::{Real, Simd};
use keops_runtime::{AliasInfo, Category, Signature};

macro_rules! alias {
    ($name:literal, $category:ident, $dim:expr) => {
        AliasInfo {
            name: $name,
            category: Category::$category,
            dim: $dim,
        }
    };
}

/// `b / (1 + g |x - y|^2)`, x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cauchy;

pub(crate) static CAUCHY: Signature = Signature {
    formula: "Inv(1+g*SqDist(x,y))*b",
    aliases: &[
        alias!("x", I, 3),
        alias!("y", J, 3),
        alias!("b", J, 2),
        alias!("g", Param, 1),
    ],
    out_dim: 2,
};

impl Kernel for Cauchy {
    type Params<V: Copy> = [V; 1];
    type I<V: Copy> = [V; 3];
    type J<V: Copy> = [V; 5];
    type Out<V: Copy> = [V; 2];
    type Distance = NoDistance<Self>;
    const COST: usize = 12;
    const LIVE: usize = 4;

    #[inline(always)]
    fn hoist_params<S: Simd>(_: S, raw: &[S::V], out: &mut [S::V]) {
        out[0] = raw[0];
    }
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 1], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..3]);
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 1], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..5]);
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &[S::T; 1],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        let d0 = s.sub(i.get(s, 0), j.get(s, 0));
        let d1 = s.sub(i.get(s, 1), j.get(s, 1));
        let d2 = s.sub(i.get(s, 2), j.get(s, 2));
        let r = s.fma(d0, d0, s.fma(d1, d1, s.mul(d2, d2)));
        let one = s.splat(S::T::from_f64(1.0));
        let k = s.div(one, s.fma(s.splat(p[0]), r, one));
        out.push_product(s, 0, k, j.get(s, 3));
        out.push_product(s, 1, k, j.get(s, 4));
    }
}

/// The scalar kernel `1 / (1 + g |x - y|^2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScalarCauchy;

pub(crate) static SCALAR_CAUCHY: Signature = Signature {
    formula: "Inv(1+g*SqDist(x,y))",
    aliases: &[alias!("x", I, 3), alias!("y", J, 3), alias!("g", Param, 1)],
    out_dim: 1,
};

impl Kernel for ScalarCauchy {
    type Params<V: Copy> = [V; 1];
    type I<V: Copy> = [V; 3];
    type J<V: Copy> = [V; 3];
    type Out<V: Copy> = [V; 1];
    type Distance = NoDistance<Self>;
    const COST: usize = 10;
    const LIVE: usize = 4;
    const SYMMETRIC: Option<&'static [(usize, usize)]> = Some(&[(0, 1)]);
    const SYMMETRY_PROVEN: bool = true;

    #[inline(always)]
    fn hoist_params<S: Simd>(_: S, raw: &[S::V], out: &mut [S::V]) {
        out[0] = raw[0];
    }
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 1], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..3]);
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 1], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..3]);
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &[S::T; 1],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        let d0 = s.sub(i.get(s, 0), j.get(s, 0));
        let d1 = s.sub(i.get(s, 1), j.get(s, 1));
        let d2 = s.sub(i.get(s, 2), j.get(s, 2));
        let r = s.fma(d0, d0, s.fma(d1, d1, s.mul(d2, d2)));
        let one = s.splat(S::T::from_f64(1.0));
        out.push(s, 0, s.div(one, s.fma(s.splat(p[0]), r, one)));
    }
}

/// The Gaussian kernel `exp(-g |x - y|^2)` in two dimensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gaussian;

pub(crate) static GAUSSIAN: Signature = Signature {
    formula: "Exp(-g*SqDist(x,y))",
    aliases: &[alias!("x", I, 2), alias!("y", J, 2), alias!("g", Param, 1)],
    out_dim: 1,
};

impl Kernel for Gaussian {
    type Params<V: Copy> = [V; 1];
    type I<V: Copy> = [V; 2];
    type J<V: Copy> = [V; 2];
    type Out<V: Copy> = [V; 1];
    type Distance = NoDistance<Self>;
    const COST: usize = 16;
    const LIVE: usize = 4;
    const SYMMETRIC: Option<&'static [(usize, usize)]> = Some(&[(0, 1)]);
    const SYMMETRY_PROVEN: bool = true;

    #[inline(always)]
    fn hoist_params<S: Simd>(s: S, raw: &[S::V], out: &mut [S::V]) {
        out[0] = s.sub(s.splat(S::T::ZERO), raw[0]);
    }
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 1], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..2]);
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 1], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..2]);
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &[S::T; 1],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        let d0 = s.sub(i.get(s, 0), j.get(s, 0));
        let d1 = s.sub(i.get(s, 1), j.get(s, 1));
        let r = s.fma(d0, d0, s.mul(d1, d1));
        out.push(s, 0, s.exp(s.mul(s.splat(p[0]), r)));
    }
}

/// `Square(w) * (SqNorm2(x) - SqNorm2(y) + c)`: everything but a multiplication and two additions is hoisted. `c` is a
/// captured scalar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hoisted;

pub(crate) static HOISTED: Signature = Signature {
    formula: "Square(w)*(SqNorm2(x)-SqNorm2(y)+c)",
    aliases: &[alias!("w", Param, 1), alias!("y", J, 2), alias!("x", I, 2)],
    out_dim: 1,
};

impl Kernel for Hoisted {
    type Params<V: Copy> = [V; 2];
    type I<V: Copy> = [V; 1];
    type J<V: Copy> = [V; 1];
    type Out<V: Copy> = [V; 1];
    type Distance = NoDistance<Self>;
    const COST: usize = 3;
    const LIVE: usize = 2;

    #[inline(always)]
    fn hoist_params<S: Simd>(s: S, raw: &[S::V], out: &mut [S::V]) {
        out[0] = s.mul(raw[0], raw[0]);
        out[1] = raw[1];
    }
    #[inline(always)]
    fn hoist_i<S: Simd>(s: S, p: &[S::T; 2], raw: &[S::V], out: &mut [S::V]) {
        let norm = s.fma(raw[0], raw[0], s.mul(raw[1], raw[1]));
        out[0] = s.add(norm, s.splat(p[1]));
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(s: S, _: &[S::T; 2], raw: &[S::V], out: &mut [S::V]) {
        out[0] = s.fma(raw[0], raw[0], s.mul(raw[1], raw[1]));
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &[S::T; 2],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        out.push_product(s, 0, s.splat(p[0]), s.sub(i.get(s, 0), j.get(s, 0)));
    }
}

/// `SqDist(x, y)` in `D` dimensions, with a loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqDist<const D: usize>;

pub(crate) static SQ_DIST_784: Signature = Signature {
    formula: "SqDist(x,y)",
    aliases: &[alias!("x", I, 784), alias!("y", J, 784)],
    out_dim: 1,
};

impl<const D: usize> Kernel for SqDist<D> {
    type Params<V: Copy> = [V; 0];
    type I<V: Copy> = [V; D];
    type J<V: Copy> = [V; D];
    type Out<V: Copy> = [V; 1];
    type Distance = NoDistance<Self>;
    const COST: usize = 2 * D;
    const LIVE: usize = 2;

    #[inline(always)]
    fn hoist_params<S: Simd>(_: S, _: &[S::V], _: &mut [S::V]) {}
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..D]);
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..D]);
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        _: &[S::T; 0],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        let mut sum = s.splat(S::T::ZERO);
        for k in 0..D {
            let d = s.sub(i.get(s, k), j.get(s, k));
            sum = s.fma(d, d, sum);
        }
        out.push(s, 0, sum);
    }
}

/// `x * b`, with x = Vi(1) and b = Vj(1000).
#[derive(Clone, Copy, Debug)]
pub(crate) struct WideOut;

pub(crate) static WIDE_OUT: Signature = Signature {
    formula: "x*b",
    aliases: &[alias!("x", I, 1), alias!("b", J, 1000)],
    out_dim: 1000,
};

impl Kernel for WideOut {
    type Params<V: Copy> = [V; 0];
    type I<V: Copy> = [V; 1];
    type J<V: Copy> = [V; 1000];
    type Out<V: Copy> = [V; 1000];
    type Distance = NoDistance<Self>;
    const COST: usize = 1000;
    const LIVE: usize = 2;

    #[inline(always)]
    fn hoist_params<S: Simd>(_: S, _: &[S::V], _: &mut [S::V]) {}
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..1]);
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..1000]);
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        _: &[S::T; 0],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        for k in 0..1000 {
            out.push_product(s, k, i.get(s, 0), j.get(s, k));
        }
    }
}

/// The value of the one variable `b` = Vj(1): a plain sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

pub(crate) static PLAIN: Signature = Signature {
    formula: "b",
    aliases: &[alias!("b", J, 1)],
    out_dim: 1,
};

impl Kernel for Plain {
    type Params<V: Copy> = [V; 0];
    type I<V: Copy> = [V; 0];
    type J<V: Copy> = [V; 1];
    type Out<V: Copy> = [V; 1];
    type Distance = NoDistance<Self>;
    const COST: usize = 1;
    const LIVE: usize = 1;

    #[inline(always)]
    fn hoist_params<S: Simd>(_: S, _: &[S::V], _: &mut [S::V]) {}
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 0], _: &[S::V], _: &mut [S::V]) {}
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out[0] = raw[0];
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        _: &[S::T; 0],
        _: &I,
        j: &J,
        out: &mut A,
    ) {
        out.push(s, 0, j.get(s, 0));
    }
}

/// A sum in `f64` by Neumaier's scheme.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exact {
    sum: f64,
    rest: f64,
}

impl Exact {
    pub(crate) fn add(&mut self, x: f64) {
        let next = self.sum + x;
        self.rest += if self.sum.abs() >= x.abs() {
            (self.sum - next) + x
        } else {
            (x - next) + self.sum
        };
        self.sum = next;
    }

    pub(crate) fn value(self) -> f64 {
        self.sum + self.rest
    }
}

/// A cheap sequence of numbers in `[0, 1)`, exact in `f32`.
pub(crate) fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / (1u64 << 24) as f64
    }
}

//! A formula that gives any values, its arrays, and how it is run.

use keops_runtime::kernel::{Accumulator, Fetch, Kernel, NoDistance};
use keops_runtime::simd::{InstructionSet, Simd};
use keops_runtime::{
    AliasInfo, Axis, BoundReduction, Category, Element, IntoPoints, Operation, Orientation,
    Signature,
};
use ndarray::Array2;

use crate::kernels::numbers;

/// `Concat(Elem(x, 0) + Elem(y, 0), Elem(x, 1) * Elem(y, 1))`, x = Vi(2), y = Vj(2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair;

const fn alias(name: &'static str, category: Category) -> AliasInfo {
    AliasInfo {
        name,
        category,
        dim: 2,
    }
}

pub(crate) static PAIR: Signature = Signature {
    formula: "Concat(Elem(x, 0) + Elem(y, 0), Elem(x, 1)*Elem(y, 1))",
    aliases: &[alias("x", Category::I), alias("y", Category::J)],
    out_dim: 2,
};

impl Kernel for Pair {
    type Params<V: Copy> = [V; 0];
    type I<V: Copy> = [V; 2];
    type J<V: Copy> = [V; 2];
    type Out<V: Copy> = [V; 2];
    type Distance = NoDistance<Self>;
    const COST: usize = 2;
    const LIVE: usize = 1;

    #[inline(always)]
    fn hoist_params<S: Simd>(_: S, _: &[S::V], _: &mut [S::V]) {}
    #[inline(always)]
    fn hoist_i<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..2]);
    }
    #[inline(always)]
    fn hoist_j<S: Simd>(_: S, _: &[S::T; 0], raw: &[S::V], out: &mut [S::V]) {
        out.copy_from_slice(&raw[..2]);
    }
    #[inline(always)]
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        _: &[S::T; 0],
        i: &I,
        j: &J,
        out: &mut A,
    ) {
        out.push(s, 0, s.add(i.get(s, 0), j.get(s, 0)));
        out.push_product(s, 1, i.get(s, 1), j.get(s, 1));
    }
}

/// The arrays of both variables.
#[derive(Clone, Debug)]
pub(crate) struct Points<T> {
    pub(crate) x: Array2<T>,
    pub(crate) y: Array2<T>,
}

impl<T: Element> Points<T> {
    /// `m` points `x` and `n` points `y` of few different values, so that there are ties, all of whose sums and products are
    /// exact. The first components of `specials` in a hundred points `y` are NaN or infinite. Second components are
    /// positive.
    pub(crate) fn new(m: usize, n: usize, specials: usize) -> Self {
        let mut next = numbers((m * 1000 + n) as u64 + 1);
        let mut small = |k: usize| {
            let value = (next() * 64.0).floor() / 8.0;
            T::from_f64(if k == 0 { value - 4.0 } else { value + 0.125 })
        };
        let x = Array2::from_shape_fn((m, 2), |(_, k)| small(k));
        let mut y = Array2::from_shape_fn((n, 2), |(_, k)| small(k));
        let mut next = numbers(n as u64 + 7);
        for value in y.column_mut(0) {
            if next() * 100.0 < specials as f64 {
                let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
                *value = T::from_f64(special[(next() * 3.0) as usize]);
            }
        }
        Self { x, y }
    }

    /// Component `k` of the formula.
    pub(crate) fn value(&self, i: usize, j: usize, k: usize) -> f64 {
        let (x, y) = (self.x[(i, k)].to_f64(), self.y[(j, k)].to_f64());
        if k == 0 { x + y } else { x * y }
    }

    /// The values of component `k` in a row of the reduction over axis `A`.
    pub(crate) fn row<const A: usize>(&self, row: usize, k: usize) -> Vec<f64> {
        let columns = if A == 1 {
            self.y.nrows()
        } else {
            self.x.nrows()
        };
        let value = |column| match A {
            1 => self.value(row, column, k),
            _ => self.value(column, row, k),
        };
        (0..columns).map(value).collect()
    }

    /// The number of rows of the reduction over axis `A`.
    pub(crate) fn rows<const A: usize>(&self) -> usize {
        if A == 1 {
            self.x.nrows()
        } else {
            self.y.nrows()
        }
    }

    /// The formula with these arrays.
    pub(crate) fn bind<Op: Operation<T>, const A: usize>(
        &self,
        operation: Op,
    ) -> BoundReduction<'_, T, Pair, Op, Axis<A>>
    where
        Axis<A>: Orientation,
    {
        let arguments = vec![
            IntoPoints::<T>::into_points(&self.x, 2),
            IntoPoints::<T>::into_points(&self.y, 2),
        ];
        BoundReduction::new(operation, &PAIR, arguments, Vec::new())
    }

    /// The results on every instruction set.
    pub(crate) fn run<Op: Operation<T>, const A: usize>(&self, operation: Op) -> Vec<Op::Output>
    where
        Axis<A>: Orientation,
    {
        InstructionSet::available()
            .map(|isa| self.bind::<Op, A>(operation).instruction_set(isa).run())
            .map(Result::unwrap)
            .collect()
    }
}

/// `run` in a pool of so many threads.
pub(crate) fn in_pool<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(run)
}

//! What an expanded formula looks like to the runtime.
//!
//! A formula `F(i, j)` is compiled into four straight pieces of code, split by how often their values change:
//! [`Kernel::hoist_params`] once per call, [`Kernel::hoist_i`] once per point `i`, [`Kernel::hoist_j`] once per point
//! `j`, and [`Kernel::pair`] for every pair. Each stage leaves its values in *features*, flat arrays of static length
//! that the next stage reads. The code is generic over the instruction set and does not know which side is spread over
//! the lanes of a vector and which is broadcast: that is the driver's choice, made through [`Fetch`].

use crate::Error;
use crate::bound::FactoredSum;
use crate::cpu::of_parameters;
use crate::input::Element;
use crate::simd::{Block, Simd};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::{ptr, slice};
use ndarray::Array2;

/// A flat array of static length: the features of one point, or of one vector of points.
///
/// # Safety
///
/// An implementor is laid out as `[V; LEN]` with nothing else in it.
pub unsafe trait Features<V: Copy>: Copy {
    /// Number of features.
    const LEN: usize;

    /// Feature `k`, below [`Features::LEN`].
    #[inline(always)]
    fn get(&self, k: usize) -> V {
        self.as_slice()[k]
    }

    /// All features the same.
    #[inline(always)]
    fn filled(value: V) -> Self {
        let mut features = MaybeUninit::<Self>::uninit();
        for k in 0..Self::LEN {
            // SAFETY: feature k lies inside, as the layout is `[V; LEN]`.
            unsafe { features.as_mut_ptr().cast::<V>().add(k).write(value) };
        }
        // SAFETY: all features have just been written, and there is nothing else.
        unsafe { features.assume_init() }
    }

    /// The features as a slice of length [`Features::LEN`].
    #[inline(always)]
    fn as_slice(&self) -> &[V] {
        // SAFETY: the layout is `[V; LEN]`.
        unsafe { slice::from_raw_parts(ptr::from_ref(self).cast(), Self::LEN) }
    }

    /// The features as a mutable slice of length [`Features::LEN`].
    #[inline(always)]
    fn as_mut_slice(&mut self) -> &mut [V] {
        // SAFETY: the layout is `[V; LEN]`.
        unsafe { slice::from_raw_parts_mut(ptr::from_mut(self).cast(), Self::LEN) }
    }

    /// The features that `values` starts with.
    ///
    /// # Panics
    /// If `values` is shorter than [`Features::LEN`].
    #[inline(always)]
    fn from_slice(values: &[V]) -> &Self {
        assert!(values.len() >= Self::LEN);
        // SAFETY: the layout is `[V; LEN]`, and there are so many values.
        unsafe { &*values.as_ptr().cast() }
    }

    /// The features that `values` starts with, mutable.
    ///
    /// # Panics
    /// If `values` is shorter than [`Features::LEN`].
    #[inline(always)]
    fn from_mut_slice(values: &mut [V]) -> &mut Self {
        assert!(values.len() >= Self::LEN);
        // SAFETY: the layout is `[V; LEN]`, and there are so many values.
        unsafe { &mut *values.as_mut_ptr().cast() }
    }

    /// The features of `count` points that `values` starts with.
    ///
    /// # Panics
    /// If `values` is shorter than `count` times [`Features::LEN`].
    #[inline(always)]
    fn many(values: &[V], count: usize) -> &[Self] {
        assert!(values.len() / Self::LEN.max(1) >= count || Self::LEN == 0);
        // SAFETY: the layout is `[V; LEN]`, and there are so many values.
        unsafe { slice::from_raw_parts(values.as_ptr().cast(), count) }
    }
}

// SAFETY: an array is its own layout.
unsafe impl<V: Copy, const N: usize> Features<V> for [V; N] {
    const LEN: usize = N;
    #[inline(always)]
    fn get(&self, k: usize) -> V {
        self[k]
    }
    #[inline(always)]
    fn filled(value: V) -> Self {
        [value; N]
    }
}

/// The features of `A` followed by those of `B`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Joined<A, B>(A, B);

// SAFETY: `repr(C)` puts `[V; B::LEN]` right behind `[V; A::LEN]`, since both have the alignment of `V`.
unsafe impl<V: Copy, A: Features<V>, B: Features<V>> Features<V> for Joined<A, B> {
    const LEN: usize = A::LEN + B::LEN;
}

impl<A, B> Joined<A, B> {
    /// The features that come first.
    #[inline(always)]
    pub fn first(&self) -> &A {
        &self.0
    }

    /// The features that come after them.
    #[inline(always)]
    pub fn second(&self) -> &B {
        &self.1
    }
}

/// Where a kernel reads the features of one side of a pair.
pub trait Fetch<S: Simd> {
    /// Feature `k` as a vector.
    fn get(&self, s: S, k: usize) -> S::V;

    /// The squared distance of the pair, for a kernel that is given it, [`Kernel::GIVEN`]; NaN for others.
    #[inline(always)]
    fn distance(&self, s: S) -> S::V {
        s.splat(<S::T as crate::simd::Real>::NAN)
    }
}

/// One vector of points: every lane has its own features.
#[derive(Clone, Copy)]
pub struct Lanes<'a, F>(pub &'a F);

/// One point, broadcast to every lane.
#[derive(Clone, Copy)]
pub struct Splat<'a, F>(pub &'a F);

impl<S: Simd, F: Features<S::V>> Fetch<S> for Lanes<'_, F> {
    #[inline(always)]
    fn get(&self, _: S, k: usize) -> S::V {
        self.0.get(k)
    }
}

impl<S: Simd, F: Features<S::T>> Fetch<S> for Splat<'_, F> {
    #[inline(always)]
    fn get(&self, s: S, k: usize) -> S::V {
        s.splat(self.0.get(k))
    }
}

/// What a kernel reads elsewhere, and the squared distance of the pair.
#[derive(Clone, Copy)]
pub(crate) struct Given<F, V> {
    pub(crate) features: F,
    pub(crate) distance: V,
}

impl<F, V: Copy> Given<F, V> {
    /// What is read of a row and of a column.
    #[inline(always)]
    pub(crate) fn pair<G>(row: F, column: G, distance: V) -> (Self, Given<G, V>) {
        let row = Given {
            features: row,
            distance,
        };
        let column = Given {
            features: column,
            distance,
        };
        (row, column)
    }
}

impl<S: Simd, F: Fetch<S>> Fetch<S> for Given<F, S::V> {
    #[inline(always)]
    fn get(&self, s: S, k: usize) -> S::V {
        self.features.get(s, k)
    }
    #[inline(always)]
    fn distance(&self, _: S) -> S::V {
        self.distance
    }
}

/// The four vectors of points of a block, each for all of its columns.
#[derive(Clone, Copy)]
pub(crate) struct BlockLanes<'a, S, F> {
    pub(crate) rows: &'a [F; 4],
    pub(crate) token: PhantomData<S>,
}

/// The points of a block, each broadcast to every lane of four vectors.
#[derive(Clone, Copy)]
pub(crate) struct BlockSplat<'a, S, F> {
    pub(crate) columns: [&'a F; 2],
    pub(crate) token: PhantomData<S>,
}

impl<S: Simd, B: Block<S>, F: Features<S::V>> Fetch<B> for BlockLanes<'_, S, F> {
    #[inline(always)]
    fn get(&self, block: B, k: usize) -> B::V {
        let [a, b, c, d] = self.rows;
        block.repeat_rows([a.get(k), b.get(k), c.get(k), d.get(k)])
    }
}

impl<S: Simd, B: Block<S>, F: Features<S::T>> Fetch<B> for BlockSplat<'_, S, F> {
    #[inline(always)]
    fn get(&self, block: B, k: usize) -> B::V {
        let [a, b] = self.columns;
        block.repeat_columns([a.get(k), b.get(k)])
    }
}

/// Where a kernel puts the components of `F(i, j)`, each exactly once and in ascending order of `k`.
pub trait Accumulator<S: Simd> {
    /// Takes component `k` of the formula.
    fn push(&mut self, s: S, k: usize, value: S::V);
    /// Takes component `k` as a product, so that a sum can fuse the multiplication with its addition.
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V);
}

/// A kernel of one squared distance `sum_k w_k (a_k - b_k)^2` of points a of i and b of j in many dimensions, as a function of the distance: the runtime computes
/// the distances of many pairs at once, and the formula compiles what is made of them.
pub trait Distance: Copy + Send + Sync + 'static {
    /// Whether the kernel is such.
    const EXISTS: bool;
    /// The points, whose components are the features. It is not evaluated for pairs.
    type Points: Kernel;
    /// The kernel, given the squared distance ([`Fetch::distance`]).
    type Value: Kernel;
    /// The weights w of the dimensions; nothing if all are 1.
    type Weights: OfParameters;
    /// By how much, relatively, the value changes with the squared distance; nothing if distances are not to be expanded.
    type Slope: OfParameters;
}

impl<P: Kernel, V: Kernel, W: OfParameters, S: OfParameters> Distance for (P, V, W, S) {
    const EXISTS: bool = true;
    type Points = P;
    type Value = V;
    type Weights = W;
    type Slope = S;
}

/// The kernel `K` is not one of a distance.
#[derive(Clone, Copy, Debug)]
pub struct NoDistance<K>(PhantomData<K>);

impl<K: Kernel> Distance for NoDistance<K> {
    const EXISTS: bool = false;
    type Points = K;
    type Value = K;
    type Weights = ();
    type Slope = ();
}

/// Numbers that depend on parameters alone: the components of a kernel, or nothing.
pub trait OfParameters: Copy + Send + Sync + 'static {
    /// The numbers for raw parameters.
    fn compute(raw: &[f64]) -> Vec<f64>;
}

impl OfParameters for () {
    fn compute(_: &[f64]) -> Vec<f64> {
        Vec::new()
    }
}

impl<K: Kernel> OfParameters for K {
    fn compute(raw: &[f64]) -> Vec<f64> {
        of_parameters::<K>(raw)
    }
}

/// A compiled formula `F(i, j)`; implemented by the expansion of a macro, on a type of its own.
pub trait Kernel: Copy + Send + Sync + 'static {
    /// Features that depend on parameters alone.
    type Params<V: Copy>: Features<V>;
    /// Features of a point `i`.
    type I<V: Copy>: Features<V>;
    /// Features of a point `j`.
    type J<V: Copy>: Features<V>;
    /// The components of `F`.
    type Out<V: Copy>: Features<V>;
    /// The kernel as a function of a squared distance; [`NoDistance`] where it is none.
    type Distance: Distance;

    /// Number of vector instructions per pair, for the choice between one thread and many.
    const COST: usize;
    /// An estimate of the temporaries alive at once in [`Kernel::pair`], for the choice of rows per register block.
    const LIVE: usize;
    /// Numbers that [`Kernel::pair`] keeps in arrays of its own.
    const STORED: usize = 0;
    /// The first of the raw coordinates that the features of points `i`, and of points `j`, are as they are, which is not worth compiling code for.
    const COPIED: [Option<usize>; 2] = [None; 2];
    /// Whether [`Kernel::pair`] reads the squared distance of the pair.
    const GIVEN: bool = false;
    /// [`hoist_i`](Kernel::hoist_i), [`hoist_j`](Kernel::hoist_j) and [`pair`](Kernel::pair) as device functions of CUDA, which `cuda/kernels/kernel.cu`
    /// calls. Empty for a kernel that runs on processors only.
    const CUDA: &'static str = "";

    /// The aliases, by position, that trade places when i and j are exchanged, if the kernel is symmetric under that
    /// exchange: the matrix is symmetric when each pair is bound to the same points. Empty where the user vouches for it.
    const SYMMETRIC: Option<&'static [(usize, usize)]> = None;

    /// Whether the structure of the formula proves that it is symmetric. Only then one value takes the place of two: what
    /// the user vouches for, or samples show, is enough to solve with and would be wrong without a trace in a product.
    const SYMMETRY_PROVEN: bool = false;

    /// Computes `sum_j F(i, j)` in less time, for a formula that is a scalar kernel times a variable of the side that is summed over: from half of the pairs where
    /// the kernel is symmetric and both sides have the same points, or as a product of matrices where the variable has many components. `None` where the
    /// formula or the arrays are not such.
    ///
    /// # Errors
    /// If the arrays do not fit their variables.
    #[doc(hidden)]
    fn factored_sum<T: Element>(_: &FactoredSum<'_, T>) -> Result<Option<Array2<T>>, Error> {
        Ok(None)
    }

    /// Computes the parameter features from the raw parameters, all of them concatenated in the order of the aliases.
    fn hoist_params<S: Simd>(s: S, raw: &[S::V], out: &mut [S::V]);
    /// Computes the features of points `i` from their raw coordinates (aliases of category `Vi`, concatenated).
    fn hoist_i<S: Simd>(s: S, p: &Self::Params<S::T>, raw: &[S::V], out: &mut [S::V]);
    /// Computes the features of points `j` from their raw coordinates (aliases of category `Vj`, concatenated).
    fn hoist_j<S: Simd>(s: S, p: &Self::Params<S::T>, raw: &[S::V], out: &mut [S::V]);
    /// Evaluates `F` on one vector of pairs.
    fn pair<S: Simd, I: Fetch<S>, J: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &Self::Params<S::T>,
        i: &I,
        j: &J,
        out: &mut A,
    );
}

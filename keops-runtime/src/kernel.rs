//! What an expanded formula looks like to the runtime.
//!
//! A formula `F(i, j)` is compiled into four straight pieces of code, split by how often their values change:
//! [`Kernel::hoist_params`] once per call, [`Kernel::hoist_i`] once per point `i`, [`Kernel::hoist_j`] once per point
//! `j`, and [`Kernel::pair`] for every pair. Each stage leaves its values in *features*, flat arrays of static length
//! that the next stage reads. The code is generic over the instruction set and does not know which side is spread over
//! the lanes of a vector and which is broadcast: that is the driver's choice, made through [`Fetch`].

use crate::simd::Simd;

/// A flat array of static length: the features of one point, or of one vector of points.
///
/// # Safety
///
/// An implementor is laid out as `[V; LEN]` with nothing else in it.
pub unsafe trait Features<V: Copy>: Copy {
    /// Number of features.
    const LEN: usize;
    /// Feature `k`, below [`Features::LEN`].
    fn get(&self, k: usize) -> V;
}

// SAFETY: an array is its own layout.
unsafe impl<V: Copy, const N: usize> Features<V> for [V; N] {
    const LEN: usize = N;
    #[inline(always)]
    fn get(&self, k: usize) -> V {
        self[k]
    }
}

/// Where a kernel reads the features of one side of a pair.
pub trait Fetch<S: Simd> {
    /// Feature `k` as a vector.
    fn get(&self, s: S, k: usize) -> S::V;
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

/// Where a kernel puts the components of `F(i, j)`, each exactly once and in ascending order of `k`.
pub trait Accumulator<S: Simd> {
    /// Takes component `k` of the formula.
    fn push(&mut self, s: S, k: usize, value: S::V);
    /// Takes component `k` as a product, so that a sum can fuse the multiplication with its addition.
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V);
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

    /// Number of vector instructions per pair, for the choice between one thread and many.
    const COST: usize;
    /// An estimate of the temporaries alive at once in [`Kernel::pair`], for the choice of rows per register block.
    const LIVE: usize;

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

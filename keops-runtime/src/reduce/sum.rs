//! Sums in vector registers: the fast way.

use super::{Reduction, Sink};
use crate::input::Element;
use crate::kernel::{Accumulator, Features};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd};
use ndarray::{ArrayViewMut2, Axis};

/// A sum whose tile state has the type of the terms.
///
/// Totals are kept as `f64`; in single precision they are rounded after every addition, so that they take the values
/// that an `f32` would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockSum {
    /// Whether tiles go on from the totals, so that every term is added to the accumulator itself. The accumulator
    /// then has the type of the terms. Otherwise a tile starts at zero and is added as a whole.
    pub(crate) direct: bool,
    /// Whether the accumulator is an `f32`.
    pub(crate) single: bool,
}

/// `x` as an accumulator would hold it.
#[inline(always)]
pub(super) fn held(x: f64, single: bool) -> f64 {
    if single { f64::from(x as f32) } else { x }
}

/// Adds terms to the tile state.
pub(crate) struct Add<'a, O>(&'a mut O);

impl<S: Simd, O: Features<S::V>> Accumulator<S> for Add<'_, O> {
    #[inline(always)]
    fn push(&mut self, s: S, k: usize, value: S::V) {
        let sum = &mut self.0.as_mut_slice()[k];
        *sum = s.add(*sum, value);
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V) {
        let sum = &mut self.0.as_mut_slice()[k];
        *sum = s.fma(a, b, *sum);
    }
}

impl Reduction for BlockSum {
    type Total = f64;
    type Tile<V: Copy, O: Features<V>> = O;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> = Add<'a, O>;
    const BLOCKED: bool = true;

    #[inline(always)]
    fn slots(self, components: usize) -> usize {
        components
    }

    #[inline(always)]
    fn neutral(self, _: usize, _: usize) -> f64 {
        0.0
    }

    #[inline(always)]
    fn open<S: Simd>(self, s: S, totals: &[f64], tile: &mut [S::V]) {
        if self.direct {
            for (state, &total) in scalars_mut::<S>(tile).iter_mut().zip(totals) {
                *state = S::T::from_f64(total);
            }
        } else {
            tile.fill(s.splat(S::T::ZERO));
        }
    }

    #[inline(always)]
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        _: usize,
        _: usize,
        tile: &'a mut O,
        _: &'a mut [f64],
    ) -> Add<'a, O> {
        Add(tile)
    }

    #[inline(always)]
    fn close<S: Simd>(self, _: S, _: usize, tile: &[S::V], totals: &mut [f64]) {
        let sums = scalars::<S>(tile).iter().map(|sum| sum.to_f64());
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = if self.direct {
                sum
            } else {
                held(*total + sum, self.single)
            };
        }
    }

    fn merge(self, totals: &mut [f64], others: &[f64]) {
        for (total, other) in totals.iter_mut().zip(others) {
            *total = held(*total + other, self.single);
        }
    }

    fn finish(self, _: &mut [f64]) {}
}

/// Rows of sums, rounded to the element type of the array that takes them. Components beyond its columns are dropped.
pub(crate) struct SumSink<'a, T>(pub(crate) ArrayViewMut2<'a, T>);

impl<T: Element> Sink<f64> for SumSink<'_, T> {
    fn split_at(self, row: usize) -> (Self, Self) {
        let (before, after) = self.0.split_at(Axis(0), row);
        (Self(before), Self(after))
    }

    fn take(mut self, slots: usize, totals: &[f64]) {
        for (mut row, totals) in self
            .0
            .rows_mut()
            .into_iter()
            .zip(totals.chunks_exact(slots))
        {
            for (out, &total) in row.iter_mut().zip(totals) {
                *out = T::from_f64(total);
            }
        }
    }
}

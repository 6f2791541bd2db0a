//! Sums.

use super::{Reduction, Sink, Summation};
use crate::cpu::Rows;
use crate::input::Element;
use crate::kernel::{Accumulator, Features};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd, WithSimd};
use ndarray::{ArrayViewMut2, Axis};

/// `sum_j F(i, j)`. The totals are those of the summation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum(pub(crate) Summation);

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

impl Reduction for Sum {
    type Total = f64;
    type Tile<V: Copy, O: Features<V>> = O;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> = Add<'a, O>;
    const BLOCKED: bool = true;
    const SEPARATE: bool = true;

    fn expands(self) -> bool {
        self.0.is_blocks()
    }

    fn may_be_split(self) -> bool {
        self.0.may_be_split()
    }

    #[inline(always)]
    fn longest_tile(self) -> usize {
        self.0.longest_tile()
    }

    #[inline(always)]
    fn slots(self, components: usize) -> usize {
        self.0.slots(components)
    }

    #[inline(always)]
    fn neutral(self, _: usize, _: usize) -> f64 {
        0.0
    }

    #[inline(always)]
    fn open<S: Simd>(self, s: S, totals: &[f64], tile: &mut [S::V]) {
        let (summation, tile) = (self.0, scalars_mut::<S>(tile));
        s.apart(Open {
            summation,
            totals,
            tile,
        });
    }

    #[inline(always)]
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        _: S,
        _: usize,
        _: usize,
        tile: &'a mut O,
        _: &'a mut [f64],
    ) -> Add<'a, O> {
        Add(tile)
    }

    #[inline(always)]
    fn close<S: Simd>(self, s: S, _: usize, tile: &[S::V], totals: &mut [f64]) {
        let (summation, tile) = (self.0, scalars::<S>(tile));
        s.apart(Close {
            summation,
            tile,
            totals,
        });
    }

    fn merge(self, totals: &mut [f64], others: &[f64]) {
        self.0.merge(totals, others);
    }

    fn finish(self, totals: &mut [f64]) {
        self.0.finish(totals);
    }
}

struct Open<'a, T> {
    summation: Summation,
    totals: &'a [f64],
    tile: &'a mut [T],
}

impl<T: Real> WithSimd<T> for Open<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, _: S) {
        self.summation.open(self.totals, self.tile);
    }
}

struct Close<'a, T> {
    summation: Summation,
    tile: &'a [T],
    totals: &'a mut [f64],
}

impl<T: Real> WithSimd<T> for Close<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, _: S) {
        self.summation.close(self.tile, self.totals);
    }
}

/// Rows of the first totals, rounded to the element type of the array that takes them. Totals beyond its columns are
/// dropped.
pub(crate) struct RowSink<'a, T>(pub(crate) ArrayViewMut2<'a, T>);

impl<T: Element> Rows for RowSink<'_, T> {
    fn split_at(self, row: usize) -> (Self, Self) {
        let (before, after) = self.0.split_at(Axis(0), row);
        (Self(before), Self(after))
    }
}

impl<T: Element> Sink<f64> for RowSink<'_, T> {
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

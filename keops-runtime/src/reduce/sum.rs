//! Sums.

use super::{Reduction, Sink, TILE_COLUMNS};
use crate::input::Element;
use crate::kernel::{Accumulator, Features};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd};
use ndarray::{ArrayViewMut2, Axis};

/// How the terms of a tile come into the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// A tile starts at zero, adds up its terms in their own type, and is added as a whole.
    Blocks,
    /// A tile goes on from the totals, so that every term is added to the accumulator itself, which has the type of
    /// the terms.
    Running,
    /// A tile is a single term, which is added to an accumulator of another type.
    Terms,
    /// A tile is a single term, and every addition is compensated.
    Compensated,
}

/// A sum whose tile state is held in vectors of the type of the terms. One loop serves all schemes, because every loop is
/// compiled anew for each formula.
///
/// Totals are kept as `f64`; in single precision they are rounded after every addition. Sums and differences of two `f32`
/// that are computed in `f64` and rounded are those of `f32` arithmetic, since `f64` has more than twice its digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    /// How terms are added.
    pub(crate) scheme: Scheme,
    /// Whether the accumulator is an `f32`.
    pub(crate) single: bool,
}

/// `x` as an accumulator would hold it.
#[inline(always)]
fn held(x: f64, single: bool) -> f64 {
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

impl Sum {
    /// One addition of Kahan's scheme (Kahan 1965, *Further remarks on reducing truncation errors*). `excess` is what
    /// the sum has too much.
    #[inline(always)]
    fn compensate(self, sum: &mut f64, excess: &mut f64, term: f64) {
        let held = |x| held(x, self.single);
        let term = held(held(term) - *excess);
        let next = held(*sum + term);
        *excess = held(held(next - *sum) - term);
        *sum = next;
    }

    /// Whether a second slot for each component holds the excess of its sum.
    fn is_compensated(self) -> bool {
        self.scheme == Scheme::Compensated
    }
}

impl Reduction for Sum {
    type Total = f64;
    type Tile<V: Copy, O: Features<V>> = O;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> = Add<'a, O>;
    const BLOCKED: bool = true;

    #[inline(always)]
    fn longest_tile(self) -> usize {
        match self.scheme {
            Scheme::Blocks | Scheme::Running => TILE_COLUMNS,
            Scheme::Terms | Scheme::Compensated => 1,
        }
    }

    #[inline(always)]
    fn slots(self, components: usize) -> usize {
        if self.is_compensated() {
            2 * components
        } else {
            components
        }
    }

    #[inline(always)]
    fn neutral(self, _: usize, _: usize) -> f64 {
        0.0
    }

    #[inline(always)]
    fn open<S: Simd>(self, s: S, totals: &[f64], tile: &mut [S::V]) {
        if self.scheme == Scheme::Running {
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
        match self.scheme {
            Scheme::Running => {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = sum;
                }
            }
            Scheme::Blocks | Scheme::Terms => {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = held(*total + held(sum, self.single), self.single);
                }
            }
            Scheme::Compensated => {
                let (totals, excesses) = totals.split_at_mut(totals.len() / 2);
                for ((total, excess), sum) in totals.iter_mut().zip(excesses).zip(sums) {
                    self.compensate(total, excess, sum);
                }
            }
        }
    }

    fn merge(self, totals: &mut [f64], others: &[f64]) {
        if !self.is_compensated() {
            for (total, other) in totals.iter_mut().zip(others) {
                *total = held(*total + other, self.single);
            }
            return;
        }
        let (sums, excesses) = totals.split_at_mut(totals.len() / 2);
        let (other_sums, other_excesses) = others.split_at(others.len() / 2);
        let others = other_sums.iter().zip(other_excesses);
        for ((sum, excess), (other_sum, other_excess)) in sums.iter_mut().zip(excesses).zip(others)
        {
            self.compensate(sum, excess, *other_sum);
            self.compensate(sum, excess, -other_excess);
        }
    }

    fn finish(self, totals: &mut [f64]) {
        if self.is_compensated() {
            let (sums, excesses) = totals.split_at_mut(totals.len() / 2);
            for (sum, excess) in sums.iter_mut().zip(excesses) {
                *sum -= *excess;
            }
        }
    }
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

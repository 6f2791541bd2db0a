//! Sums in memory, term by term: for accumulators wider or narrower than the terms, and for compensated summation.

use super::Reduction;
use super::sum::held;
use crate::kernel::{Accumulator, Features, Joined};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd};
use core::slice;

/// A sum that brings every single term into its accumulator.
///
/// The totals are `f64`, two per component: the sum, and with Kahan's scheme the excess of the sum over the true one.
/// A sum in single precision rounds every result. Sums and differences of two `f32` that are computed in `f64` and
/// rounded are those of `f32` arithmetic, since `f64` has more than twice its digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CarefulSum {
    /// Whether every addition is compensated.
    pub(crate) kahan: bool,
    /// Whether the accumulator is an `f32`.
    pub(crate) single: bool,
    /// Whether the accumulator has the type of the terms: the tile state is then the accumulator.
    pub(crate) same: bool,
}

impl CarefulSum {
    /// One addition of Kahan's scheme (Kahan 1965, *Further remarks on reducing truncation errors*).
    #[inline(always)]
    fn compensate(sum: &mut f64, excess: &mut f64, term: f64, single: bool) {
        let term = held(held(term, single) - *excess, single);
        let next = held(*sum + term, single);
        *excess = held(held(next - *sum, single) - term, single);
        *sum = next;
    }

    /// Adds terms to sums, all of one component.
    #[inline(always)]
    fn add(self, sums: &mut [f64], excesses: &mut [f64], mut term: impl FnMut(usize) -> f64) {
        // The branches are taken outside of the loops, so that these can be vectorised.
        match (self.kahan, self.single) {
            (false, single) => {
                for (l, sum) in sums.iter_mut().enumerate() {
                    *sum = held(*sum + held(term(l), single), single);
                }
            }
            (true, true) => {
                for (l, (sum, excess)) in sums.iter_mut().zip(excesses).enumerate() {
                    Self::compensate(sum, excess, term(l), true);
                }
            }
            (true, false) => {
                for (l, (sum, excess)) in sums.iter_mut().zip(excesses).enumerate() {
                    Self::compensate(sum, excess, term(l), false);
                }
            }
        }
    }
}

/// Adds terms to the tile state where it is the accumulator, and else to the totals.
pub(crate) struct AddEach<'a, O> {
    sum: CarefulSum,
    state: &'a mut Joined<O, O>,
    totals: &'a mut [f64],
}

impl<S: Simd, O: Features<S::V>> Accumulator<S> for AddEach<'_, O> {
    #[inline(always)]
    fn push(&mut self, s: S, k: usize, value: S::V) {
        if self.sum.same {
            let (sums, excesses) = self.state.as_mut_slice().split_at_mut(O::LEN);
            if self.sum.kahan {
                let term = s.sub(value, excesses[k]);
                let next = s.add(sums[k], term);
                excesses[k] = s.sub(s.sub(next, sums[k]), term);
                sums[k] = next;
            } else {
                sums[k] = s.add(sums[k], value);
            }
        } else {
            let (sums, excesses) = self.totals.split_at_mut(O::LEN * S::LANES);
            let lanes = k * S::LANES..(k + 1) * S::LANES;
            let terms = scalars::<S>(slice::from_ref(&value));
            self.sum
                .add(&mut sums[lanes.clone()], &mut excesses[lanes], |l| {
                    terms[l].to_f64()
                });
        }
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V) {
        self.push(s, k, s.mul(a, b));
    }
}

impl Reduction for CarefulSum {
    type Total = f64;
    type Tile<V: Copy, O: Features<V>> = Joined<O, O>;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> = AddEach<'a, O>;
    const BLOCKED: bool = false;

    #[inline(always)]
    fn slots(self, components: usize) -> usize {
        2 * components
    }

    #[inline(always)]
    fn neutral(self, _: usize, _: usize) -> f64 {
        0.0
    }

    #[inline(always)]
    fn open<S: Simd>(self, _: S, totals: &[f64], tile: &mut [S::V]) {
        for (state, &total) in scalars_mut::<S>(tile).iter_mut().zip(totals) {
            *state = S::T::from_f64(total);
        }
    }

    #[inline(always)]
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        _: usize,
        _: usize,
        tile: &'a mut Joined<O, O>,
        totals: &'a mut [f64],
    ) -> AddEach<'a, O> {
        AddEach {
            sum: self,
            state: tile,
            totals,
        }
    }

    #[inline(always)]
    fn close<S: Simd>(self, _: S, _: usize, tile: &[S::V], totals: &mut [f64]) {
        if self.same {
            for (total, state) in totals.iter_mut().zip(scalars::<S>(tile)) {
                *total = state.to_f64();
            }
        }
    }

    fn merge(self, totals: &mut [f64], others: &[f64]) {
        let (sums, excesses) = totals.split_at_mut(totals.len() / 2);
        let (other_sums, other_excesses) = others.split_at(others.len() / 2);
        self.add(sums, excesses, |k| other_sums[k]);
        self.add(sums, excesses, |k| -other_excesses[k]);
    }

    fn finish(self, totals: &mut [f64]) {
        let (sums, excesses) = totals.split_at_mut(totals.len() / 2);
        for (sum, excess) in sums.iter_mut().zip(excesses) {
            *sum -= *excess;
        }
    }
}

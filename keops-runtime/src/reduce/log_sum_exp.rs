//! Logarithms of sums of exponentials, and means with exponential weights.
//!
//! Exponentials are summed relative to a *reference* `r`, `sum_j exp(f_j - r)`, which is the maximum of the exponents so
//! far or at most [`LAG`] below it. It is moved when an exponent exceeds it by more than that, which is rare, and then the
//! sums are rescaled: a term costs one exponential and no division (Milakov and Gimelshein 2018, *Online normalizer calculation
//! for softmax*).

use super::{Reduction, Summation};
use crate::kernel::{Accumulator, Features, Joined};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd};
use core::marker::PhantomData;

/// How far exponents may exceed their reference. Rounding `f - r` then costs a term at most one unit in the last place.
const LAG: f64 = 4.0;

/// Which components of a formula are exponents.
pub(crate) trait Exponents: Copy + Send + Sync + 'static {
    /// One value for each reference, of a formula with components `O`.
    type References<V: Copy, O: Features<V>>: Features<V>;
    /// Whether components have nothing to do with one another.
    const SEPARATE: bool;
}

/// Every component is an exponent and has a reference and a sum of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct All;

/// The first component is the exponent, the others are weights of its exponential. The sums are those of the
/// exponentials and of their products with each weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First;

impl Exponents for All {
    type References<V: Copy, O: Features<V>> = O;
    const SEPARATE: bool = true;
}

impl Exponents for First {
    type References<V: Copy, O: Features<V>> = [V; 1];
    const SEPARATE: bool = false;
}

/// What is made of the sums of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The logarithm of every sum.
    Logarithms,
    /// The logarithms of the weighted sums.
    WeightedLogarithms,
    /// The quotients of the weighted sums and that of the exponentials, then the logarithm of the latter.
    Means,
}

/// Totals of sums of exponentials: the references, and then the totals of the sums. Sum `k` is relative to the reference
/// `k` modulo their number.
#[derive(Clone, Copy, Debug)]
struct Totals {
    summation: Summation,
    references: usize,
    outcome: Outcome,
}

impl Totals {
    /// Moves a reference, the `n`-th in `totals`, of which the first `references` are references.
    fn refer(self, totals: &mut [f64], references: usize, n: usize, reference: f64) {
        // 0 where nothing has been summed yet.
        let factor = (totals[n] - reference).exp();
        totals[n] = reference;
        for total in totals[references..].iter_mut().skip(n).step_by(references) {
            self.summation.scale(total, factor);
        }
    }

    /// Starts a tile from totals by slot, then by lane.
    #[inline(never)]
    fn open<T: Real>(self, lanes: usize, totals: &[f64], tile: &mut [T]) {
        let (references, sums) = totals.split_at(self.references * lanes);
        let (tile_references, tile_sums) = tile.split_at_mut(self.references * lanes);
        for (reference, &total) in tile_references.iter_mut().zip(references) {
            // Finite, so that an exponent of -inf is infinitely far below it.
            *reference = T::from_f64(total.max(-T::MAX.to_f64()));
        }
        self.summation.open(sums, tile_sums);
    }

    /// Ends a tile.
    #[inline(never)]
    fn close<T: Real>(self, lanes: usize, tile: &[T], totals: &mut [f64]) {
        let references = self.references * lanes;
        let (tile_references, tile_sums) = tile.split_at(references);
        for (n, reference) in tile_references.iter().enumerate() {
            let reference = reference.to_f64();
            if totals[n] != reference {
                self.refer(totals, references, n, reference);
            }
        }
        self.summation.close(tile_sums, &mut totals[references..]);
    }

    fn merge(self, totals: &mut [f64], others: &[f64]) {
        let mut others = others.to_vec();
        for n in 0..self.references {
            if totals[n] < others[n] {
                self.refer(totals, self.references, n, others[n]);
            } else if others[n] < totals[n] {
                self.refer(&mut others, self.references, n, totals[n]);
            }
        }
        self.summation
            .merge(&mut totals[self.references..], &others[self.references..]);
    }

    /// Leaves the results of a row in the first totals.
    fn finish(self, totals: &mut [f64]) {
        self.summation.finish(&mut totals[self.references..]);
        let reference = totals[0];
        match self.outcome {
            Outcome::Logarithms => {
                for k in 0..self.references {
                    totals[k] += totals[self.references + k].ln();
                }
            }
            Outcome::WeightedLogarithms => {
                for k in 2..totals.len() {
                    totals[k - 2] = reference + totals[k].ln();
                }
            }
            Outcome::Means => {
                let sum = totals[1];
                let sums = self.summation.sums(totals.len() - self.references);
                for k in 0..sums - 1 {
                    totals[k] = totals[k + 2] / sum;
                }
                totals[sums - 1] = reference + sum.ln();
            }
        }
    }
}

/// Sums of exponentials. An exponent of -inf adds nothing, NaN makes its sums NaN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSumExp<E> {
    totals: Totals,
    exponents: PhantomData<E>,
}

impl LogSumExp<All> {
    /// `log sum_j exp(F(i, j))`, componentwise, for a formula of so many components; -inf for an empty sum.
    pub(crate) fn of_components(summation: Summation, components: usize) -> Self {
        Self::new(summation, components, Outcome::Logarithms)
    }
}

impl LogSumExp<First> {
    /// `log sum_j exp(f(i, j)) g(i, j)`, for the components `f, g` of the formula; -inf for an empty sum.
    pub(crate) fn weighted(summation: Summation) -> Self {
        Self::new(summation, 1, Outcome::WeightedLogarithms)
    }

    /// `sum_j exp(f(i, j)) g(i, j) / sum_j exp(f(i, j))`, for the components `f, g` of the formula; NaN for empty sums.
    pub(crate) fn mean(summation: Summation) -> Self {
        Self::new(summation, 1, Outcome::Means)
    }
}

impl<E> LogSumExp<E> {
    fn new(summation: Summation, references: usize, outcome: Outcome) -> Self {
        Self {
            totals: Totals {
                summation,
                references,
                outcome,
            },
            exponents: PhantomData,
        }
    }
}

/// Adds exponentials to the tile state: references, then sums.
pub(crate) struct AddExp<'a, V, R, O> {
    tile: &'a mut Joined<R, O>,
    /// The exponential of the first component, which the weights multiply.
    exponential: V,
}

impl<S: Simd, R: Features<S::V>, O: Features<S::V>> Accumulator<S> for AddExp<'_, S::V, R, O> {
    #[inline(always)]
    fn push(&mut self, s: S, k: usize, value: S::V) {
        let (references, sums) = self.tile.as_mut_slice().split_at_mut(R::LEN);
        if k >= R::LEN {
            sums[k] = s.fma(self.exponential, value, sums[k]);
            return;
        }
        let mut excess = s.sub(value, references[k]);
        let ahead = s.lt(s.splat(S::T::from_f64(LAG)), excess);
        if s.any(ahead) {
            // Finite, so that an exponent of +inf is infinitely far above it and makes the sum infinite, not NaN.
            let next = s.min(value, s.splat(S::T::MAX));
            let next = s.select(ahead, next, references[k]);
            let factor = s.exp(s.sub(references[k], next));
            for sum in sums.iter_mut().skip(k).step_by(R::LEN) {
                *sum = s.mul(*sum, factor);
            }
            references[k] = next;
            excess = s.sub(value, next);
        }
        self.exponential = s.exp(excess);
        sums[k] = s.add(sums[k], self.exponential);
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V) {
        self.push(s, k, s.mul(a, b));
    }
}

impl<E: Exponents> Reduction for LogSumExp<E> {
    type Total = f64;
    type Tile<V: Copy, O: Features<V>> = Joined<E::References<V, O>, O>;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> =
        AddExp<'a, S::V, E::References<S::V, O>, O>;
    const BLOCKED: bool = false;
    const SEPARATE: bool = E::SEPARATE;

    fn may_be_split(self) -> bool {
        self.totals.summation.may_be_split()
    }

    #[inline(always)]
    fn longest_tile(self) -> usize {
        self.totals.summation.longest_tile()
    }

    fn slots(self, components: usize) -> usize {
        self.totals.references + self.totals.summation.slots(components)
    }

    fn neutral(self, slot: usize, _: usize) -> f64 {
        if slot < self.totals.references {
            f64::NEG_INFINITY
        } else {
            0.0
        }
    }

    #[inline(always)]
    fn open<S: Simd>(self, _: S, totals: &[f64], tile: &mut [S::V]) {
        self.totals.open(S::LANES, totals, scalars_mut::<S>(tile));
    }

    #[inline(always)]
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        s: S,
        _: usize,
        _: usize,
        tile: &'a mut Self::Tile<S::V, O>,
        _: &'a mut [f64],
    ) -> Self::Accumulator<'a, S, O> {
        AddExp {
            tile,
            exponential: s.splat(S::T::ZERO),
        }
    }

    #[inline(always)]
    fn close<S: Simd>(self, _: S, _: usize, tile: &[S::V], totals: &mut [f64]) {
        self.totals.close(S::LANES, scalars::<S>(tile), totals);
    }

    fn merge(self, totals: &mut [f64], others: &[f64]) {
        self.totals.merge(totals, others);
    }

    fn finish(self, totals: &mut [f64]) {
        self.totals.finish(totals);
    }
}

//! Smallest and greatest values.

use super::{Candidate, Reduction};
use crate::kernel::{Accumulator, Features, Joined};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd};

/// `min_j F(i, j)`, componentwise, or the maximum if `GREATEST`, and if `INDEXED` the lowest `j` that has it. NaN is
/// skipped. Without values below (above) infinity it is infinity (minus infinity) and column 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extreme<const GREATEST: bool, const INDEXED: bool>;

/// Compares terms with the tile state: the best values, then their positions in the tile.
pub(crate) struct Compare<'a, V, O, const GREATEST: bool, const INDEXED: bool> {
    tile: &'a mut Joined<O, O>,
    position: V,
}

impl<S: Simd, O: Features<S::V>, const GREATEST: bool, const INDEXED: bool> Accumulator<S>
    for Compare<'_, S::V, O, GREATEST, INDEXED>
{
    #[inline(always)]
    fn push(&mut self, s: S, k: usize, value: S::V) {
        let (best, positions) = self.tile.as_mut_slice().split_at_mut(O::LEN);
        if const { INDEXED } {
            let better = if GREATEST {
                s.lt(best[k], value)
            } else {
                s.lt(value, best[k])
            };
            best[k] = s.select(better, value, best[k]);
            positions[k] = s.select(better, self.position, positions[k]);
        } else if const { GREATEST } {
            best[k] = s.max(value, best[k]);
        } else {
            best[k] = s.min(value, best[k]);
        }
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V) {
        self.push(s, k, s.mul(a, b));
    }
}

impl<const GREATEST: bool, const INDEXED: bool> Extreme<GREATEST, INDEXED> {
    const NONE: Candidate = Candidate {
        value: if GREATEST {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        },
        ..Candidate::NONE
    };

    /// Whether a value is better than another one.
    #[inline(always)]
    fn is_better(value: f64, other: f64) -> bool {
        match GREATEST {
            true => other < value,
            false => value < other,
        }
    }

    /// Brings the state of the tile that began with column `first` into the totals.
    #[inline(never)]
    fn close_tile<T: Real>(first: usize, tile: &[T], totals: &mut [Candidate]) {
        let (best, positions) = tile.split_at(tile.len() / 2);
        for ((total, value), position) in totals.iter_mut().zip(best).zip(positions) {
            let candidate = Candidate {
                value: value.to_f64(),
                index: first + position.to_f64() as usize,
            };
            // Columns come in order.
            if Self::is_better(candidate.value, total.value) {
                *total = candidate;
            }
        }
    }
}

impl<const GREATEST: bool, const INDEXED: bool> Reduction for Extreme<GREATEST, INDEXED> {
    type Total = Candidate;
    type Tile<V: Copy, O: Features<V>> = Joined<O, O>;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> = Compare<'a, S::V, O, GREATEST, INDEXED>;
    const BLOCKED: bool = true;
    const SEPARATE: bool = true;

    fn slots(self, components: usize) -> usize {
        components
    }

    fn neutral(self, _: usize, _: usize) -> Candidate {
        Self::NONE
    }

    #[inline(always)]
    fn open<S: Simd>(self, _: S, _: &[Candidate], tile: &mut [S::V]) {
        let (best, positions) = tile.split_at_mut(tile.len() / 2);
        scalars_mut::<S>(best).fill(S::T::from_f64(Self::NONE.value));
        scalars_mut::<S>(positions).fill(S::T::ZERO);
    }

    #[inline(always)]
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        s: S,
        _: usize,
        offset: usize,
        tile: &'a mut Joined<O, O>,
        _: &'a mut [Candidate],
    ) -> Self::Accumulator<'a, S, O> {
        // Conversion from 32 bits is one instruction everywhere.
        let position = s.splat(S::T::from_f64(f64::from(offset as i32)));
        Compare { tile, position }
    }

    #[inline(always)]
    fn close<S: Simd>(self, _: S, first: usize, tile: &[S::V], totals: &mut [Candidate]) {
        Self::close_tile(first, scalars::<S>(tile), totals);
    }

    fn merge(self, totals: &mut [Candidate], others: &[Candidate]) {
        for (total, &other) in totals.iter_mut().zip(others) {
            let is_first = other.value == total.value && other.index < total.index;
            // No value names no column.
            let is_found = other.value != Self::NONE.value;
            if Self::is_better(other.value, total.value) || (is_first && is_found) {
                *total = other;
            }
        }
    }

    fn renumber(self, totals: &mut [Candidate], column: &dyn Fn(usize) -> usize) {
        for total in totals {
            if total.value != Self::NONE.value {
                total.index = column(total.index);
            }
        }
    }

    fn finish(self, _: &mut [Candidate]) {}
}

//! The k smallest values.

use super::{Candidate, Reduction};
use crate::kernel::{Accumulator, Features};
use crate::lanes::{scalars, scalars_mut};
use crate::simd::{Real, Simd};
use core::slice;

/// The `k` smallest values over `j` of every component of `F(i, j)` in ascending order, and their columns; of equal values
/// those of the lowest columns. NaN is skipped; where fewer than `k` values are below infinity, infinity and column 0
/// fill up.
///
/// The totals of a row and component are a *block*: in front a header, whose value is a threshold and whose index a
/// count, and then so many candidates. Values that are not below the threshold, which the tile state holds
/// in vectors, are passed over.
///
/// Others are inserted, if few are kept, where they belong in order, so that the last one kept is always the threshold. If many are, they are appended, and
/// when the block is full only its smallest are kept, of which the greatest is the new threshold. So whatever the order of
/// the columns, a value costs amortised constant time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Smallest {
    /// How many values are kept: k, or the number of columns if that is less.
    kept: usize,
    /// How many a block has room for: as many as are kept in order, or more.
    room: usize,
}

/// Up to so many values are kept in order.
const FEW: usize = 64;

impl Smallest {
    /// The `k` smallest values of `columns`.
    pub(crate) fn new(k: usize, columns: usize) -> Self {
        let kept = k.max(1).min(columns);
        let room = match kept {
            0..=FEW => kept,
            _ => kept.saturating_mul(2),
        };
        Self { kept, room }
    }

    /// Whether blocks are in order.
    fn in_order(self) -> bool {
        self.room == self.kept
    }

    /// Length of a block.
    fn block(self) -> usize {
        self.room.saturating_add(1)
    }

    /// Takes a candidate that is below the threshold, and returns the new one.
    #[inline(always)]
    fn take(self, block: &mut [Candidate], candidate: Candidate) -> f64 {
        let Some((header, candidates)) = block.split_first_mut() else {
            return f64::NEG_INFINITY;
        };
        if !self.in_order() {
            return self.append(header, candidates, candidate);
        }
        let mut place = candidates.len() - 1;
        while let Some(before) = place.checked_sub(1)
            && candidate.is_before(&candidates[before])
        {
            candidates[place] = candidates[before];
            place = before;
        }
        candidates[place] = candidate;
        header.index = self.kept.min(header.index + 1);
        header.value = candidates[self.kept - 1].value;
        header.value
    }

    /// The same where a block is in no order.
    fn append(
        self,
        header: &mut Candidate,
        candidates: &mut [Candidate],
        candidate: Candidate,
    ) -> f64 {
        candidates[header.index] = candidate;
        header.index += 1;
        if header.index == self.room {
            let (_, last, _) = candidates.select_nth_unstable_by(self.kept - 1, Candidate::order);
            *header = Candidate {
                value: last.value,
                index: self.kept,
            };
        }
        header.value
    }

    /// Takes those values of column `index` whose lanes are set in `below`, which are below their thresholds. `blocks` begins with the block of
    /// the first row and the component, and the rows have `slots` totals each.
    #[inline(never)]
    fn take_column<T: Real>(
        self,
        index: usize,
        mut below: u128,
        values: &[T],
        thresholds: &mut [T],
        blocks: &mut [Candidate],
        slots: usize,
    ) {
        while below != 0 {
            let lane = below.trailing_zeros() as usize;
            below &= below - 1;
            let value = values[lane].to_f64();
            let block = &mut blocks[lane * slots..][..self.block()];
            thresholds[lane] = T::from_f64(self.take(block, Candidate { value, index }));
        }
    }

    /// Fills the tile state with the thresholds of rows with `slots` totals each.
    #[inline(never)]
    fn thresholds<T: Real>(self, totals: &[Candidate], lanes: usize, tile: &mut [T]) {
        let slots = totals.len() / lanes;
        for (k, thresholds) in tile.chunks_exact_mut(lanes).enumerate() {
            for (lane, threshold) in thresholds.iter_mut().enumerate() {
                *threshold = T::from_f64(totals[lane * slots + k * self.block()].value);
            }
        }
    }

    fn merge_blocks(self, totals: &mut [Candidate], others: &[Candidate]) {
        let blocks = totals.chunks_exact_mut(self.block());
        for (block, others) in blocks.zip(others.chunks_exact(self.block())) {
            let (header, candidates) = (others[0], &others[1..]);
            for &candidate in &candidates[..header.index] {
                // Equal values may come in any order of columns here.
                let may_be_kept = match self.in_order() {
                    true => candidate.is_before(&block[self.kept]),
                    false => candidate.value <= block[0].value,
                };
                if may_be_kept {
                    self.take(block, candidate);
                }
            }
        }
    }

    /// Leaves the smallest values in front of every block, in order.
    fn finish_blocks(self, totals: &mut [Candidate]) {
        for block in totals.chunks_exact_mut(self.block()) {
            let count = block[0].index;
            block.copy_within(1..=count, 0);
            let kept = self.kept.min(count);
            if !self.in_order() {
                if kept < count {
                    block[..count].select_nth_unstable_by(kept, Candidate::order);
                }
                block[..kept].sort_unstable_by(Candidate::order);
            }
            block[kept..].fill(Candidate::NONE);
        }
    }
}

/// Compares terms with the thresholds of the tile state.
pub(crate) struct Append<'a, O> {
    smallest: Smallest,
    index: usize,
    thresholds: &'a mut O,
    totals: &'a mut [Candidate],
}

impl<S: Simd, O: Features<S::V>> Accumulator<S> for Append<'_, O> {
    #[inline(always)]
    fn push(&mut self, s: S, k: usize, value: S::V) {
        let threshold = &mut self.thresholds.as_mut_slice()[k];
        let below = s.lt(value, *threshold);
        if s.any(below) {
            // Copies, so that the thresholds stay in registers and only these have an address.
            let (value, mut raised) = (value, *threshold);
            let slots = self.totals.len() / S::LANES;
            self.smallest.take_column(
                self.index,
                s.bits(below),
                scalars::<S>(slice::from_ref(&value)),
                scalars_mut::<S>(slice::from_mut(&mut raised)),
                &mut self.totals[k * self.smallest.block()..],
                slots,
            );
            *threshold = raised;
        }
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, k: usize, a: S::V, b: S::V) {
        self.push(s, k, s.mul(a, b));
    }
}

impl Reduction for Smallest {
    type Total = Candidate;
    type Tile<V: Copy, O: Features<V>> = O;
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a> = Append<'a, O>;
    const BLOCKED: bool = false;
    const SEPARATE: bool = true;
    const BY_LANE: bool = true;

    /// Every part begins without a threshold and accepts `kept` values and more before it has a good one. With so many
    /// columns that takes no longer than evaluating them.
    fn shortest_part(self) -> usize {
        self.kept.saturating_mul(1024)
    }

    fn slots(self, components: usize) -> usize {
        components.saturating_mul(self.block())
    }

    fn neutral(self, _: usize, _: usize) -> Candidate {
        Candidate::NONE
    }

    #[inline(always)]
    fn open<S: Simd>(self, _: S, totals: &[Candidate], tile: &mut [S::V]) {
        self.thresholds(totals, S::LANES, scalars_mut::<S>(tile));
    }

    #[inline(always)]
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        _: S,
        first: usize,
        offset: usize,
        thresholds: &'a mut O,
        totals: &'a mut [Candidate],
    ) -> Append<'a, O> {
        Append {
            smallest: self,
            index: first + offset,
            thresholds,
            totals,
        }
    }

    #[inline(always)]
    fn close<S: Simd>(self, _: S, _: usize, _: &[S::V], _: &mut [Candidate]) {}

    fn merge(self, totals: &mut [Candidate], others: &[Candidate]) {
        self.merge_blocks(totals, others);
    }

    fn renumber(self, totals: &mut [Candidate], column: &dyn Fn(usize) -> usize) {
        for block in totals.chunks_exact_mut(self.block()) {
            let count = block[0].index;
            for candidate in &mut block[1..=count] {
                candidate.index = column(candidate.index);
            }
        }
    }

    fn finish(self, totals: &mut [Candidate]) {
        self.finish_blocks(totals);
    }
}

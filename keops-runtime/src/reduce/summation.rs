//! How terms are added up.

use super::TILE_COLUMNS;
use crate::options::{Accumulate, CallOptions, SumScheme};
use crate::simd::Real;

/// How the terms of a tile come into the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
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

/// Sums whose tile state is held in vectors of the type of the terms. One loop serves all schemes, because every loop is
/// compiled anew for each formula.
///
/// Totals are kept as `f64`; in single precision they are rounded after every addition. Sums and differences of two `f32`
/// that are computed in `f64` and rounded are those of `f32` arithmetic, since `f64` has more than twice its digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summation {
    scheme: Scheme,
    /// Whether the accumulator is an `f32`.
    single: bool,
}

impl Summation {
    /// Sums of terms of type `T`, as the options want them.
    pub(crate) fn new<T: Real>(options: &CallOptions) -> Self {
        let terms_single = size_of::<T>() == size_of::<f32>();
        let blocks = matches!(options.sum_scheme, SumScheme::Auto | SumScheme::Block);
        let single = match options.accumulate {
            Accumulate::Same => terms_single && !blocks,
            Accumulate::F32 => true,
            Accumulate::F64 => false,
        };
        let scheme = match options.sum_scheme {
            SumScheme::Auto | SumScheme::Block => Scheme::Blocks,
            SumScheme::Direct if single == terms_single => Scheme::Running,
            SumScheme::Direct => Scheme::Terms,
            SumScheme::Kahan => Scheme::Compensated,
        };
        Self { scheme, single }
    }

    /// The largest number of columns of a tile.
    #[inline(always)]
    pub(super) fn longest_tile(self) -> usize {
        match self.scheme {
            Scheme::Blocks | Scheme::Running => TILE_COLUMNS,
            Scheme::Terms | Scheme::Compensated => 1,
        }
    }

    /// Totals for so many sums: all sums, then, where additions are compensated, what each of them has too much.
    #[inline(always)]
    pub(super) fn slots(self, sums: usize) -> usize {
        if self.is_compensated() {
            2 * sums
        } else {
            sums
        }
    }

    /// The number of sums that so many totals are for.
    pub(super) fn sums(self, slots: usize) -> usize {
        if self.is_compensated() {
            slots / 2
        } else {
            slots
        }
    }

    /// Whether the terms of a tile may be added up in their own type and in any order, and their sum to the total by
    /// [`Summation::add`].
    pub(crate) fn is_blocks(self) -> bool {
        self.scheme == Scheme::Blocks
    }

    /// Whether a row may have several totals, which are added: not where one accumulator was asked for, in single precision or without blocks.
    pub(super) fn may_be_split(self) -> bool {
        self.is_blocks() && !self.single
    }

    /// Adds the sum of a block of terms to a total.
    pub(crate) fn add(self, total: &mut f64, sum: f64) {
        *total = self.held(*total + self.held(sum));
    }

    fn is_compensated(self) -> bool {
        self.scheme == Scheme::Compensated
    }

    /// `x` as the accumulator would hold it.
    #[inline(always)]
    fn held(self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    /// One addition of Kahan's scheme (Kahan 1965, *Further remarks on reducing truncation errors*). `excess` is what
    /// the sum has too much; an infinite sum is not corrected, which would make it NaN.
    #[inline(always)]
    fn compensate(self, sum: &mut f64, excess: &mut f64, term: f64) {
        let term = self.held(self.held(term) - *excess);
        let next = self.held(*sum + term);
        *excess = if next.is_finite() {
            self.held(self.held(next - *sum) - term)
        } else {
            0.0
        };
        *sum = next;
    }

    /// Starts the sums of a tile.
    #[inline(always)]
    pub(super) fn open<T: Real>(self, totals: &[f64], tile: &mut [T]) {
        if self.scheme == Scheme::Running {
            for (sum, &total) in tile.iter_mut().zip(totals) {
                *sum = T::from_f64(total);
            }
        } else {
            tile.fill(T::ZERO);
        }
    }

    /// Brings the sums of a tile into the totals.
    #[inline(always)]
    pub(super) fn close<T: Real>(self, tile: &[T], totals: &mut [f64]) {
        let sums = tile.iter().map(|sum| sum.to_f64());
        match self.scheme {
            Scheme::Running => {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = sum;
                }
            }
            Scheme::Blocks | Scheme::Terms => {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = self.held(*total + self.held(sum));
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

    /// Multiplies a total, a sum or its excess, by a factor.
    pub(super) fn scale(self, total: &mut f64, factor: f64) {
        *total = self.held(*total * factor);
    }

    /// Adds the totals of other terms.
    pub(super) fn merge(self, totals: &mut [f64], others: &[f64]) {
        if !self.is_compensated() {
            for (total, other) in totals.iter_mut().zip(others) {
                *total = self.held(*total + other);
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

    /// Leaves the sums in the first totals.
    pub(super) fn finish(self, totals: &mut [f64]) {
        if self.is_compensated() {
            let (sums, excesses) = totals.split_at_mut(totals.len() / 2);
            for (sum, excess) in sums.iter_mut().zip(excesses) {
                *sum -= *excess;
            }
        }
    }
}

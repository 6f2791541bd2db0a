//! Reductions: what happens to the terms `F(i, j)` of a row.
//!
//! A row passes through three stages. Its *totals* live in memory and cover all columns seen so far. For each tile of
//! columns a *tile state* of a few vectors is opened from the totals, takes the terms of the tile, one vector of rows
//! by one column at a time, and is closed into the totals again. Totals of disjoint sets of columns can be merged.
//!
//! What happens per term is compiled for each formula and instruction set, so it is short; what happens per tile or per
//! row is kept out of it where it is long.

mod candidate;
mod extreme;
mod log_sum_exp;
mod smallest;
mod sum;
mod summation;

pub(crate) use candidate::{Candidate, CandidateSink};
pub(crate) use extreme::Extreme;
pub(crate) use log_sum_exp::LogSumExp;
pub(crate) use smallest::Smallest;
pub(crate) use sum::{RowSink, Sum};
pub(crate) use summation::Summation;

use crate::cpu::{Rows, Total};
use crate::kernel::{Accumulator, Features};
use crate::simd::Simd;

/// A tile has at most this many columns; a position in a tile is exact in every element type.
pub(crate) const TILE_COLUMNS: usize = 256;

/// A reduction over columns, for all rows of a vector at once.
///
/// `O` stands for the components of the formula. Totals of a vector of rows are stored by slot, then by lane:
/// `totals[slot * LANES + lane]`, unless [`BY_LANE`](Reduction::BY_LANE); those of a single row by slot.
pub(crate) trait Reduction: Copy + Send + Sync + 'static {
    /// One number of the state that is kept between tiles.
    type Total: Total;
    /// The state while a tile is reduced, for one vector of rows; in registers if it is small.
    type Tile<V: Copy, O: Features<V>>: Features<V>;
    /// Takes the terms of one column.
    type Accumulator<'a, S: Simd, O: Features<S::V> + 'a>: Accumulator<S>;

    /// Whether the state of several vectors of rows may share the registers.
    const BLOCKED: bool;
    /// Whether an accumulator keeps nothing from one component of a term to the next, so that components of several
    /// columns may come in turn.
    const SEPARATE: bool;
    /// Whether totals of a vector of rows are stored by lane, then by slot.
    const BY_LANE: bool = false;

    /// Whether squared distances may be computed as `|a|^2 + |b|^2 - 2 (a, b)`, which is as accurate relative to the sizes of all terms together, not to each.
    fn expands(self) -> bool {
        false
    }
    /// Whether several accumulators for a row, whose totals are merged, do what was asked for.
    fn may_be_split(self) -> bool {
        true
    }
    /// The largest number of columns of a tile.
    #[inline(always)]
    fn longest_tile(self) -> usize {
        TILE_COLUMNS
    }
    /// The columns may be cut into parts of at least so many, whose totals are merged.
    fn shortest_part(self) -> usize {
        512
    }
    /// Totals per row, at least one, for a formula of `components` components.
    fn slots(self, components: usize) -> usize;
    /// The totals of no columns, for each slot.
    fn neutral(self, slot: usize, components: usize) -> Self::Total;
    /// Starts a tile: fills its state.
    fn open<S: Simd>(self, s: S, totals: &[Self::Total], tile: &mut [S::V]);
    /// Takes the terms of column `first + offset`, `offset` being the position in the tile.
    fn accumulator<'a, S: Simd, O: Features<S::V>>(
        self,
        s: S,
        first: usize,
        offset: usize,
        tile: &'a mut Self::Tile<S::V, O>,
        totals: &'a mut [Self::Total],
    ) -> Self::Accumulator<'a, S, O>;
    /// Ends the tile that began with column `first`: brings its state into the totals.
    fn close<S: Simd>(self, s: S, first: usize, tile: &[S::V], totals: &mut [Self::Total]);
    /// Adds the totals of other columns of the same row to its totals.
    fn merge(self, totals: &mut [Self::Total], others: &[Self::Total]);
    /// Replaces the columns that the totals of a row name.
    fn renumber(self, _: &mut [Self::Total], _: &dyn Fn(usize) -> usize) {}
    /// Ends a row.
    fn finish(self, totals: &mut [Self::Total]);
}

/// Where finished rows go.
pub(crate) trait Sink<Total>: Rows {
    /// Takes all its rows, each with `slots` totals.
    fn take(self, slots: usize, totals: &[Total]);
}

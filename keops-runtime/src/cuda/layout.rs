//! How rows and columns are laid out in registers and shared memory.

use super::recipe::{Formula, Reduction, Type};

/// Threads of a block.
pub(crate) const THREADS: usize = 128;
/// A tile has at most this many columns, as on the processor: so many terms are added before the accumulator is touched.
const TILE_COLUMNS: usize = 256;
/// The features of a tile take about this many bytes, so that several blocks share the memory of a multiprocessor.
const TILE_BYTES: usize = 16 << 10;
/// Static shared memory of a block on every device, less what a kernel needs beside the tile.
const SHARED_BYTES: usize = 45 << 10;
/// Registers of 32 bits that the rows of a thread and its temporaries may take together.
const REGISTERS: usize = 88;

/// How rows and columns are laid out in registers and shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Rows of a thread.
    pub rows: usize,
    /// Columns of a tile.
    pub tile: usize,
    /// Numbers from one column of a tile to the next.
    pub(super) stride: usize,
}

impl Layout {
    /// The layout for terms of type `t`.
    pub fn new(formula: &Formula<'_>, reduction: Reduction, t: Type) -> Self {
        let words = t.size() / 4;
        let column = formula.column.features + formula.weights;
        // Loads of 16 bytes need columns that begin at multiples of 16.
        let vector = 16 / t.size();
        let stride = match column {
            0 | 1 => 1,
            2 => 2,
            _ => column.next_multiple_of(vector),
        };
        let mirrored = matches!(reduction, Reduction::Mirrored(_));
        let copies = if mirrored { 2 } else { 1 };
        let fitting = TILE_BYTES / stride.saturating_mul(copies * t.size());
        let tile = match fitting {
            0 => 1,
            1..32 => fitting,
            _ => (fitting / 32 * 32).min(TILE_COLUMNS),
        };
        // A row of a mirrored product holds weights, and the sums of a column are in registers too.
        let weights = if mirrored { formula.weights } else { 0 };
        let row = formula
            .row
            .features
            .saturating_add(weights)
            .saturating_mul(words)
            .saturating_add(reduction.registers(formula.terms(), words));
        let shared = formula
            .live
            .saturating_add(column)
            .saturating_add(weights)
            .saturating_mul(words);
        let fits = |rows: usize| row.saturating_mul(rows).saturating_add(shared) <= REGISTERS;
        let rows = [4, 2].into_iter().find(|&rows| fits(rows)).unwrap_or(1);
        Self { rows, tile, stride }
    }

    /// The same with one row for each thread, for spans of few rows.
    pub fn narrow(self) -> Self {
        Self { rows: 1, ..self }
    }

    /// Whether a tile for terms of type `t` fits into shared memory.
    pub fn fits(self, t: Type) -> bool {
        let numbers = self.tile.saturating_mul(self.stride);
        numbers.saturating_mul(t.size()) <= SHARED_BYTES
    }

    /// Whether computing each entry of a symmetric matrix once is faster than computing it twice, for terms of type `t`. Lanes then read
    /// columns of their own, from all banks of shared memory, where otherwise one read of one bank serves a warp; in the time of such a read of
    /// 32 bits a multiprocessor runs four instructions.
    pub fn pays_mirrored(self, formula: &Formula<'_>, t: Type) -> bool {
        let reads = (self.stride + formula.weights).saturating_mul(t.size() / 4);
        let whole = self.tile >= 32 && self.tile.is_multiple_of(32);
        whole && 4 * reads <= self.rows.saturating_mul(formula.cost)
    }

    /// Rows of a block.
    pub fn block_rows(self) -> usize {
        THREADS * self.rows
    }
}

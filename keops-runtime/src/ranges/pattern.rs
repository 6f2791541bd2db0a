//! Which columns each row is reduced over, in normal form.

use crate::Error;
use core::ops::Range;

/// Columns `from..to`.
pub(crate) type Interval = (usize, usize);

/// Neighbouring rows that are reduced over the same columns.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The rows, at least one.
    pub(crate) rows: Range<usize>,
    /// Positions of the intervals of columns in the pattern.
    pub(crate) intervals: Range<usize>,
    /// Number of columns of all intervals together.
    pub(crate) columns: usize,
}

/// The end of the points that a pattern speaks of, and the entry of the user's array that says so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) end: usize,
    pub(super) array: &'static str,
    pub(super) entry: usize,
}

/// One half of [`Ranges`](super::Ranges): which columns each row is reduced over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pattern {
    /// In ascending order of the rows, without empty ones.
    blocks: Vec<Block>,
    /// Those of a block in ascending order of their starts, without empty ones and without two that touch.
    intervals: Vec<Interval>,
    /// Of the rows.
    pub(super) rows: Extent,
    /// Of the columns.
    pub(super) columns: Extent,
}

/// The names of the three arrays that a pattern is made of.
pub(super) type Names = [&'static str; 3];

/// An entry of an array that cannot be.
pub(super) fn refused(
    name: &str,
    entry: usize,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Error {
    Error::Ranges {
        entry: format!("{name}[{entry}]"),
        expected: expected.into(),
        found: found.into(),
    }
}

/// An interval as Rust writes it.
fn written([from, to]: [usize; 2]) -> String {
    format!("{from}..{to}")
}

fn check_order(name: &str, intervals: &[[usize; 2]]) -> Result<(), Error> {
    let wrong = intervals.iter().position(|[from, to]| from > to);
    wrong.map_or(Ok(()), |entry| {
        let found = written(intervals[entry]);
        Err(refused(name, entry, "from <= to", found))
    })
}

impl Extent {
    pub(super) fn of(array: &'static str, intervals: &[[usize; 2]]) -> Self {
        let mut extent = Self::default();
        for (entry, &[from, to]) in intervals.iter().enumerate() {
            if from < to && to > extent.end {
                let end = to;
                extent = Self { end, array, entry };
            }
        }
        extent
    }
}

impl Pattern {
    /// The pattern of three arrays as KeOps has them: `rows[k]` are reduced over
    /// `columns[slices[k - 1]..slices[k]]`.
    pub(super) fn new(
        names: Names,
        rows: &[[usize; 2]],
        slices: &[usize],
        columns: &[[usize; 2]],
    ) -> Result<Self, Error> {
        let [rows_name, slices_name, columns_name] = names;
        check_order(rows_name, rows)?;
        check_order(columns_name, columns)?;
        if slices.len() != rows.len() {
            return Err(Error::Ranges {
                entry: slices_name.to_owned(),
                expected: format!("{} entries, one per block of {rows_name}", rows.len()),
                found: slices.len().to_string(),
            });
        }
        let mut last = 0;
        for (entry, &slice) in slices.iter().enumerate() {
            if slice < last || slice > columns.len() {
                let expected = format!(
                    "at least {last}, the entry before, and at most {}, the number of intervals in {columns_name}",
                    columns.len()
                );
                return Err(refused(slices_name, entry, expected, slice.to_string()));
            }
            last = slice;
        }
        if last != columns.len() {
            return Err(Error::Ranges {
                entry: slices_name.to_owned(),
                expected: format!(
                    "the last entry to be the {} intervals of {columns_name}",
                    columns.len()
                ),
                found: last.to_string(),
            });
        }
        let mut order: Vec<usize> = (0..rows.len())
            .filter(|&k| rows[k][0] < rows[k][1])
            .collect();
        order.sort_unstable_by_key(|&k| rows[k]);
        for pair in order.windows(2) {
            let (before, after) = (rows[pair[0]], rows[pair[1]]);
            if after[0] < before[1] {
                let expected = format!(
                    "rows that are in no other block ({rows_name}[{}] has {})",
                    pair[0],
                    written(before)
                );
                return Err(refused(rows_name, pair[1], expected, written(after)));
            }
        }
        let blocks = order.into_iter().map(|k| {
            let first = if k == 0 { 0 } else { slices[k - 1] };
            let columns = columns[first..slices[k]].iter();
            (
                rows[k][0]..rows[k][1],
                columns.map(|&[from, to]| (from, to)).collect(),
            )
        });
        Ok(Self {
            rows: Extent::of(rows_name, rows),
            columns: Extent::of(columns_name, columns),
            ..Self::from_blocks(blocks)
        })
    }

    /// The pattern of blocks in ascending order of their rows, in normal form. The extents are left open.
    fn from_blocks(blocks: impl Iterator<Item = (Range<usize>, Vec<Interval>)>) -> Self {
        let mut pattern = Self::default();
        for (rows, mut columns) in blocks {
            columns.sort_unstable();
            let first = pattern.intervals.len();
            for (from, to) in columns {
                match pattern.intervals[first..].last_mut() {
                    _ if from == to => {}
                    Some(last) if last.1 == from => last.1 = to,
                    _ => pattern.intervals.push((from, to)),
                }
            }
            let added = &pattern.intervals[first..];
            if let Some(last) = pattern.blocks.last_mut()
                && last.rows.end == rows.start
                && pattern.intervals[last.intervals.clone()] == *added
            {
                last.rows.end = rows.end;
                pattern.intervals.truncate(first);
                continue;
            }
            let lengths = added.iter().map(|&(from, to)| to - from);
            pattern.blocks.push(Block {
                rows,
                columns: lengths.fold(0, usize::saturating_add),
                intervals: first..pattern.intervals.len(),
            });
        }
        pattern
    }

    /// All pairs of so many rows and columns.
    pub(super) fn whole([rows_name, _, columns_name]: Names, rows: usize, columns: usize) -> Self {
        let blocks = (rows > 0).then(|| (0..rows, vec![(0, columns)]));
        Self {
            rows: Extent::of(rows_name, &[[0, rows]]),
            columns: Extent::of(columns_name, &[[0, columns]]),
            ..Self::from_blocks(blocks.into_iter())
        }
    }

    /// The same pairs, rows and columns exchanged.
    pub(crate) fn transposed(&self) -> Self {
        let mut cuts: Vec<usize> = self
            .intervals
            .iter()
            .flat_map(|&(from, to)| [from, to])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut rows: Vec<Vec<Interval>> = vec![Vec::new(); cuts.len().saturating_sub(1)];
        for block in &self.blocks {
            for &(from, to) in self.intervals(&block.intervals) {
                let (from, to) = (
                    cuts.partition_point(|&cut| cut < from),
                    cuts.partition_point(|&cut| cut < to),
                );
                for rows in &mut rows[from..to] {
                    match rows.last_mut() {
                        Some(last) if last.1 == block.rows.start => last.1 = block.rows.end,
                        _ => rows.push((block.rows.start, block.rows.end)),
                    }
                }
            }
        }
        let pieces = cuts.windows(2).map(|cut| cut[0]..cut[1]);
        Self {
            rows: self.columns,
            columns: self.rows,
            ..Self::from_blocks(pieces.zip(rows))
        }
    }

    /// The blocks, in ascending order of their rows. Rows between them are reduced over nothing.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The intervals at these positions.
    pub(crate) fn intervals(&self, positions: &Range<usize>) -> &[Interval] {
        &self.intervals[positions.clone()]
    }

    /// The columns of a row, one interval for each time that it is reduced over them.
    pub(crate) fn columns_of(&self, row: usize) -> &[Interval] {
        let after = self.blocks.partition_point(|block| block.rows.end <= row);
        match self.blocks.get(after) {
            Some(block) if block.rows.contains(&row) => self.intervals(&block.intervals),
            _ => &[],
        }
    }

    /// How many times a row is reduced over a column.
    pub(crate) fn count(&self, row: usize, column: usize) -> usize {
        let holds = |&&(from, to): &&Interval| (from..to).contains(&column);
        self.columns_of(row).iter().filter(holds).count()
    }

    /// The number of columns of the row that has most.
    pub(crate) fn most_columns(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| block.columns)
            .max()
            .unwrap_or(0)
    }

    /// The number of pairs.
    pub(crate) fn pairs(&self) -> usize {
        let pairs = self
            .blocks
            .iter()
            .map(|block| block.rows.len().saturating_mul(block.columns));
        pairs.fold(0, usize::saturating_add)
    }

    /// Of each row the column of the same number.
    pub(crate) fn diagonal(rows: usize) -> Self {
        Self::from_blocks((0..rows).map(|row| (row..row + 1, vec![(row, row + 1)])))
    }

    /// One column for the rows of `intervals`, as many times as they lie in one.
    pub(crate) fn single_column(intervals: &[Interval]) -> Self {
        let ends = intervals.iter().filter(|(from, to)| from < to);
        let mut ends: Vec<(usize, bool)> = ends
            .flat_map(|&(from, to)| [(from, true), (to, false)])
            .collect();
        ends.sort_unstable();
        let mut times = 0;
        let blocks = ends.windows(2).filter_map(move |ends| {
            let [(cut, begins), (next, _)] = [ends[0], ends[1]];
            times = if begins { times + 1 } else { times - 1 };
            (cut < next).then(|| (cut..next, vec![(0, 1); times]))
        });
        // Two intervals of one column do not touch.
        Self::from_blocks(blocks)
    }

    /// Where the number of times that a row is reduced over a column changes, in both directions at once: the corners of the
    /// blocks with their signs, in order. Two patterns have the same corners if and only if they have the same pairs.
    pub(super) fn corners(&self) -> Vec<(usize, usize, i64)> {
        let mut corners = Vec::with_capacity(4 * self.intervals.len());
        for block in &self.blocks {
            for &(from, to) in self.intervals(&block.intervals) {
                let Range { start, end } = block.rows;
                corners.extend([
                    (start, from, 1),
                    (start, to, -1),
                    (end, from, -1),
                    (end, to, 1),
                ]);
            }
        }
        sum_corners(corners)
    }

    #[cfg(test)]
    pub(crate) fn of_rows(rows: &[[usize; 2]], slices: &[usize], columns: &[[usize; 2]]) -> Self {
        Self::new(["rows", "slices", "columns"], rows, slices, columns).unwrap()
    }
}

/// Corners in order, those of the same place added up.
pub(super) fn sum_corners(mut corners: Vec<(usize, usize, i64)>) -> Vec<(usize, usize, i64)> {
    corners.sort_unstable();
    corners.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 += next.2;
        }
        same
    });
    corners.retain(|corner| corner.2 != 0);
    corners
}

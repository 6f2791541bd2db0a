//! What the blocks of threads do in block-sparse reductions and in batches: each has some rows that are reduced over the same columns.

use core::cmp::Reverse;
use core::ops::Range;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::layout::{Layout, THREADS};
use crate::Error;
use crate::cpu::Points;
use crate::ranges::{Interval, Pattern};
use crate::simd::Real;

/// Where the arrays of an element of a batch begin in those of all elements: in rows, in columns, in columns of weights, in parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) weight: usize,
    pub(super) param: usize,
}

/// The rows of all blocks of threads, and the intervals of their columns.
#[derive(Debug)]
pub struct Spans {
    /// By block, the members of `Span` in `kernels/kernel.cu`.
    pub blocks: Vec<[u64; 8]>,
    /// Intervals of columns.
    pub intervals: Vec<[u64; 2]>,
    /// Columns of the span that has most.
    pub columns: usize,
    /// Whether a thread has one row.
    pub narrow: bool,
}

/// With several rows for each thread a span takes this much less time, as columns are read less often.
const GAIN_OF_ROWS: f64 = 1.4;

impl Spans {
    /// Spans for elements of so many rows and columns, all of which have the same pattern; without one, all pairs are taken.
    pub(super) fn new(
        layout: Layout,
        places: &[Place],
        [rows, columns]: [usize; 2],
        pattern: Option<&Pattern>,
    ) -> Self {
        let mut intervals = Vec::new();
        let mut stretches = Vec::new();
        match pattern {
            None => {
                intervals.push([0, columns as u64]);
                stretches.push((0..rows, 0..1, columns));
            }
            Some(pattern) => {
                let mut done = 0;
                for block in pattern.blocks() {
                    let first = intervals.len();
                    let of_block = pattern.intervals(&block.intervals);
                    let place = |&(from, to): &Interval| [from as u64, to as u64];
                    intervals.extend(of_block.iter().map(place));
                    // Rows between blocks are reduced over nothing.
                    stretches.push((done..block.rows.start, 0..0, 0));
                    stretches.push((block.rows.clone(), first..intervals.len(), block.columns));
                    done = block.rows.end;
                }
                stretches.push((done..rows, 0..0, 0));
            }
        }
        // Blocks with much to do come first, so that few multiprocessors wait for the last ones.
        stretches.sort_by_key(|(.., columns)| Reverse(*columns));
        let narrow = is_narrow(&stretches, layout);
        let block = if narrow { THREADS } else { layout.block_rows() };
        let mut blocks = Vec::new();
        for (stretch, intervals, _) in &stretches {
            for (element, place) in places.iter().enumerate() {
                for start in stretch.clone().step_by(block) {
                    let end = stretch.end.min(start + block);
                    let span = [
                        place.row + start,
                        element * rows + start,
                        place.column,
                        place.weight,
                        place.param,
                        end - start,
                        intervals.start,
                        intervals.len(),
                    ];
                    blocks.push(span.map(|n| n as u64));
                }
            }
        }
        Self {
            blocks,
            intervals,
            columns: stretches.first().map_or(0, |(.., columns)| *columns),
            narrow,
        }
    }
}

/// Neighbouring rows, the positions of the intervals of their columns, and the number of these.
type Stretch = (Range<usize>, Range<usize>, usize);

/// Whether so many rows of blocks would be empty with several rows for each thread that one is better.
fn is_narrow(stretches: &[Stretch], layout: Layout) -> bool {
    let work = |block: usize| -> f64 {
        let padded = |rows: &Range<usize>| (rows.len().div_ceil(block) * block) as f64;
        let works = stretches
            .iter()
            .map(|(rows, _, columns)| padded(rows) * *columns as f64);
        works.sum()
    };
    GAIN_OF_ROWS * work(THREADS) < work(layout.block_rows())
}

/// The points of one side of all elements, those that several share once.
#[derive(Debug)]
pub(super) struct Gathered<C> {
    pub(super) values: Vec<C>,
    count: usize,
    /// The first point of arrays, by where they are.
    known: HashMap<Vec<[usize; 4]>, usize>,
}

impl<C> Default for Gathered<C> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            count: 0,
            known: HashMap::new(),
        }
    }
}

impl<C: Real> Gathered<C> {
    /// Appends points, unless they are here, and tells which one is the first of them.
    pub(super) fn place(&mut self, points: &Points<'_>) -> Result<usize, Error> {
        let Self {
            values,
            count,
            known,
        } = self;
        Ok(match known.entry(points.places()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                values.extend(points.by_point::<C>()?);
                let first = *count;
                *count += points.count();
                *entry.insert(first)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Spans};
    use crate::cuda::layout::{Layout, THREADS};
    use crate::ranges::Pattern;

    const LAYOUT: Layout = Layout {
        rows: 4,
        tile: 256,
        stride: 4,
    };

    /// How often each row of the result is covered, and by how many columns.
    fn covered(spans: &Spans, rows: usize) -> Vec<(usize, u64)> {
        let mut found = vec![(0, 0); rows];
        for &[_, result, .., count, first, length] in &spans.blocks {
            let intervals = &spans.intervals[first as usize..(first + length) as usize];
            for row in &mut found[result as usize..(result + count) as usize] {
                row.0 += 1;
                row.1 += intervals.iter().map(|[from, to]| to - from).sum::<u64>();
            }
        }
        found
    }

    #[test]
    fn every_row_of_every_element_is_in_one_span() {
        let pattern = Pattern::of_rows(
            &[[3, 700], [800, 801]],
            &[2, 3],
            &[[7, 500], [600, 601], [0, 10]],
        );
        let places = [0, 1, 2].map(|n| Place {
            row: 1000 * n,
            ..Place::default()
        });
        let spans = Spans::new(LAYOUT, &places, [1000, 601], Some(&pattern));
        assert!(!spans.narrow && spans.columns == 494);
        for (n, (times, columns)) in covered(&spans, 3000).into_iter().enumerate() {
            let expected = match n % 1000 {
                3..700 => 494,
                800 => 10,
                _ => 0,
            };
            assert_eq!((times, columns), (1, expected), "row {n}");
        }
        // An element begins where its place says.
        assert!(spans.blocks.iter().all(|[row, result, ..]| row == result));
        let whole = Spans::new(LAYOUT, &places, [16, 16], None);
        assert!(whole.narrow && whole.blocks.len() == 3);
        assert!(covered(&whole, 48).into_iter().all(|row| row == (1, 16)));
    }

    #[test]
    fn spans_are_narrow_where_rows_are_few() {
        let spans = |rows| Spans::new(LAYOUT, &[Place::default()], [rows, 100], None);
        assert!(spans(THREADS).narrow && spans(5 * THREADS).narrow);
        assert!(!spans(4 * THREADS).narrow && !spans(100 * THREADS).narrow);
        assert!(spans(0).blocks.is_empty());
    }
}

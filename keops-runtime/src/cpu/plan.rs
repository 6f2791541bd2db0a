//! How a reduction is cut into tasks: by its shape alone, never by the number of threads, so that results do not depend
//! on it.

use super::few::fewest_vectors;
use crate::ranges::{Interval, Pattern};
use core::ops::Range;
use core::slice;

/// The sizes that decide how a reduction is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Number of elements of a batch, 1 if it is none. The other sizes are those of an element.
    pub(crate) elements: usize,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Number of columns.
    pub(crate) columns: usize,
    /// A part has at least this many columns.
    pub(crate) shortest_part: usize,
    /// Columns are spread over so many lanes where there are fewer rows; 0 if they never are.
    pub(crate) lanes: usize,
    /// Vector instructions per pair.
    pub(crate) cost: usize,
    /// Bytes that a row takes in memory while its span is computed: its features and its totals.
    pub(crate) row_bytes: usize,
}

/// Some neighbouring rows that are reduced over the same columns by one task, or by several that share the columns.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The element of the batch.
    pub(crate) element: usize,
    /// The rows within the element.
    pub(crate) rows: Range<usize>,
    /// Number of rows of all spans before this.
    before: usize,
    /// The intervals of columns of the pattern, if there is one.
    intervals: Range<usize>,
    /// Number of parts into which the columns are cut.
    pub(crate) parts: usize,
    /// Work before this span and including it, in instructions per pair.
    work: Range<u64>,
}

/// All rows, of all elements of a batch one behind the other, cut into spans.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    spans: Vec<Span>,
    pattern: Option<&'a Pattern>,
    /// The columns of all rows, if there is no pattern.
    all: Interval,
}

/// What belongs to consecutive rows and can be cut between them.
pub(crate) trait Rows: Send + Sized {
    /// What belongs to the rows before `row`, and to those from it on.
    fn split_at(self, row: usize) -> (Self, Self);
}

/// Spans are multiples of this: the rows of a block in the widest instruction set.
const BLOCK: usize = 64;
/// A span has at least this many rows, if there are so many, because its columns are packed anew for each span.
const SHORTEST_SPAN: usize = 512;
/// A span has at most this many rows.
const LONGEST_SPAN: usize = 1024;
/// Features and totals of a span take at most this many bytes, which leaves room in the second level cache.
const SPAN_BYTES: usize = 512 << 10;
/// There are at most about this many tasks because of parts: enough for balance on many cores.
const TASKS: usize = 64;
/// Work of fewer instructions (per pair, not per vector of pairs) than this takes some ten microseconds and is done by
/// one thread.
const SERIAL_WORK: u64 = 1 << 21;
impl<'a> Plan<'a> {
    /// The plan for a shape; `pattern`, which must fit it, says which columns each row is reduced over.
    pub(crate) fn new(shape: &Shape, pattern: Option<&'a Pattern>) -> Self {
        let mut plan = Self {
            spans: Vec::new(),
            pattern,
            all: (0, shape.columns),
        };
        for element in 0..shape.elements {
            plan.push_element(shape, element);
        }
        let work = plan.spans.last().map_or(0, |span| span.work.end);
        if work >= SERIAL_WORK {
            for span in &mut plan.spans {
                let columns = match pattern {
                    None => shape.columns,
                    Some(pattern) => length(pattern.intervals(&span.intervals)),
                };
                let share = u128::from(span.work.end - span.work.start);
                let tasks = (share * TASKS as u128).div_ceil(u128::from(work)) as usize;
                let mut shortest = shape.shortest_part;
                if span.rows.len() < shape.lanes {
                    let vectors = fewest_vectors(span.rows.len(), shortest);
                    shortest = shortest.max(vectors.saturating_mul(shape.lanes));
                }
                span.parts = (columns / shortest.max(1)).min(tasks).max(1);
            }
        }
        plan
    }

    fn push_element(&mut self, shape: &Shape, element: usize) {
        let Some(pattern) = self.pattern else {
            return self.push(shape, element, 0..shape.rows, 0..0, shape.columns);
        };
        let mut done = 0;
        for block in pattern.blocks() {
            // Rows between blocks are reduced over nothing.
            self.push(shape, element, done..block.rows.start, 0..0, 0);
            let (rows, intervals) = (block.rows.clone(), block.intervals.clone());
            self.push(shape, element, rows, intervals, block.columns);
            done = block.rows.end;
        }
        self.push(shape, element, done..shape.rows, 0..0, 0);
    }

    /// Cuts `rows`, which are all reduced over `columns` columns, into spans.
    fn push(
        &mut self,
        shape: &Shape,
        element: usize,
        rows: Range<usize>,
        intervals: Range<usize>,
        columns: usize,
    ) {
        let longest = (SPAN_BYTES / shape.row_bytes.max(1)).clamp(BLOCK, LONGEST_SPAN);
        let wanted = (rows.len() / 16).clamp(SHORTEST_SPAN, LONGEST_SPAN);
        let span = wanted.min(longest) / BLOCK * BLOCK;
        let row_work = shape.cost.saturating_mul(columns).saturating_add(1);
        let mut start = rows.start;
        while start < rows.end {
            let end = rows.end.min(start.saturating_add(span));
            let before = self.spans.last().map_or(0, |span| span.work.end);
            let work = (end - start).saturating_mul(row_work);
            self.spans.push(Span {
                element,
                rows: start..end,
                before: element * shape.rows + start,
                intervals: intervals.clone(),
                parts: 1,
                work: before..before.saturating_add(work as u64),
            });
            start = end;
        }
    }

    /// The columns that the rows of a span are reduced over.
    pub(crate) fn intervals(&self, span: &Span) -> &[Interval] {
        match self.pattern {
            None => slice::from_ref(&self.all),
            Some(pattern) => pattern.intervals(&span.intervals),
        }
    }

    /// Those of part `part` of the columns.
    pub(crate) fn part(&self, span: &Span, part: usize) -> Vec<Interval> {
        let intervals = self.intervals(span);
        let columns = length(intervals);
        // In 128 bits, as the product may exceed 64.
        let cut = |part: usize| (columns as u128 * part as u128 / span.parts as u128) as usize;
        let (from, to) = (cut(part), cut(part + 1));
        let mut before = 0;
        let mut chosen = Vec::new();
        for &(start, end) in intervals {
            let first = from.saturating_sub(before).min(end - start);
            let last = to.saturating_sub(before).min(end - start);
            if first < last {
                chosen.push((start + first, start + last));
            }
            before += end - start;
        }
        chosen
    }

    /// Does `work` for every span, with what belongs to its rows, in as many threads as it is worth.
    pub(crate) fn run<W: Rows>(&self, rows: W, work: &(dyn Fn(&Span, W) + Sync)) {
        run_spans(&self.spans, rows, work);
    }
}

fn run_spans<W: Rows>(spans: &[Span], rows: W, work: &(dyn Fn(&Span, W) + Sync)) {
    let (first, last) = match spans {
        [] => return,
        [span] => return work(span, rows),
        [first, .., last] => (first, last),
    };
    let (start, end) = (first.work.start, last.work.end);
    let middle = start + (end - start) / 2;
    let half = spans.partition_point(|span| span.work.end <= middle);
    let (before, after) = spans.split_at(half.clamp(1, spans.len() - 1));
    let (rows_before, rows_after) = rows.split_at(after[0].before - first.before);
    if end - start >= SERIAL_WORK {
        rayon::join(
            || run_spans(before, rows_before, work),
            || run_spans(after, rows_after, work),
        );
    } else {
        run_spans(before, rows_before, work);
        run_spans(after, rows_after, work);
    }
}

/// Number of columns of intervals.
fn length(intervals: &[Interval]) -> usize {
    intervals.iter().map(|&(from, to)| to - from).sum()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_SPAN, Plan, SERIAL_WORK, SPAN_BYTES, Shape, fewest_vectors};
    use crate::ranges::Pattern;

    #[test]
    fn parts_cover_all_columns_and_spans_stay_in_the_cache() {
        for rows in [1, 63, 64, 65, 1000, 20_000, 1 << 20] {
            for columns in [0, 1, 511, 512, 5000, 1 << 40] {
                for row_bytes in [0, 16, 4096, 1 << 20] {
                    let shape = Shape {
                        elements: 1,
                        rows,
                        columns,
                        shortest_part: 512,
                        lanes: 16,
                        cost: 20,
                        row_bytes,
                    };
                    let plan = Plan::new(&shape, None);
                    let mut done = 0;
                    for span in &plan.spans {
                        let length = span.rows.len();
                        assert!((1..=LONGEST_SPAN).contains(&length) && span.parts >= 1);
                        assert!(length <= 64 || length * row_bytes <= SPAN_BYTES);
                        assert_eq!(span.rows.start, done);
                        done = span.rows.end;
                    }
                    assert_eq!(done, rows);
                    let Some(span) = plan.spans.first() else {
                        continue;
                    };
                    let mut covered = 0;
                    for part in 0..span.parts {
                        for (from, to) in plan.part(span, part) {
                            assert!(from == covered && to > from);
                            covered = to;
                        }
                    }
                    assert_eq!(covered, columns);
                }
            }
        }
    }

    /// Where columns are spread over lanes, parts have enough of them for that.
    #[test]
    fn parts_for_few_rows_are_long() {
        for rows in 1..16 {
            for columns in [20_000, 100_000, 1_000_000, 1 << 40] {
                let shape = Shape {
                    elements: 1,
                    rows,
                    columns,
                    shortest_part: 512,
                    lanes: 16,
                    cost: 20,
                    row_bytes: 16,
                };
                let plan = Plan::new(&shape, None);
                let span = &plan.spans[0];
                for part in 0..span.parts {
                    let [(from, to)] = plan.part(span, part)[..] else {
                        panic!("several intervals")
                    };
                    let is_enough = (to - from) / 16 >= fewest_vectors(rows, 512);
                    assert!(is_enough || span.parts == 1, "{rows} x {columns}");
                }
                let is_short = columns < 2 * 16 * fewest_vectors(rows, 512);
                let is_serial = span.work.end < SERIAL_WORK;
                assert!(
                    span.parts > 1 || is_short || is_serial,
                    "{rows} x {columns}"
                );
            }
        }
    }

    #[test]
    fn parts_of_a_pattern_are_cut_from_its_intervals() {
        let intervals = [[7, 5000], [6000, 6001], [6002, 20_000]];
        let pattern = Pattern::of_rows(&[[3, 80], [90, 91]], &[3, 3], &intervals);
        let shape = Shape {
            elements: 2,
            rows: 100,
            columns: 20_000,
            shortest_part: 512,
            lanes: 0,
            cost: 20,
            row_bytes: 16,
        };
        let plan = Plan::new(&shape, Some(&pattern));
        let rows: Vec<_> = plan.spans.iter().map(|span| span.rows.clone()).collect();
        assert_eq!(rows[..5], [0..3, 3..80, 80..90, 90..91, 91..100]);
        assert_eq!(rows[5..], rows[..5]);
        assert_eq!((plan.spans[6].element, plan.spans[6].before), (1, 103));
        let span = &plan.spans[1];
        assert!(span.parts > 10);
        let mut columns = Vec::new();
        for part in 0..span.parts {
            columns.extend(
                plan.part(span, part)
                    .into_iter()
                    .flat_map(|(from, to)| from..to),
            );
        }
        let expected = intervals.into_iter().flat_map(|[from, to]| from..to);
        assert!(columns.into_iter().eq(expected));
        assert!(plan.intervals(&plan.spans[2]).is_empty());
    }
}

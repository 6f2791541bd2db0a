//! How a reduction is cut into tasks: by its shape alone, never by the number of threads, so that results do not depend
//! on it.

/// The sizes that decide how a reduction is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Number of rows.
    pub(crate) rows: usize,
    /// Number of columns.
    pub(crate) columns: usize,
    /// A part has at least this many columns.
    pub(crate) shortest_part: usize,
    /// Vector instructions per pair.
    pub(crate) cost: usize,
    /// Bytes that a row takes in memory while its span is computed: its features and its totals.
    pub(crate) row_bytes: usize,
}

/// Spans of rows, each of which may be cut into parts by columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Rows of a span; the last one may have fewer.
    pub(crate) span: usize,
    /// Number of parts into which the columns of each span are cut.
    pub(crate) parts: usize,
    /// Whether the work is worth more than one thread.
    pub(crate) parallel: bool,
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
/// the calling thread.
const SERIAL_WORK: usize = 1 << 21;

impl Plan {
    /// The plan for a shape.
    pub(crate) fn new(shape: &Shape) -> Self {
        let Shape {
            rows,
            columns,
            shortest_part,
            cost,
            row_bytes,
        } = *shape;
        let longest = (SPAN_BYTES / row_bytes.max(1)).clamp(BLOCK, LONGEST_SPAN);
        let wanted = (rows / 16).clamp(SHORTEST_SPAN, LONGEST_SPAN);
        let span = (wanted.min(longest) / BLOCK * BLOCK).min(rows.max(1));
        let parallel = cost.saturating_mul(rows).saturating_mul(columns) >= SERIAL_WORK;
        let parts = if parallel {
            (columns / shortest_part.max(1))
                .min(TASKS.div_ceil(rows.div_ceil(span).max(1)))
                .max(1)
        } else {
            1
        };
        Self {
            span,
            parts,
            parallel,
        }
    }

    /// Columns `from..to` of part `part`.
    pub(crate) fn part(&self, columns: usize, part: usize) -> (usize, usize) {
        // In 128 bits, as the product may exceed 64.
        let cut = |part: usize| (columns as u128 * part as u128 / self.parts as u128) as usize;
        (cut(part), cut(part + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_SPAN, Plan, SPAN_BYTES, Shape};

    #[test]
    fn parts_cover_all_columns_and_spans_stay_in_the_cache() {
        for rows in [1, 63, 64, 65, 1000, 20_000, 1 << 40] {
            for columns in [0, 1, 511, 512, 5000, 1 << 40] {
                for row_bytes in [0, 16, 4096, 1 << 20] {
                    let plan = Plan::new(&Shape {
                        rows,
                        columns,
                        shortest_part: 512,
                        cost: 20,
                        row_bytes,
                    });
                    assert!((1..=LONGEST_SPAN).contains(&plan.span) && plan.parts >= 1);
                    assert!(plan.span <= 64 || plan.span * row_bytes <= SPAN_BYTES);
                    let mut covered = 0;
                    for part in 0..plan.parts {
                        let (from, to) = plan.part(columns, part);
                        assert!(from == covered && to >= from);
                        covered = to;
                    }
                    assert_eq!(covered, columns);
                }
            }
        }
    }
}

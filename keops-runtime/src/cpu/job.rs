//! Spreading a reduction over threads.
//!
//! Nothing here is generic over the kernel: this code is compiled once for each type of totals, not once for each formula.

use core::ops::Range;

use super::plan::Plan;
use crate::reduce::{Reduction, Sink};
use rayon::prelude::*;

/// What is done with a span of rows and an interval of columns: the totals, by row, then by slot.
pub(super) type Part<'a, Total> = &'a (dyn Fn(Range<usize>, (usize, usize)) -> Vec<Total> + Sync);

/// A reduction, cut into tasks.
pub struct Job<'a, Total> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) plan: Plan,
    /// Totals per row.
    pub(super) slots: usize,
    pub(super) part: Part<'a, Total>,
    pub(super) ends: &'a dyn Ends<Total>,
}

/// What a reduction does with the totals of a row in the end.
pub(super) trait Ends<Total>: Sync {
    /// Adds the totals of later columns of a row to its totals.
    fn merge(&self, totals: &mut [Total], others: &[Total]);
    /// Ends a row.
    fn finish(&self, totals: &mut [Total]);
}

impl<R: Reduction> Ends<R::Total> for R {
    fn merge(&self, totals: &mut [R::Total], others: &[R::Total]) {
        Reduction::merge(*self, totals, others);
    }
    fn finish(&self, totals: &mut [R::Total]) {
        Reduction::finish(*self, totals);
    }
}

impl<Total: Copy + Send + Sync> Job<'_, Total> {
    /// Computes all rows and hands them to `sink`.
    pub(crate) fn run(&self, sink: impl Sink<Total>) {
        if self.rows > 0 {
            self.range(0..self.rows, sink);
        }
    }

    /// Computes a range of rows that starts at the border of a span.
    fn range<W: Sink<Total>>(&self, rows: Range<usize>, sink: W) {
        let spans = rows.len().div_ceil(self.plan.span);
        if spans <= 1 {
            let mut totals = self.span(rows);
            for row in totals.chunks_exact_mut(self.slots) {
                self.ends.finish(row);
            }
            return sink.take(self.slots, &totals);
        }
        let half = spans / 2 * self.plan.span;
        let (before, after) = (rows.start..rows.start + half, rows.start + half..rows.end);
        let (sink_before, sink_after) = sink.split_at(half);
        if self.plan.parallel {
            rayon::join(
                || self.range(before, sink_before),
                || self.range(after, sink_after),
            );
        } else {
            self.range(before, sink_before);
            self.range(after, sink_after);
        }
    }

    /// The totals of the rows of one span, by row, then by slot. The totals of parts are merged in their order.
    fn span(&self, rows: Range<usize>) -> Vec<Total> {
        let interval = |part| self.plan.part(self.columns, part);
        if self.plan.parts == 1 {
            return (self.part)(rows, interval(0));
        }
        let parts: Vec<Vec<Total>> = (0..self.plan.parts)
            .into_par_iter()
            .map(|part| (self.part)(rows.clone(), interval(part)))
            .collect();
        let mut parts = parts.into_iter();
        let mut totals = parts.next().unwrap_or_default();
        for others in parts {
            let rows = totals
                .chunks_exact_mut(self.slots)
                .zip(others.chunks_exact(self.slots));
            for (totals, others) in rows {
                self.ends.merge(totals, others);
            }
        }
        totals
    }
}

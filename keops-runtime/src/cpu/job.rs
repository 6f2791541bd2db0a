//! Spreading a reduction over threads.
//!
//! Nothing here is generic over the kernel: this code is compiled once for each type of totals, not once for each formula.

use core::ops::Range;

use super::plan::{Plan, Span};
use crate::ranges::Interval;
use crate::reduce::{Reduction, Sink};
use rayon::prelude::*;

/// What is done with some rows of an element of the batch and intervals of columns: the totals, by row, then by slot.
pub(super) type Part<'a, Total> =
    &'a (dyn Fn(usize, Range<usize>, &[Interval]) -> Vec<Total> + Sync);

/// A reduction, cut into tasks.
pub struct Job<'a, Total> {
    pub(super) plan: &'a Plan<'a>,
    /// Totals per row.
    pub(super) slots: usize,
    pub(super) part: Part<'a, Total>,
    pub(super) ends: &'a dyn Ends<Total>,
}

/// What a reduction does with the totals of a row in the end.
pub(super) trait Ends<Total>: Sync {
    /// Adds the totals of other columns of a row to its totals.
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
    pub(crate) fn run<W: Sink<Total>>(&self, sink: W) {
        self.plan.run(sink, &|span: &Span, sink: W| {
            let mut totals = self.span(span);
            for row in totals.chunks_exact_mut(self.slots) {
                self.ends.finish(row);
            }
            sink.take(self.slots, &totals);
        });
    }

    /// The totals of the rows of one span, by row, then by slot. The totals of parts are merged in their order.
    fn span(&self, span: &Span) -> Vec<Total> {
        if span.parts == 1 {
            return (self.part)(span.element, span.rows.clone(), self.plan.intervals(span));
        }
        let parts: Vec<Vec<Total>> = (0..span.parts)
            .into_par_iter()
            .map(|part| (self.part)(span.element, span.rows.clone(), &self.plan.part(span, part)))
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

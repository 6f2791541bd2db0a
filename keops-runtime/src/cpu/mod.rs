//! The driver for processors.
//!
//! Rows are spread over the lanes of vectors and keep their results, columns are broadcast. A *task* takes a span of
//! rows and some intervals of columns: it packs the features of its rows once, then for each tile of columns packs
//! these and runs all its rows over them ([`tile`]). Memory is a few tiles per thread, whatever the number of points.

mod dense;
mod pack;
mod pairing;
mod plan;
mod task;
mod tile;

pub(crate) use dense::dense;
pub(crate) use pack::Points;
pub(crate) use pairing::{Pairing, RowsI, RowsJ, Weighted};

use crate::kernel::Features;
use crate::reduce::{Reduction, Sink};
use crate::simd::{InstructionSet, Real, dispatch};
use core::marker::PhantomData;
use core::ops::Range;
use core::slice;
use plan::{Plan, Shape};
use rayon::prelude::*;
use task::Task;

/// A formula with its arrays, in one orientation.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// The arrays of the rows.
    pub(crate) rows: Points<'a>,
    /// The arrays of the columns.
    pub(crate) columns: Points<'a>,
    /// The raw parameters.
    pub(crate) params: Vec<f64>,
}

impl Problem<'_> {
    /// The same problem, for a shorter time.
    pub(crate) fn reborrow(&self) -> Problem<'_> {
        Problem {
            rows: self.rows.reborrow(),
            columns: self.columns.reborrow(),
            params: self.params.clone(),
        }
    }
}

/// Reduces the terms of `P` over all columns, for all rows, evaluating in `T`.
pub(crate) fn reduce<P: Pairing, T: Real, R: Reduction>(
    isa: InstructionSet,
    problem: &Problem<'_>,
    reduction: R,
    sink: impl Sink<R::Total>,
) {
    let components = P::Out::<T>::LEN;
    let slots = reduction.slots(components);
    let shape = Shape {
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        cost: P::COST,
        row_bytes: P::Row::<T>::LEN * size_of::<T>() + slots * size_of::<R::Total>(),
    };
    if shape.rows == 0 {
        return;
    }
    let params = hoist_params::<P, T>(&problem.params);
    let plan = Plan::new(&shape);
    let job = Job::<P, T, R> {
        isa,
        problem,
        reduction,
        params: &params,
        plan,
        slots,
        kernel: PhantomData,
    };
    job.rows(0..shape.rows, sink);
}

/// Computes the parameter features in double precision, whatever the type of the evaluation.
pub(crate) fn hoist_params<P: Pairing, T: Real>(raw: &[f64]) -> Vec<T> {
    let s = crate::simd::LaneArray::<f64, 1>::new();
    let raw: Vec<[f64; 1]> = raw.iter().map(|&value| [value]).collect();
    let mut params = vec![[0.0]; P::Params::<f64>::LEN];
    P::hoist_params(s, &raw, &mut params);
    params.iter().map(|&[value]| T::from_f64(value)).collect()
}

/// A reduction on its way.
struct Job<'a, 'b, P, T, R> {
    isa: InstructionSet,
    problem: &'a Problem<'b>,
    reduction: R,
    params: &'a [T],
    plan: Plan,
    slots: usize,
    kernel: PhantomData<P>,
}

impl<P: Pairing, T: Real, R: Reduction> Job<'_, '_, P, T, R> {
    /// Reduces a range of rows that starts at the border of a span.
    fn rows<W: Sink<R::Total>>(&self, rows: Range<usize>, sink: W) {
        let spans = rows.len().div_ceil(self.plan.span);
        if spans <= 1 {
            let mut totals = self.span(rows);
            for row in totals.chunks_exact_mut(self.slots) {
                self.reduction.finish(row);
            }
            return sink.take(self.slots, &totals);
        }
        let half = spans / 2 * self.plan.span;
        let (before, after) = (rows.start..rows.start + half, rows.start + half..rows.end);
        let (sink_before, sink_after) = sink.split_at(half);
        if self.plan.parallel {
            rayon::join(
                || self.rows(before, sink_before),
                || self.rows(after, sink_after),
            );
        } else {
            self.rows(before, sink_before);
            self.rows(after, sink_after);
        }
    }

    /// The totals of the rows of one span, by row, then by slot. The totals of parts are merged in their order.
    fn span(&self, rows: Range<usize>) -> Vec<R::Total> {
        if self.plan.parts == 1 {
            return self.part(rows, 0);
        }
        let parts: Vec<_> = (0..self.plan.parts)
            .into_par_iter()
            .map(|part| self.part(rows.clone(), part))
            .collect();
        let mut parts = parts.into_iter();
        let mut totals = parts.next().unwrap_or_default();
        for others in parts {
            let rows = totals
                .chunks_exact_mut(self.slots)
                .zip(others.chunks_exact(self.slots));
            for (totals, others) in rows {
                self.reduction.merge(totals, others);
            }
        }
        totals
    }

    /// The totals over one part of the columns.
    fn part(&self, rows: Range<usize>, part: usize) -> Vec<R::Total> {
        let interval = self.plan.part(self.problem.columns.count(), part);
        let task = Task::<P, T, R> {
            problem: self.problem,
            reduction: self.reduction,
            params: self.params,
            rows,
            intervals: slice::from_ref(&interval),
            slots: self.slots,
            kernel: PhantomData,
        };
        dispatch(self.isa, task)
    }
}

//! The driver for processors.
//!
//! Rows are spread over the lanes of vectors and keep their results, columns are broadcast. A *task* takes a span of
//! rows and some intervals of columns: it packs the features of its rows once, then for each tile of columns packs
//! these and runs all its rows over them ([`tile`]). Memory is a few tiles per thread, whatever the number of points.

mod dense;
mod diagonal;
mod job;
mod pack;
mod pairing;
mod plan;
mod task;
mod tile;

pub(crate) use dense::dense;
pub(crate) use diagonal::diagonal;
pub(crate) use job::Job;
pub(crate) use pack::Points;
pub(crate) use pairing::{Pairing, RowsI, RowsJ, Weighted};

use crate::kernel::Features;
use crate::reduce::Reduction;
use crate::simd::{InstructionSet, Real, dispatch};
use core::marker::PhantomData;
use core::ops::Range;
use core::slice;
use plan::{Plan, Shape};
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

/// Reduces the terms of `P` over all columns, for all rows, evaluating in `T`. `run` decides where the rows go.
pub(crate) fn reduce<P: Pairing, T: Real, R: Reduction>(
    isa: InstructionSet,
    problem: &Problem<'_>,
    reduction: R,
    run: impl FnOnce(&Job<'_, R::Total>),
) {
    let components = P::Out::<T>::LEN;
    let slots = reduction.slots(components);
    let shape = Shape {
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        shortest_part: reduction.shortest_part(),
        cost: P::COST,
        row_bytes: P::Row::<T>::LEN * size_of::<T>() + slots * size_of::<R::Total>(),
    };
    let params = hoist_params::<P, T>(&problem.params);
    let part = |rows: Range<usize>, interval: (usize, usize)| {
        let task = Task::<P, T, R> {
            problem,
            reduction,
            params: &params,
            rows,
            intervals: slice::from_ref(&interval),
            slots,
            kernel: PhantomData,
        };
        dispatch(isa, task)
    };
    run(&Job {
        rows: shape.rows,
        columns: shape.columns,
        plan: Plan::new(&shape),
        slots,
        part: &part,
        merge: &|totals: &mut [R::Total], others: &[R::Total]| reduction.merge(totals, others),
        finish: &|totals: &mut [R::Total]| reduction.finish(totals),
    });
}

/// Computes the parameter features in double precision, whatever the type of the evaluation.
pub(crate) fn hoist_params<P: Pairing, T: Real>(raw: &[f64]) -> Vec<T> {
    let s = crate::simd::LaneArray::<f64, 1>::new();
    let raw: Vec<[f64; 1]> = raw.iter().map(|&value| [value]).collect();
    let mut params = vec![[0.0]; P::Params::<f64>::LEN];
    P::hoist_params(s, &raw, &mut params);
    // A combination of parameters that only the smaller type cannot hold must not become infinite, since 0 times it is 0.
    let largest = T::MAX.to_f64();
    let held = |value: f64| {
        if value.is_finite() {
            value.clamp(-largest, largest)
        } else {
            value
        }
    };
    params
        .iter()
        .map(|&[value]| T::from_f64(held(value)))
        .collect()
}

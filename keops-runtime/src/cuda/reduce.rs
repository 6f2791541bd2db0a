//! Reductions on a device, from arrays to arrays.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array3, ArrayViewMut2};

use super::device::{Buffer, Device};
use super::launch::Launch;
use super::source::{Formula, Reduction, Scheme, Type};
use crate::Error;
use crate::cpu::{Pairing, Points, Problem, hoist_params};
use crate::input::Element;
use crate::simd::Real;

/// Copies of points on devices, made when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<Vec<(usize, Type, Arc<Buffer>)>>);

impl Device {
    /// The raw components of points, in the type `C`.
    fn points<C: Real>(&self, points: &Points<'_>) -> Result<Arc<Buffer>, Error> {
        let upload = || self.upload(&points.by_point::<C>()).map(Arc::new);
        let Some(Uploads(copies)) = points.uploads() else {
            return upload();
        };
        let (ordinal, t) = (self.ordinal(), Type::of::<C>());
        let mut copies = copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., copy)) = copies.iter().find(|copy| (copy.0, copy.1) == (ordinal, t)) {
            return Ok(Arc::clone(copy));
        }
        let copy = upload()?;
        copies.push((ordinal, t, Arc::clone(&copy)));
        Ok(copy)
    }

    /// Computes `count` results of every row and component of a reduction of the terms of `P`, evaluating in `C`; of the elements of a batch
    /// one after the other.
    fn reduce<P: Pairing, C: Real>(
        &self,
        problem: &Problem<'_>,
        reduction: Reduction,
        count: usize,
        out: Type,
    ) -> Result<(Vec<f64>, Vec<u64>), Error> {
        let Some(batch) = &problem.batch else {
            return self.reduce_element::<P, C>(problem, reduction, count, out);
        };
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        for element in 0..batch.elements {
            let mut found = Ok((Vec::new(), Vec::new()));
            (batch.visit)(element, &mut |problem| {
                found = self.reduce_element::<P, C>(problem, reduction, count, out);
            });
            let (element_values, element_indices) = found?;
            values.extend(element_values);
            indices.extend(element_indices);
        }
        Ok((values, indices))
    }

    fn reduce_element<P: Pairing, C: Real>(
        &self,
        problem: &Problem<'_>,
        reduction: Reduction,
        count: usize,
        out: Type,
    ) -> Result<(Vec<f64>, Vec<u64>), Error> {
        if P::CUDA.is_empty() {
            return Err(super::unavailable(
                "this kernel was written for processors only".into(),
            ));
        }
        let params = hoist_params::<P, C>(&problem.params);
        let (columns, weights) = problem.columns.split_last(P::WEIGHTS > 0);
        let formula = Formula::of::<P>(
            problem.formula,
            problem.rows.components(),
            columns.components(),
        );
        let mut launch = Launch {
            reduction,
            t: Type::of::<C>(),
            out,
            count,
            params: params.iter().map(|value| value.to_f64()).collect(),
            rows: self.points::<C>(&problem.rows)?,
            columns: self.points::<C>(&columns)?,
            weights: self.points::<C>(&weights)?,
            row_count: problem.rows.count(),
            column_count: problem.columns.count(),
        };
        if let (true, Reduction::Sum(adding)) = (problem.symmetric, reduction)
            && adding.scheme == Scheme::Blocks
        {
            launch.reduction = Reduction::Mirrored(adding);
            // Totals are merged in several steps.
            launch.out = Type::Double;
            if self.mirrors(&formula, &launch) {
                return Ok((self.run_mirrored(&formula, &launch)?, Vec::new()));
            }
            (launch.reduction, launch.out) = (reduction, out);
        }
        self.run(&formula, &launch)
    }

    /// Writes the results of a reduction of the terms of `P` to `out`, evaluating in `C`. Components beyond the columns of `out` are
    /// dropped.
    pub(crate) fn rows<P: Pairing, C: Real, T: Element>(
        &self,
        problem: &Problem<'_>,
        reduction: Reduction,
        mut out: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        let (values, _) = self.reduce::<P, C>(problem, reduction, 1, Type::of::<T::Compute>())?;
        let width = values.len() / problem.result_rows().max(1);
        for (mut out, row) in out
            .rows_mut()
            .into_iter()
            .zip(values.chunks_exact(width.max(1)))
        {
            for (out, &value) in out.iter_mut().zip(row) {
                *out = T::from_f64(value);
            }
        }
        Ok(())
    }

    /// Writes the first values of every row and component to arrays of shape `(rows, k, components)`, and their columns.
    pub(crate) fn candidates<P: Pairing, T: Element>(
        &self,
        problem: &Problem<'_>,
        reduction: Reduction,
        values: &mut Array3<T>,
        indices: &mut Array3<usize>,
    ) -> Result<(), Error> {
        let (count, t) = (values.dim().1, Type::of::<T::Compute>());
        let (found, at) = self.reduce::<P, T::Compute>(problem, reduction, count, t)?;
        for (out, value) in values.iter_mut().zip(found) {
            *out = T::from_f64(value);
        }
        for (out, index) in indices.iter_mut().zip(at) {
            *out = index as usize;
        }
        Ok(())
    }
}

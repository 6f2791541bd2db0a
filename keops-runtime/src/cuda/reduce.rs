//! Reductions on a device, from arrays to arrays.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array3, ArrayViewMut2};

use super::device::{Buffer, Device};
use super::launch::{Launch, Prepared};
use super::layout::Layout;
use super::mirror::PreparedMirrored;
use super::recipe::{Adding, Evaluation, Formula, Reduction, Scheme, Type};
use super::spans::{Gathered, Place, Spans};
use crate::Error;
use crate::cpu::{Batch, Points, Problem};
use crate::input::Element;
use crate::simd::Real;

/// Copies of points on devices, made when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<Vec<(usize, Type, Arc<Buffer>)>>);

/// The arrays of a reduction, on a device.
struct Arrays {
    /// Raw components of rows and of columns.
    components: [usize; 2],
    /// Features of the parameters.
    params: Vec<f64>,
    rows: Arc<Buffer>,
    columns: Arc<Buffer>,
    weights: Arc<Buffer>,
    /// Where those of each element begin.
    places: Vec<Place>,
}

/// A product with a matrix that can be launched again and again.
pub(super) enum PreparedProduct {
    Plain(Prepared),
    /// Each entry of the matrix is computed once.
    Mirrored(PreparedMirrored),
}

impl PreparedProduct {
    /// Queues the kernels, which read the weights and write the results at these addresses. The context of the device is current.
    pub(super) fn launch(&self, weights: u64, values: u64) -> Result<(), Error> {
        match self {
            Self::Plain(prepared) => prepared.launch(weights, values, 0),
            Self::Mirrored(prepared) => prepared.launch(weights, values),
        }
    }
}

impl Device {
    /// The raw components of points, in the type `t`.
    fn points(&self, points: &Points<'_>, t: Type) -> Result<Arc<Buffer>, Error> {
        let upload = || {
            let buffer = match points.residents().next() {
                None => self.upload_points(points, t),
                Some(_) => self.assemble(points, t),
            };
            buffer.map(Arc::new)
        };
        let Some(Uploads(copies)) = points.uploads() else {
            return upload();
        };
        let ordinal = self.ordinal();
        let mut copies = copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., copy)) = copies.iter().find(|copy| (copy.0, copy.1) == (ordinal, t)) {
            return Ok(Arc::clone(copy));
        }
        let copy = upload()?;
        copies.push((ordinal, t, Arc::clone(&copy)));
        Ok(copy)
    }

    /// A copy of points that are all on the host.
    pub(super) fn upload_points(&self, points: &Points<'_>, t: Type) -> Result<Buffer, Error> {
        match t {
            Type::Single => self.upload(&points.by_point::<f32>()?),
            Type::Double => self.upload(&points.by_point::<f64>()?),
        }
    }

    /// Computes `count` results of every row and component of a reduction.
    fn reduce(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        reduction: Reduction,
        count: usize,
        out: Type,
    ) -> Result<(Vec<f64>, Vec<u64>), Error> {
        if problem.result_rows() == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let _borrowed = self.borrow(problem)?;
        let (formula, launch) = self.launch_of(evaluation, problem, reduction, count, out)?;
        if let Reduction::Mirrored(_) = launch.reduction {
            return Ok((self.run_mirrored(&formula, &launch)?, Vec::new()));
        }
        self.run(&formula, &launch)
    }

    /// What is to be launched for a reduction, with its arrays.
    pub(super) fn launch_of(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        reduction: Reduction,
        count: usize,
        out: Type,
    ) -> Result<(Formula<'static>, Launch), Error> {
        if evaluation.formula.code.is_empty() {
            return Err(super::unavailable(
                "this kernel was written for processors only".into(),
            ));
        }
        let t = evaluation.t;
        let arrays = match (&problem.batch, t) {
            (None, _) => {
                let (columns, weights) = problem.columns.split_last(evaluation.formula.weights > 0);
                let weights = self.points(&weights, t)?;
                self.of_one(evaluation, problem, &columns, weights)?
            }
            (Some(batch), Type::Single) => self.of_all::<f32>(evaluation, batch)?,
            (Some(batch), Type::Double) => self.of_all::<f64>(evaluation, batch)?,
        };
        Ok(self.choose(evaluation, problem, arrays, reduction, count, out))
    }

    /// Makes a product with a matrix ready to be launched for weights that are on the device, with results in double precision.
    ///
    /// # Errors
    /// As for [`Device::run`].
    pub(super) fn prepare_product(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        adding: Adding,
    ) -> Result<PreparedProduct, Error> {
        let weights = Arc::new(self.buffer(0)?);
        let arrays = self.of_one(evaluation, problem, &problem.columns, weights)?;
        let (sum, out) = (Reduction::Sum(adding), Type::Double);
        let (formula, launch) = self.choose(evaluation, problem, arrays, sum, 1, out);
        Ok(match launch.reduction {
            Reduction::Mirrored(_) => {
                PreparedProduct::Mirrored(self.prepare_mirrored(&formula, &launch)?)
            }
            _ => PreparedProduct::Plain(self.prepare(&formula, &launch)?),
        })
    }

    /// The kernel for arrays that are on the device: the one that computes each entry once, where that is faster.
    fn choose(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        arrays: Arrays,
        reduction: Reduction,
        count: usize,
        out: Type,
    ) -> (Formula<'static>, Launch) {
        let t = evaluation.t;
        let formula = Formula {
            text: problem.formula,
            ..evaluation.formula.with_raw(arrays.components)
        };
        let sizes = [&problem.rows, &problem.columns].map(Points::count);
        let spans = (problem.batch.is_some() || problem.pattern.is_some()).then(|| {
            let layout = Layout::new(&formula, reduction, t);
            Spans::new(layout, &arrays.places, sizes, problem.pattern.as_deref())
        });
        let mut launch = Launch {
            reduction,
            t,
            out,
            count,
            params: arrays.params,
            rows: arrays.rows,
            columns: arrays.columns,
            weights: arrays.weights,
            row_count: problem.result_rows(),
            column_count: spans.as_ref().map_or(sizes[1], |spans| spans.columns),
            spans,
        };
        if let (true, Reduction::Sum(adding)) = (problem.symmetric, reduction)
            && adding.scheme == Scheme::Blocks
        {
            launch.reduction = Reduction::Mirrored(adding);
            // Totals are merged in several steps.
            launch.out = Type::Double;
            if !self.mirrors(&formula, &launch) {
                (launch.reduction, launch.out) = (reduction, out);
            }
        }
        (formula, launch)
    }

    /// The arrays of a problem that is no batch, whose columns are these.
    fn of_one(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        columns: &Points<'_>,
        weights: Arc<Buffer>,
    ) -> Result<Arrays, Error> {
        let t = evaluation.t;
        Ok(Arrays {
            components: [problem.rows.components(), columns.components()],
            params: evaluation.params(&problem.params),
            rows: self.points(&problem.rows, t)?,
            columns: self.points(columns, t)?,
            weights,
            places: vec![Place::default()],
        })
    }

    /// The arrays of all elements of a batch.
    fn of_all<C: Real>(&self, evaluation: &Evaluation, batch: &Batch<'_>) -> Result<Arrays, Error> {
        let [mut rows, mut columns, mut weights] = [(); 3].map(|()| Gathered::<C>::default());
        let (mut params, mut places) = (Vec::new(), Vec::new());
        let mut components = [0; 2];
        for element in 0..batch.elements {
            let mut done = Ok(());
            let mut place = |problem: &Problem<'_>| {
                let (of_columns, of_weights) =
                    problem.columns.split_last(evaluation.formula.weights > 0);
                components = [problem.rows.components(), of_columns.components()];
                places.push(Place {
                    row: rows.place(&problem.rows)?,
                    column: columns.place(&of_columns)?,
                    weight: weights.place(&of_weights)?,
                    param: params.len(),
                });
                params.extend(evaluation.params(&problem.params));
                Ok(())
            };
            (batch.visit)(element, &mut |problem| done = place(problem));
            done?;
        }
        let upload = |side: Gathered<C>| self.upload(&side.values).map(Arc::new);
        Ok(Arrays {
            components,
            params,
            rows: upload(rows)?,
            columns: upload(columns)?,
            weights: upload(weights)?,
            places,
        })
    }

    /// Writes the results of a reduction to `out`. Components beyond its columns are dropped.
    pub(crate) fn rows<T: Element>(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        reduction: Reduction,
        out: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        let t = Type::of::<T::Compute>();
        let (values, _) = self.reduce(evaluation, problem, reduction, 1, t)?;
        let width = values.len() / problem.result_rows().max(1);
        T::round_rows(&values, width.max(1), out);
        Ok(())
    }

    /// Writes the first values of every row and component to arrays of shape `(rows, k, components)`, and their columns.
    pub(crate) fn candidates<T: Element>(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        reduction: Reduction,
        values: &mut Array3<T>,
        indices: &mut Array3<usize>,
    ) -> Result<(), Error> {
        let (count, t) = (values.dim().1, Type::of::<T::Compute>());
        let (found, at) = self.reduce(evaluation, problem, reduction, count, t)?;
        for (out, value) in values.iter_mut().zip(found) {
            *out = T::from_f64(value);
        }
        for (out, index) in indices.iter_mut().zip(at) {
            *out = index as usize;
        }
        Ok(())
    }
}

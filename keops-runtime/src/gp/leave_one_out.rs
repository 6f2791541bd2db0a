//! Leave-one-out residuals.

use ndarray::{Array1, Array2, ArrayViewMut1, Axis, s};

use super::posterior::{Inverse, Posterior, product};
use crate::Error;
use crate::memory;
use crate::solve::estimate::Samples;
use crate::solve::probes::{Probes, preconditioner_failed};
use crate::solve::{EstimateError, LowRank, Precondition, Tolerance};

/// The residual of a probe that is good enough, relative to the probe.
const RESIDUAL: f64 = 1e-4;
/// The relative error of an entry of the diagonal of the inverse that is small enough where it is solved for.
const ERROR: f64 = 1e-4;
/// Number of points that are worked on together.
const CHUNK: usize = 1024;

/// What the other observations predict for each.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeaveOneOut {
    /// Each observation minus its prediction from all others, `a_i / (A^-1)_ii`, of the shape of `y`.
    pub residuals: Array2<f64>,
    /// The variance of each observation given all others, noise included, `1 / (A^-1)_ii`.
    pub variance: Array1<f64>,
    /// The error of `(A^-1)_ii` as a fraction of it, and to first order that of the other two; 0 where they are exact. It is a standard error if all were asked
    /// for, and a bound for [given rows](Posterior::leave_one_out_of).
    pub relative_error: Array1<f64>,
}

impl LeaveOneOut {
    /// The root mean square of all residuals; NaN if there are none.
    pub fn rms(&self) -> f64 {
        let squares = self.residuals.iter().map(|r| r * r).sum::<f64>();
        (squares / self.residuals.len() as f64).sqrt()
    }
}

impl Posterior<'_> {
    /// The residuals that one gets by leaving out each observation in turn and predicting it from the others, without fitting anew.
    ///
    /// They need the diagonal of `A^-1`. For a large process it is that of `P^-1`, which is known, plus the mean of `w (A^-1 - P^-1) w`, entry by entry,
    /// over probes `w` of random signs; these are added until the standard errors have a root mean square of a hundredth of the
    /// diagonal's, or there are [`max_probes`](crate::solve::EstimateOptions::max_probes).
    ///
    /// # Errors
    /// What [`fit`](super::GaussianProcess::fit) may return.
    ///
    /// Source: S. Sundararajan, S. S. Keerthi, *Predictive approaches for choosing hyperparameters in Gaussian processes*, Neural Computation 13 (2001); C.
    /// Bekas, E. Kokiopoulou, Y. Saad, *An estimator for the diagonal of a matrix*, Appl. Numer. Math. 57 (2007).
    pub fn leave_one_out(&self) -> Result<LeaveOneOut, EstimateError> {
        let (diagonal, errors) = match &self.inverse {
            Inverse::Direct(factor) => {
                let n = self.len();
                let mut half = Array2::eye(n);
                factor.half_solve(&mut half);
                (
                    half.map_axis(Axis(0), |half| half.dot(&half)),
                    Array1::zeros(n),
                )
            }
            Inverse::Iterative(preconditioner) => self.diagonal(preconditioner.as_ref())?,
        };
        Ok(left_out(self.weights.clone(), &diagonal, &errors))
    }

    /// The same for some of the observations, in the order given. A large process solves a system for each, many at a time, until `(A^-1)_ii` is known up to
    /// a fraction of `1e-4` or as far as rounding errors allow: the variances are from above, and with a positive semidefinite `K` the true ones are smaller by no more
    /// than the relative error.
    ///
    /// # Errors
    /// [`EstimateError::Input`] for a row that there is not, and what [`fit`](super::GaussianProcess::fit) may return.
    pub fn leave_one_out_of(&self, rows: &[usize]) -> Result<LeaveOneOut, EstimateError> {
        let n = self.len();
        if let Some(row) = rows.iter().find(|&&row| row >= n) {
            return Err(EstimateError::Input(Error::Option {
                option: "rows",
                expected: "rows of the observations, counted from 0",
                found: format!("row {row} of {n}"),
            }));
        }
        let residuals = [rows.len(), self.weights.ncols()];
        memory::check::<f64>("the residuals", &residuals).map_err(EstimateError::Input)?;
        let (mut diagonal, mut errors) = (Vec::new(), Vec::new());
        for chunk in rows.chunks(self.together()) {
            let mut unit = Array2::zeros((n, chunk.len()));
            for (c, &row) in chunk.iter().enumerate() {
                unit[[row, c]] = 1.0;
            }
            let tolerance = self.tolerance_of(&unit)?;
            let (values, error) = self.quadratic(unit, tolerance)?;
            diagonal.extend(values);
            errors.extend(error);
        }
        let (diagonal, errors) = (Array1::from(diagonal), Array1::from(errors));
        Ok(left_out(
            self.weights.select(Axis(0), rows),
            &diagonal,
            &errors,
        ))
    }

    /// The residual with which the diagonal entries of the inverse that belong to these unit vectors are good enough: its square, divided by `alpha`, bounds
    /// their error, and they are at least `1 / A_ii`.
    fn tolerance_of(&self, unit: &Array2<f64>) -> Result<Tolerance, EstimateError> {
        let largest = match &self.inverse {
            Inverse::Direct(_) => 0.0,
            Inverse::Iterative(_) => (&product(&*self.operator, unit)? * unit)
                .iter()
                .fold(0.0, |most: f64, &k| most.max(k)),
        };
        let part = if self.alpha > 0.0 {
            self.alpha / (self.alpha + largest)
        } else {
            0.0
        };
        Ok(Tolerance::Absolute((ERROR * part).sqrt()))
    }

    /// The diagonal of `A^-1`, and its standard errors.
    fn diagonal(
        &self,
        preconditioner: Option<&LowRank>,
    ) -> Result<(Array1<f64>, Array1<f64>), EstimateError> {
        const WANTED: f64 = 0.01;
        let n = self.len();
        let known = match preconditioner {
            Some(preconditioner) => inverse_diagonal(preconditioner),
            None => Array1::zeros(n),
        };
        let mut samples = vec![Samples::default(); n];
        let collect = |samples: &[Samples]| -> (Array1<f64>, Array1<f64>) {
            let means = samples.iter().map(Samples::mean);
            let (values, errors): (Vec<_>, Vec<_>) =
                means.map(|mean| (mean.value, mean.standard_error)).unzip();
            (&known + &Array1::from(values), Array1::from(errors))
        };
        let enough = |samples: &[Samples]| {
            let (values, errors) = collect(samples);
            errors.dot(&errors) <= WANTED * WANTED * values.dot(&values)
        };
        let mut probes = Probes::new(n, preconditioner, &self.options);
        while probes.go_on(|| enough(&samples)) {
            let w = probes.draw_signs();
            let tolerance = Tolerance::Relative(RESIDUAL);
            let mut x = self.iterate_as_far_as_possible(preconditioner, &w, tolerance)?;
            if let Some(preconditioner) = preconditioner {
                let mut y = Array2::zeros(w.dim());
                let applied = preconditioner.apply(w.view(), y.view_mut());
                applied.map_err(preconditioner_failed)?;
                x -= &y;
            }
            for ((x, w), samples) in x.rows().into_iter().zip(w.rows()).zip(&mut samples) {
                x.iter().zip(w).for_each(|(x, w)| samples.push(x * w));
            }
        }
        Ok(collect(&samples))
    }
}

/// The residuals to these weights and entries of the diagonal of the inverse.
fn left_out(mut weights: Array2<f64>, diagonal: &Array1<f64>, errors: &Array1<f64>) -> LeaveOneOut {
    for mut column in weights.columns_mut() {
        column /= diagonal;
    }
    LeaveOneOut {
        residuals: weights,
        variance: diagonal.mapv(f64::recip),
        relative_error: errors / diagonal,
    }
}

/// The diagonal of `P^-1 = (Id - F (F'F + mu Id)^-1 F') / mu`.
fn inverse_diagonal(preconditioner: &LowRank) -> Array1<f64> {
    let (factor, shift) = (preconditioner.factor(), preconditioner.shift());
    let capacitance = preconditioner.capacitance();
    let mut diagonal = Array1::zeros(factor.ncols());
    let chunks = factor.axis_chunks_iter(Axis(1), CHUNK);
    for (factor, mut diagonal) in chunks.zip(diagonal.axis_chunks_iter_mut(Axis(0), CHUNK)) {
        let mut half = factor.to_owned();
        capacitance.half_solve(&mut half);
        fill(diagonal.slice_mut(s![..]), &half, shift);
    }
    diagonal
}

fn fill(mut diagonal: ArrayViewMut1<'_, f64>, half: &Array2<f64>, shift: f64) {
    for (out, half) in diagonal.iter_mut().zip(half.columns()) {
        *out = (1.0 - half.dot(&half)) / shift;
    }
}

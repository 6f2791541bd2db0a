//! Predictions at new points.

use ndarray::{Array1, Array2, Axis, Ix1, Ix2, s};

use super::posterior::{Inverse, Posterior, operator_failed};
use crate::bound::Rectangular;
use crate::memory::filled;
use crate::solve::probes::preconditioner_failed;
use crate::solve::{EstimateError, LowRank, Part, Precondition, Tolerance};
use crate::{Error, error};

/// What the columns that are solved for together may take in memory, in numbers: 32 MiB.
const NUMBERS: usize = 1 << 22;
/// The largest number of columns that are solved for together.
const MOST: usize = 64;
/// The residual at which a variance is good enough, as a multiple of `alpha`: its square, divided by `alpha`, is the error.
const RESIDUAL: f64 = 0.01;

/// The posterior distribution at new points.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The means `K_tx a`, of shape `(points, columns of y)`.
    pub mean: Array2<f64>,
    /// By how much the means are off at most because the weights are not exact, of the same shape: `|a - a*|_A sqrt(k_tt)`
    /// ([`Posterior::weights_error`]), but for rounding errors in the products with `K_tx`.
    pub mean_error: Array2<f64>,
    /// The variances of the process at the points, `k_tt - k_t' A^-1 k_t` for the rows `k_t` of `K_tx`, without noise: that of an observation
    /// is larger by `alpha`. From above: the true ones are not larger, but for rounding errors.
    pub variance: Array1<f64>,
    /// By how much the true variances are smaller at most, if `K` is positive semidefinite. Zero for a small process, where only rounding errors count.
    pub variance_error: Array1<f64>,
}

impl Posterior<'_> {
    /// The posterior mean `K_tx a`, of shape `(points, columns of y)`, for the covariances of the new points `t` (the rows) with those of the
    /// observations (the columns).
    ///
    /// # Errors
    /// [`EstimateError::Input`] if `k_tx` has another number of columns than there are observations, and what the matrix says.
    pub fn mean(&self, k_tx: &dyn Rectangular) -> Result<Array2<f64>, EstimateError> {
        let (points, n) = k_tx.shape();
        self.check_columns(points, n)?;
        let mut mean = filled(Ix2(points, self.weights.ncols()), 0.0)?;
        if !mean.is_empty() {
            let multiplied = k_tx.multiply(self.weights.view(), mean.view_mut());
            multiplied.map_err(operator_failed)?;
        }
        Ok(mean)
    }

    /// The posterior mean and variance at new points, from their covariances `k_tx` with the points of the observations and `k_tt` among themselves, of
    /// which only the diagonal is computed. In a kernel function's terms: `predict(&k(&t, &x), &k(&t, &t))`.
    ///
    /// A large process solves a system for each point, many at a time. With an approximation `v` of `A^-1 k` and the residual `r = k - A v`,
    /// recomputed in double precision,
    ///
    /// ```text
    /// k' A^-1 k  =  k'v + v'r + r' A^-1 r,    0  <=  r' A^-1 r  <=  min(r'P^-1 r, r'r / alpha)
    /// ```
    ///
    /// for a positive semidefinite `K` and a preconditioner `P <= A` (that is, one of `K` itself). The first two terms give the variance, the bound of the last its error, which is
    /// second order in the residual. The solves go on until it is below `1e-4 alpha`, or as far as rounding errors allow.
    ///
    /// # Errors
    /// As for [`mean`](Self::mean), [`EstimateError::Input`] if `k_tt` is not a square of as many rows as `k_tx`, and what [`fit`](super::GaussianProcess::fit) may
    /// return.
    pub fn predict(
        &self,
        k_tx: &dyn Rectangular,
        k_tt: &dyn Rectangular,
    ) -> Result<Prediction, EstimateError> {
        let mean = self.mean(k_tx)?;
        let (points, n) = k_tx.shape();
        if k_tt.shape() != (points, points) {
            let (rows, columns) = k_tt.shape();
            return Err(EstimateError::Input(Error::Shape {
                name: "the covariances of the new points among themselves".to_owned(),
                expected: format!("{points} rows and columns, as many as there are new points"),
                shape: error::shape(&[rows, columns]),
            }));
        }
        let mut variance = filled(Ix1(points), 0.0)?;
        let mut variance_error = filled(Ix1(points), 0.0)?;
        if let Some(variance) = variance.as_slice_mut() {
            k_tt.diagonal(variance).map_err(operator_failed)?;
        }
        let deviation = variance
            .mapv(|k: f64| k.max(0.0).sqrt())
            .insert_axis(Axis(1));
        let mean_error = deviation.dot(&self.weights_error.view().insert_axis(Axis(0)));
        let all: Vec<_> = (0..points).collect();
        for chunk in all.chunks(self.together()) {
            let mut rows = Array2::zeros((chunk.len(), n));
            k_tx.rows(chunk, rows.view_mut()).map_err(operator_failed)?;
            let k = rows.reversed_axes().as_standard_layout().into_owned();
            let tolerance = Tolerance::Absolute(RESIDUAL * self.alpha);
            let (explained, error) = self.quadratic(k, tolerance)?;
            let chunk = s![chunk[0]..chunk[0] + chunk.len()];
            let mut variance = variance.slice_mut(chunk);
            variance -= &explained;
            variance_error.slice_mut(chunk).assign(&error);
        }
        if !variance.iter().all(|v| v.is_finite()) {
            let part = Part::Operator;
            return Err(EstimateError::NonFinite { part });
        }
        Ok(Prediction {
            mean,
            mean_error,
            variance,
            variance_error,
        })
    }

    /// The number of columns that are solved for together.
    pub(super) fn together(&self) -> usize {
        (NUMBERS / self.len().max(1)).clamp(1, MOST)
    }

    /// `k' A^-1 k` for each column `k`, from below, and by how much it is too small at most.
    pub(super) fn quadratic(
        &self,
        k: Array2<f64>,
        tolerance: Tolerance,
    ) -> Result<(Array1<f64>, Array1<f64>), EstimateError> {
        match &self.inverse {
            Inverse::Direct(factor) => {
                let mut half = k;
                factor.half_solve(&mut half);
                let values = half.map_axis(Axis(0), |half| half.dot(&half));
                let error = Array1::zeros(values.len());
                Ok((values, error))
            }
            Inverse::Iterative(preconditioner) => {
                let preconditioner = preconditioner.as_ref();
                let v = self.iterate_as_far_as_possible(preconditioner, &k, tolerance)?;
                let r = self.residual(&k, &v)?;
                let values = columnwise(&(&k + &r), &v);
                Ok((values, self.error_bound(preconditioner, &r)?))
            }
        }
    }

    /// An upper bound of `r' A^-1 r` for each column `r`.
    pub(super) fn error_bound(
        &self,
        preconditioner: Option<&LowRank>,
        r: &Array2<f64>,
    ) -> Result<Array1<f64>, EstimateError> {
        let square = columnwise(r, r);
        let alpha = self.alpha;
        // Exactly nothing is left of a column of zeros, whatever alpha.
        let plain = square.mapv(|square| if square == 0.0 { 0.0 } else { square / alpha });
        // Where P has a larger shift than alpha, or is one of another matrix, it is not below A.
        let below = |p: &&LowRank| self.certain && p.shift() <= alpha;
        let Some(preconditioner) = preconditioner.filter(below) else {
            return Ok(plain);
        };
        let mut z = Array2::zeros(r.dim());
        let applied = preconditioner.apply(r.view(), z.view_mut());
        applied.map_err(preconditioner_failed)?;
        let mut bound = columnwise(r, &z);
        // Rounding errors can make the first negative.
        bound.zip_mut_with(&plain, |bound, &plain| *bound = bound.max(0.0).min(plain));
        Ok(bound)
    }

    fn check_columns(&self, points: usize, columns: usize) -> Result<(), Error> {
        let n = self.len();
        if columns == n {
            return Ok(());
        }
        Err(Error::Shape {
            name: "the covariances of the new points with those of the observations".to_owned(),
            expected: format!("{n} columns, one for each observation"),
            shape: error::shape(&[points, columns]),
        })
    }
}

/// The products `a'b` of the columns of two arrays.
pub(super) fn columnwise(a: &Array2<f64>, b: &Array2<f64>) -> Array1<f64> {
    (a * b).sum_axis(Axis(0))
}

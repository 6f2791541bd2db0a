//! What a solve is to reach: its tolerance, for each system in the units of that.

use super::operator::LinearOperator;
use super::options::{SolveOptions, Tolerance};
use super::system::{Criterion, Distance, System};
use crate::Error;
use crate::memory::repeated;

/// What the systems of a solve are to reach.
pub(super) struct Limits {
    tolerance: Tolerance,
    alpha: f64,
    /// See [`largest_deviation`]; where no tolerance asks for it, any.
    deviation: f64,
}

impl Limits {
    pub(super) fn new(
        operator: &dyn LinearOperator,
        options: &SolveOptions<'_>,
    ) -> Result<Self, Error> {
        let (tolerance, alpha) = (options.tolerance, options.alpha);
        let deviation = match tolerance {
            Tolerance::Prediction(_) => largest_deviation(operator, alpha)?,
            _ => 1.0,
        };
        Ok(Self {
            tolerance,
            alpha,
            deviation,
        })
    }

    /// The systems of so many rows whose right-hand sides have these norms, in these units.
    pub(super) fn systems(&self, rows: usize, b_norms: &[f64], units: &[f64]) -> Vec<System> {
        let Self {
            tolerance,
            alpha,
            deviation,
        } = *self;
        let system = |(c, (&b_norm, &unit)): (usize, (&f64, &f64))| {
            let (criterion, tolerance) = match tolerance {
                Tolerance::Rms(e) => (Criterion::Residual, e * (rows as f64).sqrt() / unit),
                Tolerance::Relative(e) => (Criterion::Residual, e * b_norm),
                Tolerance::Absolute(e) => (Criterion::Residual, e / unit),
                // Without deviations all predictions are zero, whatever the solution.
                Tolerance::Prediction(_) if deviation == 0.0 => (Criterion::Error, f64::INFINITY),
                Tolerance::Prediction(e) => (Criterion::Error, e / deviation / unit),
            };
            let distance = Distance::plain(b_norm, alpha);
            System::new(c, unit, criterion, tolerance, distance)
        };
        b_norms.iter().zip(units).enumerate().map(system).collect()
    }
}

/// The square root of the largest diagonal entry of `K`, the standard deviation of the prior where `K` is a covariance.
pub(super) fn largest_deviation(operator: &dyn LinearOperator, alpha: f64) -> Result<f64, Error> {
    let refused = |expected, found| Error::Option {
        option: "tolerance",
        expected,
        found,
    };
    if alpha == 0.0 {
        let expected =
            "another than Prediction, which bounds errors in terms of alpha, where that is 0";
        return Err(refused(expected, "Prediction".to_owned()));
    }
    let expected = "another than Prediction for an operator whose diagonal is not available";
    let Some(entries) = operator.entries() else {
        return Err(refused(expected, "Prediction".to_owned()));
    };
    let mut diagonal = repeated(operator.len(), 0.0)?;
    let computed = entries.compute_diagonal(&mut diagonal);
    computed.map_err(|error| refused(expected, format!("Prediction ({error})")))?;
    Ok(diagonal.into_iter().fold(0.0, f64::max).sqrt())
}

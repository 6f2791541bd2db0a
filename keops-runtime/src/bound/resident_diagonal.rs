//! The diagonal of a matrix whose points are on a device.

use crate::Error;
use crate::cpu::Problem;
use crate::cuda::recipe::{Adding, Evaluation, Reduction, Type};
use crate::options::{CallOptions, Hardware};
use crate::ranges::Pattern;
use ndarray::ArrayViewMut2;
use std::sync::Arc;

/// Writes the diagonal of the matrix with these entries, each times the number of times that the pattern takes it, as sums of one entry each.
pub(super) fn resident_diagonal(
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    terms: &Evaluation,
    out: &mut [f64],
) -> Result<(), Error> {
    let n = out.len();
    let single = Problem {
        pattern: Some(Arc::new(Pattern::diagonal(n))),
        symmetric: false,
        ..problem.reborrow()
    };
    let sum = Reduction::Sum(Adding::new(options, Type::Double));
    if let Ok(values) = ArrayViewMut2::from_shape((n, 1), &mut *out) {
        hardware.resident()?.rows(terms, &single, sum, values)?;
    }
    if let Some(pattern) = &problem.pattern {
        for (i, value) in out.iter_mut().enumerate() {
            // Not a product, which would make an infinity outside of the pattern NaN.
            *value = match pattern.count(i, i) {
                0 => 0.0,
                times => *value * times as f64,
            };
        }
    }
    Ok(())
}

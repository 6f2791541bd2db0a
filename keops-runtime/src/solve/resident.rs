//! Solves whose right-hand sides and solutions stay on a device.

use std::time::Instant;

use ndarray::Array2;

use super::cg::Cg;
use super::check_array;
use super::ended::Ended;
use super::limits::Limits;
use super::multivector::Multivector;
use super::multivector::sums::norms;
use super::operator::LinearOperator;
use super::options::SolveOptions;
use super::product::Matrix;
use super::report::{Failure, Solution, SolveError, Unconverged};
use super::system::Outcome;
use crate::Error;
use crate::cuda::{Matrix as Place, Memory, Resident, Rule};

/// Solves as [`solve`](super::solve()) does for right-hand sides on a device, and writes the solution to a place there; what is returned is the report, without
/// values. `None` if the operator has its vectors on the host.
///
/// The units of the systems are powers of two next to the root mean squares of their right-hand sides, and not to their largest entries, as sums are
/// what devices take. A failure brings the best iterates to the host.
pub(crate) fn solve_on_device<'a>(
    operator: &'a dyn LinearOperator,
    b: Resident<'_>,
    guess: Option<Resident<'_>>,
    options: &mut SolveOptions<'a>,
    place: Place,
) -> Result<Option<Solution<f64>>, SolveError<f64>> {
    let started = Instant::now();
    options.check()?;
    // Minus zero is zero.
    options.alpha += 0.0;
    options.preconditioner.check(operator)?;
    let (n, columns) = (b.rows(), b.columns());
    check_shape("the right-hand side", &b, operator.len(), None)?;
    if let Some(guess) = &guess {
        check_shape("the guess", guess, operator.len(), Some(columns))?;
    }
    let mut matrix = Matrix::new(operator, options.alpha);
    if n > 0 && columns > 0 {
        matrix.device = operator.on_device()?;
    }
    let Some(memory) = matrix.memory().cloned() else {
        return Ok(None);
    };
    let taken = |array: Resident<'_>| block(n, columns, memory.taken(array));
    let own = taken(b);
    let sizes = norms(&own);
    if !finite(&sizes) {
        refused("the right-hand side", &memory, b)?;
        return Ok(None);
    }
    let unit = |size: f64| match size {
        0.0 => 1.0,
        size => (size / (n as f64).sqrt())
            .log2()
            .floor()
            .clamp(-1000.0, 1000.0)
            .exp2(),
    };
    let units: Vec<f64> = sizes.into_iter().map(unit).collect();
    let in_units = |own: &Multivector| {
        let mut scaled = own.alike();
        scaled.update(own, Rule::Divide, &units);
        scaled
    };
    let scaled = in_units(&own);
    drop(own);
    let guess = match guess {
        None => None,
        Some(guess) => {
            let own = taken(guess);
            if !finite(&norms(&own)) {
                refused("the guess", &memory, guess)?;
                return Ok(None);
            }
            Some(in_units(&own))
        }
    };
    let b_norms = norms(&scaled);
    let systems = Limits::new(operator, options)?.systems(n, &b_norms, &units);
    let limit = options.iteration_limit(n.saturating_mul(columns));
    let mut cg = Cg::new(matrix, systems, scaled, started);
    let result = cg.run(guess, options, limit);

    let outcomes: Vec<Outcome> = std::mem::take(&mut cg.outcomes)
        .into_iter()
        .flatten()
        .collect();
    let together = |column: fn(&Outcome) -> &Multivector| {
        let mut all = block(n, columns, memory.vectors(n * columns));
        for (c, outcome) in outcomes.iter().enumerate() {
            all.copy_column(c, column(outcome), 0);
        }
        all
    };
    let x = together(|outcome| &outcome.values);
    let mut values_f64 = x.alike();
    values_f64.update(&x, Rule::Scale, &units);
    if let Some(entries) = values_f64.entries() {
        entries.hand_over(n, place);
    }
    // As it has been rounded there.
    let values = block(n, columns, memory.taken_from(n, place));
    let mut rounding = in_units(&values);
    let out_of_range = norms(&rounding).iter().position(|norm| !norm.is_finite());
    let ones = vec![1.0; columns];
    rounding.update(&x, Rule::Subtract, &ones);
    let rounded = if place.is_double() {
        let residual = |outcome: &Outcome| outcome.distance.residual;
        outcomes.iter().map(residual).collect()
    } else {
        match cg.matrix.times_working(&rounding) {
            Ok(product) => {
                let mut residual = together(|outcome| &outcome.residual);
                residual.update(&product, Rule::Subtract, &ones);
                norms(&residual)
            }
            Err(_) => vec![f64::NAN; columns],
        }
    };
    let result = result.and_then(|()| match (cg.matrix.trouble(), out_of_range) {
        (Some(error), _) => Err(Failure::Apply {
            part: super::Part::Operator,
            iteration: outcomes.iter().map(|o| o.iterations).max().unwrap_or(0),
            error: error.into(),
        }),
        (None, Some(column)) => Err(Failure::OutOfRange { column }),
        (None, None) => Ok(()),
    });
    let ended = Ended {
        rows: n,
        units: &units,
        b_norms: &b_norms,
        rounded: &rounded,
        outcomes: &outcomes,
        started,
        keep_preconditioner: options.keep_preconditioner,
    };
    match result {
        Ok(()) => {
            let none = || Array2::zeros((0, columns));
            Ok(Some(ended.solution(cg, none(), none())))
        }
        Err(reason) => {
            let [values, values_f64] = [values, values_f64].map(|values| {
                let entries = values.to_host().data().to_vec();
                Array2::from_shape_vec((n, columns), entries).unwrap_or_default()
            });
            Err(SolveError::Unconverged(Box::new(Unconverged {
                reason,
                best: ended.solution(cg, values, values_f64),
            })))
        }
    }
}

fn block(rows: usize, width: usize, entries: crate::cuda::Vectors) -> Multivector {
    Multivector::Device {
        rows,
        width,
        entries,
    }
}

fn finite(sizes: &[f64]) -> bool {
    sizes.iter().all(|size| size.is_finite())
}

/// The error of an array whose norm is not finite. Which entry it is, the host finds.
fn refused(name: &str, memory: &Memory, array: Resident<'_>) -> Result<(), Error> {
    if let Some(error) = memory.error() {
        return Err(error);
    }
    check_array(name, array.to_f64()?.view(), array.rows(), None)
}

fn check_shape(
    name: &str,
    array: &Resident<'_>,
    rows: usize,
    columns: Option<usize>,
) -> Result<(), Error> {
    let misfit = array.rows() != rows || columns.is_some_and(|columns| columns != array.columns());
    if !misfit {
        return Ok(());
    }
    Err(super::misfit(
        name,
        rows,
        columns,
        &[array.rows(), array.columns()],
    ))
}

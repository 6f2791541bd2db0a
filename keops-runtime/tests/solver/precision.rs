//! Operators that are evaluated in single precision: refinement, honesty about residuals, promotion to double.

use keops_runtime::solve::{
    FnOperator, LinearOperator, OperatorError, Precision, Preconditioner, SolveOptions, Tolerance,
    solve,
};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::operators::*;

fn options(alpha: f64, tolerance: Tolerance) -> SolveOptions<'static> {
    SolveOptions {
        alpha,
        tolerance,
        preconditioner: Preconditioner::None,
        ..Default::default()
    }
}

/// KeOps' example: in single precision it must converge in truth, in few more iterations than in double.
#[test]
fn single_precision_costs_few_iterations() {
    let mut random = Uniform(0);
    let k = gaussian(1000, &mut random);
    let b = random.array(1000, 2);
    let options = || options(0.01, Tolerance::Rms(1e-6));
    let double = solve(&k, b.view(), None, options()).expect("double precision converges");
    assert_eq!(double.products.working, 0);
    let entries: &dyn LinearOperator = &with_single_entries(&k);
    for (operator, most) in [(entries, 1.35), (&in_single(&k), 1.75)] {
        let single = solve(operator, b.view(), None, options()).expect("single converges");
        let bound = double.iterations as f64 * most;
        assert!(
            single.iterations as f64 <= bound,
            "{} of {bound}",
            single.iterations
        );
        assert_eq!(
            single.products.working, single.iterations,
            "nothing was promoted"
        );
        assert!(single.products.double <= 8);
        for (c, r) in rms(&residual(&k, 0.01, &b, &single.values))
            .into_iter()
            .enumerate()
        {
            assert!(r <= 1e-6 && (r / single.columns[c].rms - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn refinement_reaches_what_single_precision_cannot() {
    let mut random = Uniform(3);
    let k = gaussian(400, &mut random);
    let b = random.array(400, 1);
    let found = solve(
        &in_single(&k),
        b.view(),
        None,
        options(0.1, Tolerance::Relative(1e-13)),
    );
    let found = found.expect("it converges");
    assert!(rms(&residual(&k, 0.1, &b, &found.values))[0] <= 1.01e-13 * rms(&b)[0]);
    assert_eq!(found.products.working, found.iterations);
}

/// Working precisions that are not good enough: errors that make the operator indefinite for a small `alpha`, and
/// errors so large that refinement gains next to nothing.
#[test]
fn precision_is_raised_where_it_does_not_suffice() {
    let eigenvalues = Array1::from_shape_fn(40, |i| i.saturating_sub(3) as f64);
    let b = Uniform(4).array(40, 1);
    let alpha = 1e-7;
    for (factor, shift) in [(1.0, -1e-6), (3.0, 0.0)] {
        let apply = |precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
            let (factor, shift) = match precision {
                Precision::Working => (factor, shift),
                Precision::Double => (1.0, 0.0),
            };
            let entries = (&eigenvalues * factor + shift).insert_axis(Axis(1));
            out.assign(&(&v * &entries));
            Ok::<(), OperatorError>(())
        };
        let k = FnOperator::new(40, apply).with_roundoff(f64::from(f32::EPSILON) / 2.0);
        let found = solve(
            &k,
            b.view(),
            None,
            options(alpha, Tolerance::Relative(1e-9)),
        );
        let found = found.expect("it converges");
        assert!(rms(&residual(&k, alpha, &b, &found.values))[0] <= 1.01e-9 * rms(&b)[0]);
        assert!(
            found.products.working > 0 && found.products.double > 20,
            "{:?}",
            found.products
        );
    }
}

#[test]
fn tolerance_zero_ends_at_the_floor() {
    let mut random = Uniform(5);
    let k = gaussian(200, &mut random);
    let b = random.array(200, 1);
    let single = in_single(&k);
    for operator in [&k as &dyn LinearOperator, &single] {
        let failed = failure(solve(
            operator,
            b.view(),
            None,
            options(0.1, Tolerance::Rms(0.0)),
        ));
        assert!(is_stagnated(&failed.reason), "{}", failed.reason);
        let report = failed.best.columns[0];
        assert!(report.rms > 0.0 && report.rms < 1e-13 && !report.converged);
        let r = rms(&residual(&k, 0.1, &b, &failed.best.values))[0];
        assert!((r - report.rms).abs() < 1e-14);
    }
}

/// Values in `f32`: the double precision iterate decides, and the residual of the rounded one is told.
#[test]
fn rounding_of_the_solution_is_reported() {
    let mut random = Uniform(6);
    let k = gaussian(500, &mut random);
    let b32 = random.array(500, 2).mapv(|v| v as f32);
    let b = b32.mapv(f64::from);
    let single = in_single(&k);
    let found = solve(
        &single,
        b32.view(),
        None,
        options(1e-3, Tolerance::Rms(1e-6)),
    );
    let found = found.expect("it converges");
    let exact = rms(&residual(&k, 1e-3, &b, &found.values_f64));
    let rounded = rms(&residual(&k, 1e-3, &b, &found.values.mapv(f64::from)));
    for c in 0..2 {
        let report = found.columns[c];
        assert!(report.converged && report.rms <= 1e-6 && report.rounded_rms > 1e-6);
        assert!((report.rms / exact[c] - 1.0).abs() < 1e-6);
        assert!((report.rounded_rms / rounded[c] - 1.0).abs() < 1e-6);
    }
    assert_eq!(found.values, found.values_f64.mapv(|v| v as f32));
}

/// What the recursion says is what is true, up to rounding, in double precision.
#[test]
fn history_is_true_in_double_precision() {
    let k = poisson(20);
    let b: Array2<f64> = Uniform(7).array(400, 1);
    let all =
        solve(&k, b.view(), None, options(0.0, Tolerance::Relative(1e-9))).expect("converges");
    assert_eq!(all.history[0].len(), all.iterations + 1);
    for steps in [0, 1, 7, 30] {
        let options = SolveOptions {
            max_iterations: Some(steps),
            ..options(0.0, Tolerance::Relative(1e-9))
        };
        let failed = failure(solve(&k, b.view(), None, options));
        assert_eq!(failed.best.iterations, steps);
        // What is returned is the iterate of minimal residual, of which that of conjugate gradients is known by the history.
        let squares = all.history[0][..=steps].iter().map(|r| r.powi(-2));
        let least = squares.sum::<f64>().powf(-0.5);
        let r = rms(&residual(&k, 0.0, &b, &failed.best.values))[0];
        assert!((r / least - 1.0).abs() < 1e-9, "{steps}: {r} {least}");
    }
}

//! Certified errors: of solutions and of predictions.

use keops_runtime::Error;
use keops_runtime::solve::{
    LinearOperator, Preconditioner, Solution, SolveError, SolveOptions, Tolerance, solve,
};
use ndarray::{Array2, s};

use crate::operators::*;

fn options(tolerance: Tolerance, preconditioner: Preconditioner<'static>) -> SolveOptions<'static> {
    SolveOptions {
        alpha: 0.01,
        tolerance,
        preconditioner,
        ..Default::default()
    }
}

/// `|a - a*|_A` for each column, with `a*` from a solve to the last digit.
fn errors(k: &Array2<f64>, b: &Array2<f64>, a: &Array2<f64>) -> Vec<f64> {
    let exact = solve(
        k,
        b.view(),
        None,
        options(Tolerance::Relative(1e-12), Preconditioner::Auto),
    );
    let e = a - &exact.expect("it converges").values;
    let ae = k.dot(&e) + 0.01 * &e;
    (&e * &ae)
        .sum_axis(ndarray::Axis(0))
        .mapv(f64::sqrt)
        .to_vec()
}

/// The bounds of the report and of the history, at every stage of a solve, in either precision.
#[test]
fn solutions_come_with_bounds_of_their_errors() {
    let mut random = Uniform(31);
    let k = gaussian(300, &mut random);
    let b = random.array(300, 2);
    let single = in_single(&k);
    let operators: [&dyn LinearOperator; 2] = [&k, &single];
    for (operator, preconditioner) in [
        (operators[0], Preconditioner::None),
        (operators[0], Preconditioner::Cholesky { rank: 80 }),
        (operators[0], Preconditioner::Jacobi),
        (operators[1], Preconditioner::None),
    ] {
        for tolerance in [0.9, 1e-2, 1e-6, 1e-9] {
            let found: Solution<f64> = solve(
                operator,
                b.view(),
                None,
                options(Tolerance::Relative(tolerance), preconditioner),
            )
            .expect("it converges");
            for (c, error) in errors(&k, &b, &found.values).into_iter().enumerate() {
                let bound = found.columns[c].error_bound;
                let slack = 30.0;
                assert!(
                    bound >= error && bound <= slack * error,
                    "{preconditioner:?} {tolerance}: {bound} {error}"
                );
                let history = &found.error_history[c];
                assert_eq!(history.len(), found.history[c].len());
                assert!((history[history.len() - 1] - bound).abs() <= 1e-12 * bound);
                // It is no worse than what the residual alone says.
                assert!(bound <= found.columns[c].rms * (300.0_f64 / 0.01).sqrt() * 1.0001);
            }
        }
    }
    // Without alpha nothing is known.
    let well = tridiagonal(30, 1.0, 4.0);
    let plain = SolveOptions {
        alpha: 0.0,
        ..options(Tolerance::Relative(1e-8), Preconditioner::None)
    };
    let found = solve(&well, random.array(30, 1).view(), None, plain).expect("it converges");
    assert_eq!(found.columns[0].error_bound, f64::INFINITY);
}

/// No prediction is off by more than was asked for, and not many more iterations than needed are taken.
#[test]
fn predictions_are_as_good_as_asked_for() {
    let mut random = Uniform(32);
    // Training points, and others at which predictions are made.
    let x = random.array(500, 2);
    let kernel = |i: usize, j: usize| {
        let (dx, dy) = (x[[i, 0]] - x[[j, 0]], x[[i, 1]] - x[[j, 1]]);
        4.0 * (-50.0 * (dx * dx + dy * dy)).exp()
    };
    let k = Array2::from_shape_fn((300, 300), |(i, j)| kernel(i, j));
    let cross = Array2::from_shape_fn((200, 300), |(t, j)| kernel(300 + t, j));
    let b = random.array(300, 2) * 1e3;
    let reference = solve(
        &k,
        b.view(),
        None,
        options(Tolerance::Relative(1e-12), Preconditioner::Auto),
    );
    let exact = cross.dot(&reference.expect("it converges").values);
    let single = in_single(&k);
    for e in [100.0, 1.0, 1e-3, 1e-7] {
        for preconditioner in [Preconditioner::None, Preconditioner::Auto] {
            let found = solve(
                &k,
                b.view(),
                None,
                options(Tolerance::Prediction(e), preconditioner),
            );
            let found = found.expect("it converges");
            let worst =
                (cross.dot(&found.values) - &exact).fold(0.0, |most: f64, e| e.abs().max(most));
            assert!(worst <= e, "{worst} {e}");
            assert!(
                found
                    .columns
                    .iter()
                    .all(|c| c.converged && c.error_bound <= e / 2.0)
            );
            let safe = e * (0.01_f64).sqrt() / 2.0;
            let absolute = solve(
                &k,
                b.view(),
                None,
                options(Tolerance::Absolute(safe), preconditioner),
            );
            let absolute = absolute.expect("it converges").iterations;
            assert!(
                found.iterations <= absolute,
                "{} {absolute}",
                found.iterations
            );
        }
    }
    // In single precision the true residual decides, by a certain bound. The operator has to give its diagonal.
    let result = solve(
        &single,
        b.view(),
        None,
        options(Tolerance::Prediction(1.0), Preconditioner::None),
    );
    let Err(SolveError::Input(Error::Option { option, .. })) = result else {
        panic!("{result:?}");
    };
    assert_eq!(option, "tolerance");
    let no_alpha = SolveOptions {
        alpha: 0.0,
        ..options(Tolerance::Prediction(1.0), Preconditioner::None)
    };
    let result = solve(&k, b.slice(s![.., ..1]), None, no_alpha);
    assert!(matches!(
        result,
        Err(SolveError::Input(Error::Option {
            option: "tolerance",
            ..
        }))
    ));
}

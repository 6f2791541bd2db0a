//! Certified errors: of solutions and of predictions.

use keops_runtime::Error;
use keops_runtime::solve::{
    FnOperator, LinearOperator, LowRank, Preconditioner, Solution, SolveError, SolveOptions,
    Tolerance, solve,
};
use ndarray::{Array2, s};

use crate::operators::*;

fn options(tolerance: Tolerance, preconditioner: Preconditioner<'_>) -> SolveOptions<'_> {
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
                // It is no worse than what the residual alone says, and what rounding errors in that may amount to.
                let rounding = 1e-16 * 120.0 * rms(&found.values)[c];
                let residual = found.columns[c].rms * 1.0001 + rounding;
                assert!(bound <= residual * (300.0_f64 / 0.01).sqrt());
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
    // Rounding errors in residuals leave 1e-7 uncertain, where weights are 1e5.
    for e in [100.0, 1.0, 1e-3, 1e-6] {
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

/// Bounds do not believe that a preconditioner is one of the operator: they hold, and are wider, where it is one of another.
#[test]
fn bounds_hold_with_preconditioners_of_other_matrices() {
    let mut random = Uniform(21);
    let (k, b) = (gaussian(150, &mut random), random.array(150, 1));
    let alpha = 0.01;
    let with = |p: &LowRank, alpha: f64, iterations: usize, operator: &dyn LinearOperator| {
        let options = SolveOptions {
            alpha,
            max_iterations: Some(iterations),
            ..options(Tolerance::Relative(1e-13), Preconditioner::Built(p))
        };
        match solve(operator, b.view(), None, options) {
            Ok(solution) => solution,
            Err(SolveError::Unconverged(end)) => end.best,
            Err(error) => panic!("{error}"),
        }
    };
    let whole = LowRank::new(&k, alpha, Preconditioner::Cholesky { rank: 150 }).unwrap();
    let part = LowRank::new(&k, alpha, Preconditioner::Cholesky { rank: 60 }).unwrap();
    let exact = with(&whole, alpha, 20, &k).values_f64;
    let error = |found: &Solution<f64>| {
        let e = &found.values_f64 - &exact;
        (&e * &(k.dot(&e) + alpha * &e)).sum().sqrt()
    };
    let ratio = |p: &LowRank, iterations: usize, operator: &dyn LinearOperator| {
        let found = with(p, alpha, iterations, operator);
        found.columns[0].error_bound / error(&found)
    };
    // Of k itself, whatever alpha it was made for.
    for p in [&part, &part.with_alpha(1.0).unwrap()] {
        for iterations in [6, 10] {
            let ratio = ratio(p, iterations, &k);
            assert!((1.0..3.0).contains(&ratio), "{ratio}");
        }
        let report = with(p, alpha, 1, &k).preconditioner.unwrap();
        assert!(report.condition.is_finite());
    }
    // Of other matrices: larger, with other parameters, and with one point of many moved.
    let mut moved = k.clone();
    let (row, column) = (1e-3 * &k.row(7), 1e-3 * &k.column(7));
    moved.row_mut(7).scaled_add(1.0, &row);
    moved.column_mut(7).scaled_add(1.0, &column);
    for other in [4.0 * &k, 100.0 * &k, k.mapv(|k| k * k), moved] {
        let p = LowRank::new(&other, alpha, Preconditioner::Cholesky { rank: 100 }).unwrap();
        for iterations in [2, 5, 10] {
            assert!(ratio(&p, iterations, &k) >= 1.0);
        }
        let report = with(&p, alpha, 1, &k).preconditioner.unwrap();
        assert_eq!(report.condition, f64::INFINITY);
    }
    // An operator without entries cannot be compared.
    let products = FnOperator::new(150, |precision, v, out| k.apply(precision, v, out));
    assert!(ratio(&part, 6, &products) >= 1.0);
    // So small a bound that its square underflows is still one.
    let found = with(&part, 1e300, 1, &k).columns[0];
    assert!(found.rms > 0.0 && found.error_bound > 0.0);
}

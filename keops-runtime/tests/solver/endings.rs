//! Everything that ends a solve before its time.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keops_runtime::solve::{
    Failure, FnOperator, LinearOperator, OperatorError, Part, Precision, Precondition,
    Preconditioner, SolveError, SolveOptions, Tolerance, solve,
};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, array, s};

use crate::dependent::kernel;
use crate::operators::*;
use crate::robustness::{example, options};

/// The matrix `k`, whose `bad`-th product, from 1, contains `value`.
fn poisoned(k: &Array2<f64>, bad: usize, value: f64) -> impl LinearOperator {
    let calls = AtomicUsize::new(0);
    let apply = move |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        out.assign(&k.dot(&v));
        if calls.fetch_add(1, Ordering::Relaxed) + 1 == bad {
            out[[3, 0]] = value;
        }
        Ok::<(), OperatorError>(())
    };
    FnOperator::new(k.nrows(), apply)
}

#[test]
fn infinities_and_nan_are_found_when_they_appear() {
    let (k, b) = example(80, 1);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for bad in [1, 2, 15] {
            let failed = failure(solve(
                &poisoned(&k, bad, value),
                b.view(),
                None,
                options(0.01, 1e-8),
            ));
            let Failure::NonFinite {
                part: Part::Operator,
                iteration,
            } = failed.reason
            else {
                panic!("{}", failed.reason);
            };
            assert_eq!(iteration, bad);
            let best = failed.best;
            let r = rms(&residual(&k, 0.01, &b, &best.values))[0];
            assert!((r / best.columns[0].rms - 1.0).abs() < 1e-9 && r <= rms(&b)[0]);
        }
    }
    // From a guess, the first product is that of its residual.
    let guess = Array2::ones((80, 1));
    let failed = solve(
        &poisoned(&k, 1, f64::NAN),
        b.view(),
        Some(guess.view()),
        options(0.01, 1e-8),
    );
    assert!(matches!(
        failure(failed).reason,
        Failure::NonFinite { iteration: 0, .. }
    ));
    // An operator that is NaN for ever: what is left is the zero vector.
    let failed = failure(solve(
        &Array2::from_elem((80, 80), f64::NAN),
        b.view(),
        None,
        options(0.1, 1e-8),
    ));
    assert_eq!(failed.best.values, Array2::zeros((80, 1)));
    assert_eq!(failed.best.columns[0].relative, 1.0);
}

#[test]
fn errors_of_the_operator_come_through() {
    let calls = AtomicUsize::new(0);
    let (k, b) = example(50, 1);
    let apply = |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        out.assign(&k.dot(&v));
        if calls.fetch_add(1, Ordering::Relaxed) == 4 {
            Err("no power".into())
        } else {
            Ok(())
        }
    };
    let failed = solve(
        &FnOperator::new(50, apply),
        b.view(),
        None,
        options(0.01, 1e-8),
    );
    let error = failed.expect_err("the operator fails");
    assert!(
        error
            .to_string()
            .contains("the operator failed in iteration 5: no power"),
        "{error}"
    );
    let SolveError::Unconverged(unconverged) = error else {
        panic!("{error}")
    };
    assert_eq!(unconverged.best.columns[0].iterations, 4);
    assert!(unconverged.best.columns[0].relative < 1.0);
}

/// An operator that fails and goes on to fail cannot be asked for a residual: what the recursion has found is not lost for that.
#[test]
fn operators_that_are_gone_leave_the_work_done() {
    let (k, b) = example(80, 2);
    for nan in [false, true] {
        let calls = AtomicUsize::new(0);
        let apply = |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
            let gone = calls.fetch_add(1, Ordering::Relaxed) >= 12;
            out.assign(&k.dot(&v));
            if gone && nan {
                out.fill(f64::NAN);
            }
            if gone && !nan {
                return Err::<(), OperatorError>("gone".into());
            }
            Ok(())
        };
        let operator = FnOperator::new(80, apply);
        for tolerance in [Tolerance::Relative(1e-12), Tolerance::Rms(1e-13)] {
            calls.store(0, Ordering::Relaxed);
            let options = SolveOptions {
                tolerance,
                ..options(0.01, 1e-12)
            };
            let failed = failure(solve(&operator, b.view(), None, options));
            let residuals = rms(&residual(&k, 0.01, &b, &failed.best.values));
            for (report, residual) in failed.best.columns.iter().zip(residuals) {
                assert!(!report.verified && !report.converged && report.relative < 0.3);
                assert!((report.rms / residual - 1.0).abs() < 1e-9);
            }
        }
    }
}

/// A matrix that is not symmetric is found out: residuals are what they are, but no error is bounded.
#[test]
fn asymmetry_is_seen() {
    let (symmetric, b) = example(100, 2);
    let with = |k: &Array2<f64>, tolerance, preconditioner, columns: usize| {
        let options = SolveOptions {
            tolerance,
            preconditioner,
            ..options(0.01, 0.0)
        };
        solve(k, b.slice(ndarray::s![.., ..columns]), None, options)
    };
    let factors = Array1::from_shape_fn(100, |i| 1.0 + 0.01 * i as f64).insert_axis(Axis(1));
    let skew = Array2::from_shape_fn((100, 100), |(i, j)| (i as f64 - j as f64).sin());
    for k in [&symmetric * &factors, &symmetric + 1e-9 * &skew] {
        for columns in [1, 2] {
            for preconditioner in [Preconditioner::None, Preconditioner::Cholesky { rank: 30 }] {
                let failed = failure(with(
                    &k,
                    Tolerance::Prediction(1e-6),
                    preconditioner,
                    columns,
                ));
                assert!(
                    matches!(failed.reason, Failure::NotSymmetric { .. }),
                    "{}",
                    failed.reason
                );
                let found = with(&k, Tolerance::Relative(0.3), preconditioner, columns);
                let found = found.expect("it converges");
                assert!(found.iterations == 1 && columns == 1 || found.asymmetry > 0.0);
                assert!(found.asymmetry == 0.0 || found.columns[0].error_bound == f64::INFINITY);
            }
        }
    }
    let failed = failure(with(
        &(&symmetric * &factors),
        Tolerance::Relative(1e-14),
        Preconditioner::None,
        1,
    ));
    assert!(
        failed
            .reason
            .to_string()
            .starts_with("the operator is not symmetric: p'Kq and q'Kp differ by")
    );
    // Rounding errors are no asymmetry.
    for operator in [&symmetric as &dyn LinearOperator, &in_single(&symmetric)] {
        let found = solve(operator, b.view(), None, options(1e-3, 1e-6)).expect("it converges");
        assert_eq!(found.asymmetry, 0.0);
    }
}

/// A solution that numbers of its type cannot hold is not one.
#[test]
fn solutions_out_of_range_are_no_success() {
    let k = 1e-12 * Array2::<f64>::eye(5);
    for preconditioner in [Preconditioner::None, Preconditioner::Auto] {
        let options = || SolveOptions {
            preconditioner,
            ..options(1e-12, 1e-6)
        };
        let failed = failure(solve(
            &k,
            Array2::from_elem((5, 1), 1e300).view(),
            None,
            options(),
        ));
        assert!(matches!(failed.reason, Failure::OutOfRange { column: 0 }));
        let single = solve(
            &k,
            Array2::from_elem((5, 1), 1e30_f32).view(),
            None,
            options(),
        );
        let Err(SolveError::Unconverged(failed)) = single else {
            panic!("{single:?}");
        };
        assert!(matches!(failed.reason, Failure::OutOfRange { .. }));
        assert!(
            failed
                .best
                .values_f64
                .iter()
                .all(|v| (v / 5e41 - 1.0).abs() < 1e-6)
        );
    }
}

#[test]
fn singular_systems() {
    // Consistent: the graph Laplacian of a ring, and a right-hand side of mean zero.
    let n = 64;
    let ring = by_column(n, move |v| {
        Array1::from_shape_fn(n, |i| 2.0 * v[i] - v[(i + 1) % n] - v[(i + n - 1) % n])
    });
    let b = column((0..n).map(|i| {
        if i == 5 {
            1.0
        } else if i == 40 {
            -1.0
        } else {
            0.0
        }
    }));
    let found = solve(&ring, b.view(), None, options(0.0, 1e-10)).expect("it converges");
    assert!(rms(&residual(&ring, 0.0, &b, &found.values))[0] < 1.1e-10 * rms(&b)[0]);
    // Inconsistent: no NaN, no loop, and the least squares solution, whose residual is what is not in the range.
    let ones = by_column(300, |v| Array1::from_elem(300, v.sum()));
    let random = Uniform(8).array(300, 1);
    let deviation = &random - random.sum() / 300.0;
    let inconsistent: [(&dyn LinearOperator, Array2<f64>, f64); 3] = [
        (
            &diagonal(vec![1.0, 0.0]),
            array![[1.0], [1.0]],
            0.5_f64.sqrt(),
        ),
        (&ring, &b + 1.0, 1.0),
        (&ones, random, rms(&deviation)[0]),
    ];
    for (k, b, floor) in inconsistent {
        let failed = failure(solve(k, b.view(), None, options(0.0, 1e-10)));
        let report = failed.best.columns[0];
        assert!((report.rms / floor - 1.0).abs() < 1e-6, "{report:?}");
        let residual = rms(&residual(k, 0.0, &b, &failed.best.values))[0];
        assert!((residual / floor - 1.0).abs() < 1e-6);
        assert!(
            failed
                .reason
                .to_string()
                .contains("alpha = 0.0e0 is too small")
        );
        assert!(failed.best.values.iter().all(|v| v.is_finite()));
        assert!(
            !matches!(failed.reason, Failure::Indefinite { .. }),
            "{}",
            failed.reason
        );
    }
    // Nothing but alpha.
    let nothing = Array2::<f64>::zeros((5, 5));
    let b = Uniform(9).array(5, 1);
    let found = solve(&nothing, b.view(), None, options(0.5, 1e-15)).expect("it converges");
    let difference = found.values - b * 2.0;
    assert!(found.iterations == 1 && difference.iter().all(|e| e.abs() < 1e-15));
    let failed = failure(solve(
        &nothing,
        array![[1.0], [0.], [0.], [0.], [0.]].view(),
        None,
        options(0.0, 0.5),
    ));
    assert!(is_stagnated(&failed.reason), "{}", failed.reason);
}

/// A semidefinite operator has no curvature below alpha; one that has is told from rounding errors.
#[test]
fn indefinite_operators_are_found_before_they_do_harm() {
    // alpha Id + K is positive definite still, but K is not positive semidefinite.
    let slightly = diagonal(vec![-0.05, 1.0, 2.0, 3.0]);
    let b = array![[1.0], [0.0], [0.0], [0.0]];
    let failed = failure(solve(&slightly, b.view(), None, options(0.1, 1e-12)));
    let Failure::Indefinite {
        curvature, alpha, ..
    } = failed.reason
    else {
        panic!("{}", failed.reason);
    };
    assert!(curvature > 0.0 && curvature < alpha);
    let (k, b) = example(100, 1);
    let failed = solve(&(-1.0 * &k), b.view(), None, options(0.0, 1e-12));
    assert!(matches!(
        failure(failed).reason,
        Failure::Indefinite { iteration: 1, .. }
    ));
    let (k, b) = example(100, 1);
    // In single precision too, where the verdict is left to double precision.
    let shifted = &k - &(0.05 * Array2::<f64>::eye(100));
    let failed = solve(&in_single(&shifted), b.view(), None, options(0.01, 1e-12));
    assert!(matches!(failure(failed).reason, Failure::Indefinite { .. }));
}

/// A direction in which the terms of `Kp` cancel has a curvature that is all rounding errors, of either sign.
#[test]
fn rounding_errors_are_not_taken_for_indefiniteness() {
    for seed in 0..20 {
        let mut random = Uniform(seed);
        let u = random.array(100, 1) + 0.5;
        let k = u.dot(&u.t());
        let b = random.array(100, 1);
        let b = &b - &(&u * ((&u * &b).sum() / (&u * &u).sum()));
        let failed = failure(solve(&k, b.view(), None, options(0.0, 1e-6)));
        assert!(is_stagnated(&failed.reason), "{}", failed.reason);
    }
}

#[test]
fn operators_that_are_not_symmetric_end() {
    let n = 60;
    let mut k = Uniform(13).array(n, n) - 0.5;
    k += &(Array2::<f64>::eye(n) * 5.0);
    let b = Uniform(14).array(n, 1);
    let limit = SolveOptions {
        max_iterations: Some(500),
        ..options(0.0, 1e-12)
    };
    if let Err(SolveError::Unconverged(failed)) = solve(&k, b.view(), None, limit) {
        assert!(failed.best.columns[0].relative <= 1.0);
    }
}

#[test]
fn limits_and_callbacks_end_a_solve() {
    let (k, b) = example(100, 2);
    for limit in [0, 1, 10] {
        let options = SolveOptions {
            max_iterations: Some(limit),
            ..options(0.001, 1e-10)
        };
        let failed = failure(solve(&k, b.view(), None, options));
        assert!(matches!(failed.reason, Failure::IterationLimit { limit: l, .. } if l == limit));
        assert_eq!(failed.best.iterations, limit);
    }
    let time_limit = Some(Duration::ZERO);
    let timed = SolveOptions {
        time_limit,
        ..options(0.001, 1e-10)
    };
    assert!(matches!(
        failure(solve(&k, b.view(), None, timed)).reason,
        Failure::TimedOut { .. }
    ));

    let mut seen = Vec::new();
    let stop = Box::new(|state: &keops_runtime::solve::IterationState<'_>| {
        seen.push((state.iteration, state.residuals.to_vec()));
        if state.iteration == 7 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let stopped = SolveOptions {
        on_iteration: Some(stop),
        ..options(0.001, 1e-10)
    };
    let failed = failure(solve(&k, b.view(), None, stopped));
    assert!(matches!(failed.reason, Failure::Stopped { iteration: 7 }));
    assert_eq!(failed.best.columns[1].iterations, 7);
    assert!(seen.iter().map(|(k, _)| *k).eq(0..=7));
    for (x, y) in seen[0].1.iter().zip(rms(&b)) {
        assert!(
            (x / y - 1.0).abs() < 1e-14,
            "iteration 0 is the right-hand side"
        );
    }
    // What was computed is a start for the rest.
    let rest = solve(
        &k,
        b.view(),
        Some(failed.best.values_f64.view()),
        options(0.001, 1e-10),
    );
    assert!(
        rest.expect("it converges")
            .columns
            .iter()
            .all(|column| column.converged)
    );
}

#[test]
fn runs_are_the_same_to_the_last_bit() {
    let k = kac_murdock_szego(70_000, 0.9);
    let b = Uniform(17).array(70_000, 1);
    let run = || solve(&k, b.view(), None, options(0.1, 1e-8)).expect("it converges");
    let on = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool")
    };
    let (one, many) = (on(1).install(run), on(5).install(run));
    assert_eq!(one.values, many.values);
    assert_eq!(one.history, many.history);
}

struct Scale(Array1<f64>);

impl Precondition for Scale {
    fn apply(
        &self,
        r: ArrayView2<'_, f64>,
        mut z: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        z.assign(&r);
        z *= &self.0.view().insert_axis(Axis(1));
        Ok(())
    }
}

#[test]
fn preconditioners_are_used_and_watched() {
    let entries: Vec<f64> = (0..200)
        .map(|i| 10.0_f64.powf(f64::from(i) / 40.0))
        .collect();
    let k = diagonal(entries.clone());
    let b = Uniform(19).array(200, 3);
    let with = |scale: Vec<f64>| {
        let scale = Scale(Array1::from(scale));
        let preconditioner = Preconditioner::Custom(&scale);
        solve(
            &k,
            b.view(),
            None,
            SolveOptions {
                preconditioner,
                ..options(0.0, 1e-10)
            },
        )
    };
    // The exact inverse takes one iteration, its square root fewer than none at all.
    let exact = with(entries.iter().map(|v| 1.0 / v).collect()).expect("it converges");
    assert_eq!(exact.iterations, 1);
    let half = with(entries.iter().map(|v| v.powf(-0.5)).collect()).expect("it converges");
    let plain = solve(&k, b.view(), None, options(0.0, 1e-10)).expect("it converges");
    assert!(
        half.iterations < plain.iterations,
        "{} {}",
        half.iterations,
        plain.iterations
    );
    assert!(rms(&residual(&k, 0.0, &b, &half.values))[1] <= 1.01e-10 * rms(&b)[1]);

    let negative = failure(with(vec![-1.0; 200]));
    assert!(matches!(
        negative.reason,
        Failure::PreconditionerIndefinite { iteration: 1, .. }
    ));
    let nan = failure(with(vec![f64::NAN; 200]));
    assert!(matches!(
        nan.reason,
        Failure::NonFinite {
            part: Part::Preconditioner,
            ..
        }
    ));
}

/// An alpha below the rounding errors of single precision: double precision takes over, or says what is attainable.
#[test]
fn alpha_below_the_rounding_floor() {
    let (k, b) = example(150, 2);
    for alpha in [0.0, 1e-12, 1e-9, 1e-6] {
        let limited = SolveOptions {
            max_iterations: Some(3000),
            ..options(alpha, 1e-10)
        };
        match solve(&in_single(&k), b.view(), None, limited) {
            Ok(found) => assert!(
                found
                    .columns
                    .iter()
                    .all(|c| c.converged && c.relative <= 1e-10)
            ),
            Err(SolveError::Unconverged(failed)) => {
                let (reason, best) = (failed.reason, failed.best);
                assert!(!matches!(reason, Failure::NonFinite { .. }), "{reason}");
                let r = rms(&residual(&k, alpha, &b, &best.values));
                for (c, r) in r.into_iter().enumerate() {
                    assert!(
                        best.columns[c].relative < 0.1,
                        "{alpha}: {reason} {:?}",
                        best.columns[c]
                    );
                    assert!((r / best.columns[c].rms - 1.0).abs() < 1e-6);
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// The residual of conjugate gradients goes up and down; at the limit, that of the smoothed iterate counts.
#[test]
fn a_limit_that_is_reached_with_good_iterates_is_no_failure() {
    let x = Uniform(1).array(150, 2);
    let k = kernel(&x, &x, 500.0);
    let b = Uniform(2).array(150, 1);
    let mut smoothed = 0;
    for limit in 1..120 {
        let options = SolveOptions {
            preconditioner: Preconditioner::None,
            max_iterations: Some(limit),
            ..options(1e-4, 1e-2)
        };
        match solve(&k, b.view(), None, options) {
            Ok(found) => {
                assert!(found.columns[0].converged);
                smoothed += usize::from(found.iterations == limit);
            }
            Err(SolveError::Unconverged(failed)) => {
                assert!(failed.best.columns.iter().any(|column| !column.converged));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(smoothed > 1);
}

#[test]
fn a_guess_that_is_worse_than_none_is_not_used() {
    let (k, b) = example(60, 2);
    let alone = solve(&k, b.view(), None, options(0.01, 1e-8)).expect("it converges");
    let last = b.slice(s![.., 1..]);
    let expected = solve(&k, last, None, options(0.01, 1e-8)).expect("it converges");
    for size in [1e5, 1e20, 1e200] {
        let mut guess = alone.values_f64.clone();
        guess.column_mut(1).fill(size);
        let found = solve(&k, b.view(), Some(guess.view()), options(0.01, 1e-8));
        let found = found.expect("it converges");
        assert_eq!(found.columns[0].iterations, 0);
        assert_eq!(found.iterations, expected.iterations);
    }
}

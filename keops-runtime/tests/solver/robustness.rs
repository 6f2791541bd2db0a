//! Mixed and degenerate systems, and everything that ends a solve before its time.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keops_runtime::Error;
use keops_runtime::solve::{
    Failure, FnOperator, LinearOperator, OperatorError, Part, Precision, Precondition,
    Preconditioner, SolveError, SolveOptions, Tolerance, solve,
};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, array, concatenate, s};

use crate::operators::*;

fn options(alpha: f64, relative: f64) -> SolveOptions<'static> {
    let tolerance = Tolerance::Relative(relative);
    SolveOptions {
        alpha,
        tolerance,
        preconditioner: Preconditioner::None,
        ..Default::default()
    }
}

fn example(n: usize, columns: usize) -> (Array2<f64>, Array2<f64>) {
    let mut random = Uniform(11);
    (gaussian(n, &mut random), random.array(n, columns))
}

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
fn columns_are_judged_alone() {
    let (k, random) = example(150, 2);
    let zero = Array2::zeros((150, 1));
    let easy = k.dot(&Array2::ones((150, 1))) * 1e6;
    let parts = [
        random.view(),
        zero.view(),
        easy.view(),
        random.slice(s![.., ..1]),
    ];
    let b = concatenate(Axis(1), &parts).expect("the parts fit");
    let widths = RefCell::new(Vec::new());
    let record = Box::new(|state: &keops_runtime::solve::IterationState<'_>| {
        widths.borrow_mut().push(state.active);
        ControlFlow::Continue(())
    });
    let mixed = SolveOptions {
        on_iteration: Some(record),
        ..options(0.01, 1e-8)
    };
    let mixed = solve(&k, b.view(), None, mixed).expect("it converges");
    for c in 0..5 {
        let alone = b.slice(s![.., c..=c]);
        let alone = solve(&k, alone, None, options(0.01, 1e-8)).expect("it converges");
        assert!(mixed.columns[c].iterations <= alone.iterations);
        let size = b
            .column(c)
            .iter()
            .fold(0.0, |most: f64, b| b.abs().max(most));
        assert!(
            (&mixed.values.column(c) - &alone.values.column(0))
                .iter()
                .all(|e| e.abs() <= 1e-4 * size)
        );
        assert!(mixed.columns[c].relative <= 1e-8 && mixed.columns[c].converged);
        assert_eq!(mixed.history[c].len(), mixed.columns[c].iterations + 1);
    }
    assert_eq!(mixed.columns[2].iterations, 0);
    assert!(mixed.values.column(2).iter().all(|&v| v == 0.0));
    assert!(mixed.columns[3].iterations < mixed.columns[0].iterations);
    assert_eq!(mixed.values.column(0), mixed.values.column(4));
    // Of the 4 columns that are not zero none is left.
    let widths = widths.into_inner();
    assert_eq!((widths[0], widths[widths.len() - 1]), (4, 0));
    assert!(widths.is_sorted_by(|a, b| a >= b) && widths.len() == mixed.iterations + 1);
}

#[test]
fn scaling_changes_nothing() {
    let (k, b) = example(120, 1);
    let plain = solve(&k, b.view(), None, options(0.01, 1e-9)).expect("it converges");
    for scale in [2.0_f64.powi(900), 2.0_f64.powi(-900)] {
        let scaled = solve(&k, (&b * scale).view(), None, options(0.01, 1e-9));
        let scaled = scaled.expect("it converges");
        assert_eq!(scaled.values, &plain.values * scale);
        assert_eq!(scaled.iterations, plain.iterations);
    }
    for scale in [1e300, 1e-300] {
        let scaled = solve(&k, (&b * scale).view(), None, options(0.01, 1e-9));
        let scaled = scaled.expect("it converges").values / scale;
        assert!((scaled - &plain.values).iter().all(|e| e.abs() < 1e-6));
    }
    // And of the operator: A -> cA.
    let scaled = solve(&(&k * 1e200), b.view(), None, options(1e198, 1e-9)).expect("it converges");
    assert!(scaled.iterations.abs_diff(plain.iterations) <= 1);
}

#[test]
fn a_good_guess_is_returned_as_it_is() {
    let (k, b) = example(100, 2);
    let first = solve(&k, b.view(), None, options(0.1, 1e-8)).expect("it converges");
    let again = solve(
        &k,
        b.view(),
        Some(first.values.view()),
        options(0.1, 1.01e-8),
    );
    let again = again.expect("it converges");
    assert_eq!(again.iterations, 0);
    assert_eq!(again.values, first.values);
    // A guess close to the solution shortens the way, a bad one lengthens it at most.
    let near = &first.values * (1.0 + 1e-5);
    let near = solve(&k, b.view(), Some(near.view()), options(0.1, 1e-8)).expect("it converges");
    assert!(0 < near.iterations && near.iterations < first.iterations);
    let far = Array2::from_elem((100, 2), 1e6);
    let far = solve(&k, b.view(), Some(far.view()), options(0.1, 1e-8)).expect("it converges");
    assert!(rms(&residual(&k, 0.1, &b, &far.values))[0] < 1.01e-8 * rms(&b)[0]);
    // A guess for a column of zeros.
    let zero = Array2::<f64>::zeros((100, 2));
    let zero = solve(&k, zero.view(), Some(b.view()), options(0.1, 1e-8)).expect("it converges");
    assert_eq!((zero.iterations, zero.values), (0, Array2::zeros((100, 2))));
}

#[test]
fn empty_systems_are_solved() {
    let none = Array2::<f64>::zeros((0, 0));
    for columns in [0, 3] {
        let b = Array2::<f64>::zeros((0, columns));
        let solution = solve(&none, b.view(), None, options(0.1, 1e-8)).expect("nothing to do");
        assert_eq!(
            (solution.values.dim(), solution.iterations),
            ((0, columns), 0)
        );
        assert_eq!(solution.columns.len(), columns);
    }
    let (k, _) = example(10, 1);
    let b = Array2::<f64>::zeros((10, 0));
    let solution = solve(&k, b.view(), None, options(0.1, 1e-8)).expect("nothing to do");
    assert_eq!(
        (solution.values.dim(), solution.columns.len()),
        ((10, 0), 0)
    );
}

#[test]
fn coupled_columns_are_one_system() {
    // The matrix acts on the rows of a 2 x 3 block laid end to end.
    let (k, b) = example(60, 1);
    let b = b.into_shape_with_order((20, 3)).expect("60 entries");
    let apply = |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        let v = v.to_owned().into_shape_with_order(60)?;
        out.assign(&k.dot(&v).into_shape_with_order((20, 3))?);
        Ok::<(), OperatorError>(())
    };
    let coupled = FnOperator::new(20, apply).with_coupled_columns(true);
    let found = solve(&coupled, b.view(), None, options(0.01, 1e-9)).expect("it converges");
    let flat = b
        .clone()
        .into_shape_with_order((60, 1))
        .expect("60 entries");
    let expected = solve(&k, flat.view(), None, options(0.01, 1e-9)).expect("it converges");
    assert!(
        found
            .values
            .iter()
            .zip(&expected.values)
            .all(|(x, y)| (x - y).abs() < 1e-8)
    );
    assert_eq!(
        (found.columns.len(), found.iterations),
        (1, expected.iterations)
    );
    let guess = found.values.view();
    let again = solve(&coupled, b.view(), Some(guess), options(0.01, 1.1e-9)).expect("converges");
    assert_eq!(again.iterations, 0);
}

#[test]
fn bad_input_is_refused() {
    let (k, b) = example(20, 2);
    let input = |b: &Array2<f64>, guess: Option<&Array2<f64>>, options| match solve(
        &k,
        b.view(),
        guess.map(|guess| guess.view()),
        options,
    ) {
        Err(SolveError::Input(error)) => error,
        other => panic!("{other:?}"),
    };
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let alpha = input(&b, None, options(bad, 1e-6));
        assert!(
            matches!(
                alpha,
                Error::Option {
                    option: "alpha",
                    ..
                }
            ),
            "{alpha}"
        );
        for tolerance in [
            Tolerance::Rms(bad),
            Tolerance::Relative(bad),
            Tolerance::Absolute(bad),
        ] {
            let e = input(
                &b,
                None,
                SolveOptions {
                    tolerance,
                    ..Default::default()
                },
            );
            assert!(
                matches!(
                    e,
                    Error::Option {
                        option: "tolerance",
                        ..
                    }
                ),
                "{e}"
            );
        }
    }
    let short = b.slice(s![..19, ..]).to_owned();
    let error = input(&short, None, options(0.1, 1e-6));
    let text = "the right-hand side: expected 20 rows, as many as the operator has, got an array of shape [19, 2]";
    assert_eq!(error.to_string(), text);
    assert!(matches!(
        input(&b, Some(&short), options(0.1, 1e-6)),
        Error::Shape { .. }
    ));
    let mut bad = b.clone();
    bad[[7, 1]] = f64::NAN;
    let error = input(&bad, None, options(0.1, 1e-6));
    assert!(
        matches!(
            error,
            Error::NotFinite {
                row: 7,
                column: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(
        input(&b, Some(&bad), options(0.1, 1e-6)),
        Error::NotFinite { .. }
    ));
    // A matrix that is not square is the operator's own error.
    let wide = Array2::<f64>::zeros((20, 21));
    let failed = failure(solve(&wide, b.view(), None, options(0.1, 1e-6)));
    assert!(
        matches!(failed.reason, Failure::Apply { iteration: 1, .. }),
        "{}",
        failed.reason
    );
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
    // Inconsistent: no NaN, no loop, and what is returned is no worse than zero.
    let inconsistent: [(&dyn LinearOperator, Array2<f64>); 2] = [
        (&diagonal(vec![1.0, 0.0]), array![[1.0], [1.0]]),
        (&ring, &b + 1.0),
    ];
    for (k, b) in inconsistent {
        let failed = failure(solve(k, b.view(), None, options(0.0, 1e-10)));
        let report = failed.best.columns[0];
        assert!(
            report.relative <= 1.0 && report.relative > 0.1,
            "{report:?}"
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
    assert_eq!((found.values, found.iterations), (b * 2.0, 1));
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
        assert!(matches!(failed.reason, Failure::IterationLimit { limit: l } if l == limit));
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

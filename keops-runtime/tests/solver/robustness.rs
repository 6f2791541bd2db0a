//! Mixed and degenerate systems, and input that is refused.

use std::cell::RefCell;
use std::ops::ControlFlow;

use keops_runtime::Error;
use keops_runtime::solve::{
    Failure, FnOperator, OperatorError, Precision, Preconditioner, SolveError, SolveOptions,
    Tolerance, solve,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, concatenate, s};

use crate::operators::*;

pub(crate) fn options(alpha: f64, relative: f64) -> SolveOptions<'static> {
    let tolerance = Tolerance::Relative(relative);
    SolveOptions {
        alpha,
        tolerance,
        preconditioner: Preconditioner::None,
        ..Default::default()
    }
}

pub(crate) fn example(n: usize, columns: usize) -> (Array2<f64>, Array2<f64>) {
    let mut random = Uniform(11);
    (gaussian(n, &mut random), random.array(n, columns))
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
    let difference = &mixed.values.column(0) - &mixed.values.column(4);
    assert!(difference.iter().all(|e| e.abs() < 1e-11));
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
    // And of the operator: A -> cA, exactly for a power of two; otherwise roundings differ, and the iterations by a few in a hundred.
    let c = 2.0_f64.powi(600);
    let scaled = solve(&(&k * c), b.view(), None, options(0.01 * c, 1e-9)).expect("it converges");
    assert_eq!(scaled.values, &plain.values / c);
    assert_eq!(scaled.iterations, plain.iterations);
    for scale in [1e-300, 1e-200, 1e150, 1e200, 1e300] {
        let with = |preconditioner, scale: f64| {
            let options = SolveOptions {
                preconditioner,
                ..options(0.01 * scale, 1e-9)
            };
            let found = solve(&(&k * scale), b.view(), None, options).expect("it converges");
            assert!(
                found.asymmetry == 0.0 && found.columns[0].error_bound.is_finite(),
                "{scale:e} {preconditioner:?} {} {:?}",
                found.asymmetry,
                found.columns
            );
            found.iterations
        };
        for preconditioner in [
            Preconditioner::None,
            Preconditioner::Auto,
            Preconditioner::Cholesky { rank: 20 },
            Preconditioner::Jacobi,
        ] {
            let (scaled, plain) = (with(preconditioner, scale), with(preconditioner, 1.0));
            assert!(scaled.abs_diff(plain) <= 1 + plain / 20, "{scaled} {plain}");
        }
    }
    // Minus zero is zero.
    let well = tridiagonal(9, 1.0, 4.0);
    let found = solve(
        &well,
        Array2::<f64>::ones((9, 1)).view(),
        None,
        options(-0.0, 1e-9),
    );
    assert_eq!(
        found.expect("it converges").columns[0].error_bound,
        f64::INFINITY
    );
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
    assert_eq!(found.columns.len(), 1);
    // The sums of three columns are rounded in another order than those of one.
    assert!(found.iterations.abs_diff(expected.iterations) <= 1 + expected.iterations / 20);
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
    let text = "the right-hand side: expected 20 rows, as many as the operator has, got an array of shape (19, 2)";
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

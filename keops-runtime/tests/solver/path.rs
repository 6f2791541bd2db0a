//! Ridge paths: the solutions are those of solves one by one, for fewer products.

use std::ops::ControlFlow;
use std::time::Duration;

use keops_runtime::Error;
use keops_runtime::solve::{
    FnOperator, IterationState, LinearOperator, OperatorError, Precision, Preconditioner,
    RidgePath, SolveOptions, Tolerance, solve, solve_path,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use crate::operators::*;

const ALPHAS: [f64; 6] = [0.1, 0.01, 10.0, 1.0, 0.03, 0.3];

fn options(preconditioner: Preconditioner<'_>) -> SolveOptions<'_> {
    SolveOptions {
        tolerance: Tolerance::Relative(1e-8),
        preconditioner,
        ..Default::default()
    }
}

/// The products of the path, and those of solves one by one.
fn compared(
    k: &dyn LinearOperator,
    b: &Array2<f64>,
    preconditioner: Preconditioner<'_>,
) -> (RidgePath<f64>, usize, usize) {
    let path = solve_path(k, b.view(), &ALPHAS, options(preconditioner)).expect("a path");
    let mut together = path.shared.working + path.shared.double;
    let mut single = 0;
    for (found, alpha) in path.solutions.iter().zip(ALPHAS) {
        let found = found.as_ref().expect("it converges");
        for (r, b) in rms(&residual(k, alpha, b, &found.values))
            .iter()
            .zip(rms(b))
        {
            assert!(*r <= 1.01e-8 * b, "{alpha}: {r}");
        }
        together += found.products.working + found.products.double;
        let options = SolveOptions {
            alpha,
            ..options(preconditioner)
        };
        let alone = solve(k, b.view(), None, options).expect("it converges");
        single += alone.products.working + alone.products.double;
    }
    (path, together, single)
}

#[test]
fn one_recursion_solves_for_all_shifts() {
    let mut random = Uniform(4);
    let k = gaussian(400, &mut random);
    let mut b = random.array(400, 3) - 0.5;
    b.column_mut(1).fill(0.0);
    // One by one, columns take more iterations than as a block.
    let alone = |c: usize| {
        let hardest = SolveOptions {
            alpha: 0.01,
            ..options(Preconditioner::None)
        };
        let found = solve(&k, b.slice(s![.., c..=c]), None, hardest);
        found.expect("it converges").iterations
    };
    let hardest = alone(0).max(alone(2));
    let (path, together, single) = compared(&k, &b, Preconditioner::None);
    assert!(path.preconditioner.is_none() && path.shared.double > 0);
    assert!(4 * together < 3 * single, "{together} {single}");
    assert!(
        together <= hardest + hardest / 5 + 12,
        "{together} {hardest}"
    );
    // Rounding errors of single precision are made up for by each solve for itself.
    let (path, ..) = compared(&in_single(&k), &b, Preconditioner::None);
    assert!(path.shared.working > 0);
}

/// Many columns take fewer products as a block for each shift than one by one for all shifts, unless there are many shifts.
#[test]
fn blocks_are_solved_where_they_take_less() {
    let mut random = Uniform(4);
    let k = gaussian(400, &mut random);
    let b = random.array(400, 12) - 0.5;
    let alone = SolveOptions {
        alpha: 0.01,
        ..options(Preconditioner::None)
    };
    let alone = solve(&k, b.slice(s![.., ..1]), None, alone).expect("it converges");
    let (path, together, single) = compared(&k, &b, Preconditioner::None);
    assert_eq!((path.shared.working, path.shared.double), (0, 0));
    assert_eq!(together, single);
    assert!(
        together < alone.iterations,
        "{together} {}",
        alone.iterations
    );

    let alphas: Vec<f64> = (0..40).map(|k| 0.01 + 1e-4 * f64::from(k)).collect();
    let many = solve_path(&k, b.view(), &alphas, options(Preconditioner::None)).expect("a path");
    let own = many
        .solutions
        .iter()
        .flatten()
        .map(|found| found.products.double);
    let together = many.shared.double + own.sum::<usize>();
    assert!(many.solutions.iter().all(Result::is_ok) && many.shared.double > 0);
    let of_a_block = path.solutions[1]
        .as_ref()
        .expect("it converges")
        .products
        .double;
    assert!(
        2 * together < alphas.len() * of_a_block,
        "{together} {of_a_block}"
    );
}

#[test]
fn one_factorisation_serves_all() {
    let mut random = Uniform(4);
    let k = gaussian(400, &mut random);
    let b = random.array(400, 1) - 0.5;
    let (path, together, _) = compared(&k, &b, Preconditioner::Cholesky { rank: 250 });
    assert!(path.preconditioner.is_some_and(|p| p.rank() > 200));
    assert_eq!(path.shared.working + path.shared.double, 0);
    assert!(together < 60, "{together}");
    // An operator without entries has no factorisation.
    compared(&kac_murdock_szego(400, 0.99), &b, Preconditioner::Auto);
}

#[test]
fn lists_that_are_none() {
    let k = Array2::<f64>::eye(3);
    let b = Array2::ones((3, 1));
    let path = |b: &Array2<f64>, alphas: &[f64]| {
        solve_path(&k, b.view(), alphas, options(Preconditioner::None))
    };
    assert!(path(&b, &[]).expect("an empty path").solutions.is_empty());
    assert_eq!(path(&b, &[1.0]).expect("a path").solutions.len(), 1);
    let error = path(&b, &[1.0, -1.0]).expect_err("an error").to_string();
    assert_eq!(
        error,
        "alphas: expected finite numbers that are not negative, got -1"
    );
    // What is wrong with the right-hand side is said of every alpha.
    let wrong = path(&Array2::ones((4, 1)), &[1.0, 2.0]).expect("a path");
    assert!(wrong.solutions.iter().all(Result::is_err));
    let indefinite = -Array2::<f64>::eye(3);
    let path = solve_path(
        &indefinite,
        b.view(),
        &[0.5, 2.0],
        options(Preconditioner::None),
    );
    let path = path.expect("a path");
    assert!(path.solutions[0].is_err() && path.solutions[1].is_err());
}

/// A right-hand side whose squares overflow or underflow takes the same products.
#[test]
fn paths_do_not_depend_on_scale() {
    let mut random = Uniform(6);
    let k = gaussian(60, &mut random);
    let b = random.array(60, 1) - 0.5;
    let path = |b: &Array2<f64>| {
        let path =
            solve_path(&k, b.view(), &ALPHAS, options(Preconditioner::None)).expect("a path");
        let solutions = path
            .solutions
            .into_iter()
            .map(|found| found.expect("it converges"));
        let solutions: Vec<_> = solutions
            .map(|found| (found.values, found.products))
            .collect();
        (path.shared, solutions)
    };
    let (shared, solutions) = path(&b);
    for power in [-700, 700] {
        let unit = 2.0_f64.powi(power);
        let (other, scaled) = path(&(&b * unit));
        assert_eq!(other, shared);
        for ((found, products), (expected, before)) in scaled.iter().zip(&solutions) {
            assert_eq!((found / unit, products), (expected.clone(), before));
        }
    }
}

#[test]
fn what_is_shared_keeps_to_limits_too() {
    let mut random = Uniform(12);
    let k = gaussian(200, &mut random);
    let b = random.array(200, 1);
    for e in [f64::NAN, -1.0] {
        let options = SolveOptions {
            tolerance: Tolerance::Rms(e),
            ..options(Preconditioner::None)
        };
        let refused = solve_path(&k, b.view(), &ALPHAS, options);
        assert!(matches!(
            refused,
            Err(Error::Option {
                option: "tolerance",
                ..
            })
        ));
    }
    // A callback that stops everything, and no time at all.
    for (time_limit, stop) in [(None, true), (Some(Duration::ZERO), false)] {
        let options = SolveOptions {
            time_limit,
            on_iteration: stop
                .then(|| Box::new(|_: &IterationState<'_>| ControlFlow::Break(())) as _),
            ..options(Preconditioner::None)
        };
        let path = solve_path(&k, b.view(), &ALPHAS, options).expect("a path");
        assert_eq!(path.shared.working + path.shared.double, 0);
        assert!(path.solutions.iter().all(Result::is_err));
    }
    let limited = SolveOptions {
        time_limit: Some(Duration::ZERO),
        ..options(Preconditioner::Cholesky { rank: 100 })
    };
    let path = solve_path(&k, b.view(), &ALPHAS, limited).expect("a path");
    assert!(path.preconditioner.is_none());
    // Residuals of zero cannot be had, and are not waited for.
    let impossible = SolveOptions {
        tolerance: Tolerance::Rms(0.0),
        ..options(Preconditioner::None)
    };
    let path = solve_path(&k, b.view(), &ALPHAS, impossible).expect("a path");
    assert!(path.shared.double < 400, "{}", path.shared.double);
}

/// Residuals that a callback is told are root mean squares over all entries of a system, also where that is the whole block.
#[test]
fn callbacks_are_told_residuals_of_whole_blocks() {
    let b = Uniform(3).array(20, 3);
    let apply = |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        out.assign(&v);
        Ok::<(), OperatorError>(())
    };
    let coupled = FnOperator::new(20, apply).with_coupled_columns(true);
    let mut first = Vec::new();
    let on_iteration = |state: &IterationState<'_>| {
        if first.is_empty() {
            first = state.residuals.to_vec();
        }
        ControlFlow::Continue(())
    };
    let options = SolveOptions {
        on_iteration: Some(Box::new(on_iteration)),
        ..options(Preconditioner::None)
    };
    solve_path(&coupled, b.view(), &ALPHAS, options).expect("a path");
    let expected = (b.iter().map(|v| v * v).sum::<f64>() / 60.0).sqrt();
    assert_eq!(first.len(), 1);
    assert!(
        (first[0] / expected - 1.0).abs() < 1e-14,
        "{first:?} {expected}"
    );
}

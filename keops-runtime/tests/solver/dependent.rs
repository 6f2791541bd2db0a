//! Smooth right-hand sides that depend on each other, with preconditioners whose condition numbers are large.

use keops_runtime::gp::GaussianProcess;
use keops_runtime::solve::{
    EstimateOptions, Landmarks, LowRank, Preconditioner, SolveOptions, Tolerance, solve,
};
use ndarray::{Array2, array};

use crate::operators::*;

/// Points of a square grid of the unit square.
fn grid(side: usize) -> Array2<f64> {
    Array2::from_shape_fn((side * side, 2), |(i, k)| {
        let place = if k == 0 { i / side } else { i % side };
        place as f64 / side as f64
    })
}

pub(crate) fn kernel(x: &Array2<f64>, y: &Array2<f64>, g: f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let difference = &x.row(i) - &y.row(j);
        (-g * difference.dot(&difference)).exp()
    })
}

/// Right-hand sides of a few columns, named.
fn right_hand_sides(x: &Array2<f64>) -> Vec<(&'static str, Array2<f64>)> {
    let mut random = Uniform(5);
    let noise = random.array(x.nrows(), 1);
    let columns = |count: usize, f: &dyn Fn(f64, f64, usize, f64) -> f64| {
        Array2::from_shape_fn((x.nrows(), count), |(i, c)| {
            f(x[[i, 0]], x[[i, 1]], c, noise[[i, 0]])
        })
    };
    vec![
        ("a sum", columns(3, &|x, y, c, _| [x, y, x + y][c])),
        (
            "parallel",
            columns(3, &|x, _, c, _| x.sin() * [1.0, 3.0, 1.0 / 7.0][c]),
        ),
        (
            "sines",
            columns(4, &|x, _, c, _| (3.0 * x + c as f64).sin()),
        ),
        (
            "nearly equal",
            columns(3, &|x, y, c, e| [x, x + 1e-15 * e, y][c]),
        ),
        ("powers", columns(3, &|x, _, c, _| x.powi(c as i32))),
    ]
}

#[test]
fn they_take_no_more_iterations_than_one() {
    let x = grid(20);
    for (name, b) in right_hand_sides(&x) {
        for g in [1.0, 10.0, 100.0] {
            let k = kernel(&x, &x, g);
            for alpha in [1.0, 0.1, 1e-3] {
                let solved = |b: &Array2<f64>| {
                    let options = SolveOptions {
                        alpha,
                        ..Default::default()
                    };
                    solve(&k, b.view(), None, options).expect("it converges")
                };
                let together = solved(&b);
                let alone = (0..b.ncols()).map(|c| {
                    let column = b.select(ndarray::Axis(1), &[c]);
                    solved(&column).iterations
                });
                let alone = alone.max().unwrap_or(0);
                assert!(
                    together.iterations <= alone + 2,
                    "{name}, g = {g}, alpha = {alpha}: {} and {alone}",
                    together.iterations
                );
                let found = rms(&residual(&k, alpha, &b, &together.values));
                assert!(
                    found.into_iter().all(|r| r <= 1.0001e-6),
                    "{name} {g} {alpha}"
                );
            }
        }
    }
}

/// More right-hand sides than rows, down to no ridge at all.
#[test]
fn more_columns_than_rows() {
    let k = array![[1.0, 0.8], [0.8, 1.0]];
    for columns in 3..6 {
        let b = Array2::from_shape_fn((2, columns), |(i, c)| {
            ((i * columns + c) as f64 + 1.0).sin()
        });
        for alpha in [0.0, 1e-10, 1e-3] {
            let options = SolveOptions {
                alpha,
                ..Default::default()
            };
            let found = solve(&k, b.view(), None, options).expect("it converges");
            assert!(found.iterations <= 2);
            assert!(
                rms(&residual(&k, alpha, &b, &found.values))
                    .into_iter()
                    .all(|r| r < 1e-6)
            );
        }
    }
}

/// The errors of solutions and predictions against the solution of another preconditioner to the last digit.
#[test]
fn bounds_of_their_errors_hold() {
    let x = Uniform(3).array(150, 2);
    let alpha = 0.1;
    let k = kernel(&x, &x, 20.0);
    for (name, b) in right_hand_sides(&x) {
        let solved = |tolerance, preconditioner| {
            let options = SolveOptions {
                alpha,
                tolerance,
                preconditioner,
                ..Default::default()
            };
            solve(&k, b.view(), None, options).expect("it converges")
        };
        let exact = solved(Tolerance::Relative(1e-13), Preconditioner::None).values;
        for preconditioner in [
            Preconditioner::Cholesky { rank: 20 },
            Preconditioner::Nystrom(Landmarks::Uniform(30)),
            Preconditioner::Auto,
        ] {
            let found = solved(Tolerance::Prediction(1e-3), preconditioner);
            let e = &found.values - &exact;
            let ae = k.dot(&e) + alpha * &e;
            let errors = (&e * &ae).sum_axis(ndarray::Axis(0)).mapv(f64::sqrt);
            for (column, &error) in found.columns.iter().zip(&errors) {
                assert!(column.error_bound <= 1e-3);
                assert!(
                    error <= column.error_bound,
                    "{name} {preconditioner:?}: {error:e} {:e}",
                    column.error_bound
                );
            }
        }
    }
}

/// The columns of covariances that a prediction solves for are smooth, and there are more of them than the kernel has numerical rank.
#[test]
fn variances_of_smooth_processes() {
    let x = Uniform(8).array(500, 2);
    let new = Uniform(9).array(64, 2);
    let y = Array2::from_shape_fn((500, 1), |(i, _)| (5.0 * x[[i, 0]]).sin());
    for (g, alpha) in [(1.0, 1e-2), (1.0, 1e-4), (3.0, 1e-3)] {
        let k = kernel(&x, &x, g);
        let variance = |exact_up_to: usize| {
            let options = EstimateOptions {
                exact_up_to,
                ..Default::default()
            };
            let fit = GaussianProcess::new(&k, alpha)
                .options(options)
                .fit(&y)
                .expect("a fit");
            let predicted = fit.predict(&kernel(&new, &x, g), &kernel(&new, &new, g));
            predicted.expect("a prediction")
        };
        let (exact, found) = (variance(500), variance(0));
        for i in 0..64 {
            let error = (exact.variance[i] - found.variance[i]).abs();
            assert!(
                error <= found.variance_error[i] + 1e-11,
                "{g} {alpha} {i}: {error:e}"
            );
            assert!(found.variance_error[i] <= 1e-3 * exact.variance[i] + 1e-11);
        }
    }
}

/// Landmarks at random depend on each other, and much is left of the kernel elsewhere when they do.
#[test]
fn landmarks_that_depend_on_each_other_give_a_lower_rank() {
    for (n, g, rank) in [(100, 1.0, 100), (300, 1.0, 100), (300, 10.0, 300)] {
        let x = Uniform(4).array(n, 2);
        let k = kernel(&x, &x, g);
        let landmarks: Vec<usize> = (0..rank).map(|i| i % 65).collect();
        for preconditioner in [
            Preconditioner::Nystrom(Landmarks::Uniform(rank)),
            Preconditioner::Nystrom(Landmarks::Points(&landmarks)),
            Preconditioner::Cholesky { rank },
        ] {
            let made = LowRank::new(&k, 1e-3, preconditioner).expect("a preconditioner");
            assert!(made.rank() > 0 && made.rank() < rank);
            let f = made.factor();
            let rest = &k - &f.t().dot(&f);
            let trace = rest.diag().sum();
            assert!(
                trace <= made.residual_trace() + 1e-12 && rest.diag().iter().all(|&d| d > -1e-11)
            );
            if let Preconditioner::Nystrom(Landmarks::Uniform(_)) = preconditioner {
                assert!(trace <= 1e-4, "{n} {g} {rank}: {trace:e}");
            }
        }
    }
}

/// A preconditioner that cannot be made is told of in the report, and the reason in the error of one that is made by itself.
#[test]
fn why_there_is_no_preconditioner() {
    let indefinite = array![[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let nan = Array2::from_diag_elem(3, f64::NAN);
    for (k, expected) in [(indefinite, "semidefinite"), (nan, "not finite")] {
        let preconditioner = Preconditioner::Cholesky { rank: 3 };
        let refused = LowRank::new(&k, 0.1, preconditioner).expect_err("no preconditioner");
        assert!(refused.to_string().contains(expected), "{refused}");
        let options = SolveOptions {
            alpha: 0.1,
            preconditioner,
            ..Default::default()
        };
        let failed = failure(solve(&k, column([1.0, -1.0, 0.0]).view(), None, options));
        let report = failed.best.preconditioner.expect("a report");
        assert!(report.impossible.is_some_and(|why| why.contains(expected)));
    }
}

#[test]
fn solutions_are_told_in_a_line() {
    let k = kernel(&grid(5), &grid(5), 1.0);
    let b = column((0..25).map(f64::from));
    let solved = |limit| {
        let options = SolveOptions {
            alpha: 0.1,
            max_iterations: limit,
            preconditioner: Preconditioner::None,
            ..Default::default()
        };
        solve(&k, b.view(), None, options)
    };
    let found = solved(None).expect("it converges");
    let line = found.to_string();
    assert!(
        line.starts_with("converged in ") && !line.contains('\n'),
        "{line}"
    );
    assert!(format!("{found:?}").len() < 1000);
    let failed = failure(solved(Some(1)));
    let line = failed.best.to_string();
    assert!(
        line.starts_with("not converged: after 1 iterations 1 of 1"),
        "{line}"
    );
}

//! Several right-hand sides: what they gain from each other, and what becomes of those that depend on others.

use keops_runtime::solve::{
    LinearOperator, Preconditioner, Solution, SolveOptions, Tolerance, solve,
};
use ndarray::{Array2, Axis, concatenate, s};

use crate::data::digits;
use crate::operators::*;

/// Solves, and checks the residual of every column without the solver.
fn solved(k: &dyn LinearOperator, alpha: f64, b: &Array2<f64>, relative: f64) -> Solution<f64> {
    let options = SolveOptions {
        alpha,
        tolerance: Tolerance::Relative(relative),
        preconditioner: Preconditioner::None,
        ..Default::default()
    };
    let found = solve(k, b.view(), None, options).expect("it converges");
    let residuals = rms(&residual(k, alpha, b, &found.values));
    for (c, (residual, size)) in residuals.into_iter().zip(rms(b)).enumerate() {
        let report = found.columns[c];
        assert!(
            residual <= 1.001 * relative * size + 1e-300,
            "{c}: {residual:e}"
        );
        assert!(
            (residual - report.rms).abs() <= 1e-3 * residual + 1e-14 * size && report.converged
        );
        assert_eq!(found.history[c].len(), report.iterations + 1);
    }
    found
}

fn most_iterations_alone(
    k: &dyn LinearOperator,
    alpha: f64,
    b: &Array2<f64>,
    relative: f64,
) -> usize {
    let alone =
        |c: usize| solved(k, alpha, &b.slice(s![.., c..=c]).to_owned(), relative).iterations;
    (0..b.ncols()).map(alone).max().unwrap_or(0)
}

/// Ten digits, each against the rest: one by one the slowest takes 154, 294 and 392 iterations.
#[test]
fn ten_digits_take_a_quarter_of_the_iterations() {
    let problem = digits();
    let expected = [(1e-3, 39, 154), (1e-6, 70, 294), (1e-8, 90, 392)];
    for (tolerance, together, alone) in expected {
        let found = solved(&problem.k, problem.alpha, &problem.b, tolerance).iterations;
        assert!(
            found.abs_diff(together) * 10 <= together,
            "{found} instead of {together}"
        );
        assert!(10 * found <= 4 * alone);
    }
    // In single precision, which restarts from true residuals.
    let single = in_single(&problem.k);
    let found = solved(&single, problem.alpha, &problem.b, 1e-6);
    assert!(
        found.iterations <= 150 && found.products.double <= 20,
        "{}",
        found.iterations
    );
}

/// Columns that depend on others exactly, nearly, or by their scale alone, and zero ones.
#[test]
fn dependent_columns_do_no_harm() {
    let mut random = Uniform(21);
    let k = gaussian(300, &mut random);
    let b = random.array(300, 3);
    let most = most_iterations_alone(&k, 0.01, &b, 1e-8);
    let zero = Array2::zeros((300, 1));
    let parallel = &b * 1e-7;
    let sums = (&b.slice(s![.., ..1]) + &b.slice(s![.., 1..2])) * 1e30;
    let nearly = &b + &(1e-9 * &random.array(300, 3));
    let less = &b + &(1e-5 * &random.array(300, 3));
    let parts = [
        b.view(),
        zero.view(),
        b.view(),
        parallel.view(),
        sums.view(),
        nearly.view(),
        less.view(),
    ];
    let all = concatenate(Axis(1), &parts).expect("the parts fit");
    let found = solved(&k, 0.01, &all, 1e-8);
    assert!(found.iterations <= most, "{} {most}", found.iterations);
    assert_eq!(found.columns[3].iterations, 0);
    // The first three alone, and as they are among the others.
    let three = solved(&k, 0.01, &b, 1e-8);
    let (three_its, all_its) = (three.iterations, found.iterations);
    // What differs by little is resolved to few digits, which delays the others.
    assert!(
        three_its < most && 2 * all_its <= 3 * three_its,
        "{all_its} {three_its} {most}"
    );
    for c in 0..3 {
        for (other, scale) in [(c, 1.0), (c + 4, 1.0), (c + 7, 1e-7)] {
            let difference = &three.values.column(c) * scale - found.values.column(other);
            assert!(
                difference.iter().all(|e| e.abs() < 1e-4 * scale),
                "{c} {other}"
            );
        }
    }
}

/// A hard right-hand side among easy ones goes on to gain from these when they are done.
#[test]
fn easy_columns_help_hard_ones() {
    let mut random = Uniform(22);
    let k = gaussian(600, &mut random);
    let hard = random.array(600, 1) - 0.5;
    let easy = k.dot(&k.dot(&(random.array(600, 4) - 0.5)));
    let b = concatenate(Axis(1), &[hard.view(), easy.view()]).expect("they fit");
    let alone = most_iterations_alone(&k, 0.01, &hard, 1e-6);
    let found = solved(&k, 0.01, &b, 1e-6);
    let first = found.columns[1..]
        .iter()
        .map(|column| column.iterations)
        .max()
        .unwrap_or(0);
    assert!(found.iterations * 2 < alone, "{} {alone}", found.iterations);
    assert!(first < found.iterations, "{first} {}", found.iterations);
}

/// More right-hand sides than rows: the first directions are all there are.
#[test]
fn more_columns_than_rows() {
    let mut random = Uniform(23);
    let k = gaussian(40, &mut random);
    for columns in [39, 40, 41, 100] {
        let found = solved(&k, 0.01, &random.array(40, columns), 1e-9);
        assert!(found.iterations <= 3, "{columns}: {}", found.iterations);
    }
}

/// Right-hand sides with few eigenvectors each: the block is done when the last of these is found.
#[test]
fn blocks_end_with_the_eigenvectors() {
    let k = diagonal((1..=60).map(f64::from).collect());
    // Column c has the eigenvectors 12 c, .., 12 c + 11.
    let b = Array2::from_shape_fn((60, 5), |(i, c)| if i / 12 == c { 1.0 } else { 0.0 });
    let found = solved(&k, 0.0, &b, 1e-10);
    assert!(found.iterations <= 12, "{}", found.iterations);
}

/// Smooth right-hand sides and a kernel of low numerical rank: after few iterations the residuals of a block depend on each other up to rounding errors. A
/// recursion on the residuals themselves does not converge with 4 columns, and is wrong about its errors.
#[test]
fn residuals_that_come_to_depend_on_each_other() {
    let kernel = |n: usize, g: f64| {
        Array2::from_shape_fn((n, n), |(i, j)| {
            (-g * ((i as f64 - j as f64) / n as f64).powi(2)).exp()
        })
    };
    let b = |n: usize, columns: usize| {
        Array2::from_shape_fn((n, columns), |(i, c)| {
            (((c + 1) * (i + 1) * (i + 1)) as f64).sin()
        })
    };
    let k = kernel(100, 10.0);
    for (columns, most) in [
        (1, 35),
        (2, 19),
        (3, 12),
        (4, 8),
        (5, 7),
        (8, 5),
        (20, 3),
        (100, 2),
    ] {
        for tolerance in [1e-3, 1e-6] {
            let found = solved(&k, 1e-4, &b(100, columns), tolerance);
            assert!(found.iterations <= most, "{columns}: {}", found.iterations);
        }
    }
    let k = kernel(80, 10.0);
    let exact = |alpha: f64, b: &Array2<f64>| {
        let options = SolveOptions {
            alpha,
            tolerance: Tolerance::Relative(1e-9),
            ..Default::default()
        };
        solve(&k, b.view(), None, options)
            .expect("it converges")
            .values
    };
    for columns in [2, 4, 8] {
        let (alpha, b) = (1e-6, b(80, columns));
        let options = SolveOptions {
            alpha,
            tolerance: Tolerance::Prediction(1e-4),
            preconditioner: Preconditioner::None,
            ..Default::default()
        };
        let found = solve(&k, b.view(), None, options).expect("it converges");
        assert!(found.iterations <= 30, "{columns}: {}", found.iterations);
        let e = &found.values - &exact(alpha, &b);
        let squares = (&e * &(k.dot(&e) + alpha * &e)).sum_axis(Axis(0));
        for (square, report) in squares.iter().zip(&found.columns) {
            assert!(square.sqrt() <= 1.1 * report.error_bound && report.error_bound <= 1e-4);
        }
    }
}

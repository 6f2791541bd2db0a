//! Problems from other libraries' tests and from textbooks, with the numbers given there.

use keops_runtime::solve::{
    Failure, Landmarks, LinearOperator, Precision, Preconditioner, SolveError, SolveOptions,
    Tolerance, solve,
};
use ndarray::{Array1, Array2, s};

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

/// Normal numbers, as sums of twelve uniform ones.
fn normal(n: usize, seed: u64) -> Array2<f64> {
    let mut random = Uniform(seed);
    column((0..n).map(|_| (0..12).map(|_| random.next()).sum::<f64>() - 6.0))
}

/// The entries of an operator, from its products.
fn k_of(k: &dyn LinearOperator) -> Array2<f64> {
    let n = k.len();
    let mut out = Array2::zeros((n, n));
    let unit = Array2::eye(n);
    let applied = k.apply(Precision::Double, unit.view(), out.view_mut());
    applied.expect("a product");
    out
}

/// Iterations to the relative tolerance, after a check that the solution has that residual.
fn iterations(k: &dyn LinearOperator, alpha: f64, b: &Array2<f64>, relative: f64) -> usize {
    let solution = solve(k, b.view(), None, options(alpha, relative)).expect("it converges");
    let r = rms(&residual(k, alpha, b, &solution.values))[0];
    assert!(r <= 1.01 * relative * rms(b)[0], "true residual {r:e}");
    assert!((r - solution.columns[0].rms).abs() <= 1e-3 * r + 1e-15);
    solution.iterations
}

fn assert_close(found: usize, expected: usize, percent: usize) {
    assert!(
        found.abs_diff(expected) * 100 <= expected * percent,
        "{found} iterations instead of {expected}"
    );
}

/// PETSc, src/ksp/ksp/tests/ex85: four distinct eigenvalues 1, 3, 9, 27 take four iterations.
#[test]
fn petsc_four_eigenvalues() {
    let mut k = Array2::zeros((6, 6));
    for block in 0..3 {
        let scale = 3.0_f64.powi(block as i32);
        for (i, j, v) in [(0, 0, 2.0), (0, 1, -1.0), (1, 0, -1.0), (1, 1, 2.0)] {
            k[[2 * block + i, 2 * block + j]] = scale * v;
        }
    }
    let b = Uniform(1).array(6, 1);
    assert_eq!(iterations(&k, 0.0, &b, 1e-10), 4);
    // With the diagonal, two: 1/2 and 3/2.
    let jacobi = SolveOptions {
        preconditioner: Preconditioner::Jacobi,
        ..options(0.0, 1e-10)
    };
    let found = solve(&k, b.view(), None, jacobi).expect("it converges");
    assert_eq!(found.iterations, 2);
}

/// SciPy, test_iterative.py: the Laplacian in one dimension has as many eigenvalues as rows, and takes as many iterations whatever the tolerance.
#[test]
fn scipy_poisson_in_one_dimension() {
    let (k, b) = (tridiagonal(40, -1.0, 2.0), column((0..40).map(f64::from)));
    for tolerance in [1e-6, 1e-8, 1e-10] {
        assert_eq!(iterations(&k, 0.0, &b, tolerance), 40);
    }
}

/// Krylov.jl, test/test_cg.jl.
#[test]
fn krylov_tridiagonal() {
    let k = tridiagonal(10, 1.0, 4.0);
    let x = column((1..=10).map(f64::from));
    let solution = solve(&k, k.dot(&x).view(), None, options(0.0, 1e-10)).expect("it converges");
    assert!(solution.iterations <= 10);
    assert!(
        (&solution.values - &x)
            .iter()
            .all(|error| error.abs() < 1e-9)
    );
}

/// Krylov.jl: diag(10, 8, 5, -1) shows negative curvature, p'Ap = -0.4841171, in the fourth step.
#[test]
fn krylov_indefinite_in_the_fourth_step() {
    let a = [10.0, 8.0, 5.0, -1.0];
    let b = [1.0, 1.0, 1.0, 0.1];
    // Conjugate gradients in the shortest form, for the fourth direction.
    let dot = |x: &[f64; 4], y: &[f64; 4]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (mut r, mut p) = (b, b);
    for _ in 0..3 {
        let ap = std::array::from_fn(|i| a[i] * p[i]);
        let step = dot(&r, &r) / dot(&p, &ap);
        let next: [f64; 4] = std::array::from_fn(|i| r[i] - step * ap[i]);
        let beta = dot(&next, &next) / dot(&r, &r);
        p = std::array::from_fn(|i| next[i] + beta * p[i]);
        r = next;
    }
    let pap = dot(&p, &std::array::from_fn(|i| a[i] * p[i]));
    assert!((pap + 0.4841171).abs() < 1e-7);

    let failed = failure(solve(
        &diagonal(a.to_vec()),
        column(b).view(),
        None,
        options(0.0, 1e-8),
    ));
    let Failure::Indefinite {
        iteration,
        column: 0,
        curvature,
        ..
    } = failed.reason
    else {
        panic!("{}", failed.reason);
    };
    assert_eq!(iteration, 4);
    assert!((curvature - pap / dot(&p, &p)).abs() < 1e-9);
    assert_eq!(failed.best.columns[0].iterations, 3);
}

/// The Laplacian of a 32 x 32 grid: 51 iterations to 1e-6 and 66 to 1e-10 from a right-hand side of ones.
#[test]
fn poisson_in_two_dimensions() {
    let (k, b) = (poisson(32), Array2::ones((1024, 1)));
    assert_eq!(iterations(&k, 0.0, &b, 1e-6), 51);
    assert_eq!(iterations(&k, 0.0, &b, 1e-10), 66);
    // From a random one 86 and 115.
    let b = normal(1024, 50);
    assert_close(iterations(&k, 0.0, &b, 1e-6), 86, 5);
    assert_close(iterations(&k, 0.0, &b, 1e-10), 115, 5);
    // A low rank is no help where all eigenvalues are of one size.
    let dense = k_of(&k);
    let landmarks = SolveOptions {
        preconditioner: Preconditioner::Nystrom(Landmarks::Uniform(50)),
        ..options(0.0, 1e-10)
    };
    let found = solve(&dense, b.view(), None, landmarks).expect("it converges");
    assert!(found.iterations >= 109, "{}", found.iterations);
}

/// Trefethen and Bau, *Numerical Linear Algebra*, lecture 38: the smaller tau, the faster; tau = 0.2 is indefinite.
#[test]
fn trefethen_bau() {
    let n = 500;
    let matrix = |tau: f64| {
        let mut random = Uniform(38);
        let mut k = Array2::eye(n);
        for i in 0..n {
            for j in 0..i {
                let v = 2.0 * random.next() - 1.0;
                let v = if v.abs() > tau { 0.0 } else { v };
                (k[[i, j]], k[[j, i]]) = (v, v);
            }
        }
        k
    };
    let b = Uniform(39).array(n, 1) - 0.5;
    assert!(iterations(&matrix(0.01), 0.0, &b, 1e-14).abs_diff(9) <= 1);
    assert!(iterations(&matrix(0.05), 0.0, &b, 1e-14).abs_diff(19) <= 2);
    assert!(iterations(&matrix(0.1), 0.0, &b, 1e-13).abs_diff(45) <= 7);
    let failed = failure(solve(&matrix(0.2), b.view(), None, options(0.0, 1e-10)));
    let Failure::Indefinite {
        iteration,
        curvature,
        ..
    } = failed.reason
    else {
        panic!("{}", failed.reason);
    };
    assert!(iteration <= 10 && curvature < 0.0);
}

/// Strakos (1991): clustered spectra on which rounding errors delay conjugate gradients well beyond `n` iterations.
#[test]
fn strakos() {
    let spectrum = |n: usize, first: f64, last: f64, rho: f64| -> Vec<f64> {
        let part = |i: usize| i as f64 / (n - 1) as f64 * rho.powi((n - 1 - i) as i32);
        (0..n).map(|i| first + part(i) * (last - first)).collect()
    };
    for (n, first, last, rho, most) in [
        (24, 1e-3, 1.0, 0.6, 45),
        (48, 0.1, 100.0, 0.875, 125),
        (48, 0.1, 1000.0, 0.8, 180),
    ] {
        let eigenvalues = spectrum(n, first, last, rho);
        let b = Array2::from_elem((n, 1), 1.0 / (n as f64).sqrt());
        let found = iterations(&diagonal(eigenvalues.clone()), 0.0, &b, 1e-10);
        assert!(found > n && found <= most, "{found}");
        // In single precision textbook codes end here in 0/0.
        let k = Array2::from_diag(&Array1::from(eigenvalues));
        let single = in_single(&k);
        let solution = solve(&single, b.view(), None, options(0.0, 1e-10)).expect("it converges");
        assert!(rms(&residual(&k, 0.0, &b, &solution.values))[0] <= 1.01e-10 * rms(&b)[0]);
    }
}

/// The same: the iterations that it takes until the norm of the error is below 1e-4, 1e-8, 1e-12 of what it was.
#[test]
fn strakos_errors() {
    let cases = [
        (24, 1e-3, 1.0, 0.6, [23, 29, 37]),
        (48, 0.1, 100.0, 0.875, [61, 89, 109]),
        (48, 0.1, 1000.0, 0.8, [80, 120, 156]),
    ];
    for (n, first, last, rho, expected) in cases {
        let part = |i: usize| i as f64 / (n - 1) as f64 * f64::powi(rho, (n - 1 - i) as i32);
        let eigenvalues: Vec<f64> = (0..n).map(|i| first + part(i) * (last - first)).collect();
        // alpha is the least of them, so that the error is what the solve goes by.
        let k = Array2::from_diag(&Array1::from_iter(eigenvalues.iter().map(|l| l - first)));
        let b = Array2::from_elem((n, 1), 1.0 / (n as f64).sqrt());
        let error = |iterations: usize, tolerance: f64| {
            let options = SolveOptions {
                alpha: first,
                tolerance: Tolerance::Prediction(tolerance),
                max_iterations: Some(iterations),
                preconditioner: Preconditioner::None,
                ..Default::default()
            };
            let best = match solve(&k, b.view(), None, options) {
                Ok(found) => found,
                Err(SolveError::Unconverged(failed)) => failed.best,
                Err(error) => panic!("{error}"),
            };
            let terms = best.values.iter().zip(&b).zip(&eigenvalues);
            let squares = terms.map(|((a, b), l)| l * (a - b / l).powi(2));
            squares.sum::<f64>().sqrt()
        };
        for (tolerance, expected) in [1e-4, 1e-8, 1e-12].into_iter().zip(expected) {
            let tolerance = tolerance * error(0, 1e-300);
            let goal = 0.5 * tolerance / f64::sqrt(last - first);
            let found = (0..200).find(|&k| error(k, goal) < tolerance);
            // To have 1e-12 certified takes a restart from a true residual.
            let percent = if goal < 1e-11 { 30 } else { 10 };
            assert_close(found.expect("it converges"), expected, percent);
        }
    }
}

/// The exponential kernel on a line has a tridiagonal inverse `T`, so that `a = (alpha T + Id)^-1 T b` in O(n).
#[test]
fn kac_murdock_szego_kernel() {
    // (n, a[0], a[n/2], b'a, norm of a)
    let known = [
        (
            1000,
            1.33338420529,
            -2.77408841662,
            168.163192115,
            70.137596808,
        ),
        (
            4096,
            1.85072207035,
            2.98087818398,
            654.999598257,
            142.017199994,
        ),
    ];
    let right_hand_side = |n: usize| {
        let phase = 6.0 * std::f64::consts::PI / n as f64;
        column((0..n).map(|i| (phase * i as f64).sin() + 0.1 * (i as f64).cos()))
    };
    for (n, first, middle, energy, norm) in known {
        let b = right_hand_side(n);
        let k = kac_murdock_szego(n, 0.99);
        let a = solve(&k, b.view(), None, options(0.01, 1e-11))
            .expect("it converges")
            .values;
        let close = |x: f64, y: f64| assert!((x / y - 1.0).abs() < 1e-8, "{x} instead of {y}");
        close(a[[0, 0]], first);
        close(a[[n / 2, 0]], middle);
        close((&a * &b).sum(), energy);
        close((&a * &a).sum().sqrt(), norm);
    }
    let b = right_hand_side(4096);
    let cases = [
        (0.99, 0.01, [189, 341, 504, 658]),
        (0.9, 0.01, [35, 75, 115, 155]),
        (0.999, 1e-3, [387, 717, 1044, 1378]),
    ];
    for (rho, alpha, expected) in cases {
        for (tolerance, expected) in [1e-4, 1e-6, 1e-8, 1e-10].into_iter().zip(expected) {
            let found = iterations(&kac_murdock_szego(4096, rho), alpha, &b, tolerance);
            assert_close(found, expected, 10);
        }
    }
}

/// min(i, j), the covariance of Brownian motion (MATLAB gallery "minij"), n = 1000, from ones.
#[test]
fn brownian_motion() {
    let (k, b) = (min_ij(1000), Array2::ones((1000, 1)));
    let cases = [(0.0, [411, 710]), (1.0, [202, 346]), (100.0, [38, 55])];
    for (alpha, expected) in cases {
        for (tolerance, expected) in [1e-6, 1e-10].into_iter().zip(expected) {
            assert_close(iterations(&k, alpha, &b, tolerance), expected, 5);
        }
    }
}

/// The Gaussian kernel on a circle of 4096 points: circulant, so that a sum of four waves is a sum of four eigenvectors.
#[test]
fn gaussian_on_the_circle() {
    let n = 4096;
    let wave = |i: usize, k: f64| (k * 2.0 * std::f64::consts::PI * i as f64 / n as f64).cos();
    let b = column((0..n).map(|i| {
        wave(i, 5.0) + 0.5 * wave(i, 40.0) + 0.25 * wave(i, 200.0) + 0.1 * wave(i, 2047.0)
    }));
    let k = Circle::new(n, 1000.0);
    assert!(iterations(&k, 0.01, &b, 1e-6) <= 4);
    assert!(iterations(&k, 0.01, &b, 1e-10) <= 8);
    let normal = normal(n, 40);
    for (tolerance, expected) in [(1e-2, 135), (1e-6, 328), (1e-10, 504)] {
        let found = iterations(&k, 0.01, &normal, tolerance);
        assert_close(found, expected, 10);
    }
    // A wider kernel, with fewer eigenvalues that matter.
    let k = Circle::new(n, 10.0);
    for (tolerance, expected) in [(1e-2, 38), (1e-6, 58), (1e-10, 88)] {
        assert_close(iterations(&k, 0.01, &normal, tolerance), expected, 20);
    }
}

/// KeOps' example: 500 points in the unit square, by KeOps' rule, one column at a time.
#[test]
fn example_of_keops() {
    let mut random = Uniform(42);
    let (k, b) = (gaussian(500, &mut random), random.array(500, 1));
    let rule = SolveOptions {
        tolerance: Tolerance::Rms(1e-6),
        ..options(0.01, 0.0)
    };
    let found = solve(&k, b.view(), None, rule).expect("it converges");
    assert_close(found.iterations, 221, 10);
}

/// KeOps' benchmark of its solver, 1000 normal points in three dimensions, is nearly diagonal: two iterations by KeOps' rule.
#[test]
fn benchmark_of_keops() {
    let normal = normal(4000, 41);
    let x = normal.slice(s![..3000, ..]).to_owned();
    let x = x.into_shape_with_order((1000, 3)).expect("3000 numbers");
    let k = Array2::from_shape_fn((1000, 1000), |(i, j)| {
        let d = &x.row(i) - &x.row(j);
        (-5000.0 * d.dot(&d)).exp()
    });
    let b = normal.slice(s![3000.., ..]).to_owned();
    let rule = SolveOptions {
        tolerance: Tolerance::Rms(1e-6),
        ..options(0.8, 0.0)
    };
    let found = solve(&k, b.view(), None, rule).expect("it converges");
    assert!(found.iterations.abs_diff(2) <= 1, "{}", found.iterations);
}

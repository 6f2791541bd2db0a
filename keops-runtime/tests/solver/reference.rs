//! Problems from other libraries' tests and from textbooks, with the numbers given there.

use keops_runtime::solve::{
    Failure, LinearOperator, Preconditioner, SolveOptions, Tolerance, solve,
};
use ndarray::{Array1, Array2};

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
    assert_eq!(iterations(&k, 0.0, &Uniform(1).array(6, 1), 1e-10), 4);
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
    let mut random = Uniform(40);
    let normal = column((0..n).map(|_| (0..12).map(|_| random.next()).sum::<f64>() - 6.0));
    for (tolerance, expected) in [(1e-2, 135), (1e-6, 328), (1e-10, 504)] {
        let found = iterations(&k, 0.01, &normal, tolerance);
        assert_close(found, expected, 10);
    }
}

/// KeOps' benchmark of its solver, 1000 normal points in three dimensions, is nearly diagonal: two iterations by KeOps' rule.
#[test]
fn benchmark_of_keops() {
    let mut random = Uniform(41);
    let mut normal = || (0..12).map(|_| random.next()).sum::<f64>() - 6.0;
    let x = Array2::from_shape_simple_fn((1000, 3), &mut normal);
    let k = Array2::from_shape_fn((1000, 1000), |(i, j)| {
        let d = &x.row(i) - &x.row(j);
        (-5000.0 * d.dot(&d)).exp()
    });
    let b = Array2::from_shape_simple_fn((1000, 1), &mut normal);
    let rule = SolveOptions {
        tolerance: Tolerance::Rms(1e-6),
        ..options(0.8, 0.0)
    };
    let found = solve(&k, b.view(), None, rule).expect("it converges");
    assert!(found.iterations.abs_diff(2) <= 1, "{}", found.iterations);
}

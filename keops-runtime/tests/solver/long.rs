//! Problems with known answers at large sizes; those of a million points are in `tests/million.rs`.

use keops_runtime::solve::{
    EstimateOptions, LinearOperator, Preconditioner, SolveOptions, Tolerance, log_det, solve,
};
use ndarray::Array2;

use crate::operators::*;

fn options(alpha: f64, relative: f64) -> SolveOptions<'static> {
    SolveOptions {
        alpha,
        tolerance: Tolerance::Relative(relative),
        preconditioner: Preconditioner::None,
        ..Default::default()
    }
}

fn close(found: f64, expected: f64, tolerance: f64) {
    let ratio = found / expected;
    assert!(
        (ratio - 1.0).abs() < tolerance,
        "{found} instead of {expected}"
    );
}

/// The exponential kernel on a line, with its solution and determinant from the tridiagonal inverse.
pub(crate) fn exponential_kernel(n: usize, known: [f64; 5]) {
    let [determinant, energy, first, middle, norm] = known;
    let phase = 6.0 * std::f64::consts::PI / n as f64;
    let b = column((0..n).map(|i| (phase * i as f64).sin() + 0.1 * (i as f64).cos()));
    let k = kac_murdock_szego(n, 0.99);
    let found = solve(&k, b.view(), None, options(0.01, 1e-11)).expect("it converges");
    let a = found.values;
    close(a[[0, 0]], first, 1e-8);
    close(a[[n / 2, 0]], middle, 1e-8);
    close((&a * &b).sum(), energy, 1e-8);
    close((&a * &a).sum().sqrt(), norm, 1e-8);
    let probes = EstimateOptions {
        max_probes: 8,
        max_depth: 400,
        ..Default::default()
    };
    let found = log_det(&k, 0.01, &probes).expect("a determinant");
    let most = 4.0 * found.standard_error + found.quadrature_error;
    assert!((found.value - determinant).abs() <= most, "{found:?}");
    assert!(most < 0.01 * determinant.abs(), "{found:?}");
}

#[test]
fn exponential_kernel_of_100_000_points() {
    let known = [
        -329528.878322,
        15944.4635499,
        2.01102345284,
        -0.0561103461738,
        701.821324779,
    ];
    exponential_kernel(100_000, known);
}

/// The Gaussian kernel on a circle: a sum of four waves takes four iterations, whatever the number of points.
pub(crate) fn circle(n: usize, most: usize) {
    let wave = |i: usize, k: f64| (k * 2.0 * std::f64::consts::PI * i as f64 / n as f64).cos();
    let b = column((0..n).map(|i| {
        wave(i, 5.0) + 0.5 * wave(i, 40.0) + 0.25 * wave(i, 200.0) + 0.1 * wave(i, 2047.0)
    }));
    let k = Circle::new(n, 1000.0);
    let found = solve(&k, b.view(), None, options(0.01, 1e-6)).expect("it converges");
    assert!(found.iterations <= most, "{}", found.iterations);
    // Each wave is divided by its eigenvalue.
    let mut product = Array2::zeros((n, 1));
    let a = &found.values;
    let applied = k.apply(
        keops_runtime::solve::Precision::Double,
        a.view(),
        product.view_mut(),
    );
    applied.expect("a product");
    let residual = &b - &product - 0.01 * a;
    assert!(rms(&residual)[0] <= 1.01e-6 * rms(&b)[0]);
}

#[test]
fn gaussian_on_a_circle_of_100_000_points() {
    circle(100_000, 5);
    let rank = EstimateOptions {
        preconditioner: Preconditioner::Cholesky { rank: 500 },
        max_probes: 8,
        ..Default::default()
    };
    let found = log_det(&Circle::new(100_000, 1000.0), 0.01, &rank).expect("a determinant");
    let most = 4.0 * found.standard_error + found.quadrature_error;
    assert!((found.value + 457240.116574).abs() <= most, "{found:?}");
    assert!(most < 10.0, "{found:?}");
}

/// The hardest system on the circle, at most at the iterations that were counted elsewhere without smoothing, which ends it earlier where the residual goes up and
/// down for long.
#[test]
fn gaussian_on_a_circle_with_little_ridge() {
    let n = 4096;
    let mut random = Uniform(40);
    let b = column((0..n).map(|_| (0..12).map(|_| random.next()).sum::<f64>() - 6.0));
    let k = Circle::new(n, 1000.0);
    for (tolerance, elsewhere, expected) in
        [(1e-2, 954, 698), (1e-6, 2233, 1952), (1e-10, 3392, 3040)]
    {
        let found = solve(&k, b.view(), None, options(1e-4, tolerance)).expect("it converges");
        let iterations = found.iterations;
        assert!(
            iterations <= elsewhere && iterations.abs_diff(expected) * 20 <= expected,
            "{iterations} instead of {expected}"
        );
    }
}

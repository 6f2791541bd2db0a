//! Systems in single precision that need more than that.

use keops_solve::kernel_solve;
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use keops_tests::data::points;

/// The root mean square of `b - (alpha + K) a`, computed in double precision.
fn residual(k: impl Fn(usize, usize) -> f64, alpha: f64, b: &Array2<f32>, a: &Array2<f64>) -> f64 {
    let n = b.nrows();
    let row = |i: usize| (0..n).map(|j| k(i, j) * a[[j, 0]]).sum::<f64>();
    let square = |i: usize| (f64::from(b[[i, 0]]) - alpha * a[[i, 0]] - row(i)).powi(2);
    ((0..n).map(square).sum::<f64>() / n as f64).sqrt()
}

/// Where rounding errors make the residual stall, the solve goes on in double precision, well before its limit.
#[test]
fn a_stalled_solve_is_promoted() {
    let (n, alpha) = (300, 1e-6);
    let x: Array2<f32> = points(n, 2, 1).mapv(|v| v as f32);
    let b = Array2::from_shape_fn((n, 1), |(i, _)| (i as f32).sin());
    let at = |i: usize, d: usize| f64::from(x[[i, d]]);

    let gaussian = kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1));
    let solution = gaussian.bind(&x, &x, &b).alpha(alpha).eps(1e-3);
    let solution = solution.preconditioner(Preconditioner::None).solve();
    let solution = solution.expect("double precision converges");
    let k = |i, j| {
        (0..2)
            .map(|d| -(at(i, d) - at(j, d)).powi(2))
            .sum::<f64>()
            .exp()
    };
    assert!(residual(k, alpha, &b, &solution.values_f64) <= 1.001e-3);
    assert!(solution.products.working > 0 && solution.iterations < 1000);

    let linear = kernel_solve!("(x|y)*b", x = Vi(2), y = Vj(2), b = Vj(1), var = b);
    let solution = linear.bind(&x, &x, &b).alpha(alpha).eps(1e-6);
    let solution = solution.preconditioner(Preconditioner::None).solve();
    let solution = solution.expect("double precision converges");
    let k = |i, j| (0..2).map(|d| at(i, d) * at(j, d)).sum::<f64>();
    assert!(residual(k, alpha, &b, &solution.values_f64) <= 1.001e-6);
    assert!(solution.products.working > 0 && solution.iterations < 1000);
}

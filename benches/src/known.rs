//! Kernel systems of any size whose solutions are known by other means, in a number of operations that grows with the size alone.

use std::f64::consts::TAU;

use keops_solve::ndarray::{Array1, Array2, Axis};

/// A system `(alpha Id + K_xx) a = b` and its solution.
pub struct Known {
    /// The points, one per row.
    pub x: Array2<f64>,
    /// The ridge.
    pub alpha: f64,
    /// The parameter of the kernel.
    pub g: f64,
    /// The right-hand side, of shape `(n, 1)`.
    pub b: Array2<f64>,
    /// The solution, of shape `(n, 1)`.
    pub a: Array2<f64>,
}

/// The exponential kernel `exp(-g |x - y|)` at the points `0, 1, .. n - 1`, with `exp(-g) = 0.99` and `alpha = 0.01` (the matrix of Kac, Murdock
/// and Szego), and a right-hand side of one slow and one fast wave.
///
/// With `rho = exp(-g)` the inverse of `K` is tridiagonal: `T = K^-1` has the diagonal `1, 1 + rho^2, .. 1 + rho^2, 1` and beside it `-rho`, all divided by
/// `1 - rho^2`. The solution is `a = (alpha T + Id)^-1 T b`, one elimination.
pub fn exponential_on_a_line(n: usize) -> Known {
    let (rho, alpha) = (0.99_f64, 0.01);
    let b = Array1::from_shape_fn(n, |i| {
        (3.0 * TAU * i as f64 / n as f64).sin() + 0.1 * (i as f64).cos()
    });
    let scale = 1.0 / (1.0 - rho * rho);
    let beside = -rho * scale;
    let diagonal = |i: usize| match (n, i) {
        (1, _) => 1.0,
        (_, i) if i == 0 || i == n - 1 => scale,
        _ => (1.0 + rho * rho) * scale,
    };
    let mut a = Array1::from_shape_fn(n, |i| {
        let before = if i > 0 { b[i - 1] } else { 0.0 };
        let after = if i + 1 < n { b[i + 1] } else { 0.0 };
        diagonal(i) * b[i] + beside * (before + after)
    });
    // Gaussian elimination without pivots, which alpha T + Id does not need.
    let beside = alpha * beside;
    let mut pivots: Vec<f64> = (0..n).map(|i| 1.0 + alpha * diagonal(i)).collect();
    for i in 1..n {
        let factor = beside / pivots[i - 1];
        pivots[i] -= factor * beside;
        a[i] -= factor * a[i - 1];
    }
    for i in (0..n).rev() {
        let after = if i + 1 < n { a[i + 1] } else { 0.0 };
        a[i] = (a[i] - beside * after) / pivots[i];
    }
    Known {
        x: Array2::from_shape_fn((n, 1), |(i, _)| i as f64),
        alpha,
        g: -rho.ln(),
        b: b.insert_axis(Axis(1)),
        a: a.insert_axis(Axis(1)),
    }
}

/// The waves of the right-hand side on the circle: frequency and amplitude.
const WAVES: [(usize, f64); 4] = [(5, 1.0), (40, 0.5), (200, 0.25), (2047, 0.1)];

/// The Gaussian kernel `exp(-g |x - y|^2)` at `n` equidistant points of the unit circle, with `g = 1000` and `alpha = 0.01`, and a right-hand side of four
/// waves.
///
/// The matrix is circulant, so that waves are eigenvectors: `cos(k t)` has the eigenvalue `sum_j exp(-4 g sin^2(pi j / n)) cos(2 pi j k / n)`, which
/// approaches `n exp(-2 g) I_k(2 g)` for a large `n`, with the Bessel function `I_k`.
pub fn gaussian_on_the_circle(n: usize) -> Known {
    let (g, alpha) = (1000.0, 0.01);
    // Turns are reduced exactly, so that sines and cosines are of small arguments.
    let angle = |steps: usize| TAU * (steps % n) as f64 / n as f64;
    let eigenvalue = |k: usize| -> f64 {
        let term = |j: usize| {
            let half = 0.5 * angle(j);
            (-4.0 * g * half.sin().powi(2)).exp() * angle(j * k).cos()
        };
        (0..n).map(term).sum()
    };
    let sum = |amplitudes: [f64; 4]| {
        Array2::from_shape_fn((n, 1), |(i, _)| {
            let waves = WAVES.iter().zip(amplitudes);
            waves
                .map(|(&(k, _), amplitude)| amplitude * angle(i * k).cos())
                .sum()
        })
    };
    Known {
        x: Array2::from_shape_fn((n, 2), |(i, axis)| match axis {
            0 => angle(i).cos(),
            _ => angle(i).sin(),
        }),
        alpha,
        g,
        b: sum(WAVES.map(|(_, amplitude)| amplitude)),
        a: sum(WAVES.map(|(k, amplitude)| amplitude / (alpha + eigenvalue(k)))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, exponential_on_a_line, gaussian_on_the_circle};

    /// The largest entry of `(alpha Id + K) a - b`.
    fn residual(known: &Known, kernel: impl Fn(f64, f64) -> f64) -> f64 {
        let n = known.x.nrows();
        let row = |i: usize| {
            let entry = |j: usize| {
                let distances = known.x.row(i).to_owned() - known.x.row(j);
                kernel(known.g, distances.dot(&distances)) * known.a[[j, 0]]
            };
            let product: f64 = (0..n).map(entry).sum();
            (known.alpha * known.a[[i, 0]] + product - known.b[[i, 0]]).abs()
        };
        (0..n).map(row).fold(0.0, f64::max)
    }

    #[test]
    fn solutions_solve() {
        for n in [1, 2, 3, 500] {
            let line = exponential_on_a_line(n);
            assert!(residual(&line, |g, square| (-g * square.sqrt()).exp()) < 1e-10);
            let circle = gaussian_on_the_circle(n);
            assert!(residual(&circle, |g, square| (-g * square).exp()) < 1e-10);
        }
    }

    /// By an independent implementation in NumPy.
    #[test]
    fn numbers_are_those_known() {
        for (n, energy, norm, first, middle) in [
            (
                4096,
                654.999598257,
                142.017199994,
                1.85072207035,
                2.98087818398,
            ),
            (
                100_000,
                15944.4635499,
                701.821324779,
                2.01102345284,
                -0.0561103461738,
            ),
        ] {
            let Known { a, b, .. } = exponential_on_a_line(n);
            let close = |x: f64, y: f64| assert!((x / y - 1.0).abs() < 1e-10, "{x} instead of {y}");
            close((&a * &b).sum(), energy);
            close((&a * &a).sum().sqrt(), norm);
            close(a[[0, 0]], first);
            close(a[[n / 2, 0]], middle);
        }
    }
}

//! Data for tests: reproducible, and of awkward sizes.

use keops_solve::ndarray::Array2;

/// `rows` points in the unit cube of `columns` dimensions, uniformly distributed; the same for the same `seed` (Knuth's
/// linear congruential generator, MMIX).
pub fn points(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// The largest absolute difference of two arrays.
///
/// # Panics
/// If their shapes differ, or a difference is NaN.
pub fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |largest, d| {
        assert!(!d.is_nan());
        d.max(largest)
    })
}

/// The matrix `exp(-g |x_i - y_j|^2)`, entry by entry.
pub fn gaussian(x: &Array2<f64>, y: &Array2<f64>, g: f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let squares = x
            .row(i)
            .iter()
            .zip(y.row(j))
            .map(|(x, y)| (x - y).powi(2))
            .sum::<f64>();
        (-g * squares).exp()
    })
}

//! The library does what it says.

use keops_downstream_library::keops_solve::SymbolicMatrix;
use keops_downstream_library::keops_solve::ndarray::Array2;
use keops_downstream_library::{Interpolant, Laplacian};

#[test]
fn an_interpolant_passes_through_its_values() {
    let points = Array2::from_shape_fn((40, 2), |(i, k)| ((i * (7 + 6 * k)) % 40) as f64 / 8.0);
    let values = Array2::from_shape_fn((40, 1), |(i, _)| (i as f64 * 0.3).sin());
    let fitted = Interpolant::fit(points.clone(), &values, 9.0, 1e-6).unwrap();
    let back = fitted.evaluate(&points).unwrap();
    assert!((back - &values).iter().all(|d| d.abs() < 1e-4));
    assert_eq!(fitted.formula(), "Exp(-g*SqDist(x, y))*b");
}

#[test]
fn a_named_matrix_is_bound_like_any_other() {
    let points = Array2::from_shape_fn((3, 2), |(i, k)| (i * (k + 1)) as f64);
    let weights = [1.0, 0.0, 0.0, 4.0];
    let dense = Laplacian
        .bind(&points, &points, &weights)
        .to_dense()
        .unwrap();
    let distance = |i: usize, j: usize| {
        let d = [
            points[(i, 0)] - points[(j, 0)],
            points[(i, 1)] - points[(j, 1)],
        ];
        (d[0] * d[0] + 4.0 * d[1] * d[1]).sqrt()
    };
    for ((i, j), entry) in dense.indexed_iter() {
        assert!((entry - (-distance(i, j)).exp()).abs() < 1e-14);
    }
}

//! Batches through the macros.

use keops_solve::ndarray::{Array1, Array2, Array3, ArrayD, Axis, s};
use keops_solve::{Error, genred};
use keops_tests::data::points;

genred!(Conv: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1), axis = 1);

/// `n` arrays of points.
fn batch(n: usize, rows: usize, columns: usize, seed: u64) -> Array3<f64> {
    let all = points(n * rows, columns, seed);
    all.into_shape_with_order((n, rows, columns)).unwrap()
}

#[test]
fn arrays_and_parameters_are_broadcast() {
    let (x, y, b) = (points(5, 2, 1), batch(3, 7, 2, 2), batch(4, 7, 1, 3));
    let b = b.insert_axis(Axis(1)); // (4, 1, 7, 1)
    let g = Array2::from_shape_fn((3, 1), |(k, _)| k as f64 + 0.5);
    let out: ArrayD<f64> = Conv.bind_batch(&x, &y, &b, &g).run().unwrap();
    assert_eq!(out.shape(), [4, 3, 5, 1]);
    let number = Conv.bind_batch(&x, y.view(), &b, 0.5).run().unwrap();
    for l in 0..4 {
        for k in 0..3 {
            let (y, b) = (y.index_axis(Axis(0), k), b.slice(s![l, 0, .., ..]));
            let one = |g: f64| Conv.bind(&x, y, b, g).run().unwrap().into_dyn();
            assert_eq!(out.slice(s![l, k, .., ..]).into_dyn(), one(g[(k, 0)]));
            assert_eq!(number.slice(s![l, k, .., ..]).into_dyn(), one(0.5));
        }
    }
}

#[test]
fn closures_capture_in_batches() {
    let (x, y) = (batch(6, 4, 1, 1), points(3, 1, 2));
    let scale = 2.0;
    let nearest =
        genred!(|x: Vi(1), y: Vj(1)| scale * x.sqdist(y), reduction = MinArgMin, axis = 1);
    let (values, indices) = nearest.bind_batch(&x, &y).run().unwrap();
    for k in 0..6 {
        let one = nearest.bind(x.index_axis(Axis(0), k), &y).run().unwrap();
        assert_eq!(values.index_axis(Axis(0), k), one.0.into_dyn());
        assert_eq!(indices.index_axis(Axis(0), k), one.1.into_dyn());
    }
}

#[test]
fn parameters_of_a_batch_are_checked() {
    let (x, b) = (points(5, 2, 1), points(5, 1, 2));
    let refused = |g: &ArrayD<f64>| Conv.bind_batch(&x, &x, &b, g).run().unwrap_err();
    assert_eq!(
        refused(&Array2::zeros((3, 2)).into_dyn()).to_string(),
        "g: expected a parameter of length 1 (Pm(1)), got 2"
    );
    let shorter = batch(2, 4, 1, 3);
    match Conv.bind_batch(&x, &x, &shorter, 1.0).run() {
        Err(Error::Rows {
            alias,
            found: 4,
            expected: 5,
            ..
        }) => assert_eq!(alias, "b"),
        other => panic!("{other:?}"),
    }
    let three = batch(3, 5, 1, 3);
    let error = Conv
        .bind_batch(&x, &x, &three, &Array2::ones((2, 1)))
        .run()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "g: expected batch dimension 0 to be 3, as that of b, or 1, got an array of shape (2, 1)"
    );
    assert!(Conv.bind_batch(&x, &x, &b, &Array1::ones(1)).run().is_ok());
}

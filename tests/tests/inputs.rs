//! Arrays of all kinds through the macros, and what is said about those that do not fit.

use keops_solve::half::f16;
use keops_solve::ndarray::{Array1, Array2, ArrayView2, Axis, array, s};
use keops_solve::{Error, genred, kernel_solve, lazy, prelude::*};
use keops_tests::data::{distance, gaussian, points};

genred!(Conv: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), axis = 1);
genred!(Column: "(x+p)*y", x = Vi(1), y = Vj(1), p = Pm(1), axis = 1);

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.expect_err("arrays that do not fit").to_string()
}

#[test]
fn any_strides_give_the_same_numbers() {
    let (x, y, b) = (points(37, 3, 1), points(41, 3, 2), points(41, 2, 3));
    let expected = gaussian(&x, &y, 0.7).dot(&b);
    let check = |x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>| {
        let out = Conv.bind(x, y, b, 0.7).run().unwrap();
        assert!(distance(&out, &expected) < 1e-13);
    };
    check(x.view(), y.view(), b.view());
    // Column-major.
    let (xt, yt, bt) = (x.t().to_owned(), y.t().to_owned(), b.t().to_owned());
    check(xt.t(), yt.t(), bt.t());
    // Every other row and column of something larger.
    let spread = |a: &Array2<f64>| {
        let mut large = Array2::from_elem((2 * a.nrows(), 3 * a.ncols() + 1), f64::NAN);
        large.slice_mut(s![1..;2, 1..;3]).assign(a);
        large
    };
    let (xs, ys, bs) = (spread(&x), spread(&y), spread(&b));
    check(
        xs.slice(s![1..;2, 1..;3]),
        ys.slice(s![1..;2, 1..;3]),
        bs.slice(s![1..;2, 1..;3]),
    );
    // Backwards in memory.
    let backwards = |a: &Array2<f64>| a.slice(s![..;-1, ..;-1]).to_owned();
    let (xb, yb, bb) = (backwards(&x), backwards(&y), backwards(&b));
    check(
        xb.slice(s![..;-1, ..;-1]),
        yb.slice(s![..;-1, ..;-1]),
        bb.slice(s![..;-1, ..;-1]),
    );
    // One row for all: a stride of zero.
    let row = x.row(5);
    let repeated = row.broadcast((37, 3)).unwrap();
    let out = Conv.bind(repeated, &y, &b, 0.7).run().unwrap();
    for i in 0..37 {
        assert_eq!(out.row(i), out.row(0));
    }
    assert!(
        (&out.row(0) - &expected.row(5))
            .iter()
            .all(|d| d.abs() < 1e-13)
    );
}

#[test]
fn rows_slices_and_flat_slices_are_points() {
    let (x, y, b) = (points(5, 3, 1), points(7, 3, 2), points(7, 2, 3));
    let expected = Conv.bind(&x, &y, &b, 0.7).run().unwrap();
    let rows = |a: &Array2<f64>| -> Vec<[f64; 3]> {
        a.axis_iter(Axis(0))
            .map(|row| [row[0], row[1], row[2]])
            .collect()
    };
    let (x_rows, y_rows) = (rows(&x), rows(&y));
    let (x_flat, b_flat) = (
        x.as_slice().unwrap(),
        b.iter().copied().collect::<Vec<f64>>(),
    );
    for out in [
        Conv.bind(&x_rows, &y_rows[..], &b_flat, 0.7),
        Conv.bind(x_flat, &y, &b_flat[..], &[0.7]),
        Conv.bind(&x_flat.to_vec(), y.view(), &b, &array![0.7]),
        Conv.bind(&*x, &y.to_shared(), &b, &vec![0.7]),
    ] {
        assert_eq!(out.run().unwrap(), expected);
    }
}

#[test]
fn vectors_stand_for_columns_where_the_dimension_is_one() {
    let (x, y) = (array![1.0_f32, 2.0, 3.0], array![10.0_f32, 20.0]);
    let expected = array![[45.0_f32], [75.0], [105.0]];
    assert_eq!(Column.bind(&x, &y, 0.5).run().unwrap(), expected);
    assert_eq!(
        Column.bind(x.view(), &[10.0, 20.0], &[0.5]).run().unwrap(),
        expected
    );
    assert_eq!(
        Column
            .bind(&[[1.0], [2.0], [3.0]], &y, &array![0.5])
            .run()
            .unwrap(),
        expected
    );
    let backwards = array![3.0_f32, 2.0, 1.0];
    assert_eq!(
        Column
            .bind(backwards.slice(s![..;-1]), &y, 0.5)
            .run()
            .unwrap(),
        expected
    );
}

#[test]
fn the_element_type_is_that_of_the_arrays() {
    let (x, y, b) = (points(20, 3, 1), points(30, 3, 2), points(30, 2, 3));
    let double = Conv.bind(&x, &y, &b, 0.7).run().unwrap();
    let [x, y, b] = [x, y, b].map(|a| a.mapv(|v| v as f32));
    let single: Array2<f32> = Conv.bind(&x, &y, &b, 0.7).run().unwrap();
    assert!(distance(&single.mapv(f64::from), &double) < 1e-5);
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let (x, y, b) = (points(5, 3, 1), points(7, 3, 2), points(7, 2, 3));
    let (wide, longer) = (points(5, 4, 1), points(8, 2, 1));
    let vector = Array1::<f64>::zeros(9);
    let empty = Array2::<f64>::zeros((5, 0));
    let cases = [
        (
            Conv.bind(&wide, &y, &b, 0.7),
            "x: expected 3 columns (Vi(3)), got an array of shape (5, 4)",
        ),
        (
            Conv.bind(&x, &empty, &b, 0.7),
            "y: expected 3 columns (Vj(3)), got an array of shape (5, 0)",
        ),
        (
            Conv.bind(&x, &vector, &b, 0.7),
            "y: expected 3 columns (Vj(3)), got an array of shape (9,)",
        ),
        (
            Conv.bind(&x, &y, &[1.0, 2.0, 3.0], 0.7),
            "b: expected rows of 2 numbers (Vj(2)), got a flat slice of 3, which is no multiple of 2",
        ),
        (
            Conv.bind(&[[1.0, 2.0]], &y, &b, 0.7),
            "x: expected 3 columns (Vi(3)), got an array of shape (1, 2)",
        ),
        (
            Conv.bind(&x, &y, &longer, 0.7),
            "b: expected 7 rows, as many as y (Vj variables share their points), got 8",
        ),
        (
            Conv.bind(&x, &y, &b, &[0.7, 0.8]),
            "g: expected a parameter of length 1 (Pm(1)), got 2",
        ),
        (
            Conv.bind(&x, &y, &b, &[]),
            "g: expected a parameter of length 1 (Pm(1)), got 0",
        ),
    ];
    for (bound, expected) in cases {
        assert_eq!(message(bound.run()), expected);
    }
}

#[test]
fn a_matrix_and_its_operands() {
    let gaussian = lazy!(|x: Vi(3), y: Vj(3)| (-x.sqdist(y)).exp());
    let (x, y) = (points(5, 3, 1), points(7, 3, 2));
    let matrix = gaussian.bind(&x, &y);
    assert_eq!((matrix.nrows(), matrix.ncols()), (5, 7));
    assert_eq!(
        message(matrix.dot(&Array1::zeros(5))),
        "the operand of dot: expected 7 rows, one per column of the matrix, got an array of shape (5,)"
    );
    assert_eq!(
        message(matrix.t().dot(&Array2::zeros((7, 2)))),
        "the operand of dot: expected 5 rows, one per column of the matrix, got an array of shape (7, 2)"
    );
    assert_eq!(
        message(matrix.sum(2)),
        "axis: expected 0 (reduce over i) or 1 (reduce over j), got 2"
    );
    assert_eq!(
        message(gaussian.bind(&points(5, 2, 1), &y).to_dense()),
        "x: expected 3 columns (Vi(3)), got an array of shape (5, 2)"
    );
}

#[test]
fn the_arrays_of_a_system() {
    let kinv = kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1));
    let (x, b) = (points(10, 2, 1), points(10, 1, 2));
    let message = |result: Result<Solution<f64>, SolveError<f64>>| match result {
        Err(SolveError::Input(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        message(kinv.bind(&x, &x, &points(11, 1, 2)).solve()),
        "b: expected 10 rows, as many as y (Vj variables share their points), got 11"
    );
    assert_eq!(
        message(kinv.bind(&x, &x, &points(10, 2, 2)).solve()),
        "b: expected 1 columns (Vj(1)), got an array of shape (10, 2)"
    );
    assert!(
        message(kinv.bind(&x, &x, &b).guess(&points(10, 2, 1)).solve()).starts_with("the guess: ")
    );
    let other = points(10, 2, 7);
    assert_eq!(
        message(kinv.bind(&x, &other, &b).solve()),
        "x and y: expected the same points, because a system needs a symmetric matrix, got different ones"
    );
    // Equal points in another array are the same points.
    assert!(kinv.bind(&x, &x.clone(), &b).alpha(1.0).solve().is_ok());
}

/// What single precision gives for the same numbers is rounded once.
#[test]
fn half_precision_is_stored_and_single_precision_computed() {
    let half = |a: &Array2<f64>| a.mapv(f16::from_f64);
    let (x, y, b) = (points(37, 3, 1), points(301, 3, 2), points(301, 2, 3));
    let (x, y, b, g) = (half(&x), half(&y), half(&b), f16::from_f64(0.7));
    let [x32, y32, b32] = [&x, &y, &b].map(|a| a.mapv(f16::to_f32));
    let single = Conv.bind(&x32, &y32, &b32, g.to_f32()).run().unwrap();
    let out: Array2<f16> = Conv.bind(&x, &y, &b, g).run().unwrap();
    assert_eq!(out, single.mapv(f16::from_f32));
    let [x64, y64, b64] = [&x, &y, &b].map(|a| a.mapv(f16::to_f64));
    let exact = gaussian(&x64, &y64, g.to_f64()).dot(&b64);
    let careful = Conv
        .bind(&x, &y, &b, g)
        .accumulate(Accumulate::F64)
        .run()
        .unwrap();
    for ((single, double), exact) in out.iter().zip(&careful).zip(&exact) {
        for rounded in [single, double] {
            assert!((rounded.to_f64() - exact).abs() <= (f64::exp2(-11.0) + 1e-5) * exact.abs());
        }
    }
    // All that takes other types takes this one.
    let rows: Vec<[f16; 3]> = x.rows().into_iter().map(|x| [x[0], x[1], x[2]]).collect();
    let flat: Vec<f16> = y.iter().copied().collect();
    assert_eq!(Conv.bind(&rows, &flat, b.view(), &[g]).run().unwrap(), out);
    assert_eq!(
        Conv.bind_batch(&x, &y, &b, g).run().unwrap(),
        out.clone().into_dyn()
    );
    let captured = genred!(|x: Vi(3), y: Vj(3), b: Vj(2)| (-g * x.sqdist(y)).exp() * b, axis = 1);
    assert_eq!(captured.bind(&x, &y, &b).run().unwrap(), out);
}

#[test]
fn systems_of_half_precision_are_solved_in_single_and_double() {
    let x = points(80, 1, 1).mapv(f16::from_f64);
    let b = points(80, 1, 2).mapv(f16::from_f64);
    let gaussian = lazy!(|x: Vi(1), y: Vj(1)| (-10.0 * x.sqdist(y)).exp());
    let matrix = gaussian.bind(&x, &x);
    let solution = matrix.rhs(&b).alpha(0.1).eps(1e-9).solve().unwrap();
    let (wide, a) = (x.mapv(f16::to_f64), &solution.values_f64);
    let residual = gaussian.bind(&wide, &wide).dot(a).unwrap() + 0.1 * a - b.mapv(f16::to_f64);
    assert!(residual.iter().all(|r| r.abs() < 1e-7));
    assert_eq!(solution.values, a.mapv(f16::from_f64));
    let dense: Array2<f16> = matrix.to_dense().unwrap();
    assert_eq!(dense[(3, 3)], f16::ONE);
    let nearest = matrix.argmax(1).unwrap();
    assert_eq!(matrix.max(1).unwrap()[(7, 0)], f16::ONE);
    assert_eq!(x[(nearest[(7, 0)], 0)], x[(7, 0)]);
}

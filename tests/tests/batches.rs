//! Batches through the macros.

use keops_solve::ndarray::{Array1, Array2, Array3, ArrayD, Axis, s};
use keops_solve::{BatchSolveError, Error, genred, kernel_solve, lazy, operation, prelude::*};
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

kernel_solve!(Inverse: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1));

#[test]
fn every_system_of_a_batch_is_solved_by_itself() {
    let (x, b) = (batch(3, 40, 2, 1), batch(2, 40, 2, 2).insert_axis(Axis(1)));
    let g = Array2::from_shape_fn((3, 1), |(k, _)| 10.0 * k as f64 + 5.0);
    let systems = Inverse.bind_batch(&x, &x, &b, &g);
    assert_eq!(systems.formula(), Inverse.formula());
    let solution = systems.alpha(0.1).eps(1e-10).solve().unwrap();
    assert_eq!(solution.values.shape(), [2, 3, 40, 2]);
    assert_eq!(solution.elements.shape(), [2, 3]);
    for l in 0..2 {
        for k in 0..3 {
            let (x, b) = (x.index_axis(Axis(0), k), b.slice(s![l, 0, .., ..]));
            let one = Inverse
                .bind(x, x, b, g[(k, 0)])
                .alpha(0.1)
                .eps(1e-10)
                .solve()
                .unwrap();
            let element = &solution.elements[[l, k]];
            assert_eq!(element.values, one.values);
            assert_eq!(element.columns, one.columns);
            assert_eq!(
                solution.values.slice(s![l, k, .., ..]).into_dyn(),
                one.values.into_dyn()
            );
        }
    }
    // From its solution, there is nothing left to do.
    let again = Inverse
        .bind_batch(&x, &x, &b, &g)
        .alpha(0.1)
        .eps(1e-9)
        .guess(&solution.values);
    assert!(
        again
            .solve()
            .unwrap()
            .elements
            .iter()
            .all(|element| element.iterations == 0)
    );
    let none = b.slice(s![..0, .., .., ..]);
    let nothing = Inverse.bind_batch(&x, &x, none, &g).solve().unwrap();
    assert_eq!(
        (nothing.values.shape(), nothing.elements.len()),
        (&[0, 3, 40, 2][..], 0)
    );
}

#[test]
fn systems_of_a_batch_that_fail_are_named() {
    let (x, mut b) = (batch(3, 40, 2, 1), batch(3, 40, 2, 2));
    // One iteration is enough for the element whose right-hand side is zero.
    b.index_axis_mut(Axis(0), 1).fill(0.0);
    let systems = || Inverse.bind_batch(&x, &x, &b, 1.0).alpha(1e-3);
    let error = systems()
        .max_iterations(1)
        .preconditioner(Preconditioner::None)
        .solve()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("not converged: 2 of 3 elements, the first of them (0,): the limit of 1"),
        "{text}"
    );
    let BatchSolveError::Unconverged(unconverged) = error else {
        panic!("{error:?}")
    };
    let failed: Vec<_> = unconverged
        .failures
        .iter()
        .map(|(index, _)| index[0])
        .collect();
    assert_eq!(failed, [0, 2]);
    assert_eq!(unconverged.best.values.shape(), [3, 40, 2]);
    assert!(unconverged.best.elements[[1]].columns[0].converged);
    assert!(
        unconverged
            .best
            .values
            .slice(s![0, .., ..])
            .iter()
            .any(|value| *value != 0.0)
    );

    let error = systems()
        .guess(&Array3::<f64>::zeros((2, 40, 2)))
        .solve()
        .unwrap_err();
    assert!(
        error.to_string().starts_with("the guess: expected "),
        "{error}"
    );
    b[(2, 7, 1)] = f64::NAN;
    let error = Inverse
        .bind_batch(&x, &x, &b, 1.0)
        .alpha(0.1)
        .solve()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "element (2,): the right-hand side: expected finite numbers, got NaN at row 7, column 1"
    );
    let error = Inverse
        .bind_batch(&x, &batch(3, 40, 2, 9), &b, 1.0)
        .solve()
        .unwrap_err();
    assert!(
        matches!(
            error,
            BatchSolveError::Element {
                error: Error::DifferentPoints { .. },
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn matrices_of_a_batch_multiply_and_reduce() {
    let (x, y) = (batch(3, 8, 2, 1), batch(2, 11, 2, 2).insert_axis(Axis(1)));
    let gaussian = lazy!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y)).exp());
    let matrices = gaussian.bind_batch(&x, &y);
    let (v, w) = (batch(3, 11, 4, 3), batch(1, 8, 1, 4));
    let (products, dense) = (matrices.dot(&v).unwrap(), matrices.to_dense().unwrap());
    let (transposed, sums) = (matrices.t().dot(&w).unwrap(), matrices.sum(0).unwrap());
    let (nearest, _) = matrices.reduce(operation::MaxArgMax, 1).unwrap();
    assert_eq!(products.shape(), [2, 3, 8, 4]);
    assert_eq!(dense.shape(), [2, 3, 8, 11]);
    assert_eq!(transposed.shape(), [2, 3, 11, 1]);
    assert_eq!(sums.shape(), [2, 3, 11, 1]);
    for l in 0..2 {
        for k in 0..3 {
            let one = gaussian.bind(x.index_axis(Axis(0), k), y.slice(s![l, 0, .., ..]));
            let at = s![l, k, .., ..];
            assert_eq!(
                products.slice(at),
                one.dot(v.index_axis(Axis(0), k)).unwrap()
            );
            assert_eq!(dense.slice(at), one.to_dense().unwrap());
            assert_eq!(
                transposed.slice(at),
                one.t().dot(w.index_axis(Axis(0), 0)).unwrap()
            );
            assert_eq!(sums.slice(at), one.sum(0).unwrap());
            assert_eq!(nearest.slice(at), one.max(1).unwrap());
        }
    }
    // The other reductions are named as they are for one matrix.
    let (smallest, logarithms) = (matrices.min(0).unwrap(), matrices.logsumexp(1).unwrap());
    let (first, last) = (matrices.argmin(1).unwrap(), matrices.argmax(1).unwrap());
    let (values, indices) = matrices.kmin_argkmin(2, 1).unwrap();
    assert_eq!(values.shape(), [2, 3, 8, 2, 1]);
    assert_eq!(values, matrices.kmin(2, 1).unwrap());
    assert_eq!(indices, matrices.argkmin(2, 1).unwrap());
    assert_eq!(matrices.max_argmax(1).unwrap(), (nearest, last));
    let (_, of_smallest) = matrices.min_argmin(1).unwrap();
    assert_eq!(of_smallest, first);
    let one = gaussian.bind(x.index_axis(Axis(0), 2), y.slice(s![1, 0, .., ..]));
    let at = s![1, 2, .., ..];
    assert_eq!(smallest.slice(at), one.min(0).unwrap());
    assert_eq!(logarithms.slice(at), one.logsumexp(1).unwrap());
    assert_eq!(first.slice(at), one.argmin(1).unwrap());
    let all = s![1, 2, .., .., ..];
    assert_eq!(values.slice(all), one.kmin(2, 1).unwrap());
    let diagonals = gaussian.bind_batch(&x, &x).diag().unwrap();
    assert_eq!(diagonals, ArrayD::<f64>::ones(vec![3, 8]));
    assert!(matrices.diag().is_err());
    let error = matrices.dot(&batch(4, 11, 1, 3)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the operand of dot: expected 11 rows, as many as the matrices have columns, behind batch dimensions that fit to (2, 3), \
         got an array of shape (4, 11, 1)"
    );
    assert!(matrices.dot(&batch(3, 8, 1, 3)).is_err());
    assert_eq!(matrices.sum(2).unwrap_err(), Error::Axis(2));
}

#[test]
fn systems_of_symbolic_matrices() {
    let gaussian = lazy!(|x: Vi(2), y: Vj(2), g: Pm(1)| (-g * x.sqdist(y)).exp());
    let (x, g) = (batch(3, 9, 2, 1), ArrayD::from_elem(vec![2, 1, 1], 1.5));
    let b = batch(3, 9, 2, 2);
    let matrices = gaussian.bind_batch(&x, &x, &g);
    assert_eq!(matrices.batch().unwrap(), [2, 3]);
    let systems = matrices.rhs(&b).alpha(0.1).eps(1e-10);
    let solution = systems.solve().unwrap();
    assert_eq!(solution.values.shape(), [2, 3, 9, 2]);
    for l in 0..2 {
        for k in 0..3 {
            let x = x.index_axis(Axis(0), k);
            let b = b.index_axis(Axis(0), k);
            let one = gaussian.bind(x, x, 1.5);
            let one = one.rhs(b).alpha(0.1).eps(1e-10).solve().unwrap();
            assert_eq!(solution.values.slice(s![l, k, .., ..]), one.values);
            assert_eq!(solution.elements[[l, k]].iterations, one.iterations);
        }
    }
    // More right-hand sides than matrices, and the transposes, which are the same.
    let several = ArrayD::from_shape_fn(vec![4, 1, 1, 9, 1], |at| (at[0] + at[3]) as f64);
    let of_transposes = matrices.t();
    let more = of_transposes.rhs(&several).alpha(0.1).eps(1e-10);
    let more = more.solve().unwrap();
    assert_eq!(more.values.shape(), [4, 2, 3, 9, 1]);
    let again = matrices.dot(&more.values).unwrap() + 0.1 * &more.values;
    for (&got, &expected) in again.iter().zip(several.broadcast(again.dim()).unwrap()) {
        assert!((got - expected).abs() <= 1e-8, "{got}, expected {expected}");
    }
    let refused = matrices.rhs(&batch(4, 9, 1, 2)).solve().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the right-hand side: expected 9 rows, as many as the matrices have columns, behind batch dimensions that fit to (2, 3), \
         got an array of shape (4, 9, 1)"
    );
    let other = points(9, 2, 7);
    let matrices = gaussian.bind_batch(&x, &other, 1.5);
    assert!(matrices.rhs(&b).solve().is_err());

    let other = points(5, 2, 7);
    let sizes = gaussian.bind_batch(&x, &other, 1.5);
    assert_eq!((sizes.nrows().unwrap(), sizes.ncols().unwrap()), (9, 5));
    assert_eq!(sizes.t().nrows().unwrap(), 5);
    let flat = Array1::<f64>::zeros(5);
    let refused = gaussian.bind_batch(&x, &flat, 1.5).nrows().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "y: expected the dimensions (batch.., points, 2) (Vj(2)), got an array of shape (5,)"
    );
}

#[test]
fn batches_that_do_not_fit_into_memory_are_refused() {
    fn refused<T>(result: Result<T, impl core::fmt::Display>) {
        let message = result.err().expect("an error").to_string();
        assert!(message.contains("memory"), "{message}");
    }
    // Views that repeat an array.
    const ELEMENTS: usize = 1 << 55;
    let (x, y, b, none) = (
        points(5, 2, 1),
        points(7, 2, 2),
        points(5, 2, 3),
        points(0, 2, 4),
    );
    let all = x.broadcast((ELEMENTS, 5, 2)).unwrap();
    let all_b = b.broadcast((ELEMENTS, 5, 2)).unwrap();
    let empty = none.broadcast((ELEMENTS, 0, 2)).unwrap();
    for x in [all, empty] {
        let b = all_b.slice(s![.., ..x.shape()[1], ..1]);
        refused(Conv.bind_batch(x, x, b, 1.0).run());
    }
    let both = x.broadcast((1 << 40, 1, 5, 2)).unwrap();
    let other = x.broadcast((1 << 40, 5, 2)).unwrap();
    refused(
        Conv.bind_batch(both, other, b.slice(s![.., ..1]), 1.0)
            .run(),
    );
    refused(Inverse.bind_batch(all, all, &b, 1.0).solve());
    refused(Inverse.bind_batch(&x, &x, all_b, 1.0).solve());

    let gaussian = lazy!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y)).exp());
    for x in [all, empty] {
        let matrices = gaussian.bind_batch(x, &y);
        refused(matrices.to_dense());
        refused(matrices.sum(1));
        refused(matrices.sum(0));
        refused(matrices.dot(&points(7, 1, 3)));
        refused(matrices.dot(&points(7, 0, 3)));
    }
    let matrices = gaussian.bind_batch(&x, &x);
    refused(matrices.dot(&all_b));
    // Each matrix fits, all together do not.
    let many = x.slice(s![..1, ..]);
    let many = many.broadcast((1 << 20, 1 << 10, 2)).unwrap();
    refused(gaussian.bind_batch(many, many).to_dense());
    // An element without rows has no part in the result, and there is no end to the vectors.
    let one = Array2::ones((1, 1));
    let wide = one.broadcast((7, ELEMENTS)).unwrap();
    let products = gaussian.bind_batch(&none, &y).dot(&wide).unwrap();
    assert_eq!(products.shape(), [0, ELEMENTS]);
}

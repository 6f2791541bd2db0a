//! Symbolic matrices and the operator of the solver, against the matrix written out.

#[path = "../kernels/mod.rs"]
mod kernels;
mod memory;

use keops_runtime::simd::InstructionSet;
use keops_runtime::solve::{LinearOperator, Precision, Preconditioner, SolveOptions, solve};
use keops_runtime::{
    BoundMatrix, Element, Error, IntoParams, IntoPoints, Ranges, Rectangular, SymbolicMatrix,
};
use kernels::{HOISTED, Hoisted, SCALAR_CAUCHY, ScalarCauchy, numbers};
use ndarray::{Array1, Array2, s};

fn points<T: Element>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut next = numbers(seed);
    Array2::from_shape_simple_fn((rows, columns), || T::from_f64(next() - 0.5))
}

fn cauchy<'a, T: Element>(
    x: &'a Array2<T>,
    y: &'a Array2<T>,
    g: f64,
) -> BoundMatrix<'a, T, ScalarCauchy> {
    let g = [T::from_f64(g)];
    let arguments = vec![
        IntoPoints::<T>::into_points(x, 3),
        IntoPoints::<T>::into_points(y, 3),
        IntoParams::<T>::into_params(&g),
    ];
    BoundMatrix::new(&SCALAR_CAUCHY, arguments, Vec::new())
}

/// That functions can return a matrix without naming its type.
fn abstracted<'a>(x: &'a Array2<f64>, y: &'a Array2<f64>) -> impl SymbolicMatrix<f64> + 'a {
    cauchy(x, y, 2.0)
}

fn written_out<T: Element>(x: &Array2<T>, y: &Array2<T>, g: f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let distance: f64 = (0..3)
            .map(|d| (x[(i, d)].to_f64() - y[(j, d)].to_f64()).powi(2))
            .sum();
        1.0 / (1.0 + g * distance)
    })
}

fn assert_close<T: Element>(got: &Array2<T>, expected: &Array2<f64>, tolerance: f64) {
    assert_eq!(got.dim(), expected.dim());
    for ((index, got), expected) in got.indexed_iter().zip(expected) {
        let error = (got.to_f64() - expected).abs();
        assert!(
            error <= tolerance,
            "{index:?}: {got:?}, expected {expected}"
        );
    }
}

fn check<T: Element>(m: usize, n: usize, tolerance: f64) {
    let (x, y) = (points::<T>(m, 3, 1), points::<T>(n, 3, 2));
    let dense = written_out(&x, &y, 2.0);
    for isa in InstructionSet::available() {
        let k = cauchy(&x, &y, 2.0).instruction_set(isa);
        assert_eq!((k.nrows(), k.ncols()), (m, n));
        assert_eq!((k.t().nrows(), k.t().ncols()), (n, m));
        assert_close(&k.to_dense().unwrap(), &dense, tolerance);
        assert_close(&k.t().to_dense().unwrap(), &dense.t().to_owned(), tolerance);
        for columns in [0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 40] {
            let (v, w) = (points::<T>(n, columns, 3), points::<T>(m, columns, 4));
            let tolerance = 16.0 * tolerance;
            assert_close(
                &k.dot(&v).unwrap(),
                &dense.dot(&v.mapv(T::to_f64)),
                tolerance,
            );
            assert_close(
                &k.t().dot(&w).unwrap(),
                &dense.t().dot(&w.mapv(T::to_f64)),
                tolerance,
            );
        }
    }
}

#[test]
fn products_and_entries_are_those_of_the_matrix() {
    for (m, n) in [(0, 3), (1, 1), (33, 65), (130, 300)] {
        check::<f32>(m, n, 4e-6);
        check::<f64>(m, n, 1e-14);
    }
}

#[test]
fn large_matrices_are_cut_without_loss() {
    let (x, y) = (points::<f64>(1500, 3, 1), points::<f64>(1100, 3, 2));
    let k = cauchy(&x, &y, 2.0);
    let dense = written_out(&x, &y, 2.0);
    let v = points::<f64>(1100, 3, 3);
    assert_close(&k.to_dense().unwrap(), &dense, 1e-14);
    assert_close(&k.dot(&v).unwrap(), &dense.dot(&v), 1e-12);
    let many = points::<f64>(1100, 20, 4);
    assert_close(&k.dot(&many).unwrap(), &dense.dot(&many), 1e-12);
    assert_close(
        &k.dot(v.slice(s![.., ..;-1])).unwrap(),
        &dense.dot(&v.slice(s![.., ..;-1])),
        1e-12,
    );
}

#[test]
fn a_vector_times_the_matrix_is_a_vector() {
    let (x, y) = (points::<f64>(20, 3, 1), points::<f64>(30, 3, 2));
    let v: Array1<f64> = points::<f64>(30, 1, 3).remove_axis(ndarray::Axis(1));
    let k = abstracted(&x, &y);
    let product: Array1<f64> = k.dot(&v).unwrap();
    let same: Array1<f64> = k.dot(v.view()).unwrap();
    assert_eq!(product, same);
    let expected = written_out(&x, &y, 2.0).dot(&v);
    assert!(
        (product - expected)
            .iter()
            .all(|difference| difference.abs() < 1e-13)
    );
    let transposed: Array1<f64> = k.t().t().dot(&v).unwrap();
    assert_eq!(transposed, same);
}

#[test]
fn sums_follow_the_axis() {
    let (x, y) = (points::<f64>(20, 3, 1), points::<f64>(30, 3, 2));
    let k = cauchy(&x, &y, 2.0);
    let dense = written_out(&x, &y, 2.0);
    let rows = dense
        .sum_axis(ndarray::Axis(1))
        .insert_axis(ndarray::Axis(1));
    let columns = dense
        .sum_axis(ndarray::Axis(0))
        .insert_axis(ndarray::Axis(1));
    assert_close(&k.sum(1).unwrap(), &rows, 1e-13);
    assert_close(&k.sum(0).unwrap(), &columns, 1e-13);
    assert_close(&k.t().sum(0).unwrap(), &rows, 1e-13);
    assert_eq!(k.sum(2).unwrap_err(), Error::Axis(2));
}

#[test]
fn products_with_other_sizes_say_so() {
    let (x, y) = (points::<f64>(20, 3, 1), points::<f64>(30, 3, 2));
    let error = cauchy(&x, &y, 2.0).dot(&Array1::zeros(20)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the operand of dot: expected 30 rows, one per column of the matrix, got an array of shape (20,)"
    );
    let error = cauchy(&x, &y, 2.0).operator().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the matrix to solve with: expected as many points i as points j, got an array of shape (20, 30)"
    );
}

#[test]
fn the_operator_of_two_sets_of_points_is_refused() {
    let (x, y) = (points::<f64>(20, 3, 1), points::<f64>(20, 3, 2));
    assert!(cauchy(&x, &x.clone(), 2.0).operator().is_ok());
    let error = cauchy(&x, &y, 2.0).operator().unwrap_err();
    assert!(matches!(error, Error::DifferentPoints { .. }), "{error}");
}

#[test]
fn captured_scalars_reach_products() {
    let (x, y) = (points::<f64>(20, 2, 1), points::<f64>(30, 2, 2));
    let arguments = vec![
        IntoParams::<f64>::into_params(1.5),
        IntoPoints::<f64>::into_points(&y, 2),
        IntoPoints::<f64>::into_points(&x, 2),
    ];
    let k = BoundMatrix::<f64, Hoisted>::new(&HOISTED, arguments, vec![0.25]);
    let norm = |p: &Array2<f64>, i: usize| p[(i, 0)].powi(2) + p[(i, 1)].powi(2);
    let dense = Array2::from_shape_fn((20, 30), |(i, j)| 2.25 * (norm(&x, i) - norm(&y, j) + 0.25));
    let v = points::<f64>(30, 4, 3);
    assert_close(&k.dot(&v).unwrap(), &dense.dot(&v), 1e-13);
}

#[test]
fn the_operator_has_two_precisions() {
    let x = points::<f32>(600, 3, 1);
    let dense = written_out(&x, &x, 2.0);
    let v = points::<f64>(600, 3, 2) * (1.0 / 3.0);
    let expected = dense.dot(&v);
    let k = cauchy(&x, &x, 2.0);
    let operator = k.operator().unwrap();
    assert_eq!(operator.len(), 600);
    assert_eq!(operator.working_roundoff(), 2.0_f64.powi(-24));
    let mut out = Array2::from_elem((600, 3), f64::NAN);
    operator
        .apply(Precision::Double, v.view(), out.view_mut())
        .unwrap();
    assert_close(&out, &expected, 1e-12);
    out.fill(f64::NAN);
    operator
        .apply(Precision::Working, v.view(), out.view_mut())
        .unwrap();
    assert_close(&out, &expected, 1e-4);
    assert!(
        (&out - &expected)
            .iter()
            .any(|difference| difference.abs() > 1e-9)
    );
    assert!(
        operator
            .apply(Precision::Working, v.slice(s![1.., ..]), out.view_mut())
            .is_err()
    );
}

/// Clusters of 60 points, and which are neighbours: each cluster of itself but the last, which is on its own with the first.
fn clusters() -> (Vec<[usize; 2]>, Array2<bool>) {
    let ranges = vec![[0, 1], [1, 17], [20, 37], [37, 60]];
    let neighbours = Array2::from_shape_fn((4, 4), |(k, l)| k == l && k < 3 || k.abs_diff(l) == 3);
    (ranges, neighbours)
}

#[test]
fn a_block_sparse_matrix_is_zero_outside_of_its_ranges() {
    let (x, y) = (points::<f64>(60, 3, 1), points::<f64>(90, 3, 2));
    let dense = written_out(&x, &y, 2.0);
    let (rows, keep) = clusters();
    let columns = [[50, 90], [0, 3], [10, 11], [11, 50]];
    let blocks = Ranges::from_matrix(&rows, &columns, &keep).unwrap();
    let mut in_blocks = Array2::zeros((60, 90));
    for ((k, l), _) in keep.indexed_iter().filter(|(_, keep)| **keep) {
        let ([from, to], [start, end]) = (rows[k], columns[l]);
        in_blocks.slice_mut(s![from..to, start..end]).fill(1.0);
    }
    let twice = Ranges::from_rows(&[[3, 40]], &[2], &[[0, 60], [30, 90]]).unwrap();
    let in_twice = Array2::from_shape_fn((60, 90), |(i, j)| {
        let times = usize::from(j < 60) + usize::from(j >= 30);
        if (3..40).contains(&i) {
            times as f64
        } else {
            0.0
        }
    });
    for (ranges, times) in [(blocks, in_blocks), (twice, in_twice)] {
        let k = cauchy(&x, &y, 2.0).ranges(&ranges);
        let masked = times * &dense;
        assert_close(&k.to_dense().unwrap(), &masked, 1e-14);
        assert_close(&k.t().to_dense().unwrap(), &masked.t().to_owned(), 1e-14);
        for width in [1, 4, 5] {
            let (v, w) = (points::<f64>(90, width, 3), points::<f64>(60, width, 4));
            assert_close(&k.dot(&v).unwrap(), &masked.dot(&v), 1e-13);
            assert_close(&k.t().dot(&w).unwrap(), &masked.t().dot(&w), 1e-13);
        }
        let sums = masked
            .sum_axis(ndarray::Axis(0))
            .insert_axis(ndarray::Axis(1));
        assert_close(&k.sum(0).unwrap(), &sums, 1e-13);
        assert_close(&k.t().sum(1).unwrap(), &sums, 1e-13);
    }
}

#[test]
fn the_operator_of_a_block_sparse_matrix_has_its_entries() {
    let x = points::<f64>(60, 3, 1);
    let (clusters, neighbours) = clusters();
    let blocks = Ranges::from_matrix(&clusters, &clusters, &neighbours).unwrap();
    let twice =
        Ranges::from_rows(&[[3, 40], [40, 50]], &[2, 3], &[[3, 50], [3, 40], [3, 40]]).unwrap();
    for ranges in [blocks, twice] {
        let k = cauchy(&x, &x, 2.0).ranges(&ranges);
        let masked = k.to_dense().unwrap();
        assert_eq!(masked, masked.t());
        let operator = k.operator().unwrap();
        let v = points::<f64>(60, 3, 2);
        let mut out = Array2::from_elem((60, 3), f64::NAN);
        operator
            .apply(Precision::Double, v.view(), out.view_mut())
            .unwrap();
        assert_close(&out, &masked.dot(&v), 1e-13);
        let entries = operator.entries().unwrap();
        let mut diagonal = vec![f64::NAN; 60];
        entries.compute_diagonal(&mut diagonal).unwrap();
        assert!(
            diagonal
                .iter()
                .zip(masked.diag())
                .all(|(got, expected)| got == expected)
        );
        let chosen = [0, 5, 18, 19, 36, 37, 59];
        let mut rows = Array2::from_elem((chosen.len(), 60), f64::NAN);
        entries.compute_rows(&chosen, rows.view_mut()).unwrap();
        assert_close(&rows, &masked.select(ndarray::Axis(0), &chosen), 1e-15);
        assert_eq!(entries.density(), ranges.pairs() as f64 / 3600.0);
    }
}

#[test]
fn block_sparse_systems_are_solved() {
    let x = points::<f64>(600, 3, 1);
    let b = points::<f64>(600, 2, 2);
    // Blocks on the diagonal keep the matrix positive semidefinite.
    let clusters: Vec<_> = (0..6).map(|k| [90 * k, 90 * k + 80]).collect();
    let own = Array2::from_shape_fn((6, 6), |(k, l)| k == l);
    let ranges = Ranges::from_matrix(&clusters, &clusters, &own).unwrap();
    for preconditioner in [
        Preconditioner::None,
        Preconditioner::Auto,
        Preconditioner::Cholesky { rank: 100 },
    ] {
        let k = cauchy(&x, &x, 2.0).ranges(&ranges);
        let system = k
            .rhs(&b)
            .alpha(0.01)
            .eps(1e-9)
            .preconditioner(preconditioner);
        let solution = system.solve().unwrap();
        let back = k.to_dense().unwrap().dot(&solution.values) + 0.01 * &solution.values;
        assert_close(&back, &b, 1e-7);
        // Where there are no entries, all is alpha.
        assert!((solution.values[(85, 1)] - 100.0 * b[(85, 1)]).abs() < 1e-6);
    }
    let uneven = Ranges::from_rows(&[[0, 10]], &[1], &[[0, 11]]).unwrap();
    let k = cauchy(&x, &x, 2.0).ranges(&uneven);
    let error = k.rhs(&b).alpha(0.01).solve().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("ranges: expected with each pair (i, j) the pair (j, i)"),
        "{error}"
    );
    assert!(k.operator().is_err());
    let beyond = Ranges::dense(601, 601);
    assert!(cauchy(&x, &x, 2.0).ranges(&beyond).operator().is_err());
}

/// Products with the same points on both sides, where each entry is computed once from 1024 points on.
fn check_symmetric<T: Element + PartialEq>(n: usize, columns: usize, tolerance: f64) {
    let x = points::<T>(n, 3, 5);
    let v = points::<T>(n, columns, 6);
    let expected = written_out(&x, &x, 2.0).dot(&v.mapv(T::to_f64));
    for isa in InstructionSet::available() {
        let k = cauchy(&x, &x, 2.0).instruction_set(isa);
        // The error of a sum of n terms of size 1, of which blocks of at most 256 are added up in T.
        assert_close(&k.dot(&v).unwrap(), &expected, tolerance);
        assert_close(&k.t().dot(&v).unwrap(), &expected, tolerance);
        // The data decide, not the address.
        let copy = x.clone();
        assert_eq!(
            cauchy(&x, &copy, 2.0).instruction_set(isa).dot(&v).unwrap(),
            k.dot(&v).unwrap()
        );
    }
}

#[test]
fn each_entry_of_a_symmetric_matrix_is_used_twice() {
    for n in [1023, 1024, 1025, 1100, 2049] {
        check_symmetric::<f64>(n, 1, 1e-12);
        check_symmetric::<f32>(n, 1, 2e-4);
    }
    check_symmetric::<f64>(1091, 5, 1e-12);
    check_symmetric::<f32>(1091, 5, 2e-4);
}

#[test]
fn products_with_symmetric_matrices_do_not_depend_on_the_number_of_threads() {
    let (x, v) = (points::<f32>(3000, 3, 7), points::<f32>(3000, 2, 8));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| cauchy(&x, &x, 2.0).dot(&v).unwrap())
    };
    assert_eq!(on(1), on(3));
}

/// A point that is different in one place only is enough to compute both halves.
#[test]
fn points_that_differ_make_no_symmetric_matrix() {
    let x = points::<f64>(1100, 3, 9);
    let mut y = x.clone();
    y[(1099, 2)] += 0.25;
    let v = points::<f64>(1100, 1, 10);
    let expected = written_out(&x, &y, 2.0).dot(&v);
    assert_close(&cauchy(&x, &y, 2.0).dot(&v).unwrap(), &expected, 1e-12);
}

#[test]
fn entries_in_double_precision() {
    for (m, n) in [(0, 3), (1, 1), (33, 65), (70, 33)] {
        let (x, y) = (points::<f32>(m, 3, 1), points::<f32>(n, 3, 2));
        let k = cauchy(&x, &y, 2.0);
        let dense = written_out(&x, &y, 2.0);
        let v = points::<f64>(n, 2, 3);
        for matrix in [&k as &dyn Rectangular, &dense] {
            assert_eq!(matrix.shape(), (m, n));
            let mut out = Array2::from_elem((m, 2), f64::NAN);
            matrix.multiply(v.view(), out.view_mut()).unwrap();
            assert_close(&out, &dense.dot(&v), 1e-12);
            let chosen: Vec<_> = (0..m).rev().step_by(3).collect();
            let mut rows = Array2::from_elem((chosen.len(), n), f64::NAN);
            matrix.rows(&chosen, rows.view_mut()).unwrap();
            assert_close(&rows, &dense.select(ndarray::Axis(0), &chosen), 1e-14);
            assert!(matrix.rows(&[m], rows.view_mut()).is_err());
            assert!(
                matrix
                    .multiply(v.slice(s![1.., ..]), out.view_mut())
                    .is_err()
            );
            assert_eq!(matrix.diagonal(&mut vec![0.0; m]).is_err(), m != n);
        }
        let mut diagonal = vec![0.0; m];
        Rectangular::diagonal(&cauchy(&x, &x, 2.0), &mut diagonal).unwrap();
        assert_eq!(diagonal, vec![1.0; m]);
    }
}

/// That functions can hand any matrix to the solver.
fn smoothed(k: &impl SymbolicMatrix<f64>, b: &Array2<f64>) -> Array2<f64> {
    let operator = k.operator().unwrap();
    let options = SolveOptions {
        alpha: 0.1,
        ..SolveOptions::default()
    };
    solve(&operator, b.view(), None, options).unwrap().values
}

#[test]
fn the_diagonal_and_the_operator_of_any_matrix() {
    let (x, y) = (points::<f64>(67, 3, 1), points::<f64>(67, 3, 2));
    for k in [cauchy(&x, &x, 2.0), cauchy(&x, &y, 2.0)] {
        let dense = k.to_dense().unwrap();
        for (got, expected) in k.diag().unwrap().iter().zip(dense.diag()) {
            assert!((got - expected).abs() < 1e-15);
        }
        assert_eq!(k.t().diag().unwrap(), k.diag().unwrap());
    }
    let single = x.mapv(|x| x as f32);
    assert_eq!(
        cauchy(&single, &single, 2.0).diag().unwrap(),
        Array1::<f32>::ones(67)
    );
    let own = Ranges::from_rows(&[[0, 30]], &[1], &[[10, 67]]).unwrap();
    let sparse = cauchy(&x, &x, 2.0).ranges(&own);
    let masked = Array1::from_shape_fn(67, |n| f64::from(u8::from((10..30).contains(&n))));
    assert_eq!(sparse.diag().unwrap(), masked);
    let error = cauchy(&x, &points(66, 3, 2), 2.0).diag().unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");

    let (k, b) = (cauchy(&x, &x, 2.0), points::<f64>(67, 2, 3));
    let a = smoothed(&k, &b);
    assert_close(&a, &k.rhs(&b).alpha(0.1).solve().unwrap().values, 1e-4);
}

/// What takes a linear operator takes a bound matrix.
#[test]
fn a_bound_matrix_is_a_linear_operator() {
    let x = points::<f64>(60, 3, 11);
    let b = points::<f64>(60, 2, 12);
    let k = cauchy(&x, &x, 2.0);
    let solution = keops_runtime::solve::solve(
        &k,
        b.view(),
        None,
        SolveOptions {
            alpha: 0.1,
            ..Default::default()
        },
    )
    .unwrap();
    let operator = k.operator().unwrap();
    let other = keops_runtime::solve::solve(
        &operator,
        b.view(),
        None,
        SolveOptions {
            alpha: 0.1,
            ..Default::default()
        },
    )
    .unwrap();
    let (values, other): (&Array2<f64>, &Array2<f64>) = (&solution.values, &other.values);
    assert_eq!(values, other);

    let y = points::<f64>(60, 3, 13);
    let mut out = Array2::zeros((60, 2));
    let refused = cauchy(&x, &y, 2.0).apply(Precision::Double, b.view(), out.view_mut());
    assert!(refused.unwrap_err().to_string().contains("points"));
}

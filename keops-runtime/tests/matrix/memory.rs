//! A view repeats a row without memory for it, so sizes are no promise that a copy fits.

use super::kernels::{SCALAR_CAUCHY, ScalarCauchy};
use super::{cauchy, points};
use keops_runtime::gp::GaussianProcess;
use keops_runtime::solve::{
    EstimateOptions, FnOperator, Preconditioner, SolveOptions, Tolerance, log_det, solve,
    solve_path,
};
use keops_runtime::{Accumulate, BoundMatrix, IntoParams, IntoPoints, SymbolicMatrix};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// More rows than memory holds, for views that repeat one.
const ROWS: usize = 1 << 58;

/// The matrix of as many points as the views have.
fn cauchy_of<'a>(
    x: ArrayView2<'a, f64>,
    y: ArrayView2<'a, f64>,
) -> BoundMatrix<'a, f64, ScalarCauchy> {
    let arguments = vec![
        IntoPoints::<f64>::into_points(x, 3),
        IntoPoints::<f64>::into_points(y, 3),
        IntoParams::<f64>::into_params(2.0),
    ];
    BoundMatrix::new(&SCALAR_CAUCHY, arguments, Vec::new())
}

fn assert_refused<T>(result: Result<T, impl core::fmt::Display>) {
    let error = result.err().expect("an error");
    let message = error.to_string();
    assert!(message.contains("memory"), "{message}");
}

#[test]
fn right_hand_sides_and_guesses_of_more_rows_than_memory_holds_are_refused() {
    let x = points::<f64>(5, 3, 1);
    let k = cauchy(&x, &x, 2.0);
    let one = ndarray::arr2(&[[1.0]]);
    let repeated = one.broadcast((ROWS, 1)).unwrap();
    let b = points::<f64>(5, 1, 2);
    assert_refused(k.rhs(repeated).alpha(0.1).solve());
    assert_refused(k.rhs(repeated).solve_path(&[0.1]));
    assert_refused(k.rhs(&b).alpha(0.1).guess(repeated).solve());
    let operator = k.operator().unwrap();
    assert_refused(solve(&operator, repeated, None, SolveOptions::default()));
    let options = SolveOptions::default();
    assert_refused(solve_path(&operator, repeated, &[0.1], options));
    let wide = one.broadcast((5, ROWS / 8)).unwrap();
    assert_refused(k.rhs(wide).alpha(0.1).solve());
}

#[test]
fn systems_of_more_rows_than_memory_holds_are_refused() {
    let x = points::<f64>(1, 3, 1);
    let x = x.broadcast((ROWS, 3)).unwrap();
    let k = cauchy_of(x, x);
    let one = ndarray::arr2(&[[1.0]]);
    let repeated = one.broadcast((ROWS, 1)).unwrap();
    let nothing = one.slice(s![.., ..0]);
    let nothing = nothing.broadcast((ROWS, 0)).unwrap();
    let b = points::<f64>(5, 1, 2);
    let prediction = Tolerance::Prediction(0.1);
    for preconditioner in [
        Preconditioner::None,
        Preconditioner::Auto,
        Preconditioner::Jacobi,
        Preconditioner::Cholesky { rank: 0 },
        Preconditioner::Cholesky { rank: 3 },
    ] {
        let system = |b| k.rhs(b).alpha(0.1).preconditioner(preconditioner);
        let _ = k
            .rhs(&b)
            .preconditioner(preconditioner)
            .solve()
            .unwrap_err();
        let _ = k.rhs(&b).preconditioner(preconditioner).solve_path(&[0.1]);
        assert_refused(system(repeated).solve());
        assert_refused(system(repeated).solve_path(&[0.1, 1.0]));
        // There is nothing to solve, but deviations are the same for all columns.
        let _ = system(nothing).solve();
        let _ = system(nothing).keep_preconditioner().solve();
        let _ = system(nothing).solve_path(&[0.1, 1.0]);
        assert_refused(system(nothing).tolerance(prediction).solve());
        let made = system(repeated).build_preconditioner();
        assert!(made.is_err());
        let operator = k.operator().unwrap();
        for exact_up_to in [0, usize::MAX] {
            let options = EstimateOptions {
                exact_up_to,
                preconditioner,
                ..EstimateOptions::default()
            };
            assert!(log_det(&operator, 0.1, &options).is_err());
            let process = GaussianProcess::new(k.operator().unwrap(), 0.1).options(options);
            assert!(process.fit(repeated).is_err());
            let process = GaussianProcess::new(k.operator().unwrap(), 0.1).options(options);
            assert!(process.fit(nothing).is_err());
        }
    }
    let unknown = FnOperator::new(
        ROWS,
        |_, _: ArrayView2<'_, f64>, _: ArrayViewMut2<'_, f64>| Ok(()),
    );
    assert_refused(log_det(&unknown, 0.1, &EstimateOptions::default()));
    assert_refused(k.diag());
    assert_refused(k.to_dense());
    assert_refused(k.dot(repeated));
    assert_refused(k.sum(1));
    assert_refused(k.kmin_argkmin(3, 0));
}

#[test]
fn predictions_at_more_points_than_memory_holds_are_refused() {
    let x = points::<f64>(5, 3, 1);
    let y = points::<f64>(5, 1, 2);
    let t = x.slice(s![..1, ..]);
    let t = t.broadcast((ROWS, 3)).unwrap();
    let k = cauchy(&x, &x, 2.0);
    let (k_tx, k_tt) = (cauchy_of(t, x.view()), cauchy_of(t, t));
    for columns in [0, 1] {
        let process = GaussianProcess::new(k.operator().unwrap(), 0.1);
        let posterior = process.fit(y.slice(s![.., ..columns])).unwrap();
        if columns > 0 {
            assert_refused(posterior.mean(&k_tx));
        }
        assert_refused(posterior.predict(&k_tx, &k_tt));
    }
}

#[test]
fn products_without_rows_or_vectors_take_no_time_whatever_their_other_size() {
    let (x, none) = (points::<f64>(5, 3, 1), Array2::zeros((0, 3)));
    let many = x.slice(s![..1, ..]);
    let many = many.broadcast((ROWS, 3)).unwrap();
    let tall = cauchy_of(many, x.view());
    assert_eq!(tall.dot(&Array2::zeros((5, 0))).unwrap().dim(), (ROWS, 0));
    let one = ndarray::arr2(&[[1.0]]);
    let flat = cauchy(&none, &x, 2.0);
    let wide = one.broadcast((5, ROWS)).unwrap();
    assert_eq!(flat.dot(wide).unwrap().dim(), (0, ROWS));
    let product = flat.clone().accumulate(Accumulate::F64).dot(wide);
    assert_eq!(product.unwrap().dim(), (0, ROWS));
    let none_by_one = cauchy_of(none.view(), x.slice(s![..1, ..]));
    let wide = one.broadcast((1, 1 << 62)).unwrap();
    assert_eq!(none_by_one.dot(wide).unwrap().dim(), (0, 1 << 62));
    let (values, indices) = none_by_one.kmin_argkmin(1 << 62, 1).unwrap();
    assert_eq!(
        (values.dim(), indices.dim()),
        ((0, 1 << 62, 1), (0, 1 << 62, 1))
    );
    let (values, _) = cauchy_of(many, none.view())
        .kmin_argkmin(1 << 62, 0)
        .unwrap();
    assert_eq!(values.dim(), (0, 1 << 62, 1));
}

#[test]
fn parameters_of_more_numbers_than_memory_holds_are_refused() {
    let x = points::<f64>(5, 3, 1);
    let one = ndarray::arr1(&[1.0]);
    let g = one.broadcast(ROWS).unwrap();
    let arguments = vec![
        IntoPoints::<f64>::into_points(&x, 3),
        IntoPoints::<f64>::into_points(&x, 3),
        IntoParams::<f64>::into_params(g),
    ];
    let k = BoundMatrix::<f64, ScalarCauchy>::new(&SCALAR_CAUCHY, arguments, Vec::new());
    let message = k.to_dense().unwrap_err().to_string();
    assert_eq!(
        message,
        format!("g: expected a parameter of length 1 (Pm(1)), got {ROWS}")
    );
}

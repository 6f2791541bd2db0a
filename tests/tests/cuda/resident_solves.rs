//! Solves whose points, right-hand sides and solutions are on a device, against a driver whose device is the processor: they agree with those on the processor, and none of these arrays is
//! copied to the host or from it.

use std::sync::Arc;

use keops_solve::cudarc::driver::{CudaContext, CudaSlice, CudaStream};
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use keops_solve::{DeviceElement, IntoParams, IntoPoints};
use keops_tests::data::points;

use crate::arrays::{download, traffic, upload};
use crate::process::{Driver, Kind, fail, repair};

lazy!(Gaussian: "Exp(-g*SqDist(x,y))", x = Vi(2), y = Vj(2), g = Pm(1));
kernel_solve!(Inverse: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(3), g = Pm(1));
kernel_solve!(Coupled: "Exp(-g*SqDist(x,y))*(b + 0.1*Sum(b))", x = Vi(2), y = Vj(2), b = Vj(3), g = Pm(1));

const G: f64 = 20.0;
const ALPHA: f64 = 0.05;

#[test]
fn solutions_stay_on_a_device() {
    let test = "resident_solves::solutions_stay_on_a_device";
    if let Some(driver) = Driver::new(test, inside) {
        driver.with_pools().run();
    }
}

fn inside() {
    let context = CudaContext::new(0).expect("a device");
    let stream = context.new_stream().expect("a stream");
    for n in [33, 400] {
        agreement::<f64>(&stream, n, |x| x, 1e-8);
        agreement::<f32>(&stream, n, |x| x as f32, 1e-4);
    }
    preconditioners(&stream);
    scales(&stream);
    failures(&stream);
}

fn close<T: Element>(found: &[T], expected: &Array2<T>, tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let (found, expected) = (found.to_f64(), expected.to_f64());
        let difference = (found - expected).abs();
        assert!(difference <= tolerance, "{what}: {found} {expected}");
    }
}

/// The same solves on the processor and on the device: all arrays there, with a guess, from a symbolic matrix, with arrays of the host, and of a matrix-valued kernel.
fn agreement<T>(stream: &Arc<CudaStream>, n: usize, round: impl Fn(f64) -> T, tolerance: f64)
where
    T: DeviceElement + Default,
    T: for<'a> IntoParams<'a, T>,
    for<'a> &'a CudaSlice<T>: IntoPoints<'a, T>,
{
    let what = format!("{n} rows of {} bytes", size_of::<T>());
    let what = what.as_str();
    let [x, b] = [(2, 1), (3, 2)].map(|(columns, seed)| points(n, columns, seed).mapv(&round));
    let [on_x, on_b] = [&x, &b].map(|array| upload(stream, array));
    let g = round(G);
    let plain = Preconditioner::None;
    let relative = Tolerance::Relative(0.01 * tolerance);
    let expected = Inverse.bind(&x, &x, &b, g).backend(Backend::Cpu);
    let expected = expected
        .alpha(ALPHA)
        .tolerance(relative)
        .preconditioner(plain)
        .solve()
        .expect(what);

    let system = Inverse.bind(&on_x, &on_x, &on_b, g).alpha(ALPHA);
    let system = system.tolerance(relative).preconditioner(plain);
    let (solution, [written, read]) = traffic(|| system.solve_on(stream).expect(what));
    close(
        &download(stream, &solution.values),
        &expected.values,
        tolerance,
        what,
    );
    assert!(solution.report.values.is_empty() && solution.report.values_f64.is_empty());
    for (found, expected) in solution.report.columns.iter().zip(&expected.columns) {
        assert!(found.converged && found.verified, "{what}");
        assert!(found.rounded_rms.is_finite() && expected.rounded_rms.is_finite());
        assert!(
            found.error_bound.is_finite() && found.relative <= 0.01 * tolerance,
            "{what}"
        );
    }
    // Sums and small matrices, whatever the number of rows is.
    let iterations = solution.report.iterations as u64 + 20;
    assert!(
        written + read < 3000 * iterations,
        "{what}: {written} {read}"
    );

    // From a solution there are few iterations, from a guess of the host too.
    let (first, on_first) = (
        expected.values.mapv(|value| round(1.001 * value.to_f64())),
        (),
    );
    let on_first = (upload(stream, &first), on_first).0;
    let system = |points| {
        Inverse
            .bind(points, &on_x, &on_b, g)
            .alpha(ALPHA)
            .tolerance(relative)
            .preconditioner(plain)
    };
    for guessed in [
        system(&on_x).guess::<T>(&on_first).solve_on(stream),
        system(&on_x).guess::<T>(&first).solve_on(stream),
    ] {
        let guessed = guessed.expect(what);
        close(
            &download(stream, &guessed.values),
            &expected.values,
            tolerance,
            what,
        );
        assert!(
            guessed.report.iterations < solution.report.iterations,
            "{what}"
        );
    }

    let agree = |values: &[T]| close(values, &expected.values, tolerance, what);
    // A flat array that holds three right-hand sides.
    let matrix = Gaussian.bind(&on_x, &on_x, g);
    let system = || {
        let system = matrix.rhs(&on_b).alpha(ALPHA).tolerance(relative);
        system.preconditioner(plain)
    };
    let found = system().solve_on(stream).expect(what);
    agree(&download(stream, &found.values));
    // To the host.
    let found = system().solve().expect(what);
    agree(found.values.as_slice().expect("rows"));
    // Points alone are there, or will be.
    let fresh = upload(stream, &x);
    let matrix = Gaussian.bind(&fresh, &fresh, g);
    let system = matrix.rhs(&b).alpha(ALPHA).tolerance(relative);
    let found = system.preconditioner(plain).solve().expect(what);
    agree(found.values.as_slice().expect("rows"));
    // From the host.
    let system = Inverse.bind(&x, &x, &b, g).alpha(ALPHA);
    let system = system.tolerance(relative).preconditioner(plain);
    let found = system.solve_on(stream).expect(what);
    agree(&download(stream, &found.values));

    let expected = Coupled
        .bind(&x, &x, &b, g)
        .backend(Backend::Cpu)
        .alpha(ALPHA);
    let expected = expected.tolerance(relative).solve().expect(what);
    let found = Coupled.bind(&on_x, &on_x, &on_b, g).alpha(ALPHA);
    let found = found.tolerance(relative).solve_on(stream).expect(what);
    close(
        &download(stream, &found.values),
        &expected.values,
        tolerance,
        what,
    );
}

/// Factorisations are made of rows that the device computes; points are not copied.
fn preconditioners(stream: &Arc<CudaStream>) {
    let n = 300;
    let (x, b) = (points(n, 2, 1), points(n, 3, 2));
    let [on_x, on_b] = [&x, &b].map(|array| upload(stream, array));
    let clusters: Vec<_> = (0..5).map(|k| [60 * k, 60 * k + 60]).collect();
    let near = Array2::from_shape_fn((5, 5), |(k, l)| k == l);
    let ranges = Ranges::from_matrix(&clusters, &clusters, &near).expect("ranges");
    for preconditioner in [
        Preconditioner::Auto,
        Preconditioner::Cholesky { rank: 40 },
        Preconditioner::Jacobi,
    ] {
        for sparse in [false, true] {
            let what = format!("{preconditioner:?}, {sparse}");
            let matrices = [
                Gaussian.bind(&x, &x, G).backend(Backend::Cpu),
                Gaussian.bind(&on_x, &on_x, G),
            ];
            let [expected, found] = matrices.map(|matrix| match sparse {
                true => matrix.ranges(&ranges),
                false => matrix,
            });
            let tolerance = Tolerance::Relative(1e-10);
            let expected = expected.rhs(&b).alpha(ALPHA).tolerance(tolerance);
            let expected = expected.preconditioner(preconditioner).solve();
            let expected = expected.expect(&what);
            let system = found.rhs(&on_b).alpha(ALPHA).tolerance(tolerance);
            let found = system.preconditioner(preconditioner).solve_on(stream);
            let found = found.expect(&what);
            close(
                &download(stream, &found.values),
                &expected.values,
                1e-7,
                &what,
            );
            let rank = |made: &Option<_>| {
                made.as_ref()
                    .map(|made: &keops_solve::PreconditionerReport| made.rank)
            };
            if !matches!(preconditioner, Preconditioner::Auto) {
                assert_eq!(
                    rank(&found.report.preconditioner),
                    rank(&expected.preconditioner)
                );
                let iterations = [found.report.iterations, expected.iterations];
                let difference = iterations[0].abs_diff(iterations[1]);
                assert!(
                    difference <= 2 + iterations[1] / 10,
                    "{what}: {iterations:?}"
                );
            }
        }
    }
    let matrix = Gaussian.bind(&on_x, &on_x, G);
    let system = matrix.rhs(&on_b).alpha(ALPHA);
    let system = system.preconditioner(Preconditioner::Cholesky { rank: 40 });
    let (_, [written, _]) = traffic(|| system.solve_on(stream).expect("a solution"));
    // The factor goes to the device, and little beside it.
    assert!(written < (40 * n * 8 + 100_000) as u64, "{written}");
}

/// Right-hand sides of any size, zeros among them.
fn scales(stream: &Arc<CudaStream>) {
    let n = 50;
    let x = points(n, 2, 1);
    let on_x = upload(stream, &x);
    let mut b = points(n, 3, 2);
    b.column_mut(0).mapv_inplace(|b| 1e-200 * b);
    b.column_mut(1).fill(0.0);
    b.column_mut(2).mapv_inplace(|b| 1e200 * b);
    let relative = Tolerance::Relative(1e-10);
    let expected = Inverse.bind(&x, &x, &b, G).backend(Backend::Cpu);
    let expected = expected.alpha(ALPHA).tolerance(relative).solve();
    let expected = expected.expect("a solution").values;
    let system = Inverse
        .bind(&on_x, &on_x, &b, G)
        .alpha(ALPHA)
        .tolerance(relative);
    let found = system.solve_on(stream).expect("a solution");
    let found = download(stream, &found.values);
    for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let size = [1e-200, 0.0, 1e200][k % 3];
        assert!(
            (found - expected).abs() <= 1e-8 * size,
            "{k}: {found} {expected}"
        );
    }
}

fn failures(stream: &Arc<CudaStream>) {
    let n = 60;
    let (x, b) = (points(n, 2, 1), points(n, 3, 2));
    let [on_x, on_b] = [&x, &b].map(|array| upload(stream, array));
    let system = || Inverse.bind(&on_x, &on_x, &on_b, G).alpha(ALPHA);
    // The best iterate is on the host.
    let stopped = system()
        .max_iterations(2)
        .preconditioner(Preconditioner::None);
    match stopped.solve_on(stream) {
        Err(SolveError::Unconverged(unconverged)) => {
            assert_eq!(unconverged.best.values.dim(), (n, 3));
            assert!(unconverged.best.values.iter().any(|&value| value != 0.0));
            assert!(matches!(
                unconverged.reason,
                Failure::IterationLimit { limit: 2, .. }
            ));
        }
        other => panic!("{other:?}"),
    }
    let said = |result: Result<keops_solve::DeviceSolution<f64>, SolveError<f64>>| {
        result.expect_err("an error").to_string()
    };
    // NaN is found where it is.
    let mut spoilt = b.clone();
    spoilt[(17, 1)] = f64::NAN;
    let on_spoilt = upload(stream, &spoilt);
    let error = said(Inverse.bind(&on_x, &on_x, &on_spoilt, G).solve_on(stream));
    let expected = "the right-hand side: expected finite numbers, got NaN at row 17, column 1";
    assert_eq!(error, expected);
    let error = said(system().guess::<f64>(&on_spoilt).solve_on(stream));
    assert!(
        error.starts_with("the guess: expected finite numbers"),
        "{error}"
    );
    let mut spoilt = x.clone();
    spoilt[(3, 0)] = f64::INFINITY;
    let on_spoilt = upload(stream, &spoilt);
    let error = said(
        Inverse
            .bind(&on_spoilt, &on_spoilt, &on_b, G)
            .solve_on(stream),
    );
    assert_eq!(
        error,
        "x: expected finite numbers, got inf at row 3, column 0"
    );
    // Shapes, and what is elsewhere.
    let short = on_b.slice(0..90);
    let error = said(Inverse.bind(&on_x, &on_x, &short, G).solve_on(stream));
    assert!(
        error.contains("b: expected 60 rows, as many as y"),
        "{error}"
    );
    let other = upload(stream, &x);
    let error = said(Inverse.bind(&on_x, &other, &on_b, G).solve_on(stream));
    assert!(
        error.contains("x and y: expected the same points"),
        "{error}"
    );
    let error = said(system().backend(Backend::Cpu).solve_on(stream));
    assert!(
        error.contains("x: the array is in the memory of the CUDA device 0"),
        "{error}"
    );
    let error = said(system().guess::<f64>(&short).solve_on(stream));
    assert!(
        error.contains("the guess: expected shape (60, 3)"),
        "{error}"
    );
    // A device that fails.
    for after in [0, 5, 40] {
        fail(Kind::Launch, after);
        let error = said(system().solve_on(stream));
        repair();
        assert!(error.contains("backend Cuda"), "{error}");
    }
    let again = system().solve_on(stream).expect("a solution");
    assert!(again.report.columns.iter().all(|column| column.converged));
}

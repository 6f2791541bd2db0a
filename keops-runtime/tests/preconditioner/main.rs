//! The preconditioners of the solver: what they save, where they do not help, and that they do no harm.

mod kept;
#[path = "../kernels/mod.rs"]
mod kernels;

use std::time::Duration;

use keops_runtime::simd::InstructionSet;
use keops_runtime::solve::{
    Entries, Failure, FnOperator, Landmarks, LinearOperator, LowRank, OperatorError, Precision,
    Precondition, Preconditioner, Solution, SolveError, SolveOptions, Tolerance, Unconverged,
    solve,
};
use keops_runtime::{BoundMatrix, Element, Error, IntoParams, IntoPoints, SymbolicMatrix};
use kernels::{GAUSSIAN, Gaussian, SCALAR_CAUCHY, ScalarCauchy, numbers};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

const CHOLESKY: fn(usize) -> Preconditioner<'static> = |rank| Preconditioner::Cholesky { rank };
const GREEDY: fn(usize) -> Preconditioner<'static> = |rank| Preconditioner::Greedy { rank };

fn uniform<T: Element>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut next = numbers(seed);
    Array2::from_shape_simple_fn((rows, columns), || T::from_f64(next()))
}

/// `exp(-g |x_i - x_j|^2)`, written out.
fn gaussian(x: &Array2<f64>, g: f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), x.nrows()), |(i, j)| {
        let d = &x.row(i) - &x.row(j);
        (-g * d.dot(&d)).exp()
    })
}

/// The same, never stored.
fn symbolic<T: Element>(x: &Array2<T>, g: f64) -> BoundMatrix<'_, T, Gaussian> {
    let g = [T::from_f64(g)];
    let arguments = vec![
        IntoPoints::<T>::into_points(x, 2),
        IntoPoints::<T>::into_points(x, 2),
        IntoParams::<T>::into_params(&g),
    ];
    BoundMatrix::new(&GAUSSIAN, arguments, Vec::new())
}

fn options(
    alpha: f64,
    relative: f64,
    preconditioner: Preconditioner<'static>,
) -> SolveOptions<'static> {
    SolveOptions {
        alpha,
        tolerance: Tolerance::Relative(relative),
        preconditioner,
        ..Default::default()
    }
}

fn solved(
    k: &dyn LinearOperator,
    b: &Array2<f64>,
    alpha: f64,
    relative: f64,
    preconditioner: Preconditioner<'static>,
) -> Solution<f64> {
    let solution = solve(k, b.view(), None, options(alpha, relative, preconditioner));
    let solution = solution.unwrap_or_else(|error| panic!("{preconditioner:?}: {error}"));
    for (c, report) in solution.columns.iter().enumerate() {
        let r = relative_residual(k, alpha, b, &solution.values, c);
        assert!(r <= 1.0001 * relative + 1e-16 && report.converged, "{r}");
    }
    solution
}

/// `|b - (alpha a + K a)| / |b|` of one column, without the solver.
fn relative_residual(
    k: &dyn LinearOperator,
    alpha: f64,
    b: &Array2<f64>,
    a: &Array2<f64>,
    column: usize,
) -> f64 {
    let mut product = Array2::zeros(a.dim());
    k.apply(Precision::Double, a.view(), product.view_mut())
        .expect("the operator works");
    let r = b - &product - alpha * a;
    let norm = |a: &Array2<f64>| a.column(column).dot(&a.column(column)).sqrt();
    if norm(&r) == 0.0 {
        0.0
    } else {
        norm(&r) / norm(b)
    }
}

fn unconverged<T: std::fmt::Debug>(
    result: Result<Solution<T>, SolveError<T>>,
) -> Box<Unconverged<T>> {
    match result {
        Err(SolveError::Unconverged(unconverged)) => unconverged,
        Err(other) => panic!("{other}"),
        Ok(solution) => panic!("converged in {} iterations", solution.iterations),
    }
}

/// Within 10 per cent, or one.
fn assert_close(found: usize, expected: usize) {
    let most = (expected / 10).max(1);
    assert!(
        found.abs_diff(expected) <= most,
        "{found} instead of {expected}"
    );
}

/// KeOps' example, 500 points: iterations to 1e-6 as an independent implementation in NumPy took them.
#[test]
fn iterations_of_the_example() {
    let x = uniform(500, 2, 7);
    let (k, b) = (gaussian(&x, 50.0), uniform(500, 1, 8));
    let expected = [
        (Preconditioner::None, 221),
        (CHOLESKY(15), 171),
        (CHOLESKY(100), 28),
        (CHOLESKY(200), 5),
        (GREEDY(15), 176),
    ];
    for (preconditioner, expected) in expected {
        let solution = solved(&k, &b, 0.01, 1e-6, preconditioner);
        assert_close(solution.iterations, expected);
        let rank = solution.preconditioner.map(|report| report.rank);
        match preconditioner {
            Preconditioner::Cholesky { rank: asked } | Preconditioner::Greedy { rank: asked } => {
                assert_eq!(rank, Some(asked));
            }
            _ => assert_eq!(rank, None),
        }
    }
    let auto = solved(&k, &b, 0.01, 1e-6, Preconditioner::Auto);
    assert!(auto.iterations <= 12, "{}", auto.iterations);
}

/// The same with 5000 points, never stored: rank 200 takes 11 iterations where plain conjugate gradients take 578.
#[test]
fn the_example_of_5000_points() {
    let x = uniform::<f64>(5000, 2, 7);
    let k = symbolic(&x, 50.0).operator().unwrap();
    let b = uniform(5000, 2, 8);
    assert_close(solved(&k, &b, 0.01, 1e-6, CHOLESKY(200)).iterations, 11);

    // In single precision, judged in double.
    let x = x.mapv(|x| x as f32);
    let k = symbolic(&x, 50.0);
    let b = b.mapv(|b| b as f32);
    let system = k.rhs(&b).alpha(0.01).tolerance(Tolerance::Relative(1e-5));
    let solution = system.solve().expect("it converges");
    assert!(solution.iterations <= 20, "{}", solution.iterations);
    let (operator, b) = (k.operator().unwrap(), b.mapv(f64::from));
    for c in 0..2 {
        assert!(relative_residual(&operator, 0.01, &b, &solution.values_f64, c) <= 1.001e-5);
    }
    // All of it costs less than a tenth of a product of entries.
    let report = solution.preconditioner.expect("a report");
    assert!(report.rank > 100 && report.entries < 5000 * 500);
}

/// Tight clusters and some outliers: as many pivots as there are clusters and outliers are all it takes.
#[test]
fn clusters_and_outliers() {
    let (clusters, outliers) = (uniform::<f64>(40, 2, 1), uniform::<f64>(80, 2, 2));
    let noise = uniform::<f64>(920, 2, 3);
    let x = Array2::from_shape_fn((1000, 2), |(i, k)| match i.checked_sub(920) {
        None => 20.0 * clusters[[i % 40, k]] + 1e-4 * noise[[i, k]],
        Some(i) => 20.0 * outliers[[i, k]],
    });
    let (k, b) = (gaussian(&x, 2.0), uniform(1000, 1, 4));
    let plain = solved(&k, &b, 1e-3, 1e-6, Preconditioner::None);
    for preconditioner in [CHOLESKY(130), GREEDY(120)] {
        let found = solved(&k, &b, 1e-3, 1e-6, preconditioner);
        assert!(
            found.iterations <= 2 && plain.iterations > 20,
            "{}",
            found.iterations
        );
    }
    let auto = solved(&k, &b, 1e-3, 1e-6, Preconditioner::Auto);
    assert!(auto.iterations <= 4, "{}", auto.iterations);
}

/// Points that occur several times make the matrix singular.
#[test]
fn duplicates() {
    let once = uniform::<f64>(60, 2, 5);
    let x = Array2::from_shape_fn((180, 2), |(i, k)| once[[i % 60, k]]);
    let (k, b) = (gaussian(&x, 100.0), uniform(180, 1, 6));
    for preconditioner in [CHOLESKY(180), GREEDY(180), Preconditioner::Auto] {
        let found = solved(&k, &b, 1e-3, 1e-9, preconditioner);
        let report = found.preconditioner.expect("a report");
        assert!(found.iterations <= 3 && report.rank <= 60, "{report:?}");
    }
}

/// Without `alpha`, or next to none: what rounding errors leave of the matrix is solved with.
#[test]
fn alpha_may_be_zero() {
    let x = uniform::<f64>(120, 2, 9);
    let k = gaussian(&x, 2000.0);
    let b = uniform(120, 1, 10);
    for alpha in [0.0, 1e-300, 1e-14] {
        for preconditioner in [CHOLESKY(120), Preconditioner::Auto] {
            let found = solved(&k, &b, alpha, 1e-9, preconditioner);
            assert!(found.iterations <= 5, "{alpha}: {}", found.iterations);
        }
    }
    // A matrix that is singular to rounding errors, and a right-hand side in its range.
    let k = gaussian(&x, 10.0);
    let b = k.dot(&uniform(120, 1, 10));
    let found = solved(&k, &b, 0.0, 1e-6, Preconditioner::Auto);
    assert!(found.iterations <= 10, "{}", found.iterations);
    assert_eq!(
        found.preconditioner.map(|report| report.condition),
        Some(f64::INFINITY)
    );
}

#[test]
fn nothing_to_factorise() {
    let b = uniform::<f64>(9, 2, 11);
    let zero = Array2::zeros((9, 9));
    for preconditioner in [Preconditioner::Auto, CHOLESKY(5), GREEDY(5), CHOLESKY(0)] {
        let found = solved(&zero, &b, 0.5, 1e-12, preconditioner);
        assert_eq!(
            (
                found.iterations,
                found.preconditioner.map(|report| report.rank)
            ),
            (1, Some(0))
        );
        // No points, and one.
        let none = Array2::zeros((0, 0));
        assert_eq!(
            solved(&none, &Array2::zeros((0, 2)), 0.5, 1e-12, preconditioner).iterations,
            0
        );
        let one = Array2::from_elem((1, 1), 3.0);
        let found = solved(&one, &Array2::ones((1, 1)), 0.5, 1e-12, preconditioner);
        assert!((found.values[[0, 0]] - 1.0 / 3.5).abs() < 1e-15);
    }
    // Where there is nothing to solve, nothing is computed.
    let found = solved(
        &Array2::eye(9),
        &Array2::zeros((9, 2)),
        0.5,
        1e-12,
        CHOLESKY(5),
    );
    assert_eq!((found.iterations, found.preconditioner), (0, None));
}

/// Whatever the preconditioner made of a few rows, an operator that is not semidefinite is found out, and one that is NaN too.
#[test]
fn bad_operators_are_reported_all_the_same() {
    let x = uniform::<f64>(100, 2, 12);
    let k = gaussian(&x, 50.0);
    let b = uniform::<f64>(100, 1, 13);
    let shifted = &k - &(0.05 * Array2::<f64>::eye(100));
    let choices = [
        Preconditioner::Auto,
        CHOLESKY(5),
        CHOLESKY(100),
        GREEDY(100),
    ];
    for preconditioner in choices {
        for bad in [&shifted, &(-1.0 * &k)] {
            let result = solve(bad, b.view(), None, options(0.01, 1e-12, preconditioner));
            let reason = unconverged(result).reason;
            assert!(
                matches!(reason, Failure::Indefinite { .. }),
                "{preconditioner:?} {reason}"
            );
        }
        for value in [f64::NAN, f64::INFINITY] {
            let mut bad = k.clone();
            bad[[7, 70]] = value;
            let result = solve(&bad, b.view(), None, options(0.01, 1e-12, preconditioner));
            let reason = unconverged(result).reason;
            assert!(
                matches!(reason, Failure::NonFinite { iteration: 1, .. }),
                "{reason}"
            );
        }
    }
}

/// Auto takes no more products than plain conjugate gradients, and looks at few rows where these take few.
#[test]
fn auto_does_not_cost_more_than_it_saves() {
    let x = uniform::<f64>(600, 2, 14);
    let b = uniform(600, 1, 15);
    for (g, alpha) in [
        (1e5, 1.0),
        (5e3, 1.0),
        (50.0, 1e4),
        (50.0, 10.0),
        (2.0, 0.1),
        (500.0, 0.01),
    ] {
        let k = gaussian(&x, g);
        let plain = solved(&k, &b, alpha, 1e-6, Preconditioner::None);
        let auto = solved(&k, &b, alpha, 1e-6, Preconditioner::Auto);
        assert!(
            auto.products.double <= plain.products.double,
            "g = {g}, alpha = {alpha}"
        );
        let report = auto.preconditioner.expect("a report");
        let saved = plain.products.double - auto.products.double;
        let looked = report.entries as f64 / (600.0 * 600.0);
        assert!(
            looked <= 0.05 + saved as f64,
            "g = {g}, alpha = {alpha}: {report:?}"
        );
    }
}

#[test]
fn scaling_changes_nothing() {
    let k = gaussian(&uniform(200, 2, 23), 50.0);
    let b = uniform(200, 1, 24);
    for preconditioner in [Preconditioner::Auto, CHOLESKY(50)] {
        let plain = solved(&k, &b, 0.01, 1e-6, preconditioner);
        for scale in [2.0_f64.powi(400), 2.0_f64.powi(-400)] {
            let found = solved(&(scale * &k), &b, scale * 0.01, 1e-6, preconditioner);
            assert_eq!(found.iterations, plain.iterations);
            assert_eq!(found.preconditioner, plain.preconditioner);
            assert_eq!(found.values * scale, plain.values);
        }
    }
}

/// An operator that offers no entries is solved without a preconditioner, unless one was asked for.
#[test]
fn operators_without_entries() {
    let k = gaussian(&uniform(50, 2, 16), 50.0);
    let apply = |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        out.assign(&k.dot(&v));
        Ok::<(), OperatorError>(())
    };
    let closure = FnOperator::new(50, apply);
    let b = uniform(50, 1, 17);
    let found = solved(&closure, &b, 0.1, 1e-6, Preconditioner::Auto);
    assert_eq!(found.preconditioner, None);
    for preconditioner in [CHOLESKY(3), GREEDY(3)] {
        let result = solve(&closure, b.view(), None, options(0.1, 1e-6, preconditioner));
        let Err(SolveError::Input(Error::Option { option, .. })) = result else {
            panic!("{result:?}");
        };
        assert_eq!(option, "preconditioner");
    }
}

/// An operator of so many rows that its entries must not be asked for.
struct Vast;

impl LinearOperator for Vast {
    fn len(&self) -> usize {
        1 << 40
    }

    fn apply(
        &self,
        _: Precision,
        _: ArrayView2<'_, f64>,
        _: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        unreachable!("a product")
    }

    fn entries(&self) -> Option<&dyn Entries> {
        Some(self)
    }
}

impl Entries for Vast {
    fn compute_diagonal(&self, _: &mut [f64]) -> Result<(), OperatorError> {
        unreachable!("the diagonal")
    }

    fn compute_rows(&self, _: &[usize], _: ArrayViewMut2<'_, f64>) -> Result<(), OperatorError> {
        unreachable!("rows")
    }
}

/// A rank that does not fit into memory is refused before anything is computed or stored; one beyond the size of the matrix is none.
#[test]
fn ranks_larger_than_memory() {
    let rank = 1_000_000_000;
    for preconditioner in [
        CHOLESKY(rank),
        GREEDY(rank),
        Preconditioner::Nystrom(Landmarks::Uniform(rank)),
        CHOLESKY(usize::MAX),
    ] {
        let built = LowRank::new(&Vast, 0.1, preconditioner).map(drop);
        let b = Array2::<f64>::ones((1, 1));
        let solved = solve(&Vast, b.view(), None, options(0.1, 1e-6, preconditioner));
        let Err(SolveError::Input(solved)) = solved else {
            panic!("{solved:?}");
        };
        for error in [built.expect_err("an error"), solved] {
            let text = error.to_string();
            assert!(matches!(error, Error::Option { .. }), "{text}");
            assert!(text.contains("for 1099511627776 rows"), "{text}");
        }
    }
    let (k, b) = (gaussian(&uniform(50, 2, 16), 50.0), uniform(50, 1, 17));
    let found = solved(&k, &b, 0.1, 1e-6, CHOLESKY(rank));
    assert!(found.preconditioner.is_some_and(|found| found.rank <= 50));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let x = uniform::<f64>(1500, 2, 18);
    let k = symbolic(&x, 50.0).operator().unwrap();
    let b = uniform(1500, 3, 19);
    let run = || solved(&k, &b, 0.01, 1e-6, Preconditioner::Auto);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(run)
    };
    let (one, many) = (on(1), on(5));
    assert_eq!(one.values, many.values);
    assert_eq!(one.preconditioner, many.preconditioner);
}

#[test]
fn no_time_ends_before_the_first_row() {
    let x = uniform::<f64>(100, 2, 20);
    let k = gaussian(&x, 50.0);
    let timed = SolveOptions {
        time_limit: Some(Duration::ZERO),
        ..options(0.01, 1e-6, CHOLESKY(50))
    };
    let failed = unconverged(solve(&k, uniform::<f64>(100, 1, 21).view(), None, timed));
    assert!(matches!(failed.reason, Failure::TimedOut { .. }));
    assert_eq!(
        failed.best.preconditioner.map(|report| report.entries),
        Some(100)
    );
}

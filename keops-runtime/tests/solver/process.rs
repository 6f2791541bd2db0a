//! Gaussian processes, against the textbook formulas with an inverse by elimination.

use keops_runtime::gp::{GaussianProcess, Posterior};
use keops_runtime::solve::{
    Estimate, EstimateOptions, LinearOperator, LowRank, Preconditioner, Tolerance,
};
use ndarray::{Array1, Array2, Axis, s};

use crate::operators::*;

const ALPHA: f64 = 0.02;

/// `exp(-g |x_i - y_j|^2)`.
fn kernel(x: &Array2<f64>, y: &Array2<f64>, g: f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let d = &x.row(i) - &y.row(j);
        (-g * d.dot(&d)).exp()
    })
}

/// The inverse and the logarithm of the determinant, by Gauss and Jordan.
fn inverse(a: &Array2<f64>) -> (Array2<f64>, f64) {
    let n = a.nrows();
    let mut both = ndarray::concatenate![Axis(1), *a, Array2::eye(n)];
    let mut log_det = 0.0;
    for i in 0..n {
        let pivot = both[[i, i]];
        log_det += pivot.ln();
        let row = &both.row(i) / pivot;
        both.row_mut(i).assign(&row);
        for k in (0..n).filter(|&k| k != i) {
            let factor = both[[k, i]];
            both.row_mut(k).scaled_add(-factor, &row);
        }
    }
    (both.slice(s![.., n..]).to_owned(), log_det)
}

struct Problem {
    x: Array2<f64>,
    y: Array2<f64>,
    k: Array2<f64>,
    inverse: Array2<f64>,
    log_det: f64,
}

fn problem(n: usize, columns: usize) -> Problem {
    let mut random = Uniform(n as u64);
    let x = random.array(n, 2);
    let y = random.array(n, columns) - 0.5;
    let k = kernel(&x, &x, 20.0);
    let (inverse, log_det) = inverse(&(&k + &(ALPHA * Array2::<f64>::eye(n))));
    Problem {
        x,
        y,
        k,
        inverse,
        log_det,
    }
}

const LARGE: EstimateOptions<'static> = EstimateOptions {
    standard_error: None,
    max_probes: 64,
    max_depth: 300,
    exact_up_to: 0,
    seed: 0,
    preconditioner: Preconditioner::Auto,
};

/// The posterior by a dense factorisation, by conjugate gradients, and by these with a preconditioner of low rank.
fn posteriors<'a>(k: &'a Array2<f64>, y: &Array2<f64>) -> [Posterior<'a>; 3] {
    let plain = EstimateOptions {
        preconditioner: Preconditioner::None,
        ..LARGE
    };
    let low = EstimateOptions {
        preconditioner: Preconditioner::Cholesky { rank: 40 },
        ..LARGE
    };
    [EstimateOptions::default(), plain, low].map(|options| {
        let process = GaussianProcess::new(k, ALPHA).options(options);
        let process = process.tolerance(Tolerance::Relative(1e-9));
        process.fit(y).expect("a posterior")
    })
}

fn largest(a: impl IntoIterator<Item = f64>) -> f64 {
    a.into_iter().fold(0.0, |most, v| v.abs().max(most))
}

#[test]
fn predictions_are_those_of_the_textbook() {
    let mut random = Uniform(9);
    for (n, m, columns) in [
        (1, 1, 1),
        (2, 3, 0),
        (63, 65, 1),
        (150, 70, 3),
        (150, 0, 1),
        (0, 3, 1),
    ] {
        let p = problem(n, columns);
        let t = random.array(m, 2);
        let (k_tx, k_tt) = (kernel(&t, &p.x, 20.0), kernel(&t, &t, 20.0));
        let mean = k_tx.dot(&p.inverse).dot(&p.y);
        let variance = (&k_tt - &k_tx.dot(&p.inverse).dot(&k_tx.t()))
            .diag()
            .to_owned();
        for posterior in posteriors(&p.k, &p.y) {
            assert!(largest(posterior.weights().to_owned() - p.inverse.dot(&p.y)) < 1e-6);
            let found = posterior.predict(&k_tx, &k_tt).unwrap();
            assert_eq!(found.mean.dim(), (m, columns));
            assert!(largest(&found.mean - &mean) < 1e-7);
            assert_eq!(found.mean, posterior.mean(&k_tx).unwrap());
            for ((&found, &error), &truth) in found
                .variance
                .iter()
                .zip(&found.variance_error)
                .zip(&variance)
            {
                assert!((0.0..=1.1e-4 * ALPHA).contains(&error));
                assert!(found >= truth - 1e-12 && found - error <= truth + 1e-12);
            }
        }
    }
}

/// With a preconditioner of another matrix the bounds of variances hold too.
#[test]
fn variances_do_not_depend_on_what_the_preconditioner_is_of() {
    let p = problem(150, 1);
    let t = Uniform(10).array(20, 2);
    let (k_tx, k_tt) = (kernel(&t, &p.x, 20.0), kernel(&t, &t, 20.0));
    let variance = (&k_tt - &k_tx.dot(&p.inverse).dot(&k_tx.t()))
        .diag()
        .to_owned();
    for (scale, least) in [(1.0, 0.0), (1e4, 1e-9)] {
        let rank = Preconditioner::Cholesky { rank: 100 };
        let built = LowRank::new(&(scale * &p.k), ALPHA, rank).unwrap();
        let options = EstimateOptions {
            preconditioner: Preconditioner::Built(&built),
            ..LARGE
        };
        let posterior = GaussianProcess::new(&p.k, ALPHA).options(options);
        let found = posterior.fit(&p.y).unwrap().predict(&k_tx, &k_tt).unwrap();
        assert!(largest(found.variance_error.to_owned()) > least);
        let both = found.variance.iter().zip(&found.variance_error);
        for ((&found, &error), &truth) in both.zip(&variance) {
            assert!(found >= truth - 1e-12 && found - error <= truth + 1e-12);
        }
    }
}

fn assert_within(found: &Estimate, expected: f64, tolerance: f64) {
    let most = 4.0 * found.standard_error + tolerance * (1.0 + expected.abs());
    assert!(
        (found.value - expected).abs() <= most,
        "{found:?} instead of {expected}"
    );
}

/// A matrix at the limit of double precision: what is uncertain is said to be, small or large process.
#[test]
fn weights_come_with_bounds_of_their_errors() {
    let (n, alpha) = (300, 1e-12);
    let mut random = Uniform(3);
    let x = random.array(n, 1);
    let k = kernel(&x, &x, 1.0);
    // Weights that are known: only rounding errors in `y` are not, as large as those in a residual.
    let known = random.array(n, 1) - 0.5;
    let y = k.dot(&known) + alpha * &known;
    let t = random.array(20, 1);
    let (k_tx, k_tt) = (kernel(&t, &x, 1.0), kernel(&t, &t, 1.0));
    let posterior = GaussianProcess::new(&k, alpha).fit(&y).unwrap();
    let e = posterior.weights().to_owned() - &known;
    let error = (&e * &(k.dot(&e) + alpha * &e)).sum().sqrt();
    let bound = posterior.weights_error()[0];
    assert!(error <= 3.0 * bound && bound < 1e-4, "{error:e} {bound:e}");
    let found = posterior.predict(&k_tx, &k_tt).unwrap();
    assert_eq!(found.mean_error.dim(), (20, 1));
    let off = largest(found.mean - k_tx.dot(&known));
    assert!(
        off <= 3.0 * largest(found.mean_error.iter().copied()),
        "{off:e}"
    );
    // By conjugate gradients, with limits.
    let large = |iterations| {
        let process = GaussianProcess::new(&k, 1e-3).options(LARGE);
        let process = process
            .max_iterations(iterations)
            .time_limit(std::time::Duration::from_secs(60));
        process.fit(&y)
    };
    let posterior = large(100).unwrap();
    assert_eq!(
        posterior.weights_error()[0],
        posterior.solution().unwrap().columns[0].error_bound
    );
    let likelihood = posterior.log_marginal_likelihood().unwrap();
    assert!(
        (likelihood.quadratic_error / posterior.weights_error()[0].powi(2) - 1.0).abs() < 1e-12
    );
    let error = large(0).map(drop).expect_err("an error").to_string();
    assert!(error.contains("the limit of 0 iterations"), "{error}");
}

#[test]
fn likelihoods_and_their_gradients() {
    let (n, columns) = (150, 2);
    let p = problem(n, columns);
    let a = p.inverse.dot(&p.y);
    let quadratic = (&p.y * &a).sum();
    let constant = n as f64 * std::f64::consts::TAU.ln();
    let expected = -0.5 * quadratic - 0.5 * columns as f64 * (p.log_det + constant);
    let squares = Array2::from_shape_fn((n, n), |(i, j)| {
        let d = &p.x.row(i) - &p.x.row(j);
        -d.dot(&d)
    });
    let by_width = &squares * &p.k;
    let slope = |dk: &Array2<f64>| {
        let trace = (&p.inverse * dk).sum();
        0.5 * (&a * &dk.dot(&a)).sum() - 0.5 * columns as f64 * trace
    };
    let by_width_known = slope(&by_width);
    let (by_scale, by_alpha) = (slope(&p.k), slope(&Array2::eye(n)));
    for (kind, posterior) in posteriors(&p.k, &p.y).into_iter().enumerate() {
        let found = posterior.log_marginal_likelihood().unwrap();
        assert_eq!(found.log_det.exact, kind == 0);
        assert_eq!(found.standard_error == 0.0, kind == 0);
        assert!((found.quadratic / quadratic - 1.0).abs() < 1e-10);
        let value = Estimate {
            value: found.value,
            standard_error: found.standard_error,
        };
        assert_within(&value, expected, 1e-3 * f64::from(kind > 0) + 1e-10);

        let found = posterior
            .log_marginal_likelihood_gradient(&[&by_width, &p.k])
            .unwrap();
        let tolerance = if kind == 0 { 1e-9 } else { 1e-3 };
        assert_within(&found.parameters[0], by_width_known, tolerance);
        assert_within(&found.parameters[1], by_scale, tolerance);
        assert_within(&found.alpha, by_alpha, tolerance);
        assert_eq!(found.alpha.standard_error == 0.0, kind == 0);
    }
}

#[test]
fn leaving_one_out_is_leaving_one_out() {
    for n in [1, 2, 150] {
        let p = problem(n, 2);
        let a = &p.k + &(ALPHA * Array2::<f64>::eye(n));
        let exact = posteriors(&p.k, &p.y)[0].leave_one_out().unwrap();
        for left in [0, n - 1, n / 2] {
            let others: Vec<_> = (0..n).filter(|&i| i != left).collect();
            let (among, _) = inverse(&a.select(Axis(0), &others).select(Axis(1), &others));
            let to: Array1<f64> = a.row(left).select(Axis(0), &others);
            let prediction = to.dot(&among).dot(&p.y.select(Axis(0), &others));
            let residual = &p.y.row(left) - &prediction;
            assert!(largest(&residual - &exact.residuals.row(left)) < 1e-10);
            let variance = a[[left, left]] - to.dot(&among).dot(&to);
            assert!((exact.variance[left] / variance - 1.0).abs() < 1e-9);
        }
        let rows = [n - 1, 0, n / 2, 0];
        for (kind, posterior) in posteriors(&p.k, &p.y).iter().enumerate() {
            let found = posterior.leave_one_out_of(&rows).unwrap();
            assert_eq!(found.residuals.dim(), (4, 2));
            for (k, &row) in rows.iter().enumerate() {
                let (above, error) = (found.variance[k], found.relative_error[k]);
                assert!(error <= 1.1e-4 * f64::from(kind > 0));
                let least = above * (1.0 - error - 1e-9);
                assert!((least..=above * (1.0 + 1e-9)).contains(&exact.variance[row]));
                let difference = &found.residuals.row(k) - &exact.residuals.row(row);
                assert!(
                    largest(difference)
                        <= 2e-4 * largest(exact.residuals.row(row).to_owned()) + 1e-6
                );
            }
        }
        for posterior in &posteriors(&p.k, &p.y)[1..] {
            let found = posterior.leave_one_out().unwrap();
            let deviations =
                (&found.variance / &exact.variance - 1.0) / &(&found.relative_error + 1e-6);
            assert!((deviations.dot(&deviations) / n as f64).sqrt() < 1.5);
            // A mean over so many observations of what is uncertain by a tenth.
            let most = 1.0 + 1e-9 + 2.0 * largest(found.relative_error.iter().copied());
            let ratio = found.rms() / exact.rms();
            assert!((1.0 / most..=most).contains(&ratio), "{ratio} {most}");
        }
    }
}

/// With the preconditioner near the matrix, diagonals are known to a percent after few probes.
#[test]
fn a_good_preconditioner_leaves_little_to_probes() {
    let p = problem(150, 1);
    let options = EstimateOptions {
        preconditioner: Preconditioner::Cholesky { rank: 130 },
        ..LARGE
    };
    let posterior = GaussianProcess::new(&p.k, ALPHA)
        .options(options)
        .fit(&p.y)
        .unwrap();
    let found = posterior.leave_one_out().unwrap();
    let errors = &found.relative_error;
    assert!((errors.dot(errors) / 150.0).sqrt() < 0.012);
    let squares = Array2::from_shape_fn((150, 150), |(i, j)| {
        let d = &p.x.row(i) - &p.x.row(j);
        -d.dot(&d)
    });
    let by_width = &squares * &p.k;
    let gradient = posterior
        .log_marginal_likelihood_gradient(&[&by_width])
        .unwrap();
    let traces = [(&p.inverse * &by_width).sum(), p.inverse.diag().sum()];
    let found = [gradient.parameters[0], gradient.alpha];
    let quadratics = [&by_width, &Array2::eye(150)].map(|dk: &Array2<f64>| {
        let a = p.inverse.dot(&p.y);
        (&a * &dk.dot(&a)).sum()
    });
    for ((found, trace), quadratic) in found.iter().zip(traces).zip(quadratics) {
        assert!(
            found.standard_error < 2e-3 * trace.abs(),
            "{found:?} {trace}"
        );
        let error = (found.value - 0.5 * (quadratic - trace)).abs();
        assert!(
            error <= 4.0 * found.standard_error + 1e-5 * trace.abs(),
            "{found:?}"
        );
    }
    assert!(posterior.preconditioner().is_some_and(|p| p.rank() > 100));
    assert!(posterior.solution().is_some_and(|s| s.iterations < 10));
}

#[test]
fn what_does_not_fit_says_so() {
    let p = problem(20, 1);
    let fit = |y: &Array2<f64>, k: &dyn LinearOperator| {
        GaussianProcess::new(k, ALPHA)
            .fit(y)
            .map(drop)
            .expect_err("an error")
            .to_string()
    };
    assert_eq!(
        fit(&Array2::zeros((19, 1)), &p.k),
        "the observations: expected 20 rows, as many as the covariance has, got an array of shape (19, 1)"
    );
    let mut y = p.y.clone();
    y[[3, 0]] = f64::NAN;
    assert!(
        fit(&y, &p.k).starts_with("the observations: expected finite numbers, got NaN at row 3")
    );
    assert!(fit(&p.y, &-&p.k).contains("not positive definite"));

    let posterior = GaussianProcess::new(&p.k, ALPHA).fit(&p.y).unwrap();
    let error = posterior.leave_one_out_of(&[3, 20]).expect_err("an error");
    assert!(error.to_string().ends_with("got row 20 of 20"), "{error}");
    let message = posterior
        .mean(&Array2::zeros((5, 19)))
        .expect_err("an error")
        .to_string();
    assert!(
        message.contains("expected 20 columns, one for each observation"),
        "{message}"
    );
    let (k_tx, k_tt) = (Array2::zeros((5, 20)), Array2::<f64>::eye(4));
    let message = posterior
        .predict(&k_tx, &k_tt)
        .expect_err("an error")
        .to_string();
    assert!(message.contains("expected 5 rows and columns"), "{message}");
    let derivative: &dyn LinearOperator = &Array2::<f64>::eye(4);
    let error = posterior.log_marginal_likelihood_gradient(&[derivative]);
    let message = error.expect_err("an error").to_string();
    assert!(
        message.starts_with("a derivative of the kernel matrix: expected 20 rows"),
        "{message}"
    );
}

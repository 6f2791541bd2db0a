//! Kernel ridge regression on real data, against scikit-learn's solutions and SciPy's conjugate gradients.

use keops_runtime::gp::GaussianProcess;
use keops_runtime::solve::{EstimateOptions, Preconditioner, SolveOptions, Tolerance, solve};
use ndarray::{Array2, s};

use crate::data::{Problem, breast_cancer, co2, diabetes, digits};
use crate::operators::*;

/// A row of `data/reference.csv`.
struct Reference {
    name: &'static str,
    n: usize,
    norm: f64,
    first: f64,
    /// The product of the right-hand side and the solution.
    energy: f64,
    /// Iterations of `scipy.sparse.linalg.cg` to 1e-3, 1e-6, 1e-8.
    iterations: [usize; 3],
    log_det: f64,
    log_likelihood: f64,
    /// Mean and standard deviation of the process, without noise, at the first point.
    mean: f64,
    deviation: f64,
    /// The root mean square of the leave-one-out residuals.
    leave_one_out: f64,
}

impl Reference {
    /// The system that it is of, with the right-hand side that it is of; `None` if the data are not kept here.
    fn problem(&self) -> Option<Problem> {
        let mut problem = match self.name {
            "diabetes" => diabetes(),
            "breast_cancer" => breast_cancer(),
            "digits" => digits(),
            "co2" => co2(),
            _ => return None,
        };
        problem.b = problem.b.slice(s![.., ..1]).to_owned();
        assert_eq!(problem.k.nrows(), self.n);
        Some(problem)
    }
}

fn references() -> Vec<Reference> {
    let lines = include_str!("../data/reference.csv").lines().skip(2);
    let read = |line: &'static str| {
        let fields: Vec<_> = line.split(',').collect();
        let count = |k: usize| fields[k].parse().expect("a count");
        let number = |k: usize| fields[k].parse().expect("a number");
        Reference {
            name: fields[0],
            n: count(1),
            norm: number(4),
            first: number(5),
            iterations: [count(6), count(7), count(8)],
            log_det: number(9),
            log_likelihood: number(10),
            mean: number(11),
            deviation: number(12),
            leave_one_out: number(13),
            energy: number(14),
        }
    };
    lines.map(read).collect()
}

fn iterations(problem: &Problem, relative: f64, preconditioner: Preconditioner<'static>) -> usize {
    let options = SolveOptions {
        alpha: problem.alpha,
        tolerance: Tolerance::Relative(relative),
        preconditioner,
        ..Default::default()
    };
    let solution = solve(&problem.k, problem.b.view(), None, options).expect("it converges");
    let r = rms(&residual(
        &problem.k,
        problem.alpha,
        &problem.b,
        &solution.values,
    ))[0];
    assert!(r <= 1.001 * relative * rms(&problem.b)[0]);
    solution.iterations
}

fn assert_close(found: usize, expected: usize) {
    let most = (expected / 10).max(2);
    assert!(
        found.abs_diff(expected) <= most,
        "{found} iterations instead of {expected}"
    );
}

#[test]
fn solutions_are_those_of_scikit_learn() {
    let references = references();
    assert_eq!(references.len(), 5);
    for reference in references {
        let Some(problem) = reference.problem() else {
            continue;
        };
        // The iterations with 15 and more pivots, as an independent implementation in NumPy took them.
        let (with_15, more, with_more) = match reference.name {
            "diabetes" => ([22, 37, 46], 100, [7, 13, 17]),
            "breast_cancer" => ([79, 132, 167], 100, [37, 64, 83]),
            "digits" => ([102, 173, 219], 400, [10, 19, 25]),
            _ => ([140, 257, 330], 100, [1, 2, 2]),
        };
        let options = SolveOptions {
            alpha: problem.alpha,
            tolerance: Tolerance::Relative(1e-12),
            preconditioner: Preconditioner::Cholesky { rank: more },
            ..Default::default()
        };
        let found = solve(&problem.k, problem.b.view(), None, options).expect("it converges");
        let a: &Array2<f64> = &found.values;
        assert!(((a * a).sum().sqrt() / reference.norm - 1.0).abs() < 1e-9);
        assert!((a[[0, 0]] - reference.first).abs() < 1e-9 * reference.norm);
        assert!(((a * &problem.b).sum() / reference.energy - 1.0).abs() < 1e-9);

        // The largest once only: what is dense is slow.
        let tolerances = if reference.n < 1000 { 0..3 } else { 1..2 };
        for k in tolerances {
            let tolerance = [1e-3, 1e-6, 1e-8][k];
            let plain = iterations(&problem, tolerance, Preconditioner::None);
            assert_close(plain, reference.iterations[k]);
            if reference.n < 2000 {
                let rank = Preconditioner::Cholesky { rank: 15 };
                assert_close(iterations(&problem, tolerance, rank), with_15[k]);
            }
            let rank = Preconditioner::Cholesky { rank: more };
            assert_close(iterations(&problem, tolerance, rank), with_more[k]);
            if reference.n < 1000 {
                assert!(iterations(&problem, tolerance, Preconditioner::Auto) <= plain);
            }
        }
    }
}

fn assert_equal(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found / expected - 1.0).abs() <= tolerance,
        "{found} instead of {expected}"
    );
}

#[test]
fn processes_are_those_of_scikit_learn() {
    for reference in references() {
        let Some(Problem { k, alpha, b }) = reference.problem() else {
            continue;
        };
        let options = EstimateOptions {
            exact_up_to: 2500,
            ..Default::default()
        };
        let process = GaussianProcess::new(&k, alpha).options(options);
        let posterior = process.fit(&b).unwrap();
        let likelihood = posterior.log_marginal_likelihood().unwrap();
        assert!(likelihood.log_det.exact && likelihood.standard_error == 0.0);
        assert_equal(likelihood.log_det.value, reference.log_det, 1e-10);
        assert_equal(likelihood.value, reference.log_likelihood, 1e-10);
        let first = k.slice(s![..1, ..]).to_owned();
        let found = posterior.predict(&first, &k.slice(s![..1, ..1]).to_owned());
        let found = found.unwrap();
        assert_equal(found.mean[[0, 0]], reference.mean, 1e-9);
        // The variance is what a difference of ones leaves.
        assert_equal(found.variance[0].sqrt(), reference.deviation, 1e-9);
        let left_out = posterior.leave_one_out().unwrap();
        assert_equal(left_out.rms(), reference.leave_one_out, 1e-9);
    }
}

/// The same by products and probes alone.
#[test]
fn processes_are_estimated_where_they_are_large() {
    let reference = references().swap_remove(0);
    let Problem { k, alpha, b } = reference.problem().expect("its data");
    let options = EstimateOptions {
        exact_up_to: 0,
        ..Default::default()
    };
    let process = GaussianProcess::new(&k, alpha).options(options);
    let posterior = process.fit(&b).unwrap();
    let likelihood = posterior.log_marginal_likelihood().unwrap();
    assert!(!likelihood.log_det.exact);
    let most = 4.0 * likelihood.standard_error + likelihood.log_det.quadrature_error;
    assert!((likelihood.value - reference.log_likelihood).abs() <= most);
    assert!(most < 4.0, "{likelihood:?}");
}

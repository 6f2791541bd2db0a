use ndarray::{Array2, Axis, s};

use super::super::cholesky::Cholesky;
use super::super::options::Precondition;
use super::super::report::PreconditionerReport;
use super::factor::{Factor, LEAST_PIVOT, concentration, eliminate};
use super::random::Random;
use super::{Choice, Found, LowRank, Request};

/// What a solve would use, and the report on it.
fn build(
    k: &Array2<f64>,
    choice: Choice<'_>,
    request: &Request<'_>,
) -> (Option<LowRank>, PreconditionerReport) {
    match LowRank::find(k, choice, request).unwrap() {
        Found::Made(found) => {
            let report = found.report();
            (Some(found).filter(|found| found.rank() > 0), report)
        }
        Found::Impossible(report) => (None, report),
    }
}

fn numbers(rows: usize, columns: usize) -> Array2<f64> {
    let mut random = Random::default();
    Array2::from_shape_simple_fn((rows, columns), || random.uniform() - 0.5)
}

fn gaussian(x: &Array2<f64>, g: f64) -> Array2<f64> {
    let n = x.nrows();
    Array2::from_shape_fn((n, n), |(i, j)| {
        let d = &x.row(i) - &x.row(j);
        (-g * d.dot(&d)).exp()
    })
}

/// Grows a factorisation by blocks of candidates up to a rank.
fn grown(k: &Array2<f64>, rank: usize, block: usize) -> Factor {
    let mut factor = Factor::new(k, k.nrows()).unwrap();
    let mut random = Random::default();
    while factor.rank() < rank {
        let count = block.min(rank - factor.rank());
        let Some(candidates) = factor.draw(count, &mut random) else {
            break;
        };
        factor
            .grow(k, &candidates, Some(&mut random), LEAST_PIVOT)
            .unwrap();
    }
    factor
}

fn largest(a: &Array2<f64>) -> f64 {
    a.iter().fold(0.0, |most, v| v.abs().max(most))
}

#[test]
fn the_inverse_is_exact() {
    for (n, rank, alpha) in [
        (1, 1, 0.3),
        (7, 3, 1e-3),
        (65, 65, 1.0),
        (300, 130, 1e-6),
        (2500, 70, 0.01),
    ] {
        let f = numbers(n, rank);
        let inverse = LowRank::of_factor(f.t().as_standard_layout().to_owned(), alpha).unwrap();
        assert_eq!(inverse.shift(), alpha);
        for columns in [1, 3] {
            let z = numbers(n, columns);
            let r = f.dot(&f.t().dot(&z)) + alpha * &z;
            let mut found = Array2::zeros((n, columns));
            inverse.apply(r.view(), found.view_mut()).unwrap();
            // Rounding errors in r of the size of |P| are divided by alpha.
            let size = f.iter().map(|v| v * v).sum::<f64>() + alpha;
            assert!(largest(&(found - z)) <= 8.0 * f64::EPSILON * size / alpha);
        }
    }
}

#[test]
fn a_shift_is_added_where_there_is_none() {
    let f = numbers(50, 60);
    let inverse = LowRank::of_factor(f.t().as_standard_layout().to_owned(), 0.0).unwrap();
    assert!(inverse.shift() > 0.0 && inverse.shift() < 1e-11);
    let r = numbers(50, 1);
    let mut z = Array2::zeros((50, 1));
    inverse.apply(r.view(), z.view_mut()).unwrap();
    assert!((&r * &z).sum() > 0.0);
    assert!(largest(&(f.dot(&f.t().dot(&z)) - r)) < 1e-2);
}

#[test]
fn residuals_are_those_of_the_factor() {
    let k = gaussian(&numbers(150, 2), 30.0);
    for (rank, block) in [(1, 1), (40, 1), (40, 40), (97, 13)] {
        let factor = grown(&k, rank, block);
        assert!(factor.rank() == rank && factor.entries >= 150 * (1 + rank));
        let (trace, most, bound) = (
            factor.trace(),
            factor.largest_residual(),
            factor.trace_bound(),
        );
        let f = factor.into_parts().unwrap().0;
        let r = &k - &f.t().dot(&f);
        assert!((r.diag().sum() - trace).abs() < 1e-12 && r.diag().sum() <= bound + 1e-14);
        assert!((r.diag().fold(0.0, |most, &d| d.max(most)) - most).abs() < 1e-13);
        // Zero in the rows of the pivots, semidefinite everywhere.
        let zero_rows = r.rows().into_iter().filter(|row| row.dot(row) < 1e-24);
        assert!(zero_rows.count() >= rank);
        assert!(Cholesky::new(r + 1e-12 * Array2::<f64>::eye(150)).is_ok());
    }
}

/// Each point twice: the rank is half of the number of points, and a factorisation ends there.
#[test]
fn duplicates_end_at_the_numerical_rank() {
    let once = numbers(40, 2);
    let twice = once.select(Axis(0), &(0..80).map(|i| i % 40).collect::<Vec<_>>());
    let k = gaussian(&twice, 200.0);
    for choice in [Choice::Random(80), Choice::Greedy(80)] {
        let request = Request {
            n: 80,
            columns: 1,
            alpha: 0.01,
            reduction: 1e6,
            go_on: &|| true,
        };
        let (inverse, report) = build(&k, choice, &request);
        assert!(inverse.is_some());
        assert!(report.rank <= 40, "{report:?}");
        assert!(report.condition < 1.0 + 1e-9, "{report:?}");
    }
}

/// The first two pivots that are accepted out of a block have the distribution of two that are drawn one after the other.
#[test]
fn rejection_gives_the_law_of_single_draws() {
    let k = gaussian(&numbers(4, 2), 6.0)
        * Array2::from_shape_fn((4, 4), |(i, j)| ((1 + i) * (1 + j)) as f64);
    let factor = Factor::new(&k, 4).unwrap();
    let trace = k.diag().sum();
    let after = |i: usize, j: usize| k[[j, j]] - k[[i, j]] * k[[i, j]] / k[[i, i]];
    let runs = 40_000;
    let mut seen = Array2::<f64>::zeros((4, 4));
    let mut random = Random::default();
    for _ in 0..runs {
        let drawn = factor.draw(100, &mut random).unwrap();
        let (points, order) = drawn.parts();
        let among = k.select(Axis(0), points).select(Axis(1), points);
        let (accepted, _) = eliminate(among, order, 1e-12, Some(&mut random));
        let [first, second, ..] = accepted[..] else {
            continue;
        };
        seen[[points[first], points[second]]] += 1.0;
    }
    let runs = f64::from(runs);
    assert!(seen.sum() > 0.999 * runs);
    for i in 0..4 {
        let left: f64 = (0..4).filter(|&j| j != i).map(|j| after(i, j)).sum();
        for j in (0..4).filter(|&j| j != i) {
            let expected = k[[i, i]] / trace * after(i, j) / left;
            let deviation = (expected * (1.0 - expected) / runs).sqrt();
            let found = seen[[i, j]] / runs;
            assert!(
                (found - expected).abs() < 4.5 * deviation,
                "{i} {j}: {found} instead of {expected}"
            );
        }
    }
}

#[test]
fn concentration_tells_one_eigenvalue_from_many() {
    assert!((concentration(&Array2::ones((20, 20))) - 1.0).abs() < 1e-12);
    assert_eq!(concentration(&Array2::eye(20)), 0.0);
    assert_eq!(concentration(&Array2::ones((1, 1))), 0.0);
    assert_eq!(concentration(&Array2::zeros((3, 3))), 0.0);
}

/// The bound of the condition number, against the number itself.
#[test]
fn the_bound_holds() {
    let n = 120;
    let k = gaussian(&numbers(n, 2), 20.0);
    for alpha in [1e-8, 0.01, 1.0] {
        let a = &k + &(alpha * Array2::<f64>::eye(n));
        let factor = Cholesky::new(a.clone()).unwrap();
        for choice in [
            Choice::Random(5),
            Choice::Random(40),
            Choice::Greedy(40),
            Choice::Random(n),
            Choice::Auto,
        ] {
            let request = Request {
                n,
                columns: 1,
                alpha,
                reduction: 1e6,
                go_on: &|| true,
            };
            let (inverse, report) = build(&k, choice, &request);
            let inverse = inverse.expect("a preconditioner");
            // P^-1 A has the eigenvalues 1 / (those of A^-1 P), and both are above and below 1.
            let mut product = Array2::zeros((n, n));
            inverse.apply(a.view(), product.view_mut()).unwrap();
            let mut id = Array2::eye(n);
            let mut p_inverse = Array2::zeros((n, n));
            inverse.apply(id.view(), p_inverse.view_mut()).unwrap();
            Cholesky::new(p_inverse).unwrap().solve(&mut id);
            factor.solve(&mut id);
            let condition = power(&product) * power(&id);
            assert!(
                condition <= report.condition * 1.001,
                "{choice:?} {alpha}: {condition} > {}",
                report.condition
            );
            assert!(report.condition <= 300.0 * condition);
        }
    }
}

/// The largest eigenvalue of a matrix with positive ones, from below.
fn power(a: &Array2<f64>) -> f64 {
    let mut v = numbers(a.nrows(), 1);
    let mut value = 0.0;
    for _ in 0..500 {
        let next = a.dot(&v);
        value = (&next * &v).sum() / (&v * &v).sum();
        v = &next / (&next * &next).sum().sqrt();
    }
    value
}

#[test]
fn what_is_not_semidefinite_is_left_alone() {
    let mut negative = Array2::<f64>::eye(30);
    negative[[7, 7]] = -1.0;
    let mut coupled = Array2::<f64>::eye(30);
    coupled.slice_mut(s![..2, ..2]).fill(1.5);
    coupled.diag_mut().fill(1.0);
    let mut infinite = Array2::<f64>::eye(30);
    infinite[[7, 8]] = f64::NAN;
    infinite[[8, 7]] = f64::NAN;
    for k in [negative, coupled, infinite] {
        for choice in [Choice::Random(30), Choice::Greedy(30)] {
            let request = Request {
                n: 30,
                columns: 1,
                alpha: 0.1,
                reduction: 1e6,
                go_on: &|| true,
            };
            let (inverse, report) = build(&k, choice, &request);
            assert!(inverse.is_none());
            assert_eq!((report.rank, report.condition), (0, f64::INFINITY));
        }
    }
}

//! Log determinants, against closed forms.

use keops_runtime::solve::{
    EstimateOptions, FnOperator, LinearOperator, LogDet, Preconditioner, log_det,
};
use ndarray::Array2;

use crate::operators::*;

fn exact(k: &dyn LinearOperator, alpha: f64) -> f64 {
    let found = log_det(k, alpha, &EstimateOptions::default()).expect("a determinant");
    assert!(found.exact && found.standard_error == 0.0 && found.probes == 0);
    found.value
}

fn assert_close(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 1e-9,
        "{found} instead of {expected}"
    );
}

#[test]
fn small_determinants_are_exact() {
    assert_close(exact(&kac_murdock_szego(1000, 0.99), 0.01), -3291.94584834);
    assert_close(exact(&min_ij(1000), 1.0), 962.100142988);
    assert_close(exact(&min_ij(1000), 100.0), 4704.48414970);
    assert!(exact(&min_ij(1000), 0.0).abs() < 1e-9);
    assert_close(exact(&Circle::new(1024, 1000.0), 0.01), -3173.78060025);
    assert_eq!(exact(&Array2::<f64>::zeros((0, 0)), 1.0), 0.0);
}

fn estimated(k: &dyn LinearOperator, alpha: f64, options: EstimateOptions<'_>) -> LogDet {
    let options = EstimateOptions {
        exact_up_to: 0,
        ..options
    };
    let found = log_det(k, alpha, &options).expect("a determinant");
    assert!(!found.exact && found.probes > 0);
    found
}

/// Within four standard errors, to which the quadratures add what they say.
fn assert_within(found: &LogDet, expected: f64) {
    let most = 4.0 * found.standard_error + found.quadrature_error + 1e-9 * expected.abs();
    assert!(
        (found.value - expected).abs() <= most,
        "{found:?} instead of {expected}"
    );
}

#[test]
fn large_determinants_are_estimated() {
    let k = Circle::new(1024, 1000.0);
    let plain = EstimateOptions {
        preconditioner: Preconditioner::None,
        max_probes: 16,
        ..Default::default()
    };
    let expected = -3173.78060025;
    let without = estimated(&k, 0.01, plain);
    assert_within(&without, expected);
    assert!(without.preconditioner.is_none() && without.standard_error < 60.0);
    // With the rank near the number of eigenvalues that matter, 327, hardly anything is left to estimate.
    let preconditioner = Preconditioner::Cholesky { rank: 400 };
    let with = EstimateOptions {
        preconditioner,
        ..plain
    };
    let with = estimated(&k, 0.01, with);
    assert_within(&with, expected);
    assert!(with.standard_error < 0.3 && with.depth <= 8, "{with:?}");

    // With four times as many points there are hardly more of these, 360, in a larger matrix.
    let preconditioner = Preconditioner::Cholesky { rank: 450 };
    let larger = EstimateOptions {
        preconditioner,
        ..plain
    };
    let larger = estimated(&Circle::new(4096, 1000.0), 0.01, larger);
    assert_within(&larger, -16844.2851961);
    assert!(larger.standard_error < 1.0, "{larger:?}");

    let fewer = EstimateOptions {
        max_probes: 16,
        ..Default::default()
    };
    let found = estimated(&kac_murdock_szego(4096, 0.99), 0.01, fewer);
    assert_within(&found, -13494.2644639);
    assert_within(&estimated(&min_ij(1000), 1.0, fewer), 962.100142988);
}

/// A Gaussian kernel matrix in working precision, and one that only double precision sees through.
#[test]
fn single_precision_gives_way_to_double() {
    let k = gaussian(150, &mut Uniform(3));
    let options = EstimateOptions {
        preconditioner: Preconditioner::None,
        max_depth: 1000,
        max_probes: 16,
        ..Default::default()
    };
    let single = with_single_entries(&k);
    for (alpha, promoted) in [(0.1, false), (2e-7, true)] {
        let found = estimated(&single, alpha, options);
        assert_within(&found, exact(&k, alpha));
        assert!(found.products.working > 0);
        assert_eq!(found.products.double > 0, promoted, "{found:?}");
    }
}

/// Over many seeds, errors are as large as the standard errors say.
#[test]
fn standard_errors_are_honest() {
    let k = gaussian(120, &mut Uniform(5));
    let expected = exact(&k, 0.05);
    for preconditioner in [Preconditioner::None, Preconditioner::Cholesky { rank: 40 }] {
        let mut squares = 0.0;
        for seed in 0..40 {
            let options = EstimateOptions {
                seed,
                preconditioner,
                standard_error: Some(1e-3),
                max_probes: 32,
                ..Default::default()
            };
            let found = estimated(&k, 0.05, options);
            assert_eq!(found.probes, 32);
            squares += ((found.value - expected) / found.standard_error).powi(2);
        }
        let ratio = (squares / 40.0).sqrt();
        assert!((0.65..1.45).contains(&ratio), "{preconditioner:?}: {ratio}");
    }
}

#[test]
fn probes_end_when_the_error_is_small_enough_and_depend_on_the_seed_alone() {
    let k = gaussian(300, &mut Uniform(3));
    let with = |standard_error: f64, seed: u64| EstimateOptions {
        standard_error: Some(standard_error),
        preconditioner: Preconditioner::None,
        max_probes: 200,
        seed,
        ..Default::default()
    };
    let rough = estimated(&k, 0.1, with(1e3, 0));
    let fine = estimated(&k, 0.1, with(3.0, 0));
    assert!(rough.probes == 16 && fine.probes > 16 && fine.probes < 200);
    assert!(fine.standard_error <= 3.0);
    assert_eq!(fine, estimated(&k, 0.1, with(3.0, 0)));
    assert_ne!(fine.value, estimated(&k, 0.1, with(3.0, 1)).value);
}

#[test]
fn what_has_no_determinant_says_so() {
    let message = |k: &dyn LinearOperator, alpha: f64, options: EstimateOptions<'_>| {
        let error = log_det(k, alpha, &options).expect_err("an error");
        error.to_string()
    };
    let options = EstimateOptions::default();
    let large = EstimateOptions {
        exact_up_to: 0,
        ..options
    };
    let indefinite = diagonal((0..100).map(|i| if i == 70 { -1.0 } else { 1.0 }).collect());
    for options in [options, large] {
        let message = message(&indefinite, 0.5, options);
        assert!(message.contains("not positive definite"), "{message}");
    }
    let nan = diagonal(vec![1.0, f64::NAN, 1.0]);
    for options in [options, large] {
        assert_eq!(
            message(&nan, 0.5, options),
            "the operator gave NaN or an infinity"
        );
    }
    let endless = EstimateOptions {
        exact_up_to: usize::MAX,
        ..options
    };
    for rows in [1 << 30, usize::MAX] {
        let huge = FnOperator::new(rows, |_, _, _| Ok(()));
        let message = message(&huge, 0.5, endless);
        assert!(message.starts_with("exact_up_to: expected"), "{message}");
    }
    let k = Array2::<f64>::eye(3);
    assert!(message(&k, -1.0, options).starts_with("alpha: expected a finite number"));
    let one = EstimateOptions {
        max_probes: 1,
        ..large
    };
    assert!(message(&k, 1.0, one).starts_with("max_probes: expected at least 2"));
    let jacobi = EstimateOptions {
        preconditioner: Preconditioner::Jacobi,
        ..large
    };
    assert!(message(&k, 1.0, jacobi).contains("whose root is known"));
}

//! What preconditioners are made of, and those that are kept, chosen or one's own.

use super::*;

/// The entries of a kernel, computed in double precision from points in either.
fn check_entries<T: Element>(n: usize) {
    let x = uniform::<T>(n, 3, 22);
    let g = [T::from_f64(2.0)];
    let arguments = vec![
        IntoPoints::<T>::into_points(&x, 3),
        IntoPoints::<T>::into_points(&x, 3),
        IntoParams::<T>::into_params(&g),
    ];
    let wide = x.mapv(T::to_f64);
    let dense = Array2::from_shape_fn((n, n), |(i, j)| {
        let d = &wide.row(i) - &wide.row(j);
        1.0 / (1.0 + 2.0 * d.dot(&d))
    });
    for isa in InstructionSet::available() {
        let k = BoundMatrix::<T, ScalarCauchy>::new(&SCALAR_CAUCHY, arguments.clone(), Vec::new())
            .instruction_set(isa);
        let (operator, transposed) = (k.operator().unwrap(), k.t().operator().unwrap());
        for entries in [operator.entries(), transposed.entries()] {
            let entries: &dyn Entries = entries.expect("a scalar kernel has entries");
            let mut diagonal = vec![f64::NAN; n];
            entries.compute_diagonal(&mut diagonal).unwrap();
            assert!(diagonal.iter().all(|&d| d == 1.0));
            for rows in [vec![], vec![n - 1], (0..n).rev().step_by(3).collect()] {
                let mut out = Array2::from_elem((rows.len(), n), f64::NAN);
                entries.compute_rows(&rows, out.view_mut()).unwrap();
                for (k, &row) in rows.iter().enumerate() {
                    for i in 0..n {
                        assert!((out[[k, i]] - dense[[row, i]]).abs() < 1e-15);
                    }
                }
            }
            let mut short = Array2::zeros((2, n));
            assert!(entries.compute_rows(&[0, n], short.view_mut()).is_err());
            let short = short.slice_mut(s![..1, ..]);
            assert!(entries.compute_rows(&[0, 0], short).is_err());
            assert!(entries.compute_diagonal(&mut vec![0.0; n + 1]).is_err());
        }
    }
}

#[test]
fn entries_of_kernels() {
    for n in [1, 5, 67] {
        check_entries::<f64>(n);
        check_entries::<f32>(n);
    }
}

/// `alpha Id + K`, applied by its own products, and by those of the factor.
fn check_low_rank(p: &LowRank, k: &Array2<f64>) {
    let (n, f) = (k.nrows(), p.factor());
    assert_eq!((p.len(), p.rank()), (n, p.pivots().len()));
    let matrix = f.t().dot(&f) + p.shift() * Array2::<f64>::eye(n);
    let r = uniform::<f64>(n, 3, 40);
    let mut z = Array2::zeros((n, 3));
    p.apply(r.view(), z.view_mut()).unwrap();
    let error = matrix.dot(&z) - &r;
    assert!(error.iter().all(|e| e.abs() < 1e-7), "{p:?}");
    // What is left of the matrix has the trace that is told.
    let rest = (k - &f.t().dot(&f)).diag().sum();
    assert!((rest - p.residual_trace()).abs() < 1e-10 * n as f64);
    // log det by elimination.
    let mut a = matrix;
    let mut log_determinant = 0.0;
    for i in 0..n {
        log_determinant += a[[i, i]].ln();
        for j in i + 1..n {
            let factor = a[[j, i]] / a[[i, i]];
            let pivot = a.row(i).to_owned();
            a.row_mut(j).scaled_add(-factor, &pivot);
        }
    }
    assert!((log_determinant - p.log_determinant()).abs() < 1e-8 * n as f64);
}

/// A kept preconditioner serves other right-hand sides, another alpha, other parameters and other points.
#[test]
fn preconditioners_are_kept() {
    let x = uniform::<f64>(300, 2, 30);
    let k = gaussian(&x, 30.0);
    let p = LowRank::new(&k, 0.01, CHOLESKY(90)).unwrap();
    check_low_rank(&p, &k);
    let own = |alpha, b: &Array2<f64>| solved(&k, b, alpha, 1e-8, CHOLESKY(90)).iterations;
    let with = |k: &Array2<f64>, p: &LowRank, alpha, b: &Array2<f64>| {
        let options = SolveOptions {
            preconditioner: Preconditioner::Built(p),
            ..options(alpha, 1e-8, Preconditioner::None)
        };
        let found = solve(k, b.view(), None, options).expect("it converges");
        assert_eq!(
            found.preconditioner.map(|report| report.rank),
            Some(p.rank())
        );
        found.iterations
    };
    for seed in [31, 32] {
        let b = uniform(300, 1, seed);
        for alpha in [0.01, 1e-3, 10.0] {
            assert_eq!(with(&k, &p, alpha, &b), own(alpha, &b));
        }
    }
    let other = p.with_alpha(0.5).unwrap();
    assert_eq!((other.alpha(), other.factor()), (0.5, p.factor()));
    check_low_rank(&other, &k);

    // Parameters and points that have moved: the stale one still helps, the renewed one is as good as new.
    let b = uniform(300, 1, 33);
    let moved = gaussian(&(&x + &(0.01 * uniform::<f64>(300, 2, 34))), 36.0);
    let plain = solved(&moved, &b, 0.01, 1e-8, Preconditioner::None).iterations;
    let new = solved(&moved, &b, 0.01, 1e-8, CHOLESKY(90)).iterations;
    let renewed = p.refreshed(&moved).unwrap();
    assert_eq!(renewed.pivots(), p.pivots());
    check_low_rank(&renewed, &moved);
    let (stale, renewed) = (with(&moved, &p, 0.01, &b), with(&moved, &renewed, 0.01, &b));
    assert!(
        3 * stale < plain && renewed <= new + 4,
        "{plain} {stale} {renewed} {new}"
    );

    // A solve hands out its own; copies are cheap.
    let keep = SolveOptions {
        keep_preconditioner: true,
        ..options(0.01, 1e-8, CHOLESKY(90))
    };
    let kept = solve(&k, b.view(), None, keep)
        .unwrap()
        .low_rank
        .expect("it is kept");
    assert_eq!((kept.pivots(), kept.factor()), (p.pivots(), p.factor()));
    assert!(solved(&k, &b, 0.01, 1e-8, CHOLESKY(90)).low_rank.is_none());

    // What does not fit is refused.
    let small = gaussian(&x.slice(s![..299, ..]).to_owned(), 30.0);
    assert!(matches!(p.refreshed(&small), Err(Error::Shape { .. })));
    let options = options(0.01, 1e-8, Preconditioner::None);
    let built = SolveOptions {
        preconditioner: Preconditioner::Built(&p),
        ..options
    };
    let b = b.slice(s![..299, ..]);
    let refused = solve(&small, b, None, built);
    assert!(matches!(
        refused,
        Err(SolveError::Input(Error::Shape { .. }))
    ));
    for choice in [
        Preconditioner::None,
        Preconditioner::Jacobi,
        Preconditioner::Built(&p),
    ] {
        assert!(matches!(
            LowRank::new(&k, 0.01, choice),
            Err(Error::Option { .. })
        ));
    }
    for alpha in [-1.0, f64::NAN] {
        assert!(matches!(p.with_alpha(alpha), Err(Error::Option { .. })));
    }
    let indefinite = LowRank::new(&(-1.0 * &k), 0.01, CHOLESKY(9));
    assert!(matches!(indefinite, Err(Error::Preconditioner { .. })));
}

/// A symbolic system builds and renews its preconditioner itself.
#[test]
fn symbolic_systems_keep_preconditioners() {
    let x = uniform::<f32>(400, 2, 35);
    let (first, second) = (symbolic(&x, 40.0), symbolic(&x, 44.0));
    let b = uniform::<f32>(400, 2, 36);
    let p = first.rhs(&b).alpha(0.1).build_preconditioner().unwrap();
    assert!(p.rank() > 20 && p.rank() < 400);
    let p = second
        .rhs(&b)
        .alpha(0.2)
        .refresh_preconditioner(&p)
        .unwrap();
    assert_eq!(p.alpha(), 0.2);
    let system = second
        .rhs(&b)
        .alpha(0.2)
        .preconditioner(Preconditioner::Built(&p));
    let solution = system.keep_preconditioner().solve().unwrap();
    assert!(solution.iterations < 20, "{}", solution.iterations);
    assert_eq!(solution.low_rank.unwrap().pivots(), p.pivots());
}

/// Landmarks are pivots; those that occur twice or depend on others count once.
#[test]
fn landmarks() {
    let x = uniform::<f64>(500, 2, 7);
    let (k, b) = (gaussian(&x, 50.0), uniform(500, 1, 8));
    // As an independent implementation in NumPy took them: KeOps' example of 500 points.
    for (rank, expected) in [(100, 41), (200, 11)] {
        let uniform = Preconditioner::Nystrom(Landmarks::Uniform(rank));
        let found = solved(&k, &b, 0.01, 1e-6, uniform);
        assert_eq!(found.preconditioner.map(|report| report.rank), Some(rank));
        assert!(
            found.iterations.abs_diff(expected) * 4 <= expected,
            "{}",
            found.iterations
        );
    }
    let p = LowRank::new(&k, 0.01, CHOLESKY(60)).unwrap();
    let given = [p.pivots(), &p.pivots()[..7]].concat();
    let given = LowRank::new(&k, 0.01, Preconditioner::Nystrom(Landmarks::Points(&given))).unwrap();
    assert_eq!(given.pivots(), p.pivots());
    assert!(
        (&given.factor() - &p.factor())
            .iter()
            .all(|e| e.abs() < 1e-10)
    );
    let refused = LowRank::new(
        &k,
        0.01,
        Preconditioner::Nystrom(Landmarks::Points(&[3, 500])),
    );
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("landmark 500 of 500 rows"), "{refused}");
    let none = LowRank::new(&k, 0.01, Preconditioner::Nystrom(Landmarks::Points(&[]))).unwrap();
    assert_eq!((none.rank(), none.shift()), (0, 0.01));
    check_low_rank(&none, &k);
}

/// The diagonal as a preconditioner undoes any scaling of rows and columns.
#[test]
fn jacobi_undoes_scaling() {
    let k = gaussian(&uniform(300, 2, 37), 200.0) + 0.1 * Array2::<f64>::eye(300);
    let b = uniform::<f64>(300, 1, 38);
    let scale = uniform::<f64>(300, 1, 39).mapv(|u| 10.0_f64.powf(6.0 * u));
    let scaled = &k * &scale * scale.t();
    let rhs = &b * &scale;
    let expected = solved(&k, &b, 0.0, 1e-8, Preconditioner::None).iterations;
    let found = solved(&scaled, &rhs, 0.0, 1e-10, Preconditioner::Jacobi);
    assert!(
        found.iterations <= 2 * expected,
        "{} {expected}",
        found.iterations
    );
    let plain = SolveOptions {
        max_iterations: Some(10 * expected),
        ..options(0.0, 1e-10, Preconditioner::None)
    };
    unconverged(solve(&scaled, rhs.view(), None, plain));
    // PETSc, src/ksp/ksp/tests/ex85: two iterations.
    let mut blocks = Array2::zeros((6, 6));
    for block in 0..3 {
        let scale = 3.0_f64.powi(block as i32);
        for (i, j, v) in [(0, 0, 2.0), (0, 1, -1.0), (1, 0, -1.0), (1, 1, 2.0)] {
            blocks[[2 * block + i, 2 * block + j]] = scale * v;
        }
    }
    let found = solved(
        &blocks,
        &uniform(6, 1, 1),
        0.0,
        1e-10,
        Preconditioner::Jacobi,
    );
    assert_eq!(found.iterations, 2);
}

/// NaN in the data is found where it stands, once it has made a product NaN.
#[test]
fn points_that_are_no_numbers_are_named() {
    let mut x = uniform::<f64>(50, 2, 41);
    x[[17, 1]] = f64::NAN;
    let b = uniform::<f64>(50, 1, 42);
    for preconditioner in [Preconditioner::Auto, Preconditioner::None] {
        let k = symbolic(&x, 10.0);
        let result = k.rhs(&b).alpha(0.1).preconditioner(preconditioner).solve();
        let error = result.expect_err("NaN").to_string();
        assert_eq!(
            error,
            "x: expected finite numbers, got NaN at row 17, column 1"
        );
    }
}

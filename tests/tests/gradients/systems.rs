//! Pullbacks of systems, by an adjoint solve.

use super::*;

/// Checks the gradients of a system by points, right-hand side, parameter and alpha.
macro_rules! check_system {
    ($kernel:expr, $n:expr) => {{
        let x = points($n, 2, 1) * 3.0;
        let arrays = [x, points($n, 2, 2), array![[1.3]], array![[0.3]]];
        let e = points($n, 2, 5) - 0.5;
        let system = |[x, b, g, alpha]: &'_ Arrays| -> Array2<f64> {
            let system = $kernel.bind(x, x, b, g[(0, 0)]).alpha(alpha[(0, 0)]);
            system
                .tolerance(Tolerance::Relative(1e-13))
                .solve()
                .unwrap()
                .values
        };
        let [x, b, g, alpha] = &arrays;
        let bound = $kernel.bind(x, x, b, g[(0, 0)]).alpha(alpha[(0, 0)]);
        let forward = bound
            .tolerance(Tolerance::Relative(1e-13))
            .forward()
            .unwrap();
        let found: SystemGradients<f64, 4> = forward.pullback(&e).unwrap();
        assert!(found.adjoint.columns.iter().all(|column| column.converged));
        let [dx, dy, db, dg] = found.aliases;
        let gradients = [dx + dy, db, dg, array![[found.alpha]]];
        let loss = |arrays: &Arrays| (system(arrays) * &e).sum();
        check_against_differences(stringify!($kernel), &arrays, &gradients, 1e-6, loss);
    }};
}

#[test]
fn systems() {
    for n in [1, 17, 65] {
        check_system!(Gauss, n);
        check_system!(Laplace, n);
        check_system!(Elastic, n);
    }
}

#[test]
fn each_role_of_the_points_has_its_gradient() {
    let (x, b, e) = (points(33, 2, 1), points(33, 2, 2), points(33, 2, 3));
    let (alpha, g) = (0.1, 2.0);
    let bound = Gauss.bind(&x, &x, &b, g).alpha(alpha);
    let forward = bound
        .tolerance(Tolerance::Relative(1e-12))
        .forward()
        .unwrap();
    let a = forward.solution.values.clone();
    let SystemGradients {
        aliases, adjoint, ..
    } = forward.pullback(&e).unwrap();
    let lambda = adjoint.values;
    let k = gaussian(&x, &x, g);
    let back = k.dot(&lambda) + alpha * &lambda;
    assert!(distance(&back, &e) < 1e-10);
    // -sum_j lambda_i . a_j k_ij (-2 g (x_i - x_j)), and the reverse.
    let role = |own: &Array2<f64>, other: &Array2<f64>| {
        let c = own.dot(&other.t()) * &k * (2.0 * g);
        let sums = c.sum_axis(Axis(1)).insert_axis(Axis(1));
        &x * &sums - c.dot(&x)
    };
    assert!(distance(&aliases[0], &role(&lambda, &a)) < 1e-9);
    assert!(distance(&aliases[1], &role(&a, &lambda)) < 1e-9);
    assert_eq!(aliases[2], lambda);

    // Single precision.
    let [x32, b32, e32] = [&x, &b, &e].map(|a| a.mapv(|v| v as f32));
    let bound = Gauss.bind(&x32, &x32, &b32, g as f32).alpha(alpha);
    let single = bound
        .tolerance(Tolerance::Relative(1e-7))
        .forward()
        .unwrap();
    let single = single.pullback(&e32).unwrap();
    let largest = |scale: f64, v: &f64| scale.max(v.abs());
    let scale = aliases.iter().flatten().fold(0.0, largest);
    for (single, double) in single.aliases.iter().zip(&aliases) {
        assert!(distance(&single.mapv(f64::from), double) < 1e-5 * scale);
    }
}

/// Where a formula is proven to be symmetric, one kernel gives the gradients of both sides; with `assume_symmetric` there are two.
#[test]
fn both_sides_of_a_symmetric_formula_share_a_kernel() {
    macro_rules! system {
        ($($grad:tt)*) => {
            kernel_solve!("Exp(-g*SqDist(x,y))*u*v*b", u = Vi(1), v = Vj(1), g = Pm(1), b = Vj(3), x = Vi(2), y = Vj(2), var = b, $($grad)*)
        };
    }
    let one = system!(grad = [v, x, g, b, u, y]);
    let two = system!(grad = [v, x, g, b, u, y], assume_symmetric);
    // Not all that are exchanged are differentiated by.
    let some = system!(grad = [v, x, y]);
    for n in [1, 18, 40] {
        let (x, u, b) = (points(n, 2, 1), points(n, 1, 2) + 0.5, points(n, 3, 3));
        let e = points(n, 3, 4);
        macro_rules! gradients {
            ($kernel:expr) => {{
                let bound = $kernel.bind(&u, &u, 1.4, &b, &x, &x).alpha(0.2);
                let bound = bound.tolerance(Tolerance::Relative(1e-13));
                bound.forward().unwrap().pullback(&e).unwrap().aliases
            }};
        }
        let (ours, theirs, of_some) = (gradients!(one), gradients!(two), gradients!(some));
        for (k, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert!(distance(ours, theirs) < 1e-10, "{n} points, array {k}");
        }
        for (some, k) in of_some.iter().zip([0, 1, 5]) {
            assert!(distance(some, &theirs[k]) < 1e-10, "{n} points, array {k}");
        }
    }
}

#[test]
fn block_sparse_systems_have_gradients() {
    // Two systems that do not see each other, as one.
    let (x, b, e) = (points(40, 2, 1), points(40, 2, 2), points(40, 2, 3));
    let blocks = [[0, 15], [15, 40]];
    let keep = array![[true, false], [false, true]];
    let ranges = Ranges::from_matrix(&blocks, &blocks, &keep).unwrap();
    let solve = |from: usize, to: usize, ranges: &Ranges| {
        let [x, b, e] = [&x, &b, &e].map(|a| a.slice(s![from..to, ..]));
        let bound = Gauss.bind(x, x, b, 2.0).alpha(0.1).ranges(ranges);
        let forward = bound.tolerance(Tolerance::Relative(1e-12)).forward();
        forward.unwrap().pullback(e).unwrap()
    };
    let both = solve(0, 40, &ranges);
    let parts = [(0, 15), (15, 40)];
    let parts = parts.map(|(from, to)| solve(from, to, &Ranges::dense(to - from, to - from)));
    assert!((both.alpha - parts[0].alpha - parts[1].alpha).abs() < 1e-9 * both.alpha.abs());
    for (k, both) in both.aliases.iter().enumerate() {
        let [first, second] = [&parts[0], &parts[1]].map(|part| part.aliases[k].view());
        let expected = match k {
            3 => &first + &second,
            _ => concatenate![Axis(0), first, second],
        };
        assert!(distance(both, &expected) < 1e-8, "array {k}");
    }
}

#[test]
fn systems_that_are_not_solved_have_no_gradients() {
    let (x, b) = (points(65, 2, 1), points(65, 2, 2));
    let system = || Gauss.bind(&x, &x, &b, 1.0).alpha(1e-6);
    let error = system()
        .max_iterations(1)
        .preconditioner(Preconditioner::None)
        .forward();
    assert!(matches!(error, Err(SolveError::Unconverged(_))));

    let forward = system().eps(1e-4).forward().unwrap();
    let error = forward.pullback(&points(65, 3, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "e: expected shape (65, 2), that of the solution, got an array of shape (65, 3)"
    );
    let mut e = b.clone();
    e[(3, 1)] = f64::NAN;
    let error = forward.pullback(&e).unwrap_err();
    assert!(
        error.to_string().starts_with("e: expected finite numbers"),
        "{error}"
    );

    // An adjoint system that is harder than the first one, which has the solution zero.
    let none = Array2::zeros((65, 2));
    let bound = Gauss.bind(&x, &x, &none, 1.0).alpha(1e-6);
    let bound = bound.preconditioner(Preconditioner::None).max_iterations(2);
    let forward = bound.forward().unwrap();
    match forward.pullback(&b) {
        Err(SolveError::Unconverged(unconverged)) => {
            assert_eq!(unconverged.best.values.dim(), (65, 2))
        }
        other => panic!("{other:?}"),
    }
}

/// A gradient of small numbers has as many digits as one of large ones.
#[test]
fn small_gradients_are_not_lost() {
    let (x, b) = (points(65, 2, 1), points(65, 2, 2));
    let forward = Gauss.bind(&x, &x, &b, 1.0).alpha(0.1).forward().unwrap();
    let whole = forward.pullback(&b).unwrap();
    for scale in [1e-6, 1e-12, 1e-200] {
        let small = forward.pullback(&(scale * &b)).unwrap();
        for (small, whole) in small.aliases.iter().zip(&whole.aliases) {
            assert!(distance(&(small / scale), whole) <= 1e-4);
        }
    }
    let nothing = forward.pullback(&(0.0 * &b)).unwrap();
    assert!(nothing.aliases.iter().flatten().all(|&g| g == 0.0));
}

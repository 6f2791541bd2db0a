//! No points, NaN, options that cannot be met, and thread pools of all sizes.

use keops_solve::ndarray::{Array1, Array2, Axis, s};
use keops_solve::{Error, genred, kernel_solve, lazy, prelude::*};
use keops_tests::data::{distance, gaussian, points};

genred!(Conv: "Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), axis = 1);
genred!(ConvT: "Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vi(1), axis = 0);
kernel_solve!(Inverse: "Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1));
lazy!(Gaussian: "Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2));

#[test]
fn sums_over_nothing_are_zero() {
    let (none, some) = (Array2::<f64>::zeros((0, 2)), points(5, 2, 1));
    let (no_b, b) = (Array2::<f64>::zeros((0, 1)), points(5, 1, 2));
    assert_eq!(
        Conv.bind(&some, &none, &no_b).run().unwrap(),
        Array2::<f64>::zeros((5, 1))
    );
    assert_eq!(
        Conv.bind(&none, &some, &b).run().unwrap(),
        Array2::<f64>::zeros((0, 1))
    );
    assert_eq!(
        Conv.bind(&none, &none, &no_b).run().unwrap(),
        Array2::<f64>::zeros((0, 1))
    );
    assert_eq!(
        ConvT.bind(&none, &some, &no_b).run().unwrap(),
        Array2::<f64>::zeros((5, 1))
    );
    let empty: &[f64] = &[];
    assert_eq!(
        Conv.bind(&some, empty, empty).run().unwrap(),
        Array2::<f64>::zeros((5, 1))
    );

    let wide = Gaussian.bind(&none, &some);
    assert_eq!(wide.dot(&Array1::ones(5)).unwrap(), Array1::<f64>::zeros(0));
    assert_eq!(
        wide.t().dot(&Array1::zeros(0)).unwrap(),
        Array1::<f64>::zeros(5)
    );
    assert_eq!(wide.sum(0).unwrap(), Array2::<f64>::zeros((5, 1)));
    assert_eq!(wide.to_dense().unwrap(), Array2::<f64>::zeros((0, 5)));
    assert_eq!(
        Gaussian
            .bind(&some, &some)
            .dot(&Array2::<f64>::zeros((5, 0)))
            .unwrap(),
        Array2::<f64>::zeros((5, 0))
    );
}

#[test]
fn a_system_without_unknowns_is_solved() {
    let (none, no_b) = (Array2::<f64>::zeros((0, 2)), Array2::zeros((0, 1)));
    let solution = Inverse.bind(&none, &none, &no_b).solve().unwrap();
    assert_eq!((solution.values.dim(), solution.iterations), ((0, 1), 0));
    let (x, no_columns) = (points(5, 2, 1), Array2::zeros((5, 0)));
    let matrix = Gaussian.bind(&x, &x);
    let solution = matrix.rhs(&no_columns).solve().unwrap();
    assert_eq!((solution.values.dim(), solution.columns.len()), ((5, 0), 0));
}

#[test]
fn nan_reaches_exactly_the_sums_that_it_enters() {
    let (mut x, y, b) = (points(67, 2, 1), points(131, 2, 2), points(131, 1, 3));
    let expected = gaussian(&x, &y, 1.0).dot(&b);
    x[(13, 1)] = f64::NAN;
    let out = Conv.bind(&x, &y, &b).run().unwrap();
    for i in 0..67 {
        assert_eq!(out[(i, 0)].is_nan(), i == 13);
        assert!(i == 13 || (out[(i, 0)] - expected[(i, 0)]).abs() < 1e-12);
    }
    let mut b = b;
    b[(130, 0)] = f64::INFINITY;
    let x = points(67, 2, 1);
    let out = Conv.bind(&x, &y, &b).run().unwrap();
    assert!(out.iter().all(|&sum| sum == f64::INFINITY));
    b[(130, 0)] = f64::NAN;
    let out = Conv.bind(&x, &y, &b).run().unwrap();
    assert!(out.iter().all(|sum| sum.is_nan()));
}

#[test]
fn nan_ends_a_solve() {
    let (x, b) = (points(30, 2, 1), points(30, 1, 2));
    let mut broken = b.clone();
    broken[(7, 0)] = f64::NAN;
    match Inverse.bind(&x, &x, &broken).alpha(0.1).solve() {
        Err(SolveError::Input(Error::NotFinite {
            row: 7,
            column: 0,
            value,
            ..
        })) => {
            assert!(value.is_nan());
        }
        other => panic!("{other:?}"),
    }
    let mut broken = x.clone();
    broken[(7, 1)] = f64::NAN;
    match Inverse.bind(&broken, &broken, &b).alpha(0.1).solve() {
        Err(SolveError::Input(Error::NotFinite {
            name,
            row: 7,
            column: 1,
            ..
        })) => {
            assert_eq!(name, "x");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_outside_their_range_are_errors() {
    let (x, b) = (points(10, 2, 1), points(10, 1, 2));
    let system = || Inverse.bind(&x, &x, &b);
    for (system, option) in [
        (system().alpha(-1.0), "alpha"),
        (system().alpha(f64::NAN), "alpha"),
        (system().eps(-1.0), "tolerance"),
        (system().eps(f64::NAN), "tolerance"),
        (
            system().tolerance(Tolerance::Relative(f64::INFINITY)),
            "tolerance",
        ),
    ] {
        match system.solve() {
            Err(SolveError::Input(error @ Error::Option { .. })) => {
                assert!(error.to_string().contains(option), "{error}");
            }
            other => panic!("{option}: {other:?}"),
        }
    }
}

#[test]
fn a_device_that_cannot_be_used_is_an_error_that_says_why() {
    let (x, b) = (points(10, 2, 1), points(10, 1, 2));
    for backend in [Backend::Auto, Backend::Cpu] {
        assert!(Conv.bind(&x, &x, &b).backend(backend).run().is_ok());
    }
    // No machine has so many devices.
    for device in [0, 1_000_000] {
        let cuda = Backend::Cuda(device);
        let Err(error) = Conv.bind(&x, &x, &b).backend(cuda).run() else {
            assert_eq!(device, 0);
            continue;
        };
        let text = error.to_string();
        let missing = ["driver", "device", "NVRTC"];
        let expected = format!("backend Cuda({device}): ");
        assert!(
            text.starts_with(&expected) && missing.iter().any(|it| text.contains(it)),
            "{text}"
        );
        let error = Inverse.bind(&x, &x, &b).backend(cuda).solve().unwrap_err();
        assert!(
            matches!(error, SolveError::Input(Error::Backend { .. })),
            "{error}"
        );
        let error = Gaussian.bind(&x, &x).backend(cuda).dot(&b).unwrap_err();
        assert!(matches!(error, Error::Backend { .. }), "{error}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (x, b) = (points(701, 2, 1), points(701, 1, 2));
    let compute = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let sum = Conv.bind(&x, &x, &b).run().unwrap();
            let transposed = ConvT.bind(&x, &x, &b).run().unwrap();
            let solution = Inverse
                .bind(&x, &x, &b)
                .alpha(0.1)
                .eps(1e-8)
                .solve()
                .unwrap();
            (sum, transposed, solution.values)
        })
    };
    let one = compute(1);
    for threads in [2, 3, 8] {
        assert_eq!(compute(threads), one, "{threads} threads");
    }
}

#[test]
fn every_way_to_sum_agrees_with_a_dense_product() {
    let (x, y, b) = (points(67, 2, 1), points(1031, 2, 2), points(1031, 1, 3));
    let expected = gaussian(&x, &y, 1.0).dot(&b);
    let [x32, y32, b32] = [&x, &y, &b].map(|a| a.mapv(|v| v as f32));
    for scheme in [
        SumScheme::Auto,
        SumScheme::Direct,
        SumScheme::Block,
        SumScheme::Kahan,
    ] {
        for accumulate in [Accumulate::Same, Accumulate::F32, Accumulate::F64] {
            let what = format!("{scheme:?} in {accumulate:?}");
            let single = Conv
                .bind(&x32, &y32, &b32)
                .sum_scheme(scheme)
                .accumulate(accumulate);
            let single = single.run().unwrap().mapv(f64::from);
            assert!(distance(&single, &expected) < 1e-3, "{what}");
            let double = Conv
                .bind(&x, &y, &b)
                .sum_scheme(scheme)
                .accumulate(accumulate);
            let bound = if accumulate == Accumulate::F32 {
                1e-3
            } else {
                1e-11
            };
            assert!(
                distance(&double.run().unwrap(), &expected) < bound,
                "{what}"
            );
        }
    }
}

/// No value, and more than memory holds.
#[test]
fn numbers_of_smallest_values_that_cannot_be() {
    let x = Array2::from_shape_fn((20, 2), |(i, k)| (3 * i + k) as f64);
    let distance = lazy!(|x: Vi(2), y: Vj(2)| x.sqdist(y)).bind(&x, &x);
    let none = distance.kmin(0, 1).expect_err("no value");
    assert!(none.to_string().contains("at least 1"), "{none}");
    assert!(distance.argkmin(0, 0).is_err());
    assert!(distance.kmin(usize::MAX / 64, 1).is_err());
    let all = distance.kmin(30, 1).expect("values");
    assert_eq!(all.dim(), (20, 30, 1));
    assert_eq!(all[[0, 29, 0]], f64::INFINITY);
}

/// What is copied or kept for each pair has loops too, and no stack holds it.
#[test]
fn components_that_are_copied_and_jacobians_of_many_dimensions() {
    let y = Array2::from_shape_fn((5, 784), |(i, k)| (i * 784 + k) as f64 / 1024.0);
    let sums = genred!("y", y = Vj(784), axis = 1).bind(&y).run().unwrap();
    assert_eq!(sums.row(0), y.sum_axis(Axis(0)));
    let both = genred!(
        "Concat(Extract(x,1,783),y)",
        x = Vi(784),
        y = Vj(784),
        reduction = Max,
        axis = 1
    );
    let both = both.bind(&y, &y).run().unwrap();
    assert_eq!(both.slice(s![.., ..783]), y.slice(s![.., 1..]));
    assert_eq!(both.slice(s![0, 783..]), y.row(4));
    let difference = genred!("x-y", x = Vi(784), y = Vj(784), axis = 1, grad = [x]);
    let [gradient] = difference
        .bind(&y, &y)
        .forward()
        .unwrap()
        .pullback(&y)
        .unwrap();
    assert_eq!(gradient, 5.0 * &y);

    // The Jacobian of k x is k (1 - 2 (x - y) x'). Threads of tests have stacks of 2 MiB, as those of rayon.
    let (x, z) = (points(3, 60, 1) * 0.1, points(4, 60, 2) * 0.1);
    let jacobian = genred!(
        "GradMatrix(Exp(-SqDist(x,z))*x,x)",
        x = Vi(60),
        z = Vj(60),
        axis = 1
    );
    let jacobian = jacobian.bind(&x, &z).run().unwrap();
    for (i, row) in jacobian.rows().into_iter().enumerate() {
        for (entry, &got) in row.iter().enumerate() {
            let (a, b) = (entry / 60, entry % 60);
            let expected: f64 = (0..4)
                .map(|j| {
                    let d = &x.row(i) - &z.row(j);
                    let same = if a == b { 1.0 } else { 0.0 };
                    (-d.dot(&d)).exp() * (same - 2.0 * d[b] * x[[i, a]])
                })
                .sum();
            assert!(
                (got - expected).abs() <= 1e-14,
                "{i} {entry}: {got}, expected {expected}"
            );
        }
    }
}

/// The rows of a Jacobian are a loop, and what a row keeps for itself is an array in it.
#[test]
fn rows_of_jacobians_on_every_instruction_set() {
    let hessian = genred!(
        "GradMatrix(Grad(Exp(-SqDist(x,y)),x,1),x)",
        x = Vi(13),
        y = Vj(13),
        axis = 1
    );
    let through_matrices = genred!(
        "GradMatrix(VecMatMult(MatVecMult(A,x*x),A)*t,x)",
        A = Pm(26),
        x = Vi(13),
        t = Vj(1),
        axis = 1
    );
    let (x, y) = (points(19, 13, 1) * 0.3, points(6, 13, 2) * 0.3);
    let (a, t) = (points(2, 13, 3), points(6, 1, 4));
    let flat: Vec<f64> = a.iter().copied().collect();
    for isa in InstructionSet::available() {
        let second = hessian.bind(&x, &y).instruction_set(isa).run().unwrap();
        let slopes = through_matrices.bind(&flat, &x, &t).instruction_set(isa);
        let slopes = slopes.run().unwrap();
        for (i, x) in x.rows().into_iter().enumerate() {
            for (entry, (&second, &slope)) in second.row(i).iter().zip(slopes.row(i)).enumerate() {
                let (row, column) = (entry / 13, entry % 13);
                let terms = y.rows().into_iter().map(|y| {
                    let d = &x - &y;
                    let same = if row == column { 2.0 } else { 0.0 };
                    (-d.dot(&d)).exp() * (4.0 * d[row] * d[column] - same)
                });
                let expected: f64 = terms.sum();
                assert!(
                    (second - expected).abs() <= 1e-13,
                    "{isa:?} {i} {entry}: {second}, expected {expected}"
                );
                let expected = a.column(row).dot(&a.column(column)) * 2.0 * x[column] * t.sum();
                assert!(
                    (slope - expected).abs() <= 1e-13,
                    "{isa:?} {i} {entry}: {slope}, expected {expected}"
                );
            }
        }
    }
}

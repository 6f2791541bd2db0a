//! Matern kernels, Bessel functions, B-splines and time warping, and the methods that KeOps has, through the macros.

use keops_solve::ndarray::{Array2, arr2, array};
use keops_solve::prelude::*;

fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (got - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{what}: {got:e}, expected {expected:e}"
    );
}

/// From 0 through the border of the approximations to where everything underflows.
fn squared_distances() -> Array2<f64> {
    let mut all: Vec<f64> = (0..200).map(|n| 0.003 * f64::from(n * n)).collect();
    all.extend([
        1e-300, 1e-40, 1e-8, 0.5624, 0.5625, 0.5626, 1e4, 1e12, 1e200, 1e308,
    ]);
    Array2::from_shape_vec((all.len(), 1), all).expect("one column")
}

#[test]
fn matern_kernels_of_all_orders() {
    // Half-integers against their closed forms, 17.25 against the kernels of order 16.75 and 17.75 that it lies between.
    let kernels = genred!(
        |f: Vi(1)| (f / 2).matern(0.5).concat(f.matern(1.5)).concat(f.matern(5 / 2)).concat(f.matern(16.75))
            .concat(f.matern(17.25)).concat(f.matern(17.75)),
        axis = 1,
    );
    let f = squared_distances();
    let out = kernels.bind(&f).run().unwrap();
    let single = kernels.bind(&f.mapv(|f| f as f32)).run().unwrap();
    for (n, &f) in f.iter().enumerate() {
        let [a, b] = [3.0, 5.0].map(|nu: f64| (nu * f).sqrt());
        let expected = [
            (-(f / 2.0).sqrt()).exp(),
            (1.0 + a) * (-a).exp(),
            (1.0 + b + b * b / 3.0) * (-b).exp(),
        ];
        for (k, expected) in expected.into_iter().enumerate() {
            let expected = if expected.is_nan() { 0.0 } else { expected };
            close(out[[n, k]], expected, 1e-15, "closed form");
            close(
                f64::from(single[[n, k]]),
                expected,
                1e-5,
                "closed form in f32",
            );
        }
        let [low, middle, high] = [3, 4, 5].map(|k| out[[n, k]]);
        let lowest = low.min(high) - 1e-14;
        assert!(
            (lowest..=low.max(high) + 1e-14).contains(&middle),
            "{low:e} {middle:e} {high:e}"
        );
        close(f64::from(single[[n, 4]]), middle, 1e-5, "f32");
    }
    assert!(
        out.row(0)
            .iter()
            .chain(single.row(0).map(|&x| f64::from(x)).iter())
            .all(|&x| (x - 1.0).abs() < 1e-6)
    );
}

/// What exists at 0 is right there, and what does not exist is 0: where points coincide, too.
#[test]
fn matern_derivatives_where_points_coincide() {
    let laplacians = genred!(
        "Concat(Laplacian(Matern(SqDist(x,y),2.5),x),Concat(Laplacian(Matern(SqDist(x,y),2.25),x),\
         Concat(Grad(Matern(SqDist(x,y),0.5),x),Grad(Matern(SqDist(x,y),0.75),x))))",
        x = Vi(2),
        y = Vi(2),
        axis = 1,
    );
    let (x, y) = (
        arr2(&[[0.3, 0.4], [0.3, 0.4]]),
        arr2(&[[0.3, 0.4], [0.3 + 1e-7, 0.4]]),
    );
    let out = laplacians.bind(&x, &y).run().unwrap();
    for (k, nu) in [2.5, 2.25].into_iter().enumerate() {
        // The kernel is 1 - nu / (2 (nu - 1)) d^2 + ...
        close(out[[0, k]], -2.0 * nu / (nu - 1.0), 1e-14, "Laplacian at 0");
        close(
            out[[1, k]],
            -2.0 * nu / (nu - 1.0),
            1e-4,
            "Laplacian near 0",
        );
    }
    assert!(out.row(0).iter().skip(2).all(|&x| x == 0.0), "{out}");
}

#[test]
fn bessel_functions_obey_their_recurrence() {
    let orders = genred!(
        |x: Vi(1)| x.bessel_k(6.3).concat(x.bessel_k(7.3)).concat(x.bessel_k(8.3)).concat(x.bessel_k(-0.7))
            .concat(x.bessel_k(0.7)).concat(x.bessel_k(3.5)),
        axis = 1,
    );
    let x = Array2::from_shape_fn((400, 1), |(n, _)| 0.01 * (n + 1) as f64);
    let out = orders.bind(&x).run().unwrap();
    for (n, &x) in x.iter().enumerate() {
        let expected = 2.0 * 7.3 / x * out[[n, 1]];
        let got = out[[n, 2]] - out[[n, 0]];
        assert!(
            (got - expected).abs() < 1e-14 * expected,
            "{got:e} {expected:e} at {x}"
        );
        assert_eq!(out[[n, 3]], out[[n, 4]]);
        let v = 1.0 / x;
        let closed = (std::f64::consts::FRAC_PI_2 / x).sqrt()
            * (-x).exp()
            * (1.0 + v * (6.0 + v * (15.0 + v * 15.0)));
        assert!((out[[n, 5]] - closed).abs() < 1e-14 * closed);
    }
    let edges = arr2(&[[0.0], [f64::INFINITY], [f64::NAN], [-1.0]]);
    let out = orders.bind(&edges).run().unwrap();
    assert!(out.row(0).iter().all(|&x| x == f64::INFINITY), "{out}");
    assert!(out.row(1).iter().all(|&x| x == 0.0), "{out}");
    assert!(
        out.row(2).iter().chain(out.row(3)).all(|x| x.is_nan()),
        "{out}"
    );
}

/// The recursion of de Boor, for one function.
fn spline(knots: &[f64], x: f64, degree: usize, i: usize) -> f64 {
    if degree == 0 {
        return f64::from(u8::from(knots[i] <= x && x < knots[i + 1]));
    }
    let part = |from: f64, to: f64, lower: f64| if to == from { 0.0 } else { lower / (to - from) };
    let rising = (x - knots[i]) * spline(knots, x, degree - 1, i);
    let falling = (knots[i + degree + 1] - x) * spline(knots, x, degree - 1, i + 1);
    part(knots[i], knots[i + degree], rising) + part(knots[i + 1], knots[i + degree + 1], falling)
}

#[test]
fn splines_with_repeated_knots() {
    let splines = genred!(
        "Concat(BSpline(knots,x,3),BSpline(knots,x,0))",
        knots = Pm(10),
        x = Vi(1),
        axis = 1,
    );
    let knots = [0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.5, 1.0, 1.0, 1.0];
    let x = Array2::from_shape_fn((43, 1), |(n, _)| n as f64 / 40.0 - 0.025);
    let out = splines.bind(&knots, &x).run().unwrap();
    let single = splines
        .bind(&knots.map(|x| x as f32), &x.mapv(|x| x as f32))
        .run()
        .unwrap();
    assert_eq!(out.dim(), (43, 6 + 9));
    for (n, &x) in x.iter().enumerate() {
        for i in 0..6 {
            close(out[[n, i]], spline(&knots, x, 3, i), 1e-14, "cubic");
            if x != 0.25 && x != 0.5 {
                close(f64::from(single[[n, i]]), out[[n, i]], 1e-5, "cubic in f32");
            }
        }
        for i in 0..9 {
            assert_eq!(out[[n, 6 + i]], spline(&knots, x, 0, i));
        }
    }
}

/// The recursion of Cuturi and Blondel, with a logarithm of a sum that need not be safe.
fn soft_dtw(x: &[f64], y: &[f64], g: f64) -> f64 {
    let mut cost = vec![vec![f64::INFINITY; y.len() + 1]; x.len() + 1];
    cost[0][0] = 0.0;
    for i in 1..=x.len() {
        for j in 1..=y.len() {
            let before = [cost[i - 1][j - 1], cost[i - 1][j], cost[i][j - 1]];
            let sum: f64 = before.iter().map(|r| (-r / g).exp()).sum();
            cost[i][j] = (x[i - 1] - y[j - 1]).powi(2) - g * sum.ln();
        }
    }
    cost[x.len()][y.len()]
}

#[test]
fn time_warping_of_series() {
    let warping = genred!(
        "SoftDTW_SqDist(x,y,g)",
        x = Vi(5),
        y = Vj(4),
        g = Pm(1),
        axis = 1
    );
    let (x, y) = (
        keops_tests::data::points(7, 5, 1),
        keops_tests::data::points(3, 4, 2),
    );
    for g in [0.1, 1.0] {
        let out = warping.bind(&x, &y, g).run().unwrap();
        let single = warping
            .bind(&x.mapv(|x| x as f32), &y.mapv(|y| y as f32), g as f32)
            .run()
            .unwrap();
        for (i, x) in x.rows().into_iter().enumerate() {
            let terms = y
                .rows()
                .into_iter()
                .map(|y| soft_dtw(&x.to_vec(), &y.to_vec(), g));
            let sum: f64 = terms.sum();
            close(out[[i, 0]], sum, 1e-13, "soft-DTW");
            close(f64::from(single[[i, 0]]), sum, 1e-5, "soft-DTW in f32");
        }
    }
    // A temperature at which the exponentials of the costs alone underflow.
    let cold = warping.bind(&x, &y, 1e-4).run().unwrap();
    assert!(cold.iter().all(|x| x.is_finite() && *x >= -1e-3));
}

/// So long that what a kernel keeps of a pair does not fit on its stack; with the gradients by everything.
#[test]
fn time_warping_of_long_series() {
    const N: usize = 70;
    const M: usize = 61;
    let warping = genred!(
        "SoftDTW_SqDist(x,y,g)",
        x = Vi(70),
        y = Vj(61),
        g = Pm(1),
        axis = 1,
        grad = [x, y, g],
    );
    let (x, y) = (
        keops_tests::data::points(5, N, 1),
        keops_tests::data::points(3, M, 2),
    );
    let sum = |x: &Array2<f64>, y: &Array2<f64>, g: f64| -> f64 {
        let pairs = x.rows().into_iter().flat_map(|x| {
            let rows = y.rows().into_iter();
            rows.map(move |y| soft_dtw(&x.to_vec(), &y.to_vec(), g))
        });
        pairs.sum()
    };
    let difference = |step: &dyn Fn(f64) -> f64| (step(1e-5) - step(-1e-5)) / 2e-5;
    for isa in InstructionSet::available() {
        let forward = warping.bind(&x, &y, 0.3).instruction_set(isa).forward();
        let forward = forward.unwrap();
        let total: f64 = forward.value.sum();
        close(total, sum(&x, &y, 0.3), 1e-12, "soft-DTW");
        let [by_x, by_y, by_g] = forward.pullback(&Array2::ones((5, 1))).unwrap();
        for (i, k) in [(0, 0), (2, 35), (4, N - 1)] {
            let moved = |step: f64| {
                let mut x = x.clone();
                x[[i, k]] += step;
                sum(&x, &y, 0.3)
            };
            close(by_x[[i, k]], difference(&moved), 1e-7, "by x");
        }
        for (j, k) in [(0, M - 1), (1, 30), (2, 0)] {
            let moved = |step: f64| {
                let mut y = y.clone();
                y[[j, k]] += step;
                sum(&x, &y, 0.3)
            };
            close(by_y[[j, k]], difference(&moved), 1e-7, "by y");
        }
        let warmer = |step: f64| sum(&x, &y, 0.3 + step);
        close(by_g[[0, 0]], difference(&warmer), 1e-7, "by g");
    }
}

/// Methods of closures are the operations of formulas.
#[test]
fn closures_say_what_formulas_say() {
    let closure = genred!(
        |x: Vi(3), y: Vj(4), s: Pm(2), z: Vi(4)| {
            let parts = x.elem(1).concat(y.extract(1, 2)).concat(x[0]).concat(y[2..4]).concatenate(x[0..=1]).cat(s);
            let choices = (x - 0.5).ifelse(x.modulo(0.3), x.r#mod(0.3, 0.1)).concat(x.clamp(0.2, 0.6))
                .concat((x < 0.5) + (x >= 0.5) * (x == x)).concat(x.round(1)).concat((x * 3).round()).concat(x.relu().step());
            let matrices = y.matvecmult(s).concat(s.vecmatmult(y)).concat(s.tensorprod(x)).concat(y.weightedsqnorm(s))
                .concat(x.weightedsqdist(x, x * 2)).concat(s.keops_kron(s, [2], [2]))
                .concat(y.keops_tensordot(z, [2, 2], [2, 2], [0], [1])).concat(x[2].one_hot(3)).concat(x.dot(x)).concat(x | x);
            let complex = y.conj().complexmult(z).concat(y.complexadd(z).complexexp()).concat(z.angle()).concat(z.real())
                .concat(z.imag()).concat(x.exp1j()).concat(x.real2complex().complexabs()).concat(y.complexsum());
            let symbolic = x.sqnorm2().exp().grad(x).concat(x.sqnorm2().laplacian(x)).concat((x * x).grad_matrix(x))
                .concat((x * x).divergence(x)).concat((x * x).diff(x, x)).concat((x * 2).trace_operator(x))
                .concat(x.powf(1.5).factorize(x)).concat(x.abs().power(0.5).auto_factorize());
            parts.concat(choices).concat(matrices).concat(complex).concat(symbolic)
        },
        axis = 1,
    );
    let formula = genred!(
        "Concat(Concat(Concat(Concat(
            Concat(Concat(Concat(Concat(Concat(Elem(x,1),Extract(y,1,2)),Elem(x,0)),Extract(y,2,2)),Extract(x,0,2)),s),
                Concat(Concat(Concat(Concat(Concat(
                IfElse(x-0.5,Mod(x,0.3,0),Mod(x,0.3,0.1)),Clamp(x,0.2,0.6)),(x<0.5)+(x>=0.5)*(x==x)),Round(x,1)),Round(x*3,0)),
                Step(ReLU(x)))),
            Concat(Concat(Concat(Concat(Concat(Concat(Concat(Concat(Concat(
                MatVecMult(y,s),VecMatMult(s,y)),TensorProd(s,x)),WeightedSqNorm(y,s)),WeightedSqDist(x,x,x*2)),
                Kron(s,s,[2],[2])),TensorDot(y,z,[2,2],[2,2],[0],[1])),OneHot(Elem(x,2),3)),(x|x)),Scalprod(x,x))),
            Concat(Concat(Concat(Concat(Concat(Concat(Concat(
                ComplexMult(Conj(y),z),ComplexExp(ComplexAdd(y,z))),ComplexAngle(z)),ComplexReal(z)),ComplexImag(z)),
                ComplexExp1j(x)),ComplexAbs(Real2Complex(x))),ComplexSum(y))),
            Concat(Concat(Concat(Concat(Concat(Concat(Concat(
                Grad(Exp(SqNorm2(x)),x),Laplacian(SqNorm2(x),x)),GradMatrix(x*x,x)),Divergence(x*x,x)),Diff(x*x,x,x)),
                TraceOperator(x*2,x)),Factorize(Powf(x,1.5),x)),AutoFactorize(Sqrt(Abs(x)))))",
        x = Vi(3),
        y = Vj(4),
        s = Pm(2),
        z = Vi(4),
        axis = 1,
    );
    let [x, y, z] =
        [(5, 3), (4, 4), (5, 4)].map(|(n, d)| keops_tests::data::points(n, d, n as u64));
    let ours = closure.bind(&x, &y, &[0.3, 0.8], &z).run().unwrap();
    assert_eq!(ours, formula.bind(&x, &y, &[0.3, 0.8], &z).run().unwrap());
    assert!(ours.iter().all(|x| x.is_finite()));
}

#[test]
fn conventions_at_single_points() {
    let slopes = genred!(
        "Grad(Atan2(x,y),x,1)+Grad(Atan2(x,y),y,1)",
        x = Vi(1),
        y = Vj(1),
        axis = 1
    );
    let at = |x: f64, y: f64| slopes.bind(&array![[x]], &array![[y]]).run().unwrap()[(0, 0)];
    assert_eq!(at(0.0, 0.0), 0.0);
    assert!((at(0.6, 0.8) - 0.2).abs() < 1e-15);
    // Nearest, and of two the higher one.
    let one_hot = genred!("OneHot(x,4)", x = Vi(1), axis = 1);
    let below = f64::from_bits(0.5f64.to_bits() - 1);
    for (x, position) in [
        (0.0, 0),
        (below, 0),
        (0.5, 1),
        (2.5, 3),
        (-0.5, 0),
        (3.25, 3),
    ] {
        let out = one_hot.bind(&array![[x]]).run().unwrap();
        let expected = Array2::from_shape_fn((1, 4), |(_, k)| f64::from(k == position));
        assert_eq!(out, expected, "{x}");
    }
}

/// At the ends of the range: what overflows is infinite, nothing is 0 before its time, and negative arguments have no value.
#[test]
fn bessel_functions_at_the_ends_of_their_range() {
    let x = Array2::from_shape_vec((6, 1), vec![0.0, -0.0, 1e-300, 5e-324, -1.0, f64::NAN]);
    let x = x.expect("a column");
    let k = genred!(
        "Concat(BesselK(x,2.2),Concat(BesselK(x,0.05),Concat(BesselK(x,12),Concat(BesselK(x,7.3),BesselK(x,0.95)))))",
        x = Vi(1),
        axis = 1
    );
    let single = x.mapv(|x| x as f32);
    let narrow = k.bind(&single).run().expect("values");
    let out = k.bind(&x).run().expect("values");
    for c in 0..5 {
        for row in [0, 1] {
            assert_eq!(out[[row, c]], f64::INFINITY, "{row} {c}");
            assert_eq!(narrow[[row, c]], f32::INFINITY, "{row} {c}");
        }
        assert!(out[[4, c]].is_nan() && out[[5, c]].is_nan());
        assert!(narrow[[4, c]].is_nan() && narrow[[5, c]].is_nan());
    }
    // Of the order 0.05, and 0.95, it is a number.
    for c in [0, 2, 3] {
        assert_eq!(out[[2, c]], f64::INFINITY);
    }
    let close = |found: f64, expected: f64, digits: f64| {
        assert!(
            (found / expected - 1.0).abs() < digits,
            "{found:e} {expected:e}"
        );
    };
    // From mpmath.
    close(out[[2, 1]], 1.007_834_819_347_104_9e16, 1e-13);
    // Matern kernels of high orders fall slowly.
    let matern = genred!("Concat(Matern(x,32),Matern(x,31.5))", x = Vi(1), axis = 1);
    let found = matern.bind(&array![[255.0_f32]]).run().expect("values");
    close(f64::from(found[[0, 0]]), 2.786_797_677e-31, 1e-3);
    let found = matern.bind(&array![[10_000.0_f64]]).run().expect("values");
    close(found[[0, 1]], 1.582_924_773e-297, 1e-3);
}

/// Two words do not get in the way of infinity and zero, and n! does not come too late for powers that underflow.
#[test]
fn polygamma_functions_at_the_ends_of_their_range() {
    let psi = genred!(
        "Concat(Polygamma(x,2),Concat(Polygamma(x,3),Polygamma(x,32)))",
        x = Vi(1),
        axis = 1
    );
    let x = array![0.0, -0.0, 1e-30, f64::INFINITY, -1.0, f64::NAN, 1000.0];
    let x = x.insert_axis(keops_solve::ndarray::Axis(1));
    let double = psi.bind(&x).run().expect("values");
    let single = psi.bind(&x.mapv(|x| x as f32)).run().expect("values");
    for out in [double, single.mapv(f64::from)] {
        for (c, sign) in [(0, -1.0), (1, 1.0), (2, -1.0)] {
            assert_eq!(out[[0, c]], sign * f64::INFINITY, "{out}");
            assert_eq!(out[[1, c]], sign * f64::INFINITY, "{out}");
            assert_eq!(out[[3, c]], 0.0, "{out}");
            assert!(out[[4, c]].is_nan() && out[[5, c]].is_nan(), "{out}");
        }
        assert_eq!(out[[2, 2]], f64::NEG_INFINITY, "{out}");
    }
    // From mpmath: 14 to the power -33 is no normal number of single precision.
    let single = psi.bind(&array![[14.5_f32]]).run().expect("values");
    let value = f64::from(single[[0, 2]]);
    assert!(
        (value / -0.0014028936248790267 - 1.0).abs() < 2e-7,
        "{value:e}"
    );
}

#[test]
fn second_derivatives_of_lengths_at_zero() {
    let x = Array2::<f64>::zeros((1, 2));
    let laplacian = genred!(
        "Concat(Laplacian(Hypot(Elem(x,0),Elem(x,1)),x),Laplacian(Norm2(x),x))",
        x = Vi(2),
        axis = 1
    );
    let out = laplacian.bind(&x).run().expect("values");
    assert_eq!((out[[0, 0]], out[[0, 1]]), (0.0, 0.0));
}

/// What is in single precision of the values that double precision has of the same arguments.
macro_rules! largest_error {
    ($formula:literal) => {{
        let f = genred!($formula, x = Vi(1), one = Vj(1), axis = 1);
        let x = Array2::from_shape_fn((20_000, 1), |(i, _)| 3e-5 * (i as f32 + 0.5));
        let single = f.bind(&x, &array![[1.0_f32]]).run().unwrap();
        let double = f.bind(&x.mapv(f64::from), &array![[1.0]]).run().unwrap();
        let errors = single.iter().zip(&double).map(|(&single, &double)| {
            let nearest = double as f32;
            (f64::from(single) - double).abs() / f64::from(nearest.next_up() - nearest)
        });
        errors.fold(0.0, f64::max)
    }};
}

/// Powers whose exponents are near 0 cancel.
#[test]
fn bessel_functions_of_orders_near_zero() {
    for error in [
        largest_error!("BesselK(x,0.001)*one"),
        largest_error!("BesselK(x,0.03)*one"),
        largest_error!("BesselK(x,0.09)*one"),
        largest_error!("BesselK(x,0.15)*one"),
        largest_error!("BesselK(x,0)*one"),
        largest_error!("BesselK(x,0.6)*one"),
        largest_error!("BesselK(x,0.95)*one"),
    ] {
        assert!(error <= 4.5, "{error} units");
    }
}

//! Pullbacks of reductions and systems, against finite differences, nested derivatives and closed forms.

use keops_solve::half::f16;
use keops_solve::ndarray::{Array, Array2, ArrayD, Axis, Dimension, array, concatenate, s};
use keops_solve::{BatchSolveError, Error, genred, kernel_solve, prelude::*};
use keops_tests::data::{distance, gaussian, points};

/// The arrays of x, y, b and g.
type Arrays = [Array2<f64>; 4];

const SIZES: [(usize, usize); 6] = [(0, 5), (5, 0), (1, 1), (1, 17), (17, 65), (65, 17)];

fn arrays(m: usize, n: usize) -> Arrays {
    let b = points(n, 2, 3) + 0.5;
    [points(m, 2, 1), points(n, 2, 2), b, array![[1.3]]]
}

/// Compares `gradients` with central differences of `loss` along random directions, one array at a time.
fn check_against_differences<const N: usize>(
    what: &str,
    arrays: &[Array2<f64>; N],
    gradients: &[Array2<f64>; N],
    tolerance: f64,
    loss: impl Fn(&[Array2<f64>; N]) -> f64,
) {
    let step = 1e-6;
    for (k, gradient) in gradients.iter().enumerate() {
        assert_eq!(gradient.dim(), arrays[k].dim(), "{what}, array {k}");
        for seed in 0..2 {
            let direction = points(gradient.nrows(), gradient.ncols(), 10 + seed) - 0.5;
            let at = |step: f64| {
                let mut moved = arrays.clone();
                moved[k].scaled_add(step, &direction);
                loss(&moved)
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            let slope = (gradient * &direction).sum();
            let scale = gradient.iter().fold(1.0, |s: f64, g| s.max(g.abs()));
            assert!(
                (slope - difference).abs() <= tolerance * scale,
                "{what}, array {k}: {slope} and {difference}"
            );
        }
    }
}

/// An `e` for values of this shape.
fn weights<D: Dimension>(values: &Array<f64, D>) -> Array<f64, D> {
    let random = points(values.len(), 1, 7) - 0.4;
    Array::from_shape_vec(values.raw_dim(), random.into_raw_vec_and_offset().0).unwrap()
}

/// Checks the pullbacks of a formula of x, y, b and g at all sizes; `$values` gives the array of values of a result.
macro_rules! check {
    ($kernel:expr, $sizes:expr, $values:expr) => {
        for (m, n) in $sizes {
            let what = format!("{} of {m} and {n} points", stringify!($kernel));
            let arrays = arrays(m, n);
            let run =
                |[x, y, b, g]: &Arrays| $values($kernel.bind(x, y, b, g[(0, 0)]).run().unwrap());
            let e = weights(&run(&arrays));
            let [x, y, b, g] = &arrays;
            let forward = $kernel.bind(x, y, b, g[(0, 0)]).forward().unwrap();
            assert_eq!($values(forward.value.clone()), run(&arrays));
            let gradients = forward.pullback(&e).unwrap();
            let loss = |arrays: &Arrays| (run(arrays) * &e).sum();
            check_against_differences(&what, &arrays, &gradients, 1e-6, loss);
            // In single precision, with a compensated sum.
            let [x32, y32, b32] = [x, y, b].map(|a| a.mapv(|v| v as f32));
            let bound = $kernel.bind(&x32, &y32, &b32, g[(0, 0)] as f32);
            let forward = bound.sum_scheme(SumScheme::Kahan).forward().unwrap();
            let single = forward.pullback(&e.mapv(|v| v as f32)).unwrap();
            for (single, double) in single.iter().zip(&gradients) {
                let scale = double.iter().fold(1.0, |s: f64, g| s.max(g.abs()));
                let single = single.mapv(f64::from);
                assert!(distance(&single, double) <= 1e-4 * scale, "{what}");
            }
        }
    };
}

genred!(Sum1: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), axis = 1, grad = [x, y, b, g]);
genred!(Sum0: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), axis = 0, grad = [x, y, b, g]);

#[test]
fn sums() {
    check!(Sum1, SIZES, |values| values);
    check!(Sum0, SIZES, |values| values);
}

genred!(Lse: "b-g*SqDist(x,y)", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), reduction = LogSumExp,
        axis = 1, grad = [x, y, b, g]);
genred!(WeightedLse: "-g*SqDist(x,y)", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), reduction = LogSumExp,
        weights = "b", axis = 0, grad = [x, y, b, g]);
genred!(Attention: "-g*SqDist(x,y)", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), reduction = SumSoftMaxWeight,
        weights = "b", axis = 1, grad = [x, y, b, g]);

/// Sizes at which logarithms and means are of something.
const NOT_EMPTY: [(usize, usize); 4] = [(1, 1), (1, 17), (17, 65), (65, 17)];

#[test]
fn exponentials() {
    check!(Lse, NOT_EMPTY, |values| values);
    check!(WeightedLse, NOT_EMPTY, |values| values);
    check!(Attention, NOT_EMPTY, |values| values);
}

genred!(Plain: "x+y", x = Vi(1), y = Vj(1), reduction = LogSumExp, axis = 1, grad = [x, y]);
genred!(PlainMean: "x+y", x = Vi(1), y = Vj(1), b = Vj(1), reduction = SumSoftMaxWeight, weights = "b",
        axis = 1, grad = [b]);
genred!(PlainWeighted: "x+y", x = Vi(1), y = Vj(1), b = Vj(1), reduction = LogSumExp, weights = "b",
        axis = 1, grad = [y, b]);

/// The shares of a sum of exponentials add up to 1 however large the exponents are, although their logarithm has lost digits then.
#[test]
fn shares_of_large_exponents_add_up() {
    let (x, y, b) = (
        array![[20000.3f32]],
        array![[1.1f32], [1.1]],
        array![[2.0f32], [4.0]],
    );
    let [dx, dy] = Plain
        .bind(&x, &y)
        .forward()
        .unwrap()
        .pullback(&array![[1.0]])
        .unwrap();
    assert!((dx[(0, 0)] - 1.0).abs() < 1e-6, "{dx}");
    assert!(dy.iter().all(|d| (d - 0.5).abs() < 1e-6), "{dy}");
    let forward = PlainMean.bind(&x, &y, &b).forward().unwrap();
    let [db] = forward.pullback(&array![[1.0]]).unwrap();
    assert!(db.iter().all(|d| (d - 0.5).abs() < 1e-6), "{db}");
    let forward = PlainWeighted.bind(&x, &y, &b).forward().unwrap();
    let [dy, _] = forward.pullback(&array![[1.0]]).unwrap();
    assert!(
        (dy[(0, 0)] - 1.0 / 3.0).abs() < 1e-6 && (dy.sum() - 1.0).abs() < 1e-6,
        "{dy}"
    );
    let half = |x: f64| f16::from_f64(x);
    let (x, y) = (array![[half(1000.0)]], array![[half(1.0)], [half(1.0)]]);
    let [dx, _] = Plain
        .bind(&x, &y)
        .forward()
        .unwrap()
        .pullback(&array![[half(1.0)]])
        .unwrap();
    assert_eq!(dx[(0, 0)].to_f64(), 1.0);
}

#[test]
fn terms_of_no_weight_do_not_count() {
    // The exponent that others would be related to has no weight, and its exponential is beyond what they leave of the range.
    for (first, single) in [
        (100.0, true),
        (1000.0, true),
        (1000.0, false),
        (f64::INFINITY, false),
    ] {
        let (x, y, b) = (array![[0.0]], array![[first], [0.0]], array![[0.0], [3.0]]);
        if single {
            let [x, y, b] = [x, y, b].map(|a| a.mapv(|v: f64| v as f32));
            let forward = PlainWeighted.bind(&x, &y, &b).forward().unwrap();
            assert!((forward.value[(0, 0)] - 3f32.ln()).abs() < 1e-6);
            let [dy, _] = forward.pullback(&array![[1.0]]).unwrap();
            assert_eq!(dy, array![[0.0], [1.0]]);
        } else {
            let forward = PlainWeighted.bind(&x, &y, &b).forward().unwrap();
            assert!((forward.value[(0, 0)] - 3f64.ln()).abs() < 1e-15);
            let [dy, _] = forward.pullback(&array![[1.0]]).unwrap();
            assert!((dy - array![[0.0], [1.0]]).iter().all(|d| d.abs() < 1e-15));
        }
    }
    // Weights of several components, of which one counts, and none at all.
    let several = genred!(
        "y",
        y = Vj(1),
        b = Vj(2),
        reduction = LogSumExp,
        weights = "b",
        axis = 1
    );
    let (y, b) = (
        array![[900.0], [0.0], [1.0]],
        array![[0.0, 0.0], [0.0, 2.0], [1.0, 0.0]],
    );
    let found = several.bind(&y, &b).run().unwrap();
    assert!((found[(0, 0)] - 1.0_f64).abs() < 1e-15 && (found[(0, 1)] - 2f64.ln()).abs() < 1e-15);
    let none = several.bind(&y, &(b * 0.0)).run().unwrap();
    assert_eq!(none, array![[f64::NEG_INFINITY; 2]]);
}

#[test]
fn logarithms_of_nothing_have_no_slope() {
    for (m, n) in [(0, 5), (5, 0)] {
        let [x, y, b, _] = arrays(m, n);
        let forward = Lse.bind(&x, &y, &b, 1.0).forward().unwrap();
        for gradient in forward.pullback(&forward.value.mapv(|_| 1.0)).unwrap() {
            assert!(gradient.iter().all(|&g| g == 0.0));
        }
    }
    // Exponents of -inf only.
    let [x, y, mut b, _] = arrays(3, 4);
    b.fill(f64::NEG_INFINITY);
    let forward = Lse.bind(&x, &y, &b, 1.0).forward().unwrap();
    assert!(forward.value.iter().all(|&v| v == f64::NEG_INFINITY));
    let [_, _, db, _] = forward.pullback(&Array2::ones((3, 2))).unwrap();
    assert_eq!(db, Array2::<f64>::zeros((4, 2)));
}

genred!(Least: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), reduction = Min,
        axis = 1, grad = [x, y, b, g]);
genred!(Greatest: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), reduction = MaxArgMax,
        axis = 0, grad = [x, y, b, g]);
genred!(Nearest: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), reduction = KMin(3),
        axis = 1, grad = [x, y, b, g]);

#[test]
fn minima_and_maxima() {
    // Where fewer values than asked for are there, the others are infinite.
    check!(Least, NOT_EMPTY, |values| values);
    check!(Greatest, NOT_EMPTY, |(values, _)| values);
    check!(Nearest, [(1, 17), (17, 65), (65, 17)], |values| values);
}

genred!(Indexed: "SqDist(x,y)*b", x = Vi(1), y = Vj(1), b = Vj(1), reduction = KMinArgKMin(2), axis = 1,
        grad = [y, x]);
genred!(LeastIndexed: "SqDist(x,y)", x = Vi(1), y = Vj(1), reduction = MinArgMin, axis = 1, grad = [x, y]);

#[test]
fn gradients_reach_exactly_the_pairs_that_are_selected() {
    let x = array![[0.0], [10.0], [f64::NAN]];
    let y = array![[3.0], [1.0], [1.0], [4.0]];
    let forward = LeastIndexed.bind(&x, &y).forward().unwrap();
    assert_eq!(forward.value.1, array![[1], [3], [0]]);
    let [dx, dy] = forward.pullback(&array![[1.0], [10.0], [100.0]]).unwrap();
    // The lower of two equal indices, and nothing of the row of NaN.
    assert_eq!(dx, array![[-2.0], [120.0], [0.0]]);
    assert_eq!(dy, array![[0.0], [2.0], [0.0], [-120.0]]);

    let b = Array2::ones((4, 1));
    let forward = Indexed.bind(&x, &y, &b).forward().unwrap();
    assert_eq!(forward.value.0.dim(), (3, 2, 1));
    let e = array![[[1.0], [10.0]], [[0.0], [0.0]], [[100.0], [100.0]]];
    let [dy, dx] = forward.pullback(&e).unwrap();
    assert_eq!(dx, array![[-22.0], [0.0], [0.0]]);
    assert_eq!(dy, array![[0.0], [2.0], [20.0], [0.0]]);
    // A single point, of which there are no two smallest.
    let one = array![[3.0]];
    let forward = Indexed.bind(&x, &one, b.row(0)).forward().unwrap();
    let [dy, _] = forward.pullback(&e).unwrap();
    assert_eq!(dy, array![[6.0]]);
}

genred!(Broadcast: "s*b + c*Norm2(x-y)", s = Vi(1), b = Vj(3), c = Pm(3), x = Vi(2), y = Vj(2), u = Pm(2),
        axis = 0, grad = [c, b, s, u, x]);

#[test]
fn broadcast_operands_and_unused_variables() {
    let (s, b, c, x, y, u) = (
        points(17, 1, 1),
        points(9, 3, 2),
        points(1, 3, 3),
        points(17, 2, 4),
        points(9, 2, 5),
        points(1, 2, 6),
    );
    let run = |[c, b, s, u, x]: &[Array2<f64>; 5]| {
        let [c, u] = [c, u].map(|p| p.row(0).to_vec());
        Broadcast.bind(s, b, &c, x, &y, &u).run().unwrap()
    };
    let arrays = [c.clone(), b.clone(), s.clone(), u.clone(), x.clone()];
    let e = weights(&run(&arrays));
    let bound = Broadcast.bind(&s, &b, c.row(0), &x, &y, u.row(0));
    let gradients = bound.forward().unwrap().pullback(&e).unwrap();
    assert_eq!(gradients[3], Array2::<f64>::zeros((1, 2)));
    let loss = |arrays: &[Array2<f64>; 5]| (run(arrays) * &e).sum();
    check_against_differences("Broadcast", &arrays, &gradients, 1e-8, loss);
}

genred!(ByX: "Grad(Exp(-g*SqDist(x,y))*b, x, e)", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), e = Vi(2), axis = 1);
genred!(ByY: "Grad(Exp(-g*SqDist(x,y))*b, y, e)", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), e = Vi(2), axis = 0);

#[test]
fn pullbacks_are_reductions_of_nested_derivatives() {
    let [x, y, b, _] = arrays(65, 33);
    let e = points(65, 2, 9);
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    let pull = || {
        Sum1.bind(&x, &y, &b, 1.3)
            .forward()
            .unwrap()
            .pullback(&e)
            .unwrap()
    };
    let [dx, dy, db, dg] = pool(1).install(pull);
    assert!(distance(&dx, &ByX.bind(&x, &y, &b, 1.3, &e).run().unwrap()) < 1e-13);
    assert!(distance(&dy, &ByY.bind(&x, &y, &b, 1.3, &e).run().unwrap()) < 1e-13);
    assert!(distance(&db, &gaussian(&x, &y, 1.3).t().dot(&e)) < 1e-13);
    assert_eq!([dx, dy, db, dg], pool(3).install(pull));
}

#[test]
fn half_precision_rounds_once() {
    let ([x, y, b, _], e) = (arrays(17, 65), points(17, 2, 9));
    let [x, y, b, e] = [x, y, b, e].map(|a| a.mapv(f16::from_f64));
    let forward = Sum1
        .bind(&x, &y, &b, f16::from_f64(1.25))
        .forward()
        .unwrap();
    let half = forward.pullback(&e).unwrap();
    let [x, y, b, e] = [x, y, b, e].map(|a| a.mapv(f64::from));
    let forward = Sum1.bind(&x, &y, &b, 1.25).forward().unwrap();
    let double = forward.pullback(&e).unwrap();
    for (half, double) in half.iter().zip(&double) {
        for (half, double) in half.iter().zip(double) {
            assert!((f64::from(*half) - double).abs() <= 2f64.powi(-11) * double.abs() + 1e-5);
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let [x, y, b, _] = arrays(5, 4);
    let forward = Sum1.bind(&x, &y, &b, 1.0).forward().unwrap();
    let error = forward.pullback(&points(4, 2, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "e: expected shape (5, 2), that of the value, got an array of shape (4, 2)"
    );
    let error = Sum1.bind(&x, &y, &x, 1.0).forward().unwrap_err();
    assert!(matches!(error, Error::Rows { .. }), "{error}");
    let error = Nearest.bind(&x, &y, &b, 1.0).forward().unwrap();
    let error = error.pullback(&Array::zeros((5, 2, 3))).unwrap_err();
    assert!(error.to_string().contains("(5, 3, 2)"), "{error}");
    let cuda = Sum1.bind(&x, &y, &b, 1.0).backend(Backend::Cuda(999));
    assert!(matches!(cuda.forward(), Err(Error::Backend { .. })));
}

kernel_solve!(Gauss: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1), grad = [x, y, b, g]);
kernel_solve!(Laplace: "Exp(-g*Norm2(x-y))*b", x = Vi(2), y = Vj(2), b = Vi(2), g = Pm(1), grad = [x, y, b, g]);
kernel_solve!(Elastic: "Exp(-g*SqDist(x,y))*(b+0.5*Sum(b))+(y|b)*x", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1),
              grad = [x, y, b, g]);

#[test]
fn gradients_of_block_sparse_reductions_take_the_same_pairs() {
    // Rows that are not covered, intervals that overlap, and a second half that says something else.
    let ranges = Ranges::new(
        &[[2, 9], [9, 10]],
        &[2, 3],
        &[[0, 20], [10, 30], [33, 65]],
        &[[0, 65]],
        &[1],
        &[[0, 17]],
    );
    let (arrays, ranges) = (arrays(17, 65), ranges.unwrap());
    macro_rules! check_ranges {
        ($kernel:expr) => {
            let run = |[x, y, b, g]: &Arrays| {
                let bound = $kernel.bind(x, y, b, g[(0, 0)]).ranges(&ranges);
                let value = bound.run().unwrap();
                // Those of rows that are not covered are infinite for some reductions.
                value.mapv(|v| if v.is_finite() { v } else { 0.0 })
            };
            let e = weights(&run(&arrays));
            let [x, y, b, g] = &arrays;
            let bound = $kernel.bind(x, y, b, g[(0, 0)]).ranges(&ranges);
            let gradients = bound.forward().unwrap().pullback(&e).unwrap();
            assert!(gradients[0].row(12).iter().all(|&g| g == 0.0));
            let loss = |arrays: &Arrays| (run(arrays) * &e).sum();
            check_against_differences(stringify!($kernel), &arrays, &gradients, 1e-6, loss);
        };
    }
    check_ranges!(Sum1);
    check_ranges!(Lse);
    check_ranges!(Least);
}

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
fn formulas_of_all_forms_have_gradients() {
    let (x, y) = (points(5, 2, 1), points(7, 2, 2));
    let scale = 0.5;
    let closure = genred!(
        |x: Vi(2), y: Vj(2)| (-scale * x.sqdist(y)).exp(),
        axis = 1,
        reduction = LogSumExp,
        grad = [x],
    );
    let text = genred!(
        "Exp(-s*SqDist(x,y))",
        x = Vi(2),
        y = Vj(2),
        s = Pm(1),
        axis = 1,
        reduction = LogSumExp,
        grad = [x]
    );
    let e = points(5, 1, 3);
    let [one] = closure
        .bind(&x, &y)
        .forward()
        .unwrap()
        .pullback(&e)
        .unwrap();
    let [other] = text
        .bind(&x, &y, scale)
        .forward()
        .unwrap()
        .pullback(&e)
        .unwrap();
    assert_eq!(one, other);
    // A formula that depends on nothing named has a gradient of zeros.
    let constant = genred!("SqDist(y,y)", x = Vi(2), y = Vj(2), axis = 1, grad = [y, x]);
    let forward = constant.bind(&x, &y).forward().unwrap();
    let [dy, dx] = forward.pullback(&e).unwrap();
    assert_eq!(dy, Array2::<f64>::zeros((7, 2)));
    assert_eq!(dx, Array2::<f64>::zeros((5, 2)));
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

#[test]
fn gradients_of_batches_are_those_of_their_elements() {
    // (4, 1, 7, 2), (3, 5, 2), (5, 2) and (3, 1): 4 times 3 elements.
    let stack = |leading: &[usize], rows: usize, columns: usize, seed| {
        let count: usize = leading.iter().product();
        let all = points(count * rows, columns, seed);
        let shape: Vec<usize> = [leading, &[rows, columns]].concat();
        all.into_shape_with_order(shape).unwrap()
    };
    let (x, y, b) = (
        stack(&[4, 1], 7, 2, 1),
        stack(&[3], 5, 2, 2),
        points(5, 2, 3) + 0.5,
    );
    let g = points(3, 1, 4) + 0.5;
    macro_rules! check_batch {
        ($kernel:expr, $e:expr) => {
            let forward = $kernel.bind_batch(&x, &y, &b, &g).forward().unwrap();
            let run = $kernel.bind_batch(&x, &y, &b, &g).run().unwrap();
            assert_eq!(forward.value, run);
            let e = weights(&run);
            let [dx, dy, db, dg] = forward.pullback(&e).unwrap();
            let mut expected =
                [&x, &y, &b.clone().into_dyn(), &g.clone().into_dyn()].map(|a| a * 0.0);
            for l in 0..4 {
                for k in 0..3 {
                    let (x, y) = (x.slice(s![l, 0, .., ..]), y.slice(s![k, .., ..]));
                    let one = $kernel.bind(x, y, &b, g[(k, 0)]).forward().unwrap();
                    let [dx, dy, db, dg] = one.pullback(&e.slice($e(l, k))).unwrap();
                    let [sx, sy, sb, sg] = &mut expected;
                    let mut sx = sx.slice_mut(s![l, 0, .., ..]);
                    sx += &dx;
                    let mut sy = sy.slice_mut(s![k, .., ..]);
                    sy += &dy;
                    *sb += &db;
                    sg[[k, 0]] += dg[(0, 0)];
                }
            }
            for (found, expected) in [dx, dy, db, dg].iter().zip(&expected) {
                assert_eq!(found.shape(), expected.shape());
                let error = (found - expected)
                    .iter()
                    .fold(0.0, |s: f64, d| s.max(d.abs()));
                assert!(error < 1e-12, "{}: {error:e}", stringify!($kernel));
            }
        };
    }
    check_batch!(Sum1, |l, k| s![l, k, .., ..]);
    check_batch!(Attention, |l, k| s![l, k, .., ..]);
    check_batch!(Nearest, |l, k| s![l, k, .., .., ..]);

    // A number, an empty batch, and an e that does not fit.
    let forward = Sum1.bind_batch(&x, &y, &b, 1.0).forward().unwrap();
    let [.., dg] = forward.pullback(&forward.value).unwrap();
    assert_eq!(dg.shape(), [1]);
    let error = forward.pullback(&b).unwrap_err();
    assert_eq!(
        error.to_string(),
        "e: expected shape (4, 3, 7, 2), that of the value, got an array of shape (5, 2)"
    );
    let none = Array::<f64, _>::zeros((0, 5, 2));
    let forward = Sum1.bind_batch(&x, &none, &b, 1.0).forward().unwrap();
    let [dx, dy, ..] = forward.pullback(&forward.value).unwrap();
    assert_eq!(dx, &x * 0.0);
    assert_eq!(dy, none.into_dyn());
}

#[test]
fn gradients_of_batches_of_systems_are_those_of_their_elements() {
    // Points of 3 elements, right-hand sides of 4, parameters of 3: 4 times 3 systems.
    let stack = |leading: &[usize], rows: usize, columns: usize, seed| {
        let count: usize = leading.iter().product();
        let all = points(count * rows, columns, seed);
        let shape: Vec<usize> = [leading, &[rows, columns]].concat();
        all.into_shape_with_order(shape).unwrap()
    };
    let (x, b) = (stack(&[3], 20, 2, 1) * 3.0, stack(&[4, 1], 20, 2, 2));
    let g = points(3, 1, 4) + 0.5;
    macro_rules! check_batch {
        ($kernel:expr) => {
            let tolerance = Tolerance::Relative(1e-13);
            let bound = $kernel.bind_batch(&x, &x, &b, &g).alpha(0.3);
            let forward = bound.tolerance(tolerance).forward().unwrap();
            let values = &forward.solution.values;
            assert_eq!(values.shape(), [4, 3, 20, 2]);
            let e = weights(values);
            let found = forward.pullback(&e).unwrap();
            assert_eq!(found.adjoint.elements.shape(), [4, 3]);
            let of_arrays = [&x, &x, &b, &g.clone().into_dyn()];
            let mut expected = of_arrays.map(|a| a * 0.0);
            let mut alpha = 0.0;
            for l in 0..4 {
                for k in 0..3 {
                    let (x, b) = (x.slice(s![k, .., ..]), b.slice(s![l, 0, .., ..]));
                    let one = $kernel.bind(x, x, b, g[(k, 0)]).alpha(0.3);
                    let one = one.tolerance(tolerance).forward().unwrap();
                    let of_one = one.pullback(e.slice(s![l, k, .., ..])).unwrap();
                    assert_eq!(values.slice(s![l, k, .., ..]), one.solution.values);
                    let [dx, dy, db, dg] = of_one.aliases;
                    let [sx, sy, sb, sg] = &mut expected;
                    let mut sx = sx.slice_mut(s![k, .., ..]);
                    sx += &dx;
                    let mut sy = sy.slice_mut(s![k, .., ..]);
                    sy += &dy;
                    let mut sb = sb.slice_mut(s![l, 0, .., ..]);
                    sb += &db;
                    sg[[k, 0]] += dg[(0, 0)];
                    alpha += of_one.alpha;
                }
            }
            assert!((found.alpha - alpha).abs() < 1e-12 * alpha.abs());
            for (found, expected) in found.aliases.iter().zip(&expected) {
                assert_eq!(found.shape(), expected.shape());
                let error = (found - expected)
                    .iter()
                    .fold(0.0, |s: f64, d| s.max(d.abs()));
                assert!(error < 1e-12, "{}: {error:e}", stringify!($kernel));
            }
        };
    }
    check_batch!(Gauss);
    check_batch!(Laplace);
    check_batch!(Elastic);

    // In single precision, with a number, and an empty batch.
    let single = |a: &ArrayD<f64>| a.mapv(|v| v as f32);
    let (x32, b32) = (single(&x), single(&b));
    let forward = Gauss.bind_batch(&x32, &x32, &b32, 1.0).forward().unwrap();
    let gradients = forward.pullback(&forward.solution.values).unwrap();
    assert_eq!(gradients.aliases[3].shape(), [1]);
    let none = Array::<f64, _>::zeros((0, 1, 20, 2));
    let forward = Gauss.bind_batch(&x, &x, &none, 1.0).forward().unwrap();
    let gradients = forward.pullback(&forward.solution.values).unwrap();
    assert_eq!((gradients.aliases[0].sum(), gradients.alpha), (0.0, 0.0));
}

#[test]
fn an_e_that_does_not_fit_batches_of_systems_is_refused() {
    let (x, b) = (points(9, 2, 1), points(9, 2, 2));
    let g = points(3, 1, 4) + 0.5;
    let forward = Gauss.bind_batch(&x, &x, &b, &g).alpha(0.3).forward();
    let forward = forward.unwrap();
    assert_eq!(
        forward.pullback(&b).unwrap_err().to_string(),
        "e: expected shape (3, 9, 2), that of the solutions, got an array of shape (9, 2)"
    );
    let mut e = forward.solution.values.clone();
    e[[1, 4, 0]] = f64::NAN;
    let error = forward.pullback(&e).unwrap_err().to_string();
    assert!(error.starts_with("element (1,): e"), "{error}");
    // Systems that were not solved have no gradients.
    let limited = Gauss
        .bind_batch(&x, &x, &b, &g)
        .alpha(0.3)
        .max_iterations(0);
    assert!(matches!(
        limited.forward().unwrap_err(),
        BatchSolveError::Unconverged(_)
    ));
}

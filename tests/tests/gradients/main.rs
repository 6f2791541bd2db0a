//! Pullbacks of reductions and systems, against finite differences, nested derivatives and closed forms.

mod batches;
mod systems;

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
            // 3 e^(-log 3), of which each step is rounded.
            assert_eq!(dy[(0, 0)], 0.0);
            assert!((dy[(1, 0)] - 1.0f32).abs() <= f32::EPSILON, "{dy}");
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
    // In the first of two rows; what the other gives to the columns is not touched.
    let (x, y) = (array![[f64::NEG_INFINITY], [0.5]], array![[0.0], [0.0]]);
    let b = array![[2.0], [2.0]];
    let e = array![[5.0], [1.0]];
    let half = array![[0.5], [0.5]];
    let forward = Plain.bind(&x, &y).forward().unwrap();
    let [dx, dy] = forward.pullback(&e).unwrap();
    assert_close(&dx, &array![[0.0], [1.0]]);
    assert_close(&dy, &half);
    let forward = PlainWeighted.bind(&x, &y, &b).forward().unwrap();
    let [dy, db] = forward.pullback(&e).unwrap();
    assert_close(&dy, &half);
    assert_close(&db, &(&half / 2.0));
    let forward = PlainMean.bind(&x, &y, &b).forward().unwrap();
    assert!(forward.value[(0, 0)].is_nan() && forward.value[(1, 0)] == 2.0);
    let [db] = forward.pullback(&e).unwrap();
    assert_close(&db, &half);
    // Weights of 0 only.
    let b = b * 0.0;
    let forward = PlainWeighted.bind(&x, &y, &b).forward().unwrap();
    for gradient in forward.pullback(&e).unwrap() {
        assert_eq!(gradient, Array2::<f64>::zeros((2, 1)));
    }
}

fn assert_close(found: &Array2<f64>, expected: &Array2<f64>) {
    let difference = found - expected;
    assert!(
        difference.iter().all(|d| d.abs() < 1e-15),
        "{found} and {expected}"
    );
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

/// Few pairs are enough to compute, and there are more points than gradients have memory for.
#[test]
fn gradients_by_more_points_than_memory_holds_are_refused() {
    const ROWS: usize = 1 << 58;
    let [x, y, b, _] = arrays(5, 1);
    let (y, b) = (
        y.broadcast((ROWS, 2)).unwrap(),
        b.broadcast((ROWS, 2)).unwrap(),
    );
    let ranges = Ranges::from_rows(&[[0, 5]], &[1], &[[7, 9]]).unwrap();
    macro_rules! check_refused {
        ($($kernel:expr),*) => {$(
            let forward = $kernel.bind(&x, y, b, 1.3).ranges(&ranges).forward().unwrap();
            let message = forward.pullback(&Array2::ones((5, 2))).unwrap_err().to_string();
            assert!(message.contains("memory"), "{message}");
        )*};
    }
    check_refused!(Sum1, Lse, Attention, Least);
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

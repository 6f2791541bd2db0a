//! Fewer rows than a vector has lanes and many columns, so that lanes are columns: against plain loops, and the same rows among others.

use keops_solve::ndarray::{Array2, Axis, concatenate, s};
use keops_solve::prelude::*;
use keops_solve::{Accumulate, Element, SumScheme};

genred!(Gaussian: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), axis = 1);
genred!(OverI: "Exp(-g*SqDist(x,y))*b", x = Vj(3), y = Vi(3), b = Vi(2), g = Pm(1), axis = 0);
// The runtime computes the distances: of points as they are, and of others.
genred!(Cauchy: "b*Inv(1+g*SqDist(x,y))", x = Vi(10), y = Vj(10), b = Vj(2), g = Pm(1), axis = 1, grad = [x, g]);
genred!(Before: "b*Inv(1+g*SqDist(x,y))", b = Vj(2), y = Vj(10), g = Pm(1), x = Vi(10), axis = 1);
genred!(Scaled: "Exp(-SqDist(Sin(x),Sin(y)))*b", x = Vi(9), y = Vj(9), b = Vj(1), axis = 1);
// Features that are copied, more of them than are hoisted together, and none at all.
genred!(Computed: "(Exp(x)|Exp(y))*b", x = Vi(40), y = Vj(40), b = Vj(1), axis = 1);
// Of so many dimensions that distances are expanded where there are many rows.
genred!(Long: "Exp(-g*SqDist(x,y))*b", x = Vi(60), y = Vj(60), b = Vj(1), g = Pm(1), axis = 1);
genred!(Linear: "(x|y)*b", x = Vi(40), y = Vj(40), b = Vj(1), axis = 1);
genred!(Counts: "x*IntCst(1)", x = Vi(2), n = Vj(1), axis = 1);
genred!(Logarithm: "-g*SqDist(x,y)", x = Vi(3), y = Vj(3), g = Pm(1), reduction = LogSumExp, axis = 1);
genred!(Weighted: "-g*SqDist(x,y)", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = LogSumExp, weights = "b", axis = 1);
genred!(Mean: "-g*SqDist(x,y)", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = SumSoftMaxWeight, weights = "b", axis = 1);
lazy!(Distance: "SqDist(x,y)", x = Vi(3), y = Vj(3));
lazy!(LongDistance: "SqDist(x,y)", x = Vi(10), y = Vj(10));

/// Numbers between 0 and 1.
fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 40) as f32) / f64::from(1 << 24)
    })
}

/// Rows and columns: none, some, so few that lanes are rows, and around multiples of lanes.
const SIZES: [[usize; 2]; 12] = [
    [0, 5000],
    [1, 0],
    [1, 1],
    [1, 500],
    [1, 1031],
    [1, 10_500],
    [2, 5003],
    [3, 4096],
    [7, 7207],
    [8, 8200],
    [15, 15_400],
    [16, 2001],
];

fn distance(x: &Array2<f64>, i: usize, y: &Array2<f64>, j: usize) -> f64 {
    let difference = &x.row(i) - &y.row(j);
    difference.dot(&difference)
}

/// `sum_j entry(i, j) b_j`, with compensated sums.
fn product(rows: usize, b: &Array2<f64>, entry: impl Fn(usize, usize) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((rows, b.ncols()), |(i, k)| {
        let (mut sum, mut lost) = (0.0, 0.0);
        for (j, b) in b.column(k).iter().enumerate() {
            let term = entry(i, j) * b - lost;
            let all: f64 = sum + term;
            (lost, sum) = ((all - sum) - term, all);
        }
        sum
    })
}

/// Asserts that results, all positive, are within so many units in the last place.
fn assert_close<T: Element>(what: &str, got: &Array2<T>, expected: &Array2<f64>, units: f64) {
    assert_eq!(got.dim(), expected.dim(), "{what}");
    let unit = 2f64.powi(if size_of::<T>() == 4 { -23 } else { -52 });
    for (got, &expected) in got.iter().zip(expected) {
        let got = got.to_f64();
        let error = (got - expected).abs();
        assert!(
            error <= units * unit * expected.abs(),
            "{what}: {got} {expected}"
        );
    }
}

fn held<T: Element>(array: &Array2<f64>) -> Array2<T> {
    array.mapv(T::from_f64)
}

fn check_sums<T: Element>([m, n]: [usize; 2]) {
    let points = |dim| [random(m, dim, 1), random(n, dim, 2)];
    let b = random(n, 2, 3);
    let one = b.slice(s![.., ..1]).to_owned();
    let (of_b, of_one) = (held::<T>(&b), held::<T>(&one));
    let g = &[T::from_f64(0.5)];
    let what = |name: &str, isa| format!("{name}, {m} x {n}, {isa}, {} bytes", size_of::<T>());
    let [x, y] = points(3);
    let [x10, y10] = points(10);
    let [x9, y9] = points(9);
    let [x40, y40] = points(40);
    let gaussians = product(m, &b, |i, j| (-0.5 * distance(&x, i, &y, j)).exp());
    let cauchys = product(m, &b, |i, j| 1.0 / (1.0 + 0.5 * distance(&x10, i, &y10, j)));
    let [sin_x, sin_y] = [&x9, &y9].map(|x| x.mapv(f64::sin));
    let scaled = product(m, &one, |i, j| (-distance(&sin_x, i, &sin_y, j)).exp());
    let [exp_x, exp_y] = [&x40, &y40].map(|x| x.mapv(f64::exp));
    let computed = product(m, &one, |i, j| exp_x.row(i).dot(&exp_y.row(j)));
    let linear = product(m, &one, |i, j| x40.row(i).dot(&y40.row(j)));
    let counts = &x.slice(s![.., ..2]) * n as f64;
    let [x, y, x10, y10] = [x, y, x10, y10].map(|a| held::<T>(&a));
    let [x9, y9, x40, y40] = [x9, y9, x40, y40].map(|a| held::<T>(&a));
    for isa in InstructionSet::available() {
        macro_rules! check {
            ($name:literal, $sums:expr, $expected:expr) => {
                check!($name, $sums, $expected, 8.0)
            };
            ($name:literal, $sums:expr, $expected:expr, $units:literal) => {
                let sums = $sums.instruction_set(isa).run().expect("sums");
                assert_close(&what($name, isa), &sums, $expected, $units);
            };
        }
        check!("Gaussian", Gaussian.bind(&x, &y, &of_b, g), &gaussians);
        check!("over i", OverI.bind(&x, &y, &of_b, g), &gaussians);
        check!("Cauchy", Cauchy.bind(&x10, &y10, &of_b, g), &cauchys);
        check!("before", Before.bind(&of_b, &y10, g, &x10), &cauchys);
        check!("computed", Computed.bind(&x40, &y40, &of_one), &computed);
        check!("scaled", Scaled.bind(&x9, &y9, &of_one), &scaled);
        check!("linear", Linear.bind(&x40, &y40, &of_one), &linear);
        let two = x.slice(s![.., ..2]);
        // Equal terms are rounded in the same direction: half a unit for each of 256.
        check!("counts", Counts.bind(two, &of_one), &counts, 128.0);
    }
}

#[test]
fn sums() {
    for sizes in SIZES {
        check_sums::<f64>(sizes);
        check_sums::<f32>(sizes);
    }
    // It is cut into parts.
    check_sums::<f32>([2, 70_001]);
}

#[test]
fn schemes_of_summation() {
    let (x, y, b) = (random(2, 3, 1), random(9001, 3, 2), random(9001, 2, 3));
    let expected = product(2, &b, |i, j| (-0.5 * distance(&x, i, &y, j)).exp());
    let [x32, y32, b32] = [&x, &y, &b].map(held::<f32>);
    use {Accumulate::*, SumScheme::*};
    for isa in InstructionSet::available() {
        for (scheme, units) in [(Direct, 100.0), (Block, 8.0), (Kahan, 2.0)] {
            for accumulate in [Same, F64] {
                let what = format!("{scheme:?}, {accumulate:?}, {isa}");
                let sums = Gaussian.bind(&x32, &y32, &b32, 0.5).sum_scheme(scheme);
                let sums = sums.accumulate(accumulate).instruction_set(isa).run();
                assert_close(&what, &sums.expect("sums"), &expected, units);
                let sums = Gaussian.bind(&x, &y, &b, 0.5).sum_scheme(scheme);
                let sums = sums.accumulate(accumulate).instruction_set(isa).run();
                assert_close(&what, &sums.expect("sums"), &expected, units);
            }
        }
    }
}

#[test]
fn logarithms_and_means() {
    for [m, n] in SIZES {
        let (x, y, b) = (random(m, 3, 1), random(n, 3, 2), random(n, 2, 3));
        let weight = |i, j| (-8.0 * distance(&x, i, &y, j)).exp();
        let sums = product(m, &Array2::ones((n, 1)), weight);
        let logarithms = sums.mapv(f64::ln);
        let means = product(m, &b, weight) / &sums;
        for isa in InstructionSet::available() {
            let got = Logarithm.bind(&x, &y, 8.0).instruction_set(isa).run();
            let got = got.expect("logarithms");
            for (got, expected) in got.iter().zip(&logarithms) {
                // The logarithm may be near 0.
                let is_close = (got - expected).abs() <= 1e-14 || got == expected;
                assert!(is_close, "{m} x {n}, {isa}: {got} {expected}");
            }
            let got = Weighted.bind(&x, &y, &b, 8.0).instruction_set(isa).run();
            let got = got.expect("logarithms");
            for (got, expected) in got.iter().zip((&means * &sums).mapv(f64::ln)) {
                let is_close = (got - expected).abs() <= 1e-14 || n == 0;
                assert!(is_close, "{m} x {n}, {isa}: {got} {expected}");
            }
            let got = Mean.bind(&x, &y, &b, 8.0).instruction_set(isa).run();
            let got = got.expect("means");
            if n > 0 {
                assert_close(&format!("means, {m} x {n}, {isa}"), &got, &means, 8.0);
            } else {
                assert!(got.iter().all(|mean| mean.is_nan()));
            }
        }
    }
}

/// Checks all that selects. The distances of whole numbers are exact, and many are equal: of equal values the lowest columns are taken.
macro_rules! check_selections {
    ($kernel:ident, $type:ty, $dim:literal, $sizes:expr, $isa:expr) => {{
        let [m, n]: [usize; 2] = $sizes;
        let whole = |rows, seed| random(rows, $dim, seed).mapv(|x| (4.0 * x).round());
        let (x, mut y) = (whole(m, 1), whole(n, 2));
        if n > 900 {
            y[[n - 3, 1]] = f64::NAN;
            y[[700, 0]] = f64::NAN;
            y[[801, 0]] = f64::INFINITY;
        }
        let (of_x, of_y) = (held::<$type>(&x), held::<$type>(&y));
        // Rows in lanes, and columns in lanes where rows are the reduced side.
        let bound = $kernel.bind(&of_x, &of_y).instruction_set($isa);
        let mirrored = $kernel.bind(&of_y, &of_x).instruction_set($isa);
        let (largest, last) = bound.max_argmax(1).expect("the largest");
        let (smallest, first) = bound.min_argmin(1).expect("the smallest");
        assert_eq!(bound.max(1).expect("the largest"), largest);
        assert_eq!(bound.argmin(1).expect("the smallest"), first);
        assert_eq!(mirrored.argmin(0).expect("the smallest"), first);
        let few = bound.kmin_argkmin(5, 1).expect("the smallest");
        let many = bound.kmin_argkmin(70, 1).expect("the smallest");
        for i in 0..m {
            let entries: Vec<f64> = (0..n).map(|j| distance(&x, i, &y, j)).collect();
            let mut order: Vec<usize> = (0..n).filter(|&j| entries[j] < f64::INFINITY).collect();
            order.sort_by(|&a, &b| entries[a].total_cmp(&entries[b]));
            let what = format!("{m} x {n}, row {i}, {}", $isa);
            let best = order.first().copied();
            assert_eq!(first[[i, 0]], best.unwrap_or(0), "{what}");
            assert_eq!(
                f64::from(smallest[[i, 0]]),
                best.map_or(f64::INFINITY, |j| entries[j]),
                "{what}"
            );
            let most = entries.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            assert_eq!(f64::from(largest[[i, 0]]), most, "{what}");
            let found = entries.iter().position(|&entry| entry == most);
            assert_eq!(last[[i, 0]], found.unwrap_or(0), "{what}");
            for (values, indices) in [&few, &many] {
                for k in 0..values.dim().1 {
                    let j = order.get(k).copied();
                    assert_eq!(indices[[i, k, 0]], j.unwrap_or(0), "{what}");
                    let expected = j.map_or(f64::INFINITY, |j| entries[j]);
                    assert_eq!(f64::from(values[[i, k, 0]]), expected, "{what}");
                }
            }
        }
    }};
}

#[test]
fn selections() {
    for isa in InstructionSet::available() {
        for sizes in SIZES.into_iter().chain([[1, 150_000]]) {
            check_selections!(Distance, f32, 3, sizes, isa);
            check_selections!(LongDistance, f64, 10, sizes, isa);
        }
    }
}

/// All values are equal, or none is below infinity, whichever lanes have them.
#[test]
fn equal_values() {
    let (x, y) = (Array2::<f32>::zeros((1, 3)), Array2::zeros((20_000, 3)));
    let far = Array2::from_elem((20_000, 3), f32::INFINITY);
    for isa in InstructionSet::available() {
        let bound = Distance.bind(&x, &y).instruction_set(isa);
        assert_eq!(bound.argmax(1).expect("the largest")[[0, 0]], 0);
        let (_, indices) = bound.kmin_argkmin(20, 1).expect("the smallest");
        assert!(indices.iter().copied().eq(0..20));
        let (_, indices) = bound.kmin_argkmin(100, 1).expect("the smallest");
        assert!(indices.iter().copied().eq(0..100));
        let bound = Distance.bind(&x, &far).instruction_set(isa);
        let found = bound.min_argmin(1).expect("the smallest");
        assert_eq!(
            found,
            (
                Array2::from_elem((1, 1), f32::INFINITY),
                Array2::zeros((1, 1))
            )
        );
        let (values, indices) = bound.kmin_argkmin(20, 1).expect("the smallest");
        assert!(values.iter().all(|value| value.is_infinite()));
        assert!(indices.iter().all(|&index| index == 0));
    }
}

/// The last rows of many, which are a span of their own, and arrays that are not contiguous.
#[test]
fn rows_of_others_and_strides() {
    let (x, y, b) = (random(1027, 3, 1), random(9001, 3, 2), random(9001, 2, 3));
    let entry = |i: usize, j: usize| (-0.5 * distance(&x, 1024 + i, &y, j)).exp();
    let expected = product(3, &b, entry);
    let last = x.slice(s![1024.., ..]).to_owned();
    let [x_t, y_t, b_t] = [&last, &y, &b].map(|a| {
        let twice = concatenate![Axis(1), *a, *a];
        twice.t().as_standard_layout().into_owned()
    });
    for isa in InstructionSet::available() {
        let all = Gaussian.bind(&x, &y, &b, 0.5).instruction_set(isa).run();
        let all = all.expect("sums").slice(s![1024.., ..]).to_owned();
        assert_close("the last rows", &all, &expected, 8.0);
        let x = x_t.t();
        let (x, y, b) = (x.slice(s![.., ..3]), y_t.t(), b_t.t());
        let (y, b) = (y.slice(s![.., 3..]), b.slice(s![.., 2..]));
        let sums = Gaussian.bind(x, y, b, 0.5).instruction_set(isa).run();
        assert_close("strides", &sums.expect("sums"), &expected, 8.0);
    }
}

/// One interval of columns for few rows, and several for others; the last rows of many, whose distances are expanded.
#[test]
fn ranges_and_expanded_distances() {
    let (x, y, b) = (random(5, 3, 1), random(20_000, 3, 2), random(20_000, 2, 3));
    let ranges = Ranges::from_rows(
        &[[0, 2], [3, 5]],
        &[1, 3],
        &[[7, 19_000], [5, 1500], [1600, 19_999]],
    );
    let ranges = ranges.expect("ranges");
    let taken = |i, j| {
        let first = i < 2 && (7..19_000).contains(&j);
        let several = (5..1500).contains(&j) || (1600..19_999).contains(&j);
        first || (i > 2 && several)
    };
    let entry = |i, j| f64::from(u8::from(taken(i, j))) * (-0.5 * distance(&x, i, &y, j)).exp();
    let expected = product(5, &b, entry);
    let (long_x, long_y) = (random(1027, 60, 1), random(3001, 60, 2));
    let one = random(3001, 1, 3);
    let long = product(1027, &one, |i, j| {
        (-0.03 * distance(&long_x, i, &long_y, j)).exp()
    });
    for isa in InstructionSet::available() {
        let sums = Gaussian.bind(&x, &y, &b, 0.5).ranges(&ranges);
        let sums = sums.instruction_set(isa).run().expect("sums");
        assert_close("ranges", &sums, &expected, 8.0);
        let sums = Long.bind(&long_x, &long_y, &one, 0.03).instruction_set(isa);
        assert_close("expanded", &sums.run().expect("sums"), &long, 8.0);
    }
}

/// The gradient by few points and by a parameter, against central differences.
#[test]
fn gradients() {
    let (x, y, b) = (random(2, 10, 1), random(9001, 10, 2), random(9001, 2, 3));
    let e = random(2, 2, 4);
    let loss = |x: &Array2<f64>, g: f64| {
        let entry = |i, j| 1.0 / (1.0 + g * distance(x, i, &y, j));
        (product(2, &b, entry) * &e).sum()
    };
    let step = 1e-5;
    let by_g = (loss(&x, 0.5 + step) - loss(&x, 0.5 - step)) / (2.0 * step);
    let by_x = Array2::from_shape_fn((2, 10), |at| {
        let [ahead, behind] = [step, -step].map(|step| {
            let mut x = x.clone();
            x[at] += step;
            loss(&x, 0.5)
        });
        (ahead - behind) / (2.0 * step)
    });
    for isa in InstructionSet::available() {
        let forward = Cauchy.bind(&x, &y, &b, 0.5).instruction_set(isa).forward();
        let gradients = forward.expect("sums").pullback(&e);
        let [of_x, of_g] = gradients.expect("gradients");
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-7 * b.abs().max(1.0);
        assert!(close(of_g[[0, 0]], by_g), "{isa}: {of_g} {by_g}");
        let all = of_x.iter().zip(&by_x);
        assert!(
            all.clone().all(|(&a, &b)| close(a, b)),
            "{isa}: {of_x} {by_x}"
        );
    }
}

#[test]
fn batches() {
    let (y, b) = (random(9001, 3, 2), random(9001, 2, 3));
    let x = random(4, 3, 1);
    let of_elements = x.view().insert_axis(Axis(1));
    for isa in InstructionSet::available() {
        let batch = Gaussian.bind_batch(of_elements, &y, &b, 0.5);
        let batch = batch.instruction_set(isa).run().expect("sums");
        assert_eq!(batch.shape(), [4, 1, 2]);
        for k in 0..4 {
            let row = x.slice(s![k..=k, ..]);
            let single = Gaussian.bind(row, &y, &b, 0.5).instruction_set(isa).run();
            let of_batch = batch.slice(s![k, .., ..]).to_owned();
            assert_eq!(single.expect("sums").into_dyn(), of_batch.into_dyn());
        }
    }
}

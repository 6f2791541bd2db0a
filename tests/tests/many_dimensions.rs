//! Gaussians in many dimensions, whose squared distances are computed from scalar products: as accurate as from differences, wherever the points lie.

use keops_solve::ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s};
use keops_solve::prelude::*;

const D: usize = 100;

genred!(One: "Exp(-g*SqDist(x,y))*b", x = Vi(100), y = Vj(100), b = Vj(1), g = Pm(1), axis = 1);
genred!(Three: "Exp(-g*SqDist(x,y))*b", x = Vi(100), y = Vj(100), b = Vj(3), g = Pm(1), axis = 1);
genred!(Many: "Exp(-g*SqDist(x,y))*b", x = Vi(100), y = Vj(100), b = Vj(20), g = Pm(1), axis = 1);
genred!(OverI: "Exp(-g*SqDist(y,x))*b", y = Vj(100), x = Vi(100), b = Vi(11), g = Pm(1), axis = 0);
lazy!(Gaussian: "Exp(-g*SqDist(x,y))", x = Vi(100), y = Vj(100), g = Pm(1));

/// Numbers between -1/2 and 1/2.
fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    })
}

fn single(x: &Array2<f64>) -> Array2<f32> {
    x.mapv(|x| x as f32)
}

fn double(x: &Array2<f32>) -> Array2<f64> {
    x.mapv(f64::from)
}

/// `sum_j exp(-g |x_i - y_j|^2) b_j`, from differences, with compensated sums; and the same of the sizes of the terms.
fn with_sizes(x: &Array2<f64>, y: &Array2<f64>, b: &Array2<f64>, g: f64) -> [Array2<f64>; 2] {
    let mut sums = Array2::zeros((x.nrows(), b.ncols()));
    let mut sizes = sums.clone();
    for (i, x) in x.rows().into_iter().enumerate() {
        let mut lost = vec![0.0; b.ncols()];
        for (y, b) in y.rows().into_iter().zip(b.rows()) {
            let distance: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
            let value = (-g * distance).exp();
            for (k, b) in b.iter().enumerate() {
                let term = value * b - lost[k];
                let total: f64 = sums[[i, k]] + term;
                lost[k] = (total - sums[[i, k]]) - term;
                sums[[i, k]] = total;
                sizes[[i, k]] += value * b.abs();
            }
        }
    }
    [sums, sizes]
}

fn by_differences(x: &Array2<f64>, y: &Array2<f64>, b: &Array2<f64>, g: f64) -> Array2<f64> {
    let [sums, _] = with_sizes(x, y, b, g);
    sums
}

/// The largest error, relative to the sum of the sizes of the terms.
fn error(values: &Array2<f64>, expected: &Array2<f64>, sizes: &Array2<f64>) -> f64 {
    assert_eq!(values.dim(), expected.dim());
    let errors = values.iter().zip(expected).zip(sizes);
    errors
        .map(|((value, expected), size)| (value - expected).abs() / size.max(1e-30))
        .fold(0.0, |a, b| if b <= a { a } else { b })
}

/// Points as they come: around the origin, far from it, in two clusters, of very different scales, and all of them twice.
fn clouds(m: usize, n: usize) -> Vec<(&'static str, Array2<f64>, Array2<f64>)> {
    let (x, y) = (random(m, D, 1), random(n, D, 2));
    let far = |x: &Array2<f64>| x + 1000.0;
    let clusters = |x: &Array2<f64>| {
        let mut x = x * 0.1;
        let half = x.nrows() / 2;
        x.slice_mut(s![half.., ..]).map_inplace(|x| *x += 0.4);
        x
    };
    let scales = |x: &Array2<f64>| {
        let mut x = x.clone();
        for (d, mut column) in x.columns_mut().into_iter().enumerate() {
            column *= 10f64.powi(-(d as i32 % 7));
        }
        x
    };
    let twice = |x: &Array2<f64>| {
        let half = x.slice(s![..x.nrows().div_ceil(2), ..]);
        let both = concatenate(Axis(0), &[half, half]).expect("the same widths");
        both.slice(s![..x.nrows(), ..]).to_owned()
    };
    vec![
        ("around the origin", x.clone(), y.clone()),
        ("far from the origin", far(&x), far(&y)),
        ("in clusters", clusters(&x), clusters(&y)),
        ("of different scales", scales(&x), scales(&y)),
        (
            "twice",
            twice(&x),
            twice(&x).slice(s![..n.min(m), ..]).to_owned(),
        ),
    ]
}

/// Checks sums in both types on every instruction set.
macro_rules! check {
    ($sum:ident, $x:expr, $y:expr, $b:expr, $g:expr, $name:expr) => {{
        let ([x, y, b], g): ([Array2<f32>; 3], f32) = ([&$x, &$y, &$b].map(single), $g);
        let [dx, dy, db] = [&x, &y, &b].map(double);
        let [expected, sizes] = with_sizes(&dx, &dy, &db, f64::from(g));
        let distance: f64 = dx
            .row(0)
            .iter()
            .zip(dy.row(1))
            .map(|(x, y)| (x - y).powi(2))
            .sum();
        // An exponent has an error of some units in its last place, whichever way it is computed.
        let exponent = (f64::from(g) * distance).max(1.0);
        for isa in InstructionSet::available() {
            let values = $sum
                .bind(&x, &y, &b, g)
                .instruction_set(isa)
                .run()
                .expect("sums");
            let of_single = error(&double(&values), &expected, &sizes);
            let values = $sum
                .bind(&dx, &dy, &db, f64::from(g))
                .instruction_set(isa)
                .run();
            let of_double = error(&values.expect("sums"), &expected, &sizes);
            let what = format!("{}, {} x {}, g = {g}, {isa}", $name, x.nrows(), y.nrows());
            println!("{what}: {of_single:.1e} {of_double:.1e}");
            assert!(of_single < 4e-7 * exponent, "{what}: {of_single}");
            assert!(of_double < 6e-16 * exponent, "{what}: {of_double}");
        }
    }};
}

#[test]
fn sums_are_as_accurate_as_from_differences() {
    // Numbers that are no multiples of vectors, blocks or tiles; below 256, and for large g, differences are computed.
    for (m, n) in [(255, 300), (301, 411), (1030, 259)] {
        // More rows than a task has, once.
        let clouds = clouds(m, n).into_iter().take(if m > 1000 { 1 } else { 5 });
        for (name, x, y) in clouds {
            let b = random(y.nrows(), 1, 3);
            for g in [0.125, 0.34375, 3.0] {
                check!(One, x, y, b, g, name);
            }
        }
    }
}

#[test]
fn sums_of_several_components_over_either_index() {
    let (x, y) = (random(290, D, 1), random(333, D, 2));
    check!(Three, x, y, random(333, 3, 3), 0.125, "three");
    check!(Many, x, y, random(333, 20, 3), 0.125, "many");
    check!(OverI, y, x, random(290, 11, 3), 0.125, "over i");
}

#[test]
fn sums_over_the_same_points() {
    let x = random(1100, D, 1) + 5.0;
    check!(One, x, x, random(1100, 1, 3), 0.125, "one");
    check!(Three, x, x, random(1100, 3, 3), 0.125, "three");
}

/// Scales of points are part of them, weights of their metric and factors of the value; a scale of the difference leaves a formula its blocks.
#[test]
fn scaled_points_and_other_factors() {
    let (x, y, b) = (
        random(270, D, 1) + 3.0,
        random(280, D, 2) + 3.0,
        random(280, 1, 3),
    );
    let scales = random(1, D, 4).mapv(|x| x + 1.0);
    let scaled = |x: &Array2<f64>| x / &scales;
    let heights = random(270, 1, 5);
    let expected = by_differences(&scaled(&x), &scaled(&y), &b, 0.25) * &heights;
    let sizes =
        by_differences(&scaled(&x), &scaled(&y), &b.mapv(f64::abs), 0.25) * heights.mapv(f64::abs);
    let by_quotients = genred!(
        "h*Exp(-SqDist(x/s,y/s)/4)*b",
        x = Vi(100),
        y = Vj(100),
        b = Vj(1),
        s = Pm(100),
        h = Vi(1),
        axis = 1
    );
    let of_difference = genred!(
        "Exp(-0.25*SqNorm2((x-y)/s))*h*b",
        x = Vi(100),
        y = Vj(100),
        b = Vj(1),
        s = Pm(100),
        h = Vi(1),
        axis = 1
    );
    let weighted = genred!(
        "Exp(-0.25*WeightedSqDist(s,x,y))*h*b",
        x = Vi(100),
        y = Vj(100),
        b = Vj(1),
        s = Pm(100),
        h = Vi(1),
        axis = 1
    );
    let [s, weights] =
        [&scales, &scales.mapv(|s| 1.0 / (s * s))].map(|s| s.iter().copied().collect::<Vec<_>>());
    for values in [
        by_quotients.bind(&x, &y, &b, &s, &heights).run(),
        of_difference.bind(&x, &y, &b, &s, &heights).run(),
        weighted.bind(&x, &y, &b, &weights, &heights).run(),
    ] {
        let error = error(&values.expect("sums"), &expected, &sizes);
        assert!(error < 5e-15, "{error}");
    }
    // One weight is negative: no distances, but sums of squares all the same.
    let mut weights = weights;
    weights[7] = -0.1;
    let values = weighted
        .bind(&x, &y, &b, &weights, &heights)
        .run()
        .expect("sums");
    let exact = weighted
        .bind(&x, &y, &b, &weights, &heights)
        .sum_scheme(SumScheme::Kahan)
        .run()
        .expect("sums");
    assert!(error(&values, &exact, &sizes) < 5e-15);
}

/// What is not a number stays where it is.
#[test]
fn points_that_are_not_finite() {
    let (x, y) = (random(300, D, 1), random(300, D, 2));
    let (b, many) = (random(300, 1, 3), random(300, 11, 3));
    // The centre is that of the points of i, and does not know of those of j. Neither do others of the same vector.
    let mut far = y.clone();
    far[[0, 0]] = f64::INFINITY;
    far[[1, 0]] = f64::NAN;
    let values = OverI.bind(&far, &x, &many, 0.1).run().expect("sums");
    for ((j, _), value) in values.indexed_iter() {
        assert_eq!(value.is_nan(), j == 1, "{j}: {value}");
        assert_eq!(*value == 0.0, j == 0, "{j}: {value}");
    }
    for what in [f64::NAN, f64::INFINITY, 1e200] {
        let mut x = x.clone();
        x[[17, 3]] = what;
        let values = One.bind(&x, &y, &b, 0.1).run().expect("sums");
        for (i, value) in values.iter().enumerate() {
            let is_far = i == 17 && !what.is_nan();
            assert_eq!(value.is_nan(), i == 17 && what.is_nan(), "{what}: {i}");
            assert!(!is_far || *value == 0.0, "{what}: {value}");
        }
    }
}

/// Each part of the columns by itself, and pairs that are left out.
#[test]
fn ranges_and_symbolic_matrices() {
    let (x, y, b) = (random(300, D, 1), random(310, D, 2), random(310, 2, 3));
    let ranges = Ranges::from_rows(
        &[[0, 120], [120, 290]],
        &[1, 3],
        &[[5, 305], [0, 130], [200, 310]],
    )
    .expect("ranges");
    let mut expected = Array2::zeros((300, 2));
    for (rows, columns) in [(0..120, 5..305), (120..290, 0..130), (120..290, 200..310)] {
        let part = by_differences(
            &x.slice(s![rows.clone(), ..]).to_owned(),
            &y.slice(s![columns.clone(), ..]).to_owned(),
            &b.slice(s![columns, ..]).to_owned(),
            0.125,
        );
        let mut expected = expected.slice_mut(s![rows, ..]);
        expected += &part;
    }
    let sizes = Array2::ones((300, 2));
    let bound = Gaussian.bind(&x, &y, 0.125);
    let values = bound.clone().ranges(&ranges).dot(&b).expect("products");
    assert!(error(&values, &expected, &sizes) < 2e-14);
    let whole = by_differences(&x, &y, &b, 0.125);
    assert!(error(&bound.dot(&b).expect("products"), &whole, &sizes) < 2e-14);
    let of_rows = random(300, 1, 4);
    let transposed = by_differences(&y, &x, &of_rows, 0.125);
    let values = bound.t().dot(&of_rows).expect("products");
    assert!(error(&values, &transposed, &Array2::ones((310, 1))) < 2e-14);
}

/// Of near pairs, which a sum has few of, differences have more digits: what the documentation says of entries near 1.
#[test]
fn entries_of_near_points() {
    let x = random(300, D, 1);
    let y = &x + &(random(300, D, 2) * 1e-3);
    let unit = Array2::eye(300);
    let [x32, y32, unit32] = [&x, &y, &unit].map(single);
    // As wide as expansions go.
    let g = 0.34375;
    // Each row with one column.
    let of = |x: &Array2<f64>, y: &Array2<f64>| {
        let entry = |(x, y): (ArrayView1<'_, f64>, ArrayView1<'_, f64>)| {
            let distance: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
            (-g * distance).exp()
        };
        x.rows().into_iter().zip(y.rows()).map(entry).collect()
    };
    let [expected, expected_of_single]: [Array1<f64>; 2] =
        [of(&x, &y), of(&double(&x32), &double(&y32))];
    for isa in InstructionSet::available() {
        let largest = |values: Array2<f64>, expected: &Array1<f64>| {
            let errors = &values.diag() - expected;
            errors.iter().fold(0.0, |a: f64, b| a.max(b.abs()))
        };
        let values = Gaussian.bind(&x, &y, g).instruction_set(isa).dot(&unit);
        let of_double = largest(values.expect("entries"), &expected);
        let values = Gaussian
            .bind(&x32, &y32, g as f32)
            .instruction_set(isa)
            .dot(&unit32);
        let of_single = largest(double(&values.expect("entries")), &expected_of_single);
        println!("{isa}: {of_single:.1e} {of_double:.1e}");
        assert!(of_single < 3e-6, "{isa}: {of_single}");
        assert!(of_double < 6e-15, "{isa}: {of_double}");
    }
}

#[test]
fn systems() {
    let x = random(1200, D, 1) + 2.0;
    let kinv = kernel_solve!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(100),
        y = Vj(100),
        b = Vj(2),
        g = Pm(1)
    );
    let b = random(1200, 2, 3);
    let solution = kinv
        .bind(&x, &x, &b, 0.125)
        .alpha(0.1)
        .eps(1e-10)
        .solve()
        .expect("a solution");
    let product = by_differences(&x, &x, &solution.values, 0.125) + 0.1 * &solution.values;
    assert!(error(&product, &b, &Array2::ones((1200, 2))) < 1e-9);
    let (x, b) = (single(&x), single(&b));
    let solution = kinv
        .bind(&x, &x, &b, 0.125)
        .alpha(0.1)
        .eps(1e-5)
        .solve()
        .expect("a solution");
    let (x, b, a) = (double(&x), double(&b), double(&solution.values));
    let product = by_differences(&x, &x, &a, 0.125) + 0.1 * &a;
    assert!(error(&product, &b, &Array2::ones((1200, 2))) < 1e-4);
}

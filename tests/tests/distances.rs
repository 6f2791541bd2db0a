//! Formulas of one squared distance in 8 dimensions and more, whose distances are computed from differences: against the same written out.

use keops_solve::ndarray::{Array1, Array2, Array3, ArrayView2, Axis, concatenate, s};
use keops_solve::prelude::*;
use keops_solve::{Accumulate, Element, SumScheme};

// None of these distances are expanded: they have fewer than 48 dimensions, or values that are no Gaussians.
genred!(Laplacian: "Exp(-g*Norm2(x-y))*b", x = Vi(12), y = Vj(12), b = Vj(3), g = Pm(1), axis = 1);
genred!(OverI: "h*Inv(1+g*SqDist(y,x))*b", y = Vj(65), x = Vi(65), b = Vi(1), h = Vj(1), g = Pm(1), axis = 0);
genred!(Weighted: "h*Exp(-WeightedSqDist(s,x,y))+w", x = Vi(65), y = Vj(65), h = Vi(1), w = Vj(1), s = Pm(65), axis = 1);
genred!(Vectors: "Concat(b*Inv(1+WeightedSqDist(s,x,y)),h*Exp(-WeightedSqDist(s,x,y)))", x = Vi(8), y = Vj(8), b = Vj(2), h = Vi(1), s = Pm(8), axis = 1);
genred!(Mean: "-g*Norm2(x-y)", x = Vi(12), y = Vj(12), b = Vj(2), g = Pm(1), reduction = SumSoftMaxWeight, weights = "b", axis = 1);
genred!(Cauchy: "b*Inv(1+g*SqDist(x,y))", x = Vi(10), y = Vj(10), b = Vj(1), g = Pm(1), axis = 1, grad = [x, g]);
// Signs and factors belong to the points. The names are those of parts of what macros make.
genred!(Value: "Exp(-SqDist(g*x,-2*y))*b", x = Vi(8), y = Vj(8), b = Vj(1), g = Pm(1), axis = 1);
genred!(Points: "Exp(-SqNorm2(x+y))*b", x = Vi(20), y = Vj(20), b = Vj(1), axis = 1);
lazy!(Matrix: "Exp(-c*Norm2(x-y))", x = Vi(10), y = Vj(10), c = Pm(1));
kernel_solve!(Inverse: "Exp(-g*Norm2(x-y))*b", x = Vi(10), y = Vj(10), b = Vj(2), g = Pm(1));

/// Numbers between -1/2 and 1/2, rounded after `offset` was added.
fn random<T: Element>(rows: usize, columns: usize, seed: u64, offset: f64) -> Array2<T> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        T::from_f64((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5 + offset)
    })
}

/// `entry(distance)` for all rows of `x` and of `y`; distances have weights, all 1 if there are none. Of rounded numbers, differences are exact, or nearly so.
fn entries<T: Element>(
    (x, y, weights): (&Array2<T>, &Array2<T>, &[f64]),
    entry: impl Fn(f64) -> f64,
) -> Array2<f64> {
    let [x, y] = [x, y].map(|a| a.mapv(T::to_f64));
    let weights = Array1::from_shape_fn(x.ncols(), |k| weights.get(k).copied().unwrap_or(1.0));
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let difference = &x.row(i) - &y.row(j);
        entry((&difference * &difference).dot(&weights))
    })
}

/// The product of entries with vectors, with compensated sums, and that of their sizes.
fn product<T: Element>(entries: ArrayView2<'_, f64>, b: &Array2<T>) -> [Array2<f64>; 2] {
    let b = b.mapv(T::to_f64);
    let sum = Array2::from_shape_fn((entries.nrows(), b.ncols()), |(i, k)| {
        let (mut sum, mut lost) = (0.0, 0.0);
        for (entry, b) in entries.row(i).iter().zip(b.column(k)) {
            let term = entry * b - lost;
            let all: f64 = sum + term;
            (lost, sum) = ((all - sum) - term, all);
        }
        sum
    });
    [sum, entries.mapv(f64::abs).dot(&b.mapv(f64::abs))]
}

/// A Laplacian.
fn laplacian(g: f64) -> impl Fn(f64) -> f64 {
    move |distance| (-g * distance.sqrt()).exp()
}

fn unit<T: Element>() -> f64 {
    2f64.powi(if size_of::<T>() == 4 { -23 } else { -52 })
}

/// The largest size, NaN if there is one.
fn largest(errors: Array2<f64>) -> f64 {
    let sizes = errors.into_iter().map(f64::abs);
    sizes.fold(0.0, |a, b| if b <= a { a } else { b })
}

/// Asserts that no error is of more than so many units in the last place of the sum of the sizes of the terms.
fn assert_close<T: Element>(what: &str, got: &Array2<T>, of: &[Array2<f64>; 2], units: f64) {
    assert_eq!(got.dim(), of[0].dim(), "{what}");
    let sizes = of[1].mapv(|size| size.max(1e-30) * unit::<T>());
    let error = largest((got.mapv(T::to_f64) - &of[0]) / sizes);
    println!("{what}, {} bytes: {error:.1}", size_of::<T>());
    assert!(error <= units, "{what}: {error} units");
}

macro_rules! run {
    ($sum:expr, $isa:expr) => {
        $sum.instruction_set($isa).run().expect("sums")
    };
}

/// Checks for both types of numbers.
macro_rules! of_both_types {
    ($($name:ident: $check:ident;)*) => {$(
        #[test]
        fn $name() {
            $check::<f64>();
            $check::<f32>();
        }
    )*};
}

of_both_types! {
    sums_at_every_border_and_far_from_the_origin: check_places;
    schemes_of_summation: check_schemes;
    largest_and_smallest_values_and_logarithms: check_reductions;
    means: check_means;
    symbolic_matrices: check_matrix;
}

/// Weights of both signs.
fn signed_weights() -> [f64; 65] {
    std::array::from_fn(|k| 0.06 - 0.09 * f64::from(u8::from(k % 3 == 1)))
}

fn check_sums<T: Element>([m, n]: [usize; 2], offset: f64) {
    let points = |dim| [random::<T>(m, dim, 1, offset), random(n, dim, 2, offset)];
    let ([x, y], [long_x, long_y], [short_x, short_y]) = (points(12), points(65), points(8));
    let [b, two] = [3, 2].map(|width| random::<T>(n, width, 3, 0.0));
    let ones = Array2::<f64>::ones((n, 1));
    // Of one sign, so that sums of two of them are no smaller than they are.
    let [h, w] = [m, n].map(|rows| random::<T>(rows, 1, 4, 1.0));
    let [of_h, of_w] = [&h, &w].map(|a| a.mapv(T::to_f64));
    let weights = signed_weights().map(T::from_f64);
    let scales: [T; 8] = std::array::from_fn(|k| T::from_f64(1.1 + 0.1 * k as f64));
    let of_scales = scales.map(T::to_f64);
    let laplacians = product(entries((&x, &y, &[]), laplacian(0.75)).view(), &b);
    let over_i = entries((&long_x, &long_y, &[]), |d| 1.0 / (1.0 + 0.75 * d));
    let over_i = product(over_i.t(), &h).map(|sums| sums * &of_w);
    let gaussian = |distance: f64| (-distance).exp();
    let doubles = weights.map(|s| s.to_f64());
    let weighted = entries((&long_x, &long_y, &doubles), gaussian);
    let weighted = product(weighted.view(), &ones).map(|sums| sums * &of_h + of_w.sum());
    let short = (&short_x, &short_y, &of_scales[..]);
    let cauchys = product(entries(short, |d| 1.0 / (1.0 + d)).view(), &two);
    let gaussians = product(entries(short, gaussian).view(), &ones).map(|sums| sums * &of_h);
    let both = [0, 1].map(|k| concatenate![Axis(1), cauchys[k], gaussians[k]]);
    let g = &[T::from_f64(0.75)];
    for isa in InstructionSet::available() {
        // In the worst case, half a unit for each of the 65 components and of the 256 terms that are added in the type itself; but errors of both signs
        // are about the root of that, and the rest of a formula has one or two.
        let what = |name: &str| format!("{name}, {m} x {n}, {offset}, {isa}");
        let sums = Laplacian.bind(&x, &y, &b, g);
        assert_close(&what("Laplacian"), &run!(sums, isa), &laplacians, 6.0);
        let sums = OverI.bind(&long_y, &long_x, &h, &w, g);
        assert_close(&what("over i"), &run!(sums, isa), &over_i, 6.0);
        let sums = Weighted.bind(&long_x, &long_y, &h, &w, &weights);
        assert_close(&what("weighted"), &run!(sums, isa), &weighted, 6.0);
        let sums = Vectors.bind(&short_x, &short_y, &two, &h, &scales);
        assert_close(&what("vectors"), &run!(sums, isa), &both, 6.0);
    }
}

/// Numbers of points around those of lanes, of blocks and of columns of a group.
fn check_places<T: Element>() {
    let rows = [0, 1, 1, 2, 3, 5, 7, 9, 15, 17, 65, 130];
    let columns = [119, 0, 121, 3, 120, 2, 121, 119, 1, 241, 120, 300];
    for (m, n) in rows.into_iter().zip(columns) {
        check_sums::<T>([m, n], 0.0);
    }
    // Nothing is rounded before differences are taken.
    check_sums::<T>([66, 250], 1000.0);
}

fn check_schemes<T: Element>() {
    let [x, y] = [70, 700].map(|rows| random::<T>(rows, 12, rows as u64, 0.0));
    // Of one sign, so that errors of sums are seen: worst cases are 350, 128 and 1 units for the sums.
    let b = random::<T>(700, 3, 3, 1.0);
    let expected = product(entries((&x, &y, &[]), laplacian(0.75)).view(), &b);
    use {Accumulate::*, SumScheme::*};
    let schemes = [(Direct, 20.0), (Block, 5.0), (Kahan, 2.0)];
    let accumulators = [(Same, 1.0), (F32, unit::<f32>() / unit::<T>()), (F64, 1.0)];
    for isa in InstructionSet::available() {
        for (scheme, units) in schemes {
            for (accumulate, unit) in accumulators {
                let sums = Laplacian.bind(&x, &y, &b, &[T::from_f64(0.75)]);
                let sums = sums.sum_scheme(scheme).accumulate(accumulate);
                let what = format!("{scheme:?} in {accumulate:?}, {isa}");
                assert_close(&what, &run!(sums, isa), &expected, units * unit);
            }
        }
    }
}

/// Squared distances of whole numbers are exact, and many are equal: of equal values the first is taken.
fn check_reductions<T: Element>() {
    let whole = |rows, seed| random::<f64>(rows, 10, seed, 0.0).mapv(|x| (3.0 * x).round());
    let (x, mut y) = (whole(37, 1), whole(250, 2));
    let twice = y.slice(s![..60, ..]).to_owned();
    y.slice_mut(s![130..190, ..]).assign(&twice);
    let entries = entries((&x, &y, &[]), laplacian(0.5));
    let ([x, y], c) = ([&x, &y].map(|x| x.mapv(T::from_f64)), &[T::from_f64(0.5)]);
    for isa in InstructionSet::available() {
        let bound = Matrix.bind(&x, &y, c).instruction_set(isa);
        for axis in [0, 1] {
            let (largest, first) = bound.max_argmax(axis).expect("the largest");
            let argmin = bound.argmin(axis).expect("the smallest");
            let (values, indices) = bound.kmin_argkmin(5, axis).expect("the smallest");
            let logarithms = bound.logsumexp(axis).expect("logarithms");
            assert_eq!(values.dim(), ([250, 37][axis], 5, 1));
            for (row, entries) in entries.axis_iter(Axis(1 - axis)).enumerate() {
                let what = format!("{isa}, {axis}, {row}");
                let close = |got: T, expected: f64| {
                    // Of a root, an exponential, and 250 more with their logarithm.
                    let error = (got.to_f64() - expected).abs() / expected / unit::<T>();
                    assert!(error <= 3.0, "{what}: {error}");
                };
                let most = entries.fold(0.0, |a: f64, &b| a.max(b));
                let found = entries.iter().position(|&entry| entry == most);
                assert_eq!(found, Some(first[[row, 0]]), "{what}");
                close(largest[[row, 0]], most);
                let mut order: Vec<usize> = (0..entries.len()).collect();
                order.sort_by(|&a, &b| entries[a].total_cmp(&entries[b]));
                assert_eq!(argmin[[row, 0]], order[0], "{what}");
                for (k, &n) in order[..5].iter().enumerate() {
                    assert_eq!(indices[[row, k, 0]], n, "{what}");
                    close(values[[row, k, 0]], entries[n]);
                }
                close(logarithms[[row, 0]], entries.mapv(f64::exp).sum().ln());
            }
        }
    }
}

fn check_means<T: Element>() {
    for (m, n) in [(1, 1), (33, 121), (67, 300)] {
        let [x, y] = [m, n].map(|rows| random::<T>(rows, 12, rows as u64, 0.0));
        let b = random::<T>(n, 2, 3, 0.0);
        let entries = entries((&x, &y, &[]), laplacian(3.0));
        let totals = entries.sum_axis(Axis(1)).insert_axis(Axis(1));
        let expected = product(entries.view(), &b).map(|sums| sums / &totals);
        for isa in InstructionSet::available() {
            let means = run!(Mean.bind(&x, &y, &b, &[T::from_f64(3.0)]), isa);
            assert_close(&format!("means, {isa}"), &means, &expected, 4.0);
        }
    }
}

fn check_matrix<T: Element + PartialEq>() {
    let [x, y] = [133, 261].map(|rows| random::<T>(rows, 10, rows as u64, 0.0));
    let entries = entries((&x, &y, &[]), laplacian(0.5));
    let exact = [0, 1].map(|_| entries.clone());
    let diagonal = [0, 1].map(|_| entries.diag().to_owned().insert_axis(Axis(1)));
    let c = &[T::from_f64(0.5)];
    for isa in InstructionSet::available() {
        let bound = Matrix.bind(&x, &y, c).instruction_set(isa);
        for width in [1, 3, 10] {
            let [b, e] = [261, 133].map(|rows| random::<T>(rows, width, 3, 0.0));
            let what = format!("{width} products, {isa}");
            let values = bound.dot(&b).expect("products");
            assert_close(&what, &values, &product(entries.view(), &b), 4.0);
            let values = bound.t().dot(&e).expect("products");
            assert_close(&what, &values, &product(entries.t(), &e), 4.0);
        }
        let dense = bound.to_dense().expect("entries");
        assert_close("entries", &dense, &exact, 3.0);
        assert_eq!(bound.t().to_dense().expect("entries"), dense.t());
        let square = Matrix.bind(&x, y.slice(s![..133, ..]), c);
        let values = square.diag().expect("a diagonal").insert_axis(Axis(1));
        assert_close("diagonal", &values, &diagonal, 3.0);
    }
}

#[test]
fn signs_and_factors_of_points() {
    let points = |dim| [67, 121].map(|rows| random::<f64>(rows, dim, rows as u64, 0.0));
    let ([x, y], [long_x, long_y]) = (points(8), points(20));
    let b = random::<f64>(121, 1, 3, 1.0);
    let gaussian = |distance: f64| (-distance).exp();
    let scaled = entries((&(0.5 * &x), &(-2.0 * &y), &[]), gaussian);
    let scaled = product(scaled.view(), &b);
    let mirrored = entries((&long_x, &-&long_y, &[]), gaussian);
    let mirrored = product(mirrored.view(), &b);
    for isa in InstructionSet::available() {
        let sums = run!(Value.bind(&x, &y, &b, 0.5), isa);
        assert_close("factors", &sums, &scaled, 6.0);
        let sums = run!(Points.bind(&long_x, &long_y, &b), isa);
        assert_close("signs", &sums, &mirrored, 6.0);
    }
}

/// What is not a number stays in its row and in its column, and what is infinitely far away has the value 0.
#[test]
fn points_that_are_not_finite() {
    let [x, y] = [70, 250].map(|rows| random::<f64>(rows, 10, 1, 0.0));
    let (mut far_x, mut far_y) = (x.clone(), y.clone());
    (far_x[[7, 3]], far_x[[8, 0]]) = (f64::NAN, f64::INFINITY);
    (far_y[[130, 9]], far_y[[131, 2]]) = (f64::NAN, f64::NEG_INFINITY);
    let [long_x, long_y] = [90, 150].map(|rows| random::<f64>(rows, 65, 2, 0.0));
    let [h, w] = [90, 150].map(|rows| random::<f64>(rows, 1, 3, 1.0));
    let weights = signed_weights();
    let differ_only_in = |row: usize, a: &Array2<f64>, b: &Array2<f64>| {
        a.iter()
            .zip(b)
            .enumerate()
            .all(|(n, (a, b))| (a == b) == (n != row))
    };
    for isa in InstructionSet::available() {
        let dense = |x, y| Matrix.bind(x, y, 0.5).instruction_set(isa).to_dense();
        let near = dense(&x, &y).expect("entries");
        for (at, &value) in dense(&far_x, &far_y).expect("entries").indexed_iter() {
            match at {
                (7, _) | (_, 130) => assert!(value.is_nan(), "{isa}, {at:?}"),
                (8, _) | (_, 131) => assert_eq!(value, 0.0, "{isa}, {at:?}"),
                _ => assert_eq!(value, near[at], "{isa}, {at:?}"),
            }
        }
        // The last of 65 components alone, in one row of each.
        for what in [f64::NAN, f64::INFINITY] {
            let (mut far_x, mut far_y) = (long_x.clone(), long_y.clone());
            (far_x[[13, 64]], far_y[[77, 64]]) = (what, what);
            let [near, far] =
                [&long_y, &far_y].map(|y| run!(OverI.bind(y, &long_x, &h, &w, 0.5), isa));
            assert!(differ_only_in(77, &near, &far), "{isa}");
            assert_eq!(far[[77, 0]].is_nan(), what.is_nan(), "{isa}");
            assert_eq!(far[[77, 0]] == 0.0, !what.is_nan(), "{isa}");
            let [near, far] =
                [&long_x, &far_x].map(|x| run!(Weighted.bind(x, &long_y, &h, &w, &weights), isa));
            assert!(differ_only_in(13, &near, &far), "{isa}");
            assert!(!far[[13, 0]].is_finite(), "{isa}");
        }
    }
}

/// Each part of the columns by itself, over both indices.
#[test]
fn ranges() {
    let points = |dim| [300, 310].map(|rows| random::<f64>(rows, dim, rows as u64, 0.0));
    let ([x, y], [long_x, long_y]) = (points(12), points(65));
    let [b, w, h] = [(310, 3), (310, 1), (300, 1)].map(|(m, n)| random::<f64>(m, n, 5, 1.0));
    let (blocks, intervals) = ([[0, 121], [130, 290]], [[5, 305], [0, 119], [200, 310]]);
    let ranges = Ranges::from_rows(&blocks, &[1, 3], &intervals).expect("ranges");
    let taken = Array2::from_shape_fn((300, 310), |(i, j)| match i {
        0..121 => f64::from(u8::from((5..305).contains(&j))),
        130..290 => f64::from(u8::from(!(119..200).contains(&j))),
        _ => 0.0,
    });
    let laplacians = entries((&x, &y, &[]), laplacian(0.75)) * &taken;
    let laplacians = product(laplacians.view(), &b);
    let over_i = entries((&long_x, &long_y, &[]), |d| 1.0 / (1.0 + 0.75 * d));
    let over_i = product((over_i * &taken).t(), &h).map(|sums| sums * &w);
    for isa in InstructionSet::available() {
        let sums = Laplacian.bind(&x, &y, &b, 0.75).ranges(&ranges);
        assert_close("ranges", &run!(sums, isa), &laplacians, 6.0);
        let sums = OverI.bind(&long_y, &long_x, &h, &w, 0.75).ranges(&ranges);
        assert_close("ranges over i", &run!(sums, isa), &over_i, 6.0);
    }
}

#[test]
fn batches() {
    let [y, b] = [12, 3].map(|width| random::<f64>(130, width, 1, 0.0));
    let x = Array3::from_shape_fn((3, 67, 12), |(k, i, d)| y[[30 * k + i, d]] + 0.1);
    let g = Array2::from_shape_fn((3, 1), |(k, _)| 0.5 + k as f64);
    for isa in InstructionSet::available() {
        let batch = run!(Laplacian.bind_batch(&x, &y, &b, &g), isa);
        assert_eq!(batch.shape(), [3, 67, 3]);
        for k in 0..3 {
            let x = x.index_axis(Axis(0), k).to_owned();
            let expected = product(entries((&x, &y, &[]), laplacian(g[[k, 0]])).view(), &b);
            let values = batch.slice(s![k, .., ..]).to_owned();
            assert_close("batches", &values, &expected, 4.0);
            assert_eq!(values, run!(Laplacian.bind(&x, &y, &b, g[[k, 0]]), isa));
        }
    }
}

/// The same points on both sides, so many that each value is used twice.
#[test]
fn symmetric_products_and_systems() {
    let [x32, b32] = [(10, 3.0), (2, 0.0)].map(|(width, at)| random::<f32>(1100, width, 1, at));
    let [x, b] = [&x32, &b32].map(|a| a.mapv(f64::from));
    let entries = entries((&x, &x, &[]), laplacian(1.0));
    let expected = product(entries.view(), &b);
    // A solution is one if the root mean square of its residual is at most the tolerance.
    let assert_solved = |a: &Array2<f64>, limit: f64| {
        for residual in (&b - entries.dot(a) - 0.1 * a).columns() {
            let residual = (residual.dot(&residual) / 1100.0).sqrt();
            assert!(residual <= 1.01 * limit, "{residual}");
        }
    };
    for isa in InstructionSet::available() {
        let values = Matrix.bind(&x, &x, 1.0).instruction_set(isa).dot(&b);
        assert_close("mirrored", &values.expect("products"), &expected, 4.0);
        let values = Matrix.bind(&x32, &x32, 1.0).instruction_set(isa).dot(&b32);
        assert_close("mirrored", &values.expect("products"), &expected, 4.0);
        let system = Inverse.bind(&x, &x, &b, 1.0).alpha(0.1).eps(1e-6);
        let solution = system.instruction_set(isa).solve().expect("a solution");
        assert_solved(&solution.values, 1e-6);
    }
    let system = Inverse.bind(&x32, &x32, &b32, 1.0).alpha(0.1).eps(1e-5);
    assert_solved(&system.solve().expect("a solution").values_f64, 1e-5);
}

/// Central differences have an error of the square of their step, and of a unit over it.
#[test]
fn gradients() {
    let [x, y] = [19, 130].map(|rows| random::<f64>(rows, 10, rows as u64, 0.0));
    let [e, b] = [19, 130].map(|rows| random::<f64>(rows, 1, 3, 0.0));
    let loss = |x: &Array2<f64>, g: f64| {
        let entries = entries((x, &y, &[]), |distance| 1.0 / (1.0 + g * distance));
        (entries.dot(&b) * &e).sum()
    };
    let step = 1e-5;
    let slope = |at: &dyn Fn(f64) -> f64| (at(step) - at(-step)) / (2.0 * step);
    let of_g = slope(&|step| loss(&x, 0.75 + step));
    let moved = |at: (usize, usize), step: f64| {
        &x + &Array2::from_shape_fn((19, 10), |moved| f64::from(u8::from(moved == at)) * step)
    };
    let of_x = Array2::from_shape_fn((19, 10), |at| slope(&|step| loss(&moved(at, step), 0.75)));
    for isa in InstructionSet::available() {
        let forward = Cauchy.bind(&x, &y, &b, 0.75).instruction_set(isa).forward();
        let gradients = forward.expect("sums").pullback(&e);
        let [by_x, by_g] = gradients.expect("gradients");
        let errors = [largest(by_x - &of_x), largest(by_g - of_g)];
        assert!(
            errors.iter().all(|&error| error <= 1e-9),
            "{isa}: {errors:?}"
        );
    }
}

//! Reductions against compensated sums in `f64`, at awkward sizes, in every type, orientation and instruction set.

mod kernels;

use keops_runtime::kernel::Kernel;
use keops_runtime::simd::InstructionSet;
use keops_runtime::{
    Accumulate, Argument, Axis, Backend, BoundReduction, Element, Error, IntoParams, IntoPoints,
    Orientation, Signature, SumScheme,
    operation::{KMinArgKMin, Sum},
};
use kernels::{
    CAUCHY, Cauchy, Exact, HOISTED, Hoisted, PLAIN, Plain, SQ_DIST_784, SqDist, WIDE_OUT, WideOut,
    numbers,
};
use ndarray::{Array2, ArrayView2, Axis as Dimension, s};

/// A sum over `A`, as an expansion makes it.
fn bound<'a, T: Element, K: Kernel, const A: usize>(
    signature: &'static Signature,
    arguments: Vec<Argument<'a>>,
    captured: Vec<f64>,
) -> BoundReduction<'a, T, K, Sum, Axis<A>>
where
    Axis<A>: Orientation,
{
    BoundReduction::new(Sum, signature, arguments, captured)
}

fn points<T: Element>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut next = numbers(seed);
    Array2::from_shape_simple_fn((rows, columns), || T::from_f64(next() - 0.25))
}

fn instruction_sets() -> Vec<InstructionSet> {
    InstructionSet::available().collect()
}

/// `sum_j f(i, j)[k]` and `sum_j |f(i, j)[k]|`.
fn truth(
    rows: usize,
    columns: usize,
    components: usize,
    term: impl Fn(usize, usize, usize) -> f64,
) -> (Array2<f64>, Array2<f64>) {
    let total = |f: &dyn Fn(f64) -> f64| {
        Array2::from_shape_fn((rows, components), |(i, k)| {
            let mut sum = Exact::default();
            for j in 0..columns {
                sum.add(f(term(i, j, k)));
            }
            sum.value()
        })
    };
    (total(&|x| x), total(&f64::abs))
}

/// That every sum is within `ulps` roundoffs of the terms' absolute sum.
fn assert_close<T: Element>(
    what: &str,
    got: &Array2<T>,
    truth: &(Array2<f64>, Array2<f64>),
    ulps: f64,
) {
    assert_eq!(got.dim(), truth.0.dim(), "{what}");
    let roundoff = if size_of::<T>() == 4 {
        f64::from(f32::EPSILON)
    } else {
        f64::EPSILON
    } / 2.0;
    for ((index, &got), (&sum, &magnitude)) in got.indexed_iter().zip(truth.0.iter().zip(&truth.1))
    {
        let error = (got.to_f64() - sum).abs();
        assert!(
            error <= ulps * roundoff * magnitude,
            "{what} at {index:?}: {got:?}, expected {sum}"
        );
    }
}

fn cauchy<T: Element>(
    x: ArrayView2<T>,
    y: ArrayView2<T>,
    b: ArrayView2<T>,
    g: f64,
    i: usize,
    j: usize,
    k: usize,
) -> f64 {
    let distance: f64 = (0..3)
        .map(|d| (x[(i, d)].to_f64() - y[(j, d)].to_f64()).powi(2))
        .sum();
    b[(j, k)].to_f64() / (1.0 + g * distance)
}

fn check_cauchy<T: Element>(m: usize, n: usize) {
    let (x, y, b) = (
        points::<T>(m, 3, 1),
        points::<T>(n, 3, 2),
        points::<T>(n, 2, 3),
    );
    let arguments = || {
        vec![
            IntoPoints::<T>::into_points(&x, 3),
            IntoPoints::<T>::into_points(&y, 3),
            IntoPoints::<T>::into_points(&b, 2),
            IntoParams::<T>::into_params(&[T::from_f64(1.5)]),
        ]
    };
    let term = |i, j, k| cauchy(x.view(), y.view(), b.view(), 1.5, i, j, k);
    let over_j = truth(m, n, 2, term);
    let over_i = truth(n, m, 2, |j, i, k| term(i, j, k));
    for isa in instruction_sets() {
        let what = format!("{isa}, {m} x {n}");
        let a = bound::<T, Cauchy, 1>(&CAUCHY, arguments(), vec![])
            .instruction_set(isa)
            .run()
            .unwrap();
        assert_close(&what, &a, &over_j, 16.0);
        let a = bound::<T, Cauchy, 0>(&CAUCHY, arguments(), vec![])
            .instruction_set(isa)
            .run()
            .unwrap();
        assert_close(&what, &a, &over_i, 16.0);
    }
}

#[test]
fn sums_are_right_at_every_border() {
    let sizes = [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129,
    ];
    for m in sizes {
        for n in [0, 1, 7, 17, 255, 256, 257] {
            check_cauchy::<f32>(m, n);
            check_cauchy::<f64>(m, n);
        }
    }
}

#[test]
fn sums_are_right_across_spans_and_parts() {
    for (m, n) in [(3, 9000), (511, 513), (1025, 1300), (1100, 600)] {
        check_cauchy::<f32>(m, n);
        check_cauchy::<f64>(m, n);
    }
}

#[test]
fn arrays_need_not_be_contiguous() {
    let (m, n) = (37, 300);
    let wide = points::<f32>(2 * m, 7, 1);
    let x = wide.slice(s![..;-2, 1..;2]);
    let turned = points::<f32>(3, n, 2);
    let y = turned.t();
    let reversed = points::<f32>(n, 5, 3);
    let b = reversed.slice(s![..;-1, ..;-3]);
    assert!(x.as_slice().is_none() && y.as_slice().is_none() && b.as_slice().is_none());
    let arguments = vec![
        IntoPoints::<f32>::into_points(x, 3),
        IntoPoints::<f32>::into_points(y, 3),
        IntoPoints::<f32>::into_points(b, 2),
        IntoParams::<f32>::into_params(0.5),
    ];
    let a = bound::<f32, Cauchy, 1>(&CAUCHY, arguments, vec![])
        .run()
        .unwrap();
    let truth = truth(m, n, 2, |i, j, k| cauchy(x, y, b, 0.5, i, j, k));
    assert_close("strided", &a, &truth, 16.0);
}

#[test]
fn hoisted_stages_and_captured_scalars_meet() {
    let (m, n) = (50, 700);
    let (x, y) = (points::<f64>(m, 2, 4), points::<f64>(n, 2, 5));
    let (w, c) = (1.25, -0.75);
    let norm = |p: &Array2<f64>, i: usize| p[(i, 0)] * p[(i, 0)] + p[(i, 1)] * p[(i, 1)];
    let term = |i, j, _| w * w * (norm(&x, i) - norm(&y, j) + c);
    let arguments = || {
        vec![
            IntoParams::<f64>::into_params(w),
            IntoPoints::<f64>::into_points(&y, 2),
            IntoPoints::<f64>::into_points(&x, 2),
        ]
    };
    for isa in instruction_sets() {
        let a = bound::<f64, Hoisted, 1>(&HOISTED, arguments(), vec![c])
            .instruction_set(isa)
            .run();
        assert_close("over j", &a.unwrap(), &truth(m, n, 1, term), 16.0);
        let a = bound::<f64, Hoisted, 0>(&HOISTED, arguments(), vec![c])
            .instruction_set(isa)
            .run();
        assert_close(
            "over i",
            &a.unwrap(),
            &truth(n, m, 1, |j, i, k| term(i, j, k)),
            16.0,
        );
    }
}

#[test]
fn many_features_stay_off_the_stack() {
    let (m, n) = (70, 91);
    let (x, y) = (points::<f32>(m, 784, 6), points::<f32>(n, 784, 7));
    let truth = truth(m, n, 1, |i, j, _| {
        (0..784)
            .map(|d| f64::from(x[(i, d)] - y[(j, d)]).powi(2))
            .sum()
    });
    for isa in instruction_sets() {
        let arguments = vec![
            IntoPoints::<f32>::into_points(&x, 784),
            IntoPoints::<f32>::into_points(&y, 784),
        ];
        let bound =
            bound::<f32, SqDist<784>, 1>(&SQ_DIST_784, arguments, vec![]).instruction_set(isa);
        let a = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            thread
                .spawn_scoped(scope, || bound.run().unwrap())
                .unwrap()
                .join()
                .unwrap()
        });
        assert_close("784 features", &a, &truth, 200.0);
    }
}

#[test]
fn nearest_neighbors_with_many_features_are_exact() {
    let (m, n) = (150, 91);
    // Distances of points with small integers are exact, and ties go to the first column.
    let integers = |rows, seed| points::<f32>(rows, 784, seed).mapv(|x| (4.0 * x).round());
    let (x, y) = (integers(m, 10), integers(n, 11));
    let distance = |i, j| {
        let differences = &x.row(i) - &y.row(j);
        differences.mapv(|d| d * d).sum()
    };
    for isa in instruction_sets() {
        let arguments = vec![
            IntoPoints::<f32>::into_points(&x, 784),
            IntoPoints::<f32>::into_points(&y, 784),
        ];
        let nearest = BoundReduction::<f32, SqDist<784>, KMinArgKMin, Axis<1>>::new(
            KMinArgKMin(3),
            &SQ_DIST_784,
            arguments,
            Vec::new(),
        );
        let (values, indices) = nearest.instruction_set(isa).run().unwrap();
        for i in 0..m {
            let mut all: Vec<(f32, usize)> = (0..n).map(|j| (distance(i, j), j)).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            for (k, &(value, index)) in all[..3].iter().enumerate() {
                assert_eq!(values[(i, k, 0)], value, "{isa}, row {i}");
                assert_eq!(indices[(i, k, 0)], index, "{isa}, row {i}");
            }
        }
    }
}

#[test]
fn many_components_stay_off_the_stack() {
    let (m, n) = (70, 300);
    let (x, b) = (points::<f32>(m, 1, 8), points::<f32>(n, 1000, 9));
    let truth = truth(m, n, 1000, |i, j, k| {
        f64::from(x[(i, 0)]) * f64::from(b[(j, k)])
    });
    for (isa, scheme) in
        instruction_sets()
            .into_iter()
            .zip([SumScheme::Auto, SumScheme::Direct, SumScheme::Kahan])
    {
        let arguments = vec![
            IntoPoints::<f32>::into_points(&x, 1),
            IntoPoints::<f32>::into_points(&b, 1000),
        ];
        let bound = bound::<f32, WideOut, 1>(&WIDE_OUT, arguments, vec![])
            .instruction_set(isa)
            .sum_scheme(scheme);
        let a = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            thread
                .spawn_scoped(scope, || bound.run().unwrap())
                .unwrap()
                .join()
                .unwrap()
        });
        assert_close(&format!("1000 components, {scheme:?}"), &a, &truth, 64.0);
    }
}

/// A million times 0.1 in single precision, with the options that `configure` sets.
fn million<T: Element>(
    configure: impl Fn(
        BoundReduction<'_, T, Plain, Sum, Axis<1>>,
    ) -> BoundReduction<'_, T, Plain, Sum, Axis<1>>,
) -> Vec<f64> {
    let b = Array2::from_elem((1_000_000, 1), T::from_f64(f64::from(0.1_f32)));
    let sums = instruction_sets().into_iter().map(|isa| {
        let arguments = vec![IntoPoints::<T>::into_points(&b, 1)];
        let bound = bound::<T, Plain, 1>(&PLAIN, arguments, vec![]).instruction_set(isa);
        configure(bound).run().unwrap()[(0, 0)].to_f64()
    });
    sums.collect()
}

#[test]
fn every_scheme_adds_as_it_says() {
    let exact = 1e6 * f64::from(0.1_f32);
    let nearest = f64::from(exact as f32);
    let relative = |sum: f64| (sum - exact).abs() / exact;

    for sum in million::<f32>(|b| b.sum_scheme(SumScheme::Direct)) {
        // Visibly wrong: the roundings are biased, as the terms are all the same.
        assert!(relative(sum) > 1e-3, "{sum}");
    }
    // Blocks of 256 terms go to accumulators in double precision, unless these are to be of the type of the terms.
    for sum in million::<f32>(|b| b) {
        assert!(relative(sum) < 3e-6, "{sum}");
    }
    for sum in million::<f32>(|b| b.accumulate(Accumulate::F32)) {
        let bound = (256.0 + 1e6 / 256.0) * 2.0_f64.powi(-24);
        assert!((1e-5..bound).contains(&relative(sum)), "{sum}");
    }
    assert_eq!(
        million::<f32>(|b| b),
        million::<f32>(|b| b.sum_scheme(SumScheme::Block))
    );
    assert_eq!(
        million::<f32>(|b| b),
        million::<f32>(|b| b.accumulate(Accumulate::F64))
    );
    for sum in million::<f32>(|b| b.sum_scheme(SumScheme::Kahan)) {
        assert!(relative(sum) < 2e-7, "{sum}");
    }
    for scheme in [SumScheme::Direct, SumScheme::Kahan] {
        for sum in million::<f32>(|b| b.accumulate(Accumulate::F64).sum_scheme(scheme)) {
            assert_eq!(sum, nearest, "{scheme:?}");
        }
    }
    for sum in million::<f64>(|b| b.accumulate(Accumulate::F32).sum_scheme(SumScheme::Direct)) {
        assert!(relative(sum) > 1e-3, "{sum}");
    }
    for sum in million::<f64>(|b| b.accumulate(Accumulate::F32).sum_scheme(SumScheme::Kahan)) {
        assert!(relative(sum) < 2e-7, "{sum}");
    }
    for sum in million::<f64>(|b| b) {
        assert!(relative(sum) < 1e-13, "{sum}");
    }
    for sum in million::<f64>(|b| b.sum_scheme(SumScheme::Kahan)) {
        assert!(relative(sum) < 3e-16, "{sum}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (m, n) in [(1300, 1300), (10, 50_000), (3000, 40)] {
        let (x, y, b) = (
            points::<f32>(m, 3, 1),
            points::<f32>(n, 3, 2),
            points::<f32>(n, 2, 3),
        );
        for scheme in [SumScheme::Block, SumScheme::Direct, SumScheme::Kahan] {
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                let arguments = vec![
                    IntoPoints::<f32>::into_points(&x, 3),
                    IntoPoints::<f32>::into_points(&y, 3),
                    IntoPoints::<f32>::into_points(&b, 2),
                    IntoParams::<f32>::into_params(2.0),
                ];
                pool.install(|| {
                    bound::<f32, Cauchy, 1>(&CAUCHY, arguments, vec![])
                        .sum_scheme(scheme)
                        .run()
                        .unwrap()
                })
            };
            let one = run(1);
            assert_eq!(one, run(2), "{scheme:?}");
            assert_eq!(one, run(3), "{scheme:?}");
        }
    }
}

#[test]
fn nothing_sums_to_zero() {
    let empty = Array2::<f64>::zeros((0, 1));
    let arguments = vec![IntoPoints::<f64>::into_points(&empty, 1)];
    let sum = bound::<f64, Plain, 1>(&PLAIN, arguments.clone(), vec![])
        .run()
        .unwrap();
    assert_eq!(sum, Array2::zeros((1, 1)));
    let sum = bound::<f64, Plain, 0>(&PLAIN, arguments, vec![])
        .run()
        .unwrap();
    assert_eq!(sum.len_of(Dimension(0)), 0);
}

#[test]
fn what_cannot_run_says_so() {
    let b = Array2::<f64>::zeros((3, 1));
    let bound =
        || bound::<f64, Plain, 1>(&PLAIN, vec![IntoPoints::<f64>::into_points(&b, 1)], vec![]);
    // Where there is a device, because this kernel was written for processors.
    let error = bound().backend(Backend::Cuda(0)).run().unwrap_err();
    assert!(error.to_string().starts_with("backend Cuda"), "{error}");
    for isa in InstructionSet::ALL {
        match bound().instruction_set(isa).run() {
            Ok(sum) => assert!(isa.is_available() && sum[(0, 0)] == 0.0),
            Err(error) => {
                assert!(
                    !isa.is_available() && matches!(error, Error::InstructionSet { .. }),
                    "{error}"
                );
            }
        }
    }
}

//! Log-sum-exp and means with exponential weights.

use keops_runtime::operation::{LogSumExp, SumSoftMaxWeight, WeightedLogSumExp};
use keops_runtime::simd::InstructionSet;
use keops_runtime::{Accumulate, Axis, Element, Orientation, SumScheme};
use ndarray::Array2;

use crate::data::{Points, in_pool};

/// `log sum_j exp(f_j) g_j` and `sum_j exp(f_j) g_j / sum_j exp(f_j)`, relative to the maximum.
pub(crate) fn truth(exponents: &[f64], weights: impl Iterator<Item = f64>) -> (f64, f64) {
    let maximum = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let maximum = maximum.clamp(-f64::MAX, f64::MAX);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (&exponent, weight) in exponents.iter().zip(weights) {
        let exponential = (exponent - maximum).exp();
        sum += exponential;
        weighted += exponential * weight;
    }
    (maximum + weighted.ln(), weighted / sum)
}

/// That numbers differ by rounding errors, or are the same infinity, or both NaN.
pub(crate) fn assert_close<T: Element>(what: &str, got: T, expected: f64) {
    let tolerance = if size_of::<T>() == 4 { 2e-6 } else { 1e-14 };
    let got = got.to_f64();
    let close = (got - expected).abs() <= tolerance * (1.0 + expected.abs());
    assert!(
        close || got == expected || got.is_nan() && expected.is_nan(),
        "{what}: {got}, expected {expected}"
    );
}

fn check<T: Element, const A: usize>(points: &Points<T>)
where
    Axis<A>: Orientation,
{
    let sums = points.run::<_, A>(LogSumExp);
    let weighted = points.run::<_, A>(WeightedLogSumExp);
    let means = points.run::<_, A>(SumSoftMaxWeight);
    for row in 0..points.rows::<A>() {
        let exponents = [points.row::<A>(row, 0), points.row::<A>(row, 1)];
        let what = format!(
            "row {row} of {:?} x {:?}, axis {A}",
            points.x.dim(),
            points.y.dim()
        );
        for (k, exponents) in exponents.iter().enumerate() {
            let (sum, _) = truth(exponents, core::iter::repeat(1.0));
            for got in &sums {
                assert_close(&what, got[(row, k)], sum);
            }
        }
        let (sum, mean) = truth(&exponents[0], exponents[1].iter().copied());
        for (weighted, means) in weighted.iter().zip(&means) {
            assert_eq!((weighted.ncols(), means.ncols()), (1, 1));
            assert_close(&what, weighted[(row, 0)], sum);
            assert_close(&what, means[(row, 0)], mean);
        }
    }
}

#[test]
fn sums_of_exponentials_are_right_at_every_border() {
    for m in [0, 1, 3, 4, 5, 15, 16, 17, 65] {
        for n in [0, 1, 2, 31, 255, 256, 257, 600] {
            for specials in [0, 1, 100] {
                check::<f32, 1>(&Points::new(m, n, specials));
                check::<f64, 1>(&Points::new(m, n, specials));
                check::<f32, 0>(&Points::new(m, n, specials));
                check::<f64, 0>(&Points::new(m, n, specials));
            }
        }
    }
}

/// Points whose exponents are `exponent(j)`.
fn points<T: Element>(columns: usize, exponent: impl Fn(usize) -> f64) -> Points<T> {
    let mut points = Points::new(17, columns, 0);
    points.x.column_mut(0).fill(T::from_f64(0.0));
    for (j, value) in points.y.column_mut(0).iter_mut().enumerate() {
        *value = T::from_f64(exponent(j));
    }
    points
}

fn check_orders<T: Element>() {
    // Far beyond the range of exp, and moving the reference with each column, now and then, and never.
    for scale in [0.5, 3.0, 10.0, 1e4] {
        check::<T, 1>(&points::<T>(700, |j| scale * j as f64));
        check::<T, 1>(&points::<T>(700, |j| -scale * j as f64));
        check::<T, 1>(&points::<T>(700, |j| scale * ((j * 37) % 101) as f64));
    }
    // The largest numbers, and nothing but -inf before the first finite one.
    let largest = if size_of::<T>() == 4 {
        f64::from(f32::MAX)
    } else {
        f64::MAX
    };
    check::<T, 1>(&points::<T>(
        300,
        |j| if j == 150 { largest } else { -largest },
    ));
    check::<T, 1>(&points::<T>(300, |j| {
        if j < 280 { f64::NEG_INFINITY } else { -largest }
    }));
    check::<T, 1>(&points::<T>(300, |j| {
        if j < 280 { f64::NEG_INFINITY } else { 5.0 }
    }));
    check::<T, 1>(&points::<T>(300, |j| {
        if j == 290 { f64::INFINITY } else { 5.0 }
    }));
    check::<T, 1>(&points::<T>(300, |j| {
        if j % 100 == 0 { f64::INFINITY } else { -5.0 }
    }));
}

#[test]
fn exponents_may_come_in_any_order_and_size() {
    check_orders::<f32>();
    check_orders::<f64>();
}

#[test]
fn parts_of_the_columns_are_merged() {
    check::<f32, 1>(&Points::new(250, 9000, 0));
    let mut points = points::<f64>(9000, |j| (j % 1000) as f64);
    points.x = Array2::from_elem((250, 2), 1.0);
    check::<f64, 1>(&points);
}

#[test]
fn infinite_sums_survive_compensation() {
    let points = points::<f32>(300, |j| if j == 7 { f64::INFINITY } else { 0.0 });
    let bound = points.bind::<_, 1>(LogSumExp).sum_scheme(SumScheme::Kahan);
    assert_eq!(bound.run().unwrap()[(0, 0)], f32::INFINITY);
}

#[test]
fn exponentials_are_added_as_the_options_say() {
    let columns = 1_000_000;
    // A million times exp(-0.1), relative to a first exponent of 0.
    let exact = (columns as f64 * f64::from(-0.1_f32).exp() + 1.0).ln();
    let points = Points {
        x: Array2::<f32>::zeros((1, 2)),
        y: Array2::from_shape_fn((columns + 1, 2), |(j, _)| if j == 0 { 0.0 } else { -0.1 }),
    };
    let error = |scheme, accumulate| {
        InstructionSet::available()
            .map(|isa| {
                let bound = points.bind::<_, 1>(LogSumExp).instruction_set(isa);
                let sum = bound
                    .sum_scheme(scheme)
                    .accumulate(accumulate)
                    .run()
                    .unwrap();
                (f64::from(sum[(0, 0)]) - exact).abs()
            })
            .collect::<Vec<_>>()
    };
    // Roundings of the result, of one exponential, and of blocks.
    let small = 5e-7 + 1e-7;
    for error in error(SumScheme::Kahan, Accumulate::Same) {
        assert!(error < small + 1e-6, "{error}");
    }
    for error in error(SumScheme::Direct, Accumulate::F64) {
        assert!(error < small + 1e-6, "{error}");
    }
    for error in error(SumScheme::Block, Accumulate::F64) {
        assert!(error < small + 2e-5, "{error}");
    }
    for error in error(SumScheme::Auto, Accumulate::Same) {
        assert!(error < small + 2e-5, "{error}");
    }
    for error in error(SumScheme::Auto, Accumulate::F32) {
        assert!(error < 5e-4, "{error}");
    }
    for error in error(SumScheme::Direct, Accumulate::Same) {
        // Visibly wrong: the roundings are biased, as the terms are all the same.
        assert!(error > 1e-4, "{error}");
    }
}

#[test]
fn sums_of_exponentials_do_not_depend_on_the_number_of_threads() {
    for (m, n) in [(1500, 900), (9, 60_000)] {
        let points = Points::<f32>::new(m, n, 0);
        for scheme in [SumScheme::Block, SumScheme::Direct, SumScheme::Kahan] {
            let run = |threads| {
                in_pool(threads, || {
                    let sums = points.bind::<_, 1>(LogSumExp).sum_scheme(scheme);
                    let means = points.bind::<_, 1>(SumSoftMaxWeight).sum_scheme(scheme);
                    (sums.run().unwrap(), means.run().unwrap())
                })
            };
            let one = run(1);
            assert_eq!(one, run(2), "{scheme:?}");
            assert_eq!(one, run(3), "{scheme:?}");
        }
    }
}

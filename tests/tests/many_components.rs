//! Sums `sum_j k(x_i, y_j) b_j` of many components, which are computed as products of matrices, against the same written out.

use keops_solve::half::f16;
use keops_solve::ndarray::{Array2, s};
use keops_solve::prelude::*;

use keops_solve::{Accumulate, Element, SumScheme};

const D: usize = 2;
const WIDE: usize = 23;

genred!(OverJ: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(23), g = Pm(1), axis = 1);
genred!(OverI: "b*Inv(1+g*SqDist(x,y))", x = Vi(2), y = Vj(2), b = Vi(23), g = Pm(1), axis = 0);
genred!(Asymmetric: "Exp(-g*SqDist(x,y))*w*b", x = Vi(2), w = Vi(1), y = Vj(2), b = Vj(23), g = Pm(1), axis = 1);

fn points<T: Element>(rows: usize, columns: usize, seed: usize) -> Array2<T> {
    Array2::from_shape_fn((rows, columns), |(i, k)| {
        let n = (i * columns + k + 1) * (2 * seed + 7919) % 10_007;
        T::from_f64(n as f64 / 10_007.0 - 0.5)
    })
}

fn square<T: Element>(x: &Array2<T>, i: usize, y: &Array2<T>, j: usize) -> f64 {
    (0..D)
        .map(|k| (x[[i, k]].to_f64() - y[[j, k]].to_f64()).powi(2))
        .sum()
}

fn assert_close<T: Element>(
    got: &Array2<T>,
    entry: impl Fn(usize, usize) -> f64,
    b: &Array2<T>,
    tolerance: f64,
) {
    let b = b.mapv(T::to_f64);
    for (i, row) in got.rows().into_iter().enumerate() {
        let entries: Vec<f64> = (0..b.nrows()).map(|j| entry(i, j)).collect();
        for (k, (got, b)) in row.iter().zip(b.columns()).enumerate() {
            let terms = entries.iter().zip(b).map(|(entry, b)| entry * b);
            let (sum, size) = terms.fold((0.0, 1e-3), |(sum, size), t| (sum + t, size + t.abs()));
            let error = (got.to_f64() - sum).abs();
            assert!(
                error <= tolerance * size,
                "({i}, {k}): {got:?}, expected {sum}"
            );
        }
    }
}

fn check<T: Element>(m: usize, n: usize, tolerance: f64) {
    let (x, y) = (points::<T>(m, D, 1), points::<T>(n, D, 2));
    let (b, c) = (points::<T>(n, WIDE, 3), points::<T>(m, WIDE, 4));
    let w = points::<T>(m, 1, 5);
    let g = &[T::from_f64(0.75)];
    for isa in InstructionSet::available() {
        let over_j = OverJ
            .bind(&x, &y, &b, g)
            .instruction_set(isa)
            .run()
            .unwrap();
        assert_eq!(over_j.dim(), (m, WIDE));
        let gaussian = |i, j| (-0.75 * square(&x, i, &y, j)).exp();
        assert_close(&over_j, gaussian, &b, tolerance);
        let over_i = OverI
            .bind(&x, &y, &c, g)
            .instruction_set(isa)
            .run()
            .unwrap();
        assert_eq!(over_i.dim(), (n, WIDE));
        assert_close(
            &over_i,
            |j, i| 1.0 / (1.0 + 0.75 * square(&x, i, &y, j)),
            &c,
            tolerance,
        );
        let weighted = Asymmetric
            .bind(&x, &w, &y, &b, g)
            .instruction_set(isa)
            .run()
            .unwrap();
        assert_close(
            &weighted,
            |i, j| gaussian(i, j) * w[[i, 0]].to_f64(),
            &b,
            tolerance,
        );
    }
}

#[test]
fn sums_are_right_at_every_border() {
    for (m, n) in [
        (0, 3),
        (3, 0),
        (1, 1),
        (17, 63),
        (64, 65),
        (67, 129),
        (130, 300),
    ] {
        check::<f64>(m, n, 4e-15);
        check::<f32>(m, n, 2e-6);
        check::<f16>(m, n, 1e-3);
    }
}

#[test]
fn arrays_need_not_be_contiguous() {
    let (x, y, b) = (
        points::<f64>(40, D, 1),
        points::<f64>(50, D, 2),
        points::<f64>(50, WIDE, 3),
    );
    let whole = OverJ.bind(&x, &y, &b, 0.5).run().unwrap();
    let (reversed, from) = (b.slice(s![..;-1, ..]).to_owned(), y.slice(s![..;-1, ..]));
    let same = OverJ
        .bind(&x, from, reversed.slice(s![.., ..]), 0.5)
        .run()
        .unwrap();
    let transposed = b.t().to_owned();
    let again = OverJ.bind(&x, &y, transposed.t(), 0.5).run().unwrap();
    assert_eq!(again, whole);
    assert!((same - whole).iter().all(|d| d.abs() < 1e-14));
}

#[test]
fn schemes_and_ranges_agree() {
    let (x, y, b) = (
        points::<f32>(90, D, 1),
        points::<f32>(700, D, 2),
        points::<f32>(700, WIDE, 3),
    );
    let gaussian = |i, j| (-0.75 * square(&x, i, &y, j)).exp();
    for scheme in [
        SumScheme::Auto,
        SumScheme::Direct,
        SumScheme::Block,
        SumScheme::Kahan,
    ] {
        for accumulate in [Accumulate::Same, Accumulate::F32, Accumulate::F64] {
            let sum = OverJ
                .bind(&x, &y, &b, 0.75)
                .sum_scheme(scheme)
                .accumulate(accumulate);
            assert_close(&sum.run().unwrap(), gaussian, &b, 4e-6);
        }
    }
    let ranges = Ranges::from_rows(&[[5, 70]], &[2], &[[0, 300], [250, 699]]).unwrap();
    let times = |i: usize, j: usize| match (5..70).contains(&i) {
        true => f64::from(u8::from(j < 300) + u8::from((250..699).contains(&j))),
        false => 0.0,
    };
    let sparse = OverJ.bind(&x, &y, &b, 0.75).ranges(&ranges).run().unwrap();
    assert_close(&sparse, |i, j| times(i, j) * gaussian(i, j), &b, 4e-6);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (x, b) = (points::<f32>(3000, D, 1), points::<f32>(3000, WIDE, 3));
    let run = || OverJ.bind(&x, &x, &b, 20.0).run().unwrap();
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let (one, three) = (on(1).unwrap().install(run), on(3).unwrap().install(run));
    assert_eq!(one, three);
}

#[test]
fn wrong_shapes_are_errors() {
    let (x, y) = (points::<f64>(4, D, 1), points::<f64>(5, D, 2));
    let error = OverJ
        .bind(&x, &y, &points::<f64>(6, WIDE, 3), 1.0)
        .run()
        .unwrap_err();
    assert!(matches!(error, keops_solve::Error::Rows { .. }), "{error}");
    let error = OverJ
        .bind(&x, &y, &points::<f64>(5, WIDE - 1, 3), 1.0)
        .run()
        .unwrap_err();
    assert!(
        matches!(error, keops_solve::Error::Columns { .. }),
        "{error}"
    );
}

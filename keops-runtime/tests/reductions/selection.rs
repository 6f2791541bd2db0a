//! Extreme values and the k smallest.

use keops_runtime::operation::{
    ArgKMin, ArgMax, ArgMin, KMin, KMinArgKMin, Max, MaxArgMax, Min, MinArgMin,
};
use keops_runtime::{Axis, Element, Orientation};
use ndarray::{Array2, Array3};

use crate::data::{Points, in_pool};

/// The `k` smallest values that are below infinity, by value, then by column, and what fills up.
fn smallest(values: &[f64], k: usize) -> Vec<(f64, usize)> {
    let mut found: Vec<(f64, usize)> = values
        .iter()
        .copied()
        .zip(0..)
        .filter(|&(value, _)| value < f64::INFINITY)
        .collect();
    found.sort_by(|a, b| a.partial_cmp(b).unwrap());
    found.resize(found.len().max(k), (f64::INFINITY, 0));
    found.truncate(k);
    found
}

/// The arrays of the `k` smallest values and their columns.
fn truth<T: Element, const A: usize>(points: &Points<T>, k: usize) -> (Array3<f64>, Array3<usize>) {
    let shape = (points.rows::<A>(), k, 2);
    let (mut values, mut indices) = (Array3::zeros(shape), Array3::zeros(shape));
    for row in 0..shape.0 {
        for component in 0..2 {
            for (n, found) in smallest(&points.row::<A>(row, component), k)
                .into_iter()
                .enumerate()
            {
                (values[(row, n, component)], indices[(row, n, component)]) = found;
            }
        }
    }
    (values, indices)
}

fn widened<T: Element, D: ndarray::Dimension>(
    values: &ndarray::Array<T, D>,
) -> ndarray::Array<f64, D> {
    values.mapv(T::to_f64)
}

fn check_smallest<T: Element, const A: usize>(points: &Points<T>, k: usize)
where
    Axis<A>: Orientation,
{
    let (values, indices) = truth::<T, A>(points, k);
    let what = format!(
        "{k} of {:?} x {:?}, axis {A}",
        points.x.dim(),
        points.y.dim()
    );
    for (got_values, got_indices) in points.run::<_, A>(KMinArgKMin(k)) {
        assert_eq!(widened(&got_values), values, "{what}");
        assert_eq!(got_indices, indices, "{what}");
    }
}

fn check_extremes<T: Element, const A: usize>(points: &Points<T>)
where
    Axis<A>: Orientation,
{
    let rows = points.rows::<A>();
    let mut least = (Array2::zeros((rows, 2)), Array2::zeros((rows, 2)));
    let mut greatest = least.clone();
    for row in 0..rows {
        for k in 0..2 {
            let values = points.row::<A>(row, k);
            (least.0[(row, k)], least.1[(row, k)]) = smallest(&values, 1)[0];
            let negated: Vec<f64> = values.iter().map(|value| -value).collect();
            let (value, index) = smallest(&negated, 1)[0];
            (greatest.0[(row, k)], greatest.1[(row, k)]) = (-value, index);
        }
    }
    for min in points.run::<_, A>(Min) {
        assert_eq!(widened(&min), least.0);
    }
    for max in points.run::<_, A>(Max) {
        assert_eq!(widened(&max), greatest.0);
    }
    for (values, indices) in points.run::<_, A>(MinArgMin) {
        assert_eq!((widened(&values), indices), least);
    }
    for (values, indices) in points.run::<_, A>(MaxArgMax) {
        assert_eq!((widened(&values), indices), greatest);
    }
}

#[test]
fn extremes_are_right_at_every_border() {
    for m in [0, 1, 3, 4, 5, 15, 16, 17, 63, 64, 65] {
        for n in [0, 1, 2, 31, 255, 256, 257, 600] {
            for specials in [0, 20, 100] {
                check_extremes::<f32, 1>(&Points::new(m, n, specials));
                check_extremes::<f64, 1>(&Points::new(m, n, specials));
                check_extremes::<f32, 0>(&Points::new(m, n, specials));
                check_extremes::<f64, 0>(&Points::new(m, n, specials));
            }
        }
    }
}

#[test]
fn the_smallest_are_right_at_every_border() {
    for (m, n) in [
        (0, 5),
        (5, 0),
        (1, 1),
        (7, 16),
        (17, 17),
        (65, 255),
        (33, 257),
        (3, 1100),
    ] {
        for k in [1, 2, 3, n.max(2) - 1, n.max(1), n + 1, 1000] {
            for specials in [0, 20, 100] {
                check_smallest::<f32, 1>(&Points::new(m, n, specials), k);
                check_smallest::<f64, 1>(&Points::new(m, n, specials), k);
                check_smallest::<f32, 0>(&Points::new(m, n, specials), k);
                check_smallest::<f64, 0>(&Points::new(m, n, specials), k);
            }
        }
    }
}

#[test]
fn parts_of_the_columns_are_merged() {
    let points = Points::<f32>::new(250, 9000, 2);
    check_extremes::<f32, 1>(&points);
    for k in [1, 2, 4] {
        check_smallest::<f32, 1>(&points, k);
    }
    // So many values are not kept in order.
    let points = Points::<f32>::new(8, 150_000, 2);
    check_smallest::<f32, 1>(&points, 70);
}

#[test]
fn no_order_of_the_columns_is_wrong() {
    for turned in [false, true] {
        let mut points = Points::<f64>::new(5, 5000, 0);
        for (j, value) in points.y.column_mut(0).iter_mut().enumerate() {
            *value = if turned { 5000 - j } else { j } as f64;
        }
        for k in [1, 10, 64, 65, 1000] {
            check_smallest::<f64, 1>(&points, k);
        }
    }
}

#[test]
fn single_results_are_parts_of_pairs() {
    let points = Points::<f32>::new(20, 300, 10);
    for (k, indices) in [
        (3, truth::<_, 1>(&points, 3).1),
        (400, truth::<_, 1>(&points, 400).1),
    ] {
        assert!(
            points
                .run::<_, 1>(ArgKMin(k))
                .iter()
                .all(|got| *got == indices)
        );
        let values = points.run::<_, 1>(KMin(k));
        let pairs = points.run::<_, 1>(KMinArgKMin(k));
        assert!(
            values
                .iter()
                .zip(&pairs)
                .all(|(values, pair)| *values == pair.0)
        );
    }
    let pairs = points.run::<_, 1>(MinArgMin);
    assert!(
        points
            .run::<_, 1>(ArgMin)
            .iter()
            .zip(&pairs)
            .all(|(got, pair)| *got == pair.1)
    );
    let pairs = points.run::<_, 1>(MaxArgMax);
    assert!(
        points
            .run::<_, 1>(ArgMax)
            .iter()
            .zip(&pairs)
            .all(|(got, pair)| *got == pair.1)
    );
}

#[test]
fn columns_beyond_the_integers_of_f32_are_exact() {
    // 2^24 + 1 is the first integer that f32 lacks.
    let columns = (1 << 24) + 4;
    let mut y = Array2::from_elem((columns, 2), 1.0_f32);
    y[((1 << 24) + 1, 0)] = -1.0;
    y[((1 << 24) + 3, 0)] = -1.0;
    let points = Points {
        x: Array2::zeros((1, 2)),
        y,
    };
    let first = points.bind::<_, 1>(ArgMin).run().unwrap();
    assert_eq!(first[(0, 0)], (1 << 24) + 1);
    let both = points.bind::<_, 1>(ArgKMin(2)).run().unwrap();
    assert_eq!(
        [both[(0, 0, 0)], both[(0, 1, 0)]],
        [(1 << 24) + 1, (1 << 24) + 3]
    );
}

#[test]
fn selections_do_not_depend_on_the_number_of_threads() {
    for (m, n) in [(1500, 900), (9, 60_000)] {
        let points = Points::<f32>::new(m, n, 5);
        let run = |threads| {
            in_pool(threads, || {
                let extremes = points.bind::<_, 1>(MinArgMin).run().unwrap();
                (extremes, points.bind::<_, 1>(KMinArgKMin(5)).run().unwrap())
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(3));
    }
}

#[test]
fn a_result_beyond_memory_is_an_error() {
    let points = Points::<f64>::new(3, 5, 0);
    for k in [1 << 44, usize::MAX / 4] {
        let error = points.bind::<_, 1>(KMin(k)).run().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the result: expected an array that fits into memory"),
            "{error}"
        );
    }
}

//! Block-sparse reductions against loops over the pairs that they take.

use keops_runtime::operation::{
    KMinArgKMin, LogSumExp, Max, MaxArgMax, Min, MinArgMin, Sum, SumSoftMaxWeight,
    WeightedLogSumExp,
};
use keops_runtime::ranges::cluster::{
    cluster_centroids, cluster_ranges, grid_cluster, sort_clusters,
};
use keops_runtime::simd::InstructionSet;
use keops_runtime::{Axis, Element, Error, Operation, Orientation, Ranges};
use ndarray::{Array2, array};

use crate::data::{Points, in_pool};
use crate::exponentials::{assert_close, truth};
use crate::kernels::numbers;

/// The three arrays of a half.
type Half = (Vec<[usize; 2]>, Vec<usize>, Vec<[usize; 2]>);

/// Random blocks of at most `m` rows and `n` columns: some empty, some of one row, in any order, with rows in between that are in none;
/// with intervals that are empty, touch, and, if they `overlap`, overlap.
fn random_half(m: usize, n: usize, overlap: bool, seed: u64) -> Half {
    let mut next = numbers(seed);
    let mut below = |k: usize| (next() * k as f64) as usize;
    let mut rows = Vec::new();
    let mut row = below(3);
    while row < m {
        let length = [0, 1, 2, 15, 16, 17, 63, 64, 65, 130][below(10)];
        let end = m.min(row + length);
        rows.push([row, end]);
        row = end + below(4) / 3 * (1 + below(20));
        if rows.len() > 200 {
            break;
        }
    }
    for k in (1..rows.len()).rev() {
        rows.swap(k, below(k + 1));
    }
    let (mut slices, mut columns) = (Vec::new(), Vec::new());
    for _ in &rows {
        let mut from = below(n + 1);
        for _ in 0..below(5) {
            let to = n.min(from + [0, 1, 3, 16, 255, 256, 257, 400][below(8)]);
            columns.push([from, to]);
            from = if overlap {
                below(n + 1)
            } else {
                n.min(to + below(2) * below(40))
            };
        }
        slices.push(columns.len());
    }
    (rows, slices, columns)
}

/// How many times each pair is taken.
fn counts(m: usize, n: usize, (rows, slices, columns): &Half) -> Array2<usize> {
    let mut counts = Array2::zeros((m, n));
    for (k, &[from, to]) in rows.iter().enumerate() {
        let first = if k == 0 { 0 } else { slices[k - 1] };
        for &[start, end] in &columns[first..slices[k]] {
            for i in from..to {
                (start..end).for_each(|j| counts[(i, j)] += 1);
            }
        }
    }
    counts
}

/// The results on every instruction set.
fn run<T: Element, Op: Operation<T>, const A: usize>(
    points: &Points<T>,
    operation: Op,
    ranges: &Ranges,
) -> Vec<Op::Output>
where
    Axis<A>: Orientation,
{
    InstructionSet::available()
        .map(|isa| {
            points
                .bind::<Op, A>(operation)
                .ranges(ranges)
                .instruction_set(isa)
                .run()
        })
        .map(Result::unwrap)
        .collect()
}

/// Compares all reductions over axis `A` with loops. `counts` has the rows of the reduction as its rows.
fn check<T: Element, const A: usize>(points: &Points<T>, ranges: &Ranges, counts: &Array2<usize>)
where
    Axis<A>: Orientation,
{
    const K: usize = 3;
    let sums = run::<_, _, A>(points, Sum, ranges);
    let exponentials = run::<_, _, A>(points, LogSumExp, ranges);
    let weighted = run::<_, _, A>(points, WeightedLogSumExp, ranges);
    let means = run::<_, _, A>(points, SumSoftMaxWeight, ranges);
    let least = run::<_, _, A>(points, MinArgMin, ranges);
    let greatest = run::<_, _, A>(points, MaxArgMax, ranges);
    let minima = run::<_, _, A>(points, Min, ranges);
    let maxima = run::<_, _, A>(points, Max, ranges);
    let smallest = run::<_, _, A>(points, KMinArgKMin(K), ranges);
    let repeated = counts.iter().any(|&count| count > 1);
    assert_eq!(sums[0].nrows(), counts.nrows());
    for (row, counts) in counts.rows().into_iter().enumerate() {
        let what = format!(
            "row {row} of {} x {}, axis {A}",
            points.x.nrows(),
            points.y.nrows()
        );
        let columns: Vec<usize> = counts
            .iter()
            .enumerate()
            .flat_map(|(j, &count)| vec![j; count])
            .collect();
        let terms = |k| -> Vec<f64> {
            let row = points.row::<A>(row, k);
            columns.iter().map(|&j| row[j]).collect()
        };
        let both = [terms(0), terms(1)];
        let (log_sum, mean) = truth(&both[0], both[1].iter().copied());
        for isa in 0..sums.len() {
            assert_close(
                &what,
                weighted[isa][(row, 0)],
                if columns.is_empty() {
                    f64::NEG_INFINITY
                } else {
                    log_sum
                },
            );
            assert_close(&what, means[isa][(row, 0)], mean);
        }
        for (k, terms) in both.iter().enumerate() {
            let at = (row, k);
            let log_sum = if terms.is_empty() {
                f64::NEG_INFINITY
            } else {
                truth(terms, terms.iter().map(|_| 1.0)).0
            };
            let mut found: Vec<(f64, usize)> =
                terms.iter().copied().zip(columns.iter().copied()).collect();
            found.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let none = |value| (value, 0);
            let min = found.first().copied().unwrap_or(none(f64::INFINITY));
            let last = found.last().map_or(f64::NEG_INFINITY, |last| last.0);
            let max = found
                .iter()
                .copied()
                .find(|found| found.0 == last)
                .unwrap_or(none(last));
            found.resize(found.len().max(K), none(f64::INFINITY));
            for isa in 0..sums.len() {
                assert_close(&what, sums[isa][at], terms.iter().sum());
                assert_close(&what, exponentials[isa][at], log_sum);
                assert_eq!((least[isa].0[at].to_f64(), least[isa].1[at]), min, "{what}");
                assert_eq!(
                    (greatest[isa].0[at].to_f64(), greatest[isa].1[at]),
                    max,
                    "{what}"
                );
                assert_eq!(
                    (minima[isa][at].to_f64(), maxima[isa][at].to_f64()),
                    (min.0, max.0),
                    "{what}"
                );
                let (values, indices) = &smallest[isa];
                for (n, expected) in found[..K].iter().enumerate() {
                    let (value, index) = (values[(row, n, k)].to_f64(), indices[(row, n, k)]);
                    assert_eq!(value, expected.0, "{what}");
                    // Which one of several equal columns comes is open where a column may come twice.
                    if repeated {
                        let taken = columns.iter().position(|&column| column == index);
                        assert!(
                            value == f64::INFINITY || taken.is_some_and(|at| terms[at] == value),
                            "{what}"
                        );
                    } else {
                        assert_eq!(index, expected.1, "{what}");
                    }
                }
            }
        }
    }
}

fn check_both<T: Element>(m: usize, n: usize, ranges: &Ranges, counts: &Array2<usize>) {
    let points = Points::<T>::new(m, n, 0);
    check::<T, 1>(&points, ranges, counts);
    check::<T, 0>(&points, ranges, &counts.t().to_owned());
}

#[test]
fn every_reduction_takes_the_pairs_of_the_ranges() {
    let sizes = [
        (1, 1),
        (5, 1),
        (17, 255),
        (64, 257),
        (66, 600),
        (300, 40),
        (700, 530),
    ];
    for (seed, (m, n)) in sizes.into_iter().enumerate() {
        for overlap in [false, true] {
            let half = random_half(m, n, overlap, 10 * seed as u64 + u64::from(overlap));
            let counts = counts(m, n, &half);
            let ranges = Ranges::from_rows(&half.0, &half.1, &half.2).unwrap();
            assert_eq!(ranges.pairs(), counts.sum());
            assert!(ranges.is_consistent() && ranges.transpose().is_consistent());
            check_both::<f32>(m, n, &ranges, &counts);
            check_both::<f64>(m, n, &ranges, &counts);
        }
    }
}

#[test]
fn few_long_blocks_are_cut_by_columns() {
    let (m, n) = (70, 90_000);
    let half = (
        vec![[3, 50], [60, 61]],
        vec![3, 4],
        vec![[7, 30_000], [30_001, 30_002], [40_000, n], [5, 80_000]],
    );
    let ranges = Ranges::from_rows(&half.0, &half.1, &half.2).unwrap();
    check_both::<f32>(m, n, &ranges, &counts(m, n, &half));
    let points = Points::<f32>::new(m, n, 0);
    let run = |threads| {
        in_pool(threads, || {
            let sums = points
                .bind::<_, 1>(LogSumExp)
                .ranges(&ranges)
                .run()
                .unwrap();
            (
                sums,
                points
                    .bind::<_, 0>(LogSumExp)
                    .ranges(&ranges)
                    .run()
                    .unwrap(),
            )
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn halves_may_differ_and_trade_places() {
    let (m, n) = (40, 50);
    let (i, j) = (random_half(m, n, true, 1), random_half(n, m, false, 2));
    let ranges = Ranges::new(&i.0, &i.1, &i.2, &j.0, &j.1, &j.2).unwrap();
    assert!(!ranges.is_consistent());
    let points = Points::<f64>::new(m, n, 0);
    check::<f64, 1>(&points, &ranges, &counts(m, n, &i));
    check::<f64, 0>(&points, &ranges, &counts(n, m, &j));
    let exchanged = Points {
        x: points.y.clone(),
        y: points.x.clone(),
    };
    check::<f64, 0>(&exchanged, &ranges.transpose(), &counts(m, n, &i));
    assert_eq!(ranges.transpose().transpose(), ranges);
    assert_ne!(ranges.transpose(), ranges);
}

#[test]
fn blocks_of_a_matrix_are_kept_as_it_says() {
    let (rows, columns) = (
        [[5, 9], [0, 5], [20, 20], [12, 30]],
        [[0, 7], [7, 8], [10, 33]],
    );
    let keep = array![
        [true, false, true],
        [true, true, true],
        [true, true, true],
        [false, false, true]
    ];
    let ranges = Ranges::from_matrix(&rows, &columns, &keep).unwrap();
    let mut counts = Array2::zeros((30, 33));
    for (&[from, to], keep) in rows.iter().zip(keep.rows()) {
        for (&[start, end], &keep) in columns.iter().zip(keep) {
            counts
                .slice_mut(ndarray::s![from..to, start..end])
                .fill(usize::from(keep));
        }
    }
    assert_eq!(ranges.pairs(), counts.sum());
    assert!(ranges.is_consistent());
    check_both::<f64>(30, 33, &ranges, &counts);
    assert!(Ranges::from_matrix(&rows, &columns, &keep.t()).is_err());
    let everything = Array2::from_elem((3, 3), true);
    let all = Ranges::from_matrix(
        &[[0, 7], [7, 8], [8, 30]],
        &[[20, 33], [0, 7], [7, 20]],
        &everything,
    )
    .unwrap();
    assert_eq!(all, Ranges::dense(30, 33));
    check_both::<f64>(30, 33, &all, &Array2::ones((30, 33)));
}

#[test]
fn nothing_is_taken_by_no_blocks() {
    let nothing: &[[usize; 2]] = &[];
    let ranges = Ranges::new(nothing, &[], nothing, nothing, &[], nothing).unwrap();
    check_both::<f64>(20, 7, &ranges, &Array2::zeros((20, 7)));
    check_both::<f64>(0, 0, &ranges, &Array2::zeros((0, 0)));
    check_both::<f64>(0, 0, &Ranges::dense(0, 0), &Array2::zeros((0, 0)));
}

#[test]
fn arrays_of_both_kinds_make_ranges() {
    let rows = array![[0_usize, 3], [3, 5]];
    let slices = array![1_usize, 2];
    let columns = vec![[0_usize, 5], [2, 4]];
    let ranges = Ranges::from_rows(&rows, &slices, &columns).unwrap();
    assert_eq!(
        ranges,
        Ranges::from_rows(&rows.view(), slices.view(), columns.as_slice()).unwrap()
    );
    let error = Ranges::from_rows(&array![[1_usize, 2, 3]], &[1], &columns).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ranges_i: expected two columns, from and to, got an array of shape (1, 3)"
    );
    assert_eq!(
        format!("{ranges:?}"),
        "Ranges { blocks_i: 2, blocks_j: 3, pairs: 19 }"
    );
}

#[test]
fn errors_name_the_entry() {
    let refused = |rows: &[[usize; 2]], slices: &[usize], columns: &[[usize; 2]]| {
        Ranges::from_rows(rows, slices, columns)
            .unwrap_err()
            .to_string()
    };
    let columns = [[0, 3], [3, 5]];
    assert_eq!(
        refused(&[[0, 2], [7, 3]], &[1, 2], &columns),
        "ranges_i[1]: expected from <= to, got 7..3"
    );
    assert_eq!(
        refused(&[[0, 2]], &[1], &[[5, 4]]),
        "redranges_j[0]: expected from <= to, got 5..4"
    );
    assert_eq!(
        refused(&[[5, 7], [0, 6]], &[1, 2], &columns),
        "ranges_i[0]: expected rows that are in no other block (ranges_i[1] has 0..6), got 5..7"
    );
    assert_eq!(
        refused(&[[0, 2], [2, 3]], &[2], &columns),
        "slices_i: expected 2 entries, one per block of ranges_i, got 1"
    );
    assert_eq!(
        refused(&[[0, 2], [2, 3]], &[2, 1], &columns),
        "slices_i[1]: expected at least 2, the entry before, and at most 2, the number of intervals in redranges_j, got 1"
    );
    assert_eq!(
        refused(&[[0, 2], [2, 3]], &[1, 3], &columns),
        "slices_i[1]: expected at least 1, the entry before, and at most 2, the number of intervals in redranges_j, got 3"
    );
    assert_eq!(
        refused(&[[0, 2], [2, 3]], &[0, 1], &columns),
        "slices_i: expected the last entry to be the 2 intervals of redranges_j, got 1"
    );
    let error = Ranges::new(
        &columns,
        &[1, 2],
        &columns,
        &columns,
        &[1, 2],
        &[[0, 1], [2, 1]],
    )
    .unwrap_err();
    assert!(matches!(error, Error::Ranges { entry, .. } if entry == "redranges_i[1]"));
}

#[test]
fn ranges_must_fit_the_points() {
    let points = Points::<f64>::new(10, 20, 0);
    let ranges = Ranges::from_rows(&[[0, 3], [4, 11], [2, 2]], &[1, 1, 1], &[[0, 5]]).unwrap();
    let error = points.bind::<_, 1>(Sum).ranges(&ranges).run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "ranges_i[1]: expected an interval of the 10 points i, got one that ends at 11"
    );
    let error = points.bind::<_, 0>(Sum).ranges(&ranges).run().unwrap_err();
    assert!(error.to_string().starts_with("ranges_i[1]: "), "{error}");
    let ranges =
        Ranges::from_matrix(&[[0, 10]], &[[0, 5], [7, 21]], &array![[true, true]]).unwrap();
    let error = points.bind::<_, 1>(Sum).ranges(&ranges).run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "ranges_j[1]: expected an interval of the 20 points j, got one that ends at 21"
    );
}

/// Random clouds, negative coordinates and more than a thousand cells per axis among them.
#[test]
fn cells_of_a_grid_are_clusters() {
    for dimension in 1..=5 {
        for (width, size) in [(2.0, 0.5), (40.0, 0.01), (1e9, 0.7)] {
            let mut next = numbers(dimension as u64);
            let x = Array2::from_shape_simple_fn((400, dimension), || (next() - 0.5) * width);
            let labels = grid_cluster(&x, size).unwrap();
            let cell = |i: usize| -> Vec<i64> {
                x.row(i).iter().map(|x| (x / size).floor() as i64).collect()
            };
            let mut cells: Vec<_> = (0..400).map(cell).collect();
            cells.sort();
            cells.dedup();
            for (i, &label) in labels.iter().enumerate() {
                assert_eq!(cells.get(label), Some(&cell(i)));
            }
            let b = Array2::from_shape_fn((400, 1), |(i, _)| i as f64);
            let sorted = sort_clusters([x.view(), b.view()], &labels).unwrap();
            let ranges = cluster_ranges(&sorted.labels).unwrap();
            assert_eq!(ranges.len(), cells.len());
            let centroids = cluster_centroids(&x, &labels, None).unwrap();
            let [x_sorted, b_sorted] = &sorted.arrays;
            for (label, &[from, to]) in ranges.iter().enumerate() {
                assert!(from < to);
                for row in from..to {
                    let i = sorted.permutation[row];
                    assert_eq!((labels[i], b_sorted[(row, 0)]), (label, i as f64));
                    assert_eq!(x_sorted.row(row), x.row(i));
                }
                let mean = x_sorted
                    .slice(ndarray::s![from..to, ..])
                    .mean_axis(ndarray::Axis(0))
                    .unwrap();
                for (&mean, &centroid) in mean.iter().zip(centroids.row(label)) {
                    assert_close("centroid", centroid, mean);
                }
            }
            assert_eq!(sorted.restore(x_sorted.view()).unwrap(), x);
        }
    }
}

#[test]
fn what_is_no_permutation_is_refused() {
    let x = Array2::from_shape_fn((3, 1), |(i, _)| i as f64);
    let mut sorted = sort_clusters([x.view()], &[1, 0, 1]).unwrap();
    assert_eq!(sorted.restore(sorted.arrays[0].view()).unwrap(), x);
    for row in [3, 0, usize::MAX] {
        sorted.permutation = vec![0, row, 2];
        let error = sorted.restore(x.view()).unwrap_err().to_string();
        assert!(error.contains("permutation[1]"), "{error}");
        assert!(error.contains("each row from 0 to 2 once"), "{error}");
    }
}

#[test]
fn clusters_may_be_empty_and_weighted() {
    assert_eq!(
        cluster_ranges(&[1, 1, 3]).unwrap(),
        [[0, 0], [0, 2], [2, 2], [2, 3]]
    );
    assert_eq!(cluster_ranges(&[]).unwrap(), [[0; 2]; 0]);
    let x = array![[1.0_f32, 0.0], [4.0, 1.0], [7.0, 2.0]];
    let weights = ndarray::array![1.0, 3.0, 5.0];
    let centroids = cluster_centroids(&x, &[2, 2, 0], Some(weights.view())).unwrap();
    assert_eq!(centroids.row(2), ndarray::array![3.25, 0.75]);
    assert_eq!(centroids.row(0), x.row(2));
    assert!(centroids.row(1).iter().all(|value| value.is_nan()));
}

#[test]
fn clusters_of_nonsense_are_refused() {
    let x = array![[1.0, 2.0], [f64::NAN, 0.0]];
    let text = |error: Error| error.to_string();
    assert_eq!(
        text(grid_cluster(&x, 0.5).unwrap_err()),
        "points: expected finite numbers, got NaN at row 1, column 0"
    );
    for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            text(grid_cluster(&x, size).unwrap_err())
                .starts_with("size: expected a positive number")
        );
    }
    let error = grid_cluster(&array![[1e20]], 1e-3).unwrap_err();
    assert!(text(error).ends_with("got 0.001 for 1e20"));
    assert_eq!(
        text(cluster_ranges(&[0, 2, 1]).unwrap_err()),
        "labels[2]: expected at least 2, the label before (sort_clusters sorts them), got 1"
    );
    assert!(cluster_ranges(&[usize::MAX]).is_err());
    assert!(cluster_ranges(&[usize::MAX - 1]).is_err());
    assert!(cluster_centroids(&x, &[usize::MAX / 2], None).is_err());
    assert_eq!(
        text(sort_clusters([x.view()], &[0]).unwrap_err()),
        "an array to sort: expected 1 rows, one per label, got an array of shape (2, 2)"
    );
}

#[test]
fn clusters_and_ranges_of_more_points_than_memory_holds_are_refused() {
    fn refused<T>(result: Result<T, Error>) {
        let message = result.err().expect("an error").to_string();
        assert!(message.contains("memory"), "{message}");
    }
    const ROWS: usize = 1 << 58;
    let one = array![[1.0]];
    refused(grid_cluster(&one.broadcast((ROWS, 1)).unwrap(), 1.0));
    let empty = Array2::<f64>::zeros((1, 0));
    refused(grid_cluster(&empty.broadcast((ROWS, 0)).unwrap(), 1.0));
    let wide = one.broadcast((2, ROWS)).unwrap();
    refused(sort_clusters([wide], &[1, 0]));
    let narrow = one.broadcast((2, 1)).unwrap();
    let sorted = sort_clusters([narrow], &[1, 0]).unwrap();
    refused(sorted.restore(wide));
    refused(cluster_centroids(&wide, &[1, 0], None));

    let interval = array![[0, 1]];
    let intervals = &interval.broadcast((ROWS, 2)).unwrap();
    let number = ndarray::arr1(&[1]);
    let slices = number.broadcast(ROWS).unwrap();
    let first = [[0, 1]];
    refused(Ranges::from_rows(intervals, &[1], &first));
    refused(Ranges::from_rows(&first, &[1], intervals));
    refused(Ranges::from_rows(&first, slices, &first));
    let keep = array![[true]];
    refused(Ranges::from_matrix(
        intervals,
        &first,
        &keep.broadcast((ROWS, 1)).unwrap(),
    ));
    assert_eq!(Ranges::dense(usize::MAX, usize::MAX).pairs(), usize::MAX);
}

//! The truth: plain loops in double precision with compensated sums and the exponential of the standard library. They
//! share nothing with the library.

use keops_solve::ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// `out_i = sum_j k(|x_i - y_j|^2) b_j` for `x` of shape `(m, d)`, `y` `(n, d)` and `b` `(n, columns)`; shape `(m, columns)`.
///
/// Sums are compensated (Neumaier, *Z. angew. Math. Mech.* 54, 1974).
pub fn product(
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    kernel: &(dyn Fn(f64) -> f64 + Sync),
) -> Array2<f64> {
    // One row is cut into parts, so that it takes all threads too.
    let part = |i: usize, columns: core::ops::Range<usize>| {
        let mut sums = vec![(0.0_f64, 0.0_f64); b.ncols()];
        for j in columns {
            let value = kernel(squared_distance(x.row(i), y.row(j)));
            for (sum, &b) in sums.iter_mut().zip(b.row(j)) {
                add(sum, value * b);
            }
        }
        sums
    };
    let row = |i: usize| {
        let parts: Vec<_> = (0..y.nrows())
            .step_by(PART)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|from| part(i, from..y.nrows().min(from + PART)))
            .collect();
        let mut sums = vec![(0.0, 0.0); b.ncols()];
        for part in &parts {
            for (sum, &(more, lost)) in sums.iter_mut().zip(part) {
                add(sum, more);
                add(sum, lost);
            }
        }
        sums.into_iter().map(|(sum, lost)| sum + lost)
    };
    let values: Vec<f64> = (0..x.nrows()).into_par_iter().flat_map_iter(row).collect();
    Array2::from_shape_vec((x.nrows(), b.ncols()), values)
        .expect("each row has an entry for every column of b")
}

/// Columns that one thread sums up.
const PART: usize = 1 << 16;

/// Adds a term to a sum and what has been lost of it.
fn add((sum, lost): &mut (f64, f64), term: f64) {
    let next = *sum + term;
    *lost += if sum.abs() >= term.abs() {
        (*sum - next) + term
    } else {
        (term - next) + *sum
    };
    *sum = next;
}

fn squared_distance(x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum()
}

/// The `k` smallest squared distances `|x_i - y_j|^2` of every `i`, in ascending order; shape `(m, k)`, with +inf where there are fewer.
pub fn smallest(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, k: usize) -> Array2<f64> {
    let row = |i: usize| {
        let distances = y.rows().into_iter().map(|y| squared_distance(x.row(i), y));
        let mut distances: Vec<f64> = distances.collect();
        distances.resize(distances.len().max(k), f64::INFINITY);
        distances.sort_unstable_by(f64::total_cmp);
        distances.truncate(k);
        distances
    };
    let values: Vec<f64> = (0..x.nrows()).into_par_iter().flat_map_iter(row).collect();
    Array2::from_shape_vec((x.nrows(), k), values).expect("each row has k entries")
}

/// `out_i = sum_j exp(-gamma |x_i - y_j|^2) b_j`; see [`product`].
pub fn gaussian(
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    gamma: f64,
) -> Array2<f64> {
    product(x, y, b, &|d| (-gamma * d).exp())
}

/// The largest root mean square over the columns of the residual `b - (alpha a + K a)` of a Gaussian system.
pub fn residual(
    x: ArrayView2<'_, f64>,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    gamma: f64,
    alpha: f64,
) -> f64 {
    let residual = &b - &(gaussian(x, x, a, gamma) + alpha * &a);
    residual
        .columns()
        .into_iter()
        .map(|column| (column.dot(&column) / column.len() as f64).sqrt())
        .fold(0.0, f64::max)
}

/// The largest relative error of an entry, `max |value - truth| / |truth|`; NaN if there is one.
pub fn relative_error(values: ArrayView2<'_, f64>, truth: ArrayView2<'_, f64>) -> f64 {
    let errors = values.iter().zip(truth).map(|(v, t)| ((v - t) / t).abs());
    // `f64::max` would pass over NaN.
    errors.fold(0.0, |worst: f64, error| {
        if worst.is_nan() || error <= worst {
            worst
        } else {
            error
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{gaussian, relative_error, residual, smallest};
    use keops_solve::ndarray::array;

    #[test]
    fn known_values() {
        let x = array![[0.0, 0.0], [1.0, 1.0]];
        let b = array![[2.0], [3.0]];
        let e = (-1.0_f64).exp();
        let truth = array![[2.0 + 3.0 * e], [2.0 * e + 3.0]];
        let sums = gaussian(x.view(), x.view(), b.view(), 0.5);
        assert!(relative_error(sums.view(), truth.view()) < 1e-14);
        assert!(residual(x.view(), b.view(), (&truth + 0.1 * &b).view(), 0.5, 0.1) < 1e-14);
        assert!(
            (residual(x.view(), b.view(), (&truth + 1.0).view(), 0.5, 0.0) - 1.0).abs() < 1e-14
        );
        let near = array![[0.0, 2.0, f64::INFINITY], [0.0, 2.0, f64::INFINITY]];
        assert_eq!(smallest(x.view(), x.view(), 3), near);
        let nan = array![[f64::NAN], [1.0]];
        assert!(relative_error(nan.view(), array![[1.0], [1.0]].view()).is_nan());
    }
}

//! Operators with known properties, and what tests measure of a solution.

use keops_runtime::solve::{
    Entries, Failure, FnOperator, LinearOperator, OperatorError, Precision, Solution, SolveError,
    Unconverged,
};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// A sequence of uniform numbers in [0, 1) (SplitMix64, Steele et al. 2014).
pub(crate) struct Uniform(pub(crate) u64);

impl Uniform {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn array(&mut self, rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_simple_fn((rows, columns), || self.next())
    }
}

/// An operator that is given by its product with one column.
pub(crate) fn by_column(
    n: usize,
    f: impl Fn(ArrayView1<f64>) -> Array1<f64> + Sync,
) -> impl LinearOperator {
    let apply = move |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        for (v, mut out) in v.columns().into_iter().zip(out.columns_mut()) {
            out.assign(&f(v));
        }
        Ok(())
    };
    FnOperator::new(n, apply)
}

pub(crate) fn diagonal(entries: Vec<f64>) -> impl LinearOperator {
    let entries = Array1::from(entries);
    by_column(entries.len(), move |v| &entries * &v)
}

/// A tridiagonal Toeplitz matrix.
pub(crate) fn tridiagonal(n: usize, off: f64, on: f64) -> Array2<f64> {
    Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
        0 => on,
        1 => off,
        _ => 0.0,
    })
}

/// The 5-point Laplacian of a square grid of `m` by `m` points with zero boundary values.
pub(crate) fn poisson(m: usize) -> impl LinearOperator {
    by_column(m * m, move |v| {
        let at = |i: usize, j: usize| v[i * m + j];
        Array1::from_shape_fn(m * m, |k| {
            let (i, j) = (k / m, k % m);
            let mut sum = 4.0 * at(i, j);
            sum -= if i > 0 { at(i - 1, j) } else { 0.0 };
            sum -= if i + 1 < m { at(i + 1, j) } else { 0.0 };
            sum -= if j > 0 { at(i, j - 1) } else { 0.0 };
            sum -= if j + 1 < m { at(i, j + 1) } else { 0.0 };
            sum
        })
    })
}

/// The exponential kernel on the integers, `K_ij = rho^|i-j|` (Kac, Murdock and Szego 1953), in O(n).
pub(crate) fn kac_murdock_szego(n: usize, rho: f64) -> impl LinearOperator {
    by_column(n, move |v| {
        let mut out = v.to_owned();
        let mut tail = 0.0;
        for i in 0..n {
            out[i] += tail;
            tail = rho * (tail + v[i]);
        }
        tail = 0.0;
        for i in (0..n).rev() {
            out[i] += tail;
            tail = rho * (tail + v[i]);
        }
        out
    })
}

/// `K_ij = min(i, j)` for i, j = 1..n, in O(n).
pub(crate) fn min_ij(n: usize) -> impl LinearOperator {
    by_column(n, move |v| {
        let mut out = v.to_owned();
        for i in (1..n).rev() {
            out[i - 1] += out[i];
        }
        for i in 1..n {
            out[i] += out[i - 1];
        }
        out
    })
}

/// `exp(-g |x_i - x_j|^2)` for equidistant points on the unit circle: a circulant matrix.
pub(crate) struct Circle {
    /// The first row.
    row: Vec<f64>,
    /// The number of its entries, from the diagonal on, that count: the others are rounding errors of sums.
    reach: usize,
}

impl Circle {
    pub(crate) fn new(n: usize, g: f64) -> Self {
        let half_angle = std::f64::consts::PI / n as f64;
        let entry = |k: usize| (-4.0 * g * (half_angle * k as f64).sin().powi(2)).exp();
        let row: Vec<f64> = (0..n).map(entry).collect();
        let reach = row.iter().position(|&v| v < 1e-17);
        let reach = reach.expect("a kernel that does not reach around the circle");
        Self { row, reach }
    }
}

impl LinearOperator for Circle {
    fn len(&self) -> usize {
        self.row.len()
    }

    fn apply(
        &self,
        _: Precision,
        v: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let n = self.len();
        for (v, mut out) in v.columns().into_iter().zip(out.columns_mut()) {
            let around: Vec<f64> = v.iter().chain(&v).chain(&v).copied().collect();
            let row = |i: usize| {
                let (before, after) = around.split_at(n + i);
                let pairs = before.iter().rev().zip(&after[1..]);
                pairs
                    .zip(&self.row[1..self.reach])
                    .fold(after[0], |sum, ((x, y), entry)| sum + entry * (x + y))
            };
            let rows: Vec<f64> = (0..n).into_par_iter().map(row).collect();
            out.assign(&Array1::from(rows));
        }
        Ok(())
    }

    fn entries(&self) -> Option<&dyn Entries> {
        Some(self)
    }
}

impl Entries for Circle {
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        out.fill(1.0);
        Ok(())
    }

    fn compute_rows(
        &self,
        rows: &[usize],
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        for (&row, mut out) in rows.iter().zip(out.rows_mut()) {
            for (j, out) in out.iter_mut().enumerate() {
                *out = self.row[row.abs_diff(j)];
            }
        }
        Ok(())
    }
}

/// `exp(-50 |x_i - x_j|^2)` for points uniform in the unit square: the example of KeOps' documentation.
pub(crate) fn gaussian(n: usize, random: &mut Uniform) -> Array2<f64> {
    let x = random.array(n, 2);
    Array2::from_shape_fn((n, n), |(i, j)| {
        let (dx, dy) = (x[[i, 0]] - x[[j, 0]], x[[i, 1]] - x[[j, 1]]);
        (-50.0 * (dx * dx + dy * dy)).exp()
    })
}

/// A dense matrix whose working precision is single: entries, vectors and sums.
pub(crate) fn in_single(k: &Array2<f64>) -> impl LinearOperator {
    let single = k.mapv(|v| v as f32);
    let apply = move |precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        match precision {
            Precision::Working => out.assign(&single.dot(&v.mapv(|v| v as f32)).mapv(f64::from)),
            Precision::Double => out.assign(&k.dot(&v)),
        }
        Ok::<(), OperatorError>(())
    };
    FnOperator::new(k.nrows(), apply).with_roundoff(f64::from(f32::EPSILON) / 2.0)
}

/// A dense matrix whose entries are rounded to single precision in working precision, and added up in double.
pub(crate) fn with_single_entries(k: &Array2<f64>) -> impl LinearOperator {
    let rounded = k.mapv(|v| f64::from(v as f32));
    let apply = move |precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
        match precision {
            Precision::Working => out.assign(&rounded.dot(&v)),
            Precision::Double => out.assign(&k.dot(&v)),
        }
        Ok::<(), OperatorError>(())
    };
    FnOperator::new(k.nrows(), apply).with_roundoff(f64::from(f32::EPSILON) / 2.0)
}

/// `b - (alpha a + K a)`, computed without the solver.
pub(crate) fn residual(
    k: &dyn LinearOperator,
    alpha: f64,
    b: &Array2<f64>,
    a: &Array2<f64>,
) -> Array2<f64> {
    let mut product = Array2::zeros(a.dim());
    k.apply(Precision::Double, a.view(), product.view_mut())
        .expect("the operator works");
    b - &product - alpha * a
}

/// The root mean square of each column.
pub(crate) fn rms(a: &Array2<f64>) -> Vec<f64> {
    a.columns()
        .into_iter()
        .map(|c| (c.dot(&c) / c.len() as f64).sqrt())
        .collect()
}

/// The reason and the best iterate of a solve that is expected to fail.
pub(crate) fn failure<T: std::fmt::Debug>(
    result: Result<Solution<T>, SolveError<T>>,
) -> Unconverged<T> {
    match result.expect_err("no convergence is expected") {
        SolveError::Unconverged(unconverged) => *unconverged,
        other => panic!("{other}"),
    }
}

pub(crate) fn is_stagnated(reason: &Failure) -> bool {
    matches!(reason, Failure::Stagnated { .. })
}

pub(crate) fn column(values: impl IntoIterator<Item = f64>) -> Array2<f64> {
    Array1::from_iter(values).insert_axis(ndarray::Axis(1))
}

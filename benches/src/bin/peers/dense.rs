//! The dense way in Rust, with faer: distances by a matrix product in blocks of rows, and a Cholesky factorization.

use std::error::Error;
use std::ffi::OsString;

use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use keops_examples::dense;
use keops_solve::Element;
use keops_solve::ndarray::{Array2, LinalgScalar};
use rayon::prelude::*;

use crate::protocol::{Arguments, Points, Problem, answer};

const VERSIONS: &str = "faer 0.24";
/// Rows of a block, whose part of the matrix stays in the cache.
const ROWS: usize = 64;

/// Computes what the arguments say whenever standard input asks for it.
///
/// # Errors
/// If the arguments or the files are not what they should be, or a computation fails.
pub(crate) fn serve(arguments: &[OsString]) -> Result<(), Box<dyn Error>> {
    let asked = Arguments::new(arguments)?;
    match (asked.task.as_str(), asked.element.as_str()) {
        ("gaussian" | "same", "f32") => answer(VERSIONS, products(asked.points()?, f32::exp)),
        ("gaussian" | "same", "f64") => answer(VERSIONS, products(asked.points()?, f64::exp)),
        ("solve", "f32") => {
            let (x, b) = (asked.read("x", asked.d)?, asked.read("b", asked.columns)?);
            answer(VERSIONS, system(x, b, &asked))
        }
        _ => Err(format!("the dense way does not take {asked:?}").into()),
    }
}

/// Gaussian products, by `|x|^2 + |y|^2 - 2 x.y`.
fn products<T: Element + ComplexField + LinalgScalar>(
    points: Points<T>,
    exp: fn(T) -> T,
) -> Problem<T> {
    Box::new(move || {
        let Points { x, y, b, gamma } = &points;
        let (n, d, columns) = (y.nrows(), x.ncols(), b.ncols());
        let square = |row: &[T]| row.iter().fold(T::zero(), |sum, &v| sum + v * v);
        let [flat_x, flat_y, flat_b] = [x, y, b].map(|array| array.as_slice().unwrap_or(&[]));
        let y_squares: Vec<T> = flat_y.chunks(d).map(square).collect();
        let transposed = MatRef::from_row_major_slice(flat_y, n, d).transpose();
        let weights = MatRef::from_row_major_slice(flat_b, n, columns);
        let mut out = vec![T::zero(); x.nrows() * columns];
        out.par_chunks_mut(ROWS * columns)
            .zip(flat_x.par_chunks(ROWS * d))
            .for_each_init(
                || vec![T::zero(); ROWS * n],
                |kernel, (out, x)| {
                    let rows = x.len() / d;
                    let kernel = &mut kernel[..rows * n];
                    matmul(
                        MatMut::from_row_major_slice_mut(kernel, rows, n),
                        Accum::Replace,
                        MatRef::from_row_major_slice(x, rows, d),
                        transposed,
                        T::one() + T::one(),
                        Par::Seq,
                    );
                    for (row, x) in kernel.chunks_mut(n).zip(x.chunks(d)) {
                        let x_square = square(x);
                        for (value, &y_square) in row.iter_mut().zip(&y_squares) {
                            *value = exp((*value - x_square - y_square) * *gamma);
                        }
                    }
                    matmul(
                        MatMut::from_row_major_slice_mut(out, rows, columns),
                        Accum::Replace,
                        MatRef::from_row_major_slice(kernel, rows, n),
                        weights,
                        T::one(),
                        Par::Seq,
                    );
                },
            );
        Ok(Array2::from_shape_vec((x.nrows(), columns), out)?)
    })
}

fn system(x: Array2<f32>, b: Array2<f32>, asked: &Arguments) -> Problem<f32> {
    let (gamma, alpha) = (asked.gamma as f32, asked.alpha as f32);
    Box::new(move || {
        let entry = |i: usize, j: usize| {
            let (x, y) = (x.row(i), x.row(j));
            let square = x.iter().zip(&y).map(|(x, y)| (x - y) * (x - y));
            (-gamma * square.sum::<f32>()).exp() + if i == j { alpha } else { 0.0 }
        };
        Ok(dense::solve(entry, &b)?)
    })
}

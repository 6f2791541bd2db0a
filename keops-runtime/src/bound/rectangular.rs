//! Matrices of any shape whose entries are computed in double precision.

use super::matrix::assert_scalar;
use super::product::ProductCode;
use super::{BoundMatrix, Orientation};
use crate::cpu::{PairsCode, Problem, ValuesCode, dense, diagonal};
use crate::input::Element;
use crate::kernel::Kernel;
use crate::options::{Accumulate, CallOptions};
use crate::solve::OperatorError;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Axis, Data, Ix2};

/// A matrix `K` of any shape that is known by its products and entries, all in double precision: between the points of a Gaussian process
/// and others, for example.
///
/// Implemented for symbolic matrices with scalar formulas, whose entries are evaluated in `f64` from the same data whatever their element
/// type, and for dense matrices (`Array2<f64>` and views of it).
pub trait Rectangular {
    /// The numbers of rows and columns.
    fn shape(&self) -> (usize, usize);

    /// Computes `out = K v` for a block of vectors `v` of shape `(columns, vectors)`; `out` of shape `(rows, vectors)` is overwritten. Both
    /// are contiguous and row-major.
    ///
    /// # Errors
    /// If arrays do not fit together, or whatever else the matrix says.
    fn multiply(
        &self,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError>;

    /// Computes rows of the matrix, `out[[k, j]] = K_(rows[k], j)`. `out` has shape `(rows.len(), columns)`, and is contiguous and
    /// row-major.
    ///
    /// # Errors
    /// As for [`multiply`](Self::multiply).
    fn rows(&self, rows: &[usize], out: ArrayViewMut2<'_, f64>) -> Result<(), OperatorError>;

    /// Computes the diagonal of a square matrix, `out[i] = K_ii`.
    ///
    /// # Errors
    /// As for [`multiply`](Self::multiply).
    fn diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError>;
}

fn misfit(name: &str, expected: (usize, usize), found: (usize, usize)) -> OperatorError {
    format!("{name}: expected a block of shape {expected:?}, got {found:?}").into()
}

/// Refuses arrays that a matrix of the given shape cannot multiply and write to.
fn check_product(
    (rows, columns): (usize, usize),
    v: (usize, usize),
    out: (usize, usize),
) -> Result<(), OperatorError> {
    if v.0 != columns {
        return Err(misfit("the operand", (columns, v.1), v));
    }
    if out != (rows, v.1) {
        return Err(misfit("the product", (rows, v.1), out));
    }
    Ok(())
}

fn check_rows(
    shape: (usize, usize),
    rows: &[usize],
    out: (usize, usize),
) -> Result<(), OperatorError> {
    if let Some(row) = rows.iter().find(|&&row| row >= shape.0) {
        return Err(format!("row {row} of a matrix of {} rows", shape.0).into());
    }
    if out != (rows.len(), shape.1) {
        return Err(misfit("the rows", (rows.len(), shape.1), out));
    }
    Ok(())
}

fn check_diagonal(shape: (usize, usize), length: usize) -> Result<(), OperatorError> {
    if shape != (length, length) {
        return Err(format!("a matrix of shape {shape:?} has no diagonal of {length}").into());
    }
    Ok(())
}

impl<T: Element, K: Kernel, O: Orientation> Rectangular for BoundMatrix<'_, T, K, O> {
    fn shape(&self) -> (usize, usize) {
        use super::SymbolicMatrix;
        (self.nrows(), self.ncols())
    }

    fn multiply(
        &self,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        const { assert_scalar::<K>() }
        let hardware = self.call.resolve(&self.options)?;
        let problem = self.call.problem::<O>(&self.options)?;
        let shape = (problem.rows.count(), problem.columns.count());
        check_product(shape, v.dim(), out.dim())?;
        let options = CallOptions {
            accumulate: Accumulate::F64,
            ..self.options.clone()
        };
        let code = const { &ProductCode::<f64>::of::<O::Pairing<K>, 0>(false) };
        code.product(hardware, &options, &problem, v, out)?;
        Ok(())
    }

    fn rows(&self, rows: &[usize], mut out: ArrayViewMut2<'_, f64>) -> Result<(), OperatorError> {
        const { assert_scalar::<K>() }
        self.call.check_on_host("rows are computed")?;
        let isa = self.options.resolve()?.isa;
        let problem = self.call.problem::<O>(&self.options)?;
        let shape = (problem.rows.count(), problem.columns.count());
        check_rows(shape, rows, out.dim())?;
        let chosen = problem.rows.select(rows)?;
        let all = Problem {
            rows: chosen.points(),
            pattern: None,
            ..problem.reborrow()
        };
        let values = out.as_slice_mut().ok_or("rows need a contiguous array")?;
        values.fill(0.0);
        dense(
            const { &ValuesCode::<f64>::of::<O::Pairing<K>>() },
            isa,
            &all,
            values,
        );
        if let Some(pattern) = &problem.pattern {
            for ((k, j), value) in out.indexed_iter_mut() {
                // Not a product, which would make an infinity outside of the pattern NaN.
                *value = match pattern.count(rows[k], j) {
                    0 => 0.0,
                    count => *value * count as f64,
                };
            }
        }
        Ok(())
    }

    fn diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        const { assert_scalar::<K>() }
        self.call.check_on_host("diagonals are computed")?;
        let problem = self.call.problem::<O>(&self.options)?;
        check_diagonal((problem.rows.count(), problem.columns.count()), out.len())?;
        diagonal(const { &PairsCode::of::<O::Pairing<K>>() }, &problem, out);
        Ok(())
    }
}

impl<S: Data<Elem = f64>> Rectangular for ArrayBase<S, Ix2> {
    fn shape(&self) -> (usize, usize) {
        self.dim()
    }

    fn multiply(
        &self,
        v: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        check_product(self.dim(), v.dim(), out.dim())?;
        out.fill(0.0); // Zero times NaN is NaN.
        general_mat_mul(1.0, self, &v, 1.0, &mut out);
        Ok(())
    }

    fn rows(&self, rows: &[usize], mut out: ArrayViewMut2<'_, f64>) -> Result<(), OperatorError> {
        check_rows(self.dim(), rows, out.dim())?;
        for (mut out, &row) in out.rows_mut().into_iter().zip(rows) {
            out.assign(&self.index_axis(Axis(0), row));
        }
        Ok(())
    }

    fn diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        check_diagonal(self.dim(), out.len())?;
        for (out, value) in out.iter_mut().zip(self.diag()) {
            *out = *value;
        }
        Ok(())
    }
}

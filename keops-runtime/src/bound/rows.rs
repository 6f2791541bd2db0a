//! Rows of the matrix of a scalar kernel.
//!
//! Nothing here is generic over the kernel: this code is compiled once, not once for each formula.

use crate::Error;
use crate::cpu::{Problem, for_each_part};
use crate::ranges::Pattern;
use crate::solve::OperatorError;
use core::slice;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use std::sync::{Arc, OnceLock};

/// Multiplies the matrix of a problem with the columns of the second argument into the third.
type Multiply<'a> = dyn Fn(&Problem<'_>, ArrayView2<'_, f64>, ArrayViewMut2<'_, f64>) -> Result<(), Error>
    + Sync
    + 'a;

/// Some rows of a symmetric matrix.
pub(super) struct ChosenRows<'a, 'b> {
    pub(super) problem: &'a Problem<'b>,
    pub(super) multiply: &'a Multiply<'a>,
    /// Number of rows that are computed together: as many vectors as a product evaluates the kernel for once.
    pub(super) together: usize,
    pub(super) chosen: &'a [usize],
}

impl ChosenRows<'_, '_> {
    /// Writes the rows to `out`, of shape `(rows, n)`, contiguous and row-major.
    pub(super) fn compute(&self, mut out: ArrayViewMut2<'_, f64>) -> Result<(), OperatorError> {
        let (n, rows) = (self.problem.rows.count(), self.chosen);
        if rows.iter().any(|&row| row >= n) || out.dim() != (rows.len(), n) {
            let (count, out) = (rows.len(), out.dim());
            return Err(format!("{count} rows of a matrix of {n} do not fit into {out:?}").into());
        }
        let Some(out) = out.as_slice_mut() else {
            return Err("rows of a matrix are written to a contiguous array".into());
        };
        if self.problem.is_resident() {
            // One after the other, as the device does one thing after the other too.
            let parts = rows.chunks(self.together);
            for (rows, out) in parts.zip(out.chunks_mut((self.together * n).max(1))) {
                self.few(rows, ArrayViewMut2::from_shape((rows.len(), n), out)?)?;
            }
            return Ok(());
        }
        let failure = OnceLock::new();
        for_each_part(out, self.together * n, &|part, out| {
            let rows = &rows[part * self.together..][..out.len() / n];
            if let Ok(out) = ArrayViewMut2::from_shape((rows.len(), n), out)
                && let Err(error) = self.few(rows, out)
            {
                // Of several errors any one.
                let _ = failure.set(error);
            }
        });
        failure
            .into_inner()
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// Writes at most [`Self::together`] rows.
    ///
    /// In a block-sparse matrix every row has entries of its own, so that they are computed one by one.
    fn few(&self, rows: &[usize], mut out: ArrayViewMut2<'_, f64>) -> Result<(), Error> {
        let Some(pattern) = &self.problem.pattern else {
            return self.within(None, rows, out);
        };
        for (row, out) in rows.iter().zip(out.axis_chunks_iter_mut(Axis(0), 1)) {
            let entries = Pattern::single_column(pattern.columns_of(*row));
            self.within(Some(Arc::new(entries)), slice::from_ref(row), out)?;
        }
        Ok(())
    }

    /// Writes the entries of rows that a pattern holds, of their columns with all points.
    ///
    /// The matrix is symmetric, so these are columns: products of the kernel between all points and the chosen ones with
    /// unit vectors. They use the compiled loop of products.
    fn within(
        &self,
        pattern: Option<Arc<Pattern>>,
        rows: &[usize],
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), Error> {
        let chosen = self.problem.columns.select(rows)?;
        let problem = Problem {
            columns: chosen.points(),
            pattern,
            symmetric: false,
            squares: None,
            ..self.problem.reborrow()
        };
        let unit = Array2::eye(rows.len());
        (self.multiply)(&problem, unit.view(), out.reversed_axes())
    }
}

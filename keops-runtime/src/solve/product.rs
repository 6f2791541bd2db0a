//! Products with the matrix of the system, `A = alpha Id + K`, and the residuals made of them.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::block::{Block, column_sums};
use super::operator::{LinearOperator, OperatorError, Precision};
use super::report::Products;

/// The unit roundoff of double precision.
pub(super) const DOUBLE_ROUNDOFF: f64 = f64::EPSILON / 2.0;

/// The matrix `alpha Id + K`, which counts its uses.
pub(super) struct Matrix<'a> {
    pub(super) operator: &'a dyn LinearOperator,
    pub(super) alpha: f64,
    pub(super) products: Products,
}

impl Matrix<'_> {
    /// `out = alpha v + K v`.
    pub(super) fn apply(
        &mut self,
        precision: Precision,
        v: &Block,
        out: &mut Block,
    ) -> Result<(), OperatorError> {
        if v.data().is_empty() {
            return Ok(());
        }
        match precision {
            Precision::Working => self.products.working += 1,
            Precision::Double => self.products.double += 1,
        }
        let n = self.operator.len();
        self.operator
            .apply(precision, view(n, v)?, view_mut(n, out)?)?;
        out.update(v, &vec![self.alpha; v.width()], |kv, v, alpha| {
            alpha * v + kv
        });
        Ok(())
    }

    /// [`Matrix::apply`] in the working precision, which is double precision for some operators.
    pub(super) fn apply_working(
        &mut self,
        v: &Block,
        out: &mut Block,
    ) -> Result<(), OperatorError> {
        let double = self.operator.working_roundoff() <= DOUBLE_ROUNDOFF;
        let precision = if double {
            Precision::Double
        } else {
            Precision::Working
        };
        self.apply(precision, v, out)
    }

    /// `b - A x` in double precision, for the columns of `b` and `x` that `columns` names.
    pub(super) fn residuals(
        &mut self,
        b: &Block,
        x: &Block,
        columns: &[usize],
    ) -> Result<Block, OperatorError> {
        let (chosen, mut residual) = (x.select_columns(columns), b.select_columns(columns));
        let mut product = chosen.clone();
        self.apply(Precision::Double, &chosen, &mut product)?;
        residual.update(&product, &vec![1.0; columns.len()], |b, product, _| {
            b - product
        });
        Ok(residual)
    }
}

/// Squares outside this range may have overflowed, or lost digits to underflow.
const SAFE: std::ops::Range<f64> = 1e-280..1e300;

/// The Euclidean norm of each column.
pub(super) fn norms(block: &Block) -> Vec<f64> {
    let squares = column_sums(block, block, |a, _| [a * a]);
    let norm = |(c, [square]): (usize, [f64; 1])| norm(square, || block.column(c));
    squares.into_iter().enumerate().map(norm).collect()
}

/// The Euclidean norm of column `c`.
pub(super) fn column_norm(block: &Block, c: usize) -> f64 {
    norm(block.column(c).map(|v| v * v).sum(), || block.column(c))
}

/// The root of a sum of squares, or what it should be.
fn norm<I: Iterator<Item = f64>>(square: f64, entries: impl Fn() -> I) -> f64 {
    if SAFE.contains(&square) {
        return square.sqrt();
    }
    let largest = entries().fold(0.0, |most: f64, v| most.max(v.abs()));
    if largest == 0.0 || square.is_nan() {
        return square;
    }
    let scaled = entries().map(|v| (v / largest) * (v / largest));
    largest * scaled.sum::<f64>().sqrt()
}

/// A block as an operator of `n` rows sees it: in several columns even where these make up one system.
pub(super) fn view(n: usize, block: &Block) -> Result<ArrayView2<'_, f64>, OperatorError> {
    Ok(ArrayView2::from_shape(
        (n, block.data().len() / n.max(1)),
        block.data(),
    )?)
}

/// [`view`], to be written to.
pub(super) fn view_mut(
    n: usize,
    block: &mut Block,
) -> Result<ArrayViewMut2<'_, f64>, OperatorError> {
    let columns = block.data().len() / n.max(1);
    Ok(ArrayViewMut2::from_shape((n, columns), block.data_mut())?)
}

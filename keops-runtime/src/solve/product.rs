//! Products with the matrix of the system, `A = alpha Id + K`, and the residuals made of them.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::block::{Block, column_sums};
use super::multivector::Multivector;
use super::operator::{LinearOperator, OnDevice, OperatorError, Precision};
use super::report::Products;
use crate::Error;
use crate::cuda::Memory;
use crate::cuda::Rule;

/// The unit roundoff of double precision.
pub(super) const DOUBLE_ROUNDOFF: f64 = f64::EPSILON / 2.0;

/// The matrix `alpha Id + K`, which counts its uses.
pub(super) struct Matrix<'a> {
    pub(super) operator: &'a dyn LinearOperator,
    pub(super) alpha: f64,
    pub(super) products: Products,
    /// The operator's products on the device that vectors stay on, if they stay on one.
    pub(super) device: Option<OnDevice<'a>>,
}

impl<'a> Matrix<'a> {
    /// The matrix whose products take vectors of the host.
    pub(super) fn new(operator: &'a dyn LinearOperator, alpha: f64) -> Self {
        Self {
            operator,
            alpha,
            products: Products::default(),
            device: None,
        }
    }

    /// The same with vectors that stay on the device of the operator, if it has one that works.
    pub(super) fn placed_by(operator: &'a dyn LinearOperator, alpha: f64) -> Self {
        Self {
            device: operator.on_device().ok().flatten(),
            ..Self::new(operator, alpha)
        }
    }

    /// The memory of the device that vectors stay on.
    pub(super) fn memory(&self) -> Option<&Memory> {
        self.device.as_ref().map(|device| device.0.memory())
    }

    /// What has gone wrong on that device, if anything.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.memory().and_then(Memory::error)
    }

    /// A block of the host, taken to where the vectors of the solve are.
    pub(super) fn placed(&self, block: Block) -> Multivector {
        Multivector::new(block, self.memory())
    }

    /// A copy of a block where the vectors of the solve are.
    pub(super) fn moved(&self, block: &Multivector) -> Multivector {
        match block {
            Multivector::Host(block) => self.placed(block.clone()),
            block => block.clone(),
        }
    }

    /// `alpha v + K v`.
    pub(super) fn times(
        &mut self,
        precision: Precision,
        v: &Multivector,
    ) -> Result<Multivector, OperatorError> {
        let mut out = v.alike();
        match (v, &mut out) {
            (Multivector::Host(v), Multivector::Host(out)) => self.apply(precision, v, out)?,
            (
                Multivector::Device { entries: v, .. },
                Multivector::Device {
                    entries: product,
                    width,
                    ..
                },
            ) if v.count() > 0 => {
                self.count(precision);
                if let Some(device) = &self.device {
                    device.0.apply(precision, v, *width, product)?;
                }
            }
            _ => {}
        }
        if let Multivector::Device { width, .. } = out {
            out.update(v, Rule::Add, &vec![self.alpha; width]);
        }
        Ok(out)
    }

    fn count(&mut self, precision: Precision) {
        match precision {
            Precision::Working => self.products.working += 1,
            Precision::Double => self.products.double += 1,
        }
    }

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
        self.count(precision);
        let n = self.operator.len();
        self.operator
            .apply(precision, view(n, v)?, view_mut(n, out)?)?;
        out.update(v, &vec![self.alpha; v.width()], |kv, v, alpha| {
            alpha * v + kv
        });
        Ok(())
    }

    /// [`Matrix::times`] in the working precision, which is double precision for some operators.
    pub(super) fn times_working(&mut self, v: &Multivector) -> Result<Multivector, OperatorError> {
        let double = self.operator.working_roundoff() <= DOUBLE_ROUNDOFF;
        let precision = if double {
            Precision::Double
        } else {
            Precision::Working
        };
        self.times(precision, v)
    }

    /// `b - A x` in double precision, for the columns of `b` and `x` that `columns` names.
    pub(super) fn residuals(
        &mut self,
        b: &Multivector,
        x: &Multivector,
        columns: &[usize],
    ) -> Result<Multivector, OperatorError> {
        let (chosen, mut residual) = (x.select_columns(columns), b.select_columns(columns));
        let product = self.times(Precision::Double, &chosen)?;
        residual.update(&product, Rule::Subtract, &vec![1.0; columns.len()]);
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

/// The root of a sum of squares, or what it should be.
pub(super) fn norm<I: Iterator<Item = f64>>(square: f64, entries: impl Fn() -> I) -> f64 {
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

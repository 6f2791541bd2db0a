//! What the solver needs to know of a matrix: how to multiply it with vectors, and, to precondition it, its entries.

use std::error::Error as StdError;
use std::fmt;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Axis, Data, Ix2};

use crate::Error;
use crate::cuda::Products;

/// What an operator returns when it cannot do its work; the solver hands it on unchanged.
pub type OperatorError = Box<dyn StdError + Send + Sync + 'static>;

/// The arithmetic in which an operator is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The operator's own, as fast as it can: most iterations use it. Its unit roundoff is
    /// [`LinearOperator::working_roundoff`].
    Working,
    /// Double precision throughout, from the same data: the residuals that decide use it.
    Double,
}

/// A symmetric positive semidefinite matrix `K` of `n` rows and columns that is known by its products `K v`.
///
/// The entries of the vectors are `f64` whatever the precision of the matrix. What rounding inside a product costs is
/// iterations, most of them where it differs from product to product, as that of vectors, terms and sums does; a matrix that
/// is rounded once and for all costs fewer.
///
/// Implemented for dense matrices (`Array2<f64>` and views of it) and, through [`FnOperator`], for closures.
pub trait LinearOperator: Sync {
    /// The number of rows `n`.
    fn len(&self) -> usize;

    /// Whether the matrix has no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Computes `out = K v` for a block of vectors `v` of shape `(n, columns)`.
    ///
    /// - Both arrays are contiguous and row-major, and have the same shape. `out` holds no meaningful values at
    ///   entry and must be overwritten, not added to.
    /// - The number of columns is at least 1, and differs from call to call, because directions that depend on others are
    ///   left out; where [`LinearOperator::couples_columns`] holds it is that of the right-hand side always.
    /// - The result must be the same each time for the same `precision` and `v`.
    ///
    /// # Errors
    ///
    /// Whatever the operator says; the solve ends and returns that error. Values that are not finite are no error
    /// here, the solver finds and reports them.
    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError>;

    /// The unit roundoff of [`Precision::Working`]: `2^-53` for double precision (the default), `2^-24` for single.
    ///
    /// It says how far one product in working precision can be trusted. At `2^-53` and below the two precisions are
    /// taken to be the same, and only [`Precision::Double`] is asked for; so are they with 32 rows or fewer.
    fn working_roundoff(&self) -> f64 {
        f64::EPSILON / 2.0
    }

    /// Whether the columns of `K v` depend on more than the same column of `v`, as with a matrix-valued kernel.
    ///
    /// The block of shape `(n, columns)` is then one vector of one linear system, and converges as one.
    fn couples_columns(&self) -> bool {
        false
    }

    /// The same products with vectors that stay in the memory of a device, where the operator can be had there; `None` (the default) has a solve keep its
    /// vectors on the host.
    ///
    /// The scalar kernels of this crate have it on a CUDA device. An operator of one's own that wraps one of them, and changes none of its products,
    /// may hand on what that returns.
    ///
    /// # Errors
    ///
    /// If there is a device that is to be used, and it does not work.
    fn on_device(&self) -> Result<Option<OnDevice<'_>>, Error> {
        Ok(None)
    }

    /// The entries of the matrix, where they can be computed one by one; `None` (the default) where only products can.
    ///
    /// The preconditioners of the solver are made of them. An operator that couples its columns has none to offer.
    fn entries(&self) -> Option<&dyn Entries> {
        None
    }
}

/// Products of an operator with vectors in the memory of a device; see [`LinearOperator::on_device`]. Only the operators of this crate make it.
pub struct OnDevice<'a>(pub(crate) Products<'a>);

impl OnDevice<'_> {
    /// Whether the processor may do the work where the device fails.
    pub(super) fn is_optional(&self) -> bool {
        self.0.optional
    }
}

impl fmt::Debug for OnDevice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnDevice({:?})", self.0.memory())
    }
}

/// Entries of a symmetric matrix `K` of `n` rows, in double precision: those that products in [`Precision::Double`] use.
pub trait Entries: Sync {
    /// Computes the diagonal, `out[i] = K_ii`; `out` has length `n`.
    ///
    /// # Errors
    ///
    /// Whatever the operator says; the solve ends and returns that error.
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError>;

    /// Computes rows of the matrix, `out[[k, i]] = K_(rows[k], i)`. `out` has shape `(rows.len(), n)`, and is contiguous and
    /// row-major.
    ///
    /// # Errors
    ///
    /// As for [`Entries::compute_diagonal`].
    fn compute_rows(
        &self,
        rows: &[usize],
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError>;

    /// What an entry costs within a product in working precision, in multiply-adds of double precision: 1 (the default) for
    /// stored entries. From it the solver estimates what it may spend on a preconditioner.
    fn cost(&self) -> f64 {
        1.0
    }

    /// How many times as fast as [`Entries::compute_rows`] a product computes its entries: 1 (the default) where both run on the same
    /// processor, more where products run on a device. The faster they are, the less a preconditioner may cost.
    fn speedup(&self) -> f64 {
        1.0
    }

    /// The part of the entries that are computed: 1 (the default) for a dense matrix, less for a block-sparse one.
    fn density(&self) -> f64 {
        1.0
    }
}

impl<O: LinearOperator + ?Sized> LinearOperator for &O {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        (**self).apply(precision, v, out)
    }

    fn working_roundoff(&self) -> f64 {
        (**self).working_roundoff()
    }

    fn couples_columns(&self) -> bool {
        (**self).couples_columns()
    }

    fn on_device(&self) -> Result<Option<OnDevice<'_>>, Error> {
        (**self).on_device()
    }

    fn entries(&self) -> Option<&dyn Entries> {
        (**self).entries()
    }
}

/// A dense matrix, in double precision both ways. Only a square one can be applied.
impl<S: Data<Elem = f64> + Sync> LinearOperator for ArrayBase<S, Ix2> {
    fn len(&self) -> usize {
        self.nrows()
    }

    fn apply(
        &self,
        _: Precision,
        v: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let (rows, columns) = self.dim();
        if rows != columns {
            return Err(
                format!("a matrix of {rows} rows and {columns} columns is not square").into(),
            );
        }
        if v.nrows() != rows || out.dim() != v.dim() {
            let (v, out) = (v.dim(), out.dim());
            return Err(format!("a matrix of {rows} rows cannot map {v:?} to {out:?}").into());
        }
        general_mat_mul(1.0, self, &v, 0.0, &mut out);
        Ok(())
    }

    fn entries(&self) -> Option<&dyn Entries> {
        if self.is_square() { Some(self) } else { None }
    }
}

impl<S: Data<Elem = f64> + Sync> Entries for ArrayBase<S, Ix2> {
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        if out.len() != self.nrows() {
            let (rows, length) = (self.nrows(), out.len());
            return Err(format!("a matrix of {rows} rows has no diagonal of {length}").into());
        }
        for (out, value) in out.iter_mut().zip(self.diag()) {
            *out = *value;
        }
        Ok(())
    }

    fn compute_rows(
        &self,
        rows: &[usize],
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let (n, shape) = (self.nrows(), out.dim());
        if rows.iter().any(|&row| row >= n) || shape != (rows.len(), self.ncols()) {
            let count = rows.len();
            return Err(
                format!("{count} rows of a matrix of {n} do not fit into {shape:?}").into(),
            );
        }
        for (mut out, &row) in out.rows_mut().into_iter().zip(rows) {
            out.assign(&self.index_axis(Axis(0), row));
        }
        Ok(())
    }
}

/// An operator made of a closure `f(precision, v, out)`, which computes `out = K v` as
/// [`LinearOperator::apply`] does.
///
/// ```
/// # use keops_runtime as keops_solve;
/// use keops_solve::solve::{FnOperator, Precision};
/// use ndarray::{ArrayView2, ArrayViewMut2};
///
/// // 2 Id, of 10 rows.
/// let twice = FnOperator::new(10, |_: Precision, v: ArrayView2<f64>, mut out: ArrayViewMut2<f64>| {
///     out.zip_mut_with(&v, |out, v| *out = 2.0 * v);
///     Ok(())
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FnOperator<F> {
    len: usize,
    roundoff: f64,
    couples_columns: bool,
    f: F,
}

impl<F> FnOperator<F>
where
    F: Fn(Precision, ArrayView2<'_, f64>, ArrayViewMut2<'_, f64>) -> Result<(), OperatorError>
        + Sync,
{
    /// An operator of `len` rows, in double precision.
    pub fn new(len: usize, f: F) -> Self {
        Self {
            len,
            roundoff: f64::EPSILON / 2.0,
            couples_columns: false,
            f,
        }
    }

    /// Sets what [`LinearOperator::working_roundoff`] returns.
    pub fn with_roundoff(self, roundoff: f64) -> Self {
        Self { roundoff, ..self }
    }

    /// Sets what [`LinearOperator::couples_columns`] returns.
    pub fn with_coupled_columns(self, couples_columns: bool) -> Self {
        Self {
            couples_columns,
            ..self
        }
    }
}

impl<F> LinearOperator for FnOperator<F>
where
    F: Fn(Precision, ArrayView2<'_, f64>, ArrayViewMut2<'_, f64>) -> Result<(), OperatorError>
        + Sync,
{
    fn len(&self) -> usize {
        self.len
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        (self.f)(precision, v, out)
    }

    fn working_roundoff(&self) -> f64 {
        self.roundoff
    }

    fn couples_columns(&self) -> bool {
        self.couples_columns
    }
}

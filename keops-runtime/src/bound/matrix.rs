//! Symbolic matrices: a scalar formula with its points, never stored.

use super::operand::Width;
use super::operation::{self, Operation};
use super::operator::KernelOperator;
use super::product::ProductCode;
use super::{Axis, Call, Operand, Orientation, Rectangular, System, product_source};
use crate::Error;
use crate::cpu::{PairsCode, ValuesCode, dense, diagonal};
use crate::input::{Argument, Element, IntoPoints};
use crate::kernel::{Features, Kernel};
use crate::memory;
use crate::options::{CallOptions, option_methods};
use crate::signature::{Category, Signature};
use crate::solve::LinearOperator;
use core::marker::PhantomData;
use ndarray::{Array, Array1, Array2, Array3, Ix1, Ix2};

/// A matrix `K_ij = F(i, j)` whose entries are computed when they are needed.
///
/// Functions can take and return any such matrix as `impl SymbolicMatrix<T>`.
pub trait SymbolicMatrix<T: Element>: Rectangular {
    /// The transpose.
    type Transposed: SymbolicMatrix<T>;
    /// The matrix as the solver takes it.
    type Operator: LinearOperator;

    /// Number of rows, the points of the `Vi` variables; 1 if there is none. Where arrays do not fit together, which is an error
    /// of all that computes, it is that of the first one.
    fn nrows(&self) -> usize;

    /// Number of columns, the points of the `Vj` variables, as for [`nrows`](Self::nrows).
    fn ncols(&self) -> usize;

    /// The transpose. Nothing is computed.
    fn t(&self) -> Self::Transposed;

    /// The product `K v`, for one vector of length [`ncols`](Self::ncols) or for several, the columns of an array of so
    /// many rows. The result has as many dimensions as `v`. For scalar formulas only.
    ///
    /// # Errors
    /// If an array does not fit its variable or another array, here and in all other methods ([`Error::Columns`],
    /// [`Error::FlatLength`], [`Error::Rows`], [`Error::Parameter`]); [`Error::Shape`] if `v` has another number of rows.
    fn dot<V: Operand<T>>(&self, v: V) -> Result<Array<T, V::Dim>, Error>;

    /// A reduction over an axis: with 1 over the columns, one result for each row, with 0 over the rows.
    ///
    /// # Errors
    /// As for [`dot`](Self::dot), and [`Error::Axis`] for another axis.
    fn reduce<Op: Operation<T>>(&self, operation: Op, axis: usize) -> Result<Op::Output, Error>;

    /// The sum: an array of shape `(rows, components)`.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn sum(&self, axis: usize) -> Result<Array2<T>, Error> {
        self.reduce(operation::Sum, axis)
    }

    /// The logarithm of the sum of exponentials, of the shape of [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn logsumexp(&self, axis: usize) -> Result<Array2<T>, Error> {
        self.reduce(operation::LogSumExp, axis)
    }

    /// The smallest values, of the shape of [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn min(&self, axis: usize) -> Result<Array2<T>, Error> {
        self.reduce(operation::Min, axis)
    }

    /// The largest values, of the shape of [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn max(&self, axis: usize) -> Result<Array2<T>, Error> {
        self.reduce(operation::Max, axis)
    }

    /// The positions of the smallest values, of the shape of [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn argmin(&self, axis: usize) -> Result<Array2<usize>, Error> {
        self.reduce(operation::ArgMin, axis)
    }

    /// The positions of the largest values, of the shape of [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn argmax(&self, axis: usize) -> Result<Array2<usize>, Error> {
        self.reduce(operation::ArgMax, axis)
    }

    /// The smallest values and their positions.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn min_argmin(&self, axis: usize) -> Result<(Array2<T>, Array2<usize>), Error> {
        self.reduce(operation::MinArgMin, axis)
    }

    /// The largest values and their positions.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn max_argmax(&self, axis: usize) -> Result<(Array2<T>, Array2<usize>), Error> {
        self.reduce(operation::MaxArgMax, axis)
    }

    /// The `k` smallest values in ascending order, of shape `(rows, k, components)`.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn kmin(&self, k: usize, axis: usize) -> Result<Array3<T>, Error> {
        self.reduce(operation::KMin(k), axis)
    }

    /// The positions of the `k` smallest values, of the shape of [`kmin`](Self::kmin).
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn argkmin(&self, k: usize, axis: usize) -> Result<Array3<usize>, Error> {
        self.reduce(operation::ArgKMin(k), axis)
    }

    /// The `k` smallest values and their positions.
    ///
    /// # Errors
    /// As for [`reduce`](Self::reduce).
    fn kmin_argkmin(&self, k: usize, axis: usize) -> Result<(Array3<T>, Array3<usize>), Error> {
        self.reduce(operation::KMinArgKMin(k), axis)
    }

    /// The system `(alpha Id + K) a = b` for this matrix, whose two sides must be bound to the same points. `b` is one
    /// right-hand side or several, the columns of an array; a flat array on a device holds as many, row by row, as fill the rows. For symmetric scalar formulas only.
    ///
    /// Nothing is computed or checked before [`System::solve`].
    fn rhs<'b>(&'b self, b: impl IntoPoints<'b, T>) -> System<'b, T>;

    /// The matrix as an operator of the solver, for the functions that take one: see [`solve`](crate::solve) and [`gp`](crate::gp). Its two
    /// sides must be bound to the same points. For symmetric scalar formulas only.
    ///
    /// The matrix that `lazy!` binds is a [`LinearOperator`] itself too, which checks at every product what is checked here once:
    /// that it is square and its sides are the same.
    ///
    /// # Errors
    /// [`Error::DifferentPoints`] if its two sides are bound to different points, [`Error::Shape`] if it is not square,
    /// [`Error::Ranges`] if its ranges are not symmetric, and those of [`dot`](Self::dot).
    fn operator(&self) -> Result<Self::Operator, Error>;

    /// The diagonal, evaluated in double precision; it is 0 outside of the ranges. For scalar formulas only.
    ///
    /// # Errors
    /// As for [`dot`](Self::dot), and [`Error::Shape`] if the matrix is not square.
    fn diag(&self) -> Result<Array1<T>, Error>;

    /// All entries, in an array of shape `(nrows, ncols)`; those outside of the ranges are 0. For scalar formulas only.
    ///
    /// # Errors
    /// As for [`dot`](Self::dot), and [`Error::Shape`] if the matrix is larger than any memory.
    fn to_dense(&self) -> Result<Array2<T>, Error>;
}

/// A symbolic matrix: what the `bind` of `lazy!` returns. With `O` = [`Axis<1>`](Axis) its rows are the points `i`; its
/// transpose has [`Axis<0>`](Axis).
#[derive(Clone, Debug)]
pub struct BoundMatrix<'a, T, K, O = Axis<1>> {
    pub(super) call: Call<'a>,
    pub(super) options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<'a, T: Element, K: Kernel> BoundMatrix<'a, T, K> {
    /// For expansions: the arguments in the order of the aliases, and the captured scalars.
    #[doc(hidden)]
    pub fn new(
        signature: &'static Signature,
        arguments: Vec<Argument<'a>>,
        captured: Vec<f64>,
    ) -> Self {
        let call = Call {
            signature,
            arguments,
            captured,
            unknown: None,
        };
        Self {
            call,
            options: CallOptions::default(),
            kernel: PhantomData,
        }
    }
}

impl<'a, T: Element, K: Kernel, O: Orientation> BoundMatrix<'a, T, K, O> {
    /// The matrix of these arrays with these options.
    pub(super) fn of_call(call: Call<'a>, options: CallOptions) -> Self {
        Self {
            call,
            options,
            kernel: PhantomData,
        }
    }

    option_methods!();

    /// The formula as compiled.
    pub fn formula(&self) -> &'static str {
        self.call.signature.formula
    }

    /// The complete source of the kernel for CUDA that multiplies the matrix with a vector; it needs no headers. For scalar formulas only.
    pub fn cuda_source(&self) -> String {
        const { assert_scalar::<K>() }
        product_source::<T, K, O, 1>(self.call.signature, None)
    }

    fn along<P: Orientation, Op: Operation<T>>(&self, operation: Op) -> Result<Op::Output, Error> {
        let hardware = self.call.resolve(&self.options)?;
        let problem = self.call.problem::<P>(&self.options)?;
        let components = self.call.signature.out_dim;
        operation.evaluate::<P::Pairing<K>>(hardware, &self.options, &problem, components)
    }
}

/// That the formula is scalar, checked while the user's crate is compiled.
pub(super) const fn assert_scalar<K: Kernel>() {
    assert!(
        K::Out::<f64>::LEN == 1,
        "this symbolic matrix has entries of several components: products with vectors, solving and to_dense need a \
         formula of dimension 1"
    );
}

/// That the formula is symmetric, checked while the user's crate is compiled.
pub(super) const fn assert_symmetric<K: Kernel>() {
    assert!(
        K::SYMMETRIC.is_some(),
        "this symbolic matrix is not symmetric under the exchange of i and j: solving needs a symmetric one; write \
         `assume_symmetric` after the formula if you know that it is"
    );
}

/// Whether the kernel has been proven symmetric.
pub(super) const fn is_symmetric<K: Kernel>() -> bool {
    K::SYMMETRY_PROVEN && matches!(K::SYMMETRIC, Some([_, ..]))
}

impl<'a, T: Element, K: Kernel, O: Orientation> SymbolicMatrix<T> for BoundMatrix<'a, T, K, O> {
    type Transposed = BoundMatrix<'a, T, K, O::Other>;
    type Operator = KernelOperator<'a, T, K, O>;

    fn nrows(&self) -> usize {
        let rows = if O::AXIS == 1 {
            Category::I
        } else {
            Category::J
        };
        self.call.count(rows)
    }

    fn ncols(&self) -> usize {
        let columns = if O::AXIS == 1 {
            Category::J
        } else {
            Category::I
        };
        self.call.count(columns)
    }

    fn t(&self) -> Self::Transposed {
        BoundMatrix {
            call: self.call.clone(),
            options: self.options.clone(),
            kernel: PhantomData,
        }
    }

    fn dot<V: Operand<T>>(&self, v: V) -> Result<Array<T, V::Dim>, Error> {
        const { assert_scalar::<K>() }
        let hardware = self.call.resolve(&self.options)?;
        let problem = self.call.problem::<O>(&self.options)?;
        let array = v.array();
        let shape = array.shape().to_vec();
        let weights = V::Dim::columns(array);
        if weights.nrows() != problem.columns.count() {
            return Err(Error::Shape {
                name: "the operand of dot".into(),
                expected: format!(
                    "{} rows, one per column of the matrix",
                    problem.columns.count()
                ),
                shape: crate::error::shape(&shape),
            });
        }
        let shape = Ix2(problem.rows.count(), weights.ncols());
        let mut out = memory::filled(shape, T::from_f64(0.0))?;
        let symmetric = const { is_symmetric::<K>() } && self.call.has_same_points(K::SYMMETRIC);
        let out_view = out.view_mut();
        let code =
            const { &ProductCode::<T::Compute>::of::<O::Pairing<K>, 0>(is_symmetric::<K>()) };
        let options = &self.options;
        if symmetric {
            code.symmetric_product(hardware, options, &problem, weights, out_view)?;
        } else {
            code.product(hardware, options, &problem, weights, out_view)?;
        }
        Ok(V::Dim::restore(out))
    }

    fn reduce<Op: Operation<T>>(&self, operation: Op, axis: usize) -> Result<Op::Output, Error> {
        match axis {
            0 => self.along::<O::Other, Op>(operation),
            1 => self.along::<O, Op>(operation),
            _ => Err(Error::Axis(axis)),
        }
    }

    fn rhs<'b>(&'b self, b: impl IntoPoints<'b, T>) -> System<'b, T> {
        const { assert_scalar::<K>() }
        const { assert_symmetric::<K>() }
        System::of_matrix::<K, O>(self.call.reborrow(), self.options.clone(), b)
    }

    fn operator(&self) -> Result<Self::Operator, Error> {
        const { assert_scalar::<K>() }
        const { assert_symmetric::<K>() }
        let operator = KernelOperator::new(&self.call, &self.options)?;
        self.call.check_symmetry(K::SYMMETRIC, &self.options)?;
        Ok(operator)
    }

    fn diag(&self) -> Result<Array1<T>, Error> {
        const { assert_scalar::<K>() }
        self.call.check_on_host("diagonals are computed")?;
        let problem = self.call.problem::<O>(&self.options)?;
        let (rows, columns) = (problem.rows.count(), problem.columns.count());
        if rows != columns {
            return Err(Error::Shape {
                name: "the matrix whose diagonal is asked for".into(),
                expected: "as many rows as columns".into(),
                shape: crate::error::shape(&[rows, columns]),
            });
        }
        let mut entries = memory::filled(Ix1(rows), 0.0)?;
        if let Some(entries) = entries.as_slice_mut() {
            diagonal(
                const { &PairsCode::of::<O::Pairing<K>>() },
                &problem,
                entries,
            );
        }
        Ok(entries.mapv(T::from_f64))
    }

    fn to_dense(&self) -> Result<Array2<T>, Error> {
        const { assert_scalar::<K>() }
        self.call.check_on_host("dense copies are computed")?;
        let isa = self.options.resolve()?.isa;
        let problem = self.call.problem::<O>(&self.options)?;
        let (rows, columns) = (problem.rows.count(), problem.columns.count());
        let mut out = memory::filled(Ix2(rows, columns), T::from_f64(0.0))?;
        if let Some(out) = out.as_slice_mut() {
            dense(
                const { &ValuesCode::<T::Compute>::of::<O::Pairing<K>>() },
                isa,
                &problem,
                out,
            );
        }
        Ok(out)
    }
}

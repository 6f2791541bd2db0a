//! A symbolic matrix as the solver sees it.

use super::matrix::{SEVERAL, assert_scalar, is_symmetric, product, symmetric_product};
use super::operation::sum;
use super::resident_diagonal::resident_diagonal;
use super::rows::ChosenRows;
use super::{Call, Orientation};
use crate::Error;
use crate::cpu::{Pairing, Problem, Weighted, diagonal, symmetric_matrix};
use crate::cuda::Products;
use crate::cuda::recipe::{Adding, Evaluation, Type};
use crate::input::{Element, Input};
use crate::kernel::Kernel;
use crate::options::{Accumulate, CallOptions, Hardware};
use crate::ranges::Pattern;
use crate::signature::Sizes;
use crate::simd::Real;
use crate::solve::{Entries, LinearOperator, OnDevice, OperatorError, Precision};
use core::marker::PhantomData;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use std::sync::Arc;

/// The matrix of a scalar kernel as a [`LinearOperator`].
///
/// The working precision is that of the element type `T`; in double precision the kernel is evaluated in `f64` from the
/// same data, which are widened tile by tile and never copied. Totals are accumulated in `f64` always. `W` is the number of
/// vectors that are multiplied together, where that is known while compiling; 0 leaves it open.
#[derive(Clone, Debug)]
pub struct KernelOperator<'a, T, K, O, const W: usize = 0> {
    problem: Problem<'a>,
    hardware: Hardware,
    options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

/// The number of rows of a matrix that must have as many columns.
fn square(sizes: Sizes) -> Result<usize, Error> {
    if sizes.i == sizes.j {
        return Ok(sizes.i);
    }
    Err(Error::Shape {
        name: "the matrix to solve with".into(),
        expected: "as many points i as points j".into(),
        shape: crate::error::shape(&[sizes.i, sizes.j]),
    })
}

/// The options of products inside a solve: totals in double precision.
pub(super) fn in_solve(options: &CallOptions) -> CallOptions {
    CallOptions {
        accumulate: Accumulate::F64,
        ..options.clone()
    }
}

/// What products inside a solve are computed from.
fn prepared<'a, O: Orientation>(
    call: &Call<'a>,
    options: &CallOptions,
    symmetric: bool,
) -> Result<(Problem<'a>, Hardware, CallOptions), Error> {
    square(call.sizes()?)?;
    let mut problem = call.problem::<O>(options)?;
    problem.symmetric = symmetric && problem.pattern.is_none();
    problem.rows.keep_on_devices();
    problem.columns.keep_on_devices();
    Ok((problem, call.resolve(options)?, in_solve(options)))
}

/// Refuses vectors that a matrix of `n` rows does not map to these.
fn check_map(n: usize, v: (usize, usize), out: (usize, usize)) -> Result<(), OperatorError> {
    if v.0 == n && out == v {
        return Ok(());
    }
    Err(format!("a matrix of {n} rows cannot map {v:?} to {out:?}").into())
}

/// Refuses a diagonal of another length than that of a matrix of `n` rows.
fn check_diagonal(n: usize, length: usize) -> Result<(), OperatorError> {
    if length == n {
        return Ok(());
    }
    Err(format!("a matrix of {n} rows has no diagonal of {length}").into())
}

/// Products with vectors that stay on a device, if one is used, from what is compiled for it in both precisions.
fn on_device<'a>(
    problem: Problem<'a>,
    hardware: Hardware,
    options: &CallOptions,
    cost: usize,
    types: [Type; 2],
    evaluations: [[Evaluation; 2]; 2],
) -> Result<Option<OnDevice<'a>>, Error> {
    let Some((device, optional)) = hardware.device(&problem, cost) else {
        return Ok(None);
    };
    let adding = types.map(|t| Adding::new(options, t));
    match Products::new(device, problem, evaluations, adding, optional) {
        Ok(products) => Ok(Some(OnDevice(products))),
        Err(_) if optional => Ok(None),
        Err(error) => Err(error),
    }
}

/// The unit roundoff of the type in which arrays of `T` are evaluated.
pub(super) fn roundoff<T: Element>() -> f64 {
    let single = size_of::<T::Compute>() == size_of::<f32>();
    (if single {
        f64::from(f32::EPSILON)
    } else {
        f64::EPSILON
    }) / 2.0
}

impl<'a, T: Element, K: Kernel, O: Orientation, const W: usize> KernelOperator<'a, T, K, O, W> {
    pub(super) fn new(call: &Call<'a>, options: &CallOptions) -> Result<Self, Error> {
        let symmetric = const { is_symmetric::<K>() };
        let (problem, hardware, options) = prepared::<O>(call, options, symmetric)?;
        Ok(Self {
            problem,
            hardware,
            options,
            kernel: PhantomData,
        })
    }

    /// The matrix itself, where it is so small that to compute its entries one by one takes less than a few products with vectors.
    pub(super) fn stored(&self) -> Option<Array2<f64>> {
        let n = self.len();
        let entries = n.saturating_mul(n + 1) / 2;
        let few = entries.saturating_mul(K::COST) <= FEW_ENTRIES;
        let on_device = self.hardware.has_device(&self.problem, K::COST);
        (few && !on_device).then(|| symmetric_matrix::<O::Pairing<K>>(&self.problem))
    }

    /// Its products with vectors that stay on the device that it uses, if it uses one.
    pub(super) fn into_device(self) -> Result<Option<OnDevice<'a>>, Error> {
        Self::products_on_device(self.problem, self.hardware, &self.options)
    }

    fn products_on_device<'b>(
        problem: Problem<'b>,
        hardware: Hardware,
        options: &CallOptions,
    ) -> Result<Option<OnDevice<'b>>, Error> {
        // A kernel may have been written for processors only.
        if const { <O::Pairing<K> as Pairing>::CUDA.is_empty() } {
            return Ok(None);
        }
        let types = [Type::of::<T::Compute>(), Type::Double];
        let evaluations = [
            Self::evaluations::<T::Compute>(),
            Self::evaluations::<f64>(),
        ];
        on_device(problem, hardware, options, K::COST, types, evaluations)
    }
}

impl<T: Element, K: Kernel, O: Orientation, const W: usize> LinearOperator
    for KernelOperator<'_, T, K, O, W>
{
    fn len(&self) -> usize {
        self.problem.rows.count()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        const { assert_scalar::<K>() }
        check_map(self.len(), v.dim(), out.dim())?;
        let Self {
            problem,
            hardware,
            options,
            ..
        } = self;
        let working = const { size_of::<T::Compute>() == size_of::<f64>() }
            || precision == Precision::Working;
        let (hardware, symmetric) = (*hardware, const { is_symmetric::<K>() });
        match (working, symmetric) {
            (true, true) => symmetric_product::<O::Pairing<K>, T::Compute, f64, f64, W>(
                hardware, options, problem, v, out,
            )?,
            (true, false) => product::<O::Pairing<K>, T::Compute, f64, f64, W>(
                hardware, options, problem, v, out,
            )?,
            (false, true) => symmetric_product::<O::Pairing<K>, f64, f64, f64, W>(
                hardware, options, problem, v, out,
            )?,
            (false, false) => {
                product::<O::Pairing<K>, f64, f64, f64, W>(hardware, options, problem, v, out)?
            }
        }
        Ok(())
    }

    fn working_roundoff(&self) -> f64 {
        roundoff::<T>()
    }

    fn on_device(&self) -> Result<Option<OnDevice<'_>>, Error> {
        Self::products_on_device(self.problem.reborrow(), self.hardware, &self.options)
    }

    fn entries(&self) -> Option<&dyn Entries> {
        Some(self)
    }
}

impl<T: Element, K: Kernel, O: Orientation, const W: usize> KernelOperator<'_, T, K, O, W> {
    /// The matrix times one vector and times several, evaluated in `C`: as many at once as [`product`] takes.
    fn evaluations<C: Real>() -> [Evaluation; 2] {
        if const { W == 0 } {
            [
                Evaluation::of::<Weighted<O::Pairing<K>, 1>, C>(),
                Evaluation::of::<Weighted<O::Pairing<K>, SEVERAL>, C>(),
            ]
        } else {
            [Evaluation::of::<Weighted<O::Pairing<K>, W>, C>(); 2]
        }
    }
}

impl<T: Element, K: Kernel, O: Orientation, const W: usize> Entries
    for KernelOperator<'_, T, K, O, W>
{
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        check_diagonal(self.len(), out.len())?;
        if self.problem.is_resident() {
            let terms = Evaluation::of::<O::Pairing<K>, f64>();
            let (hardware, options) = (self.hardware, &self.options);
            return Ok(resident_diagonal(
                hardware,
                options,
                &self.problem,
                &terms,
                out,
            )?);
        }
        diagonal::<O::Pairing<K>>(&self.problem, out);
        Ok(())
    }

    fn compute_rows(
        &self,
        rows: &[usize],
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let together = if W == 0 { SEVERAL } else { W };
        let rows = ChosenRows {
            problem: &self.problem,
            multiply: &|problem, unit, out| {
                // A few columns at a time are little work, and many threads ask for them; unless the points are on a device.
                let hardware = if problem.is_resident() {
                    self.hardware
                } else {
                    self.hardware.processor()
                };
                product::<O::Pairing<K>, f64, f64, f64, W>(
                    hardware,
                    &self.options,
                    problem,
                    unit,
                    out,
                )
            },
            together,
            chosen: rows,
        };
        rows.compute(out)
    }

    fn cost(&self) -> f64 {
        entry_cost::<T, K>()
    }

    fn speedup(&self) -> f64 {
        if self.hardware.has_device(&self.problem, K::COST) {
            DEVICE_SPEEDUP
        } else {
            1.0
        }
    }

    fn density(&self) -> f64 {
        match &self.problem.pattern {
            None => 1.0,
            Some(pattern) => pattern.pairs() as f64 / (self.len() as f64).powi(2).max(1.0),
        }
    }
}

/// So many instructions for all entries of a matrix are less than what products with it take beside them: a few microseconds. In three dimensions, a Gaussian has
/// 40 points.
const FEW_ENTRIES: usize = 1 << 14;

/// How many times as fast as the processor beside it a device is taken to be: an H100 has been seen to compute 2400 pairs of a Gaussian kernel
/// in a nanosecond, 16 cores some 50.
const DEVICE_SPEEDUP: f64 = 50.0;

/// What an entry costs in working precision, as [`Entries::cost`] counts.
pub(super) fn entry_cost<T: Element, K: Kernel>() -> f64 {
    (K::COST * size_of::<T::Compute>() / size_of::<f64>()).max(1) as f64
}

/// The matrix of a matrix-valued kernel, whose formula contains the vector that it is applied to. It couples the
/// components of the unknown.
pub(super) struct MatrixOperator<'a, T, K, O> {
    call: Call<'a>,
    sizes: Sizes,
    pattern: Option<Arc<Pattern>>,
    hardware: Hardware,
    options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<'a, T: Element, K: Kernel, O: Orientation> MatrixOperator<'a, T, K, O> {
    pub(super) fn new(call: Call<'a>, options: &CallOptions) -> Result<Self, Error> {
        let sizes = call.sizes()?;
        square(sizes)?;
        let pattern = options.pattern(O::AXIS, sizes)?;
        let (hardware, options) = (call.resolve(options)?, in_solve(options));
        Ok(Self {
            call,
            sizes,
            pattern,
            hardware,
            options,
            kernel: PhantomData,
        })
    }
}

impl<T: Element, K: Kernel, O: Orientation> LinearOperator for MatrixOperator<'_, T, K, O> {
    fn len(&self) -> usize {
        self.sizes.i
    }

    fn couples_columns(&self) -> bool {
        true
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let unknown = Some(Input::F64(v));
        let problem = self
            .call
            .with_unknown::<O>(self.sizes, self.pattern.clone(), unknown);
        match precision {
            Precision::Working => {
                sum::<O::Pairing<K>, T::Compute, f64>(self.hardware, &self.options, &problem, out)?
            }
            Precision::Double => {
                sum::<O::Pairing<K>, f64, f64>(self.hardware, &self.options, &problem, out)?
            }
        }
        Ok(())
    }

    fn working_roundoff(&self) -> f64 {
        roundoff::<T>()
    }
}

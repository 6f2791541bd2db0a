//! The matrix of a scalar kernel, in what is not compiled for each formula.

use super::matrix::{assert_scalar, is_symmetric};
use super::operator::{entry_cost, in_solve, roundoff, square};
use super::product::{ProductCode, Products};
use super::resident_diagonal::resident_diagonal;
use super::rows::ChosenRows;
use super::{Call, Orientation};
use crate::Error;
use crate::cpu::{Pairing, PairsCode, Problem, diagonal, symmetric_matrix};
use crate::cuda;
use crate::cuda::recipe::Evaluation;
use crate::input::Element;
use crate::kernel::Kernel;
use crate::options::{CallOptions, Hardware};
use crate::solve::{Entries, LinearOperator, OnDevice, OperatorError, Precision};
use core::fmt;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use std::sync::Arc;

/// What is compiled for the matrix of a scalar kernel.
pub(super) struct MatrixCode {
    /// Instructions of a pair.
    cost: usize,
    symmetric: bool,
    /// Products in working precision and in double precision.
    products: [&'static dyn Products; 2],
    /// The same for a device; `None` for a kernel that was written for processors only.
    on_device: Option<[[Evaluation; 2]; 2]>,
    pairs: PairsCode,
    /// The entries, for a device.
    entries: Evaluation,
    /// The unit roundoff in working precision.
    roundoff: f64,
    entry_cost: f64,
}

impl MatrixCode {
    /// The matrix of `K`, with arrays of `T`. `W` is the number of vectors that are multiplied together, where that is known while compiling; 0 leaves it open.
    pub(super) const fn of<T: Element, K: Kernel, O: Orientation, const W: usize>() -> Self {
        const { assert_scalar::<K>() }
        let symmetric = is_symmetric::<K>();
        let single = size_of::<T::Compute>() == size_of::<f32>();
        let working: &'static ProductCode<T::Compute> =
            const { &ProductCode::of::<O::Pairing<K>, W>(is_symmetric::<K>()) };
        let double: &'static ProductCode<f64> =
            const { &ProductCode::of::<O::Pairing<K>, W>(is_symmetric::<K>()) };
        let on_device = [working.on_device(), double.on_device()];
        Self {
            cost: K::COST,
            symmetric,
            products: if single {
                [working, double]
            } else {
                [double, double]
            },
            on_device: if <O::Pairing<K> as Pairing>::CUDA.is_empty() {
                None
            } else {
                Some(on_device)
            },
            pairs: PairsCode::of::<O::Pairing<K>>(),
            entries: Evaluation::of::<O::Pairing<K>, f64>(),
            roundoff: roundoff::<T>(),
            entry_cost: entry_cost::<T, K>(),
        }
    }
}

impl fmt::Debug for MatrixCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatrixCode").finish_non_exhaustive()
    }
}

/// The matrix of a scalar kernel, for code that is compiled with this crate and not with each formula.
#[derive(Clone, Debug)]
pub(super) struct KernelMatrix<'a> {
    code: &'static MatrixCode,
    problem: Problem<'a>,
    hardware: Hardware,
    options: CallOptions,
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
    problem.squares = Some(Arc::default());
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

impl<'a> KernelMatrix<'a> {
    pub(super) fn new<O: Orientation>(
        code: &'static MatrixCode,
        call: &Call<'a>,
        options: &CallOptions,
    ) -> Result<Self, Error> {
        let (problem, hardware, options) = prepared::<O>(call, options, code.symmetric)?;
        Ok(Self {
            code,
            problem,
            hardware,
            options,
        })
    }

    /// The matrix itself, where it is so small that to compute its entries one by one takes less than a few products with vectors.
    pub(super) fn stored(&self) -> Option<Array2<f64>> {
        let n = self.len();
        let entries = n.saturating_mul(n + 1) / 2;
        let few = entries.saturating_mul(self.code.cost) <= FEW_ENTRIES;
        let on_device = self.hardware.has_device(&self.problem, self.code.cost);
        (few && !on_device).then(|| symmetric_matrix(&self.code.pairs, &self.problem))
    }

    /// Its products with vectors that stay on the device that it uses, if it uses one.
    pub(super) fn into_device(self) -> Result<Option<OnDevice<'a>>, Error> {
        let Some(evaluations) = self.code.on_device else {
            return Ok(None);
        };
        let Some((device, optional)) = self.hardware.device(&self.problem, self.code.cost) else {
            return Ok(None);
        };
        let adding = evaluations.map(|[one, _]| one.adding(&self.options));
        match cuda::Products::new(device, self.problem, evaluations, adding, optional) {
            Ok(products) => Ok(Some(OnDevice(products))),
            Err(_) if optional => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn reborrow(&self) -> KernelMatrix<'_> {
        KernelMatrix {
            problem: self.problem.reborrow(),
            options: self.options.clone(),
            ..*self
        }
    }
}

impl LinearOperator for KernelMatrix<'_> {
    fn len(&self) -> usize {
        self.problem.rows.count()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        check_map(self.len(), v.dim(), out.dim())?;
        let [working, double] = self.code.products;
        let products = match precision {
            Precision::Working => working,
            Precision::Double => double,
        };
        let (hardware, options) = (self.hardware, &self.options);
        Ok(products.multiply(
            self.code.symmetric,
            hardware,
            options,
            &self.problem,
            v,
            out,
        )?)
    }

    fn working_roundoff(&self) -> f64 {
        self.code.roundoff
    }

    fn on_device(&self) -> Result<Option<OnDevice<'_>>, Error> {
        self.reborrow().into_device()
    }

    fn entries(&self) -> Option<&dyn Entries> {
        Some(self)
    }
}

impl Entries for KernelMatrix<'_> {
    fn compute_diagonal(&self, out: &mut [f64]) -> Result<(), OperatorError> {
        check_diagonal(self.len(), out.len())?;
        if self.problem.is_resident() {
            let terms = &self.code.entries;
            let (hardware, options) = (self.hardware, &self.options);
            return Ok(resident_diagonal(
                hardware,
                options,
                &self.problem,
                terms,
                out,
            )?);
        }
        diagonal(&self.code.pairs, &self.problem, out);
        Ok(())
    }

    fn compute_rows(
        &self,
        rows: &[usize],
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        let [_, products] = self.code.products;
        let rows = ChosenRows {
            problem: &self.problem,
            multiply: &|problem, unit, out| {
                // A few columns at a time are little work, and many threads ask for them; unless the points are on a device.
                let hardware = if problem.is_resident() {
                    self.hardware
                } else {
                    self.hardware.processor()
                };
                products.multiply(false, hardware, &self.options, problem, unit, out)
            },
            together: products.most_together(),
            chosen: rows,
        };
        rows.compute(out)
    }

    fn cost(&self) -> f64 {
        self.code.entry_cost
    }

    fn speedup(&self) -> f64 {
        if self.hardware.has_device(&self.problem, self.code.cost) {
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

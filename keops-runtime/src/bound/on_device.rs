//! Reductions whose results stay on the device.

use super::matrix::{assert_scalar, is_symmetric};
use super::operation::{
    ArgKMin, ArgMax, ArgMin, KMin, KMinArgKMin, LogSumExp, Max, MaxArgMax, Min, MinArgMin,
    Operation, Sum, SumSoftMaxWeight, WeightedLogSumExp, at_least_one,
};
use super::product::SEVERAL;
use super::{BoundMatrix, BoundReduction, Call, FactoredSum, Orientation};
use crate::Error;
use crate::cpu::{Problem, Weighted};
use crate::cuda::recipe::{Adding, Evaluation, Reduction, Type};
use crate::cuda::{DeviceElement, ResidentCall, ResidentProduct};
use crate::input::{Argument, Input, IntoPoints};
use crate::kernel::Kernel;
use crate::options::CallOptions;
use core::cell::Cell;
use core::marker::PhantomData;
use cudarc::driver::{CudaSlice, CudaStream};
use std::sync::Arc;

impl<T: DeviceElement, K: Kernel, O: Orientation> BoundMatrix<'_, T, K, O> {
    /// The product `K v` as [`dot`](super::SymbolicMatrix::dot) computes it, on the device of a stream, where it stays: flat and row-major, allocated on the stream, with
    /// as many columns as `v`. A flat `v` on the device holds as many vectors, side by side, as [`ncols`](super::SymbolicMatrix::ncols) rows of it have columns.
    ///
    /// The host does not wait; see [`BoundReduction::run_on`].
    ///
    /// # Errors
    /// Those of [`dot`](super::SymbolicMatrix::dot), and [`Error::Backend`] as for [`BoundReduction::run_on`].
    pub fn dot_on<'v>(
        &self,
        v: impl IntoPoints<'v, T>,
        stream: &Arc<CudaStream>,
    ) -> Result<CudaSlice<T>, Error> {
        const { assert_scalar::<K>() }
        let product = ResidentCallOfMatrix {
            call: &self.call.reborrow(),
            options: &self.options,
            evaluations: [
                Evaluation::of::<Weighted<O::Pairing<K>, 1>, T::Compute>(),
                Evaluation::of::<Weighted<O::Pairing<K>, SEVERAL>, T::Compute>(),
            ],
            symmetric: const { is_symmetric::<K>() } && self.call.has_same_points(K::SYMMETRIC),
        };
        let problem = self.call.problem::<O>(&self.options)?;
        product.run(problem, v.into_points(1), stream)
    }
}

/// A product of a matrix, for code that is compiled with this crate and not with each formula.
struct ResidentCallOfMatrix<'a> {
    call: &'a Call<'a>,
    options: &'a CallOptions,
    evaluations: [Evaluation; 2],
    symmetric: bool,
}

impl ResidentCallOfMatrix<'_> {
    fn run<T: DeviceElement>(
        self,
        mut problem: Problem<'_>,
        v: Argument<'_>,
        stream: &Arc<CudaStream>,
    ) -> Result<CudaSlice<T>, Error> {
        const NAME: &str = "the operand of dot_on";
        let hardware = self.call.resolve(self.options)?;
        let (hardware, device) = hardware.with_stream(stream)?;
        let rows = problem.columns.count();
        let misfit = |shape: &[usize]| Error::Shape {
            name: NAME.into(),
            expected: format!("{rows} rows, one per column of the matrix"),
            shape: crate::error::shape(shape),
        };
        let v = match v.into_vectors(rows) {
            Argument::Points(v) if v.rows() == rows => v,
            Argument::Points(v) => return Err(misfit(&[v.rows(), v.columns()])),
            _ => return Err(misfit(&[])),
        };
        if let Input::Device(array) = &v {
            hardware.with_resident(NAME, array)?;
        }
        problem.symmetric = self.symmetric && problem.pattern.is_none();
        ResidentProduct {
            device,
            stream,
            evaluations: self.evaluations,
            problem: problem.reborrow(),
            adding: Adding::new(self.options, Type::of::<T>()),
        }
        .values(&v)
    }
}

/// A reduction whose results can stay on a device.
pub trait DeviceOperation<T: DeviceElement>: Operation<T> {
    /// What it returns there: the arrays of [`Operation::Output`], flat and row-major, with indices of type `u64`.
    type OnDevice;
    /// Runs it.
    #[doc(hidden)]
    fn collect(self, call: ResidentCall<'_>) -> Result<Self::OnDevice, Error>;
}

macro_rules! operations {
    ($($name:ident => $output:ty, |$operation:ident, $call:ident| $result:expr;)*) => {$(
        impl<T: DeviceElement> DeviceOperation<T> for $name {
            type OnDevice = $output;

            fn collect(self, $call: ResidentCall<'_>) -> Result<Self::OnDevice, Error> {
                let $operation = self;
                $result
            }
        }
    )*};
}
operations! {
    Sum => CudaSlice<T>, |_o, call| call.values(1);
    LogSumExp => CudaSlice<T>, |_o, call| call.values(1);
    WeightedLogSumExp => CudaSlice<T>, |_o, call| call.values(1);
    SumSoftMaxWeight => CudaSlice<T>, |_o, call| call.values(1);
    Min => CudaSlice<T>, |_o, call| call.values(1);
    Max => CudaSlice<T>, |_o, call| call.values(1);
    ArgMin => CudaSlice<u64>, |_o, call| Ok(call.values_and_indices::<T>(1)?.1);
    ArgMax => CudaSlice<u64>, |_o, call| Ok(call.values_and_indices::<T>(1)?.1);
    MinArgMin => (CudaSlice<T>, CudaSlice<u64>), |_o, call| call.values_and_indices(1);
    MaxArgMax => (CudaSlice<T>, CudaSlice<u64>), |_o, call| call.values_and_indices(1);
    KMin => CudaSlice<T>, |k, call| call.values(at_least_one(k.0)?);
    ArgKMin => CudaSlice<u64>, |k, call| Ok(call.values_and_indices::<T>(at_least_one(k.0)?)?.1);
    KMinArgKMin => (CudaSlice<T>, CudaSlice<u64>), |k, call| call.values_and_indices(at_least_one(k.0)?);
}

impl<T: DeviceElement, K: Kernel, Op: DeviceOperation<T>, O: Orientation>
    BoundReduction<'_, T, K, Op, O>
{
    /// Computes the reduction as [`run`](Self::run) does, on the device of a stream, and leaves the result there: the array that `run` returns, flat and
    /// row-major, allocated on the stream. Indices are of type `u64`.
    ///
    /// The host does not wait. What is queued on the stream afterwards comes after the result, and so does what uses it on other streams by way of cudarc; see
    /// the page on CUDA for the order between streams, and for arrays that are on the device already.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and [`Error::Backend`] if [`Backend::Cpu`](crate::Backend::Cpu) or another device than that of the stream is chosen, or the
    /// stream is of another context than the primary one.
    pub fn run_on(&self, stream: &Arc<CudaStream>) -> Result<Op::OnDevice, Error> {
        let hardware = self.call.resolve(&self.options)?;
        let (hardware, device) = hardware.with_stream(stream)?;
        let collect = |evaluation: &Evaluation, problem: &Problem<'_>, reduction: Reduction| {
            self.operation.collect(ResidentCall {
                device,
                stream,
                evaluation,
                problem: problem.reborrow(),
                reduction,
            })
        };
        let collected = Cell::new(None);
        let factored = FactoredSum {
            call: &self.call.reborrow(),
            options: &self.options,
            hardware,
            resident: Some(&|evaluation, problem, reduction| {
                collected.set(Some(collect(evaluation, problem, reduction)?));
                Ok(())
            }),
            element: PhantomData,
        };
        self.operation.of_factored::<K>(&factored)?;
        if let Some(result) = collected.take() {
            return Ok(result);
        }
        let problem = self.call.problem::<O>(&self.options)?;
        let reduction = Operation::<T>::on_device(self.operation, &self.options, Type::of::<T>());
        let evaluation = Evaluation::of::<O::Pairing<K>, T::Compute>();
        collect(&evaluation, &problem, reduction)
    }
}

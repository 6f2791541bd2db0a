//! Results of reductions that stay in the memory of a device.

use core::fmt;
use std::sync::Arc;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtrMut, DeviceRepr, DriverError, result};

use super::arrays::Matrix;
use super::device::{Device, failed};
use super::recipe::{Adding, Evaluation, Reduction, Type};
use super::resident::follow;
use crate::Error;
use crate::cpu::Problem;
use crate::input::{Element, Input};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element type of arrays on devices: `f32` or `f64`.
#[diagnostic::on_unimplemented(
    message = "arrays on devices cannot have elements of type `{Self}`",
    label = "expected `f32` or `f64`"
)]
pub trait DeviceElement: Element + DeviceRepr + sealed::Sealed {}
impl DeviceElement for f32 {}
impl DeviceElement for f64 {}

/// A reduction with its arrays, whose results are to stay on the device of a stream.
pub struct ResidentCall<'a> {
    pub(crate) device: &'static Device,
    pub(crate) stream: &'a Arc<CudaStream>,
    pub(crate) evaluation: &'a Evaluation,
    pub(crate) problem: Problem<'a>,
    pub(crate) reduction: Reduction,
}

impl fmt::Debug for ResidentCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on {:?}", self.reduction, self.device)
    }
}

/// Where results are written: a matrix with a row for each of theirs, and as many indices if there are some. Results beyond its columns are dropped.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) values: Matrix,
    pub(super) indices: u64,
}

impl ResidentCall<'_> {
    /// The values, `count` for every row and component.
    ///
    /// # Errors
    /// Those of [`Device::run`].
    pub(crate) fn values<T: DeviceElement>(self, count: usize) -> Result<CudaSlice<T>, Error> {
        if self.reduction.finds_columns() {
            return Ok(self.values_and_indices(count)?.0);
        }
        let columns = self.columns(count);
        let values = self.lent::<T>(columns)?;
        let values_at = values.matrix(columns);
        let queued = self.queue(
            count,
            Target {
                values: values_at,
                indices: 0,
            },
        );
        let values = values.returned();
        queued.and(values)
    }

    /// The values and their columns, `count` for every row and component.
    ///
    /// # Errors
    /// Those of [`Device::run`].
    pub(crate) fn values_and_indices<T: DeviceElement>(
        self,
        count: usize,
    ) -> Result<(CudaSlice<T>, CudaSlice<u64>), Error> {
        let columns = self.columns(count);
        let values = self.lent::<T>(columns)?;
        let indices = self.lent::<u64>(columns)?;
        let target = Target {
            values: values.matrix(columns),
            indices: indices.address,
        };
        let queued = self.queue(count, target);
        let (values, indices) = (values.returned(), indices.returned());
        queued.and(Ok((values?, indices?)))
    }

    /// Results of a row.
    fn columns(&self, count: usize) -> usize {
        count.saturating_mul(self.reduction.width(self.evaluation.formula.terms()))
    }

    fn lent<N: DeviceRepr>(&self, columns: usize) -> Result<Lent<N>, Error> {
        let length = self.problem.result_rows().saturating_mul(columns);
        Lent::new(self.stream, length)
    }

    fn queue(&self, count: usize, target: Target) -> Result<(), Error> {
        let Self {
            device,
            evaluation,
            problem,
            reduction,
            ..
        } = self;
        device.queue(evaluation, problem, *reduction, count, target)
    }
}

impl Device {
    /// Queues a reduction whose results are written to the memory of a device.
    pub(super) fn queue(
        &self,
        evaluation: &Evaluation,
        problem: &Problem<'_>,
        reduction: Reduction,
        count: usize,
        Target {
            values: to,
            indices,
        }: Target,
    ) -> Result<(), Error> {
        let rows = problem.result_rows();
        if rows == 0 || to.columns == 0 {
            return Ok(());
        }
        let _borrowed = self.borrow(problem)?;
        let (formula, launch) = self.launch_of(evaluation, problem, reduction, count, to.t)?;
        let width = count.saturating_mul(reduction.width(formula.terms()));
        // Mirrored products have results in double precision, and those with several vectors may have some too many.
        let between = if launch.out == to.t && width == to.columns && width == to.distance {
            None
        } else {
            let numbers = rows.saturating_mul(width);
            Some(self.buffer(numbers.saturating_mul(launch.out.size()))?)
        };
        let address = between
            .as_ref()
            .map_or(to.address, |buffer| buffer.address());
        let weights = launch.weights.address();
        match launch.reduction {
            Reduction::Mirrored(_) => {
                let prepared = self.prepare_mirrored(&formula, &launch)?;
                prepared.launch(weights, address)?;
            }
            _ => {
                let prepared = self.prepare(&formula, &launch)?;
                prepared.launch(weights, address, indices)?;
            }
        }
        if between.is_none() {
            return Ok(());
        }
        let from = Matrix {
            address,
            t: launch.out,
            columns: width,
            distance: width,
        };
        self.place(rows, from, to)
    }
}

/// A product of a matrix with vectors, which stays on the device of a stream.
pub(crate) struct ResidentProduct<'a> {
    pub(crate) device: &'static Device,
    pub(crate) stream: &'a Arc<CudaStream>,
    /// How the matrix is evaluated times one vector and times several.
    pub(crate) evaluations: [Evaluation; 2],
    pub(crate) problem: Problem<'a>,
    pub(crate) adding: Adding,
}

impl ResidentProduct<'_> {
    /// The products, row by row.
    ///
    /// # Errors
    /// Those of [`Device::run`].
    pub(crate) fn values<T: DeviceElement>(
        mut self,
        vectors: &Input<'_>,
    ) -> Result<CudaSlice<T>, Error> {
        // Points of the host go to the device once.
        self.problem.rows.keep_on_devices();
        self.problem.columns.keep_on_devices();
        let columns = vectors.columns();
        let length = self.problem.rows.count().saturating_mul(columns);
        let values = Lent::<T>::new(self.stream, length)?;
        let queued = self.queue(vectors, values.address, Type::of::<T>());
        queued.and(values.returned())
    }

    fn queue(&self, vectors: &Input<'_>, address: u64, t: Type) -> Result<(), Error> {
        let columns = vectors.columns();
        let evaluation = &self.evaluations[usize::from(columns > 1)];
        let together = evaluation.formula.weights.max(1);
        for from in (0..columns).step_by(together) {
            let to = columns.min(from + together);
            let mut problem = self.problem.reborrow();
            problem
                .columns
                .push(vectors.select_columns(from..to), together);
            let values = Matrix {
                address: address + (from * t.size()) as u64,
                t,
                columns: to - from,
                distance: columns,
            };
            let target = Target { values, indices: 0 };
            let sum = Reduction::Sum(self.adding);
            self.device.queue(evaluation, &problem, sum, 1, target)?;
        }
        Ok(())
    }
}

/// The error of a copy.
pub(crate) fn copying(error: DriverError) -> Error {
    failed("copying to the device", error)
}

/// A copy of numbers on the host, on a stream.
pub(crate) fn copied(stream: &Arc<CudaStream>, numbers: &[f64]) -> Result<CudaSlice<f64>, Error> {
    let mut copy = Lent::<f64>::new(stream, numbers.len())?.returned()?;
    if !numbers.is_empty() {
        stream.memcpy_htod(numbers, &mut copy).map_err(copying)?;
    }
    Ok(copy)
}

/// Memory for results that was allocated on a stream of the user's, while kernels on the default stream write to it.
pub(crate) struct Lent<N> {
    array: CudaSlice<N>,
    address: u64,
    stream: Arc<CudaStream>,
}

impl<N: DeviceRepr> Lent<N> {
    pub(crate) fn new(own: &Arc<CudaStream>, length: usize) -> Result<Self, Error> {
        let bytes = length.saturating_mul(size_of::<N>());
        let refused = |error: DriverError| match error {
            DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY) => {
                let free = result::mem_get_info().map_or(0, |(free, _)| free);
                Error::DeviceMemory { bytes, free }
            }
            error => failed("device memory", error),
        };
        if isize::try_from(bytes).is_err() {
            return Err(Error::DeviceMemory { bytes, free: 0 });
        }
        // SAFETY: nobody reads the memory before kernels have written to all of it.
        let mut array = unsafe { own.alloc::<N>(length.max(1)) }.map_err(refused)?;
        if length == 0 {
            // The driver allocates nothing of no bytes.
            let address = array.leak();
            // SAFETY: the memory was allocated on this stream, and is large enough for no numbers.
            array = unsafe { own.upgrade_device_ptr(address, 0) };
        }
        let stream = own.context().default_stream();
        follow(&stream, own).map_err(|error| failed("waiting for memory", error))?;
        let (address, written) = array.device_ptr_mut(&stream);
        drop(written);
        Ok(Self {
            array,
            address,
            stream,
        })
    }

    /// The memory as a matrix of so many columns.
    pub(crate) fn matrix(&self, columns: usize) -> Matrix {
        Matrix {
            address: self.address,
            t: Type::of::<N>(),
            columns,
            distance: columns,
        }
    }

    /// The array, once the kernels are queued that write to it, also if one could not be queued: what is done with it from now on, freeing it too, comes after these.
    pub(crate) fn returned(mut self) -> Result<CudaSlice<N>, Error> {
        let (_, written) = self.array.device_ptr_mut(&self.stream);
        drop(written);
        let own = Arc::clone(self.array.stream());
        let waiting = |error| failed("waiting for results", error);
        follow(&own, &self.stream).map_err(waiting)?;
        own.context().check_err().map_err(waiting)?;
        Ok(self.array)
    }
}

//! Arrays of the user's in the memory of a device, and the order of what is done with them.
//!
//! Reductions run on the default stream of the device's primary context, and an array may have been written on another stream. So that stream waits, before the first
//! kernel, for what has been queued on the stream of the array and, by the events of cudarc, for whatever has written the array last; once the kernels are queued, the
//! event of its last reader is recorded behind them, and the stream of the array waits for them ([`Borrowed`]).

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DriverError};
use ndarray::Array2;

use super::arrays::Matrix;
use super::device::{Device, failed};
use super::recipe::Type;
use super::unavailable;
use crate::Error;
use crate::memory::repeated;

/// An array of a type, as cudarc has it.
type Numbers<'a, T> = &'a (dyn DevicePtr<T> + Sync + 'a);

/// The numbers of an array, whatever their type.
#[derive(Clone, Copy)]
enum Memory<'a> {
    Single(Numbers<'a, f32>),
    Double(Numbers<'a, f64>),
}

/// The same for the numbers whatever their type.
macro_rules! each_type {
    ($memory:expr, $numbers:ident => $result:expr) => {
        match $memory {
            Memory::Single($numbers) => $result,
            Memory::Double($numbers) => $result,
        }
    };
}

/// A matrix in the memory of a device: an array, or some of its rows and columns.
#[derive(Clone, Copy)]
pub struct Resident<'a> {
    memory: Memory<'a>,
    /// The place of the first entry in the array.
    first: usize,
    rows: usize,
    columns: usize,
    /// From one row to the next.
    distance: usize,
}

impl<'a> Resident<'a> {
    fn whole(memory: Memory<'a>, columns: usize) -> Self {
        let length = each_type!(memory, numbers => numbers.len());
        Self {
            memory,
            first: 0,
            rows: length / columns.max(1),
            columns,
            distance: columns,
        }
    }

    /// The rows of so many numbers that an array is cut into.
    pub(crate) fn single(numbers: Numbers<'a, f32>, columns: usize) -> Self {
        Self::whole(Memory::Single(numbers), columns)
    }

    /// The same of an array in double precision.
    pub(crate) fn double(numbers: Numbers<'a, f64>, columns: usize) -> Self {
        Self::whole(Memory::Double(numbers), columns)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Some of the rows.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Self {
        Self {
            first: self.first + rows.start * self.distance,
            rows: rows.len(),
            ..*self
        }
    }

    /// Some of the columns.
    pub(crate) fn select_columns(&self, columns: Range<usize>) -> Self {
        Self {
            first: self.first + columns.start,
            columns: columns.len(),
            ..*self
        }
    }

    /// The numbers of a whole array as a matrix of so many rows, if they fill it.
    pub(crate) fn with_rows(&self, rows: usize) -> Option<Self> {
        let length = each_type!(self.memory, numbers => numbers.len());
        let columns = length
            .checked_div(rows)
            .filter(|columns| rows * columns == length)?;
        Some(Self::whole(self.memory, columns))
    }

    pub(super) fn t(&self) -> Type {
        match self.memory {
            Memory::Single(_) => Type::Single,
            Memory::Double(_) => Type::Double,
        }
    }

    /// Whether its rows follow each other without anything between them.
    pub(super) fn is_contiguous(&self) -> bool {
        self.distance == self.columns
    }

    fn stream(&self) -> &Arc<CudaStream> {
        each_type!(self.memory, numbers => numbers.stream())
    }

    /// The number of the device, from 0.
    pub(crate) fn ordinal(&self) -> usize {
        self.stream().context().ordinal()
    }

    /// Has `stream` wait for what has written the array, and records on it that it has been read, by what is queued so far; the address of the first entry.
    pub(super) fn address(&self, stream: &CudaStream) -> u64 {
        let address = each_type!(self.memory, numbers => {
            let (address, read) = numbers.device_ptr(stream);
            drop(read);
            address
        });
        address + (self.first * self.t().size()) as u64
    }

    /// Where the matrix is; see [`Points::places`](crate::cpu::Points::places).
    pub(crate) fn place(&self, components: usize) -> [usize; 4] {
        let address = self.address(self.stream());
        [address as usize, self.distance, self.columns, components]
    }

    /// Whether both are the same memory, of the same type.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let key = |array: &Self| (array.t(), array.ordinal(), array.rows, array.place(0));
        key(self) == key(other)
    }

    /// The matrix as kernels on a stream find it.
    pub(super) fn matrix(&self, stream: &CudaStream) -> Matrix {
        Matrix {
            address: self.address(stream),
            t: self.t(),
            columns: self.columns,
            distance: self.distance,
        }
    }

    /// A copy on the host.
    pub(crate) fn to_f64(self) -> Result<Array2<f64>, Error> {
        let all: Vec<usize> = (0..self.rows).collect();
        let copy = match self.distance == self.columns && self.t() == Type::Double {
            true => self,
            false => return self.select(&all)?.view().to_f64(),
        };
        let device = Device::get(self.ordinal())?;
        let borrowed = Borrowed::new(copy)?;
        device.enter()?;
        let mut values = repeated(self.rows.saturating_mul(self.columns), 0.0)?;
        device
            .foreign(self.address(&borrowed.stream))
            .read(&mut values)?;
        Array2::from_shape_vec((self.rows, self.columns), values)
            .map_err(|error| unavailable(error.to_string()))
    }

    /// A copy of some of the rows, in double precision, on the device.
    pub(crate) fn select(self, chosen: &[usize]) -> Result<ResidentSelection, Error> {
        let device = Device::get(self.ordinal())?;
        let borrowed = Borrowed::new(self)?;
        device.enter()?;
        let stream = &borrowed.stream;
        // SAFETY: all of it is written to before it is read, on this stream.
        let copy = unsafe { stream.alloc::<f64>((chosen.len() * self.columns).max(1)) };
        let copy = copy.map_err(|error| failed("device memory", error))?;
        let selection = ResidentSelection {
            copy,
            rows: chosen.len(),
            columns: self.columns,
        };
        let to = selection.view().matrix(stream);
        for (k, of_run) in chosen.chunk_by(|a, b| *b == a + 1).scan(0, |at, run| {
            let k = *at;
            *at += run.len();
            Some((k, run))
        }) {
            let from = self
                .slice(of_run[0]..of_run[0] + of_run.len())
                .matrix(stream);
            let to = Matrix {
                address: to.address + (k * self.columns * size_of::<f64>()) as u64,
                ..to
            };
            device.place(of_run.len(), from, to)?;
        }
        Ok(selection)
    }
}

/// Some of the rows of an array, copied on the device.
pub(crate) struct ResidentSelection {
    copy: CudaSlice<f64>,
    rows: usize,
    columns: usize,
}

impl ResidentSelection {
    /// The copy.
    pub(crate) fn view(&self) -> Resident<'_> {
        Resident {
            memory: Memory::Double(&self.copy),
            first: 0,
            rows: self.rows,
            columns: self.columns,
            distance: self.columns,
        }
    }
}

impl fmt::Debug for Resident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, columns, .. } = self;
        let name = self.t().name();
        write!(
            f,
            "{rows} x {columns} of {name} on Cuda({})",
            self.ordinal()
        )
    }
}

/// An array of the user's for as long as kernels that read it are being queued.
pub(super) struct Borrowed<'a> {
    array: Resident<'a>,
    /// The stream of the kernels.
    stream: Arc<CudaStream>,
}

impl<'a> Borrowed<'a> {
    /// Has the kernels that are queued from now on wait for the array.
    pub(super) fn new(array: Resident<'a>) -> Result<Self, Error> {
        let stream = array.stream().context().default_stream();
        follow(&stream, array.stream()).map_err(waiting)?;
        array.address(&stream);
        // What went wrong in there is kept in the context.
        stream.context().check_err().map_err(waiting)?;
        Ok(Self { array, stream })
    }

    /// The stream that kernels are queued on.
    pub(super) fn stream(&self) -> &CudaStream {
        &self.stream
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.array.address(&self.stream);
        let context = self.stream.context();
        context.record_err(follow(self.array.stream(), &self.stream));
    }
}

fn waiting(error: DriverError) -> Error {
    failed("waiting for an array", error)
}

/// Has what is queued on a stream from now on come after what has been queued on another.
pub(super) fn follow(stream: &CudaStream, other: &CudaStream) -> Result<(), DriverError> {
    if stream == other {
        return Ok(());
    }
    stream.join(other)
}

/// The primary context of a device, as cudarc has it, to make streams and arrays in.
///
/// [`CudaContext::new`] makes it too, but panics where there is no driver.
///
/// ```
/// # use keops_runtime as keops_solve;
/// use keops_solve::device_context;
///
/// match device_context(0) {
///     Ok(context) => println!("{:?}", context.name()),
///     Err(error) => println!("{error}"), // says what is missing
/// }
/// ```
///
/// # Errors
/// [`Error::Backend`] if there is no such device, or what it needs (see [`Backend::Cuda`](crate::Backend::Cuda)) is missing.
pub fn device_context(ordinal: usize) -> Result<Arc<CudaContext>, Error> {
    let stream = Device::get(ordinal)?.stream()?;
    Ok(Arc::clone(stream.context()))
}

impl Device {
    /// Refuses what is not of the context that reductions run in.
    pub(crate) fn check_context(&self, context: &CudaContext) -> Result<(), Error> {
        if self.is_context(context.cu_ctx()) {
            return Ok(());
        }
        Err(unavailable(
            "arrays and streams have to be of the primary context of the device, as those of CudaContext::new are".into(),
        ))
    }

    /// Whether an array is where reductions on this device can read it.
    ///
    /// # Errors
    /// [`Error::Backend`] if it is not.
    pub(crate) fn check_resident(&self, array: &Resident<'_>) -> Result<(), Error> {
        self.check_context(array.stream().context())
    }
}

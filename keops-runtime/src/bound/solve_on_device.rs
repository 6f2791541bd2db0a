//! Systems whose solutions stay on a device.

use super::System;
use crate::Error;
use crate::cuda::{DeviceElement, Lent, Resident};
use crate::input::{Argument, Input};
use crate::options::{Backend, Hardware};
use crate::solve::{Solution, SolveError, solve, solve_on_device};
use core::fmt;
use cudarc::driver::{CudaSlice, CudaStream};
use ndarray::Array2;
use std::sync::Arc;

/// The solution of a system on a device: what [`System::solve_on`] returns.
#[non_exhaustive]
pub struct DeviceSolution<T> {
    /// The solution, of the shape of the right-hand side, flat and row-major.
    pub values: CudaSlice<T>,
    /// The report on it. Its arrays of values have no rows.
    pub report: Solution<T>,
}

impl<T> fmt::Debug for DeviceSolution<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSolution")
            .field("columns", &self.report.columns)
            .finish_non_exhaustive()
    }
}

impl<T: DeviceElement, G> System<'_, T, G> {
    /// Solves the system as [`solve`](Self::solve) does, on the device of a stream, and leaves the solution there: of the shape of the right-hand side, flat and
    /// row-major, allocated on the stream. What is bound to arrays on the device (points, right-hand side, guess) is not copied to the host, except for the sums and small matrices
    /// that iterations need there, and, if a factorisation preconditions, its rows; what is on the host is copied to the device.
    ///
    /// Matrix-valued kernels keep the vectors of a solve on the host, from where the solution is copied to the device.
    ///
    /// # Errors
    /// Those of [`solve`](Self::solve), whose best iterate is on the host, and [`Error::Backend`] if [`Backend::Cpu`] or another device than that of the stream is
    /// chosen, or the stream is of another context than the primary one.
    pub fn solve_on(
        mut self,
        stream: &Arc<CudaStream>,
    ) -> Result<DeviceSolution<T>, SolveError<T>> {
        let hardware = self.inputs.resolve(&self.options)?;
        let (hardware, _) = hardware.with_stream(stream)?;
        self.options.backend = Backend::Cuda(stream.context().ordinal());
        let operator = self.operator()?;
        self.unknown.check(&self.rhs)?;
        let rhs = Placed::new("the right-hand side", &self.rhs, hardware, stream)?;
        let guess = match &self.guess {
            None => None,
            Some(guess) => {
                self.unknown.named("the guess").check(guess)?;
                Some(Placed::new("the guess", guess, hardware, stream)?)
            }
        };
        let (b, first) = (rhs.view(), guess.as_ref().map(Placed::view));
        let mut solver = self.solver;
        let values = Lent::<T>::new(stream, b.rows().saturating_mul(b.columns()))?;
        let place = values.matrix(b.columns());
        let solved = solve_on_device(&*operator, b, first, &mut solver, place);
        let values = values.returned();
        let solved = match solved {
            Ok(solved) => solved,
            Err(error) => {
                let error = error.map(T::from_f64);
                super::system::name_not_finite(&self.inputs, &error)?;
                return Err(error);
            }
        };
        let mut values = values?;
        if let Some(report) = solved {
            let report = report.map(T::from_f64);
            return Ok(DeviceSolution { values, report });
        }
        let on_host = b.to_f64()?.mapv(T::from_f64);
        let first = first.map(|first| first.to_f64()).transpose()?;
        let first = first.as_ref().map(|first| first.view());
        let solution = solve(&*operator, on_host.view(), first, solver);
        if let Err(error) = &solution {
            super::system::name_not_finite(&self.inputs, error)?;
        }
        let mut report = solution?;
        if let Some(numbers) = report
            .values
            .as_slice()
            .filter(|numbers| !numbers.is_empty())
        {
            let copied = stream.memcpy_htod(numbers, &mut values);
            copied.map_err(crate::cuda::copying)?;
        }
        let none = (0, b.columns());
        report.values = Array2::from_elem(none, T::from_f64(0.0));
        report.values_f64 = Array2::zeros(none);
        Ok(DeviceSolution { values, report })
    }
}

/// A right-hand side or a guess on the device.
enum Placed<'a> {
    /// The user's.
    Given(Resident<'a>),
    /// A copy of one on the host, and its number of columns.
    Copied(CudaSlice<f64>, usize),
}

impl<'a> Placed<'a> {
    fn new(
        name: &str,
        argument: &Argument<'a>,
        hardware: Hardware,
        stream: &Arc<CudaStream>,
    ) -> Result<Self, Error> {
        let values = match argument {
            Argument::Points(Input::Device(array)) => {
                hardware.with_resident(name, array)?;
                return Ok(Self::Given(*array));
            }
            argument => super::system::widened(argument)?,
        };
        let columns = values.ncols();
        let (numbers, _) = values.into_raw_vec_and_offset();
        let copy = crate::cuda::copied(stream, &numbers)?;
        Ok(Self::Copied(copy, columns))
    }

    fn view(&self) -> Resident<'_> {
        match self {
            Self::Given(array) => *array,
            Self::Copied(copy, columns) => Resident::double(copy, *columns),
        }
    }
}

//! Points as kernels read them, put together from arrays on the host and on the device; see `kernels/arrays.cu`.

use core::ffi::CStr;

use super::device::{Buffer, Device, Fixed};
use super::launch::{argument, launch};
use super::layout::THREADS;
use super::memory::{Memory, Vectors};
use super::recipe::Type;
use super::resident::{Borrowed, Resident};
use crate::Error;
use crate::cpu::{Points, Problem};
use crate::input::Input;

/// The kernels, by the type that is read and the type that is written.
pub(super) const KERNELS: [&CStr; 4] = [
    c"keops_place_single_single",
    c"keops_place_single_double",
    c"keops_place_double_single",
    c"keops_place_double_double",
];

/// The complete source of the kernels.
pub fn source() -> String {
    format!(
        "// Copies of arrays.\nconstexpr int THREADS = {THREADS};\n\n{}",
        include_str!("kernels/arrays.cu")
    )
}

/// A row-major matrix in the memory of a device.
#[derive(Clone, Copy)]
pub(crate) struct Matrix {
    pub(super) address: u64,
    pub(super) t: Type,
    pub(super) columns: usize,
    /// From one row to the next.
    pub(super) distance: usize,
}

impl Matrix {
    /// Whether its numbers are of double precision.
    pub(crate) fn is_double(&self) -> bool {
        self.t == Type::Double
    }
}

impl Memory {
    /// A copy of a matrix of so many rows, in double precision.
    pub(crate) fn taken_from(&self, rows: usize, from: Matrix) -> Vectors {
        let vectors = self.vectors(rows.saturating_mul(from.columns));
        let to = vectors.by_rows_of(from.columns);
        self.attempt(|_| self.device().place(rows, from, to));
        vectors
    }

    /// A copy of an array, in double precision.
    pub(crate) fn taken(&self, array: Resident<'_>) -> Vectors {
        let borrowed = self.attempt(|_| Borrowed::new(array));
        let Some(borrowed) = borrowed else {
            return self.vectors(0);
        };
        self.taken_from(array.rows(), array.matrix(borrowed.stream()))
    }
}

impl Vectors {
    fn by_rows_of(&self, columns: usize) -> Matrix {
        Matrix {
            address: self.address(),
            t: Type::Double,
            columns,
            distance: columns,
        }
    }

    /// Writes the rows of a block, rounded, to a matrix of so many rows.
    pub(crate) fn hand_over(&self, rows: usize, to: Matrix) {
        let from = self.by_rows_of(to.columns);
        let memory = self.memory();
        memory.attempt(|_| memory.device().place(rows, from, to));
    }
}

impl Device {
    /// Queues the copy of the columns of a matrix to one of as many rows, whose columns beyond them become 0.
    pub(super) fn place(&self, rows: usize, from: Matrix, to: Matrix) -> Result<(), Error> {
        let entries = rows.saturating_mul(to.columns);
        if entries == 0 {
            return Ok(());
        }
        let kernels = self.fixed_kernels(Fixed::Arrays, source, &KERNELS)?;
        let of_type = |t: Type| usize::from(t == Type::Double);
        let kernel = kernels[2 * of_type(from.t) + of_type(to.t)];
        let sizes = [rows, from.columns, from.distance, to.columns, to.distance].map(|n| n as u64);
        let [rows, width, from_distance, columns, distance] = sizes;
        launch(
            kernel.0,
            (entries.div_ceil(THREADS), 1),
            &mut [
                argument(&to.address),
                argument(&from.address),
                argument(&rows),
                argument(&width),
                argument(&from_distance),
                argument(&columns),
                argument(&distance),
            ],
        )
    }

    /// Has the kernels that are queued while what this returns is alive wait for the arrays of a problem.
    pub(super) fn borrow<'a>(&self, problem: &Problem<'a>) -> Result<Vec<Borrowed<'a>>, Error> {
        let arrays = problem.rows.residents().chain(problem.columns.residents());
        arrays.map(Borrowed::new).collect()
    }

    /// The raw components of points some of whose arrays are on the device, in the type `t`: the memory of the only array, where that has them as they are needed.
    pub(super) fn assemble(&self, points: &Points<'_>, t: Type) -> Result<Buffer, Error> {
        let stream = self.stream()?;
        if let [(Input::Device(array), components)] = points.arrays()
            && array.t() == t
            && array.columns() == *components
            && array.is_contiguous()
        {
            return Ok(self.foreign(array.address(&stream)));
        }
        let (rows, all) = (points.count(), points.components());
        let buffer = self.buffer(rows.saturating_mul(all).saturating_mul(t.size()))?;
        let mut on_host = Points::new(rows);
        for (array, components) in points.arrays() {
            if !matches!(array, Input::Device(_)) {
                on_host.push(array.view(), *components);
            }
        }
        let copy = self.upload_points(&on_host, t)?;
        let (mut taken, mut done) = (0, 0);
        for (array, components) in points.arrays() {
            let from = match array {
                Input::Device(array) => array.matrix(&stream),
                _ => {
                    let address = copy.address() + (taken * t.size()) as u64;
                    taken += components;
                    Matrix {
                        address,
                        t,
                        columns: *components,
                        distance: on_host.components(),
                    }
                }
            };
            let to = Matrix {
                address: buffer.address() + (done * t.size()) as u64,
                t,
                columns: *components,
                distance: all,
            };
            self.place(rows, from, to)?;
            done += components;
        }
        Ok(buffer)
    }
}

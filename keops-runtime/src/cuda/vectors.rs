//! Operations on vectors in the memory of a device; see `kernels/vectors.cu`.

use core::ffi::c_void;

use super::launch::{argument, launch};
use super::layout::THREADS;
use super::memory::{Memory, Requested, Scratch, State, Vectors};
use super::recipe::Type;
use super::terms::{Rule, Term};
use super::vector_source::{
    ADD_PRODUCTS, COLUMNS, COPY_COLUMNS, LEAF, NEAR, PACK_DOUBLE, PACK_SINGLE, SIDE, SOLVE_SMALL,
    SUMS, TAKE_SUMS, TAKE_TOTALS, TOGETHER, UPDATE,
};
use crate::Error;

/// A matrix in the memory of a device.
#[derive(Clone, Copy)]
pub struct Strided<'a> {
    of: &'a Vectors,
    columns: usize,
    /// From one row to the next, and from one column to the next.
    distances: [usize; 2],
}

impl Vectors {
    /// The matrix of so many columns whose rows these numbers are, one after the other.
    pub fn by_row(&self, columns: usize) -> Strided<'_> {
        Strided {
            of: self,
            columns,
            distances: [columns, 1],
        }
    }

    /// The matrix of so many rows and columns whose columns these numbers are, one after the other.
    pub fn by_column(&self, rows: usize, columns: usize) -> Strided<'_> {
        Strided {
            of: self,
            columns,
            distances: [1, rows],
        }
    }
}

/// Small matrices, as kernels take them.
#[derive(Clone, Copy)]
#[repr(C)]
struct Numbers {
    far: u64,
    near: [f64; NEAR],
}

impl Numbers {
    fn new(memory: &Memory, state: &mut State, values: &[f64]) -> Result<Self, Error> {
        let mut numbers = Self {
            far: 0,
            near: [0.0; NEAR],
        };
        match numbers.near.get_mut(..values.len()) {
            Some(near) => near.copy_from_slice(values),
            None => numbers.far = memory.scratch_of(state, Scratch::Numbers, values)?,
        }
        Ok(numbers)
    }
}

/// `own += other C`, or `own = other C` where it is fresh.
pub struct AddProduct<'a> {
    /// The matrix, row by row.
    pub own: &'a mut Vectors,
    /// Its number of columns.
    pub width: usize,
    /// Whether what it holds counts for nothing.
    pub fresh: bool,
    /// The matrix that is multiplied.
    pub other: Strided<'a>,
    /// `C`, row by row.
    pub c: &'a [f64],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct ProductArgument {
    own: u64,
    other: u64,
    width: u64,
    inner: u64,
    distances: [u64; 2],
    first: u64,
    fresh: u64,
}

#[repr(C)]
struct ProductArguments {
    products: [ProductArgument; TOGETHER],
    numbers: Numbers,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct UpdateArgument {
    own: u64,
    other: u64,
}

#[repr(C)]
struct UpdateArguments {
    updates: [UpdateArgument; TOGETHER],
    numbers: Numbers,
}

#[repr(C)]
struct ColumnArguments {
    from: [u64; COLUMNS],
    to: [u64; COLUMNS],
}

/// Sums over rows.
pub struct Sum<'a> {
    /// The terms.
    pub term: Term,
    /// The first matrix.
    pub a: Strided<'a>,
    /// The second, of as many rows.
    pub b: Strided<'a>,
}

impl Sum<'_> {
    /// How many results there are.
    pub fn results(&self) -> usize {
        match self.term {
            Term::Pairs => self.a.columns * self.b.columns,
            Term::Same | Term::Difference => self.a.columns,
            Term::Toward => 2 * self.a.columns,
        }
    }

    fn tiles(&self) -> usize {
        match self.term {
            Term::Pairs => self.a.columns.div_ceil(SIDE) * self.b.columns.div_ceil(SIDE),
            _ => self.a.columns.div_ceil(SIDE),
        }
    }
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct SumArgument {
    a: u64,
    b: u64,
    a_distances: [u64; 2],
    b_distances: [u64; 2],
    columns: [u64; 2],
    term: u64,
    first: u64,
    tile: u64,
}

/// Launches a kernel for a grid, if there is anything to do.
fn start<const N: usize>(
    memory: &Memory,
    kernel: usize,
    (blocks, parts): (usize, usize),
    mut arguments: [*mut c_void; N],
) -> Result<(), Error> {
    if blocks == 0 || parts == 0 {
        return Ok(());
    }
    launch(memory.kernel(kernel).0, (blocks, parts), &mut arguments)
}

impl Memory {
    /// Adds products to matrices of so many rows, at most [`TOGETHER`] of them.
    pub fn add_products(&self, rows: usize, products: &mut [AddProduct<'_>]) {
        self.attempt(|state| {
            let mut own = [ProductArgument::default(); TOGETHER];
            let (mut values, mut widest) = (Vec::new(), 0);
            for (argument, product) in own.iter_mut().zip(&mut *products) {
                *argument = ProductArgument {
                    own: product.own.address(),
                    other: product.other.of.address(),
                    width: product.width as u64,
                    inner: product.other.columns as u64,
                    distances: product.other.distances.map(|n| n as u64),
                    first: values.len() as u64,
                    fresh: u64::from(product.fresh),
                };
                values.extend_from_slice(product.c);
                widest = widest.max(product.width);
            }
            let arguments = ProductArguments {
                products: own,
                numbers: Numbers::new(self, state, &values)?,
            };
            let (grid, rows) = (rows.saturating_mul(widest).div_ceil(THREADS), rows as u64);
            let arguments = [argument(&arguments), argument(&rows)];
            start(
                self,
                ADD_PRODUCTS,
                (grid, products.len().min(TOGETHER)),
                arguments,
            )
        });
    }

    /// [`Memory::add_products`] of one product whose `C` is in the memory of the device.
    pub fn add_product_of(
        &self,
        rows: usize,
        own: &mut Vectors,
        width: usize,
        other: Strided<'_>,
        c: &Vectors,
    ) {
        self.attempt(|_| {
            let mut products = [ProductArgument::default(); TOGETHER];
            products[0] = ProductArgument {
                own: own.address(),
                other: other.of.address(),
                width: width as u64,
                inner: other.columns as u64,
                distances: other.distances.map(|n| n as u64),
                first: 0,
                fresh: 0,
            };
            let arguments = ProductArguments {
                products,
                numbers: Numbers {
                    far: c.address(),
                    near: [0.0; NEAR],
                },
            };
            let (grid, rows) = (rows.saturating_mul(width).div_ceil(THREADS), rows as u64);
            start(
                self,
                ADD_PRODUCTS,
                (grid, 1),
                [argument(&arguments), argument(&rows)],
            )
        });
    }

    /// Updates blocks of the same shape by a rule with the same numbers, at most [`TOGETHER`] of them; without another it is of their own entries.
    pub fn update(
        &self,
        updates: &mut [(&mut Vectors, Option<&Vectors>)],
        rule: Rule,
        numbers: &[f64],
    ) {
        let entries = updates.first().map_or(0, |(own, _)| own.count());
        self.attempt(|state| {
            let mut arguments = [UpdateArgument::default(); TOGETHER];
            for (argument, (own, other)) in arguments.iter_mut().zip(&*updates) {
                let own = own.address();
                let other = other.map_or(own, Vectors::address);
                *argument = UpdateArgument { own, other };
            }
            let arguments = UpdateArguments {
                updates: arguments,
                numbers: Numbers::new(self, state, numbers)?,
            };
            let grid = (entries.div_ceil(THREADS), updates.len().min(TOGETHER));
            let [entries, width, rule] =
                [entries, numbers.len().max(1), rule as usize].map(|n| n as u64);
            let arguments = [
                argument(&arguments),
                argument(&entries),
                argument(&width),
                argument(&rule),
            ];
            start(self, UPDATE, grid, arguments)
        });
    }

    /// Copies columns of one block of so many rows, by their numbers, to columns of another.
    pub fn copy_columns(
        &self,
        rows: usize,
        (own, width): (&mut Vectors, usize),
        (other, other_width): (&Vectors, usize),
        pairs: impl IntoIterator<Item = (usize, usize)>,
    ) {
        let pairs: Vec<_> = pairs.into_iter().collect();
        self.attempt(|_| {
            for pairs in pairs.chunks(COLUMNS) {
                let mut columns = ColumnArguments {
                    from: [0; COLUMNS],
                    to: [0; COLUMNS],
                };
                for (k, &(from, to)) in pairs.iter().enumerate() {
                    (columns.from[k], columns.to[k]) = (from as u64, to as u64);
                }
                let grid = rows.saturating_mul(pairs.len()).div_ceil(THREADS);
                let [count, rows, width, other_width] =
                    [pairs.len(), rows, width, other_width].map(|n| n as u64);
                let [own, other] = [own.address(), other.address()];
                let arguments = [
                    argument(&columns),
                    argument(&count),
                    argument(&own),
                    argument(&other),
                    argument(&rows),
                    argument(&width),
                    argument(&other_width),
                ];
                start(self, COPY_COLUMNS, (grid, 1), arguments)?;
            }
            Ok(())
        });
    }

    /// Writes `count` columns of a block, from one on and filled up with zeros, to memory for numbers of type `t`.
    pub(super) fn pack(
        &self,
        t: Type,
        weights: u64,
        (v, rows, width): (&Vectors, usize, usize),
        from: usize,
        count: usize,
    ) -> Result<(), Error> {
        let kernel = match t {
            Type::Single => PACK_SINGLE,
            Type::Double => PACK_DOUBLE,
        };
        let grid = rows.saturating_mul(count).div_ceil(THREADS);
        let v = v.address();
        let [rows, count, width, from] = [rows, count, width, from].map(|n| n as u64);
        let arguments = [
            argument(&weights),
            argument(&v),
            argument(&rows),
            argument(&count),
            argument(&width),
            argument(&from),
        ];
        start(self, kernel, (grid, 1), arguments)
    }

    /// Asks for sums over so many rows, at most [`SUMS`] together.
    pub fn sums(&self, rows: usize, sums: &[Sum<'_>]) -> Option<Requested> {
        let count = sums.iter().map(Sum::results).sum();
        self.attempt(|state| {
            let (address, requested) = self.ask(state, count)?;
            self.take_sums(state, rows, sums, address)?;
            Ok(requested)
        })
    }

    /// Sums over so many rows, left in the memory of the device.
    pub fn sums_to(&self, rows: usize, sum: Sum<'_>, out: &mut Vectors) {
        self.attempt(|state| self.take_sums(state, rows, &[sum], out.address()));
    }

    fn take_sums(
        &self,
        state: &mut State,
        rows: usize,
        sums: &[Sum<'_>],
        out: u64,
    ) -> Result<(), Error> {
        let mut arguments = [SumArgument::default(); SUMS];
        let (mut first, mut tiles) = (0, 0);
        for (argument, sum) in arguments.iter_mut().zip(sums) {
            *argument = SumArgument {
                a: sum.a.of.address(),
                b: sum.b.of.address(),
                a_distances: sum.a.distances.map(|n| n as u64),
                b_distances: sum.b.distances.map(|n| n as u64),
                columns: [sum.a.columns, sum.b.columns].map(|n| n as u64),
                term: sum.term as u64,
                first: first as u64,
                tile: tiles as u64,
            };
            first += sum.results();
            tiles += sum.tiles();
        }
        // No rows are one leaf of none.
        let leaves = rows.div_ceil(LEAF).max(1);
        let partials = match leaves {
            1 => out,
            _ => self.scratch(state, Scratch::Partials, leaves.saturating_mul(first))?,
        };
        let [count, rows, results, leaf_count] =
            [sums.len().min(SUMS), rows, first, leaves].map(|n| n as u64);
        let taken = [
            argument(&arguments),
            argument(&count),
            argument(&rows),
            argument(&results),
            argument(&partials),
        ];
        start(self, TAKE_SUMS, (tiles, leaves), taken)?;
        if leaves == 1 {
            return Ok(());
        }
        let arguments = [
            argument(&partials),
            argument(&leaf_count),
            argument(&results),
            argument(&out),
        ];
        start(self, TAKE_TOTALS, (first, 1), arguments)
    }

    /// `y <- -(L L')^-1 y` for the columns of `y`; see the kernel for how `L` is stored.
    pub fn solve_small(&self, both: &Vectors, inverses: &Vectors, y: &mut Vectors, width: usize) {
        self.attempt(|_| {
            let rows = (y.count() / width.max(1)) as u64;
            let [both, inverses, y] = [both.address(), inverses.address(), y.address()];
            let columns = width as u64;
            let arguments = [
                argument(&both),
                argument(&inverses),
                argument(&y),
                argument(&rows),
                argument(&columns),
            ];
            start(self, SOLVE_SMALL, (width, 1), arguments)
        });
    }
}

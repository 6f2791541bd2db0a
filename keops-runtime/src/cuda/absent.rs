//! What stands in the place of the driver where the feature `cuda` is off.

use core::marker::PhantomData;
use core::ops::Range;

use ndarray::{Array2, Array3, ArrayViewMut2};

use super::recipe::{Adding, Evaluation, Reduction};
use super::terms::{Rule, Term};
use super::unavailable;
use crate::Error;
use crate::cpu::Problem;
use crate::input::Element;
use crate::solve::Precision;

/// A device; there is none.
#[derive(Debug)]
pub(crate) enum Device {}

/// Copies of points on devices; there are none.
#[derive(Debug, Default)]
pub(crate) struct Uploads;

impl Device {
    /// The device of this index.
    ///
    /// # Errors
    /// [`Error::Backend`], always.
    pub(crate) fn get(_: usize) -> Result<&'static Self, Error> {
        Err(unavailable(
            "keops-solve was built without its feature `cuda`; enable it, or use Backend::Cpu"
                .into(),
        ))
    }

    pub(crate) fn check_resident(&self, _: &Resident<'_>) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn rows<T: Element>(
        &self,
        _: &Evaluation,
        _: &Problem<'_>,
        _: Reduction,
        _: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn candidates<T: Element>(
        &self,
        _: &Evaluation,
        _: &Problem<'_>,
        _: Reduction,
        _: &mut Array3<T>,
        _: &mut Array3<usize>,
    ) -> Result<(), Error> {
        match *self {}
    }
}

/// What there is not.
#[derive(Clone, Copy, Debug)]
enum Never {}

/// An array in the memory of a device; there is none.
#[derive(Clone, Copy, Debug)]
pub struct Resident<'a>(Never, PhantomData<&'a ()>);

impl Resident<'_> {
    pub(crate) fn rows(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn columns(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn slice(&self, _: Range<usize>) -> Self {
        match self.0 {}
    }

    pub(crate) fn with_rows(&self, _: usize) -> Option<Self> {
        match self.0 {}
    }

    pub(crate) fn ordinal(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn is_same(&self, _: &Self) -> bool {
        match self.0 {}
    }

    pub(crate) fn to_f64(self) -> Result<Array2<f64>, Error> {
        match self.0 {}
    }

    pub(crate) fn select(&self, _: &[usize]) -> Result<ResidentSelection, Error> {
        match self.0 {}
    }
}

/// Rows of such an array; there are none.
pub(crate) struct ResidentSelection(Never);

impl ResidentSelection {
    pub(crate) fn view(&self) -> Resident<'_> {
        match self.0 {}
    }
}

/// Memory of a device; there is none.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Never);

/// Numbers in the memory of a device; there are none.
#[derive(Clone, Debug)]
pub(crate) struct Vectors(Never);

/// Sums that have been asked for; there are none.
pub(crate) struct Requested(Never);

/// Products on a device; there are none.
pub(crate) struct Products<'a> {
    never: Never,
    matrix: PhantomData<&'a ()>,
    pub(crate) optional: bool,
}

/// A matrix in the memory of a device; there is none.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a>(Never, PhantomData<&'a ()>);

/// A product to be added.
#[expect(dead_code, reason = "there are no devices")]
pub(crate) struct AddProduct<'a> {
    pub(crate) own: &'a mut Vectors,
    pub(crate) width: usize,
    pub(crate) fresh: bool,
    pub(crate) other: Strided<'a>,
    pub(crate) c: &'a [f64],
}

/// A sum to be taken.
#[expect(dead_code, reason = "there are no devices")]
pub(crate) struct Sum<'a> {
    pub(crate) term: Term,
    pub(crate) a: Strided<'a>,
    pub(crate) b: Strided<'a>,
}

impl Memory {
    pub(crate) fn error(&self) -> Option<Error> {
        match self.0 {}
    }

    pub(crate) fn vectors(&self, _: usize) -> Vectors {
        match self.0 {}
    }

    pub(crate) fn upload(&self, _: &[f64]) -> Vectors {
        match self.0 {}
    }

    pub(crate) fn sums(&self, _: usize, _: &[Sum<'_>]) -> Option<Requested> {
        match self.0 {}
    }

    pub(crate) fn sums_to(&self, _: usize, _: Sum<'_>, _: &mut Vectors) {
        match self.0 {}
    }

    pub(crate) fn add_products(&self, _: usize, _: &mut [AddProduct<'_>]) {
        match self.0 {}
    }

    pub(crate) fn add_product_of(
        &self,
        _: usize,
        _: &mut Vectors,
        _: usize,
        _: Strided<'_>,
        _: &Vectors,
    ) {
        match self.0 {}
    }

    pub(crate) fn update(&self, _: &mut [(&mut Vectors, Option<&Vectors>)], _: Rule, _: &[f64]) {
        match self.0 {}
    }

    pub(crate) fn copy_columns(
        &self,
        _: usize,
        _: (&mut Vectors, usize),
        _: (&Vectors, usize),
        _: impl IntoIterator<Item = (usize, usize)>,
    ) {
        match self.0 {}
    }

    pub(crate) fn solve_small(&self, _: &Vectors, _: &Vectors, _: &mut Vectors, _: usize) {
        match self.0 {}
    }
}

impl Vectors {
    pub(crate) fn count(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn memory(&self) -> &Memory {
        match self.0 {}
    }

    pub(crate) fn read(&self) -> Vec<f64> {
        match self.0 {}
    }

    pub(crate) fn by_row(&self, _: usize) -> Strided<'_> {
        match self.0 {}
    }

    pub(crate) fn by_column(&self, _: usize, _: usize) -> Strided<'_> {
        match self.0 {}
    }
}

impl Requested {
    pub(crate) fn take(self) -> Vec<f64> {
        match self.0 {}
    }
}

impl<'a> Products<'a> {
    pub(crate) fn new(
        device: &'static Device,
        _: Problem<'a>,
        _: [[Evaluation; 2]; 2],
        _: [Adding; 2],
        _: bool,
    ) -> Result<Self, Error> {
        match *device {}
    }

    pub(crate) fn memory(&self) -> &Memory {
        match self.never {}
    }

    pub(crate) fn apply(
        &self,
        _: Precision,
        _: &Vectors,
        _: usize,
        _: &mut Vectors,
    ) -> Result<(), Error> {
        match self.never {}
    }
}

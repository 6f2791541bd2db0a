//! What stands in the place of the driver where the feature `cuda` is off.

use ndarray::{Array3, ArrayViewMut2};

use super::recipe::{Evaluation, Reduction};
use super::unavailable;
use crate::Error;
use crate::cpu::Problem;
use crate::input::Element;

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

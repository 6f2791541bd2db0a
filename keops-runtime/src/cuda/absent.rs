//! What stands in the place of the driver where the feature `cuda` is off.

use ndarray::{Array3, ArrayViewMut2};

use super::recipe::Reduction;
use super::unavailable;
use crate::Error;
use crate::cpu::{Pairing, Problem};
use crate::input::Element;
use crate::simd::Real;

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

    #[expect(
        clippy::extra_unused_type_parameters,
        reason = "the signature of the device that is there"
    )]
    pub(crate) fn rows<P: Pairing, C: Real, T: Element>(
        &self,
        _: &Problem<'_>,
        _: Reduction,
        _: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn candidates<P: Pairing, T: Element>(
        &self,
        _: &Problem<'_>,
        _: Reduction,
        _: &mut Array3<T>,
        _: &mut Array3<usize>,
    ) -> Result<(), Error> {
        match *self {}
    }
}

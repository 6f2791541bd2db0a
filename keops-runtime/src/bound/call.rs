//! The arrays of a call, sorted by the side of the pairs that they belong to.

use super::Orientation;
use crate::Error;
use crate::cpu::{Points, Problem};
use crate::input::Argument;
use crate::signature::{Category, Signature, Sizes};

/// A formula's arrays and captured scalars, as they were bound.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(super) signature: &'static Signature,
    pub(super) arguments: Vec<Argument<'a>>,
    pub(super) captured: Vec<f64>,
}

impl Call<'_> {
    /// The numbers of points.
    ///
    /// # Errors
    /// Those of [`Signature::check`].
    pub(super) fn sizes(&self) -> Result<Sizes, Error> {
        self.signature.check(&self.arguments)
    }

    /// The arrays as the driver takes them, for a reduction in orientation `O`.
    ///
    /// # Errors
    /// Those of [`Signature::check`].
    pub(super) fn problem<O: Orientation>(&self) -> Result<Problem<'_>, Error> {
        let sizes = self.sizes()?;
        let (mut i, mut j) = (Points::new(sizes.i), Points::new(sizes.j));
        let mut params = Vec::new();
        for (alias, argument) in self.signature.aliases.iter().zip(&self.arguments) {
            match argument {
                Argument::Points(points) if alias.category == Category::I => {
                    i.push(points.view(), alias.dim)
                }
                Argument::Points(points) => j.push(points.view(), alias.dim),
                Argument::Params(values) => params.extend_from_slice(values),
                Argument::Mismatch(_) => {}
            }
        }
        params.extend_from_slice(&self.captured);
        let (rows, columns) = if O::AXIS == 1 { (i, j) } else { (j, i) };
        Ok(Problem {
            rows,
            columns,
            params,
        })
    }
}

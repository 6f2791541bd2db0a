//! The arrays of a call, sorted by the side of the pairs that they belong to.

use super::Orientation;
use crate::Error;
use crate::cpu::{Points, Problem};
use crate::cuda::Resident;
use crate::input::{Argument, Input, Mismatch};
use crate::options::{CallOptions, Hardware};
use crate::ranges::Pattern;
use crate::signature::{Category, Signature, Sizes};
use ndarray::Array2;
use std::sync::Arc;

/// A formula's arrays and captured scalars, as they were bound.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(super) signature: &'static Signature,
    pub(super) arguments: Vec<Argument<'a>>,
    pub(super) captured: Vec<f64>,
    /// The variable that a system is solved for; its array is the right-hand side and no input of the kernel.
    pub(super) unknown: Option<usize>,
}

impl<'a> Call<'a> {
    /// The same call, as if its arrays lived shorter.
    pub(super) fn reborrow<'b>(&self) -> Call<'b>
    where
        'a: 'b,
    {
        Call {
            signature: self.signature,
            arguments: self.arguments.iter().map(Argument::reborrow).collect(),
            captured: self.captured.clone(),
            unknown: self.unknown,
        }
    }

    /// The number of points of a category according to its first variable, whatever the others say.
    pub(super) fn count(&self, category: Category) -> usize {
        let mut variables = self.signature.aliases.iter().zip(&self.arguments);
        let first = variables.find(|(alias, _)| alias.category == category);
        first.map_or(1, |(alias, argument)| match argument {
            Argument::Points(points) => points.rows(),
            Argument::Mismatch(Mismatch::Flat { length }) => length / alias.dim,
            Argument::Mismatch(Mismatch::Vector { length }) => *length,
            Argument::Params(_) | Argument::Mismatch(Mismatch::Params { .. }) => 1,
        })
    }

    /// The variables whose arrays are on devices, and these arrays.
    fn residents(&self) -> impl Iterator<Item = (&'static str, &Resident<'a>)> {
        let variables = self.signature.aliases.iter().zip(&self.arguments);
        variables.filter_map(|(alias, argument)| match argument {
            Argument::Points(Input::Device(array)) => Some((alias.name, array)),
            _ => None,
        })
    }

    /// The hardware to use: the device of an array that is on one.
    ///
    /// # Errors
    /// Those of [`CallOptions::resolve`], and [`Error::Backend`] if the arrays are on several devices or another hardware is chosen.
    pub(super) fn resolve(&self, options: &CallOptions) -> Result<Hardware, Error> {
        self.residents()
            .try_fold(options.resolve()?, |hardware, (name, array)| {
                hardware.with_resident(name, array)
            })
    }

    /// Refuses arrays on devices, for what is computed on the processor.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is one.
    pub(super) fn check_on_host(&self, what: &str) -> Result<(), Error> {
        self.residents().next().map_or(Ok(()), |(name, array)| {
            Err(Error::Backend {
                backend: format!("Cuda({})", array.ordinal()),
                reason: format!("{what} on the processor, and {name} is in the memory of the device; copy it to the host first"),
            })
        })
    }

    /// The numbers of points.
    ///
    /// # Errors
    /// Those of [`Signature::check`].
    pub(super) fn sizes(&self) -> Result<Sizes, Error> {
        self.signature.check(&self.arguments)
    }

    /// The arrays and ranges as the driver takes them, for a reduction in orientation `O`.
    ///
    /// # Errors
    /// Those of [`Signature::check`], and [`Error::Ranges`] if the ranges do not fit the points.
    pub(super) fn problem<O: Orientation>(
        &self,
        options: &CallOptions,
    ) -> Result<Problem<'a>, Error> {
        let sizes = self.sizes()?;
        let pattern = options.pattern(O::AXIS, sizes)?;
        Ok(self.with_unknown::<O>(sizes, pattern, None))
    }

    /// The same with these values for the unknown, where the kernel reads it.
    pub(super) fn with_unknown<'b, O: Orientation>(
        &self,
        sizes: Sizes,
        pattern: Option<Arc<Pattern>>,
        values: Option<Input<'b>>,
    ) -> Problem<'b>
    where
        'a: 'b,
    {
        let (mut i, mut j) = (Points::new(sizes.i), Points::new(sizes.j));
        let mut params = Vec::new();
        let variables = self.signature.aliases.iter().zip(&self.arguments);
        for (position, (alias, argument)) in variables.enumerate() {
            let mut push = |points: Input<'b>| {
                let side = if alias.category == Category::I {
                    &mut i
                } else {
                    &mut j
                };
                side.push(points, alias.dim);
            };
            match (argument, &values) {
                (_, None) if Some(position) == self.unknown => {}
                (_, Some(values)) if Some(position) == self.unknown => push(values.reborrow()),
                (Argument::Points(points), _) => push(points.reborrow()),
                (Argument::Params(values), _) => params.extend_from_slice(values),
                (Argument::Mismatch(_), _) => {}
            }
        }
        params.extend_from_slice(&self.captured);
        let (rows, columns) = if O::AXIS == 1 { (i, j) } else { (j, i) };
        Problem {
            rows,
            columns,
            params,
            formula: self.signature.formula,
            pattern,
            batch: None,
            symmetric: false,
            squares: None,
        }
    }

    /// Whether the variables that trade places when i and j are exchanged, those of [`Kernel::SYMMETRIC`](crate::kernel::Kernel::SYMMETRIC), hold the same points.
    pub(super) fn has_same_points(&self, symmetric: Option<&[(usize, usize)]>) -> bool {
        self.different_points(symmetric.unwrap_or_default())
            .is_none()
    }

    /// The first of these pairs of variables that hold different points.
    fn different_points(&self, pairs: &[(usize, usize)]) -> Option<(usize, usize)> {
        let different = |&(i, j): &(usize, usize)| match (&self.arguments[i], &self.arguments[j]) {
            (Argument::Points(a), Argument::Points(b)) => !a.same_points(b),
            _ => false,
        };
        pairs.iter().copied().find(different)
    }

    /// Looks for NaN and infinities in the arrays of the kernel.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first.
    pub(super) fn check_finite(&self) -> Result<(), Error> {
        for (position, (alias, argument)) in self
            .signature
            .aliases
            .iter()
            .zip(&self.arguments)
            .enumerate()
        {
            let values = match argument {
                _ if Some(position) == self.unknown => continue,
                Argument::Points(points) => points.to_f64()?,
                Argument::Params(values) => {
                    Array2::from_shape_fn((1, values.len()), |(_, k)| values[k])
                }
                Argument::Mismatch(_) => continue,
            };
            if let Some(((row, column), &value)) =
                values.indexed_iter().find(|(_, v)| !v.is_finite())
            {
                return Err(Error::NotFinite {
                    name: alias.name.to_owned(),
                    value,
                    row,
                    column,
                });
            }
        }
        let mut captured = self.captured.iter().enumerate();
        if let Some((column, &value)) = captured.find(|(_, value)| !value.is_finite()) {
            return Err(Error::NotFinite {
                name: "the captured scalars".to_owned(),
                value,
                row: 0,
                column,
            });
        }
        Ok(())
    }

    /// Whether the matrix of a kernel is symmetric with these arrays: the variables that trade places when i and j
    /// are exchanged, those of [`Kernel::SYMMETRIC`](crate::kernel::Kernel::SYMMETRIC), hold the same points, and so do the ranges.
    ///
    /// # Errors
    /// [`Error::DifferentPoints`] or [`Error::Ranges`] where they do not, and those of [`Signature::check`].
    pub(super) fn check_symmetry(
        &self,
        symmetric: Option<&[(usize, usize)]>,
        options: &CallOptions,
    ) -> Result<(), Error> {
        self.sizes()?;
        if let Some(ranges) = &options.ranges {
            ranges.check_symmetry()?;
        }
        match self.different_points(symmetric.unwrap_or_default()) {
            None => Ok(()),
            Some((i, j)) => {
                let name = |position: usize| self.signature.aliases[position].name.to_owned();
                Err(Error::DifferentPoints {
                    alias: name(i),
                    other: name(j),
                })
            }
        }
    }
}

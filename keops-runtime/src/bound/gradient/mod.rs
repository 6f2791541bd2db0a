//! Gradients of reductions.
//!
//! The compiler says what they are sums of (its module `gradients`); the expansion of a macro hands these formulas over one by
//! one, through [`Differentiable::gradients`], and what is done with them depends on the reduction: [`Sums`] or [`Selected`].

mod saved;
mod selected;
mod sums;

pub use saved::DifferentiableOperation;
pub(super) use saved::Saved;
pub(super) use sums::Sums;

use super::{Call, Orientation};
use crate::Error;
use crate::input::Element;
use crate::kernel::Kernel;
use crate::options::{CallOptions, Hardware};
use crate::ranges::Pattern;
use crate::signature::{Category, Sizes};
use ndarray::{Array2, ArrayView2, Axis, s};
use std::sync::Arc;

/// A formula with gradients by `N` of its variables, those that the option `grad = [..]` of a macro names.
#[diagnostic::on_unimplemented(
    message = "this formula was compiled without gradients",
    label = "it has no method `forward`",
    note = "name the variables to differentiate by after the formula, as in `grad = [x, b]`"
)]
pub trait Differentiable<const N: usize> {
    /// The positions of the variables.
    #[doc(hidden)]
    const VARIABLES: [usize; N];
    /// Hands over the formulas of the gradients that are not zero everywhere.
    #[doc(hidden)]
    fn gradients(visitor: &mut impl GradientFormulas) -> Result<(), Error>;
}

/// Takes the formulas of gradients.
#[doc(hidden)]
pub trait GradientFormulas {
    /// Takes a formula whose components are the gradients by `variables`, one after the other. With `O` = `Axis<1>` it is to
    /// be summed over j.
    fn add<K: Kernel, O: Orientation>(&mut self, variables: &[usize]) -> Result<(), Error>;
}

/// The reduction that is differentiated: its arrays, and how it was computed.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Pass<'a> {
    pub(super) call: Call<'a>,
    pub(super) sizes: Sizes,
    /// The axis that it ran over.
    pub(super) axis: usize,
    /// The pairs that it took, if not all.
    pub(super) pattern: Option<Arc<Pattern>>,
    pub(super) hardware: Hardware,
    pub(super) options: CallOptions,
}

impl Pass<'_> {
    /// The pairs that it took, for a reduction in orientation `O`.
    fn pattern<O: Orientation>(&self) -> Option<Arc<Pattern>> {
        let pattern = self.pattern.as_ref()?;
        // The other half of the ranges need not hold the same pairs.
        Some(if O::AXIS == self.axis {
            Arc::clone(pattern)
        } else {
            Arc::new(pattern.transposed())
        })
    }
}

/// Gradients by variables, in double precision.
struct Gradients<'p, 'a> {
    pass: &'p Pass<'a>,
    /// By the position of the variable.
    arrays: Vec<Option<Array2<f64>>>,
}

impl<'p, 'a> Gradients<'p, 'a> {
    fn new(pass: &'p Pass<'a>) -> Self {
        let arrays = vec![None; pass.call.signature.aliases.len()];
        Self { pass, arrays }
    }

    /// The dimension of a variable.
    fn dim(&self, variable: usize) -> usize {
        self.pass.call.signature.aliases[variable].dim
    }

    /// The dimensions of some variables together.
    fn width(&self, variables: &[usize]) -> usize {
        variables.iter().map(|&variable| self.dim(variable)).sum()
    }

    /// The gradient by a variable of which nothing is known: zeros in the shape of its array.
    fn zeros(&self, variable: usize) -> Result<Array2<f64>, Error> {
        let alias = &self.pass.call.signature.aliases[variable];
        let rows = match alias.category {
            Category::I => self.pass.sizes.i,
            Category::J => self.pass.sizes.j,
            Category::Param => 1,
        };
        super::operation::filled(ndarray::Ix2(rows, alias.dim), 0.0)
    }

    /// Takes the gradients by `variables`, side by side, one row for each point. Those by parameters are summed over the rows.
    fn set(&mut self, variables: &[usize], columns: ArrayView2<'_, f64>) {
        let mut first = 0;
        for &variable in variables {
            let next = first + self.dim(variable);
            let own = columns.slice(s![.., first..next]);
            let category = self.pass.call.signature.aliases[variable].category;
            self.arrays[variable] = Some(match category {
                Category::Param => sum_of_rows(own).insert_axis(Axis(0)),
                _ => own.to_owned(),
            });
            first = next;
        }
    }

    /// The gradients by the variables at these positions, rounded to the element type.
    fn rounded<T: Element, const N: usize>(
        mut self,
        variables: [usize; N],
    ) -> Result<[Array2<T>; N], Error> {
        for variable in variables {
            if self.arrays[variable].is_none() {
                self.arrays[variable] = Some(self.zeros(variable)?);
            }
        }
        Ok(variables.map(|variable| {
            let array = self.arrays[variable].take().unwrap_or_default();
            array.mapv_into_any(T::from_f64)
        }))
    }
}

/// Number of rows that are added one after the other.
const LEAF: usize = 64;

/// The sum of all rows, added pairwise, in an order that depends on their number alone.
fn sum_of_rows(rows: ArrayView2<'_, f64>) -> ndarray::Array1<f64> {
    if rows.nrows() <= LEAF {
        return rows.sum_axis(Axis(0));
    }
    let (first, second) = rows.split_at(Axis(0), rows.nrows() / 2);
    sum_of_rows(first) + sum_of_rows(second)
}

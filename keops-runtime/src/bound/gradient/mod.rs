//! Gradients of reductions.
//!
//! The compiler says what they are sums of (its module `gradients`); the expansion of a macro hands these formulas over one by
//! one, through [`Differentiable::gradients`], and what is done with them depends on the reduction: [`Sums`] or [`Selected`](selected::Selected).

mod pass;
mod saved;
mod selected;
mod sums;

pub(super) use pass::{Arrays, Pass};
pub use saved::DifferentiableOperation;
pub(super) use saved::Saved;
pub(super) use sums::{Beside, Sums};

use super::Orientation;
use crate::Error;
use crate::cpu::Problem;
use crate::input::Element;
use crate::kernel::Kernel;
use crate::memory::filled;
use crate::signature::Category;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Ix2, s};

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
    /// Of a symmetric system, pairs of variables: with each other's arrays in their places, the formulas give the gradients of the other
    /// side. Empty where they are the gradients of both sides as they are.
    #[doc(hidden)]
    const EXCHANGED: &'static [[usize; 2]];
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

/// Gradients by variables, in double precision.
struct Gradients<'p, 'a> {
    pass: &'p Pass<'a>,
    /// By the position of the variable: one row for each point, one for a parameter, and those of the elements of a batch one
    /// behind the other.
    arrays: Vec<Option<Array2<f64>>>,
}

impl<'p, 'a> Gradients<'p, 'a> {
    fn new(pass: &'p Pass<'a>) -> Self {
        let arrays = vec![None; pass.signature().aliases.len()];
        Self { pass, arrays }
    }

    /// The dimensions of some variables together.
    fn width(&self, variables: &[usize]) -> usize {
        let aliases = self.pass.signature().aliases;
        variables
            .iter()
            .map(|&variable| aliases[variable].dim)
            .sum()
    }

    /// The gradient by a variable of which nothing is known.
    fn zeros(&self, variable: usize) -> Result<Array2<f64>, Error> {
        let rows = self
            .pass
            .rows(variable)
            .saturating_mul(self.pass.elements());
        filled(Ix2(rows, self.pass.signature().aliases[variable].dim), 0.0)
    }

    /// Takes the gradients by `variables` that `compute` writes, side by side, for the problem that they are sums of, as those by
    /// `targets`.
    fn add(
        &mut self,
        problem: &Problem<'_>,
        variables: &[usize],
        targets: &[Option<usize>],
        compute: &mut dyn FnMut(ArrayViewMut2<'_, f64>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let width = self.width(variables);
        let mut out = filled(Ix2(problem.result_rows(), width), 0.0)?;
        compute(out.view_mut())?;
        self.set(variables, targets, out.view());
        Ok(())
    }

    /// Takes the gradients by `variables`, side by side, one row for each point, as those by `targets`. Those by parameters are summed over the
    /// rows.
    fn set(
        &mut self,
        variables: &[usize],
        targets: &[Option<usize>],
        columns: ArrayView2<'_, f64>,
    ) {
        let mut first = 0;
        for (&variable, &target) in variables.iter().zip(targets) {
            let alias = &self.pass.signature().aliases[variable];
            let own = columns.slice(s![.., first..first + alias.dim]);
            first += alias.dim;
            let Some(target) = target else {
                continue;
            };
            self.arrays[target] = Some(match alias.category {
                Category::Param => sums_of_rows(own, self.pass.elements()),
                _ => own.to_owned(),
            });
        }
    }

    /// The gradients by the variables at these positions.
    fn finish<const N: usize>(mut self, variables: [usize; N]) -> Result<[Array2<f64>; N], Error> {
        for variable in variables {
            if self.arrays[variable].is_none() {
                self.arrays[variable] = Some(self.zeros(variable)?);
            }
        }
        Ok(variables.map(|variable| self.arrays[variable].take().unwrap_or_default()))
    }
}

/// Gradients rounded to the element type.
pub(super) fn rounded<T: Element, const N: usize>(gradients: [Array2<f64>; N]) -> [Array2<T>; N] {
    gradients.map(|gradient| gradient.mapv_into_any(T::from_f64))
}

/// The sum of the rows of each of so many parts of equal length.
fn sums_of_rows(rows: ArrayView2<'_, f64>, parts: usize) -> Array2<f64> {
    let length = rows.nrows().checked_div(parts).unwrap_or(0);
    let mut sums = Array2::zeros((parts, rows.ncols()));
    for (part, mut sum) in sums.rows_mut().into_iter().enumerate() {
        let rows = rows.slice(s![part * length..(part + 1) * length, ..]);
        sum.assign(&sum_of_rows(rows));
    }
    sums
}

/// Number of rows that are added one after the other.
const LEAF: usize = 64;

/// The sum of all rows, added pairwise, in an order that depends on their number alone.
fn sum_of_rows(rows: ArrayView2<'_, f64>) -> Array1<f64> {
    if rows.nrows() <= LEAF {
        return rows.sum_axis(Axis(0));
    }
    let (first, second) = rows.split_at(Axis(0), rows.nrows() / 2);
    sum_of_rows(first) + sum_of_rows(second)
}

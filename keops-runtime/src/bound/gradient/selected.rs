//! Gradients of minima and maxima: only the pairs that they select contribute.

use super::{Differentiable, GradientFormulas, Gradients, Pass};
use crate::Error;
use crate::bound::Orientation;
use crate::cpu::{Problem, diagonal};
use crate::input::{Element, Input};
use crate::kernel::Kernel;
use crate::signature::Category;
use ndarray::{Array2, ArrayView2, s};

/// A component of a pair that a reduction selected, and the `e` of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) component: usize,
    pub(super) e: f64,
}

/// Number of pairs that are gathered at once.
const GATHERED: usize = 1 << 16;

/// Sums gradients over selected pairs, in double precision and in the order of the pairs.
pub(super) struct Selected<'p, 'a> {
    gradients: Gradients<'p, 'a>,
    chosen: &'p [Chosen],
}

impl<'p, 'a> Selected<'p, 'a> {
    /// The gradients by the variables of `K`.
    pub(super) fn compute<T: Element, K: Differentiable<N>, const N: usize>(
        pass: &'p Pass<'a>,
        chosen: &'p [Chosen],
    ) -> Result<[Array2<T>; N], Error> {
        let gradients = Gradients::new(pass);
        let mut selected = Self { gradients, chosen };
        K::gradients(&mut selected)?;
        selected.gradients.rounded(K::VARIABLES)
    }

    /// Adds the gradients at some pairs, side by side as the components of `values`.
    fn scatter(&mut self, variables: &[usize], chosen: &[Chosen], values: ArrayView2<'_, f64>) {
        let pass = self.gradients.pass;
        let mut first = 0;
        for &variable in variables {
            let alias = &pass.call.signature.aliases[variable];
            let own = values.slice(s![.., first..first + alias.dim]);
            first += alias.dim;
            let Some(total) = &mut self.gradients.arrays[variable] else {
                continue;
            };
            for (pair, value) in chosen.iter().zip(own.rows()) {
                let point = match (alias.category, pass.axis) {
                    (Category::Param, _) => 0,
                    (Category::I, 1) | (Category::J, 0) => pair.row,
                    _ => pair.column,
                };
                let mut total = total.row_mut(point);
                total += &value;
            }
        }
    }
}

impl GradientFormulas for Selected<'_, '_> {
    fn add<K: Kernel, O: Orientation>(&mut self, variables: &[usize]) -> Result<(), Error> {
        let pass = self.gradients.pass;
        for &variable in variables {
            self.gradients.arrays[variable] = Some(self.gradients.zeros(variable)?);
        }
        let problem = pass.call.with_unknown::<O>(pass.sizes, None, None);
        let components = pass.call.signature.out_dim;
        let width = self.gradients.width(variables);
        for chosen in self.chosen.chunks(GATHERED) {
            let pick = |index: fn(&Chosen) -> usize| chosen.iter().map(index).collect::<Vec<_>>();
            let rows = problem.rows.select(&pick(|pair| pair.row));
            let columns = problem.columns.select(&pick(|pair| pair.column));
            let mut e = Array2::zeros((chosen.len(), components));
            for (n, pair) in chosen.iter().enumerate() {
                e[(n, pair.component)] = pair.e;
            }
            let mut pairs = Problem {
                rows: rows.points(),
                columns: columns.points(),
                params: problem.params.clone(),
                formula: problem.formula,
                pattern: None,
                batch: None,
            };
            pairs.rows.push(Input::F64(e.view()), components);
            let mut values = Array2::zeros((chosen.len(), width));
            if let Some(values) = values.as_slice_mut() {
                diagonal::<O::Pairing<K>>(&pairs, values);
            }
            self.scatter(variables, chosen, values.view());
        }
        Ok(())
    }
}

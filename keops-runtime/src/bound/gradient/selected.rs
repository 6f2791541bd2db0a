//! Gradients of minima and maxima: only the pairs that they select contribute.

use super::{Differentiable, GradientFormulas, Gradients, Pass};
use crate::Error;
use crate::bound::Orientation;
use crate::cpu::{PairsCode, Problem, diagonal};
use crate::input::Input;
use crate::kernel::Kernel;
use crate::signature::Category;
use ndarray::{Array2, ArrayView2, s};

/// A component of a pair that a reduction selected, and the `e` of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    /// The row of the value; those of the elements of a batch stand one behind the other.
    pub(super) row: usize,
    /// The column within the element.
    pub(super) column: usize,
    pub(super) component: usize,
    pub(super) e: f64,
}

/// Number of pairs that are gathered at once.
const GATHERED: usize = 1 << 16;

/// Sums gradients over selected pairs, in double precision and in the order of the pairs.
pub(super) struct Selected<'p, 'a> {
    gradients: Gradients<'p, 'a>,
    /// By row.
    chosen: &'p [Chosen],
}

impl<'p, 'a> Selected<'p, 'a> {
    /// The gradients by the variables of `K`.
    pub(super) fn compute<K: Differentiable<N>, const N: usize>(
        pass: &'p Pass<'a>,
        chosen: &'p [Chosen],
    ) -> Result<[Array2<f64>; N], Error> {
        let gradients = Gradients::new(pass);
        let mut selected = Self { gradients, chosen };
        K::gradients(&mut selected)?;
        selected.gradients.finish(K::VARIABLES)
    }

    /// Adds the gradients at some pairs of an element, side by side as the components of `values`.
    fn scatter(
        &mut self,
        variables: &[usize],
        element: usize,
        chosen: &[Chosen],
        values: ArrayView2<'_, f64>,
    ) {
        let pass = self.gradients.pass;
        let mut first = 0;
        for &variable in variables {
            let alias = &pass.signature().aliases[variable];
            let own = values.slice(s![.., first..first + alias.dim]);
            first += alias.dim;
            let Some(total) = &mut self.gradients.arrays[variable] else {
                continue;
            };
            for (pair, value) in chosen.iter().zip(own.rows()) {
                let point = match (alias.category, pass.axis) {
                    (Category::Param, _) => element,
                    (Category::I, 1) | (Category::J, 0) => pair.row,
                    _ => element * pass.rows(variable) + pair.column,
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
        let components = pass.signature().out_dim;
        let width = self.gradients.width(variables);
        let value_rows = pass.value_rows();
        let element_of = |pair: &Chosen| pair.row.checked_div(value_rows).unwrap_or(0);
        let same_element = |a: &Chosen, b: &Chosen| element_of(a) == element_of(b);
        for of_element in self.chosen.chunk_by(same_element) {
            let element = of_element.first().map_or(0, element_of);
            let call = pass.call(element);
            let problem = call.with_unknown::<O>(pass.sizes, None, None);
            let before = element * value_rows;
            for chosen in of_element.chunks(GATHERED) {
                let rows: Vec<usize> = chosen.iter().map(|pair| pair.row - before).collect();
                let columns: Vec<usize> = chosen.iter().map(|pair| pair.column).collect();
                let (rows, columns) = (
                    problem.rows.select(&rows)?,
                    problem.columns.select(&columns)?,
                );
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
                    symmetric: false,
                    squares: None,
                };
                pairs.rows.push(Input::F64(e.view()), components);
                let mut values = Array2::zeros((chosen.len(), width));
                if let Some(values) = values.as_slice_mut() {
                    diagonal(const { &PairsCode::of::<O::Pairing<K>>() }, &pairs, values);
                }
                self.scatter(variables, element, chosen, values.view());
            }
        }
        Ok(())
    }
}

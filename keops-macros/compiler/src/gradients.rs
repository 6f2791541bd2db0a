//! Gradients of reductions, as formulas of their own.
//!
//! Let `r_i` be the reduction over j of the terms `F(i, j)`. The gradient of `sum_i e_i . r_i` by a variable v is
//!
//! ```text
//! sum over the pairs (i, j) that v takes part in of (dF/dv)^T w(i, j)
//! ```
//!
//! where the *adjoint* `w` of a term depends on the reduction:
//!
//! | reduction | adjoint |
//! |---|---|
//! | `Sum` | `e_i` |
//! | `LogSumExp` | `exp(F - r_i) e_i` |
//! | `LogSumExp` of `f` with weights `g` | `w = exp(f - r_i) e_i` for `g`, `w . g` for `f` |
//! | `SumSoftMaxWeight` of `f` and `g` | `w = exp(f - l_i) e_i` for `g`, `w . (g - r_i)` for `f`, where `l_i` is the log-sum-exp of `f` |
//! | minima and maxima | `e_i` at the pairs that they select, 0 elsewhere |
//!
//! So it is a sum of a formula with `e`, `r` and `l` as further variables of the rows, which is simplified, lowered and emitted as any
//! other. Variables of i and of j need sums over different indices; those of one side share a kernel, and with it all that their
//! gradients have in common.

use crate::alias::Category;
use crate::dag::{Dag, Node};
use crate::differentiate::gradient;
use crate::distance::Distance;
use crate::formula::{Formula, where_weightless};
use crate::lower::lower;
use crate::ops::{ADD, CONCAT, EXP, MULT, SCALPROD, SUBTRACT};
use crate::reduction::Reduction;
use crate::stages::{Program, split};

/// The gradients by some of the variables, as one formula.
pub struct GradientFormula {
    /// Positions of the variables, in the order of the components; none of their gradients is zero everywhere.
    pub variables: Vec<usize>,
    /// Whether it is to be summed over j (one row for each i) or over i. A parameter takes the sum of these rows.
    pub over_j: bool,
    /// The formula. On the side of the rows of the reduction it reads `e` after all other variables, and then what the forward
    /// pass left: the log-sum-exps of [`Reduction::LogSumExp`], in two parts, or means and log-sum-exps of [`Reduction::SumSoftMaxWeight`].
    pub program: Program,
    /// The same as a function of a squared distance, if it is one.
    pub distance: Option<Distance>,
}

impl Formula {
    /// The gradients of a reduction of this formula over j, or over i, by the variables at these positions. A variable on
    /// which the formula does not depend occurs in none of the results.
    ///
    /// # Errors
    /// If an operation has no derivative, or the reduction gives indices.
    pub fn gradients(
        &self,
        reduction: Reduction,
        over_j: bool,
        variables: &[usize],
    ) -> Result<Vec<GradientFormula>, String> {
        let mut dag = self.dag().clone();
        let rows = if over_j { Category::I } else { Category::J };
        let terms = self.terms(&mut dag, reduction, rows)?;
        let mut gradients = Vec::new();
        for &position in variables {
            let variable = dag.variable(position);
            let mut total = dag.zero(dag.dim(variable));
            for &(f, adjoint) in &terms {
                let part = gradient(&mut dag, f, variable, adjoint)?;
                total = dag.apply(&ADD, &[total, part]);
            }
            if !dag.is_zero(total) {
                let category = dag.variables()[position].category;
                gradients.push((position, category, total));
            }
        }
        // Selected pairs are no sums over either index, and parameters go with a variable of a side, if there is one.
        let selects = reduction.selects();
        let has = |side| gradients.iter().any(|&(_, category, _)| category == side);
        let params_with_rows = has(rows) || !has(rows.exchanged());
        let with_rows = |category| match category {
            Category::Param => params_with_rows,
            _ => category == rows,
        };
        let (own, other): (Vec<_>, Vec<_>) = gradients
            .iter()
            .partition(|&&(_, category, _)| selects || with_rows(category));
        let formulas = [(own, over_j), (other, !over_j)];
        let formulas = formulas.into_iter().filter(|(parts, _)| !parts.is_empty());
        Ok(formulas
            .map(|(parts, over_j)| together(&mut dag, &parts, over_j))
            .collect())
    }

    /// The formulas that make up a term, each with its adjoint.
    fn terms(
        &self,
        dag: &mut Dag,
        reduction: Reduction,
        rows: Category,
    ) -> Result<Vec<(Node, Node)>, String> {
        let root = self.root();
        let dim = match self.weighted() {
            Some((_, weights)) => dag.dim(weights),
            None => dag.dim(root),
        };
        let e = dag.fresh_variable(rows, dim);
        match (reduction, self.weighted()) {
            (Reduction::Sum, None) => Ok(vec![(root, e)]),
            (reduction, None) if reduction.selects() => Ok(vec![(root, e)]),
            (Reduction::LogSumExp, None) => {
                let softmax = softmax(dag, root, rows, dim);
                Ok(vec![(root, dag.apply(&MULT, &[softmax, e]))])
            }
            (Reduction::LogSumExp, Some((f, g))) => {
                let softmax = softmax(dag, f, rows, dim);
                let adjoint = dag.apply(&MULT, &[softmax, e]);
                let along = dag.apply(&SCALPROD, &[adjoint, g]);
                // The exponential of a term of no weight may be infinite.
                let zero = dag.zero(1);
                let along = where_weightless(dag, g, zero, along);
                Ok(vec![(g, adjoint), (f, along)])
            }
            (Reduction::SumSoftMaxWeight, Some((f, g))) => {
                let mean = dag.fresh_variable(rows, dim);
                let softmax = softmax(dag, f, rows, 1);
                let adjoint = dag.apply(&MULT, &[softmax, e]);
                let deviation = dag.apply(&SUBTRACT, &[g, mean]);
                let along = dag.apply(&SCALPROD, &[e, deviation]);
                Ok(vec![(g, adjoint), (f, dag.apply(&MULT, &[softmax, along]))])
            }
            (reduction, _) => Err(format!("{} has no gradient", reduction.name())),
        }
    }
}

/// `exp(f - r)` for logarithms `r` of so many components, which are further variables of the rows: the nearest numbers of the type of the evaluation, and
/// what is left. The first difference is exact where it matters, so that the shares of a sum add up to 1 however large its exponents are.
fn softmax(dag: &mut Dag, f: Node, rows: Category, dim: usize) -> Node {
    let [nearest, rest] = [(); 2].map(|()| dag.fresh_variable(rows, dim));
    let mut difference = dag.apply(&SUBTRACT, &[f, nearest]);
    difference = dag.apply(&SUBTRACT, &[difference, rest]);
    dag.apply(&EXP, &[difference])
}

/// Gradients one after the other, as one formula.
fn together(dag: &mut Dag, parts: &[(usize, Category, Node)], over_j: bool) -> GradientFormula {
    let whole = parts.iter().map(|&(.., node)| node);
    let root = whole
        .reduce(|first, second| dag.apply(&CONCAT, &[first, second]))
        .unwrap_or_else(|| unreachable!("a formula of no gradient"));
    GradientFormula {
        variables: parts.iter().map(|&(position, ..)| position).collect(),
        over_j,
        program: split(&lower(dag, root), dag.dim(root)),
        distance: Distance::of(dag, root),
    }
}

//! Random differential constructs, and formulas that are linear for those that take such.

use keops_compiler::ast::{Expr, ExprKind};

use crate::generate::{Generator, VARIABLES, Variable, call, expr, integer, name};
use crate::reference;

/// Variables that formulas are differentiated by, and no others: the reference takes a differentiation for each component.
const LARGEST_OF_DERIVATIVES: usize = 4;

impl Generator<'_> {
    /// A differential construct whose value has dimension `dim`.
    pub(crate) fn construct(&mut self, height: usize, order: usize, dim: usize) -> Expr {
        let Some(by) = self.variable(None) else {
            return self.leaf(dim);
        };
        let names = [
            "Grad",
            "Grad",
            "Grad",
            "Diff",
            "Diff",
            "GradMatrix",
            "Divergence",
            "Laplacian",
            "TraceOperator",
            "AdjointOperator",
            "SumLinOperator",
            "Factorize",
            "AutoFactorize",
        ];
        let construct = *self.random.pick(&names);
        let Some(inner) = order.checked_sub(reference::order(construct)) else {
            return self.operation(height, order, dim);
        };
        let small = 1 + self.random.below(3);
        match construct {
            "Grad" => {
                let Some(by) = self.variable(Some(dim)) else {
                    return self.operation(height, order, dim);
                };
                let f = self.depending(by, height, inner, small);
                let mut args = vec![f, name(by)];
                if small > 1 || self.random.one_in(2) {
                    args.push(self.expr(height - 1, order, small));
                }
                call("Grad", args)
            }
            "Diff" => {
                let f = self.depending(by, height, inner, dim);
                let direction = self.expr(height - 1, order, by.1);
                let other = self.variable(None).filter(|_| self.random.one_in(3));
                let (variables, directions) = match other {
                    None => (name(by), direction),
                    Some(other) => {
                        let second = self.expr(height - 1, order, other.1);
                        let lists = [vec![name(by), name(other)], vec![direction, second]];
                        let [variables, directions] = lists.map(|list| expr(ExprKind::List(list)));
                        (variables, directions)
                    }
                };
                call("Diff", vec![f, variables, directions])
            }
            "GradMatrix" if dim.is_multiple_of(by.1) && dim / by.1 <= LARGEST_OF_DERIVATIVES => {
                let f = self.depending(by, height, inner, dim / by.1);
                call("GradMatrix", vec![f, name(by)])
            }
            "Divergence" if dim == 1 => {
                let f = self.depending(by, height, inner, by.1);
                call("Divergence", vec![f, name(by)])
            }
            "Laplacian" if dim == 1 => {
                let f = self.depending(by, height, inner, 1);
                call("Laplacian", vec![f, name(by)])
            }
            "TraceOperator" if dim == 1 => {
                let l = self.linear(by, height, order, by.1);
                call("TraceOperator", vec![l, name(by)])
            }
            "AdjointOperator" => {
                let Some(by) = self.variable(Some(dim)) else {
                    return self.operation(height, order, dim);
                };
                let l = self.linear(by, height, order, small);
                let direction = self.expr(height - 1, order, small);
                call("AdjointOperator", vec![l, name(by), direction])
            }
            "SumLinOperator" if dim == 1 => {
                let l = self.linear(by, height, order, small);
                let mut args = vec![l, name(by)];
                for weights in [small, by.1].into_iter().take(self.random.below(3)) {
                    args.push(self.expr(height - 1, order, weights));
                }
                call("SumLinOperator", args)
            }
            "Factorize" => {
                let f = self.expr(height - 1, order, dim);
                let part = self.expr(height - 1, order, small);
                call("Factorize", vec![f, part])
            }
            "AutoFactorize" => {
                let f = self.expr(height - 1, order, dim);
                call("AutoFactorize", vec![f])
            }
            _ => self.operation(height, order, dim),
        }
    }

    /// A variable to differentiate by, of this dimension.
    fn variable(&mut self, dim: Option<usize>) -> Option<Variable> {
        let fitting: Vec<Variable> = VARIABLES
            .iter()
            .map(|&(name, _, own)| (name, own))
            .filter(|&(_, own)| own <= LARGEST_OF_DERIVATIVES && dim.is_none_or(|dim| dim == own))
            .collect();
        (!fitting.is_empty()).then(|| *self.random.pick(&fitting))
    }

    /// A formula that probably depends on a variable.
    fn depending(&mut self, on: Variable, height: usize, order: usize, dim: usize) -> Expr {
        let before = self.favourite.replace(on);
        let formula = self.expr(height - 1, order, dim);
        self.favourite = before;
        formula
    }

    /// A formula that is linear in a variable.
    fn linear(&mut self, variable: Variable, height: usize, order: usize, dim: usize) -> Expr {
        if self.random.one_in(16) {
            // It is to be rejected, unless it happens to be linear.
            return self.depending(variable, height, order, dim);
        }
        if height <= 1 || self.random.one_in(5) {
            return self.resized(variable, dim);
        }
        let height = height - 1;
        let choice = self.random.below(13);
        let inner_dim = match choice {
            // Operations that change the dimension.
            9 => dim * *self.random.pick(&[1, 2]),
            10 => dim + 1,
            _ => dim,
        };
        let inner = self.linear(variable, height, order, inner_dim);
        let before = self.avoided.replace(variable);
        let factor = |generator: &mut Self, dim: usize| generator.expr(height - 1, order, dim);
        let whole = dim as i64;
        let formula = match choice {
            0 => call("Mult", vec![factor(self, 1), inner]),
            1 => call("Mult", vec![inner, factor(self, dim)]),
            2 => call("Divide", vec![inner, factor(self, dim)]),
            3 => expr(ExprKind::Neg(Box::new(inner))),
            4 => call(
                "Add",
                vec![inner, self.linear(variable, height, order, dim)],
            ),
            5 => call(
                "Subtract",
                vec![self.linear(variable, height, order, dim), inner],
            ),
            6 => {
                let condition = factor(self, dim);
                call(
                    "IfElse",
                    vec![condition, inner, self.linear(variable, height, order, dim)],
                )
            }
            7 if dim > 1 => {
                let first = self.linear(variable, height, order, 1);
                let rest = call("Extract", vec![inner, integer(1), integer(whole - 1)]);
                call("Concat", vec![rest, first])
            }
            8 if dim == 1 => {
                let dim = self.dim();
                call(
                    "Scalprod",
                    vec![factor(self, dim), self.linear(variable, height, order, dim)],
                )
            }
            9 if inner_dim <= 6 => {
                let matrix = factor(self, dim * inner_dim);
                let product = [("MatVecMult", [0, 1]), ("VecMatMult", [1, 0])];
                let (name, order) = *self.random.pick(&product);
                let args = [matrix, inner];
                call(name, order.iter().map(|&n| args[n].clone()).collect())
            }
            10 => call("Extract", vec![inner, integer(1), integer(whole)]),
            11 if dim.is_multiple_of(2) => call("ComplexMult", vec![factor(self, 2), inner]),
            12 if order > 0 && dim <= LARGEST_OF_DERIVATIVES => {
                // A gradient is linear in its direction, and a differential too.
                let by = self.variable(Some(dim)).filter(|&by| by != variable);
                match by {
                    None => inner,
                    Some(by) => {
                        let f = self.depending(by, height, order - 1, dim);
                        let construct = if self.random.one_in(2) {
                            "Grad"
                        } else {
                            "Diff"
                        };
                        call(construct, vec![f, name(by), inner])
                    }
                }
            }
            _ if inner_dim == dim => inner,
            _ => call("Extract", vec![inner, integer(0), integer(whole)]),
        };
        self.avoided = before;
        formula
    }
}

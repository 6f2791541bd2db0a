//! Random formulas that are well-formed: dimensions are chosen first, and operations that accept them.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::ast::{BinaryOp, Expr, ExprKind, Span};
use keops_compiler::ops::{self, Op, Param, ParamKind, ParamValues};

use crate::random::Random;
use crate::reference;

/// Loops are unrolled up to dimension 8.
pub(crate) const VARIABLES: &[(&str, Category, usize)] = &[
    ("s", Category::I, 1),
    ("t", Category::J, 1),
    ("g", Category::Param, 1),
    ("p", Category::I, 2),
    ("q", Category::J, 2),
    ("x", Category::I, 3),
    ("y", Category::J, 3),
    ("w", Category::Param, 3),
    ("z", Category::I, 4),
    ("m", Category::Param, 6),
    ("u", Category::I, 10),
    ("v", Category::J, 10),
];

/// The dimensions that formulas inside others have.
const DIMS: [usize; 12] = [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 6, 10];

/// Variables that formulas are differentiated by, and no others: the reference takes a differentiation for each component.
const LARGEST_OF_DERIVATIVES: usize = 4;

pub(crate) fn aliases() -> Vec<Alias> {
    let alias = |&(name, category, dim): &(&str, Category, usize)| Alias {
        name: name.to_owned(),
        category,
        dim,
    };
    VARIABLES.iter().map(alias).collect()
}

type Variable = (&'static str, usize);

/// Makes formulas from random numbers.
pub(crate) struct Generator<'a> {
    pub(crate) random: &'a mut Random,
    /// The variable that others are differentiated by, which is to occur.
    favourite: Option<Variable>,
    /// The variable that is not to occur, so that a formula is linear in it.
    avoided: Option<Variable>,
}

impl Generator<'_> {
    pub(crate) fn new(random: &mut Random) -> Generator<'_> {
        Generator {
            random,
            favourite: None,
            avoided: None,
        }
    }

    /// A formula of up to `height` operations on top of each other, differentiated up to `order` times.
    pub(crate) fn formula(&mut self, height: usize, order: usize) -> Expr {
        let dim = self.dim();
        self.expr(height, order, dim)
    }

    fn dim(&mut self) -> usize {
        *self.random.pick(&DIMS)
    }

    fn expr(&mut self, height: usize, order: usize, dim: usize) -> Expr {
        if height == 0 || self.random.one_in(8) {
            return self.leaf(dim);
        }
        match self.random.below(8) {
            0..4 if order > 0 => self.construct(height, order, dim),
            4 | 5 => self.operator(height, order, dim),
            _ => self.operation(height, order, dim),
        }
    }

    fn leaf(&mut self, dim: usize) -> Expr {
        if let Some(favourite) = self.favourite
            && Some(favourite) != self.avoided
            && !self.random.one_in(3)
        {
            return self.resized(favourite, dim);
        }
        if dim == 1 && self.random.one_in(4) {
            return self.number();
        }
        let fitting: Vec<Variable> = VARIABLES
            .iter()
            .map(|&(name, _, own)| (name, own))
            .filter(|&(name, own)| own == dim && self.avoided != Some((name, own)))
            .collect();
        if fitting.is_empty() {
            let scalar = self.leaf(1);
            return call("SumT", vec![scalar, integer(dim as i64)]);
        }
        name(*self.random.pick(&fitting))
    }

    fn number(&mut self) -> Expr {
        if self.random.one_in(2) {
            return integer(self.random.below(4) as i64);
        }
        let value = self.random.below(17) as f64 / 8.0;
        literal(value, None)
    }

    /// A variable as a vector of dimension `dim`, linear in it.
    fn resized(&mut self, variable: Variable, dim: usize) -> Expr {
        let own = variable.1;
        let v = name(variable);
        match (own, dim) {
            _ if own == dim => v,
            (_, 1) if self.random.one_in(2) => call("Sum", vec![v]),
            (_, 1) => call("Elem", vec![v, integer(self.random.below(own) as i64)]),
            (1, _) => call("SumT", vec![v, integer(dim as i64)]),
            _ if own > dim => {
                let start = self.random.below(own - dim + 1) as i64;
                call("Extract", vec![v, integer(start), integer(dim as i64)])
            }
            _ => {
                let start = self.random.below(dim - own + 1) as i64;
                call("ExtractT", vec![v, integer(start), integer(dim as i64)])
            }
        }
    }

    /// An operator between two formulas.
    fn operator(&mut self, height: usize, order: usize, dim: usize) -> Expr {
        if self.random.one_in(6) {
            let inner = self.expr(height - 1, order, dim);
            return expr(ExprKind::Neg(Box::new(inner)));
        }
        let mut op = *self.random.pick(&BinaryOp::ALL);
        if op == BinaryOp::Scalprod && dim != 1 {
            op = BinaryOp::Mul;
        }
        let common = if op == BinaryOp::Scalprod {
            self.dim()
        } else {
            dim
        };
        let mut dims = [common; 2];
        if self.random.one_in(3) {
            dims[self.random.below(2)] = 1;
        }
        let left = self.expr(height - 1, order, dims[0]);
        let right = match op {
            BinaryOp::Pow if self.random.one_in(2) => integer(self.random.below(6) as i64 - 2),
            _ => self.expr(height - 1, order, dims[1]),
        };
        let op_span = Span::new(0, 0);
        let [left, right] = [left, right].map(Box::new);
        expr(ExprKind::Binary {
            op,
            op_span,
            left,
            right,
        })
    }

    /// An operation of the table whose result has dimension `dim`.
    fn operation(&mut self, height: usize, order: usize, dim: usize) -> Expr {
        let all: Vec<&Op> = ops::all().collect();
        for _ in 0..40 {
            let op = *self.random.pick(&all);
            for _ in 0..12 {
                let (dims, params) = self.form(op, dim);
                if (op.dim)(&dims, &params) != Ok(dim) {
                    continue;
                }
                // Time warping is the minimum over all alignments in the reference.
                if op.name == "SoftDTW_SqDist" && dims[0].max(dims[1]) > 4 {
                    continue;
                }
                let left_out = self.random.below(op.optional + 1);
                let count = dims.len() - left_out;
                let mut args: Vec<Expr> = dims[..count]
                    .iter()
                    .map(|&dim| self.expr(height - 1, order, dim))
                    .collect();
                if op.name == "BSpline" {
                    args[0] = self.knots(dims[0]);
                }
                if left_out == 0 {
                    args.extend(params.iter().map(written));
                }
                return call(op.name, args);
            }
        }
        self.leaf(dim)
    }

    /// Dimensions and parameters that an operation might accept for a result of dimension `dim`.
    fn form(&mut self, op: &Op, dim: usize) -> (Vec<usize>, Vec<Param>) {
        let mut dims: Vec<usize> = Vec::new();
        for _ in op.args {
            let candidates = [
                1,
                dim,
                dim,
                self.dim(),
                dims.first().copied().unwrap_or(dim),
            ];
            dims.push(*self.random.pick(&candidates));
        }
        let mut params = Vec::new();
        for kind in op.params {
            if kind.optional && self.random.one_in(2) {
                break;
            }
            params.push(self.param(kind, &dims, dim));
        }
        (dims, params)
    }

    fn param(&mut self, kind: &ParamKind, dims: &[usize], dim: usize) -> Param {
        match (kind.name, kind.values) {
            ("dimsf", _) => Param::List(self.shape(dims[0])),
            ("dimsg", _) => Param::List(self.shape(dims[1])),
            (_, ParamValues::Integers) => {
                let mut axes: Vec<i64> = (0..3).collect();
                while axes.len() > 2 || self.random.one_in(2) && !axes.is_empty() {
                    axes.remove(self.random.below(axes.len()));
                }
                if self.random.one_in(2) {
                    axes.reverse();
                }
                Param::List(axes)
            }
            (_, ParamValues::Integer) => {
                let candidates = [
                    dim as i64,
                    self.random.below(4) as i64,
                    self.random.below(9) as i64 - 3,
                ];
                Param::Int(*self.random.pick(&candidates))
            }
            (_, ParamValues::Number) => {
                let half = self.random.below(11) as f64 / 2.0 - 1.0;
                let candidates = [half, half + 0.25, self.random.below(70) as f64 / 10.0];
                Param::of_number(*self.random.pick(&candidates))
            }
        }
    }

    /// A shape of so many components.
    fn shape(&mut self, dim: usize) -> Vec<i64> {
        let divisors: Vec<usize> = (1..=dim).filter(|n| dim.is_multiple_of(*n)).collect();
        let first = *self.random.pick(&divisors);
        match self.random.below(3) {
            0 => vec![dim as i64],
            1 => vec![first as i64, (dim / first) as i64],
            _ => vec![1, first as i64, (dim / first) as i64],
        }
    }

    /// Knots in ascending order: differences of random signs would leave splines undefined.
    fn knots(&mut self, dim: usize) -> Expr {
        let mut at = -1.0;
        let mut knots: Option<Expr> = None;
        for _ in 0..dim {
            // Some of them are equal.
            at += self.random.below(4) as f64 / 4.0;
            let knot = match at {
                at if at < 0.0 => expr(ExprKind::Neg(Box::new(literal(-at, None)))),
                at => literal(at, None),
            };
            knots = Some(match knots {
                None => knot,
                Some(before) => call("Concat", vec![before, knot]),
            });
        }
        let knots = knots.unwrap_or_else(|| self.leaf(dim));
        let scale = self.leaf(1);
        let stretched = call("Mult", vec![call("Exp", vec![scale.clone()]), knots]);
        call("Add", vec![scale, stretched])
    }

    /// A differential construct whose value has dimension `dim`.
    fn construct(&mut self, height: usize, order: usize, dim: usize) -> Expr {
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

fn expr(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::new(0, 0))
}

fn name((name, _): Variable) -> Expr {
    expr(ExprKind::Name(name.to_owned()))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let (name, name_span) = (name.to_owned(), Span::new(0, 0));
    expr(ExprKind::Call {
        name,
        name_span,
        args,
    })
}

fn literal(value: f64, integer: Option<i64>) -> Expr {
    expr(ExprKind::Number { value, integer })
}

fn integer(n: i64) -> Expr {
    let number = literal(n.abs() as f64, Some(n.abs()));
    if n < 0 {
        expr(ExprKind::Neg(Box::new(number)))
    } else {
        number
    }
}

fn written(param: &Param) -> Expr {
    match param {
        Param::Int(n) => integer(*n),
        Param::List(list) => expr(ExprKind::List(list.iter().map(|&n| integer(n)).collect())),
        Param::Number(_) if param.number() < 0.0 => {
            expr(ExprKind::Neg(Box::new(literal(-param.number(), None))))
        }
        Param::Number(_) => literal(param.number(), None),
    }
}

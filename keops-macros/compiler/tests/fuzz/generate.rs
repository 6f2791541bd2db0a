//! Random formulas that are well-formed: dimensions are chosen first, and operations that accept them.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::ast::{BinaryOp, Expr, ExprKind, Span};
use keops_compiler::ops::{self, Op, Param, ParamKind, ParamValues};

use crate::random::Random;

/// Loops are unrolled up to dimension 8; the last variable is a matrix of two of them.
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
    ("h", Category::I, 90),
];

/// The dimensions that formulas inside others have.
const DIMS: [usize; 13] = [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 6, 9, 10];

pub(crate) fn aliases() -> Vec<Alias> {
    let alias = |&(name, category, dim): &(&str, Category, usize)| Alias {
        name: name.to_owned(),
        category,
        dim,
    };
    VARIABLES.iter().map(alias).collect()
}

pub(crate) type Variable = (&'static str, usize);

/// Makes formulas from random numbers.
pub(crate) struct Generator<'a> {
    pub(crate) random: &'a mut Random,
    /// The variable that others are differentiated by, which is to occur.
    pub(crate) favourite: Option<Variable>,
    /// The variable that is not to occur, so that a formula is linear in it.
    pub(crate) avoided: Option<Variable>,
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

    pub(crate) fn dim(&mut self) -> usize {
        *self.random.pick(&DIMS)
    }

    pub(crate) fn expr(&mut self, height: usize, order: usize, dim: usize) -> Expr {
        if height == 0 || self.random.one_in(8) {
            return self.leaf(dim);
        }
        match self.random.below(8) {
            0..4 if order > 0 => self.construct(height, order, dim),
            4 | 5 => self.operator(height, order, dim),
            _ => self.operation(height, order, dim),
        }
    }

    pub(crate) fn leaf(&mut self, dim: usize) -> Expr {
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
    pub(crate) fn resized(&mut self, variable: Variable, dim: usize) -> Expr {
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
    pub(crate) fn operation(&mut self, height: usize, order: usize, dim: usize) -> Expr {
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
                    if self.random.one_in(3) {
                        let position = integer(self.random.below(dims[0]) as i64);
                        args[1] = call("Elem", vec![args[0].clone(), position]);
                    }
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
            let divisor = self.divisor(dim);
            let first = dims.first().copied().unwrap_or(divisor);
            // Of equal vectors, scalars, factors of a product, and a matrix with its vector.
            let candidates = [1, dim, divisor, self.dim(), first, dim / first, dim * first];
            dims.push((*self.random.pick(&candidates)).max(1));
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

    fn divisor(&mut self, dim: usize) -> usize {
        let divisors: Vec<usize> = (1..=dim).filter(|n| dim.is_multiple_of(*n)).collect();
        *self.random.pick(&divisors)
    }

    /// A shape of so many components.
    fn shape(&mut self, dim: usize) -> Vec<i64> {
        let first = self.divisor(dim);
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
        if self.random.one_in(2) {
            // These are exact, so that a point may be one of them.
            return knots;
        }
        let scale = self.leaf(1);
        let stretched = call("Mult", vec![call("Exp", vec![scale.clone()]), knots]);
        call("Add", vec![scale, stretched])
    }
}

pub(crate) fn expr(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::new(0, 0))
}

pub(crate) fn name((name, _): Variable) -> Expr {
    expr(ExprKind::Name(name.to_owned()))
}

pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let (name, name_span) = (name.to_owned(), Span::new(0, 0));
    expr(ExprKind::Call {
        name,
        name_span,
        args,
    })
}

pub(crate) fn literal(value: f64, integer: Option<i64>) -> Expr {
    expr(ExprKind::Number { value, integer })
}

pub(crate) fn integer(n: i64) -> Expr {
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
        Param::Row(_) => unreachable!("no parameter of the language"),
    }
}

//! The differential constructs of the formula language: they take formulas and variables, and expand at once.

use crate::ast::{Expr, ExprKind};
use crate::check::Checker;
use crate::dag::{Kind, Node};
use crate::differentiate::{differential, divergence, gradient, jacobian};
use crate::error::Error;
use crate::linearity::{Dependence, dependence};
use crate::ops::{self, Param};
use crate::source::Span;

/// A construct of the language; see [`all`].
pub struct Construct {
    /// KeOps' name.
    pub name: &'static str,
    /// The name of the method of closures.
    pub method: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// Least and largest number of arguments.
    arity: (usize, usize),
    /// What it stands for.
    pub doc: &'static str,
    expand: fn(&mut Checker<'_>, &[Expr], Span) -> Result<Node, Error>,
}

impl Construct {
    /// The formula that the construct stands for.
    pub(crate) fn expand(
        &self,
        checker: &mut Checker<'_>,
        args: &[Expr],
        span: Span,
    ) -> Result<Node, Error> {
        if (self.arity.0..=self.arity.1).contains(&args.len()) {
            return (self.expand)(checker, args, span);
        }
        Err(Error::new(
            span,
            format!("{}: wrong number of arguments, {}", self.name, args.len()),
        )
        .help(format!("write {}", self.usage)))
    }
}

/// All constructs, in the order of the documentation.
pub fn all() -> &'static [Construct] {
    CONSTRUCTS
}

/// The construct called `name`.
pub fn find(name: &str) -> Option<&'static Construct> {
    CONSTRUCTS.iter().find(|construct| construct.name == name)
}

/// The construct called `name` as a method or a function of a closure.
pub fn find_method(name: &str) -> Option<&'static Construct> {
    let called = |construct: &&Construct| construct.name == name || construct.method == name;
    CONSTRUCTS.iter().find(called)
}

/// The names of all constructs.
pub fn names() -> impl Iterator<Item = &'static str> {
    CONSTRUCTS.iter().map(|construct| construct.name)
}

static CONSTRUCTS: &[Construct] = &[
    Construct {
        name: "Grad",
        method: "grad",
        usage: "Grad(F, v, e)",
        arity: (2, 3),
        doc: "(dF/dv)^T e; e may be left out where F is a scalar, and is 1 then",
        expand: |checker, args, span| {
            let (f, v) = (checker.node(&args[0])?, variable(checker, &args[1])?);
            let e = match args.get(2) {
                Some(e) => checker.node(e)?,
                None => scalar_one(checker, f, args[0].span)?,
            };
            same_dim(checker, (e, "the direction"), (f, "the formula"), span)?;
            at(span, gradient(checker.dag, f, v, e))
        },
    },
    Construct {
        name: "Diff",
        method: "diff",
        usage: "Diff(F, v, u)",
        arity: (3, 3),
        doc: "(dF/dv) u; with lists of variables and directions, the sum over them",
        expand: |checker, args, span| {
            let f = checker.node(&args[0])?;
            let (variables, directions) = (items(&args[1]), items(&args[2]));
            if variables.len() != directions.len() {
                return Err(Error::new(
                    span,
                    format!(
                        "Diff: {} variables and {} directions; they go in pairs",
                        variables.len(),
                        directions.len()
                    ),
                ));
            }
            let mut total = checker.dag.zero(checker.dag.dim(f));
            for (v, u) in variables.iter().zip(directions) {
                let (v, u) = (variable(checker, v)?, checker.node(u)?);
                same_dim(checker, (u, "the direction"), (v, "the variable"), span)?;
                let part = at(span, differential(checker.dag, f, v, u))?;
                total = checker.apply(&ops::ADD, &[total, part], &[], span)?;
            }
            Ok(total)
        },
    },
    Construct {
        name: "GradMatrix",
        method: "grad_matrix",
        usage: "GradMatrix(F, v)",
        arity: (2, 2),
        doc: "The Jacobian dF/dv, row-major, one row for each component of F",
        expand: |checker, args, span| {
            let (f, v) = (checker.node(&args[0])?, variable(checker, &args[1])?);
            at(span, jacobian(checker.dag, f, v))
        },
    },
    Construct {
        name: "Divergence",
        method: "divergence",
        usage: "Divergence(F, v)",
        arity: (2, 2),
        doc: "The trace of dF/dv",
        expand: |checker, args, span| {
            let (f, v) = (checker.node(&args[0])?, variable(checker, &args[1])?);
            same_dim(checker, (f, "the formula"), (v, "the variable"), span)?;
            at(span, divergence(checker.dag, f, v))
        },
    },
    Construct {
        name: "Laplacian",
        method: "laplacian",
        usage: "Laplacian(F, v)",
        arity: (2, 2),
        doc: "Divergence(Grad(F, v), v) of a scalar formula",
        expand: |checker, args, span| {
            let (f, v) = (checker.node(&args[0])?, variable(checker, &args[1])?);
            let one = scalar_one(checker, f, args[0].span)?;
            let slope = at(span, gradient(checker.dag, f, v, one))?;
            at(span, divergence(checker.dag, slope, v))
        },
    },
    Construct {
        name: "TraceOperator",
        method: "trace_operator",
        usage: "TraceOperator(L, v)",
        arity: (2, 2),
        doc: "The trace of L, a formula that is linear in v",
        expand: |checker, args, span| {
            let (l, v) = linear(checker, args)?;
            same_dim(checker, (l, "the formula"), (v, "the variable"), span)?;
            at(span, divergence(checker.dag, l, v))
        },
    },
    Construct {
        name: "AdjointOperator",
        method: "adjoint_operator",
        usage: "AdjointOperator(L, v, u)",
        arity: (3, 3),
        doc: "L^T u, for a formula L that is linear in v",
        expand: |checker, args, span| {
            let (l, v) = linear(checker, args)?;
            let u = checker.node(&args[2])?;
            same_dim(checker, (u, "the direction"), (l, "the formula"), span)?;
            at(span, gradient(checker.dag, l, v, u))
        },
    },
    Construct {
        name: "SumLinOperator",
        method: "sum_lin_operator",
        usage: "SumLinOperator(L, v, wl, wr)",
        arity: (2, 4),
        doc: "wl^T L wr, the sum of the entries of a formula L that is linear in v, weighted by wl and wr (1 if left out)",
        expand: |checker, args, span| {
            let (l, v) = linear(checker, args)?;
            let [left, right] = [(2, l, "the formula"), (3, v, "the variable")].map(
                |(position, like, what)| -> Result<Node, Error> {
                    let Some(weights) = args.get(position) else {
                        let one = checker.dag.constant(1.0);
                        let dim = Param::Int(checker.dag.dim(like) as i64);
                        return checker.apply(&ops::SUM_T, &[one], &[dim], span);
                    };
                    let weights = checker.node(weights)?;
                    same_dim(checker, (weights, "the weights"), (like, what), span)?;
                    Ok(weights)
                },
            );
            let image = at(span, differential(checker.dag, l, v, right?))?;
            checker.apply(&ops::SCALPROD, &[left?, image], &[], span)
        },
    },
    Construct {
        name: "Factorize",
        method: "factorize",
        usage: "Factorize(F, G)",
        arity: (2, 2),
        doc: "F: common subexpressions are always computed once",
        expand: |checker, args, _| {
            checker.node(&args[1])?;
            checker.node(&args[0])
        },
    },
    Construct {
        name: "AutoFactorize",
        method: "auto_factorize",
        usage: "AutoFactorize(F)",
        arity: (1, 1),
        doc: "F: common subexpressions are always computed once",
        expand: |checker, args, _| checker.node(&args[0]),
    },
];

fn at(span: Span, result: Result<Node, String>) -> Result<Node, Error> {
    result.map_err(|message| Error::new(span, message))
}

fn items(expr: &Expr) -> &[Expr] {
    match &expr.kind {
        ExprKind::List(items) => items,
        _ => std::slice::from_ref(expr),
    }
}

fn variable(checker: &mut Checker<'_>, expr: &Expr) -> Result<Node, Error> {
    let node = checker.node(expr)?;
    match checker.dag.kind(node) {
        Kind::Variable(_) => Ok(node),
        _ => Err(Error::new(
            expr.span,
            "a variable is expected here, to differentiate by",
        )),
    }
}

fn scalar_one(checker: &mut Checker<'_>, f: Node, span: Span) -> Result<Node, Error> {
    match checker.dag.dim(f) {
        1 => Ok(checker.dag.constant(1.0)),
        dim => Err(Error::new(
            span,
            format!("the formula has dimension {dim}; a scalar is expected"),
        )),
    }
}

fn linear(checker: &mut Checker<'_>, args: &[Expr]) -> Result<(Node, Node), Error> {
    let (l, v) = (checker.node(&args[0])?, variable(checker, &args[1])?);
    match dependence(checker.dag, l, v) {
        Dependence::Nonlinear(op) | Dependence::Affine(op) => Err(Error::new(
            args[0].span,
            format!(
                "the formula is not linear in the variable, because of {}",
                op.name
            ),
        )),
        // The zero vector is a linear function of anything, another constant of nothing.
        Dependence::Constant if !checker.dag.is_zero(l) => Err(Error::new(
            args[0].span,
            "the formula is not linear in the variable, which it does not depend on",
        )),
        _ => Ok((l, v)),
    }
}

fn same_dim(
    checker: &Checker<'_>,
    (a, what_a): (Node, &str),
    (b, what_b): (Node, &str),
    span: Span,
) -> Result<(), Error> {
    let (dim_a, dim_b) = (checker.dag.dim(a), checker.dag.dim(b));
    if dim_a == dim_b {
        return Ok(());
    }
    Err(Error::new(
        span,
        format!("{what_a} has dimension {dim_a} and {what_b} {dim_b}; they must be equal"),
    ))
}

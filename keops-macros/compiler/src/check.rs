//! From the syntax tree to the typed formula: names, arities, parameters and dimensions.

use std::collections::HashMap;

use crate::alias::{Alias, Category};
use crate::ast::{BinaryOp, Expr, ExprKind};
use crate::dag::{Dag, MAX_DIM, Node, Variable};
use crate::differential;
use crate::error::Error;
use crate::ops::{self, Op, Param, ParamKind, ParamValues};
use crate::source::Span;
use crate::suggest::closest;

/// The variables that a formula sees: its aliases, those that it declares itself as `Var(pos, dim, cat)` beyond them, and
/// the scalars that a closure captured.
pub fn variables(
    formulas: &[&Expr],
    aliases: &[Alias],
    captures: &[String],
) -> Result<Vec<Variable>, Error> {
    let mut declared = Vec::new();
    for formula in formulas {
        declarations(formula, &mut declared)?;
    }
    declared.sort_by_key(|&(position, ..)| position);
    let mut variables: Vec<Variable> = aliases
        .iter()
        .map(|alias| Variable {
            name: alias.name.clone(),
            category: alias.category,
            dim: alias.dim,
        })
        .collect();
    for (position, dim, category, span) in declared {
        if position > variables.len() {
            return Err(Error::new(
                span,
                format!(
                    "`Var` takes position {position}, but position {} is free: positions have no holes",
                    variables.len()
                ),
            ));
        }
        if position == variables.len() {
            variables.push(Variable {
                name: format!("var{position}"),
                category,
                dim,
            });
        }
        let known = &variables[position];
        if (known.dim, known.category) != (dim, category) {
            return Err(Error::new(
                span,
                format!(
                    "`Var` says {category}({dim}) at position {position}, where `{}` is {}({})",
                    known.name, known.category, known.dim
                ),
            ));
        }
    }
    let captured = captures.iter().map(|name| Variable {
        name: name.clone(),
        category: Category::Param,
        dim: 1,
    });
    variables.extend(captured);
    Ok(variables)
}

type Declaration = (usize, usize, Category, Span);

/// All `Var(pos, dim, cat)` in a formula.
fn declarations(expr: &Expr, found: &mut Vec<Declaration>) -> Result<(), Error> {
    match &expr.kind {
        ExprKind::Call { name, args, .. } if name == "Var" => {
            found.push(declaration(args, expr.span)?);
            Ok(())
        }
        ExprKind::Call { args, .. } | ExprKind::List(args) => {
            args.iter().try_for_each(|arg| declarations(arg, found))
        }
        ExprKind::Neg(inner) => declarations(inner, found),
        ExprKind::Binary { op, .. } if op.is_sum() => {
            let (first, others) = expr.terms();
            declarations(first, found)?;
            let mut others = others.iter();
            others.try_for_each(|term| declarations(term.expr, found))
        }
        ExprKind::Binary { left, right, .. } => {
            declarations(left, found)?;
            declarations(right, found)
        }
        ExprKind::Let { value, body, .. } => {
            declarations(value, found)?;
            declarations(body, found)
        }
        ExprKind::Number { .. } | ExprKind::Name(_) | ExprKind::Capture(_) => Ok(()),
    }
}

fn declaration(args: &[Expr], span: Span) -> Result<Declaration, Error> {
    let wrong = || {
        Error::new(span, "`Var` takes a position, a dimension and a category")
            .help("write Var(pos, dim, cat) with cat 0 for i, 1 for j, 2 for a parameter")
    };
    let numbers: Option<Vec<i64>> = args.iter().map(integer).collect();
    let Some(&[position, dim, category]) = numbers.as_deref() else {
        return Err(wrong());
    };
    let category = Category::from_number(category).ok_or_else(wrong)?;
    match (usize::try_from(position), usize::try_from(dim)) {
        (Ok(_), Ok(dim)) if dim > MAX_DIM => {
            let message = format!("the dimension of a variable may be at most {MAX_DIM}");
            Err(Error::new(span, message))
        }
        (Ok(position), Ok(dim)) if dim > 0 => Ok((position, dim, category, span)),
        _ => Err(wrong()),
    }
}

/// The integer that an expression is, if it is one.
fn integer(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Number { integer, .. } => *integer,
        ExprKind::Neg(inner) => integer_of_negation(inner),
        _ => None,
    }
}

fn integer_of_negation(expr: &Expr) -> Option<i64> {
    integer(expr).and_then(i64::checked_neg)
}

/// Builds the typed formula of `expr` in `dag`, whose first variables are those of [`variables`].
///
/// `captures` is the position of the first captured scalar among them.
pub fn check(dag: &mut Dag, expr: &Expr, captures: usize) -> Result<Node, Error> {
    let names = (0..captures)
        .map(|position| (dag.variables()[position].name.clone(), position))
        .collect::<Vec<_>>();
    let mut scope = HashMap::new();
    for (name, position) in names {
        let node = dag.variable(position);
        scope.insert(name, node);
    }
    Checker {
        dag,
        scope,
        captures,
    }
    .node(expr)
}

/// From so many terms on, a sum is added up by halves.
const MANY_TERMS: usize = 64;

/// The operation of `+` or `-`.
fn added(op: BinaryOp) -> &'static Op {
    match op {
        BinaryOp::Sub => &ops::SUBTRACT,
        _ => &ops::ADD,
    }
}

/// A formula that is being checked.
pub(crate) struct Checker<'a> {
    pub(crate) dag: &'a mut Dag,
    /// Aliases and `let` bindings.
    scope: HashMap<String, Node>,
    captures: usize,
}

impl Checker<'_> {
    /// The node of an expression.
    pub(crate) fn node(&mut self, expr: &Expr) -> Result<Node, Error> {
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(self.dag.constant(*value)),
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Capture(number) => Ok(self.dag.variable(self.captures + number)),
            ExprKind::Neg(inner) => {
                let inner = self.node(inner)?;
                self.apply(&ops::MINUS, &[inner], &[], expr.span)
            }
            ExprKind::Binary { op, .. } if op.is_sum() => self.sum(expr),
            ExprKind::Binary {
                op,
                left,
                right,
                op_span,
            } => self.binary(*op, left, right, *op_span),
            ExprKind::Call {
                name,
                name_span,
                args,
            } => self.call(name, *name_span, args, expr.span),
            ExprKind::List(_) => Err(Error::new(
                expr.span,
                "a list of indices stands here, where a formula is expected",
            )
            .help("to put vectors together, use Concat(f, g)")),
            ExprKind::Let { name, value, body } => {
                let value = self.node(value)?;
                let shadowed = self.scope.insert(name.clone(), value);
                let body = self.node(body);
                match shadowed {
                    Some(node) => self.scope.insert(name.clone(), node),
                    None => self.scope.remove(name),
                };
                body
            }
        }
    }

    fn name(&self, name: &str, span: Span) -> Result<Node, Error> {
        if let Some(&node) = self.scope.get(name) {
            return Ok(node);
        }
        if ops::find(name).is_some() {
            return Err(
                Error::new(span, format!("operation `{name}` without its operands"))
                    .help(format!("write {name}(...)")),
            );
        }
        let suggestion = closest(name, self.scope.keys().map(String::as_str));
        let error = Error::new(span, format!("unknown variable `{name}`"));
        Err(match suggestion {
            Some(_) => error.did_you_mean(suggestion),
            None => error.help("variables are declared after the formula, as in `x = Vi(3)`"),
        })
    }

    /// The operation applied to `args`, with dimension errors at `span`.
    pub(crate) fn apply(
        &mut self,
        op: &'static Op,
        args: &[Node],
        params: &[Param],
        span: Span,
    ) -> Result<Node, Error> {
        self.dag
            .try_apply(op, args, params)
            .map_err(|message| Error::new(span, format!("{}: {message}", op.name)))
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Result<Node, Error> {
        if op == BinaryOp::Pow {
            return self.power(left, right, span);
        }
        let args = [self.node(left)?, self.node(right)?];
        let swapped = [args[1], args[0]];
        let (op, args) = match op {
            BinaryOp::Mul => (&ops::MULT, args),
            BinaryOp::Div => (&ops::DIVIDE, args),
            BinaryOp::Scalprod => (&ops::SCALPROD, args),
            BinaryOp::Lt => (&ops::LESS_THAN, args),
            BinaryOp::Le => (&ops::LESS_OR_EQUAL, args),
            BinaryOp::Gt => (&ops::LESS_THAN, swapped),
            BinaryOp::Ge => (&ops::LESS_OR_EQUAL, swapped),
            BinaryOp::Eq => (&ops::EQUAL, args),
            BinaryOp::Ne => (&ops::NOT_EQUAL, args),
            BinaryOp::Pow | BinaryOp::Add | BinaryOp::Sub => {
                unreachable!("powers and sums are taken elsewhere")
            }
        };
        if *op == ops::DIVIDE && self.dag.is_zero(args[1]) {
            return Err(Error::new(right.span, "division by zero"));
        }
        self.apply(op, &args, &[], span)
    }

    /// A sum from the left to the right, or of many terms by halves, which keeps the formula flat and adds fewer roundings.
    fn sum(&mut self, expr: &Expr) -> Result<Node, Error> {
        let (first, others) = expr.terms();
        let first = self.node(first)?;
        let mut terms = Vec::with_capacity(others.len());
        for term in &others {
            terms.push((term.op, self.node(term.expr)?, term.op_span));
        }
        let dim = |node: &Node| self.dag.dim(*node);
        let dims = terms.iter().map(|(_, node, _)| dim(node));
        let largest = dims.clone().fold(dim(&first), usize::max);
        let fit = dims
            .chain([dim(&first)])
            .all(|dim| dim == 1 || dim == largest);
        // Terms that do not fit together are an error where the first of them is added.
        if terms.len() >= MANY_TERMS && fit {
            return self.halves(first, &terms);
        }
        terms.iter().try_fold(first, |sum, &(op, term, span)| {
            self.apply(added(op), &[sum, term], &[], span)
        })
    }

    /// The sum of a term and others, with which it is added up by halves.
    fn halves(&mut self, first: Node, others: &[(BinaryOp, Node, Span)]) -> Result<Node, Error> {
        let middle = others.len() / 2;
        let (low, Some((&(op, middle, span), high))) =
            (&others[..middle], others[middle..].split_first())
        else {
            return Ok(first);
        };
        let low = self.halves(first, low)?;
        // a - (b + c) is a - b - c.
        let turned = |&(inner, node, span): &(BinaryOp, Node, Span)| match op {
            BinaryOp::Sub if inner == BinaryOp::Sub => (BinaryOp::Add, node, span),
            BinaryOp::Sub => (BinaryOp::Sub, node, span),
            _ => (inner, node, span),
        };
        let high: Vec<_> = high.iter().map(turned).collect();
        let high = self.halves(middle, &high)?;
        self.apply(added(op), &[low, high], &[], span)
    }

    /// `f ** n` for an integer n is a product, any other power is C's pow.
    fn power(&mut self, base: &Expr, exponent: &Expr, span: Span) -> Result<Node, Error> {
        let f = self.node(base)?;
        match integer(exponent) {
            Some(n) => self.apply(&ops::POW, &[f], &[Param::Int(n)], span),
            None => {
                let g = self.node(exponent)?;
                self.apply(&ops::POWF, &[f, g], &[], span)
            }
        }
    }

    fn call(
        &mut self,
        name: &str,
        name_span: Span,
        args: &[Expr],
        span: Span,
    ) -> Result<Node, Error> {
        if name == "Var" {
            let (position, ..) = declaration(args, span)?;
            return Ok(self.dag.variable(position));
        }
        if let Some(construct) = differential::find(name) {
            return construct.expand(self, args, span);
        }
        let Some(op) = ops::find(name) else {
            return Err(self.unknown(name, name_span));
        };
        if *op == ops::POW && args.len() == 2 && integer(&args[1]).is_none() {
            return self.power(&args[0], &args[1], span);
        }
        let needed = op.params.iter().filter(|param| !param.optional).count();
        let least = op.args.len() - op.optional + needed;
        let most = op.args.len() + op.params.len();
        if !(least..=most).contains(&args.len()) {
            return Err(arity(op, least, args.len(), span));
        }
        let (operands, rest) = args.split_at(op.args.len().min(args.len()));
        let mut operands = operands
            .iter()
            .map(|arg| self.node(arg))
            .collect::<Result<Vec<_>, _>>()?;
        let zero = self.dag.zero(1);
        operands.resize(op.args.len(), zero);
        let params = rest
            .iter()
            .zip(op.params)
            .map(|(arg, kind)| param(op, kind, arg))
            .collect::<Result<Vec<_>, _>>()?;
        self.apply(op, &operands, &params, span)
    }

    fn unknown(&self, name: &str, span: Span) -> Error {
        if self.scope.contains_key(name) {
            return Error::new(span, format!("variable `{name}` is used as an operation"))
                .help(format!("for a product write {name}*(...)"));
        }
        if name.ends_with("_Reduction") {
            return Error::new(span, "a reduction stands inside a formula")
                .help("write `reduction = ...` after the formula");
        }
        if Category::from_name(name).is_some() {
            return Error::new(span, format!("`{name}` stands inside a formula")).help(format!(
                "declare `name = {name}(dim)` after the formula and use the name"
            ));
        }
        let names = ops::all().map(|op| op.name).chain(differential::names());
        Error::new(span, format!("unknown operation `{name}`")).did_you_mean(closest(name, names))
    }
}

/// `Round(f, d)`
pub(crate) fn usage(op: &Op) -> String {
    let params = op.params.iter().map(|param| param.name);
    let words: Vec<&str> = op.args.iter().copied().chain(params).collect();
    format!("{}({})", op.name, words.join(", "))
}

fn arity(op: &Op, least: usize, found: usize, span: Span) -> Error {
    let most = op.args.len() + op.params.len();
    let expected = match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        _ if least == most => format!("{most} arguments"),
        _ => format!("{least} or {most} arguments"),
    };
    // KeOps' LazyTensors have an axis there, and Rust's numbers another number.
    let reduces = op.args.len() == 1 && op.params.is_empty() && (op.dim)(&[3], &[]) == Ok(1);
    let help = if reduces && found > most && matches!(op.name, "Min" | "Max") {
        "; it goes over the components of a vector: the smaller and the larger of two are Minimum(f, g) and Maximum(f, g)"
    } else if reduces && found > most {
        "; it goes over the components of a vector, and reductions over i or j stand outside of the formula"
    } else {
        ""
    };
    Error::new(span, format!("{} takes {expected}, got {found}", op.name))
        .help(format!("write {}{help}", usage(op)))
}

fn param(op: &Op, kind: &ParamKind, arg: &Expr) -> Result<Param, Error> {
    let (found, what) = match kind.values {
        ParamValues::Integer => (integer(arg).map(Param::Int), "an integer"),
        ParamValues::Number => (number(arg).map(Param::of_number), "a number"),
        ParamValues::Integers => {
            let items = match &arg.kind {
                ExprKind::List(items) => items,
                _ => std::slice::from_ref(arg),
            };
            let integers: Option<Vec<i64>> = items.iter().map(integer).collect();
            (
                integers.map(Param::List),
                "a list of integers, as in [2, 3]",
            )
        }
    };
    found.ok_or_else(|| {
        let found = match arg.kind {
            ExprKind::Capture(_) => "a captured scalar, which has its value at run time".to_owned(),
            _ => format!("`{arg}`"),
        };
        let message = format!("{}: `{}` must be {what}, found {found}", op.name, kind.name);
        Error::new(arg.span, message).help(format!("write {}", usage(op)))
    })
}

/// The number that an expression is, if it is one: a literal, its negative, or a quotient of such.
fn number(expr: &Expr) -> Option<f64> {
    let value = match &expr.kind {
        ExprKind::Number { value, .. } => *value,
        ExprKind::Neg(inner) => -number(inner)?,
        ExprKind::Binary {
            op: BinaryOp::Div,
            left,
            right,
            ..
        } => number(left)? / number(right)?,
        _ => return None,
    };
    value.is_finite().then_some(value)
}

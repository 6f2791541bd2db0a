//! Pieces that entries of the table share.

use super::{Op, Param, ParamKind, ParamValues};
use crate::dag::{Dag, Kind, Node};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};

/// Elementwise: all dimensions are equal or 1.
pub(super) fn broadcast(dims: &[usize], _: &[Param]) -> Result<usize, String> {
    let dim = dims.iter().copied().max().unwrap_or(1);
    match dims.iter().find(|&&d| d != dim && d != 1) {
        None => Ok(dim),
        Some(_) => Err(format!(
            "operands have dimensions {}; they must be equal, or 1",
            list(dims)
        )),
    }
}

/// Two vectors of one dimension, or a scalar and a vector; the result is a scalar.
pub(super) fn pair_to_scalar(dims: &[usize], params: &[Param]) -> Result<usize, String> {
    broadcast(dims, params).map(|_| 1)
}

/// A vector; the result is a scalar.
pub(super) fn to_scalar(_: &[usize], _: &[Param]) -> Result<usize, String> {
    Ok(1)
}

/// `3 and 2`, `3, 2 and 1`.
pub(super) fn list(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// An integer parameter.
pub(super) const fn int(name: &'static str) -> ParamKind {
    ParamKind {
        name,
        values: ParamValues::Integer,
        optional: false,
    }
}

/// A parameter that is any number.
pub(super) const fn number(name: &'static str) -> ParamKind {
    ParamKind {
        name,
        values: ParamValues::Number,
        optional: false,
    }
}

/// A list parameter.
pub(super) const fn ints(name: &'static str) -> ParamKind {
    ParamKind {
        name,
        values: ParamValues::Integers,
        optional: false,
    }
}

/// The instruction applied to the same component of all arguments.
pub(super) fn elementwise(c: &mut Component<'_, '_>, instruction: Instruction) -> Value {
    let args: Vec<Value> = (0..instruction.info().arity).map(|n| c.arg(n)).collect();
    c.apply(instruction, &args)
}

/// The arguments of a node, if it is this operation.
pub(super) fn matches<'a>(dag: &'a Dag, node: Node, op: &'static Op) -> Option<&'a [Node]> {
    match dag.kind(node) {
        Kind::Apply(found, args, _) if *found == op => Some(args),
        _ => None,
    }
}

/// The only argument of a node, if it is this unary operation.
pub(super) fn inner(dag: &Dag, node: Node, op: &'static Op) -> Option<Node> {
    matches(dag, node, op).map(|args| args[0])
}

/// The node, if its dimension is that of the result.
pub(super) fn of_dim(dag: &Dag, node: Node, dim: usize) -> Option<Node> {
    (dag.dim(node) == dim).then_some(node)
}

/// The polynomial with these coefficients, lowest degree first.
pub(super) fn horner(c: &mut Component<'_, '_>, x: Value, coefficients: &[f64]) -> Value {
    let mut sum = c.constant(0.0);
    for &coefficient in coefficients.iter().rev() {
        let product = c.apply(Instruction::Mul, &[sum, x]);
        let coefficient = c.constant(coefficient);
        sum = c.apply(Instruction::Add, &[product, coefficient]);
    }
    sum
}

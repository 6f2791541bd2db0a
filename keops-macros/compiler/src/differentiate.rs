//! Differentiation of typed formulas, in reverse mode, from the operation table.

use std::collections::HashMap;

use crate::alias::Category;
use crate::dag::{Dag, Kind, Node};
use crate::ops::{ADD, CONCAT, Derivative, ELEM, ELEM_T, MULT, Op, Param, SCALPROD, SUM};

/// The adjoint `(d f / d variable)^T e`, a vector of the dimension of `variable`.
///
/// `e` has the dimension of `f`. Where an operand was broadcast, its adjoint is summed over the components.
pub fn gradient(dag: &mut Dag, f: Node, variable: Node, e: Node) -> Result<Node, String> {
    debug_assert_eq!(dag.dim(f), dag.dim(e));
    let depends = dag.dependence(f, variable);
    let mut adjoints: HashMap<Node, Node> = HashMap::from([(f, e)]);
    for node in dag.reachable(&[f]).into_iter().rev() {
        if node == variable || !depends[&node] {
            continue;
        }
        let Some(adjoint) = adjoints.remove(&node) else {
            continue;
        };
        for (arg, part) in argument_adjoints(dag, node, adjoint)? {
            if !depends[&arg] || dag.is_zero(part) {
                continue;
            }
            let total = match adjoints.get(&arg) {
                None => part,
                Some(&other) => dag.apply(&ADD, &[other, part]),
            };
            adjoints.insert(arg, total);
        }
    }
    match adjoints.get(&variable) {
        Some(&total) => Ok(total),
        None => Ok(dag.zero(dag.dim(variable))),
    }
}

/// What each argument of a node receives from the adjoint of the node.
fn argument_adjoints(dag: &mut Dag, node: Node, e: Node) -> Result<Vec<(Node, Node)>, String> {
    let Kind::Apply(op, args, params) = dag.kind(node).clone() else {
        return Ok(Vec::new());
    };
    let parts = match op.derivative {
        Derivative::Zero => return Ok(Vec::new()),
        Derivative::Expanded => return Err(format!("{} has no derivative", op.name)),
        Derivative::Adjoint(adjoint) => adjoint(dag, &args, &params, e),
        Derivative::Partials(partials) => {
            let slopes = partials(dag, &args, &params, node);
            let mut parts = Vec::new();
            for (&arg, slope) in args.iter().zip(slopes) {
                parts.push(slope.map(|slope| chain(dag, arg, node, slope, e)));
            }
            parts
        }
    };
    Ok(args
        .into_iter()
        .zip(parts)
        .filter_map(|(arg, part)| Some((arg, part?)))
        .collect())
}

/// The chain rule for an elementwise operation: e times the partial derivative, summed if the argument was broadcast.
fn chain(dag: &mut Dag, arg: Node, node: Node, slope: Node, e: Node) -> Node {
    if dag.dim(arg) == dag.dim(node) {
        return dag.apply(&MULT, &[e, slope]);
    }
    if dag.dim(slope) == dag.dim(node) {
        return dag.apply(&SCALPROD, &[e, slope]);
    }
    let sum = dag.apply(&SUM, &[e]);
    dag.apply(&MULT, &[sum, slope])
}

/// The differential `(d f / d variable) u`, a vector of the dimension of `f`.
///
/// The adjoint is linear in `e`, so its own adjoint is the differential: forward mode needs no rules of its own.
pub fn differential(dag: &mut Dag, f: Node, variable: Node, u: Node) -> Result<Node, String> {
    let e = dag.fresh_variable(Category::Param, dag.dim(f));
    let adjoint = gradient(dag, f, variable, e)?;
    gradient(dag, adjoint, e, u)
}

/// The vector of dimension `dim` that is 1 at `position` and 0 elsewhere.
fn basis(dag: &mut Dag, dim: usize, position: usize) -> Node {
    let one = dag.constant(1.0);
    dag.apply_with(
        &ELEM_T,
        &[one],
        &[Param::Int(dim as i64), Param::Int(position as i64)],
    )
}

/// The Jacobian of `f`, row-major: one row of `variable`'s dimension for each component of `f`.
pub fn jacobian(dag: &mut Dag, f: Node, variable: Node) -> Result<Node, String> {
    let mut rows = Vec::new();
    for k in 0..dag.dim(f) {
        let e = basis(dag, dag.dim(f), k);
        rows.push(gradient(dag, f, variable, e)?);
    }
    combined(dag, &CONCAT, rows)
}

/// The trace of the Jacobian of `f`, which has the dimension of `variable`.
pub fn divergence(dag: &mut Dag, f: Node, variable: Node) -> Result<Node, String> {
    let dim = dag.dim(variable);
    let mut entries = Vec::new();
    for k in 0..dim {
        let e = basis(dag, dim, k);
        let row = gradient(dag, f, variable, e)?;
        entries.push(dag.apply_with(&ELEM, &[row], &[Param::Int(k as i64)]));
    }
    combined(dag, &ADD, entries)
}

/// The nodes combined by an associative operation, neighbours first: what walks through the result then walks through
/// few levels, however many nodes there are.
fn combined(dag: &mut Dag, op: &'static Op, mut nodes: Vec<Node>) -> Result<Node, String> {
    while nodes.len() > 1 {
        let pairs = nodes.chunks(2).map(|pair| match *pair {
            [f, g] => dag.apply(op, &[f, g]),
            _ => pair[0],
        });
        nodes = pairs.collect();
    }
    let none = || "the formula has no component".to_owned();
    nodes.pop().ok_or_else(none)
}

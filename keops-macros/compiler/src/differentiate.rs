//! Differentiation of typed formulas, in reverse mode, from the operation table.

use std::collections::{HashMap, HashSet};

use crate::alias::Category;
use crate::dag::{Dag, Kind, MAX_DIM, Node};
use crate::ops::{
    ADD, CONCAT, Derivative, ELEM, ELEM_T, MULT, Op, Param, SCALPROD, SUM, SUM_T, rows,
};

/// Jacobians of at most so many rows are written out: each row is simplified by itself, and knows where it is 0.
const SHORT: usize = 8;

/// The adjoint `(d f / d variable)^T e`, a vector of the dimension of `variable`.
///
/// `e` has the dimension of `f`. Where an operand was broadcast, its adjoint is summed over the components.
pub fn gradient(dag: &mut Dag, f: Node, variable: Node, e: Node) -> Result<Node, String> {
    debug_assert_eq!(dag.dim(f), dag.dim(e));
    let f = without_rows(dag, f, variable)?;
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

/// The same formula, with Jacobians that depend on the variable written out row by row: they have no derivative as loops.
fn without_rows(dag: &mut Dag, mut f: Node, variable: Node) -> Result<Node, String> {
    loop {
        let nodes = dag.reachable(&[f]);
        let jacobians: Vec<Node> = nodes.into_iter().filter(|&n| rows::are(dag, n)).collect();
        if jacobians.is_empty() {
            return Ok(f);
        }
        let depends = dag.dependence(f, variable);
        let mut written = HashMap::new();
        for node in jacobians.into_iter().filter(|node| depends[node]) {
            if let Some(rows) = rows::written_out(dag, node) {
                written.insert(node, combined(dag, &CONCAT, rows?)?);
            }
        }
        if written.is_empty() {
            return Ok(f);
        }
        f = dag.substitute(f, &written)?;
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

/// The row of the Jacobian of `f` by `variable` that stands for all, with its number.
fn any_row(dag: &mut Dag, f: Node, variable: Node) -> Result<(Node, u32), String> {
    let (row, one) = (rows::fresh(dag, f), dag.constant(1.0));
    let e = rows::place(dag, one, dag.dim(f), row);
    Ok((gradient(dag, f, variable, e)?, row))
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
    let (height, width) = (dag.dim(f), dag.dim(variable));
    if height.saturating_mul(width) > MAX_DIM {
        return Err(format!(
            "the Jacobian would have {height} times {width} components; at most {MAX_DIM} are possible"
        ));
    }
    if height > SHORT {
        let (gradient, row) = any_row(dag, f, variable)?;
        return Ok(rows::rows(dag, gradient, height, row));
    }
    let mut rows = Vec::new();
    for k in 0..height {
        let e = basis(dag, height, k);
        rows.push(gradient(dag, f, variable, e)?);
    }
    combined(dag, &CONCAT, rows)
}

/// The trace of the Jacobian of `f`, which has the dimension of `variable`.
pub fn divergence(dag: &mut Dag, f: Node, variable: Node) -> Result<Node, String> {
    let diagonal = diagonal(dag, f, variable)?;
    Ok(dag.apply(&SUM, &[diagonal]))
}

/// The diagonal of the Jacobian of `f`, which has the dimension of `variable`. Through elementwise operations it is one formula, whatever the dimension; operations
/// that mix components are differentiated component by component.
fn diagonal(dag: &mut Dag, f: Node, variable: Node) -> Result<Node, String> {
    let dim = dag.dim(variable);
    if dim == 1 {
        return slope(dag, f, variable);
    }
    let depends = dag.dependence(f, variable);
    let mut diagonals: HashMap<Node, Node> = HashMap::new();
    for node in elementwise(dag, f) {
        let found = match dag.kind(node).clone() {
            _ if node == variable => {
                let one = dag.constant(1.0);
                dag.apply_with(&SUM_T, &[one], &[Param::Int(dim as i64)])
            }
            _ if !depends[&node] => dag.zero(dim),
            // Component k is the scalar, and its derivative by component k that of the scalar.
            Kind::Apply(op, args, _) if *op == SUM_T => slope(dag, args[0], variable)?,
            Kind::Apply(op, args, params) => match op.derivative {
                Derivative::Zero => dag.zero(dim),
                Derivative::Partials(partials) => {
                    let slopes = partials(dag, &args, &params, node);
                    let mut total = dag.zero(dim);
                    for (&arg, partial) in args.iter().zip(slopes) {
                        let Some(partial) = partial.filter(|_| depends[&arg]) else {
                            continue;
                        };
                        let inner = match diagonals.get(&arg) {
                            Some(&diagonal) => diagonal,
                            None => slope(dag, arg, variable)?,
                        };
                        let part = dag.apply(&MULT, &[partial, inner]);
                        total = dag.apply(&ADD, &[total, part]);
                    }
                    total
                }
                _ => diagonal_by_basis(dag, node, variable)?,
            },
            _ => dag.zero(dim),
        };
        diagonals.insert(node, found);
    }
    Ok(diagonals[&f])
}

/// The nodes of the dimension of `f` that it is made of by elementwise operations, itself among them, arguments before their users.
fn elementwise(dag: &Dag, f: Node) -> Vec<Node> {
    let mut found = HashSet::from([f]);
    let mut stack = vec![f];
    while let Some(node) = stack.pop() {
        let Kind::Apply(op, args, _) = dag.kind(node) else {
            continue;
        };
        if matches!(op.derivative, Derivative::Partials(_)) {
            for &arg in args {
                if dag.dim(arg) == dag.dim(f) && found.insert(arg) {
                    stack.push(arg);
                }
            }
        }
    }
    let mut nodes = dag.reachable(&[f]);
    nodes.retain(|node| found.contains(node));
    nodes
}

/// The gradient of a scalar.
fn slope(dag: &mut Dag, f: Node, variable: Node) -> Result<Node, String> {
    let one = dag.constant(1.0);
    gradient(dag, f, variable, one)
}

/// The diagonal of the Jacobian of `f`, component by component.
fn diagonal_by_basis(dag: &mut Dag, f: Node, variable: Node) -> Result<Node, String> {
    let dim = dag.dim(variable);
    if dim > SHORT {
        let (gradient, row) = any_row(dag, f, variable)?;
        let entry = rows::pick(dag, gradient, row);
        return Ok(rows::rows(dag, entry, dim, row));
    }
    let mut entries = Vec::new();
    for k in 0..dim {
        let e = basis(dag, dim, k);
        let row = gradient(dag, f, variable, e)?;
        entries.push(dag.apply_with(&ELEM, &[row], &[Param::Int(k as i64)]));
    }
    combined(dag, &CONCAT, entries)
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

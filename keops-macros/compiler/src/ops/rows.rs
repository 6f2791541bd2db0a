//! Jacobians as loops: vectors whose components are a formula for each row.
//!
//! The rows of a Jacobian are one formula, the adjoint of a vector of the canonical basis, in which only the place of the 1 is
//! another in each row. That place is a *row*, a number that [`ROWS`] counts through and [`PICK`] and [`PLACE`] refer to; no
//! variable of the language is one.

use std::collections::HashSet;

use super::helpers::matches;
use super::{Derivative, ELEM, ELEM_T, Linearity, MINUS, MULT, Meaning, Op, Param};
use crate::dag::{Dag, Kind, Node};
use crate::scalar::Instruction;

/// One component, at the row.
static PICK: Op = Op {
    name: "Elem",
    args: &["f"],
    dim: |_, _| Ok(1),
    meaning: Meaning::Component(|c| {
        let row = c.row(0);
        c.at(0, &row)
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let dim = dag.dim(args[0]);
        vec![Some(place(dag, e, dim, row_of(params)))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        if dag.is_zero(args[0]) {
            return Some(dag.zero(1));
        }
        let (f, row) = placed(dag, args[0])?;
        (row == row_of(params)).then_some(f)
    },
    ..Op::BASE
};

/// A scalar at the row of a vector of zeros.
static PLACE: Op = Op {
    name: "ElemT",
    args: &["f"],
    dim: |_, params| Ok(params[1].size()),
    meaning: Meaning::Component(|c| {
        let (row, k) = (c.row(0), c.indices()[0].clone());
        let (f, zero) = (c.at(0, &Default::default()), c.constant(0.0));
        if row == k {
            return f;
        }
        if row.as_constant().is_some() && k.as_constant().is_some() {
            return zero;
        }
        let (here, there) = (c.position(), c.position_of(row));
        c.apply(Instruction::SelectEq, &[here, there, f, zero])
    }),
    derivative: Derivative::Adjoint(|dag, _, params, e| vec![Some(pick(dag, e, row_of(params)))]),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| dag.is_zero(args[0]).then(|| dag.zero(params[1].size())),
    ..Op::BASE
};

/// The formula for each row, one after the other.
static ROWS: Op = Op {
    name: "GradMatrix",
    args: &["f"],
    dim: |dims, params| Ok(params[1].size() * dims[0]),
    meaning: Meaning::Tensor(
        |dims, params| vec![params[1].size(), dims[0]],
        |c| {
            let [row, k] = [0, 1].map(|axis| c.indices()[axis].clone());
            c.at_row(0, &k, row)
        },
    ),
    // They are written out before: no adjoint of a row by itself says what the sum over all rows is.
    derivative: Derivative::Expanded,
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        let dim = params[1].size() * dag.dim(args[0]);
        dag.is_zero(args[0]).then(|| dag.zero(dim))
    },
    ..Op::BASE
};

fn row_of(params: &[Param]) -> u32 {
    match params[0] {
        Param::Row(row) => row,
        _ => unreachable!("the first parameter is a row"),
    }
}

/// Component `row` of a vector.
pub(crate) fn pick(dag: &mut Dag, vector: Node, row: u32) -> Node {
    if dag.dim(vector) == 1 {
        return vector;
    }
    dag.apply_with(&PICK, &[vector], &[Param::Row(row)])
}

/// The vector of dimension `dim` that is the scalar at `row` and 0 elsewhere.
pub(crate) fn place(dag: &mut Dag, scalar: Node, dim: usize, row: u32) -> Node {
    dag.apply_with(
        &PLACE,
        &[scalar],
        &[Param::Row(row), Param::Int(dim as i64)],
    )
}

/// The scalar and its row, if the node is 0 elsewhere.
fn placed(dag: &Dag, node: Node) -> Option<(Node, u32)> {
    let scalar = matches(dag, node, &PLACE)?[0];
    Some((scalar, row_of(dag.params(node))))
}

/// The product of a scalar at a row with a vector or scalar, if one of these is such.
pub(super) fn product(dag: &mut Dag, f: Node, g: Node) -> Option<Node> {
    for (f, g) in [(f, g), (g, f)] {
        if let Some((scalar, row)) = placed(dag, f) {
            let (dim, component) = (dag.dim(f), pick(dag, g, row));
            let product = dag.apply(&MULT, &[scalar, component]);
            return Some(place(dag, product, dim, row));
        }
    }
    None
}

/// The sum of the components of a vector that is a scalar at a row.
pub(super) fn sum(dag: &Dag, f: Node) -> Option<Node> {
    placed(dag, f).map(|(scalar, _)| scalar)
}

/// The opposite of a vector that is a scalar at a row.
pub(super) fn opposite(dag: &mut Dag, f: Node) -> Option<Node> {
    let (scalar, row) = placed(dag, f)?;
    let (dim, opposite) = (dag.dim(f), dag.apply(&MINUS, &[scalar]));
    Some(place(dag, opposite, dim, row))
}

/// A row that does not occur in a formula.
pub(crate) fn fresh(dag: &Dag, f: Node) -> u32 {
    let nodes = dag.reachable(&[f]).into_iter();
    let rows = nodes.filter_map(|node| match dag.params(node).first() {
        Some(Param::Row(row)) => Some(*row + 1),
        _ => None,
    });
    rows.max().unwrap_or(0)
}

/// The formula `f` for each of `count` rows.
pub(crate) fn rows(dag: &mut Dag, f: Node, count: usize, row: u32) -> Node {
    dag.apply_with(&ROWS, &[f], &[Param::Row(row), Param::Int(count as i64)])
}

/// Whether the node is a formula for each row.
pub(crate) fn are(dag: &Dag, node: Node) -> bool {
    matches(dag, node, &ROWS).is_some()
}

/// The formulas of all rows, if the node is such.
pub(crate) fn written_out(dag: &mut Dag, node: Node) -> Option<Result<Vec<Node>, String>> {
    let f = matches(dag, node, &ROWS)?[0];
    let (row, count) = (row_of(dag.params(node)), dag.params(node)[1].size());
    Some((0..count).map(|k| at(dag, f, row, k)).collect())
}

/// The formula at row `k`.
fn at(dag: &mut Dag, f: Node, row: u32, k: usize) -> Result<Node, String> {
    let position = Param::Int(k as i64);
    dag.rebuilt(f, &mut |dag, node, args| {
        let Kind::Apply(op, _, params) = dag.kind(node).clone() else {
            return None;
        };
        match params.first() {
            Some(Param::Row(other)) if *other == row && *op == PICK => {
                Some(dag.apply_with(&ELEM, args, std::slice::from_ref(&position)))
            }
            Some(Param::Row(other)) if *other == row && *op == PLACE => {
                Some(dag.apply_with(&ELEM_T, args, &[params[1].clone(), position.clone()]))
            }
            _ => None,
        }
    })
}

/// Whether what a node is depends on a row, for every node of these, arguments before their users.
pub(crate) fn dependence(dag: &Dag, nodes: &[Node]) -> HashSet<Node> {
    let mut found = HashSet::new();
    for &node in nodes {
        let own = matches!(dag.kind(node), Kind::Apply(op, ..) if **op == PICK || **op == PLACE);
        if own || dag.args(node).iter().any(|arg| found.contains(arg)) {
            found.insert(node);
        }
    }
    found
}

//! Components, stretches and concatenation.

use super::helpers::{self, int, list};
use super::{Derivative, Linearity, Meaning, Op, Param};
use crate::dag::{Dag, Node};
use crate::lower::Piece;
use crate::scalar::Instruction;

pub(super) const OPS: &[&Op] = &[&ELEM, &ELEM_T, &EXTRACT, &EXTRACT_T, &CONCAT, &ONE_HOT];

/// Where a stretch of `length` components from `start` lies in a vector of dimension `dim`.
fn stretch(start: i64, length: i64, dim: usize) -> Result<(usize, usize), String> {
    let fits = start >= 0
        && length >= 1
        && start
            .checked_add(length)
            .is_some_and(|end| end <= dim as i64);
    if fits {
        return Ok((start as usize, length as usize));
    }
    let wanted = match length {
        1 => format!("position {start}"),
        _ => format!("{length} components from position {start}"),
    };
    Err(format!(
        "a vector of dimension {dim} has no {wanted}, counted from 0"
    ))
}

/// One component.
pub(crate) static ELEM: Op = Op {
    name: "Elem",
    args: &["f"],
    params: &[int("m")],
    dim: |dims, params| stretch(params[0].int(), 1, dims[0]).map(|_| 1),
    meaning: Meaning::Pieces(|_, params| {
        vec![Piece::Argument {
            argument: 0,
            start: params[0].size(),
            length: 1,
        }]
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let dim = Param::Int(dag.dim(args[0]) as i64);
        vec![Some(dag.apply_with(
            &ELEM_T,
            &[e],
            &[dim, params[0].clone()],
        ))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, _| {
        if dag.is_zero(args[0]) {
            return Some(dag.zero(1));
        }
        (dag.dim(args[0]) == 1).then_some(args[0])
    },
    doc: "Component m of f, from 0",
    ..Op::BASE
};

/// One component in a vector of zeros.
pub(crate) static ELEM_T: Op = Op {
    name: "ElemT",
    args: &["f"],
    params: &[int("n"), int("m")],
    dim: |dims, params| {
        if dims != [1] {
            return Err(format!(
                "the operand has dimension {}, but must be a scalar",
                list(dims)
            ));
        }
        stretch(params[1].int(), 1, params[0].size()).map(|_| params[0].size())
    },
    meaning: Meaning::Pieces(|_, params| padded(params[1].size(), 1, params[0].size())),
    derivative: Derivative::Adjoint(|dag, _, params, e| {
        vec![Some(dag.apply_with(&ELEM, &[e], &params[1..]))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| dag.is_zero(args[0]).then(|| dag.zero(params[0].size())),
    doc: "The vector of dimension n with f at position m and zeros elsewhere",
    ..Op::BASE
};

fn padded(start: usize, length: usize, dim: usize) -> Vec<Piece> {
    vec![
        Piece::Zeros { length: start },
        Piece::Argument {
            argument: 0,
            start: 0,
            length,
        },
        Piece::Zeros {
            length: dim - start - length,
        },
    ]
}

/// The scalar and its place, if the node is zero elsewhere.
fn single(dag: &Dag, node: Node) -> Option<(Node, usize)> {
    let scalar = helpers::inner(dag, node, &ELEM_T)?;
    Some((scalar, dag.params(node)[1].size()))
}

fn placed(dag: &mut Dag, scalar: Node, dim: usize, place: usize) -> Node {
    let place = [Param::Int(dim as i64), Param::Int(place as i64)];
    dag.apply_with(&ELEM_T, &[scalar], &place)
}

/// A stretch.
pub(crate) static EXTRACT: Op = Op {
    name: "Extract",
    args: &["f"],
    params: &[int("start"), int("d")],
    dim: |dims, params| {
        stretch(params[0].int(), params[1].int(), dims[0]).map(|(_, length)| length)
    },
    meaning: Meaning::Pieces(|_, params| {
        vec![Piece::Argument {
            argument: 0,
            start: params[0].size(),
            length: params[1].size(),
        }]
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let dim = Param::Int(dag.dim(args[0]) as i64);
        vec![Some(dag.apply_with(
            &EXTRACT_T,
            &[e],
            &[params[0].clone(), dim],
        ))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        let (start, length) = (params[0].size(), params[1].size());
        if dag.is_zero(args[0]) {
            return Some(dag.zero(length));
        }
        if let Some((f, place)) = single(dag, args[0]) {
            return Some(match place.checked_sub(start) {
                Some(place) if place < length => placed(dag, f, length, place),
                _ => dag.zero(length),
            });
        }
        (dag.dim(args[0]) == length).then_some(args[0])
    },
    doc: "The d components of f from position start",
    ..Op::BASE
};

/// A stretch in a vector of zeros.
pub(crate) static EXTRACT_T: Op = Op {
    name: "ExtractT",
    args: &["f"],
    params: &[int("start"), int("d")],
    dim: |dims, params| {
        stretch(params[0].int(), dims[0] as i64, params[1].size()).map(|_| params[1].size())
    },
    meaning: Meaning::Pieces(|dims, params| padded(params[0].size(), dims[0], params[1].size())),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let dim = Param::Int(dag.dim(args[0]) as i64);
        vec![Some(dag.apply_with(
            &EXTRACT,
            &[e],
            &[params[0].clone(), dim],
        ))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        let (start, dim) = (params[0].size(), params[1].size());
        if dag.is_zero(args[0]) {
            return Some(dag.zero(dim));
        }
        if let Some((f, place)) = single(dag, args[0]) {
            return Some(placed(dag, f, dim, start + place));
        }
        (dag.dim(args[0]) == dim).then_some(args[0])
    },
    doc: "The vector of dimension d with f from position start and zeros elsewhere",
    ..Op::BASE
};

/// Concatenation.
pub(crate) static CONCAT: Op = Op {
    name: "Concat",
    aliases: &["concatenate", "cat"],
    args: &["f", "g"],
    dim: |dims, _| Ok(dims.iter().sum()),
    meaning: Meaning::Pieces(|dims, _| {
        let whole = |(argument, &length)| Piece::Argument {
            argument,
            start: 0,
            length,
        };
        dims.iter().enumerate().map(whole).collect()
    }),
    derivative: Derivative::Adjoint(|dag, args, _, e| {
        let mut start = 0;
        let mut parts = Vec::new();
        for &arg in args {
            let stretch = [Param::Int(start), Param::Int(dag.dim(arg) as i64)];
            parts.push(Some(dag.apply_with(&EXTRACT, &[e], &stretch)));
            start += dag.dim(arg) as i64;
        }
        parts
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, _| {
        let dim = args.iter().map(|&arg| dag.dim(arg)).sum();
        args.iter()
            .all(|&arg| dag.is_zero(arg))
            .then(|| dag.zero(dim))
    },
    doc: "f, then g",
    ..Op::BASE
};

/// A vector of the canonical basis.
pub(crate) static ONE_HOT: Op = Op {
    name: "OneHot",
    aliases: &["one_hot"],
    args: &["f"],
    params: &[int("d")],
    dim: |dims, params| match dims {
        [1] => Ok(params[0].size()),
        _ => Err(format!(
            "the operand has dimension {}, but must be a scalar",
            list(dims)
        )),
    },
    meaning: Meaning::Component(|c| {
        let (f, half) = (c.at(0, &Default::default()), c.constant(0.5));
        let (position, one, zero) = (c.position(), c.constant(1.0), c.constant(0.0));
        // f + 1/2 is rounded, and may be an integer where f is less than a half.
        let below = c.apply(Instruction::Floor, &[f]);
        let above = c.apply(Instruction::Add, &[below, one]);
        let past = c.apply(Instruction::Sub, &[f, below]);
        let nearest = c.apply(Instruction::SelectLt, &[past, half, below, above]);
        c.apply(Instruction::SelectEq, &[nearest, position, one, zero])
    }),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "The vector of dimension d that is 1 at the position nearest to f, the higher one of two, and 0 elsewhere",
    ..Op::BASE
};

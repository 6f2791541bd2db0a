//! B-splines and smooth minima.

use super::helpers::{int, list};
use super::warping::SOFT_DTW_SQ_DIST;
use super::{
    ADD, DIVIDE, Derivative, EQUAL, EXP, INV, LESS_OR_EQUAL, LESS_THAN, MULT, Meaning, Op, Param,
    SCALPROD, SUBTRACT,
};
use crate::dag::{Dag, Node};
use crate::scalar::{FoldKind, Instruction};

pub(super) const OPS: &[&Op] = &[&B_SPLINE, &SOFT_MIN, &SOFT_DTW_SQ_DIST];

/// The B-spline basis (de Boor 1978): B_(i,0) is 1 on [t_i, t_(i+1)), and
/// B_(i,d) = (x - t_i)/(t_(i+d) - t_i) B_(i,d-1) + (t_(i+d+1) - x)/(t_(i+d+1) - t_(i+1)) B_(i+1,d-1).
pub(crate) static B_SPLINE: Op = Op {
    name: "BSpline",
    args: &["knots", "x"],
    params: &[int("k")],
    dim: |dims, params| {
        let &[knots, x] = dims else { return Ok(1) };
        if x != 1 {
            return Err(format!(
                "the position has dimension {x}, but must be a scalar"
            ));
        }
        let degree = usize::try_from(params[0].int()).ok();
        match degree.and_then(|degree| knots.checked_sub(degree.checked_add(1)?)) {
            Some(functions @ 1..) => Ok(functions),
            _ => Err(format!(
                "{knots} knots make no spline of degree {}; that takes at least the degree plus 2, and no negative degree",
                params[0].int()
            )),
        }
    },
    meaning: Meaning::Expand(|dag, args, params| {
        let &[knots, x] = args else {
            return dag.zero(1);
        };
        let count = dag.dim(knots);
        let [first, last] = [
            part(dag, knots, 0, count - 1),
            part(dag, knots, 1, count - 1),
        ];
        let after = dag.apply(&LESS_OR_EQUAL, &[first, x]);
        let before = dag.apply(&LESS_THAN, &[x, last]);
        let mut basis = dag.apply(&MULT, &[after, before]);
        for degree in 1..=params[0].size() {
            // Everything about the interval from t_i to t_(i+degree); where it is empty, so is the support of B.
            let functions = count - degree;
            let first = part(dag, knots, 0, functions);
            let last = part(dag, knots, degree, functions);
            let length = dag.apply(&SUBTRACT, &[last, first]);
            let zero = dag.zero(1);
            let empty = dag.apply(&EQUAL, &[length, zero]);
            let length = dag.apply(&ADD, &[length, empty]);
            let inverse = dag.apply(&INV, &[length]);
            let scaled = dag.apply(&MULT, &[inverse, basis]);
            let [left, right] = [[x, first], [last, x]].map(|ends| {
                let distance = dag.apply(&SUBTRACT, &ends);
                dag.apply(&MULT, &[distance, scaled])
            });
            let rising = part(dag, left, 0, functions - 1);
            let falling = part(dag, right, 1, functions - 1);
            basis = dag.apply(&ADD, &[rising, falling]);
        }
        basis
    }),
    doc: "The B-splines of degree k with these knots, in ascending order, at x: one for each k + 2 successive knots; intervals are half open, so all are 0 at the last knot; their error is a few roundings for each degree",
    ..Op::BASE
};

/// The `length` components from `start`.
fn part(dag: &mut Dag, vector: Node, start: usize, length: usize) -> Node {
    let stretch = [Param::Int(start as i64), Param::Int(length as i64)];
    dag.apply_with(&super::EXTRACT, &[vector], &stretch)
}

/// -g log(sum of e^(-f_k / g))
pub(crate) static SOFT_MIN: Op = Op {
    name: "SoftMin",
    args: &["f", "g"],
    dim: |dims, _| match *dims {
        [_, 1] => Ok(1),
        _ => Err(format!(
            "the operands have dimensions {}; the temperature must be a scalar",
            list(dims)
        )),
    },
    meaning: Meaning::Component(|c| {
        // Relative to the smallest component, so that no exponential overflows.
        let (extent, scalar) = (c.dim(0), Default::default());
        let least = c.fold(FoldKind::Min, extent, |c, k| c.at(0, k));
        let temperature = c.at(1, &scalar);
        let sum = c.fold(FoldKind::Sum, extent, |c, k| {
            let f = c.at(0, k);
            let difference = c.apply(Instruction::Sub, &[least, f]);
            let exponent = c.apply(Instruction::Div, &[difference, temperature]);
            c.apply(Instruction::Exp, &[exponent])
        });
        let log = c.apply(Instruction::Log, &[sum]);
        let below = c.apply(Instruction::Mul, &[temperature, log]);
        c.apply(Instruction::Sub, &[least, below])
    }),
    derivative: Derivative::Adjoint(|dag, args, _, e| {
        // The weights e^((value - f_k) / g) sum to 1.
        let value = dag.apply(&SOFT_MIN, args);
        let differences = dag.apply(&SUBTRACT, &[value, args[0]]);
        let exponents = dag.apply(&DIVIDE, &[differences, args[1]]);
        let weights = dag.apply(&EXP, &[exponents]);
        let entropy = dag.apply(&SCALPROD, &[weights, exponents]);
        vec![
            Some(dag.apply(&MULT, &[e, weights])),
            Some(dag.apply(&MULT, &[e, entropy])),
        ]
    }),
    simplify: |dag, args, _| (dag.dim(args[0]) == 1).then_some(args[0]),
    doc: "-g log(sum of e^(-f_k / g)), the smooth minimum of the components at temperature g > 0; its error is small beside the larger one of g and the size of the smallest component",
    ..Op::BASE
};

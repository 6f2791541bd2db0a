//! Transcendental functions.

use super::helpers::{elementwise, horner, int};
use super::{ADD, Derivative, INV, MINUS, MULT, Meaning, Op, Param, RSQRT, SQUARE, SUBTRACT};
use crate::dag::{Dag, Node};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};

pub(super) const OPS: &[&Op] = &[
    &EXP,
    &LOG,
    &XLOGX,
    &SIN,
    &COS,
    &SINXDIVX,
    &SPHERICAL_BESSEL,
    &ASIN,
    &ACOS,
    &ATAN,
    &ATAN2,
];

fn minus(dag: &mut Dag, node: Node) -> Vec<Option<Node>> {
    vec![Some(dag.apply(&MINUS, &[node]))]
}

/// e^f
pub(crate) static EXP: Op = Op {
    name: "Exp",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Exp)),
    derivative: Derivative::Partials(|_, _, _, value| vec![Some(value)]),
    simplify: |dag, args, _| {
        let x = dag.as_constant(args[0]).filter(|_| dag.dim(args[0]) == 1)?;
        Some(dag.constant(x.exp()))
    },
    ulp: Some([1.1, 1.1]),
    doc: "e^f",
    ..Op::BASE
};

/// Natural logarithm.
pub(crate) static LOG: Op = Op {
    name: "Log",
    aliases: &["ln"],
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Log)),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&INV, args))]),
    ulp: Some([1.0, 1.0]),
    doc: "Natural logarithm, -inf at 0",
    ..Op::BASE
};

/// f log f
pub(crate) static XLOGX: Op = Op {
    name: "XLogX",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        let (f, zero) = (c.arg(0), c.constant(0.0));
        let log = c.apply(Instruction::Log, &[f]);
        let product = c.apply(Instruction::Mul, &[f, log]);
        c.apply(Instruction::SelectEq, &[f, zero, zero, product])
    }),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let log = dag.apply(&LOG, args);
        let one = dag.constant(1.0);
        vec![Some(dag.apply(&ADD, &[log, one]))]
    }),
    ulp: Some([1.8, 1.8]),
    doc: "f log f, and 0 at 0",
    ..Op::BASE
};

/// sin f
pub(crate) static SIN: Op = Op {
    name: "Sin",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Sin)),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&COS, args))]),
    ulp: Some([1.7, 1.7]),
    doc: "sin f",
    ..Op::BASE
};

/// cos f
pub(crate) static COS: Op = Op {
    name: "Cos",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Cos)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let sin = dag.apply(&SIN, args);
        minus(dag, sin)
    }),
    ulp: Some([1.8, 1.7]),
    doc: "cos f",
    ..Op::BASE
};

/// sin f / f
pub(crate) static SINXDIVX: Op = Op {
    name: "SinXDivX",
    aliases: &["sinc"],
    args: &["f"],
    meaning: Meaning::Expand(|dag, args, _| {
        dag.apply_with(&SPHERICAL_BESSEL, args, &[Param::Int(0)])
    }),
    ulp: Some([1.9, 1.8]),
    doc: "sin f / f, and 1 at 0",
    ..Op::BASE
};

/// The family that sin f / f and its derivatives belong to.
pub(crate) static SPHERICAL_BESSEL: Op = Op {
    name: "SphericalBessel",
    args: &["f"],
    params: &[int("n")],
    dim: |dims, params| match params[0].int() {
        0..=32 => Ok(dims[0]),
        n => Err(format!("the order must be from 0 to 32, not {n}")),
    },
    meaning: Meaning::Component(spherical_bessel),
    derivative: Derivative::Partials(|dag, args, params, _| {
        let next = Param::Int(params[0].int() + 1);
        let slope = dag.apply_with(&SPHERICAL_BESSEL, args, &[next]);
        let product = dag.apply(&MULT, &[args[0], slope]);
        minus(dag, product)
    }),
    doc: "j_n(f) / f^n, where j_n is the spherical Bessel function of order n; smooth at 0; its error is up to ten units in the last place of its value at 0",
    ..Op::BASE
};

/// b_n(x) = j_n(x) / x^n satisfies b_n' = -x b_(n+1) and x^2 b_(n+1) = (2n + 1) b_n - b_(n-1) (DLMF 10.51). The
/// recurrence cancels near 0, where the power series (DLMF 10.53.1) takes over.
fn spherical_bessel(c: &mut Component<'_, '_>) -> Value {
    use Instruction::*;
    let n = c.param(0).size();
    let x = c.arg(0);
    let (zero, one) = (c.constant(0.0), c.constant(1.0));
    let sin = c.apply(Sin, &[x]);
    let sinc = c.apply(Div, &[sin, x]);
    if n == 0 {
        return c.apply(SelectEq, &[x, zero, one, sinc]);
    }
    let square = c.apply(Mul, &[x, x]);
    let cos = c.apply(Cos, &[x]);
    let (mut previous, mut far) = (cos, sinc);
    for order in 0..n {
        let factor = c.constant((2 * order) as f64 + 1.0);
        let scaled = if order == 0 {
            far
        } else {
            c.apply(Mul, &[factor, far])
        };
        let difference = c.apply(Sub, &[scaled, previous]);
        previous = far;
        far = c.apply(Div, &[difference, square]);
    }
    // Below the border, where its terms cancel no more than the recurrence does, the series. In powers of the part of the border, and relative to the first, its
    // coefficients are numbers of the smaller type.
    let border = 0.8 * (n as f64 + 1.0);
    let mut terms = vec![1.0];
    while terms.last().is_some_and(|term: &f64| term.abs() > 1e-18) {
        let k = terms.len() as f64;
        let ratio = -border * border / (2.0 * k * (2.0 * (n as f64 + k) + 1.0));
        terms.push(terms[terms.len() - 1] * ratio);
    }
    let per_border = c.constant(1.0 / (border * border));
    let part = c.apply(Mul, &[square, per_border]);
    let near = horner(c, part, &terms);
    let first = c.constant((0..=n).fold(1.0, |product, k| product / (2 * k + 1) as f64));
    let near = c.apply(Mul, &[near, first]);
    let limit = c.constant(border * border);
    c.apply(SelectLt, &[square, limit, near, far])
}

/// arcsin f
pub(crate) static ASIN: Op = Op {
    name: "Asin",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Asin)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let root = inverse_root(dag, args[0]);
        vec![Some(root)]
    }),
    ulp: Some([1.1, 1.1]),
    doc: "arcsin f; its derivative at -1 and 1 is taken as 0",
    ..Op::BASE
};

/// arccos f
pub(crate) static ACOS: Op = Op {
    name: "Acos",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Acos)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let root = inverse_root(dag, args[0]);
        minus(dag, root)
    }),
    ulp: Some([1.1, 1.1]),
    doc: "arccos f; its derivative at -1 and 1 is taken as 0",
    ..Op::BASE
};

/// 1 / sqrt(1 - f^2)
fn inverse_root(dag: &mut Dag, f: Node) -> Node {
    let one = dag.constant(1.0);
    // Near -1 and 1, 1 - f^2 would lose the digits that the rounding of the square takes.
    let (less, more) = (dag.apply(&SUBTRACT, &[one, f]), dag.apply(&ADD, &[one, f]));
    let product = dag.apply(&MULT, &[less, more]);
    dag.apply(&RSQRT, &[product])
}

/// arctan f
pub(crate) static ATAN: Op = Op {
    name: "Atan",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Atan)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let one = dag.constant(1.0);
        let square = dag.apply(&SQUARE, args);
        let sum = dag.apply(&ADD, &[one, square]);
        vec![Some(dag.apply(&INV, &[sum]))]
    }),
    ulp: Some([1.6, 1.6]),
    doc: "arctan f",
    ..Op::BASE
};

/// Angle of the point (g, f).
pub(crate) static ATAN2: Op = Op {
    name: "Atan2",
    args: &["f", "g"],
    meaning: Meaning::Component(|c| {
        // Minus zero is zero: which one a difference is depends on how it was simplified, and the angle would be another one.
        let zero = c.constant(0.0);
        let args =
            [c.arg(0), c.arg(1)].map(|f| c.apply(Instruction::SelectEq, &[f, zero, zero, f]));
        c.apply(Instruction::Atan2, &args)
    }),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let squares = [
            dag.apply(&SQUARE, &args[..1]),
            dag.apply(&SQUARE, &args[1..]),
        ];
        let norm = dag.apply(&ADD, &squares);
        // 0 at the origin, where there is no derivative.
        let root = dag.apply(&RSQRT, &[norm]);
        let inverse = dag.apply(&SQUARE, &[root]);
        let f = dag.apply(&MULT, &[args[0], inverse]);
        let slopes = [
            dag.apply(&MULT, &[args[1], inverse]),
            dag.apply(&MINUS, &[f]),
        ];
        slopes.map(Some).to_vec()
    }),
    ulp: Some([1.6, 1.6]),
    doc: "Angle of the point (g, f), from above -pi to pi, and 0 at the origin, as its derivatives are there",
    ..Op::BASE
};

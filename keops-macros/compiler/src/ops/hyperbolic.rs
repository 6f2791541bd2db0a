//! Hyperbolic functions, and relatives of exp and log. KeOps does not have these.

use super::helpers::elementwise;
use super::{ADD, Derivative, EXP, INV, MINUS, MULT, Meaning, Op, SQUARE};
use crate::dag::{Dag, Node};
use crate::scalar::Instruction;

pub(super) const OPS: &[&Op] = &[
    &EXP2, &EXPM1, &LOG1P, &SINH, &COSH, &TANH, &SIGMOID, &SOFTPLUS, &ERF,
];

/// 2^f
pub(crate) static EXP2: Op = Op {
    name: "Exp2",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Exp2)),
    derivative: Derivative::Partials(|dag, _, _, value| {
        let log2 = dag.constant(std::f64::consts::LN_2);
        vec![Some(dag.apply(&MULT, &[log2, value]))]
    }),
    ulp: Some([1.1, 1.1]),
    doc: "2^f",
    ..Op::BASE
};

/// e^f - 1
pub(crate) static EXPM1: Op = Op {
    name: "Expm1",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Expm1)),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&EXP, args))]),
    ulp: Some([1.2, 1.2]),
    doc: "e^f - 1, accurate near 0",
    ..Op::BASE
};

/// log(1 + f)
pub(crate) static LOG1P: Op = Op {
    name: "Log1p",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Log1p)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let one = dag.constant(1.0);
        let sum = dag.apply(&ADD, &[one, args[0]]);
        vec![Some(dag.apply(&INV, &[sum]))]
    }),
    ulp: Some([1.0, 1.0]),
    doc: "log(1 + f), accurate near 0",
    ..Op::BASE
};

/// Hyperbolic sine.
pub(crate) static SINH: Op = Op {
    name: "Sinh",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Sinh)),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&COSH, args))]),
    ulp: Some([1.7, 1.6]),
    doc: "sinh f",
    ..Op::BASE
};

/// Hyperbolic cosine.
pub(crate) static COSH: Op = Op {
    name: "Cosh",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Cosh)),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&SINH, args))]),
    ulp: Some([1.6, 1.4]),
    doc: "cosh f",
    ..Op::BASE
};

/// Hyperbolic tangent.
pub(crate) static TANH: Op = Op {
    name: "Tanh",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Tanh)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        // 1 / cosh^2 f = 4 s(2f) s(-2f) with the logistic function s; 1 - tanh^2 f would have no digit left where tanh f is nearly 1, and cosh would overflow.
        let two = dag.constant(2.0);
        let double = dag.apply(&MULT, &[two, args[0]]);
        let four = dag.constant(4.0);
        let bell = logistic_slope(dag, double);
        vec![Some(dag.apply(&MULT, &[four, bell]))]
    }),
    ulp: Some([1.1, 1.1]),
    doc: "tanh f",
    ..Op::BASE
};

/// The derivative of the logistic function s: s(f) s(-f), as 1 - s(f) would have no digit left where s(f) is nearly 1.
fn logistic_slope(dag: &mut Dag, f: Node) -> Node {
    let minus = dag.apply(&MINUS, &[f]);
    let (value, rest) = (dag.apply(&SIGMOID, &[f]), dag.apply(&SIGMOID, &[minus]));
    dag.apply(&MULT, &[value, rest])
}

/// The logistic function.
pub(crate) static SIGMOID: Op = Op {
    name: "Sigmoid",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        use Instruction::*;
        // Of e^-|f| overflow is no concern, and neither is the inverse of a number whose unit in the last place is relatively the larger one.
        let (f, zero, one) = (c.arg(0), c.constant(0.0), c.constant(1.0));
        let size = c.apply(Abs, &[f]);
        let minus = c.apply(Neg, &[size]);
        let decay = c.apply(Exp, &[minus]);
        let sum = c.apply_as_written(Add, &[one, decay]);
        let above = c.apply(SelectLt, &[f, zero, decay, one]);
        let quotient = c.apply(Div, &[above, sum]);
        // What the sum lost.
        let held = c.apply_as_written(Sub, &[sum, one]);
        let rest = c.apply_as_written(Sub, &[decay, held]);
        // The inverse of the sum to a few digits.
        let complement = c.apply(Sub, &[one, quotient]);
        let inverse = c.apply(SelectLt, &[f, zero, complement, quotient]);
        let change = c.apply(Mul, &[quotient, inverse]);
        let change = c.apply(Mul, &[change, rest]);
        c.apply(Sub, &[quotient, change])
    }),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(logistic_slope(dag, args[0]))]),
    ulp: Some([2.0, 2.0]),
    doc: "1 / (1 + e^-f)",
    ..Op::BASE
};

/// A smooth positive part.
pub(crate) static SOFTPLUS: Op = Op {
    name: "Softplus",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        // max(f, 0) + log(1 + e^-|f|) overflows nowhere.
        let (f, zero) = (c.arg(0), c.constant(0.0));
        let size = c.apply(Instruction::Abs, &[f]);
        let minus = c.apply(Instruction::Neg, &[size]);
        let decay = c.apply(Instruction::Exp, &[minus]);
        let log = c.apply(Instruction::Log1p, &[decay]);
        let positive = c.apply(Instruction::SelectLt, &[f, zero, zero, f]);
        c.apply(Instruction::Add, &[positive, log])
    }),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&SIGMOID, args))]),
    ulp: Some([1.7, 1.7]),
    doc: "log(1 + e^f)",
    ..Op::BASE
};

/// The error function.
pub(crate) static ERF: Op = Op {
    name: "Erf",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Erf)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let square = dag.apply(&SQUARE, args);
        let minus = dag.apply(&MINUS, &[square]);
        let bell = dag.apply(&EXP, &[minus]);
        let factor = dag.constant(std::f64::consts::FRAC_2_SQRT_PI);
        vec![Some(dag.apply(&MULT, &[factor, bell]))]
    }),
    ulp: Some([1.3, 1.2]),
    doc: "The error function",
    ..Op::BASE
};

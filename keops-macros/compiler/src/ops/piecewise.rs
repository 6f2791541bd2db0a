//! Comparisons and piecewise functions.

use super::helpers::{elementwise, int};
use super::{DIVIDE, Derivative, Linearity, MINUS, MULT, Meaning, Op, Param, ParamKind, SUBTRACT};
use crate::dag::{Dag, Node};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};

pub(super) const OPS: &[&Op] = &[
    &MINIMUM,
    &MAXIMUM,
    &SIGN,
    &STEP,
    &RELU,
    &CLAMP,
    &CLAMP_INT,
    &IF_ELSE,
    &MOD,
    &FLOOR,
    &ROUND,
    &EQUAL,
    &NOT_EQUAL,
    &LESS_THAN,
    &LESS_OR_EQUAL,
];

/// A select on arguments and constants: `if a ? b { x } else { y }`.
fn select(
    c: &mut Component<'_, '_>,
    how: Instruction,
    a: Value,
    b: Value,
    x: f64,
    y: f64,
) -> Value {
    let (x, y) = (c.constant(x), c.constant(y));
    c.apply(how, &[a, b, x, y])
}

/// The sign of f.
pub(crate) static SIGN: Op = Op {
    name: "Sign",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        let (f, zero) = (c.arg(0), c.constant(0.0));
        let positive = select(c, Instruction::SelectLt, zero, f, 1.0, 0.0);
        let minus = c.constant(-1.0);
        c.apply(Instruction::SelectLt, &[f, zero, minus, positive])
    }),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "-1, 0 or 1",
    ..Op::BASE
};

/// Heaviside's step.
pub(crate) static STEP: Op = Op {
    name: "Step",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        let (f, zero) = (c.arg(0), c.constant(0.0));
        select(c, Instruction::SelectLt, f, zero, 0.0, 1.0)
    }),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "0 if f < 0, else 1",
    ..Op::BASE
};

/// The positive part.
pub(crate) static RELU: Op = Op {
    name: "ReLU",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        let (f, zero) = (c.arg(0), c.constant(0.0));
        c.apply(Instruction::SelectLt, &[f, zero, zero, f])
    }),
    derivative: Derivative::Partials(|dag, args, _, _| vec![Some(dag.apply(&STEP, args))]),
    doc: "0 if f < 0, else f; its derivative at 0 is 1",
    ..Op::BASE
};

fn clamped(c: &mut Component<'_, '_>, f: Value, a: Value, b: Value) -> Value {
    let upper = c.apply(Instruction::SelectLt, &[b, f, b, f]);
    c.apply(Instruction::SelectLt, &[f, a, a, upper])
}

/// The smaller of two.
pub(crate) static MINIMUM: Op = Op {
    name: "Minimum",
    args: &["f", "g"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Min)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let first = dag.apply(&LESS_OR_EQUAL, &[args[0], args[1]]);
        let second = dag.apply(&LESS_THAN, &[args[1], args[0]]);
        vec![Some(first), Some(second)]
    }),
    doc: "f if f < g, else g (so g if either is NaN); where they are equal, f takes the derivative",
    ..Op::BASE
};

/// The larger of two.
pub(crate) static MAXIMUM: Op = Op {
    name: "Maximum",
    args: &["f", "g"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Max)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let first = dag.apply(&LESS_OR_EQUAL, &[args[1], args[0]]);
        let second = dag.apply(&LESS_THAN, &[args[0], args[1]]);
        vec![Some(first), Some(second)]
    }),
    doc: "f if f > g, else g (so g if either is NaN); where they are equal, f takes the derivative",
    ..Op::BASE
};

/// f clamped to an interval.
pub(crate) static CLAMP: Op = Op {
    name: "Clamp",
    args: &["f", "a", "b"],
    meaning: Meaning::Component(|c| {
        let [f, a, b] = [c.arg(0), c.arg(1), c.arg(2)];
        clamped(c, f, a, b)
    }),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let &[f, a, b] = args else { return Vec::new() };
        let inside = [
            dag.apply(&LESS_OR_EQUAL, &[a, f]),
            dag.apply(&LESS_OR_EQUAL, &[f, b]),
        ];
        let above = dag.apply(&LESS_THAN, &[b, f]);
        // The lower bound is tested first.
        let above = dag.apply(&MULT, &[inside[0], above]);
        vec![
            Some(dag.apply(&MULT, &inside)),
            Some(dag.apply(&LESS_THAN, &[f, a])),
            Some(above),
        ]
    }),
    doc: "a if f < a, b if f > b, else f; the derivative to f is 1 at both bounds",
    ..Op::BASE
};

/// f clamped to an interval with integer ends.
pub(crate) static CLAMP_INT: Op = Op {
    name: "ClampInt",
    args: &["f"],
    params: &[int("a"), int("b")],
    meaning: Meaning::Expand(|dag, args, params| {
        let bounds = [0, 1].map(|n| dag.constant(params[n].int() as f64));
        dag.apply(&CLAMP, &[args[0], bounds[0], bounds[1]])
    }),
    doc: "Clamp(f, a, b) with integers a and b",
    ..Op::BASE
};

/// Selection by sign.
pub(crate) static IF_ELSE: Op = Op {
    name: "IfElse",
    args: &["c", "a", "b"],
    meaning: Meaning::Component(|c| {
        let zero = c.constant(0.0);
        let args = [zero, c.arg(0), c.arg(1), c.arg(2)];
        c.apply(Instruction::SelectLe, &args)
    }),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let (one, zero) = (dag.constant(1.0), dag.zero(1));
        let chosen = dag.apply(&IF_ELSE, &[args[0], one, zero]);
        let other = dag.apply(&IF_ELSE, &[args[0], zero, one]);
        vec![None, Some(chosen), Some(other)]
    }),
    linearity: Linearity::AfterFirst,
    simplify: |dag, args, params| {
        let condition = dag.as_constant(args[0])?;
        let dims: Vec<usize> = args.iter().map(|&arg| dag.dim(arg)).collect();
        let dim = super::helpers::broadcast(&dims, params).ok()?;
        let chosen = if condition >= 0.0 { args[1] } else { args[2] };
        super::helpers::of_dim(dag, chosen, dim)
    },
    jumps: true,
    doc: "a if c >= 0, else b",
    ..Op::BASE
};

/// Remainder with an offset.
pub(crate) static MOD: Op = Op {
    name: "Mod",
    aliases: &["modulo"],
    args: &["f", "n", "d"],
    optional: 1,
    meaning: Meaning::Component(|c| {
        let [f, n, d] = [c.arg(0), c.arg(1), c.arg(2)];
        let shifted = c.apply(Instruction::Sub, &[f, d]);
        let turns = c.apply(Instruction::Div, &[shifted, n]);
        let turns = c.apply(Instruction::Floor, &[turns]);
        let whole = c.apply(Instruction::Mul, &[n, turns]);
        c.apply(Instruction::Sub, &[f, whole])
    }),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let shifted = dag.apply(&SUBTRACT, &[args[0], args[2]]);
        // The same quotient as in the value: another one could be rounded to the other side of an integer.
        let turns = dag.apply(&DIVIDE, &[shifted, args[1]]);
        let turns = dag.apply(&FLOOR, &[turns]);
        vec![
            Some(dag.constant(1.0)),
            Some(dag.apply(&MINUS, &[turns])),
            None,
        ]
    }),
    jumps: true,
    doc: "f - n floor((f - d) / n), in [d, d + n) for n > 0; d is 0 if left out; its error, for d = 0, is up to two units in the last place of the larger one of f and n, and beside a jump it may be the value of the other side",
    ..Op::BASE
};

/// The number of decimals, the only parameter.
fn decimals(params: &[Param]) -> i64 {
    params.first().map_or(0, Param::int)
}

/// Largest integer not above f.
pub(crate) static FLOOR: Op = Op {
    name: "Floor",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Floor)),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "Largest integer not above f",
    ..Op::BASE
};

/// Rounding to decimals.
pub(crate) static ROUND: Op = Op {
    name: "Round",
    args: &["f"],
    params: &[ParamKind {
        optional: true,
        ..int("d")
    }],
    dim: |dims, params| match decimals(params) {
        -300..=300 => Ok(dims[0]),
        d => Err(format!(
            "the number of decimals must be from -300 to 300, not {d}"
        )),
    },
    meaning: Meaning::Component(|c| {
        let (f, decimals) = (c.arg(0), decimals(c.params()));
        let power = 10f64.powi(decimals.unsigned_abs() as i32);
        let power = c.constant(power);
        let (up, down) = if decimals < 0 {
            (Instruction::Div, Instruction::Mul)
        } else {
            (Instruction::Mul, Instruction::Div)
        };
        let scaled = c.apply(up, &[f, power]);
        let rounded = c.apply(Instruction::Round, &[scaled]);
        let value = c.apply(down, &[rounded, power]);
        // From here on every number is an integer, and there is nothing to round; infinity among them.
        let (size, integers) = (
            c.apply(Instruction::Abs, &[scaled]),
            c.constant(2f64.powi(53)),
        );
        c.apply(Instruction::SelectLt, &[size, integers, value, f])
    }),
    derivative: Derivative::Zero,
    jumps: true,
    ulp: Some([1.5, 1.5]),
    doc: "f rounded to d decimals (0 if left out), halves away from zero; f 10^d is rounded before, so that beside a half it may go to either side",
    ..Op::BASE
};

fn truth(c: &mut Component<'_, '_>, how: Instruction, yes: f64, no: f64) -> Value {
    let [f, g] = [c.arg(0), c.arg(1)];
    select(c, how, f, g, yes, no)
}

/// Whether two values of one node are compared.
fn same(dag: &mut Dag, args: &[Node], value: f64) -> Option<Node> {
    let constants = [dag.as_constant(args[0])?, dag.as_constant(args[1])?];
    let scalar = args.iter().all(|&arg| dag.dim(arg) == 1);
    (scalar && constants[0] == constants[1]).then(|| dag.constant(value))
}

/// f = g
pub(crate) static EQUAL: Op = Op {
    name: "Equal",
    aliases: &["eq"],
    args: &["f", "g"],
    meaning: Meaning::Component(|c| truth(c, Instruction::SelectEq, 1.0, 0.0)),
    derivative: Derivative::Zero,
    jumps: true,
    simplify: |dag, args, _: &[Param]| same(dag, args, 1.0),
    doc: "1 where f = g, else 0",
    ..Op::BASE
};

/// f != g
pub(crate) static NOT_EQUAL: Op = Op {
    name: "NotEqual",
    aliases: &["ne"],
    args: &["f", "g"],
    meaning: Meaning::Component(|c| truth(c, Instruction::SelectEq, 0.0, 1.0)),
    derivative: Derivative::Zero,
    jumps: true,
    simplify: |dag, args, _: &[Param]| same(dag, args, 0.0),
    doc: "1 where f differs from g, else 0",
    ..Op::BASE
};

/// f < g
pub(crate) static LESS_THAN: Op = Op {
    name: "LessThan",
    aliases: &["lt"],
    args: &["f", "g"],
    meaning: Meaning::Component(|c| truth(c, Instruction::SelectLt, 1.0, 0.0)),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "1 where f < g, else 0",
    ..Op::BASE
};

/// f <= g
pub(crate) static LESS_OR_EQUAL: Op = Op {
    name: "LessOrEqual",
    aliases: &["le"],
    args: &["f", "g"],
    meaning: Meaning::Component(|c| truth(c, Instruction::SelectLe, 1.0, 0.0)),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "1 where f <= g, else 0",
    ..Op::BASE
};

//! Arithmetic, constants, powers and roots.

use super::helpers::{broadcast, elementwise, inner, int, matches, of_dim};
use super::two_words::TwoWords;
use super::{Derivative, Linearity, Meaning, Op, Param, rows};
use crate::dag::{Dag, Node};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};

pub(super) const OPS: &[&Op] = &[
    &ADD, &SUBTRACT, &MULT, &DIVIDE, &MINUS, &INV, &SQUARE, &POW, &POWF, &SQRT, &RSQRT, &ABS,
    &HYPOT, &INT_CST, &INT_INV, &RAT_CST, &ZERO,
];

fn one(dag: &mut Dag) -> Option<Node> {
    Some(dag.constant(1.0))
}

fn constants(dag: &Dag, args: &[Node]) -> Option<Vec<f64>> {
    let scalar = args.iter().all(|&arg| dag.dim(arg) == 1);
    if scalar {
        args.iter().map(|&arg| dag.as_constant(arg)).collect()
    } else {
        None
    }
}

/// f + g
pub(crate) static ADD: Op = Op {
    name: "Add",
    args: &["f", "g"],
    dim: broadcast,
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Add)),
    derivative: Derivative::Partials(|dag, _, _, _| vec![one(dag), one(dag)]),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        let &[f, g] = args else { return None };
        let dim = broadcast(&[dag.dim(f), dag.dim(g)], params).ok()?;
        if let Some(c) = constants(dag, args) {
            return Some(dag.constant(c[0] + c[1]));
        }
        if dag.is_zero(f)
            && let Some(g) = of_dim(dag, g, dim)
        {
            return Some(g);
        }
        if dag.is_zero(g)
            && let Some(f) = of_dim(dag, f, dim)
        {
            return Some(f);
        }
        if f == g {
            let two = dag.constant(2.0);
            return Some(dag.apply(&MULT, &[two, f]));
        }
        if let Some(g) = inner(dag, g, &MINUS) {
            return Some(dag.apply(&SUBTRACT, &[f, g]));
        }
        if let Some(f) = inner(dag, f, &MINUS) {
            return Some(dag.apply(&SUBTRACT, &[g, f]));
        }
        // One order for both, so that equal sums are equal nodes.
        (g < f).then(|| dag.apply(&ADD, &[g, f]))
    },
    doc: "f + g",
    ..Op::BASE
};

/// f - g
pub(crate) static SUBTRACT: Op = Op {
    name: "Subtract",
    aliases: &["sub"],
    args: &["f", "g"],
    dim: broadcast,
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Sub)),
    derivative: Derivative::Partials(|dag, _, _, _| vec![one(dag), Some(dag.constant(-1.0))]),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        let &[f, g] = args else { return None };
        let dim = broadcast(&[dag.dim(f), dag.dim(g)], params).ok()?;
        if let Some(c) = constants(dag, args) {
            return Some(dag.constant(c[0] - c[1]));
        }
        if f == g {
            return Some(dag.zero(dim));
        }
        if dag.is_zero(g)
            && let Some(f) = of_dim(dag, f, dim)
        {
            return Some(f);
        }
        if dag.is_zero(f) && dag.dim(g) == dim {
            return Some(dag.apply(&MINUS, &[g]));
        }
        if let Some(g) = inner(dag, g, &MINUS) {
            return Some(dag.apply(&ADD, &[f, g]));
        }
        // g - f is -(f - g): differences of both signs share their value, and even functions of them are recognised
        // as symmetric.
        (g < f).then(|| {
            let difference = dag.apply(&SUBTRACT, &[g, f]);
            dag.apply(&MINUS, &[difference])
        })
    },
    doc: "f - g",
    ..Op::BASE
};

/// f * g
pub(crate) static MULT: Op = Op {
    name: "Mult",
    aliases: &["mul"],
    args: &["f", "g"],
    dim: broadcast,
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Mul)),
    derivative: Derivative::Partials(|_, args, _, _| vec![Some(args[1]), Some(args[0])]),
    linearity: Linearity::Each,
    simplify: |dag, args, params| {
        let &[f, g] = args else { return None };
        let dim = broadcast(&[dag.dim(f), dag.dim(g)], params).ok()?;
        if let Some(c) = constants(dag, args) {
            return Some(dag.constant(c[0] * c[1]));
        }
        if dag.is_zero(f) || dag.is_zero(g) {
            return Some(dag.zero(dim));
        }
        if f == g {
            return Some(dag.apply(&SQUARE, &[f]));
        }
        if let Some(product) = rows::product(dag, f, g) {
            return Some(product);
        }
        for (f, g) in [(f, g), (g, f)] {
            if let Some(x) = dag.as_constant(f) {
                if x == 1.0 {
                    return Some(g);
                }
                if x == -1.0 {
                    return Some(dag.apply(&MINUS, &[g]));
                }
                let scaled = matches(dag, g, &MULT).map(<[Node]>::to_vec);
                if let Some(scaled) = scaled {
                    for (a, b) in [(scaled[0], scaled[1]), (scaled[1], scaled[0])] {
                        if let Some(y) = dag.as_constant(a) {
                            let product = dag.constant(x * y);
                            return Some(dag.apply(&MULT, &[product, b]));
                        }
                    }
                }
            }
            if let Some(f) = inner(dag, f, &MINUS) {
                let product = dag.apply(&MULT, &[f, g]);
                return Some(dag.apply(&MINUS, &[product]));
            }
        }
        (g < f).then(|| dag.apply(&MULT, &[g, f]))
    },
    doc: "f * g: elementwise, or a scalar times a vector",
    ..Op::BASE
};

/// f / g
pub(crate) static DIVIDE: Op = Op {
    name: "Divide",
    aliases: &["div"],
    args: &["f", "g"],
    dim: broadcast,
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Div)),
    derivative: Derivative::Partials(|dag, args, _, value| {
        let inverse = dag.apply(&INV, &[args[1]]);
        let slope = dag.apply(&MULT, &[value, inverse]);
        vec![Some(inverse), Some(dag.apply(&MINUS, &[slope]))]
    }),
    linearity: Linearity::First,
    simplify: |dag, args, params| {
        let &[f, g] = args else { return None };
        let dim = broadcast(&[dag.dim(f), dag.dim(g)], params).ok()?;
        if let Some(c) = constants(dag, args).filter(|c| c[1] != 0.0) {
            return Some(dag.constant(c[0] / c[1]));
        }
        if dag.is_zero(f) {
            return Some(dag.zero(dim));
        }
        match dag.as_constant(g) {
            Some(1.0) => return Some(f),
            Some(-1.0) => return Some(dag.apply(&MINUS, &[f])),
            _ => {}
        }
        if let Some(f) = inner(dag, f, &MINUS) {
            let quotient = dag.apply(&DIVIDE, &[f, g]);
            return Some(dag.apply(&MINUS, &[quotient]));
        }
        None
    },
    ulp: Some([0.5, 0.5]),
    doc: "f / g",
    ..Op::BASE
};

/// -f
pub(crate) static MINUS: Op = Op {
    name: "Minus",
    aliases: &["neg"],
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Neg)),
    derivative: Derivative::Partials(|dag, _, _, _| vec![Some(dag.constant(-1.0))]),
    linearity: Linearity::Joint,
    simplify: |dag, args, _| {
        if dag.is_zero(args[0]) {
            return Some(args[0]);
        }
        if let Some(x) = dag.as_constant(args[0]) {
            return Some(dag.constant(-x));
        }
        if let Some(opposite) = rows::opposite(dag, args[0]) {
            return Some(opposite);
        }
        inner(dag, args[0], &MINUS)
    },
    doc: "-f",
    ..Op::BASE
};

/// 1 / f
pub(crate) static INV: Op = Op {
    name: "Inv",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Recip)),
    derivative: Derivative::Partials(|dag, _, _, value| {
        let square = dag.apply(&SQUARE, &[value]);
        vec![Some(dag.apply(&MINUS, &[square]))]
    }),
    ulp: Some([0.6, 0.6]),
    doc: "1 / f",
    ..Op::BASE
};

/// f^2
pub(crate) static SQUARE: Op = Op {
    name: "Square",
    args: &["f"],
    meaning: Meaning::Component(|c| {
        let f = c.arg(0);
        c.apply(Instruction::Mul, &[f, f])
    }),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let two = dag.constant(2.0);
        vec![Some(dag.apply(&MULT, &[two, args[0]]))]
    }),
    simplify: |dag, args, _| {
        if dag.is_zero(args[0]) {
            return Some(args[0]);
        }
        if let Some(x) = dag.as_constant(args[0]) {
            return Some(dag.constant(x * x));
        }
        let even = inner(dag, args[0], &MINUS).or_else(|| inner(dag, args[0], &ABS))?;
        Some(dag.apply(&SQUARE, &[even]))
    },
    doc: "f^2",
    ..Op::BASE
};

/// f^n
pub(crate) static POW: Op = Op {
    name: "Pow",
    aliases: &["powi"],
    args: &["f"],
    params: &[int("n")],
    meaning: Meaning::Component(|c| {
        let (f, n) = (c.arg(0), c.param(0).int());
        match n {
            -2..=3 => integer_power(c, f, n),
            // The roundings of a product are multiplied with what is left of the exponent.
            -64..=64 => {
                let power = TwoWords::of(c, f).power(c, n.unsigned_abs() as usize);
                let power = if n < 0 { power.inverse(c) } else { power };
                let [upper, _] = power.words();
                let value = power.rounded(c);
                // Beside infinity there is no lower word.
                c.apply(Instruction::SelectEq, &[value, value, value, upper])
            }
            _ => {
                let n = c.constant(n as f64);
                c.apply(Instruction::Pow, &[f, n])
            }
        }
    }),
    derivative: Derivative::Partials(|dag, args, params, _| {
        let n = params[0].int();
        let slope = dag.apply_with(&POW, args, &[Param::Int(n - 1)]);
        let factor = dag.constant(n as f64);
        vec![Some(dag.apply(&MULT, &[factor, slope]))]
    }),
    simplify: |dag, args, params| match params[0].int() {
        0 => {
            let one = dag.constant(1.0);
            let dim = dag.dim(args[0]);
            Some(dag.apply_with(&super::SUM_T, &[one], &[Param::Int(dim as i64)]))
        }
        1 => Some(args[0]),
        2 => Some(dag.apply(&SQUARE, args)),
        -1 => Some(dag.apply(&INV, args)),
        _ => None,
    },
    ulp: Some([1.5, 1.5]),
    doc: "f^n for an integer n, 1 where n = 0; any other exponent makes it Powf(f, n)",
    ..Op::BASE
};

/// Repeated squaring.
pub(super) fn integer_power(c: &mut Component<'_, '_>, f: Value, n: i64) -> Value {
    let mut power = c.constant(1.0);
    let mut square = f;
    let mut rest = n.unsigned_abs();
    while rest > 0 {
        if rest % 2 == 1 {
            power = c.apply(Instruction::Mul, &[power, square]);
        }
        rest /= 2;
        if rest > 0 {
            square = c.apply(Instruction::Mul, &[square, square]);
        }
    }
    if n < 0 {
        let one = c.constant(1.0);
        power = c.apply(Instruction::Div, &[one, power]);
    }
    power
}

/// `other` where `f` is not 0, and `at_zero` where it is.
fn unless_zero(dag: &mut Dag, f: Node, other: Node, at_zero: Node) -> Node {
    let zero = dag.zero(1);
    let differs = dag.apply(&super::piecewise::NOT_EQUAL, &[f, zero]);
    let half = dag.constant(0.5);
    let sign = dag.apply(&SUBTRACT, &[differs, half]);
    dag.apply(&super::piecewise::IF_ELSE, &[sign, other, at_zero])
}

/// f^g
pub(crate) static POWF: Op = Op {
    name: "Powf",
    aliases: &["power"],
    args: &["f", "g"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Pow)),
    derivative: Derivative::Partials(|dag, args, _, value| {
        let (one, zero) = (dag.constant(1.0), dag.zero(1));
        let less = dag.apply(&SUBTRACT, &[args[1], one]);
        // At a base of 0 the slope exists from an exponent of 1 on. Nothing is infinite there, so that derivatives are not either.
        let power = dag.apply(&POWF, &[args[0], less]);
        let power_of_zero = dag.apply(&super::piecewise::IF_ELSE, &[less, power, zero]);
        let power = unless_zero(dag, args[0], power, power_of_zero);
        let base = unless_zero(dag, args[0], args[0], one);
        let log = dag.apply(&super::transcendental::LOG, &[base]);
        let value = unless_zero(dag, args[0], value, zero);
        vec![
            Some(dag.apply(&MULT, &[args[1], power])),
            Some(dag.apply(&MULT, &[log, value])),
        ]
    }),
    simplify: |dag, args, _| {
        let exponent = dag.as_constant(args[1])?;
        if dag.dim(args[1]) != 1 {
            return None;
        }
        if exponent == 0.5 {
            return Some(dag.apply(&SQRT, &args[..1]));
        }
        if exponent == -0.5 {
            return Some(dag.apply(&RSQRT, &args[..1]));
        }
        let integer = exponent.trunc() == exponent && exponent.abs() < 64.0;
        integer.then(|| dag.apply_with(&POW, &args[..1], &[Param::Int(exponent as i64)]))
    },
    ulp: Some([1.6, 1.6]),
    doc: "f^g as C's pow, but Sqrt(f) and Rsqrt(f) for the numbers 0.5 and -0.5; where f is 0 its derivatives are 0 unless g >= 1",
    ..Op::BASE
};

/// sqrt(f)
pub(crate) static SQRT: Op = Op {
    name: "Sqrt",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Sqrt)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        let half = dag.constant(0.5);
        let rsqrt = dag.apply(&RSQRT, args);
        vec![Some(dag.apply(&MULT, &[half, rsqrt]))]
    }),
    ulp: Some([0.5, 0.5]),
    doc: "Square root; its derivative at 0 is taken as 0",
    ..Op::BASE
};

/// 1 / sqrt(f)
pub(crate) static RSQRT: Op = Op {
    name: "Rsqrt",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Rsqrt)),
    derivative: Derivative::Partials(|dag, _, _, value| {
        let factor = dag.constant(-0.5);
        let cube = dag.apply_with(&POW, &[value], &[Param::Int(3)]);
        vec![Some(dag.apply(&MULT, &[factor, cube]))]
    }),
    ulp: Some([1.5, 1.5]),
    doc: "1 / sqrt(f), and 0 at 0",
    ..Op::BASE
};

/// |f|
pub(crate) static ABS: Op = Op {
    name: "Abs",
    args: &["f"],
    meaning: Meaning::Component(|c| elementwise(c, Instruction::Abs)),
    derivative: Derivative::Partials(|dag, args, _, _| {
        vec![Some(dag.apply(&super::piecewise::SIGN, args))]
    }),
    simplify: |dag, args, _| {
        let even = inner(dag, args[0], &MINUS)?;
        Some(dag.apply(&ABS, &[even]))
    },
    doc: "|f|; its derivative is Sign(f), so 0 at 0",
    ..Op::BASE
};

/// sqrt(f^2 + g^2)
pub(crate) static HYPOT: Op = Op {
    name: "Hypot",
    args: &["f", "g"],
    meaning: Meaning::Component(|c| {
        // Scaled by the larger one, so that squares neither overflow nor underflow.
        let [f, g] = [c.arg(0), c.arg(1)].map(|f| c.apply(Instruction::Abs, &[f]));
        let (zero, one) = (c.constant(0.0), c.constant(1.0));
        let larger = c.apply(Instruction::Max, &[f, g]);
        let smaller = c.apply(Instruction::Min, &[f, g]);
        let ratio = c.apply(Instruction::Div, &[smaller, larger]);
        let square = c.apply(Instruction::Mul, &[ratio, ratio]);
        let sum = c.apply(Instruction::Add, &[one, square]);
        let root = c.apply(Instruction::Sqrt, &[sum]);
        let length = c.apply(Instruction::Mul, &[larger, root]);
        let length = c.apply(Instruction::SelectEq, &[larger, zero, zero, length]);
        let infinity = c.constant(f64::INFINITY);
        let length = c.apply(Instruction::SelectEq, &[larger, infinity, infinity, length]);
        // NaN differs from itself, in whichever operand it is.
        let total = c.apply(Instruction::Add, &[f, g]);
        c.apply(Instruction::SelectEq, &[total, total, length, total])
    }),
    derivative: Derivative::Partials(|dag, args, _, value| {
        let (zero, one) = (dag.zero(1), dag.constant(1.0));
        // Derivatives of the quotient are finite at 0 too, where they are not taken.
        let divisor = unless_zero(dag, value, value, one);
        let mut slopes = Vec::new();
        for &arg in args {
            let slope = dag.apply(&DIVIDE, &[arg, divisor]);
            slopes.push(Some(unless_zero(dag, value, slope, zero)));
        }
        slopes
    }),
    ulp: Some([2.0, 2.0]),
    doc: "sqrt(f^2 + g^2); its derivative at 0 is taken as 0",
    ..Op::BASE
};

/// An integer.
pub(crate) static INT_CST: Op = Op {
    name: "IntCst",
    params: &[int("n")],
    simplify: |dag, _, params| Some(dag.constant(params[0].int() as f64)),
    doc: "The integer n",
    ..Op::BASE
};

/// The inverse of an integer.
pub(crate) static INT_INV: Op = Op {
    name: "IntInv",
    params: &[int("n")],
    dim: |_, params| nonzero(&params[0]),
    simplify: |dag, _, params| Some(dag.constant(1.0 / params[0].int() as f64)),
    doc: "1 / n for an integer n",
    ..Op::BASE
};

/// A fraction.
pub(crate) static RAT_CST: Op = Op {
    name: "RatCst",
    params: &[int("p"), int("q")],
    dim: |_, params| nonzero(&params[1]),
    simplify: |dag, _, params| Some(dag.constant(params[0].int() as f64 / params[1].int() as f64)),
    doc: "p / q for integers p and q",
    ..Op::BASE
};

fn nonzero(divisor: &Param) -> Result<usize, String> {
    if divisor.int() == 0 {
        Err("division by zero".to_owned())
    } else {
        Ok(1)
    }
}

/// The zero vector.
pub(crate) static ZERO: Op = Op {
    name: "Zero",
    params: &[int("d")],
    dim: |_, params| Ok(params[0].size()),
    simplify: |dag, _, params| Some(dag.zero(params[0].size())),
    doc: "The zero vector of dimension d",
    ..Op::BASE
};

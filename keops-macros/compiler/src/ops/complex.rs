//! Complex numbers: vectors of even dimension that hold real and imaginary parts in turn.
//!
//! Everything is put together from real operations on the vectors of real parts and of imaginary parts, and so are the
//! derivatives: they are those of the real map.

use super::helpers::{int, list};
use super::vector::SUM;
use super::{
    ADD, DIVIDE, EXP, Linearity, MINUS, MULT, Meaning, Op, Param, SQRT, SQUARE, SUBTRACT, SUM_T,
};
use super::{Derivative, transcendental};
use crate::dag::{Dag, Node};
use crate::lower::Component;
use crate::scalar::{Index, Value};

pub(super) const OPS: &[&Op] = &[
    &REAL2COMPLEX,
    &IMAG2COMPLEX,
    &COMPLEX_REAL,
    &COMPLEX_IMAG,
    &CONJ,
    &COMPLEX_ADD,
    &COMPLEX_SUBTRACT,
    &COMPLEX_MULT,
    &COMPLEX_REAL_SCAL,
    &COMPLEX_DIVIDE,
    &COMPLEX_ABS,
    &COMPLEX_SQUARE_ABS,
    &COMPLEX_ANGLE,
    &COMPLEX_SUM,
    &COMPLEX_SUM_T,
    &COMPLEX_EXP,
    &COMPLEX_EXP1J,
];

fn even(dim: usize) -> Result<(), String> {
    if dim.is_multiple_of(2) {
        return Ok(());
    }
    Err(format!(
        "the operand has dimension {dim}; complex vectors have even dimensions"
    ))
}

/// A complex vector; the result has one component for each complex number.
fn halved(dims: &[usize], _: &[Param]) -> Result<usize, String> {
    even(dims[0]).map(|()| dims[0] / 2)
}

/// A complex vector; so is the result.
fn complex(dims: &[usize], _: &[Param]) -> Result<usize, String> {
    even(dims[0]).map(|()| dims[0])
}

/// Two complex vectors of as many numbers, or one number and a vector.
fn complex_broadcast(dims: &[usize], _: &[Param]) -> Result<usize, String> {
    for &dim in dims {
        even(dim)?;
    }
    let dim = dims.iter().copied().max().unwrap_or(2);
    match dims.iter().find(|&&d| d != dim && d != 2) {
        None => Ok(dim),
        Some(_) => Err(format!(
            "operands have dimensions {}; complex vectors must have equal dimensions, or 2",
            list(dims)
        )),
    }
}

/// The real parts (0) or the imaginary parts (1).
fn part(dag: &mut Dag, f: Node, which: i64) -> Node {
    dag.apply_with(&PART, &[f], &[Param::Int(which)])
}

fn parts(dag: &mut Dag, f: Node) -> [Node; 2] {
    [part(dag, f, 0), part(dag, f, 1)]
}

fn join(dag: &mut Dag, re: Node, im: Node) -> Node {
    dag.apply(&JOIN, &[re, im])
}

/// Every second component, from the first or from the second on.
static PART: Op = Op {
    name: "ComplexPart",
    args: &["f"],
    params: &[int("which")],
    dim: halved,
    meaning: Meaning::Component(|c| {
        let k = c.indices()[0].times(2).shifted(c.param(0).size());
        c.at(0, &k)
    }),
    derivative: Derivative::Adjoint(|dag, _, params, e| {
        let zero = dag.zero(dag.dim(e));
        let pair = if params[0].int() == 0 {
            [e, zero]
        } else {
            [zero, e]
        };
        vec![Some(dag.apply(&JOIN, &pair))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        if dag.is_zero(args[0]) {
            return Some(dag.zero(dag.dim(args[0]) / 2));
        }
        super::helpers::matches(dag, args[0], &JOIN).map(|parts| parts[params[0].size()])
    },
    doc: "The real or the imaginary parts",
    ..Op::BASE
};

/// Two vectors of one dimension, in turn.
static JOIN: Op = Op {
    name: "ComplexJoin",
    args: &["re", "im"],
    dim: |dims, _| Ok(2 * dims[0].max(dims[1])),
    meaning: Meaning::Tensor(|dims, _| vec![dims[0].max(dims[1]), 2], joined),
    derivative: Derivative::Adjoint(|dag, _, _, e| parts(dag, e).map(Some).to_vec()),
    linearity: Linearity::Joint,
    simplify: |dag, args, _| {
        let zero = dag.is_zero(args[0]) && dag.is_zero(args[1]);
        zero.then(|| dag.zero(2 * dag.dim(args[0])))
    },
    doc: "re and im in turn",
    ..Op::BASE
};

fn joined(c: &mut Component<'_, '_>) -> Value {
    // The last axis has two positions, which are never left to a loop.
    let [k, which] = [0, 1].map(|axis| c.indices()[axis].clone());
    c.at(usize::from(which != Index::default()), &k)
}

/// Real numbers as complex ones.
pub(crate) static REAL2COMPLEX: Op = Op {
    name: "Real2Complex",
    args: &["f"],
    dim: |dims, _| Ok(2 * dims[0]),
    meaning: Meaning::Expand(|dag, args, _| {
        let zero = dag.zero(dag.dim(args[0]));
        join(dag, args[0], zero)
    }),
    doc: "The real vector f as a complex one",
    ..Op::BASE
};

/// Real numbers as imaginary ones.
pub(crate) static IMAG2COMPLEX: Op = Op {
    name: "Imag2Complex",
    args: &["f"],
    dim: |dims, _| Ok(2 * dims[0]),
    meaning: Meaning::Expand(|dag, args, _| {
        let zero = dag.zero(dag.dim(args[0]));
        join(dag, zero, args[0])
    }),
    doc: "i f for a real vector f",
    ..Op::BASE
};

/// Real parts.
pub(crate) static COMPLEX_REAL: Op = Op {
    name: "ComplexReal",
    aliases: &["real"],
    args: &["f"],
    dim: halved,
    meaning: Meaning::Expand(|dag, args, _| part(dag, args[0], 0)),
    doc: "The real parts",
    ..Op::BASE
};

/// Imaginary parts.
pub(crate) static COMPLEX_IMAG: Op = Op {
    name: "ComplexImag",
    aliases: &["imag"],
    args: &["f"],
    dim: halved,
    meaning: Meaning::Expand(|dag, args, _| part(dag, args[0], 1)),
    doc: "The imaginary parts",
    ..Op::BASE
};

/// Complex conjugate.
pub(crate) static CONJ: Op = Op {
    name: "Conj",
    args: &["f"],
    dim: complex,
    meaning: Meaning::Expand(|dag, args, _| {
        let [re, im] = parts(dag, args[0]);
        let im = dag.apply(&MINUS, &[im]);
        join(dag, re, im)
    }),
    doc: "The complex conjugate",
    ..Op::BASE
};

fn componentwise(dag: &mut Dag, args: &[Node], op: &'static Op) -> Node {
    let [a, b] = [parts(dag, args[0]), parts(dag, args[1])];
    let [re, im] = [0, 1].map(|n| dag.apply(op, &[a[n], b[n]]));
    join(dag, re, im)
}

/// Sum.
pub(crate) static COMPLEX_ADD: Op = Op {
    name: "ComplexAdd",
    args: &["f", "g"],
    dim: complex_broadcast,
    meaning: Meaning::Expand(|dag, args, _| componentwise(dag, args, &ADD)),
    doc: "f + g",
    ..Op::BASE
};

/// Difference.
pub(crate) static COMPLEX_SUBTRACT: Op = Op {
    name: "ComplexSubtract",
    args: &["f", "g"],
    dim: complex_broadcast,
    meaning: Meaning::Expand(|dag, args, _| componentwise(dag, args, &SUBTRACT)),
    doc: "f - g",
    ..Op::BASE
};

/// Product.
pub(crate) static COMPLEX_MULT: Op = Op {
    name: "ComplexMult",
    args: &["f", "g"],
    dim: complex_broadcast,
    meaning: Meaning::Expand(|dag, args, _| {
        let ([a, b], [c, d]) = (parts(dag, args[0]), parts(dag, args[1]));
        let [ac, bd, ad, bc] = [[a, c], [b, d], [a, d], [b, c]].map(|pair| dag.apply(&MULT, &pair));
        let (re, im) = (dag.apply(&SUBTRACT, &[ac, bd]), dag.apply(&ADD, &[ad, bc]));
        join(dag, re, im)
    }),
    doc: "f g; each part has an error of up to two units in the last place of the modulus",
    ..Op::BASE
};

/// A real number times a complex vector.
pub(crate) static COMPLEX_REAL_SCAL: Op = Op {
    name: "ComplexRealScal",
    args: &["s", "f"],
    dim: |dims, _| match *dims {
        [1, dim] | [dim, 1] => even(dim).map(|()| dim),
        _ => Err(format!(
            "operands have dimensions {}; one of them is a real scalar, of dimension 1",
            list(dims)
        )),
    },
    meaning: Meaning::Expand(|dag, args, _| dag.apply(&MULT, args)),
    doc: "s f for a real scalar s, in either order",
    ..Op::BASE
};

/// Quotient.
pub(crate) static COMPLEX_DIVIDE: Op = Op {
    name: "ComplexDivide",
    args: &["f", "g"],
    dim: complex_broadcast,
    meaning: Meaning::Expand(|dag, args, _| {
        let conjugate = dag.apply(&CONJ, &args[1..]);
        let product = dag.apply(&COMPLEX_MULT, &[args[0], conjugate]);
        let norm = dag.apply(&COMPLEX_SQUARE_ABS, &args[1..]);
        let [re, im] = parts(dag, product);
        let [re, im] = [re, im].map(|part| dag.apply(&DIVIDE, &[part, norm]));
        join(dag, re, im)
    }),
    doc: "f / g; each part has an error of up to four units in the last place of the modulus",
    ..Op::BASE
};

/// Modulus.
pub(crate) static COMPLEX_ABS: Op = Op {
    name: "ComplexAbs",
    args: &["f"],
    dim: halved,
    meaning: Meaning::Expand(|dag, args, _| {
        let square = dag.apply(&COMPLEX_SQUARE_ABS, args);
        dag.apply(&SQRT, &[square])
    }),
    ulp: Some([1.3, 1.3]),
    doc: "The modulus of each number; its derivative at 0 is taken as 0",
    ..Op::BASE
};

/// Squared modulus.
pub(crate) static COMPLEX_SQUARE_ABS: Op = Op {
    name: "ComplexSquareAbs",
    args: &["f"],
    dim: halved,
    meaning: Meaning::Expand(|dag, args, _| {
        let squares = parts(dag, args[0]).map(|part| dag.apply(&SQUARE, &[part]));
        dag.apply(&ADD, &squares)
    }),
    doc: "The squared modulus of each number",
    ..Op::BASE
};

/// Angle.
pub(crate) static COMPLEX_ANGLE: Op = Op {
    name: "ComplexAngle",
    aliases: &["angle"],
    args: &["f"],
    dim: halved,
    meaning: Meaning::Expand(|dag, args, _| {
        let [re, im] = parts(dag, args[0]);
        dag.apply(&transcendental::ATAN2, &[im, re])
    }),
    ulp: Some([1.6, 1.6]),
    doc: "The angle of each number, and 0 at 0",
    ..Op::BASE
};

/// Sum of the numbers.
pub(crate) static COMPLEX_SUM: Op = Op {
    name: "ComplexSum",
    args: &["f"],
    dim: |dims, _| even(dims[0]).map(|()| 2),
    meaning: Meaning::Expand(|dag, args, _| {
        let [re, im] = parts(dag, args[0]).map(|part| dag.apply(&SUM, &[part]));
        join(dag, re, im)
    }),
    doc: "The sum of the numbers",
    ..Op::BASE
};

/// A complex number repeated.
pub(crate) static COMPLEX_SUM_T: Op = Op {
    name: "ComplexSumT",
    args: &["f"],
    params: &[int("d")],
    dim: |dims, params| {
        if dims != [2] {
            return Err(format!(
                "the operand has dimension {}, but must be one complex number, of dimension 2",
                list(dims)
            ));
        }
        even(params[0].size()).map(|()| params[0].size())
    },
    meaning: Meaning::Expand(|dag, args, params| {
        let count = Param::Int(params[0].int() / 2);
        let [re, im] = parts(dag, args[0])
            .map(|part| dag.apply_with(&SUM_T, &[part], std::slice::from_ref(&count)));
        join(dag, re, im)
    }),
    doc: "The vector of dimension d whose numbers all are f",
    ..Op::BASE
};

/// Exponential.
pub(crate) static COMPLEX_EXP: Op = Op {
    name: "ComplexExp",
    args: &["f"],
    dim: complex,
    meaning: Meaning::Expand(|dag, args, _| {
        let [re, im] = parts(dag, args[0]);
        let size = dag.apply(&EXP, &[re]);
        let (cos, sin) = (
            dag.apply(&transcendental::COS, &[im]),
            dag.apply(&transcendental::SIN, &[im]),
        );
        let (re, im) = (
            dag.apply(&MULT, &[size, cos]),
            dag.apply(&MULT, &[size, sin]),
        );
        join(dag, re, im)
    }),
    ulp: Some([3.0, 3.0]),
    doc: "e^f",
    ..Op::BASE
};

/// Exponential of an imaginary number.
pub(crate) static COMPLEX_EXP1J: Op = Op {
    name: "ComplexExp1j",
    aliases: &["exp1j"],
    args: &["f"],
    dim: |dims, _| Ok(2 * dims[0]),
    meaning: Meaning::Expand(|dag, args, _| {
        let (cos, sin) = (
            dag.apply(&transcendental::COS, args),
            dag.apply(&transcendental::SIN, args),
        );
        join(dag, cos, sin)
    }),
    ulp: Some([1.8, 1.7]),
    doc: "e^(i f) for a real vector f",
    ..Op::BASE
};

//! Reductions of a vector to a scalar, norms and distances.

use super::helpers::{inner, int, list, matches, pair_to_scalar, to_scalar};
use super::{
    Derivative, Linearity, MINUS, MULT, Meaning, ONE_HOT, Op, Param, RSQRT, SQRT, SQUARE, SUBTRACT,
    rows,
};
use crate::dag::{Dag, Node};
use crate::lower::Component;
use crate::scalar::{FoldKind, Instruction, Value};

pub(super) const OPS: &[&Op] = &[
    &SUM,
    &SUM_T,
    &MIN,
    &MAX,
    &ARG_MIN,
    &ARG_MAX,
    &SCALPROD,
    &SQ_NORM2,
    &NORM2,
    &SQ_DIST,
    &NORMALIZE,
    &WEIGHTED_SQ_NORM,
    &SQ_NORM_ISO,
    &SQ_NORM_DIAG,
    &SYM_SQ_NORM,
    &WEIGHTED_SQ_DIST,
];

/// The components of the only argument combined.
fn fold(c: &mut Component<'_, '_>, kind: FoldKind) -> Value {
    let extent = c.dim(0);
    c.fold(kind, extent, |c, k| c.at(0, k))
}

/// Sum of the components.
pub(crate) static SUM: Op = Op {
    name: "Sum",
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Component(|c| fold(c, FoldKind::Sum)),
    derivative: Derivative::Adjoint(|dag, args, _, e| {
        let dim = Param::Int(dag.dim(args[0]) as i64);
        vec![Some(dag.apply_with(&SUM_T, &[e], &[dim]))]
    }),
    linearity: Linearity::Joint,
    simplify: |dag, args, _| {
        let f = args[0];
        if dag.dim(f) == 1 {
            return Some(f);
        }
        if dag.is_zero(f) {
            return Some(dag.zero(1));
        }
        if let Some(g) = inner(dag, f, &SQUARE) {
            return Some(dag.apply(&SCALPROD, &[g, g]));
        }
        if let Some(g) = inner(dag, f, &MINUS) {
            let sum = dag.apply(&SUM, &[g]);
            return Some(dag.apply(&MINUS, &[sum]));
        }
        if let Some(g) = inner(dag, f, &SUM_T) {
            let count = dag.constant(dag.dim(f) as f64);
            return Some(dag.apply(&MULT, &[count, g]));
        }
        if let Some(scalar) = rows::sum(dag, f) {
            return Some(scalar);
        }
        let factors = matches(dag, f, &MULT)?.to_vec();
        Some(dag.apply(&SCALPROD, &factors))
    },
    doc: "Sum of the components",
    ..Op::BASE
};

/// A scalar repeated.
pub(crate) static SUM_T: Op = Op {
    name: "SumT",
    args: &["f"],
    params: &[int("d")],
    dim: |dims, params| match dims {
        [1] => Ok(params[0].size()),
        _ => Err(format!(
            "the operand has dimension {}, but must be a scalar",
            list(dims)
        )),
    },
    meaning: Meaning::Component(|c| c.arg(0)),
    derivative: Derivative::Adjoint(|dag, _, _, e| vec![Some(dag.apply(&SUM, &[e]))]),
    linearity: Linearity::Joint,
    simplify: |dag, args, params| {
        if params[0].size() == 1 {
            return Some(args[0]);
        }
        dag.is_zero(args[0]).then(|| dag.zero(params[0].size()))
    },
    doc: "The vector of dimension d whose components all are f",
    ..Op::BASE
};

/// The extremum's component takes the derivative: the first one if there are several.
fn at_extremum(dag: &mut Dag, args: &[Node], position: &'static Op, e: Node) -> Vec<Option<Node>> {
    let dim = Param::Int(dag.dim(args[0]) as i64);
    let position = dag.apply(position, args);
    let basis = dag.apply_with(&ONE_HOT, &[position], &[dim]);
    vec![Some(dag.apply(&MULT, &[e, basis]))]
}

fn only_component(dag: &mut Dag, args: &[Node], _: &[Param]) -> Option<Node> {
    (dag.dim(args[0]) == 1).then_some(args[0])
}

/// Smallest component.
pub(crate) static MIN: Op = Op {
    name: "Min",
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Component(|c| fold(c, FoldKind::Min)),
    derivative: Derivative::Adjoint(|dag, args, _, e| at_extremum(dag, args, &ARG_MIN, e)),
    simplify: only_component,
    doc: "Smallest component; the derivative goes to the first one",
    ..Op::BASE
};

/// Largest component.
pub(crate) static MAX: Op = Op {
    name: "Max",
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Component(|c| fold(c, FoldKind::Max)),
    derivative: Derivative::Adjoint(|dag, args, _, e| at_extremum(dag, args, &ARG_MAX, e)),
    simplify: only_component,
    doc: "Largest component; the derivative goes to the first one",
    ..Op::BASE
};

/// Position of the smallest component.
pub(crate) static ARG_MIN: Op = Op {
    name: "ArgMin",
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Component(|c| fold(c, FoldKind::ArgMin)),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "Position of the first smallest component, from 0",
    ..Op::BASE
};

/// Position of the largest component.
pub(crate) static ARG_MAX: Op = Op {
    name: "ArgMax",
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Component(|c| fold(c, FoldKind::ArgMax)),
    derivative: Derivative::Zero,
    jumps: true,
    doc: "Position of the first largest component, from 0",
    ..Op::BASE
};

/// Scalar product.
pub(crate) static SCALPROD: Op = Op {
    name: "Scalprod",
    aliases: &["dot"],
    args: &["f", "g"],
    dim: pair_to_scalar,
    meaning: Meaning::Component(|c| {
        let extent = c.dim(0).max(c.dim(1));
        c.fold(FoldKind::Sum, extent, |c, k| {
            let factors = [c.at(0, k), c.at(1, k)];
            c.apply(Instruction::Mul, &factors)
        })
    }),
    derivative: Derivative::Adjoint(|dag, args, _, e| {
        vec![
            Some(dag.apply(&MULT, &[e, args[1]])),
            Some(dag.apply(&MULT, &[e, args[0]])),
        ]
    }),
    linearity: Linearity::Each,
    simplify: |dag, args, _| {
        let &[f, g] = args else { return None };
        if dag.is_zero(f) || dag.is_zero(g) {
            return Some(dag.zero(1));
        }
        if dag.dim(f) == 1 && dag.dim(g) == 1 {
            return Some(dag.apply(&MULT, args));
        }
        for (f, g) in [(f, g), (g, f)] {
            if dag.dim(f) == 1 {
                let sum = dag.apply(&SUM, &[g]);
                return Some(dag.apply(&MULT, &[f, sum]));
            }
        }
        if let Some(product) = rows::product(dag, f, g) {
            return Some(dag.apply(&SUM, &[product]));
        }
        for (f, g) in [(f, g), (g, f)] {
            if let Some(h) = inner(dag, f, &MINUS) {
                let product = dag.apply(&SCALPROD, &[h, g]);
                return Some(dag.apply(&MINUS, &[product]));
            }
            if let Some(h) = inner(dag, f, &SUM_T) {
                let sum = dag.apply(&SUM, &[g]);
                return Some(dag.apply(&MULT, &[h, sum]));
            }
            // A scalar factor is pulled out of the sum, unless both sides are the same vector.
            if f != g
                && let Some(factors) = matches(dag, f, &MULT).map(<[Node]>::to_vec)
            {
                let scalar = factors.iter().position(|&factor| dag.dim(factor) == 1);
                if let Some(at) = scalar {
                    let product = dag.apply(&SCALPROD, &[factors[1 - at], g]);
                    return Some(dag.apply(&MULT, &[factors[at], product]));
                }
            }
        }
        (g < f).then(|| dag.apply(&SCALPROD, &[g, f]))
    },
    doc: "Scalar product (f|g)",
    ..Op::BASE
};

/// Squared Euclidean norm.
pub(crate) static SQ_NORM2: Op = Op {
    name: "SqNorm2",
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Expand(|dag, args, _| {
        let square = dag.apply(&SQUARE, args);
        dag.apply(&SUM, &[square])
    }),
    doc: "Squared Euclidean norm |f|^2",
    ..Op::BASE
};

/// Euclidean norm.
pub(crate) static NORM2: Op = Op {
    name: "Norm2",
    aliases: &["norm"],
    args: &["f"],
    dim: to_scalar,
    meaning: Meaning::Expand(|dag, args, _| {
        let square = dag.apply(&SQ_NORM2, args);
        dag.apply(&SQRT, &[square])
    }),
    ulp: Some([1.5, 1.5]),
    doc: "Euclidean norm |f|; its derivative at 0 is taken as 0; the error is that of up to four components, and grows by up to half a unit for each further one",
    ..Op::BASE
};

/// Squared Euclidean distance.
pub(crate) static SQ_DIST: Op = Op {
    name: "SqDist",
    args: &["f", "g"],
    dim: pair_to_scalar,
    meaning: Meaning::Expand(|dag, args, _| {
        let difference = dag.apply(&SUBTRACT, args);
        dag.apply(&SQ_NORM2, &[difference])
    }),
    doc: "Squared Euclidean distance |f - g|^2",
    ..Op::BASE
};

/// The unit vector.
pub(crate) static NORMALIZE: Op = Op {
    name: "Normalize",
    args: &["f"],
    meaning: Meaning::Expand(|dag, args, _| {
        let square = dag.apply(&SQ_NORM2, args);
        let inverse = dag.apply(&RSQRT, &[square]);
        dag.apply(&MULT, &[inverse, args[0]])
    }),
    ulp: Some([3.0, 3.0]),
    doc: "f / |f|, and 0 at 0; the error is that of two components",
    ..Op::BASE
};

fn weighted_dim(dims: &[usize]) -> Result<usize, String> {
    let &[s, f] = dims else { return Ok(1) };
    if s == 1 || s == f || s == f * f {
        return Ok(1);
    }
    Err(format!(
        "the weights have dimension {s} and the vector {f}; weights take dimension 1, {f} or {}",
        f * f
    ))
}

/// Squared norm with weights.
pub(crate) static WEIGHTED_SQ_NORM: Op = Op {
    name: "WeightedSqNorm",
    args: &["s", "f"],
    dim: |dims, _| weighted_dim(dims),
    meaning: Meaning::Expand(|dag, args, _| {
        let &[s, f] = args else { return dag.zero(1) };
        match (dag.dim(s), dag.dim(f)) {
            (1, _) => {
                let square = dag.apply(&SQ_NORM2, &[f]);
                dag.apply(&MULT, &[s, square])
            }
            (weights, dim) if weights == dim => {
                let square = dag.apply(&SQUARE, &[f]);
                dag.apply(&SCALPROD, &[s, square])
            }
            _ => {
                let image = dag.apply(&super::tensor::MAT_VEC_MULT, &[s, f]);
                dag.apply(&SCALPROD, &[f, image])
            }
        }
    }),
    doc: "s|f|^2, sum of s_k f_k^2, or sum of s_kl f_k f_l, by the dimension of s",
    ..Op::BASE
};

/// Squared norm with one weight.
pub(crate) static SQ_NORM_ISO: Op = Op {
    name: "SqNormIso",
    args: &["s", "f"],
    dim: |dims, _| match dims {
        [1, _] => Ok(1),
        [s, _] => Err(format!(
            "the weight has dimension {s}, but must be a scalar"
        )),
        _ => Ok(1),
    },
    meaning: Meaning::Expand(|dag, args, _| dag.apply(&WEIGHTED_SQ_NORM, args)),
    doc: "s|f|^2",
    ..Op::BASE
};

/// Squared norm with a weight per component.
pub(crate) static SQ_NORM_DIAG: Op = Op {
    name: "SqNormDiag",
    args: &["s", "f"],
    dim: |dims, _| match dims {
        [s, f] if s != f => Err(format!(
            "the weights have dimension {s} and the vector {f}; they must be equal"
        )),
        _ => Ok(1),
    },
    meaning: Meaning::Expand(|dag, args, _| dag.apply(&WEIGHTED_SQ_NORM, args)),
    doc: "sum of s_k f_k^2",
    ..Op::BASE
};

/// Squared norm with a matrix of weights.
pub(crate) static SYM_SQ_NORM: Op = Op {
    name: "SymSqNorm",
    args: &["s", "f"],
    dim: |dims, _| match *dims {
        [s, f] if s != f * f => Err(format!(
            "the weights have dimension {s}; a vector of dimension {f} takes {} of them",
            f * f
        )),
        _ => Ok(1),
    },
    meaning: Meaning::Expand(|dag, args, _| dag.apply(&WEIGHTED_SQ_NORM, args)),
    doc: "sum of s_kl f_k f_l",
    ..Op::BASE
};

/// Squared distance with weights.
pub(crate) static WEIGHTED_SQ_DIST: Op = Op {
    name: "WeightedSqDist",
    args: &["s", "f", "g"],
    dim: |dims, params| {
        let dim = super::helpers::broadcast(&dims[1..], params)?;
        weighted_dim(&[dims[0], dim])
    },
    meaning: Meaning::Expand(|dag, args, _| {
        let difference = dag.apply(&SUBTRACT, &args[1..]);
        dag.apply(&WEIGHTED_SQ_NORM, &[args[0], difference])
    }),
    doc: "WeightedSqNorm(s, f - g)",
    ..Op::BASE
};

//! Small matrices and tensors, stored row-major: all of them are contractions.

use super::helpers::{ints, list};
use super::{Derivative, Linearity, Meaning, Op, Param, ParamKind};
use crate::dag::{Dag, Node};
use crate::lower::Component;
use crate::scalar::{FoldKind, Index, Instruction, Value};

pub(super) const OPS: &[&Op] = &[
    &MAT_VEC_MULT,
    &VEC_MAT_MULT,
    &TENSOR_PROD,
    &TENSOR_DOT,
    &KRON,
];

/// A matrix times a vector.
pub(crate) static MAT_VEC_MULT: Op = Op {
    name: "MatVecMult",
    args: &["A", "b"],
    dim: |dims, _| divide(dims[0], dims[1]),
    meaning: Meaning::Expand(|dag, args, _| {
        let (all, columns) = (dag.dim(args[0]), dag.dim(args[1]));
        contract(
            dag,
            args,
            [&[all / columns, columns], &[columns]],
            [&[1], &[0]],
            &[],
        )
    }),
    doc: "A b, for a matrix A stored row by row",
    ..Op::BASE
};

/// A vector times a matrix.
pub(crate) static VEC_MAT_MULT: Op = Op {
    name: "VecMatMult",
    args: &["b", "A"],
    dim: |dims, _| divide(dims[1], dims[0]),
    meaning: Meaning::Expand(|dag, args, _| {
        let (rows, all) = (dag.dim(args[0]), dag.dim(args[1]));
        contract(dag, args, [&[rows], &[rows, all / rows]], [&[0], &[0]], &[])
    }),
    doc: "b^T A, for a matrix A stored row by row",
    ..Op::BASE
};

fn divide(matrix: usize, vector: usize) -> Result<usize, String> {
    if matrix.is_multiple_of(vector) {
        return Ok(matrix / vector);
    }
    Err(format!(
        "the matrix has {matrix} entries, not a multiple of the vector's dimension {vector}"
    ))
}

/// Outer product.
pub(crate) static TENSOR_PROD: Op = Op {
    name: "TensorProd",
    args: &["f", "g"],
    dim: |dims, _| Ok(dims[0] * dims[1]),
    meaning: Meaning::Expand(|dag, args, _| {
        let (f, g) = (dag.dim(args[0]), dag.dim(args[1]));
        contract(dag, args, [&[f], &[g]], [&[], &[]], &[])
    }),
    doc: "f g^T, stored row by row",
    ..Op::BASE
};

/// Kronecker product.
pub(crate) static KRON: Op = Op {
    name: "Kron",
    aliases: &["keops_kron"],
    args: &["f", "g"],
    params: &[ints("dimsf"), ints("dimsg")],
    dim: |dims, params| {
        let (f, g) = (params[0].list(), params[1].list());
        if f.len() != g.len() {
            return Err(format!(
                "the shapes must have the same rank, not {} and {}",
                f.len(),
                g.len()
            ));
        }
        check_shape("f", &f, dims[0])?;
        check_shape("g", &g, dims[1])?;
        dims[0]
            .checked_mul(dims[1])
            .ok_or_else(|| "the dimension is too large".to_owned())
    },
    meaning: Meaning::Expand(|dag, args, params| {
        let shapes = [0, 1].map(|n| sizes(&params[n].list()));
        let rank = shapes[0].len();
        let order: Vec<usize> = (0..rank)
            .map(|axis| 2 * axis)
            .chain((0..rank).map(|axis| 2 * axis + 1))
            .collect();
        contract(dag, args, [&shapes[0], &shapes[1]], [&[], &[]], &order)
    }),
    doc: "numpy.kron of tensors of shapes dimsf and dimsg",
    ..Op::BASE
};

/// Contraction of two tensors.
pub(crate) static TENSOR_DOT: Op = Op {
    name: "TensorDot",
    aliases: &["keops_tensordot"],
    args: &["f", "g"],
    params: &[
        ints("dimsf"),
        ints("dimsg"),
        ints("contf"),
        ints("contg"),
        ParamKind {
            name: "permute",
            values: super::ParamValues::Integers,
            optional: true,
        },
    ],
    dim: |dims, params| Contraction::new(params, dims).map(|c| c.shape.iter().product()),
    meaning: Meaning::Tensor(
        |dims, params| {
            Contraction::new(params, dims)
                .map(|c| c.shape)
                .unwrap_or_default()
        },
        contraction,
    ),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let dims: Vec<usize> = args.iter().map(|&arg| dag.dim(arg)).collect();
        let Ok(c) = Contraction::new(params, &dims) else {
            return Vec::new();
        };
        // An operand's adjoint contracts e with the other operand over the axes that the other one kept. What is left
        // of e, then of the other operand, are the axes of this one.
        let mut adjoints = Vec::new();
        for this in 0..2 {
            let other = 1 - this;
            let mut axes_of_e: Vec<(usize, usize)> = c.kept[this]
                .iter()
                .map(|&(axis, position)| (position, axis))
                .collect();
            axes_of_e.sort_unstable();
            let mut contracted: Vec<(usize, usize)> = c.contracted[other]
                .iter()
                .zip(&c.contracted[this])
                .map(|(&theirs, &ours)| (theirs, ours))
                .collect();
            contracted.sort_unstable();
            let order: Vec<usize> = axes_of_e
                .iter()
                .chain(&contracted)
                .map(|&(_, axis)| axis)
                .collect();
            let over_e: Vec<usize> = c.kept[other]
                .iter()
                .map(|&(_, position)| position)
                .collect();
            let over_other: Vec<usize> = c.kept[other].iter().map(|&(axis, _)| axis).collect();
            adjoints.push(Some(contract(
                dag,
                &[e, args[other]],
                [&c.shape, &c.shapes[other]],
                [&over_e, &over_other],
                &order,
            )));
        }
        adjoints
    }),
    linearity: Linearity::Each,
    simplify: |dag, args, params| {
        let dims: Vec<usize> = args.iter().map(|&arg| dag.dim(arg)).collect();
        let c = Contraction::new(params, &dims).ok()?;
        let zero = args.iter().any(|&arg| dag.is_zero(arg));
        zero.then(|| dag.zero(c.shape.iter().product()))
    },
    doc: "numpy.tensordot of tensors of shapes dimsf and dimsg over the axes contf and contg; kept axis n becomes axis permute[n]",
    ..Op::BASE
};

/// The shape of a contraction.
struct Contraction {
    /// Shapes of the operands.
    shapes: [Vec<usize>; 2],
    /// Contracted axes of each operand, paired.
    contracted: [Vec<usize>; 2],
    /// For each operand its kept axes, each with its place in the result.
    kept: [Vec<(usize, usize)>; 2],
    /// Shape of the result.
    shape: Vec<usize>,
}

impl Contraction {
    fn new(params: &[Param], dims: &[usize]) -> Result<Contraction, String> {
        let lists: Vec<Vec<i64>> = params.iter().map(Param::list).collect();
        check_shape("f", &lists[0], dims[0])?;
        check_shape("g", &lists[1], dims[1])?;
        let shapes = [sizes(&lists[0]), sizes(&lists[1])];
        let mut contracted = [Vec::new(), Vec::new()];
        for (which, name) in ["contf", "contg"].into_iter().enumerate() {
            contracted[which] = axes(name, &lists[2 + which], shapes[which].len())?;
        }
        if contracted[0].len() != contracted[1].len() {
            return Err(format!(
                "contf has {} axes and contg {}; they are contracted in pairs",
                contracted[0].len(),
                contracted[1].len()
            ));
        }
        for (&f, &g) in contracted[0].iter().zip(&contracted[1]) {
            if shapes[0][f] != shapes[1][g] {
                return Err(format!(
                    "axis {f} of f has extent {} and axis {g} of g has extent {}; they are contracted with each other",
                    shapes[0][f], shapes[1][g]
                ));
            }
        }
        let free = |which: usize| -> Vec<usize> {
            (0..shapes[which].len())
                .filter(|axis| !contracted[which].contains(axis))
                .collect()
        };
        let free = [free(0), free(1)];
        let rank = free[0].len() + free[1].len();
        let order = match lists.get(4) {
            Some(order) if !order.is_empty() => axes("permute", order, rank)?,
            _ => (0..rank).collect(),
        };
        if order.len() != rank {
            return Err(format!("permute has {} axes; {rank} are kept", order.len()));
        }
        let mut shape = vec![1; rank];
        let mut kept = [Vec::new(), Vec::new()];
        let all = (0..2).flat_map(|which| free[which].iter().map(move |&axis| (which, axis)));
        for ((which, axis), &position) in all.zip(&order) {
            shape[position] = shapes[which][axis];
            kept[which].push((axis, position));
        }
        Ok(Contraction {
            shapes,
            contracted,
            kept,
            shape,
        })
    }

    /// The index into operand `which` for an index into the result and one for the contracted axes.
    fn index(&self, which: usize, result: &[Index], contracted: &[Index]) -> Index {
        let shape = &self.shapes[which];
        let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
        let mut index = Index::default();
        for &(axis, position) in &self.kept[which] {
            index = index.plus(&result[position].times(stride(axis)));
        }
        for (&axis, k) in self.contracted[which].iter().zip(contracted) {
            index = index.plus(&k.times(stride(axis)));
        }
        index
    }
}

/// One component of a contraction: loops over the contracted axes, one inside the other.
fn contraction(c: &mut Component<'_, '_>) -> Value {
    match Contraction::new(c.params(), &[c.dim(0), c.dim(1)]) {
        Ok(shape) => contract_from(c, &shape, &mut Vec::new()),
        Err(error) => unreachable!("checked when the node was built: {error}"),
    }
}

fn contract_from(c: &mut Component<'_, '_>, shape: &Contraction, over: &mut Vec<Index>) -> Value {
    let Some(&axis) = shape.contracted[0].get(over.len()) else {
        let result = c.indices().to_vec();
        let factors = [0, 1].map(|which| {
            let index = shape.index(which, &result, over);
            c.at(which, &index)
        });
        return c.apply(Instruction::Mul, &factors);
    };
    c.fold(FoldKind::Sum, shape.shapes[0][axis], |c, k| {
        over.push(k.clone());
        let value = contract_from(c, shape, over);
        over.pop();
        value
    })
}

fn contract(
    dag: &mut Dag,
    args: &[Node],
    shapes: [&[usize]; 2],
    axes: [&[usize]; 2],
    order: &[usize],
) -> Node {
    let list = |numbers: &[usize]| Param::List(numbers.iter().map(|&n| n as i64).collect());
    let params = [
        list(shapes[0]),
        list(shapes[1]),
        list(axes[0]),
        list(axes[1]),
        list(order),
    ];
    dag.apply_with(&TENSOR_DOT, args, &params)
}

fn sizes(shape: &[i64]) -> Vec<usize> {
    shape.iter().map(|&extent| extent.max(0) as usize).collect()
}

fn check_shape(name: &str, shape: &[i64], dim: usize) -> Result<(), String> {
    let product = shape.iter().try_fold(1i64, |product, &extent| {
        (extent >= 1).then(|| product.checked_mul(extent)).flatten()
    });
    if product == Some(dim as i64) {
        return Ok(());
    }
    Err(format!(
        "{name} has dimension {dim}, which is not the product of its shape {shape:?}"
    ))
}

fn axes(name: &str, axes: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut seen = vec![false; rank];
    for &axis in axes {
        let fresh = usize::try_from(axis)
            .ok()
            .and_then(|axis| seen.get_mut(axis));
        match fresh {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return Err(format!("{name} names axis {axis} twice")),
            None => {
                let all: Vec<usize> = (0..rank).collect();
                return Err(format!(
                    "{name} names axis {axis}; there are axes {}",
                    list(&all)
                ));
            }
        }
    }
    Ok(sizes(axes))
}

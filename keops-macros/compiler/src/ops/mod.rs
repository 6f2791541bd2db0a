//! The operations of the formula language, one entry each.
//!
//! An [`Op`] says everything that the compiler knows about an operation: how it is called, what dimensions it takes
//! and gives, what it means in core instructions or in terms of other operations, its derivative, in which arguments it
//! is linear, and how it simplifies. Parsing, checking, differentiation, linearity and lowering go through the table
//! and name no operation.

mod arithmetic;
mod bessel;
mod complex;
mod curves;
mod gamma;
mod helpers;
mod hyperbolic;
mod indexing;
mod piecewise;
pub(crate) mod rows;
mod tensor;
mod transcendental;
mod two_words;
mod vector;
mod warping;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use crate::dag::{Dag, Node};
use crate::lower::{Assignments, Component, Piece};

pub(crate) use arithmetic::{
    ABS, ADD, DIVIDE, INV, MINUS, MULT, POW, POWF, RSQRT, SQRT, SQUARE, SUBTRACT,
};
pub(crate) use indexing::{CONCAT, ELEM, ELEM_T, EXTRACT, EXTRACT_T, ONE_HOT};
pub(crate) use piecewise::{EQUAL, IF_ELSE, LESS_OR_EQUAL, LESS_THAN, NOT_EQUAL};
pub(crate) use transcendental::EXP;
pub(crate) use vector::{SCALPROD, SUM, SUM_T};

/// A parameter of an operation: an integer, a list of integers or a number, known at compile time.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Param {
    /// An integer.
    Int(i64),
    /// A list of integers, `[2,3]`.
    List(Vec<i64>),
    /// A number, by its bits.
    Number(u64),
    /// A row of a Jacobian, for operations that the compiler alone uses.
    Row(u32),
}

impl Param {
    /// The parameter that is the number `x`.
    pub fn of_number(x: f64) -> Param {
        Param::Number(x.to_bits())
    }

    /// The integer, or 0 for anything else.
    pub fn int(&self) -> i64 {
        match self {
            Param::Int(n) => *n,
            Param::List(_) | Param::Number(_) | Param::Row(_) => 0,
        }
    }

    /// The number; an integer is one, a list is 0.
    pub fn number(&self) -> f64 {
        match self {
            Param::Int(n) => *n as f64,
            Param::List(_) | Param::Row(_) => 0.0,
            Param::Number(bits) => f64::from_bits(*bits),
        }
    }

    /// The integer as a size; negative ones are 0.
    pub fn size(&self) -> usize {
        usize::try_from(self.int()).unwrap_or(0)
    }

    /// The list; an integer is a list of one.
    pub fn list(&self) -> Vec<i64> {
        match self {
            Param::Int(n) => vec![*n],
            Param::List(list) => list.clone(),
            Param::Number(_) | Param::Row(_) => Vec::new(),
        }
    }
}

/// What is expected of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParamKind {
    /// The name that documentation and messages use.
    pub name: &'static str,
    /// Which values it takes.
    pub values: ParamValues,
    /// Whether it may be left out; only at the end.
    pub optional: bool,
}

/// The values that a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamValues {
    /// An integer.
    Integer,
    /// A list of integers.
    Integers,
    /// Any number.
    Number,
}

/// What an operation means.
#[derive(Clone, Copy)]
pub enum Meaning {
    /// Component k, from components of the arguments.
    Component(fn(&mut Component<'_, '_>) -> crate::scalar::Value),
    /// A tensor of the shape that the first function gives, flattened row-major: the component at an index per axis.
    Tensor(
        fn(&[usize], &[Param]) -> Vec<usize>,
        fn(&mut Component<'_, '_>) -> crate::scalar::Value,
    ),
    /// Stretches of arguments and zeros, one after the other.
    Pieces(fn(&[usize], &[Param]) -> Vec<Piece>),
    /// Components that are assigned in an order, each from those before it; what is not assigned is 0.
    Assigned(fn(&mut Assignments<'_, '_>)),
    /// A formula of other operations; nodes of such operations never exist.
    Expand(fn(&mut Dag, &[Node], &[Param]) -> Node),
}

/// How an operation is differentiated.
#[derive(Clone, Copy)]
pub enum Derivative {
    /// Through its expansion.
    Expanded,
    /// It is zero wherever it exists.
    Zero,
    /// Elementwise: the partial derivatives with respect to each argument, given the arguments, the parameters and the
    /// operation's own value. `None` is zero.
    Partials(fn(&mut Dag, &[Node], &[Param], Node) -> Vec<Option<Node>>),
    /// The adjoint of the differential applied to `e`, for each argument.
    Adjoint(fn(&mut Dag, &[Node], &[Param], Node) -> Vec<Option<Node>>),
}

/// In which arguments an operation is linear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linearity {
    /// In none.
    None,
    /// In all arguments jointly, as a sum.
    Joint,
    /// In each argument while the others are constant, as a product.
    Each,
    /// In the first argument while the others are constant.
    First,
    /// In all but the first argument jointly, while the first is constant.
    AfterFirst,
}

/// One operation; see the [module documentation](self).
pub struct Op {
    /// KeOps' name.
    pub name: &'static str,
    /// Further names; the lower-cased name is always one for the method form.
    pub aliases: &'static [&'static str],
    /// Names of the arguments, for documentation and messages.
    pub args: &'static [&'static str],
    /// The parameters that follow the arguments.
    pub params: &'static [ParamKind],
    /// How many of the last arguments may be left out, and are 0 then.
    pub optional: usize,
    /// Dimension of the result, or what is wrong.
    pub dim: fn(&[usize], &[Param]) -> Result<usize, String>,
    /// What it computes.
    pub meaning: Meaning,
    /// How it is differentiated.
    pub derivative: Derivative,
    /// In what it is linear.
    pub linearity: Linearity,
    /// Whether it jumps where an argument changes continuously, so that the last bit of an argument matters.
    pub jumps: bool,
    /// Bounds of the errors in `f32` and in `f64`, in units in the last place, to which `tests/tests/accuracy` holds it.
    pub ulp: Option<[f64; 2]>,
    /// A simpler node of the same value and dimension.
    pub simplify: fn(&mut Dag, &[Node], &[Param]) -> Option<Node>,
    /// What it computes, in one line.
    pub doc: &'static str,
}

impl Op {
    /// An operation with neither further names nor parameters, derivative nor simplification: the base that entries
    /// build on.
    pub const BASE: Op = Op {
        name: "",
        aliases: &[],
        args: &[],
        params: &[],
        optional: 0,
        dim: helpers::broadcast,
        meaning: Meaning::Expand(|dag, _, _| dag.zero(1)),
        derivative: Derivative::Expanded,
        linearity: Linearity::None,
        jumps: false,
        ulp: None,
        simplify: |_, _, _| None,
        doc: "",
    };
}

impl PartialEq for Op {
    fn eq(&self, other: &Op) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Op {}

impl Hash for Op {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The operations by subject, in the order of the documentation.
pub fn sections() -> &'static [(&'static str, &'static [&'static Op])] {
    static SECTIONS: &[(&str, &[&Op])] = &[
        ("Arithmetic, constants, powers", arithmetic::OPS),
        ("Transcendental functions", transcendental::OPS),
        (
            "Hyperbolic functions and relatives of exp and log",
            hyperbolic::OPS,
        ),
        ("Matern kernels and Bessel functions", bessel::OPS),
        ("The gamma function", gamma::OPS),
        ("Comparisons and piecewise functions", piecewise::OPS),
        ("Norms, products and reductions of a vector", vector::OPS),
        ("Components and concatenation", indexing::OPS),
        ("Matrices and tensors", tensor::OPS),
        ("Splines and series", curves::OPS),
        ("Complex numbers", complex::OPS),
    ];
    SECTIONS
}

/// All operations, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Op> {
    sections().iter().flat_map(|(_, ops)| ops.iter().copied())
}

/// The operation called `name` in a formula.
pub fn find(name: &str) -> Option<&'static Op> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Op>> =
        LazyLock::new(|| all().map(|op| (op.name, op)).collect());
    BY_NAME.get(name).copied()
}

/// The operation called `name` as a method or a function of a closure: KeOps' name, its lower-cased form or an alias.
pub fn find_method(name: &str) -> Option<&'static Op> {
    static BY_NAME: LazyLock<HashMap<String, &'static Op>> = LazyLock::new(|| {
        let mut names = HashMap::new();
        for op in all() {
            names.insert(op.name.to_lowercase(), op);
            names.insert(op.name.to_owned(), op);
            for alias in op.aliases {
                names.insert((*alias).to_owned(), op);
            }
        }
        names
    });
    BY_NAME.get(name).copied()
}

/// All names that [`find_method`] knows and a user would write.
pub fn method_names() -> impl Iterator<Item = String> {
    all().flat_map(|op| {
        let own = op.name.to_lowercase();
        std::iter::once(own).chain(op.aliases.iter().map(|alias| (*alias).to_owned()))
    })
}

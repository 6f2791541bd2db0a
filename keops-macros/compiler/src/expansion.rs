//! Squared distances in many dimensions, as |a - b|^2 = |a|^2 + |b|^2 - 2 a.b.
//!
//! With |a|^2 and |b|^2 from beforehand, a pair takes one multiply-add for each dimension instead of a difference and a multiply-add, and the scalar products of
//! many pairs are a product of matrices. Relative to the squares the sum is as accurate as that of squared differences is relative to itself, but not where it is
//! much smaller than they are: from points as they come, all digits can be lost. So a and b are taken relative to a centre, and the runtime uses the expansion
//! only where its bound, the squares times how much of a relative change of the value a change of the distance makes, says that nothing is lost. There is
//! such a bound for Gaussians, whose exponent is a multiple of the distance.

use std::collections::HashMap;

use crate::alias::Category;
use crate::dag::{Dag, Kind, Node};
use crate::differentiate::gradient;
use crate::formula::Formula;
use crate::lower::lower;
use crate::ops::{
    ABS, ADD, DIVIDE, Derivative, EXP, MINUS, MULT, Meaning, Op, SCALPROD, SQRT, SQUARE, SUBTRACT,
};
use crate::scalar::Graph;
use crate::stages::{Program, split};

/// From so many dimensions on, formulas are expanded: a Gaussian is 1.3 to 1.4 times as fast so in 48 and in 64, and 1.1 times in 32, which is not worth the code.
const FEWEST: usize = 48;

/// With more features than this the rest of the formula has many dimensions, too.
const MOST_FEATURES: usize = 32;

/// A formula of a squared distance, expanded. All programs take the centre as their last parameters: a number for each component of the variables of i.
pub struct Expansion {
    /// The scalar product of a and b, relative to the centre, but for the product itself. Their components, in order, are its features of i and of j.
    pub product: Program,
    /// The formula, given the scalar product of the pair, and the squares of a and b, the last of the variables of i and of those of j.
    pub value: Program,
    /// The relative change of the value over the change of the squared distance, which depends on parameters alone.
    pub slope: Program,
}

/// The scalar product of a and b, which the formula is given for each pair.
static GIVEN_PRODUCT: Op = Op {
    name: "Scalprod",
    args: &["f", "g"],
    dim: |_, _| Ok(1),
    meaning: Meaning::Component(|c| c.given_product()),
    derivative: Derivative::Zero,
    ..Op::BASE
};

impl Formula {
    /// The expansion of a scalar formula that is the exponential of a multiple of a squared distance in many dimensions, but for factors without that.
    pub fn expansion(&self) -> Option<Expansion> {
        if self.dim() != 1 {
            return None;
        }
        let (dag, root) = (&mut self.dag().clone(), self.root());
        let (distance, [a, b]) = distance(dag, root)?;
        let slope = slope(dag.clone(), root, distance)?;

        let squares = [Category::I, Category::J].map(|side| dag.fresh_variable(side, 1));
        let mut centre = HashMap::new();
        for position in 0..dag.variables().len() {
            let variable = &dag.variables()[position];
            let (category, dim) = (variable.category, variable.dim);
            let node = dag.variable(position);
            if category == Category::I && dim > 0 && node != squares[0] {
                centre.insert(node, dag.fresh_variable(Category::Param, dim));
            }
        }
        let centre = dag.substitute(a, &centre).ok()?;
        let points = [a, b].map(|point| dag.apply(&SUBTRACT, &[point, centre]));
        let product = dag.apply(&SCALPROD, &points);
        let given = dag.apply(&GIVEN_PRODUCT, &points);
        let minus_two = dag.constant(-2.0);
        let twice = dag.apply(&MULT, &[minus_two, given]);
        let sum = dag.apply(&ADD, &squares);
        let expanded = dag.apply(&ADD, &[twice, sum]);
        let value = dag
            .substitute(root, &HashMap::from([(distance, expanded)]))
            .ok()?;

        let [mut product, value] = [product, value].map(|f| split(&lower(dag, f), 1));
        // Its points are multiplied elsewhere.
        product.pair = Graph::default();
        let dim = dag.dim(a);
        let fits = product.features[1..] == [dim, dim]
            && value.features[1..].iter().sum::<usize>() <= MOST_FEATURES;
        fits.then_some(Expansion {
            product,
            value,
            slope,
        })
    }
}

/// The only squared distance in many dimensions of a point of i and one of j that `root` contains, and these points.
fn distance(dag: &mut Dag, root: Node) -> Option<(Node, [Node; 2])> {
    let mut found = None;
    for node in dag.reachable(&[root]) {
        let points = points(dag, node).filter(|[a, _]| dag.dim(*a) >= FEWEST);
        let Some(points) = points else {
            continue;
        };
        if found.replace((node, points)).is_some() {
            return None;
        }
    }
    found
}

/// The points a of i and b of j, if the node is the sum of the squared components of a - b, times weights or not.
fn points(dag: &mut Dag, node: Node) -> Option<[Node; 2]> {
    let [first, second] = operands(dag, node, &SCALPROD)?;
    if first == second {
        let [i, j] = parts(dag, first)?;
        return Some([i?, dag.apply(&MINUS, &[j?])]);
    }
    for [weights, square] in [[first, second], [second, first]] {
        if sides(dag, weights) == [false; 2]
            && let Some([difference]) = operands(dag, square, &SQUARE)
            && let [Some(i), Some(j)] = parts(dag, difference)?
        {
            // Of negative weights the roots are NaN, and so is the bound, with which there is no expansion.
            let roots = dag.apply(&SQRT, &[weights]);
            let j = dag.apply(&MINUS, &[j]);
            return Some([i, j].map(|point| dag.apply(&MULT, &[roots, point])));
        }
    }
    None
}

/// The node as a sum of a part that depends on i and one that depends on j, where it has them.
fn parts(dag: &mut Dag, node: Node) -> Option<[Option<Node>; 2]> {
    match sides(dag, node) {
        [true, true] => {}
        [_, false] => return Some([Some(node), None]),
        [false, true] => return Some([None, Some(node)]),
    }
    let Kind::Apply(op, args, _) = dag.kind(node).clone() else {
        return None;
    };
    if op == &ADD || op == &SUBTRACT {
        let [first, mut second] = [parts(dag, args[0])?, parts(dag, args[1])?];
        if op == &SUBTRACT {
            second = second.map(|part| Some(dag.apply(&MINUS, &[part?])));
        }
        let both = [0, 1].map(|side| match (first[side], second[side]) {
            (Some(a), Some(b)) => Some(dag.apply(&ADD, &[a, b])),
            (a, b) => a.or(b),
        });
        return Some(both);
    }
    let scaled = |dag: &Dag, arg: Node| sides(dag, arg) == [false; 2];
    let varying = match args[..] {
        [_] if op == &MINUS => 0,
        [_, by] if op == &DIVIDE && scaled(dag, by) => 0,
        [_, by] if op == &MULT && scaled(dag, by) => 0,
        [by, _] if op == &MULT && scaled(dag, by) => 1,
        _ => return None,
    };
    let parts = parts(dag, args[varying])?;
    Some(parts.map(|part| {
        let mut args = args.clone();
        args[varying] = part?;
        Some(dag.apply(op, &args))
    }))
}

/// |d log root / d distance|, where it depends on parameters alone: the root is a product of factors without the distance and an exponential of one that is
/// linear in it.
fn slope(mut dag: Dag, root: Node, distance: Node) -> Option<Program> {
    let dag = &mut dag;
    let variable = dag.fresh_variable(Category::Param, 1);
    let replaced = HashMap::from([(distance, variable)]);
    let root = dag.substitute(root, &replaced).ok()?;
    let slope = logarithmic(dag, root, variable)?;
    let known = sides(dag, slope) == [false; 2] && !dag.dependence(slope, variable)[&slope];
    let slope = dag.apply(&ABS, &[slope]);
    known.then(|| split(&lower(dag, slope), 1))
}

/// d log f / d variable
fn logarithmic(dag: &mut Dag, f: Node, variable: Node) -> Option<Node> {
    if !dag.dependence(f, variable)[&f] {
        return Some(dag.zero(1));
    }
    if let Some([exponent]) = operands(dag, f, &EXP) {
        let one = dag.constant(1.0);
        return gradient(dag, exponent, variable, one).ok();
    }
    if let Some([f]) = operands(dag, f, &MINUS) {
        return logarithmic(dag, f, variable);
    }
    let factors = match operands(dag, f, &SQUARE) {
        Some([root]) => [root; 2],
        None => operands(dag, f, &MULT)?,
    };
    let [first, second] = factors.map(|factor| logarithmic(dag, factor, variable));
    Some(dag.apply(&ADD, &[first?, second?]))
}

/// Whether a node depends on variables of i, and on variables of j.
fn sides(dag: &Dag, node: Node) -> [bool; 2] {
    let variables = dag.variables();
    let mut depends = [false; 2];
    for node in dag.reachable(&[node]) {
        if let Kind::Variable(position) = *dag.kind(node) {
            match variables[position].category {
                Category::I => depends[0] = true,
                Category::J => depends[1] = true,
                Category::Param => {}
            }
        }
    }
    depends
}

/// The arguments of a node, if it is this operation.
fn operands<const N: usize>(dag: &Dag, node: Node, op: &'static Op) -> Option<[Node; N]> {
    match dag.kind(node) {
        Kind::Apply(found, args, _) if *found == op => args[..].try_into().ok(),
        _ => None,
    }
}

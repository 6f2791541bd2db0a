//! Squared distances in many dimensions, which the runtime computes and a formula is given.
//!
//! What a kernel computes of many dimensions is most often one squared distance |a - b|^2 of a point a of i and a point b of j. The runtime computes these for
//! many pairs at once, as matrices are multiplied, with code that is compiled once; the formula is compiled as a function of the distance, which is
//! short whatever the dimension is.
//!
//! It can also compute them as |a|^2 + |b|^2 - 2 a.b: with |a|^2 and |b|^2 from beforehand, a pair takes one multiply-add for each dimension instead of a
//! difference and a multiply-add. Relative to the squares the sum is as accurate as that of squared differences is relative to itself, but not where it is
//! much smaller than they are: from points as they come, all digits can be lost. So a and b are taken relative to a centre then, and the runtime uses the expansion
//! only where its bound, the squares times how much of a relative change of the value a change of the distance makes, says that nothing is lost. There is
//! such a bound for Gaussians, whose exponent is a multiple of the distance.

use std::collections::HashMap;

use crate::alias::Category;
use crate::dag::{Dag, Kind, Node};
use crate::differentiate::gradient;
use crate::formula::Formula;
use crate::lower::lower;
use crate::ops::{ABS, ADD, Derivative, EXP, MINUS, MULT, Meaning, Op, SCALPROD, SQUARE, SUBTRACT};
use crate::scalar::{FoldKind, Graph, Instruction};
use crate::stages::{Program, split};

/// From so many dimensions on, formulas are given their distance: in ten a Gaussian takes as long as with blocks of its own (AVX-512) or 10 to 20 % less (AVX2), and a
/// system takes half of the time to compile.
const FEWEST: usize = 8;

/// From so many dimensions on, distances are expanded: a Gaussian is 1.3 times as fast so in 100, and in 32 it was 1.1 times, which is not worth squares and a bound.
const FEWEST_EXPANDED: usize = 48;

/// With more features than this the rest of the formula has many dimensions, too.
const MOST_FEATURES: usize = 12;

/// A formula of one squared distance in many dimensions.
pub struct Distance {
    /// The points a and b, whose components, in order, are its features of i and of j. There is nothing that it computes of a pair.
    pub points: Program,
    /// The weights of the squares of the dimensions, which depend on parameters alone; `None` if all are 1.
    pub weights: Option<Program>,
    /// The formula, given the squared distance of the pair.
    pub value: Program,
    /// The relative change of the value over the change of the squared distance, where it depends on parameters alone and the distance may be expanded.
    pub slope: Option<Program>,
}

/// The squared distance of a and b, which the formula is given for each pair.
static GIVEN_DISTANCE: Op = Op {
    name: "SqDist",
    args: &["f", "g"],
    dim: |_, _| Ok(1),
    meaning: Meaning::Component(|c| c.given_distance()),
    derivative: Derivative::Zero,
    ..Op::BASE
};

/// What depends on all components of a and b as they are: nothing is simplified, or moved from one to the other.
static POINTS: Op = Op {
    name: "Points",
    args: &["f", "g"],
    dim: |_, _| Ok(1),
    meaning: Meaning::Component(|c| {
        let extent = c.dim(0);
        c.fold(FoldKind::Sum, extent, |c, k| {
            let components = [c.at(0, k), c.at(1, k)];
            c.apply(Instruction::Max, &components)
        })
    }),
    derivative: Derivative::Zero,
    ..Op::BASE
};

impl Formula {
    /// [`Distance::of`] it.
    pub fn distance(&self) -> Option<Distance> {
        Distance::of(self.dag(), self.root())
    }
}

impl Distance {
    /// The formula as a function of the only squared distance in many dimensions that it contains; `None` if there are none or several, or if it has many
    /// dimensions in other places, too.
    pub fn of(dag: &Dag, root: Node) -> Option<Self> {
        let dag = &mut dag.clone();
        let Found {
            node,
            weights,
            points,
        } = find(dag, root)?;
        let dim = dag.dim(points[0]);

        let slope = if dim >= FEWEST_EXPANDED {
            let mut dag = dag.clone();
            let variable = dag.fresh_variable(Category::Param, 1);
            slope(&mut dag, root, node, variable)
        } else {
            None
        };
        let both = dag.apply(&POINTS, &points);
        let given = dag.apply(&GIVEN_DISTANCE, &points);
        let value = dag.substitute(root, &HashMap::from([(node, given)])).ok()?;

        let mut program = |f: Node| split(&lower(dag, f), dag.dim(f));
        let [mut points, value] = [both, value].map(&mut program);
        let weights = weights.map(program);
        points.pair = Graph::default();
        let fits = points.features[1..] == [dim, dim]
            && value.features[1..].iter().sum::<usize>() <= MOST_FEATURES;
        fits.then_some(Self {
            points,
            weights,
            value,
            slope,
        })
    }
}

/// A squared distance.
struct Found {
    node: Node,
    /// The weights of the squares.
    weights: Option<Node>,
    points: [Node; 2],
}

/// The only squared distance in many dimensions of a point of i and one of j that `root` contains.
fn find(dag: &mut Dag, root: Node) -> Option<Found> {
    let mut found = None;
    for node in dag.reachable(&[root]) {
        let Some(distance) = squared_distance(dag, node) else {
            continue;
        };
        if dag.dim(distance.points[0]) >= FEWEST && found.replace(distance).is_some() {
            return None;
        }
    }
    found
}

/// The node, if it is the sum of the squared components of a - b, times weights or not.
fn squared_distance(dag: &mut Dag, node: Node) -> Option<Found> {
    let [first, second] = operands(dag, node, &SCALPROD)?;
    let (weights, difference) = if first == second {
        (None, first)
    } else {
        let [weights, square] = match sides(dag, first) {
            [false, false] => [first, second],
            _ => [second, first],
        };
        let [difference] = operands(dag, square, &SQUARE)?;
        if sides(dag, weights) != [false; 2] {
            return None;
        }
        (Some(weights), difference)
    };
    let points = points_of(dag, difference)?;
    let fits = |point: &Node| dag.dim(*point) == dag.dim(difference);
    let weighs = |weights: Node| dag.dim(weights) == dag.dim(difference);
    (points.iter().all(fits) && weights.is_none_or(weighs)).then_some(Found {
        node,
        weights,
        points,
    })
}

/// The points of a difference, or its negative. Nothing is moved into them that is rounded after the difference is: of points far from the origin, that would cost
/// digits. Nor are scales of the difference moved out of it, whose squares may be out of range.
fn points_of(dag: &mut Dag, node: Node) -> Option<[Node; 2]> {
    if let Some([difference]) = operands(dag, node, &MINUS) {
        return points_of(dag, difference);
    }
    let subtracted = operands(dag, node, &SUBTRACT);
    let [mut a, mut b] = subtracted.or_else(|| operands(dag, node, &ADD))?;
    match [a, b].map(|arg| sides(dag, arg)) {
        [[true, false], [false, true]] => {}
        [[false, true], [true, false]] => (a, b) = (b, a),
        _ => return None,
    }
    if subtracted.is_none() {
        b = dag.apply(&MINUS, &[b]);
    }
    Some([a, b])
}

/// |d log root / d variable|, where it depends on parameters alone, with the variable in the place of the node: the root is a product of factors without the
/// distance and an exponential of one that is linear in it.
fn slope(dag: &mut Dag, root: Node, node: Node, variable: Node) -> Option<Program> {
    let replaced = HashMap::from([(node, variable)]);
    let root = dag.substitute(root, &replaced).ok()?;
    let slope = logarithmic(dag, root, variable)?;
    let known = sides(dag, slope) == [false; 2] && !dag.dependence(slope, variable)[&slope];
    let slope = dag.apply(&ABS, &[slope]);
    known.then(|| split(&lower(dag, slope), 1))
}

/// d log f / d variable, the same for all components.
fn logarithmic(dag: &mut Dag, f: Node, variable: Node) -> Option<Node> {
    if !dag.dependence(f, variable)[&f] {
        return Some(dag.zero(1));
    }
    if let Some([exponent]) = operands(dag, f, &EXP)
        && dag.dim(exponent) == 1
    {
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

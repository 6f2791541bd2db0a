//! Symmetry under the exchange of i and j.

use std::collections::HashMap;

use crate::alias::Category;
use crate::dag::{Dag, Node};
use crate::linearity::scalar_kernel;
use crate::lower::lower;
use crate::ops::SCALPROD;
use crate::scalar::{Graph, Inputs, interpret};

/// An exchange of i and j that leaves a formula as it is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The pairs of variables, by position, that trade places.
    pub pairs: Vec<(usize, usize)>,
    /// Whether the structure of the formula proves it, and not samples alone.
    pub proven: bool,
}

/// What is known about the exchange of i and j.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symmetry {
    /// The formula does not change.
    Symmetric(Exchange),
    /// It changes; the text says how that was seen.
    Asymmetric(String),
}

/// Points at which a formula that the table does not show to be symmetric is evaluated.
const SAMPLES: usize = 192;
/// Fewer where they would take more than so many instructions, some seconds in a macro that is not optimised; but at least one
/// for each scale.
const MOST_WORK: usize = 20_000_000;
/// Where the coordinates of these points lie, and the relative difference that counts as rounding there: far out terms cancel
/// and exponentials magnify, and what differs in truth differs by far more.
const SCALES: &[(Scale, f64)] = &[
    (Scale::Uniform(-2.0, 2.0), 1e-11),
    (Scale::Uniform(0.1, 1.5), 1e-11),
    (Scale::Uniform(-0.5, 0.5), 1e-11),
    (Scale::Magnitude(1e-3, 1e3), 1e-6),
    (Scale::Uniform(-20.0, 20.0), 1e-11),
    (Scale::Uniform(0.0, 200.0), 1e-11),
    (Scale::Uniform(-1e-3, 1e-3), 1e-11),
    (Scale::Magnitude(1e-1, 1e1), 1e-9),
];

/// A distribution of coordinates.
#[derive(Clone, Copy)]
enum Scale {
    /// Uniform between two bounds.
    Uniform(f64, f64),
    /// Of either sign, with a magnitude whose logarithm is uniform between those of two bounds.
    Magnitude(f64, f64),
}

/// Whether `u^T F(x_i, y_j) v = v^T F(y_j, x_i) u` for the kernel that `root`, linear in `unknown`, applies to it.
///
/// With `unknown = None`, whether the formula itself is unchanged. Variables of i and j are exchanged in pairs: the
/// first of the one with the first of the other, and so on. Where the structure does not show it, the formula is evaluated at random
/// points, if `sampled`.
pub fn symmetry(dag: &mut Dag, root: Node, unknown: Option<Node>, sampled: bool) -> Symmetry {
    let pairs = match exchanged_pairs(dag, root, unknown) {
        Ok(pairs) => pairs,
        Err(reason) => return Symmetry::Asymmetric(reason),
    };
    let mut exchange = HashMap::new();
    for &(i, j) in &pairs {
        let (i, j) = (dag.variable(i), dag.variable(j));
        exchange.extend([(i, j), (j, i)]);
    }
    // Of a scalar kernel times the unknown, the kernel alone is compared.
    let kernel = match unknown {
        None => Some(root),
        Some(unknown) if dag.dim(root) == dag.dim(unknown) => scalar_kernel(dag, root, unknown),
        Some(_) => None,
    };
    let forms = match (kernel, unknown) {
        (None, Some(unknown)) => bilinear_forms(dag, root, unknown, exchange),
        (kernel, _) => {
            let kernel = kernel.unwrap_or(root);
            let other = dag.substitute(kernel, &exchange);
            other.map(|other| [kernel, other])
        }
    };
    match forms {
        Ok([one, other]) if one == other => Symmetry::Symmetric(Exchange {
            pairs,
            proven: true,
        }),
        Ok(_) if !sampled => Symmetry::Asymmetric("its structure does not show it".to_owned()),
        Ok(forms) => match difference(dag, forms) {
            None => Symmetry::Symmetric(Exchange {
                pairs,
                proven: false,
            }),
            Some(reason) => Symmetry::Asymmetric(reason),
        },
        Err(reason) => Symmetry::Asymmetric(reason),
    }
}

/// The variables of i and j that `root` contains, in pairs: the first of the one with the first of the other, and so on.
fn exchanged_pairs(
    dag: &mut Dag,
    root: Node,
    unknown: Option<Node>,
) -> Result<Vec<(usize, usize)>, String> {
    let reachable = dag.reachable(&[root]);
    let mut sides = [Vec::new(), Vec::new()];
    for position in 0..dag.variables().len() {
        let node = dag.variable(position);
        if Some(node) == unknown || !reachable.contains(&node) {
            continue;
        }
        match dag.variables()[position].category {
            Category::I => sides[0].push(position),
            Category::J => sides[1].push(position),
            Category::Param => {}
        }
    }
    let variables = dag.variables();
    let names = |side: &[usize]| {
        let names: Vec<String> = side
            .iter()
            .map(|&n| format!("`{}`", variables[n].name))
            .collect();
        match &names[..] {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        }
    };
    if sides[0].len() != sides[1].len() {
        return Err(format!(
            "it depends on {} of i and on {} of j, which cannot be exchanged in pairs",
            names(&sides[0]),
            names(&sides[1])
        ));
    }
    let [i, j] = sides;
    let pairs: Vec<(usize, usize)> = i.into_iter().zip(j).collect();
    for &(i, j) in &pairs {
        let (i, j) = (&variables[i], &variables[j]);
        if i.dim != j.dim {
            return Err(format!(
                "`{}` and `{}` would be exchanged, but their dimensions are {} and {}",
                i.name, j.name, i.dim, j.dim
            ));
        }
    }
    Ok(pairs)
}

/// `u^T F(x, y) v` and `v^T F(y, x) u`
fn bilinear_forms(
    dag: &mut Dag,
    root: Node,
    unknown: Node,
    exchange: HashMap<Node, Node>,
) -> Result<[Node; 2], String> {
    let (rows, columns) = (dag.dim(root), dag.dim(unknown));
    if rows != columns {
        return Err(format!(
            "it has {rows} components and its unknown has {columns}: its blocks are not square"
        ));
    }
    let u = dag.fresh_variable(Category::Param, rows);
    let v = dag.fresh_variable(Category::Param, rows);
    let mut forms = Vec::new();
    for (left, right, mut map) in [(u, v, HashMap::new()), (v, u, exchange)] {
        map.insert(unknown, right);
        let image = dag.substitute(root, &map)?;
        forms.push(dag.apply(&SCALPROD, &[left, image]));
    }
    Ok([forms[0], forms[1]])
}

/// Compares two formulas at random points, and says where they differ.
fn difference(dag: &Dag, [one, other]: [Node; 2]) -> Option<String> {
    let graphs = [one, other].map(|node| lower(dag, node));
    let length = |category| {
        dag.variables()
            .iter()
            .filter(|v| v.category == category)
            .map(|v| v.dim)
            .sum::<usize>()
    };
    let lengths = [Category::Param, Category::I, Category::J].map(length);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut compared = 0;
    let instructions: usize = graphs.iter().map(Graph::instructions).sum();
    let samples = (MOST_WORK / instructions.max(1)).clamp(SCALES.len(), SAMPLES);
    for sample in 0..samples {
        // Some formulas live on positive numbers, some on small ones, and some change far out.
        let (scale, rounding) = SCALES[sample % SCALES.len()];
        let [params, i, j] = lengths.map(|length| random.vector(length, scale));
        let inputs = Inputs { params, i, j };
        let [a, b] = [&graphs[0], &graphs[1]].map(|graph| interpret(graph, &inputs));
        for (a, b) in a.into_iter().zip(b) {
            if !a.is_finite() || !b.is_finite() {
                continue;
            }
            compared += 1;
            if (a - b).abs() > rounding * (a.abs() + b.abs()) {
                return Some(format!(
                    "at a random pair of points it is {a:.3e}, and with i and j exchanged it differs by {:.1e}",
                    b - a
                ));
            }
        }
    }
    let untried = "it is not finite at any of the points where its symmetry was tried";
    (compared == 0).then(|| untried.to_owned())
}

/// SplitMix64 (Steele, Lea, Flood 2014): a fixed sequence, so that a formula compiles the same way every time.
struct Random(u64);

impl Random {
    fn vector(&mut self, length: usize, scale: Scale) -> Vec<f64> {
        (0..length).map(|_| self.coordinate(scale)).collect()
    }

    fn coordinate(&mut self, scale: Scale) -> f64 {
        match scale {
            Scale::Uniform(low, high) => low + (high - low) * self.unit(),
            Scale::Magnitude(low, high) => {
                let sign = if self.unit() < 0.5 { -1.0 } else { 1.0 };
                sign * low * (high / low).powf(self.unit())
            }
        }
    }

    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

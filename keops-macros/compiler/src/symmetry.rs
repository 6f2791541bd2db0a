//! Symmetry under the exchange of i and j.

use std::collections::HashMap;

use crate::alias::Category;
use crate::dag::{Dag, Node};
use crate::lower::lower;
use crate::ops::SCALPROD;
use crate::scalar::{Inputs, interpret};

/// What is known about the exchange of i and j.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symmetry {
    /// The formula does not change.
    Symmetric,
    /// It changes; the text says how that was seen.
    Asymmetric(String),
}

/// Points at which a formula that the table does not show to be symmetric is evaluated.
const SAMPLES: usize = 24;
/// Relative difference that counts as rounding.
const ROUNDING: f64 = 1e-9;

/// Whether `u^T F(x_i, y_j) v = v^T F(y_j, x_i) u` for the kernel that `root`, linear in `unknown`, applies to it.
///
/// With `unknown = None`, whether the formula itself is unchanged. Variables of i and j are exchanged in pairs: the
/// first of the one with the first of the other, and so on.
pub fn symmetry(dag: &mut Dag, root: Node, unknown: Option<Node>) -> Symmetry {
    let exchange = match exchange(dag, root, unknown) {
        Ok(exchange) => exchange,
        Err(reason) => return Symmetry::Asymmetric(reason),
    };
    let forms = match unknown {
        None => dag.substitute(root, &exchange).map(|other| [root, other]),
        Some(unknown) => bilinear_forms(dag, root, unknown, exchange),
    };
    match forms {
        Ok([one, other]) if one == other => Symmetry::Symmetric,
        Ok(forms) => sampled(dag, forms),
        Err(reason) => Symmetry::Asymmetric(reason),
    }
}

/// The variables of i and j that `root` contains, each mapped to its partner.
fn exchange(
    dag: &mut Dag,
    root: Node,
    unknown: Option<Node>,
) -> Result<HashMap<Node, Node>, String> {
    let reachable = dag.reachable(&[root]);
    let mut sides = [Vec::new(), Vec::new()];
    for position in 0..dag.variables().len() {
        let node = dag.variable(position);
        if Some(node) == unknown || !reachable.contains(&node) {
            continue;
        }
        match dag.variables()[position].category {
            Category::I => sides[0].push((position, node)),
            Category::J => sides[1].push((position, node)),
            Category::Param => {}
        }
    }
    let name = |&(position, _): &(usize, Node)| dag.variables()[position].name.clone();
    let names = |side: &[(usize, Node)]| side.iter().map(name).collect::<Vec<_>>().join(", ");
    if sides[0].len() != sides[1].len() {
        return Err(format!(
            "it depends on {} variables of i ({}) and {} of j ({}), which cannot be exchanged in pairs",
            sides[0].len(),
            names(&sides[0]),
            sides[1].len(),
            names(&sides[1])
        ));
    }
    let mut exchange = HashMap::new();
    for (a, b) in sides[0].iter().zip(&sides[1]) {
        if dag.dim(a.1) != dag.dim(b.1) {
            return Err(format!(
                "`{}` and `{}` would be exchanged, but their dimensions are {} and {}",
                name(a),
                name(b),
                dag.dim(a.1),
                dag.dim(b.1)
            ));
        }
        exchange.insert(a.1, b.1);
        exchange.insert(b.1, a.1);
    }
    Ok(exchange)
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

/// Compares two formulas at random points.
fn sampled(dag: &Dag, [one, other]: [Node; 2]) -> Symmetry {
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
    for sample in 0..SAMPLES {
        // Some formulas live on positive numbers, some on small ones.
        let range = [(-2.0, 2.0), (0.1, 1.5), (-0.5, 0.5)][sample % 3];
        let [params, i, j] = lengths.map(|length| random.vector(length, range));
        let inputs = Inputs { params, i, j };
        let [a, b] = [&graphs[0], &graphs[1]].map(|graph| interpret(graph, &inputs));
        for (a, b) in a.into_iter().zip(b) {
            if !a.is_finite() || !b.is_finite() {
                continue;
            }
            compared += 1;
            if (a - b).abs() > ROUNDING * (a.abs() + b.abs()) {
                return Symmetry::Asymmetric(format!(
                    "at a random pair of points it gives {a:.6}, and {b:.6} with i and j exchanged"
                ));
            }
        }
    }
    if compared == 0 {
        return Symmetry::Asymmetric(
            "it is not finite at any of the points where its symmetry was tried".to_owned(),
        );
    }
    Symmetry::Symmetric
}

/// SplitMix64 (Steele, Lea, Flood 2014): a fixed sequence, so that a formula compiles the same way every time.
struct Random(u64);

impl Random {
    fn vector(&mut self, length: usize, (low, high): (f64, f64)) -> Vec<f64> {
        (0..length)
            .map(|_| low + (high - low) * self.unit())
            .collect()
    }

    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

//! Linearity in a variable, read off the operation table.

use std::collections::HashMap;

use crate::dag::{Dag, Kind, Node};
use crate::ops::{Derivative, Linearity, Op};

/// How a formula depends on a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dependence {
    /// Not at all.
    Constant,
    /// Linearly.
    Linear,
    /// Linearly, but for a term without the variable, which this operation adds.
    Affine(&'static Op),
    /// Otherwise; the operation is the innermost one that is to blame.
    Nonlinear(&'static Op),
}

/// How `root` depends on `variable`.
pub fn dependence(dag: &Dag, root: Node, variable: Node) -> Dependence {
    use Dependence::*;
    let mut known: HashMap<Node, Dependence> = HashMap::new();
    for node in dag.reachable(&[root]) {
        let own = match dag.kind(node) {
            _ if node == variable => Linear,
            Kind::Apply(op, args, _) => {
                let parts: Vec<Dependence> = args.iter().map(|arg| known[arg]).collect();
                through(dag, op, args, &parts)
            }
            _ => Constant,
        };
        known.insert(node, own);
    }
    known[&root]
}

/// How the value of an operation depends on the variable, given how its arguments do.
fn through(dag: &Dag, op: &'static Op, args: &[Node], parts: &[Dependence]) -> Dependence {
    use Dependence::*;
    if let Some(&blamed) = parts.iter().find(|part| matches!(part, Nonlinear(_))) {
        return blamed;
    }
    if parts.iter().all(|&part| part == Constant) {
        return Constant;
    }
    let affine = parts.iter().copied().find(|part| matches!(part, Affine(_)));
    // A sum is linear if each of its terms is; the zero vector is a linear function of anything.
    let sum = |from: usize| {
        let mut terms = args.iter().zip(parts).skip(from);
        let without = terms.any(|(&arg, &part)| part == Constant && !dag.is_zero(arg));
        affine.unwrap_or(if without { Affine(op) } else { Linear })
    };
    let varying = parts.iter().filter(|&&part| part != Constant).count();
    match op.linearity {
        Linearity::Joint => sum(0),
        Linearity::Each if varying == 1 => affine.unwrap_or(Linear),
        Linearity::First if parts[0] != Constant && varying == 1 => affine.unwrap_or(Linear),
        Linearity::AfterFirst if parts[0] == Constant => sum(1),
        _ => Nonlinear(op),
    }
}

/// The scalar kernel `k` such that the formula, linear in `variable`, is `k * variable` with the same `k` for every
/// component; `None` if it has not that form, as for a matrix-valued kernel.
pub fn scalar_kernel(dag: &mut Dag, root: Node, variable: Node) -> Option<Node> {
    let dim = dag.dim(variable);
    let depends = dag.dependence(root, variable);
    for node in dag.reachable(&[root]) {
        if !depends[&node] || node == variable {
            continue;
        }
        let Kind::Apply(op, args, _) = dag.kind(node) else {
            continue;
        };
        let elementwise = matches!(op.derivative, Derivative::Partials(_));
        let uniform = args
            .iter()
            .all(|arg| dag.dim(*arg) == if depends[arg] { dim } else { 1 });
        if !elementwise || !uniform {
            return None;
        }
    }
    let one = dag.constant(1.0);
    dag.substitute(root, &HashMap::from([(variable, one)])).ok()
}

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
                let blamed = parts.iter().find(|part| matches!(part, Nonlinear(_)));
                if let Some(&blamed) = blamed {
                    blamed
                } else if parts.iter().all(|&part| part == Constant) {
                    Constant
                } else if is_linear(dag, op.linearity, args, &parts) {
                    Linear
                } else {
                    Nonlinear(op)
                }
            }
            _ => Constant,
        };
        known.insert(node, own);
    }
    known[&root]
}

fn is_linear(dag: &Dag, linearity: Linearity, args: &[Node], parts: &[Dependence]) -> bool {
    use Dependence::*;
    // A sum is linear if each of its terms is; the zero vector is a linear function of anything.
    let joint = |from: usize| {
        args.iter()
            .zip(parts)
            .skip(from)
            .all(|(&arg, &part)| part == Linear || dag.is_zero(arg))
    };
    match linearity {
        Linearity::None => false,
        Linearity::Joint => joint(0),
        Linearity::Each => parts.iter().filter(|&&part| part == Linear).count() == 1,
        Linearity::First => parts[1..].iter().all(|&part| part == Constant),
        Linearity::AfterFirst => parts[0] == Constant && joint(1),
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

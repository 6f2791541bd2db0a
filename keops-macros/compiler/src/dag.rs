//! The typed formula: a hash-consed graph of vector-valued operations.
//!
//! Every node has a static dimension. Nodes are built through [`Dag::apply`] alone, which checks dimensions, expands
//! derived operations into primitive ones and simplifies, so a node that exists is well-formed, primitive and simple.

use std::collections::HashMap;

use crate::alias::Category;
use crate::ops::{Meaning, Op, Param};

/// A node of a [`Dag`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Node(u32);

/// A variable of a [`Dag`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    /// The alias.
    pub name: String,
    /// What it depends on.
    pub category: Category,
    /// Its dimension.
    pub dim: usize,
}

/// The definition of a node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A variable, by its position in [`Dag::variables`].
    Variable(usize),
    /// A scalar constant, by its bits.
    Constant(u64),
    /// The zero vector.
    Zero,
    /// A primitive operation.
    Apply(&'static Op, Vec<Node>, Vec<Param>),
}

/// A typed formula; see the [module documentation](self).
#[derive(Clone, Default)]
pub struct Dag {
    nodes: Vec<(Kind, usize)>,
    known: HashMap<(Kind, usize), Node>,
    variables: Vec<Variable>,
}

impl Dag {
    /// A graph over these variables.
    pub fn new(variables: Vec<Variable>) -> Dag {
        Dag {
            variables,
            ..Dag::default()
        }
    }

    /// The variables, those of the user first.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The definition of a node.
    pub fn kind(&self, node: Node) -> &Kind {
        &self.nodes[node.0 as usize].0
    }

    /// The dimension of a node.
    pub fn dim(&self, node: Node) -> usize {
        self.nodes[node.0 as usize].1
    }

    /// The arguments of a node.
    pub fn args(&self, node: Node) -> &[Node] {
        match self.kind(node) {
            Kind::Apply(_, args, _) => args,
            _ => &[],
        }
    }

    /// The parameters of a node.
    pub fn params(&self, node: Node) -> &[Param] {
        match self.kind(node) {
            Kind::Apply(_, _, params) => params,
            _ => &[],
        }
    }

    fn intern(&mut self, kind: Kind, dim: usize) -> Node {
        let key = (kind, dim);
        if let Some(&node) = self.known.get(&key) {
            return node;
        }
        self.nodes.push(key.clone());
        let node = Node(self.nodes.len() as u32 - 1);
        self.known.insert(key, node);
        node
    }

    /// The variable at this position.
    pub fn variable(&mut self, position: usize) -> Node {
        let dim = self.variables[position].dim;
        self.intern(Kind::Variable(position), dim)
    }

    /// Takes a variable that the formula no longer contains out of the inputs: its dimension becomes 0.
    pub fn retire(&mut self, position: usize) {
        self.variables[position].dim = 0;
    }

    /// A variable that no formula of the user has, for symbolic manipulation.
    pub fn fresh_variable(&mut self, category: Category, dim: usize) -> Node {
        let name = format!("#{}", self.variables.len());
        self.variables.push(Variable {
            name,
            category,
            dim,
        });
        self.variable(self.variables.len() - 1)
    }

    /// A scalar constant.
    pub fn constant(&mut self, x: f64) -> Node {
        if x == 0.0 {
            self.zero(1)
        } else {
            self.intern(Kind::Constant(x.to_bits()), 1)
        }
    }

    /// The zero vector.
    pub fn zero(&mut self, dim: usize) -> Node {
        self.intern(Kind::Zero, dim)
    }

    /// The value of a scalar constant; zero vectors of any dimension count as 0.
    pub fn as_constant(&self, node: Node) -> Option<f64> {
        match self.kind(node) {
            Kind::Constant(bits) => Some(f64::from_bits(*bits)),
            Kind::Zero => Some(0.0),
            _ => None,
        }
    }

    /// Whether the node is the zero vector.
    pub fn is_zero(&self, node: Node) -> bool {
        matches!(self.kind(node), Kind::Zero)
    }

    /// The operation applied to `args`, simplified; or what is wrong with its dimensions.
    pub fn try_apply(
        &mut self,
        op: &'static Op,
        args: &[Node],
        params: &[Param],
    ) -> Result<Node, String> {
        let dims: Vec<usize> = args.iter().map(|&arg| self.dim(arg)).collect();
        let dim = (op.dim)(&dims, params)?;
        if dim == 0 {
            return Err("the result would have no component".to_owned());
        }
        if dim > MAX_DIM {
            return Err(format!(
                "the result would have {dim} components; at most {MAX_DIM} are possible"
            ));
        }
        if let Some(node) = (op.simplify)(self, args, params) {
            debug_assert_eq!(
                self.dim(node),
                dim,
                "simplification of {} changed its dimension",
                op.name
            );
            return Ok(node);
        }
        Ok(match op.meaning {
            Meaning::Expand(expand) => expand(self, args, params),
            _ => self.intern(Kind::Apply(op, args.to_vec(), params.to_vec()), dim),
        })
    }

    /// As [`Dag::try_apply`], where the dimensions are known to fit.
    pub fn apply_with(&mut self, op: &'static Op, args: &[Node], params: &[Param]) -> Node {
        match self.try_apply(op, args, params) {
            Ok(node) => node,
            Err(error) => unreachable!("the compiler built an ill-formed {}: {error}", op.name),
        }
    }

    /// As [`Dag::apply_with`], for an operation without parameters.
    pub fn apply(&mut self, op: &'static Op, args: &[Node]) -> Node {
        self.apply_with(op, args, &[])
    }

    /// All nodes that `roots` are made of, arguments before their users.
    pub fn reachable(&self, roots: &[Node]) -> Vec<Node> {
        let mut seen = vec![false; self.nodes.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(Node, bool)> = roots.iter().rev().map(|&root| (root, false)).collect();
        while let Some((node, done)) = stack.pop() {
            if done {
                order.push(node);
            } else if !std::mem::replace(&mut seen[node.0 as usize], true) {
                stack.push((node, true));
                stack.extend(self.args(node).iter().rev().map(|&arg| (arg, false)));
            }
        }
        order
    }

    /// Whether `node` depends on `variable`, for every node below `root`.
    pub fn dependence(&self, root: Node, variable: Node) -> HashMap<Node, bool> {
        let mut depends = HashMap::new();
        for node in self.reachable(&[root]) {
            let does = node == variable || self.args(node).iter().any(|arg| depends[arg]);
            depends.insert(node, does);
        }
        depends
    }

    /// `root` with other nodes in the place of some that it is made of.
    pub fn substitute(&mut self, root: Node, map: &HashMap<Node, Node>) -> Result<Node, String> {
        self.rebuilt(root, &mut |_, node, _| map.get(&node).copied())
    }

    /// `root`, with what `replace` gives in the place of a node, of which it gets the new arguments too.
    pub fn rebuilt(
        &mut self,
        root: Node,
        replace: &mut dyn FnMut(&mut Dag, Node, &[Node]) -> Option<Node>,
    ) -> Result<Node, String> {
        let mut new: HashMap<Node, Node> = HashMap::new();
        for node in self.reachable(&[root]) {
            let args: Vec<Node> = self.args(node).iter().map(|arg| new[arg]).collect();
            let rebuilt = match (replace(self, node, &args), self.kind(node).clone()) {
                (Some(replaced), _) => replaced,
                (None, Kind::Apply(op, _, params)) => self.try_apply(op, &args, &params)?,
                (None, _) => node,
            };
            new.insert(node, rebuilt);
        }
        Ok(new[&root])
    }
}

/// The largest dimension of a node, so that sizes never overflow and code generation ends.
pub const MAX_DIM: usize = 1 << 20;

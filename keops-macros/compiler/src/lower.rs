//! From the typed formula to scalar expressions.
//!
//! An operation says what component `k` of its result is, given components of its arguments; lowering asks for the
//! components of the formula. Short loops are unrolled, so that every component is an expression of its
//! own. Long ones, and those of much code, are kept: then `k` is a loop variable and one expression stands for all components.

mod component;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::alias::Category;
use crate::dag::{Dag, Kind, Node};
use crate::ops::{Meaning, Op, rows};
use crate::scalar::{ArrayId, Graph, Index, LoopVar, Output, Segment, Source, Stage, Value};

pub use component::{Assignments, Component};

/// Loops of at most this extent are unrolled. Beyond it they are faster on processors, where several pairs go through them at once while sums are in registers: a
/// Gaussian in 16 and 32 dimensions is 1.3 and 1.9 times as fast as without a loop under AVX-512, and 1.5 and 2.5 times under AVX2.
const SHORT: usize = 8;
/// Short loops are kept, too, if the code of each component but the first costs more than this, which is more than any instruction: of a special function, a copy takes up to half a second to
/// compile, and gains nothing. (Of a power, copies gain that what depends on the row alone is computed once for all columns: four times the speed.)
const LONG_COPY: usize = 64;
/// Tensors of at most so many components, which all together cost at most [`SMALL_COST`], are unrolled as a whole, where their axes are short. A product of matrices of
/// 4 by 4 is 1.4 times as fast so under AVX2 as with a loop. Larger ones are as fast with loops (`Kron` of 8 and 8, contractions of 64 numbers with 64), and take a
/// fourth of the time to compile.
const SMALL: usize = 16;
/// See [`SMALL`].
const SMALL_COST: usize = 256;
/// Sums in sums are unrolled if they have at most so many terms together. The last axes of tensors are if components cost as much.
const FEW_TERMS: usize = 16;
/// A component that costs more than this is stored rather than computed for each of its users.
const CHEAP: usize = 4;

/// The scalar expressions of the formula `root`.
pub fn lower(dag: &Dag, root: Node) -> Graph {
    Lowering::new(dag, root).run(root)
}

/// Whether the code of each of some values but the first is long.
fn copies_are_long(graph: &Graph, values: &[Value]) -> bool {
    let first = graph.code_of(&values[..1]);
    graph.code_of(values) > first.saturating_add(LONG_COPY * (values.len() - 1))
}

/// The number of raw inputs of a category that stand before each variable.
pub fn offsets(dag: &Dag) -> Vec<usize> {
    let mut next = HashMap::new();
    dag.variables()
        .iter()
        .map(|variable| {
            let offset = next.entry(variable.category).or_insert(0);
            let own = *offset;
            *offset += variable.dim;
            own
        })
        .collect()
}

/// A stretch of an operation that puts stretches together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `length` components of an argument.
    Argument {
        /// Which argument.
        argument: usize,
        /// First component.
        start: usize,
        /// Number of components.
        length: usize,
    },
    /// Zeros.
    Zeros {
        /// How many.
        length: usize,
    },
}

impl Piece {
    fn length(self) -> usize {
        match self {
            Piece::Argument { length, .. } | Piece::Zeros { length } => length,
        }
    }
}

struct Lowering<'a> {
    dag: &'a Dag,
    graph: Graph,
    offsets: Vec<usize>,
    /// Number of different users of each node.
    users: HashMap<Node, usize>,
    known: HashMap<(Node, Index, Rows), Value>,
    arrays: HashMap<(Node, Rows), ArrayId>,
    /// The nodes that depend on rows.
    of_rows: HashSet<Node>,
    /// Where the rows stand now.
    rows: Rows,
    /// What was found out by lowerings of nodes by themselves, which begin others.
    measured: Rc<RefCell<HashMap<Measured, usize>>>,
}

/// A node, the stretch of its components or one of them, and the rows that it stands in.
type Measured = (Node, Option<[usize; 2]>, Vec<u32>);

fn product(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The positions of rows, in the order in which they were met.
type Rows = Vec<(u32, Index)>;

impl<'a> Lowering<'a> {
    fn new(dag: &'a Dag, root: Node) -> Self {
        let mut users = HashMap::new();
        let mut graph = Graph::new();
        graph.hoists_divisors = true;
        let nodes = dag.reachable(&[root]);
        let of_rows = rows::dependence(dag, &nodes);
        for node in nodes {
            if let Kind::Apply(op, ..) = dag.kind(node) {
                graph.hoists_divisors &= !op.jumps;
            }
            let mut args = dag.args(node).to_vec();
            args.sort_unstable();
            args.dedup();
            for arg in args {
                *users.entry(arg).or_insert(0) += 1;
            }
        }
        Lowering {
            dag,
            graph,
            offsets: offsets(dag),
            users,
            known: HashMap::new(),
            arrays: HashMap::new(),
            of_rows,
            rows: Rows::new(),
            measured: Rc::default(),
        }
    }

    fn run(mut self, root: Node) -> Graph {
        let outputs = self.segments(root);
        self.graph.outputs = outputs;
        self.graph
    }

    /// Where the rows stand that a node depends on.
    fn rows_of(&self, node: Node) -> Rows {
        if self.of_rows.contains(&node) {
            self.rows.clone()
        } else {
            Rows::new()
        }
    }

    fn dims(&self, node: Node) -> Vec<usize> {
        self.dag
            .args(node)
            .iter()
            .map(|&arg| self.dag.dim(arg))
            .collect()
    }

    /// Component `k` of a node.
    fn component(&mut self, node: Node, k: &Index) -> Value {
        let key = (node, k.clone(), self.rows_of(node));
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let value = match self.dag.kind(node) {
            Kind::Constant(bits) => self.graph.constant(f64::from_bits(*bits)),
            Kind::Zero => self.graph.constant(0.0),
            Kind::Variable(position) => {
                let stage = stage_of(self.dag.variables()[*position].category);
                let index = k.shifted(self.offsets[*position]);
                self.graph.load(Source::Raw(stage), index)
            }
            Kind::Apply(..) if k.as_constant().is_none() && self.is_stored(node) => {
                self.element(node, k)
            }
            Kind::Apply(..) => self.computed(node, k),
        };
        self.known.insert(key, value);
        value
    }

    /// Whether components at variable positions are read from an array.
    fn is_stored(&self, node: Node) -> bool {
        let Kind::Apply(op, _, params) = self.dag.kind(node) else {
            return false;
        };
        match op.meaning {
            // Component k of these is no single expression in a variable k.
            Meaning::Tensor(..) | Meaning::Assigned(_) => true,
            Meaning::Pieces(pieces) => pieces(&self.dims(node), params).len() > 1,
            // One component computed twice costs more than a store and a load.
            _ => self.users.get(&node).is_some_and(|&users| users > 1) && self.is_dear(node),
        }
    }

    /// Whether a component takes more than a few cheap instructions, arguments included.
    fn is_dear(&self, node: Node) -> bool {
        self.cost(node) > CHEAP
    }

    /// The cost of a component, arguments included.
    fn cost(&self, node: Node) -> usize {
        self.measure(node, None, |scratch| {
            let value = scratch.computed(node, &Index::default());
            scratch.graph.cost_of(&[value])
        })
    }

    /// What `measure` finds with a lowering of a node by itself, at some of the rows.
    fn measure(
        &self,
        node: Node,
        stretch: Option<[usize; 2]>,
        measure: impl FnOnce(&mut Lowering<'a>) -> usize,
    ) -> usize {
        let rows = self.rows.iter().map(|&(row, _)| row).collect();
        let key = (node, stretch, rows);
        if let Some(&known) = self.measured.borrow().get(&key) {
            return known;
        }
        let mut scratch = Lowering::new(self.dag, node);
        let rows = self.rows.iter();
        scratch.rows = rows.map(|&(row, _)| (row, Index::default())).collect();
        scratch.measured = Rc::clone(&self.measured);
        let found = measure(&mut scratch);
        self.measured.borrow_mut().insert(key, found);
        found
    }

    /// The longest loop over components of a node, from `start` on, that is unrolled.
    fn longest_unrolled(&self, node: Node, start: usize, length: usize) -> usize {
        if !(2..=SHORT).contains(&length) {
            return SHORT;
        }
        self.measure(node, Some([start, length]), |scratch| {
            let components = start..start + length;
            let values: Vec<_> = components
                .map(|k| scratch.component(node, &Index::constant(k)))
                .collect();
            match copies_are_long(&scratch.graph, &values) {
                true => 1,
                false => SHORT,
            }
        })
    }

    fn computed(&mut self, node: Node, k: &Index) -> Value {
        let Kind::Apply(op, args, params) = self.dag.kind(node) else {
            unreachable!("only operations are computed")
        };
        match op.meaning {
            Meaning::Component(component) => {
                component(&mut Component::of(self, node, std::slice::from_ref(k)))
            }
            Meaning::Tensor(shape, component) => {
                let shape = shape(&self.dims(node), params);
                let mut rest = k.as_constant().unwrap_or_default();
                let mut indices = vec![Index::default(); shape.len()];
                for (index, extent) in indices.iter_mut().zip(&shape).rev() {
                    *index = Index::constant(rest % extent);
                    rest /= extent;
                }
                component(&mut Component::of(self, node, &indices))
            }
            Meaning::Assigned(_) => self.element(node, k),
            Meaning::Pieces(pieces) => {
                let pieces = pieces(&self.dims(node), params);
                if let [
                    Piece::Argument {
                        argument, start, ..
                    },
                ] = pieces[..]
                {
                    return self.component(args[argument], &k.shifted(start));
                }
                let mut rest = k.as_constant().unwrap_or_default();
                for piece in pieces {
                    if rest < piece.length() {
                        return match piece {
                            Piece::Zeros { .. } => self.graph.constant(0.0),
                            Piece::Argument {
                                argument, start, ..
                            } => self.component(args[argument], &Index::constant(start + rest)),
                        };
                    }
                    rest -= piece.length();
                }
                unreachable!("a component beyond the dimension of {}", op.name)
            }
            Meaning::Expand(_) => unreachable!("nodes of {} never exist", op.name),
        }
    }

    /// Component `k` of a node, read from the array of all.
    fn element(&mut self, node: Node, k: &Index) -> Value {
        let key = (node, self.rows_of(node));
        let array = match self.arrays.get(&key) {
            Some(&array) => array,
            None => {
                let array = self.array(node);
                self.arrays.insert(key, array);
                array
            }
        };
        self.graph.load(Source::Array(array), k.clone())
    }

    fn array(&mut self, node: Node) -> ArrayId {
        let length = self.dag.dim(node);
        let rows = self.rows_of(node);
        let mut free: Vec<LoopVar> = rows
            .iter()
            .flat_map(|(_, index)| index.terms.iter().map(|&(var, _)| var))
            .collect();
        free.sort_unstable();
        match self.dag.kind(node) {
            Kind::Apply(
                Op {
                    meaning: Meaning::Assigned(assign),
                    ..
                },
                ..,
            ) => {
                let array = self.graph.declare_array(length, self.stage(node), free);
                let segments = Assignments::of(self, node, array, *assign);
                self.graph.define_array(array, segments);
                array
            }
            _ => {
                let segments = self.segments(node);
                let stage = self.graph.stage_of(&segments);
                let array = self.graph.declare_array(length, stage, free);
                self.graph.define_array(array, segments);
                array
            }
        }
    }

    /// The stage of the variables that a node is made of.
    fn stage(&self, node: Node) -> Stage {
        let nodes = self.dag.reachable(&[node]);
        let stages = nodes.iter().map(|&node| match self.dag.kind(node) {
            Kind::Variable(position) => stage_of(self.dag.variables()[*position].category),
            _ => Stage::Constant,
        });
        stages.fold(Stage::Constant, Stage::join)
    }

    /// All components of a node, in loops where they are many.
    fn segments(&mut self, node: Node) -> Vec<Segment> {
        let dag = self.dag;
        match dag.kind(node) {
            Kind::Apply(op, args, params) => match op.meaning {
                Meaning::Pieces(pieces) => {
                    let mut segments = Vec::new();
                    let mut start = 0;
                    for piece in pieces(&self.dims(node), params) {
                        let most = match piece {
                            Piece::Zeros { .. } => SHORT,
                            Piece::Argument {
                                argument,
                                start,
                                length,
                            } => self.longest_unrolled(args[argument], start, length),
                        };
                        self.over(&[piece.length()], most, &mut |lowering, nest, k| {
                            let value = match piece {
                                Piece::Zeros { .. } => lowering.graph.constant(0.0),
                                Piece::Argument {
                                    argument, start, ..
                                } => lowering.component(args[argument], &k[0].shifted(start)),
                            };
                            let index = k[0].shifted(start);
                            segments.push(Segment {
                                nest: nest.to_vec(),
                                index,
                                value,
                            });
                        });
                        start += piece.length();
                    }
                    segments
                }
                Meaning::Tensor(shape, component) => {
                    let shape = shape(&self.dims(node), params);
                    let most = match (product(&shape), self.cost(node)) {
                        (all, cost) if all <= SMALL && all * cost <= SMALL_COST => all,
                        (_, cost) if cost <= FEW_TERMS => SHORT,
                        // The real and the imaginary part are told apart by a constant.
                        _ => 2,
                    };
                    let mut segments = Vec::new();
                    self.over(&shape, most, &mut |lowering, nest, indices| {
                        let value = component(&mut Component::of(lowering, node, indices));
                        let mut flat = Index::default();
                        for (index, extent) in indices.iter().zip(&shape) {
                            flat = flat.times(*extent).plus(index);
                        }
                        segments.push(Segment {
                            nest: nest.to_vec(),
                            index: flat,
                            value,
                        });
                    });
                    segments
                }
                _ => self.flat_segments(node),
            },
            _ => self.flat_segments(node),
        }
    }

    fn flat_segments(&mut self, node: Node) -> Vec<Output> {
        let mut segments = Vec::new();
        let dim = self.dag.dim(node);
        let most = self.longest_unrolled(node, 0, dim);
        self.over(&[dim], most, &mut |lowering, nest, k| {
            // The definition itself, even if other users read it from an array of this.
            let value = match lowering.dag.kind(node) {
                Kind::Apply(..) => lowering.computed(node, &k[0]),
                _ => lowering.component(node, &k[0]),
            };
            segments.push(Segment {
                nest: nest.to_vec(),
                index: k[0].clone(),
                value,
            });
        });
        segments
    }

    /// Visits all positions of a tensor: one by one in the last axes while they are short and have at most so many positions together, by a loop
    /// variable in the others.
    fn over(
        &mut self,
        shape: &[usize],
        most: usize,
        visit: &mut dyn FnMut(&mut Self, &[LoopVar], &[Index]),
    ) {
        let mut first = shape.len();
        while first > 0 && shape[first - 1] <= SHORT && product(&shape[first - 1..]) <= most {
            first -= 1;
        }
        self.over_from(shape, first, &mut Vec::new(), &mut Vec::new(), visit);
    }

    fn over_from(
        &mut self,
        shape: &[usize],
        loops: usize,
        nest: &mut Vec<LoopVar>,
        indices: &mut Vec<Index>,
        visit: &mut dyn FnMut(&mut Self, &[LoopVar], &[Index]),
    ) {
        let Some((&extent, inner)) = shape.split_first() else {
            return visit(self, nest, indices);
        };
        if loops == 0 {
            for k in 0..extent {
                indices.push(Index::constant(k));
                self.over_from(inner, 0, nest, indices, visit);
                indices.pop();
            }
        } else {
            let var = self.graph.loop_var(extent);
            nest.push(var);
            indices.push(Index::variable(var));
            self.over_from(inner, loops - 1, nest, indices, visit);
            indices.pop();
            nest.pop();
        }
    }
}

fn stage_of(category: Category) -> Stage {
    match category {
        Category::I => Stage::I,
        Category::J => Stage::J,
        Category::Param => Stage::Params,
    }
}

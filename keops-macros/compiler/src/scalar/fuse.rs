//! Fused multiply-adds: a product with a single use that is added to something becomes part of the addition.

use std::collections::HashMap;

use super::{ArrayId, Expr, FoldKind, Graph, Instruction, Segment, Source, Value};
use Instruction::*;

/// The same graph with fused multiply-adds, and without values that nothing needs.
pub fn fuse(graph: &Graph) -> Graph {
    let mut fuser = Fuser {
        old: graph,
        uses: graph.uses(),
        new: Graph::with_loops_of(graph),
        known: HashMap::new(),
        arrays: HashMap::new(),
    };
    for output in &graph.outputs {
        let segment = fuser.segment(output);
        fuser.new.outputs.push(segment);
    }
    fuser.new
}

struct Fuser<'a> {
    old: &'a Graph,
    uses: HashMap<Value, usize>,
    new: Graph,
    known: HashMap<Value, Value>,
    arrays: HashMap<ArrayId, ArrayId>,
}

impl Fuser<'_> {
    fn segment(&mut self, segment: &Segment) -> Segment {
        let value = self.value(segment.value);
        Segment {
            value,
            ..segment.clone()
        }
    }

    fn array(&mut self, id: ArrayId) -> ArrayId {
        if let Some(&known) = self.arrays.get(&id) {
            return known;
        }
        let array = self.old.array(id);
        let new = self
            .new
            .declare_array(array.length, array.stage, array.free.clone());
        self.arrays.insert(id, new);
        let segments = array.segments.iter().map(|s| self.segment(s)).collect();
        self.new.define_array(new, segments);
        new
    }

    /// The factors of a product that is used nowhere else.
    fn product(&self, value: Value) -> Option<[Value; 2]> {
        match self.old.expr(value) {
            Expr::Apply(Mul, args) if self.uses.get(&value) == Some(&1) => Some([args[0], args[1]]),
            _ => None,
        }
    }

    fn value(&mut self, value: Value) -> Value {
        if let Some(&known) = self.known.get(&value) {
            return known;
        }
        let new = match self.old.expr(value).clone() {
            Expr::Apply(instruction, args) => {
                let (instruction, args) = self.fused(instruction, args);
                let args = args.into_iter().map(|arg| self.value(arg)).collect();
                self.new.apply_exactly(instruction, args)
            }
            Expr::Load(Source::Array(id), index) => {
                let id = self.array(id);
                self.new.load(Source::Array(id), index)
            }
            Expr::Load(Source::Earlier(id), index) => {
                let id = self.array(id);
                self.new.load(Source::Earlier(id), index)
            }
            Expr::Load(source, index) => self.new.load(source, index),
            Expr::Constant(bits) => self.new.constant(f64::from_bits(bits)),
            Expr::Position(index) => self.new.position(index),
            Expr::Fold { kind, var, body } => {
                let body = self.value(body);
                self.new.fold(kind, var, body)
            }
        };
        self.known.insert(value, new);
        new
    }

    fn fused(&self, instruction: Instruction, args: Vec<Value>) -> (Instruction, Vec<Value>) {
        match (instruction, args.as_slice()) {
            (Add, &[a, b]) => {
                // The right operand of a sum that was written down from left to right is the fresh product.
                for (product, rest) in [(b, a), (a, b)] {
                    if let Some([c, d]) = self.product(product) {
                        return (Fma, vec![c, d, rest]);
                    }
                }
            }
            (Sub, &[a, b]) => {
                if let Some([c, d]) = self.product(b) {
                    return (Fnma, vec![c, d, a]);
                }
                if let Some([c, d]) = self.product(a) {
                    return (Fms, vec![c, d, b]);
                }
            }
            _ => {}
        }
        (instruction, args)
    }
}

impl FoldKind {
    /// The value of a fold over nothing.
    pub fn neutral(self) -> f64 {
        match self {
            FoldKind::Sum | FoldKind::ArgMin | FoldKind::ArgMax => 0.0,
            FoldKind::Min => f64::INFINITY,
            FoldKind::Max => f64::NEG_INFINITY,
        }
    }
}

//! Splitting a lowered formula by how often its values change.
//!
//! What depends on parameters alone is computed once per call, what depends on i once per row, on j once per column,
//! and only the rest once per pair. A value that a later stage needs becomes a *feature*: a slot in the flat array that
//! its stage leaves behind.

use std::collections::{HashMap, HashSet};

use crate::scalar::{
    ArrayId, Expr, Graph, Index, Inputs, Output, Segment, Source, Stage, Value, fuse,
    interpret_stage,
};

/// Values that stand in several loops are hoisted only if this many slots hold them.
const MOST_SLOTS: usize = 4096;

/// A formula as four graphs, one for each stage.
pub struct Program {
    /// Reads raw parameters; its outputs are the features of [`Stage::Params`].
    pub params: Graph,
    /// Reads raw coordinates of i and parameter features; its outputs are the features of [`Stage::I`].
    pub i: Graph,
    /// The same for j.
    pub j: Graph,
    /// Reads features; its outputs are the components of the formula.
    pub pair: Graph,
    /// Number of features of parameters, i and j.
    pub features: [usize; 3],
    /// Number of components of the formula.
    pub dim: usize,
}

impl Program {
    /// The components of the formula in double precision: what the emitted code computes, up to rounding.
    pub fn interpret(&self, inputs: &Inputs) -> Vec<f64> {
        let params = interpret_stage(&self.params, inputs, [&[], &[], &[]]);
        let i = interpret_stage(&self.i, inputs, [&params, &[], &[]]);
        let j = interpret_stage(&self.j, inputs, [&params, &[], &[]]);
        interpret_stage(&self.pair, inputs, [&params, &i, &j])
    }
}

/// Splits a lowered formula of `dim` components and forms fused multiply-adds.
pub fn split(graph: &Graph, dim: usize) -> Program {
    let stages = std::array::from_fn(|_| Graph::with_loops_of(graph));
    let mut splitter = Splitter {
        old: graph,
        stages,
        slots: [0; 3],
        known: HashMap::new(),
        arrays: HashMap::new(),
        unfinished: HashSet::new(),
        regions: HashMap::new(),
    };
    for output in &graph.outputs {
        let value = splitter.place(output.value, Stage::Pair);
        splitter.stages[3].outputs.push(Output {
            value,
            ..output.clone()
        });
    }
    let [params, i, j, pair] = splitter.stages.map(|graph| fuse(&graph));
    Program {
        params,
        i,
        j,
        pair,
        features: splitter.slots,
        dim,
    }
}

fn number(stage: Stage) -> usize {
    match stage {
        Stage::Constant | Stage::Params => 0,
        Stage::I => 1,
        Stage::J => 2,
        Stage::Pair => 3,
    }
}

struct Splitter<'a> {
    old: &'a Graph,
    stages: [Graph; 4],
    slots: [usize; 3],
    /// Where a value of the old graph stands in the graph of a stage.
    known: HashMap<(Stage, Value), Value>,
    arrays: HashMap<(Stage, ArrayId), ArrayId>,
    /// Arrays that are being copied: what is read from them was assigned before.
    unfinished: HashSet<(Stage, ArrayId)>,
    /// First slot of a copied stretch of raw inputs, by stage, offset and length.
    regions: HashMap<(Stage, usize, usize), usize>,
}

impl Splitter<'_> {
    /// The value in the graph of `stage`, which is its own or a later one.
    fn place(&mut self, value: Value, stage: Stage) -> Value {
        if let Some(&known) = self.known.get(&(stage, value)) {
            return known;
        }
        let own = self.old.stage(value);
        let new = if own == stage || own == Stage::Constant {
            self.rebuild(value, stage)
        } else if let Expr::Load(Source::Raw(_), index) = self.old.expr(value) {
            self.copied(own, stage, &index.clone())
        } else {
            let free = self.old.free(value).to_vec();
            let size = free
                .iter()
                .map(|&var| self.old.extent(var))
                .product::<usize>();
            if free.len() > 1 && size > MOST_SLOTS {
                self.rebuild(value, stage)
            } else {
                self.hoisted(value, own, stage)
            }
        };
        self.known.insert((stage, value), new);
        new
    }

    /// A raw input: the stretch that its index reaches is copied into the features.
    fn copied(&mut self, own: Stage, stage: Stage, index: &Index) -> Value {
        let length = self.old.last(index) - index.offset + 1;
        let key = (own, index.offset, length);
        let first = match self.regions.get(&key) {
            Some(&first) => first,
            None => {
                let first = self.slots[number(own)];
                self.slots[number(own)] += length;
                self.regions.insert(key, first);
                let graph = &mut self.stages[number(own)];
                let (nest, k) = if length == 1 {
                    (Vec::new(), Index::default())
                } else {
                    let var = graph.loop_var(length);
                    (vec![var], Index::variable(var))
                };
                let value = graph.load(Source::Raw(own), k.shifted(index.offset));
                graph.outputs.push(Segment {
                    nest,
                    index: k.shifted(first),
                    value,
                });
                first
            }
        };
        let index = Index {
            offset: first,
            terms: index.terms.clone(),
        };
        self.stages[number(stage)].load(Source::Feature(own), index)
    }

    /// A computed value: it gets a slot for each position of the loops that it stands in.
    fn hoisted(&mut self, value: Value, own: Stage, stage: Stage) -> Value {
        let mut index = Index::default();
        let mut size = 1;
        for &var in self.old.free(value) {
            let extent = self.old.extent(var);
            index = index.times(extent).plus(&Index::variable(var));
            size *= extent;
        }
        let index = index.shifted(self.slots[number(own)]);
        self.slots[number(own)] += size;
        let placed = self.place(value, own);
        let nest = self.old.free(value).to_vec();
        self.stages[number(own)].outputs.push(Segment {
            nest,
            index: index.clone(),
            value: placed,
        });
        self.stages[number(stage)].load(Source::Feature(own), index)
    }

    fn rebuild(&mut self, value: Value, stage: Stage) -> Value {
        match self.old.expr(value).clone() {
            Expr::Constant(bits) => self.stages[number(stage)].constant(f64::from_bits(bits)),
            Expr::Position(index) => self.stages[number(stage)].position(index),
            Expr::Load(Source::Array(id) | Source::Earlier(id), index) => {
                let source = self.array(id, stage);
                self.stages[number(stage)].load(source, index)
            }
            Expr::Load(source, index) => self.stages[number(stage)].load(source, index),
            Expr::Apply(instruction, args) => {
                let args = args.into_iter().map(|arg| self.place(arg, stage)).collect();
                self.stages[number(stage)].apply_exactly(instruction, args)
            }
            Expr::Fold { kind, var, body } => {
                let body = self.place(body, stage);
                self.stages[number(stage)].fold(kind, var, body)
            }
        }
    }

    /// The array in the graph of `stage`.
    fn array(&mut self, id: ArrayId, stage: Stage) -> Source {
        if let Some(&known) = self.arrays.get(&(stage, id)) {
            return if self.unfinished.contains(&(stage, id)) {
                Source::Earlier(known)
            } else {
                Source::Array(known)
            };
        }
        let array = self.old.array(id).clone();
        let new = self.stages[number(stage)].declare_array(array.length, array.stage, array.free);
        self.arrays.insert((stage, id), new);
        self.unfinished.insert((stage, id));
        let mut segments = Vec::new();
        for segment in array.segments {
            let value = self.place(segment.value, stage);
            segments.push(Segment { value, ..segment });
        }
        self.stages[number(stage)].define_array(new, segments);
        self.unfinished.remove(&(stage, id));
        Source::Array(new)
    }
}

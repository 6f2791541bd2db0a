//! A plain evaluation of a graph in double precision.
//!
//! It serves the compiler (is this formula symmetric?) and tests (does the emitted code compute this?); it shares
//! nothing with the emitters.

use std::collections::HashMap;

use super::{ArrayId, Expr, FoldKind, Graph, Index, LoopVar, Source, Stage, Value, together};

/// The raw inputs of one pair: for each category all aliases concatenated.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Parameters.
    pub params: Vec<f64>,
    /// Point i.
    pub i: Vec<f64>,
    /// Point j.
    pub j: Vec<f64>,
}

/// The outputs of a graph that reads raw inputs alone.
pub fn interpret(graph: &Graph, inputs: &Inputs) -> Vec<f64> {
    interpret_stage(graph, inputs, [&[], &[], &[]])
}

/// The outputs of a graph that also reads what earlier stages left behind: the features of the parameters, of the point
/// i and of the point j.
pub fn interpret_stage(graph: &Graph, inputs: &Inputs, features: [&[f64]; 3]) -> Vec<f64> {
    let mut machine = Machine {
        graph,
        inputs,
        features,
        vars: HashMap::new(),
        known: HashMap::new(),
        arrays: HashMap::new(),
    };
    let mut result = Vec::new();
    for group in together(&graph.outputs) {
        machine.visit(&group[0].nest, &mut |machine| {
            for output in group {
                let (at, value) = (machine.index(&output.index), machine.value(output.value));
                if result.len() <= at {
                    result.resize(at + 1, f64::NAN);
                }
                result[at] = value;
            }
        });
    }
    result
}

struct Machine<'a> {
    graph: &'a Graph,
    inputs: &'a Inputs,
    features: [&'a [f64]; 3],
    vars: HashMap<LoopVar, usize>,
    /// Values, each with the positions in the loops that it stands in: what is shared is computed once for each.
    known: HashMap<Value, (Vec<usize>, f64)>,
    /// Arrays, where the loops that they depend on stand at these positions.
    arrays: HashMap<(ArrayId, Vec<usize>), Vec<f64>>,
}

impl Machine<'_> {
    fn index(&self, index: &Index) -> usize {
        index.offset
            + index
                .terms
                .iter()
                .map(|(var, stride)| self.vars[var] * stride)
                .sum::<usize>()
    }

    /// Runs `inside` for all values of the loops.
    fn visit(&mut self, nest: &[LoopVar], inside: &mut dyn FnMut(&mut Self)) {
        let Some((&var, inner)) = nest.split_first() else {
            return inside(self);
        };
        let extent = self.graph.extent(var);
        for k in 0..extent {
            let k = if self.graph.is_descending(var) {
                extent - 1 - k
            } else {
                k
            };
            self.vars.insert(var, k);
            self.visit(inner, inside);
        }
        self.vars.remove(&var);
    }

    fn value(&mut self, value: Value) -> f64 {
        let free = self.graph.free(value);
        let here = free.iter().map(|var| self.vars[var]);
        if let Some((at, known)) = self.known.get(&value)
            && at.iter().copied().eq(here.clone())
        {
            return *known;
        }
        let here: Vec<usize> = here.collect();
        let result = match self.graph.expr(value) {
            Expr::Constant(bits) => f64::from_bits(*bits),
            Expr::Position(index) => self.index(index) as f64,
            Expr::Load(source, index) => {
                let at = self.index(index);
                match source {
                    Source::Raw(Stage::Params) => self.inputs.params[at],
                    Source::Raw(Stage::I) => self.inputs.i[at],
                    Source::Raw(Stage::J) => self.inputs.j[at],
                    Source::Array(id) => self.element(*id, at),
                    Source::Earlier(id) => self.arrays[&self.key(*id)][at],
                    Source::Feature(Stage::Params) => self.features[0][at],
                    Source::Feature(Stage::I) => self.features[1][at],
                    Source::Feature(Stage::J) => self.features[2][at],
                    Source::Raw(_) | Source::Feature(_) | Source::Distance => f64::NAN,
                }
            }
            Expr::Apply(instruction, args) => {
                let args: Vec<f64> = args.iter().map(|&arg| self.value(arg)).collect();
                (instruction.info().eval)(&args)
            }
            Expr::Fold { kind, var, body } => self.fold(*kind, *var, *body),
        };
        self.known.insert(value, (here, result));
        result
    }

    fn fold(&mut self, kind: FoldKind, var: LoopVar, body: Value) -> f64 {
        let mut total = kind.neutral();
        let mut best = f64::NAN;
        for k in 0..self.graph.extent(var) {
            self.vars.insert(var, k);
            let value = self.value(body);
            match kind {
                FoldKind::Sum => total += value,
                FoldKind::Min => total = if value < total { value } else { total },
                FoldKind::Max => total = if value > total { value } else { total },
                FoldKind::ArgMin | FoldKind::ArgMax => {
                    let better = if kind == FoldKind::ArgMin {
                        value < best
                    } else {
                        value > best
                    };
                    if k == 0 || better {
                        (best, total) = (value, k as f64);
                    }
                }
            }
        }
        self.vars.remove(&var);
        total
    }

    fn key(&self, id: ArrayId) -> (ArrayId, Vec<usize>) {
        let free = self.graph.array(id).free.iter();
        (id, free.map(|var| self.vars[var]).collect())
    }

    fn element(&mut self, id: ArrayId, at: usize) -> f64 {
        let key = self.key(id);
        if let Some(array) = self.arrays.get(&key) {
            return array[at];
        }
        let array = self.graph.array(id);
        self.arrays.insert(key.clone(), vec![0.0; array.length]);
        for group in together(&array.segments) {
            self.visit(&group[0].nest, &mut |machine| {
                for segment in group {
                    let at = machine.index(&segment.index);
                    let value = machine.value(segment.value);
                    if let Some(elements) = machine.arrays.get_mut(&key) {
                        elements[at] = value;
                    }
                }
            });
        }
        self.arrays[&key][at]
    }
}

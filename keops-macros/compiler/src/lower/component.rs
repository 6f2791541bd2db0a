//! What the meanings of operations are written with.

use super::{FEW_TERMS, LONG_COPY, Lowering, SHORT};
use crate::dag::Node;
use crate::ops::Param;
use crate::scalar::{
    ArrayId, FoldKind, Graph, Index, Instruction, LoopVar, Nest, Segment, Source, Value,
};

/// The components of a node while they are assigned; what the meaning of a recurrence is written with.
pub struct Assignments<'l, 'a> {
    lowering: &'l mut Lowering<'a>,
    node: Node,
    array: ArrayId,
    segments: Vec<Segment>,
}

impl<'l, 'a> Assignments<'l, 'a> {
    /// What `assign` assigns to the array of the node.
    pub(super) fn of(
        lowering: &'l mut Lowering<'a>,
        node: Node,
        array: ArrayId,
        assign: fn(&mut Assignments<'_, '_>),
    ) -> Vec<Segment> {
        let mut assignments = Assignments {
            lowering,
            node,
            array,
            segments: Vec::new(),
        };
        assign(&mut assignments);
        assignments.segments
    }

    /// Parameter `n`.
    pub fn param(&self, n: usize) -> &Param {
        &self.lowering.dag.params(self.node)[n]
    }

    /// Dimension of argument `n`.
    pub fn dim(&self, n: usize) -> usize {
        self.lowering.dag.dim(self.lowering.dag.args(self.node)[n])
    }

    /// Assigns what `elements` gives at each position of a tensor, in row-major order; nothing where it has none.
    pub fn over(
        &mut self,
        shape: &[usize],
        elements: impl FnOnce(&mut Component<'_, '_>) -> Vec<(Index, Value)>,
    ) {
        self.assign(shape, Graph::loop_var, elements);
    }

    /// The same in the opposite order.
    pub fn back_over(
        &mut self,
        shape: &[usize],
        elements: impl FnOnce(&mut Component<'_, '_>) -> Vec<(Index, Value)>,
    ) {
        self.assign(shape, Graph::descending_loop_var, elements);
    }

    fn assign(
        &mut self,
        shape: &[usize],
        mut loop_var: impl FnMut(&mut Graph, usize) -> LoopVar,
        elements: impl FnOnce(&mut Component<'_, '_>) -> Vec<(Index, Value)>,
    ) {
        if shape.contains(&0) {
            return;
        }
        let graph = &mut self.lowering.graph;
        let nest: Nest = shape
            .iter()
            .map(|&extent| loop_var(graph, extent))
            .collect();
        let indices: Vec<Index> = nest.iter().map(|&var| Index::variable(var)).collect();
        let elements = elements(&mut Component {
            lowering: self.lowering,
            node: self.node,
            indices: &indices,
            array: Some(self.array),
            repeated: 1,
        });
        let segment = |(index, value)| Segment {
            nest: nest.clone(),
            index,
            value,
        };
        self.segments.extend(elements.into_iter().map(segment));
    }
}

/// The component of a node that is being defined; what an operation's meaning is written with.
pub struct Component<'l, 'a> {
    lowering: &'l mut Lowering<'a>,
    node: Node,
    indices: &'l [Index],
    /// The array whose elements are being assigned.
    array: Option<ArrayId>,
    /// How many terms of unrolled sums of this operation there are around.
    repeated: usize,
}

impl<'l, 'a> Component<'l, 'a> {
    pub(super) fn of(
        lowering: &'l mut Lowering<'a>,
        node: Node,
        indices: &'l [Index],
    ) -> Component<'l, 'a> {
        Component {
            lowering,
            node,
            indices,
            array: None,
            repeated: 1,
        }
    }

    /// The position of the component, one index for each axis of the operation's shape.
    pub fn indices(&self) -> &[Index] {
        self.indices
    }

    /// The parameters of the operation.
    pub fn params(&self) -> &[Param] {
        self.lowering.dag.params(self.node)
    }

    /// Parameter `n`.
    pub fn param(&self, n: usize) -> &Param {
        &self.params()[n]
    }

    /// Dimension of argument `n`.
    pub fn dim(&self, n: usize) -> usize {
        self.lowering.dag.dim(self.lowering.dag.args(self.node)[n])
    }

    /// The same component of argument `n`, or its only one.
    pub fn arg(&mut self, n: usize) -> Value {
        let k = self.indices[0].clone();
        self.at(n, &k)
    }

    /// Component `k` of argument `n`, or its only one.
    pub fn at(&mut self, n: usize, k: &Index) -> Value {
        let arg = self.lowering.dag.args(self.node)[n];
        if self.lowering.dag.dim(arg) == 1 {
            return self.lowering.component(arg, &Index::default());
        }
        self.lowering.component(arg, k)
    }

    /// Component `k` of this very node, which was [assigned](Assignments) before.
    pub fn earlier(&mut self, k: Index) -> Value {
        match self.array {
            Some(array) => self.lowering.graph.load(Source::Earlier(array), k),
            None => unreachable!("this operation assigns no components"),
        }
    }

    /// The position of the row that parameter `n` is.
    pub fn row(&self, n: usize) -> Index {
        let Param::Row(row) = *self.param(n) else {
            unreachable!("parameter {n} is no row")
        };
        let mut rows = self.lowering.rows.iter().rev();
        match rows.find(|&&(other, _)| other == row) {
            Some((_, index)) => index.clone(),
            None => unreachable!("a row outside of its formula"),
        }
    }

    /// Component `k` of argument `n`, or its only one, where the row that parameter 0 is stands at `position`.
    pub fn at_row(&mut self, n: usize, k: &Index, position: Index) -> Value {
        if let Param::Row(row) = *self.param(0) {
            self.lowering.rows.push((row, position));
        }
        let value = self.at(n, k);
        self.lowering.rows.pop();
        value
    }

    /// The squared distance that the formula is given for each pair.
    pub fn given_distance(&mut self) -> Value {
        self.lowering.graph.load(Source::Distance, Index::default())
    }

    /// A constant.
    pub fn constant(&mut self, x: f64) -> Value {
        self.lowering.graph.constant(x)
    }

    /// The position of the component as a number.
    pub fn position(&mut self) -> Value {
        self.position_of(self.indices[0].clone())
    }

    /// An index as a number.
    pub fn position_of(&mut self, index: Index) -> Value {
        self.lowering.graph.position(index)
    }

    /// An instruction.
    pub fn apply(&mut self, instruction: Instruction, args: &[Value]) -> Value {
        self.lowering.graph.apply(instruction, args)
    }

    /// An instruction on these very operands, for what depends on how it rounds.
    pub fn apply_as_written(&mut self, instruction: Instruction, args: &[Value]) -> Value {
        self.lowering
            .graph
            .apply_exactly(instruction, args.to_vec())
    }

    /// Whether the code of the second of some terms that is not that of the first is long. The others are as long, most often.
    fn has_long_copy(
        &mut self,
        extent: usize,
        body: &mut impl FnMut(&mut Self, &Index) -> Value,
    ) -> bool {
        if extent < 2 {
            return false;
        }
        self.repeated *= extent;
        let [first, second] = [0, 1].map(|k| body(self, &Index::constant(k)));
        self.repeated /= extent;
        let graph = &self.lowering.graph;
        graph.code_of(&[first, second]) - graph.code_of(&[first]) > LONG_COPY
    }

    /// `body(k)` combined over k from 0 to `extent`.
    pub fn fold(
        &mut self,
        kind: FoldKind,
        extent: usize,
        mut body: impl FnMut(&mut Self, &Index) -> Value,
    ) -> Value {
        if extent > SHORT
            || extent * self.repeated > FEW_TERMS
            || self.has_long_copy(extent, &mut body)
        {
            let var = self.lowering.graph.loop_var(extent);
            let term = body(self, &Index::variable(var));
            // One term of a sum that is 0 but at a row of a Jacobian.
            if kind == FoldKind::Sum
                && let Some(only) = self.lowering.graph.only_term(term, var)
            {
                return body(self, &only);
            }
            return self.lowering.graph.fold(kind, var, term);
        }
        let mut total = self.constant(kind.neutral());
        let mut best = total;
        for k in 0..extent {
            self.repeated *= extent;
            let value = body(self, &Index::constant(k));
            self.repeated /= extent;
            if k == 0 && !matches!(kind, FoldKind::ArgMin | FoldKind::ArgMax) {
                total = value;
                continue;
            }
            match kind {
                FoldKind::Sum => total = self.apply(Instruction::Add, &[total, value]),
                FoldKind::Min => total = self.apply(Instruction::Min, &[value, total]),
                FoldKind::Max => total = self.apply(Instruction::Max, &[value, total]),
                FoldKind::ArgMin | FoldKind::ArgMax if k == 0 => best = value,
                FoldKind::ArgMin | FoldKind::ArgMax => {
                    let (small, large) = if kind == FoldKind::ArgMin {
                        (value, best)
                    } else {
                        (best, value)
                    };
                    let position = self.constant(k as f64);
                    total = self.apply(Instruction::SelectLt, &[small, large, position, total]);
                    best = self.apply(Instruction::SelectLt, &[small, large, value, best]);
                }
            }
        }
        total
    }
}

//! The hash-consed expression graph.

use std::collections::HashMap;

use super::{Index, Instruction, LoopVar};

/// A value of a [`Graph`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Value(u32);

/// A materialised array of a [`Graph`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ArrayId(pub u32);

/// How often a value changes: the piece of emitted code that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Known at compile time.
    Constant,
    /// Depends on parameters alone: once per call.
    Params,
    /// Depends on the point i (and parameters): once per i.
    I,
    /// Depends on the point j (and parameters): once per j.
    J,
    /// Depends on both: once per pair.
    Pair,
}

impl Stage {
    /// The stage of a value that depends on values of both stages.
    pub fn join(self, other: Stage) -> Stage {
        match (self, other) {
            (Stage::I, Stage::J) | (Stage::J, Stage::I) => Stage::Pair,
            _ => self.max(other),
        }
    }
}

/// What a [`Expr::Load`] reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Input of a stage: the user's arrays of this category, aliases concatenated.
    Raw(Stage),
    /// Feature left behind by an earlier stage.
    Feature(Stage),
    /// The squared distance of a pair, which a formula of a [distance](crate::distance) is given.
    Distance,
    /// An array of this graph.
    Array(ArrayId),
    /// An element that was assigned before, in the array that is being computed.
    Earlier(ArrayId),
}

/// How a fold combines the values of its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FoldKind {
    /// Sum of the body.
    Sum,
    /// Smallest value of the body.
    Min,
    /// Largest value of the body.
    Max,
    /// Position of the first smallest value.
    ArgMin,
    /// Position of the first largest value.
    ArgMax,
}

/// The definition of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Expr {
    /// A constant, by its bits.
    Constant(u64),
    /// An element of an input, a feature or an array.
    Load(Source, Index),
    /// An instruction.
    Apply(Instruction, Vec<Value>),
    /// An index as a number.
    Position(Index),
    /// `body` combined over all values of `var`.
    Fold {
        /// How.
        kind: FoldKind,
        /// The variable that the fold binds.
        var: LoopVar,
        /// The value combined.
        body: Value,
    },
}

/// Nested loops, outermost first.
pub type Nest = Vec<LoopVar>;

/// One stretch of an array: `array[index] = value` for all values of the loops.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Loops around the assignment.
    pub nest: Nest,
    /// Where.
    pub index: Index,
    /// What.
    pub value: Value,
}

/// The segments in groups: neighbours in the same loops are computed together.
pub fn together(segments: &[Segment]) -> impl Iterator<Item = &[Segment]> {
    segments.chunk_by(|a, b| !a.nest.is_empty() && a.nest == b.nest)
}

/// An array that is computed once, in each turn of the loops that it depends on, and read at several indices.
///
/// Its parts are computed one [group](together) after the other, and an element may depend on those that were assigned before: that
/// is how recurrences are written. No element is assigned twice, and those that never are are 0.
#[derive(Clone, Debug)]
pub struct Array {
    /// Number of elements.
    pub length: usize,
    /// What its elements depend on.
    pub stage: Stage,
    /// Loop variables that must be in scope, ordered.
    pub free: Vec<LoopVar>,
    /// Its parts.
    pub segments: Vec<Segment>,
}

/// A result of the graph.
pub type Output = Segment;

/// What a loop variable runs through.
#[derive(Clone, Copy)]
struct Loop {
    extent: usize,
    descending: bool,
}

struct Entry {
    expr: Expr,
    stage: Stage,
    /// Loop variables that must be in scope, ordered.
    free: Vec<LoopVar>,
}

/// A pure expression graph; see the [module documentation](super).
#[derive(Default)]
pub struct Graph {
    entries: Vec<Entry>,
    known: HashMap<Expr, Value>,
    loops: Vec<Loop>,
    arrays: Vec<Array>,
    /// Whether a division by something slower than the dividend becomes a multiplication by a hoisted inverse, which
    /// rounds once more. Only for formulas that do not jump.
    pub hoists_divisors: bool,
    /// The results, in ascending order of their index.
    pub outputs: Vec<Output>,
}

impl Graph {
    /// A graph without values.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// A graph without values in which the loop variables of `other` have the same extents.
    pub fn with_loops_of(other: &Graph) -> Graph {
        Graph {
            loops: other.loops.clone(),
            ..Graph::default()
        }
    }

    /// A new loop variable that counts from 0 to `extent`.
    pub fn loop_var(&mut self, extent: usize) -> LoopVar {
        self.add_loop(Loop {
            extent,
            descending: false,
        })
    }

    /// A new loop variable that counts down, from `extent - 1` to 0.
    pub fn descending_loop_var(&mut self, extent: usize) -> LoopVar {
        self.add_loop(Loop {
            extent,
            descending: true,
        })
    }

    fn add_loop(&mut self, new: Loop) -> LoopVar {
        self.loops.push(new);
        LoopVar(self.loops.len() as u32 - 1)
    }

    /// The extent of a loop variable.
    pub fn extent(&self, var: LoopVar) -> usize {
        self.loops[var.0 as usize].extent
    }

    /// Whether a loop variable counts down.
    pub fn is_descending(&self, var: LoopVar) -> bool {
        self.loops[var.0 as usize].descending
    }

    /// The largest value of an index.
    pub fn last(&self, index: &Index) -> usize {
        let terms = index.terms.iter();
        let last = terms.map(|&(var, stride)| stride * (self.extent(var) - 1));
        index.offset + last.sum::<usize>()
    }

    /// The definition of a value.
    pub fn expr(&self, value: Value) -> &Expr {
        &self.entries[value.0 as usize].expr
    }

    /// The stage that a value belongs to.
    pub fn stage(&self, value: Value) -> Stage {
        self.entries[value.0 as usize].stage
    }

    /// The loop variables that must be in scope where the value is used.
    pub fn free(&self, value: Value) -> &[LoopVar] {
        &self.entries[value.0 as usize].free
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An array.
    pub fn array(&self, id: ArrayId) -> &Array {
        &self.arrays[id.0 as usize]
    }

    /// Number of elements of all arrays.
    pub fn stored(&self) -> usize {
        self.arrays.iter().map(|array| array.length).sum()
    }

    /// Adds an array, whose segments follow in [`Graph::define_array`]: until then there are its earlier elements.
    pub fn declare_array(&mut self, length: usize, stage: Stage, free: Vec<LoopVar>) -> ArrayId {
        self.arrays.push(Array {
            length,
            stage,
            free,
            segments: Vec::new(),
        });
        ArrayId(self.arrays.len() as u32 - 1)
    }

    /// The segments of an array that was declared.
    pub fn define_array(&mut self, id: ArrayId, segments: Vec<Segment>) {
        self.arrays[id.0 as usize].segments = segments;
    }

    /// The stage of what these are.
    pub fn stage_of(&self, segments: &[Segment]) -> Stage {
        let stages = segments.iter().map(|segment| self.stage(segment.value));
        stages.fold(Stage::Constant, Stage::join)
    }

    /// The constant `x`.
    pub fn constant(&mut self, x: f64) -> Value {
        // One zero: the sign of a zero constant has no meaning in a formula.
        let x = if x == 0.0 { 0.0 } else { x };
        self.intern(Expr::Constant(x.to_bits()))
    }

    /// The constant that a value is, if it is one.
    pub fn as_constant(&self, value: Value) -> Option<f64> {
        match self.expr(value) {
            Expr::Constant(bits) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    /// An element of an input, a feature or an array.
    pub fn load(&mut self, source: Source, index: Index) -> Value {
        self.intern(Expr::Load(source, index))
    }

    /// An index as a number.
    pub fn position(&mut self, index: Index) -> Value {
        match index.as_constant() {
            Some(position) => self.constant(position as f64),
            None => self.intern(Expr::Position(index)),
        }
    }

    /// `body` combined over all values of `var`.
    pub fn fold(&mut self, kind: FoldKind, var: LoopVar, body: Value) -> Value {
        self.intern(Expr::Fold { kind, var, body })
    }

    /// The instruction as it stands; [`Graph::apply`] simplifies first.
    pub fn apply_exactly(&mut self, instruction: Instruction, mut args: Vec<Value>) -> Value {
        debug_assert_eq!(args.len(), instruction.info().arity);
        if instruction.commutes() && args[1] < args[0] {
            args.swap(0, 1);
        }
        self.intern(Expr::Apply(instruction, args))
    }

    fn intern(&mut self, expr: Expr) -> Value {
        if let Some(&value) = self.known.get(&expr) {
            return value;
        }
        let (stage, free) = self.dependence(&expr);
        self.entries.push(Entry {
            expr: expr.clone(),
            stage,
            free,
        });
        let value = Value(self.entries.len() as u32 - 1);
        self.known.insert(expr, value);
        value
    }

    fn dependence(&self, expr: &Expr) -> (Stage, Vec<LoopVar>) {
        let mut free = Vec::new();
        let mut stage = Stage::Constant;
        match expr {
            Expr::Constant(_) => {}
            Expr::Position(index) => free.extend(index.terms.iter().map(|t| t.0)),
            Expr::Load(source, index) => {
                free.extend(index.terms.iter().map(|t| t.0));
                match source {
                    Source::Raw(of) | Source::Feature(of) => stage = *of,
                    Source::Distance => stage = Stage::Pair,
                    Source::Array(id) | Source::Earlier(id) => {
                        let array = self.array(*id);
                        stage = array.stage;
                        free.extend(&array.free);
                    }
                }
            }
            Expr::Apply(_, args) => {
                for &arg in args {
                    stage = stage.join(self.stage(arg));
                    free.extend(self.free(arg));
                }
            }
            Expr::Fold { var, body, .. } => {
                stage = self.stage(*body);
                free.extend(self.free(*body).iter().filter(|v| *v != var));
            }
        }
        free.sort_unstable();
        free.dedup();
        (stage, free)
    }

    /// The only value of `var` at which the value is not 0, if a factor of it says so: a selection of what is at one index.
    pub fn only_term(&self, value: Value, var: LoopVar) -> Option<Index> {
        let Expr::Apply(instruction, args) = self.expr(value) else {
            return None;
        };
        match (instruction, &args[..]) {
            (Instruction::Mul, &[a, b]) => {
                let of_first = self.only_term(a, var);
                of_first.or_else(|| self.only_term(b, var))
            }
            (Instruction::Neg, &[a]) | (Instruction::Div, &[a, _]) => self.only_term(a, var),
            (Instruction::SelectEq, &[a, b, _, other]) if self.as_constant(other) == Some(0.0) => {
                let [a, b] = [a, b].map(|value| match self.expr(value) {
                    Expr::Position(index) => Some(index.clone()),
                    _ => None,
                });
                let (a, b) = (a?, b?);
                let is_var = |index: &Index| *index == Index::variable(var);
                let has_var = |index: &Index| index.terms.iter().any(|&(other, _)| other == var);
                let within = |index: &Index| !has_var(index) && self.last(index) < self.extent(var);
                match (is_var(&a), is_var(&b)) {
                    (true, false) if within(&b) => Some(b),
                    (false, true) if within(&a) => Some(a),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Values that a value is made of directly, through arrays too.
    pub fn operands(&self, value: Value) -> Vec<Value> {
        match self.expr(value) {
            Expr::Constant(_) | Expr::Position(_) => Vec::new(),
            Expr::Load(Source::Array(id), _) => self
                .array(*id)
                .segments
                .iter()
                .map(|segment| segment.value)
                .collect(),
            Expr::Load(..) => Vec::new(),
            Expr::Apply(_, args) => args.clone(),
            Expr::Fold { body, .. } => vec![*body],
        }
    }

    /// All values that the outputs need, operands before their users.
    pub fn reachable(&self) -> Vec<Value> {
        self.reachable_from(self.outputs.iter().map(|output| output.value))
    }

    /// All that some values need, operands before their users.
    fn reachable_from(&self, values: impl DoubleEndedIterator<Item = Value>) -> Vec<Value> {
        let mut seen = vec![false; self.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(Value, bool)> = values.rev().map(|value| (value, false)).collect();
        while let Some((value, done)) = stack.pop() {
            if done {
                order.push(value);
            } else if !std::mem::replace(&mut seen[value.0 as usize], true) {
                stack.push((value, true));
                stack.extend(self.operands(value).into_iter().rev().map(|v| (v, false)));
            }
        }
        order
    }

    /// How often each value is used by other values and outputs, by position of the value.
    pub fn uses(&self) -> HashMap<Value, usize> {
        let mut uses = HashMap::new();
        for value in self.reachable() {
            for operand in self.operands(value) {
                *uses.entry(operand).or_insert(0) += 1;
            }
        }
        for output in &self.outputs {
            *uses.entry(output.value).or_insert(0) += 1;
        }
        uses
    }

    /// Sum of the instructions' costs, each times the trip counts of the loops that it stands in.
    pub fn cost(&self) -> usize {
        self.cost_in_loops(&self.reachable())
    }

    /// The same for some values.
    pub fn cost_of(&self, values: &[Value]) -> usize {
        self.cost_in_loops(&self.reachable_from(values.iter().copied()))
    }

    fn cost_in_loops(&self, values: &[Value]) -> usize {
        self.weigh(values, cost, |value| self.trips(value, |_| true))
    }

    /// Sum of the costs of the instructions that some values need, each once: how much code they are.
    pub fn code_of(&self, values: &[Value]) -> usize {
        self.weigh(&self.reachable_from(values.iter().copied()), cost, |_| 1)
    }

    /// The cost of a trip of a loop: of what depends on its variable, with the loops that are inside.
    pub fn cost_of_trip(&self, var: LoopVar, body: Value) -> usize {
        let mut needed = self.reachable_from(std::iter::once(body));
        needed.retain(|&value| self.free(value).contains(&var));
        let around = self.free(body);
        self.weigh(&needed, cost, |value| {
            self.trips(value, |other| other != var && !around.contains(&other))
        })
    }

    /// Number of instructions, each times the trip counts of the loops that it stands in.
    pub fn instructions(&self) -> usize {
        self.weigh(
            &self.reachable(),
            |_| 1,
            |value| self.trips(value, |_| true),
        )
    }

    /// Sum of the weights of instructions, each times so many trips.
    fn weigh(
        &self,
        values: &[Value],
        weight: impl Fn(Instruction) -> usize,
        trips: impl Fn(Value) -> usize,
    ) -> usize {
        let weights = values.iter().map(|&value| {
            let own = match self.expr(value) {
                Expr::Apply(instruction, _) => weight(*instruction),
                Expr::Fold { .. } => weight(Instruction::Add),
                _ => 0,
            };
            own.saturating_mul(trips(value))
        });
        weights.fold(0, usize::saturating_add)
    }

    /// How often a value is computed, or added to if it is a sum, in those of the loops around it that count.
    fn trips(&self, value: Value, counts: impl Fn(LoopVar) -> bool) -> usize {
        let own = match self.expr(value) {
            Expr::Fold { var, .. } => self.extent(*var),
            _ => 1,
        };
        let around = self.free(value).iter().filter(|&&var| counts(var));
        around.fold(own, |trips, &var| trips.saturating_mul(self.extent(var)))
    }
}

fn cost(instruction: Instruction) -> usize {
    instruction.info().cost
}

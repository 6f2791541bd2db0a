//! From a graph to statements in order.
//!
//! Every value is placed in the outermost loop that binds its loop variables, in the order in which values are needed. What
//! comes out is printed by a backend, statement by statement.

use std::collections::HashMap;

use crate::scalar::{
    ArrayId, Expr, FoldKind, Graph, Index, Instruction, LoopVar, Segment, Source, Value, together,
};

/// Independent partial sums of a loop, which hide the latency of an addition.
const PARTIAL_SUMS: usize = 4;

/// A term that takes more instructions than this hides it by itself.
const LONG_TERM: usize = 32;

/// A value, a variable, an array or a counter. Names are never used twice.
pub(super) type Name = u32;

/// How a value comes about. Indices are functions of counters.
pub(super) enum Computation {
    /// A constant.
    Constant(f64),
    /// An index as a number.
    Position(Index),
    /// An element of an input or a feature.
    Load(Source, Index),
    /// An element of an array.
    Element(Name, Index),
    /// An instruction.
    Apply(Instruction, Vec<Name>),
    /// The sum of partial sums.
    Total([Name; PARTIAL_SUMS]),
}

/// What is added to a sum.
pub(super) enum Term {
    /// A value.
    Value(Name),
    /// A product, by a multiply-add.
    Product([Name; 2]),
}

/// One step.
pub(super) enum Statement {
    /// A value.
    Let(Name, Computation),
    /// A variable and its first value.
    Variable(Name, Computation),
    /// A variable gets another value.
    Assign(Name, Computation),
    /// A term is added to one of the partial sums. Where terms of other sums come in turn too, fewer partial sums may take its place.
    AddTerm {
        sums: [Name; PARTIAL_SUMS],
        which: usize,
        term: Term,
    },
    /// An array of so many zeros.
    Array(Name, usize),
    /// An element of an array gets a value.
    Store(Name, Index, Name),
    /// The counter runs from 0 to the extent, or back from there.
    Loop {
        counter: Name,
        extent: usize,
        descending: bool,
        body: Vec<Statement>,
    },
    /// An output of the graph.
    Output(Index, Name),
    /// An output that is a product.
    OutputProduct(Index, [Name; 2]),
}

/// The numbers of statements and of loops among these.
pub(super) fn count(statements: &[Statement]) -> [usize; 2] {
    statements.iter().fold([0, 0], |[all, loops], statement| {
        let [inner, inner_loops] = match statement {
            Statement::Loop { body, .. } => {
                let [inner, loops] = count(body);
                [inner, loops + 1]
            }
            _ => [0, 0],
        };
        [all + 1 + inner, loops + inner_loops]
    })
}

/// The statements that compute the outputs of a graph. With `products`, an output that is the product of two values is left
/// to who takes it.
pub(super) fn schedule(graph: &Graph, products: bool) -> Vec<Statement> {
    let mut scheduler = Scheduler {
        graph,
        products,
        uses: graph.uses(),
        scopes: vec![Scope::default()],
        names: 0,
    };
    for group in together(&graph.outputs) {
        scheduler.store(group, &mut Scheduler::output);
    }
    let whole = scheduler.scopes.pop();
    whole.map(|scope| scope.statements).unwrap_or_default()
}

#[derive(Default)]
struct Scope {
    /// The loop variables that this scope binds, as functions of counters.
    vars: Vec<(LoopVar, Index)>,
    statements: Vec<Statement>,
    names: HashMap<Value, Name>,
    arrays: HashMap<ArrayId, Name>,
}

struct Scheduler<'a> {
    graph: &'a Graph,
    products: bool,
    uses: HashMap<Value, usize>,
    scopes: Vec<Scope>,
    names: Name,
}

/// The value of a counter.
fn counted(counter: Name) -> Index {
    Index::variable(LoopVar(counter))
}

impl Scheduler<'_> {
    fn fresh(&mut self) -> Name {
        self.names += 1;
        self.names
    }

    /// An index as a function of counters.
    fn index(&self, index: &Index) -> Index {
        let mut sum = Index::constant(index.offset);
        for (var, stride) in &index.terms {
            let scopes = self.scopes.iter().rev();
            let bound = scopes
                .flat_map(|scope| &scope.vars)
                .find(|(bound, _)| bound == var);
            let Some((_, position)) = bound else {
                unreachable!("a loop variable outside of its loop")
            };
            sum = sum.plus(&position.times(*stride));
        }
        sum
    }

    /// Position of the innermost scope that binds one of the variables.
    fn depth(&self, vars: &[LoopVar]) -> usize {
        let binds = |scope: &Scope| scope.vars.iter().any(|(var, _)| vars.contains(var));
        self.scopes.iter().rposition(binds).unwrap_or(0)
    }

    fn push(&mut self, depth: usize, statement: Statement) {
        self.scopes[depth].statements.push(statement);
    }

    fn define(&mut self, depth: usize, computation: Computation) -> Name {
        let name = self.fresh();
        self.push(depth, Statement::Let(name, computation));
        name
    }

    fn variable(&mut self, depth: usize, start: f64) -> Name {
        let name = self.fresh();
        self.push(
            depth,
            Statement::Variable(name, Computation::Constant(start)),
        );
        name
    }

    /// Runs `inside` in a new scope that binds `var`, and returns its statements.
    fn scoped(
        &mut self,
        var: LoopVar,
        position: Index,
        inside: &mut dyn FnMut(&mut Self),
    ) -> Vec<Statement> {
        self.scopes.push(Scope {
            vars: vec![(var, position)],
            ..Scope::default()
        });
        inside(self);
        let scope = self.scopes.pop();
        scope.map(|scope| scope.statements).unwrap_or_default()
    }

    /// Loops around assignments that stand in the same ones.
    fn store(&mut self, group: &[Segment], assign: &mut dyn FnMut(&mut Self, &Segment)) {
        self.store_from(&group[0].nest, group, assign);
    }

    fn store_from(
        &mut self,
        nest: &[LoopVar],
        group: &[Segment],
        assign: &mut dyn FnMut(&mut Self, &Segment),
    ) {
        let Some((&var, inner)) = nest.split_first() else {
            for segment in group {
                assign(self, segment);
            }
            return;
        };
        let counter = self.fresh();
        let depth = self.scopes.len() - 1;
        let body = self.scoped(var, counted(counter), &mut |scheduler| {
            scheduler.store_from(inner, group, assign);
        });
        let repeated = Statement::Loop {
            counter,
            extent: self.graph.extent(var),
            descending: self.graph.is_descending(var),
            body,
        };
        self.push(depth, repeated);
    }

    fn output(&mut self, output: &Segment) {
        let depth = self.scopes.len() - 1;
        let factors = self.product(output.value).filter(|_| self.products);
        let statement = match factors {
            Some([a, b]) => {
                let factors = [self.value(a), self.value(b)];
                Statement::OutputProduct(self.index(&output.index), factors)
            }
            None => {
                let value = self.value(output.value);
                Statement::Output(self.index(&output.index), value)
            }
        };
        self.push(depth, statement);
    }

    /// The factors of a product that is used here alone.
    fn product(&self, value: Value) -> Option<[Value; 2]> {
        match self.graph.expr(value) {
            Expr::Apply(Instruction::Mul, args) if self.uses.get(&value) == Some(&1) => {
                args.as_slice().try_into().ok()
            }
            _ => None,
        }
    }

    /// The name of a value, computed where its loop variables allow.
    fn value(&mut self, value: Value) -> Name {
        let depth = self.depth(self.graph.free(value));
        if let Some(&name) = self.scopes[depth].names.get(&value) {
            return name;
        }
        let graph = self.graph;
        let computation = match graph.expr(value) {
            Expr::Fold { kind, var, body } => {
                let name = self.fold(depth, *kind, *var, *body);
                self.scopes[depth].names.insert(value, name);
                return name;
            }
            Expr::Constant(bits) => Computation::Constant(f64::from_bits(*bits)),
            Expr::Position(index) => Computation::Position(self.index(index)),
            Expr::Load(Source::Array(id) | Source::Earlier(id), index) => {
                let array = self.array(*id);
                Computation::Element(array, self.index(index))
            }
            Expr::Load(source, index) => Computation::Load(*source, self.index(index)),
            Expr::Apply(instruction, args) => {
                let args = args.iter().map(|&arg| self.value(arg)).collect();
                Computation::Apply(*instruction, args)
            }
        };
        let name = self.define(depth, computation);
        self.scopes[depth].names.insert(value, name);
        name
    }

    fn array(&mut self, id: ArrayId) -> Name {
        let graph = self.graph;
        let array = graph.array(id);
        let depth = self.depth(&array.free);
        if let Some(&name) = self.scopes[depth].arrays.get(&id) {
            return name;
        }
        let name = self.fresh();
        self.scopes[depth].arrays.insert(id, name);
        // In front of the loops that it does not depend on.
        let inner = self.scopes.split_off(depth + 1);
        self.push(depth, Statement::Array(name, array.length));
        for group in together(&array.segments) {
            self.store(group, &mut |scheduler, segment| {
                let value = scheduler.value(segment.value);
                let index = scheduler.index(&segment.index);
                let depth = scheduler.scopes.len() - 1;
                scheduler.push(depth, Statement::Store(name, index, value));
            });
        }
        self.scopes.extend(inner);
        name
    }

    fn fold(&mut self, depth: usize, kind: FoldKind, var: LoopVar, body: Value) -> Name {
        let inner = self.scopes.split_off(depth + 1);
        let name = match kind {
            FoldKind::Sum => self.sum(depth, var, body),
            _ => self.extremum(depth, kind, var, body),
        };
        self.scopes.extend(inner);
        name
    }

    fn sum(&mut self, depth: usize, var: LoopVar, body: Value) -> Name {
        let extent = self.graph.extent(var);
        let partial_sums = match self.graph.cost_of_trip(var, body) {
            // Of fewer terms there would be a loop without trips.
            cost if cost > LONG_TERM || extent < PARTIAL_SUMS => 1,
            _ => PARTIAL_SUMS,
        };
        let mut sums = [self.variable(depth, 0.0); PARTIAL_SUMS];
        for sum in &mut sums[1..partial_sums] {
            *sum = self.variable(depth, 0.0);
        }
        let product = self.product(body);
        let add = |scheduler: &mut Self, which: usize, position: Index| {
            scheduler.scoped(var, position, &mut |scheduler| {
                let term = match product {
                    Some(factors) => Term::Product(factors.map(|factor| scheduler.value(factor))),
                    None => Term::Value(scheduler.value(body)),
                };
                scheduler.push(depth + 1, Statement::AddTerm { sums, which, term });
            })
        };
        let counter = self.fresh();
        let mut together = Vec::new();
        for which in 0..partial_sums {
            let position = counted(counter).times(partial_sums).shifted(which);
            together.extend(add(self, which, position));
        }
        let repeated = Statement::Loop {
            counter,
            extent: extent / partial_sums,
            descending: false,
            body: together,
        };
        self.push(depth, repeated);
        for k in extent - extent % partial_sums..extent {
            let statements = add(self, k % partial_sums, Index::constant(k));
            self.scopes[depth].statements.extend(statements);
        }
        match partial_sums {
            1 => sums[0],
            _ => self.define(depth, Computation::Total(sums)),
        }
    }

    fn extremum(&mut self, depth: usize, kind: FoldKind, var: LoopVar, body: Value) -> Name {
        let result = self.variable(depth, kind.neutral());
        let best = match kind {
            FoldKind::ArgMin => Some(self.variable(depth, f64::INFINITY)),
            FoldKind::ArgMax => Some(self.variable(depth, f64::NEG_INFINITY)),
            _ => None,
        };
        let counter = self.fresh();
        let body = self.scoped(var, counted(counter), &mut |scheduler| {
            let value = scheduler.value(body);
            let inside = depth + 1;
            let assign = |to, instruction, operands| {
                Statement::Assign(to, Computation::Apply(instruction, operands))
            };
            let Some(best) = best else {
                let instruction = match kind {
                    FoldKind::Min => Instruction::Min,
                    _ => Instruction::Max,
                };
                let operands = vec![value, result];
                return scheduler.push(inside, assign(result, instruction, operands));
            };
            let position = Computation::Position(counted(counter));
            let position = scheduler.define(inside, position);
            let [small, large] = match kind {
                FoldKind::ArgMin => [value, best],
                _ => [best, value],
            };
            for (to, new) in [(result, position), (best, value)] {
                let operands = vec![small, large, new, to];
                scheduler.push(inside, assign(to, Instruction::SelectLt, operands));
            }
        });
        let extent = self.graph.extent(var);
        let repeated = Statement::Loop {
            counter,
            extent,
            descending: false,
            body,
        };
        self.push(depth, repeated);
        result
    }
}

//! Emission of the CPU kernel: an implementation of the runtime's `Kernel` trait.
//!
//! Every value is placed in the outermost loop that binds its loop variables, in the order in which values are needed.

use std::collections::HashMap;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

use crate::scalar::{
    ArrayId, Expr, FoldKind, Graph, Index, Instruction, LoopVar, Segment, Source, Stage, Value,
};
use crate::stages::Program;

/// Independent partial sums of a loop, which hide the latency of an addition.
const PARTIAL_SUMS: usize = 4;

/// An implementation of `Kernel` for the type `name`; `runtime` is the path of the runtime crate, and `facts` are further
/// items of the implementation.
pub fn kernel(
    program: &Program,
    name: &Ident,
    runtime: &TokenStream,
    facts: Option<TokenStream>,
) -> TokenStream {
    let [params, i, j] = program.features.map(Literal::usize_unsuffixed);
    let out = Literal::usize_unsuffixed(program.dim);
    let cost = Literal::usize_unsuffixed(program.pair.cost());
    let live = Literal::usize_unsuffixed(live(&program.pair));
    let body = |graph, what| Emitter::new(graph, runtime, what).run();
    let hoist_params = body(&program.params, Target::Features);
    let hoist_i = body(&program.i, Target::Features);
    let hoist_j = body(&program.j, Target::Features);
    let pair = body(&program.pair, Target::Accumulator);
    quote! {
        #[allow(clippy::all, clippy::pedantic)]
        impl #runtime::Kernel for #name {
            type Params<V: ::core::marker::Copy> = [V; #params];
            type I<V: ::core::marker::Copy> = [V; #i];
            type J<V: ::core::marker::Copy> = [V; #j];
            type Out<V: ::core::marker::Copy> = [V; #out];

            const COST: usize = #cost;
            const LIVE: usize = #live;
            #facts

            #[inline(always)]
            fn hoist_params<S: #runtime::Simd>(s: S, raw: &[S::V], out: &mut [S::V]) {
                #hoist_params
            }

            #[inline(always)]
            fn hoist_i<S: #runtime::Simd>(
                s: S,
                p: &Self::Params<S::T>,
                raw: &[S::V],
                out: &mut [S::V],
            ) {
                #hoist_i
            }

            #[inline(always)]
            fn hoist_j<S: #runtime::Simd>(
                s: S,
                p: &Self::Params<S::T>,
                raw: &[S::V],
                out: &mut [S::V],
            ) {
                #hoist_j
            }

            #[inline(always)]
            fn pair<
                S: #runtime::Simd,
                I: #runtime::Fetch<S>,
                J: #runtime::Fetch<S>,
                A: #runtime::Accumulator<S>,
            >(
                s: S,
                p: &Self::Params<S::T>,
                i: &I,
                j: &J,
                out: &mut A,
            ) {
                #pair
            }
        }
    }
}

/// The largest number of computed values alive at once when they are computed in order of need.
fn live(graph: &Graph) -> usize {
    let order = graph.reachable();
    let mut last = HashMap::new();
    for (position, &value) in order.iter().enumerate() {
        for operand in graph.operands(value) {
            last.insert(operand, position);
        }
    }
    let mut alive = 0usize;
    let mut most = 0;
    for (position, &value) in order.iter().enumerate() {
        let counts = |value| matches!(graph.expr(value), Expr::Apply(..) | Expr::Fold { .. });
        let mut ended = graph.operands(value);
        ended.sort_unstable();
        ended.dedup();
        alive -= ended
            .iter()
            .filter(|&&v| counts(v) && last.get(&v) == Some(&position))
            .count();
        alive += usize::from(counts(value) && last.contains_key(&value));
        most = most.max(alive);
    }
    most
}

#[derive(Clone, Copy, PartialEq)]
enum Target {
    /// The slice `out` of features.
    Features,
    /// The accumulator `out`.
    Accumulator,
}

#[derive(Default)]
struct Scope {
    /// The loop variables that this scope binds, with the expressions that stand for them.
    vars: Vec<(LoopVar, TokenStream)>,
    statements: TokenStream,
    names: HashMap<Value, Ident>,
}

struct Emitter<'a> {
    graph: &'a Graph,
    runtime: &'a TokenStream,
    target: Target,
    uses: HashMap<Value, usize>,
    scopes: Vec<Scope>,
    arrays: HashMap<ArrayId, Ident>,
    names: usize,
}

impl<'a> Emitter<'a> {
    fn new(graph: &'a Graph, runtime: &'a TokenStream, target: Target) -> Self {
        Emitter {
            graph,
            runtime,
            target,
            uses: graph.uses(),
            scopes: vec![Scope::default()],
            arrays: HashMap::new(),
            names: 0,
        }
    }

    fn run(mut self) -> TokenStream {
        let graph = self.graph;
        for output in &graph.outputs {
            self.store(output, &mut Emitter::output);
        }
        let body = self
            .scopes
            .pop()
            .map(|scope| scope.statements)
            .unwrap_or_default();
        let silenced = match self.target {
            Target::Features => quote!(let _ = (s, raw, &out);),
            Target::Accumulator => quote!(let _ = (p, i, j);),
        };
        quote!(#silenced #body)
    }

    fn fresh(&mut self, prefix: &str) -> Ident {
        self.names += 1;
        Ident::new(&format!("{prefix}{}", self.names), Span::mixed_site())
    }

    fn index(&self, index: &Index) -> TokenStream {
        let mut sum = TokenStream::new();
        for (var, stride) in &index.terms {
            let scopes = self.scopes.iter().rev();
            let bound = scopes
                .flat_map(|scope| &scope.vars)
                .find(|(bound, _)| bound == var);
            let Some((_, expression)) = bound else {
                unreachable!("a loop variable outside of its loop")
            };
            let stride = Literal::usize_unsuffixed(*stride);
            let term = if index.terms.len() == 1 && stride.to_string() == "1" {
                quote!(#expression)
            } else {
                quote!(#stride * #expression)
            };
            sum = if sum.is_empty() {
                term
            } else {
                quote!(#sum + #term)
            };
        }
        let offset = Literal::usize_unsuffixed(index.offset);
        match (index.terms.is_empty(), index.offset) {
            (true, _) => quote!(#offset),
            (false, 0) => sum,
            (false, _) => quote!(#offset + #sum),
        }
    }

    /// Position of the innermost scope that binds one of the variables.
    fn depth(&self, vars: &[LoopVar]) -> usize {
        let binds = |scope: &Scope| scope.vars.iter().any(|(var, _)| vars.contains(var));
        self.scopes.iter().rposition(binds).unwrap_or(0)
    }

    fn statement(&mut self, depth: usize, statement: TokenStream) {
        self.scopes[depth].statements.extend(statement);
    }

    /// Runs `inside` in a new scope that binds `vars`, and returns its statements.
    fn scoped(
        &mut self,
        vars: Vec<(LoopVar, TokenStream)>,
        inside: &mut dyn FnMut(&mut Self),
    ) -> TokenStream {
        self.scopes.push(Scope {
            vars,
            ..Scope::default()
        });
        inside(self);
        self.scopes
            .pop()
            .map(|scope| scope.statements)
            .unwrap_or_default()
    }

    /// Loops around one assignment.
    fn store(&mut self, segment: &Segment, assign: &mut dyn FnMut(&mut Self, &Segment)) {
        self.store_from(&segment.nest, segment, assign);
    }

    fn store_from(
        &mut self,
        nest: &[LoopVar],
        segment: &Segment,
        assign: &mut dyn FnMut(&mut Self, &Segment),
    ) {
        let Some((&var, inner)) = nest.split_first() else {
            return assign(self, segment);
        };
        let counter = self.fresh("k");
        let depth = self.scopes.len() - 1;
        let body = self.scoped(vec![(var, quote!(#counter))], &mut |emitter| {
            emitter.store_from(inner, segment, assign);
        });
        let extent = Literal::usize_suffixed(self.graph.extent(var));
        self.statement(depth, quote!(for #counter in 0..#extent { #body }));
    }

    fn output(&mut self, output: &Segment) {
        let depth = self.scopes.len() - 1;
        let statement = match self.target {
            Target::Features => {
                let value = self.value(output.value);
                let index = self.index(&output.index);
                quote!(out[#index] = #value;)
            }
            Target::Accumulator => match self.product(output.value) {
                Some([a, b]) => {
                    let (a, b) = (self.value(a), self.value(b));
                    let index = self.index(&output.index);
                    quote!(out.push_product(s, #index, #a, #b);)
                }
                None => {
                    let value = self.value(output.value);
                    let index = self.index(&output.index);
                    quote!(out.push(s, #index, #value);)
                }
            },
        };
        self.statement(depth, statement);
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

    fn splat(&self, x: TokenStream) -> TokenStream {
        let runtime = self.runtime;
        quote!(s.splat(<S::T as #runtime::Real>::from_f64(#x)))
    }

    fn constant(&self, x: f64) -> TokenStream {
        if x.is_finite() {
            let literal = Literal::f64_suffixed(x.abs());
            return if x < 0.0 {
                self.splat(quote!(-#literal))
            } else {
                self.splat(quote!(#literal))
            };
        }
        let bits = Literal::u64_suffixed(x.to_bits());
        self.splat(quote!(f64::from_bits(#bits)))
    }

    /// The name of a value, computed where its loop variables allow.
    fn value(&mut self, value: Value) -> Ident {
        let depth = self.depth(self.graph.free(value));
        if let Some(name) = self.scopes[depth].names.get(&value) {
            return name.clone();
        }
        let graph = self.graph;
        let name = match graph.expr(value) {
            Expr::Fold { kind, var, body } => self.fold(depth, *kind, *var, *body),
            expr => {
                let expression = match expr {
                    Expr::Constant(bits) => self.constant(f64::from_bits(*bits)),
                    Expr::Position(index) => {
                        let index = self.index(index);
                        self.splat(quote!((#index) as f64))
                    }
                    Expr::Load(source, index) => self.load(*source, index),
                    Expr::Apply(instruction, args) => {
                        let method = format_ident!("{}", instruction.info().method);
                        let args: Vec<Ident> = args.iter().map(|&arg| self.value(arg)).collect();
                        quote!(s.#method(#(#args),*))
                    }
                    Expr::Fold { .. } => unreachable!("matched above"),
                };
                let name = self.fresh("v");
                self.statement(depth, quote!(let #name = #expression;));
                name
            }
        };
        self.scopes[depth].names.insert(value, name.clone());
        name
    }

    fn load(&mut self, source: Source, index: &Index) -> TokenStream {
        if let Source::Array(id) = source {
            let array = self.array(id);
            let index = self.index(index);
            return quote!(#array[#index]);
        }
        let index = self.index(index);
        match source {
            Source::Raw(_) => quote!(raw[#index]),
            Source::Feature(Stage::I) => quote!(i.get(s, #index)),
            Source::Feature(Stage::J) => quote!(j.get(s, #index)),
            Source::Feature(_) => quote!(s.splat(p[#index])),
            Source::Array(_) => unreachable!("returned above"),
        }
    }

    fn array(&mut self, id: ArrayId) -> Ident {
        if let Some(name) = self.arrays.get(&id) {
            return name.clone();
        }
        let name = self.fresh("a");
        self.arrays.insert(id, name.clone());
        let graph = self.graph;
        let array = graph.array(id);
        let zero = self.constant(0.0);
        let length = Literal::usize_unsuffixed(array.length);
        // Arrays depend on no loop around them: they are computed in front of everything that follows.
        let inner = self.scopes.split_off(1);
        self.statement(0, quote!(let mut #name = [#zero; #length];));
        for segment in &array.segments {
            self.store(segment, &mut |emitter, segment| {
                let value = emitter.value(segment.value);
                let index = emitter.index(&segment.index);
                let depth = emitter.scopes.len() - 1;
                emitter.statement(depth, quote!(#name[#index] = #value;));
            });
        }
        self.scopes.extend(inner);
        name
    }

    fn fold(&mut self, depth: usize, kind: FoldKind, var: LoopVar, body: Value) -> Ident {
        let inner = self.scopes.split_off(depth + 1);
        let name = match kind {
            FoldKind::Sum => self.sum(depth, var, body),
            _ => self.extremum(depth, kind, var, body),
        };
        self.scopes.extend(inner);
        name
    }

    fn sum(&mut self, depth: usize, var: LoopVar, body: Value) -> Ident {
        let zero = self.constant(0.0);
        let sums: Vec<Ident> = (0..PARTIAL_SUMS).map(|_| self.fresh("sum")).collect();
        for sum in &sums {
            self.statement(depth, quote!(let mut #sum = #zero;));
        }
        let product = self.product(body);
        let add = |emitter: &mut Self, sum: &Ident, position: TokenStream| {
            let inside = emitter.scoped(vec![(var, position)], &mut |emitter| {
                let update = match product {
                    Some([a, b]) => {
                        let (a, b) = (emitter.value(a), emitter.value(b));
                        quote!(#sum = s.fma(#a, #b, #sum);)
                    }
                    None => {
                        let value = emitter.value(body);
                        quote!(#sum = s.add(#sum, #value);)
                    }
                };
                emitter.statement(depth + 1, update);
            });
            quote!({ #inside })
        };
        let extent = self.graph.extent(var);
        let counter = self.fresh("k");
        let mut statements = TokenStream::new();
        for (u, sum) in sums.iter().enumerate() {
            let u = Literal::usize_unsuffixed(u);
            let width = Literal::usize_unsuffixed(PARTIAL_SUMS);
            statements.extend(add(self, sum, quote!((#width * #counter + #u))));
        }
        let trips = Literal::usize_suffixed(extent / PARTIAL_SUMS);
        self.statement(depth, quote!(for #counter in 0..#trips { #statements }));
        for k in extent - extent % PARTIAL_SUMS..extent {
            let position = Literal::usize_unsuffixed(k);
            let statement = add(self, &sums[k % PARTIAL_SUMS], quote!(#position));
            self.statement(depth, statement);
        }
        let name = self.fresh("v");
        let [a, b, c, d] = &sums[..] else {
            unreachable!("{PARTIAL_SUMS} partial sums")
        };
        self.statement(
            depth,
            quote!(let #name = s.add(s.add(#a, #b), s.add(#c, #d));),
        );
        name
    }

    fn extremum(&mut self, depth: usize, kind: FoldKind, var: LoopVar, body: Value) -> Ident {
        let name = self.fresh("v");
        let best = self.fresh("best");
        let start = self.constant(kind.neutral());
        let counter = self.fresh("k");
        let extent = Literal::usize_suffixed(self.graph.extent(var));
        let first = self.constant(match kind {
            FoldKind::ArgMin => f64::INFINITY,
            _ => f64::NEG_INFINITY,
        });
        let position = self.splat(quote!(#counter as f64));
        let inside = self.scoped(vec![(var, quote!(#counter))], &mut |emitter| {
            let value = emitter.value(body);
            let update = match kind {
                FoldKind::Min => quote!(#name = s.min(#value, #name);),
                FoldKind::Max => quote!(#name = s.max(#value, #name);),
                FoldKind::ArgMin | FoldKind::ArgMax => {
                    let (small, large) = match kind {
                        FoldKind::ArgMin => (&value, &best),
                        _ => (&best, &value),
                    };
                    quote! {
                        #name = s.select_lt(#small, #large, #position, #name);
                        #best = s.select_lt(#small, #large, #value, #best);
                    }
                }
                FoldKind::Sum => unreachable!("sums are emitted elsewhere"),
            };
            emitter.statement(depth + 1, update);
        });
        self.statement(depth, quote!(let mut #name = #start;));
        if matches!(kind, FoldKind::ArgMin | FoldKind::ArgMax) {
            self.statement(depth, quote!(let mut #best = #first;));
        }
        self.statement(depth, quote!(for #counter in 0..#extent { #inside }));
        let result = self.fresh("v");
        self.statement(depth, quote!(let #result = #name;));
        result
    }
}

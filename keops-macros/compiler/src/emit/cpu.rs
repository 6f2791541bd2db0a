//! Emission of the CPU kernel: an implementation of the runtime's `Kernel` trait.

use std::collections::HashMap;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};

use super::cuda;
use super::schedule::{Computation, Name, Statement, Term, schedule};
use crate::distance::Distance;
use crate::scalar::{Expr, Graph, Index, Output, Source, Stage};
use crate::stages::Program;

/// Arrays of together more elements are on the heap: threads have stacks of 2 MiB, on which there are vectors of 64 bytes for each element.
const ON_STACK: usize = 4096;

/// Constants of the standard library, by name.
const NAMED: [(&str, f64); 21] = {
    use std::f64::consts::*;
    [
        ("E", E),
        ("EULER_GAMMA", EULER_GAMMA),
        ("FRAC_1_PI", FRAC_1_PI),
        ("FRAC_1_SQRT_2", FRAC_1_SQRT_2),
        ("FRAC_2_PI", FRAC_2_PI),
        ("FRAC_2_SQRT_PI", FRAC_2_SQRT_PI),
        ("FRAC_PI_2", FRAC_PI_2),
        ("FRAC_PI_3", FRAC_PI_3),
        ("FRAC_PI_4", FRAC_PI_4),
        ("FRAC_PI_6", FRAC_PI_6),
        ("FRAC_PI_8", FRAC_PI_8),
        ("GOLDEN_RATIO", GOLDEN_RATIO),
        ("LN_10", LN_10),
        ("LN_2", LN_2),
        ("LOG10_2", LOG10_2),
        ("LOG10_E", LOG10_E),
        ("LOG2_10", LOG2_10),
        ("LOG2_E", LOG2_E),
        ("PI", PI),
        ("SQRT_2", SQRT_2),
        ("TAU", TAU),
    ]
};

/// An implementation of `Kernel` for the type `name`; `runtime` is the path of the runtime crate, and `facts` are further
/// items of the implementation.
pub fn kernel(
    program: &Program,
    name: &Ident,
    runtime: &TokenStream,
    facts: Option<TokenStream>,
    distance: Option<&Distance>,
) -> TokenStream {
    let cuda = cuda::functions(program);
    let none = quote!(#runtime::NoDistance<Self>);
    let Some(distance) = distance else {
        return implementation(program, name, runtime, facts, &none, &cuda);
    };
    let parts = [
        ("Points", Some(&distance.points)),
        ("Value", Some(&distance.value)),
        ("Weights", distance.weights.as_ref()),
        ("Slope", distance.slope.as_ref()),
    ];
    let mut definitions = TokenStream::new();
    let types = parts.map(|(part, program)| {
        let Some(program) = program else {
            return quote!(());
        };
        // Names that are not the user's, in a scope where they would be found first.
        let part = format_ident!("{name}{part}");
        // Devices compute all that there is of a pair.
        let implementation = implementation(program, &part, runtime, None, &none, "");
        definitions.extend(quote! {
            // As public as a kernel of that distance, and without a path that leads to it.
            #[derive(::core::clone::Clone, ::core::marker::Copy)]
            pub struct #part;
            #implementation
        });
        quote!(#part)
    });
    let kernel = implementation(program, name, runtime, facts, &quote!((#(#types),*)), &cuda);
    quote! {
        const _: () = {
            #definitions
            #kernel
        };
    }
}

/// An implementation of `Kernel` with this distance and with these functions for CUDA.
fn implementation(
    program: &Program,
    name: &Ident,
    runtime: &TokenStream,
    facts: Option<TokenStream>,
    distance: &TokenStream,
    cuda: &str,
) -> TokenStream {
    let [params, i, j] = program.features.map(Literal::usize_unsuffixed);
    let out = Literal::usize_unsuffixed(program.dim);
    let cost = Literal::usize_unsuffixed(program.pair.cost());
    let live = Literal::usize_unsuffixed(live(&program.pair));
    let stored = Literal::usize_unsuffixed(program.pair.stored());
    let [hoist_params, hoist_i, hoist_j] = [&program.params, &program.i, &program.j].map(|graph| {
        let statements = Printer {
            runtime,
            target: Target::Features,
            on_stack: graph.stored() <= ON_STACK,
        }
        .block(&schedule(graph, false));
        quote!(let _ = (s, raw, &out); #statements)
    });
    let pair = Printer {
        runtime,
        target: Target::Accumulator,
        on_stack: program.pair.stored() <= ON_STACK,
    }
    .block(&schedule(&program.pair, true));
    let [i_copied, j_copied] = [&program.i, &program.j].map(|graph| match copied(graph) {
        Some(first) => {
            let first = Literal::usize_unsuffixed(first);
            quote!(::core::option::Option::Some(#first))
        }
        None => quote!(::core::option::Option::None),
    });
    let is_given = program
        .pair
        .reachable()
        .iter()
        .any(|&value| matches!(program.pair.expr(value), Expr::Load(Source::Distance, _)));
    quote! {
        // Features are computed once for each row and column: what their bounds checks cost is nothing beside the pairs.
        #[allow(clippy::missing_asserts_for_indexing)]
        impl #runtime::Kernel for #name {
            type Params<V: ::core::marker::Copy> = [V; #params];
            type I<V: ::core::marker::Copy> = [V; #i];
            type J<V: ::core::marker::Copy> = [V; #j];
            type Out<V: ::core::marker::Copy> = [V; #out];
            type Distance = #distance;

            const COST: usize = #cost;
            const LIVE: usize = #live;
            const STORED: usize = #stored;
            const COPIED: [::core::option::Option<usize>; 2] = [#i_copied, #j_copied];
            const GIVEN: bool = #is_given;
            const CUDA: &'static str = #cuda;
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
                let _ = (p, i, j);
                #pair
            }
        }
    }
}

/// The first of the raw inputs that the outputs of a graph are, in order, as they are.
fn copied(graph: &Graph) -> Option<usize> {
    let read = |output: &Output| match graph.expr(output.value) {
        Expr::Load(Source::Raw(_), index) => Some(index),
        _ => None,
    };
    let Some(output) = graph.outputs.first() else {
        return Some(0);
    };
    let first = read(output)?.offset.checked_sub(output.index.offset)?;
    let is_shifted = |output| read(output) == Some(&output.index.shifted(first));
    graph.outputs.iter().all(is_shifted).then_some(first)
}

/// The largest number of computed values alive at once when they are computed in order of need.
pub fn live(graph: &Graph) -> usize {
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

#[derive(Clone, Copy)]
enum Target {
    /// The slice `out` of features.
    Features,
    /// The accumulator `out`.
    Accumulator,
}

/// Prints statements as Rust.
#[derive(Clone, Copy)]
struct Printer<'a> {
    runtime: &'a TokenStream,
    target: Target,
    /// Whether arrays are on the stack.
    on_stack: bool,
}

fn name(name: Name) -> Ident {
    Ident::new(&format!("v{name}"), Span::mixed_site())
}

fn index(index: &Index) -> TokenStream {
    let mut sum = TokenStream::new();
    for (counter, stride) in &index.terms {
        let counter = name(counter.0);
        let plus = if sum.is_empty() { quote!() } else { quote!(+) };
        let times = match *stride {
            1 => quote!(),
            stride => {
                let stride = Literal::usize_unsuffixed(stride);
                quote!(#stride *)
            }
        };
        sum.extend(quote!(#plus #times #counter));
    }
    let offset = Literal::usize_unsuffixed(index.offset);
    match (index.terms.is_empty(), index.offset) {
        (true, _) => quote!(#offset),
        (false, 0) => sum,
        (false, _) => quote!(#offset + #sum),
    }
}

impl Printer<'_> {
    fn block(self, statements: &[Statement]) -> TokenStream {
        let statements = statements.iter().map(|statement| self.statement(statement));
        statements.collect()
    }

    fn statement(self, statement: &Statement) -> TokenStream {
        match statement {
            Statement::Let(new, value) => {
                let (new, value) = (name(*new), self.computation(value));
                quote!(let #new = #value;)
            }
            Statement::Variable(new, value) => {
                let (new, value) = (name(*new), self.computation(value));
                quote!(let mut #new = #value;)
            }
            Statement::Assign(to, value) => {
                let (to, value) = (name(*to), self.computation(value));
                quote!(#to = #value;)
            }
            Statement::AddTerm { sums, which, term } => {
                let add = |which: usize| {
                    let sum = name(sums[which]);
                    match term {
                        Term::Value(value) => {
                            let value = name(*value);
                            quote!(#sum = s.add(#sum, #value);)
                        }
                        Term::Product(factors) => {
                            let [a, b] = factors.map(name);
                            quote!(#sum = s.fma(#a, #b, #sum);)
                        }
                    }
                };
                let [four, two, one] = [*which, which % 2, 0].map(add);
                match which {
                    0 => one,
                    1 => quote!(if const { S::PARTIAL_SUMS > 1 } { #two } else { #one }),
                    _ => quote! {
                        if const { S::PARTIAL_SUMS > 2 } { #four } else if const { S::PARTIAL_SUMS > 1 } { #two } else { #one }
                    },
                }
            }
            Statement::Array(new, length) => {
                let (new, zero) = (name(*new), self.constant(0.0));
                let number = Literal::usize_unsuffixed(*length);
                if self.on_stack {
                    return quote!(let mut #new = [#zero; #number];);
                }
                let runtime = self.runtime;
                quote!(let mut #new = #runtime::vec![#zero; #number];)
            }
            Statement::Store(array, at, value) => {
                let (array, at, value) = (name(*array), index(at), name(*value));
                quote!(#array[#at] = #value;)
            }
            Statement::Loop {
                counter,
                extent,
                descending,
                body,
            } => {
                let (counter, body) = (name(*counter), self.block(body));
                let extent = Literal::usize_suffixed(*extent);
                if *descending {
                    return quote!(for #counter in (0..#extent).rev() { #body });
                }
                quote!(for #counter in 0..#extent { #body })
            }
            Statement::Output(at, value) => {
                let (at, value) = (index(at), name(*value));
                match self.target {
                    Target::Features => quote!(out[#at] = #value;),
                    Target::Accumulator => quote!(out.push(s, #at, #value);),
                }
            }
            Statement::OutputProduct(at, factors) => {
                let (at, [a, b]) = (index(at), factors.map(name));
                quote!(out.push_product(s, #at, #a, #b);)
            }
        }
    }

    fn computation(self, computation: &Computation) -> TokenStream {
        match computation {
            Computation::Constant(x) => self.constant(*x),
            Computation::Position(at) => {
                let at = index(at);
                self.splat(quote!((#at) as f64))
            }
            Computation::Load(source, at) => {
                let at = index(at);
                match source {
                    Source::Raw(_) => quote!(raw[#at]),
                    Source::Feature(Stage::I) => quote!(i.get(s, #at)),
                    Source::Feature(Stage::J) => quote!(j.get(s, #at)),
                    Source::Feature(_) => quote!(s.splat(p[#at])),
                    Source::Distance => quote!(i.distance(s)),
                    Source::Array(_) | Source::Earlier(_) => {
                        unreachable!("arrays have names in schedules")
                    }
                }
            }
            Computation::Element(array, at) => {
                let (array, at) = (name(*array), index(at));
                quote!(#array[#at])
            }
            Computation::Apply(instruction, operands) => {
                let method = format_ident!("{}", instruction.info().method);
                let operands = operands.iter().map(|&operand| name(operand));
                quote!(s.#method(#(#operands),*))
            }
            Computation::Total(sums) => {
                let [a, b, c, d] = sums.map(name);
                quote! {
                    if const { S::PARTIAL_SUMS > 2 } {
                        s.add(s.add(#a, #b), s.add(#c, #d))
                    } else if const { S::PARTIAL_SUMS > 1 } {
                        s.add(#a, #b)
                    } else {
                        #a
                    }
                }
            }
        }
    }

    fn splat(self, x: TokenStream) -> TokenStream {
        let runtime = self.runtime;
        quote!(s.splat(<S::T as #runtime::Real>::from_f64(#x)))
    }

    fn constant(self, x: f64) -> TokenStream {
        self.splat(number(x))
    }
}

/// A number as Rust. Clippy denies literals that approximate constants of the standard library, and no `allow` overrules a user's `forbid`:
/// these are written as the constants, what is only near them as bits.
fn number(x: f64) -> TokenStream {
    let magnitude = x.abs();
    let near = NAMED
        .iter()
        .find(|(_, constant)| (magnitude / constant - 1.0).abs() < 1e-3);
    let magnitude = match near {
        Some(&(name, constant)) if constant == magnitude => {
            let name = Ident::new(name, Span::call_site());
            quote!(::core::f64::consts::#name)
        }
        None if x.is_finite() => Literal::f64_suffixed(magnitude).into_token_stream(),
        _ => {
            let bits = Literal::u64_suffixed(x.to_bits());
            return quote!(f64::from_bits(#bits));
        }
    };
    if x < 0.0 {
        quote!(-#magnitude)
    } else {
        magnitude
    }
}

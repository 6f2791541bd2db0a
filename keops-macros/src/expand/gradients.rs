//! The kernels of gradients.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::emit;
use keops_compiler::gradients::GradientFormula;
use keops_compiler::symmetry::Exchange;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

/// What `grad = [..]` asks for.
pub(super) struct Gradients {
    /// The positions of the variables.
    pub(super) variables: Vec<usize>,
    /// The formulas of their gradients.
    pub(super) formulas: Vec<GradientFormula>,
    /// Where the only formula gives the gradients of both sides of a system: the pairs of variables that trade places for those of the other side.
    pub(super) exchanged: Vec<(usize, usize)>,
}

impl Gradients {
    /// The number of variables.
    pub(super) fn count(&self) -> Literal {
        Literal::usize_unsuffixed(self.variables.len())
    }

    /// Takes one formula for both sides of a system, where its symmetry proves that they are the same.
    pub(super) fn for_both_sides(
        &mut self,
        aliases: &[Alias],
        unknown: usize,
        exchange: &Exchange,
    ) {
        let [first, second] = &self.formulas[..] else {
            return;
        };
        let pairs = &exchange.pairs;
        let paired = |variable| {
            let mut sides = pairs.iter().flat_map(|&(a, b)| [(a, b), (b, a)]);
            sides.find_map(|(a, b)| (a == variable).then_some(b))
        };
        let points = |&(position, alias): &(usize, &Alias)| {
            alias.category != Category::Param && position != unknown
        };
        let mut all = aliases.iter().enumerate().filter(points);
        if !exchange.proven || !all.all(|(position, _)| paired(position).is_some()) {
            return;
        }
        let own_is_first = first.over_j == (aliases[unknown].category == Category::J);
        let (own, other) = if own_is_first {
            (first, second)
        } else {
            (second, first)
        };
        let given = |variable: &usize| {
            paired(*variable).is_some_and(|partner| own.variables.contains(&partner))
        };
        if other.variables.iter().all(given) {
            let over_j = own.over_j;
            self.formulas.retain(|formula| formula.over_j == over_j);
            self.exchanged.clone_from(pairs);
        }
    }

    /// The implementation of `Differentiable` for the formula of this name. The types of the kernels are local to it.
    pub(super) fn expand(&self, name: &Ident, runtime: &TokenStream) -> TokenStream {
        let count = self.count();
        let positions = |variables: &[usize]| {
            let positions = variables.iter().map(|&v| Literal::usize_unsuffixed(v));
            quote!([#(#positions),*])
        };
        let variables = positions(&self.variables);
        let kernels = self.formulas.iter().enumerate().map(|(number, formula)| {
            let name = Ident::new(&format!("Gradient{number}"), Span::mixed_site());
            let distance = formula.distance.as_ref();
            let kernel = emit::kernel(&formula.program, &name, runtime, None, distance);
            let axis = Literal::usize_unsuffixed(usize::from(formula.over_j));
            let variables = positions(&formula.variables);
            quote! {
                #[derive(::core::clone::Clone, ::core::marker::Copy)]
                struct #name;
                #kernel
                visitor.add::<#name, #runtime::Axis<#axis>>(&#variables)?;
            }
        });
        let exchanged = self.exchanged.iter().map(|&(i, j)| positions(&[i, j]));
        quote! {
            impl #runtime::Differentiable<#count> for #name {
                const VARIABLES: [usize; #count] = #variables;
                const EXCHANGED: &'static [[usize; 2]] = &[#(#exchanged),*];

                fn gradients(
                    visitor: &mut impl #runtime::GradientFormulas,
                ) -> ::core::result::Result<(), #runtime::Error> {
                    let _ = &visitor;
                    #(#kernels)*
                    ::core::result::Result::Ok(())
                }
            }
        }
    }
}

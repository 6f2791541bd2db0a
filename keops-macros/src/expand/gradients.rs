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
    /// Pairs of variables whose gradients are the same formula, with the points of both sides exchanged: the first is among the variables
    /// of the only formula.
    pub(super) exchanged: Vec<(usize, usize)>,
    /// All pairs of variables that trade places then.
    pub(super) pairs: Vec<(usize, usize)>,
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
        let unknown_side = aliases[unknown].category;
        let (own, other) = if first.over_j == (unknown_side == Category::J) {
            (first, second)
        } else {
            (second, first)
        };
        let exchanged: Option<Vec<_>> = other
            .variables
            .iter()
            .map(|&variable| {
                let own = paired(variable).filter(|pair| own.variables.contains(pair))?;
                Some((own, variable))
            })
            .collect();
        if let Some(exchanged) = exchanged {
            let over_j = own.over_j;
            self.formulas.retain(|formula| formula.over_j == over_j);
            self.exchanged = exchanged;
            self.pairs.clone_from(pairs);
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
            let kernel = emit::kernel(&formula.program, &name, runtime, None);
            let axis = Literal::usize_unsuffixed(usize::from(formula.over_j));
            let variables = positions(&formula.variables);
            let exchanged = (!self.exchanged.is_empty()).then(|| {
                let targets = formula.variables.iter().map(|variable| {
                    let target = self.exchanged.iter().find(|(own, _)| own == variable);
                    match target {
                        Some(&(_, other)) => {
                            let other = Literal::usize_unsuffixed(other);
                            quote!(::core::option::Option::Some(#other))
                        }
                        None => quote!(::core::option::Option::None),
                    }
                });
                let pairs = self.pairs.iter().map(|&(i, j)| positions(&[i, j]));
                quote! {
                    visitor.add_exchanged::<#name, #runtime::Axis<#axis>>(
                        &#variables,
                        &[#(#targets),*],
                        &[#(#pairs),*],
                    )?;
                }
            });
            quote! {
                #[derive(::core::clone::Clone, ::core::marker::Copy)]
                struct #name;
                #kernel
                visitor.add::<#name, #runtime::Axis<#axis>>(&#variables)?;
                #exchanged
            }
        });
        quote! {
            impl #runtime::Differentiable<#count> for #name {
                const VARIABLES: [usize; #count] = #variables;

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

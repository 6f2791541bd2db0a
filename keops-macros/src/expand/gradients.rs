//! The kernels of gradients.

use keops_compiler::emit;
use keops_compiler::gradients::GradientFormula;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

/// What `grad = [..]` asks for.
pub(super) struct Gradients {
    /// The positions of the variables.
    pub(super) variables: Vec<usize>,
    /// The formulas of their gradients.
    pub(super) formulas: Vec<GradientFormula>,
}

impl Gradients {
    /// The number of variables.
    pub(super) fn count(&self) -> Literal {
        Literal::usize_unsuffixed(self.variables.len())
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
            quote! {
                #[derive(::core::clone::Clone, ::core::marker::Copy)]
                struct #name;
                #kernel
                visitor.add::<#name, #runtime::Axis<#axis>>(&#variables)?;
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

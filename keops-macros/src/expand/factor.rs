//! The symmetric kernel of a sum `sum_j k(x_i, x_j) b_j`.

use keops_compiler::emit;
use keops_compiler::formula::{Evidence, Formula as Compiled, Shape, SolveFormula};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use super::definition::symmetric;

/// The variable `b` may have at most so many components: beyond, its kernel would be computed several times.
const WIDEST: usize = 8;

/// A sum whose formula is a symmetric scalar kernel times one variable of the side that is summed over.
pub(super) struct Factor {
    formula: SolveFormula,
    /// Number of components of the variable and of the sum.
    dim: usize,
}

impl Factor {
    /// The kernel of a sum over j, or else over i.
    pub(super) fn of_sum(formula: Compiled, over_j: bool) -> Option<Self> {
        let dim = formula.dim();
        let span = keops_compiler::source::Span::default();
        let factor = formula.solve(None, Evidence::Proof, span).ok()?;
        let fits = factor.shape == Shape::Scalar
            && factor.over_j == over_j
            && !factor.symmetry.pairs.is_empty()
            && dim <= WIDEST;
        fits.then_some(Self {
            formula: factor,
            dim,
        })
    }

    /// The method of `Kernel` that sums by the kernel, whose type is local to it.
    pub(super) fn expand(&self, runtime: &TokenStream) -> TokenStream {
        let factor = &self.formula;
        let name = Ident::new("Factor", Span::mixed_site());
        let symmetry = symmetric(&factor.symmetry);
        let kernel = emit::kernel(&factor.kernel.program(), &name, runtime, Some(symmetry));
        let unknown = Literal::usize_unsuffixed(factor.unknown);
        let width = Literal::usize_unsuffixed(self.dim);
        quote! {
            fn symmetric_sum<T: #runtime::Element>(
                sum: &#runtime::SymmetricSum<'_, T>,
            ) -> ::core::result::Result<
                ::core::option::Option<#runtime::Array2<T>>,
                #runtime::Error,
            > {
                #[derive(::core::clone::Clone, ::core::marker::Copy)]
                struct #name;
                #kernel
                sum.run::<#name, #width>(#unknown)
            }
        }
    }
}

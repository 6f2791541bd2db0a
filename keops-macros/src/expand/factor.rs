//! The kernel of a sum `sum_j k(x_i, y_j) b_j`.

use keops_compiler::emit;
use keops_compiler::formula::{Evidence, Formula as Compiled, Shape, SolveFormula};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use super::definition::symmetric;

/// With at most so many components of the variable `b`, it pays that a symmetric kernel is computed once for two pairs.
const FEW: usize = 8;
/// From so many on it pays to multiply values of the kernel with all of them as matrices are multiplied.
const MANY: usize = 16;

/// A sum whose formula is a scalar kernel times one variable of the side that is summed over: a symmetric one, or one of many components.
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
        let wide = dim >= MANY;
        let evidence = if wide {
            Evidence::Assumption
        } else {
            Evidence::Proof
        };
        let factor = formula.solve(None, evidence, span).ok()?;
        let fits = factor.shape == Shape::Scalar
            && factor.over_j == over_j
            && (wide || dim <= FEW && !factor.symmetry.pairs.is_empty());
        fits.then_some(Self {
            formula: factor,
            dim,
        })
    }

    /// The method of `Kernel` that sums by the kernel, whose type is local to it.
    pub(super) fn expand(&self, runtime: &TokenStream) -> TokenStream {
        let factor = &self.formula;
        let name = Ident::new("Factor", Span::mixed_site());
        let wide = self.dim >= MANY;
        let symmetry = (!wide).then(|| symmetric(&factor.symmetry));
        let kernel = emit::kernel(&factor.kernel.program(), &name, runtime, symmetry);
        let unknown = Literal::usize_unsuffixed(factor.unknown);
        let width = Literal::usize_unsuffixed(self.dim);
        let run = match (wide, factor.over_j) {
            (true, true) => quote!(sum.run_wide::<#name, #runtime::Axis<1>>(#unknown, #width)),
            (true, false) => quote!(sum.run_wide::<#name, #runtime::Axis<0>>(#unknown, #width)),
            (false, _) => quote!(sum.run::<#name, #width>(#unknown)),
        };
        quote! {
            fn factored_sum<T: #runtime::Element>(
                sum: &#runtime::FactoredSum<'_, T>,
            ) -> ::core::result::Result<
                ::core::option::Option<#runtime::Array2<T>>,
                #runtime::Error,
            > {
                #[derive(::core::clone::Clone, ::core::marker::Copy)]
                struct #name;
                #kernel
                #run
            }
        }
    }
}

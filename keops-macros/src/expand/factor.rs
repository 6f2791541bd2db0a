//! The kernel of a sum `sum_j k(x_i, y_j) b_j`.

use keops_compiler::emit;
use keops_compiler::formula::{Evidence, Formula as Compiled, Shape, SolveFormula};
use keops_compiler::source::Span as FormulaSpan;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use super::definition::symmetric;

/// With at most so many components of the variable `b`, it pays that a symmetric kernel is computed once for two pairs.
const FEW: usize = 8;
/// From so many on it pays to multiply values of the kernel with all of them as matrices are multiplied.
const MANY: usize = 16;

/// A sum whose formula is a scalar kernel times one variable of the side that is summed over: a kernel that is symmetric, or a variable of many components.
pub(super) struct Factor {
    formula: SolveFormula,
    /// Number of components of the variable and of the sum.
    dim: usize,
}

impl Factor {
    /// The kernel of a sum over j, or else over i.
    pub(super) fn of_sum(formula: Compiled, over_j: bool) -> Option<Self> {
        let dim = formula.dim();
        let scalar = |evidence| {
            let solve = formula
                .clone()
                .solve(None, evidence, FormulaSpan::default());
            let fits =
                |factor: &SolveFormula| factor.shape == Shape::Scalar && factor.over_j == over_j;
            solve.ok().filter(fits)
        };
        let proven = if dim <= FEW {
            scalar(Evidence::Proof).filter(|factor| !factor.symmetry.pairs.is_empty())
        } else {
            None
        };
        let is_symmetric = proven.is_some();
        let formula = proven.or_else(|| scalar(Evidence::Assumption))?;
        let pays = is_symmetric || dim >= MANY;
        pays.then_some(Self { formula, dim })
    }

    /// The method of `Kernel` that sums by the kernel, whose type is local to it.
    pub(super) fn expand(&self, runtime: &TokenStream) -> TokenStream {
        let factor = &self.formula;
        let name = Ident::new("Factor", Span::mixed_site());
        let proven = !factor.symmetry.pairs.is_empty();
        let symmetry = proven.then(|| symmetric(&factor.symmetry));
        let (program, distance) = (factor.kernel.program(), factor.kernel.distance());
        let kernel = emit::kernel(&program, &name, runtime, symmetry, distance.as_ref());
        let unknown = Literal::usize_unsuffixed(factor.unknown);
        let width = Literal::usize_unsuffixed(self.dim);
        let axis = Literal::usize_unsuffixed(usize::from(factor.over_j));
        let axis = quote!(#runtime::Axis<#axis>);
        let run = match proven {
            true => quote!(sum.run::<#name, #axis, #width>(#unknown)),
            false => quote!(sum.run_wide::<#name, #axis>(#unknown, #width)),
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

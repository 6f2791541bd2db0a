//! The type that a macro call defines, and its methods.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::emit;
use keops_compiler::formula::Formula as Compiled;
use keops_compiler::symmetry::Exchange;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

use super::factor::Factor;
use super::gradients::Gradients;
use super::runtime;
use crate::closure::Captures;
use crate::input::Input;

/// What `bind` returns.
pub(super) enum Bind {
    /// A reduction that can be run.
    Reduction {
        /// The axis that is reduced.
        axis: usize,
        /// The name of the operation in the runtime.
        operation: &'static str,
        /// How many values it keeps, if that is a choice.
        count: Option<usize>,
    },
    /// A system that can be solved.
    System {
        /// The axis that is reduced.
        axis: usize,
        /// Position of the unknown among the aliases.
        unknown: usize,
        /// Whether the kernel is matrix-valued.
        matrix: bool,
    },
    /// A symbolic matrix.
    Matrix,
}

/// All that an expansion is made of.
pub(super) struct Definition<'a> {
    pub(super) input: &'a Input,
    /// The variables in the order in which `bind` takes them.
    pub(super) aliases: &'a [Alias],
    pub(super) captures: &'a Captures,
    pub(super) kernel: &'a Compiled,
    pub(super) text: &'a str,
    /// What trades places when i and j are exchanged, if the kernel is symmetric.
    pub(super) symmetry: Option<&'a Exchange>,
    pub(super) bind: Bind,
    /// The kernel of a sum that can be computed from half of the pairs.
    pub(super) factor: Option<Factor>,
    /// The gradients that `grad = [..]` asks for.
    pub(super) gradients: Option<Gradients>,
}

impl Definition<'_> {
    /// In item position the definition of a type, in expression position a value of such a type.
    pub(super) fn expand(&self) -> TokenStream {
        let runtime = runtime(self.input);
        let captured = self.captures.exprs();
        let Some(head) = &self.input.head else {
            let name = Ident::new("Formula", Span::mixed_site());
            let implementation = self.implementation(&name);
            if captured.is_empty() {
                return quote! {{
                    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
                    struct #name;
                    #implementation
                    #name
                }};
            }
            let count = Literal::usize_unsuffixed(captured.len());
            return quote! {{
                let captured: [f64; #count] = [#(#runtime::scalar(#captured)),*];
                #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
                struct #name {
                    captured: [f64; #count],
                }
                #implementation
                #name { captured }
            }};
        };
        let (attributes, visibility, name) = (&head.attributes, &head.visibility, &head.name);
        let documentation = format!("The formula `{}`, compiled.", self.text);
        let implementation = self.implementation(name);
        quote! {
            #(#attributes)*
            #[doc = ""]
            #[doc = #documentation]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::default::Default)]
            #visibility struct #name;
            const _: () = {
                #implementation
            };
        }
    }

    fn implementation(&self, name: &Ident) -> TokenStream {
        let runtime = runtime(self.input);
        let facts = match &self.factor {
            Some(factor) => Some(factor.expand(&runtime)),
            None => self.symmetry.map(symmetric),
        };
        let distance = self.kernel.distance();
        let program = self.kernel.program();
        let kernel = emit::kernel(&program, name, &runtime, facts, distance.as_ref());
        let gradients = self
            .gradients
            .as_ref()
            .map(|gradients| gradients.expand(name, &runtime));
        let methods = self.methods();
        quote! {
            #kernel
            #gradients
            // With named types of arguments, `bind::<f32>(..)` would have to list them all.
            #[allow(clippy::impl_trait_in_params)]
            impl #name {
                #methods
            }
        }
    }

    fn methods(&self) -> TokenStream {
        let runtime = runtime(self.input);
        let text = self.text;
        let signature = self.signature();
        let names: Vec<Ident> = (0..self.aliases.len()).map(|n| self.argument(n)).collect();
        let (parameters, conversions): (Vec<_>, Vec<_>) = self
            .aliases
            .iter()
            .zip(&names)
            .map(|(alias, name)| {
                let dim = Literal::usize_unsuffixed(alias.dim);
                match alias.category {
                    Category::Param => (
                        quote!(#name: impl #runtime::IntoParams<'a, T>),
                        quote!(#runtime::IntoParams::<'a, T>::into_params(#name)),
                    ),
                    _ => (
                        quote!(#name: impl #runtime::IntoPoints<'a, T>),
                        quote!(#runtime::IntoPoints::<'a, T>::into_points(#name, #dim)),
                    ),
                }
            })
            .unzip();
        let captured = if self.captures.exprs().is_empty() {
            quote!(#runtime::Vec::new())
        } else {
            quote!(self.captured.to_vec())
        };
        let arguments = quote!(#runtime::vec![#(#conversions),*]);
        let bind_batch = self.bind_batch(&names, &captured);
        let (returned, made) = match self.bind {
            Bind::Reduction {
                axis,
                operation,
                count,
            } => {
                let axis = Literal::usize_unsuffixed(axis);
                let operation = Ident::new(operation, Span::call_site());
                let operation = quote!(#runtime::operation::#operation);
                let count = count.map(|count| {
                    let count = Literal::usize_unsuffixed(count);
                    quote!((#count))
                });
                (
                    quote!(BoundReduction<'a, T, Self, #operation, #runtime::Axis<#axis>>),
                    quote! {
                        #runtime::BoundReduction::new(
                            #operation #count, &Self::SIGNATURE, #arguments, #captured,
                        )
                    },
                )
            }
            Bind::System {
                axis,
                unknown,
                matrix,
            } => {
                let axis = Literal::usize_unsuffixed(axis);
                let axis = quote!(#runtime::Axis<#axis>);
                let make = self.make_system(&axis, unknown, matrix);
                let unknown = Literal::usize_unsuffixed(unknown);
                let input = quote!(&Self::SIGNATURE, #arguments, #captured, #unknown);
                match &self.gradients {
                    None => (
                        quote!(System<'a, T>),
                        quote!(#runtime::System::#make(#input)),
                    ),
                    Some(gradients) => {
                        let count = gradients.count();
                        (
                            quote!(System<'a, T, #runtime::Adjoint<'a, T, #count>>),
                            quote! {
                                let arguments = #arguments;
                                #runtime::System::#make(
                                    &Self::SIGNATURE, #runtime::Vec::clone(&arguments), #captured, #unknown,
                                )
                                .with_gradients::<Self, #axis, #count>(
                                    &Self::SIGNATURE, arguments, #captured, #unknown,
                                )
                            },
                        )
                    }
                }
            }
            Bind::Matrix => (
                quote!(BoundMatrix<'a, T, Self>),
                quote!(#runtime::BoundMatrix::new(&Self::SIGNATURE, #arguments, #captured)),
            ),
        };
        let source = self.cuda_source();
        quote! {
            #signature

            /// The formula as compiled.
            pub fn formula(&self) -> &'static str {
                #text
            }

            /// The complete source of the kernel for CUDA with elements of type `T`: of the reduction, or of the product of the matrix with
            /// vectors. It needs no headers.
            pub fn cuda_source<T: #runtime::Element>(&self) -> #runtime::String {
                #source
            }

            /// Binds arrays to the variables of the formula. Nothing is computed and nothing is checked yet.
            pub fn bind<'a, T: #runtime::Element>(&self, #(#parameters),*) -> #runtime::#returned {
                #made
            }

            #bind_batch
        }
    }

    /// The source of the kernel for CUDA.
    fn cuda_source(&self) -> TokenStream {
        let runtime = runtime(self.input);
        let product = |axis: &Literal, vectors: usize, unknown: TokenStream| {
            let vectors = Literal::usize_unsuffixed(vectors);
            quote! {
                #runtime::product_source::<T, Self, #runtime::Axis<#axis>, #vectors>(
                    &Self::SIGNATURE,
                    ::core::option::Option::#unknown,
                )
            }
        };
        match self.bind {
            Bind::Reduction {
                axis,
                operation,
                count,
            } => {
                let axis = Literal::usize_unsuffixed(axis);
                let operation = Ident::new(operation, Span::call_site());
                let count = count.map(|count| {
                    let count = Literal::usize_unsuffixed(count);
                    quote!((#count))
                });
                quote! {
                    #runtime::reduction_source::<T, Self, _, #runtime::Axis<#axis>>(
                        &Self::SIGNATURE,
                        #runtime::operation::#operation #count,
                        &::core::default::Default::default(),
                    )
                }
            }
            Bind::System {
                axis,
                unknown,
                matrix,
            } => {
                let axis = Literal::usize_unsuffixed(axis);
                let vectors = if matrix {
                    0
                } else {
                    width(self.aliases[unknown].dim)
                };
                let unknown = Literal::usize_unsuffixed(unknown);
                product(&axis, vectors, quote!(Some(#unknown)))
            }
            Bind::Matrix => {
                // Only a scalar formula can be multiplied with a vector; another one is summed.
                let vectors = usize::from(self.kernel.dim() == 1);
                product(&Literal::usize_unsuffixed(1), vectors, quote!(None))
            }
        }
    }

    /// The function that makes a system whose unknown is at the position `unknown`.
    pub(super) fn make_system(
        &self,
        axis: &TokenStream,
        unknown: usize,
        matrix: bool,
    ) -> TokenStream {
        if matrix {
            return quote!(of_matrix_kernel::<Self, #axis>);
        }
        let width = Literal::usize_unsuffixed(width(self.aliases[unknown].dim));
        quote!(of_scalar_kernel::<Self, #axis, #width>)
    }

    /// The name of an argument of `bind`: the alias, unless Rust reserves it, or it could be the name of a constant in the
    /// user's scope, which Rust would take for a pattern.
    fn argument(&self, position: usize) -> Ident {
        let alias = &self.aliases[position].name;
        let is_constant = alias.starts_with(char::is_uppercase);
        match syn::parse_str::<Ident>(alias) {
            Ok(name) if !is_constant && alias != "_" => {
                Ident::new(&name.to_string(), Span::mixed_site())
            }
            _ => format_ident!("argument{position}", span = Span::mixed_site()),
        }
    }

    fn signature(&self) -> TokenStream {
        let runtime = runtime(self.input);
        let text = self.text;
        let aliases = self.aliases.iter().map(|alias| {
            let name = &alias.name;
            let dim = Literal::usize_unsuffixed(alias.dim);
            let category = match alias.category {
                Category::I => quote!(I),
                Category::J => quote!(J),
                Category::Param => quote!(Param),
            };
            quote! {
                #runtime::AliasInfo { name: #name, category: #runtime::Category::#category, dim: #dim }
            }
        });
        let dim = Literal::usize_unsuffixed(self.kernel.dim());
        quote! {
            const SIGNATURE: #runtime::Signature = #runtime::Signature {
                formula: #text,
                aliases: &[#(#aliases),*],
                out_dim: #dim,
            };
        }
    }
}

/// The number of right-hand sides that are multiplied together: all, or equal parts of at most eight.
fn width(columns: usize) -> usize {
    columns.div_ceil(columns.div_ceil(8))
}

/// The fact that a kernel is symmetric under the exchange of i and j.
pub(super) fn symmetric(exchange: &Exchange) -> TokenStream {
    let pairs = exchange.pairs.iter().map(|&(a, b)| {
        let (a, b) = (Literal::usize_unsuffixed(a), Literal::usize_unsuffixed(b));
        quote!((#a, #b))
    });
    let proven = exchange.proven;
    quote! {
        const SYMMETRIC: ::core::option::Option<&'static [(usize, usize)]> =
            ::core::option::Option::Some(&[#(#pairs),*]);
        const SYMMETRY_PROVEN: bool = #proven;
    }
}

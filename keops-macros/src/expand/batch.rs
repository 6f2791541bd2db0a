//! The method `bind_batch`, which takes arrays with batch dimensions.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::definition::{Bind, Definition};
use super::runtime;

impl Definition<'_> {
    /// The method, with the names of its arguments; `captured` are the values that a closure captured.
    pub(super) fn bind_batch(&self, names: &[Ident], captured: &TokenStream) -> TokenStream {
        let runtime = runtime(self.input);
        let arguments = quote! {
            &Self::SIGNATURE,
            #runtime::vec![#(#runtime::IntoBatch::<'a, T>::into_batch(#names)),*],
            #captured,
        };
        let (returned, made) = match self.bind {
            Bind::Reduction {
                axis,
                operation,
                count,
            } => {
                let axis = Literal::usize_unsuffixed(axis);
                let operation = Ident::new(operation, proc_macro2::Span::call_site());
                let operation = quote!(#runtime::operation::#operation);
                let count = count.map(|count| {
                    let count = Literal::usize_unsuffixed(count);
                    quote!((#count))
                });
                (
                    quote!(BoundBatch<'a, T, Self, #operation, #runtime::Axis<#axis>>),
                    quote!(#runtime::BoundBatch::new(#operation #count, #arguments)),
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
                match &self.gradients {
                    None => (
                        quote!(SystemBatch<'a, T>),
                        quote!(#runtime::SystemBatch::new(#arguments #unknown, #runtime::System::#make)),
                    ),
                    Some(gradients) => {
                        let count = gradients.count();
                        (
                            quote!(SystemBatch<'a, T, #runtime::Adjoint<'a, T, #count>>),
                            quote! {
                                let make = |signature, arguments, captured, unknown| {
                                    #runtime::System::#make(
                                        signature,
                                        #runtime::Vec::clone(&arguments),
                                        #runtime::Vec::clone(&captured),
                                        unknown,
                                    )
                                    .with_gradients::<Self, #axis, #count>(
                                        signature, arguments, captured, unknown,
                                    )
                                };
                                #runtime::SystemBatch::new(#arguments #unknown, make)
                                    .with_gradients::<Self>()
                            },
                        )
                    }
                }
            }
            Bind::Matrix => (
                quote!(MatrixBatch<'a, T, Self>),
                quote!(#runtime::MatrixBatch::new(#arguments)),
            ),
        };
        quote! {
            /// Binds arrays with batch dimensions in front of their own to the variables of the formula. Nothing is computed and
            /// nothing is checked yet.
            pub fn bind_batch<'a, T: #runtime::Element>(
                &self,
                #(#names: impl #runtime::IntoBatch<'a, T>),*
            ) -> #runtime::#returned {
                #made
            }
        }
    }
}

//! From the compiler's spans to places in the user's source.

use keops_compiler::{ast::Span, error::Error};
use quote::{ToTokens, quote_spanned};

/// Where the nodes of a closure's syntax tree stand in the user's source; the spans of the tree index it.
#[derive(Default)]
pub(crate) struct Places(Vec<[proc_macro2::Span; 2]>);

impl Places {
    /// The first and the last token at `span`.
    pub(crate) fn get(&self, span: Span) -> [proc_macro2::Span; 2] {
        self.0
            .get(span.start)
            .copied()
            .unwrap_or([proc_macro2::Span::call_site(); 2])
    }

    /// Notes the place of `tokens`.
    pub(super) fn add(&mut self, tokens: impl ToTokens) -> Span {
        let mut tokens = tokens
            .into_token_stream()
            .into_iter()
            .map(|token| token.span());
        let first = tokens.next().unwrap_or_else(proc_macro2::Span::call_site);
        self.0.push([first, tokens.last().unwrap_or(first)]);
        Span::new(self.0.len() - 1, self.0.len())
    }
}

/// An error that points from one token to another, as far as the compiler in use can.
pub(crate) fn error_at([first, last]: [proc_macro2::Span; 2], error: &Error) -> syn::Error {
    let mut ends = quote_spanned!(first=> _);
    ends.extend(quote_spanned!(last=> _));
    let message = match error.help_text() {
        Some(help) => format!("{}\n  help: {help}", error.message()),
        None => error.message().to_owned(),
    };
    syn::Error::new_spanned(ends, message)
}

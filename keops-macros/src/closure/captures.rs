//! What closures capture from the scope around them.

use super::hygiene::text;
use proc_macro2::TokenStream;
use quote::ToTokens;

/// The scalars that closures capture, each once, in the order in which they occur first.
#[derive(Default)]
pub(crate) struct Captures {
    exprs: Vec<TokenStream>,
    texts: Vec<String>,
}

impl Captures {
    /// The captured expressions; `ExprKind::Capture(n)` is the n-th.
    pub(crate) fn exprs(&self) -> &[TokenStream] {
        &self.exprs
    }

    pub(super) fn index_of(&mut self, expr: &syn::Expr) -> usize {
        let tokens = match expr {
            syn::Expr::Paren(inner) => return self.index_of(&inner.expr),
            syn::Expr::Group(inner) => return self.index_of(&inner.expr),
            _ => expr.to_token_stream(),
        };
        let text = text(tokens.clone());
        self.texts
            .iter()
            .position(|known| *known == text)
            .unwrap_or_else(|| {
                self.exprs.push(tokens);
                self.texts.push(text);
                self.exprs.len() - 1
            })
    }
}

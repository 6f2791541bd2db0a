//! Names as Rust's hygiene tells them apart.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// The macro expansion that a token comes from: the `s` of a macro's own text is not the `s` that it was called with.
///
/// rustc shows it in the debug text of a span, `#3 bytes(10..14)`, and nowhere else; a test fails if it no longer does. Where it is not shown, all names of
/// the same text are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context(Option<u32>);

impl Context {
    pub(crate) fn of(span: Span) -> Self {
        let text = format!("{span:?}");
        let number = text.strip_prefix('#').and_then(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        Self(number)
    }
}

/// A name that is bound in a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) context: Context,
}

impl Name {
    pub(crate) fn of(ident: &Ident) -> Self {
        Self {
            text: ident.unraw().to_string(),
            context: Context::of(ident.span()),
        }
    }
}

/// What is bound around a place in a formula, the last first.
pub(super) struct Scope(Vec<(Name, String)>);

impl Scope {
    /// The parameters.
    pub(super) fn new(parameters: impl IntoIterator<Item = Name>) -> Self {
        let named = parameters.into_iter().map(|name| {
            let text = name.text.clone();
            (name, text)
        });
        Self(named.collect())
    }

    /// What the formula calls the variable of a name, if it is bound.
    pub(super) fn find(&self, name: &Name) -> Option<&str> {
        let mut bound = self.0.iter().rev();
        bound
            .find(|(bound, _)| bound == name)
            .map(|(_, inside)| &**inside)
    }

    /// Binds a name, and returns what the formula calls it: another variable of the same text must stay in reach.
    pub(super) fn push(&mut self, name: Name) -> String {
        let taken = |(bound, _): &(Name, String)| bound.text == name.text && *bound != name;
        let inside = match self.0.iter().any(taken) {
            true => format!("{}'{}", name.text, self.0.len()),
            false => name.text.clone(),
        };
        self.0.push((name, inside.clone()));
        inside
    }

    /// Ends the last binding.
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

/// The text of an expression in which names of different contexts are different.
pub(super) fn text(tokens: TokenStream) -> String {
    let parts = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(ident) => match Context::of(ident.span()).0 {
            Some(context) => format!("{ident}#{context}"),
            None => ident.to_string(),
        },
        TokenTree::Group(group) => {
            let inside = text(group.stream());
            format!("{:?}({inside})", group.delimiter())
        }
        other => other.to_string(),
    });
    parts.collect::<Vec<_>>().join(" ")
}

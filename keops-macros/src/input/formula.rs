//! The formula of a macro call, as text or as a closure, and how its errors find their place in the user's source.

use keops_compiler::{ast, error::Error, parse::parse};
use proc_macro2::Literal;
use syn::{Expr, LitStr, Token, parse::ParseStream};

use super::alias::{Alias, Declaration};
use crate::closure::{self, Captures, Operations, Places, error_at};

/// A formula as it is written.
pub(crate) enum FormulaTokens {
    /// A string literal of any kind.
    Text(LitStr),
    /// The body of a closure over the variables.
    Closure(Box<Expr>),
}

/// A formula's syntax tree, and where it came from.
pub(crate) struct Formula {
    /// The tree.
    pub(crate) tree: ast::Expr,
    origin: Origin,
}

enum Origin {
    Text(LitStr),
    Closure(Places),
}

impl FormulaTokens {
    /// A formula, and the variables that a closure declares.
    pub(super) fn parse(input: ParseStream<'_>) -> syn::Result<(Self, Vec<Declaration>)> {
        if input.peek(LitStr) {
            return Ok((Self::Text(input.parse()?), Vec::new()));
        }
        if input.peek(Token![||]) {
            return Err(input.error("a formula needs variables: `|x: Vi(3), y: Vj(3)| ...`"));
        }
        if input.peek(Token![move]) {
            return Err(input.error("leave out `move`: a formula captures values in any case"));
        }
        if !input.peek(Token![|]) {
            let message = "expected a formula: a string literal, or a closure such as \
                           `|x: Vi(3), y: Vj(3)| x.sqdist(y)`";
            return Err(input.error(message));
        }
        input.parse::<Token![|]>()?;
        let mut parameters = Vec::new();
        while !input.peek(Token![|]) {
            parameters.push(Declaration::parameter(input)?);
            if !input.peek(Token![|]) {
                input.parse::<Token![,]>()?;
            }
        }
        input.parse::<Token![|]>()?;
        Ok((Self::Closure(input.parse()?), parameters))
    }

    /// A formula over variables that are declared already: a string literal, or an expression as in a closure's body.
    pub(super) fn parse_further(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(match input.peek(LitStr) {
            true => Self::Text(input.parse()?),
            false => Self::Closure(input.parse()?),
        })
    }

    /// The syntax tree. What closures capture is added to `captures`.
    pub(super) fn read(
        &self,
        variables: &[Alias],
        captures: &mut Captures,
        operations: &dyn Operations,
    ) -> syn::Result<Formula> {
        match self {
            Self::Text(literal) => {
                let origin = Origin::Text(literal.clone());
                match parse(&literal.value()) {
                    Ok(tree) => Ok(Formula { tree, origin }),
                    Err(error) => Err(origin.locate(&error)),
                }
            }
            Self::Closure(body) => {
                let names = variables.iter().map(Alias::bound);
                let (tree, places) = closure::read(body, names, captures, operations)?;
                Ok(Formula {
                    tree,
                    origin: Origin::Closure(places),
                })
            }
        }
    }
}

impl Formula {
    /// The compiler's `error` about this formula, as an error at its place in the user's source.
    pub(crate) fn locate(&self, error: &Error) -> syn::Error {
        self.origin.locate(error)
    }
}

impl Origin {
    fn locate(&self, error: &Error) -> syn::Error {
        match self {
            Self::Closure(places) => error_at(places.get(error.span()), error),
            Self::Text(literal) => match subspan(literal, error.span()) {
                Some(place) => error_at([place; 2], error),
                None => syn::Error::new(literal.span(), error.render(&literal.value())),
            },
        }
    }
}

/// The place of `span` inside a string literal, where the compiler in use can say (rustc 1.95 stable cannot) and the
/// literal is written without escapes, so that offsets in its text are offsets in the source.
fn subspan(literal: &LitStr, span: ast::Span) -> Option<proc_macro2::Span> {
    if span.start == span.end {
        return None;
    }
    let token: Literal = literal.token();
    let source = token.to_string();
    let quote = source.find('"')? + 1;
    let is_verbatim = source.get(quote..)?.starts_with(&literal.value());
    if is_verbatim {
        token.subspan(quote + span.start..quote + span.end)
    } else {
        None
    }
}

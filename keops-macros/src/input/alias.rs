//! Alias lists: `x = Vi(3)`, or `x: Vi(3)` among the parameters of a closure.

use crate::closure::{Context, Name};
use keops_compiler::{
    alias::{self, Category},
    dag::MAX_DIM,
    suggest::closest,
};
use proc_macro2::{Ident, Span};
use syn::{LitInt, Token, ext::IdentExt, parenthesized, parse::ParseStream};

/// How alias values are written.
const FORM: &str = "a variable is declared as `Vi(dim)`, `Vj(dim)` or `Pm(dim)`";

/// A variable of a formula.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    /// The name that the formula uses, without `r#`.
    pub(crate) name: String,
    /// What it depends on.
    pub(crate) category: Category,
    /// The length of its vectors, at least 1.
    pub(crate) dim: usize,
    /// Where its name comes from.
    pub(crate) context: Context,
}

impl Alias {
    /// The name that closures know it by.
    pub(crate) fn bound(&self) -> Name {
        Name {
            text: self.name.clone(),
            context: self.context,
        }
    }

    /// The alias without its place in the user's source.
    pub(crate) fn to_compiler(&self) -> alias::Alias {
        alias::Alias {
            name: self.name.clone(),
            category: self.category,
            dim: self.dim,
        }
    }
}

/// An alias as it is written, with its position if that is.
pub(super) struct Declaration {
    pub(super) name: Ident,
    category: Category,
    position: Option<(usize, Span)>,
    dim: usize,
}

impl Declaration {
    /// The declaration of `name`, which has been read already: `= Vi(3)`.
    pub(super) fn parse(name: Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        input.parse::<Token![=]>()?;
        Self::value(name, input)
    }

    /// A parameter of a closure: `x: Vi(3)`.
    pub(super) fn parameter(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if !input.peek(Token![:]) {
            let message = format!("expected `{name}: ...`; {FORM}");
            return Err(syn::Error::new(name.span(), message));
        }
        input.parse::<Token![:]>()?;
        Self::value(name, input)
    }

    fn value(name: Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let Ok(word) = input.call(Ident::parse_any) else {
            return Err(input.error(FORM));
        };
        let Some(category) = Category::from_name(&word.to_string()) else {
            let names = Category::ALL.map(Category::name);
            let help = match closest(&word.to_string(), names) {
                Some(name) => format!("did you mean `{name}`?"),
                None => FORM.to_owned(),
            };
            let message = format!("unknown category `{word}`\n  help: {help}");
            return Err(syn::Error::new(word.span(), message));
        };
        if !input.peek(syn::token::Paren) {
            return Err(syn::Error::new(word.span(), FORM));
        }
        let arguments;
        let parentheses = parenthesized!(arguments in input);
        if arguments.is_empty() {
            let message = format!("`{word}` needs a dimension: `{word}(3)`");
            return Err(syn::Error::new(parentheses.span.join(), message));
        }
        let first = integer(&arguments, "the dimension")?;
        if arguments.peek(Token![,]) {
            arguments.parse::<Token![,]>()?;
        }
        let (position, dim) = if arguments.is_empty() {
            (None, first)
        } else {
            (Some(first), integer(&arguments, "the dimension")?)
        };
        if !arguments.is_empty() {
            let message = format!("`{word}` takes a dimension, or a position and a dimension");
            return Err(arguments.error(message));
        }
        let (dim, dim_span) = dim;
        if dim == 0 {
            let message = format!("the dimension of `{name}` must be at least 1");
            return Err(syn::Error::new(dim_span, message));
        }
        if dim > MAX_DIM {
            let message = format!("the dimension of `{name}` may be at most {MAX_DIM}");
            return Err(syn::Error::new(dim_span, message));
        }
        Ok(Self {
            name,
            category,
            position,
            dim,
        })
    }
}

/// What the value after a key looks like.
pub(super) enum Value {
    /// `= Vi(`, and likewise for the other categories: the key is a variable.
    Category,
    /// `= Name(`
    Call,
    /// Anything else, or no value.
    Other,
}

impl Value {
    pub(super) fn peek(input: ParseStream<'_>) -> Self {
        let ahead = input.fork();
        let word = ahead
            .parse::<Token![=]>()
            .and_then(|_| ahead.call(Ident::parse_any));
        match word {
            Ok(word) if ahead.peek(syn::token::Paren) => {
                match Category::from_name(&word.to_string()) {
                    Some(_) => Self::Category,
                    None => Self::Call,
                }
            }
            _ => Self::Other,
        }
    }
}

/// An integer literal, and where it stands.
pub(super) fn integer(input: ParseStream<'_>, what: &str) -> syn::Result<(usize, Span)> {
    let message = format!("{what} must be an integer literal");
    if input.peek(syn::Ident) {
        let help = "a macro is expanded before constants have values";
        return Err(input.error(format!("{message}\n  help: {help}")));
    }
    if !input.peek(LitInt) {
        return Err(input.error(message));
    }
    let literal: LitInt = input.parse()?;
    if !literal.suffix().is_empty() && literal.suffix() != "usize" {
        return Err(syn::Error::new(literal.span(), message));
    }
    let value = literal.base10_parse().map_err(|_| {
        let problem = match literal.base10_digits().starts_with('-') {
            true => "must not be negative",
            false => "is too large",
        };
        syn::Error::new(literal.span(), format!("{what} {problem}"))
    })?;
    Ok((value, literal.span()))
}

/// The variables in the order of their positions: those written, or else the order of the list.
pub(super) fn in_bind_order(declarations: Vec<Declaration>) -> syn::Result<Vec<Alias>> {
    let count = declarations.len();
    let explicit = declarations
        .iter()
        .filter(|declaration| declaration.position.is_some())
        .count();
    let mut order: Vec<Option<Alias>> = vec![None; count];
    for (index, declaration) in declarations.into_iter().enumerate() {
        let name = declaration.name.unraw().to_string();
        let name_span = declaration.name.span();
        let known = order.iter().flatten().any(|alias| alias.name == name);
        if known {
            return Err(syn::Error::new(
                name_span,
                format!("`{name}` is declared twice"),
            ));
        }
        let (position, position_span) = match declaration.position {
            Some(position) => position,
            None if explicit == 0 => (index, name_span),
            None => {
                let message = format!(
                    "`{name}` has no position, but others have; write positions for all variables or for none"
                );
                return Err(syn::Error::new(name_span, message));
            }
        };
        let alias = Alias {
            name,
            category: declaration.category,
            dim: declaration.dim,
            context: Context::of(name_span),
        };
        match order.get_mut(position) {
            Some(slot @ None) => *slot = Some(alias),
            Some(Some(other)) => {
                let message = format!("position {position} is taken by `{}`", other.name);
                return Err(syn::Error::new(position_span, message));
            }
            None => {
                let message = format!(
                    "there is no position {position}: the positions of {count} variables are 0 to {}",
                    count - 1
                );
                return Err(syn::Error::new(position_span, message));
            }
        }
    }
    // As many positions as variables, all in range and all different: no place is left empty.
    Ok(order.into_iter().flatten().collect())
}

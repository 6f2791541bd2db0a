//! What a user writes in a macro call, taken apart.
//!
//! All three macros have one syntax; they differ in the options that they take:
//!
//! ```text
//! $crate ;  [ attributes visibility Name : ]  formula  { , alias | , option }  [ , ]
//! formula = "text" | |x: Vi(3), y: Vj(3), g: Pm(1)| expression
//! alias   = name = Vi(dim) | name = Vi(position, dim)                   (Vj, Pm likewise; for a formula in text)
//! option  = reduction = KMin(3) | axis = 1 | weights = formula | var = b | assume_symmetric | grad = [x, b]
//! ```
//!
//! `$crate` comes from the facade's `macro_rules!` and is the root of all paths in the expansion.

mod alias;
mod formula;
mod options;
#[cfg(test)]
mod tests;

use keops_compiler::suggest::closest;
use proc_macro2::{Ident, TokenTree};
use syn::{
    Attribute, Token, Visibility,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

pub(crate) use alias::Alias;
pub(crate) use formula::{Formula, FormulaTokens};
pub(crate) use options::{Axis, Options};

use crate::closure::{Captures, Operations};
use alias::{Declaration, in_bind_order};

/// Which macro is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    /// `genred!`
    Genred,
    /// `kernel_solve!`
    KernelSolve,
    /// `lazy!`
    Lazy,
}

/// A macro call.
pub(crate) struct Input {
    called: Macro,
    /// The path of the crate that re-exports macros and runtime, `$crate`.
    pub(crate) root: TokenTree,
    /// What the item form defines; none for the expression form.
    pub(crate) head: Option<Head>,
    /// The formula.
    pub(crate) formula: FormulaTokens,
    /// Its variables, in the order in which `bind` takes them.
    pub(crate) aliases: Vec<Alias>,
    /// Everything else.
    pub(crate) options: Options,
}

/// The beginning of the item form: `/// Documentation. pub GaussianSolve:`
pub(crate) struct Head {
    /// Attributes, doc comments among them, for the struct.
    pub(crate) attributes: Vec<Attribute>,
    /// The visibility of the struct.
    pub(crate) visibility: Visibility,
    /// Its name.
    pub(crate) name: Ident,
}

impl Input {
    /// Reads the tokens of a call of `called`.
    ///
    /// # Errors
    /// At the token that is wrong, with what was expected there.
    pub(crate) fn parse(called: Macro, tokens: proc_macro2::TokenStream) -> syn::Result<Self> {
        (|input: ParseStream<'_>| Self::parse_stream(called, input)).parse2(tokens)
    }

    fn parse_stream(called: Macro, input: ParseStream<'_>) -> syn::Result<Self> {
        let root = input.parse()?;
        input.parse::<Token![;]>()?;
        let head = Head::parse(input)?;
        let (formula, parameters) = FormulaTokens::parse(input)?;
        let in_text = matches!(formula, FormulaTokens::Text(_));

        let mut declarations = parameters;
        let mut options = Options::default();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            if let Ok(text) = input.fork().parse::<syn::LitStr>() {
                let message = format!("a variable is declared without quotes: {}", text.value());
                return Err(syn::Error::new(text.span(), message));
            }
            let key = input.call(Ident::parse_any)?;
            if options::is_option(&key, input) {
                options.parse(called, &key, input)?;
                continue;
            }
            let declaration = Declaration::parse(key, input)?;
            if !in_text {
                let message = "the variables of a closure are its parameters; declare it there";
                return Err(syn::Error::new(declaration.name.span(), message));
            }
            declarations.push(declaration);
        }
        let aliases = in_bind_order(declarations)?;
        let input = Self {
            called,
            root,
            head,
            formula,
            aliases,
            options,
        };
        if let Some(name) = &input.options.variable {
            input.index_of(name)?;
        }
        input.differentiated()?;
        Ok(input)
    }

    /// The place of a variable in the list of aliases.
    ///
    /// # Errors
    /// At the name, if there is no such variable.
    pub(crate) fn index_of(&self, name: &Ident) -> syn::Result<usize> {
        self.index_or(name, None)
    }

    /// As [`Input::index_of`], with a remark for those who meant something that is no variable.
    fn index_or(&self, name: &Ident, remark: Option<&str>) -> syn::Result<usize> {
        let text = name.unraw().to_string();
        let names = || self.aliases.iter().map(|alias| alias.name.as_str());
        names().position(|known| known == text).ok_or_else(|| {
            let help = match (closest(&text, names()), remark) {
                (Some(name), _) => format!("did you mean `{name}`?"),
                (None, Some(remark)) => remark.to_owned(),
                (None, None) => format!(
                    "the variables are {}",
                    names().collect::<Vec<_>>().join(", ")
                ),
            };
            let message = format!("unknown variable `{text}`\n  help: {help}");
            syn::Error::new(name.span(), message)
        })
    }

    /// The places of the variables that `grad = [..]` names, none if it was not written.
    ///
    /// # Errors
    /// At a name that is no variable.
    pub(crate) fn differentiated(&self) -> syn::Result<Vec<usize>> {
        let names = self.options.grad.iter().flatten();
        let positions = names.map(|name| {
            let remark = match (&self.formula, self.called) {
                (_, Macro::KernelSolve) if name == "alpha" => {
                    Some("the gradient by `alpha` is always computed")
                }
                (FormulaTokens::Closure(_), _) => Some(
                    "a scalar that is captured has no gradient; declare it as a parameter, as in `g: Pm(1)`",
                ),
                _ => None,
            };
            self.index_or(name, remark)
        });
        positions.collect()
    }

    /// The syntax tree of the formula.
    pub(crate) fn read_formula(
        &self,
        captures: &mut Captures,
        operations: &dyn Operations,
    ) -> syn::Result<Formula> {
        self.formula.read(&self.aliases, captures, operations)
    }

    /// The syntax tree of the weights, if there are any.
    pub(crate) fn read_weights(
        &self,
        captures: &mut Captures,
        operations: &dyn Operations,
    ) -> syn::Result<Option<Formula>> {
        let weights = self.options.weights.as_ref();
        weights
            .map(|weights| weights.read(&self.aliases, captures, operations))
            .transpose()
    }
}

impl Head {
    fn parse(input: ParseStream<'_>) -> syn::Result<Option<Self>> {
        let named = input.peek(syn::Ident) && input.peek2(Token![:]);
        if !(named || input.peek(Token![#]) || input.peek(Token![pub])) {
            return Ok(None);
        }
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok(Some(Self {
            attributes,
            visibility,
            name,
        }))
    }
}

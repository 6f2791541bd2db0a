//! The options of a macro call: everything after the formula that is not an alias.

use keops_compiler::{reduction::Reduction, suggest::closest};
use proc_macro2::{Ident, Span};
use syn::{
    Token, bracketed, ext::IdentExt, parenthesized, parse::ParseStream, punctuated::Punctuated,
};

use super::{
    Macro,
    alias::{Value, integer},
    formula::FormulaTokens,
};

/// The options that were written.
#[derive(Default)]
pub(crate) struct Options {
    /// `reduction = LogSumExp`
    pub(crate) reduction: Option<(Reduction, Span)>,
    /// `axis = 1`
    pub(crate) axis: Option<(Axis, Span)>,
    /// `weights = "b"`
    pub(crate) weights: Option<FormulaTokens>,
    /// `var = b`
    pub(crate) variable: Option<Ident>,
    /// `assume_symmetric`
    pub(crate) assume_symmetric: Option<Span>,
    /// `grad = [x, b]`
    pub(crate) grad: Option<Vec<Ident>>,
    seen: Vec<Key>,
}

/// The index that a reduction runs over, numbered as the axes of the M x N matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// `axis = 0`: over i, one row of the result for each j.
    I,
    /// `axis = 1`: over j, one row of the result for each i.
    J,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Reduction,
    Axis,
    Weights,
    Var,
    AssumeSymmetric,
    Grad,
}

impl Key {
    const ALL: [Self; 6] = [
        Self::Reduction,
        Self::Axis,
        Self::Weights,
        Self::Var,
        Self::AssumeSymmetric,
        Self::Grad,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Reduction => "reduction",
            Self::Axis => "axis",
            Self::Weights => "weights",
            Self::Var => "var",
            Self::AssumeSymmetric => "assume_symmetric",
            Self::Grad => "grad",
        }
    }

    fn from_name(name: &Ident) -> Option<Self> {
        Self::ALL.into_iter().find(|key| name == key.name())
    }
}

/// KeOps' names of options, and what stands for them.
const RENAMED: &[(&str, &str)] = &[
    ("reduction_op", "`reduction = Sum`"),
    ("formula2", "`weights = \"..\"`"),
    ("varinvalias", "`var = b`"),
    (
        "aliases",
        "a list of variables behind the formula, `x = Vi(3), y = Vj(3)`,",
    ),
    ("dtype", "the type of the arrays"),
];

/// What is no option of a macro but of its calls, here or in KeOps, and how it is said.
const OF_CALLS: &[(&[&str], &str)] = &[
    (&["backend", "device_id"], ".backend(Backend::Cuda(0))"),
    (
        &["accumulate", "dtype_acc", "use_double_acc"],
        ".accumulate(Accumulate::F64)",
    ),
    (&["sum_scheme"], ".sum_scheme(SumScheme::Kahan)"),
    (&["ranges"], ".ranges(&ranges)"),
];

/// The same of solves.
const OF_SOLVES: &[(&[&str], &str)] = &[
    (&["alpha"], ".alpha(0.1)"),
    (&["eps", "tolerance", "tol"], ".eps(1e-6)"),
    (&["max_iterations", "maxiter"], ".max_iterations(1000)"),
    (&["preconditioner"], ".preconditioner(Preconditioner::Auto)"),
];

impl Macro {
    /// How it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Genred => "genred!",
            Self::KernelSolve => "kernel_solve!",
            Self::Lazy => "lazy!",
        }
    }

    const fn options(self) -> &'static [Key] {
        match self {
            Self::Genred => &[Key::Reduction, Key::Axis, Key::Weights, Key::Grad],
            Self::KernelSolve => &[Key::Var, Key::Axis, Key::AssumeSymmetric, Key::Grad],
            Self::Lazy => &[Key::AssumeSymmetric],
        }
    }
}

/// Whether `key`, with what follows it, is meant as an option. A variable may have any name, an option's too, so `axis = Vi(3)`
/// declares one.
pub(super) fn is_option(key: &Ident, input: ParseStream<'_>) -> bool {
    match Value::peek(input) {
        Value::Category => false,
        Value::Call => closest(&key.unraw().to_string(), Key::ALL.map(Key::name)).is_some(),
        Value::Other => true,
    }
}

impl Options {
    /// The option `key`, which has been read already.
    pub(super) fn parse(
        &mut self,
        called: Macro,
        key: &Ident,
        input: ParseStream<'_>,
    ) -> syn::Result<()> {
        let list = |keys: &[Key]| {
            keys.iter()
                .map(|key| format!("`{}`", key.name()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (macro_name, allowed) = (called.name(), called.options());
        let Some(option) = Key::from_name(key) else {
            let word = key.unraw().to_string();
            let of_calls = match called {
                Macro::Genred => [OF_CALLS, &[]],
                _ => [OF_CALLS, OF_SOLVES],
            };
            let of_call = of_calls
                .into_iter()
                .flatten()
                .find(|(names, _)| names.contains(&&*word));
            let renamed = RENAMED.iter().find(|(name, _)| *name == word);
            let help = if let Some((_, here)) = renamed {
                format!("KeOps' `{word}` is {here} here")
            } else if let Some((_, method)) = of_call {
                format!("this is said at each call, behind `bind(..)`: `{method}`")
            } else if let Some(name) = closest(&word, Key::ALL.map(Key::name)) {
                format!("did you mean `{name}`?")
            } else {
                format!("the options of `{macro_name}` are {}", list(allowed))
            };
            let message = format!("unknown option `{key}`\n  help: {help}");
            return Err(syn::Error::new(key.span(), message));
        };
        if !allowed.contains(&option) {
            let help = match option {
                Key::Grad => {
                    "a reduction of a symbolic matrix has gradients when it is written as `genred!`, \
                     a solve as `kernel_solve!`"
                        .to_owned()
                }
                _ => format!("it has {}", list(allowed)),
            };
            let message = format!("`{macro_name}` has no option `{key}`\n  help: {help}");
            return Err(syn::Error::new(key.span(), message));
        }
        if self.seen.contains(&option) {
            return Err(syn::Error::new(
                key.span(),
                format!("`{key}` is given twice"),
            ));
        }
        self.seen.push(option);

        if option == Key::AssumeSymmetric {
            if input.peek(Token![=]) {
                return Err(input.error("`assume_symmetric` takes no value"));
            }
            self.assume_symmetric = Some(key.span());
            return Ok(());
        }
        if !input.peek(Token![=]) {
            let message = format!("expected `{key} = ...`");
            return Err(syn::Error::new(key.span(), message));
        }
        input.parse::<Token![=]>()?;
        match option {
            Key::Reduction => self.reduction = Some(reduction(input)?),
            Key::Axis => self.axis = Some(axis(input)?),
            Key::Weights => self.weights = Some(FormulaTokens::parse_further(input)?),
            Key::Var => self.variable = Some(name(input)?),
            Key::Grad => self.grad = Some(names(input)?),
            Key::AssumeSymmetric => {}
        }
        Ok(())
    }
}

fn name(input: ParseStream<'_>) -> syn::Result<Ident> {
    input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), "expected the name of a variable"))
}

/// `[x, b]`
fn names(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    if !input.peek(syn::token::Bracket) {
        return Err(input.error("expected a list of variables: `grad = [x, b]`"));
    }
    let list;
    let brackets = bracketed!(list in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&list, name)?;
    if names.is_empty() {
        let message = "expected a list of variables: `grad = [x, b]`";
        return Err(syn::Error::new(brackets.span.join(), message));
    }
    for (index, name) in names.iter().enumerate() {
        if names
            .iter()
            .take(index)
            .any(|before| before.unraw() == name.unraw())
        {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` is named twice"),
            ));
        }
    }
    Ok(names.into_iter().collect())
}

/// `0` or `1`
fn axis(input: ParseStream<'_>) -> syn::Result<(Axis, Span)> {
    let (axis, span) = integer(input, "the axis")?;
    match axis {
        0 => Ok((Axis::I, span)),
        1 => Ok((Axis::J, span)),
        _ => {
            let message = "expected `axis = 1`, which reduces over j and gives one row per i, or `axis = 0`, \
                           the reverse";
            Err(syn::Error::new(span, message))
        }
    }
}

/// `Sum` or `KMin(3)`
fn reduction(input: ParseStream<'_>) -> syn::Result<(Reduction, Span)> {
    let word: Ident = input.parse().map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected the name of a reduction: `reduction = Sum`",
        )
    })?;
    let Some(reduction) = Reduction::ALL
        .into_iter()
        .find(|known| word == known.name())
    else {
        let names = Reduction::ALL.map(Reduction::name);
        let help = match closest(&word.to_string(), names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the reductions are {}", names.join(", ")),
        };
        let message = format!("unknown reduction `{word}`\n  help: {help}");
        return Err(syn::Error::new(word.span(), message));
    };
    let counts = reduction.count().is_some();
    if counts != input.peek(syn::token::Paren) {
        let message = match counts {
            true => format!("`{word}` needs a number of values: `{word}(3)`"),
            false => format!("`{word}` takes no argument"),
        };
        return Err(syn::Error::new(word.span(), message));
    }
    if !counts {
        return Ok((reduction, word.span()));
    }
    let argument;
    parenthesized!(argument in input);
    let (count, span) = integer(&argument, "the number of values")?;
    if count == 0 {
        return Err(syn::Error::new(
            span,
            "the number of values must be at least 1",
        ));
    }
    if !argument.is_empty() {
        return Err(argument.error(format!("`{word}` takes one number")));
    }
    Ok((reduction.with_count(count), word.span()))
}

//! From a macro call to its expansion.

mod batch;
mod definition;
mod factor;
mod gradients;

use keops_compiler::error::{Error, Subject};
use keops_compiler::formula::{Evidence, Formula as Compiled, Shape};
use keops_compiler::reduction::Reduction;
use keops_compiler::source::Span as FormulaSpan;
use keops_compiler::stages::Program;
use keops_compiler::symmetry::{Exchange, Symmetry};
use keops_compiler::{alias, emit};
use keops_compiler::{differential, ops};
use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::closure::{Captures, Operations};
use crate::input::{Axis, Formula, Input, Macro};
use definition::{Bind, Definition};
use factor::Factor;
use gradients::Gradients;

/// The expansion of a call of `called`; in place of errors, calls of `compile_error!`.
pub(crate) fn expand(called: Macro, tokens: TokenStream) -> TokenStream {
    let expansion = Input::parse(called, tokens).and_then(|input| match called {
        Macro::Genred => genred(&input),
        Macro::KernelSolve => kernel_solve(&input),
        Macro::Lazy => lazy(&input),
    });
    expansion.unwrap_or_else(|error| error.to_compile_error())
}

/// The operation table, as closures see it.
struct Table;

impl Operations for Table {
    fn find(&self, name: &str) -> Option<&'static str> {
        let operation = ops::find_method(name).map(|op| op.name);
        operation.or_else(|| Some(differential::find_method(name)?.name))
    }

    fn method_names(&self) -> Vec<String> {
        let constructs = differential::all().iter();
        let constructs = constructs.map(|construct| construct.method.to_owned());
        ops::method_names().chain(constructs).collect()
    }
}

/// What all macros begin with: the formula as written, its aliases and its captured scalars.
struct Source {
    formula: Formula,
    aliases: Vec<alias::Alias>,
    captures: Captures,
    /// The weights of the terms, for the reductions that have them.
    weights: Option<Formula>,
}

impl Source {
    fn read(input: &Input) -> syn::Result<Source> {
        let mut captures = Captures::default();
        let formula = input.read_formula(&mut captures, &Table)?;
        let weights = input.read_weights(&mut captures, &Table)?;
        if let (Some(head), Some(captured)) = (&input.head, captures.exprs().first()) {
            let message = format!(
                "`{captured}` is not a parameter, and `{}` is an item: there is no scope to capture it from; \
                 declare it as `Pm(1)`",
                head.name
            );
            return Err(syn::Error::new_spanned(captured, message));
        }
        let aliases = input
            .aliases
            .iter()
            .map(|alias| alias.to_compiler())
            .collect();
        Ok(Source {
            formula,
            aliases,
            captures,
            weights,
        })
    }

    /// The names of the captured scalars, which no alias can have.
    fn captured_names(&self) -> Vec<String> {
        self.captures
            .exprs()
            .iter()
            .map(|tokens| format!("{{{tokens}}}"))
            .collect()
    }

    /// Compiles the formula, and completes the aliases with the variables that it declares itself.
    fn compile(&mut self) -> syn::Result<Compiled> {
        let compiled = Compiled::new(&self.formula.tree, &self.aliases, &self.captured_names())
            .map_err(|error| self.formula.locate(&error))?;
        self.check_size(&compiled.program())?;
        self.declare(&compiled);
        Ok(compiled)
    }

    /// Refuses what would keep the compiler busy without end.
    fn check_size(&self, program: &Program) -> syn::Result<()> {
        emit::check_size(program)
            .map_err(|message| self.formula.locate(&Error::new(self.span(), message)))
    }

    /// Adds the variables that a formula declares itself to the aliases.
    fn declare(&mut self, compiled: &Compiled) {
        let declared = compiled.aliases().iter().skip(self.aliases.len());
        self.aliases.extend(declared.map(|variable| alias::Alias {
            name: variable.name.clone(),
            category: variable.category,
            dim: variable.dim,
        }));
    }

    /// The formula, with its weights if it has any, as one whose first component is the exponent and whose others are
    /// the weights.
    fn compile_for(&mut self, reduction: Reduction) -> syn::Result<Compiled> {
        // By itself first, so that what is wrong afterwards is wrong with the weights.
        let formula = self.compile()?;
        let Some(weights) = &self.weights else {
            return Ok(formula);
        };
        if formula.dim() != 1 {
            let message = format!(
                "{} with weights needs a formula of dimension 1, and this one has dimension {}",
                reduction.name(),
                formula.dim()
            );
            return Err(self.formula.locate(&Error::new(self.span(), message)));
        }
        let captured = self.captured_names();
        let weighted =
            Compiled::with_weights(&self.formula.tree, &weights.tree, &self.aliases, &captured)
                .map_err(|error| weights.locate(&error))?;
        let weighted = match reduction {
            Reduction::LogSumExp => weighted.without_weightless_terms(),
            _ => weighted,
        };
        self.check_size(&weighted.program())?;
        self.declare(&weighted);
        Ok(weighted)
    }

    /// The gradients of a reduction of the formula, if they are asked for. That by the unknown of a system needs no formula.
    fn gradients(
        &self,
        input: &Input,
        compiled: &Compiled,
        reduction: Reduction,
        over_j: bool,
        unknown: Option<usize>,
    ) -> syn::Result<Option<Gradients>> {
        if input.options.grad.is_none() {
            return Ok(None);
        }
        let variables = input.differentiated()?;
        let known = variables.iter().copied();
        let known: Vec<usize> = known.filter(|&v| Some(v) != unknown).collect();
        let formulas = compiled
            .gradients(reduction, over_j, &known)
            .map_err(|message| self.formula.locate(&Error::new(self.span(), message)))?;
        for gradient in &formulas {
            self.check_size(&gradient.program)?;
        }
        Ok(Some(Gradients {
            variables,
            formulas,
            exchanged: Vec::new(),
        }))
    }

    /// The place of the formula as a whole.
    fn span(&self) -> FormulaSpan {
        self.formula.tree.span
    }
}

fn genred(input: &Input) -> syn::Result<TokenStream> {
    let mut source = Source::read(input)?;
    let Some((axis, _)) = input.options.axis else {
        return Err(syn::Error::new(
            Span::call_site(),
            "genred! needs an axis: `axis = 1` reduces over j and gives one row for each i, \
             `axis = 0` reduces over i and gives one row for each j",
        ));
    };
    let (reduction, at) = input
        .options
        .reduction
        .unwrap_or((Reduction::Sum, Span::call_site()));
    let operation = operation(reduction, source.weights.is_some())
        .map_err(|message| syn::Error::new(at, message))?;
    if let (Some(_), Some(instead)) = (&input.options.grad, reduction.with_values()) {
        let message = format!(
            "{} gives indices, which have no gradient\n  help: {} gives the values too, which have one",
            reduction.name(),
            instead.name()
        );
        return Err(syn::Error::new(at, message));
    }
    let compiled = source.compile_for(reduction)?;
    let gradients = source.gradients(input, &compiled, reduction, axis == Axis::J, None)?;
    let factor = match reduction {
        Reduction::Sum => Factor::of_sum(compiled.clone(), axis == Axis::J),
        _ => None,
    };
    let axis = match axis {
        Axis::I => 0,
        Axis::J => 1,
    };
    Ok(Definition {
        input,
        aliases: &source.aliases,
        captures: &source.captures,
        kernel: &compiled,
        text: compiled.text(),
        symmetry: None,
        factor,
        bind: Bind::Reduction {
            axis,
            operation,
            count: reduction.count(),
        },
        gradients,
    }
    .expand())
}

/// The name of a reduction, with weights or without, in the runtime.
fn operation(reduction: Reduction, weighted: bool) -> Result<&'static str, String> {
    match (reduction, weighted) {
        (Reduction::SumSoftMaxWeight, true) => Ok(reduction.name()),
        (Reduction::SumSoftMaxWeight, false) => {
            Err("SumSoftMaxWeight needs weights: `weights = \"b\"`".to_owned())
        }
        (Reduction::LogSumExp, true) => Ok("WeightedLogSumExp"),
        (_, false) => Ok(reduction.name()),
        (_, true) => Err(format!(
            "{} has no weights; LogSumExp and SumSoftMaxWeight have",
            reduction.name()
        )),
    }
}

fn kernel_solve(input: &Input) -> syn::Result<TokenStream> {
    let mut source = Source::read(input)?;
    let compiled = source.compile()?;
    let whole = compiled.clone();
    let text = compiled.text().to_owned();
    let variable = input.options.variable.as_ref();
    let name = variable.map(ToString::to_string);
    let evidence = match input.options.assume_symmetric {
        Some(_) => Evidence::Assumption,
        None => Evidence::Samples,
    };
    let unknown = name.as_deref();
    let solve = compiled
        .solve(unknown, evidence, source.span())
        .map_err(|error| {
            // An error about the option `var` belongs to the option.
            match variable {
                Some(variable) if error.subject() == Subject::Unknown => {
                    let help = error
                        .help_text()
                        .map(|help| format!("\nhelp: {help}"))
                        .unwrap_or_default();
                    syn::Error::new(variable.span(), format!("{}{help}", error.message()))
                }
                _ => source.formula.locate(&error),
            }
        })?;
    let axis = usize::from(solve.over_j);
    if let Some((written, at)) = input.options.axis
        && (written == Axis::J) != solve.over_j
    {
        let unknown = &source.aliases[solve.unknown];
        let (name, category) = (&unknown.name, unknown.category);
        let message = format!(
            "the unknown `{name}` is {category}, so that the sum runs over its index: expected `axis = {axis}`, \
             or no axis at all"
        );
        return Err(syn::Error::new(at, message));
    }
    let (sum, unknown) = (Reduction::Sum, Some(solve.unknown));
    let mut gradients = source.gradients(input, &whole, sum, solve.over_j, unknown)?;
    if let Some(gradients) = &mut gradients {
        gradients.for_both_sides(&source.aliases, solve.unknown, &solve.symmetry);
    }
    Ok(Definition {
        input,
        aliases: &source.aliases,
        captures: &source.captures,
        kernel: &solve.kernel,
        text: &text,
        symmetry: Some(&solve.symmetry),
        factor: None,
        bind: Bind::System {
            axis,
            unknown: solve.unknown,
            matrix: solve.shape == Shape::Matrix,
        },
        gradients,
    }
    .expand())
}

fn lazy(input: &Input) -> syn::Result<TokenStream> {
    let mut source = Source::read(input)?;
    let mut compiled = source.compile()?;
    let symmetry = compiled.symmetry();
    let symmetry = match symmetry {
        _ if input.options.assume_symmetric.is_some() => Some(Exchange::default()),
        Symmetry::Symmetric(exchange) => Some(exchange),
        Symmetry::Asymmetric(_) => None,
    };
    Ok(Definition {
        input,
        aliases: &source.aliases,
        captures: &source.captures,
        kernel: &compiled,
        text: compiled.text(),
        symmetry: symmetry.as_ref(),
        factor: None,
        bind: Bind::Matrix,
        gradients: None,
    }
    .expand())
}

/// `quote!` of a path into the runtime.
fn runtime(input: &Input) -> TokenStream {
    let root = &input.root;
    quote!(#root::__private)
}

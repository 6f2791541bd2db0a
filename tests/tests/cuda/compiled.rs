//! Formulas as the macros compile them for CUDA, without macros: hundreds of kernels, of which only the text is needed.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;
use keops_compiler::scalar::{Inputs, interpret_stage};
use keops_compiler::stages::Program;
use keops_compiler::{Formula, emit};
use keops_solve::__private::cuda::source::{
    self, Adding, Outcome, Reduction, Scheme, Side, Type, assemble,
};
use keops_tests::case::Case;

/// A formula, compiled.
pub(crate) struct Compiled {
    text: String,
    code: String,
    pub(crate) program: Program,
    /// Category and dimension of the variables.
    pub(crate) variables: Vec<(Category, usize)>,
    pub(crate) axis: usize,
    pub(crate) weights: usize,
}

impl Compiled {
    pub(crate) fn new(
        formula: &str,
        weights: Option<&str>,
        aliases: &[Alias],
        axis: usize,
    ) -> Self {
        let tree = parse(formula).expect("a formula");
        let compiled = match weights {
            None => Formula::new(&tree, aliases, &[]),
            Some(weights) => {
                let weights = parse(weights).expect("a formula");
                Formula::with_weights(&tree, &weights, aliases, &[])
            }
        }
        .expect("a formula that fits its variables");
        let program = compiled.program();
        let variables = compiled.aliases().iter();
        Self {
            text: compiled.text().to_owned(),
            code: emit::cuda_functions(&program),
            variables: variables
                .map(|variable| (variable.category, variable.dim))
                .collect(),
            program,
            axis,
            weights: 0,
        }
    }

    /// The same formula, multiplied with so many vectors.
    pub(crate) fn times(self, weights: usize) -> Self {
        Self { weights, ..self }
    }

    /// Raw components of a category.
    pub(crate) fn raw(&self, category: Category) -> usize {
        let of_category = self.variables.iter().filter(|(c, _)| *c == category);
        of_category.map(|(_, dim)| dim).sum()
    }

    /// The categories of rows and columns.
    pub(crate) fn sides(&self) -> [Category; 2] {
        if self.axis == 1 {
            [Category::I, Category::J]
        } else {
            [Category::J, Category::I]
        }
    }

    pub(crate) fn formula(&self) -> source::Formula<'_> {
        let [params, i, j] = self.program.features;
        let [row, column] = self.sides().map(|category| Side {
            raw: self.raw(category),
            features: if category == Category::I { i } else { j },
        });
        source::Formula {
            text: &self.text,
            code: &self.code,
            rows_are_i: self.axis == 1,
            params,
            row,
            column,
            components: self.program.dim,
            weights: self.weights,
            live: emit::live(&self.program.pair),
        }
    }

    /// The features of the parameters.
    pub(crate) fn params(&self, raw: &[f64]) -> Vec<f64> {
        let inputs = Inputs {
            params: raw.to_vec(),
            ..Inputs::default()
        };
        interpret_stage(&self.program.params, &inputs, [&[], &[], &[]])
    }

    pub(crate) fn source(&self, reduction: Reduction, t: Type) -> String {
        assemble(&self.formula(), reduction, t, t)
    }
}

/// The formula of a reference case.
pub(crate) fn of_case(case: &Case) -> Compiled {
    let aliases: Vec<Alias> = case
        .aliases
        .iter()
        .map(|alias| Alias {
            name: alias.name.clone(),
            category: Category::from_name(&alias.category).expect("a category"),
            dim: alias.dim,
        })
        .collect();
    Compiled::new(&case.formula, case.weights.as_deref(), &aliases, case.axis)
}

/// The reduction of a reference case.
pub(crate) fn reduction(case: &Case, adding: Adding) -> Reduction {
    let extreme = |greatest, indexed| Reduction::Extreme { greatest, indexed };
    match (&*case.reduction.replace('_', ""), &case.weights) {
        ("Sum", _) => Reduction::Sum(adding),
        ("LogSumExp", None) => Reduction::LogSumExp(adding, Outcome::Logarithms),
        ("LogSumExp", Some(_)) => Reduction::LogSumExp(adding, Outcome::WeightedLogarithms),
        ("SumSoftMaxWeight", _) => Reduction::LogSumExp(adding, Outcome::Means),
        ("Min", _) => extreme(false, false),
        ("Max", _) => extreme(true, false),
        ("ArgMin" | "MinArgMin", _) => extreme(false, true),
        ("ArgMax" | "MaxArgMax", _) => extreme(true, true),
        ("KMin" | "ArgKMin" | "KMinArgKMin", _) => Reduction::Smallest,
        (other, _) => panic!("{other} is no reduction"),
    }
}

/// Blocks in the type of the terms.
pub(crate) fn blocks(t: Type) -> Adding {
    Adding {
        scheme: Scheme::Blocks,
        accumulator: t,
    }
}

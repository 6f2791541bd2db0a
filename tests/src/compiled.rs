//! Formulas as the macros compile them for CUDA, without macros: hundreds of kernels, of which only the text is needed.

use crate::case::Case;
use crate::conformance::{Part, Precision, compare};
use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;
use keops_compiler::scalar::{Inputs, interpret_stage};
use keops_compiler::stages::Program;
use keops_compiler::{Formula, emit};
use keops_solve::__private::cuda::recipe::{
    self, Adding, Outcome, Pairs, Recipe, Reduction, Scheme, Side, Type,
};

/// A formula, compiled.
pub struct Compiled {
    text: String,
    code: String,
    /// The formula in core instructions.
    pub program: Program,
    /// Category and dimension of the variables.
    pub variables: Vec<(Category, usize)>,
    /// The axis that is reduced.
    pub axis: usize,
    /// Vectors that the formula is multiplied with.
    pub weights: usize,
}

impl Compiled {
    /// Compiles a formula, with weights if it has any.
    ///
    /// # Panics
    /// If there is anything wrong with it.
    pub fn new(formula: &str, weights: Option<&str>, aliases: &[Alias], axis: usize) -> Self {
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
    pub fn times(self, weights: usize) -> Self {
        Self { weights, ..self }
    }

    /// Raw components of a category.
    pub fn raw(&self, category: Category) -> usize {
        let of_category = self.variables.iter().filter(|(c, _)| *c == category);
        of_category.map(|(_, dim)| dim).sum()
    }

    /// The categories of rows and columns.
    pub fn sides(&self) -> [Category; 2] {
        if self.axis == 1 {
            [Category::I, Category::J]
        } else {
            [Category::J, Category::I]
        }
    }

    /// The formula as the runtime takes it.
    pub fn formula(&self) -> recipe::Formula<'_> {
        let [params, i, j] = self.program.features;
        let [row, column] = self.sides().map(|category| Side {
            raw: self.raw(category),
            features: if category == Category::I { i } else { j },
        });
        recipe::Formula {
            text: &self.text,
            code: &self.code,
            rows_are_i: self.axis == 1,
            params,
            row,
            column,
            components: self.program.dim,
            weights: self.weights,
            live: emit::live(&self.program.pair),
            cost: self.program.pair.cost() + self.weights,
        }
    }

    /// The features of the parameters.
    pub fn params(&self, raw: &[f64]) -> Vec<f64> {
        let inputs = Inputs {
            params: raw.to_vec(),
            ..Inputs::default()
        };
        interpret_stage(&self.program.params, &inputs, [&[], &[], &[]])
    }

    /// What a kernel is made of, for a reduction in type `t`.
    pub fn recipe(&self, reduction: Reduction, pairs: Pairs, t: Type) -> Recipe<'_> {
        Recipe {
            formula: self.formula(),
            reduction,
            pairs,
            t,
            out: t,
        }
    }
}

/// The formula of a reference case.
///
/// # Panics
/// If the case is not well-formed.
pub fn of_case(case: &Case) -> Compiled {
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
///
/// # Panics
/// If there is no such reduction.
pub fn reduction(case: &Case, adding: Adding) -> Reduction {
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
pub fn blocks(t: Type) -> Adding {
    Adding {
        scheme: Scheme::Blocks,
        accumulator: t,
    }
}

/// The arrays of a reference case.
pub struct Arrays {
    /// Raw parameters.
    pub params: Vec<f64>,
    /// Raw components, row after row.
    pub rows: Vec<f64>,
    /// Raw components, column after column.
    pub columns: Vec<f64>,
    /// Number of rows.
    pub row_count: usize,
    /// Number of columns.
    pub column_count: usize,
}

/// The arrays of a reference case.
pub fn arrays(case: &Case) -> Arrays {
    let side = |category: &str| -> (Vec<f64>, usize) {
        let variables = case.aliases.iter().zip(&case.inputs);
        let arrays: Vec<(&[f64], usize)> = variables
            .filter(|(alias, _)| alias.category == category)
            .map(|(alias, input)| (&input[..], alias.dim))
            .collect();
        let count = arrays.first().map_or(1, |(a, dim)| a.len() / dim);
        let point = |i: usize| {
            let parts = arrays
                .iter()
                .map(move |(a, dim)| &a[i * dim..(i + 1) * dim]);
            parts.flatten().copied()
        };
        ((0..count).flat_map(point).collect(), count)
    };
    let (i, j) = (side("Vi"), side("Vj"));
    let (rows, columns) = if case.axis == 1 { (i, j) } else { (j, i) };
    Arrays {
        params: side("Pm").0,
        row_count: rows.1,
        column_count: columns.1,
        rows: rows.0,
        columns: columns.0,
    }
}

/// Checks what a kernel computed of a reference case.
///
/// # Panics
/// If it is not the result of the case.
pub fn check(case: &Case, t: Type, values: Vec<f64>, indices: Vec<f64>, what: &str) {
    let tolerance = match t {
        Type::Single => f32::TOLERANCE,
        Type::Double => f64::TOLERANCE,
    };
    let (values, indices) = ((values, tolerance), (indices, 0.0));
    let parts = match &*case.reduction.replace('_', "") {
        "ArgMin" | "ArgMax" | "ArgKMin" => vec![indices],
        "MinArgMin" | "MaxArgMax" | "KMinArgKMin" => vec![values, indices],
        _ => vec![values],
    };
    assert_eq!(parts.len(), case.outputs.len(), "{what}");
    for ((values, tolerance), expected) in parts.into_iter().zip(&case.outputs) {
        assert_eq!(values.len(), expected.values.len(), "{what}");
        let part = Part {
            shape: expected.shape.clone(),
            values,
            tolerance,
        };
        compare(&part, expected, what);
    }
}

//! The reference cases: formulas with their inputs, and what PyKeOps 2.3 computes from them in double precision.
//!
//! The build script reads them too, to write a test for each; it compiles this file as a module of its own.

use serde::Deserialize;

/// A formula, a reduction, arrays, and the result.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Unique.
    pub name: String,
    /// In KeOps' language.
    pub formula: String,
    /// The variables, in the order of `inputs`.
    pub aliases: Vec<Alias>,
    /// KeOps' name of the reduction.
    pub reduction: String,
    /// The axis that is reduced.
    pub axis: usize,
    /// How many values, for the reductions that keep several.
    pub k: Option<usize>,
    /// KeOps' `formula2`.
    pub weights: Option<String>,
    /// For each variable all its numbers, row after row.
    pub inputs: Vec<Vec<f64>>,
    /// One array, or two for the reductions that return values and indices.
    pub outputs: Vec<Output>,
}

/// A variable.
#[derive(Clone, Debug, Deserialize)]
pub struct Alias {
    /// The name in the formula.
    pub name: String,
    /// `Vi`, `Vj` or `Pm`.
    #[serde(rename = "cat")]
    pub category: String,
    /// The number of components.
    pub dim: usize,
}

/// A result; indices are stored as numbers.
#[derive(Clone, Debug, Deserialize)]
pub struct Output {
    /// The lengths of the axes.
    pub shape: Vec<usize>,
    /// The numbers, row after row.
    pub values: Vec<f64>,
}

/// All cases in the text of the file `data/cases.json`.
///
/// # Errors
/// If the text is not what this module describes.
pub fn parse(text: &str) -> Result<Vec<Case>, serde_json::Error> {
    serde_json::from_str(text)
}

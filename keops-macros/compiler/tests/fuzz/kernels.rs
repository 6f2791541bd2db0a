//! Random formulas with their values by definition, for the package `keops-tests`, which compiles kernels of them.

use std::collections::BTreeSet;

use keops_compiler::alias::Category;
use keops_compiler::ast::{Expr, ExprKind};
use keops_compiler::parse::parse;
use keops_compiler::{differential, ops};
use serde::{Deserialize, Serialize};

use crate::compare::{Expectation, Trial};
use crate::generate::{Generator, VARIABLES};
use crate::random::Random;
use crate::reference::Values;
use crate::tree::{called, order, parts};

const GOLDEN: &str = "../../tests/data/random.json";

/// The numbers of points i and j.
const ROWS: [usize; 2] = [5, 3];

/// The largest error that may be expected of a sum, relative to the largest one: a tenth of what kernels are granted.
const LARGEST_ERROR: f64 = 1e-11;

/// The largest number of instructions of a formula, as kernels take long to compile.
const LARGEST_COST: usize = 400;

/// A reference case, as `keops-tests` reads them.
#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    formula: String,
    aliases: Vec<Variable>,
    reduction: String,
    axis: usize,
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Output>,
}

#[derive(Serialize, Deserialize)]
struct Variable {
    name: String,
    cat: String,
    dim: usize,
}

#[derive(Serialize, Deserialize)]
struct Output {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Case {
    /// `None` if the values depend on roundings too much, are the same everywhere, or take too much code.
    fn new(number: usize, formula: &Expr, random: &mut Random) -> Option<Case> {
        let trial = Trial::new(formula.clone())?;
        if trial.cost() > LARGEST_COST || order(formula) > 2 {
            return None;
        }
        let used: BTreeSet<&str> = parts(formula).into_iter().filter_map(variable).collect();
        let variables = VARIABLES.iter().filter(|(name, ..)| used.contains(name));
        let uses = |category| variables.clone().any(|variable| variable.1 == category);
        // They say how many points there are.
        if !uses(Category::I) || !uses(Category::J) {
            return None;
        }
        let (mut aliases, mut inputs) = (Vec::new(), Vec::new());
        for &(name, category, dim) in variables {
            let rows = ROWS.get(category as usize).copied().unwrap_or(1);
            // Decimals of few digits, which every reader takes for the same numbers.
            let mut number = || (13 + random.below(45)) as f64 / 64.0;
            inputs.push((0..rows * dim).map(|_| number()).collect());
            aliases.push(Variable {
                name: name.to_owned(),
                cat: category.name().to_owned(),
                dim,
            });
        }
        let mut case = Case {
            name: format!("random_{number}"),
            formula: formula.to_string(),
            aliases,
            reduction: "Sum".to_owned(),
            axis: 1,
            inputs,
            outputs: Vec::new(),
        };
        let (values, error) = case.sums(formula, random)?;
        let varied = values.iter().any(|value| *value != values[0]);
        let shape = vec![ROWS[0], values.len() / ROWS[0]];
        case.outputs = vec![Output { shape, values }];
        (varied && error <= LARGEST_ERROR).then_some(case)
    }

    /// The values of all variables at a pair of points.
    fn at(&self, rows: [usize; 2]) -> Values {
        let mut values = Values::new();
        for (alias, input) in self.aliases.iter().zip(&self.inputs) {
            let row = match alias.cat.as_str() {
                "Vi" => rows[0],
                "Vj" => rows[1],
                _ => 0,
            };
            let value = input[row * alias.dim..][..alias.dim].to_vec();
            values.insert(alias.name.clone(), value);
        }
        values
    }

    /// The sums over j by definition, and by how much others may differ relative to the largest; `None` where nothing is known.
    fn sums(&self, formula: &Expr, random: &mut Random) -> Option<(Vec<f64>, f64)> {
        let (mut sums, mut errors) = (Vec::new(), Vec::new());
        for i in 0..ROWS[0] {
            let mut row: Vec<[f64; 2]> = Vec::new();
            for j in 0..ROWS[1] {
                let values = self.at([i, j]);
                let expectation = Expectation::new(formula, &values, random);
                let terms: Option<Vec<[f64; 2]>> = expectation.bounded().collect();
                let terms = terms?;
                row.resize(terms.len(), [0.0; 2]);
                for (sum, term) in row.iter_mut().zip(terms) {
                    *sum = [sum[0] + term[0], sum[1] + term[1]];
                }
            }
            sums.extend(row.iter().map(|sum| sum[0]));
            errors.extend(row.iter().map(|sum| sum[1]));
        }
        let error = largest(&errors) / largest(&sums);
        Some((sums, error))
    }
}

fn largest(numbers: &[f64]) -> f64 {
    let sizes = numbers.iter().map(|x| x.abs());
    sizes.fold(0.0, f64::max)
}

fn variable(formula: &Expr) -> Option<&str> {
    match &formula.kind {
        ExprKind::Name(name) => Some(name),
        _ => None,
    }
}

/// Every operation and construct in as few formulas as chance finds.
fn cases() -> Vec<Case> {
    let mut random = Random(20);
    let mut missing = all();
    let mut cases = Vec::new();
    while !missing.is_empty() {
        let height = 3 + random.below(3);
        let formula = Generator::new(&mut random).formula(height, 2);
        let names: BTreeSet<&str> = parts(&formula).into_iter().filter_map(called).collect();
        // Fewer formulas, if each brings several.
        let new = missing.intersection(&names).count();
        if new < missing.len().div_ceil(40) {
            continue;
        }
        if let Some(case) = Case::new(cases.len(), &formula, &mut random) {
            missing.retain(|name| !names.contains(name));
            cases.push(case);
        }
    }
    cases
}

fn all() -> BTreeSet<&'static str> {
    let operations = ops::all().map(|op| op.name);
    let constructs = differential::all().iter().map(|construct| construct.name);
    operations.chain(constructs).collect()
}

/// With `UPDATE_GOLDEN=1` in the environment the file is written instead.
#[test]
fn formulas_of_kernels_have_their_values_by_definition() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: Vec<String> = cases()
            .iter()
            .map(|case| serde_json::to_string(case).expect("no maps"))
            .collect();
        std::fs::write(GOLDEN, format!("[\n{}\n]\n", lines.join(",\n"))).expect("a writable file");
    }
    let text = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let cases: Vec<Case> = serde_json::from_str(&text).expect("well-formed cases");
    let mut missing = all();
    let mut random = Random(1);
    for case in &cases {
        let formula = parse(&case.formula).expect("a well-formed formula");
        for name in parts(&formula).into_iter().filter_map(called) {
            missing.remove(name);
        }
        let (sums, _) = case
            .sums(&formula, &mut random)
            .unwrap_or_else(|| panic!("{} is ill-conditioned", case.formula));
        let bound = LARGEST_ERROR * largest(&sums);
        let values = &case.outputs[0].values;
        let close = |(ours, theirs): (&f64, &f64)| (ours - theirs).abs() <= bound;
        assert!(
            values.iter().zip(&sums).all(close),
            "{}: {values:?} and not {sums:?}",
            case.formula
        );
    }
    assert!(
        missing.is_empty(),
        "no formula has {missing:?}; run `UPDATE_GOLDEN=1 cargo test -p keops-compiler --test fuzz kernels`"
    );
}

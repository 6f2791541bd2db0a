//! The operation table against PyKeOps: every reference case that sums is evaluated by the interpreter, straight from
//! the lowered formula and again after the split into stages would have to agree with it.

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;
use keops_compiler::scalar::{Inputs, interpret};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    formula: String,
    aliases: Vec<CaseAlias>,
    reduction: String,
    axis: usize,
    #[serde(rename = "M")]
    rows: usize,
    #[serde(rename = "N")]
    columns: usize,
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct CaseAlias {
    name: String,
    cat: String,
    dim: usize,
}

#[derive(Deserialize)]
struct Output {
    values: Vec<f64>,
}

#[test]
fn sums_agree_with_pykeops() {
    let text = std::fs::read_to_string("../../tests/data/cases.json").expect("the reference cases");
    let cases: Vec<Case> = serde_json::from_str(&text).expect("well-formed reference cases");
    let mut compared = 0;
    let mut unknown = Vec::new();
    for case in cases.iter().filter(|case| case.reduction == "Sum") {
        let aliases: Vec<Alias> = case
            .aliases
            .iter()
            .map(|alias| Alias {
                name: alias.name.clone(),
                category: Category::from_name(&alias.cat).expect("a category"),
                dim: alias.dim,
            })
            .collect();
        let tree = parse(&case.formula)
            .unwrap_or_else(|e| panic!("{}: {}", case.name, e.render(&case.formula)));
        let formula = match Formula::new(&tree, &aliases, &[]) {
            Ok(formula) => formula,
            Err(error) if error.message().starts_with("unknown operation `") => {
                unknown.push(error.message().to_owned());
                continue;
            }
            Err(error) => panic!("{}: {}", case.name, error.render(&case.formula)),
        };
        let graph = formula.graph();
        let expected = &case.outputs[0].values;
        let dim = formula.dim();
        let mut sums = vec![0.0; expected.len()];
        for i in 0..case.rows {
            for j in 0..case.columns {
                let mut inputs = Inputs::default();
                for (alias, values) in aliases.iter().zip(&case.inputs) {
                    let (row, to) = match alias.category {
                        Category::I => (i, &mut inputs.i),
                        Category::J => (j, &mut inputs.j),
                        Category::Param => (0, &mut inputs.params),
                    };
                    to.extend(&values[row * alias.dim..(row + 1) * alias.dim]);
                }
                let row = if case.axis == 1 { i } else { j };
                for (k, value) in interpret(&graph, &inputs).into_iter().enumerate() {
                    sums[row * dim + k] += value;
                }
            }
        }
        let scale = expected
            .iter()
            .fold(0.0f64, |scale, x| scale.max(x.abs()))
            .max(1e-300);
        for (k, (ours, theirs)) in sums.iter().zip(expected).enumerate() {
            let error = (ours - theirs).abs() / scale;
            assert!(
                error < 1e-10,
                "{} = {}: component {k} is {ours}, PyKeOps says {theirs}",
                case.name,
                case.formula
            );
        }
        compared += 1;
    }
    unknown.sort();
    unknown.dedup();
    println!("{compared} cases compared; {unknown:?}");
    assert!(compared > 100);
}

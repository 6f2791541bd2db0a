//! The split into stages and the fusion of multiply-adds do not change what a formula computes.

mod common;

use common::compile;
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
    inputs: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct CaseAlias {
    name: String,
    cat: String,
    dim: usize,
}

fn alias(name: &str, category: Category, dim: usize) -> Alias {
    Alias {
        name: name.to_owned(),
        category,
        dim,
    }
}

/// The first rows of arrays, as inputs of one pair.
fn first_rows(aliases: &[Alias], arrays: &[Vec<f64>]) -> Inputs {
    let mut inputs = Inputs::default();
    for (alias, values) in aliases.iter().zip(arrays) {
        let to = match alias.category {
            Category::I => &mut inputs.i,
            Category::J => &mut inputs.j,
            Category::Param => &mut inputs.params,
        };
        to.extend(&values[..alias.dim]);
    }
    inputs
}

fn assert_close(ours: &[f64], expected: &[f64], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(1e-300f64, |largest, x| largest.max(x.abs()));
    for (k, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        let close = ours == expected
            || (ours - expected).abs() < 1e-11 * largest
            || ours.is_nan() && expected.is_nan();
        assert!(close, "{what}: component {k} is {ours} and not {expected}");
    }
}

#[test]
fn the_reference_formulas_keep_their_values() {
    let text = std::fs::read_to_string("../../tests/data/cases.json").expect("the reference cases");
    let cases: Vec<Case> = serde_json::from_str(&text).expect("well-formed reference cases");
    for case in &cases {
        let category = |alias: &CaseAlias| Category::from_name(&alias.cat).expect("a category");
        let aliases: Vec<Alias> = case
            .aliases
            .iter()
            .map(|a| alias(&a.name, category(a), a.dim))
            .collect();
        let formula = compile(&case.formula, &aliases);
        let inputs = first_rows(&aliases, &case.inputs);
        let (whole, staged) = (
            interpret(&formula.graph(), &inputs),
            formula.program().interpret(&inputs),
        );
        assert_eq!(whole.len(), formula.dim(), "{}", case.name);
        assert_close(&staged, &whole, &case.name);
    }
    assert!(cases.len() > 150);
}

/// A formula over vectors of one large dimension, and its components computed by hand.
type Large = (&'static str, fn(&[f64], &[f64], &[f64]) -> Vec<f64>);

const LARGE: &[Large] = &[
    ("Exp(-SqDist(x,y)/Sum(p))", |x, y, p| {
        let squares: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
        vec![(-squares / p.iter().sum::<f64>()).exp()]
    }),
    ("x*p - Abs(y)", |x, y, p| {
        (0..x.len()).map(|k| x[k] * p[k] - y[k].abs()).collect()
    }),
    ("Normalize(x-y)", |x, y, _| {
        let norm = x
            .iter()
            .zip(y)
            .map(|(x, y)| (x - y).powi(2))
            .sum::<f64>()
            .sqrt();
        x.iter().zip(y).map(|(x, y)| (x - y) / norm).collect()
    }),
    ("Concat(Max(x*y), ArgMin(x-p))", |x, y, p| {
        let largest = x
            .iter()
            .zip(y)
            .map(|(x, y)| x * y)
            .fold(f64::NEG_INFINITY, f64::max);
        let differences: Vec<f64> = x.iter().zip(p).map(|(x, p)| x - p).collect();
        let smallest = differences.iter().copied().fold(f64::INFINITY, f64::min);
        let at = differences.iter().position(|&d| d == smallest).unwrap_or(0);
        vec![largest, at as f64]
    }),
    ("Grad(Exp(-SqDist(x,y)/Sum(p)), x)", |x, y, p| {
        let scale: f64 = p.iter().sum();
        let squares: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
        let value = (-squares / scale).exp();
        x.iter()
            .zip(y)
            .map(|(x, y)| -2.0 * (x - y) / scale * value)
            .collect()
    }),
    ("Extract(Concat(x, y*p), 700, 100)", |x, y, p| {
        (700..800)
            .map(|k| {
                if k < x.len() {
                    x[k]
                } else {
                    y[k - x.len()] * p[k - x.len()]
                }
            })
            .collect()
    }),
    ("MatVecMult(TensorProd(x, p), y)", |x, y, p| {
        let product: f64 = p.iter().zip(y).map(|(p, y)| p * y).sum();
        x.iter().map(|x| x * product).collect()
    }),
    ("WeightedSqDist(p, x, y)", |x, y, p| {
        vec![(0..x.len()).map(|k| p[k] * (x[k] - y[k]).powi(2)).sum()]
    }),
];

#[test]
fn loops_compute_what_they_stand_for() {
    for dim in [9, 67, 784] {
        let aliases = [
            alias("x", Category::I, dim),
            alias("y", Category::J, dim),
            alias("p", Category::Param, dim),
        ];
        let number = |k: usize, n: usize| ((7 * k + 13 * n) % 101) as f64 / 101.0 + 0.01 * n as f64;
        let [x, y, p] = [1, 2, 3].map(|n| (0..dim).map(|k| number(k * n, n)).collect::<Vec<_>>());
        let inputs = Inputs {
            params: p.clone(),
            i: x.clone(),
            j: y.clone(),
        };
        for (text, by_hand) in LARGE {
            if dim < 784 && text.starts_with("Extract") {
                continue;
            }
            let formula = compile(text, &aliases);
            let expected = by_hand(&x, &y, &p);
            let what = format!("{text} at dimension {dim}");
            assert_close(&interpret(&formula.graph(), &inputs), &expected, &what);
            assert_close(
                &formula.program().interpret(&inputs),
                &expected,
                &format!("{what}, in stages"),
            );
        }
    }
}

#[test]
fn sums_of_thousands_of_terms_compile() {
    let aliases = [
        alias("x", Category::I, 2),
        alias("y", Category::J, 2),
        alias("g", Category::Param, 1),
    ];
    // Signs and coefficients of no pattern, so that nothing but adding them up gives the sum.
    let coefficient = |k: usize| (k * 7919 % 1000) as f64 / 100.0;
    let signs = |k: usize| if k % 3 == 1 { ('-', -1.0) } else { ('+', 1.0) };
    let (n, inputs) = (
        2000,
        Inputs {
            params: vec![0.3],
            i: vec![0.5, -0.25],
            j: vec![1.0, 0.75],
        },
    );
    let mut text = "g".to_owned();
    let mut expected = 0.3;
    for k in 1..n {
        let (symbol, sign) = signs(k);
        text += &format!(" {symbol} {}*Exp(-{k}*g*SqDist(x, y))", coefficient(k));
        expected += sign * coefficient(k) * (-(k as f64) * 0.3 * 1.25).exp();
    }
    let formula = Formula::new(&parse(&text).unwrap(), &aliases, &[]).unwrap();
    let found = formula.program().interpret(&inputs)[0];
    assert!(
        (found - expected).abs() < 1e-12 * expected.abs(),
        "{found}, expected {expected}"
    );

    // A term that does not fit is where the error is.
    let wrong = format!(
        "x{} + Concat(x, y){}",
        " + y".repeat(100),
        " + y".repeat(100)
    );
    let error = Formula::new(&parse(&wrong).unwrap(), &aliases, &[])
        .err()
        .unwrap();
    assert_eq!(error.span().start, wrong.find(" + Concat").unwrap() + 1);
}

#[test]
fn what_loops_share_is_computed_once() {
    // The recurrence for K uses each value twice: evaluated as a tree, it would take 2^30 steps.
    let aliases = [alias("x", Category::I, 20)];
    let formula = compile("BesselK(x, 31.3)", &aliases);
    let inputs = Inputs {
        i: vec![9.0; 20],
        ..Inputs::default()
    };
    let values = interpret(&formula.graph(), &inputs);
    assert!(
        values
            .iter()
            .all(|value| (value / 9.16e16 - 1.0).abs() < 1.0),
        "{values:?}"
    );
}

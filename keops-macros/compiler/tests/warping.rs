//! Soft dynamic time warping against the sum over all alignments, its derivatives of three orders against differences, and its size.

mod common;

use common::formula;
use keops_compiler::Formula;
use keops_compiler::scalar::{Inputs, interpret};

fn compile(text: &str, dims: [usize; 2]) -> Formula {
    let [x, y] = dims;
    formula(text, &format!("x:i{x} y:j{y} g:p1 u:i{x} v:j{y}"))
}

/// The values of the variables, in the order of their declaration.
type Values = [Vec<f64>; 5];

fn evaluate(formula: &Formula, [x, y, g, u, v]: &Values) -> Vec<f64> {
    let inputs = Inputs {
        params: g.clone(),
        i: [&x[..], u].concat(),
        j: [&y[..], v].concat(),
    };
    let value = interpret(&formula.graph(), &inputs);
    let staged = formula.program().interpret(&inputs);
    for (a, b) in value.iter().zip(&staged) {
        assert!(
            a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-12 * (1.0 + a.abs()),
            "{}: {a:e}, in stages {b:e}",
            formula.text()
        );
    }
    value
}

fn values([n, m]: [usize; 2], g: f64) -> Values {
    let series = |length: usize, step: f64| (0..length).map(|k| (step * k as f64).sin()).collect();
    [
        series(n, 1.3),
        series(m, 0.7),
        vec![g],
        series(n, 2.9),
        series(m, 4.1),
    ]
}

/// -g log of the sum over all alignments of e^(-cost / g), one alignment after the other.
fn by_alignments(x: &[f64], y: &[f64], g: f64) -> f64 {
    fn sum(x: &[f64], y: &[f64], i: usize, j: usize, cost: f64, g: f64) -> f64 {
        let cost = cost + (x[i] - y[j]).powi(2);
        if (i, j) == (x.len() - 1, y.len() - 1) {
            return (-cost / g).exp();
        }
        let mut total = 0.0;
        for (i, j) in [(i + 1, j + 1), (i + 1, j), (i, j + 1)] {
            if i < x.len() && j < y.len() {
                total += sum(x, y, i, j, cost, g);
            }
        }
        total
    }
    -g * sum(x, y, 0, 0, 0.0, g).ln()
}

#[test]
fn value_is_that_of_all_alignments() {
    for dims in [[1, 1], [1, 5], [5, 1], [2, 2], [3, 4], [6, 5]] {
        for g in [0.05, 0.7, 20.0] {
            let values = values(dims, g);
            let [got] = evaluate(&compile("SoftDTW_SqDist(x,y,g)", dims), &values)[..] else {
                panic!("a scalar");
            };
            let expected = by_alignments(&values[0], &values[1], g);
            assert!(
                (got - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
                "{dims:?}, g = {g}: {got:e}, expected {expected:e}"
            );
        }
    }
}

/// The derivative of one formula is another: each against central differences of the one before it, over the orders.
#[test]
fn derivatives_of_three_orders() {
    let value = "SoftDTW_SqDist(x,y,g)";
    let by_x = format!("Grad({value},x,1)");
    let by_y = format!("Grad({value},y,1)");
    let by_g = format!("Grad({value},g,1)");
    let steps = [
        // The formula, and by which variable.
        (value.to_owned(), "x", 0),
        (value.to_owned(), "y", 1),
        (value.to_owned(), "g", 2),
        (format!("({by_x}|u)"), "x", 0),
        (format!("({by_x}|u)"), "y", 1),
        (format!("({by_x}|u)"), "g", 2),
        (format!("({by_y}|v)"), "g", 2),
        (by_g.clone(), "y", 1),
        (by_g.clone(), "g", 2),
        (format!("(Grad(({by_x}|u),y,1)|v)"), "x", 0),
        (format!("(Grad(({by_x}|u),y,1)|v)"), "g", 2),
        (format!("Grad({by_g},g,1)"), "x", 0),
        (format!("Grad({by_g},g,1)"), "g", 2),
    ];
    for dims in [[1, 3], [3, 2], [4, 5]] {
        for (text, name, position) in &steps {
            let formula = compile(text, dims);
            let slope = compile(&format!("Grad({text},{name},1)"), dims);
            let values = values(dims, 0.6);
            let got = evaluate(&slope, &values);
            for (k, &got) in got.iter().enumerate() {
                let step = 1e-4;
                let [above, below] = [step, -step].map(|step| {
                    let mut moved = values.clone();
                    moved[*position][k] += step;
                    evaluate(&formula, &moved)[0]
                });
                let expected = (above - below) / (2.0 * step);
                assert!(
                    (got - expected).abs() <= 2e-6 * (1.0 + expected.abs()),
                    "{text} by {name}[{k}], {dims:?}: {got:e}, expected {expected:e}"
                );
            }
        }
    }
}

/// At a low temperature most weights are 0, and one outlier makes all others small beside it: derivatives are finite, and right.
#[test]
fn cold_series_with_an_outlier() {
    let dims = [4, 6];
    let [x, y, g] =
        ["x", "y", "g"].map(|name| compile(&format!("Grad(SoftDTW_SqDist(x,y,g),{name},1)"), dims));
    let mut values = values(dims, 1e-6);
    values[0][2] = 1e4;
    let [by_x, by_y, by_g] = [&x, &y, &g].map(|formula| evaluate(formula, &values));
    // One alignment is left, which the differences along it tell: what all values receive sums to 0.
    let all: f64 = by_x.iter().chain(&by_y).sum();
    let size: f64 = by_x.iter().map(|x| x.abs()).sum();
    assert!(size >= 2e4 && all.abs() <= 1e-9 * size, "{by_x:?} {by_y:?}");
    assert!(by_g[0].is_finite());
    let hessian = compile("GradMatrix(Grad(SoftDTW_SqDist(x,y,g),x,1),x)", dims);
    assert!(evaluate(&hessian, &values).iter().all(|x| x.is_finite()));
    // What is no number is none in the end, whatever comes behind it.
    values[1][1] = f64::NAN;
    for formula in [&x, &y, &g] {
        assert!(
            evaluate(formula, &values).iter().any(|x| x.is_nan()),
            "{}",
            formula.text()
        );
    }
}

#[test]
fn code_does_not_grow_with_the_series() {
    for text in [
        "SoftDTW_SqDist(x,y,g)",
        "Grad(SoftDTW_SqDist(x,y,g),x,1)",
        "Grad(SoftDTW_SqDist(x,y,g),g,1)",
        "Grad(Grad(SoftDTW_SqDist(x,y,g),x,1),y,u)",
    ] {
        let lines = |dims| {
            let program = compile(text, dims).program();
            keops_compiler::emit::cuda_functions(&program)
                .lines()
                .count()
        };
        let [small, large] = [[12, 16], [92, 112]].map(lines);
        assert!(large <= small && large < 400, "{text}: {small} and {large}");
    }
}

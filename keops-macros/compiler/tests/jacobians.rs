//! Jacobians and traces of many dimensions, which are loops, against the adjoint applied to one vector of the basis after the other.

mod common;

use common::formula;
use keops_compiler::scalar::{Inputs, interpret};
use keops_compiler::{Formula, emit};

/// Of these dimensions, in this order: x and u of i, y and v of j, A, e and f parameters.
fn compile(text: &str, dim: usize, height: usize) -> Formula {
    let variables = format!(
        "x:i{dim} u:i{dim} y:j{dim} v:j{dim} A:p{} e:p{height} f:p{dim}",
        2 * dim
    );
    formula(text, &variables)
}

fn inputs(dim: usize, e: &[f64], f: &[f64]) -> Inputs {
    let numbers = |count: usize, step: f64| -> Vec<f64> {
        (0..count)
            .map(|k| 0.5 + 0.4 * (step * (k + 1) as f64).sin())
            .collect()
    };
    Inputs {
        params: [&numbers(2 * dim, 1.7)[..], e, f].concat(),
        i: numbers(2 * dim, 2.3),
        j: numbers(2 * dim, 0.9),
    }
}

fn evaluate(formula: &Formula, inputs: &Inputs) -> Vec<f64> {
    let value = interpret(&formula.graph(), inputs);
    let staged = formula.program().interpret(inputs);
    close(&value, &staged, &format!("{} in stages", formula.text()));
    value
}

fn close(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (k, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= 1e-11 * size,
            "{what}: component {k} is {got:e}, expected {expected:e}"
        );
    }
}

fn basis(dim: usize, k: usize) -> Vec<f64> {
    (0..dim).map(|l| f64::from(u8::from(k == l))).collect()
}

/// Formulas of x that have the dimension of x.
const FIELDS: [&str; 15] = [
    "x*x",
    "Exp(-SqDist(x,y))*y",
    "Exp(x*y)*Sum(x)",
    "Norm2(x-y)*x",
    "Normalize(x)*(x|y)",
    "x+Concat(Extract(x*x,1,{D}-1),Elem(x,0))",
    "Concat(Extract(x*y,2,{D}-2),Extract(Sin(x),0,2))",
    "TensorDot(A,MatVecMult(A,x),Ind(2,{D}),Ind(2),Ind(0),Ind(0))",
    "VecMatMult(MatVecMult(A,x*x),A)",
    "Grad(Exp(-SqDist(x,y)),x,1)",
    "Grad(Exp(-WeightedSqDist(f,x,y)),x,1)",
    "Grad(Log(1+Square((x|y))),x,1)*y",
    "Max(x)*x-Min(x)*y+ReLU(x-y)*2",
    "Grad(Log(Sum(Exp(x*y))),x,1)+SumT(SqNorm2(x),{D})",
    "SumT(Elem(x,1),{D})*Grad(Sum(Matern(Square(x-y),2.5)),x,1)",
];

/// With the dimension, and what is before it by so many.
fn of(text: &str, dim: usize) -> String {
    text.replace("{D}-1", &(dim - 1).to_string())
        .replace("{D}-2", &(dim - 2).to_string())
        .replace("{D}", &dim.to_string())
}

#[test]
fn jacobians_have_the_rows_of_adjoints() {
    for dim in [5, 9, 12] {
        for field in FIELDS {
            let field = of(field, dim);
            let jacobian = compile(&format!("GradMatrix({field},x)"), dim, dim);
            let adjoint = compile(&format!("Grad({field},x,e)"), dim, dim);
            let zeros = vec![0.3; dim];
            let got = evaluate(&jacobian, &inputs(dim, &zeros, &zeros));
            let rows: Vec<f64> = (0..dim)
                .flat_map(|k| evaluate(&adjoint, &inputs(dim, &basis(dim, k), &zeros)))
                .collect();
            close(&got, &rows, &format!("GradMatrix({field},x), {dim}"));
            let divergence = compile(&format!("Divergence({field},x)"), dim, dim);
            let trace: f64 = rows.iter().step_by(dim + 1).sum();
            let got = evaluate(&divergence, &inputs(dim, &zeros, &zeros));
            close(&got, &[trace], &format!("Divergence({field},x), {dim}"));
        }
    }
}

/// Derivatives of Jacobians, Jacobians of Jacobians, and what else is done with their rows.
#[test]
fn jacobians_are_formulas_like_others() {
    for dim in [9, 11] {
        for field in FIELDS {
            let field = of(field, dim);
            let (e, f): (Vec<f64>, Vec<f64>) = (0..dim)
                .map(|k| ((k as f64).sin(), (k as f64).cos()))
                .unzip();
            let inputs = inputs(dim, &e, &f);
            let of_text = |text: String| evaluate(&compile(&text, dim, dim), &inputs);
            // f^T J = (J^T f)^T, and J f is the differential.
            close(
                &of_text(format!("VecMatMult(e,GradMatrix({field},x))")),
                &of_text(format!("Grad({field},x,e)")),
                &format!("e^T J of {field}"),
            );
            let differential = of_text(format!("Diff({field},x,f)"));
            close(
                &of_text(format!("MatVecMult(GradMatrix({field},x),f)")),
                &differential,
                &format!("J f of {field}"),
            );
            // By way of the derivative of a Jacobian: the gradient of e^T J f by e is J f.
            close(
                &of_text(format!("Grad((e|MatVecMult(GradMatrix({field},x),f)),e,1)")),
                &differential,
                &format!("gradient of e^T J f of {field}"),
            );
            close(
                &of_text(format!("Grad((e|MatVecMult(GradMatrix({field},x),f)),x,1)")),
                &of_text(format!("Grad((Grad({field},x,e)|f),x,1)")),
                &format!("gradient of e^T J f of {field} by x"),
            );
            if dim > 9 {
                continue;
            }
            let second = of_text(format!("GradMatrix(GradMatrix({field},x),x)"));
            let by_rows = of_text(format!("GradMatrix(Grad({field},x,e),x)"));
            let combined: Vec<f64> = (0..dim * dim)
                .map(|at| (0..dim).map(|k| e[k] * second[k * dim * dim + at]).sum())
                .collect();
            close(
                &by_rows,
                &combined,
                &format!("second derivatives of {field}"),
            );
        }
    }
}

/// Code and time do not grow with the dimension.
#[test]
fn jacobians_are_loops() {
    for text in [
        "GradMatrix(Exp(x*y),x)",
        "GradMatrix(Exp(-SqDist(x,y))*y,x)",
        "GradMatrix(Grad(Exp(-SqDist(x,y)),x,1),x)",
        "GradMatrix(Grad(Exp(-WeightedSqDist(f,x,y)),x,1),x)",
        "GradMatrix(VecMatMult(MatVecMult(A,x*x),A),x)",
        "Divergence(VecMatMult(MatVecMult(A,x*x),A),x)",
        "Laplacian(Inv(1+(x|y))*Sum(Exp(x)),x)",
    ] {
        let lines = |dim| {
            let program = compile(text, dim, 1).program();
            emit::cuda_functions(&program).lines().count()
        };
        let [small, large] = [16, 60].map(lines);
        assert!(
            large <= small && large < 250,
            "{text}: {small} and {large} lines"
        );
    }
    // Where only one component of a vector counts, no sum goes through all of them.
    let cost = |dim| {
        let program = compile("GradMatrix(Exp(-SqDist(x,y))*y,x)", dim, 1).program();
        program.pair.cost() as f64 / (dim * dim) as f64
    };
    assert!(cost(60) < 1.5 * cost(16), "{} {}", cost(16), cost(60));
}

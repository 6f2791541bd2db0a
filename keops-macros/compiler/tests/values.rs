//! Values of formulas at points where they once were others, found by the comparison of random formulas.

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;
use keops_compiler::scalar::{Inputs, interpret};

/// The components of a formula of `x`, which has the dimension of its value, of i.
fn value(text: &str, x: &[f64]) -> Vec<f64> {
    let x_alias = Alias {
        name: "x".to_owned(),
        category: Category::I,
        dim: x.len(),
    };
    let formula = parse(text)
        .and_then(|tree| Formula::new(&tree, &[x_alias], &[]))
        .unwrap_or_else(|error| panic!("{}", error.render(text)));
    let inputs = Inputs {
        i: x.to_vec(),
        ..Inputs::default()
    };
    let staged = formula.program().interpret(&inputs);
    assert_eq!(staged, interpret(&formula.graph(), &inputs), "{text}");
    staged
}

#[test]
fn a_remainder_and_its_derivative_count_the_same_turns() {
    // 49 (1/49) is rounded to a number below 1.
    assert_eq!(value("Mod(x, 49)", &[49.0]), [0.0]);
    assert_eq!(value("Grad(Mod(x, x), x)", &[49.0]), [0.0]);
}

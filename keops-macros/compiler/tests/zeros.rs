//! Zeros have no sign: a formula has the same value at 0 and at -0.

mod common;

use common::formula;
use keops_compiler::scalar::{Inputs, interpret};

/// The value of a formula of `x` and `y`, which are scalars of i.
fn value(text: &str, x: f64, y: f64) -> f64 {
    let formula = formula(text, "x:i1 y:i1");
    let inputs = Inputs {
        i: vec![x, y],
        ..Inputs::default()
    };
    interpret(&formula.graph(), &inputs)[0]
}

#[test]
fn polygamma_at_minus_zero_is_that_at_zero() {
    for n in 0..4 {
        let text = format!("Polygamma(x, {n})");
        assert_eq!(value(&text, -0.0, 0.0), value(&text, 0.0, 0.0), "{text}");
        assert_eq!(
            value(&text, 0.0, 0.0).is_sign_negative(),
            n % 2 == 0,
            "{text}"
        );
    }
}

#[test]
fn angles_are_those_of_zeros_without_a_sign() {
    let pi = std::f64::consts::PI;
    for [zero, other] in [[0.0, 0.0], [0.0, -0.0], [-0.0, 0.0], [-0.0, -0.0]] {
        assert_eq!(value("Atan2(x, y)", zero, other), 0.0);
        assert_eq!(value("Atan2(x, y)", zero, -1.0), pi);
        assert_eq!(value("ComplexAngle(Concat(x, y))", -1.0, zero), pi);
    }
    // y - x is simplified to -(x - y), which is -0 where they are equal.
    assert_eq!(value("Atan2(y - x, -1) - Atan2(x - y, -1)", 2.0, 2.0), 0.0);
}

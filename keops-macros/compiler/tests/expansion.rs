//! Which formulas have their squared distances expanded.

mod common;

use keops_compiler::expansion::Expansion;
use keops_compiler::scalar::Inputs;

fn expansion(text: &str) -> Option<Expansion> {
    common::formula(text, "x:i64 y:j64 s:p64 g:p1 w:i1 few:i8 others:j8").expansion()
}

#[test]
fn gaussians_are_expanded() {
    for text in [
        "Exp(-g*SqDist(x,y))",
        "Exp(-SqDist(y,x)*g)",
        "Exp(-SqNorm2(x-y)/(2*g))",
        "Exp(-Sum((x-y)**2))",
        "Exp(-SqDist(x/s,y/s))",
        "Exp(-SqNorm2((y-x)*s)/2)",
        "Exp(-WeightedSqDist(s,x,y))",
        "w*Exp(-g*SqDist(x,y))",
        "-2*g*Exp(-g*SqDist(x,y))*w",
        "Exp(w-g*SqDist(x,y))",
        "Exp(-SqDist(x,y))*Exp(-SqDist(few,others))",
        "Exp(-g*SqDist(Sin(x),y+1))",
    ] {
        let expansion = expansion(text).unwrap_or_else(|| panic!("{text} is not expanded"));
        assert_eq!(expansion.product.features[1..], [64, 64], "{text}");
        assert_eq!(expansion.slope.features[1..], [0, 0], "{text}");
        let [_, i, j] = expansion.value.features;
        assert!(i + j <= 18, "{text}: {i} and {j} features of points");
        assert!(expansion.value.pair.cost() < 64, "{text}");
    }
}

#[test]
fn others_are_not() {
    for text in [
        // There is no bound of the relative change of these.
        "Exp(-Norm2(x-y))",
        "Exp(-SqDist(x,y)**2)",
        "Inv(1+SqDist(x,y))",
        "SqDist(x,y)",
        "Exp(-w*SqDist(x,y))",
        "SqDist(x,y)*Exp(-SqDist(x,y))",
        "1-Exp(-SqDist(x,y))",
        // Few dimensions, several distances, distances on one side.
        "Exp(-SqDist(few,others))",
        "Exp(-SqDist(x,y)-SqDist(x,2*y))",
        "Exp(-SqNorm2(x))",
        "Exp(-SqNorm2(x*y))",
        // All dimensions are needed anyway.
        "(x|y)*Exp(-SqDist(x,y))",
        // More components than one.
        "x*Exp(-SqDist(x,y))",
    ] {
        assert!(expansion(text).is_none(), "{text} is expanded");
    }
}

/// The bound is relative to the squared distance as it is scaled.
#[test]
fn slopes_are_those_of_the_exponent() {
    let slope = |text: &str| {
        let expansion = expansion(text).unwrap_or_else(|| panic!("{text} is not expanded"));
        let mut params = vec![2.0; 64];
        params.push(3.0);
        params.resize(200, f64::NAN);
        let inputs = Inputs {
            params,
            i: Vec::new(),
            j: Vec::new(),
        };
        expansion.slope.interpret(&inputs)
    };
    assert_eq!(slope("Exp(-g*SqDist(x,y))"), [3.0]);
    assert_eq!(slope("5*Exp(SqDist(x,y)/g)"), [1.0 / 3.0]);
    assert_eq!(slope("Exp(-SqDist(x/s,y/s)/2)"), [0.5]);
    assert_eq!(slope("Exp(-WeightedSqDist(s,x,y))"), [1.0]);
    assert_eq!(slope("Exp(-g*SqDist(x,y))*Exp(-g*SqDist(x,y))"), [6.0]);
}

//! Which formulas are given their squared distance, and which of these may expand it.

mod common;

use keops_compiler::distance::Distance;
use keops_compiler::scalar::{Inputs, interpret_stage};

fn distance(text: &str) -> Option<Distance> {
    common::formula(text, "x:i64 y:j64 s:p64 g:p1 w:i1 few:i4 others:j4 b:j3").distance()
}

fn found(text: &str) -> Distance {
    distance(text).unwrap_or_else(|| panic!("{text} is not given its distance"))
}

fn raw(params: Vec<f64>) -> Inputs {
    Inputs {
        params,
        i: Vec::new(),
        j: Vec::new(),
    }
}

#[test]
fn formulas_of_one_distance_are_given_it() {
    for (text, weighted, expands) in [
        ("Exp(-g*SqDist(x,y))", false, true),
        ("Exp(-SqDist(y,x)*g)", false, true),
        ("Exp(-SqNorm2(x-y)/(2*g))", false, true),
        ("Exp(-SqNorm2(x+y))", false, true),
        ("Exp(-SqNorm2(y-x))", false, true),
        ("Exp(-SqDist(-x,y))", false, true),
        ("Exp(-SqDist(g*x,2*y))", false, true),
        ("Exp(-Sum((x-y)**2))", false, true),
        ("Exp(-SqDist(x/s,y/s))", false, true),
        ("Exp(-WeightedSqDist(s,x,y))", true, true),
        ("Exp(-WeightedSqDist(s,g*x,g*y))", true, true),
        ("w*Exp(-g*SqDist(x,y))", false, true),
        ("-2*g*Exp(-g*SqDist(x,y))*w", false, true),
        ("Exp(w-g*SqDist(x,y))", false, true),
        ("Exp(-SqDist(x,y))*Exp(-SqDist(few,others))", false, true),
        ("Exp(-WeightedSqDist(s,x,-y))", true, true),
        ("Exp(-g*SqDist(Sin(x),y+1))", false, true),
        ("Exp(-SqDist(x,y))*b", false, true),
        // There is no bound of the relative change of these.
        ("Exp(-Norm2(x-y))", false, false),
        ("Exp(-SqDist(x,y)**2)", false, false),
        ("Inv(1+SqDist(x,y))", false, false),
        ("SqDist(x,y)", false, false),
        ("Exp(-w*SqDist(x,y))", false, false),
        ("SqDist(x,y)*Exp(-SqDist(x,y))", false, false),
        ("1-Exp(-SqDist(x,y))", false, false),
        ("Exp(-SqDist(x,y)*b)", false, false),
        ("Concat(SqDist(x,y),few-others)", false, false),
    ] {
        let distance = found(text);
        assert_eq!(distance.points.features[1..], [64, 64], "{text}");
        assert_eq!(distance.weights.is_some(), weighted, "{text}");
        assert_eq!(distance.slope.is_some(), expands, "{text}");
        let of_parameters = distance.weights.iter().chain(&distance.slope);
        for program in of_parameters {
            assert_eq!(program.features[1..], [0, 0], "{text}");
        }
        let [_, i, j] = distance.value.features;
        assert!(i + j <= 12, "{text}: {i} and {j} features of points");
        assert!(distance.value.pair.cost() < 64, "{text}");
    }
}

#[test]
fn others_are_not() {
    for text in [
        // Few dimensions, several distances, distances on one side.
        "Exp(-SqDist(few,others))",
        "Exp(-SqDist(x,y)-SqDist(x,2*y))",
        "Exp(-SqNorm2(x))",
        "Exp(-SqNorm2(x*y))",
        // What would be rounded in another order than it is written.
        "Exp(-SqNorm2(x-y+s))",
        "Exp(-SqNorm2((x-y)/s))",
        // All dimensions are needed anyway.
        "(x|y)*Exp(-SqDist(x,y))",
        "x*Exp(-SqDist(x,y))",
        "(x-y)*Exp(-SqDist(x,y))",
    ] {
        assert!(distance(text).is_none(), "{text} is given its distance");
    }
}

/// From so many dimensions on it pays to compute distances elsewhere, and from so many more to expand them.
#[test]
fn dimensions_decide() {
    let of =
        |dim: usize| common::formula("Exp(-SqDist(x,y))", &format!("x:i{dim} y:j{dim}")).distance();
    assert!(of(7).is_none());
    assert!(of(8).is_some_and(|distance| distance.slope.is_none()));
    assert!(of(47).is_some_and(|distance| distance.slope.is_none()));
    assert!(of(48).is_some_and(|distance| distance.slope.is_some()));
}

/// The bound is relative to the squared distance with its weights.
#[test]
fn slopes_are_those_of_the_exponent() {
    let slope = |text: &str| {
        let mut params = vec![2.0; 64];
        params.push(3.0);
        params.resize(200, f64::NAN);
        let slope = found(text).slope.expect("a slope");
        slope.interpret(&raw(params))
    };
    assert_eq!(slope("Exp(-g*SqDist(x,y))"), [3.0]);
    assert_eq!(slope("5*Exp(SqDist(x,y)/g)"), [1.0 / 3.0]);
    assert_eq!(slope("Exp(-SqDist(g*x,g*y))"), [1.0]);
    assert_eq!(slope("Exp(-SqDist(x/s,y/s)/2)"), [0.5]);
    assert_eq!(slope("Exp(-WeightedSqDist(s,x,y))"), [1.0]);
    assert_eq!(slope("Exp(-g*SqDist(x,y))*Exp(-g*SqDist(x,y))"), [6.0]);
}

/// The distance of the points is the one that is written, with its signs, factors and weights.
#[test]
fn points_are_those_that_are_written() {
    let number = |k: usize| ((7 * k + 3) % 11) as f64 / 8.0 - 0.6;
    for text in [
        "SqDist(x,y)",
        "SqDist(y,x)",
        "SqNorm2(x+y)",
        "SqNorm2(-y-x)",
        "SqDist(x,-y)",
        "SqDist(-x,y)",
        "SqDist(-x,-y)",
        "SqDist(g*x,2*y)",
        "SqDist(2*x,2*y)",
        "SqDist(x*s,g*y)",
        "SqDist(x/s,y/g)",
        "SqDist(Sin(x),y+1)",
        "SqDist(x+s,y-g)",
        "WeightedSqDist(s,x,y)",
        "WeightedSqDist(s,g*x,g*y)",
    ] {
        for dim in [8, 20] {
            let variables = format!("x:i{dim} y:j{dim} s:p{dim} g:p1");
            let formula = common::formula(text, &variables);
            let distance = formula.distance().unwrap_or_else(|| panic!("{text}"));
            let inputs = Inputs {
                params: (0..=dim).map(|k| number(k) + 1.5).collect(),
                i: (0..dim).map(|k| number(k + 5)).collect(),
                j: (0..dim).map(|k| number(3 * k + 2)).collect(),
            };
            let of = |graph, features: [&[f64]; 3]| interpret_stage(graph, &inputs, features);
            let points = &distance.points;
            let params = of(&points.params, [&[], &[], &[]]);
            let [a, b] = [&points.i, &points.j].map(|graph| of(graph, [&params, &[], &[]]));
            let weights = distance.weights.map(|weights| weights.interpret(&inputs));
            let weights = weights.unwrap_or_else(|| vec![1.0; dim]);
            assert_eq!([a.len(), b.len(), weights.len()], [dim; 3], "{text}");
            let terms = a.iter().zip(&b).zip(&weights);
            let sum: f64 = terms.map(|((a, b), w)| w * (a - b).powi(2)).sum();
            let [expected] = formula.program().interpret(&inputs)[..] else {
                panic!("{text} is no number");
            };
            let error = (sum - expected).abs() / expected;
            assert!(error < 1e-13, "{text}: {sum} instead of {expected}");
        }
    }
}

//! Which formulas are given their squared distance, and which of these may expand it.

mod common;

use keops_compiler::distance::Distance;
use keops_compiler::scalar::Inputs;

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
        ("Exp(-Sum((x-y)**2))", false, true),
        ("Exp(-SqDist(x/s,y/s))", false, true),
        ("Exp(-SqNorm2((y-x)*s)/2)", true, true),
        ("Exp(-SqNorm2(2*(x-y)/g))", false, true),
        ("Exp(-WeightedSqDist(s,x,y))", true, true),
        ("Exp(-WeightedSqDist(s,g*x,g*y))", true, true),
        ("w*Exp(-g*SqDist(x,y))", false, true),
        ("-2*g*Exp(-g*SqDist(x,y))*w", false, true),
        ("Exp(w-g*SqDist(x,y))", false, true),
        ("Exp(-SqDist(x,y))*Exp(-SqDist(few,others))", false, true),
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
        assert!(i + j <= 18, "{text}: {i} and {j} features of points");
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
    assert_eq!(slope("Exp(-SqNorm2((x-y)*g))"), [9.0]);
    assert_eq!(slope("Exp(-SqDist(x/s,y/s)/2)"), [0.5]);
    assert_eq!(slope("Exp(-WeightedSqDist(s,x,y))"), [1.0]);
    assert_eq!(slope("Exp(-g*SqDist(x,y))*Exp(-g*SqDist(x,y))"), [6.0]);
}

#[test]
fn weights_are_those_of_the_squares() {
    let weights = |text: &str| {
        let mut params: Vec<f64> = (0..64).map(|k| f64::from(k) + 1.0).collect();
        params.push(3.0);
        let weights = found(text).weights.expect("weights");
        weights.interpret(&raw(params))
    };
    let squares: Vec<f64> = (0..64).map(|k| (f64::from(k) + 1.0).powi(2)).collect();
    let inverse: Vec<f64> = (0..64)
        .map(|k| (1.0 / (f64::from(k) + 1.0)).powi(2))
        .collect();
    assert_eq!(weights("WeightedSqDist(s,x,y)")[..3], [1.0, 2.0, 3.0]);
    assert_eq!(weights("SqNorm2((y-x)*s)"), squares);
    assert_eq!(weights("SqNorm2((y-x)/s)"), inverse);
}

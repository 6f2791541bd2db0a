//! What the compiler finds out about formulas: linearity, symmetry, the form of a system, and which gradients belong together.

mod common;

use common::{aliases, formula};
use keops_compiler::formula::{Evidence, Formula, Shape, SolveFormula};
use keops_compiler::parse::parse;
use keops_compiler::reduction::Reduction;
use keops_compiler::source::Span;
use keops_compiler::symmetry::Symmetry;

fn solve(text: &str, variables: &str, unknown: Option<&str>) -> Result<SolveFormula, String> {
    let tree = parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
    let span = tree.span;
    let found = formula(text, variables).solve(unknown, Evidence::Samples, span);
    found.map_err(|error| error.message().to_owned())
}

const POINTS: &str = "x:i2 y:j2 b:j2 g:p1";

#[test]
fn radial_kernels_are_scalar_and_symmetric() {
    for kernel in [
        "Exp(-g*SqDist(x,y))",
        "Exp(-g*Norm2(x-y))",
        "Inv(1+g*SqDist(x,y))",
        "(1+g*Norm2(y-x))*Exp(-g*Norm2(x-y))",
        "(x|y)",
        "Pow((x|y)+1,3)",
        "Exp(-WeightedSqDist(g,x,y))",
        "Sum(Exp(-Abs(x-y)))",
        "Exp(-SqDist(x,y)/2)*Cos(3*Elem(x-y,0))",
        "IntInv(3)",
    ] {
        for text in [
            format!("{kernel}*b"),
            format!("b*({kernel})"),
            format!("-b*{kernel}/g"),
        ] {
            let found = solve(&text, POINTS, Some("b")).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(found.shape, Shape::Scalar, "{text}");
            assert_eq!(found.unknown, 2, "{text}");
            assert!(found.over_j);
            assert_eq!(found.kernel.dim(), 1, "{text}");
        }
    }
}

#[test]
fn matrix_valued_kernels_couple_their_components() {
    for text in [
        "Exp(-g*SqDist(x,y))*(b+Sum(b))",
        "Exp(-g*SqDist(x,y))*(x-y|b)*(x-y)",
        "(x|b)*y + (y|b)*x",
        "MatVecMult(TensorProd(x,x)+TensorProd(y,y),b)",
        "Exp(-g*SqDist(x,y))*b*Square(x-y)",
    ] {
        let found = solve(text, POINTS, Some("b")).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(found.shape, Shape::Matrix, "{text}");
    }
}

#[test]
fn pairs_that_trade_places() {
    let found = solve(
        "Exp(-SqDist(x,y)-SqDist(u,v))*b",
        "x:i2 u:i3 b:j1 y:j2 v:j3",
        None,
    )
    .expect("symmetric");
    assert_eq!(found.symmetry.pairs, [(0, 3), (1, 4)]);
    let found = solve("Exp(-SqDist(x,y))*a", "x:i2 y:j2 a:i1", None).expect("symmetric");
    assert!(!found.over_j);
}

#[test]
fn systems_that_cannot_be_solved() {
    let says = |text: &str, variables: &str, unknown: Option<&str>, words: &str| match solve(
        text, variables, unknown,
    ) {
        Ok(_) => panic!("{text} was accepted"),
        Err(message) => assert!(message.contains(words), "{text}: {message}"),
    };
    says(
        "Exp(-g*SqDist(x,y))*Square(b)",
        POINTS,
        None,
        "linear in none of its variables",
    );
    says(
        "Exp(-g*SqDist(x,y))*Exp(b)",
        POINTS,
        Some("b"),
        "not linear in `b`, because of Exp",
    );
    says(
        "Exp(-g*SqDist(x,y))*(b+1)",
        POINTS,
        Some("b"),
        "not linear in `b`: Add adds a term without it",
    );
    says(
        "Exp(-SqDist(x,y))*a*b",
        "x:i2 y:j2 a:j1 b:j1",
        None,
        "linear in several variables: `a`, `b`",
    );
    says(
        "Exp(-SqDist(x,y))",
        "x:i2 y:j2 b:j1",
        Some("b"),
        "does not depend on `b`",
    );
    says(
        "Exp(-SqDist(x,y))*b",
        POINTS,
        Some("c"),
        "names no variable",
    );
    says("Exp(-SqDist(x,2*y))*b", POINTS, None, "not symmetric");
    says(
        "Exp(-SqNorm2(x))*b",
        POINTS,
        None,
        "not symmetric: it depends on `x` of i and on nothing of j",
    );
    says("(Elem(x,0)-Elem(y,1))*b", POINTS, None, "not symmetric");
    says(
        "VecMatMult(b,TensorProd(x,y))",
        POINTS,
        None,
        "linear in several",
    );
    says(
        "VecMatMult(b,TensorProd(x,y*Sum(y)))",
        POINTS,
        Some("b"),
        "not symmetric",
    );
    says(
        "Exp(-SqDist(x,y))*Sum(b)",
        POINTS,
        None,
        "dimension 1 and its unknown `b` has 2",
    );
}

#[test]
fn symmetry_of_formulas() {
    let symmetric = |text: &str, variables: &str| {
        matches!(formula(text, variables).symmetry(), Symmetry::Symmetric(_))
    };
    assert!(symmetric("Exp(-SqDist(x,y))", "x:i3 y:j3"));
    assert!(symmetric("Log(Sum(x)*Sum(y))", "x:i3 y:j3"));
    assert!(symmetric("Sqrt(1-Square((x|y)))", "x:i3 y:j3"));
    // Shown by evaluation, not by structure.
    assert!(symmetric(
        "Square(Sum(x)+Sum(y)) - 2*Sum(x)*Sum(y)",
        "x:i3 y:j3"
    ));
    assert!(symmetric("IfElse(Sum(x-y),Sum(x-y),Sum(y-x))", "x:i3 y:j3"));
    assert!(!symmetric("x-y", "x:i3 y:j3"));
    assert!(!symmetric("Exp(-SqDist(x,y))*Elem(x,0)", "x:i3 y:j3"));
    // A variable that does not occur has no partner and needs none.
    assert!(symmetric("Exp(-SqDist(x,y))", "x:i2 y:j2 z:i1"));
}

/// A scalar broadcast against a repeated scalar was counted once instead of once for each component.
#[test]
fn a_scalar_meets_a_repeated_scalar() {
    use keops_compiler::scalar::{Inputs, interpret};
    let graph = formula("Scalprod(SumT(g,3),s)", "g:p1 s:p1").graph();
    let inputs = Inputs {
        params: vec![2.0, 5.0],
        ..Inputs::default()
    };
    assert_eq!(interpret(&graph, &inputs), [30.0]);
}

/// A hoisted inverse rounds once more, and moved exact multiples below the jump.
#[test]
fn quotients_in_front_of_a_jump_are_exact() {
    use keops_compiler::scalar::{Inputs, interpret};
    for (text, value) in [
        ("Mod(x-y,49,0)", 0.0),
        ("Floor((x-y)/49)", 1.0),
        ("Floor((x-y)/p)", 1.0),
        ("Round(x-y,1)-49", 0.0),
    ] {
        let program = formula(text, "x:i1 y:j1 p:p1").program();
        let inputs = Inputs {
            i: vec![49.0],
            j: vec![0.0],
            params: vec![49.0],
        };
        assert_eq!(program.interpret(&inputs), [value], "{text}");
        assert_eq!(
            interpret(&formula(text, "x:i1 y:j1 p:p1").graph(), &inputs),
            [value],
            "{text}"
        );
    }
}

#[test]
fn derivatives_of_powers_at_zero() {
    use keops_compiler::scalar::{Inputs, interpret};
    let inputs = Inputs {
        i: vec![1.0, 2.0],
        j: vec![1.0, 2.0],
        params: vec![1.0],
    };
    for text in [
        "Grad(Powf(SqNorm2(x-y),0.75),x,1)",
        "Grad(Powf(Norm2(x-y),p),p,1)",
        "Grad(Powf(Norm2(x-y),p/2),x,1)",
    ] {
        let values = interpret(&formula(text, "x:i2 y:j2 p:p1").graph(), &inputs);
        assert!(
            values.iter().all(|&value| value == 0.0),
            "{text}: {values:?}"
        );
    }
    let slope = interpret(
        &formula("Grad(Powf(Elem(x-y,0),p),x,1)", "x:i2 y:j2 p:p1").graph(),
        &inputs,
    );
    assert_eq!(slope, [1.0, 0.0]);
}

#[test]
fn hypot_at_its_limits() {
    use keops_compiler::scalar::{Inputs, interpret};
    let at = |text: &str, x: f64, y: f64| {
        let inputs = Inputs {
            i: vec![x],
            j: vec![y],
            params: vec![],
        };
        interpret(&formula(text, "x:i1 y:j1").graph(), &inputs)[0]
    };
    assert_eq!(
        at("Hypot(x,y)", f64::INFINITY, f64::INFINITY),
        f64::INFINITY
    );
    assert!(at("Hypot(x,y)", f64::NAN, 1.0).is_nan() && at("Hypot(x,y)", 1.0, f64::NAN).is_nan());
    assert!((at("Hypot(x,y)", 3e200, 4e200) / 5e200 - 1.0).abs() < 1e-15);
    assert!((at("Grad(Hypot(x,y),x,1)", 1e200, 1e200) - 0.5f64.sqrt()).abs() < 1e-15);
    assert_eq!(at("Grad(Hypot(x,y),x,1)", 0.0, 0.0), 0.0);
}

#[test]
fn kernels_that_differ_far_out_are_not_symmetric() {
    let asymmetric = |text: &str| {
        matches!(
            formula(text, "x:i1 y:j1").symmetry(),
            Symmetry::Asymmetric(_)
        )
    };
    assert!(asymmetric("Exp(-Abs(x-y)/100)*(1+ReLU(x-y-5))"));
    assert!(asymmetric("Exp(-SqDist(x,y))*(1+1e-10*x)"));
    // Beyond the box of the other samples, on one side of it.
    assert!(asymmetric("1+Abs(x-y)+ReLU(-100-x)"));
    assert!(asymmetric("Inv(1+Abs(x-y))*Step(250-x)"));
}

/// The variables of each formula of gradients, and whether it is summed over j.
fn gradients(text: &str, reduction: Reduction, variables: &[usize]) -> Vec<(Vec<usize>, bool)> {
    let formula = formula(text, "x:i2 y:j2 b:j2 g:p1 c:p2");
    let gradients = formula.gradients(reduction, true, variables).expect(text);
    let summary = gradients.into_iter();
    summary.map(|part| (part.variables, part.over_j)).collect()
}

#[test]
fn gradients_of_one_side_share_a_formula() {
    let text = "Exp(-g*SqDist(x,y))*b";
    let sum = |variables: &[usize]| gradients(text, Reduction::Sum, variables);
    // Those of the rows and parameters are summed over j, those of the columns over i.
    let all = [(vec![0, 3], true), (vec![2, 1], false)];
    assert_eq!(sum(&[0, 2, 3, 1]), all);
    assert_eq!(sum(&[3]), [(vec![3], true)]);
    // One formula is enough.
    assert_eq!(sum(&[1, 3]), [(vec![1, 3], false)]);
    // Where the formula does not depend on a variable there is nothing to compute.
    assert_eq!(sum(&[4]), []);
    assert_eq!(sum(&[4, 1]), [(vec![1], false)]);
    // Selected pairs are not summed over a side.
    let selected = gradients(text, Reduction::KMin(3), &[2, 0, 3]);
    assert_eq!(selected, [(vec![2, 0, 3], true)]);
    let formula = formula(text, POINTS);
    assert!(formula.gradients(Reduction::ArgMin, true, &[0]).is_err());
}

#[test]
fn gradients_of_one_side_share_their_subexpressions() {
    let formula = formula("Exp(-g*SqDist(x,y))*b", POINTS);
    let instructions = |variables: &[usize]| {
        let gradients = formula.gradients(Reduction::Sum, true, variables);
        gradients.expect("derivatives")[0]
            .program
            .pair
            .instructions()
    };
    let (x, g, both) = (
        instructions(&[0]),
        instructions(&[3]),
        instructions(&[0, 3]),
    );
    assert!(both <= x.max(g) + 3, "{x} and {g}, together {both}");
}

/// A macro runs on a stack of the compiler's, and so deep are the formulas that the compiler builds by itself.
#[test]
fn formulas_of_many_components_need_little_stack() {
    let compile = || {
        for (text, variables) in [
            ("GradMatrix(x*x,x)", "x:i600"),
            ("Divergence(x*y,x)", "x:i2000 y:j2000"),
            ("Laplacian(Exp(-SqDist(x,y)),x)", "x:i500 y:j500"),
            ("GradMatrix(MatVecMult(A,b),b)", "A:p90000 b:j300"),
            ("Grad(MatVecMult(A,b),A,e)", "A:p1000000 b:j2000 e:i500"),
            ("SoftDTW_SqDist(x,y,g)", "x:i25 y:j40 g:p1"),
            ("Grad(BSpline(k,x,3),k,e)", "k:p150 x:i1 e:i146"),
        ] {
            let program = formula(text, variables).program();
            assert!(program.dim > 0, "{text}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let thread = thread.spawn(compile).expect("a thread");
    thread
        .join()
        .expect("no panic, and no overflow of the stack");
}

/// Divergences of elementwise operations are one loop, whatever the dimension.
#[test]
fn laplacians_do_not_grow_with_the_dimension() {
    for text in [
        "Laplacian(Exp(-SqDist(x,y)),x)",
        "Laplacian(Inv(1+Norm2(x-y)),x)",
        "Divergence(x*Exp(-SqDist(x,y))*y,x)",
        "Grad(Laplacian(Exp(-SqDist(x,y)),x),y)",
    ] {
        let size = |dim: usize| {
            let program = formula(text, &format!("x:i{dim} y:j{dim}")).program();
            keops_compiler::emit::cuda_functions(&program)
                .lines()
                .count()
        };
        assert!(
            size(1000) <= size(200),
            "{text}: {} {}",
            size(200),
            size(1000)
        );
        assert!(size(1000) < 200, "{text}: {}", size(1000));
    }
}

/// Products use each value twice only where the structure proves it; samples can miss where a formula is not symmetric.
#[test]
fn symmetry_is_proven_for_the_kernels_in_use() {
    let proven = |text: &str| match formula(text, "x:i3 y:j3 g:p1").symmetry() {
        Symmetry::Symmetric(exchange) => exchange.proven,
        Symmetry::Asymmetric(reason) => panic!("{text}: {reason}"),
    };
    for kernel in [
        "Exp(-g*SqDist(x,y))",
        "Exp(-g*Norm2(x-y))",
        "Inv(1+g*SqNorm2(x-y))",
        "Square(1+g*(x|y))",
        "Exp(-g*Sum(Abs(x-y)))",
        "Exp(-WeightedSqDist(g,x,y))",
        "(1+g*Norm2(x-y))*Exp(-g*Norm2(x-y))",
        "Exp(-Sum(Square((x-y)/g)))",
        "Matern(g*SqDist(x,y),1.5)",
    ] {
        assert!(proven(kernel), "{kernel}");
        // And for systems, with right-hand sides of one column and of several.
        for dim in [1, 2] {
            let system = formula(&format!("{kernel}*b"), &format!("x:i3 y:j3 b:j{dim} g:p1"));
            let system = system.solve(None, Evidence::Proof, Span::new(0, 1));
            assert!(
                system.is_ok_and(|system| system.symmetry.proven),
                "{kernel}, {dim}"
            );
        }
    }
    assert!(!proven("Exp(-SqDist(x,y))*(1+Step(Elem(x-y,0)-1e9))"));
}

#[test]
fn operators_are_linear_formulas() {
    let made = |text: &str| {
        let tree = parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
        Formula::new(&tree, &aliases(POINTS), &[]).map(|_| ())
    };
    // The zero vector is linear in anything, and its trace is 0; a constant is not, and has no trace.
    for text in [
        "TraceOperator(g*x, x)",
        "TraceOperator(Zero(2), x)",
        "TraceOperator(y - y, x)",
    ] {
        assert!(made(text).is_ok(), "{text}");
    }
    for text in [
        "TraceOperator(y, x)",
        "AdjointOperator(y, x, b)",
        "SumLinOperator(y, x)",
        "TraceOperator(x + y, x)",
        "TraceOperator(x*x, x)",
    ] {
        let error = made(text).expect_err(text);
        assert!(
            error.message().contains("not linear"),
            "{text}: {}",
            error.message()
        );
    }
}

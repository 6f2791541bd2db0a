use keops_compiler::{alias::Category, reduction::Reduction};

use super::*;
use crate::closure::tests::Table;

fn parse(called: Macro, tokens: &str) -> syn::Result<Input> {
    Input::parse(called, format!("krate; {tokens}").parse()?)
}

fn aliases(tokens: &str) -> Vec<(String, Category, usize)> {
    let input = parse(Macro::Genred, tokens).unwrap();
    input
        .aliases
        .into_iter()
        .map(|alias| (alias.name, alias.category, alias.dim))
        .collect()
}

/// The text that an error points at, and its message.
fn mistake(called: Macro, tokens: &str) -> (String, String) {
    let Err(error) = parse(called, tokens) else {
        panic!("accepted: {tokens}")
    };
    (
        error.span().source_text().unwrap_or_default(),
        error.to_string(),
    )
}

#[test]
fn text_form() {
    let input = parse(
        Macro::Genred,
        r#""x*y", x = Vi(3), y = Vj(2), g = Pm(1), axis = 1,"#,
    )
    .unwrap();
    assert_eq!(input.root.to_string(), "krate");
    assert!(input.head.is_none());
    assert!(matches!(&input.formula, FormulaTokens::Text(text) if text.value() == "x*y"));
    let aliases: Vec<_> = input.aliases.iter().map(Alias::to_compiler).collect();
    let declared: Vec<_> = aliases
        .iter()
        .map(|a| (a.name.as_str(), a.category, a.dim))
        .collect();
    assert_eq!(
        declared,
        [
            ("x", Category::I, 3),
            ("y", Category::J, 2),
            ("g", Category::Param, 1)
        ]
    );
    assert_eq!(input.options.axis.unwrap().0, Axis::J);
}

#[test]
fn closure_form() {
    let input = parse(Macro::Lazy, "|x: Vi(1), y: Vj(1),| (x - y) * s").unwrap();
    let mut captures = Captures::default();
    let formula = input.read_formula(&mut captures, &Table).unwrap();
    assert_eq!(formula.tree.to_string(), "(x - y)*$0");
    assert!(input.read_weights(&mut captures, &Table).unwrap().is_none());
}

#[test]
fn item_form() {
    let tokens = r#"/// Solves.
        #[derive(Clone)] pub(crate) Solve: "x", x = Vi(1)"#;
    let head = parse(Macro::KernelSolve, tokens).unwrap().head.unwrap();
    assert_eq!(
        (head.attributes.len(), head.name.to_string().as_str()),
        (2, "Solve")
    );
    assert!(matches!(head.visibility, Visibility::Restricted(_)));

    let private = parse(Macro::Lazy, "Matrix: |x: Vi(1)| x")
        .unwrap()
        .head
        .unwrap();
    assert!(matches!(private.visibility, Visibility::Inherited));
}

#[test]
fn positions_permute_the_aliases() {
    let i = Category::I;
    assert_eq!(
        aliases(r#""a", c = Vi(2, 5), a = Vi(0, 3), b = Vi(1, 4)"#),
        [("a".into(), i, 3), ("b".into(), i, 4), ("c".into(), i, 5)]
    );
}

#[test]
fn a_variable_may_have_any_name() {
    let expected = ["axis", "var", "in", "lambda", "Exp"];
    let names =
        aliases(r#""x", axis = Vi(1), var = Vj(2), in = Pm(1), lambda = Pm(2), Exp = Vi(1)"#);
    assert_eq!(
        names.into_iter().map(|(name, ..)| name).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(aliases("|var: Vi(1)| var")[0].0, "var");
    let input = parse(Macro::Genred, r#""x", axis = Vi(1), axis = 0"#).unwrap();
    assert_eq!(
        (input.aliases.len(), input.options.axis.unwrap().0),
        (1, Axis::I)
    );
}

#[test]
fn options() {
    let tokens = r##""x", x = Vi(1), b = Vj(1), reduction = KMinArgKMin(3), weights = r#"b"#, grad = [b, x]"##;
    let input = parse(Macro::Genred, tokens).unwrap();
    assert_eq!(
        input.options.reduction.as_ref().unwrap().0,
        Reduction::KMinArgKMin(3)
    );
    let grad = input.options.grad.as_ref().unwrap();
    assert_eq!(
        grad.iter()
            .map(|x| input.index_of(x).unwrap())
            .collect::<Vec<_>>(),
        [1, 0]
    );
    let weights = input
        .read_weights(&mut Captures::default(), &Table)
        .unwrap();
    assert_eq!(weights.unwrap().tree.to_string(), "b");

    let input = parse(
        Macro::KernelSolve,
        r#""x", assume_symmetric, b = Vj(1), var = b"#,
    )
    .unwrap();
    assert!(input.options.assume_symmetric.is_some());
    assert_eq!(
        input
            .index_of(input.options.variable.as_ref().unwrap())
            .unwrap(),
        0
    );
}

#[test]
fn closures_share_their_captures_with_the_weights() {
    let tokens = "|x: Vi(1), y: Vj(1)| x * s + t, weights = t * y, reduction = LogSumExp";
    let input = parse(Macro::Genred, tokens).unwrap();
    let mut captures = Captures::default();
    input.read_formula(&mut captures, &Table).unwrap();
    let weights = input.read_weights(&mut captures, &Table).unwrap().unwrap();
    assert_eq!(weights.tree.to_string(), "$1*y");
    assert_eq!(captures.exprs().len(), 2);
}

#[test]
fn mistakes() {
    use Macro::{Genred, KernelSolve, Lazy};
    let form = "a variable is declared as `Vi(dim)`, `Vj(dim)` or `Pm(dim)`";
    for (called, tokens, place, message) in [
        (
            Genred,
            "3",
            "3",
            "expected a formula: a string literal, or a closure such as `|x: Vi(3), y: Vj(3)| x.sqdist(y)`",
        ),
        (
            Genred,
            "|| 3",
            "|",
            "a formula needs variables: `|x: Vi(3), y: Vj(3)| ...`",
        ),
        (
            Genred,
            "move |x: Vi(1)| x",
            "move",
            "leave out `move`: a formula captures values in any case",
        ),
        (Genred, "|x| x", "x", &format!("expected `x: ...`; {form}")),
        (
            Genred,
            "|x: Vi(1)| x, y = Vj(1)",
            "y",
            "the variables of a closure are its parameters; declare it there",
        ),
        (
            Genred,
            r#""x", x = Vk(3)"#,
            "Vk",
            "unknown category `Vk`\n  help: a variable is declared as `Vi(dim)`, `Vj(dim)` or `Pm(dim)`",
        ),
        (
            Genred,
            r#""x", x = vi(3)"#,
            "vi",
            "unknown category `vi`\n  help: did you mean `Vi`?",
        ),
        (
            Genred,
            r#""x", x = Vi()"#,
            "()",
            "`Vi` needs a dimension: `Vi(3)`",
        ),
        (
            Genred,
            r#""x", x = Vi(0)"#,
            "0",
            "the dimension of `x` must be at least 1",
        ),
        (
            Genred,
            r#""x", x = Vi(-1)"#,
            "-1",
            "the dimension must not be negative",
        ),
        (
            Genred,
            r#""x", x = Vi(D)"#,
            "D",
            "the dimension must be an integer literal\n  help: a macro is expanded before constants have values",
        ),
        (
            Genred,
            r#""x", x = Vi(2.5)"#,
            "2.5",
            "the dimension must be an integer literal",
        ),
        (
            Genred,
            r#""x", x = Vi(3f32)"#,
            "3f32",
            "the dimension must be an integer literal",
        ),
        (
            Genred,
            r#""x", x = Vi(99999999999999999999999)"#,
            "99999999999999999999999",
            "the dimension is too large",
        ),
        (
            Genred,
            r#""x", x = Vi(0, 1, 2)"#,
            ",",
            "`Vi` takes a dimension, or a position and a dimension",
        ),
        (
            Genred,
            r#""x", x = Vi(1), x = Vj(1)"#,
            "x",
            "`x` is declared twice",
        ),
        (
            Genred,
            r#""x", x = Vi(0, 1), y = Vj(1)"#,
            "y",
            "`y` has no position, but others have; write positions for all variables or for none",
        ),
        (
            Genred,
            r#""x", x = Vi(0, 1), y = Vj(0, 1)"#,
            "0",
            "position 0 is taken by `x`",
        ),
        (
            Genred,
            r#""x", x = Vi(0, 1), y = Vj(2, 1)"#,
            "2",
            "there is no position 2: the positions of 2 variables are 0 to 1",
        ),
        (
            Genred,
            r#""x", reductoin = Sum"#,
            "reductoin",
            "unknown option `reductoin`\n  help: did you mean `reduction`?",
        ),
        (
            Genred,
            r#""x", reductoin = KMin(3)"#,
            "reductoin",
            "unknown option `reductoin`\n  help: did you mean `reduction`?",
        ),
        (
            Genred,
            r#""x", x = Vi(1000000000), axis = 1"#,
            "1000000000",
            "the dimension of `x` may be at most 1048576",
        ),
        (
            Genred,
            r#""x", axis = 1, formula2 = "y""#,
            "formula2",
            "unknown option `formula2`\n  help: KeOps' `formula2` is `weights = \"..\"` here",
        ),
        (
            Genred,
            r#""x", axis = 1, sum_scheme = Kahan"#,
            "sum_scheme",
            "unknown option `sum_scheme`\n  help: this is said at each call, behind `bind(..)`: `.sum_scheme(SumScheme::Kahan)`",
        ),
        (
            KernelSolve,
            r#""x", alpha = 0.1"#,
            "alpha",
            "unknown option `alpha`\n  help: this is said at each call, behind `bind(..)`: `.alpha(0.1)`",
        ),
        (
            Genred,
            r#""x", alpha = 0.1"#,
            "alpha",
            "unknown option `alpha`\n  help: the options of `genred!` are `reduction`, `axis`, `weights`, `grad`",
        ),
        (
            Lazy,
            r#""x", foo = 3"#,
            "foo",
            "unknown option `foo`\n  help: the options of `lazy!` are `assume_symmetric`",
        ),
        (
            Lazy,
            r#""x", foo"#,
            "foo",
            "unknown option `foo`\n  help: the options of `lazy!` are `assume_symmetric`",
        ),
        (
            Lazy,
            r#""x", axis = 1"#,
            "axis",
            "`lazy!` has no option `axis`\n  help: it has `assume_symmetric`",
        ),
        (
            KernelSolve,
            r#""x", reduction = Sum"#,
            "reduction",
            "`kernel_solve!` has no option `reduction`\n  help: it has `var`, `axis`, `assume_symmetric`, `grad`",
        ),
        (
            Genred,
            r#""x", axis = 1, axis = 1"#,
            "axis",
            "`axis` is given twice",
        ),
        (Genred, r#""x", axis"#, "axis", "expected `axis = ...`"),
        (
            Genred,
            r#""x", axis = 2"#,
            "2",
            "expected `axis = 1`, which reduces over j and gives one row per i, or `axis = 0`, the reverse",
        ),
        (
            Genred,
            r#""x", axis = i"#,
            "i",
            "the axis must be an integer literal\n  help: a macro is expanded before constants have values",
        ),
        (
            Genred,
            r#""x", reduction = "Sum""#,
            "\"Sum\"",
            "expected the name of a reduction: `reduction = Sum`",
        ),
        (
            Genred,
            r#""x", reduction = Min_ArgMin"#,
            "Min_ArgMin",
            "unknown reduction `Min_ArgMin`\n  help: did you mean `MinArgMin`?",
        ),
        (
            Genred,
            r#""x", reduction = KMin"#,
            "KMin",
            "`KMin` needs a number of values: `KMin(3)`",
        ),
        (
            Genred,
            r#""x", "x = Vi(2)", axis = 1"#,
            r#""x = Vi(2)""#,
            "a variable is declared without quotes: x = Vi(2)",
        ),
        (
            Genred,
            r#""x", reduction = KMin(0)"#,
            "0",
            "the number of values must be at least 1",
        ),
        (
            Genred,
            r#""x", reduction = KMin(3, 4)"#,
            ",",
            "`KMin` takes one number",
        ),
        (
            Genred,
            r#""x", reduction = Sum(3)"#,
            "Sum",
            "`Sum` takes no argument",
        ),
        (
            KernelSolve,
            r#""x", assume_symmetric = true"#,
            "=",
            "`assume_symmetric` takes no value",
        ),
        (
            KernelSolve,
            r#""x", x = Vi(1), var = y"#,
            "y",
            "unknown variable `y`\n  help: the variables are x",
        ),
        (
            KernelSolve,
            r#""x", beta = Vi(1), var = bta"#,
            "bta",
            "unknown variable `bta`\n  help: did you mean `beta`?",
        ),
        (
            KernelSolve,
            r#""x", x = Vi(1), var = "x""#,
            "\"x\"",
            "expected the name of a variable",
        ),
        (
            Genred,
            r#""x", x = Vi(1), grad = x"#,
            "x",
            "expected a list of variables: `grad = [x, b]`",
        ),
        (
            Genred,
            r#""x", x = Vi(1), grad = []"#,
            "[]",
            "expected a list of variables: `grad = [x, b]`",
        ),
        (
            Genred,
            r#""x", x = Vi(1), grad = [x, x]"#,
            "x",
            "`x` is named twice",
        ),
    ] {
        assert_eq!(
            mistake(called, tokens),
            (place.to_owned(), message.to_owned()),
            "{tokens}"
        );
    }
}

#[test]
fn mistakes_in_text_are_drawn_below_the_formula() {
    let input = parse(Macro::Genred, r#""Exp(-g*x^2)", x = Vi(1)"#).unwrap();
    let error = input
        .read_formula(&mut Captures::default(), &Table)
        .err()
        .unwrap();
    let expected = "\
expected an operator, `,` or `)`, found `^`
    Exp(-g*x^2)
            ^
  help: a power is written `x**2` or `Pow(x, 2)`";
    // With a compiler that can point into a literal, the error does; without, it draws.
    match error.span().source_text().unwrap().as_str() {
        "^" => assert!(expected.starts_with(error.to_string().lines().next().unwrap())),
        literal => assert_eq!(
            (literal, error.to_string().as_str()),
            (r#""Exp(-g*x^2)""#, expected)
        ),
    }
}

//! Formulas as text: what they parse to, how they print, and what is said about mistakes.

use keops_compiler::{
    ast::{BinaryOp, Expr, ExprKind, MAX_HEIGHT, MAX_TERMS, Span},
    parse::parse,
};
use proptest::prelude::*;

/// The tree with every operator spelt out, so that grouping shows.
fn tree(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(tree).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        ExprKind::Number {
            value,
            integer: None,
        } => format!("{value:?}"),
        ExprKind::Number {
            integer: Some(integer),
            ..
        } => integer.to_string(),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Neg(body) => format!("(neg {})", tree(body)),
        ExprKind::Binary {
            op, left, right, ..
        } => {
            format!("({} {} {})", op.symbol(), tree(left), tree(right))
        }
        ExprKind::Call { name, args, .. } => format!("{name}({})", list(args)),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Let { .. } | ExprKind::Capture(_) => unreachable!("not in text"),
    }
}

#[test]
fn precedence_is_that_of_python() {
    for (formula, expected) in [
        ("a+b*c", "(+ a (* b c))"),
        ("a-b-c", "(- (- a b) c)"),
        ("a/b*c", "(* (/ a b) c)"),
        ("a**b**c", "(** a (** b c))"),
        ("-x**2", "(neg (** x 2))"),
        ("(-x)**2", "(** (neg x) 2)"),
        ("2**-x", "(** 2 (neg x))"),
        ("2**-x*y", "(* (** 2 (neg x)) y)"),
        ("2**-x**y", "(** 2 (neg (** x y)))"),
        ("2**--x", "(** 2 (neg (neg x)))"),
        ("-a*b", "(* (neg a) b)"),
        ("a*-b", "(* a (neg b))"),
        ("a - -b", "(- a (neg b))"),
        ("x-y|x-y", "(| (- x y) (- x y))"),
        ("2*x|y", "(| (* 2 x) y)"),
        ("a|b|c", "(| (| a b) c)"),
        ("x|y<5", "(< (| x y) 5)"),
        ("a+1>=-b", "(>= (+ a 1) (neg b))"),
        ("(a<b)==(b<c)", "(== (< a b) (< b c))"),
        ("a != b", "(!= a b)"),
        ("a<-b", "(< a (neg b))"),
        (
            "Exp(-g*SqDist(x,y))*b",
            "(* Exp((* (neg g) SqDist(x y))) b)",
        ),
    ] {
        assert_eq!(tree(&parse(formula).unwrap()), expected, "{formula}");
    }
}

#[test]
fn operands() {
    for (formula, expected) in [
        ("2", "2"),
        ("007", "7"),
        ("1_000", "1000"),
        ("2.", "2.0"),
        (".5", "0.5"),
        ("0.1", "0.1"),
        ("1e-3", "0.001"),
        ("2E+2", "200.0"),
        ("5.e1", "50.0"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9.223372036854776e18"),
        ("16777217", "16777217"),
        ("σ_2 * été", "(* σ_2 été)"),
        ("f()", "f()"),
        ("f(x,)", "f(x)"),
        (
            "f(x, [2,3], (4,5,), (6,), (7), [], ())",
            "f(x [2 3] [4 5] [6] 7 [] [])",
        ),
        ("Ind(2,3)", "[2 3]"),
        ("Elem (x, 3)", "Elem(x 3)"),
        (" \n\tExp (\n  x\r\n)\n", "Exp(x)"),
        ("((((x))))", "x"),
    ] {
        assert_eq!(tree(&parse(formula).unwrap()), expected, "{formula}");
    }
}

#[test]
fn spans() {
    let expr = parse(" (a + bc) * Exp( x ) ").unwrap();
    assert_eq!(expr.span, Span::new(1, 20));
    let ExprKind::Binary {
        op: BinaryOp::Mul,
        op_span,
        left,
        right,
    } = expr.kind
    else {
        panic!()
    };
    assert_eq!(
        (op_span, left.span, right.span),
        (Span::new(10, 11), Span::new(1, 9), Span::new(12, 20))
    );
    let ExprKind::Call {
        name_span, args, ..
    } = right.kind
    else {
        panic!()
    };
    assert_eq!(
        (name_span, args[0].span),
        (Span::new(12, 15), Span::new(17, 18))
    );
}

/// Formula and caret line, message, help.
const ERRORS: &[(&str, &str, &str, &str)] = &[
    ("", "^", "the formula is empty", ""),
    ("Exp(x", "   ^", "this `(` is never closed", ""),
    ("f(x, [2, 3", "     ^", "this `[` is never closed", ""),
    ("(a + b", "^", "this `(` is never closed", ""),
    (
        "(a]",
        "  ^",
        "expected an operator, `,` or `)`, found `]`",
        "",
    ),
    ("a + b)", "     ^", "this `)` closes nothing", ""),
    (
        "a +",
        "   ^",
        "expected an operand, but the formula ends",
        "",
    ),
    ("a + * b", "    ^", "expected an operand, found `*`", ""),
    ("f(,)", "  ^", "expected an operand, found `,`", ""),
    ("f(x,,y)", "    ^", "expected an operand, found `,`", ""),
    (
        "x y",
        "  ^",
        "expected an operator or the end of the formula, found `y`",
        "",
    ),
    (
        "x, y",
        " ^",
        "expected an operator or the end of the formula, found `,`",
        "",
    ),
    (
        "f(x y)",
        "    ^",
        "expected an operator, `,` or `)`, found `y`",
        "",
    ),
    ("x $ y", "  ^", "unknown character `$`", ""),
    ("x*\u{7}", "  ^", "unknown character `\\u{7}`", ""),
    (
        "2x",
        "^^",
        "`2x` is not a number",
        "a product is written with its operator, `x*y`",
    ),
    ("1.2.3", "^^^^^", "`1.2.3` is not a number", ""),
    (
        "1e999",
        "^^^^^",
        "this number is beyond the range of double precision",
        "",
    ),
    (
        "x^2",
        " ^",
        "expected an operator or the end of the formula, found `^`",
        "a power is written `x**2` or `Pow(x, 2)`",
    ),
    (
        "f(x²)",
        "   ^",
        "expected an operator, `,` or `)`, found `²`",
        "a square is written `x**2` or `Square(x)`",
    ),
    (
        "x//2",
        " ^^",
        "expected an operator, found `//`",
        "the quotient rounded down is written `Floor(x/y)`",
    ),
    (
        "x % 2",
        "  ^",
        "expected an operator or the end of the formula, found `%`",
        "the remainder is written `Mod(x, n, d)`",
    ),
    (
        "f(x = 2)",
        "    ^",
        "expected an operator, `,` or `)`, found `=`",
        "elementwise equality is written `==`",
    ),
    (
        "a || b",
        "  ^^",
        "expected an operator, found `||`",
        "where one of two conditions holds is written `(a < b) + (b < c) > 0`",
    ),
    (
        "a and b",
        "  ^^^",
        "expected an operator or the end of the formula, found `and`",
        "where both conditions hold is written as a product, `(a < b)*(b < c)`",
    ),
    (
        "a*!b",
        "  ^",
        "expected an operand, found `!`",
        "where a condition does not hold is written `1 - (a < b)`",
    ),
    (
        "a*+b",
        "  ^",
        "expected an operand, found `+`",
        "a sign `+` has no effect; leave it out",
    ),
    (
        "x[3]",
        " ^",
        "expected an operator or the end of the formula, found `[`",
        "a component is written `Elem(x, 3)`, a part `Extract(x, start, length)`",
    ),
    (
        "x.exp()",
        " ^",
        "expected an operator or the end of the formula, found `.`",
        "an operation is called as `Exp(x)`",
    ),
    (
        "(a)(b)",
        "   ^",
        "expected an operator or the end of the formula, found `(`",
        "a product is written with its operator, `x*y`",
    ),
    (
        "a<b<c",
        "   ^",
        "comparisons do not chain",
        "where both conditions hold is written as a product, `(a < b)*(b < c)`",
    ),
    (
        "a == b != c",
        "       ^^",
        "comparisons do not chain",
        "where both conditions hold is written as a product, `(a < b)*(b < c)`",
    ),
];

#[test]
fn mistakes() {
    for (formula, carets, message, help) in ERRORS {
        let help = if help.is_empty() {
            String::new()
        } else {
            format!("\n  help: {help}")
        };
        let expected = format!("{message}\n    {formula}\n    {carets}{help}");
        assert_eq!(parse(formula).unwrap_err().render(formula), expected);
    }
}

#[test]
fn a_mistake_on_its_line() {
    let formula = "\n    Exp(-g * SqDist(x, y)\n        * ^ b)\n    ";
    let expected = "\
expected an operand, found `^`
    * ^ b)
      ^
  help: a power is written `x**2` or `Pow(x, 2)`";
    assert_eq!(parse(formula).unwrap_err().render(formula), expected);
}

#[test]
fn depth_is_limited_and_breadth_is_not() {
    let deep: [fn(usize) -> String; 6] = [
        |n| format!("{}x{}", "(".repeat(n), ")".repeat(n)),
        |n| format!("{}x{}", "f(".repeat(n), ")".repeat(n)),
        |n| format!("{}x", "-".repeat(n)),
        |n| format!("x{}", "*x".repeat(n)),
        |n| format!("x{}", "**x".repeat(n)),
        |n| format!("{}x{}", "[a|b+c*-x**(".repeat(n / 6), ")]".repeat(n / 6)),
    ];
    for formula in deep {
        assert!(parse(&formula(MAX_HEIGHT - 10)).is_ok());
        for n in [MAX_HEIGHT * 5, 100_000] {
            let error = parse(&formula(n)).unwrap_err();
            assert_eq!(
                error.message(),
                "the formula is nested more than 256 levels deep"
            );
        }
    }
    assert!(parse(&format!("f(x{})", ",x".repeat(100_000))).is_ok());
    // The terms of a sum stand on one level.
    for term in ["+x*x", "-x"] {
        let sum = |n: usize| format!("x{}", term.repeat(n - 1));
        let tree = parse(&sum(MAX_TERMS)).unwrap().to_string();
        assert_eq!(parse(&tree).unwrap().to_string(), tree);
        // Parentheses around the first terms do not make it less of a sum.
        let around = |n: usize| format!("({}){}", sum(n), term.repeat(n));
        assert!(parse(&around(MAX_TERMS / 2)).is_ok());
        for n in [MAX_TERMS + 1, 100_000] {
            for sum in [sum(n), around(n / 2 + 1)] {
                let error = parse(&sum).unwrap_err();
                assert_eq!(error.message(), "a sum of more than 4096 terms");
            }
        }
    }
    // Unclosed, and of one kind: no diagnosis may cost more than one pass.
    assert!(parse(&"(".repeat(200)).is_err());
    assert!(parse(&"f(a,".repeat(200)).is_err());
}

fn leaf() -> impl Strategy<Value = ExprKind> {
    prop_oneof![
        (0..=i64::MAX).prop_map(|n| ExprKind::Number {
            value: n as f64,
            integer: Some(n)
        }),
        (0.0..f64::MAX).prop_map(|value| ExprKind::Number {
            value,
            integer: None
        }),
        (0u64..0x7ff0_0000_0000_0000).prop_map(|bits| ExprKind::Number {
            value: f64::from_bits(bits),
            integer: None
        }),
        "[a-zA-Zσ_][a-z0-9_é]{0,4}".prop_map(ExprKind::Name),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let at = |kind| Expr::new(kind, Span::default());
    leaf().prop_map(at).prop_recursive(8, 64, 3, move |inner| {
        let several = prop::collection::vec(inner.clone(), 0..4);
        let op = prop::sample::select(&BinaryOp::ALL[..]);
        prop_oneof![
            1 => inner.clone().prop_map(move |body| at(ExprKind::Neg(Box::new(body)))),
            3 => (op, inner.clone(), inner).prop_map(move |(op, left, right)| {
                at(ExprKind::Binary { op, op_span: Span::default(), left: Box::new(left), right: Box::new(right) })
            }),
            1 => ("[A-Z][a-z]{3}", several.clone()).prop_map(move |(name, args)| {
                at(ExprKind::Call { name, name_span: Span::default(), args })
            }),
            1 => several.prop_map(move |items| at(ExprKind::List(items))),
        ]
    })
}

/// Strings made of the language's own tokens, which get further into the grammar than random characters do.
fn token_soup() -> impl Strategy<Value = String> {
    let tokens = [
        "(", ")", "[", "]", ",", "+", "-", "*", "/", "**", "|", "<", "<=", "==", "!=", "x", "Exp",
        "Ind", "σ", "2", ".5", "1e", "=", "//", "^", " ", "\n", "²", "!", ".", "and",
    ];
    prop::collection::vec(prop::sample::select(tokens.to_vec()), 0..40)
        .prop_map(|tokens| tokens.concat())
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = parse(text) {
        let span = error.span();
        prop_assert!(span.start <= span.end && span.end <= text.len());
        prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
        prop_assert!(error.render(text).contains('^'));
    }
    Ok(())
}

proptest! {
    #[test]
    fn printing_and_parsing_are_inverse(expr in expr()) {
        let text = expr.to_string();
        let parsed = parse(&text).map_err(|error| TestCaseError::fail(error.render(&text)))?;
        prop_assert_eq!(tree(&parsed), tree(&expr));
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".*") {
        survives(&text)?;
    }

    #[test]
    fn any_tokens_are_parsed_or_refused(text in token_soup()) {
        survives(&text)?;
    }
}

#[test]
fn printing_writes_no_needless_parentheses() {
    for formula in [
        "Exp(-g*SqDist(x, y))*b",
        "(x - y | x - y) < 5",
        "x - y | x - y",
        "a - (b - c) - d",
        "a/(b*c)*d",
        "(a**b)**c**d",
        "(-x)**2 + -x**2 + 2**-x**-y",
        "(a < b) + c",
        "TensorDot(x, y, [2, 3], [3], [], 0.5)",
    ] {
        let printed = parse(formula).unwrap().to_string();
        assert_eq!(
            tree(&parse(&printed).unwrap()),
            tree(&parse(formula).unwrap())
        );
        let parentheses = |text: &str| text.matches('(').count();
        assert!(parentheses(&printed) <= parentheses(formula), "{printed}");
    }
    assert_eq!(
        parse("((x-y)|(x-y))<5").unwrap().to_string(),
        "x - y | x - y < 5"
    );
    assert_eq!(parse("(((a*b))*(c))").unwrap().to_string(), "a*b*c");
}

use super::*;
use proptest::prelude::*;

/// A few operations, called as the real table has them.
pub(crate) struct Table;

const OPERATIONS: [(&str, &str); 10] = [
    ("exp", "Exp"),
    ("sqdist", "SqDist"),
    ("sqnorm2", "SqNorm2"),
    ("pow", "Pow"),
    ("powi", "Pow"),
    ("powf", "Powf"),
    ("square", "Square"),
    ("ifelse", "IfElse"),
    ("mod", "Mod"),
    ("tensordot", "TensorDot"),
];

impl Operations for Table {
    fn find(&self, name: &str) -> Option<&'static str> {
        let known = |(method, operation): &&(&str, &str)| *method == name || *operation == name;
        OPERATIONS
            .iter()
            .find(known)
            .map(|(_, operation)| *operation)
    }

    fn method_names(&self) -> Vec<String> {
        OPERATIONS
            .iter()
            .map(|(method, _)| (*method).to_owned())
            .collect()
    }
}

fn read_body(body: &str) -> syn::Result<(Expr, Places, Captures)> {
    let mut captures = Captures::default();
    let parameters = ["x", "y", "g"].map(|name| {
        Name::of(&proc_macro2::Ident::new(
            name,
            proc_macro2::Span::call_site(),
        ))
    });
    let (expr, places) = read(&syn::parse_str(body)?, parameters, &mut captures, &Table)?;
    Ok((expr, places, captures))
}

#[test]
fn bodies_as_formulas() {
    for (body, expected) in [
        (
            "(-(x - y).sqnorm2() / (2.0 * g * g)).exp()",
            "Exp(-SqNorm2(x - y)/(2.0*g*g))",
        ),
        ("Exp(-g * x.sqdist(y))", "Exp(-g*SqDist(x, y))"),
        ("exp(x)", "Exp(x)"),
        ("-x.pow(2)", "-Pow(x, 2)"),
        ("x.powi(-2) + y.powf(0.5)", "Pow(x, -2) + Powf(y, 0.5)"),
        ("x.r#mod(2, 0)", "Mod(x, 2, 0)"),
        ("x - y | x - y", "x - y | x - y"),
        ("(x | y) < 5", "x | y < 5"),
        ("x >= y", "x >= y"),
        ("(x < y) == (x != y)", "(x < y) == (x != y)"),
        (
            "x.tensordot(y, [2, 3], (3,), Ind(1), [])",
            "TensorDot(x, y, [2, 3], [3], [1], [])",
        ),
        (
            "x[3] + y[1..4] * y[..2] - y[1..=2]",
            "Elem(x, 3) + Extract(y, 1, 3)*Extract(y, 0, 2) - Extract(y, 1, 2)",
        ),
        ("Unknown(x)", "Unknown(x)"),
        ("&x * (&y)", "x*y"),
        (
            "{ let r = x - y; let s = (r | r); { s.exp() } }",
            "{ let r = x - y; { let s = r | r; Exp(s) } }",
        ),
        ("{ let x = x * 2; x }", "{ let x = x*2; x }"),
        ("2 * x + 1_000 + 0x10", "2*x + 1000 + 16"),
        ("2.0_f32 + 1f64 + 3usize + 1e-3", "2.0 + 1.0 + 3 + 0.001"),
        ("9223372036854775808 * x", "9.223372036854776e18*x"),
    ] {
        let (expr, _, captures) = read_body(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(expr.to_string(), expected, "{body}");
        assert!(captures.exprs().is_empty(), "{body}");
    }
}

#[test]
fn captures_are_taken_once_each() {
    let body = "x * sigma + self.scale * y + sigma + std::f64::consts::PI + *t + (sigma) + &self.scale + w[k + 1]
        + (*t).exp() + config.kernel.1[0]";
    let (expr, _, captures) = read_body(body).unwrap();
    assert_eq!(
        expr.to_string(),
        "x*$0 + $1*y + $0 + $2 + $3 + $0 + $1 + $4 + Exp($3) + $5"
    );
    let texts: Vec<_> = captures
        .exprs()
        .iter()
        .map(|tokens| tokens.to_string().replace(' ', ""))
        .collect();
    let expected = [
        "sigma",
        "self.scale",
        "std::f64::consts::PI",
        "*t",
        "w[k+1]",
        "config.kernel.1[0]",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_let_hides_a_capture_only_where_it_holds() {
    let (expr, _, captures) = read_body("({ let s = s * 2; s }) + s").unwrap();
    assert_eq!(expr.to_string(), "{ let s = $0*2; s } + $0");
    assert_eq!(captures.exprs().len(), 1);
}

#[test]
fn spans_lead_to_tokens() {
    let (expr, places, _) = read_body("(x - y) * g.exp()").unwrap();
    let text = |span| {
        let [first, last] = places.get(span);
        first.join(last).unwrap().source_text().unwrap()
    };
    assert_eq!(text(expr.span), "(x - y) * g.exp()");
    let ExprKind::Binary {
        op_span,
        left,
        right,
        ..
    } = expr.kind
    else {
        panic!()
    };
    assert_eq!(text(op_span), "*");
    assert_eq!(text(left.span), "(x - y)");
    assert_eq!(text(right.span), "g.exp()");
    let ExprKind::Call { name_span, .. } = right.kind else {
        panic!()
    };
    assert_eq!(text(name_span), "exp");
    // An error of the compiler's own finds its way back too.
    let error = error_at(
        places.get(name_span),
        &Error::new(name_span, "wrong").help("right"),
    );
    assert_eq!(error.span().source_text().unwrap(), "exp");
    assert_eq!(error.to_string(), "wrong\n  help: right");
}

#[test]
fn mistakes() {
    const CAPTURE: &str = "\n  help: to capture a value, bind it with `let` before the closure";
    const LAST: &str = "\n  help: the formula is the last expression of the block, without `;`";
    for (body, place, message) in [
        ("x.sqdits(y)", "sqdits", "unknown operation `sqdits`\n  help: did you mean `sqdist`?".to_owned()),
        ("self.width() * x", "width", "unknown operation `width`\n  help: to capture the value of a call, bind it with `let` before the closure".to_owned()),
        ("x.exp::<f32>()", "::<f32>", "operations have no type arguments".to_owned()),
        ("f64::sqrt(2.0)", "f64::sqrt", "only operations of the formula language can be called in a formula\n  help: to capture the value of a call, bind it with `let` before the closure".to_owned()),
        ("if x { y } else { g }", "if", "a formula has no `if`\n  help: a choice is written `c.ifelse(a, b)`: a where c >= 0, b elsewhere".to_owned()),
        ("match x { _ => y }", "match", "a formula has no `match`\n  help: a choice is written `c.ifelse(a, b)`: a where c >= 0, b elsewhere".to_owned()),
        ("for i in 0..3 {}", "for", "a formula has no loops".to_owned()),
        ("x * n as f64", "as", format!("a formula has no casts{CAPTURE}")),
        ("x * value!()", "value!()", format!("a formula has no macros{CAPTURE}")),
        ("x ^ 2", "^", "`^` has no meaning in a formula\n  help: a power is written `x.pow(2)`".to_owned()),
        ("x % 2", "%", "`%` has no meaning in a formula\n  help: the remainder is written `Mod(x, n, d)`".to_owned()),
        ("x < y && y < g", "&&", "`&&` has no meaning in a formula\n  help: where both conditions hold is written as a product, `(a < b) * (b < c)`".to_owned()),
        ("!x", "!", "`!` has no meaning in a formula\n  help: where a condition does not hold is written `1 - (a < b)`".to_owned()),
        ("*x", "*", "only what is captured can be dereferenced\n  help: a power is written `x.pow(2)`".to_owned()),
        ("x ** 2", "*", "only what is captured can be dereferenced\n  help: a power is written `x.pow(2)`".to_owned()),
        ("x.exp", "exp", "the vectors of a formula have no fields\n  help: an operation is called as `.exp()`".to_owned()),
        ("x.0", "0", "the vectors of a formula have no fields\n  help: a component is written `x[0]`".to_owned()),
        ("x[a..4]", "a..4", "the bounds of a part must be integer literals\n  help: write `x[1..4]`: components 1, 2 and 3".to_owned()),
        ("x[1..]", "1..", "the bounds of a part must be integer literals\n  help: write `x[1..4]`: components 1, 2 and 3".to_owned()),
        ("x[3..3]", "3..3", "this part has no components".to_owned()),
        ("x + \"a\"", "\"a\"", "the constants of a formula are numbers".to_owned()),
        ("2.0abc", "2.0abc", "unknown suffix `abc`\n  help: numbers need none here".to_owned()),
        ("1e999", "1e999", "this number is beyond the range of double precision".to_owned()),
        ("{ let r = x; }", "{ let r = x; }", format!("the block ends without an expression{LAST}")),
        ("{ let r = x; r; }", ";", format!("the block ends without an expression{LAST}")),
        ("{ x; y }", "x;", "only `let` statements may come before a formula's last expression".to_owned()),
        ("{ let (a, b) = x; a }", "(a, b)", "a formula binds plain names: `let r = ...;`".to_owned()),
        ("{ let mut r = x; r }", "mut r", "a formula binds plain names: `let r = ...;`".to_owned()),
        ("{ let r: f64 = x; r }", "r: f64", "a formula binds plain names: `let r = ...;`".to_owned()),
        ("{ let r; r }", "let r;", "this name has no value".to_owned()),
        ("x = y", "x = y", "this has no meaning in a formula".to_owned()),
        ("x?", "x?", "this has no meaning in a formula".to_owned()),
    ] {
        let Err(error) = read_body(body) else { panic!("accepted: {body}") };
        let pointed = error.span().source_text().unwrap_or_default();
        assert_eq!((pointed.as_str(), error.to_string()), (place, message), "{body}");
    }
}

#[test]
fn depth_is_limited() {
    let product = |n: usize| format!("x{}", " * x".repeat(n));
    let lets = |n: usize| format!("{{ {} x }}", "let x = x + 1;".repeat(n));
    assert!(read_body(&product(MAX_HEIGHT - 1)).is_ok());
    assert!(read_body(&lets(MAX_HEIGHT - 3)).is_ok());
    for body in [
        product(MAX_HEIGHT),
        lets(MAX_HEIGHT),
        format!("{}x", "-".repeat(MAX_HEIGHT)),
    ] {
        let error = read_body(&body).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the formula is nested more than 256 levels deep"
        );
    }
    // The terms of a sum stand on one level.
    let sum = |n: usize| format!("x{}", " - x * x".repeat(n - 1));
    assert!(read_body(&sum(MOST_TERMS)).is_ok());
    let error = read_body(&sum(MOST_TERMS + 1)).err().unwrap();
    assert_eq!(error.to_string(), "a sum of more than 1024 terms");
}

proptest! {
    /// Of what is Rust, everything is a formula or refused with a message. The tokens are those of bodies that are read, and others.
    #[test]
    fn any_rust_is_read_or_refused(tokens in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..24)) {
        let body = tokens.join(" ");
        if syn::parse_str::<syn::Expr>(&body).is_ok()
            && let Err(error) = read_body(&body)
        {
            prop_assert!(!error.to_string().is_empty(), "{body}");
        }
    }
}

const TOKENS: [&str; 64] = [
    "x",
    "y",
    "g",
    "w",
    "x",
    "y",
    "x",
    "(",
    ")",
    "(",
    ")",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ";",
    ".exp()",
    ".exp()",
    ".sqdist(y)",
    ".pow(2)",
    ".ifelse(x, y)",
    ".unknown()",
    "Exp(",
    "SqDist(",
    "Ind(",
    "+",
    "-",
    "*",
    "/",
    "|",
    "<",
    ">=",
    "==",
    "&&",
    "!",
    "%",
    "^",
    "..",
    "..=",
    "=",
    "let r =",
    "let x =",
    "let mut",
    "if",
    "else",
    "match",
    "return",
    "as",
    "::",
    "'a",
    "2",
    "0.5",
    "1e999",
    "9223372036854775808",
    "0x1f",
    "1u8",
    "\"a\"",
    "true",
    "move |x|",
    "vec!",
    "&",
];
